"""Frames of a video with their places and damage heard, as a ratio to libav's plain decoding loop."""

import tempfile
import time
from pathlib import Path

import av
import numpy as np

from aukit.datasets.video import decode_video, encode_video, video_positions

FRAMES, HEIGHT, WIDTH, REPEATS = 200, 768, 1024, 3


def plain(path: Path, threads: str) -> int:
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = threads
        return sum(frame.to_ndarray(format="rgb24").shape[0] > 0 for frame in container.decode(video=0))


def seconds(function, *arguments) -> float:
    best = float("inf")
    for _ in range(REPEATS):
        began = time.perf_counter()
        function(*arguments)
        best = min(best, time.perf_counter() - began)
    return best


def main() -> None:
    texture = np.random.default_rng(0).integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
    image = texture.repeat(8, 0).repeat(8, 1)
    with tempfile.TemporaryDirectory() as folder:
        for ending in ("mp4", "avi"):
            path = Path(folder) / f"video.{ending}"
            encode_video(path, (np.roll(image, i, 1) for i in range(FRAMES)), fps=25)
            ours = seconds(lambda path=path: sum(1 for _ in decode_video(path)))
            index = seconds(video_positions, path)
            print(f"{ending}, {FRAMES} frames of {WIDTH} x {HEIGHT}: {FRAMES / ours:.0f} frames/s")
            for threads in ("SLICE", "AUTO"):
                base = seconds(plain, path, threads)
                print(f"  {ours / base:.2f} x the time of libav's loop, threads {threads}")
            print(f"  places alone: {1e3 * index / FRAMES:.2f} ms per frame, {index / ours:.1%} of it")


if __name__ == "__main__":
    main()

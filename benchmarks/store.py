"""Random batches from a prepared store against decoding single image files, in the same run.

    python benchmarks/store.py [--size 224] [--frames 2000] [--batch 64]

The crops are smooth noise, which PNG and JPEG compress about as well as faces. Both sides end in a uint8
batch.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

Batch = npt.NDArray[np.uint8]


def faces(count: int, size: int) -> Batch:
    """Images [count,size,size,3] with the smoothness of faces."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (count, 12, 12, 3), dtype=np.uint8)
    images = [cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC) for image in coarse]
    grain = rng.integers(0, 6, (size, size, 3), dtype=np.uint8)
    return np.stack([cv2.add(image, grain) for image in images])


def rate(
    read: Callable[[npt.NDArray[np.int64]], Batch], count: int, batch: int, seconds: float = 3.0
) -> float:
    """Frames per second of reading random batches."""
    rng = np.random.default_rng(1)
    read(rng.integers(0, count, batch))
    frames, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        frames += len(read(rng.integers(0, count, batch)))
    return frames / (time.perf_counter() - began)


def main() -> None:
    """Print frames per second of the store, PNG and JPEG, and the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=64)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = faces(options.frames, options.size)
        np.save(folder / "images.npy", images)
        for index, image in enumerate(images):
            for suffix, settings in ((".png", []), (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 90])):
                cv2.imwrite(str(folder / f"{index}{suffix}"), image[..., ::-1], settings)
        del images
        mapped = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)

        def decode(suffix: str) -> Callable[[npt.NDArray[np.int64]], Batch]:
            return lambda rows: np.stack(
                [cv2.imread(str(folder / f"{row}{suffix}"))[..., ::-1] for row in rows]
            )

        store = rate(lambda rows: np.asarray(mapped[rows]), options.frames, options.batch)
        print(
            f"crops of {options.size} x {options.size}, batches of {options.batch}, one thread, files cached"
        )
        print(f"prepared store: {store:10.0f} frames/s")
        for suffix in (".png", ".jpg"):
            single = rate(decode(suffix), options.frames, options.batch)
            print(f"single {suffix} files: {single:6.0f} frames/s   store / single = {store / single:.1f}")


if __name__ == "__main__":
    main()

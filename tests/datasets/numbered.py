"""Tiny videos whose frames bear their number, and the ways in which files of videos go wrong."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from aukit.datasets.video import Image

HEIGHT, WIDTH, BITS = 48, 64, 6


def picture(number: int) -> Image:
    """RGB [48, 64, 3]: the number as six black or white blocks above, a red square lower left."""
    texture = np.random.default_rng(1).integers(40, 160, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
    image = np.roll(texture.repeat(8, 0).repeat(8, 1), 3 * number, 1)
    for bit in range(BITS):
        image[4:16, 2 + 10 * bit : 10 + 10 * bit] = 230 if number >> bit & 1 else 20
    image[28:44, 4:20] = (200, 40, 40)
    return image


def number(image: Image) -> int:
    """The number that a picture bears."""
    grey = image.astype(float).mean(-1)
    return sum(1 << bit for bit in range(BITS) if grey[7:13, 4 + 10 * bit : 8 + 10 * bit].mean() > 125)


def write(
    path: Path,
    frames: int = 36,
    codec: str = "libx264",
    b_frames: int = 0,
    times: Iterable[int] | None = None,
    time_base: Fraction = Fraction(1, 25),
    key_every: int = 12,
    aspect: Fraction | None = None,
) -> Path:
    """Encode pictures 0, 1, … at 25 frames per second, or at the given times."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        context = stream.codec_context
        context.thread_count, context.gop_size, context.max_b_frames = 1, key_every, b_frames
        context.time_base = time_base
        if aspect:
            context.sample_aspect_ratio = aspect
        if codec == "mpeg4":
            context.options = {"qscale": "3"}
        for index, time in zip(range(frames), range(frames) if times is None else times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
            frame.pts, frame.time_base = time, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def remux(source: Path, path: Path, keep: Callable[[int], bool]) -> Path:
    """Copy the packets, counted in the order of decoding, that are to be kept; timestamps stay."""
    with av.open(str(source)) as read, av.open(str(path), "w") as written:
        video = read.streams.video[0]
        copy = written.add_stream_from_template(video)
        for index, packet in enumerate(p for p in read.demux(video) if p.size):
            if keep(index):
                packet.stream = copy
                written.mux(packet)
    return path


def packet_places(path: Path) -> list[tuple[int, int]]:
    """Offset and size of each packet, in the order of decoding."""
    with av.open(str(path)) as container:
        return [(p.pos, p.size) for p in container.demux(video=0) if p.size and p.pos is not None]


def overwrite(path: Path, start: int, content: bytes) -> Path:
    """Put bytes in the place of others."""
    data = bytearray(path.read_bytes())
    data[start : start + len(content)] = content
    path.write_bytes(data)
    return path

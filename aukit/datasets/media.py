"""Frames in and out, RGB uint8: video files, one frame at a time, and folders of numbered images."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from aukit.datasets.files import file_names
from aukit.errors import CorpusError
from aukit.utils.files import atomic_path

Image = npt.NDArray[np.uint8]

MAX_SIDE = 8192
"""Largest accepted width or height in pixels: a damaged or hostile file must not ask for all memory."""

_FORMATS = ("JPEG", "PNG")
# Five digits at most: an array by frame number must not need all memory because of one odd name.
_NUMBERED = re.compile(r"(0*\d{1,5})\.(?:jpg|jpeg|png)", re.IGNORECASE)


def count_frames(path: Path) -> int:
    """Number of coded frames, from the packets alone (no decoding; about 1 ms per 100 frames).

    A file that ends early counts as many frames as it still holds. Decoding may give fewer when packets are
    damaged.

    Raises:
        CorpusError: The file is missing, cannot be opened or holds no video.
    """
    count = 0
    with _open(path) as container:
        try:
            for packet in container.demux(container.streams.video[0]):
                count += packet.size > 0
        except av.error.FFmpegError:
            pass  # the file ends early: what came before is counted
    return count


def decode_video(path: Path) -> Iterator[tuple[int, Image]]:
    """Stream (position, frame [H, W, 3] RGB uint8), position counted from 0; one frame in memory at a time.

    The stream ends where the file is damaged; later frames are missing, and the caller counts them.

    Raises:
        CorpusError: The file is missing, cannot be opened, holds no video or frames larger than `MAX_SIDE`.
    """
    with _open(path) as container:
        stream = container.streams.video[0]
        if max(stream.width, stream.height) > MAX_SIDE:
            raise CorpusError(f"{path}: frames of {stream.width} x {stream.height} exceed {MAX_SIDE} pixels")
        stream.thread_type = "AUTO"
        frames = container.decode(stream)
        position = 0
        while True:
            try:
                frame = next(frames)
            except (StopIteration, av.error.FFmpegError):
                return
            yield position, frame.to_ndarray(format="rgb24")
            position += 1


def encode_video(path: Path, frames: Iterable[Image], fps: int, crf: int = 20) -> None:
    """Write RGB uint8 frames [H, W, 3] (even height and width) as mp4 or avi, by the path's suffix.

    The file appears whole or not at all.

    H.264 (x264) where PyAV brings it, MPEG-4 part 2 otherwise; one encoder thread and bit-exact flags, so
    that the same frames give the same bytes with the same library version. A smaller `crf` is a better
    picture (H.264 only).
    """
    h264 = "libx264" in av.codecs_available
    options = {"fflags": "+bitexact"}
    if path.suffix == ".mp4":
        options["movflags"] = "+faststart"
    with atomic_path(path) as temporary:
        container = av.open(str(temporary), "w", options=options)
        with container:
            stream = container.add_stream("libx264" if h264 else "mpeg4", rate=Fraction(fps))
            stream.pix_fmt = "yuv420p"
            stream.codec_context.thread_count = 1
            stream.codec_context.options = (
                {"crf": str(crf), "preset": "superfast", "flags": "+bitexact"}
                if h264
                else {"qscale": "3", "flags": "+bitexact"}
            )
            for position, image in enumerate(frames):
                if position == 0:
                    stream.height, stream.width = image.shape[:2]
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode())


def _open(path: Path) -> av.container.InputContainer:
    try:
        container = av.open(str(path))
    except (OSError, av.error.FFmpegError) as error:
        raise CorpusError(f"{path}: cannot be opened as a video ({error}); copy it again") from error
    if not container.streams.video:
        container.close()
        raise CorpusError(f"{path}: holds no video stream; copy it again")
    return container


def image_number(name: str) -> int | None:
    """Frame number of an image's file name, whatever its padding; None for other files."""
    match = _NUMBERED.fullmatch(name)
    return None if match is None else int(match[1])


def is_image(name: str) -> bool:
    """Whether a file's name is that of a numbered image."""
    return image_number(name) is not None


def list_images(root: Path, folder: str, follow_links: bool = False) -> dict[int, str]:
    """Frame number → name of the image, in order of the numbers; none where there is no such folder.

    Raises:
        CorpusError: Two images have the same number, or a link leads out of the root and is not to be
            followed.
    """
    numbers: dict[int, str] = {}
    for name in file_names(root, folder, follow_links):
        if (number := image_number(name)) is None:
            continue
        if number in numbers:
            raise CorpusError(
                f"{folder}: {numbers[number]} and {name} are the same frame; remove one of them"
            )
        numbers[number] = name
    return dict(sorted(numbers.items()))


def read_image(path: Path) -> Image:
    """Read a JPEG or PNG file as RGB uint8 [H, W, 3].

    Raises:
        CorpusError: The file is missing, damaged, of another format or larger than `MAX_SIDE` pixels a side.
    """
    try:
        with Pillow.open(path, formats=_FORMATS) as picture:
            if max(picture.size) > MAX_SIDE:
                raise ValueError(f"{picture.width} x {picture.height} pixels, at most {MAX_SIDE} a side")
            return np.array(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError) as error:
        raise CorpusError(f"{path}: cannot be read as an image ({error}); copy it again") from error


def read_image_if_whole(path: Path) -> Image | None:
    """Read an image as `read_image`; None where that is an error."""
    try:
        return read_image(path)
    except CorpusError:
        return None


def write_jpeg(path: Path, image: Image, quality: int = 92) -> None:
    """Write RGB uint8 [H, W, 3] as JPEG; the file appears whole or not at all."""
    with atomic_path(path) as temporary:
        Pillow.fromarray(image).save(temporary, "JPEG", quality=quality)

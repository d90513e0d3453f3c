"""Images in and out, RGB uint8, and folders of numbered ones."""

from __future__ import annotations

import io
import re
from pathlib import Path

import av
import numpy as np
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from aukit.datasets.files import file_names
from aukit.datasets.libav import MAX_SIDE, listening
from aukit.datasets.video import Image
from aukit.errors import CorpusError
from aukit.utils.files import atomic_path
from aukit.utils.outside import read_bytes

_MOST_BYTES = 2**28
_PNG = b"\x89PNG"
_ORIENTATION = 0x112
_TURNS = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}
"""What turns an image upright, by its EXIF orientation."""
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP")
ENDINGS = (".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".webp")
BESIDE = "._"
"""Begin of the names of files that macOS puts beside others on sticks and servers; they hold no picture."""
_DAMAGED_JPEG = re.compile(r"overread|error (count|dc|y=)|mjpeg_decode_d|bad vlc|huffman table decode error")
# Five digits at most: an array by frame number must not need all memory because of one odd name.
NUMBERED = re.compile(r"(0*\d{1,5})\.(?:jpg|jpeg|png)", re.IGNORECASE)
"""Names that are a frame number alone."""


def image_number(name: str, numbered: re.Pattern[str] = NUMBERED) -> int | None:
    """Frame number of an image's file name, whatever its padding; None for other files."""
    match = numbered.fullmatch(name)
    return None if match is None else int(match[1])


def is_picture(name: str) -> bool:
    """Whether a file is called like an image of a format that `read_image` reads."""
    return name.lower().endswith(ENDINGS) and not name.startswith(BESIDE)


def list_images(
    root: Path, folder: str, follow_links: bool = False, numbered: re.Pattern[str] = NUMBERED
) -> dict[int, str]:
    """Frame number → name of the image, in order of the numbers; none where there is no such folder.

    Args:
        root: Folder that the name belongs to.
        folder: Its name below the root.
        follow_links: Whether links are followed wherever they lead.
        numbered: Names of images; the first group is the number.

    Raises:
        CorpusError: Two images have the same number, or a link leads out of the root and is not to be
            followed.
    """
    numbers: dict[int, str] = {}
    for name in file_names(root, folder, follow_links):
        if (number := image_number(name, numbered)) is None:
            continue
        if number in numbers:
            raise CorpusError(
                f"{folder}: {numbers[number]} and {name} are the same frame; remove one of them"
            )
        numbers[number] = name
    return dict(sorted(numbers.items()))


def read_image(path: Path) -> Image:
    """Read a JPEG, PNG, BMP or WebP file as RGB uint8 [H, W, 3].

    It is turned as its EXIF data say, and 16 bits become 8 by their value.

    Raises:
        CorpusError: The file is missing, damaged, of another format or larger than `MAX_SIDE` pixels a side.
    """
    try:
        content = read_bytes(path, _MOST_BYTES)
        _check_png(content)
        with Pillow.open(io.BytesIO(content), formats=_FORMATS) as picture:
            if max(picture.size) > MAX_SIDE:
                raise CorpusError(
                    f"{path}: has {picture.width} x {picture.height} pixels, at most {MAX_SIDE} a side are"
                    " read; write it anew, smaller"
                )
            image = _rgb(_turned(picture))
            # Phones put a second picture behind the first (MPO).
            damage = _jpeg_damage(content) if picture.format in ("JPEG", "MPO") else ""
    except UnidentifiedImageError as error:
        raise CorpusError(
            f"{path}: cannot be read as an image (no {', '.join(_FORMATS)}); copy it again"
        ) from error
    except CorpusError:
        raise
    except Exception as error:  # whatever Pillow's readers stumble over in a damaged file
        raise CorpusError(f"{path}: cannot be read as an image ({error}); copy it again") from error
    if damage:
        raise CorpusError(f"{path}: is a damaged image ({damage}); copy it again")
    return image


def _turned(picture: Pillow.Image) -> Pillow.Image:
    """The image as its orientation says; of its other EXIF data, which may be odd, nothing is read."""
    picture.load()
    try:
        orientation = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # data that are no EXIF at all
        orientation = 1
    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    return picture if turn is None else picture.transpose(turn)


def _rgb(picture: Pillow.Image) -> Image:
    if picture.mode.startswith("I"):  # 16 bits of grey; Pillow would cut off all above 255
        grey = np.array(picture, dtype=np.int64)
        if grey.min() < 0 or grey.max() > 65535:
            raise ValueError("more than 16 bits a pixel")
        return np.repeat(((grey + 128) // 257).astype(np.uint8)[..., None], 3, axis=-1)
    return np.array(picture.convert("RGB"))


def _check_png(content: bytes) -> None:
    """Compare the checksums of a PNG, over which Pillow passes where enough pixels come out."""
    if content.startswith(_PNG):
        with Pillow.open(io.BytesIO(content), formats=("PNG",)) as picture:
            picture.verify()


def _jpeg_damage(content: bytes) -> str:
    """What libav's decoder says of damaged data, over which libjpeg passes in silence; empty for nothing."""
    decoder = av.CodecContext.create("mjpeg", "r")
    decoder.thread_count = 1
    with listening() as log:
        try:
            decoder.decode(av.Packet(content))
        except (av.error.FFmpegError, ValueError):
            return ""  # a kind of JPEG that libav does not know
    return next((message.strip() for _, _, message in log if _DAMAGED_JPEG.match(message)), "")


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


def write_png(path: Path, image: Image) -> None:
    """Write RGB uint8 [H, W, 3] as PNG, without loss; the file appears whole or not at all."""
    with atomic_path(path) as temporary:
        Pillow.fromarray(image).save(temporary, "PNG", compress_level=1)

"""Damage to images of BP4D, BP4D+, DISFA+ and Multi-PIE, and images that are whole but not what they seem."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
from PIL import Image

from tests.fuzz import healthy
from tests.fuzz.catalogue import IMAGES, Release, corruption

_ANY = (*IMAGES, *healthy.OPTIONS)


def _save(release: Release, form: str, change: str | None = None, **options: Any) -> None:
    """Write an image of the release anew, whatever its name says."""
    path = release.image()
    with Image.open(path) as opened:
        picture: Image.Image = opened.convert(change) if change else opened.copy()
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    release.write(path, stream.getvalue())


@corruption(*_ANY)
def image_cut_off(release: Release) -> None:
    """The file ends early: the frame is counted, not kept half grey."""
    path = release.image()
    content = path.read_bytes()
    release.write(path, content[: int(len(content) * release.rng.uniform(0.05, 0.97))])


@corruption(*_ANY)
def image_cut_off_by_a_little(release: Release) -> None:
    """The last bytes are missing."""
    path = release.image()
    release.write(path, path.read_bytes()[: -int(release.rng.integers(3, 40))])


@corruption(*_ANY)
def image_bytes_flipped(release: Release) -> None:
    """Bytes in the middle are others: what decodes to another picture is left out where it can be seen."""
    path = release.image()
    content = bytearray(path.read_bytes())
    at = int(release.rng.integers(2, min(600, len(content) - 8)))
    content[at : at + 8] = release.rng.bytes(8)
    release.write(path, bytes(content))


@corruption(*_ANY)
def image_of_zeros(release: Release) -> None:
    """All bytes after the header are zeros, as a crash of a file system leaves."""
    path = release.image()
    content = path.read_bytes()
    kept = min(700, len(content) // 2)
    release.write(path, content[:kept] + bytes(len(content) - kept))


@corruption(*_ANY)
def image_empty(release: Release) -> None:
    """The file has no byte: the frame is counted."""
    release.write(release.image(), b"")


@corruption(*_ANY)
def image_is_text(release: Release) -> None:
    """A page of text is called like an image."""
    release.write(release.image(), "<html>Quota exceeded</html>\n" * 30)


@corruption(*_ANY)
def image_is_png(release: Release) -> None:
    """A PNG is called .jpg: read by its content."""
    _save(release, "PNG")


@corruption(*_ANY)
def image_with_palette(release: Release) -> None:
    """A PNG with a palette: read."""
    _save(release, "PNG", "P")


@corruption(*_ANY)
def image_with_transparency(release: Release) -> None:
    """A PNG with an opaque alpha channel: read."""
    _save(release, "PNG", "RGBA")


@corruption(*_ANY)
def image_in_cmyk(release: Release) -> None:
    """A JPEG in CMYK, as print shops write: right colours, or an error."""
    _save(release, "JPEG", "CMYK", quality=95, subsampling=0)


@corruption(*_ANY)
def image_of_16_bits(release: Release) -> None:
    """A PNG of 16 bits per value, grey or in colours: scaled to 8, or an error; not white."""
    path = release.image()
    with Image.open(path) as picture:
        values = np.asarray(picture.convert(str(release.rng.choice(["L", "RGB"])))).astype(np.uint16) * 257
    release.write(path, cv2.imencode(".png", values[..., ::-1] if values.ndim == 3 else values)[1].tobytes())


@corruption(*_ANY)
def image_turned_by_exif(release: Release) -> None:
    """The pixels are turned and EXIF says how: upright, or an error."""
    path = release.image()
    orientation, undo = [(3, 2), (6, 1), (8, 3)][int(release.rng.integers(3))]
    with Image.open(path) as picture:
        turned = Image.fromarray(np.rot90(np.asarray(picture), undo))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    turned.save(stream, "JPEG", quality=95, subsampling=0, exif=exif)
    release.write(path, stream.getvalue())


@corruption(*_ANY)
def image_animated(release: Release) -> None:
    """An animated PNG of two other pictures: refused, or its first picture."""
    path = release.image()
    with Image.open(path) as picture:
        frames = [picture.copy(), Image.fromarray(np.full((96, 128, 3), 9, np.uint8))]
    stream = io.BytesIO()
    frames[0].save(stream, "PNG", save_all=True, append_images=frames[1:])
    release.write(path, stream.getvalue())


@corruption(*_ANY)
def image_of_another_format(release: Release) -> None:
    """A file in a format that the corpus does not have (GIF, TIFF, BMP, WebP) is called .jpg."""
    _save(release, str(release.rng.choice(["GIF", "TIFF", "BMP", "WEBP"])))


def _png(width: int, height: int, data: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@corruption(*_ANY)
def image_of_no_size(release: Release) -> None:
    """The header says 0 x 0 pixels."""
    release.write(release.image(), _png(0, 0, zlib.compress(b"")))


@corruption(*_ANY)
def image_bomb(release: Release) -> None:
    """The header says 60,000 x 60,000 pixels, 10 GB: refused before memory is asked for."""
    side = int(release.rng.choice([9_000, 20_000, 60_000, 2**31 - 1]))
    release.write(release.image(), _png(side, side, zlib.compress(bytes(10_000_000))))


@corruption(*_ANY)
def image_smaller(release: Release) -> None:
    """One image is half as large as the others: its landmarks do not fit, it is left out."""
    path = release.image()
    with Image.open(path) as picture:
        small = picture.resize((64, 48))
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=95)
    release.write(path, stream.getvalue())


@corruption(*IMAGES)
def image_missing(release: Release) -> None:
    """An image is gone: its row is counted, the landmarks of the others stay theirs."""
    release.image().unlink()


@corruption(*IMAGES, undetectable="a picture's name is all that says which frame it is; the gap is counted")
def image_renamed(release: Release) -> None:
    """The last image has the number of a frame after a gap."""
    path = sorted(release.image().parent.glob("*.jpg"))[-1]
    path.rename(release.beside(path, f"{int(path.stem) + 3}.jpg"))


@corruption(*IMAGES)
def image_twice_with_other_padding(release: Release) -> None:
    """`0096.jpg` and `96.jpg` with other content: which is meant is not guessed."""
    path = release.image()
    release.beside(path, f"{int(path.stem):05d}.jpg").write_bytes(release.image().read_bytes())


@corruption(*IMAGES)
def image_with_another_ending(release: Release) -> None:
    """The same number as `.jpg` and `.png`: which is meant is not guessed."""
    path = release.image()
    release.beside(path, f"{path.stem}.png").write_bytes(release.image().read_bytes())


@corruption(*IMAGES)
def image_with_a_huge_number(release: Release) -> None:
    """An image more, called 99999999.jpg: not an array of that length."""
    path = release.image()
    release.beside(path, "99999999.jpg").write_bytes(path.read_bytes())


@corruption(*IMAGES)
def images_of_a_recording_missing(release: Release) -> None:
    """The folder of a recording is empty: its codes are counted."""
    for path in release.image().parent.iterdir():
        path.unlink()


@corruption(*IMAGES)
def second_copies_of_images(release: Release) -> None:
    """A browser's second copies, `name (1).jpg`, and a system's thumbnails beside the images: not read."""
    path = release.image()
    for name in (f"{path.stem} (1).jpg", f"._{path.name}", "Thumbs.db", ".DS_Store"):
        release.beside(path, name).write_bytes(b"\0" * 100)

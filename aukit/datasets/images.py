"""Frames as single images: folders of numbered files, RGB uint8 in and out."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from aukit.datasets.files import inside
from aukit.datasets.media import MAX_SIDE, Image
from aukit.errors import CorpusError
from aukit.utils.files import atomic_path

_FORMATS = ("JPEG", "PNG")
# Five digits at most: whoever makes an array by frame number must not need all memory for one odd name.
_NUMBERED = re.compile(r"(0*\d{1,5})\.(?:jpg|jpeg|png)", re.IGNORECASE)


def image_number(name: str) -> int | None:
    """Frame number of an image's file name, whatever its padding; None for other files."""
    match = _NUMBERED.fullmatch(name)
    return None if match is None else int(match[1])


def list_images(root: Path, folder: str) -> dict[int, str]:
    """Frame number → name of the image, in order of the numbers.

    Raises:
        CorpusError: Two images have the same number, or the folder is missing.
    """
    numbers: dict[int, str] = {}
    try:
        names = sorted(os.listdir(inside(root, folder)))
    except OSError as error:
        raise CorpusError(f"{root / folder}: cannot be listed ({error.strerror}); copy it again") from error
    for name in names:
        if (number := image_number(name)) is None:
            continue
        if number in numbers:
            raise CorpusError(
                f"{folder}: {numbers[number]} and {name} are the same frame; remove one of them"
            )
        numbers[number] = name
    return dict(sorted(numbers.items()))


def folder_stamp(root: Path, folder: str) -> str:
    """Hash of the names of all images of a folder and the sizes of the first and the last one."""
    names = list(list_images(root, folder).values())
    sizes = [inside(root, f"{folder}/{name}").stat().st_size for name in (*names[:1], *names[-1:])]
    return hashlib.sha256("|".join([*names, *map(str, sizes)]).encode()).hexdigest()


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


def write_jpeg(path: Path, image: Image, quality: int = 92) -> None:
    """Write RGB uint8 [H, W, 3] as JPEG; the file appears whole or not at all."""
    with atomic_path(path) as temporary:
        Pillow.fromarray(image).save(temporary, "JPEG", quality=quality)

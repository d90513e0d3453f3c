"""Single images in and out: RGB uint8."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from aukit.corpora.video import MAX_SIDE, Image
from aukit.errors import CorpusError
from aukit.files import atomic_path

SUFFIXES = (".jpg", ".jpeg", ".png")
_FORMATS = ("JPEG", "PNG")


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

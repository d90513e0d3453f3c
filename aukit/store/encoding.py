"""Crops in a compressed form: each encoded by itself, so that any of them can be read alone."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from aukit.errors import ConfigError, StoreError, shown
from aukit.store.files import map_array, map_bytes

Images = npt.NDArray[np.uint8]

ENCODED = "images.bin"
"""The encoded crops, one behind the other."""
INDEX = "index.npy"
"""int64 [N,2]: where each crop ends in that file, and its CRC-32."""

_QUALITY = 95


class Crops(Protocol):
    """Crops of a store, whatever their form: indexed like an array along its first axis."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, S, S, 3)."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Images: ...


class DamagedStoreError(StoreError):
    """A complete store whose files are not as they were written; `aukit.store.prepare` builds it again."""


class Encoding:
    """How a store keeps its crops.

    Pixels without compression are the default: exact, and read as fast as memory is. Encoded crops take a
    part of the disk and the time of a decoder; figures are in `docs/costs.md`.

    Args:
        encoding: "webp" (lossless) or "jpeg" (smaller, not exact); None for pixels without compression.
        quality: of "jpeg", 1 to 100; None for 95.

    Raises:
        ConfigError: there is no such encoding; `quality` is above 100, or is given without "jpeg".

    Example:
        >>> str(Encoding("jpeg", 90)), str(Encoding())
        ('jpeg90', 'raw')
    """

    def __init__(self, encoding: Literal["webp", "jpeg"] | None = None, quality: int | None = None) -> None:
        if encoding not in (None, "webp", "jpeg"):
            raise ConfigError(f"encoding={shown(encoding)}: there are webp and jpeg")
        if quality is not None and (encoding != "jpeg" or not 1 <= quality <= 100):
            raise ConfigError(f"quality={quality}: goes from 1 to 100 and belongs to encoding=jpeg")
        self.format = encoding
        self.quality = (quality or _QUALITY) if encoding == "jpeg" else None

    def __str__(self) -> str:
        return "raw" if self.format is None else f"{self.format}{self.quality or ''}"

    @property
    def settings(self) -> dict[str, Any]:
        """What a manifest and a fingerprint say of it; empty for pixels without compression."""
        return {} if self.format is None else {"encoding": {"format": self.format, "quality": self.quality}}

    def check(self, registration: str) -> None:
        """Refuse what would change the meaning of a crop.

        Raises:
            ConfigError: crops in which (0,0,0) says that a pixel is not seen would be kept with loss.
        """
        if self.format == "jpeg" and registration in ("frontal3d", "prnet"):
            raise ConfigError(
                f"encoding=jpeg does not keep the black pixels by which {registration} says what is not seen:"
                " take encoding=webp, which is exact"
            )

    def encode(self, crop: Images) -> bytes:
        """The bytes of a crop uint8 [S,S,3]."""
        if self.format is None:
            return crop.tobytes()
        content = io.BytesIO()
        # Colour at full resolution: the wrinkles of an action unit are a few pixels wide.
        options: dict[str, dict[str, Any]] = {
            "webp": {"lossless": True, "quality": 20, "method": 1},
            "jpeg": {"quality": self.quality, "subsampling": 0},
        }
        Pillow.fromarray(crop).save(content, self.format, **options[self.format])
        return content.getvalue()


class EncodedImages:
    """Encoded crops, decoded when they are asked for; indexed like an array uint8 [N,S,S,3] by rows.

    Attributes:
        shape: (N, S, S, 3).

    Cost: one decoding per crop and access; nothing is kept.
    """

    def __init__(self, folder: Path, encoding: Encoding, frames: int, size: int) -> None:
        """Open the files in a folder.

        Raises:
            ValueError: one of them is missing, cut short or another.
            OSError: one of them cannot be read.
        """
        self.shape = (frames, size, size, 3)
        self._folder, self._format = folder, str(encoding.format)
        index = np.array(map_array(folder / INDEX, np.int64, (frames, 2)))
        self._bounds, self._checksums = np.concatenate([[0], index[:, 0]]), index[:, 1]
        if (np.diff(self._bounds) <= 0).any():
            raise ValueError(f"{INDEX} says that crops have no bytes")
        self._content = map_bytes(folder / ENCODED, int(self._bounds[-1]))
        self._rows = np.arange(frames)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any, /) -> Images:
        chosen = self._rows[rows]
        crops = np.empty((chosen.size, *self.shape[1:]), np.uint8)
        for crop, row in zip(crops, chosen.ravel(), strict=True):
            crop[:] = self._decode(int(row))
        return crops.reshape(*chosen.shape, *self.shape[1:])

    def _decode(self, row: int) -> Images:
        content = self._content[self._bounds[row] : self._bounds[row + 1]].tobytes()
        try:
            # A decoder of JPEG passes over most damage in silence.
            if zlib.crc32(content) != self._checksums[row]:
                raise ValueError("its bytes are not those that were written")
            with Pillow.open(io.BytesIO(content), formats=(self._format,)) as picture:
                if (*picture.size, picture.mode) != (*self.shape[1:3], "RGB"):
                    raise ValueError(f"it is {picture.width} x {picture.height} {picture.mode}")
                return np.asarray(picture)
        except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError) as error:
            raise DamagedStoreError(
                f"{self._folder}: damaged store ({ENCODED}, row {row}: {error}); delete the folder and"
                " prepare it again"
            ) from error


def encoded_index(lengths: npt.ArrayLike, checksums: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """int64 [N,2] as `INDEX` keeps it, of the bytes and CRC-32 of each crop."""
    return np.stack([np.cumsum(lengths), np.asarray(checksums)], axis=1).astype(np.int64)


def store_kind(registration: str, encoding: Encoding) -> str:
    """The part of a store's name that says how its crops are made and kept."""
    return registration if encoding.format is None else f"{registration}-{encoding}"

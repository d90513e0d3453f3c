"""Reading back what was written whole: a damaged file is a `ValueError` that says which file and how."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from aukit.utils.outside import read_json, read_npy_header

_MAX_MANIFEST_BYTES = 16 * 2**20


def read_manifest(path: Path) -> dict[str, Any]:
    """Read a manifest: a JSON object.

    Raises:
        ValueError: it is missing, larger than 16 MiB or no JSON.
        OSError: it cannot be read.
    """
    _require_file(path)
    try:
        manifest = read_json(path, _MAX_MANIFEST_BYTES)
    except ValueError as error:
        raise ValueError(f"{path.name} {error}") from error
    if not isinstance(manifest, dict):
        raise ValueError(f"{path.name} holds no object")
    return manifest


def require(manifest: Mapping[str, Any], name: str, keys: Mapping[str, type | tuple[type, ...]]) -> None:
    """Check the keys of a manifest, or of an object in it, called `name`.

    Raises:
        ValueError: a key is missing, or its value has another type.
    """
    for key, kind in keys.items():
        if key not in manifest or not isinstance(manifest[key], kind):
            raise ValueError(f"{name} has no {key!r}, or one of another type")


def map_array(path: Path, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    """Map an array of numpy's file format, read-only.

    Args:
        path: the file.
        dtype: the type that it must have.
        shape: the shape that it must have.

    Raises:
        ValueError: it is missing, cut short, or another array; nothing is allocated for what it claims.
        OSError: it cannot be read.
    """
    size = _require_file(path)
    with path.open("rb") as file:
        try:
            found = read_npy_header(file)
        except ValueError as error:
            raise ValueError(f"{path.name} {error}") from error
        offset = file.tell()
    wanted = np.dtype(dtype)
    if found != (shape, False, wanted):
        raise ValueError(f"{path.name} says {found[2]} {found[0]}, expected {wanted} {shape}")
    end = offset + wanted.itemsize * math.prod(shape)
    if size != end:
        raise ValueError(f"{path.name} has {size:,} bytes, expected {end:,}")
    return np.memmap(path, wanted, "r", offset, shape)


def map_bytes(path: Path, size: int) -> np.memmap[Any, np.dtype[np.uint8]]:
    """Map a file of `size` bytes, read-only.

    Raises:
        ValueError: it is missing, or has another size.
        OSError: it cannot be read.
    """
    if (found := _require_file(path)) != size:
        raise ValueError(f"{path.name} has {found:,} bytes, expected {size:,}")
    return np.memmap(path, np.uint8, "r")


def array_header(shape: tuple[int, ...]) -> bytes:
    """What stands before an array of bytes in numpy's file format."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.getvalue()


def create_array(path: Path, shape: tuple[int, ...]) -> np.memmap[Any, np.dtype[np.uint8]]:
    """Map a new array of bytes in numpy's file format, to be filled.

    Raises:
        OSError: the disk has no space for all of it.
    """
    array: np.memmap[Any, np.dtype[np.uint8]] = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    reserve(path, array.offset, array.nbytes)
    return array


def reserve(path: Path, start: int, size: int) -> None:
    """Take the disk space of a part of a file before it is written to through a mapping.

    The system has no error for a mapping's write to a full disk: it ends the process (SIGBUS).

    Raises:
        OSError: the disk has no space for it.
    """
    if size == 0 or not hasattr(os, "posix_fallocate"):
        return
    with path.open("r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), start, size)
        except OSError as error:
            error.filename = str(path)
            raise


def read_table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """Read a Parquet file with these columns.

    Raises:
        ValueError: it is missing, cut short, or another table.
        OSError: it cannot be read.
    """
    _require_file(path)
    with path.open("rb") as file:
        try:
            table = pd.read_parquet(file)
        except Exception as error:  # whatever the parser makes of a damaged file
            raise ValueError(f"{path.name} cannot be read as Parquet: {error}") from error
    if missing := [column for column in columns if column not in table]:
        raise ValueError(f"{path.name} lacks the columns {', '.join(missing)}")
    return table


def _require_file(path: Path) -> int:
    """Check that there is a regular file, and return its size in bytes."""
    if not path.is_file():
        raise ValueError(f"{path.name} is missing")
    return path.stat().st_size

"""PRNet's UV data: which pixels of a position map are a face, which are landmarks, and its canonical face."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aukit.errors import WeightsError, shown
from aukit.registration.canonical import CanonicalFace
from aukit.registration.prnet.network import SIDE

__all__ = ["UVData", "read_uv_data"]

CANONICAL, FACE, LANDMARKS = "canonical_vertices.npy", "face_ind.txt", "uv_kpt_ind.txt"
_LARGEST = 16 << 20  # bytes; the largest of the three, 43,867 rows of three numbers, has at most 1.1e6
_REMEDY = "copy the folder Data/uv-data of PRNet's repository anew"


@dataclass(frozen=True)
class UVData:
    """What turns a position map into a mesh with landmarks.

    Attributes:
        face: int64 [P], ascending flat indices of the map's pixels that are the face: 43,867 of them.
        landmarks: int64 [68], flat indices of the landmarks.
        canonical: float32 [P,3], the face's pixels in the canonical pose; x right, y down, z larger = nearer.

    Example:
        >>> uv = read_uv_data("PRNet/Data/uv-data")  # doctest: +SKIP
        >>> len(uv.mesh.vertices), len(uv.triangles)  # doctest: +SKIP
        (43867, 86907)
    """

    face: NDArray[np.int64]
    landmarks: NDArray[np.int64]
    canonical: NDArray[np.float32]

    @cached_property
    def triangles(self) -> NDArray[np.int64]:
        """Places [T,3] in `face` of each square of four neighbours, split along one diagonal.

        Of squares with three pixels of the face the half that they span. The mesh of the repository's
        ``triangles.txt`` is of the same pixels; this one follows from `face` alone.
        """
        flat = np.full(SIDE * SIDE, -1)
        flat[self.face] = np.arange(len(self.face))
        place = flat.reshape(SIDE, SIDE)
        here, right, below, across = place[:-1, :-1], place[:-1, 1:], place[1:, :-1], place[1:, 1:]
        halves = np.stack([np.stack([here, below, right], -1), np.stack([right, below, across], -1)])
        return np.asarray(halves[(halves >= 0).all(-1)], np.int64)

    @cached_property
    def vertices(self) -> NDArray[np.int64]:
        """Flat indices [N] of the mesh's vertices, `face` without pixels that no triangle has."""
        return self.face[np.unique(self.triangles)]

    @cached_property
    def mesh(self) -> CanonicalFace:
        """The canonical face, whose vertices are `vertices`."""
        places = np.searchsorted(self.face, self.landmarks)
        return CanonicalFace.from_mesh(self.canonical, self.triangles, self.canonical[places])


def read_uv_data(folder: str | Path) -> UVData:
    """Read ``canonical_vertices.npy``, ``face_ind.txt`` and ``uv_kpt_ind.txt`` of PRNet's folder of UV data.

    Raises:
        WeightsError: A file is missing, damaged or does not go with the others; the message names it.
    """
    folder = Path(folder)
    face = _numbers(folder / FACE)
    if face.ndim != 1 or len(face) < 3 or (np.diff(face) <= 0).any() or face[0] < 0 or face[-1] >= SIDE**2:
        raise WeightsError(
            f"{folder / FACE}: should list ascending pixels of the {SIDE} x {SIDE} map, one a line;"
            f" found shape {list(face.shape)}; {_REMEDY}"
        )
    columns_rows = _numbers(folder / LANDMARKS)
    if columns_rows.shape != (2, 68) or columns_rows.min() < 0 or columns_rows.max() >= SIDE:
        raise WeightsError(
            f"{folder / LANDMARKS}: should have 68 columns and 68 rows of the map, shape [2, 68];"
            f" found {list(columns_rows.shape)}; {_REMEDY}"
        )
    landmarks = columns_rows[1] * SIDE + columns_rows[0]
    if not np.isin(landmarks, face).all():
        raise WeightsError(f"{folder / LANDMARKS}: has landmarks that are no pixels of {FACE}; {_REMEDY}")
    canonical = _array(folder / CANONICAL)
    if canonical.shape != (len(face), 3) or not np.isfinite(canonical).all():
        raise WeightsError(
            f"{folder / CANONICAL}: should be finite, of shape [{len(face)}, 3] as {FACE} has pixels;"
            f" found {list(canonical.shape)}; {_REMEDY}"
        )
    return UVData(face, landmarks, canonical.astype(np.float32))


def _numbers(path: Path) -> NDArray[np.int64]:
    """Whole numbers of a text file, which may be written as 1.0e+00."""
    _require(path)
    try:
        values = np.loadtxt(path)
    except (ValueError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path}: is no text of numbers ({shown(error)}); {_REMEDY}") from error
    whole = np.isfinite(values) & (np.abs(values) < 2**31)
    if not whole.all() or (values != np.rint(values)).any():
        raise WeightsError(f"{path}: has values that are no whole numbers; {_REMEDY}")
    return values.astype(np.int64)


def _array(path: Path) -> NDArray[np.floating]:
    _require(path)
    try:
        values = np.load(path, allow_pickle=False, mmap_mode="r")  # no size in its head is believed
        if not (isinstance(values, np.ndarray) and np.issubdtype(values.dtype, np.floating)):
            raise ValueError("no array of floating-point numbers")
        return np.array(values)
    except (ValueError, OSError, EOFError) as error:
        raise WeightsError(f"{path}: is no array of NumPy ({shown(error)}); {_REMEDY}") from error


def _require(path: Path) -> None:
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; name the folder Data/uv-data of PRNet's repository")
    if (size := path.stat().st_size) > _LARGEST:
        raise WeightsError(f"{path}: {size:,} bytes are more than any file of UV data has; {_REMEDY}")

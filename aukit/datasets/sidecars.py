"""Landmarks that lie beside the videos of a release: arrays of NumPy or MATLAB, or tables of OpenFace.

``Landmarks/TITLE.npy`` and ``.mat`` have a row per frame of the video; ``.csv`` is what OpenFace's
FeatureExtraction or FaceLandmarkVid, or `aukit detect --largest`, writes, whose rows say which frame they are
about. Points are pixels of the full frame, pixel centres at whole numbers from 0; z towards the viewer.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.io import loadmat

from aukit.datasets.tracker_rows import TrackerRows
from aukit.datasets.tracker_tables import Columns, Header, read_columns, read_header
from aukit.datasets.tracker_timeline import (
    FRAME_COLUMNS,
    NAME_COLUMNS,
    TIME_COLUMNS,
    TIMECODE,
    Numbering,
    place_rows,
)
from aukit.errors import CorpusError
from aukit.utils.outside import load_npy, read_bytes

ENDINGS = (".npy", ".mat", ".csv")

Points = npt.NDArray[np.float32]

_MAX_BYTES = 512 * 2**20
_POINT = re.compile(r"[xyzXYZ]_\d{1,2}")
_OPENFACE = Numbering(first_frame=1, by_name=True, complete=True)


def read_array(path: Path) -> Points:
    """Landmarks [T, 68, 3] of an array [T, 68, 2 or 3]; NaN rows = no face found. Missing depth is NaN.

    A file of MATLAB holds one such array, whatever its name; [68, 2 or 3, T] is turned.

    Raises:
        CorpusError: The file is missing or damaged, or holds no such array.
    """
    points = _mat(path) if path.suffix.lower() == ".mat" else _npy(path)
    if points.ndim != 3 or points.shape[1] != 68 or points.shape[2] not in (2, 3):
        raise CorpusError(
            f"{path}: {points.dtype} {points.shape}, expected floats [T, 68, 3] or [T, 68, 2]; write it again"
        )
    if not np.issubdtype(points.dtype, np.floating):
        raise CorpusError(f"{path}: {points.dtype}, expected floats [T, 68, 3]; write it again")
    result = np.full((len(points), 68, 3), np.nan, np.float32)
    result[..., : points.shape[2]] = points
    return result


def read_table(
    path: Path,
    rows: TrackerRows,
    positions: npt.NDArray[np.int64],
    viewed: tuple[float, float] = (1.0, 1.0),
) -> Points:
    """Landmarks [last position + 1, 68, 3] of a table of OpenFace or `aukit detect`.

    Frames without a row, or whose ``success`` is 0, are NaN. OpenFace's depth is in millimetres from the
    camera (``Z_0`` …); it is scaled as its other two axes are to the pixels of the same frame. Where it is
    missing (``-2Dfp`` alone), z is NaN.

    Args:
        path: The table.
        rows: Frames of the video; asked for are `positions`.
        positions: Of the frames.
        viewed: How much wider and higher the frames were that `aukit detect` looked at (`viewed_scale`).

    Raises:
        CorpusError: The table is of other frames, says two things about one of them, lacks columns or is
            damaged.
    """
    header = _exact(read_header(path))
    pixels = "xyz" if "z_0" in header.keys else "xy"
    space = "XYZ" if pixels == "xy" and "Z_0" in header.keys else ""
    wanted = [f"{axis}_{point}" for axis in pixels + space for point in range(68)]
    if lacking := [key for key in (*wanted, "success") if key not in header.keys]:
        raise CorpusError(
            f"{path}: has no column {lacking[0]} ({len(lacking)} are missing); expected is a table of "
            "OpenFace's FeatureExtraction with 2D landmarks (-2Dfp), or of aukit detect"
        )
    columns = read_columns(
        header,
        wanted,
        ["success", *(key for key in FRAME_COLUMNS if key in header.keys)],
        [key for key in (*NAME_COLUMNS, TIMECODE, *TIME_COLUMNS) if key in header.keys],
    )
    places = place_rows(columns, rows, _OPENFACE)
    points = _array(columns, pixels)
    if pixels == "xy":
        depth = pixel_depth(points, _array(columns, space)) if space else np.full(points.shape[:2], np.nan)
        points = np.concatenate([points, depth[..., None]], axis=-1)
    elif viewed != (1.0, 1.0):
        points[..., :2] = (points[..., :2] + 0.5) / viewed - 0.5
    points[columns.numbers["success"] != 1] = np.nan
    position_of = dict(zip(rows.places.tolist(), positions.tolist(), strict=True))
    result = np.full((int(positions.max(initial=-1)) + 1, 68, 3), np.nan, np.float32)
    for row, place in enumerate(places.tolist()):
        if place in position_of:
            result[position_of[place]] = points[row]
    return result


def _exact(header: Header) -> Header:
    """The header with landmarks as they are spelt: ``x_0`` are pixels, ``X_0`` millimetres."""
    keys = (
        name if _POINT.fullmatch(name) else key for name, key in zip(header.names, header.keys, strict=True)
    )
    return replace(header, keys=tuple(keys))


def _array(columns: Columns, axes: str) -> npt.NDArray[np.float64]:
    """[T, 68, axes]."""
    return np.stack(
        [np.stack([columns.numbers[f"{axis}_{n}"] for n in range(68)], axis=1) for axis in axes], axis=-1
    )


def pixel_depth(plane: npt.NDArray[np.floating], space: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Depth [T, 68] in pixels, towards the viewer, of points [T, 68, 2] seen at [T, 68, 3] millimetres.

    Their camera looks along Z. The scale is that of the least squares from X and Y to x and y.
    """
    there = space - space.mean(axis=1, keepdims=True)
    here = plane - plane.mean(axis=1, keepdims=True)
    extent = np.square(there[..., :2]).sum(axis=(1, 2))
    scale = (here * there[..., :2]).sum(axis=(1, 2)) / np.where(extent > 0, extent, np.nan)
    depth: npt.NDArray[np.floating] = -scale[:, None] * there[..., 2]
    return depth


def _npy(path: Path) -> npt.NDArray[Any]:
    try:
        return load_npy(path, _MAX_BYTES)
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path}: cannot be read as landmarks ({error}); write it again") from error


def _mat(path: Path) -> npt.NDArray[Any]:
    try:
        content: Mapping[str, Any] = loadmat(io.BytesIO(read_bytes(path, _MAX_BYTES)))
    except Exception as error:  # scipy's reader raises whatever a damaged file makes it stumble over
        raise CorpusError(
            f"{path}: cannot be read as landmarks ({error}); save it as MATLAB 5 (save -v7)"
        ) from error
    arrays = {
        name: value
        for name, value in content.items()
        if isinstance(value, np.ndarray) and value.ndim == 3 and 68 in value.shape[:2]
    }
    if len(arrays) != 1:
        raise CorpusError(
            f"{path}: holds {len(arrays)} arrays of 68 points, expected one [T, 68, 3]; save that alone"
        )
    (points,) = arrays.values()
    return points if points.shape[1] == 68 else points.transpose(2, 0, 1)

"""The texture atlas: which place on the head each texel of the skin shows."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from aukit.simulation.face import head_shape as hs
from aukit.simulation.face.topology import SKIN_V, Topology, grid_uv

Image = NDArray[np.float32]
TEXTURE = 512
"""Width and height of the atlas in texels."""
PAINT_STEP = 1.0 / 65535.0
"""One step of `Paint.colour`: colours and occlusion lie in [0, 1]."""
SHEEN_STEP = 8.0 * PAINT_STEP


class Atlas(NamedTuple):
    """Places of the skin's texels; every array has `height` rows and TEXTURE columns.

    Attributes:
        x: Lateral place in mm, lids and lips closed, before features.
        y: Height in mm likewise.
        row: Ring label.
        column: Column coordinate (|s| <= 1 on the front half).
        left: Weight of the person's left half.
        height: Number of texel rows that are skin.
    """

    x: Image
    y: Image
    row: Image
    column: Image
    left: Image
    height: int


@lru_cache(maxsize=1)
def atlas() -> Atlas:
    """The atlas of the mean head (the same for everybody)."""
    t = Topology()
    uv = grid_uv(t.rows, t.columns)
    height = int(SKIN_V * TEXTURE)
    v = (np.arange(height) + 0.5) / TEXTURE
    u = (np.arange(TEXTURE) + 0.5) / TEXTURE
    row = np.interp(v, uv[:, 0, 1], t.rows)
    column = np.interp(u, uv[0, :, 0], t.columns)
    q, s = np.meshgrid(row, column, indexing="ij")
    x, y, _ = hs.ring_point(q, s)
    left = hs.smoothstep(-3.0, 3.0, x)
    narrow = [np.asarray(a, np.float32) for a in (x, y, q, s, left)]
    return Atlas(narrow[0], narrow[1], narrow[2], narrow[3], narrow[4], height)


def skin_uv(row: NDArray[np.float64], column: NDArray[np.float64]) -> NDArray[np.float64]:
    """Texture coordinates (u, v) of places on the skin. [..., 2]."""
    t = Topology()
    uv = grid_uv(t.rows, t.columns)
    return np.stack([np.interp(column, t.columns, uv[0, :, 0]), np.interp(row, t.rows, uv[:, 0, 1])], -1)


def skin_place(uv: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ring label and column of texture coordinates on the skin; the inverse of `skin_uv`.

    At the slits (lids, lips) the two edges are told apart: the upper lies 0.01 above the slit's label.
    """
    t = Topology()
    table = grid_uv(t.rows, t.columns)
    rows = t.rows.copy()
    twin = np.flatnonzero(np.diff(rows) == 0)
    rows[twin] -= 0.01
    rows[twin + 1] += 0.01
    return np.interp(uv[..., 1], table[:, 0, 1], rows), np.interp(uv[..., 0], table[0, :, 0], t.columns)


def texels(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """(column, row) in texels of places on the front of the face in mm. [..., 2]."""
    t = Topology()
    uv = grid_uv(t.rows, t.columns)
    u = np.interp(x / hs.RING_CURVES(y)[..., 2], t.columns, uv[0, :, 0])
    v = np.interp(y, t.rows, uv[:, 0, 1])
    return np.stack([u, v], -1) * TEXTURE - 0.5


def noise(rng: np.random.Generator, cells: tuple[int, int], shape: tuple[int, int]) -> Image:
    """Smooth noise of unit variance: a random grid of `cells` blown up to `shape`."""
    grid = rng.standard_normal(cells).astype(np.float32)
    return np.asarray(cv2.resize(grid, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC), np.float32)

"""The texture atlas: which place on the head each texel of the skin shows."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from aukit.avatars import head_shape as hs
from aukit.avatars.topology import SKIN_V, Topology, _skin_uv

Image = NDArray[np.float32]
TEXTURE = 512
"""Width and height of the atlas in texels."""


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
    uv = _skin_uv(t.rows, t.columns)
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


def texels(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """(column, row) in texels of places on the front of the face in mm. [..., 2]."""
    t = Topology()
    uv = _skin_uv(t.rows, t.columns)
    u = np.interp(x / hs.RING_CURVES(y)[..., 2], t.columns, uv[0, :, 0])
    v = np.interp(y, t.rows, uv[:, 0, 1])
    return np.stack([u, v], -1) * TEXTURE - 0.5


def noise(rng: np.random.Generator, cells: tuple[int, int], shape: tuple[int, int]) -> Image:
    """Smooth noise of unit variance: a random grid of `cells` blown up to `shape`."""
    grid = rng.standard_normal(cells).astype(np.float32)
    return np.asarray(cv2.resize(grid, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC), np.float32)

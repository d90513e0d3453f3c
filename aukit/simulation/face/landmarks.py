"""The 68 landmarks by anatomical meaning, bound to the skin grid.

Convention: order and meaning of the 300W-LP / AFLW2000-3D mark-up, in three dimensions (points stay on the
skin when they are turned away).  In image order, right of the person first:

- 0-16 edge of the jaw, from ear height on the person's right over the jaw angle (4) to the chin's lower edge
  (8) and up to the left ear;
- 17-21, 22-26 upper edge of the brows, right then left, each from image left to right: head, straight part,
  arch, bend and tail, so that they lie closer together where the brow bends;
- 27-30 ridge of the nose from its root to the tip, 31-35 under the nose from right wing to left wing, 33
  below the septum;
- 36-41, 42-47 right and left eye: canthus at image left, two points of the upper margin, the other canthus,
  two points of the lower margin backwards;
- 48-59 outer border of the lips from the right corner over the upper lip and back under the lower one, 60-67
  the mouth line: corner, upper lip, corner, lower lip.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aukit.simulation.face import head_shape as hs
from aukit.simulation.face.topology import Topology

BROW_INNER, BROW_PEAK, BROW_OUTER = 12.0, 39.0, 55.0
"""|x| of the brow's head, arch and tail."""


def brow_line(ax: NDArray[np.float64]) -> NDArray[np.float64]:
    """Height of the middle of the brow at |x|."""
    return np.interp(
        ax, [8, 12, 20, 30, 39, 46, 52, 56], [-18.8, -19.4, -21.2, -23.0, -23.6, -22.1, -19.0, -16.2]
    )


def _half_jaw() -> list[tuple[float, float]]:
    """(ring, column) from ear height to just before the chin."""
    return [
        (4, 0.985),
        (26, 0.985),
        (50, 0.98),
        (78, 0.97),
        (99, 0.93),
        (106, 0.80),
        (107.2, 0.58),
        (107.6, 0.30),
    ]


def landmark_places() -> list[tuple[float, float, bool]]:
    """(ring label, column, below the slit) of the 68 points."""

    def skin(x: float, y: float, below: bool = False) -> tuple[float, float, bool]:
        half_width = hs.RING_CURVES(y)[2]
        return y, float(x / half_width), below

    jaw = _half_jaw()
    places: list[tuple[float, float, bool]] = [(q, -s, False) for q, s in jaw]
    places.append((107.8, 0.0, False))
    places += [(q, s, False) for q, s in reversed(jaw)]
    brow = [
        (x, float(brow_line(np.array(x))) - 2.2 * w)
        for x, w in ((13.0, 1), (27, 1), (39.5, 1), (49, 0.8), (54.8, 0.3))
    ]
    places += [skin(-x, y) for x, y in reversed(brow)] + [skin(x, y) for x, y in brow]
    places += [skin(0, y) for y in (-3.0, 12.0, 25.5, 36.0)]
    places += [skin(x, y) for x, y in ((-13.0, 46.0), (-6.5, 47.6), (0, 49.0), (6.5, 47.6), (13.0, 46.0))]
    inner, outer = hs.EYE_MIDDLE - hs.EYE_HALF_WIDTH, hs.EYE_MIDDLE + hs.EYE_HALF_WIDTH
    third = hs.EYE_HALF_WIDTH * 0.36
    lid = (hs.EYE_MIDDLE - third, hs.EYE_MIDDLE + third)
    row = hs.EYE_ROW
    places += [
        skin(-outer, row),
        skin(-lid[1], row),
        skin(-lid[0], row),
        skin(-inner, row),
        skin(-lid[0], row, True),
        skin(-lid[1], row, True),
    ]
    places += [
        skin(inner, row),
        skin(lid[0], row),
        skin(lid[1], row),
        skin(outer, row),
        skin(lid[1], row, True),
        skin(lid[0], row, True),
    ]
    w, mouth = hs.MOUTH_HALF_WIDTH, hs.MOUTH_ROW

    def border(x: float, sign: int) -> tuple[float, float, bool]:
        up, down = hs.lip_borders(np.array(float(x)))
        return skin(x, mouth - float(up), False) if sign < 0 else skin(x, mouth + float(down), True)

    places += [skin(-w, mouth)] + [border(x, -1) for x in (-14.5, -5.5, 0, 5.5, 14.5)] + [skin(w, mouth)]
    places += [border(x, 1) for x in (14.5, 7.0, 0, -7.0, -14.5)]
    places += [skin(-w + 1.5, mouth)] + [skin(x, mouth) for x in (-8.5, 0, 8.5)] + [skin(w - 1.5, mouth)]
    places += [skin(x, mouth, True) for x in (8.5, 0, -8.5)]
    return places


def bind_landmarks(t: Topology) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Vertices and weights of the landmarks.

    Returns:
        [68, 4] vertex numbers and [68, 4] weights that sum to 1.
    """
    vertices, weights = [], []
    for label, column, below in landmark_places():
        if below and label in t.rows:
            r = int(np.flatnonzero(t.rows == label)[-1])
        elif label in t.rows:
            r = max(int(np.flatnonzero(t.rows == label)[0]) - 1, 0)
        else:
            r = int(np.searchsorted(t.rows, label)) - 1
        c = int(np.clip(np.searchsorted(t.columns, column) - 1, 0, len(t.columns) - 2))
        down = (label - t.rows[r]) / (t.rows[r + 1] - t.rows[r])
        right = (column - t.columns[c]) / (t.columns[c + 1] - t.columns[c])
        vertices.append([t.grid[r, c], t.grid[r, c + 1], t.grid[r + 1, c], t.grid[r + 1, c + 1]])
        weights.append([(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right])
    return np.array(vertices), np.array(weights)

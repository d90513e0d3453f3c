"""Expression wrinkles as height maps over the texture, one group per action unit and side."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aukit.simulation.face import head_shape as hs
from aukit.simulation.face.atlas import atlas, noise

Array = NDArray[np.float64]
Image = NDArray[np.float32]

GROUPS: tuple[int, ...] = (1, 2, 4, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 22, 23, 24, 28)
"""Action units that fold the skin."""
VARIANTS = 3
"""Number of variants of the lines along which skin folds."""


class Patch(NamedTuple):
    """The part of the atlas that one group changes: height in mm (grooves negative) and its place."""

    rows: slice
    columns: slice
    height: Image


def groove(distance: Array, width: float) -> Array:
    """Profile of a fold across its line: a groove of depth 1 between two low swellings."""
    d = distance / width
    return -np.exp(-d * d) + 0.42 * np.exp(-(((np.abs(d) - 2.0) / 0.9) ** 2))


def polyline(x: Array, y: Array, points: list[tuple[float, float]]) -> tuple[Array, Array]:
    """Signed distance to a line through points and position along it in [0, 1]."""
    best, along, signed = np.full(x.shape, np.inf), np.zeros(x.shape), np.zeros(x.shape)
    n = len(points) - 1
    for k in range(n):
        (ax, ay), (bx, by) = points[k], points[k + 1]
        ux, uy = bx - ax, by - ay
        t = np.clip(((x - ax) * ux + (y - ay) * uy) / (ux * ux + uy * uy), 0, 1)
        d2 = (x - ax - t * ux) ** 2 + (y - ay - t * uy) ** 2
        nearer = d2 < best
        best = np.where(nearer, d2, best)
        along = np.where(nearer, (k + t) / n, along)
        signed = np.where(nearer, np.sign(ux * (y - ay) - uy * (x - ax)), signed)
    return np.sqrt(best) * signed, along


def _near(x: Array, y: Array, points: list[tuple[float, float]], reach: float) -> NDArray[np.bool_]:
    """Places within `reach` of the box round the points: a fold is nothing elsewhere."""
    (x0, y0), (x1, y1) = np.min(points, 0), np.max(points, 0)
    near: NDArray[np.bool_] = (x > x0 - reach) & (x < x1 + reach) & (y > y0 - reach) & (y < y1 + reach)
    return near


def crease(x: Array, y: Array, points: list[tuple[float, float]], width: float, power: float = 0.6) -> Array:
    """Relief of a groove of depth 1 along a line through points, which runs out at both ends."""
    near = _near(x, y, points, 6.0 * width)
    d, t = polyline(x[near], y[near], points)
    result = np.zeros_like(x)
    result[near] = groove(d, width) * np.clip(4 * t * (1 - t), 0, 1) ** power
    return result


_NASOLABIAL = [(17.5, 39.0), (20.5, 47.0), (24.0, 56.0), (28.2, 65.5), (32.0, 73.5), (33.0, 80.0)]


def _fold(x: Array, y: Array, points: list[tuple[float, float]], width: float) -> Array:
    """A fold with a full outer bank: the cheek's fat heaps up on one side of it."""
    near = _near(x, y, points, 14.0)
    d, t = polyline(x[near], y[near], points)
    ends = np.clip(4 * t * (1 - t), 0, 1) ** 0.5
    bank = np.exp(-(((np.abs(d) - 4.2) / 3.4) ** 2)) * (d < 0)
    result = np.zeros_like(x)
    result[near] = ends * (-np.exp(-((d / width) ** 2)) + 0.5 * bank)
    return result


def wrinkle_height(group: int, x: Array, y: Array) -> Array:
    """Height in mm of a group at full strength over both sides, for |x| and y on the closed face."""
    total = np.zeros_like(x)
    if group == 1:
        for k, line in enumerate((-33.5, -40.5, -47.5, -54.5)):
            wave = line + 0.0022 * x * x - 0.8 * np.cos(x / 9 + k)
            total += (1.25 - 0.17 * k) * groove(y - wave, 1.7) * hs.smoothstep(33, 16, x)
    elif group == 2:
        for k, line in enumerate((-33.0, -39.5, -46.0)):
            wave = line + 0.010 * (x - 40) ** 2 * 0.6 + 0.7 * np.sin(x / 7 + k)
            total += (
                (1.1 - 0.2 * k) * groove(y - wave, 1.6) * hs.smoothstep(20, 32, x) * hs.smoothstep(60, 48, x)
            )
    elif group == 4:
        total += 1.7 * crease(x, y, [(5.6, -8), (5.2, -14), (6.4, -21), (9.5, -30)], 2.0, 0.9)
        total += 0.55 * crease(x, y, [(11.5, -20), (13.5, -27), (16.5, -32)], 1.8, 1.0)
        total += 1.3 * hs.hill(x - 15, y + 21, 7.0, 4.5) - 0.7 * hs.hill(x - 24, y + 33, 9, 3.5)
        total -= 0.7 * hs.hill(x, y + 7, 6.5, 2.4)
    elif group == 6:
        rays = ((-0.75, 11, 0.65), (-0.36, 15, 0.9), (0.02, 17, 1.0), (0.34, 18, 0.95), (0.72, 16, 0.6))
        for slope, length, depth in rays:
            start = (49.5 + 1.5 * abs(slope), 1.0 + 7.0 * slope)
            points = [
                (start[0] + length * f, start[1] + slope * length * f + 3.0 * f * f) for f in (0, 0.4, 0.7, 1)
            ]
            total += depth * crease(x, y, points, 1.5, 0.9)
        total += 1.0 * crease(x, y, [(17, 9), (24, 13.5), (33, 15.5), (43, 13), (50, 8)], 1.9, 0.8)
        total += 0.5 * crease(x, y, [(22, 18), (32, 21), (44, 19), (52, 14)], 1.8, 0.9)
    elif group == 7:
        total += 1.0 * crease(x, y, [(18, 6), (25, 9.2), (33, 10.2), (42, 8.6), (47, 5)], 1.4)
    elif group == 9:
        for line in (-9.5, -4.0, 2.0):
            total += 0.95 * groove(y - line - 0.035 * x * x, 1.6) * hs.smoothstep(12, 6, x)
        for k in range(3):
            total += 0.9 * crease(
                x, y, [(8 + 1.5 * k, 6 + 5.5 * k), (12 + k, 5 + 5 * k), (17, 7 + 4.5 * k)], 1.4
            )
        total += 1.2 * _fold(x, y, [(15, 30), (18.5, 36), (22, 44)], 1.9)
    elif group == 10:
        total += 1.9 * _fold(x, y, [(14.5, 28), (18.5, 36), (23, 43), (27.5, 51), (30, 58)], 2.1)
        total += 0.6 * crease(x, y, [(5, 52), (12, 53), (19, 55)], 1.5)
    elif group == 11:
        total += 1.3 * _fold(x, y, [(19, 42), (23, 48), (27, 55), (29, 60)], 1.9)
    elif group == 12:
        total += 1.35 * _fold(x, y, _NASOLABIAL, 2.6)
        total += 0.5 * crease(x, y, [(43, 50), (45.5, 58), (45.5, 66)], 1.9)
    elif group == 13:
        # The corner is drawn up sharply and the cheek puffs out above it.
        total += 0.9 * _fold(x, y, [(23, 48), (28, 54), (33, 60), (35, 67)], 2.3)
        total += 1.1 * hs.hill(x - 38, y - 50, 9, 6)
    elif group == 14:
        # The dimple lies close to the corner and is shallower than the mouth line is dark.
        total += -1.5 * hs.hill(x - 29.5, y - 67, 2.4, 3.6)
        total += 0.6 * crease(x, y, [(28.6, 61), (30.8, 64), (31.4, 68), (30.2, 72), (29.0, 74)], 1.5)
        total += 1.0 * hs.hill(x - 38, y - 66, 3.2, 7)
    elif group == 15:
        total += 1.1 * _fold(x, y, [(29, 90), (29.5, 83), (28, 76), (26, 70)], 1.9)
    elif group == 16:
        # The lower lip is drawn down and out: folds beside it, the furrow above the chin opens.
        total += 0.7 * crease(x, y, [(19, 79), (23, 83), (26.5, 88), (28, 93)], 1.8)
        total += 0.8 * hs.hill(x, y - 90, 12, 4)
    elif group == 17:
        rng = np.random.default_rng([17, 3])
        for px, py, r in zip(
            rng.uniform(0.0, 15, 60), rng.uniform(86, 105, 60), rng.uniform(0.9, 1.7, 60), strict=True
        ):
            total -= (0.36 / r) * hs.hill(x - px, y - py, r, 0.8 * r) * hs.smoothstep(18, 10, x)
        total += 1.1 * bump_mask(x, y, 0, 96, 17, 11)
        total += 1.1 * crease(x, y, [(-1, 82.5), (8, 83.5), (15, 87), (18.5, 92)], 2.2, 0.6)
    elif group == 18:
        for k in range(9):
            a = -1.2 + 0.3 * k
            start = (13 * np.cos(a), 68 + 11 * np.sin(a))
            end = (23 * np.cos(a), 68 + 20 * np.sin(a))
            total += 0.42 * crease(x, y, [start, end], 1.3)
    elif group == 20:
        total += 0.8 * _fold(x, y, [(31, 59), (33.5, 66), (33.5, 74), (31, 80)], 2.0)
        total += 0.6 * crease(x, y, [(0, 84), (10, 85), (20, 84)], 1.6, 0.3)
    elif group == 22:
        # Short radial folds where the lips turn outwards.
        for k in range(5):
            across = 4.0 + 4.0 * k
            total += 0.55 * crease(x, y, [(across, 59 + 0.5 * k), (1.12 * across, 53.5 + 0.6 * k)], 1.2)
            total += 0.45 * crease(x, y, [(across, 79 - 0.5 * k), (1.12 * across, 84.5 - 0.6 * k)], 1.2)
        total += 0.9 * hs.hill(x, y - 56.5, 20, 1.8) + 0.8 * hs.hill(x, y - 81.5, 18, 1.8)
    elif group == 23:
        # The tightened lips are lined, and their borders stand out as cords.
        for k in range(6):
            across = 1.5 + 3.6 * k
            total += 0.65 * crease(x, y, [(across, 57.5 + 0.35 * k), (across, 64.5)], 0.9)
            total += 0.65 * crease(x, y, [(across, 71.5), (across, 79.5 - 0.35 * k)], 0.9)
        total += 0.9 * crease(x, y, [(24.5, 63), (27.5, 68), (24.5, 73)], 1.3)
    elif group == 24:
        total += 0.9 * crease(x, y, [(0, 57.5), (10, 58.5), (19, 62)], 1.5, 0.4)
        total += 1.1 * crease(x, y, [(0, 80.5), (10, 80), (18, 77)], 1.6, 0.4)
        total += -0.9 * hs.hill(x - 28, y - 68, 1.6, 4)
    elif group == 28:
        # Skin is drawn over the teeth: smooth above and below, with a fold along each edge.
        total += 1.0 * crease(x, y, [(-1, 59.5), (10, 60), (20, 63)], 1.6, 0.4)
        total += 1.2 * crease(x, y, [(-1, 83), (10, 83), (19, 79)], 1.8, 0.4)
        total += 0.8 * hs.hill(x, y - 77, 14, 3)
    return total


def bump_mask(x: Array, y: Array, cx: float, cy: float, rx: float, ry: float) -> Array:
    """A low mound with compact support."""
    return hs.bump(x - cx, y - cy, rx, ry)


@lru_cache(maxsize=VARIANTS)
def patches(variant: int = 0) -> dict[tuple[int, int], Patch]:
    """Patches by (group number, side); side 0 is the person's left. Built once per variant, about 0.5 s.

    Args:
        variant: 0 to `VARIANTS` - 1; people differ in it.
    """
    rng = np.random.default_rng([variant, 41])
    a = atlas()
    skin = (a.row > -70) & (a.row < 109) & (np.abs(a.column) < 1)
    rows = np.flatnonzero(skin.any(1))
    band = slice(int(rows[0]), int(rows[-1]) + 1)
    shape = (band.stop - band.start, a.x.shape[1])
    x = a.x[band].astype(np.float64) + 0.7 * noise(rng, (16, 24), shape) + 0.10 * noise(rng, (50, 70), shape)
    y = a.y[band].astype(np.float64) + 0.8 * noise(rng, (14, 22), shape) + 0.12 * noise(rng, (45, 66), shape)
    uneven = np.clip(1.0 + 0.30 * noise(rng, (26, 40), shape), 0.35, 1.5) * skin[band]
    result = {}
    for g, group in enumerate(GROUPS):
        height = wrinkle_height(group, np.abs(x), y) * uneven
        for side in (0, 1):
            one = height * (a.left[band] if side == 0 else 1 - a.left[band])
            where = np.abs(one) > 0.02
            r, c = np.flatnonzero(where.any(1)), np.flatnonzero(where.any(0))
            inner, columns = slice(int(r[0]), int(r[-1]) + 1), slice(int(c[0]), int(c[-1]) + 1)
            place = slice(inner.start + band.start, inner.stop + band.start)
            result[g, side] = Patch(place, columns, np.ascontiguousarray(one[inner, columns], np.float32))
    return result

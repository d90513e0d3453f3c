"""Expression wrinkles as height maps over the texture, one group per action unit and side."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aukit.avatars import head_shape as hs
from aukit.avatars.atlas import atlas

Array = NDArray[np.float64]
Image = NDArray[np.float32]

GROUPS: tuple[int, ...] = (1, 2, 4, 6, 7, 9, 10, 11, 12, 14, 15, 17, 18, 20, 24)
"""Action units that fold the skin."""


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


def _crease(x: Array, y: Array, points: list[tuple[float, float]], width: float, power: float = 0.6) -> Array:
    d, t = polyline(x, y, points)
    return groove(d, width) * np.clip(4 * t * (1 - t), 0, 1) ** power


_NASOLABIAL = [(17.5, 39.0), (20.5, 47.0), (24.0, 56.0), (28.2, 65.5), (32.0, 73.5), (33.0, 80.0)]


def _fold(x: Array, y: Array, points: list[tuple[float, float]], width: float) -> Array:
    """A fold with a full outer bank: the cheek's fat heaps up on one side of it."""
    d, t = polyline(x, y, points)
    ends = np.clip(4 * t * (1 - t), 0, 1) ** 0.5
    bank = np.exp(-(((np.abs(d) - 4.2) / 3.4) ** 2)) * (d < 0)
    return ends * (-np.exp(-((d / width) ** 2)) + 0.5 * bank)


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
        total += 1.8 * _crease(x, y, [(4.6, -7), (5.4, -15), (7.2, -24), (8.6, -32)], 1.7)
        total += 0.7 * _crease(x, y, [(0.0, -6), (0.6, -18), (0.3, -26)], 1.3)
        total += 1.5 * hs.hill(x - 14, y + 22, 5.5, 3.8) - 0.9 * hs.hill(x - 22, y + 32, 8, 3)
    elif group == 6:
        for dx, dy, length in ((1.0, -0.62, 13), (1.0, -0.20, 16), (1.0, 0.18, 17), (0.92, 0.55, 17)):
            start = (50.5, 0.5 + 5.5 * dy)
            points = [
                (start[0] + dx * length * f, start[1] + dy * length * f + 1.6 * f * f) for f in (0, 0.5, 1)
            ]
            total += 1.0 * _crease(x, y, points, 1.3)
        total += 1.0 * _crease(x, y, [(17, 9), (24, 13.5), (33, 15.5), (43, 13), (50, 8)], 1.7)
        total += 0.5 * _crease(x, y, [(22, 18), (32, 21), (44, 19), (52, 14)], 1.6)
    elif group == 7:
        total += 1.0 * _crease(x, y, [(18, 6), (25, 9.2), (33, 10.2), (42, 8.6), (47, 5)], 1.4)
    elif group == 9:
        for line in (-9.5, -4.0, 2.0):
            total += 0.95 * groove(y - line - 0.035 * x * x, 1.6) * hs.smoothstep(12, 6, x)
        for k in range(3):
            total += 0.9 * _crease(
                x, y, [(8 + 1.5 * k, 6 + 5.5 * k), (12 + k, 5 + 5 * k), (17, 7 + 4.5 * k)], 1.4
            )
        total += 1.2 * _fold(x, y, [(15, 30), (18.5, 36), (22, 44)], 1.9)
    elif group == 10:
        total += 1.9 * _fold(x, y, [(14.5, 28), (18.5, 36), (23, 43), (27.5, 51), (30, 58)], 2.1)
        total += 0.6 * _crease(x, y, [(5, 52), (12, 53), (19, 55)], 1.5)
    elif group == 11:
        total += 1.3 * _fold(x, y, [(19, 42), (23, 48), (27, 55), (29, 60)], 1.9)
    elif group == 12:
        total += 1.35 * _fold(x, y, _NASOLABIAL, 2.6)
        total += 0.5 * _crease(x, y, [(43, 50), (45.5, 58), (45.5, 66)], 1.9)
    elif group == 14:
        total += -3.2 * hs.hill(x - 31.5, y - 66.5, 2.4, 3.0)
        total += 1.0 * _crease(x, y, [(30.0, 59), (32.6, 63), (33.2, 68), (31.6, 73), (30.4, 75)], 1.5)
        total += 1.0 * hs.hill(x - 38, y - 66, 3.2, 7)
    elif group == 15:
        total += 1.6 * _fold(x, y, [(29, 90), (29.5, 83), (28, 76), (26, 70)], 1.9)
    elif group == 17:
        rng = np.random.default_rng([17, 3])
        for px, py in zip(rng.uniform(0.5, 15, 26), rng.uniform(87, 104, 26), strict=True):
            total -= 0.6 * hs.hill(x - px, y - py, 1.25, 1.25)
        total += 1.1 * bump_mask(x, y, 0, 96, 17, 11)
        total += 1.6 * _crease(x, y, [(-1, 82.5), (8, 83.5), (15, 87), (18.5, 92)], 1.9, 0.4)
    elif group == 18:
        for k in range(9):
            a = -1.2 + 0.3 * k
            start = (13 * np.cos(a), 68 + 11 * np.sin(a))
            end = (23 * np.cos(a), 68 + 20 * np.sin(a))
            total += 0.42 * _crease(x, y, [start, end], 1.3)
    elif group == 20:
        total += 0.8 * _fold(x, y, [(31, 59), (33.5, 66), (33.5, 74), (31, 80)], 2.0)
        total += 0.6 * _crease(x, y, [(0, 84), (10, 85), (20, 84)], 1.6, 0.3)
    elif group == 24:
        total += 0.9 * _crease(x, y, [(0, 57.5), (10, 58.5), (19, 62)], 1.5, 0.4)
        total += 1.1 * _crease(x, y, [(0, 80.5), (10, 80), (18, 77)], 1.6, 0.4)
        total += -0.9 * hs.hill(x - 28, y - 68, 1.6, 4)
    return total


def bump_mask(x: Array, y: Array, cx: float, cy: float, rx: float, ry: float) -> Array:
    """A low mound with compact support."""
    return hs.bump(x - cx, y - cy, rx, ry)


@lru_cache(maxsize=1)
def patches() -> dict[tuple[int, int], Patch]:
    """Patches by (group number, side); side 0 is the person's left. Built once, about 0.4 s."""
    a = atlas()
    x, y = a.x.astype(np.float64), a.y.astype(np.float64)
    skin = (a.row > -70) & (a.row < 109) & (np.abs(a.column) < 1)
    result = {}
    for g, group in enumerate(GROUPS):
        height = wrinkle_height(group, np.abs(x), y) * skin
        for side in (0, 1):
            part = height * (a.left if side == 0 else 1 - a.left)
            where = np.abs(part) > 0.02
            r, c = np.flatnonzero(where.any(1)), np.flatnonzero(where.any(0))
            rows, columns = slice(int(r[0]), int(r[-1]) + 1), slice(int(c[0]), int(c[-1]) + 1)
            result[g, side] = Patch(rows, columns, np.ascontiguousarray(part[rows, columns], np.float32))
    return result

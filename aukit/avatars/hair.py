"""Hair as a shell over the scalp: where it grows, how thick it is, and the curtain of long hair."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aukit.avatars import head_shape as hs
from aukit.avatars.appearance import Appearance
from aukit.avatars.atlas import noise
from aukit.avatars.topology import mean_topology

Array = NDArray[np.float64]
_EAR_COVER = 13.0
_HANG_FROM = -28.5
_HANGING = {"long": 150.0, "bob": 78.0}
"""Length below the eyes in mm of hair that hangs."""


class HairMesh(NamedTuple):
    """A shell that follows the skin.

    Attributes:
        triangles: int64 [T, 3] into the shell's own vertices.
        skin: int64 [M], the vertex of the mean head's skin that each shell vertex follows.
        lift: float32 [M], distance from the skin along its normal in mm.
        offset: float32 [M, 3], further shift in mm (hair that hangs).
        uv: float32 [M, 2] for the strands: u across, v along them.
    """

    triangles: NDArray[np.int64]
    skin: Tensor
    lift: Tensor
    offset: Tensor
    uv: NDArray[np.float32]


def hair_distance(
    row: NDArray[np.float32] | Array, column: NDArray[np.float32] | Array, p: Appearance
) -> Array:
    """Signed distance in mm from the hair line (positive: hair grows) at ring labels and |column|."""
    place = [0, 0.2, 0.4, 0.58, 0.72, 0.84, 0.895, 0.93, 0.975, 1.02, 1.10, 1.25, 2.0]
    line: list[float]
    if p.style == "cap":
        line = [-50.0, -50, -49, -47, -44, -40, -38, -36, -33, -30, -26, -22, -12]
    else:
        receding = max(0.0, -p.hair_line)
        side = 8.0 if p.style in ("short", "full") else -4.0
        if p.style in _HANGING:
            side = 40.0
        upper, lower = (-40.0, -33.0) if p.style in _HANGING else (-32.0, -21.0)
        line = [
            -64.0,
            -64 - 0.2 * receding,
            -63 - 1.2 * receding,
            -58 - 1.2 * receding,
            -46,
            upper,
            lower,
            -14,
            side,
            max(side, -16.0),
            max(side, 14.0),
            max(side, 34.0),
            52,
        ]
        line[:6] = [v + p.hair_line * (0.8 if p.hair_line > 0 else 1.0) for v in line[:6]]
    edge = np.interp(column, place, line)
    return np.asarray(edge - row, np.float64)


@lru_cache(maxsize=64)
def hair_mesh(p: Appearance) -> HairMesh | None:
    """The shell of a person's hair or cap; None for the bald."""
    if p.style == "bald":
        return None
    t = mean_topology()
    rng = np.random.default_rng([p.seed, 23])
    rows, columns = t.rows, t.columns
    q, s = np.meshgrid(rows, columns, indexing="ij")
    distance = hair_distance(q, np.abs(s), p)
    shape = (len(rows), len(columns))
    hanging = _HANGING.get(p.style, 0.0)
    volume = {"cap": 6.0, "tied": 4.0}.get(p.style, p.hair_volume)
    if p.style != "cap":
        distance = distance + 1.6 * noise(rng, (24, 40), shape)
    slope = 5.0 if p.style == "cap" else 11.0 if p.style in ("short", "tied") else 16.0
    crown = 0.75 + 0.25 * hs.smoothstep(-40, -95, q)
    lift = -1.6 + (volume * crown + 1.6) * hs.smoothstep(-1.5, slope, distance)
    if p.style not in ("cap",):
        lift += hs.smoothstep(4, 14, distance) * (
            0.12 * volume * noise(rng, (6, 26), shape) + 0.25 * noise(rng, (8, 80), shape)
        )
        # The parting: a shallow furrow from the hair line back over the crown.
        parting = np.exp(-(((s - 0.55 * p.parting) / 0.05) ** 2)) * (q < -60)
        lift -= 0.35 * np.minimum(volume, 6.0) * parting
    offset = np.zeros((*shape, 3))
    anchor = t.grid
    keep = distance > -5.0
    if hanging:
        # From the widest ring on, behind the cheeks, the shell leaves the head and falls straight.  Over
        # the ears it stands off far enough to hide them.
        start = int(np.searchsorted(rows, _HANG_FROM))
        curtain = (q > rows[start]) & (np.abs(s) > 0.90)
        length = np.interp(q, [rows[start], 150.0], [0.0, 1.0])
        x0, y0, z0 = hs.ring_point(np.full(shape, rows[start]), s)
        spread = 1.0 + 0.10 * hs.smoothstep(0.0, 0.8, length)
        wave = 1.6 * noise(rng, (5, 40), shape) * length
        fall = length * (hanging - rows[start]) * (1 + 0.03 * noise(rng, (1, 60), shape))
        target = np.stack([x0 * spread + np.sign(s) * wave, y0 + fall, z0 * spread - 4.0 * length], -1)
        edge = hs.smoothstep(0.90, 0.985, np.abs(s))
        cover = hs.smoothstep(-84, rows[start], q) * edge * hs.smoothstep(1.9, 1.3, np.abs(s))
        lift = np.maximum(lift, cover * (_EAR_COVER + 1.6) - 1.6)
        hang = (_EAR_COVER + 3.0 + 1.2 * noise(rng, (4, 60), shape) * length) * edge - 3.0
        # What hangs continues the thickness of what grows above it.
        hang = np.where(np.abs(s) > 1.3, 0.85 * volume, hang)
        hang = lift[start] + (hang - lift[start]) * hs.smoothstep(0.0, 0.4, length)
        lift = np.where(curtain, hang, lift)
        # It hangs from the skin at ear height, so that the jaw does not move it.
        anchor = np.where(curtain, t.grid[start][None, :], anchor)
        here = t.position[anchor] + np.array([0, 0, hs.EAR_AXIS_DEPTH])
        offset = np.where(curtain[..., None], target - here, 0.0)
        keep |= curtain & (q <= 150)
        keep &= q <= 150
    grid = np.arange(len(rows) * len(columns)).reshape(shape)
    corners = np.stack([keep[:-1, :-1], keep[1:, :-1], keep[:-1, 1:], keep[1:, 1:]]).any(0)
    if hanging:
        free = (q > rows[start]) & ~curtain & (distance < -1.0)
        loose = np.stack([free[:-1, :-1], free[1:, :-1], free[:-1, 1:], free[1:, 1:]]).any(0)
        corners &= (q[1:, 1:] <= 150) & ~loose
    r, c = np.nonzero(corners)
    a, b, d, e = grid[r, c], grid[r + 1, c], grid[r, c + 1], grid[r + 1, c + 1]
    triangles = np.concatenate([np.stack([a, d, b], 1), np.stack([d, e, b], 1)])
    used, triangles = np.unique(triangles, return_inverse=True)
    triangles = triangles.reshape(-1, 3)
    flat_q, flat_s = q.ravel()[used], s.ravel()[used]
    # Strands run from the parting outwards: across = along the head, along = down.
    uv = np.stack(
        [np.sign(flat_s) * np.interp(np.abs(flat_s), [0, 0.72, 1, 2], [0, 1.3, 2.6, 6.0]), flat_q / 150.0], 1
    )
    return HairMesh(
        triangles,
        torch.from_numpy(anchor.ravel()[used]),
        torch.from_numpy(lift.ravel()[used].astype(np.float32)),
        torch.from_numpy(offset.reshape(-1, 3)[used].astype(np.float32)),
        uv.astype(np.float32),
    )


@lru_cache(maxsize=24)
def strands(seed: int) -> NDArray[np.float32]:
    """Brightness of strands, [256, 512] around 0: long along v, fine across u; tiles by wrapping."""
    rng = np.random.default_rng([seed, 29])
    fine = noise(rng, (6, 512), (256, 512)) * 0.55 + noise(rng, (10, 170), (256, 512)) * 0.5
    broad = noise(rng, (4, 40), (256, 512)) * 0.5
    return np.asarray(fine + broad, np.float32)

"""Head coverings: a knitted cap, and a scarf round face and neck."""

from __future__ import annotations

import numpy as np

from aukit.simulation.appearance.appearance import Appearance
from aukit.simulation.appearance.attached_mesh import Array, Builder, mean_skin, places
from aukit.simulation.face import head_shape as hs
from aukit.simulation.face.atlas import noise
from aukit.simulation.materials import Material

_TURN_RING = -18.0
"""Below this ring a scarf leaves the head and falls."""


def add_cap(builder: Builder, p: Appearance) -> None:
    """A knitted cap with a cuff, in rings that run along its rim."""
    rng = np.random.default_rng([p.seed, 71])
    half = np.concatenate([np.linspace(0, 0.72, 12), np.sin(np.linspace(0.804, np.pi / 2, 8))[1:]])
    half = np.concatenate([half, np.linspace(1, 2, 12)[1:]])
    columns = np.concatenate([-half[:0:-1], half])
    line = [-52.0, -51, -46, -41, -37, -33, -27, -18]
    rim = np.interp(np.abs(columns), [0, 0.3, 0.56, 0.78, 0.92, 1.05, 1.25, 2.0], line)
    rim = rim + float(rng.uniform(-7, 3)) + float(rng.normal(0, 2)) * columns * (2 - np.abs(columns))
    cuff = float(rng.uniform(18, 34))
    up = np.concatenate([[0, 0.6, 2.0, 4.5], np.linspace(9, cuff - 1, 4), [cuff + 0.5, cuff + 3]])
    share = np.linspace(0, 1, 11)[1:, None]
    q = np.concatenate([rim - up[:, None], (rim - up[-1]) * (1 - share) - 116.9 * share])
    q = np.maximum(q, -116.9)[::-1]
    s = np.broadcast_to(columns, q.shape)
    above = rim - q
    lift = 2.0 + 5.5 * hs.smoothstep(-0.2, 4.0, above) - 1.6 * hs.smoothstep(cuff - 1, cuff + 2, above)
    lift = lift * hs.smoothstep(-0.4, 0.7, above) + float(rng.uniform(1, 9)) * hs.smoothstep(-70, -108, q)
    lift += 0.5 * noise(rng, (8, 26), q.shape) * hs.smoothstep(cuff, cuff + 10, above)
    at = places(q, s)
    # The knit's ribs run up.
    uv = np.stack(
        [1.0 * np.sign(s) * np.interp(np.abs(s), [0, 0.72, 1, 2], [0, 0.37, 0.72, 1.6]), q / 318.0], -1
    )
    builder.add(at, lift, 0.0, uv, Material.CAP, casts=True)


def add_scarf(builder: Builder, p: Appearance) -> None:
    """A scarf that leaves an oval for the face, closes under the chin and lies on the shoulders."""
    rng = np.random.default_rng([p.seed, 73])
    top, bottom = float(rng.uniform(-60, -52)), 113.0
    middle, reach = 0.5 * (top + bottom), 0.5 * (bottom - top)
    opening = middle - reach * np.cos(np.linspace(0, np.pi, 25))
    rows = np.concatenate([[-116.9, -115, -111, -105], np.linspace(-97, top - 3, 6), opening])
    rows = np.concatenate([rows, [117, 122, 129, 138, 150, 164, 180, 198, 216]])
    wide = 0.9 * np.clip(1 - ((rows - middle) / reach) ** 2, 0, 1) ** np.where(rows < middle, 0.42, 0.28)
    share = np.concatenate([[0, 0.008, 0.025, 0.06, 0.11], np.linspace(0.17, 1, 14)])
    volume = float(rng.uniform(4, 7))
    for side in (1.0, -1.0):
        y, c = np.meshgrid(rows, share, indexing="ij")
        s = wide[:, None] + (2 - wide[:, None]) * c
        folds = noise(rng, (7, 6), y.shape) + 0.6 * noise(rng, (18, 7), y.shape)
        # It lies close along the opening and stands off behind it.
        rise = np.where(y < top, hs.smoothstep(top + 1, top - 34, y), hs.smoothstep(0, 0.16, c))
        rise = np.where(y < top, np.maximum(rise, hs.smoothstep(0, 0.3, s)), rise)
        rise = np.where(y < bottom, rise, 1.0)
        at = places(np.minimum(y, bottom), side * s)
        skin, _ = mean_skin(at)
        hull = _hull(y, s) * np.array([side, 1.0, 1.0])
        falls = (hs.smoothstep(_TURN_RING - 6, _TURN_RING + 20, y) * rise)[..., None]
        knot = 12.0 * hs.smoothstep(1.5, 1.9, s) * hs.bump(y * 0, y + 52, 1, 45)
        hem = np.where(y < top - 0.5, 1.0, hs.smoothstep(-0.002, 0.008, c))
        lift = 2.6 * hem + (volume + knot) * rise
        lift = (lift + 1.1 * folds * rise * hs.smoothstep(0, 0.1, s)) * (1 - falls[..., 0])
        outward = np.stack([side * np.minimum(s, 2 - s), 0 * s, 1 - s], -1)
        offset = falls * (hull - skin + (1.6 * folds)[..., None] * outward)
        uv = 0.003 * np.stack([folds, folds], -1)
        if side < 0:
            at = type(at)(at.corners[:, ::-1], at.weights[:, ::-1])
            lift, offset, uv = lift[:, ::-1], offset[:, ::-1], uv[:, ::-1]
        builder.add(at, lift, offset, uv, Material.CAP, two_sided=True, casts=True)


def _hull(y: Array, s: Array) -> Array:
    """Points of the outline in which a scarf falls at heights and columns >= 0. [..., 3]."""
    level = [-18, 5, 40, 90, 115, 135, 150, 178, 216]
    half = np.interp(y, level, [84, 89, 88, 79, 75, 76, 84, 122, 190])
    front = np.interp(y, level, [97, 95, 93, 87, 76, 64, 60, 66, 84])
    back = np.interp(y, level, [110, 110, 108, 98, 90, 86, 86, 90, 108])
    ahead, behind = np.clip(s, 0, 1), np.clip(s - 1, 0, 1) * np.pi / 2
    x = half * np.where(s <= 1, ahead, np.cos(behind))
    z = np.where(s <= 1, front * (1 - ahead**2.2) ** (1 / 2.2), -back * np.sin(behind))
    return np.stack([x, y, z - hs.EAR_AXIS_DEPTH], -1)

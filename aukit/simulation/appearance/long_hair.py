"""Hanging hair: on either side a sheet from the parting over scalp and ear, with locks on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aukit.simulation.appearance.appearance import Appearance
from aukit.simulation.appearance.attached_mesh import Builder, places
from aukit.simulation.appearance.hair_direction import hair_direction, taper
from aukit.simulation.appearance.hairline import hair_line
from aukit.simulation.face import head_shape as hs
from aukit.simulation.face.atlas import noise
from aukit.simulation.materials import Material

Array = NDArray[np.float64]
_ENDS = {"long": 165.0, "bob": 80.0}
"""Height below the eyes in mm at which hanging hair ends."""
_HANG_RING = -18.0
"""The ring of the head whose outline hair keeps below."""
_SCALP = 0.45
"""Share of a sheet's steps that lie on the scalp."""
_EAR_COVER = 10.0


class _Sheet:
    """One side's hair as a sheet: strands k in [0, 1] from face to back, t in [0, 1] from root to end."""

    def __init__(self, p: Appearance, side: float) -> None:
        rng = np.random.default_rng([p.seed, 53])
        self.p, self.side = p, side
        self.end = _ENDS[p.style] + float(rng.uniform(-18, 22))
        self.front = float(rng.uniform(0.86, 0.92))
        self.curtain = float(rng.uniform(-5.0, 7.0))
        self.ragged = float(rng.uniform(4, 11)) if p.style == "long" else float(rng.uniform(1, 3))
        self.bend = float(rng.uniform(-9, 5)) if p.style == "bob" else float(rng.uniform(-3, 10))
        self.before = float(rng.uniform(-6, 16))
        wave = p.wave
        self.swing = 0.6 + 6.5 * wave**1.3
        self.pitch = float(rng.uniform(48, 75)) * (1.0 - 0.35 * wave)
        self.phase = rng.normal(0, 1, 20).cumsum() * (0.5 + 1.0 * wave) + 2.0 * (side > 0)
        self.own = np.random.default_rng([p.seed, 59, int(side > 0)])
        self.tips = self.own.normal(0, 1, 24)
        self.parting = hair_direction(p).parting * side
        line = hair_line(np.array([abs(self.parting)]), p)
        self.top = float(line[0]) - 5.0

    def at(self, k: Array, t: Array, out: Array | float = 0.0) -> tuple[Array, Array, Array, Array]:
        """Ring, column, distance from the skin and shift [..., 3] of points; `out` mm off the sheet."""
        p, k = self.p, np.clip(k, 0, 1)
        a = np.clip(t / _SCALP, 0, 1)
        down = np.clip((t - _SCALP) / (1 - _SCALP), 0, 1)
        last = self.front + (2.0 - self.front) * k**1.15
        first_q = self.top + (-116.6 - self.top) * np.clip(k / 0.36, 0, 1) ** 0.8
        first_s = self.parting + (last - self.parting) * hs.smoothstep(0.34, 0.6, k)
        turn = 5.0 - 3.2 * hs.smoothstep(0.0, 0.5, k)
        q = first_q + (_HANG_RING - first_q) * a**turn
        q = q + self.curtain * np.sin(np.pi * a) ** 2 * np.clip(1 - 4 * k, 0, 1)
        s = first_s + (last - first_s) * a
        length = self.end - _HANG_RING + self.ragged * np.interp(k, np.linspace(0, 1, 24), self.tips)
        y = _HANG_RING + down * (length - 14.0 * np.clip(1 - 5 * k, 0, 1))
        height = np.where(t < _SCALP, q, y)
        volume = p.hair_volume if p.cover != "cap" else 2.5
        # Flat at the parting and along the face, full over the crown and behind the ears.
        root = 0.5 * hs.smoothstep(0, 0.06, a) + 0.5 * hs.smoothstep(0.0, 0.55, a)
        edge = hs.smoothstep(-0.02, 0.22, k)
        lift = -0.6 + (volume + 1.0) * root * (0.06 + 0.94 * edge)
        ears = hs.smoothstep(-62, 0, height) * hs.smoothstep(0.9, 1.02, s) * hs.smoothstep(2.0, 1.2, s)
        lift = lift + _EAR_COVER * ears + 1.6 * hs.smoothstep(-50, -10, height)
        lift = lift - 6.0 * hs.smoothstep(35, 95, height) + self.bend * hs.smoothstep(0.7, 1.0, down)
        ripple = hs.smoothstep(-30, 70, height) + 0.35 * hs.smoothstep(-90, -40, height)
        phase = np.interp(k, np.linspace(0, 1, 20), self.phase) + 2 * np.pi * height / self.pitch
        lift = lift + self.swing * ripple * np.sin(phase) * (0.35 + 0.65 * hs.smoothstep(0, 0.12, k)) + out
        s = np.minimum(s + self.swing * 0.0045 * ripple * np.cos(phase) * np.clip(1.6 - s, 0, 1), 2.0)
        s = s + 0.022 * np.sin(self.phase[0] + height / 21.0) * hs.smoothstep(-40, 10, height) * np.clip(
            1 - 4 * k, 0, 1
        )
        forward = self.before * hs.smoothstep(60, 150, height) * hs.smoothstep(1.6, 0.9, s)
        back = 6.0 * hs.smoothstep(-10, 60, height)
        shift = np.stack([0 * lift, np.where(t < _SCALP, 0.0, y - _HANG_RING), forward - back + 0 * lift], -1)
        return q, self.side * s, lift, shift

    def uv(self, k: Array, t: Array) -> Array:
        """Strands' coordinates."""
        return np.stack(np.broadcast_arrays(self.side * 6.0 * k + 0.5, 1.6 * t), -1)


def hang(builder: Builder, p: Appearance, side: float) -> None:
    """One side's sheet with ribbons on it and at its edges."""
    sheet = _Sheet(p, side)
    rng = sheet.own
    ks = np.concatenate([np.linspace(0, 0.3, 13), np.linspace(0.3, 1, 19)[1:]])
    fine = 8 if p.wave > 0.35 else 0
    ts = np.concatenate([np.linspace(0, _SCALP, 12), np.linspace(_SCALP, 1, 15 + fine)[1:]])
    t, k = np.meshgrid(ts, ks if side > 0 else ks[::-1], indexing="ij")
    tone = noise(rng, (5, 14), k.shape) * hs.smoothstep(0.1, 0.3, t)
    q, s, lift, shift = sheet.at(k, t, 0.9 * tone)
    # Near the parting a sheet is never seen from below.
    below = t[:-1, :-1] > 0.5 * _SCALP
    builder.add(places(q, s), lift, shift, sheet.uv(k, t), Material.HAIR, two_sided=below, casts=True)
    # Most locks lie near the face, where the outline is seen.
    count, points = 84, 9 + fine // 2
    steps = np.linspace(0.0, 1.0, points)
    first = np.full(count, _SCALP) if p.cover == "cap" else rng.uniform(0.05, 0.75, count)
    at = np.where(np.arange(count) < 34, rng.uniform(-0.01, 0.08, count), rng.random(count))
    span = np.where(rng.random(count) < 0.5, 1.0 - first, rng.uniform(0.25, 0.6, count))
    tt = np.clip(first[:, None] + np.minimum(span, 1.0 - first)[:, None] * steps, 0, 1)
    kk = at[:, None] + rng.normal(0, 0.02, count)[:, None] * steps + rng.normal(0, 0.008, count)[:, None]
    out = rng.uniform(0.3, 1.6, count)[:, None] * np.sin(np.pi * steps**0.7) + 0.2
    q, s, lift, shift = sheet.at(kk, tt, out)
    beyond = rng.uniform(0, 10 if p.style == "long" else 4, count)[:, None] * steps**3
    shift[..., 1] += beyond * (tt > 0.9)
    half = rng.uniform(1.5, 4.0, count)[:, None] * taper(points) * np.clip(3 * steps + 0.2, 0, 1)
    builder.ribbons(
        places(q, s), lift, shift, half, sheet.uv(kk, tt), Material.HAIR, rng.normal(0, 0.25, count)
    )

"""Hair: where it grows, a shell over the scalp, locks that break its outline, and what hangs from it."""

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
from aukit.avatars.topology import Topology

Array = NDArray[np.float64]
_HANGING = {"long": 165.0, "bob": 82.0}
"""Height below the eyes in mm at which hanging hair ends."""
_HANG_FROM, _HANG_RING = -58.0, -18.0
"""Where the hanging sheet leaves the shell, and the ring of the head whose outline it keeps below."""
_EAR_COVER = 10.0
_CROPPED = ("short", "full", "curly")
_ARC = 95.0
"""Millimetres of arc per unit of column, about."""


class HairMesh(NamedTuple):
    """A mesh that follows the skin.

    Attributes:
        triangles: int64 [T, 3] into the hair's own vertices.
        skin: int64 [M], the skin vertex that each vertex follows.
        lift: float32 [M], distance from the skin along its normal in mm.
        offset: float32 [M, 3], further shift in mm.
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
    place = np.array([0, 0.2, 0.4, 0.56, 0.68, 0.78, 0.86, 0.92, 0.965, 1.02, 1.10, 1.25, 2.0])
    if p.style == "cap":
        line = np.array([-50.0, -50, -49, -47, -44, -40, -38, -36, -33, -30, -26, -22, -12])
    else:
        receding = max(0.0, -p.hair_line)
        line = np.array([-66.0, -67, -68, -65, -55, -42, -29, -16, 6, 6, 14, 34, 52])
        # Temples recede first; sideburns end at the ear.
        line[:5] -= receding * np.array([0.15, 0.4, 1.3, 1.6, 1.0])
        line[:6] += p.hair_line * (0.8 if p.hair_line > 0 else 0.7)
        if p.style in _HANGING:
            line[6:10] = [-26, -8, 20, 30]  # covered by what hangs
        elif p.style not in _CROPPED:
            line[7:10] = [-22, -14, -6]
    edge = np.interp(column, place, line)
    slope = np.interp(column, 0.5 * (place[1:] + place[:-1]), np.diff(line) / np.diff(place)) / _ARC
    return np.asarray((edge - row) / np.sqrt(1.0 + slope**2), np.float64)


class _Builder:
    """Collects patches of hair over one head."""

    def __init__(self, t: Topology) -> None:
        self.t = t
        self.count = 0
        self.triangles: list[NDArray[np.int64]] = []
        self.skin: list[NDArray[np.int64]] = []
        self.lift: list[Array] = []
        self.offset: list[Array] = []
        self.uv: list[Array] = []

    def add(self, skin: NDArray[np.int64], lift: Array, offset: Array, uv: Array, keep: Array | None) -> None:
        """A grid of vertices [R, C]; `keep` chooses its quads [R - 1, C - 1]."""
        rows, columns = skin.shape
        number = np.arange(rows * columns).reshape(rows, columns) + self.count
        r, c = np.nonzero(np.ones((rows - 1, columns - 1)) if keep is None else keep)
        a, b, d, e = number[r, c], number[r + 1, c], number[r, c + 1], number[r + 1, c + 1]
        self.triangles.append(np.concatenate([np.stack([a, d, b], 1), np.stack([d, e, b], 1)]))
        self.count += rows * columns
        self.skin.append(skin.ravel())
        self.lift.append(lift.ravel())
        self.offset.append(offset.reshape(-1, 3))
        self.uv.append(uv.reshape(-1, 2))

    def lock(self, q: Array, s: Array, lift: Array, width: float, u: float) -> None:
        """A tapering, arched strip along the path (q, s) of rings and columns, `lift` above the skin."""
        along = np.linspace(0.0, 1.0, len(q))[:, None]
        across = np.array([-1.0, 0.0, 1.0])[None]
        half = 0.5 * width * np.sin(np.pi * along**0.75) ** 0.8 + 0.1
        qq = np.broadcast_to(q[:, None], (len(q), 3))
        ss = s[:, None] + across * half / _ARC
        row = np.abs(self.t.rows[:, None, None] - qq).argmin(0)
        column = np.abs(self.t.columns[:, None, None] - np.clip(ss, -2, 2)).argmin(0)
        here = np.stack(hs.ring_point(qq, np.clip(ss, -2, 2)), -1)
        grid = np.stack(hs.ring_point(self.t.rows[row], self.t.columns[column]), -1)
        arch = lift[:, None] + 0.16 * half * (1.0 - 1.6 * np.abs(across))
        uv = np.stack(np.broadcast_arrays(u + across * half * 0.012, q[:, None] / 150.0), -1)
        self.add(self.t.grid[row, column], arch, here - grid, uv, None)

    def hanging(self, place: Array, s: Array, uv: Array) -> None:
        """A patch [R, C, 3] of places in mm (z from the ear axis) that hangs from the head at columns `s`."""
        row = int(np.abs(self.t.rows - _HANG_RING).argmin())
        column = np.abs(self.t.columns[:, None, None] - np.broadcast_to(s, place.shape[:2])).argmin(0)
        skin = self.t.grid[row][column]
        here = self.t.position[skin] + np.array([0, 0, hs.EAR_AXIS_DEPTH])
        self.add(skin, np.zeros(skin.shape), place - here, uv, None)

    def mesh(self) -> HairMesh:
        """All patches as one, without vertices that no triangle uses."""
        used, triangles = np.unique(np.concatenate(self.triangles), return_inverse=True)
        return HairMesh(
            triangles.reshape(-1, 3),
            torch.from_numpy(np.concatenate(self.skin)[used]),
            torch.from_numpy(np.concatenate(self.lift)[used].astype(np.float32)),
            torch.from_numpy(np.concatenate(self.offset)[used].astype(np.float32)),
            np.concatenate(self.uv)[used].astype(np.float32),
        )


@lru_cache(maxsize=64)
def hair_mesh(p: Appearance) -> HairMesh | None:
    """The hair or cap of a person; None for the bald. About 20 ms."""
    from aukit.avatars.face_model import FaceModel

    if p.style == "bald":
        return None
    builder = _Builder(FaceModel().topology)
    rng = np.random.default_rng([p.seed, 23])
    _shell(builder, p, rng)
    if p.style == "cap":
        return builder.mesh()
    fringe = rng.random() < {"short": 0.15, "full": 0.35, "curly": 0.1, "tied": 0.15}.get(p.style, 0.30)
    sweep = float(rng.normal(0, 0.10) - 0.35 * p.parting)
    _locks(builder, p, rng, sweep, fringe and p.hair_line > -6.0)
    _edge(builder, p, rng)
    if p.style in _HANGING:
        _hang(builder, p, rng)
    return builder.mesh()


def _thickness(q: Array, s: Array, distance: Array, p: Appearance) -> Array:
    """Height of the shell over the scalp in mm, below the skin outside the hair line."""
    if p.style == "cap":
        return -1.6 + 7.6 * hs.smoothstep(-1.5, 5.0, distance)
    volume = {"tied": 4.5}.get(p.style, p.hair_volume)
    top = hs.smoothstep(-48, -92, q)
    if p.style in ("short", "full"):
        # Cropped sides, fuller on top and in front.
        quiff = hs.smoothstep(-60, -85, q) * hs.smoothstep(0.8, 0.2, np.abs(s))
        volume = volume * (0.35 + 0.65 * top + 0.35 * quiff)
    else:
        volume = volume * (0.75 + 0.25 * top)
    # Hair rises out of the hair line; over the ears of those who wear it long it is full at once.
    away = 26.0 if p.style not in _HANGING else 18.0
    rise = 0.30 * hs.smoothstep(1.5, 6.0, distance) + 0.70 * hs.smoothstep(3.0, 4.0 + away, distance)
    return np.asarray(-0.9 + (volume + 0.9) * rise)


def _shell(builder: _Builder, p: Appearance, rng: np.random.Generator) -> None:
    t = builder.t
    q, s = np.meshgrid(t.rows, t.columns, indexing="ij")
    shape = q.shape
    distance = hair_distance(q, np.abs(s), p)
    lift = _thickness(q, s, distance, p)
    if p.style != "cap":
        rough = {"curly": 0.24, "full": 0.12}.get(p.style, 0.08)
        clump = noise(rng, (22, 60), shape) if p.style == "curly" else noise(rng, (7, 34), shape)
        lift += hs.smoothstep(4, 14, distance) * (rough * p.hair_volume * clump + 0.3 * noise(rng, (9, 90), shape))
        if p.style not in ("curly", "tied"):
            # The parting: a shallow furrow from the hair line back over the crown.
            furrow = np.exp(-(((s - 0.6 * p.parting) / 0.035) ** 2)) * (q < -60) * (q > -110)
            lift -= 0.45 * np.minimum(p.hair_volume, 6.0) * furrow
    keep = distance > -1.0
    if p.style in _HANGING:
        keep &= (q < -24) | (np.abs(s) > 1.9)
    corners = np.stack([keep[:-1, :-1], keep[1:, :-1], keep[:-1, 1:], keep[1:, 1:]]).any(0)
    # Strands run from the parting outwards: across = along the head, along = down.
    across = np.sign(s) * np.interp(np.abs(s), [0, 0.72, 1, 2], [0, 1.3, 2.6, 6.0])
    uv = np.stack([across + (0.9 if p.style == "curly" else 0.12) * noise(rng, (30, 60), shape) * 0.1, q / 150.0], -1)
    builder.add(t.grid, lift, np.zeros((*shape, 3)), uv, corners)


def _locks(builder: _Builder, p: Appearance, rng: np.random.Generator, sweep: float, fringe: bool) -> None:
    """Locks over the shell, and across the forehead with a fringe."""
    steps = np.linspace(0.0, 1.0, 7)
    loose = {"tied": 26, "curly": 130, "short": 70, "full": 90}.get(p.style, 50)
    for _ in range(loose):
        s0 = float(rng.uniform(-1.9, 1.9))
        q0 = float(rng.uniform(-108, -66 if abs(s0) < 0.8 else -30))
        reach = float(rng.uniform(10, 20) if p.style in ("short", "curly") else rng.uniform(18, 34))
        q = q0 + reach * steps
        turn = rng.normal(0, 0.5 if p.style == "curly" else 0.06)
        s = s0 + (sweep * 0.5 + turn * 0.3) * steps**1.4 + (0.05 * np.sin(7 * steps + s0 * 9) if p.style == "curly" else 0)
        inside = hair_distance(q, np.abs(s), p)
        if inside[-1] < 1.0:
            continue
        tip = float(rng.uniform(0.2, 1.8)) * (1.6 if p.style in ("curly", "full") else 1.0)
        lift = np.maximum(_thickness(q, s, inside, p), -0.6) + 0.3 + tip * np.sin(np.pi * 0.75 * steps)
        lift[:2] -= [3.0, 1.0]
        builder.lock(q, s, lift, float(rng.uniform(5, 10)), float(np.sign(s0) * np.interp(abs(s0), [0, 0.72, 1, 2], [0, 1.3, 2.6, 6.0]) + rng.normal(0, 0.3)))
    if not fringe:
        return
    end = float(rng.uniform(-52, -38))
    reach = float(rng.uniform(0.58, 0.74))
    slant = float(rng.normal(0, 9)) - 26.0 * sweep
    for k in np.linspace(-1, 1, 50):
        s0 = reach * k + float(rng.normal(0, 0.02))
        # The fringe runs out into the temples.
        stop = end + slant * k * (1 - k * k) + 16.0 * max(0.0, abs(k) - 0.55) + float(rng.normal(0, 3.0))
        begin = float(rng.uniform(-100, -84))
        q = begin + (stop - begin) * steps
        s = s0 * (0.82 + 0.18 * steps) + sweep * 0.9 * steps**1.5 + float(rng.normal(0, 0.02)) * steps
        above = np.maximum(_thickness(q, s, hair_distance(q, np.abs(s), p), p), 0.0)
        lift = np.maximum(above + 0.8, 2.2 + float(rng.uniform(0.0, 2.2))) + 1.5 * np.sin(np.pi * steps)
        lift[:2] = above[:2] - [3.0, -0.2]
        builder.lock(q, s, lift, float(rng.uniform(5, 9)), float(s0 * 1.8 + rng.normal(0, 0.3)))


def _edge(builder: _Builder, p: Appearance, rng: np.random.Generator) -> None:
    """Flat locks across the hair line, so that it has no edge."""
    steps = np.linspace(0.0, 1.0, 4)
    for s0 in rng.uniform(-1.02, 1.02, 120):
        rows = np.arange(-84.0, 6.0, 0.5)
        beyond = np.flatnonzero(hair_distance(rows, np.full(rows.shape, abs(s0)), p) < 0.0)
        if not len(beyond):
            continue
        line = rows[beyond[0]]
        q = line - float(rng.uniform(7, 14)) + float(rng.uniform(9, 17)) * steps
        s = s0 + np.sign(s0) * float(rng.normal(0.0, 0.012)) * steps
        lift = np.maximum(_thickness(q, s, hair_distance(q, np.abs(s), p), p), 0.0) + np.array([-1.2, 0.35, 0.5, 0.3])
        builder.lock(q, s, lift, float(rng.uniform(2.5, 5.0)), float(1.8 * s0 + rng.normal(0, 0.3)))


def _hang(builder: _Builder, p: Appearance, rng: np.random.Generator) -> None:
    """The sheet that falls from the widest ring over the ears, its edges broken by locks."""
    end = _HANGING[p.style] + float(rng.uniform(-14, 22))
    front = float(rng.uniform(0.86, 0.93))
    wave = float(rng.choice([0.4, 1.2, 3.0])) if p.style == "long" else float(rng.uniform(0.2, 1.2))
    pitch, phase = float(rng.uniform(10, 17)), float(rng.uniform(0, 6))
    bend = float(rng.uniform(-9, 5)) if p.style == "bob" else float(rng.uniform(-2, 8))
    volume = 0.78 * p.hair_volume

    def place(y: Array, s: Array, out: Array | float) -> Array:
        x0, _, z0 = hs.ring_point(np.minimum(y, _HANG_RING), s)
        down = np.clip((y - _HANG_RING) / (end - _HANG_RING), 0, 1)
        cover = _EAR_COVER * hs.smoothstep(-40, 2, y) * hs.smoothstep(2.0, 1.2, np.abs(s))
        # The front edge lies on the cheek; behind it the sheet stands off and hides the ear.
        edge = hs.smoothstep(front - 0.06, 1.0, np.abs(s))
        out = out - 1.2 + 2.6 * hs.smoothstep(_HANG_FROM + 2, _HANG_FROM + 34, y)
        thick = edge * (volume + cover) + out
        ripple = wave * np.sin(y / pitch + phase + 3.0 * np.abs(s)) * hs.smoothstep(-10, 60, y)
        narrow = -5.0 * hs.smoothstep(30, 90, y) + bend * hs.smoothstep(0.7, 1.0, down)
        grow = 1.0 + (thick + narrow + ripple) / np.hypot(x0, z0)
        forward = 14.0 * hs.smoothstep(60, 150, y) * hs.smoothstep(1.5, 0.9, np.abs(s))
        return np.stack([x0 * grow, y + 0 * x0, z0 * grow - 6.0 * hs.smoothstep(-10, 60, y) + forward], -1)

    for side in (1.0, -1.0):
        s = side * np.linspace(front, 2.0, 30)[None]
        down = np.linspace(0, 1, 26)[:, None]
        length = (end - _HANG_FROM) * (1 + 0.05 * noise(rng, (1, 14), (1, 30)))
        y = _HANG_FROM + down * length
        ragged = 1.2 * noise(rng, (5, 12), (26, 30)) * hs.smoothstep(0.1, 0.6, down)
        uv = np.stack(np.broadcast_arrays(np.interp(np.abs(s), [0.8, 1, 2], [1.8, 2.6, 6.0]) * side, y / 150), -1)
        patch = place(y, np.broadcast_to(s, y.shape), ragged)
        if side < 0:
            patch, uv, s = patch[:, ::-1], uv[:, ::-1], s[:, ::-1]
        builder.hanging(patch, s, uv)
        steps = np.linspace(0, 1, 10)
        for _ in range(30):
            at = front + (1.15 - front) * float(rng.random()) ** 1.5 - 0.012
            first = float(rng.uniform(-56, -25))
            last = end + float(rng.normal(4, 9))
            yy = first + (last - first) * steps
            half = 0.5 * float(rng.uniform(5, 10)) * np.sin(np.pi * steps**0.6) ** 0.8 + 0.1
            drift = at + float(rng.normal(0, 0.03)) * steps
            across = np.array([-1.0, 0.0, 1.0])
            columns = np.clip(drift[:, None] + across * half[:, None] / _ARC, front - 0.05, 2.0)
            out = 1.4 * np.sin(np.pi * steps)[:, None] + 0.2 * half[:, None] * (1 - 1.6 * np.abs(across)) - 0.3
            strip = place(np.broadcast_to(yy[:, None], columns.shape), side * columns, out)
            own = side * float(np.interp(at, [0.8, 1, 2], [1.8, 2.6, 6.0])) + float(rng.normal(0, 0.15))
            u = own + across * half[:, None] * 0.012
            strip_uv = np.stack([u, np.broadcast_to(yy[:, None] / 150, u.shape)], -1)
            if side < 0:
                strip, strip_uv, columns = strip[:, ::-1], strip_uv[:, ::-1], columns[:, ::-1]
            builder.hanging(strip, side * columns, strip_uv)


@lru_cache(maxsize=24)
def strands(seed: int) -> NDArray[np.float32]:
    """Brightness of strands, [256, 512] around 0: long along v, fine across u; tiles by wrapping."""
    rng = np.random.default_rng([seed, 29])
    total = np.zeros((256, 512), np.float32)
    for rows, columns, weight in ((6, 512, 0.5), (10, 170, 0.5), (4, 40, 0.45)):
        cells = np.pad(rng.standard_normal((rows, columns)), 2, mode="wrap").astype(np.float32)
        y = (np.arange(256) + 0.5) / 256 * rows + 1.5
        x = (np.arange(512) + 0.5) / 512 * columns + 1.5
        iy, ix = y.astype(int), x.astype(int)
        fy, fx = hs.smoothstep(0, 1, y - iy)[:, None], hs.smoothstep(0, 1, x - ix)[None]
        layer = (1 - fy) * (cells[iy][:, ix] * (1 - fx) + cells[iy][:, ix + 1] * fx)
        layer += fy * (cells[iy + 1][:, ix] * (1 - fx) + cells[iy + 1][:, ix + 1] * fx)
        total += weight * layer / layer.std()
    return total

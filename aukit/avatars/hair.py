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
from aukit.avatars.topology import Topology, mean_topology

Array = NDArray[np.float64]
_HANGING = {"long": 165.0, "bob": 82.0}
"""Height below the eyes in mm at which hanging hair ends."""
_HANG_FROM, _HANG_RING = -66.0, -18.0
"""Where the hanging sheet leaves the shell, and the ring of the head whose outline it keeps below."""
_EAR_COVER = 10.0
_CROPPED = ("short", "full", "curly")


class HairMesh(NamedTuple):
    """A mesh that follows the skin.

    Attributes:
        triangles: int64 [T, 3] into the hair's own vertices.
        skin: int64 [M], the vertex of the mean head's skin that each vertex follows.
        lift: float32 [M], distance from the skin along its normal in mm.
        offset: float32 [M, 3], further shift in mm.
        uv: float32 [M, 2] for the strands: u across, v along them.
        two_sided: So many triangles from the first can be seen from both sides.
        casters: So many triangles from the first cast shadows.
    """

    triangles: NDArray[np.int64]
    skin: Tensor
    lift: Tensor
    offset: Tensor
    uv: NDArray[np.float32]
    two_sided: int
    casters: int


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
        # Everybody's own: a peak or none, high or low temples.
        own = np.random.default_rng([p.seed, 31]).normal(0.0, [2.5, 1.5, 3.0, 3.5, 3.0])
        line[:5] += own
        if p.style in _HANGING:
            line[6:10] = [-26, -8, 20, 30]  # covered by what hangs
        elif p.style not in _CROPPED:
            line[7:10] = [-22, -14, -6]
    edge = np.interp(column, place, line)
    slope = np.interp(column, 0.5 * (place[1:] + place[:-1]), np.diff(line) / np.diff(place)) / 95.0
    # Where the line climbs, it is nearer than straight above; far from it that no longer holds.
    above = edge - row
    return np.asarray(above / np.sqrt(1.0 + slope**2 * np.exp(-((above / 16.0) ** 2))), np.float64)


def _arc(q: Array, s: Array) -> Array:
    """Millimetres along the ring per unit of column."""
    step = 0.012
    near = np.stack(hs.ring_point(q, np.clip(s + step, -2, 2)), -1) - np.stack(
        hs.ring_point(q, np.clip(s - step, -2, 2)), -1
    )
    return np.asarray(np.clip(np.linalg.norm(near, axis=-1) / (2 * step), 60.0, 900.0))


def _nearest(values: Array, wanted: Array) -> NDArray[np.int64]:
    """Number of the rising value that is nearest to each one wanted."""
    return np.asarray(np.searchsorted(0.5 * (values[1:] + values[:-1]), wanted), np.int64)


def _taper(width: Array, points: int) -> Array:
    """Half widths [L, P] of locks that begin and end in a point."""
    along = np.linspace(0.0, 1.0, points)
    return np.asarray(0.5 * width[:, None] * np.sin(np.pi * along**0.7) ** 0.8 + 0.1)


def _across(s: Array) -> Array:
    """Strand coordinate of a column: denser at the side."""
    return np.asarray(np.sign(s) * np.interp(np.abs(s), [0, 0.72, 1, 2], [0, 1.3, 2.6, 6.0]))


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

    def add(
        self,
        skin: NDArray[np.int64],
        lift: Array,
        offset: Array,
        uv: Array,
        keep: NDArray[np.bool_] | None = None,
    ) -> None:
        """Grids of vertices [..., R, C]; `keep` chooses their quads [..., R - 1, C - 1]."""
        number = np.arange(skin.size).reshape(skin.shape) + self.count
        near, far = slice(-1), slice(1, None)
        corners = [number[..., r, c] for r in (near, far) for c in (near, far)]
        a, d, b, e = (corner[... if keep is None else keep].ravel() for corner in corners)
        self.triangles.append(np.concatenate([np.stack([a, d, b], 1), np.stack([d, e, b], 1)]))
        self.count += skin.size
        self.skin.append(skin.ravel())
        self.lift.append(lift.ravel())
        self.offset.append(offset.reshape(-1, 3))
        self.uv.append(uv.reshape(-1, 2))

    def locks(self, q: Array, s: Array, lift: Array, width: Array, u: Array) -> None:
        """Tapering, arched strips along paths.

        Args:
            q: [L, P] rings along each path.
            s: [L, P] columns.
            lift: [L, P] distance from the skin in mm.
            width: [L] widest place in mm.
            u: [L] where across the strands' texture each lock lies.
        """
        across = np.array([-1.0, 0.0, 1.0])
        half = _taper(width, q.shape[1])
        qq = np.broadcast_to(q[..., None], (*q.shape, 3))
        ss = np.clip(s[..., None] + across * (half / _arc(q, s))[..., None], -2, 2)
        row, column = _nearest(self.t.rows, qq), _nearest(self.t.columns, ss)
        here = np.stack(hs.ring_point(qq, ss), -1)
        grid = np.stack(hs.ring_point(self.t.rows[row], self.t.columns[column]), -1)
        arch = lift[..., None] + 0.16 * half[..., None] * (1.0 - 1.6 * np.abs(across))
        uv = np.stack([u[:, None, None] + across * half[..., None] * 0.012, qq / 150.0], -1)
        self.add(self.t.grid[row, column], arch, here - grid, uv)

    def hanging(self, place: Array, s: Array, uv: Array) -> None:
        """Patches of places [..., R, C, 3] in mm (z from the ear axis), fixed to the head at columns `s`."""
        skin = self.t.grid[int(_nearest(self.t.rows, np.array(_HANG_RING)))][_nearest(self.t.columns, s)]
        here = self.t.position[skin] + np.array([0, 0, hs.EAR_AXIS_DEPTH])
        self.add(skin, np.zeros(skin.shape), place - here, uv)

    def size(self) -> int:
        """Number of triangles so far."""
        return sum(len(t) for t in self.triangles)

    def mesh(self, two_sided: int, casters: int) -> HairMesh:
        """All patches as one, without vertices that no triangle uses."""
        used, triangles = np.unique(np.concatenate(self.triangles), return_inverse=True)
        return HairMesh(
            triangles.reshape(-1, 3),
            torch.from_numpy(np.concatenate(self.skin)[used]),
            torch.from_numpy(np.concatenate(self.lift)[used].astype(np.float32)),
            torch.from_numpy(np.concatenate(self.offset)[used].astype(np.float32)),
            np.concatenate(self.uv)[used].astype(np.float32),
            two_sided,
            casters,
        )


@lru_cache(maxsize=64)
def hair_mesh(p: Appearance) -> HairMesh | None:
    """The hair or cap of a person; None for the bald. About 20 ms."""
    if p.style == "bald":
        return None
    builder = _Builder(mean_topology())
    rng = np.random.default_rng([p.seed, 23])
    _shell(builder, p, rng)
    if p.style == "cap":
        return builder.mesh(0, builder.size())
    fringe = rng.random() < {"short": 0.15, "full": 0.35, "curly": 0.1, "tied": 0.15}.get(p.style, 0.30)
    sweep = float(rng.normal(0, 0.10) - 0.35 * p.parting)
    strips = _hang(builder, p, rng) if p.style in _HANGING else []
    two_sided = builder.size()
    if fringe and p.hair_line > -6.0:
        _fringe(builder, p, rng, sweep)
    casters = builder.size()
    _locks(builder, p, rng, sweep)
    _edge(builder, p, rng)
    for place, columns, uv in strips:
        builder.hanging(place, columns, uv)
    return builder.mesh(two_sided, casters)


def _thickness(q: Array, s: Array, distance: Array, p: Appearance) -> Array:
    """Height of the shell over the scalp in mm, below the skin outside the hair line."""
    if p.style == "cap":
        return -1.6 + 7.6 * hs.smoothstep(-1.5, 5.0, distance)
    volume = np.full(q.shape, 4.5 if p.style == "tied" else p.hair_volume)
    top = hs.smoothstep(-48, -92, q)
    if p.style in ("short", "full"):
        # Cropped sides, fuller on top and in front.
        quiff = hs.smoothstep(-60, -85, q) * hs.smoothstep(0.8, 0.2, np.abs(s))
        volume = volume * (0.35 + 0.65 * top + 0.35 * quiff)
    else:
        volume = volume * (0.75 + 0.25 * top)
    if p.style in _HANGING:
        # Before the ears it lies close, as the sheet does that goes on below.
        volume = volume * (1.0 - 0.75 * hs.smoothstep(-84, -54, q) * hs.smoothstep(1.0, 0.8, np.abs(s)))
    # Hair rises out of the hair line; over the ears of those who wear it long it is full at once.
    away = 26.0 if p.style not in _HANGING else 18.0
    rise = 0.30 * hs.smoothstep(1.5, 6.0, distance) + 0.70 * hs.smoothstep(3.0, 4.0 + away, distance)
    return np.asarray(-0.9 + (volume + 0.9) * rise)


def _shell(builder: _Builder, p: Appearance, rng: np.random.Generator) -> None:
    t = builder.t
    # Every other column will do, and nobody has hair below the neck's middle.
    rows, columns = np.flatnonzero(t.rows < 60.0), np.arange(0, len(t.columns), 2)
    q, s = np.meshgrid(t.rows[rows], t.columns[columns], indexing="ij")
    shape = q.shape
    distance = hair_distance(q, np.abs(s), p)
    lift = _thickness(q, s, distance, p)
    if p.style != "cap":
        rough = {"curly": 0.24, "full": 0.12}.get(p.style, 0.08)
        clump = noise(rng, (22, 60), shape) if p.style == "curly" else noise(rng, (7, 34), shape)
        fine = 0.3 * noise(rng, (9, 90), shape)
        lift += hs.smoothstep(4, 14, distance) * (rough * p.hair_volume * clump + fine)
        if p.style not in ("curly", "tied"):
            # The parting: a shallow furrow from the hair line back over the crown.
            furrow = np.exp(-(((s - 0.6 * p.parting) / 0.035) ** 2)) * (q < -60) * (q > -110)
            lift -= 0.45 * np.minimum(p.hair_volume, 6.0) * furrow
    keep = distance > -1.0
    if p.style in _HANGING:
        keep &= q < -22
        lift = -1.5 + (lift + 1.5) * hs.smoothstep(-24, -66, q)
    corners = keep[:-1, :-1] | keep[1:, :-1] | keep[:-1, 1:] | keep[1:, 1:]
    # Strands run from the parting outwards: across = along the head, along = down.
    frizz = 0.09 if p.style == "curly" else 0.012
    uv = np.stack([_across(s) + frizz * noise(rng, (30, 60), shape), q / 150.0], -1)
    builder.add(t.grid[np.ix_(rows, columns)], lift, np.zeros((*shape, 3)), uv, corners)


def _locks(builder: _Builder, p: Appearance, rng: np.random.Generator, sweep: float) -> None:
    """Locks over the shell that break its outline and its light."""
    count = {"tied": 30, "curly": 150, "short": 80, "full": 100}.get(p.style, 60)
    steps = np.linspace(0.0, 1.0, 6)
    curl = p.style == "curly"
    # Where the head turns from front to side its columns bunch up.
    start = rng.choice([-1.0, 1.0], count) * np.where(
        rng.random(count) < 0.5, rng.uniform(0, 0.86, count), rng.uniform(1.12, 1.9, count)
    )
    begin = rng.uniform(-108, np.where(np.abs(start) < 0.8, -66, -34))
    reach = rng.uniform(10, 20, count) if curl or p.style == "short" else rng.uniform(18, 34, count)
    q = begin[:, None] + reach[:, None] * steps
    turn = 0.5 * sweep + rng.normal(0, 0.15 if curl else 0.02, count)
    s = start[:, None] + turn[:, None] * steps**1.4 + curl * 0.05 * np.sin(7 * steps + 9 * start[:, None])
    inside = hair_distance(q, np.abs(s), p)
    tip = rng.uniform(0.2, 1.8, count) * (1.6 if p.style in ("curly", "full") else 1.0)
    lift = np.maximum(_thickness(q, s, inside, p), -0.6) + 0.3 + tip[:, None] * np.sin(0.75 * np.pi * steps)
    lift[:, :2] -= [3.0, 1.0]
    kept = inside[:, -1] > 1.0
    u = _across(start) + rng.normal(0, 0.3, count)
    builder.locks(q[kept], s[kept], lift[kept], rng.uniform(5, 10, count)[kept], u[kept])


def _fringe(builder: _Builder, p: Appearance, rng: np.random.Generator, sweep: float) -> None:
    """Hair across the forehead, running out into the temples."""
    steps = np.linspace(0.0, 1.0, 7)
    end, reach = float(rng.uniform(-52, -38)), float(rng.uniform(0.58, 0.74))
    slant = float(rng.normal(0, 9)) - 26.0 * sweep
    k = np.linspace(-1, 1, 50)
    stop = end + slant * k * (1 - k * k) + 16.0 * np.clip(np.abs(k) - 0.55, 0, 1) + rng.normal(0, 3.0, 50)
    begin = rng.uniform(-100, -84, 50)
    q = begin[:, None] + (stop - begin)[:, None] * steps
    middle = reach * k + rng.normal(0, 0.02, 50)
    s = middle[:, None] * (0.82 + 0.18 * steps) + 0.9 * sweep * steps**1.5
    above = np.maximum(_thickness(q, s, hair_distance(q, np.abs(s), p), p), 0.0)
    lift = np.maximum(above + 0.8, rng.uniform(2.2, 4.4, 50)[:, None]) + 1.5 * np.sin(np.pi * steps)
    lift[:, :2] = above[:, :2] - [3.0, -0.2]
    builder.locks(q, s, lift, rng.uniform(5, 9, 50), 1.8 * middle + rng.normal(0, 0.3, 50))


def _edge(builder: _Builder, p: Appearance, rng: np.random.Generator) -> None:
    """Flat locks across the hair line, so that it has no edge."""
    steps = np.linspace(0.0, 1.0, 4)
    start = rng.uniform(-1.02, 1.02, 120)
    rows = np.arange(-84.0, 6.0, 1.0)
    grid_q, grid_s = np.broadcast_arrays(rows, np.abs(start)[:, None])
    outside = hair_distance(grid_q, grid_s, p) < 0.0
    line = rows[outside.argmax(1)]
    q = (line - rng.uniform(7, 14, 120))[:, None] + rng.uniform(9, 17, 120)[:, None] * steps
    s = start[:, None] * (1.0 + rng.normal(0.0, 0.012, 120)[:, None] * steps)
    above = np.maximum(_thickness(q, s, hair_distance(q, np.abs(s), p), p), 0.0)
    lift = above + np.array([-1.2, 0.35, 0.5, 0.3])
    kept = outside.any(1)
    u = 1.8 * start + rng.normal(0, 0.3, 120)
    builder.locks(q[kept], s[kept], lift[kept], rng.uniform(2.5, 5.0, 120)[kept], u[kept])


def _hang(builder: _Builder, p: Appearance, rng: np.random.Generator) -> list[tuple[Array, Array, Array]]:
    """The sheet that falls from the widest ring over the ears.

    Returns:
        Locks that break its edges: places, columns and strand coordinates for `_Builder.hanging`.
    """
    strips = []
    end = _HANGING[p.style] + float(rng.uniform(-14, 22))
    front = float(rng.uniform(0.85, 0.92))
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
        out = out - 1.5 + 3.4 * hs.smoothstep(_HANG_FROM, _HANG_FROM + 24, y)
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
        uv = np.stack(np.broadcast_arrays(_across(s), y / 150), -1)
        # The front edge is no straight line.
        swing = 2.2 * np.sin(y / 26.0 + phase) + 0.8 * noise(rng, (9, 2), (26, 30))
        s = s + side * swing * np.clip(1.3 - np.abs(s), 0, 1) / _arc(np.full(s.shape, _HANG_RING), s)
        patch = place(y, s, ragged)
        if side < 0:
            patch, uv, s = patch[:, ::-1], uv[:, ::-1], s[:, ::-1]
        builder.hanging(patch, s, uv)
        count, steps = 24, np.linspace(0, 1, 9)
        at = front - 0.012 + (1.15 - front) * rng.random(count) ** 1.5
        at = np.where((at > 0.95) & (at < 1.06), at + 0.12, at)
        first, last = rng.uniform(-56, -25, count), end + rng.normal(4, 9, count)
        yy = (first[:, None] + (last - first)[:, None] * steps)[..., None]
        half = _taper(rng.uniform(5, 10, count), 9)[..., None]
        across = np.array([-1.0, 0.0, 1.0])
        drift = at[:, None] + rng.normal(0, 0.012, count)[:, None] * steps
        arc = _arc(np.full(drift.shape, _HANG_RING), drift)[..., None]
        columns = side * np.clip(drift[..., None] + side * across * half / arc, front - 0.05, 2.0)
        out = 1.4 * np.sin(np.pi * steps)[:, None] + 0.2 * half * (1 - 1.6 * np.abs(across)) - 0.3
        u = side * _across(at) + rng.normal(0, 0.15, count)
        strip_uv = np.stack(np.broadcast_arrays(u[:, None, None] + across * half * 0.012, yy / 150), -1)
        strips.append((place(np.broadcast_to(yy, columns.shape), columns, out), columns, strip_uv))
    return strips


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

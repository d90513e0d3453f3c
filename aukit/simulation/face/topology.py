"""Vertices and triangles of the mean head: one skin grid with slits for eyes and mouth, and what lies behind.

The skin is a grid of rings (rows) by columns.  At the eyes and at the mouth one ring is doubled, so that
lids and lips are separate edges; away from the slit the doubled vertices are merged again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from aukit.simulation.face import head_shape as hs
from aukit.simulation.materials import Material

Array = NDArray[np.float64]
Index = NDArray[np.int64]

SKIN_V = 0.86
"""The skin takes texture rows 0 to `SKIN_V`; eyes, teeth, mouth and ears share the strip below."""
EYE_UV = (0.07, 0.93, 0.062)
"""Centre and radius (u, v, r) of the eye's patch in the texture; r is 90 degrees from the pupil."""
TEETH_UV = (0.20, 0.88, 0.44, 0.99)
MOUTH_UV = (0.48, 0.88, 0.60, 0.99)
TONGUE_UV = (0.61, 0.88, 0.65, 0.99)
"""From the lower lip over the floor (up to `TONGUE_TIP` of the length) and the tongue to the throat."""
TONGUE_TIP = 5.5 / 9
EAR_UV = (0.66, 0.88, 0.84, 0.99)
CLOTH_ROW = 172.0

_INSET = 0.004  # of the mouth's patches, so that no colour of their neighbours shows at the corners


def _row_labels() -> Array:
    return np.concatenate(
        [
            [-117, -115.6, -113, -109, -104, -98, -91, -83, -76],
            np.arange(-69, -32, 4.0),
            np.arange(-30, -13, 2.0),
            np.linspace(-12, 0, 10),
            np.linspace(0, 12, 10),
            np.arange(14, 35, 2.0),
            np.linspace(35.5, 56, 15),
            np.linspace(57.5, 68, 9),
            np.linspace(68, 79.5, 10),
            np.linspace(81.5, 108, 12),
            [110.5, 113, 116, 119, 122, 126, 130, 135, 142, 150, 160, 172, 173, 184, 195, 208, 225],
        ]
    )


def _columns() -> Array:
    front = np.linspace(0.0, 0.72, 35)
    side = np.sin(np.linspace(np.arcsin(0.72), np.pi / 2, 10))[1:]
    back = np.linspace(1.0, 2.0, 9)[1:]
    half = np.concatenate([front, side, back])
    return np.concatenate([-half[:0:-1], half])


@dataclass
class Topology:
    """The mean head with everything that later formulas need to know about its vertices.

    All arrays are per vertex unless said otherwise; positions are in mm with the origin between the pupils.
    """

    position: Array = field(default_factory=lambda: np.zeros((0, 3)))
    canonical: Array = field(default_factory=lambda: np.zeros((0, 2)))
    """(x, y) on the skin with lids and lips closed, before features: the coordinates of paint."""
    anchor: Array = field(default_factory=lambda: np.zeros((0, 3)))
    """Where identity fields are evaluated (the eye's centre for every vertex of an eye)."""
    uv: Array = field(default_factory=lambda: np.zeros((0, 2)))
    row: Array = field(default_factory=lambda: np.zeros(0))
    """Ring label of skin vertices (NaN elsewhere)."""
    column: Array = field(default_factory=lambda: np.zeros(0))
    lower_lip: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    lower_lid: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    expressive: Array = field(default_factory=lambda: np.zeros(0))
    """Share of the muscle fields that the vertex follows (0 for teeth, eyes, ears)."""
    jaw: Array = field(default_factory=lambda: np.zeros(0))
    """Share of the jaw's rotation; NaN on skin, where a formula gives it."""
    follows: Index = field(default_factory=lambda: np.zeros(0, np.int64))
    """The vertex whose muscle fields are followed (itself on skin)."""
    triangles: Index = field(default_factory=lambda: np.zeros((0, 3), np.int64))
    material: Index = field(default_factory=lambda: np.zeros(0, np.int64))
    """Per triangle, never HAIR or CAP."""
    grid: Index = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    """Vertex of each (ring, column) of the skin."""
    rows: Array = field(default_factory=_row_labels)
    columns: Array = field(default_factory=_columns)
    lid_up: Index = field(default_factory=lambda: np.zeros(0, np.int64))
    """Upper lid margin vertices (both eyes), matched with `lid_down` and `lid_rims`."""
    lid_down: Index = field(default_factory=lambda: np.zeros(0, np.int64))
    lip_up: Index = field(default_factory=lambda: np.zeros(0, np.int64))
    lip_down: Index = field(default_factory=lambda: np.zeros(0, np.int64))
    rim: Index = field(default_factory=lambda: np.zeros(0, np.int64))
    """Vertices of the lids' inner edges, which are pulled on to the eyeball at every pose."""
    eyes: Index = field(default_factory=lambda: np.zeros((2, 0), np.int64))
    """Vertices of the person's left and right eyeball."""

    def add(
        self,
        position: Array,
        uv: Array,
        triangles: Index,
        material: Material,
        follows: Index | None = None,
        anchor: Array | None = None,
        expressive: Array | float = 0.0,
        jaw: Array | float = 0.0,
    ) -> Index:
        """Append a patch outside the skin grid; returns the numbers of its vertices."""
        start, n = len(self.position), len(position)
        index = np.arange(start, start + n)
        nan = np.full(n, np.nan)
        self.position = np.concatenate([self.position, position])
        self.canonical = np.concatenate([self.canonical, np.full((n, 2), np.nan)])
        self.anchor = np.concatenate([self.anchor, position if anchor is None else anchor])
        self.uv = np.concatenate([self.uv, uv])
        self.row, self.column = np.concatenate([self.row, nan]), np.concatenate([self.column, nan])
        self.lower_lip = np.concatenate([self.lower_lip, np.zeros(n, bool)])
        self.lower_lid = np.concatenate([self.lower_lid, np.zeros(n, bool)])
        self.expressive = np.concatenate([self.expressive, np.broadcast_to(expressive, (n,))])
        self.jaw = np.concatenate([self.jaw, np.broadcast_to(jaw, (n,))])
        self.follows = np.concatenate([self.follows, index if follows is None else follows])
        self.triangles = np.concatenate([self.triangles, triangles + start])
        self.material = np.concatenate([self.material, np.full(len(triangles), material)])
        return index


def quads(rows: int, columns: int) -> Index:
    """Triangles of a full grid numbered row by row, facing the viewer if rows go down and columns right."""
    r, c = np.meshgrid(np.arange(rows - 1), np.arange(columns - 1), indexing="ij")
    a = (r * columns + c).ravel()
    return np.concatenate(
        [np.stack([a, a + 1, a + columns], 1), np.stack([a + 1, a + columns + 1, a + columns], 1)]
    )


def grid_uv(rows: Array, columns: Array) -> Array:
    """Texture coordinates of the skin grid at all ring labels and columns. [R, C, 2]."""
    weight = np.interp(rows, [-117, -70, -40, 108, 115, 225], [0.35, 0.6, 1, 1, 0.6, 0.22])
    v = np.concatenate([[0.0], np.cumsum(np.diff(rows) * 0.5 * (weight[1:] + weight[:-1]) + 0.15)])
    v = 0.004 + v / v[-1] * (SKIN_V - 0.008)
    u = np.interp(np.abs(columns), [0, 0.75, 1.0, 2.0], [0.0, 0.31, 0.43, 0.498])
    return np.stack(np.broadcast_arrays(0.5 + np.sign(columns)[None] * u[None], v[:, None]), -1)


def _slit(t: Topology, label: float, inside: NDArray[np.bool_]) -> int:
    """Number of the upper of the two rings at `label`; merges their vertices where not `inside`."""
    upper = int(np.flatnonzero(t.rows == label)[0])
    t.grid[upper + 1, ~inside] = t.grid[upper, ~inside]
    return upper


def _open_eyes(t: Topology, position: Array, q: Array, lower: NDArray[np.bool_]) -> Array:
    """Open the lids and lay them over the eyeballs."""
    ex, ey, ez = hs.EYE_CENTRE
    p = position.copy()
    up, down, tilt = hs.lid_opening(p[:, 0])
    near = np.abs(np.abs(p[:, 0]) - hs.EYE_MIDDLE)
    reach = hs.smoothstep(26, 14, near)
    p[:, 1] += tilt * reach * hs.bump(near * 0, q, 1, 16, 1.0)
    fall_up = np.clip(1 - np.abs(q) / 13.0, 0, 1) ** 1.35
    fall_down = np.clip(1 - np.abs(q) / 12.0, 0, 1) ** 1.5
    p[:, 1] += np.where(lower, down * fall_down, np.where(q <= 0, up * fall_up, 0.0))
    dx, dy = np.abs(p[:, 0]) - ex, p[:, 1] - ey
    sphere = ez + np.sqrt(np.clip((hs.EYE_RADIUS + 1.15) ** 2 - dx**2 - dy**2, 0.0, None))
    weight = hs.smoothstep(14, 5, np.abs(q)) * hs.smoothstep(17.5, 13, np.abs(dx)) * (p[:, 2] > 0)
    k = 1.2
    soft = 0.5 * (p[:, 2] + sphere + np.sqrt((p[:, 2] - sphere) ** 2 + k * k))
    margin = hs.smoothstep(5, 1, np.abs(q)) * hs.smoothstep(13.5, 10.5, np.abs(dx))
    p[:, 2] += weight * ((1 - margin) * soft + margin * sphere - p[:, 2])
    # The fold between lid and brow: the skin dips where the lid slides in.
    inside = hs.smoothstep(17, 10, np.abs(dx)) * (~lower) * (p[:, 2] > 0)
    p[:, 2] += inside * (-0.5 * hs.hill(dx * 0, q + 6.0, 1, 1.4) + 0.5 * hs.hill(dx * 0, q + 10.0, 1, 2.4))
    return p


def _skin(t: Topology) -> None:
    rows, columns = t.rows, t.columns
    t.grid = np.arange(rows.size * columns.size).reshape(rows.size, columns.size)
    x_eye, _, _ = hs.ring_point(np.array(hs.EYE_ROW), columns)
    x_mouth, _, _ = hs.ring_point(np.array(hs.MOUTH_ROW), columns)
    in_eye = (np.abs(np.abs(x_eye) - hs.EYE_MIDDLE) < hs.EYE_HALF_WIDTH) & (np.abs(columns) < 1)
    in_mouth = (np.abs(x_mouth) < hs.MOUTH_HALF_WIDTH) & (np.abs(columns) < 1)
    eye_row = _slit(t, hs.EYE_ROW, in_eye)
    mouth_row = _slit(t, hs.MOUTH_ROW, in_mouth)
    t.grid[0, :] = t.grid[0, 0]

    q = np.repeat(rows, columns.size)
    s = np.tile(columns, rows.size)
    number = np.repeat(np.arange(rows.size), columns.size)
    x, y, z = hs.ring_point(q, s)
    front = (np.abs(s) < 1.0) & (q > -100) & (q < 125)
    canonical = np.stack([x, y], 1)
    fx, fy, fz = hs.features(x, y)
    fade = np.where(front, hs.smoothstep(1.0, 0.9, np.abs(s)) * hs.smoothstep(124, 110, q), 0.0)
    position = np.stack([x + fade * fx, y + fade * fy, z + fade * fz], 1)
    lower_lid = number == eye_row + 1
    lower_lid |= (number > eye_row + 1) & (q < 16)
    t.lower_lip = number >= mouth_row + 1
    position = _open_eyes(t, position, q, lower_lid)
    t.position, t.canonical = position, canonical
    t.lower_lid = lower_lid
    t.uv = grid_uv(rows, columns).reshape(-1, 2)
    t.row, t.column = q, s
    n = len(q)
    t.expressive, t.jaw, t.follows = np.ones(n), np.full(n, np.nan), np.arange(n)
    local = quads(rows.size, columns.size)
    r, _ = np.divmod(local.min(1), columns.size)
    triangles = t.grid.ravel()[local]
    distinct = (
        (triangles[:, 0] != triangles[:, 1])
        & (triangles[:, 1] != triangles[:, 2])
        & (triangles[:, 0] != triangles[:, 2])
    )
    # The slits themselves are openings, not skin.
    distinct &= ~np.isin(r, [eye_row, mouth_row])
    t.triangles = triangles[distinct]
    t.material = np.where(rows[r[distinct]] >= CLOTH_ROW, Material.CLOTH, Material.SKIN)
    t.anchor = position.copy()
    t.lid_up, t.lid_down = t.grid[eye_row, in_eye], t.grid[eye_row + 1, in_eye]
    t.lip_up, t.lip_down = t.grid[mouth_row, in_mouth], t.grid[mouth_row + 1, in_mouth]


def _lid_rims(t: Topology) -> None:
    """The lids' inner edges from corner to corner, and what closes the corners behind them."""
    ring = t.grid[int(np.flatnonzero(t.rows == hs.EYE_ROW)[0])]
    rims = []
    for side in (1, -1):
        pair = []
        for margin in (t.lid_up, t.lid_down):
            mine = margin[np.sign(t.position[margin, 0]) == side]
            upper = t.lid_up[np.sign(t.position[t.lid_up, 0]) == side]
            first, last = (int(np.flatnonzero(ring == v)[0]) for v in upper[[0, -1]])
            edge = np.concatenate([ring[[first - 1]], mine, ring[[last + 1]]])
            start, local = len(t.position), np.arange(len(edge) - 1)
            triangles = np.concatenate(
                [
                    np.stack([edge[:-1], edge[1:], start + local], 1),
                    np.stack([edge[1:], start + local + 1, start + local], 1),
                ]
            )
            if margin is t.lid_down:
                triangles = triangles[:, ::-1]
            # `add` shifts by start, so the skin's own numbers are shifted back.
            index = t.add(
                t.position[edge], t.uv[edge], triangles - start, Material.SKIN, edge, expressive=1.0
            )
            t.jaw[index] = np.nan
            pair.append(index)
        # Within the eyeball but at the corners.
        between = np.concatenate(pair)[quads(2, len(pair[0]))]
        t.triangles = np.concatenate([t.triangles, between])
        t.material = np.concatenate([t.material, np.full(len(between), Material.SKIN)])
        rims += pair
    t.rim = np.concatenate(rims)


def _mouth(t: Topology) -> None:
    """A bag behind each lip (joined at the back), the lower with a tongue, and two rows of teeth."""
    ring = t.grid[int(np.flatnonzero(t.rows == hs.MOUTH_ROW)[0])]
    first, last = (int(np.flatnonzero(ring == v)[0]) for v in t.lip_up[[0, -1]])
    corners = ring[[first - 1]], ring[[last + 1]]
    n = len(t.lip_up) + 2
    depth = np.array([0.0, 1.2, 3.5, 8.0, 13.0, 16.5, 20.0, 25.0, 31.0, 38.0])
    roof = -np.array([0.0, 0.9, 2.4, 4.0, 5.0, 5.5, 6.0, 6.0, 4.0, 0.0])
    floor = np.array([0.0, 0.9, 2.4, 4.0, 6.0, 7.0, 7.0, 5.0, 3.0, 0.0])
    tongue = np.array([0.0, 0.9, 2.4, 4.0, 6.0, 6.5, 2.6, 0.6, -0.6, 0.0])
    share = np.interp(depth, [0.0, 1.2, 3.5, 8.0, 20.0, 38.0], [1.0, 1.0, 0.9, 0.6, 0.25, 0.0])
    # Near the lips the bag turns with the margin, so that it never shows through the skin.
    turn = np.where(depth <= 20.0, np.nan, 0.0)
    for margin, lower in ((t.lip_up, False), (t.lip_down, True)):
        edge = np.concatenate([corners[0], margin, corners[1]])
        across = t.position[edge, 0] / hs.MOUTH_HALF_WIDTH
        taper = np.sqrt(np.clip(1 - across**2, 0, 1))
        taper[[0, -1]] = 0.0
        dome = np.clip(1 - (across / 0.72) ** 2, 0, 1) ** 0.5
        lift = floor[:, None] + (tongue - floor)[:, None] * dome if lower else np.tile(roof[:, None], (1, n))
        layers = [
            t.position[edge] + np.stack([-0.012 * d * t.position[edge, 0], h * taper, np.full(n, -d)], 1)
            for d, h in zip(depth, lift, strict=True)
        ]
        u0, v0, u1, v1 = TONGUE_UV if lower else MOUTH_UV
        u, v = np.linspace(u0 + _INSET, u1 - _INSET, n), np.linspace(v0 + _INSET, v1 - _INSET, len(depth))
        index = t.add(
            np.concatenate(layers),
            np.stack(np.meshgrid(u, v), -1).reshape(-1, 2),
            quads(len(depth), n),
            Material.MOUTH,
            np.tile(edge, len(depth)),
            expressive=np.repeat(share, n),
            jaw=np.repeat(np.where(np.isnan(turn), np.nan, np.interp(depth, [20, 38], [1, 0]) * lower), n),
        )
        # Both sheets end on the corners and move with them, so that the bag is closed at its sides.
        sheet = index.reshape(len(depth), n)
        t.lower_lip[sheet[:, 1:-1]] = lower
        t.jaw[sheet[:, [0, -1]]] = np.nan
    u0, v0, u1, v1 = TEETH_UV
    for lower in (False, True):
        angle = np.linspace(-1.15, 1.15, 25)
        half = 22.0 if lower else 24.0
        x = half * np.sin(angle)
        z = 83.0 - 30.0 * (1 - np.cos(angle)) - (2.5 if lower else 0.0)
        height = np.linspace(60.0, 70.4, 5) if not lower else np.linspace(72.2, 79.5, 5)
        grid = np.stack([np.tile(x, 5), np.repeat(height, 25), np.tile(z, 5)], 1)
        curl = np.repeat(np.array([-1.2, 0, 0.3, 0, -1.2]), 25)
        grid[:, 2] += curl
        # The side teeth are shorter, so that a wide open mouth does not show them as fangs.
        short = np.tile((1 - np.cos(angle)) / (1 - np.cos(1.15)), 5)
        root = 79.5 if lower else 60.0
        grid[:, 1] = root + (grid[:, 1] - root) * (1 - 0.62 * short)
        v = np.linspace(v0, (v0 + v1) / 2, 5) if not lower else np.linspace((v0 + v1) / 2, v1, 5)
        uv = np.stack([np.tile(np.linspace(u0, u1, 25), 5), np.repeat(v, 25)], 1)
        t.add(grid, uv, quads(5, 25), Material.TEETH, jaw=1.0 if lower else 0.0)


def _eyes(t: Topology) -> None:
    rings, spokes = 15, 28
    polar = np.concatenate([[0.0], np.linspace(0.10, 1.95, rings - 1)])
    around = np.arange(spokes) * 2 * np.pi / spokes
    th, ph = np.meshgrid(polar[1:], around, indexing="ij")
    th, ph = np.concatenate([[0.0], th.ravel()]), np.concatenate([[0.0], ph.ravel()])
    bulge = hs.EYE_RADIUS + 0.75 * np.clip(1 - (th / 0.55) ** 2, 0, 1)
    local = np.stack([np.sin(th) * np.cos(ph), np.sin(th) * np.sin(ph), np.cos(th)], 1) * bulge[:, None]
    cu, cv, r = EYE_UV
    radius = r * np.minimum(th / (np.pi / 2), 1.0)
    uv = np.stack([cu + radius * np.cos(ph), cv + radius * np.sin(ph)], 1)
    fan = np.stack([np.zeros(spokes), 1 + np.arange(spokes), 1 + (np.arange(spokes) + 1) % spokes], 1)
    tri = [fan.astype(np.int64)]
    for k in range(rings - 2):
        a = 1 + k * spokes + np.arange(spokes)
        b = 1 + k * spokes + (np.arange(spokes) + 1) % spokes
        tri += [np.stack([a, a + spokes, b], 1), np.stack([b, a + spokes, b + spokes], 1)]
    eyes = []
    for side in (1.0, -1.0):
        centre = np.array([side * hs.EYE_CENTRE[0], *hs.EYE_CENTRE[1:]])
        anchor = np.tile(centre, (len(local), 1))
        eyes.append(t.add(local + centre, uv, np.concatenate(tri), Material.EYE, anchor=anchor))
    t.eyes = np.stack(eyes)


def _ears(t: Topology) -> None:
    """A shell per side: a rim that curls outwards round a hollow, and a lobe."""
    rings, spokes = 9, 26
    u0, v0, u1, v1 = EAR_UV
    r = np.linspace(0.0, 1.0, rings)
    around = np.arange(spokes + 1) * 2 * np.pi / spokes
    rr, ph = (g.ravel() for g in np.meshgrid(r, around, indexing="ij"))
    # Outline in the ear's own plane: `a` towards the back of the head, `b` down.
    narrow = 1.0 - 0.22 * hs.smoothstep(-0.2, 1.0, np.sin(ph))
    a = 16.5 * rr * np.cos(ph) * narrow
    b = 29.5 * rr * np.sin(ph)
    rim = np.exp(-(((rr - 0.86) / 0.12) ** 2)) * (0.35 + 0.65 * hs.smoothstep(0.75, -0.2, np.sin(ph)))
    inner = 0.6 * np.exp(-(((rr - 0.52) / 0.13) ** 2)) * hs.smoothstep(-0.6, 0.4, np.cos(ph))
    hollow = np.exp(-((rr / 0.33) ** 2))
    lift = 3.2 * rim + 2.6 * inner - 3.5 * hollow - 5.0 * hs.smoothstep(0.9, 1.0, rr)
    uv = np.stack(
        [u0 + (u1 - u0) * (0.5 + 0.5 * rr * np.cos(ph)), v0 + (v1 - v0) * (0.5 + 0.5 * rr * np.sin(ph))], 1
    )
    # Stands off most above its middle; the lobe lies at the head.
    stand = 0.07 + 0.17 * hs.hill(b + 7.0, b * 0, 18.0, 1.0)
    for side in (1.0, -1.0):
        out = 2.0 + lift * (0.4 + 0.6 * hs.smoothstep(32, 12, b)) + stand * (a + 16.5)
        back = -0.91 * (a + 8.0)
        lean = -0.16 * b
        out = out + 70.0 - 5.5 * hs.smoothstep(2, 30, b)
        position: Array = np.stack([side * out, 7.0 + b, -2.0 + back + lean], 1)
        faces = quads(rings, spokes + 1)
        t.add(position, uv, faces[:, ::-1] if side > 0 else faces, Material.SKIN)


def build_topology() -> Topology:
    """The mean head, neutral, lips closed and eyes open; unused grid vertices are dropped."""
    t = Topology()
    _skin(t)
    _lid_rims(t)
    _mouth(t)
    _eyes(t)
    _ears(t)
    t.position[:, 2] -= hs.EAR_AXIS_DEPTH
    t.anchor[:, 2] -= hs.EAR_AXIS_DEPTH
    return _drop_unused(t)


@lru_cache(maxsize=1)
def mean_topology() -> Topology:
    """The process's one mean head, not to be written to; textures and hair of all face bases refer to it."""
    return build_topology()


def _drop_unused(t: Topology) -> Topology:
    used = np.zeros(len(t.position), bool)
    used[t.triangles] = True
    new = np.cumsum(used) - 1
    for name in (
        "position",
        "canonical",
        "anchor",
        "uv",
        "row",
        "column",
        "lower_lip",
        "lower_lid",
        "expressive",
        "jaw",
    ):
        setattr(t, name, getattr(t, name)[used])
    t.follows = new[t.follows[used]]
    for name in ("triangles", "grid", "lid_up", "lid_down", "lip_up", "lip_down", "rim", "eyes"):
        setattr(t, name, new[getattr(t, name)])
    return t

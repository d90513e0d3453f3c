"""Hair: a shell over the scalp, sheets that hang from the parting, and ribbons that break their outline."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from aukit.simulation.appearance.appearance import Appearance
from aukit.simulation.appearance.attached_mesh import AttachedMesh, Builder, mean_skin, places
from aukit.simulation.appearance.glasses import add_glasses
from aukit.simulation.appearance.hair_direction import flow, hair_direction, strand_direction, taper
from aukit.simulation.appearance.hairline import HANGING, hair_distance, hair_line
from aukit.simulation.appearance.headwear import add_cap, add_scarf
from aukit.simulation.appearance.long_hair import hang
from aukit.simulation.face import head_shape as hs
from aukit.simulation.face.atlas import noise
from aukit.simulation.materials import Material

Array = NDArray[np.float64]


@lru_cache(maxsize=64)
def build_attached_mesh(p: Appearance) -> AttachedMesh | None:
    """Hair, head covering and glasses of a person; None without any of them. About 20 ms."""
    builder = Builder()
    rng = np.random.default_rng([p.seed, 23])
    if p.cover == "scarf":
        add_scarf(builder, p)
    elif p.style != "bald":
        _add_hair(builder, p, rng)
    if p.cover == "cap":
        add_cap(builder, p)
    if p.eyewear != "none":
        add_glasses(builder, p)
    return builder.mesh() if builder.count else None


def _add_hair(builder: Builder, p: Appearance, rng: np.random.Generator) -> None:
    if p.style in HANGING:
        for side in (1.0, -1.0):
            hang(builder, p, side)
    else:
        _shell(builder, p, rng)
    if p.style == "tied":
        _tie(builder, p, rng)
    if p.cover == "cap" or p.style == "buzz":
        return
    if p.style not in HANGING:
        _locks(builder, p, rng)
    chance = {"short": 0.25, "full": 0.5, "curly": 0.0, "tied": 0.2, "bob": 0.45}.get(p.style, 0.3)
    if rng.random() < chance and p.hair_line > -5.0:
        _fringe(builder, p, rng)
    if rng.random() < (0.6 if p.style in ("tied", "long", "bob") else 0.06) and p.hair_line > -5.0:
        _stray(builder, p, rng)


def _thickness(q: Array, s: Array, distance: Array, p: Appearance) -> Array:
    """Height of the shell over the scalp in mm, below the skin outside the hair line."""
    top = hs.smoothstep(-45, -95, q)
    volume, away = np.full(q.shape, p.hair_volume), 12.0 + 14.0 * hs.smoothstep(0.9, 0.6, np.abs(s))
    if p.style == "buzz":
        volume, away = np.full(q.shape, 1.6), 0.6 * away
    elif p.style == "tied":
        volume = np.full(q.shape, 4.5)
    elif p.style == "curly":
        volume, away = volume * (0.7 + 0.3 * top), 0.7 * away
    else:
        # Cropped sides, fuller on top and in front.
        front = hs.smoothstep(-58, -80, q) * hs.smoothstep(0.9, 0.2, np.abs(s))
        volume = volume * ((0.32 if p.style == "short" else 0.5) + 0.5 * top + 0.35 * front)
    if p.cover == "cap":
        volume = np.minimum(volume, 3.0)
    # Hair rises out of the painted roots.
    rise = hs.smoothstep(0, 1, (distance - 1.5) / (away + 0.5)) ** 0.85
    return np.asarray(-1.1 + (volume + 1.1) * rise)


def _clumps(rng: np.random.Generator, uv: Array) -> Array:
    """Noise of unit variance in strands' coordinates: some 10 mm across, long along the strands."""
    grid = rng.standard_normal((32, 64))
    u, v = uv[..., 0] * 4.0, uv[..., 1] * 5.0
    i, j = np.floor(v).astype(int), np.floor(u).astype(int)
    a, b = hs.smoothstep(0, 1, v - i), hs.smoothstep(0, 1, u - j)
    near, far = ((1 - b) * grid[r % 32, j % 64] + b * grid[r % 32, (j + 1) % 64] for r in (i, i + 1))
    return np.asarray(1.35 * ((1 - a) * near + a * far), np.float64)


def _shell(builder: Builder, p: Appearance, rng: np.random.Generator) -> None:
    rows = np.concatenate(
        [
            [-117, -116.2, -114.8, -112.5, -109.5, -106, -102],
            np.arange(-98, -20, 3.5),
            np.arange(-20, 62, 5.0),
        ]
    )
    half = np.concatenate(
        [np.linspace(0, 0.72, 16), np.sin(np.linspace(0.804, np.pi / 2, 10))[1:], np.linspace(1, 2, 10)[1:]]
    )
    q, s = np.meshgrid(rows, np.concatenate([-half[:0:-1], half]), indexing="ij")
    at = places(q, s)
    distance = hair_distance(q, np.abs(s), p)
    lift = _thickness(q, s, distance, p)
    comb = hair_direction(p)
    point, _ = mean_skin(at)
    uv = flow(point, p, comb)
    inside = hs.smoothstep(6, 24, distance) * hs.smoothstep(-117, -110, q)
    # Hair fills the hollow of the temple.
    lift += (
        3.0 * hs.bump(np.abs(point[..., 0]) - 63, point[..., 1] + 20, 22, 32) * hs.smoothstep(3, 14, distance)
    )
    if p.style == "curly":
        lumps = noise(rng, (18, 34), q.shape) + 0.7 * noise(rng, (44, 66), q.shape)
        lift += inside * 0.13 * p.hair_volume * lumps
        uv = uv + 0.10 * np.stack([noise(rng, (40, 60), q.shape), noise(rng, (40, 60), q.shape)], -1)
    elif p.style == "buzz":
        uv = uv + 0.03 * noise(rng, (44, 64), q.shape)[..., None]
    elif p.cover != "cap":
        lift += (
            inside * (0.25 + 0.09 * np.maximum(lift, 0)) * (_clumps(rng, uv) if p.style != "tied" else 0.6)
        )
        uv = uv + 0.015 * noise(rng, (16, 30), q.shape)[..., None]
        if comb.towards == "side":
            # The parting: a furrow from the hair line back over the crown.
            furrow = np.exp(-(((s - comb.parting) / 0.05) ** 2)) * (q > -112) * (np.abs(s) < 1)
            lift -= 0.4 * np.minimum(p.hair_volume, 8.0) * furrow * inside
    # All columns meet at the crown; the ears stand free.
    lift = lift - 1.5 * hs.smoothstep(-113, -117, q)
    ear = (
        hs.smoothstep(-3, 4, q)
        * hs.smoothstep(0.985, 1.005, np.abs(s))
        * hs.smoothstep(1.25, 1.17, np.abs(s))
    )
    lift -= (lift + 2.0) * ear
    keep = (lift > -1.09) & (distance > -2.5)
    corners = keep[:-1, :-1] | keep[1:, :-1] | keep[:-1, 1:] | keep[1:, 1:]
    builder.add(at, lift, 0.0, uv, Material.HAIR, corners, casts=True)


def _locks(builder: Builder, p: Appearance, rng: np.random.Generator) -> None:
    """Locks that stand out of the shell and break its outline and its light."""
    count = {"tied": 160, "curly": 520, "short": 380, "full": 380}[p.style]
    q, around = rng.uniform(-115.5, 48, count), rng.uniform(-1, 1, count)
    s = np.where(np.abs(around) < 0.5, np.sin(np.pi * around), 2 * around)
    edge = np.arange(count) < (0.0 if p.style == "curly" else 0.35 * count)
    # A third of them begin along the hair line of forehead and temples.
    s = np.where(edge, rng.uniform(-0.97, 0.97, count), s)
    q = np.where(edge, hair_line(np.abs(s), p) - rng.uniform(3, 16, count), q)
    inside = hair_distance(q, np.abs(s), p)
    kept = (inside > 2.5) & (q > -116)
    q, s, inside = q[kept], s[kept], inside[kept]
    n, comb, curly = len(q), hair_direction(p), p.style == "curly"
    point, normal = mean_skin(places(q, s))
    wanted = strand_direction(point, s, p, comb)
    # Neighbours lean the same way.
    lean = np.random.default_rng([p.seed, 61]).normal(0, 1, (3, 3))
    swirl = np.sin(point / 17.0 @ lean)
    wanted = wanted + (0.25 if p.style != "tied" else 0.05) * swirl
    wanted = wanted + rng.normal(0, 2.0 if curly else (0.05 if p.style == "tied" else 0.15), (n, 3))
    wanted -= (wanted * normal).sum(1, keepdims=True) * normal
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True) + 1e-9
    tall = _thickness(q, s, inside, p)
    top = hs.smoothstep(-58, -88, q)
    if curly:
        length = rng.uniform(6, 11, n)
    else:
        length = rng.uniform(9, 16, n) + (6.0 + 10.0 * (p.style == "full")) * top * rng.random(n)
    length *= np.clip(0.6 + 0.03 * inside, 0.6, 1.0) * rng.uniform(0.7, 1.15, n)
    steps = np.linspace(0.0, 1.0, 6)
    ahead = length[:, None] * steps
    bend = rng.normal(0, 0.9 if curly else 0.15, n)[:, None] * ahead * steps
    path = point[:, None] + wanted[:, None] * ahead[..., None]
    path += np.cross(wanted, normal)[:, None] * bend[..., None]
    offset = _hug(path) - point[:, None]
    tip = np.minimum(rng.gamma(2.0, 1.0, n), 4.0) * {"curly": 1.3, "tied": 0.15}.get(
        p.style, 0.35 + 0.06 * p.hair_volume
    )
    height = tall[:, None] + tip[:, None] * steps**1.5 + 0.9 * np.sin(np.pi * steps**0.5) + 0.5
    height[:, 0] -= 1.2
    # Along the hair line they are thin.
    wide = rng.uniform(1.0, 2.4, n) * (1.0 if curly else np.clip(0.15 + 0.05 * inside, 0.28, 1.0))
    half = wide[:, None] * taper(6) * np.clip(0.35 + 2.5 * steps, 0, 1)
    uv = flow(point, p, comb)[:, None] + rng.normal(0, 0.12, (n, 1, 2))
    uv = uv + np.stack([0 * ahead, ahead / 150.0], -1)
    root = places(np.repeat(q[:, None], 6, 1), np.repeat(s[:, None], 6, 1))
    builder.ribbons(root, height, offset, half, uv, Material.HAIR, rng.normal(0, 0.16, n))


def _hug(path: Array) -> Array:
    """Paths [L, P, 3] bent so that they keep the distance of their first point from the skull's ellipsoid."""
    middle, axes = np.array([0.0, -30.0, -4.0 - hs.EAR_AXIS_DEPTH]), np.array([75.0, 87.0, 95.0])
    from_middle = path - middle
    far = np.linalg.norm(from_middle / axes, axis=-1, keepdims=True)
    return np.asarray(middle + from_middle * far[:, :1] / far, np.float64)


def _fringe(builder: Builder, p: Appearance, rng: np.random.Generator) -> None:
    """Hair across the forehead in clumps of uneven length: straight, swept to one side or parted."""
    count, steps = 130, np.linspace(0.0, 1.0, 8)
    kind = str(rng.choice(["straight", "swept", "parted"], p=[0.25, 0.45, 0.3]))
    root = np.sort(rng.uniform(-0.6, 0.6, count))
    clump = np.round(root * 9 + rng.normal(0, 0.25, count)) / 9
    own = np.random.default_rng([p.seed, 47]).normal(0, 1, (3, 32))
    c = (np.round(clump * 9) + 12).astype(int)
    middle = float(rng.normal(0, 0.12))
    line = -46.0 + 3.0 * float(rng.normal())
    if kind == "straight":
        tip, end = 1.12 * root, line + 10 * np.abs(root)
    elif kind == "swept":
        turn = float(rng.choice([-1.0, 1.0]))
        tip = root * 0.95 + turn * rng.uniform(0.22, 0.34)
        end = line - 4 + 17.0 * turn * tip + 8 * np.abs(tip) ** 2
    else:
        away = np.where(root > middle, 1.0, -1.0)
        tip = root + away * (0.30 - 0.12 * np.abs(root - middle))
        end = -60 + 30.0 * np.clip(np.abs(tip - middle), 0, 0.75)
    tip = tip + 0.55 * (clump - root) + 0.03 * own[0, c] + rng.normal(0, 0.015, count)
    end = end + 3.5 * own[1, c] + rng.normal(0, 2.5, count) - rng.exponential(3.0, count)
    if p.style not in HANGING:
        end = end - 26.0 * hs.smoothstep(0.30, 0.60, np.abs(root))
    begin = rng.uniform(-103, -82, count)
    q = begin[:, None] + (end - begin)[:, None] * steps
    s = np.clip(root[:, None] * (0.8 + 0.2 * steps) + (tip - root)[:, None] * steps**1.7, -0.9, 0.9)
    above = np.maximum(_thickness(q, s, hair_distance(q, np.abs(s), p), p), 0.0)
    layer = rng.uniform(1.0, 3.6, count)[:, None]
    lift = np.maximum(above + 0.6, layer) + 2.2 * np.sin(np.pi * steps) * (0.6 + 0.3 * own[2, c])[:, None]
    lift[:, :2] = above[:, :2] + np.array([-2.5, 0.4])
    half = rng.uniform(1.4, 3.0, count)[:, None] * taper(8)
    uv = np.stack([1.8 * root[:, None] + 0.2 * own[0, c][:, None] + 0 * steps, q / 150.0], -1)
    builder.ribbons(places(q, s), lift, 0.0, half, uv, Material.HAIR, rng.normal(0, 0.25, count))


def _tie(builder: Builder, p: Appearance, rng: np.random.Generator) -> None:
    """A knot on top or low at the back, or a tail."""
    kind = str(rng.choice(["top", "low", "tail"], p=[0.3, 0.3, 0.4]))
    u, v = np.meshgrid(np.linspace(0, 2 * np.pi, 17), np.linspace(0, 1, 15), indexing="xy")
    if kind == "tail":
        # Out from the back of the head and down.
        path_y = 8.0 * np.sin(1.3 * v) - 6 * np.sin(np.pi * v) + 95.0 * v**1.6
        path_z = -26.0 * np.sin(np.pi * np.minimum(v * 1.1, 1)) ** 0.8
        radius = 17.0 * np.sin(np.pi * np.clip(0.12 + 0.88 * v, 0, 1)) ** 0.7 + 1.0
        radius *= 1 + 0.08 * np.sin(3 * u + 4 * v)
        middle = np.stack([0 * v + 4 * np.sin(4 * v), path_y, path_z], -1)
        ring = np.stack([np.cos(u), 0.35 * np.sin(u), np.sin(u)], -1)
        q, s = -52.0, 2.0
        uv = np.stack([2.5 * u / np.pi, 0.9 * v], -1)
    else:
        size = float(rng.uniform(19, 27))
        polar = np.pi * v
        radius = size * (1 + 0.09 * np.sin(3 * u + 9 * v) + 0.05 * np.sin(7 * u - 5 * v)) + 0 * v
        ring = np.stack([np.sin(polar) * np.cos(u), -np.cos(polar), np.sin(polar) * np.sin(u)], -1)
        ring = ring * np.array([1.0, 0.85, 1.0])
        q, s = (-111.0, 2.0) if kind == "top" else (-18.0, 2.0)
        middle = np.array([0.0, -0.45 * size, 0.1 * size] if kind == "top" else [0.0, 2.0, -0.55 * size])
        uv = np.stack([2.2 * u / np.pi + 2.5 * v, 0.6 * v + 0.2 * u / np.pi], -1)
    at = places(np.full(u.shape, q), np.full(u.shape, s))
    builder.add(at, 4.0, middle + radius[..., None] * ring, uv, Material.HAIR, two_sided=True, casts=True)


def _stray(builder: Builder, p: Appearance, rng: np.random.Generator) -> None:
    """A few thin locks that hang from the temples, before the ears or across the face."""
    clusters, each, steps = int(rng.integers(1, 4)), 4, np.linspace(0.0, 1.0, 9)

    def shared(low: float, high: float) -> Array:
        return np.repeat(rng.uniform(low, high, clusters), each)[:, None]

    count = clusters * each
    side = np.repeat(rng.choice([-1.0, 1.0], clusters), each)[:, None]
    begin, start = shared(-92, -80), shared(0.35, 0.75) + rng.normal(0, 0.02, (count, 1))
    reach = shared(45, 60) if p.style not in ("tied", *HANGING) else shared(60, 110)
    q = begin + reach * rng.uniform(0.75, 1.1, (count, 1)) * steps
    end = shared(0.84, 0.96) + rng.normal(0, 0.015, (count, 1))
    s = start + (end - start) * steps**0.6 + 0.02 * np.sin(5 * steps + shared(0, 6))
    tall = np.maximum(_thickness(q, s, hair_distance(q, s, p), p), 0.0) if p.style not in HANGING else 1.0
    lift = tall + 0.6 + shared(1, 4) * np.sin(np.pi * steps)
    half = rng.uniform(0.25, 0.5, (count, 1)) * taper(9)
    uv = np.stack([rng.uniform(0, 5, (count, 1)) + 0 * steps, q / 150.0], -1)
    builder.ribbons(places(q, side * s), lift, 0.0, half, uv, Material.HAIR, rng.normal(0, 0.3, count))


@lru_cache(maxsize=24)
def strands(seed: int) -> NDArray[np.float32]:
    """Brightness of strands, [256, 512] around 0: long along v, fine across u; tiles by wrapping.

    The finest are a third of a millimetre wide: finer ones would flicker at the sizes that are rendered.
    """
    rng = np.random.default_rng([seed, 29])
    total = np.zeros((256, 512), np.float32)
    for rows, columns, weight in ((8, 128, 0.26), (6, 60, 0.36), (5, 26, 0.36), (4, 9, 0.36)):
        cells = np.pad(rng.standard_normal((rows, columns)), 2, mode="wrap").astype(np.float32)
        y = (np.arange(256) + 0.5) / 256 * rows + 1.5
        x = (np.arange(512) + 0.5) / 512 * columns + 1.5
        iy, ix = y.astype(int), x.astype(int)
        fy, fx = hs.smoothstep(0, 1, y - iy)[:, None], hs.smoothstep(0, 1, x - ix)[None]
        layer = (1 - fy) * (cells[iy][:, ix] * (1 - fx) + cells[iy][:, ix + 1] * fx)
        layer += fy * (cells[iy + 1][:, ix] * (1 - fx) + cells[iy + 1][:, ix + 1] * fx)
        total += weight * layer / layer.std()
    return total

"""Glasses: rims, bridge and temples fixed to nose and ears; only sunglasses have lenses."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aukit.simulation.appearance.appearance import Appearance, linear
from aukit.simulation.appearance.attached_mesh import Array, Builder, Places, mean_skin, places
from aukit.simulation.face.atlas import TEXTURE, noise
from aukit.simulation.materials import Material

GLASSES_UV = (0.89, 0.88, 0.98, 0.98)
"""Patch of the atlas (u0, v0, u1, v1): frame in its upper half, lenses in the lower one."""
_FRAMES = {
    "black": (22, 21, 22), "dark": (44, 38, 36), "brown": (72, 44, 28), "tortoise": (104, 62, 30),
    "navy": (34, 42, 66), "wine": (86, 28, 36), "clear": (170, 164, 156),
    "steel": (138, 138, 140), "gold": (170, 136, 76),
}  # fmt: skip


class _Frame(NamedTuple):
    """One pair: colour, metal or not, half width and height of a lens, squareness, rim and bridge in mm."""

    colour: str
    metal: bool
    half_width: float
    half_height: float
    square: float
    rim: float
    gap: float


def _frame(p: Appearance) -> _Frame:
    rng = np.random.default_rng([p.seed, 67])
    metal = rng.random() < 0.4
    names = ["steel", "gold", "black"] if metal else list(_FRAMES)[:7]
    colour = str(rng.choice(names))
    square = float(rng.choice([2.0, 2.5, 3.2, 4.5]))
    half_width = float(rng.uniform(22.5, 27.0))
    tall = rng.uniform(0.86, 0.98) if square < 2.2 else rng.uniform(0.62, 0.85)
    rim = float(rng.uniform(0.7, 1.1) if metal else rng.uniform(1.3, 2.7))
    if p.eyewear == "sunglasses":
        half_width, tall = half_width + 2.0, max(tall, 0.78)
    return _Frame(
        colour, metal, half_width, half_width * float(tall), square, rim, float(rng.uniform(15, 19))
    )


def _surface(x: Array, y: Array) -> Array:
    """Points of the slightly curved and tilted sheet that the lenses lie in, origin between the pupils."""
    return np.stack([x, y, 16.5 - x**2 / 430.0 - 0.10 * y], -1)


def _outline(f: _Frame, side: float, out: Array | float) -> Array:
    """Points [41, ..., 2] round a lens, `out` mm outside its edge."""
    angle = np.linspace(0, 2 * np.pi, 41)
    cos, sin = np.cos(angle), np.sin(angle)
    radius = (np.abs(cos) ** f.square + np.abs(sin) ** f.square) ** (-1 / f.square)
    out = np.asarray(out, np.float64)
    wide, tall = f.half_width + out, f.half_height + out
    # Lenses taper towards the nose below.
    x = np.multiply.outer(radius * cos, wide) * (1 - 0.10 * np.maximum(sin, 0))[:, None]
    y = np.multiply.outer(radius * sin, tall)
    return np.stack([side * (f.half_width + 0.5 * f.gap) + side * x, 3.0 + y], -1)


def _fixed(share: Array) -> tuple[Places, Array]:
    """Places that go from the front of the frame (share 0) to an ear on the right (share 1) of the image.

    Returns:
        The places and where they are on the mean head [..., 3].
    """
    q, s = np.array([2.0, -14.0, -14.0, -14.0]), np.array([0.0, 0.9, -0.9, 1.06])
    corners = places(q, s).corners[:, 0]
    front = np.array([0.6, 0.2, 0.2, 0.0])
    weights = (1 - share[..., None]) * front + share[..., None] * np.array([0.0, 0.0, 0.0, 1.0])
    at = Places(np.broadcast_to(corners, weights.shape), weights)
    return at, mean_skin(at)[0]


def add_glasses(builder: Builder, p: Appearance) -> None:
    """Add the glasses of `p`."""
    f = _frame(p)
    u0, v0, u1, v1 = GLASSES_UV
    deep = 1.2 if f.metal else 2.6

    def add(points: Array, share: Array, lens: bool = False, mirrored: bool = False) -> None:
        """A grid [R, C, 3] of points; those with a share follow the ear of their side."""
        at, base = _fixed(share)
        if mirrored:
            other = places(np.array(-14.0), np.array(-1.06)).corners[0]
            at = Places(
                np.concatenate([at.corners[..., :3], np.full((*share.shape, 1), other)], -1), at.weights
            )
            base = mean_skin(at)[0]
        r, c = np.meshgrid(*(np.linspace(0.1, 0.9, n) for n in share.shape), indexing="ij")
        v = v0 + (v1 - v0) * (0.5 * c + (0.5 if lens else 0.0))
        uv = np.stack([u0 + (u1 - u0) * r, v], -1)
        builder.add(at, 0.0, points - base, uv, Material.CLOTH, two_sided=True)

    for side in (1.0, -1.0):
        # The rim's section: outer side, front, inner side.
        out = np.array([f.rim, f.rim, 0.0, 0.0])
        ring = _outline(f, side, out)
        points = _surface(ring[..., 0], ring[..., 1])
        points[..., 2] += np.array([-deep, 0.0, 0.0, -deep])
        add(points, np.zeros(points.shape[:2]))
        if p.eyewear == "sunglasses":
            inner = _outline(f, side, np.array([0.3]))
            centre = inner[:-1].mean(0, keepdims=True)
            disc = centre + (inner - centre) * np.array([1.0, 0.5, 0.0])[:, None]
            points = _surface(disc[..., 0], disc[..., 1])
            points[..., 2] -= 0.6
            add(points, np.zeros(points.shape[:2]), lens=True)
        # The temple: from the outer upper corner back to the ear and down behind it.
        edge = side * (2 * f.half_width + 0.5 * f.gap + f.rim)
        high = 3.0 - 0.45 * f.half_height
        start = _surface(np.array(edge), np.array(high))
        along = np.array([0.0, 0.03, 0.3, 0.65, 1.0, 1.12])
        ear = places(np.array(-14.0), np.array(side * 1.06))
        end = mean_skin(ear)[0] + np.array([side * 2.2, 1.0, 0.0])
        path = start + (end - start) * np.minimum(along, 1)[:, None]
        path[:, 0] += side * np.array([0.5, 2.5, 2.5, 1.0, 0.0, -1.0])
        path[-1] += np.array([0.0, 10.0, -9.0])
        height = np.array([2.4, 2.4, 2.0, 1.6, 1.4, 1.2]) * (0.45 if f.metal else 0.5 + 0.3 * f.rim)
        section = np.array([[-0.8, -1.0, 0], [0.8, -1.0, 0], [0.8, 1.0, 0], [-0.8, 1.0, 0], [-0.8, -1.0, 0]])
        tube = path[:, None] + section * np.stack([np.ones(6), height, np.ones(6)], 1)[:, None]
        add(tube, np.repeat(np.minimum(along, 1)[:, None], 5, 1), mirrored=side < 0)
    bow = np.linspace(-1, 1, 9)
    half = 0.5 * f.gap + 0.6
    arch = -0.12 * f.half_height - 2.2 * (1 - bow**2)
    thick = max(f.rim, 0.9) * 0.75
    band = np.stack([np.full(9, -thick), np.full(9, thick)], 1)
    points = _surface(np.repeat((half * bow)[:, None], 2, 1), arch[:, None] + band)
    points[..., 2] += (0.6 * (1 - bow**2))[:, None]
    add(points, np.zeros((9, 2)))


def paint_glasses(
    p: Appearance, albedo: NDArray[np.float32], gloss: NDArray[np.float32], occlusion: NDArray[np.float32]
) -> None:
    """Colour the glasses' patch of the atlas: texels [T, T, ...] of albedo, sheen and arriving light."""
    if p.eyewear == "none":
        return
    f = _frame(p)
    rng = np.random.default_rng([p.seed, 69])
    u0, v0, u1, v1 = (round(c * TEXTURE) for c in GLASSES_UV)
    middle = (v0 + v1) // 2
    frame, lens = (slice(v0, middle), slice(u0, u1)), (slice(middle, v1), slice(u0, u1))
    spots = noise(rng, (4, 16), albedo[frame].shape[:2])[..., None]
    colour = linear(_FRAMES[f.colour]) * np.exp((0.75 if f.colour == "tortoise" else 0.05) * spots)
    albedo[frame] = colour
    gloss[frame] = 9.0 if f.metal else 3.0
    tint = linear([(24, 22, 22), (44, 32, 24), (26, 34, 30)][int(rng.integers(3))])
    albedo[lens] = tint * np.linspace(0.6, 1.2, v1 - middle)[:, None, None]
    gloss[lens] = 5.0
    occlusion[v0:v1, u0:u1] = 1.0

"""Direction of hair: where it is parted, and how strands run over the scalp."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aukit.simulation.appearance.appearance import Appearance
from aukit.simulation.face import head_shape as hs

Array = NDArray[np.float64]


class HairDirection(NamedTuple):
    """Direction in which hair is combed, and the parting it starts from.

    Attributes:
        towards: "front", "side" or "back".
        parting: Position of the parting in [-1, 1] across the head.
    """

    towards: str
    parting: float


def hair_direction(p: Appearance) -> HairDirection:
    """Direction of a person's hair, drawn from the appearance's seed."""
    rng = np.random.default_rng([p.seed, 37])
    chances = {"short": [0.4, 0.4, 0.2], "full": [0.3, 0.5, 0.2], "tied": [0.0, 0.0, 1.0]}
    towards = str(rng.choice(["front", "side", "back"], p=chances.get(p.style, [0.0, 1.0, 0.0])))
    aside = towards == "side" and rng.random() < 0.6
    return HairDirection(towards, float(0.55 * p.parting + (0.22 * np.sign(p.parting) if aside else 0.0)))


def flow(point: Array, p: Appearance, comb: HairDirection) -> Array:
    """Coordinates (u, v) of strands on the scalp at points [..., 3]: u stays the same along one."""
    x, y, z = np.moveaxis(point, -1, 0)
    z = z + hs.EAR_AXIS_DEPTH
    if p.style == "tied":
        # From everywhere to a knot at the back.
        return np.stack([1.9 * np.arctan2(x, -(y + 25.0)), z / 150.0], -1)
    if p.style == "curly":
        return np.stack([z / 43.0, (y + x) / 45.0], -1)
    if p.style == "buzz":
        return np.stack([z / 40.0, (y + 0.6 * x) / 24.0], -1)
    if comb.towards == "side":
        # In planes across the head, from the parting to both sides.
        away = np.abs(x - 60.0 * comb.parting)
        return np.stack([z / 43.0 + 0.37 * (x > 60.0 * comb.parting), (y + away) / 150.0], -1)
    # On top along the head, at its sides down.
    top = hs.smoothstep(66, 38, np.abs(x))
    u = (top * x + (1 - top) * np.sign(x) * z) / 43.0
    return np.stack([u, (y - top * z) / 150.0], -1)


def strand_direction(point: Array, s: Array, p: Appearance, comb: HairDirection) -> Array:
    """Direction of strands at points of the scalp. [L, 3]."""
    q = point[:, 1]
    away = np.where(point[:, 0] > 60 * comb.parting, 1.0, -1.0)
    ahead = {"front": (0.25, 0.2, 1.0), "side": (0.9, 0.25, 0.45), "back": (0.2, -0.1, -1.0)}[comb.towards]
    on_top = np.array(ahead) * np.stack([away, np.ones_like(q), np.ones_like(q)], 1)
    back = np.where(np.abs(s) > 1.25, 0.0, -0.45)
    beside = np.stack(
        [0 * q, -0.15 + 0 * q, -1 + 0 * q] if p.style == "tied" else [0 * q, 1 + 0 * q, back], 1
    )
    top = hs.smoothstep(-58, -88, q)[:, None]
    return np.asarray(top * on_top + (1 - top) * beside, np.float64)


def taper(points: int) -> Array:
    """Widths [P] along a lock that swells a little from its root and runs out thin."""
    along = np.linspace(0.0, 1.0, points)
    return np.asarray((0.75 + 0.25 * np.sin(np.pi * along)) * (1.0 - along**2.2) + 0.15)

"""Identity: dimensions of head shape, and their distribution over women, men and ages.

Each dimension is a field of displacements over the mean head; a coefficient of 1 is one standard deviation
of its dimension (millimetres as written below).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from aukit.simulation.face import head_shape as hs

Array = NDArray[np.float64]
Field = Callable[["_Place"], dict[str, Array]]


class _Place:
    """Positions at which fields are evaluated, with the terms that many of them share."""

    def __init__(self, position: Array, lower_lip: NDArray[np.bool_]) -> None:
        self.x, self.y, self.z = position.T
        self.ax = np.abs(self.x)
        self.sg = hs.smooth_sign(self.x)
        self.low = lower_lip
        self.front = hs.smoothstep(-60, -30, self.z)

    def at(self, x: float, y: float, sx: float, sy: float) -> Array:
        """A hill on both sides at (±x, y), on the front of the head only."""
        result: Array = hs.hill(self.ax - x, self.y - y, sx, sy) * self.front
        return result

    def mid(self, y: float, sx: float, sy: float) -> Array:
        """A hill on the midline."""
        return hs.hill(self.x, self.y - y, sx, sy) * self.front

    def down(self, start: float, end: float) -> Array:
        """0 above `start`, 1 below `end`."""
        return hs.smoothstep(start, end, self.y)


def _lip_share(p: _Place) -> Array:
    return np.asarray(np.clip(1 - (p.ax / 27.0) ** 2, 0, 1) * p.front)


DIMENSIONS: dict[str, Field] = {
    "head_width": lambda p: {"x": 2.4 * p.sg * hs.smoothstep(25, 66, p.ax)},
    "head_height": lambda p: {"y": -4.5 * hs.smoothstep(-20, -112, p.y)},
    "head_depth": lambda p: {"z": -5.0 * hs.smoothstep(-30, -170, p.z)},
    "face_length": lambda p: {"y": 3.2 * p.down(8, 104) * hs.smoothstep(-110, -60, p.z)},
    "jaw_width": lambda p: {
        "x": 3.0 * p.sg * p.down(28, 66) * hs.smoothstep(20, 52, p.ax) * (1 - p.down(110, 150))
    },
    "jaw_drop": lambda p: {"y": 3.4 * hs.hill(p.ax - 52, p.y - 68, 16, 18) * hs.smoothstep(-110, -70, p.z)},
    "chin_length": lambda p: {"y": 3.0 * p.down(84, 106) * p.mid(104, 26, 30)},
    "chin_forward": lambda p: {"z": 3.2 * p.mid(100, 22, 14)},
    "chin_width": lambda p: {"x": 2.6 * p.sg * hs.smoothstep(3, 22, p.ax) * p.at(22, 100, 14, 12)},
    "chin_cleft": lambda p: {"z": -0.8 * p.mid(98, 2.2, 7)},
    "nose_length": lambda p: {"y": 2.2 * p.mid(36, 17, 13)},
    "nose_width": lambda p: {"x": 1.7 * p.sg * hs.smoothstep(2, 12, p.ax) * p.at(12, 40, 8, 9)},
    "nose_bridge": lambda p: {"z": 1.7 * p.mid(6, 8, 13)},
    "nose_bridge_width": lambda p: {"x": 1.1 * p.sg * p.at(8, 14, 7, 14)},
    "nose_tip": lambda p: {"z": 2.3 * p.mid(37, 10, 9)},
    "nose_upturn": lambda p: {"y": -2.1 * p.mid(38, 9, 6), "z": 0.5 * p.mid(38, 9, 6)},
    "nose_hump": lambda p: {"z": 1.4 * p.mid(15, 6, 7)},
    "nose_bulb": lambda p: {"x": 0.9 * p.sg * p.at(7, 36, 5, 6), "z": 0.6 * p.at(5, 36, 5, 6)},
    "eye_spacing": lambda p: {"x": 1.3 * p.sg * hs.smoothstep(4, 22, p.ax) * p.at(31, 0, 24, 18)},
    "eye_width": lambda p: {"x": 0.75 * (p.ax - 31) / 11 * np.sign(p.x) * p.at(31, 0, 14, 9)},
    "eye_opening": lambda p: {"y": 0.55 * np.tanh((p.y - 0.3) / 2.5) * p.at(31, 0, 12, 7)},
    "eye_tilt": lambda p: {"y": -1.1 * (p.ax - 31) / 15 * p.at(31, 0, 15, 9)},
    "eye_depth": lambda p: {"z": -1.3 * p.at(31, -2, 22, 13)},
    "eye_height": lambda p: {"y": 1.0 * p.at(31, 0, 26, 16)},
    "lid_fold": lambda p: {"z": 0.9 * p.at(31, -11, 16, 4), "y": 0.9 * p.at(31, -9, 16, 4)},
    "brow_height": lambda p: {"y": -1.9 * p.at(30, -23, 30, 7)},
    "brow_arch": lambda p: {"y": -1.5 * p.at(41, -23, 11, 7)},
    "brow_slant": lambda p: {"y": -1.3 * p.at(14, -21, 12, 7)},
    "brow_ridge": lambda p: {"z": 1.5 * p.at(24, -18, 20, 7) + 0.6 * p.mid(-18, 12, 8)},
    "forehead_slope": lambda p: {"z": -3.2 * hs.smoothstep(-35, -95, p.y) * p.front},
    "forehead_width": lambda p: {"x": 1.9 * p.sg * hs.smoothstep(25, 60, p.ax) * p.at(60, -48, 26, 22)},
    "forehead_bulge": lambda p: {"z": 1.4 * p.mid(-50, 32, 18)},
    "temple": lambda p: {"x": 1.4 * p.sg * p.at(66, -18, 10, 18)},
    "cheekbone_width": lambda p: {"x": 1.9 * p.sg * p.at(62, 22, 13, 14)},
    "cheekbone_forward": lambda p: {"z": 1.7 * p.at(43, 24, 15, 13)},
    "cheek_fullness": lambda p: {"z": 2.0 * p.at(44, 58, 15, 18), "x": 1.4 * p.sg * p.at(52, 58, 15, 18)},
    "muzzle": lambda p: {"z": 1.5 * p.mid(62, 24, 15)},
    "lip_upper": lambda p: {
        "y": -1.05 * _lip_share(p) * hs.hill(p.y - 61, p.y * 0, 3.5, 1) * ~p.low,
        "z": 0.5 * _lip_share(p) * hs.hill(p.y - 63.5, p.y * 0, 3.0, 1) * ~p.low,
    },
    "lip_lower": lambda p: {
        "y": 1.1 * _lip_share(p) * hs.hill(p.y - 77, p.y * 0, 3.5, 1) * p.low,
        "z": 0.6 * _lip_share(p) * hs.hill(p.y - 73, p.y * 0, 3.5, 1) * p.low,
    },
    "lip_forward": lambda p: {"z": 1.3 * p.mid(68, 18, 8)},
    "mouth_width": lambda p: {"x": 1.9 * p.sg * np.clip(p.ax / 25, 0, 1) * p.at(20, 68, 18, 14)},
    "mouth_height": lambda p: {"y": 1.7 * p.mid(68, 34, 14)},
    "mouth_slant": lambda p: {"y": -1.0 * np.clip(p.ax / 25, 0, 1.2) ** 2 * p.mid(68, 26, 10)},
    "philtrum_depth": lambda p: {"z": -0.4 * p.mid(54, 2.0, 5)},
    "neck_width": lambda p: {
        "x": 3.2 * p.sg * p.down(84, 130) * hs.smoothstep(10, 45, p.ax),
        "z": 2.0 * p.down(110, 140) * hs.smoothstep(-80, -30, p.z),
    },
    "ear_out": lambda p: {
        "x": 2.0 * p.sg * hs.smoothstep(71.5, 80, p.ax) * hs.hill(p.y - 8, p.z + 92, 34, 20)
    },
    "ear_size": lambda p: {
        "y": 0.06 * (p.y - 8) * hs.smoothstep(70, 72, p.ax) * hs.hill(p.y - 8, p.z + 92, 34, 22)
    },
    "eye_bag": lambda p: {"z": 0.8 * p.at(30, 11.5, 11, 2.6) - 0.9 * p.at(26, 17, 12, 2.6)},
    "jowl": lambda p: {
        "z": 1.4 * p.at(36, 88, 10, 9) - 1.1 * p.at(24, 90, 5, 8),
        "y": 1.6 * p.at(40, 92, 14, 14),
    },
    "lid_sag": lambda p: {"y": 1.3 * p.at(40, -8.5, 10, 3.5), "z": 0.5 * p.at(40, -9, 10, 4)},
    "nasolabial": lambda p: {"z": 1.2 * p.at(32, 50, 6, 10) - 0.8 * p.at(24, 55, 3, 10)},
    "skew_nose": lambda p: {"x": 0.8 * p.mid(34, 16, 14)},
    "skew_mouth": lambda p: {"x": 0.7 * p.mid(70, 30, 14), "y": 0.5 * (p.x / 25) * p.mid(68, 26, 10)},
    "skew_brow": lambda p: {"y": 0.8 * p.sg * p.at(30, -23, 24, 8)},
    "skew_eyes": lambda p: {"y": 0.5 * p.sg * p.at(31, 0, 20, 12)},
}
"""Name of each dimension and its field for one standard deviation."""

NAMES: tuple[str, ...] = tuple(DIMENSIONS)

# Mean shift of men's coefficients; women's is the negative.
_GENDER = {
    "head_width": 0.45, "head_height": 0.25, "head_depth": 0.4, "face_length": 0.6, "jaw_width": 0.85,
    "jaw_drop": 0.6, "chin_length": 0.45, "chin_forward": 0.3, "chin_width": 0.7, "chin_cleft": 0.3,
    "nose_length": 0.45, "nose_width": 0.55, "nose_bridge": 0.45, "nose_bridge_width": 0.3, "nose_tip": 0.3,
    "nose_upturn": -0.5, "nose_hump": 0.35, "eye_opening": -0.75, "eye_depth": 0.3, "brow_height": -0.7,
    "brow_arch": -0.6, "brow_ridge": 1.0, "forehead_slope": 0.7, "forehead_bulge": -0.5,
    "cheekbone_forward": -0.4, "cheek_fullness": -0.35, "eye_width": -0.35, "lip_upper": -0.75,
    "lip_lower": -0.65, "mouth_width": 0.35, "neck_width": 1.0, "ear_size": 0.4,
}  # fmt: skip
# Change of coefficients per 20 years beyond 30.
_AGE = {
    "nose_length": 0.3, "nose_bulb": 0.25, "nose_upturn": -0.25, "eye_opening": -0.35, "brow_height": -0.2,
    "lip_upper": -0.5, "lip_lower": -0.4, "eye_bag": 0.8, "jowl": 0.9, "lid_sag": 0.8, "nasolabial": 0.8,
    "cheek_fullness": -0.15, "mouth_slant": -0.45, "ear_size": 0.4, "eye_depth": 0.3, "mouth_width": 0.2,
}  # fmt: skip


def identity_basis(position: Array, lower_lip: NDArray[np.bool_]) -> Array:
    """Displacements in mm of every vertex for one standard deviation of every dimension.

    Args:
        position: [N, 3] where the fields are evaluated.
        lower_lip: [N] whether a point lies below the mouth line on its own side of it.

    Returns:
        [K, N, 3].
    """
    place = _Place(position, lower_lip)
    basis = np.zeros((len(NAMES), len(position), 3))
    for k, field in enumerate(DIMENSIONS.values()):
        for axis, values in field(place).items():
            basis[k, :, "xyz".index(axis)] = values
    return basis


def sample_identity(rng: np.random.Generator, gender: str, age: float) -> NDArray[np.float32]:
    """Draw coefficients for one person.

    Args:
        rng: Source of randomness.
        gender: "female" or "male"; the mean face lies between them.
        age: Years, 15 to 90.

    Returns:
        [K] coefficients in standard deviations.

    Raises:
        ValueError: On another gender.
    """
    if gender not in ("female", "male"):
        raise ValueError(f"gender must be 'female' or 'male', not {gender!r}")
    sign = 1.0 if gender == "male" else -1.0
    years = (float(np.clip(age, 15, 90)) - 30.0) / 20.0
    mean = np.array([sign * _GENDER.get(n, 0.0) + years * _AGE.get(n, 0.0) for n in NAMES])
    # Dimensions of one face hang together a little: a few shared factors on top of independent draws.
    mixing = np.random.default_rng([7, len(NAMES)]).normal(size=(6, len(NAMES))) * 0.2
    coefficients = mean + 0.8 * rng.normal(size=len(NAMES)) + rng.normal(size=6) @ mixing
    return np.clip(coefficients, mean - 2.2, mean + 2.2).astype(np.float32)

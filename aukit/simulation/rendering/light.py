"""Light: one key light that casts shadows, one fill, and an ambient sky and ground."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Colour = tuple[float, float, float]


def direction(azimuth: float, elevation: float) -> Colour:
    """Unit vector towards a light at `azimuth` degrees (positive: image right) and `elevation` (up)."""
    a, e = np.deg2rad(azimuth), np.deg2rad(elevation)
    return float(np.sin(a) * np.cos(e)), float(-np.sin(e)), float(np.cos(a) * np.cos(e))


_KEY, _FILL = direction(-28, 34), direction(50, 5)


@dataclass(frozen=True)
class Light:
    """Light in camera space (x right, y down, z towards the viewer); colours are linear RGB.

    Attributes:
        key: Unit vector towards the key light.
        key_colour: Its colour times its strength.
        fill: Unit vector towards the fill light (no shadow).
        fill_colour: Its colour times its strength.
        sky: Ambient light from above.
        ground: Ambient light from below.
        exposure: Brightness of the whole image as a factor on the normalised exposure.
        hardness: Weight of the cast shadow in [0, 1].

    Example:
        >>> light = Light(exposure=1.1, hardness=0.5)
        >>> light.key_colour
        (1.0, 0.97, 0.92)
    """

    key: Colour = _KEY
    key_colour: Colour = (1.0, 0.97, 0.92)
    fill: Colour = _FILL
    fill_colour: Colour = (0.22, 0.24, 0.27)
    sky: Colour = (0.36, 0.37, 0.40)
    ground: Colour = (0.20, 0.18, 0.16)
    exposure: float = 1.0
    hardness: float = 0.8

    @staticmethod
    def sample(rng: np.random.Generator) -> Light:
        """Draw a plausible indoor or outdoor light; the key stays in front of the face."""
        azimuth = float(np.clip(rng.normal(0, 32), -75, 75))
        elevation = float(np.clip(rng.normal(32, 14), -5, 65))
        warmth = float(rng.normal(0, 0.07))
        ambient = float(rng.uniform(0.25, 0.75))
        other = float(rng.normal(0, 0.05))
        fill_strength = float(rng.uniform(0.08, 0.35))
        return Light(
            key=direction(azimuth, elevation),
            key_colour=(1 + warmth, 1.0, 1 - warmth),
            fill=direction(-np.sign(azimuth) * rng.uniform(20, 80), rng.uniform(-20, 30)),
            fill_colour=(fill_strength * (1 - other), fill_strength, fill_strength * (1 + other)),
            sky=(ambient * (1 + other), ambient, ambient * (1 - other)),
            ground=(0.55 * ambient * (1 + warmth), 0.5 * ambient, 0.45 * ambient * (1 - warmth)),
            exposure=float(np.exp(rng.normal(0, 0.12))),
            hardness=float(rng.uniform(0.45, 0.95)),
        )

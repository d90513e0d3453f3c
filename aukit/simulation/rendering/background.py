"""Backgrounds: one colour, a wall, or a cluttered scene."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


def plain_background(size: int, colour: tuple[float, float, float] = (0.55, 0.58, 0.62)) -> Tensor:
    """One sRGB colour in [0, 1]. [3, size, size]."""
    return torch.tensor(colour, dtype=torch.float32)[:, None, None].expand(3, size, size).contiguous()


def sample_plain_background(rng: np.random.Generator, size: int) -> Tensor:
    """One sRGB colour at random, nearly grey. [3, size, size]."""
    red, green, blue = (float(c) for c in np.clip(rng.uniform(0.2, 0.8) + rng.normal(0, 0.06, 3), 0, 1))
    return plain_background(size, (red, green, blue))


def wall(rng: np.random.Generator, size: int, colour: npt.NDArray[np.float64]) -> Tensor:
    """One sRGB colour, unevenly lit, with faint structure. Float32 [3, size, size] in [0, 1]."""
    image = np.tile(colour.astype(np.float32), (size, size, 1))
    for cells, strength in ((2, 0.06), (5, 0.03), (16, 0.01)):
        image += _clouds(rng, size, cells, strength)[..., None]
    return _finished(image)


def clutter(rng: np.random.Generator, size: int) -> Tensor:
    """A cluttered scene: clouds at every scale and objects, some of the colour of skin, in focus or not.

    Neither an even background nor the colour of skin tells a network where the face is. Float32
    [3, size, size], sRGB in [0, 1]; about 3 ms at 256.
    """
    base = rng.uniform(0.15, 0.8) + rng.normal(0, 0.05, 3)
    image = np.tile(base.astype(np.float32), (size, size, 1))
    strength, colour = rng.uniform(0.06, 0.2), rng.normal(0, 0.25, 3).astype(np.float32)
    cells = 2
    while cells <= size // 3:
        image += _clouds(rng, size, cells, strength)[..., None] * (1.0 + colour)
        cells, strength = 2 * cells, strength * rng.uniform(0.45, 0.75)
    for _ in range(rng.integers(3, 14)):
        _add_object(rng, image)
    blur = size * float(rng.choice([0.0, 0.006, 0.02]))
    return _finished(cv2.GaussianBlur(image, (0, 0), blur) if blur else image)


def _clouds(rng: np.random.Generator, size: int, cells: int, strength: float) -> npt.NDArray[np.float32]:
    """Smooth noise with `cells` bumps across. [size, size]."""
    grid = (strength * rng.standard_normal((cells, cells))).astype(np.float32)
    return np.asarray(cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)


def _add_object(rng: np.random.Generator, image: npt.NDArray[np.float32]) -> None:
    """Draw a rectangle or an ellipse with a shaded side; one in three has the colour of skin."""
    size = len(image)
    if rng.random() < 1 / 3:
        depth = rng.random()
        colour = np.array([0.92, 0.74, 0.63]) * (1 - depth) + np.array([0.32, 0.20, 0.15]) * depth
    else:
        colour = rng.uniform(0.08, 0.85) + rng.normal(0, 0.10, 3)
    mask = np.zeros((size, size), np.uint8)
    centre = rng.uniform(-0.1, 1.1, 2) * size
    extent = size * rng.uniform(0.04, 0.4, 2) * rng.uniform(0.2, 1.0)
    angle = float(rng.normal(0, 25))
    box = (tuple(centre), tuple(2 * extent), angle)
    if rng.random() < 0.5:
        cv2.fillPoly(mask, [np.round(cv2.boxPoints(box)).astype(np.int32)], 255, cv2.LINE_AA)
    else:
        cv2.ellipse(mask, box, 255, -1, cv2.LINE_AA)
    ramp = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    shade = 1.0 + float(rng.normal(0, 0.5)) * (ramp[:, None] if rng.random() < 0.5 else ramp[None])
    lit = np.clip(colour, 0.03, 0.97).astype(np.float32) * shade[..., None]
    image += (mask / np.float32(255))[..., None] * (lit - image)


def _finished(image: npt.NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(np.clip(image, 0.02, 0.98)).permute(2, 0, 1).contiguous()

"""Backgrounds: plain, graded or cloudy."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor


def plain_background(size: int, colour: tuple[float, float, float] = (0.55, 0.58, 0.62)) -> Tensor:
    """One sRGB colour in [0, 1]. [3, size, size]."""
    return torch.tensor(colour, dtype=torch.float32)[:, None, None].expand(3, size, size).contiguous()


def sample_background(rng: np.random.Generator, size: int) -> Tensor:
    """A random background: plain, a gradient, or soft clouds at several scales.

    Args:
        rng: Source of randomness.
        size: Width and height in pixels.

    Returns:
        float32 [3, size, size], sRGB in [0, 1].
    """
    base = rng.uniform(0.12, 0.85) + rng.normal(0, 0.06, 3)
    image = np.tile(base.astype(np.float32), (size, size, 1))
    kind = rng.integers(0, 3)
    if kind >= 1:
        angle = rng.uniform(0, 2 * np.pi)
        y, x = np.mgrid[0:size, 0:size] / size - 0.5
        ramp = x * np.cos(angle) + y * np.sin(angle)
        image += ramp[..., None].astype(np.float32) * (rng.normal(0, 0.22) + rng.normal(0, 0.06, 3)).astype(
            np.float32
        )
    if kind == 2:
        for cells in (2, 5, 11):
            grid = rng.standard_normal((cells, cells, 1)) + 0.15 * rng.standard_normal((cells, cells, 3))
            grid = (grid * 0.16 / cells**0.4).astype(np.float32)
            image += cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
    return torch.from_numpy(np.clip(image, 0.02, 0.98)).permute(2, 0, 1).float().contiguous()

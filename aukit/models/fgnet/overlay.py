"""Heat maps drawn over faces: red where an action unit is seen as present, blue as absent."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["heatmap_overlay"]


def heatmap_overlay(images: Tensor, heatmaps: Tensor) -> npt.NDArray[np.uint8]:
    """A row per face: the face, then the face under the heat map of each action unit.

    Args:
        images: ``[N,3,S,S]`` RGB in [0,1].
        heatmaps: ``[N,A,s,s]``, clamped to [−1,1] here; strength is opacity, up to 70 %.

    Returns:
        ``[N·S, (A+1)·S, 3]`` RGB.
    """
    images = images.detach().float().cpu()
    size = images.shape[-1]
    maps = F.interpolate(heatmaps.detach().float().cpu().clamp(-1, 1), size=(size, size), mode="bilinear")
    colour = torch.stack([maps > 0, torch.zeros_like(maps, dtype=torch.bool), maps < 0], dim=2).float()
    opacity = 0.7 * maps.abs()[:, :, None]
    painted = images[:, None] * (1 - opacity) + colour * opacity
    cells = torch.cat([images[:, None], painted], dim=1)  # [N, A+1, 3, S, S]
    grid = cells.permute(0, 3, 1, 4, 2).reshape(len(images) * size, -1, 3)
    picture: npt.NDArray[np.uint8] = (grid.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return picture

"""The loss of FG-Net (Yin et al., WACV 2024): squared error between heat maps."""

from __future__ import annotations

import torch
from torch import Tensor

from aukit.models.components.losses import single_precision
from aukit.models.components.processes import global_sum

__all__ = ["heatmap_loss"]


def heatmap_loss(predicted: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean squared error per AU over pixels and the frames of all processes.

    Args:
        predicted: ``[B,A,H,W]``, not clamped.
        target: ``[B,A,H,W]``; NaN throughout where an AU of a frame is not coded, which is then left out.
        weights: Weight ``[B,A]`` of each frame's map; None for 1. Its own sum does not divide.

    Returns:
        ``[A]`` float32; NaN for an AU that no frame is coded for. The training loss is the mean of the rest.
    """
    coded = ~target[:, :, 0, 0].isnan()
    error = (single_precision(predicted) - target.nan_to_num(0.0)).square().mean(dim=(2, 3))
    if weights is not None:
        error = error * weights
    count = global_sum(coded.sum(dim=0))
    mean = global_sum(torch.where(coded, error, 0.0).sum(dim=0)) / count.clamp(min=1)
    return torch.where(count > 0, mean, torch.nan)

"""The loss of labels that may be missing, for every system that detects; what losses do in half precision."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.nn import functional as F

from aukit.models.components.processes import global_sum

__all__ = ["occurrence_loss", "single_precision", "without_autocast"]


def occurrence_loss(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Binary cross-entropy, mean over what is coded in the rows of all processes.

    Args:
        logits: Any shape; half precision is computed in float32.
        labels: The same shape; 1 present, 0 absent, NaN not coded.
        weights: The same shape, of each label; None for 1. The sum is divided by the number of coded labels,
            not by the sum of their weights.

    Returns:
        A scalar; 0 (with a gradient of 0) where nothing is coded.
    """
    coded = ~labels.isnan()
    loss = F.binary_cross_entropy_with_logits(
        single_precision(logits), labels.nan_to_num(0.0), weights, reduction="none"
    )
    return global_sum(torch.where(coded, loss, 0.0).sum()) / global_sum(coded.sum()).clamp(min=1)


def single_precision(values: Tensor) -> Tensor:
    """Values as float32, or as float64 if they are."""
    return values if values.dtype == torch.float64 else values.float()


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Products of matrices in the precision of their factors, where a trainer's mixed precision rounds them.

    Casting values to float32 is not enough for what is a difference of large products: autocast would cast
    them back before it multiplies. The meta device, which knows no autocast, is let through.
    """
    return nullcontext() if device.type == "meta" else torch.autocast(device.type, enabled=False)

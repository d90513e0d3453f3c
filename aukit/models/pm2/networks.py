"""A timm backbone with one or several multi-label heads, and the domain classifier of DANN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from aukit.models.components.backbones import Backbone

__all__ = ["DetectionNetwork", "two_layers"]


class DetectionNetwork(nn.Module):
    """Images → features → the logits of every head; the prediction is the mean of the heads' probabilities.

    Heads of one feature vector must start differently, else they stay equal and never disagree.

    Args:
        aus: Number of action units A.
        heads: Number of heads H.
        backbone: timm's name of the feature extractor.
        weights: Its file of weights; None starts from random weights.
        backbone_options: Further arguments of the timm model.
        head_width: Hidden units of a head.
    """

    def __init__(
        self,
        aus: int,
        heads: int = 1,
        backbone: str = "resnet50",
        weights: str | None = None,
        backbone_options: Mapping[str, Any] | None = None,
        head_width: int = 256,
    ) -> None:
        super().__init__()
        self.backbone = Backbone(backbone, weights, backbone_options)
        self.heads = nn.ModuleList(
            [two_layers(self.backbone.features, head_width, aus) for _ in range(heads)]
        )

    def logits(self, features: Tensor) -> Tensor:
        """``[B,H,A]`` of features ``[B,D]``."""
        return torch.stack([head(features) for head in self.heads], dim=1)

    def forward(self, images: Tensor) -> Tensor:
        """Probabilities ``[B,A]`` of images ``[B,3,S,S]`` in [0,1]."""
        logits = self.logits(self.backbone(images))
        return logits.float().sigmoid().mean(dim=1)


def two_layers(features: int, width: int, outputs: int) -> nn.Sequential:
    """A hidden layer of ``width`` units between features and outputs."""
    return nn.Sequential(nn.Linear(features, width), nn.ReLU(), nn.Linear(width, outputs))

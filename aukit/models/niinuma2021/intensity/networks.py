"""Intensity estimators: VGG16 with a six-way head per action unit, and a small trunk for short runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from aukit.facs import MAX_INTENSITY
from aukit.models.components.backbones import load_backbone
from aukit.models.weights import RANDOM

__all__ = ["CLASSES", "EstimatorBank", "IntensityEstimator", "IntensityTrunk", "decode"]

#: Classes of every head: absent and the levels A … E.
CLASSES = MAX_INTENSITY + 1


class IntensityEstimator(nn.Module):
    """VGG16 whose last layer has six outputs, one per intensity level of one action unit (paper, §4.2.2).

    Args:
        architecture: "vgg16", or "vgg16_bn", which also learns from scratch.
        weights: File with ImageNet weights (timm's or torchvision's keys, .safetensors or a plain state
            dict); None or "random" starts from random weights.
        dropout: Dropout after both hidden layers; 0.5 in the paper.
        frozen_convs: Convolutions from the input on that are not trained, nor are their batch norms.
            "Fine-tuned from the third convolutional layer" is read as 2; sensible only with weights.

    Raises:
        WeightsError: The file is missing, unreadable or does not fit.

    Cost: 134 M parameters; 15.5 GMAC per 224² image.

    Example:
        >>> estimator = IntensityEstimator(weights="vgg16.safetensors", frozen_convs=2)  # doctest: +SKIP
        >>> decode(estimator(torch.rand(4, 3, 224, 224)))  # doctest: +SKIP
    """

    def __init__(
        self,
        architecture: Literal["vgg16", "vgg16_bn"] = "vgg16",
        weights: str | None = None,
        dropout: float = 0.5,
        frozen_convs: int = 0,
    ) -> None:
        super().__init__()
        import timm  # a second, which a finished run need not wait for

        self.network: nn.Module = timm.create_model(architecture, num_classes=CLASSES, drop_rate=dropout)
        if weights is not None and weights != RANDOM:
            load_backbone(self.network, Path(weights))
        # Up to the next convolution: a batch norm belongs to the one before it.
        layers = [m for m in self.network.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
        places = [place for place, layer in enumerate(layers) if isinstance(layer, nn.Conv2d)]
        self._frozen = layers[: places[frozen_convs] if frozen_convs < len(places) else None]
        for layer in self._frozen:
            layer.requires_grad_(False)

    def train(self, mode: bool = True) -> IntensityEstimator:
        """As usual, but frozen batch norms keep their statistics."""
        super().train(mode)
        for layer in self._frozen:
            layer.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[B,6]`` of normalised images ``[B,3,S,S]``."""
        return cast(Tensor, self.network(images))


class EstimatorBank(nn.Module):
    """One `IntensityEstimator` per action unit, side by side; each learns only from its own batches.

    Args:
        aus: Action units.
        options: Arguments of `IntensityEstimator`.

    Example:
        >>> bank = EstimatorBank((6, 12), architecture="vgg16_bn")  # doctest: +SKIP
        >>> bank(torch.rand(1, 3, 224, 224)).shape  # doctest: +SKIP
        torch.Size([1, 2, 6])
    """

    def __init__(
        self,
        aus: Sequence[int],
        **options: Any,
    ) -> None:
        super().__init__()
        self.estimators = nn.ModuleList([IntensityEstimator(**options) for _ in aus])

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[B,A,6]`` of every estimator for every image."""
        return torch.stack([estimator(images) for estimator in self.estimators], dim=1)

    def head_logits(self, images: Tensor, head: Tensor) -> Tensor:
        """Logits ``[B,6]`` of the estimator that each image belongs to (``head`` ``[B]`` int64)."""
        logits = images.new_zeros(len(images), CLASSES)
        for index in sorted(set(head.tolist())):
            mine = head == index
            logits = logits.index_put((mine,), self.estimators[index](images[mine]).to(logits.dtype))
        return logits


class IntensityTrunk(nn.Module):
    """A small convolutional network with batch norm, shared by six-way heads for all action units.

    A strided 5×5 stem, then 3×3 convolutions at 1/4, 1/8 and 1/16 of the resolution. The last map is not
    pooled away but brought to 4×4, since in registered faces each action unit has its place.

    Args:
        aus: Action units.
        widths: Channels at 1/2, 1/4, 1/8 and 1/16 of the resolution.
        dropout: Dropout before the heads.

    Cost: 9.3 M multiply-adds per 64² image; a training step of 64 images takes 70 to 80 ms on one thread.

    Example:
        >>> IntensityTrunk(aus=(6, 12), widths=(8, 8, 8, 8))(torch.rand(2, 3, 64, 64)).shape
        torch.Size([2, 2, 6])
    """

    def __init__(
        self,
        aus: Sequence[int],
        widths: tuple[int, int, int, int] = (16, 32, 64, 96),
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        stem, first, second, third = widths
        self.stages = nn.Sequential(
            *_convolution(3, stem, 5, stride=2),
            *_convolution(stem, first, 3, stride=2),
            *_convolution(first, first, 3, stride=1),
            *_convolution(first, second, 3, stride=2),
            *_convolution(second, second, 3, stride=1),
            *_convolution(second, third, 3, stride=2),
        )
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.Linear(third * 16, len(aus) * CLASSES)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a fifth faster on a CPU

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[B,A,6]`` of normalised images ``[B,3,S,S]``."""
        features = self.pool(self.stages(images.contiguous(memory_format=torch.channels_last)))
        logits: Tensor = self.heads(self.dropout(features.flatten(1)))
        return logits.reshape(len(images), -1, CLASSES)


def decode(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Turn logits ``[…,6]`` into the likeliest level and the expected level Σ l·p_l, both float in 0 … 5."""
    logits = logits.float()
    levels = torch.arange(CLASSES, dtype=torch.float32, device=logits.device)
    return logits.argmax(dim=-1).float(), (logits.softmax(dim=-1) * levels).sum(dim=-1)


def _convolution(before: int, after: int, kernel: int, stride: int) -> list[nn.Module]:
    convolution = nn.Conv2d(before, after, kernel, stride=stride, padding=kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True)]

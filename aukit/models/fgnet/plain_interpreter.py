"""The heads that FG-Net's pyramid is compared with: all maps at one size, then a pixel MLP or a plain CNN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from aukit.models.fgnet.grid import resize
from aukit.models.fgnet.interpreter import initialize

__all__ = ["PlainInterpreter"]


class PlainInterpreter(nn.Module):
    """Feature maps up-sampled to the heat maps' size and stacked, then (conv · ReLU · BN) … conv.

    With 1×1 kernels it is the ablation's pixel MLP, 3040 → 128 → 32 → K, with 5×5 kernels its plain CNN,
    3040 → 512 → 128 → 32 → K (first public version of the authors' code). The maps are never stacked: the
    first convolution is the sum of one per map, and a 1×1 one is applied before the map is up-sampled, which
    commutes.

    Args:
        points: Heat maps that come out.
        channels: Channels of the maps, coarse to fine.
        size: Side of the heat maps.
        kernel_size: Side of all kernels.
        widths: Channels between the convolutions.
    """

    def __init__(
        self, points: int, channels: Sequence[int], size: int, kernel_size: int, widths: Sequence[int]
    ) -> None:
        super().__init__()
        self.size = size
        self.mixes_first = kernel_size == 1
        padding = kernel_size // 2
        self.entry = nn.ModuleList(
            nn.Conv2d(channel, widths[0], kernel_size, padding=padding, bias=index == 0)
            for index, channel in enumerate(channels)
        )
        layers: list[nn.Module] = []
        for before, after in zip(widths, [*widths[1:], points], strict=True):
            layers += [nn.ReLU(inplace=True), nn.BatchNorm2d(before)]
            layers.append(nn.Conv2d(before, after, kernel_size, padding=padding))
        self.layers = nn.Sequential(*layers)
        self.apply(initialize)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Heat maps ``[B,points,size,size]`` of maps ``[B,C,s,s]``, one per entry of ``channels``."""
        parts = [
            resize(convolve(f), self.size) if self.mixes_first else convolve(resize(f, self.size))
            for convolve, f in zip(self.entry, features, strict=True)
        ]
        return cast(Tensor, self.layers(torch.stack(parts).sum(dim=0)))

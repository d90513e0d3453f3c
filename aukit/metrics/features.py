"""The extractor that our Fréchet and kernel distances between sets of images rest on."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["FIXED_FEATURES", "FixedFeatures"]

#: Name of the extractor, printed with every distance that rests on it; raised when it changes.
FIXED_FEATURES = "randomconv1"


class FixedFeatures(nn.Module):
    """Four strided convolutions with fixed random weights → mean and deviation of each channel, ``[B,256]``.

    Random features order generators of one study; their distances are not FID
    and not comparable with those of other papers.
    Images of any size are first resized to 64². Version 1: the weights are a function of this class alone.
    """

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 16, 32, 64, 128)
        generator = torch.Generator().manual_seed(20210101)
        self.layers = nn.Sequential()
        for before, after in pairwise(widths):
            layer = nn.Conv2d(before, after, 3, stride=2, padding=1, dtype=torch.float32)
            with torch.no_grad():
                layer.weight.normal_(0.0, 1.0, generator=generator)
                layer.weight.mul_((2 / layer.weight[0].numel()) ** 0.5)
                layer.bias.zero_()  # type: ignore[union-attr]
            self.layers.extend([layer, nn.LeakyReLU(0.2)])
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Features ``[B,256]`` of images ``[B,3,S,S]`` in [−1,1]."""
        small = F.interpolate(images.float(), (64, 64), mode="bilinear", antialias=True, align_corners=False)
        maps = self.layers(small).flatten(2)
        return torch.cat([maps.mean(dim=2), maps.std(dim=2)], dim=1)

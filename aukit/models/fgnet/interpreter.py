"""FG-Net's pyramid CNN interpreter (Yin et al., WACV 2024, arXiv 2308.12380): feature maps → heat maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from aukit.models.fgnet.grid import lay_out, resize, upsampled_convolution

__all__ = ["PyramidInterpreter", "initialize"]


class _Doubling(nn.Upsample):
    """Bilinear up-sampling by 2 with corners aligned; the convolution behind it does its work."""

    def __init__(self) -> None:
        super().__init__(scale_factor=2, mode="bilinear", align_corners=True)


class PyramidInterpreter(nn.Module):
    """Coarse to fine: h = f₀, then h = Lᵢ₋₁(h) + fᵢ for each finer map, heat maps = Lₙ(h).

    A layer is conv · ReLU · dropout · BN, behind an up-sampling by 2 until the side of the heat maps is
    reached; the last one is followed by a convolution to the heat maps. Maps finer than the heat maps are
    resized to them. The input list is left as it is.

    Args:
        points: Heat maps that come out. 32 in the released models, of which the first 12 (BP4D) or 8 (DISFA)
            are supervised and read.
        dropout: Rate of the element-wise dropout.
        channels: Channels of the maps, coarse (4×4) to fine; each is twice as fine as the one before.
        size: Side of the heat maps, a power of two from 4 up.
        kernel_size: Side of the kernels; that of the first layer is 3.

    Cost: 26.4 M parameters; 107.5 GMAC per image as written, 47 as computed here (see
    `upsampled_convolution`).

    Example:
        >>> import torch
        >>> maps = [torch.rand(2, 16, 4, 4), torch.rand(2, 16, 8, 8)]
        >>> PyramidInterpreter(points=12, channels=(16, 16), size=8, kernel_size=3).eval()(maps).shape
        torch.Size([2, 12, 8, 8])
    """

    def __init__(
        self,
        points: int = 32,
        dropout: float = 0.1,
        channels: Sequence[int] = (512, 512, 512, 512, 512, 256, 128, 64, 32),
        size: int = 128,
        kernel_size: int = 5,
    ) -> None:
        super().__init__()
        self.size = size
        self.layers = len(channels)
        for index, (before, after) in enumerate(zip(channels, [*channels[1:], channels[-1]], strict=True)):
            side = 4 * 2**index
            kernel = kernel_size if index else 3
            layer: list[nn.Module] = [
                nn.Conv2d(before, after, kernel, padding=kernel // 2),
                nn.ReLU(inplace=True),
                nn.Dropout(dropout),
                nn.BatchNorm2d(after),
            ]
            if index == len(channels) - 1:
                layer.append(nn.Conv2d(after, points, kernel, padding=kernel // 2))
            elif side < size:
                layer.insert(0, _Doubling())
            setattr(self, f"layer{index}", nn.Sequential(*layer))
        self.apply(initialize)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Heat maps of one feature pyramid.

        Args:
            features: One map per entry of ``channels``, ``[B,C,s,s]`` with s = 4, 8, …; maps finer than
                ``size`` may come already resized to it (`StyleGAN2Generator.pyramid`).

        Returns:
            ``[B,points,size,size]``, unbounded.
        """
        h = features[0]
        for index in range(self.layers - 1):
            f = features[index + 1]
            h = self._layer(index, h) + (f if f.shape[-1] <= self.size else resize(f, self.size))
        return self._layer(self.layers - 1, h)

    def _layer(self, index: int, h: Tensor) -> Tensor:
        layer = cast(nn.Sequential, getattr(self, f"layer{index}"))
        if not isinstance(layer[0], _Doubling):
            return cast(Tensor, layer(lay_out(h, self.training)))
        convolution = cast(nn.Conv2d, layer[1])
        h = upsampled_convolution(h, convolution.weight, convolution.bias)
        return cast(Tensor, layer[2:](lay_out(h, self.training)))


def initialize(module: nn.Module) -> None:
    """Convolutions N(0, 0.02) with bias 0; batch norm N(1, 0.02) with bias 0."""
    if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
        nn.init.normal_(module.weight, float(isinstance(module, nn.BatchNorm2d)), 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)

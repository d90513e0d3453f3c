"""The pSp encoder (Richardson et al., CVPR 2021, arXiv 2008.00951): image → one W+ code per style.

An IR-SE residual network (Deng et al., ArcFace; squeeze-and-excitation by Hu et al.), a feature pyramid of
three levels, and a small convolutional head per style. State-dict keys are those of the published encoder.
"""

from __future__ import annotations

import math
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aukit.models.fgnet.grid import lay_out, resize
from aukit.models.fgnet.stylegan2 import EqualLinear

__all__ = ["GradualStyleEncoder"]

#: Residual units per stage, by number of layers.
_UNITS = {50: (3, 4, 14, 3), 100: (3, 13, 30, 3), 152: (3, 8, 36, 3)}
_COARSE, _MIDDLE = 3, 7  # first style of the middle and of the fine level


class SqueezeExcitation(nn.Module):
    """Scale each channel by a gate computed from the means of all channels. Keeps ``[B,C,H,W]``."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.fc1 = nn.Conv2d(channels, hidden, 1, bias=False)
        self.fc2 = nn.Conv2d(hidden, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return x times its gates."""
        means = x.mean(dim=(2, 3), keepdim=True)
        gates: Tensor = torch.sigmoid(self.fc2(F.relu(self.fc1(means))))
        return x * gates


class ResidualUnit(nn.Module):
    """BN · conv3 · PReLU · conv3 (stride) · BN · SE, added to the shortcut, no activation after."""

    def __init__(self, inputs: int, outputs: int, stride: int, excite: bool) -> None:
        super().__init__()
        self.stride = stride
        if inputs != outputs:
            self.shortcut_layer = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.PReLU(outputs),
            nn.Conv2d(outputs, outputs, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            *([SqueezeExcitation(outputs)] if excite else []),
        )

    def forward(self, x: Tensor) -> Tensor:
        """``[B,in,H,W]`` → ``[B,out,H/stride,W/stride]``."""
        # A max-pool with a kernel of 1 takes every second pixel.
        stride = self.stride
        shortcut = self.shortcut_layer(x) if hasattr(self, "shortcut_layer") else x[..., ::stride, ::stride]
        out: Tensor = self.res_layer(x) + shortcut
        return out


class StyleHead(nn.Module):
    """Stride-2 convolutions with leaky ReLU (slope 0.01) from ``[B,in,s,s]`` down to 1×1, then linear.

    They are computed as matrix products with patches: most of these maps are so small that a convolution
    would spend its time on rearranging the kernel, and heads on the same level share patches.
    """

    def __init__(self, inputs: int, style_dim: int, side: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for layer in range(int(math.log2(side))):
            layers += [nn.Conv2d(style_dim if layer else inputs, style_dim, 3, stride=2, padding=1)]
            layers += [nn.LeakyReLU()]
        self.convs = nn.Sequential(*layers)
        self.linear = EqualLinear(style_dim, style_dim)

    def forward(self, patches: Tensor, batch: int) -> Tensor:
        """Code ``[B,style_dim]`` of the `_patches` ``[in·9, B·s²/4]`` of a level."""
        for layer in self.convs:
            if isinstance(layer, nn.Conv2d):
                assert layer.bias is not None
                x = torch.addmm(layer.bias[:, None], layer.weight.flatten(1), patches)
                side = math.isqrt(x.shape[1] // batch)
                x = F.leaky_relu(x).reshape(-1, batch, side, side).transpose(0, 1)
                patches = _patches(x) if side > 1 else patches
        code: Tensor = self.linear(x.flatten(1))
        return code


class GradualStyleEncoder(nn.Module):
    """Image → W+ code, without the generator's mean code (`FGNet` adds it).

    Styles 0–2 are read from the coarsest level (1/16 of the image), 3–6 from the middle (1/8), the others
    from the finest (1/4).

    Args:
        num_layers: 50, 100 or 152.
        mode: "ir_se", or "ir" without squeeze-and-excitation.
        input_nc: Channels of the image.
        n_styles: Number of codes; 2·log2(side of the generator's image) − 2.
        style_dim: Width of a code.
        image_size: Side of the image, a power of two from 32 up.
        widths: Channels of the stem and of the four stages.
        units: Residual units per stage; None for those of ``num_layers``.

    Raises:
        ValueError: An argument is none of the above.

    Cost: 267 M parameters, 72.5 GMAC per 256² image.

    Example:
        >>> encoder = GradualStyleEncoder(
        ...     n_styles=6, style_dim=16, image_size=32, widths=(8, 8, 8, 16, 16), units=(1, 1, 1, 1))
        >>> encoder(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 6, 16])
    """

    def __init__(
        self,
        num_layers: int = 50,
        mode: Literal["ir", "ir_se"] = "ir_se",
        input_nc: int = 3,
        n_styles: int = 18,
        style_dim: int = 512,
        image_size: int = 256,
        widths: tuple[int, int, int, int, int] = (64, 64, 128, 256, 512),
        units: tuple[int, int, int, int] | None = None,
    ) -> None:
        super().__init__()
        if num_layers not in _UNITS or mode not in ("ir", "ir_se"):
            raise ValueError(f"num_layers is 50, 100 or 152 and mode ir or ir_se; not {num_layers}, {mode!r}")
        if image_size < 32 or image_size & (image_size - 1):
            raise ValueError(f"image_size must be a power of two from 32 up; it is {image_size}")
        self.image_size = image_size
        units = units or _UNITS[num_layers]
        stem, *stages = widths
        self.input_layer = nn.Sequential(
            nn.Conv2d(input_nc, stem, 3, padding=1, bias=False), nn.BatchNorm2d(stem), nn.PReLU(stem)
        )
        body: list[ResidualUnit] = []
        self.taps = [sum(units[: stage + 1]) - 1 for stage in (1, 2, 3)]
        for before, after, count in zip(widths, stages, units, strict=False):
            for unit in range(count):
                inputs, stride = (after, 1) if unit else (before, 2)
                body.append(ResidualUnit(inputs, after, stride, mode == "ir_se"))
        self.body = nn.Sequential(*body)
        top = stages[-1]
        self.styles = nn.ModuleList(
            StyleHead(top, style_dim, image_size // _stride(index)) for index in range(n_styles)
        )
        self.latlayer1 = nn.Conv2d(stages[2], top, 1)
        self.latlayer2 = nn.Conv2d(stages[1], top, 1)

    def forward(self, images: Tensor, styles: int | None = None) -> Tensor:
        """Codes of RGB images.

        Args:
            images: ``[B,3,S,S]`` in [−1,1], S = ``image_size``.
            styles: Compute only this many codes, the first ones.

        Returns:
            ``[B,styles,style_dim]``.

        Raises:
            ValueError: The images are of another size.
        """
        side = self.image_size  # which decides how often a head halves its level
        if images.shape[-2:] != (side, side):
            raise ValueError(f"images must be [B,3,{side},{side}]; they are {list(images.shape)}")
        x = self.input_layer(lay_out(images, self.training))
        levels: list[Tensor] = []
        for index, unit in enumerate(self.body):
            x = unit(x)
            if index in self.taps:
                levels.append(x)
        fine, middle, coarse = levels
        middle = _enlarge_and_add(coarse, self.latlayer1(middle))
        fine = _enlarge_and_add(middle, self.latlayer2(fine))
        patches = {16: _patches(coarse), 8: _patches(middle), 4: _patches(fine)}
        codes = [
            cast(Tensor, head(patches[_stride(index)], len(images)))
            for index, head in enumerate(self.styles[:styles])
        ]
        return torch.stack(codes, dim=1)


def _stride(style: int) -> int:
    """Ratio of the image's side to that of the level that a style is read from."""
    return 16 if style < _COARSE else 8 if style < _MIDDLE else 4


def _enlarge_and_add(x: Tensor, finer: Tensor) -> Tensor:
    return resize(x, finer.shape[-1]).to(finer.dtype) + finer


def _patches(x: Tensor) -> Tensor:
    """What a 3×3 convolution with stride 2 and padding 1 reads: ``[B,C,s,s]`` → ``[C·9, B·s²/4]``."""
    patches = F.unfold(x, 3, padding=1, stride=2)
    return patches.transpose(0, 1).flatten(1)

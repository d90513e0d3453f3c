"""The generator of StyleGAN2 (Karras et al., CVPR 2020, arXiv 1912.04958), after the paper's equations.

State-dict keys and shapes are those of the common PyTorch ports, so that their FFHQ checkpoints load
strictly. Plain PyTorch operations: nothing to compile.

**Order of operations.** The paper's modulation (eq. 1) and demodulation (eq. 3) scale the input and
output channels of one shared kernel. With several samples they are therefore applied to the maps around one
plain convolution, with a single sample to the kernel itself; a grouped convolution with a kernel per sample
computes the same much slower. Leaky ReLU's gain √2 commutes with it and goes into the same factors. FG-Net
reads maps only at the positions of a coarse grid, so that `StyleGAN2Generator.pyramid` computes the largest
one only there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from aukit.models.components.losses import single_precision, without_autocast
from aukit.models.components.processes import normal_rows
from aukit.models.fgnet.grid import bilinear, grid_taps, resize

__all__ = ["EqualLinear", "StyleGAN2Generator"]

_EPSILON = 1e-8
_GAIN = math.sqrt(2)  # keeps the variance through a leaky ReLU
_SLOPE = 0.2
_STRIP = 16  # rows of the grid
_TOGETHER = 1 << 24  # values of the largest map that a CPU computes for several samples at once


class EqualLinear(nn.Module):
    """Linear layer with equalised learning rate: y = x·(W·s)ᵀ + b·lr_mul, s = lr_mul/√in.

    Args:
        inputs: Width of the input.
        outputs: Width of the output.
        bias: Initial value of the bias.
        lr_mul: Factor of the learning rate.
        activate: Whether √2·leaky ReLU (slope 0.2) follows.

    Source: Karras et al. 2018 (equalised learning rate), §4.1.
    """

    def __init__(
        self, inputs: int, outputs: int, bias: float = 0.0, lr_mul: float = 1.0, activate: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr_mul)
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self.lr_mul = lr_mul
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:
        """``[…,in]`` → ``[…,out]``."""
        scale = self.lr_mul / math.sqrt(self.weight.shape[1])
        y = F.linear(x, self.weight * scale, self.bias * self.lr_mul)
        return F.leaky_relu(y, _SLOPE) * _GAIN if self.activate else y


class PixelNorm(nn.Module):
    """z / √(mean z² + 1e−8) over the last dimension; finite for z = 0."""

    def forward(self, z: Tensor) -> Tensor:
        """Any shape; keeps it."""
        return z * torch.rsqrt(z.square().mean(dim=-1, keepdim=True) + _EPSILON)


class Blur(nn.Module):
    """The low-pass filter [1,3,3,1] ⊗ [1,3,3,1] / 64 · 4; the 4 makes up for the zeros of up-sampling."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
        self.register_buffer("kernel", torch.outer(taps, taps) / 64 * 4)

    def forward(self, x: Tensor) -> Tensor:
        """``[B,C,2H+1,2W+1]`` → ``[B,C,2H,2W]``."""
        channels = x.shape[1]
        kernel = self.kernel.flip(0, 1).to(x.dtype).expand(channels, 1, 4, 4)
        return F.conv2d(x, kernel, padding=1, groups=channels)

    def enlarge(self, x: Tensor) -> Tensor:
        """Up-sample an image by 2: ``[B,C,H,W]`` → ``[B,C,2H,2W]``."""
        channels = x.shape[1]
        kernel = self.kernel.to(x.dtype).expand(channels, 1, 4, 4)
        return F.conv_transpose2d(x, kernel, stride=2, padding=1, groups=channels)


class ModulatedConv(nn.Module):
    """Convolution whose input channels a style scales (paper, §2.2), optionally up-sampling by 2.

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output.
        kernel_size: Side of the kernel.
        style_dim: Width of the style vector.
        upsample: Transposed convolution of stride 2, then `Blur`.
        demodulate: Bring the expected variance of each output channel back to 1.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel_size: int,
        style_dim: int,
        upsample: bool = False,
        demodulate: bool = True,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, outputs, inputs, kernel_size, kernel_size))
        self.modulation = EqualLinear(style_dim, inputs, bias=1.0)
        self.blur = Blur() if upsample else None
        self.demodulate = demodulate
        self.scale = 1 / math.sqrt(inputs * kernel_size**2)

    def scales(self, style: Tensor, gain: float) -> tuple[Tensor, Tensor]:
        """Factors of the input channels ``[B,in]`` and of the output channels ``[B,out]``, always float32."""
        with without_autocast(style.device):
            scale_in = self.modulation(single_precision(style))
            norms = torch.linalg.vector_norm(single_precision(self.weight[0]), dim=(2, 3))
            energy = norms.square() * self.scale**2
            if self.demodulate:
                scale_out = torch.rsqrt(F.linear(scale_in.square(), energy) + _EPSILON)
            else:
                scale_out = scale_in.new_ones(len(style), len(energy))
            return scale_in, scale_out * (gain * self.scale)

    def forward(self, x: Tensor, style: Tensor, gain: float, bias: Tensor) -> Tensor:
        """The convolution times a gain, plus a bias.

        Args:
            x: ``[B,in,H,W]``.
            style: ``[B,style_dim]``.
            gain: Factor of the convolution.
            bias: ``[out]``, added without the factor.

        Returns:
            ``[B,out,H,W]``, or twice as high and wide when up-sampling.
        """
        scale_in, scale_out = self.scales(style, gain)
        kernel = self.weight[0]
        if len(x) == 1 and x[0, 0].numel() > kernel[0].numel():  # the kernel is the smaller one to scale
            kernel = kernel * scale_in[0, :, None, None] * scale_out[0, :, None, None, None]
            return self._convolve(x, kernel, bias)
        y = self._convolve(x * scale_in[:, :, None, None].to(x.dtype), kernel)
        scale_out = scale_out[:, :, None, None].to(y.dtype)
        return torch.addcmul(bias[:, None, None].to(y.dtype), y, scale_out)

    def _convolve(self, x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
        if self.blur is None:
            return F.conv2d(x, kernel, bias, padding=kernel.shape[-1] // 2)
        out: Tensor = self.blur(F.conv_transpose2d(x, kernel.transpose(0, 1), stride=2))
        # As an argument of the filter, its gradient would be computed together with one of the filter itself.
        return out if bias is None else out.add_(bias[:, None, None])


class Noise(nn.Module):
    """Strength of the noise of one layer, a learned scalar that starts at 0."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


class Activation(nn.Module):
    """Bias ``[C]`` of one layer, before its √2·leaky ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))


class StyledConv(nn.Module):
    """Modulated 3×3 convolution, noise, bias and √2·leaky ReLU (paper, fig. 2c)."""

    def __init__(self, inputs: int, outputs: int, style_dim: int, upsample: bool = False) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, 3, style_dim, upsample)
        self.noise = Noise()
        self.activate = Activation(outputs)

    def forward(self, x: Tensor, style: Tensor, noise: Tensor) -> Tensor:
        """``[B,in,H,W]``, style ``[B,style_dim]``, noise ``[1 or B,1,H',W']`` → ``[B,out,H',W']``."""
        return self._activate(self._linear(x, style), noise)

    def at(self, x: Tensor, style: Tensor, noise: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """The pixels where `rows` ``[m]`` and `columns` ``[n]`` cross, ``[B,out,m,n]``; 0 outside the map.

        For up-sampling layers; only the strip of the input between the first and last row is read. Both
        indices lie on the CPU, since their values decide shapes.
        """
        side = noise.shape[-1]
        within = [((index >= 0) & (index < side)).to(x) for index in (rows, columns)]
        rows, columns = rows.clamp(0, side - 1), columns.clamp(0, side - 1)
        first, last = int(rows[0]) // 2 - 2, int(rows[-1]) // 2 + 3  # a row of the output reads three
        first, rows, columns = max(0, first), rows.to(x.device), columns.to(x.device)
        y = self._linear(x[:, :, first:last], style).permute(0, 2, 3, 1)  # pixels are copied whole
        y = y.index_select(1, rows - 2 * first).index_select(2, columns).permute(0, 3, 1, 2)
        y = self._activate(y, noise.index_select(2, rows).index_select(3, columns))
        return y * (within[0][:, None] * within[1])

    def on_tiles(self, tiles: Tensor, style: Tensor, noise: Tensor) -> Tensor:
        """The inner 2×2 pixels of each 4×4 tile.

        Args:
            tiles: ``[B,in,4m,4n]``, m×n tiles of 4×4 pixels.
            style: ``[B,style_dim]``.
            noise: ``[1,1,2m,2n]``, its values at the inner pixels.

        Returns:
            ``[B,out,2m,2n]``. As one strided convolution: each output channel appears once for each of the
            four pixels, with its kernel moved inside 4×4 taps.
        """
        scale_in, scale_out = self.conv.scales(style, _GAIN)
        moved = [F.pad(self.conv.weight[0], (x, 1 - x, y, 1 - y)) for y in (0, 1) for x in (0, 1)]
        kernel = torch.stack(moved, dim=1).flatten(0, 1)
        y = F.conv2d(tiles * scale_in[:, :, None, None].to(tiles.dtype), kernel, stride=4)
        y = F.pixel_shuffle(y, 2)
        bias = self.activate.bias * _GAIN
        y = torch.addcmul(bias[:, None, None].to(y.dtype), y, scale_out[:, :, None, None].to(y.dtype))
        return self._activate(y, noise)

    def _linear(self, x: Tensor, style: Tensor) -> Tensor:
        y: Tensor = self.conv(x, style, _GAIN, self.activate.bias * _GAIN)
        return y

    def _activate(self, y: Tensor, noise: Tensor) -> Tensor:
        y += (noise * (self.noise.weight * _GAIN)).to(y.dtype)
        return F.leaky_relu_(y, _SLOPE)


class ToRGB(nn.Module):
    """1×1 modulated convolution to three channels, added to the up-sampled image so far (paper, fig. 7b)."""

    def __init__(self, inputs: int, style_dim: int, upsample: bool = True) -> None:
        super().__init__()
        self.upsample = Blur() if upsample else None
        self.conv = ModulatedConv(inputs, 3, 1, style_dim, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))

    def forward(self, x: Tensor, style: Tensor, image: Tensor | None = None) -> Tensor:
        """``[B,in,H,W]`` and the image ``[B,3,H/2,W/2]`` → ``[B,3,H,W]``."""
        y: Tensor = self.conv(x, style, 1.0, self.bias.flatten())
        if image is None or self.upsample is None:
            return y
        return y + self.upsample.enlarge(image)


class ConstantInput(nn.Module):
    """The learned 4×4 map that synthesis starts from."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, 4, 4))


class NoiseMaps(nn.Module):
    """The stored noise: ``noise_0`` 4×4, ``noise_1`` and ``noise_2`` 8×8, and so on."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        for layer in range(layers):
            side = 2 ** ((layer + 5) // 2)
            self.register_buffer(f"noise_{layer}", torch.randn(1, 1, side, side))


class StyleGAN2Generator(nn.Module):
    """Mapping and synthesis network of StyleGAN2; the defaults are FFHQ's config-f.

    Row r of the W+ code styles: row 0 the first convolution, rows 1+2j and 2+2j the two convolutions of block
    j (output side 8·2ʲ), row 3+2j its RGB layer (row 1 the first RGB layer). The last row reaches the RGB
    image only.

    Args:
        size: Side of the image: a power of two from 16 up.
        style_dim: Width of z and w.
        n_mlp: Layers of the mapping network.
        channel_multiplier: Maps of side s have 16384·channel_multiplier/s channels …
        max_channels: … but no more than this.
        lr_mlp: Factor of the mapping network's learning rate.

    Raises:
        ValueError: ``size`` is no power of two from 16 up.

    Cost at 1024: 30.4 M parameters; 75 GMAC for an image, 67 for `pyramid` at 128.

    Example:
        >>> generator = StyleGAN2Generator(16, style_dim=16, n_mlp=1, channel_multiplier=0.03125)
        >>> generator(generator.mapping(torch.randn(2, generator.n_latent, 16))).shape
        torch.Size([2, 3, 16, 16])
    """

    def __init__(
        self,
        size: int = 1024,
        style_dim: int = 512,
        n_mlp: int = 8,
        channel_multiplier: float = 2,
        max_channels: int = 512,
        lr_mlp: float = 0.01,
    ) -> None:
        super().__init__()
        if size < 16 or size & (size - 1):
            raise ValueError(f"size must be a power of two from 16 up; it is {size}")
        self.size = size
        self.style_dim = style_dim
        blocks = int(math.log2(size)) - 2
        self.n_latent = 2 * blocks + 2
        self.channels = tuple(
            max(1, min(max_channels, int(16384 * channel_multiplier / 2**k))) for k in range(2, blocks + 3)
        )
        self.style = nn.Sequential(
            PixelNorm(),
            *(EqualLinear(style_dim, style_dim, lr_mul=lr_mlp, activate=True) for _ in range(n_mlp)),
        )
        first = self.channels[0]
        self.input = ConstantInput(first)
        self.conv1 = StyledConv(first, first, style_dim)
        self.to_rgb1 = ToRGB(first, style_dim, upsample=False)
        self.convs = nn.ModuleList()
        self.to_rgbs = nn.ModuleList()
        for before, after in zip(self.channels, self.channels[1:], strict=False):
            self.convs.append(StyledConv(before, after, style_dim, upsample=True))
            self.convs.append(StyledConv(after, after, style_dim))
            self.to_rgbs.append(ToRGB(after, style_dim))
        self.noises = NoiseMaps(2 * blocks + 1)

    def mapping(self, z: Tensor) -> Tensor:
        """Map codes ``[…,style_dim]`` from Z to W; always in float32."""
        with without_autocast(z.device):
            w: Tensor = self.style(single_precision(z))
        return w

    def forward(self, w: Tensor, random_noise: bool = False) -> Tensor:
        """Image ``[B,3,size,size]`` (about [−1,1], not clipped) of a W+ code; see `features`."""
        return self.rgb(self.features(w, random_noise), w)

    def features(self, w: Tensor, random_noise: bool = False) -> list[Tensor]:
        """All maps of the synthesis network, each after noise, bias and activation.

        Args:
            w: ``[B,n_latent,style_dim]``.
            random_noise: Draw new noise from torch's generator instead of using the stored one.

        Returns:
            ``n_latent`` maps: the constant input, the output of ``conv1`` and of each of ``convs``.
        """
        x = self._start(w)
        maps = [x]
        for layer, (conv, noise) in enumerate(self._layers()):
            x = conv(
                x, w[:, layer], normal_rows(len(w), *noise.shape[1:], like=noise) if random_noise else noise
            )
            maps.append(x)
        return maps

    def rgb(self, features: list[Tensor], w: Tensor) -> Tensor:
        """The image of `features`, as `forward` gives it."""
        image: Tensor = self.to_rgb1(features[1], w[:, 1])
        for block, to_rgb in enumerate(self.to_rgbs):
            image = to_rgb(features[3 + 2 * block], w[:, 3 + 2 * block], image)
        return image

    def pyramid(self, w: Tensor, size: int, recompute: bool = False) -> list[Tensor]:
        """The last map of every block, those above `size` pixels read off bilinearly on a grid of that size.

        The same numbers as `features` with a resize (``align_corners=True``) to float32 accuracy (1e−5). On a
        CPU large ones among them run one sample at a time, so that their maps take the memory of one.

        Args:
            w: ``[B,n_latent,style_dim]``; the last row is not read.
            size: Side of the grid.
            recompute: Compute the blocks above `size` again in the backward pass rather than keep them.

        Returns:
            ``[B,C,s,s]`` for s = 4, 8, …, with C = ``channels`` and s no more than `size`.
        """
        layers = list(self._layers())
        conv, noise = layers[0]
        x = conv(self._start(w), w[:, 0], noise)
        maps = [x]
        small = sum(8 * 2**block <= size for block in range(len(self.to_rgbs)))
        for block in range(small):
            for layer in (1 + 2 * block, 2 + 2 * block):
                conv, noise = layers[layer]
                x = conv(x, w[:, layer], noise)
            maps.append(x)
        if small == len(self.to_rgbs):
            return maps
        largest = self.channels[-1] * self.size**2
        share = max(1, _TOGETHER // largest) if x.device.type == "cpu" else len(x)
        parts = [
            checkpoint(self._large, *part, small, size, use_reentrant=False)
            if recompute and torch.is_grad_enabled()
            else self._large(*part, small, size)
            for part in zip(torch.split(x, share), torch.split(w, share), strict=True)
        ]
        return maps + [torch.cat(pieces) for pieces in zip(*parts, strict=True)]

    def _large(self, x: Tensor, w: Tensor, first: int, size: int) -> list[Tensor]:
        """Blocks from `first` on, each map read off on a `size`² grid."""
        layers = list(self._layers())
        maps = []
        for block in range(first, len(self.to_rgbs)):
            (up, up_noise), (conv, noise) = layers[1 + 2 * block], layers[2 + 2 * block]
            style_up, style = w[:, 1 + 2 * block], w[:, 2 + 2 * block]
            if block == len(self.to_rgbs) - 1 and noise.shape[-1] > 4 * size:
                low, part = grid_taps(noise.shape[-1], size, torch.device("cpu"))
                window = low[:, None] + torch.arange(-1, 3, device="cpu")
                inner = (low[:, None] + torch.arange(2, device="cpu")).clamp(max=self.size - 1).to(x.device)
                fraction = part.to(x.device)
                # In strips, whose maps stay in a CPU's cache.
                share = min(size, _STRIP if x.device.type == "cpu" else size)
                parts = []
                for rows in range(0, size, share):
                    strip = slice(rows, rows + share)
                    tiles = up.at(x, style_up, up_noise, window[strip].flatten(), window.flatten())
                    near = noise.index_select(2, inner[strip].flatten()).index_select(3, inner.flatten())
                    parts.append(bilinear(conv.on_tiles(tiles, style, near), fraction[strip], fraction))
                maps.append(torch.cat(parts, dim=2))
            else:
                x = conv(up(x, style_up, up_noise), style, noise)
                maps.append(resize(x, size))
        return maps

    def _start(self, w: Tensor) -> Tensor:
        # What comes after keeps the layout of this map; channels last is the faster one on CPUs and GPUs.
        constant = self.input.input.expand(len(w), -1, -1, -1)
        return constant.contiguous(memory_format=torch.channels_last)

    def _layers(self) -> Iterator[tuple[StyledConv, Tensor]]:
        """Convolutions in order, each with its stored noise."""
        for layer, conv in enumerate([self.conv1, *self.convs]):
            yield cast(StyledConv, conv), getattr(self.noises, f"noise_{layer}")

"""The discriminator of StyleGAN2 (Karras et al., CVPR 2020, arXiv 1912.04958), after its equations."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aukit.models.components.processes import global_batch, place
from aukit.models.fgnet.stylegan2 import Blur, EqualLinear

__all__ = ["StyleGAN2Discriminator", "minibatch_deviation"]

_SLOPE = 0.2
_GAIN = math.sqrt(2)


class EqualConv(nn.Module):
    """Convolution with equalised learning rate, optionally low-passed and reduced by 2, optionally activated.

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output.
        kernel_size: Side of the kernel.
        reduce: Low-pass filter, then stride 2.
        activate: Bias and √2·leaky ReLU (slope 0.2) follow.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel_size: int, reduce: bool = False, activate: bool = True
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(outputs)) if activate else None
        self.scale = 1 / math.sqrt(inputs * kernel_size**2)
        # The low pass before an odd kernel that takes every second place; its sum is 1 here.
        self.register_buffer("blur", Blur().kernel / 4 if reduce else None)

    def forward(self, x: Tensor) -> Tensor:
        """``[B,in,H,W]`` → ``[B,out,H,W]``, or half as high and wide."""
        taps, stride = self.weight.shape[-1], 1
        padding = taps // 2
        blur = self.blur
        if isinstance(blur, Tensor):
            # Padded so that the strided kernel ends on half the places.
            low, high = (taps + 2) // 2, (taps + 1) // 2
            kernel = blur.to(x.dtype).expand(x.shape[1], 1, 4, 4)
            x = F.conv2d(F.pad(x, (low, high, low, high)), kernel, groups=x.shape[1])
            stride, padding = 2, 0
        y = F.conv2d(x, self.weight * self.scale, self.bias, stride, padding)
        return y if self.bias is None else F.leaky_relu(y, _SLOPE) * _GAIN


class ResidualBlock(nn.Module):
    """Two convolutions, the second one reducing by 2, and a linear shortcut, added with variance kept."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = EqualConv(inputs, inputs, 3)
        self.conv2 = EqualConv(inputs, outputs, 3, reduce=True)
        self.skip = EqualConv(inputs, outputs, 1, reduce=True, activate=False)

    def forward(self, x: Tensor) -> Tensor:
        """``[B,in,H,W]`` → ``[B,out,H/2,W/2]``."""
        y: Tensor = (self.conv2(self.conv1(x)) + self.skip(x)) / _GAIN
        return y


class StyleGAN2Discriminator(nn.Module):
    """Images → one logit each, above 0 for real ones.

    Args:
        size: Side of the images: a power of two from 8 up.
        channel_multiplier: Maps of side s have 16384·channel_multiplier/s channels …
        max_channels: … but no more than this.
        group: Images that `minibatch_deviation` compares.

    Raises:
        ValueError: ``size`` is no power of two from 8 up.
    """

    def __init__(
        self, size: int = 1024, channel_multiplier: float = 2, max_channels: int = 512, group: int = 4
    ) -> None:
        super().__init__()
        if size < 8 or size & (size - 1):
            raise ValueError(f"size must be a power of two from 8 up; it is {size}")
        self.group = group

        def channels(side: int) -> int:
            return max(1, min(max_channels, int(16384 * channel_multiplier / side)))

        blocks: list[nn.Module] = [EqualConv(3, channels(size), 1)]
        side = size
        while side > 4:
            blocks.append(ResidualBlock(channels(side), channels(side // 2)))
            side //= 2
        self.blocks = nn.Sequential(*blocks)
        last = channels(4)
        self.conv = EqualConv(last + 1, last, 3)
        self.linear = nn.Sequential(EqualLinear(last * 16, last, activate=True), EqualLinear(last, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[B]`` of images ``[B,3,size,size]`` in about [−1,1]."""
        x = self.blocks(images)
        x = torch.cat([x, minibatch_deviation(x, self.group)], dim=1)
        logits: Tensor = self.linear(self.conv(x).flatten(1))
        return logits[:, 0]


def minibatch_deviation(x: Tensor, group: int) -> Tensor:
    """How much the images of all processes' batch differ: a map ``[B,1,H,W]``, constant over each image.

    With B the images of all processes, images i, i + B/g, i + 2B/g … are a group of g, the largest divisor of
    B up to `group`; the value is the standard deviation within the group, averaged over channels and places
    (Karras et al. 2018, §3).
    """
    count, _, height, width = x.shape
    first = place()[0] * count
    x = global_batch(x)
    batch = len(x)
    size = next(g for g in range(min(group, batch), 0, -1) if batch % g == 0)
    grouped = x.reshape(size, batch // size, -1)
    deviation = (grouped.var(dim=0, unbiased=False) + 1e-8).sqrt().mean(dim=1)
    return deviation.repeat(size)[first : first + count, None, None, None].expand(-1, 1, height, width)

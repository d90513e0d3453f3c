"""PRNet's network ``resfcn256``: a crop of a face in, where in it each place of the facial mask lies out.

Layer for layer that of the published code, which is TensorFlow's: batch norms have its ε and decay, and
convolutions and transposed ones pad as its SAME does, which for a kernel of 4 and stride 1 is one pixel
before and two behind.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

SIDE = 256
"""Side of the crops, and of the position maps, in pixels."""
LARGEST = 1.1 * SIDE
"""Pixels of the crop that an output of 1 stands for."""

_ENCODER = (16, 32, 32, 64, 64, 128, 128, 256, 256, 512, 512)
_DECODER = (512, 512, 256, 256, 256, 128, 128, 128, 64, 64, 64, 32, 32, 16, 16, 3, 3, 3)


class ResFCN256(nn.Module):
    """From crops to position maps.

    13,353,618 parameters. Cost: about 0.2 s per crop on a CPU core.

    Example:
        >>> ResFCN256().eval()(torch.zeros(1, 3, 256, 256)).shape
        torch.Size([1, 3, 256, 256])
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = _Convolution(3, _ENCODER[0])
        self.encoder = nn.Sequential(*(_Residual(before, after) for before, after in pairwise(_ENCODER)))
        units = (_Transposed(before, after) for before, after in pairwise(_DECODER[:-1]))
        self.decoder = nn.Sequential(*units, _Transposed(*_DECODER[-2:], activation=nn.Sigmoid()))

    def forward(self, crops: Tensor) -> Tensor:
        """Position maps of crops.

        Args:
            crops: [B,3,256,256], RGB in [0,1].

        Returns:
            [B,3,256,256] in [0,1]; times `LARGEST`, the x, y and z of each place of the mask in pixels of the
            crop, z larger = nearer.
        """
        maps: Tensor = self.decoder(self.encoder(self.first(crops)))
        return maps


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=1e-3)  # a decay of 0.999


class _Convolution(nn.Module):
    def __init__(self, before: int, after: int, kernel: int = 4, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, kernel, stride, bias=False)
        self.norm = _norm(after)
        missing = kernel - stride  # of sides that the stride divides
        self._pads = 2 * (missing // 2, missing - missing // 2)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(F.pad(x, self._pads))))


class _Residual(nn.Module):
    """Three convolutions beside a short cut; halves the map where it has more channels than before."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        stride = 1 if before == after else 2
        self.short = nn.Identity() if stride == 1 else nn.Conv2d(before, after, 1, stride, bias=False)
        self.reduce = _Convolution(before, after // 2, 1)
        self.middle = _Convolution(after // 2, after // 2, 4, stride)
        self.expand = nn.Conv2d(after // 2, after, 1, bias=False)
        self.norm = _norm(after)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.expand(self.middle(self.reduce(x))) + self.short(x)))


class _Transposed(nn.Module):
    """A transposed convolution of kernel 4; doubles the map where it has fewer channels than before.

    Not so the three channels of the last ones, of which there is nothing to double.
    """

    def __init__(self, before: int, after: int, activation: nn.Module | None = None) -> None:
        super().__init__()
        self._stride = 1 if after in (before, 3) else 2
        self.conv = nn.ConvTranspose2d(before, after, 4, self._stride, padding=1, bias=False)
        self.norm = _norm(after)
        self.activation = activation or nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        if self._stride == 1:  # of the two pixels that SAME takes off behind, one is left
            x = x[..., :-1, :-1]
        activated: Tensor = self.activation(self.norm(x))
        return activated

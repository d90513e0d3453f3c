"""The network of the Fréchet *Inception* distance: TensorFlow's Inception of 2015-12-05, in PyTorch.

Its weights are not part of this project. The file that pytorch-fid and others use,
``pt_inception-2015-12-05-6726825d.pth``, is TensorFlow's graph of Heusel et al. 2017 converted; the end of
its name is the beginning of its SHA-256.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.inception import Inception3, InceptionA, InceptionC, InceptionE

__all__ = ["Inception"]

_SIDE = 299


class Inception(nn.Module):
    """Activations of the last pooling, ``[B,2048]``, from which the published FID is computed.

    TensorFlow's graph differs from torchvision's Inception in three ways, each of which changes the distance:
    a mean over a window at the border does not count the padding, the last block takes a maximum there, and
    there are 1,008 classes, of whose layer no activation is used. Images are resized to 299² bilinearly, as
    pytorch-fid does it; TensorFlow's own resizing places pixels otherwise.

    Cost: 95 MB of weights, 11.4 GFLOP per image.

    Args:
        state: Entries of the file of weights; None for random ones.

    Raises:
        RuntimeError: An entry is missing, unknown or of another shape.

    Example:
        >>> features = Inception().eval()
        >>> with torch.inference_mode():
        ...     features(torch.rand(1, 3, 64, 64) * 2 - 1).shape
        torch.Size([1, 2048])
    """

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        network = Inception3(num_classes=1008, aux_logits=False, transform_input=False, init_weights=False)
        network.Mixed_5b, network.Mixed_5c, network.Mixed_5d = _A(192, 32), _A(256, 64), _A(288, 64)
        network.Mixed_6b, network.Mixed_6c = _C(768, 128), _C(768, 160)
        network.Mixed_6d, network.Mixed_6e = _C(768, 160), _C(768, 192)
        network.Mixed_7b, network.Mixed_7c = _E(1280), _LastE(2048)
        if state is not None:
            network.load_state_dict(dict(state))
        network.fc = nn.Identity()
        self.network = network.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> Inception:
        """Stay as it is: batch norm and dropout have no other use here."""
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Features ``[B,2048]`` of images ``[B,3,H,W]`` in [−1,1]."""
        size = (_SIDE, _SIDE)
        features: Tensor = self.network(F.interpolate(images, size, mode="bilinear", align_corners=False))
        return features


def _mean(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, kernel_size=3, stride=1, padding=1, count_include_pad=False)


class _A(InceptionA):  # type: ignore[misc]
    def _forward(self, x: Tensor) -> list[Tensor]:
        five = self.branch5x5_2(self.branch5x5_1(x))
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return [self.branch1x1(x), five, three, self.branch_pool(_mean(x))]


class _C(InceptionC):  # type: ignore[misc]
    def _forward(self, x: Tensor) -> list[Tensor]:
        seven, double = x, x
        for layer in (self.branch7x7_1, self.branch7x7_2, self.branch7x7_3):
            seven = layer(seven)
        for number in range(1, 6):
            double = getattr(self, f"branch7x7dbl_{number}")(double)
        return [self.branch1x1(x), seven, double, self.branch_pool(_mean(x))]


class _E(InceptionE):  # type: ignore[misc]
    def _forward(self, x: Tensor) -> list[Tensor]:
        three = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        return [
            self.branch1x1(x),
            torch.cat([self.branch3x3_2a(three), self.branch3x3_2b(three)], 1),
            torch.cat([self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)], 1),
            self.branch_pool(self.pool(x)),
        ]

    def pool(self, x: Tensor) -> Tensor:
        """What the last branch sees."""
        return _mean(x)


class _LastE(_E):
    def pool(self, x: Tensor) -> Tensor:
        """The maximum, in the last block alone."""
        return F.max_pool2d(x, kernel_size=3, stride=1, padding=1)

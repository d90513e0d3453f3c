"""Two small networks: `FaceFinder` says where in an image faces are, `FaceReader` reads one of them.

Plain residual networks in `torch.nn`; both are trained by `aukit.models.landmarks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aukit.facs import VISIBLE_AUS
from aukit.registration.landmarks.points import LANDMARKS, POINTS

READER_SIZE = 112
"""Side of the crops that `FaceReader` reads, in pixels."""


class Reading(NamedTuple):
    """What is read off crops of faces.

    Attributes:
        points: [B, P, 3], of `aukit.registration.landmarks.points`, from -1 to 1 across the crop; z towards
            the viewer in the same unit, 0 at the landmarks' mean depth.
        spread: [B, 68], logarithm of the expected distance of each landmark, in the same unit.
        presence: [B], logit that this is a face, rightly cropped.
        logits: [B, A], of what is expected of each AU of `aukit.facs.VISIBLE_AUS`; they are trained.
        movements: [B, A], how far each acts, from 0 to 1.
    """

    points: Tensor
    spread: Tensor
    presence: Tensor
    logits: Tensor
    movements: Tensor


class FaceReader(nn.Module):
    """Landmarks and action units of crops of faces.

    One trunk; action units are read off its last map, which keeps its places, and off the points themselves.
    What is expected of an action unit that is hard to see varies less than the action unit does, and is never
    high; `gain`, a factor for each, gives readings the scale of what they read.
    At the default widths 2.2 M parameters and 56 million multiplications per crop of 112 x 112.

    Args:
        widths: Channels of the stem and of each stage; every stage halves the map.
        blocks: Residual blocks of a stage.
        squeezed: Channels of the last map that points are read off.

    Example:
        >>> reading = FaceReader()(torch.zeros(2, 3, 112, 112))
        >>> tuple(reading.points.shape), tuple(reading.movements.shape)
        ((2, 324, 3), (2, 25))
    """

    mean: Tensor
    gain: Tensor

    def __init__(
        self,
        widths: Sequence[int] = (16, 24, 48, 88, 144),
        blocks: int = 2,
        squeezed: int = 64,
    ) -> None:
        super().__init__()
        self.options = {"widths": list(widths), "blocks": blocks, "squeezed": squeezed}
        self.trunk = _trunk(widths, blocks)
        places = (READER_SIZE // 2 ** len(widths) + (READER_SIZE % 2 ** len(widths) > 0)) ** 2
        self.squeeze = nn.Sequential(nn.Conv2d(widths[-1], squeezed, 1), nn.ReLU(inplace=True), nn.Flatten())
        self.points = nn.Linear(squeezed * places, POINTS * 3)
        self.rest = nn.Linear(widths[-1], LANDMARKS + 1)
        self.look = nn.Sequential(
            nn.Conv2d(widths[-1], squeezed // 2, 1), nn.ReLU(inplace=True), nn.Flatten(), nn.Dropout(0.3)
        )
        self.appearance = nn.Linear(squeezed // 2 * places, len(VISIBLE_AUS))
        self.geometry = nn.Sequential(
            nn.Linear(POINTS * 3, 96), nn.ReLU(inplace=True), nn.Linear(96, len(VISIBLE_AUS))
        )
        self.register_buffer("mean", torch.zeros(POINTS, 3))
        self.register_buffer("gain", torch.ones(len(VISIBLE_AUS)))
        nn.init.zeros_(self.points.weight)
        nn.init.zeros_(self.points.bias)

    def forward(self, images: Tensor) -> Reading:
        """Read crops [B, 3, 112, 112], RGB in [0, 1]."""
        features = self.trunk(4 * images - 2)
        moved = self.points(self.squeeze(features)).unflatten(1, (POINTS, 3))
        rest = self.rest(features.mean((2, 3)))
        logits = self.appearance(self.look(features)) + self.geometry(moved.flatten(1))
        movements = (self.gain * logits.sigmoid()).clamp(max=1)
        return Reading(self.mean + moved, rest[:, :LANDMARKS], rest[:, LANDMARKS], logits, movements)


FINDER_SIZE = 160
"""Side of the squares that `FaceFinder` is trained on, in pixels; it takes images of any size."""
STRIDE = 8
"""Pixels of the image per cell of a finder's map."""


class FaceFinder(nn.Module):
    """Where faces are, of about 12 to 150 pixels: a map of their middles, with their sizes.

    Fully convolutional. At the default widths 0.4 M parameters; 69 million multiplications for 160 x 160.

    Args:
        widths: Channels of the stem and of each stage.
        blocks: Residual blocks of a stage.

    Example:
        >>> heat, boxes = FaceFinder()(torch.zeros(1, 3, 96, 160))
        >>> tuple(heat.shape), tuple(boxes.shape)
        ((1, 12, 20), (1, 3, 12, 20))
    """

    def __init__(self, widths: Sequence[int] = (12, 20, 40, 64, 80), blocks: int = 2) -> None:
        super().__init__()
        self.options = {"widths": list(widths), "blocks": blocks}
        self.fine = _trunk(widths[:3], blocks)  # stride 8
        self.middle = _stage(widths[2], widths[3], blocks)
        self.coarse = _stage(widths[3], widths[4], blocks)
        self.from_middle = nn.Conv2d(widths[3], widths[2], 1)
        self.from_coarse = nn.Conv2d(widths[4], widths[3], 1)
        self.mix = nn.Sequential(*_convolution(widths[2], widths[2]), nn.ReLU(inplace=True))
        self.heads = nn.Conv2d(widths[2], 4, 1)
        nn.init.constant_(self.heads.get_parameter("bias"), -3.0)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Maps of images [B, 3, H, W], RGB in [0, 1], H and W multiples of 8.

        Returns:
            Logits [B, H/8, W/8] that a face has its middle in a cell; and [B, 3, H/8, W/8]: where in the cell
            it is, right and down in cells from the cell's middle, and the logarithm of its square's side in
            cells.
        """
        fine = self.fine(4 * images - 2)
        middle = self.middle(fine)
        coarse = self.coarse(middle)
        middle = middle + _enlarged(self.from_coarse(coarse), middle)
        fine = self.mix(fine + _enlarged(self.from_middle(F.relu(middle)), fine))
        maps = self.heads(fine)
        return maps[:, 0], maps[:, 1:]


def _enlarged(small: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(small, size=like.shape[-2:], mode="nearest")


def _trunk(widths: Sequence[int], blocks: int) -> nn.Sequential:
    stem = nn.Sequential(*_convolution(3, widths[0], 2), nn.ReLU(inplace=True))
    stages = [_stage(before, width, blocks) for before, width in pairwise(widths)]
    return nn.Sequential(stem, _ChannelsLast(), *stages)


def _stage(before: int, width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(_Block(before, width, 2), *(_Block(width, width, 1) for _ in range(blocks - 1)))


def _convolution(before: int, after: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after)]


class _ChannelsLast(nn.Module):
    """From here on the channels of a place lie together: a third faster on CPUs, and the same numbers."""

    def forward(self, x: Tensor) -> Tensor:
        return x.contiguous(memory_format=torch.channels_last)


class _Block(nn.Module):
    """Two convolutions beside a short cut."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.long = nn.Sequential(
            *_convolution(before, after, stride), nn.ReLU(inplace=True), *_convolution(after, after)
        )
        self.short = (
            nn.Identity()
            if stride == 1 and before == after
            else nn.Sequential(
                nn.AvgPool2d(stride, ceil_mode=True),
                nn.Conv2d(before, after, 1, bias=False),
                nn.BatchNorm2d(after),
            )
        )
        for name, value in self.long[-1].named_parameters():
            if name == "weight":
                nn.init.zeros_(value)  # starts as the short cut alone

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.long(x) + self.short(x), inplace=True)

"""Camera: turns heads and projects millimetres to pixels with mild perspective."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

PIVOT = (0.0, 8.0, -75.0)
"""The point about which heads turn and that lands in the image's middle, in mm."""
FIELD = 285.0
"""Millimetres across the image at zoom 1."""


@dataclass(frozen=True)
class Camera:
    """Pose of the head in front of a fixed camera; every field is a number or one number per frame.

    Attributes:
        yaw: Degrees; positive turns the face towards the right of the image.
        pitch: Degrees; positive looks up.
        roll: Degrees; positive turns clockwise in the image.
        zoom: 1 shows 285 mm across the image.
        shift_x: Offset of the head's middle to the right, as a share of the image's width.
        shift_y: Offset downwards.
        distance: From camera to head in mm (perspective).

    Example:
        >>> camera = Camera(yaw=torch.tensor([0.0, 30.0]), zoom=1.2)
        >>> camera.project(torch.tensor([[PIVOT], [PIVOT]]), size=101)[:, 0, :2].tolist()
        [[50.0, 50.0], [50.0, 50.0]]
    """

    yaw: float | Tensor = 0.0
    pitch: float | Tensor = 0.0
    roll: float | Tensor = 0.0
    zoom: float | Tensor = 1.0
    shift_x: float | Tensor = 0.0
    shift_y: float | Tensor = 0.0
    distance: float = 1000.0

    def _column(self, value: float | Tensor, batch: int) -> Tensor:
        return torch.as_tensor(value, dtype=torch.float32).reshape(-1).expand(batch)

    def rotation(self, batch: int) -> Tensor:
        """Rotation matrices [B, 3, 3] that act on column vectors: roll · yaw · pitch."""
        angles = [self._column(a, batch) * (math.pi / 180.0) for a in (self.yaw, self.pitch, self.roll)]
        (cy, cp, cr), (sy, sp, sr) = [a.cos() for a in angles], [a.sin() for a in angles]
        one, zero = torch.ones(batch), torch.zeros(batch)
        turn = torch.stack([cy, zero, sy, zero, one, zero, -sy, zero, cy], -1).view(-1, 3, 3)
        nod = torch.stack([one, zero, zero, zero, cp, -sp, zero, sp, cp], -1).view(-1, 3, 3)
        tilt = torch.stack([cr, -sr, zero, sr, cr, zero, zero, zero, one], -1).view(-1, 3, 3)
        return tilt @ turn @ nod

    def pixels_per_mm(self, batch: int, size: int) -> Tensor:
        """Scale at the pivot's depth. [B]."""
        return self._column(self.zoom, batch) * (size / FIELD)

    def project(self, points: Tensor, size: int) -> Tensor:
        """Pixels of points given in mm.

        Args:
            points: [B, N, 3] in mm, origin between the pupils.
            size: Width and height of the image in pixels.

        Returns:
            [B, N, 3]: x and y with pixel centres at integers, z towards the viewer in the same scale.
        """
        batch = len(points)
        turned = (points - points.new_tensor(PIVOT)) @ self.rotation(batch).to(points).transpose(1, 2)
        scale = self.pixels_per_mm(batch, size).to(points)[:, None]
        near = self.distance / (self.distance - turned[..., 2])
        x = (
            (0.5 + self._column(self.shift_x, batch).to(points))[:, None] * size
            - 0.5
            + scale * near * turned[..., 0]
        )
        y = (
            (0.5 + self._column(self.shift_y, batch).to(points))[:, None] * size
            - 0.5
            + scale * near * turned[..., 1]
        )
        return torch.stack([x, y, scale * turned[..., 2]], -1)

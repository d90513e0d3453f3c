"""Losses of the networks that find and read faces; functions of tensors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from aukit.models.components.processes import global_sum
from aukit.registration.landmarks.networks import STRIDE, Reading
from aukit.registration.landmarks.points import LANDMARKS

LANDMARK_WEIGHT, DENSE_WEIGHT, DEPTH_WEIGHT = 10.0, 5.0, 0.5
MOVEMENT_WEIGHT, SPREAD_WEIGHT, PRESENCE_WEIGHT = 40.0, 0.05, 0.5
"""So that landmarks and action units move the trunk about equally after the first hundred steps."""


def reading_losses(
    reading: Reading, points: Tensor, movements: Tensor, presence: Tensor
) -> dict[str, Tensor]:
    """Loss of each kind of output, weighted, as means over the rows of all processes that show a face.

    Action units are learned by cross-entropy against how far each acts: by squares those that are rare, most
    of whose values are 0, are hardly learned in the same time.

    Args:
        reading: Of B crops.
        points: [B, P, 3].
        movements: [B, A] in [0, 1].
        presence: [B], 1 or 0; points and movements count where it is 1.
    """
    points, movements, presence = (t.to(reading.points.dtype) for t in (points, movements, presence))
    shown = presence[:, None]
    faces = global_sum(presence.sum()).clamp(min=1)
    distance = (reading.points - points).abs() * points.new_tensor([1.0, 1.0, DEPTH_WEIGHT])
    apart = distance.sum(-1)
    crosses = F.binary_cross_entropy_with_logits(reading.logits, movements, reduction="none")
    # Laplace's density of the distance, whose gradient is kept from the points: uncertain ones count as much.
    flat = (reading.points - points)[:, :LANDMARKS, :2].detach().norm(dim=-1)
    spread = reading.spread.clamp(-8, 4)
    doubt = spread + flat * (-spread).exp()
    seen = F.binary_cross_entropy_with_logits(reading.presence, presence, reduction="none")
    count = global_sum(torch.ones_like(presence).sum())

    def mean(values: Tensor) -> Tensor:
        return global_sum((values * shown).sum()) / (faces * values.shape[1])

    return {
        "landmarks": LANDMARK_WEIGHT * mean(apart[:, :LANDMARKS]),
        "dense": DENSE_WEIGHT * mean(apart[:, LANDMARKS:]),
        "movements": MOVEMENT_WEIGHT * mean(crosses),
        "spread": SPREAD_WEIGHT * mean(doubt),
        "presence": PRESENCE_WEIGHT * global_sum(seen.sum()) / count,
    }


def finding_losses(heat: Tensor, boxes: Tensor, places: Tensor) -> dict[str, Tensor]:
    """Losses of a finder's maps, after CenterNet (Zhou, Wang and Krähenbühl 2019).

    Focal cross-entropy of the heat, and distances of place and side at the middles.

    Args:
        heat: Logits [B, h, w].
        boxes: [B, 3, h, w], see `FaceFinder`.
        places: [B, F, 3], x and y of the middles and sides in pixels; a side of 0 is no face.
    """
    height, width = heat.shape[1:]
    there = places[..., 2] > 0
    # In cells, a cell's middle at its index.
    x, y = ((places[..., axis] + 0.5) / STRIDE - 0.5 for axis in (0, 1))
    side = places[..., 2].clamp(min=1.0) / STRIDE
    rows = torch.arange(height, device=heat.device)[None, None, :, None]
    columns = torch.arange(width, device=heat.device)[None, None, None, :]
    wide = (0.16 * side).clamp(min=0.6)[..., None, None]
    near = (rows - y[..., None, None]) ** 2 + (columns - x[..., None, None]) ** 2
    bump = torch.exp(-near / (2 * wide**2)) * there[..., None, None]
    # Summed over faces of overlap nothing is more than 1.
    target = bump.amax(1)
    row, column = y.round().long().clamp(0, height - 1), x.round().long().clamp(0, width - 1)
    batch = torch.arange(len(heat), device=heat.device)[:, None].expand_as(row)
    middles = torch.zeros_like(target).index_put(
        (batch[there], row[there], column[there]), target.new_tensor(1.0)
    )
    chance = heat.sigmoid()
    hit = -middles * (1 - chance) ** 2 * F.logsigmoid(heat)
    miss = -(1 - middles) * (1 - target) ** 4 * chance**2 * F.logsigmoid(-heat)
    faces = global_sum(there.sum()).clamp(min=1)
    found = boxes[batch[there], :, row[there], column[there]]
    wanted = torch.stack([x - column, y - row, side.log()], -1)[there]
    apart = (found - wanted).abs().sum()
    return {
        "heat": global_sum((hit + miss).sum()) / faces,
        "boxes": global_sum(apart) / faces,
    }

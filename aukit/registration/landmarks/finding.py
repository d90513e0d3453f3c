"""From a finder's maps to faces: peaks of the heat, and sides of their squares."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from aukit.registration.landmarks.networks import STRIDE


def peaks(heat: Tensor, boxes: Tensor, least: float, most: int = 64) -> list[Tensor]:
    """Faces of each picture: [F, 4] x and y of the middle, side of the square, all in pixels, and confidence.

    Args:
        heat: Logits [B, h, w].
        boxes: [B, 3, h, w], see `FaceFinder`.
        least: Least confidence.
        most: Faces of a picture, at most; the most confident ones.
    """
    chance = heat.sigmoid()
    is_peak = (F.max_pool2d(chance[:, None], 3, 1, 1)[:, 0] == chance) & (chance >= least)
    result = []
    for index in range(len(heat)):
        row, column = is_peak[index].nonzero(as_tuple=True)
        sure = chance[index, row, column]
        right, down, size = boxes[index][:, row, column]
        side = STRIDE * size.clamp(-3, 6).exp()
        x, y = ((place + 0.5) * STRIDE - 0.5 for place in (column + right, row + down))
        found = torch.stack([x, y, side, sure], -1)
        result.append(_apart(found[sure.argsort(descending=True)][:most]))
    return result


def _apart(found: Tensor) -> Tensor:
    """Without those whose middle lies within a third of the side of a surer one."""
    kept: list[Tensor] = []
    for face in found:
        if all((face[:2] - other[:2]).norm() > torch.maximum(face[2], other[2]) / 3 for other in kept):
            kept.append(face)
    return torch.stack(kept) if kept else found[:0]

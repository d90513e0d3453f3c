"""Differentiable augmentation of what a discriminator sees (Karras et al., NeurIPS 2020, arXiv 2006.06676).

Mirroring, moves by whole pixels, brightness, contrast and saturation, each with the same probability per
image. These are the paper's augmentations that suit registered faces.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from aukit.models.components.processes import draw_rows, normal_rows

__all__ = ["augment"]

_MOVE = 0.125  # of the side
_BRIGHTNESS = 0.2
_CONTRAST = 0.5


def augment(images: Tensor, probability: float) -> Tensor:
    """Change images at random.

    Args:
        images: ``[B,3,S,S]`` in about [−1,1].
        probability: That of each change, per image.

    Returns:
        As `images`; gradients pass. Draws from torch's generator.
    """
    count, device = len(images), images.device

    def chosen() -> Tensor:
        drawn = draw_rows(lambda rows: torch.rand(rows, 1, 1, 1, device=device), count)
        return (drawn < probability).to(images.dtype)

    def normal() -> Tensor:
        return normal_rows(count, 1, 1, 1, like=images)

    x = torch.where((chosen() * chosen_half(count, device)) > 0, images.flip(-1), images)
    x = _move(x, chosen().flatten())
    x = x + chosen() * normal() * _BRIGHTNESS
    x = x * torch.exp2(chosen() * normal() * _CONTRAST)
    grey = x.mean(1, keepdim=True)
    return grey + (x - grey) * torch.exp2(chosen() * normal())


def chosen_half(count: int, device: torch.device) -> Tensor:
    """1 or 0 with equal odds, ``[count,1,1,1]``."""
    return (draw_rows(lambda rows: torch.rand(rows, 1, 1, 1, device=device), count) < 0.5).float()


def _move(images: Tensor, chosen: Tensor) -> Tensor:
    """Move the chosen images by whole pixels, mirrored at the border."""
    count, _, size, _ = images.shape
    reach = max(1, round(_MOVE * size))

    def pixels() -> Tensor:
        return draw_rows(lambda rows: torch.randint(-reach, reach + 1, (rows,), device=images.device), count)

    x, y = (pixels() * chosen.long() for _ in range(2))
    padded = F.pad(images, (reach,) * 4, mode="reflect")
    place = torch.arange(size, device=images.device) + reach
    rows, columns = place[None] + y[:, None], place[None] + x[:, None]
    index = torch.arange(count, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[index, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)

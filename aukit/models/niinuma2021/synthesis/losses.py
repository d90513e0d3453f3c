"""Losses of expression synthesis (Niinuma et al., WACV 2021, eqs. 1–5), as functions of tensors.

All are unweighted means over the rows given, eq. 4's over the counted pairs of all processes; the weights are
options of `SynthesizerModule`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from aukit.models.components.processes import global_sum

__all__ = [
    "adversarial_loss",
    "attention_loss",
    "critic_loss",
    "cycle_identity_loss",
    "expression_loss",
    "gradient_penalty",
    "idiosyncratic_loss",
    "smoothness_loss",
]


def critic_loss(real_map: Tensor, fake_map: Tensor) -> Tensor:
    """Wasserstein critic: mean D(Ĩ) − mean D(I), both over the patch map ``[B,h,w]`` (eq. 1)."""
    return fake_map.mean() - real_map.mean()


def adversarial_loss(fake_map: Tensor) -> Tensor:
    """The generator's side of eq. 1: −mean D(Ĩ), ``[B,h,w]``."""
    return -fake_map.mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, alpha: Tensor) -> Tensor:
    """Mean over the batch of (‖∇D(x̂)‖₂ − 1)² at x̂ = α·real + (1−α)·fake (eq. 1).

    The gradient is that of the *sum* over the patch map (the critic loss uses its mean), and its norm runs
    over all pixels of a sample, as in the code the paper builds on.

    Args:
        critic: Images ``[B,3,S,S]`` → critic map ``[B,h,w]``.
        real: Real images in [−1,1].
        fake: Synthesised images; no gradient flows back into them.
        alpha: ``[B,1,1,1]`` in [0,1].
    """
    mixed = (alpha * real + (1 - alpha) * fake.detach()).requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
    penalty: Tensor = (gradient.flatten(1).norm(dim=1) - 1).square().mean()
    return penalty


def expression_loss(predicted: Tensor, aus: Tensor) -> Tensor:
    """Mean squared error over batch and AUs, ``[B,A]`` each (eq. 2)."""
    return F.mse_loss(predicted, aus)


def cycle_identity_loss(reconstruction: Tensor, image: Tensor) -> Tensor:
    """Mean |G(Ĩ|y_s) − I_s|, I_s being the input image (eq. 3)."""
    return F.l1_loss(reconstruction, image)


def idiosyncratic_loss(fake: Tensor, target: Tensor, same_person: Tensor | None = None) -> Tensor:
    """Mean |G(I_s|y_t) − J| over the pairs whose target image J shows the same person (eq. 4).

    Args:
        fake: ``[B,3,S,S]``.
        target: ``[B,3,S,S]``, images with the target expression.
        same_person: ``[B]`` bool; other pairs do not count. None: all pairs count.

    Returns:
        A scalar; 0 (with a gradient of 0) when no pair counts.
    """
    per_pair = (fake - target).abs().flatten(1).mean(dim=1)
    if same_person is None:
        return per_pair.mean()
    weight = same_person.to(per_pair.dtype)
    return global_sum((per_pair * weight).sum()) / global_sum(weight.sum()).clamp(min=1)


def attention_loss(attention: Tensor) -> Tensor:
    """Mean of the attention map: GANimation's guard against a mask that only copies. Off in the paper."""
    return attention.mean()


def smoothness_loss(attention: Tensor) -> Tensor:
    """Total variation of the attention map ``[B,1,H,W]``, off in the paper.

    Twice the sum of the mean squared differences between rows and between columns, as in the code the paper
    builds on.
    """
    across = (attention[..., :, 1:] - attention[..., :, :-1]).square().mean()
    down = (attention[..., 1:, :] - attention[..., :-1, :]).square().mean()
    return 2 * (across + down)

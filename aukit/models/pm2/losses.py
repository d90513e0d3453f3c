"""Losses of PM2 (Lu et al., arXiv 2403.10737) and its rivals, as functions of tensors.

Features are ``[B,D]``, a row per image; probabilities ``[…,A]`` lie in [0,1]. All are unweighted; the weights
are options of `PM2Module`. Half precision is computed in float32, also under autocast. Under several
processes a statistic of the batch is that of all processes if it is given the rows of all of them
(`components.processes.global_batch`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from aukit.models.components.losses import single_precision, without_autocast

__all__ = [
    "Pair",
    "binary_entropy",
    "class_balance",
    "classifier_discrepancy",
    "coral_distance",
    "domain_loss",
    "gradient_reversal",
    "kernel_discrepancy",
    "moment_distance",
    "paired_moment_distance",
]

#: Two of the three images that share an expression.
Pair = Literal["real-female", "real-male", "female-male"]

_TINY = 1e-6  # keeps logarithms finite


# ---------------------------------------------------------------------- moments


def moment_distance(
    sources: Sequence[Tensor], target: Tensor, order: int = 2, central: bool = False
) -> Tensor:
    """Moment distance of several sources and a target (M3SDA, Peng et al., ICCV 2019, definition 1).

    Σₖ ( mean over sources i of ‖E Xᵢᵏ − E X_Tᵏ‖₂ + mean over pairs i<j of ‖E Xᵢᵏ − E Xⱼᵏ‖₂ ), powers by
    element. Every domain is treated alike, every pair counts once, and batches may differ in length. A single
    source has no pairs.

    Args:
        sources: A batch ``[B_i,D]`` of features per source, one at least.
        target: Features ``[B,D]`` of the target.
        order: Highest moment, 1 and more.
        central: Moments from the second on are about the mean of their own batch instead of 0.

    Returns:
        A scalar ≥ 0. Where two moments are equal the gradient is 0, not infinite.

    Raises:
        ValueError: There is no source, or ``order`` is below 1.
    """
    if not sources:
        raise ValueError("moment_distance needs at least one source")
    means = [_powers(batch, order, central).mean(dim=1) for batch in sources]
    goal = _powers(target, order, central).mean(dim=1)
    distance = torch.stack([_norm(mean - goal).sum() for mean in means]).mean()
    if len(means) > 1:
        distance = distance + torch.stack([_norm(a - b).sum() for a, b in combinations(means, 2)]).mean()
    return distance


def paired_moment_distance(
    real: Tensor | None,
    female: Tensor | None,
    male: Tensor | None,
    order: int = 2,
    pairs: Sequence[Pair] = ("real-female", "real-male"),
    paired_orders: int = 1,
    central: bool = False,
) -> Tensor:
    """Paired moment matching (PM2; the idea is the paper's, the formula is ours: see CHOICES.md).

    Mean over ``pairs`` of Σₖ Pₖ. Up to order ``paired_orders`` images are compared pair by pair,
    Pₖ = (1/B) Σ_b ‖a_bᵏ − c_bᵏ‖₂ / √D; above it their batches, Pₖ = ‖(1/B) Σ_b a_bᵏ − (1/B) Σ_b c_bᵏ‖₂ / √D.
    Only the former changes when one of the two batches is put into another order.

    Args:
        real: Features ``[B,D]`` of real frames.
        female: Of the female avatars, row b with the expression of real frame b.
        male: Of the male avatars, likewise. A batch that ``pairs`` do not name may be None.
        order: Highest moment, 1 and more.
        pairs: Which batches are matched.
        paired_orders: How many orders, from the first, are compared pair by pair; 0 for none.
        central: Moments from the second on are about the mean of their own batch instead of 0.

    Returns:
        A scalar ≥ 0, 0 for equal batches; its gradient is finite there too.

    Raises:
        ValueError: No pair is named, a named batch is missing, batches differ in shape, or ``order`` is
            below 1.
    """
    batches = {"real": real, "female": female, "male": male}
    distances = []
    for pair in pairs:
        a, c = (batches[name] for name in pair.split("-"))
        if a is None or c is None or a.shape != c.shape:
            shapes = {name: None if x is None else list(x.shape) for name, x in batches.items()}
            raise ValueError(f"{pair} needs two batches of one shape, row by row; they are {shapes}")
        gap = _powers(a, order, central) - _powers(c, order, central)
        by_pair = _norm(gap[:paired_orders]).mean(dim=1)
        by_batch = _norm(gap[paired_orders:].mean(dim=1))
        distances.append((by_pair.sum() + by_batch.sum()) / a.shape[1] ** 0.5)
    if not distances:
        raise ValueError("paired_moment_distance needs at least one pair to match")
    return torch.stack(distances).mean()


def _powers(features: Tensor, order: int, central: bool) -> Tensor:
    """``[K,B,D]``: the features to the powers 1 … K, from the second on perhaps about their mean."""
    if order < 1:
        raise ValueError(f"moments begin with the first; order is {order}")
    features = single_precision(features)
    base = features - features.mean(dim=0) if central else features
    return torch.stack([features, *(base**k for k in range(2, order + 1))])


def _norm(vectors: Tensor) -> Tensor:
    """Length along the last axis; unlike a square root of squares its gradient is 0 where that is 0."""
    length: Tensor = torch.linalg.vector_norm(vectors, dim=-1)
    return length


# ---------------------------------------------------------------------- other distances of batches


def kernel_discrepancy(
    source: Tensor, target: Tensor, factors: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0)
) -> Tensor:
    """Squared maximum mean discrepancy with a mean of Gaussian kernels (DAN, Long et al., ICML 2015).

    Kernels exp(−‖x−y‖²/(f·m)), one per factor f, m being the mean squared distance of all rows, held
    constant. The biased estimator: 0 for equal batches, negative by rounding only. Cost: O((B+C)² D).

    Args:
        source: ``[B,D]``.
        target: ``[C,D]``.
        factors: Widths of the kernels in units of the mean squared distance.

    Returns:
        A scalar in [0,2].
    """
    rows = torch.cat([single_precision(source), single_precision(target)])
    with without_autocast(rows.device):
        inner = rows @ rows.T
    length = inner.diagonal()
    squared = (length[:, None] + length[None] - 2 * inner).clamp(min=0.0)
    width = squared.detach().mean().clamp(min=torch.finfo(rows.dtype).tiny)
    kernel = torch.stack([torch.exp(-squared / (factor * width)) for factor in factors]).mean(dim=0)
    n = len(source)
    return kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()


def coral_distance(source: Tensor, target: Tensor) -> Tensor:
    """Squared Frobenius distance of covariances, over 4D² (Deep CORAL, Sun and Saenko 2016, eq. 1).

    Args:
        source: ``[B,D]``, two rows at least.
        target: ``[C,D]``, two rows at least.

    Raises:
        ValueError: A batch has one row, which has no covariance.
    """
    if min(len(source), len(target)) < 2:
        raise ValueError(f"covariances need two rows each; there are {len(source)} and {len(target)}")
    return (_covariance(source) - _covariance(target)).square().sum() / (4 * source.shape[1] ** 2)


def _covariance(features: Tensor) -> Tensor:
    centred = single_precision(features) - single_precision(features).mean(dim=0)
    with without_autocast(centred.device):
        return centred.T @ centred / (len(features) - 1)


def gradient_reversal(features: Tensor, weight: float = 1.0) -> Tensor:
    """The features, whose gradient comes back times −``weight`` (DANN, Ganin et al., JMLR 2016)."""
    reverse: Callable[..., Tensor] = _GradientReversal.apply
    return reverse(features, weight)


def domain_loss(source_logits: Tensor, target_logits: Tensor) -> Tensor:
    """Cross-entropy of telling target (1) from source (0), both domains weighing a half (DANN)."""
    source, target = F.softplus(single_precision(source_logits)), F.softplus(-single_precision(target_logits))
    return (source.mean() + target.mean()) / 2


class _GradientReversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: float) -> Tensor:
        ctx.weight = weight
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, None]:
        return -ctx.weight * gradients[0], None


# ---------------------------------------------------------------------- outputs on the unlabelled target


def classifier_discrepancy(first: Tensor, second: Tensor) -> Tensor:
    """Mean ``|p₁ − p₂|`` over images and AUs (MCD, Saito et al., CVPR 2018, with sigmoids for softmax).

    Args:
        first: Probabilities ``[…,A]`` of one head.
        second: Of the other, for the same images.

    Returns:
        A scalar in [0,1].
    """
    return (single_precision(first) - single_precision(second)).abs().mean()


def class_balance(probabilities: Tensor) -> Tensor:
    """Σ over AUs of −½ (log p̄ + log(1−p̄)), p̄ being the batch mean (as in MCD's code, with sigmoids).

    Least (A·log 2) where the mean of every action unit is one half: heads must not call all frames alike.

    Args:
        probabilities: ``[B,A]``.
    """
    mean = single_precision(probabilities).mean(dim=0)
    return -((mean + _TINY).log() + (1 - mean + _TINY).log()).sum() / 2


def binary_entropy(probabilities: Tensor) -> Tensor:
    """−p log p − (1−p) log(1−p) of each entry, in nats: 0 … log 2."""
    p = single_precision(probabilities)
    return -torch.xlogy(p, p) - torch.xlogy(1 - p, 1 - p)

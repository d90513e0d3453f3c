"""Distances between two sets of features: Fréchet (two Gaussians) and kernel (maximum mean discrepancy).

Both depend on the network that made the features. A number goes by the name of that network; "FID" and "KID"
are written only for the reference Inception.

Sources: Heusel et al. 2017 (Fréchet distance of features), Bińkowski et al. 2018 (kernel distance, polynomial
kernel of degree three).
"""

import torch
from torch import Tensor

from aukit.metrics.arrays import AnyArray, to_float64


def frechet_distance(x: AnyArray, y: AnyArray) -> float:
    """Fréchet distance between the Gaussians fitted to two sets: ``|μx - μy|² + tr(Cx + Cy - 2 (Cx Cy)^½)``.

    Unbiased covariances (n - 1). Fewer rows than dimensions give a singular covariance; the distance is still
    defined, but biased upwards. Cost: O(n D² + D³), about a second for D = 1,000.

    Args:
        x: [n, D] features.
        y: [m, D] features.

    Returns:
        The distance, ≥ 0 up to rounding; NaN with fewer than two rows in either, or a feature that is not
        finite, as of images of a generator that has diverged.

    Raises:
        ValueError: Not two [., D].
    """
    a, b = _features(x, y)
    if min(len(a), len(b)) < 2:
        return float("nan")
    return float(frechet_from_moments(a.mean(0), a.T.cov(), b.mean(0), b.T.cov()))


def frechet_from_moments(mean_x: Tensor, cov_x: Tensor, mean_y: Tensor, cov_y: Tensor) -> Tensor:
    """Fréchet distance from means [D] and covariances [D, D], float64.

    The trace of (Cx Cy)^½ is the sum of the singular values of Cx^½ Cy^½, which stays accurate for singular
    covariances, where a matrix square root of the product does not. NaN where a moment is not finite.
    """
    if not all(bool(moment.isfinite().all()) for moment in (mean_x, cov_x, mean_y, cov_y)):
        return torch.full_like(mean_x.sum(), torch.nan)  # no matrix has roots then: torch would raise
    # torch.cov gives a scalar for D = 1.
    cov_x, cov_y = (cov.reshape(len(mean_x), len(mean_x)) for cov in (cov_x, cov_y))
    cross: Tensor = torch.linalg.svdvals(_root(cov_x) @ _root(cov_y)).sum()
    spread: Tensor = cov_x.trace() + cov_y.trace() - 2 * cross
    return (mean_x - mean_y).square().sum() + spread


def _root(cov: Tensor) -> Tensor:
    """Symmetric square root; eigenvalues that are rounding are none."""
    values, vectors = torch.linalg.eigh((cov + cov.T) / 2)
    floor = values.abs().amax() * len(values) * torch.finfo(values.dtype).eps
    values = torch.where(values > floor, values, 0.0)
    root: Tensor = (vectors * values.sqrt()) @ vectors.T
    return root


def kernel_distance(x: AnyArray, y: AnyArray, *, unbiased: bool = True, block: int = 1024) -> float:
    """Squared maximum mean discrepancy with the kernel (x·y / D + 1)³.

    Cost: O((n + m)² D) time, ``block`` × (n + m) numbers of memory.

    Args:
        x: [n, D] features.
        y: [m, D] features.
        unbiased: Leave out each row's kernel with itself; the value may then be negative.
        block: Rows at a time.

    Returns:
        The distance; NaN without enough rows (two in each for the unbiased one, else one).

    Raises:
        ValueError: Not two [., D].
    """
    a, b = _features(x, y)
    n, m = a.new_tensor(float(len(a))), a.new_tensor(float(len(b)))
    within_x, within_y, across = (_kernel_sum(p, q, block) for p, q in ((a, a), (b, b), (a, b)))
    if unbiased:
        within_x, within_y = within_x - _self_kernel(a), within_y - _self_kernel(b)
    return float(kernel_from_sums(within_x, n, within_y, m, across, unbiased))


def kernel_from_sums(
    within_x: Tensor, n: Tensor, within_y: Tensor, m: Tensor, across: Tensor, unbiased: bool
) -> Tensor:
    """The distance from sums of kernels over the pairs within x, within y and across; NaN without pairs.

    ``unbiased`` means that the sums within leave out each row with itself.
    """
    lost = 1 if unbiased else 0
    result = within_x / (n * (n - lost)) + within_y / (m * (m - lost)) - 2 * across / (n * m)
    return torch.where((n > lost) & (m > lost), result, torch.nan)


def _kernel_sum(x: Tensor, y: Tensor, block: int) -> Tensor:
    total = torch.zeros((), dtype=torch.float64, device=x.device)
    for start in range(0, len(x), block):
        rows = x[start : start + block]
        total += (rows @ y.T / x.shape[1] + 1).pow(3).sum()
    return total


def _self_kernel(x: Tensor) -> Tensor:
    return (x.square().sum(1) / x.shape[1] + 1).pow(3).sum()


def _features(x: AnyArray, y: AnyArray) -> tuple[Tensor, Tensor]:
    a, b = to_float64(x), to_float64(y)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"features must be [n, D] and [m, D]; they are {list(a.shape)} and {list(b.shape)}")
    return a, b

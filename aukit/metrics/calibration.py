"""Whether probabilities mean what they say: Brier score, expected calibration error, reliability curves.

All of it follows from sums per bin of probability that add up over frames and people: count, Σp, Σy, Σ(p−y)².
The bins have equal widths, and a probability on the border of two belongs to the lower one, as in
scikit-learn's ``calibration_curve``.

The expected calibration error ``Σ n_b/n·|mean p − mean y|`` is never negative, so that chance makes it larger
than it is, in a small group more than in a large one: part of a gap between groups of different size is that.

Sources: Brier 1950; Naeini et al. 2015 (expected calibration error).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from aukit.metrics.arrays import (
    AnyArray,
    Array,
    check_occurrences,
    check_pair,
    group_index,
    in_kind,
    sum_by,
    to_float64,
)
from aukit.metrics.bootstrap import Interval, SubjectSums
from aukit.metrics.fairness import gap, named_intervals

BINS = 10


def brier_score(probabilities: Array, labels: Array) -> Array:
    """Mean of (p − y)² per AU.

    Args:
        probabilities: [n, A] in 0..1; NaN = no prediction.
        labels: [n, A]; 1 present, 0 absent, NaN not coded. A frame counts for an AU where both are there.

    Returns:
        [A] float64; NaN for an AU without a frame.

    Raises:
        ValueError: Shapes differ, a probability lies outside 0..1, or a label is none of 0, 1, NaN.
    """
    return in_kind(_brier(_of_everybody(probabilities, labels, 1)), probabilities)  # type: ignore[no-any-return]


def expected_calibration_error(probabilities: Array, labels: Array, bins: int = BINS) -> Array:
    """``Σ n_b/n·|mean p − mean y|`` per AU, over bins of equal width.

    Args:
        probabilities: [n, A], as in :func:`brier_score`.
        labels: [n, A], as in :func:`brier_score`.
        bins: Number of bins.

    Returns:
        [A] float64; NaN for an AU without a frame.

    Raises:
        ValueError: As in :func:`brier_score`.
    """
    return in_kind(_calibration_error(_of_everybody(probabilities, labels, bins)), probabilities)  # type: ignore[no-any-return]


def grouped_calibration_sums(
    probabilities: AnyArray,
    labels: AnyArray,
    subjects: npt.ArrayLike,
    groups: AnyArray | Sequence[Any],
    names: Sequence[str],
    bins: int = BINS,
) -> SubjectSums:
    """Sums per person, group, AU and bin, for :func:`calibration_intervals` and reliability curves.

    Args:
        probabilities: [n, A], as in :func:`brier_score`.
        labels: [n, A], as in :func:`brier_score`.
        subjects: [n] ids of the people.
        groups: [n] group names or indices into ``names``; unknown is an empty name, None, NaN or -1.
        names: The fixed list of groups.
        bins: Number of bins.

    Returns:
        ``sums`` [S, G + 1, A, bins, 4] float64 (count, Σp, Σy, Σ(p−y)²) for the people in sorted order; the
        last group is the unknown one.

    Raises:
        ValueError: As in :func:`brier_score`, or a group is not in ``names``.
    """
    p, y = to_float64(probabilities).cpu(), to_float64(labels).cpu()
    people, person = np.unique(np.asarray(subjects), return_inverse=True)
    member = group_index(groups, names, p.device)
    if person.shape != (len(p),) or len(member) != len(p):
        raise ValueError(f"subjects and groups must be [{len(p)}], one per frame")
    number = len(names) + 1
    sums = _sums(p, y, torch.as_tensor(person) * number + member, len(people) * number, bins)
    return SubjectSums(people, sums.reshape(len(people), number, *sums.shape[1:]).numpy())


def calibration_intervals(sums: SubjectSums, level: float = 0.95) -> dict[str, Interval]:
    """Brier score and expected calibration error of everybody and each group, with intervals over people.

    Args:
        sums: :func:`grouped_calibration_sums`.
        level: Coverage.

    Returns:
        Name → interval: ``overall_brier`` and ``overall_ece`` [A + 1], ``brier`` and ``ece`` [G, A + 1],
        ``brier_gap`` and ``ece_gap`` [A + 1], as in :func:`aukit.metrics.fairness_intervals`.
    """

    def statistics(total: Tensor) -> dict[str, Tensor]:
        of_groups, of_all = total[..., :-1, :, :, :], total.sum(-4)
        brier, ece = _brier(of_groups), _calibration_error(of_groups)
        return {
            "overall_brier": _brier(of_all),
            "brier": brier,
            "brier_gap": gap(brier),
            "overall_ece": _calibration_error(of_all),
            "ece": ece,
            "ece_gap": gap(ece),
        }

    return named_intervals(sums, None, statistics, "rate", level)


def _sums(p: Tensor, y: Tensor, row: Tensor, rows: int, bins: int) -> Tensor:
    """Count, Σp, Σy, Σ(p−y)² of the frames of each of the rows 0 … `rows` - 1, [rows, A, bins, 4]."""
    check_pair(p, y)
    check_occurrences(y)
    if bool(((p < 0) | (p > 1)).any()):
        raise ValueError("probabilities must lie within 0 and 1; turn logits into probabilities first")
    n, aus = p.shape
    valid = ~(p.isnan() | y.isnan())
    p, y = torch.where(valid, p, 0.0), torch.where(valid, y, 0.0)
    inner = torch.linspace(0, 1, bins + 1, dtype=p.dtype, device=p.device)[1:-1]
    cell = (row[:, None] * aus + torch.arange(aus, device=p.device)) * bins + torch.searchsorted(inner, p)
    values = torch.stack([valid.to(p.dtype), p, y, (p - y).square()], dim=-1)
    sums = sum_by(values.reshape(n * aus, 4), cell.reshape(n * aus), rows * aus * bins)
    return sums.reshape(rows, aus, bins, 4)


def _of_everybody(probabilities: AnyArray, labels: AnyArray, bins: int) -> Tensor:
    """The sums of all frames, [A, bins, 4]."""
    p, y = to_float64(probabilities), to_float64(labels)
    return _sums(p, y, torch.zeros(len(p), dtype=torch.int64, device=p.device), 1, bins)[0]


def _brier(sums: Tensor) -> Tensor:
    total = sums.sum(-2)
    return total[..., 3] / total[..., 0]


def _calibration_error(sums: Tensor) -> Tensor:
    return (sums[..., 1] - sums[..., 2]).abs().sum(-1) / sums[..., 0].sum(-1)

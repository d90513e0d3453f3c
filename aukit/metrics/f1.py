"""F1 of AU occurrence per AU and group, from confusion counts that add up over batches and people.

An F1 exists only where somebody showed the AU: without a positive label it is NaN, never 0, and the counts
say why. A mean over AUs is over those that have a value.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

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
from aukit.metrics.bootstrap import SubjectSums, sum_by_subject, sum_by_subject_and_group

Number = TypeVar("Number", np.int64, np.float64)


def multilabel_f1(predictions: Array, labels: Array, threshold: float = 0.5) -> Array:
    """F1 per AU over all frames pooled: 2·TP / (2·TP + FP + FN).

    Args:
        predictions: [n, A] scores or decisions; above ``threshold`` is present. NaN = no prediction.
        labels: [n, A]; 1 present, 0 absent, NaN not coded. Other values are an error, so that a missing code
            such as 9 cannot pass as present.
        threshold: Decision threshold, the same for all AUs and groups.

    Returns:
        [A] float64; NaN for an AU without a positive label.

    Raises:
        ValueError: Shapes differ, or a label is none of 0, 1, NaN.
    """
    counts = entry_counts(to_float64(predictions), to_float64(labels), threshold).sum(0)
    return in_kind(_f1(counts), predictions)  # type: ignore[no-any-return]


def grouped_multilabel_f1(
    predictions: Array,
    labels: Array,
    groups: AnyArray | Sequence[Any],
    names: Sequence[str],
    threshold: float = 0.5,
) -> dict[str, Array]:
    """F1 per AU for each group of people, and ``"overall"`` with those of unknown group too.

    Args:
        predictions: [n, A], as in :func:`multilabel_f1`.
        labels: [n, A], as in :func:`multilabel_f1`.
        groups: [n] group names or indices into ``names``; unknown is an empty name, None, NaN or -1.
        names: The fixed list of groups; one that does not occur has NaN.
        threshold: Decision threshold.

    Returns:
        Group name → [A] float64.

    Raises:
        ValueError: Shapes differ, a label is none of 0, 1, NaN, or a group is not in ``names``.
    """
    f1 = f1_by_group(group_counts(predictions, labels, groups, names, threshold), names)
    return {name: in_kind(value, predictions) for name, value in f1.items()}


def f1_from_counts(counts: Array) -> Array:
    """F1 from counts [..., 4] of true positives, false positives, false negatives, true negatives.

    Returns:
        [...] float64; NaN without a positive label.
    """
    return in_kind(_f1(to_float64(counts)), counts)  # type: ignore[no-any-return]


def all_positive_counts(counts: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """Counts of the all-positive baseline, which calls every coded frame positive.

    It sees no image; a detector that is not above its F1 has learned nothing.

    Args:
        counts: [..., 4] of any detector: true positives, false positives, false negatives, true negatives.

    Returns:
        [..., 4] of the baseline on the same frames.
    """
    tp, fp, fn, tn = np.moveaxis(counts, -1, 0)
    nothing = np.zeros_like(tp)
    return np.stack([tp + fn, fp + tn, nothing, nothing], axis=-1)


def confusion_counts(
    predictions: AnyArray, labels: AnyArray, subjects: npt.ArrayLike, threshold: float = 0.5
) -> SubjectSums:
    """Confusion counts per person and AU, for a bootstrap over people; arguments as in :func:`multilabel_f1`.

    Returns:
        ``sums`` [S, A, 4] int64 (TP, FP, FN, TN) for the people in sorted order.
    """
    counts = entry_counts(to_float64(predictions), to_float64(labels), threshold)
    return sum_by_subject(counts, subjects)


def grouped_confusion_counts(
    predictions: AnyArray,
    labels: AnyArray,
    subjects: npt.ArrayLike,
    groups: AnyArray | Sequence[Any],
    names: Sequence[str],
    threshold: float = 0.5,
) -> SubjectSums:
    """Confusion counts per person, group and AU, for :func:`aukit.metrics.fairness_intervals`.

    Args:
        predictions: [n, A], as in :func:`multilabel_f1`.
        labels: [n, A], as in :func:`multilabel_f1`.
        subjects: [n] ids of the people.
        groups: [n], as in :func:`grouped_multilabel_f1`; a person's frames may be in several groups.
        names: The fixed list of groups.
        threshold: Decision threshold, the same for all groups.

    Returns:
        ``sums`` [S, G + 1, A, 4] int64 (TP, FP, FN, TN) for the people in sorted order; the last group is the
        unknown one.

    Raises:
        ValueError: Shapes differ, a label is none of 0, 1, NaN, or a group is not in ``names``.
    """
    counts = entry_counts(to_float64(predictions), to_float64(labels), threshold)
    return sum_by_subject_and_group(counts, subjects, _group_index(groups, names, counts), len(names) + 1)


def group_counts(
    predictions: AnyArray,
    labels: AnyArray,
    groups: AnyArray | Sequence[Any],
    names: Sequence[str],
    threshold: float,
) -> Tensor:
    """Confusion counts [G + 1, A, 4] int64 per group and AU; the last row is the people of unknown group."""
    counts = entry_counts(to_float64(predictions), to_float64(labels), threshold)
    return sum_by(counts, _group_index(groups, names, counts), len(names) + 1)


def _group_index(groups: AnyArray | Sequence[Any], names: Sequence[str], counts: Tensor) -> Tensor:
    index = group_index(groups, names, counts.device)
    if index.shape != (len(counts),):
        raise ValueError(f"groups must be [{len(counts)}], one per frame; it is {list(index.shape)}")
    return index


def f1_by_group(counts: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
    """F1 per AU from :func:`group_counts`: each group's, and ``"overall"``."""
    f1 = {name: _f1(counts[i]) for i, name in enumerate(names)}
    return {**f1, "overall": _f1(counts.sum(0))}


def entry_counts(predictions: Tensor, labels: Tensor, threshold: float) -> Tensor:
    """What each frame and AU adds to the counts: [n, A] twice → [n, A, 4] int64, one 1 or none."""
    check_pair(predictions, labels)
    check_occurrences(labels)
    valid = ~(labels.isnan() | predictions.isnan())
    present, predicted = valid & (labels == 1), valid & (predictions > threshold)
    cells = [present & predicted, predicted & ~present, present & ~predicted, valid & ~present & ~predicted]
    return torch.stack(cells, dim=-1).to(torch.int64)


def _f1(counts: Tensor) -> Tensor:
    tp, fp, fn, _ = counts.to(torch.float64).unbind(-1)
    return torch.where(tp + fn > 0, 2 * tp / (2 * tp + fp + fn), torch.nan)

"""How well scores rank frames, whatever the threshold: AUROC and average precision per AU and group.

Both need frames with the AU and, for AUROC, frames without: else they are NaN, never 0.5 or 0. Frames of
equal score are one step of the curve, so that the order of rows says nothing.

An area is no sum over people. Intervals leave out one person after the other all the same: each frame then
has its person's weight, and the curves of all weights are running sums over the frames sorted once.

Sources: Fawcett 2006, *An introduction to ROC analysis* (AUROC by the trapezoid rule); average precision
Σ (R_k − R_{k−1})·P_k without interpolation, as scikit-learn's functions of these names.
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
    to_float64,
)
from aukit.metrics.bootstrap import Interval
from aukit.metrics.fairness import gap, person_strata, with_mean
from aukit.metrics.intervals import jackknife_interval, leave_one_out

_MOST_CELLS = 2**22
"""Weights of frames that are held at a time: 32 MB."""


def auroc(scores: Array, labels: Array) -> Array:
    """Area under the ROC curve per AU: the chance that a frame with the AU scores above one without it.

    Args:
        scores: [n, A], any real values; NaN = no prediction.
        labels: [n, A]; 1 present, 0 absent, NaN not coded. A frame counts for an AU where both are there.

    Returns:
        [A] float64; NaN for an AU without a frame of both kinds.

    Raises:
        ValueError: Shapes differ, or a label is none of 0, 1, NaN.
    """
    return in_kind(_of_everybody(scores, labels)[0], scores)  # type: ignore[no-any-return]


def average_precision(scores: Array, labels: Array) -> Array:
    """Average precision per AU: the precision at each threshold, weighted by the recall that it adds.

    Its value for scores that say nothing is the share of frames with the AU, so groups of different base rate
    have different scales.

    Args:
        scores: [n, A], as in :func:`auroc`.
        labels: [n, A], as in :func:`auroc`.

    Returns:
        [A] float64; NaN for an AU without a frame that has it.

    Raises:
        ValueError: Shapes differ, or a label is none of 0, 1, NaN.
    """
    return in_kind(_of_everybody(scores, labels)[1], scores)  # type: ignore[no-any-return]


def ranking_intervals(
    scores: AnyArray,
    labels: AnyArray,
    subjects: npt.ArrayLike,
    groups: AnyArray | Sequence[Any],
    names: Sequence[str],
    level: float = 0.95,
) -> dict[str, Interval]:
    """AUROC and average precision of everybody and each group, with intervals over people.

    People are compared within their group, as in :func:`aukit.metrics.fairness_intervals`. Costs one pass
    over the frames per person and AU: about 9 s of a core for 100,000 frames of 40 people and 12 AUs.

    Args:
        scores: [n, A], as in :func:`auroc`.
        labels: [n, A], as in :func:`auroc`.
        subjects: [n] ids of the people.
        groups: [n] group names or indices into ``names``; unknown is an empty name, None, NaN or -1.
        names: The fixed list of groups.
        level: Coverage.

    Returns:
        Name → interval: ``overall_auroc`` and ``overall_average_precision`` [A + 1], ``auroc`` and
        ``average_precision`` [G, A + 1], ``auroc_gap`` and ``average_precision_gap`` [A + 1]; the last is the
        plain mean over the AUs that have a value, of groups over those that have one in every group.

    Raises:
        ValueError: Shapes differ, a label is none of 0, 1, NaN, a group is not in ``names``, or no people.
    """
    x, y = to_float64(scores).cpu(), to_float64(labels).cpu()
    check_pair(x, y)
    check_occurrences(y)
    people, person = np.unique(np.asarray(subjects), return_inverse=True)
    if person.shape != (len(x),) or not len(people):
        raise ValueError(f"subjects must be [{len(x)}], one per frame, of at least one person")
    member = group_index(groups, names, x.device)
    if len(member) != len(x):
        raise ValueError(f"groups must be [{len(x)}], one per frame; it is [{len(member)}]")
    person_of, coded = torch.as_tensor(person), ~(x.isnan() | y.isnan()).all(1)
    present = torch.zeros(len(people), len(names) + 1, dtype=torch.bool)
    present[person_of[coded], member[coded]] = True
    strata = person_strata(present.numpy())
    without, members = leave_one_out(len(people), strata)
    weights = torch.as_tensor(np.concatenate([np.ones((1, len(people))), without]))
    everybody = _areas(x, y, person_of, weights)
    each = [_areas(x[at], y[at], person_of[at], weights) for at in (member == g for g in range(len(names)))]
    found = {}
    for place, name in enumerate(("auroc", "average_precision")):
        by_group = torch.stack([areas[place] for areas in each], dim=1)
        for key, values in (
            (f"overall_{name}", everybody[place]),
            (name, by_group),
            (f"{name}_gap", gap(by_group)),
        ):
            both = with_mean(values).numpy()
            scale = "gap" if key.endswith("_gap") else "rate"
            found[key] = jackknife_interval(both[:1], both[1:], members, level, scale)  # type: ignore[arg-type]
    return found


def _of_everybody(scores: AnyArray, labels: AnyArray) -> Tensor:
    """Both areas [2, A]."""
    x, y = to_float64(scores), to_float64(labels)
    check_pair(x, y)
    check_occurrences(y)
    one = torch.ones((1, 1), dtype=torch.float64, device=x.device)
    return torch.stack(_areas(x, y, torch.zeros(len(x), dtype=torch.int64, device=x.device), one))[:, 0]


def _areas(scores: Tensor, labels: Tensor, person: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """AUROC and average precision, each [N, A], under each of the weights [N, S] of the people."""
    there = torch.bincount(person, minlength=weights.shape[1]) > 0
    # Weights that differ for other people alone give the same areas.
    distinct, of = torch.unique(weights * there, dim=0, return_inverse=True)
    valid = ~(scores.isnan() | labels.isnan())
    found = [
        _curve_areas(scores[valid[:, au], au], labels[valid[:, au], au], person[valid[:, au]], distinct)
        for au in range(scores.shape[1])
    ]
    roc, precision = (torch.stack(each, dim=1)[of] for each in zip(*found, strict=True))
    return roc, precision


def _curve_areas(x: Tensor, y: Tensor, person: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """The same of one AU, each [N]: scores, labels and people of the n frames that count."""
    if not len(x):
        nothing = torch.full((len(weights),), torch.nan, dtype=torch.float64, device=x.device)
        return nothing, nothing
    order = x.argsort(descending=True, stable=True)
    x, y, person = x[order], y[order], person[order]
    last = torch.cat([x[1:] != x[:-1], torch.ones(1, dtype=torch.bool, device=x.device)])
    parts = []
    for rows in torch.split(weights, max(1, _MOST_CELLS // len(x))):
        frame = rows[:, person]
        true = (frame * y).cumsum(1)[:, last]
        false = (frame * (1 - y)).cumsum(1)[:, last]
        start = torch.zeros_like(true[:, :1])
        rise = torch.diff(true, dim=1, prepend=start)
        run = torch.diff(false, dim=1, prepend=start)
        positives, negatives = true[:, -1], false[:, -1]
        precision = torch.nan_to_num(true / (true + false))
        parts.append(
            (
                ((true - rise / 2) * run).sum(1) / (positives * negatives),
                (rise * precision).sum(1) / positives,
            )
        )
    roc, average = (torch.cat(each) for each in zip(*parts, strict=True))
    return roc, average

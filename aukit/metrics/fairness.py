"""How differently a detector treats groups of people: rates per group and AU, and the gaps between groups.

Per AU, with decision ŷ, label y and group g: selection rate P(ŷ=1|g), true positive rate P(ŷ=1|y=1,g), false
positive rate P(ŷ=1|y=0,g), base rate P(y=1|g). A gap is the greatest minus the least value over *all* groups
of the fixed list; where one group lacks what a rate needs (positives, negatives, coded frames) the rate and
its gap are NaN, and the support says so. One group alone has a gap of 0 in a report, as in other libraries,
and none among intervals, where 0 would read as fair. People of unknown group are left out of the groups.

A perfect classifier has a demographic parity difference equal to the base-rate gap: read the two together.

Sources: Hardt, Price and Srebro 2016 (equal opportunity, equalised odds); Dwork et al. 2012 (demographic
parity).

All of it follows from counts per group, so it works on any number of sets of people at once: that is how
intervals over people are made (:func:`fairness_intervals`).
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from aukit.metrics.arrays import AnyArray
from aukit.metrics.bootstrap import Interval, SubjectSums
from aukit.metrics.f1 import f1_from_counts, group_counts
from aukit.metrics.icc import icc_from_sums
from aukit.metrics.intervals import Scale, interval_by_subject


class FairnessReport(NamedTuple):
    """Rates [..., G, A] per group and AU, gaps [..., A] per AU, all float64; NaN where there is no support.

    The leading dimensions are those of the counts: none, or the replicates of a bootstrap.

    Attributes:
        frames: Coded frames, [G, A].
        positives: Frames with the AU present, [G, A].
        negatives: Frames with the AU absent, [G, A].
        unknown: Coded frames of people of unknown group, left out of all else here but ``overall_f1``, [A].
        f1: F1 per group.
        overall_f1: F1 of everybody, people of unknown group too, [A].
        selection_rate: Share of frames decided present.
        true_positive_rate: Of the frames with the AU, the share found.
        false_positive_rate: Of the frames without, the share decided present.
        base_rate: Share of frames with the AU.
        f1_gap: Best minus worst group's F1.
        worst_group: Index of the group with the least F1, int64 [A]; -1 where a group has no F1.
        worst_group_f1: Its F1.
        group_mean_f1: Plain mean of the groups' F1, whatever their sizes (Hu et al. 2024).
        demographic_parity_difference: Gap of the selection rate.
        demographic_parity_difference_to_overall: Greatest distance of a group's selection rate from that of
            all groups together.
        equal_opportunity_difference: Gap of the true positive rate.
        equalized_odds_difference: Greater of the gaps of true and false positive rate (worst case).
        equalized_odds_difference_mean: Mean of the two gaps.
        base_rate_gap: Gap of the base rate.

    Example:
        >>> from aukit.metrics import group_fairness
        >>> labels = np.array([[1.0], [0], [1], [1]])
        >>> groups = ["female", "female", "male", "male"]
        >>> report = group_fairness(labels, labels, groups, names=("female", "male"))
        >>> report.base_rate_gap.tolist(), report.mean()["f1_gap"]
        ([0.5], 0.0)
    """

    frames: Tensor
    positives: Tensor
    negatives: Tensor
    unknown: Tensor
    f1: Tensor
    overall_f1: Tensor
    selection_rate: Tensor
    true_positive_rate: Tensor
    false_positive_rate: Tensor
    base_rate: Tensor
    f1_gap: Tensor
    worst_group: Tensor
    worst_group_f1: Tensor
    group_mean_f1: Tensor
    demographic_parity_difference: Tensor
    demographic_parity_difference_to_overall: Tensor
    equal_opportunity_difference: Tensor
    equalized_odds_difference: Tensor
    equalized_odds_difference_mean: Tensor
    base_rate_gap: Tensor

    def mean(self) -> dict[str, float]:
        """Plain mean over the AUs that have a value, of each of ``BETWEEN_GROUPS``; NaN if none has one."""
        return {name: float(getattr(self, name).nanmean()) for name in BETWEEN_GROUPS}

    def signed_differences(self) -> dict[str, Tensor]:
        """First minus second of two groups, [..., A]: F1, selection rate, true positive rate.

        A gap is never negative, so that its interval says nothing about whether there is one; these do.

        Raises:
            ValueError: There are not two groups.
        """
        if self.f1.shape[-2] != 2:
            raise ValueError(f"a signed difference is of two groups; there are {self.f1.shape[-2]}")
        rates = {
            "f1_difference": self.f1,
            "selection_rate_difference": self.selection_rate,
            "true_positive_rate_difference": self.true_positive_rate,
        }
        return {name: rate[..., 0, :] - rate[..., 1, :] for name, rate in rates.items()}


PER_GROUP = ("f1", "selection_rate", "true_positive_rate", "false_positive_rate", "base_rate")
"""Fields of a report with a value per group and AU."""

BETWEEN_GROUPS = (
    "worst_group_f1",
    "group_mean_f1",
    "f1_gap",
    "base_rate_gap",
    "demographic_parity_difference",
    "demographic_parity_difference_to_overall",
    "equal_opportunity_difference",
    "equalized_odds_difference",
    "equalized_odds_difference_mean",
)
"""Fields with one value per AU, over all groups."""

SIGNED = ("f1_difference", "selection_rate_difference", "true_positive_rate_difference", "icc_difference")
"""First minus second of two groups."""

_GAPS = (
    *(name for name in BETWEEN_GROUPS if name not in ("worst_group_f1", "group_mean_f1")),
    "icc_gap",
    "brier_gap",
    "ece_gap",
)


def group_fairness(
    predictions: AnyArray,
    labels: AnyArray,
    groups: AnyArray | Sequence[Any],
    names: Sequence[str],
    threshold: float = 0.5,
) -> FairnessReport:
    """Rates and gaps per AU over all frames pooled.

    Args:
        predictions: [n, A] scores or decisions; above ``threshold`` is present. NaN = no prediction.
        labels: [n, A]; 1 present, 0 absent, NaN not coded.
        groups: [n] group names or indices into ``names``; unknown is an empty name, None, NaN or -1.
        names: The fixed list of groups.
        threshold: Decision threshold, the same for all groups.

    Returns:
        The report, as tensors also for numpy input (``report.f1.numpy()``).

    Raises:
        ValueError: Shapes differ, a label is none of 0, 1, NaN, or a group is not in ``names``.
    """
    return fairness_from_counts(group_counts(predictions, labels, groups, names, threshold))


def fairness_from_counts(counts: Tensor) -> FairnessReport:
    """The report from counts [..., G + 1, A, 4] (TP, FP, FN, TN); the last group is the unknown one."""
    known = counts[..., :-1, :, :]
    tp, fp, fn, tn = known.unbind(-1)
    frames, positives, negatives = tp + fp + fn + tn, tp + fn, fp + tn
    f1 = f1_from_counts(known)
    selection, base = _rate(tp + fp, frames), _rate(positives, frames)
    true_positive, false_positive = _rate(tp, positives), _rate(fp, negatives)
    overall = _rate((tp + fp).sum(-2), frames.sum(-2)).unsqueeze(-2)
    odds = torch.stack([_spread(true_positive), _spread(false_positive)])
    defined = ~f1.isnan().any(-2)
    return FairnessReport(
        frames=frames,
        positives=positives,
        negatives=negatives,
        unknown=counts[..., -1, :, :].sum(-1),
        f1=f1,
        overall_f1=f1_from_counts(counts.sum(-3)),
        selection_rate=selection,
        true_positive_rate=true_positive,
        false_positive_rate=false_positive,
        base_rate=base,
        f1_gap=_spread(f1),
        worst_group=torch.where(defined, f1.argmin(-2), -1),
        worst_group_f1=f1.amin(-2),
        group_mean_f1=f1.mean(-2),
        demographic_parity_difference=_spread(selection),
        demographic_parity_difference_to_overall=(selection - overall).abs().amax(-2),
        equal_opportunity_difference=odds[0],
        equalized_odds_difference=odds.amax(0),
        equalized_odds_difference_mean=odds.mean(0),
        base_rate_gap=_spread(base),
    )


def fairness_intervals(
    counts: SubjectSums | Sequence[SubjectSums],
    level: float = 0.95,
    *,
    baseline: SubjectSums | Sequence[SubjectSums] | None = None,
) -> dict[str, Interval]:
    """Everything that a report says, with intervals over people (and trainings).

    People are compared within their group; where people belong to several groups (a grouping by task), with
    all. Milliseconds for 12 AUs, two groups and 40 people.

    Args:
        counts: :func:`aukit.metrics.grouped_confusion_counts`; a list is one method trained with several
            seeds, scored on the same people.
        level: Coverage.
        baseline: Another method on the same people, all values are then paired differences, method minus
            baseline. With as many trainings as the method, training i of the one belongs to i of the other.

    Returns:
        Name → interval with the shape of the statistic, [A + 1] or [G, A + 1]: a value per AU, then the plain
        mean over the AUs that have one, of groups over those that have one in every group. The names are
        ``overall_f1``, ``PER_GROUP``, ``BETWEEN_GROUPS`` and, for two groups, those of
        `FairnessReport.signed_differences`.

    Raises:
        ValueError: No people, or not the same ones.
    """

    def statistics(sums: Tensor) -> dict[str, Tensor]:
        report = fairness_from_counts(sums)
        values = {name: getattr(report, name) for name in ("overall_f1", *PER_GROUP, *BETWEEN_GROUPS)}
        if report.f1.shape[-2] == 1:
            values |= {name: torch.full_like(values[name], torch.nan) for name in values if name in _GAPS}
        return values | (report.signed_differences() if report.f1.shape[-2] == 2 else {})

    return named_intervals(counts, baseline, statistics, "rate", level)


def group_icc_intervals(
    sums: SubjectSums | Sequence[SubjectSums],
    level: float = 0.95,
    *,
    baseline: SubjectSums | Sequence[SubjectSums] | None = None,
) -> dict[str, Interval]:
    """ICC(3,1) of everybody and of each group, with intervals as in :func:`fairness_intervals`.

    Args:
        sums: :func:`aukit.metrics.grouped_icc_sums`; a list is one method trained with several seeds.
        level: Coverage.
        baseline: Another method on the same people: all values are then paired differences.

    Returns:
        Name → interval, [A + 1] or [G, A + 1] as there: ``overall_icc``, ``icc`` per group, ``icc_gap``,
        ``worst_group_icc`` and, for two groups, ``icc_difference``, the first minus the second.

    Raises:
        ValueError: No people, or not the same ones.
    """

    def statistics(total: Tensor) -> dict[str, Tensor]:
        icc = icc_from_sums(total[..., :-1, :, :])
        values = {"overall_icc": icc_from_sums(total.sum(-3)), "icc": icc, "icc_gap": gap(icc)}
        values["worst_group_icc"] = icc.amin(-2)
        if icc.shape[-2] == 2:
            values["icc_difference"] = icc[..., 0, :] - icc[..., 1, :]
        return values

    return named_intervals(sums, baseline, statistics, "correlation", level)


def named_intervals(
    sums: SubjectSums | Sequence[SubjectSums],
    baseline: SubjectSums | Sequence[SubjectSums] | None,
    statistics: Callable[[Tensor], dict[str, Tensor]],
    scale: Scale,
    level: float,
) -> dict[str, Interval]:
    """Intervals of named statistics [N, (G,) A] of the sums [N, G + 1, A, ...], means over AUs appended.

    `scale` is that of a group's value; gaps and differences have their own.
    """
    first = sums if isinstance(sums, SubjectSums) else sums[0]
    strata = person_strata((first.sums != 0).any(axis=tuple(range(2, first.sums.ndim))))
    names = statistics(torch.as_tensor(first.sums.sum(0, keepdims=True)))

    def interval(name: str) -> Interval:
        def values(total: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
            return with_mean(statistics(torch.as_tensor(total))[name]).numpy()

        own: Scale = "linear" if name in SIGNED else "gap" if name in _GAPS else scale
        return interval_by_subject(sums, values, level, scale=own, baseline=baseline, strata=strata)

    return {name: interval(name) for name in names}


def with_mean(value: Tensor) -> Tensor:
    """Values [N, (G,) A] with their plain mean over AUs behind them, [N, (G,) A + 1].

    Means of groups are compared with each other, so they are over the same AUs: those that every group has.
    So are the means without each person: where one lacks an AU of everybody, the first row, it is NaN.
    """
    of_all = value
    if value.ndim == 3:
        lacking = value.isnan()
        lacking &= ~lacking.all(-1, keepdim=True)  # a group without anybody takes no AU from the others
        of_all = value.masked_fill(lacking.any(1, keepdim=True), torch.nan)
    mean = of_all.nanmean(-1, keepdim=True)
    others = (of_all.isnan() != of_all[:1].isnan()).any(-1, keepdim=True)
    return torch.cat([value, mean.masked_fill(others, torch.nan)], dim=-1)


def person_strata(present: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64] | None:
    """Each person's group, from where they have coded frames [S, G + 1]; None if somebody is in several.

    The only person of a group stands with the largest one: alone in a stratum they would leave everybody
    without an interval. Their group has none of its own, since without them it has no value.
    """
    present = present.copy()
    present[:, -1] |= ~present.any(1)  # somebody without a coded frame counts as unknown
    if (present.sum(1) > 1).any():
        return None
    groups, sizes = present.argmax(1), present.sum(0)
    return np.asarray(np.where(sizes[groups] == 1, sizes.argmax(), groups))


def _rate(count: Tensor, support: Tensor) -> Tensor:
    return torch.where(support > 0, count.to(torch.float64) / support, torch.nan)


def gap(rates: Tensor) -> Tensor:
    """Greatest minus least over the groups; NaN as soon as one group has none, or is the only one."""
    return _spread(rates) if rates.shape[-2] > 1 else torch.full_like(rates[..., 0, :], torch.nan)


def _spread(rates: Tensor) -> Tensor:
    return rates.amax(-2) - rates.amin(-2)

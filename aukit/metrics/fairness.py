"""How differently a detector treats groups of people: rates per group and AU, and the gaps between groups.

Per AU, with decision ŷ, label y and group g: selection rate P(ŷ=1|g), true positive rate P(ŷ=1|y=1,g), false
positive rate P(ŷ=1|y=0,g), base rate P(y=1|g). A gap is the greatest minus the least value over *all* groups
of the fixed list; where one group lacks what a rate needs (positives, negatives, coded frames) the rate and
its gap are NaN, and the support says so. People of unknown group are left out of the groups.

A perfect classifier has a demographic parity difference equal to the base-rate gap: read the two together.

Sources: Hardt, Price and Srebro 2016 (equal opportunity, equalised odds); Dwork et al. 2012 (demographic
parity).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from aukit.metrics.arrays import AnyArray
from aukit.metrics.f1 import f1_from_counts, group_counts


class FairnessReport(NamedTuple):
    """Rates [G, A] per group and AU, gaps [A] per AU, all float64; NaN where there is no support.

    Attributes:
        frames: Coded frames, int64 [G, A].
        positives: Frames with the AU present, int64 [G, A].
        negatives: Frames with the AU absent, int64 [G, A].
        unknown: Coded frames of people of unknown group, left out of all else here, int64 [A].
        f1: F1 per group.
        selection_rate: Share of frames decided present.
        true_positive_rate: Of the frames with the AU, the share found.
        false_positive_rate: Of the frames without, the share decided present.
        base_rate: Share of frames with the AU.
        f1_gap: Best minus worst group's F1.
        worst_group: Index of the group with the least F1, int64 [A]; -1 where a group has no F1.
        worst_group_f1: Its F1.
        demographic_parity_difference: Gap of the selection rate.
        demographic_parity_difference_to_overall: Greatest distance of a group's selection rate from that of
            all groups together.
        equal_opportunity_difference: Gap of the true positive rate.
        equalized_odds_difference: Greater of the gaps of true and false positive rate (worst case).
        equalized_odds_difference_mean: Mean of the two gaps.
        base_rate_gap: Gap of the base rate.
    """

    frames: Tensor
    positives: Tensor
    negatives: Tensor
    unknown: Tensor
    f1: Tensor
    selection_rate: Tensor
    true_positive_rate: Tensor
    false_positive_rate: Tensor
    base_rate: Tensor
    f1_gap: Tensor
    worst_group: Tensor
    worst_group_f1: Tensor
    demographic_parity_difference: Tensor
    demographic_parity_difference_to_overall: Tensor
    equal_opportunity_difference: Tensor
    equalized_odds_difference: Tensor
    equalized_odds_difference_mean: Tensor
    base_rate_gap: Tensor

    def mean(self) -> dict[str, float]:
        """Plain mean over the AUs that have a value, of the least F1 and of each gap; NaN if none has one."""
        names = (
            "worst_group_f1",
            *(name for name in self._fields if name.endswith("_gap") or "_diff" in name),
        )
        return {name: float(getattr(self, name).nanmean()) for name in names}


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
    """The report from counts [G + 1, A, 4] (TP, FP, FN, TN); the last row is the people of unknown group."""
    known = counts[:-1]
    tp, fp, fn, tn = known.unbind(-1)
    frames, positives, negatives = tp + fp + fn + tn, tp + fn, fp + tn
    f1 = f1_from_counts(known)
    selection, base = _rate(tp + fp, frames), _rate(positives, frames)
    true_positive, false_positive = _rate(tp, positives), _rate(fp, negatives)
    overall = _rate((tp + fp).sum(0), frames.sum(0))
    odds = torch.stack([_gap(true_positive), _gap(false_positive)])
    defined = ~f1.isnan().any(0)
    return FairnessReport(
        frames=frames,
        positives=positives,
        negatives=negatives,
        unknown=counts[-1].sum(-1),
        f1=f1,
        selection_rate=selection,
        true_positive_rate=true_positive,
        false_positive_rate=false_positive,
        base_rate=base,
        f1_gap=_gap(f1),
        worst_group=torch.where(defined, f1.argmin(0), -1),
        worst_group_f1=f1.amin(0),
        demographic_parity_difference=_gap(selection),
        demographic_parity_difference_to_overall=(selection - overall).abs().amax(0),
        equal_opportunity_difference=odds[0],
        equalized_odds_difference=odds.amax(0),
        equalized_odds_difference_mean=odds.mean(0),
        base_rate_gap=_gap(base),
    )


def _rate(count: Tensor, support: Tensor) -> Tensor:
    return torch.where(support > 0, count.to(torch.float64) / support, torch.nan)


def _gap(rates: Tensor) -> Tensor:
    """Greatest minus least over the groups; NaN as soon as one group has none."""
    return rates.amax(0) - rates.amin(0)

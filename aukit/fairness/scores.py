"""Every score of every group: values, intervals over people, gaps, and whether gaps are more than chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from aukit.datasets.people import Groups
from aukit.fairness.predictions import Floats, Predictions
from aukit.metrics import (
    Interval,
    SubjectSums,
    calibration_intervals,
    confusion_counts,
    f1_from_counts,
    fairness_intervals,
    group_icc_intervals,
    group_permutation_test,
    grouped_calibration_sums,
    grouped_confusion_counts,
    grouped_icc_sums,
    holm,
    icc_from_sums,
    icc_sums,
    ranking_intervals,
)
from aukit.training.fairness import BETWEEN, EVERYBODY, NO_CURVES, interval_rows, reliability_rows

PERMUTATIONS = 9999

USUAL, VALIDATED = "usual", "validation"
"""Which thresholds a row's decisions are by."""

UNKNOWN = "no group"

NAMES = {"f1": "F1", "icc": "ICC"}
"""Statistics whose gaps are tested, as texts call them."""


@dataclass(frozen=True)
class Scored:
    """Scores of people in groups.

    Attributes:
        groups: The groups.
        support: Per group, `UNKNOWN` last: people, frames, coded frames, and those without a prediction.
        table: A row per statistic, AU (``mean`` over those that every group has), group (``everybody``, a
            group, ``between`` for gaps) and choice of thresholds (`USUAL`, `VALIDATED`, empty where scores
            need none): ``value``, ``low``, ``high`` (95 %, over people), ``undefined`` (share of people
            without whom there is no value), ``frames``, ``positives``, ``people``; of the gaps that are
            tested ``p`` and ``p_holm``.
        reliability: A row per AU, group and bin of probability that has frames: ``low``, ``high``,
            ``frames``, ``people``, ``probability`` (mean) and ``present`` (share).
        tested: AU → statistic whose gap is tested: ``icc`` where it has coded intensities, else ``f1``.
        thresholds: Per AU, `USUAL` and perhaps `VALIDATED`.
    """

    groups: Groups
    support: pd.DataFrame
    table: pd.DataFrame
    reliability: pd.DataFrame
    tested: Mapping[str, str]
    thresholds: pd.DataFrame

    @property
    def statistics(self) -> tuple[str, ...]:
        """Those whose gaps are tested."""
        return tuple(dict.fromkeys(self.tested.values()))

    def gaps(self) -> list[tuple[str, str, Mapping[Any, Any]]]:
        """Name, statistic and row of `table` of each gap that is tested, then of the gaps of the means."""
        usual = self.table[(self.table["thresholds"] != VALIDATED) & (self.table["group"] == BETWEEN)]
        rows = {(str(row["au"]), row["statistic"]): row for row in usual.to_dict("records")}
        pairs = [*self.tested.items(), *(("mean", statistic) for statistic in self.statistics)]
        several = len(self.statistics) > 1
        return [
            (f"{au} {NAMES[statistic]}" if several else au, statistic, rows[au, f"{statistic}_gap"])
            for au, statistic in pairs
        ]


def score(predictions: Predictions, groups: Groups, validated: Floats | None = None, seed: int = 0) -> Scored:
    """Score the groups.

    Costs some seconds per 100,000 frames and 12 AUs, most of it for the intervals of areas under curves.

    Args:
        predictions: Frames of people.
        groups: Their groups.
        validated: Thresholds [A] that were chosen on other people; None without any.
        seed: Of the permutations.
    """
    names, aus = groups.names, [f"AU{au}" for au in predictions.aus]
    person = predictions.person.astype(str)
    member = [groups.of[name] for name in person]
    choices = {USUAL: predictions.thresholds} | ({} if validated is None else {VALIDATED: validated})
    parts = []
    for choice, thresholds in choices.items():
        decided = predictions.decided(thresholds)
        counts = grouped_confusion_counts(decided, predictions.present, person, member, names)
        rows = _rows(fairness_intervals(counts), aus, names, counts)
        parts.append(rows.assign(thresholds=choice))
        if choice == USUAL:
            frames = counts
            f1 = confusion_counts(decided, predictions.present, person)
    more = ranking_intervals(predictions.scores, predictions.present, person, member, names)
    reliability = NO_CURVES
    if not np.isnan(predictions.probabilities).all():
        sums = grouped_calibration_sums(predictions.probabilities, predictions.present, person, member, names)
        more |= calibration_intervals(sums)
        reliability = reliability_rows(sums.sums, aus, names)
    parts.append(_rows(more, aus, names, frames).assign(thresholds=""))
    graded = np.asarray(~np.isnan(predictions.levels).all(0))
    p = np.full(len(aus), np.nan)
    if graded.any():
        sums = grouped_icc_sums(predictions.scores, predictions.levels, person, member, names)
        parts.append(_rows(group_icc_intervals(sums), aus, names, frames).assign(thresholds=""))
        of_people = icc_sums(predictions.scores, predictions.levels, person)
        p[graded] = _p_values(of_people, groups, icc_from_sums, seed)[graded]
    if not graded.all():
        p[~graded] = _p_values(f1, groups, f1_from_counts, seed)[~graded]
    tested = {au: "icc" if of_levels else "f1" for au, of_levels in zip(aus, graded, strict=True)}
    table = pd.concat(parts, ignore_index=True)
    at = (table["statistic"] == table["au"].map(tested) + "_gap") & (table["thresholds"] != VALIDATED)
    for name, values in (("p", p), ("p_holm", holm(p))):
        table[name] = table["au"].map(dict(zip(aus, values, strict=True))).where(at)
    return Scored(
        groups=groups,
        support=_support(predictions, member, groups),
        table=table,
        reliability=reliability,
        tested=tested,
        thresholds=pd.DataFrame({"au": aus, **choices}),
    )


def _rows(
    intervals: Mapping[str, Interval], aus: list[str], names: tuple[str, ...], counts: SubjectSums
) -> pd.DataFrame:
    """Rows of the table, with the people that each value is of."""
    by_group = counts.sums.sum(0)
    rows = interval_rows(
        intervals, aus, names, dict(zip(names, by_group[:-1], strict=True)) | {EVERYBODY: by_group.sum(0)}
    )
    there: npt.NDArray[np.bool_] = np.asarray(counts.sums.sum(-1) > 0)
    people = dict(zip(names, there.sum(0), strict=False)) | {EVERYBODY: there.any(axis=1).sum(0)}
    number = [
        None if group == BETWEEN or au == "mean" else int(people[group][aus.index(au)])
        for au, group in zip(rows["au"], rows["group"], strict=True)
    ]
    return rows.assign(people=pd.array(number, dtype="Int64"))


def _p_values(of_people: SubjectSums, groups: Groups, value: Callable[[Floats], Floats], seed: int) -> Floats:
    """P value of each AU's gap; NaN where there is none to be tested."""
    if len(groups.names) < 2:
        return np.full(of_people.sums.shape[1], np.nan)

    def gaps(sums: Floats) -> Floats:
        values = value(sums)
        return np.asarray(values.max(1) - values.min(1))

    index = {name: place for place, name in enumerate(groups.names)}
    member = [index.get(groups.of[person] or "", -1) for person in of_people.subjects.tolist()]
    return group_permutation_test(of_people, member, len(groups.names), gaps, PERMUTATIONS, seed)


def _support(predictions: Predictions, member: list[str | None], groups: Groups) -> pd.DataFrame:
    coded: npt.NDArray[np.bool_] = ~np.isnan(predictions.present)
    blind = np.asarray(coded.any(1) & (~coded | np.isnan(predictions.scores)).all(1))
    of = np.array([UNKNOWN if group is None else group for group in member], dtype=object)
    rows = []
    for name in (*groups.names, *groups.empty, UNKNOWN):
        at = np.flatnonzero(of == name)
        rows.append(
            {
                "group": name,
                "people": len(set(predictions.person[at].tolist())),
                "frames": len(at),
                "coded": int(coded[at].any(1).sum()),
                "not predicted": int(blind[at].sum()),
            }
        )
    return pd.DataFrame(rows)

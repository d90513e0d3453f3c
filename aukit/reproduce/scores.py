"""Predictions on disk → ICC, F1 or fairness per action unit, with intervals over people and seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aukit.metrics import (
    Interval,
    SubjectSums,
    all_positive_counts,
    f1_from_counts,
    fairness_intervals,
    icc_from_sums,
    interval_by_subject,
)
from aukit.reproduce.basis import Basis
from aukit.reproduce.person_sums import COUNTS, PersonSums
from aukit.reproduce.render.table import Column, Heading

Sums = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

Span = tuple[float, float, float]
"""Estimate, and the ends of its 95 % interval."""

STATISTICS: dict[str, tuple[str, int | None]] = {
    "F1": ("overall_f1", None),
    "F1 female": ("f1", 0),
    "F1 male": ("f1", 1),
    "F1 female - male": ("f1_difference", None),
    "F1 gap": ("f1_gap", None),
    "worst group's F1": ("worst_group_f1", None),
    "mean of the groups' F1": ("group_mean_f1", None),
    "demographic parity": ("demographic_parity_difference", None),
    "equal opportunity": ("equal_opportunity_difference", None),
    "equalized odds": ("equalized_odds_difference", None),
    "base-rate gap": ("base_rate_gap", None),
}
"""Row of a table → statistic of `fairness_intervals` and group; all are means over AUs."""


@dataclass(frozen=True)
class Scores:
    """Scores of one set of predictions.

    Attributes:
        values: ``"AU1"`` → score, NaN where undefined.
        mean: Mean over the action units with a value.
        interval: 95 % interval of the mean over people (`interval_by_subject`).
        au_intervals: The same per action unit.
        support: Scored frames per action unit.
        people: Number of people, perhaps by gender.
        frames: Number of frames.
        basis: What they are computed from.
    """

    values: dict[str, float]
    mean: float
    interval: tuple[float, float]
    au_intervals: dict[str, tuple[float, float]]
    support: dict[str, int]
    people: int | dict[str, int]
    frames: int
    basis: Basis

    def column(
        self, heading: Heading, margin: Span | None = None, extra: Mapping[str, Any] | None = None
    ) -> Column:
        """The scores as a column of a table."""
        return Column(
            *heading,
            values=self.values,
            mean=self.mean,
            interval=self.interval,
            au_intervals=self.au_intervals,
            support=self.support,
            extra={"people": self.people, "frames": self.frames, **(extra or {})},
            margin=margin,
            basis=self.basis,
        )


@dataclass(frozen=True)
class F1Scores:
    """F1 of one method, and of calling every frame positive, on the same frames.

    Attributes:
        method: Scores of the method.
        all_positive: Scores of the baseline that calls every action unit present in every frame.
        margin: Mean F1 of the method minus that of the baseline, on the same people.
        positives: Frames per action unit in which it is present.
        counts: Confusion counts ``[S,K,A,4]`` per person and fold, for differences of methods.
    """

    method: Scores
    all_positive: Scores
    margin: Span
    positives: dict[str, int]
    counts: SubjectSums

    @property
    def support_text(self) -> dict[str, str]:
        """``"AU1"`` → frames with it, of all that are coded."""
        return {au: f"{n:,}/{self.method.support[au]:,}" for au, n in self.positives.items()}


def icc_scores(path: Path, aus: Sequence[int], score: str = "score") -> Scores:
    """Score each action unit over the frames of all people (Shrout and Fleiss 1979, ICC(3,1)).

    Args:
        path: Parquet file of predictions, one row per frame.
        aus: Action units to score.
        score: ``score`` for the decoding that the run is configured with, ``level`` for the likeliest level,
            ``expectation`` for the expected one.

    Returns:
        Scores with 95 % intervals over people.
    """
    basis = Basis("icc", tuple(aus), Basis.names([path]))
    return icc_of(PersonSums.read(path, aus, None, score), basis)


def icc_of(sums: PersonSums, basis: Basis) -> Scores:
    """`icc_scores` of sums per person."""
    each = sums.by_person()
    result = interval_by_subject(each, _with_mean(icc_from_sums), scale="correlation")
    return _scores(basis, result, sums.sums[..., 0].sum(0), len(each.subjects), int(sums.frames.sum()))


def f1_scores(paths: Sequence[Path], aus: Sequence[int], threshold: float = 0.0) -> F1Scores:
    """Score occurrence: F1 per action unit over a fold's frames, then the mean over the folds.

    People are compared within their fold. An action unit that nobody shows has no F1 in that fold.

    Args:
        paths: Parquet file of predictions of each fold; folds test different people.
        aus: Action units to score; the files may have more.
        threshold: Scores above it count as present.
    """
    basis = Basis("f1_over_folds", tuple(aus), Basis.names(paths), threshold)
    return f1_of([PersonSums.read(path, aus, threshold) for path in paths], basis)


def f1_of(folds: Sequence[PersonSums], basis: Basis) -> F1Scores:
    """`f1_scores` of each fold's sums per person."""
    people = np.unique(np.concatenate([fold.people for fold in folds]))
    counts = np.zeros((len(people), len(folds), len(basis.aus), len(COUNTS)), np.int64)
    strata = np.zeros(len(people), np.int64)
    for index, fold in reversed(list(enumerate(folds))):
        each = fold.by_person()
        at = np.searchsorted(people, each.subjects)
        counts[at, index], strata[at] = each.sums, index
    own = SubjectSums(people, counts)
    always = SubjectSums(people, all_positive_counts(counts))
    f1 = _with_mean(_f1_over_folds)
    method, baseline = (interval_by_subject(each, f1, scale="rate", strata=strata) for each in (own, always))
    total = counts.sum((0, 1))
    support = total.sum(-1), len(people), int(sum(fold.frames.sum() for fold in folds))
    return F1Scores(
        method=_scores(basis, method, *support),
        all_positive=_scores(replace(basis, all_positive=True), baseline, *support),
        margin=_mean_difference(own, always, strata),
        positives={f"AU{au}": int(c[0] + c[2]) for au, c in zip(basis.aus, total, strict=True)},
        counts=own,
    )


def f1_difference(method: F1Scores, other: F1Scores) -> Span:
    """Mean F1 of one method minus that of another on the same people."""
    strata = method.counts.sums.sum(axis=(2, 3)).argmax(axis=1)
    return _mean_difference(method.counts, other.counts, strata)


def _mean_difference(method: SubjectSums, other: SubjectSums, strata: npt.NDArray[Any]) -> Span:
    result = interval_by_subject(
        method,
        lambda total: _with_mean(_f1_over_folds)(total)[..., -1],
        baseline=other,
        strata=strata,
    )
    return float(result.estimate), float(result.low), float(result.high)


@dataclass(frozen=True)
class SeedScores:
    """One method, trained with several seeds, scored on the same people.

    Attributes:
        counts: Per seed, confusion counts ``[S,G+1,A,4]`` per person and gender.
        people: Number of people, by gender.
        frames: Number of frames.
        basis: What they are computed from.
    """

    counts: list[SubjectSums]
    people: dict[str, int]
    frames: int
    basis: Basis
    _minus: dict[Basis, dict[str, Interval]] = field(init=False, repr=False, default_factory=dict)

    @classmethod
    def read(cls, paths: Sequence[Path], aus: Sequence[int], threshold: float = 0.5) -> SeedScores:
        """Read the predictions of each seed; above `threshold` is present."""
        basis = Basis("f1_over_seeds", tuple(aus), Basis.names(paths), threshold)
        return cls.of([PersonSums.read(path, aus, threshold) for path in paths], basis)

    @classmethod
    def of(cls, seeds: Sequence[PersonSums], basis: Basis) -> SeedScores:
        """`read` of each seed's sums per person."""
        first = seeds[0]
        return cls([s.by_gender() for s in seeds], first.people_by_gender(), int(first.frames.sum()), basis)

    @cached_property
    def own(self) -> dict[str, Interval]:
        """Every statistic with its interval."""
        return fairness_intervals(self.counts)

    @cached_property
    def all_positive(self) -> SeedScores:
        """The baseline that calls every action unit present in every frame, on the same people."""
        counts = [SubjectSums(c.subjects, all_positive_counts(c.sums)) for c in self.counts]
        return replace(self, counts=counts, basis=replace(self.basis, all_positive=True))

    def minus(self, other: SeedScores) -> dict[str, Interval]:
        """Every statistic minus that of another method, people and seeds in pairs; computed once."""
        if other.basis not in self._minus:
            self._minus[other.basis] = fairness_intervals(self.counts, baseline=other.counts)
        return self._minus[other.basis]

    def f1_column(self, heading: Heading) -> Column:
        """F1 per action unit, and how far its mean is above that of the all-positive baseline."""
        coded = self.counts[0].sums.sum((0, 1, 3))
        scores = _scores(self.basis, self.own["overall_f1"], coded, self.people, self.frames)
        extra = {"f1_per_seed": self.per_seed("overall_f1"), "f1_gap_per_seed": self.per_seed("f1_gap")}
        above = None if self.basis.all_positive else span(self.minus(self.all_positive), "F1")
        return scores.column(heading, above, extra)

    @property
    def support_text(self) -> dict[str, str]:
        """``"AU1"`` → frames with it, of all that are coded."""
        coded = self.counts[0].sums.sum((0, 1))
        return {
            f"AU{au}": f"{c[0] + c[2]:,}/{c.sum():,}" for au, c in zip(self.basis.aus, coded, strict=True)
        }

    def per_seed(self, name: str) -> list[float]:
        """A statistic of each seed, mean over AUs."""
        return [float(fairness_intervals(c)[name].estimate[-1]) for c in self.counts]


def statistics_column(scores: SeedScores, heading: Heading, minus: SeedScores | None = None) -> Column:
    """Means over AUs of all `STATISTICS` as a column, or how they differ from another method's."""
    intervals = scores.own if minus is None else scores.minus(minus)
    spans = {row: span(intervals, row) for row in STATISTICS}
    return Column(
        *heading,
        values={row: value for row, (value, _, _) in spans.items()},
        mean=None,
        au_intervals={row: (low, high) for row, (_, low, high) in spans.items()},
        basis=replace(scores.basis, score="statistics", minus=minus.basis.files if minus is not None else ()),
    )


def span(intervals: dict[str, Interval], row: str) -> Span:
    """Estimate, low and high of a row's mean over AUs."""
    name, group = STATISTICS[row]
    at = (-1,) if group is None else (group, -1)
    found = intervals[name]
    return float(found.estimate[at]), float(found.low[at]), float(found.high[at])


def _f1_over_folds(total: Sums) -> Sums:
    """Counts ``[N,K,A,4]`` → mean over the folds ``[N,A]``."""
    return _mean(np.asarray(f1_from_counts(total)), axis=1)


def _with_mean(fn: Callable[[Sums], Sums]) -> Callable[[Sums], Sums]:
    """Append the mean over the action units that have a value for everybody."""

    def per_au_and_mean(total: Sums) -> Sums:
        values = np.asarray(fn(total))
        return np.concatenate([values, _mean(values, axis=-1)[..., None]], axis=-1)

    return per_au_and_mean


def _mean(values: Sums, axis: int) -> Sums:
    """Mean of what everybody has, the first row; NaN in a row that has something else."""
    defined = np.isfinite(values)
    mean = np.where(defined, values, 0).sum(axis) / np.maximum(defined.sum(axis), 1)
    same = (defined == defined[:1]).all(axis)
    return np.where(same & defined.any(axis), mean, np.nan)


def _scores(
    basis: Basis, result: Interval, coded: Counts, people: int | dict[str, int], frames: int
) -> Scores:
    """Scores ``[A+1]``, the last one the mean, with the number of coded frames ``[A]``."""
    names = [f"AU{au}" for au in basis.aus]
    spans = [(float(low), float(high)) for low, high in zip(result.low, result.high, strict=True)]
    return Scores(
        values={name: float(v) for name, v in zip(names, result.estimate[:-1], strict=True)},
        mean=float(result.estimate[-1]),
        interval=spans[-1],
        au_intervals=dict(zip(names, spans[:-1], strict=True)),
        support={name: int(n) for name, n in zip(names, coded, strict=True)},
        people=people,
        frames=frames,
        basis=basis,
    )

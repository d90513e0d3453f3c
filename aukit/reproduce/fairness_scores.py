"""Predictions of several seeds on the same people → F1, fairness, differences, with intervals over both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from aukit.datasets.frame_table import GENDERS
from aukit.metrics import Interval, SubjectSums, bootstrap_fairness, grouped_confusion_counts
from aukit.reproduce.render.table import Column

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
"""Row of a table → statistic of `bootstrap_fairness` and group; all are means over AUs."""

Span = tuple[float, float, float]


@dataclass(frozen=True)
class SeedScores:
    """One method, trained with several seeds, scored on the same people.

    Attributes:
        aus: Action units scored.
        counts: Per seed, confusion counts ``[S,G+1,A,4]`` per person and gender.
        people: Number of people, by gender.
        frames: Number of frames.
        n_boot: Bootstrap samples of people and seeds.
    """

    aus: tuple[int, ...]
    counts: list[SubjectSums]
    people: dict[str, int]
    frames: int
    n_boot: int = 2000

    @classmethod
    def read(cls, paths: Sequence[Path], aus: Sequence[int], threshold: float = 0.5) -> SeedScores:
        """Read the predictions of each seed; above `threshold` is present."""
        counts, first = [], pd.read_parquet(paths[0])
        for path in paths:
            frame = pd.read_parquet(path)
            labels, scores = (
                frame[[f"AU{au:02d}_{kind}" for au in aus]].to_numpy(np.float64)
                for kind in ("label", "score")
            )
            genders = [g if g in GENDERS else None for g in frame["gender"]]
            persons = frame["person"].to_numpy(dtype=str)
            counts.append(grouped_confusion_counts(scores, labels, persons, genders, GENDERS, threshold))
        each = first.drop_duplicates("person")["gender"]
        people = {g: int((each == g).sum()) for g in GENDERS}
        return cls(tuple(aus), counts, {**people, "unknown": len(each) - sum(people.values())}, len(first))

    @cached_property
    def own(self) -> dict[str, Interval]:
        """Every statistic with its interval."""
        return bootstrap_fairness(self.counts, self.n_boot)

    @cached_property
    def floor(self) -> SeedScores:
        """The rule that calls every action unit present in every frame, on the same people."""
        counts = [SubjectSums(c.subjects, _all_positive(c.sums)) for c in self.counts]
        return SeedScores(self.aus, counts, self.people, self.frames, self.n_boot)

    def minus(self, other: SeedScores) -> dict[str, Interval]:
        """Every statistic minus that of another method, people and seeds drawn in pairs."""
        return bootstrap_fairness(self.counts, self.n_boot, baseline=other.counts)

    def f1_column(self, id: str, short: str, label: str, kind: str) -> Column:
        """F1 per action unit, and what it has above the floor."""
        f1 = self.own["overall_f1"]
        names = [f"AU{au}" for au in self.aus]
        totals = self.counts[0].sums.sum((0, 1))
        return Column(
            id,
            short,
            label,
            kind,
            values={name: float(f1.estimate[i]) for i, name in enumerate(names)},
            mean=float(f1.estimate[-1]),
            interval=(float(f1.low[-1]), float(f1.high[-1])),
            au_intervals={name: (float(f1.low[i]), float(f1.high[i])) for i, name in enumerate(names)},
            support={name: int(totals[i].sum()) for i, name in enumerate(names)},
            extra={
                "f1_per_seed": self.per_seed("overall_f1"),
                "f1_gap_per_seed": self.per_seed("f1_gap"),
                "people": self.people,
                "frames": self.frames,
            },
            margin=None if kind == "floor" else span(self.minus(self.floor), "F1"),
        )

    @property
    def support(self) -> dict[str, str]:
        """``"AU1"`` → frames with it, of all that are coded."""
        coded = self.counts[0].sums.sum((0, 1))
        return {f"AU{au}": f"{c[0] + c[2]:,}/{c.sum():,}" for au, c in zip(self.aus, coded, strict=True)}

    def per_seed(self, name: str) -> list[float]:
        """A statistic of each seed, mean over AUs."""
        return [float(bootstrap_fairness(c, 1)[name].estimate[-1]) for c in self.counts]


def statistics_column(
    intervals: dict[str, Interval], id: str, short: str, label: str, kind: str, note: str = ""
) -> Column:
    """Means over AUs of all `STATISTICS` as a column."""
    spans = {row: span(intervals, row) for row in STATISTICS}
    return Column(
        id,
        short,
        label,
        kind,
        values={row: value for row, (value, _, _) in spans.items()},
        mean=None,
        au_intervals={row: (low, high) for row, (_, low, high) in spans.items()},
        note=note,
    )


def span(intervals: dict[str, Interval], row: str) -> Span:
    """Estimate, low and high of a row's mean over AUs."""
    name, group = STATISTICS[row]
    at = (-1,) if group is None else (group, -1)
    found = intervals[name]
    return float(found.estimate[at]), float(found.low[at]), float(found.high[at])


def _all_positive(sums: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    tp, fp, fn, tn = np.moveaxis(sums, -1, 0)
    return np.stack([tp + fn, fp + tn, np.zeros_like(tp), np.zeros_like(tp)], axis=-1)

"""Predictions on disk → ICC or F1 per action unit with intervals over people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from aukit.metrics import (
    SubjectSums,
    bootstrap_by_subject,
    confusion_counts,
    f1_from_counts,
    icc_from_sums,
    icc_sums,
)
from aukit.metrics.bootstrap import Interval
from aukit.reproduce.render.table import Column

Sums = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """Scores of one set of predictions.

    Attributes:
        values: ``"AU1"`` → score, NaN where undefined.
        mean: Mean over the action units with a value.
        interval: 95 % percentile interval of the mean over resampled people.
        au_intervals: The same per action unit.
        support: Scored frames per action unit.
        people: Number of people.
        frames: Number of frames.
    """

    values: dict[str, float]
    mean: float
    interval: tuple[float, float]
    au_intervals: dict[str, tuple[float, float]]
    support: dict[str, int]
    people: int
    frames: int

    def column(self, id: str, short: str, label: str, kind: str) -> Column:
        """The scores as a column of a table."""
        return Column(
            id,
            short,
            label,
            kind,
            dict(self.values),
            self.mean,
            self.interval,
            self.au_intervals,
            support=self.support,
            extra={"people": self.people, "frames": self.frames},
        )


@dataclass(frozen=True)
class F1Scores:
    """F1 of one method, and of calling every frame positive, on the same frames.

    Attributes:
        method: Scores of the method.
        floor: Scores of the rule that calls every action unit present in every frame.
        margin: Mean F1 of the method minus that of the floor, with the 95 % interval over the same resampled
            people: difference, low, high.
        positives: Frames per action unit in which it is present.
        counts: Confusion counts ``[S,K,A,4]`` per person and fold, for differences of methods.
    """

    method: Scores
    floor: Scores
    margin: tuple[float, float, float]
    positives: dict[str, int]
    counts: SubjectSums


def icc_scores(path: Path, aus: list[int], score: str = "score", n_boot: int = 2000) -> Scores:
    """Score each action unit over the frames of all people (Shrout and Fleiss 1979, ICC(3,1)).

    Args:
        path: Parquet file of predictions, one row per frame.
        aus: Action units to score.
        score: ``score`` for the decoding that the run is configured with, ``level`` for the likeliest level,
            ``expectation`` for the expected one.
        n_boot: Bootstrap samples over people.

    Returns:
        Scores with 95 % intervals; people are the units that are resampled.
    """
    frame = pd.read_parquet(path)
    labels, scores = _columns(frame, aus, "label"), _columns(frame, aus, score)
    sums = icc_sums(scores, labels, frame["person"].to_numpy())
    result = bootstrap_by_subject(sums, _with_mean(icc_from_sums), n_boot=n_boot, seed=0)
    return _scores(aus, result, labels, frame)


def f1_scores(
    paths: Sequence[Path], aus: Sequence[int], threshold: float = 0.0, n_boot: int = 2000
) -> F1Scores:
    """Score occurrence: F1 per action unit over a fold's frames, then the mean over the folds.

    People are resampled within their fold. An action unit that nobody shows has no F1 in that fold.

    Args:
        paths: Parquet file of predictions of each fold; folds test different people.
        aus: Action units to score; the files may have more.
        threshold: Scores above it count as present.
        n_boot: Bootstrap samples over people.
    """
    frames = [pd.read_parquet(path).assign(fold=fold) for fold, path in enumerate(paths)]
    frame = pd.concat(frames, ignore_index=True)
    labels, scores = _columns(frame, aus, "label"), _columns(frame, aus, "score")
    per_frame = np.zeros((len(frame), len(paths)), bool)
    per_frame[np.arange(len(frame)), frame["fold"]] = True
    by_fold = [
        # Not coded in the other folds, so that their counts are 0.
        confusion_counts(
            scores, np.where(per_frame[:, [fold]], labels, np.nan), frame["person"].to_numpy(), threshold
        )
        for fold in range(len(paths))
    ]
    counts = SubjectSums(by_fold[0].subjects, np.stack([c.sums for c in by_fold], axis=1))
    strata = frame.groupby("person")["fold"].first().loc[list(counts.subjects)].to_numpy()

    def both(total: Sums) -> Sums:
        method, floor = _with_mean(_f1_over_folds)(total), _with_mean(_floor_over_folds)(total)
        return np.concatenate([method, floor, method[..., -1:] - floor[..., -1:]], axis=-1)

    result = bootstrap_by_subject(counts, both, n_boot=n_boot, seed=0, strata=strata)
    n = len(aus) + 1
    present = (labels == 1).sum(0)
    return F1Scores(
        method=_scores(aus, _part(result, slice(0, n)), labels, frame),
        floor=_scores(aus, _part(result, slice(n, 2 * n)), labels, frame),
        margin=(float(result.estimate[-1]), float(result.low[-1]), float(result.high[-1])),
        positives={f"AU{au}": int(count) for au, count in zip(aus, present, strict=True)},
        counts=counts,
    )


def f1_difference(method: F1Scores, other: F1Scores, n_boot: int = 2000) -> tuple[float, float, float]:
    """Mean F1 of one method minus that of another on the same people: difference, low, high (95 %)."""
    strata = method.counts.sums.sum(axis=(2, 3)).argmax(axis=1)
    result = bootstrap_by_subject(
        method.counts,
        lambda total: _with_mean(_f1_over_folds)(total)[..., -1],
        n_boot=n_boot,
        seed=0,
        baseline=other.counts,
        strata=strata,
    )
    return float(result.estimate), float(result.low), float(result.high)


def _f1_over_folds(total: Sums) -> Sums:
    """Counts ``[N,K,A,4]`` → mean over the folds ``[N,A]``."""
    return _mean(np.asarray(f1_from_counts(total)), axis=1)


def _floor_over_folds(total: Sums) -> Sums:
    """The same for the rule that calls every coded frame positive."""
    tp, fp, fn, tn = np.moveaxis(total, -1, 0)
    positive = np.stack([tp + fn, fp + tn, np.zeros_like(tp), np.zeros_like(tp)], axis=-1)
    return _f1_over_folds(positive)


def _with_mean(fn: Callable[[Sums], Sums]) -> Callable[[Sums], Sums]:
    """Append the mean over the action units that have a value."""

    def per_au_and_mean(total: Sums) -> Sums:
        values = np.asarray(fn(total))
        return np.concatenate([values, _mean(values, axis=-1)[..., None]], axis=-1)

    return per_au_and_mean


def _mean(values: Sums, axis: int) -> Sums:
    defined = np.isfinite(values)
    mean = np.where(defined, values, 0).sum(axis) / np.maximum(defined.sum(axis), 1)
    return np.where(defined.any(axis), mean, np.nan)


def _columns(frame: pd.DataFrame, aus: Sequence[int], suffix: str) -> Sums:
    return frame[[f"AU{au:02d}_{suffix}" for au in aus]].to_numpy(np.float64)


def _part(result: Interval, part: slice) -> Interval:
    return Interval(*(values[..., part] for values in result))


def _scores(aus: Sequence[int], result: Interval, labels: Sums, frame: pd.DataFrame) -> Scores:
    names = [f"AU{au}" for au in aus]
    spans = [(float(low), float(high)) for low, high in zip(result.low, result.high, strict=True)]
    return Scores(
        values={name: float(v) for name, v in zip(names, result.estimate[:-1], strict=True)},
        mean=float(result.estimate[-1]),
        interval=spans[-1],
        au_intervals=dict(zip(names, spans[:-1], strict=True)),
        support={name: int(n) for name, n in zip(names, np.isfinite(labels).sum(0), strict=True)},
        people=int(frame["person"].nunique()),
        frames=len(frame),
    )

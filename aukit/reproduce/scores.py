"""Predictions on disk → ICC per action unit with intervals over people."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from aukit.metrics import bootstrap_by_subject, icc_from_sums, icc_sums


@dataclass(frozen=True)
class IccScores:
    """ICC(3,1) of one set of predictions.

    Attributes:
        values: ``"AU1"`` → ICC, NaN where undefined.
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


def icc_scores(paths: list[Path], aus: list[int], score: str = "score", n_boot: int = 2000) -> IccScores:
    """Pool the frames of all predictions and score each action unit (Shrout and Fleiss 1979, ICC(3,1)).

    Args:
        paths: Parquet files of predictions over the same frames; each holds some of the action units.
        aus: Action units to score.
        score: ``score`` for the decoding the run was configured with, ``expectation`` for the expected level.
        n_boot: Bootstrap samples over people.

    Returns:
        Scores with 95 % intervals; people are the units that are resampled.
    """
    frame = pd.read_parquet(paths[0])
    keys = ["person", "task", "view", "frame"]
    for path in paths[1:]:
        frame = frame.merge(pd.read_parquet(path).drop(columns=["subject", "gender", "partition"]), on=keys)
    labels = frame[[f"AU{au:02d}_label" for au in aus]].to_numpy(np.float64)
    scores = frame[[f"AU{au:02d}_{score}" for au in aus]].to_numpy(np.float64)
    sums = icc_sums(scores, labels, frame["person"].to_numpy())

    def statistic(total: np.ndarray) -> np.ndarray:
        icc = icc_from_sums(total)
        return np.concatenate([icc, np.nanmean(icc, axis=-1, keepdims=True)], axis=-1)

    result = bootstrap_by_subject(sums.sums, statistic, n_boot=n_boot, seed=0)
    names = [f"AU{au}" for au in aus]
    return IccScores(
        values={name: float(v) for name, v in zip(names, result.estimate[:-1], strict=True)},
        mean=float(result.estimate[-1]),
        interval=(float(result.low[-1]), float(result.high[-1])),
        au_intervals={
            name: (float(lo), float(hi))
            for name, lo, hi in zip(names, result.low[:-1], result.high[:-1], strict=True)
        },
        support={name: int(n) for name, n in zip(names, np.isfinite(labels).sum(0), strict=True)},
        people=int(frame["person"].nunique()),
        frames=len(frame),
    )

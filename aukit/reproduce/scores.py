"""Predictions on disk → ICC per action unit with intervals over people."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
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


def icc_scores(path: Path, aus: list[int], score: str = "score", n_boot: int = 2000) -> IccScores:
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
    labels = frame[[f"AU{au:02d}_label" for au in aus]].to_numpy(np.float64)
    scores = frame[[f"AU{au:02d}_{score}" for au in aus]].to_numpy(np.float64)
    sums = icc_sums(scores, labels, frame["person"].to_numpy())

    def per_au_and_mean(total: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        icc = icc_from_sums(total)
        defined = np.isfinite(icc)
        mean = np.where(defined, icc, 0).sum(-1) / np.maximum(defined.sum(-1), 1)
        mean = np.where(defined.any(-1), mean, np.nan)
        return np.concatenate([icc, mean[..., None]], axis=-1)

    result = bootstrap_by_subject(sums, per_au_and_mean, n_boot=n_boot, seed=0)
    names = [f"AU{au}" for au in aus]
    spans = [(float(low), float(high)) for low, high in zip(result.low, result.high, strict=True)]
    return IccScores(
        values={name: float(v) for name, v in zip(names, result.estimate[:-1], strict=True)},
        mean=float(result.estimate[-1]),
        interval=spans[-1],
        au_intervals=dict(zip(names, spans[:-1], strict=True)),
        support={name: int(n) for name, n in zip(names, np.isfinite(labels).sum(0), strict=True)},
        people=int(frame["person"].nunique()),
        frames=len(frame),
    )

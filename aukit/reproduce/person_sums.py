"""What a table of predictions adds up to, per person: all that any score or interval of ours needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from aukit.datasets.frame_table import GENDERS
from aukit.metrics import SubjectSums, confusion_counts, icc_sums

COUNTS = ("tp", "fp", "fn", "tn")
"""Frames by decision and label: what `aukit.metrics.confusion_counts` adds up."""
MOMENTS = ("n", "x", "y", "xx", "yy", "xy")
"""What `aukit.metrics.icc_sums` adds up, x the prediction and y the label."""


@dataclass(frozen=True)
class PersonSums:
    """Sums over the frames of each person, in the order of their ids.

    Somebody whose frames name two genders has a row for each.

    Attributes:
        people: Ids [N].
        genders: ``female``, ``male`` or empty where it is not known, [N].
        frames: Frames, coded or not, int64 [N].
        aus: Action units.
        sums: ``[N,A,4]`` of `COUNTS` (int64) or ``[N,A,6]`` of `MOMENTS` (float64).

    Example:
        >>> frame = pd.DataFrame({"person": ["p", "p"], "AU12_label": [1.0, 0.0], "AU12_score": [0.9, 0.8]})
        >>> sums = PersonSums.of(frame, [12], threshold=0.5)
        >>> sums.people.tolist(), sums.frames.tolist(), sums.sums.tolist()
        (['p'], [2], [[[1, 1, 0, 0]]])
    """

    people: npt.NDArray[np.str_]
    genders: npt.NDArray[np.str_]
    frames: npt.NDArray[np.int64]
    aus: tuple[int, ...]
    sums: npt.NDArray[Any]

    @classmethod
    def of(
        cls, frame: pd.DataFrame, aus: Sequence[int], threshold: float | None, score: str = "score"
    ) -> PersonSums:
        """Add up a table of predictions, one row per frame.

        Args:
            frame: Columns ``person``, perhaps ``gender``, and per action unit ``AUxx_label``, ``AUxx_score``.
            aus: Action units; the table may have more.
            threshold: Scores above it count as present; None to take the moments of an ICC.
            score: Suffix of the scores' columns.

        Raises:
            ValueError: A threshold is given and a label is none of 0, 1, NaN.
        """
        labels, scores = _columns(frame, aus, "label"), _columns(frame, aus, score)
        gender = frame["gender"] if "gender" in frame else pd.Series(None, frame.index, dtype=object)
        who = pd.DataFrame(
            {"person": frame["person"].astype(str), "gender": gender.where(gender.isin(GENDERS), "")}
        )
        groups = who.groupby(["person", "gender"], sort=True)
        row = groups.ngroup().to_numpy()
        added = (
            icc_sums(scores, labels, row)
            if threshold is None
            else confusion_counts(scores, labels, row, threshold)
        )
        sizes = groups.size().reset_index(name="frames")
        return cls(
            sizes["person"].to_numpy(dtype=str),
            sizes["gender"].to_numpy(dtype=str),
            sizes["frames"].to_numpy(dtype=np.int64),
            tuple(aus),
            added.sums,
        )

    @classmethod
    def read(
        cls, path: Path, aus: Sequence[int], threshold: float | None, score: str = "score"
    ) -> PersonSums:
        """`of` a run's Parquet file."""
        return cls.of(pd.read_parquet(path), aus, threshold, score)

    def by_person(self) -> SubjectSums:
        """Sums ``[S,A,K]``, whatever the gender."""
        by_gender = self.by_gender()
        return SubjectSums(by_gender.subjects, by_gender.sums.sum(1))

    def by_gender(self) -> SubjectSums:
        """Sums ``[S,G+1,A,K]``; the last group is that of unknown gender."""
        people, person = np.unique(self.people, return_inverse=True)
        order = [*GENDERS, ""]
        gender = np.array([order.index(each) for each in self.genders], dtype=np.int64)
        sums = np.zeros((len(people), len(order), *self.sums.shape[1:]), self.sums.dtype)
        sums[person, gender] = self.sums
        return SubjectSums(people, sums)

    def people_by_gender(self) -> dict[str, int]:
        """Number of people, by gender; ``unknown`` are all others."""
        found = {gender: int((self.genders == gender).sum()) for gender in GENDERS}
        return {**found, "unknown": len(set(self.people.tolist())) - sum(found.values())}


def _columns(frame: pd.DataFrame, aus: Sequence[int], suffix: str) -> npt.NDArray[np.float64]:
    return frame[[f"AU{au:02d}_{suffix}" for au in aus]].to_numpy(np.float64)

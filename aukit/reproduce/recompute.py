"""Columns of a table from the predictions in a bundle, through the functions that made the table."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv as pa_csv

from aukit.errors import shown
from aukit.reproduce.basis import Basis
from aukit.reproduce.bundle_file import BundleFile
from aukit.reproduce.person_sums import COUNTS, MOMENTS, PersonSums
from aukit.reproduce.render.table import Column, Heading
from aukit.reproduce.scores import (
    F1Scores,
    SeedScores,
    Span,
    f1_difference,
    f1_of,
    icc_of,
    statistics_column,
)

TEXTS = ("person", "frame", "gender", "partition")
"""Columns of a member that are no numbers."""

_HEADING = Heading("", "", "", "")


def member_of(file: str) -> str:
    """Name of the member that holds a file of predictions."""
    return f"predictions/{file}.csv"


class Again:
    """Computes columns; each set of files is read and scored once.

    Args:
        bundle: An open bundle.
    """

    def __init__(self, bundle: BundleFile) -> None:
        self._bundle = bundle
        self._folds: dict[Basis, F1Scores] = {}
        self._seeds: dict[Basis, SeedScores] = {}

    def column(self, basis: Basis) -> Column:
        """The column, without its heading.

        Raises:
            StoreError: A member is missing, damaged, or lacks what the column needs.
            ValueError: The members do not go together.
        """
        match basis.score:
            case "icc":
                return icc_of(self._read(basis)[0], basis).column(_HEADING)
            case "f1_over_folds":
                folds = self._of_folds(basis)
                own = folds.all_positive if basis.all_positive else folds.method
                return own.column(_HEADING, None if basis.all_positive else folds.margin)
            case "f1_over_seeds":
                seeds = self._of_seeds(basis)
                return (seeds.all_positive if basis.all_positive else seeds).f1_column(_HEADING)
            case "statistics":
                minus = self._of_seeds(replace(basis, files=basis.minus)) if basis.minus else None
                return statistics_column(self._of_seeds(basis), _HEADING, minus)
        raise ValueError(f"no score is called {shown(basis.score)}")

    def difference(self, basis: Basis, other: Basis) -> Span:
        """Mean F1 of one column minus that of another."""
        return f1_difference(self._of_folds(basis), self._of_folds(other))

    def support(self, basis: Basis) -> dict[str, str]:
        """``"AU1"`` → frames with it, of all that are coded."""
        scores = self._of_folds(basis) if basis.score == "f1_over_folds" else self._of_seeds(basis)
        return scores.support_text

    def _of_folds(self, basis: Basis) -> F1Scores:
        key = replace(basis, all_positive=False)
        if key not in self._folds:
            self._folds[key] = f1_of(self._read(key), key)
        return self._folds[key]

    def _of_seeds(self, basis: Basis) -> SeedScores:
        key = replace(basis, score="f1_over_seeds", all_positive=False, minus=())
        if key not in self._seeds:
            self._seeds[key] = SeedScores.of(self._read(key), key)
        return self._seeds[key]

    def _read(self, basis: Basis) -> list[PersonSums]:
        return [self._sums(file, basis) for file in basis.files]

    def _sums(self, file: str, basis: Basis) -> PersonSums:
        name = member_of(file)
        content = self._bundle.read(name)
        try:
            frame = _table(content)
            if "frames" in frame:
                return _person_sums(frame, basis)
            return PersonSums.of(frame, basis.aus, basis.threshold)
        except KeyError as error:
            raise self._bundle.error(name, f"lacks a column ({shown(error)})") from error
        except (ValueError, TypeError, OverflowError) as error:
            raise self._bundle.error(name, f"cannot be read ({shown(error)})") from error


def _table(content: bytes) -> pd.DataFrame:
    """A member's rows: ids and names as texts, all else numbers, to the last digit.

    Raises:
        ValueError: It is no such table.
    """
    names = content.partition(b"\n")[0].decode().split(",")
    types = {name: pa.string() if name in TEXTS else pa.float64() for name in names}
    options = pa_csv.ConvertOptions(column_types=types, null_values=[""], strings_can_be_null=True)
    table: pd.DataFrame = pa_csv.read_csv(io.BytesIO(content), convert_options=options).to_pandas()
    return table


def _person_sums(frame: pd.DataFrame, basis: Basis) -> PersonSums:
    """Sums per person as they stand in a member.

    Raises:
        KeyError: A column is missing.
        ValueError: A value is no number, or counts are no whole numbers from 0 on.
    """
    kinds = MOMENTS if basis.threshold is None else COUNTS
    columns = [[f"AU{au:02d}_{kind}" for kind in kinds] for au in basis.aus]
    sums = np.stack([frame[names].to_numpy(np.float64) for names in columns], axis=1)
    frames = frame["frames"].to_numpy(np.float64)
    counts = np.concatenate([frames, (sums if kinds == COUNTS else sums[..., 0]).ravel()])
    if not np.isfinite(sums).all() or (counts < 0).any() or (counts % 1 != 0).any():
        raise ValueError("a sum is no number, or a count is no whole number from 0 on")
    return PersonSums(
        frame["person"].to_numpy(dtype=str),
        frame["gender"].fillna("").to_numpy(dtype=str),
        frames.astype(np.int64),
        basis.aus,
        sums.astype(np.int64) if kinds == COUNTS else sums,
    )

"""What a test says of groups of people, from its table of predictions: one place for every system."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from lightning.pytorch.loggers import Logger

from aukit.datasets.frame_table import GENDERS, FrameTable
from aukit.datasets.people import attributes_of_rows, check_names, group_people, read_attributes
from aukit.datasets.table_file import NOTHING
from aukit.errors import ConfigError, StoreError
from aukit.metrics import (
    Interval,
    calibration_intervals,
    fairness_intervals,
    group_icc_intervals,
    grouped_calibration_sums,
    grouped_confusion_counts,
    grouped_icc_sums,
    ranking_intervals,
)
from aukit.training.predictions import IDS
from aukit.utils.files import write_atomic
from aukit.utils.outside import read_json

#: Least intensity that counts as present where intensities are predicted; the field's convention for DISFA.
PRESENT_FROM = 2

EVERYBODY, BETWEEN = "everybody", "between"

#: Statistics whose values per AU are logged as scalars too; of all others the mean over AUs.
_PER_AU = ("f1", "f1_gap", "icc", "icc_gap")

_COUNTS = {"frames": "Int64", "positives": "Int64"}
_MOST_BYTES = 2**24

#: What scores that are no probabilities have of reliability curves.
NO_CURVES = pd.DataFrame(columns=["au", "group", "low", "high", "frames", "people", "probability", "present"])

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class GroupScores:
    """Scores by group of people, each with its interval and its support.

    Attributes:
        by: Column that the groups come from.
        groups: Their names, in order.
        people: People per group, and of unknown group under ``"unknown"``.
        rule: How scores became decisions, in words.
        table: One row per statistic, AU (``"mean"`` over those with a value) and group (``"everybody"``, a
            group, or ``"between"`` for gaps): ``value``, ``low``, ``high`` (95 %, over people within their
            group), ``undefined`` (share of people without whom there is no value), ``frames`` coded and
            ``positives`` among them. NaN where there is no support.
        reliability: As of `reliability_rows`; none where scores are no probabilities.

    Example:
        >>> scores = score_groups("predictions.parquet", by="gender")  # doctest: +SKIP
        >>> scores.scalars()["test/f1_AU12_female"]  # doctest: +SKIP
        0.71
    """

    by: str
    groups: tuple[str, ...]
    people: dict[str, int]
    rule: str
    table: pd.DataFrame
    reliability: pd.DataFrame

    @property
    def score(self) -> str:
        """The statistic that a run is judged by: ``icc`` where intensities were predicted, else ``f1``."""
        return "icc" if "icc" in set(self.table["statistic"]) else "f1"

    def scalars(self, stage: str = "test") -> dict[str, float]:
        """Names such as ``test/f1``, ``test/f1_AU12_female``, ``test/f1_gap`` → values, for loggers."""
        found = {}
        for row in self.table.itertuples():
            if row.au != "mean" and row.statistic not in _PER_AU:
                continue
            au = "" if row.au == "mean" else f"_{row.au}"
            group = "" if row.group in (EVERYBODY, BETWEEN) else f"_{row.group}"
            found[f"{stage}/{row.statistic}{au}{group}"] = float(row.value)  # type: ignore[arg-type]
        return found

    def write(self, folder: Path, name: str = "fairness") -> None:
        """Write ``<name>.json`` and ``<name>.csv`` into `folder`, each in one step."""
        rows = [
            {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()}
            for row in self.table.to_dict("records")
        ]
        content = {"by": self.by, "groups": self.groups, "people": self.people, "rule": self.rule}
        tables = {"rows": rows, "reliability": self.reliability.to_dict("records")}
        write_atomic(folder / f"{name}.json", json.dumps({**content, **tables}, indent=1).encode())
        write_atomic(folder / f"{name}.csv", self.table.to_csv(index=False).encode())

    @classmethod
    def read(cls, folder: Path, name: str = "fairness") -> GroupScores:
        """Read what `write` wrote.

        Raises:
            StoreError: The file is missing or damaged.
        """
        path = folder / f"{name}.json"
        try:
            content = read_json(path, _MOST_BYTES)
            table = pd.DataFrame(content["rows"]).astype(
                {**dict.fromkeys(("value", "low", "high", "undefined"), "float64"), **_COUNTS}
            )
            curves = pd.DataFrame(content.get("reliability", []), columns=NO_CURVES.columns)
            groups, people = tuple(content["groups"]), content["people"]
            return cls(content["by"], groups, people, content["rule"], table, curves)
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise StoreError(
                f"{path}: cannot be read ({error}); remove it and repeat the command, which makes it again"
            ) from error

    def log(self, logger: Logger, position: Mapping[str, int]) -> None:
        """Send the scalars, and to Weights & Biases the table as well.

        Args:
            logger: Any of Lightning's.
            position: ``epoch`` and ``step`` of the tested weights.
        """
        logger.log_metrics({**self.scalars(), "epoch": position["epoch"]}, step=position["step"])
        if hasattr(logger, "log_table"):
            self.log_table(logger, position["step"])

    def log_table(self, logger: Any, step: int) -> None:
        """Send the table to Weights & Biases, as ``test/fairness``."""
        rows = self.table.astype(object).where(self.table.notna(), None).to_numpy().tolist()
        logger.log_table("test/fairness", columns=list(self.table.columns), data=rows, step=step)


def score_groups(path: str | Path, by: str = "gender", attributes: str | Path | None = None) -> GroupScores:
    """Score a table of predictions by group.

    Occurrences: F1 and the fairness statistics of :func:`aukit.metrics.fairness_intervals`, AUROC and average
    precision; Brier score and calibration error of probabilities. Intensities: ICC(3,1) by group, and the
    same statistics of the occurrence "intensity 2 and more", for which a score counts from 1.5 on.

    Args:
        path: Parquet file of predictions.
        by: What makes the groups: a column of the file or of `attributes`, whose values are then the groups
            (of ``gender`` always female and male); or bins, or crossed columns of people
            (`aukit.datasets.people`). Missing values are people of unknown group.
        attributes: Table of people, which counts before the file; None for the file alone.

    Raises:
        ConfigError: There is no such column, or its values make no groups.
        CorpusError: The table of people is damaged, or names nobody of the predictions.
        StoreError: There is no such file, or it does not say what its labels are.
    """
    if not Path(path).is_file():
        raise StoreError(f"{path}: no such file; aukit test, with the same values, predicts again beside it")
    frame = pd.read_parquet(path)
    groups, names = _groups(frame, by, attributes, str(path))
    if "label" not in frame.attrs:
        raise StoreError(
            f"{path}: does not say whether its labels are occurrences or intensities; an earlier version"
            " wrote it: repeat the run, or aukit test"
        )
    codes = [c.removesuffix("_label") for c in frame.columns if c.endswith("_label")]
    labels, scores = (
        frame[[f"{code}_{kind}" for code in codes]].to_numpy(np.float64) for kind in ("label", "score")
    )
    aus, persons = [f"AU{int(code[2:])}" for code in codes], frame["person"].to_numpy(dtype=str)
    intensity = frame.attrs["label"] == "intensity"
    threshold = PRESENT_FROM - 0.5 if intensity else float(frame.attrs["threshold"])
    rule = f"present: score above {threshold:g}"
    present = labels
    if intensity:
        rule += f", label {PRESENT_FROM} and more"
        present = np.where(np.isnan(labels), np.nan, labels >= PRESENT_FROM)
    counts = grouped_confusion_counts(scores, present, persons, names, groups, threshold)
    per_group = counts.sums.sum(0)
    support = dict(zip(groups, per_group[:-1], strict=True)) | {EVERYBODY: per_group.sum(0)}
    intervals = fairness_intervals(counts) | ranking_intervals(scores, present, persons, names, groups)
    curves = NO_CURVES
    if not intensity and are_probabilities(scores, threshold):
        bins = grouped_calibration_sums(scores, present, persons, names, groups)
        intervals |= calibration_intervals(bins)
        curves = reliability_rows(bins.sums, aus, groups)
    if intensity:
        sums = grouped_icc_sums(scores, labels, persons, names, groups)
        intervals = group_icc_intervals(sums) | intervals
    unknown = ["unknown" if name is None else name for name in names]
    each = pd.DataFrame({"person": persons, "group": unknown}).drop_duplicates()
    people = each["group"].value_counts()
    return GroupScores(
        by=by,
        groups=groups,
        people={name: int(people.get(name, 0)) for name in (*groups, "unknown")},
        rule=rule,
        table=interval_rows(intervals, aus, groups, support),
        reliability=curves,
    )


def check_groups(by: str, attributes: str | Path | None, table: FrameTable | None) -> None:
    """Check before a training that its test can be scored by groups.

    Args:
        by: As of `score_groups`.
        attributes: As of `score_groups`.
        table: Frames of the data; None for data without a table.

    Raises:
        ConfigError: There is no such column, or its values make no groups.
        CorpusError: The table of people is damaged, or names nobody of the data.
    """
    frame = pd.DataFrame(columns=IDS) if table is None else table.frame[[*IDS, *table.attributes]]
    if table is not None or attributes is None:
        _groups(frame, by, attributes, "the data")


def are_probabilities(scores: Floats, threshold: float) -> bool:
    """Whether scores with this decision threshold can be probabilities, not logits or the like."""
    return threshold > 0 and not ((scores < 0) | (scores > 1)).any()


def _groups(
    frame: pd.DataFrame, by: str, attributes: str | Path | None, source: str
) -> tuple[tuple[str, ...], list[str | None]]:
    """Names of the groups, and that of each row; None where it is in none."""
    person = frame["person"].to_numpy(dtype=object)
    people = sorted(set(person.tolist()))
    known = [] if attributes is None else [read_attributes(Path(attributes), people)[0]]
    if by in frame.columns and not any(by in each.names for each in known):  # of frames too, such as a task
        column = frame[by].astype("string")
        column = column.mask(column.str.lower().isin(NOTHING))
        groups = GENDERS if by == "gender" else tuple(sorted(column.dropna().unique()))
        check_names(groups, by, source)
        members = column.where(column.isin(groups))
        return groups, [None if pd.isna(value) else str(value) for value in members]
    columns = [name for name in frame.columns if name != "person" and not name.startswith("AU")]
    if not known and not any(sign in by for sign in ":+"):
        raise ConfigError(
            f"logging.group_by={by}: {source} has no such column; choose one of {', '.join(columns)}"
        )
    texts = {name: frame[name].astype("string").fillna("").to_numpy(dtype=object) for name in columns}
    found = group_people(people, by, [*known, attributes_of_rows(source, person, texts)])
    return found.names, [found.of[name] for name in person.tolist()]


def interval_rows(
    intervals: Mapping[str, Interval], aus: list[str], groups: tuple[str, ...], support: Mapping[str, Any]
) -> pd.DataFrame:
    """Named intervals as rows, as in `GroupScores.table`.

    Args:
        intervals: Statistic → interval [A + 1], of everybody or between groups, or [G, A + 1].
        aus: Names of the A action units.
        groups: Names of the G groups.
        support: Confusion counts [A, 4] of each group and of `EVERYBODY`.
    """
    rows = []
    for name, interval in intervals.items():
        statistic = name.removeprefix("overall_")
        whole = EVERYBODY if name.startswith("overall_") else BETWEEN
        members = (whole,) if interval.estimate.ndim == 1 else groups
        fields = [field.reshape(len(members), len(aus) + 1) for field in interval[:4]]
        for g, group in enumerate(members):
            for a, au in enumerate([*aus, "mean"]):
                value, low, high, undefined = (float(field[g, a]) for field in fields)
                counts = None if group == BETWEEN or au == "mean" else support[group][a]
                rows.append(
                    {
                        "statistic": statistic,
                        "au": au,
                        "group": group,
                        "value": value,
                        "low": low,
                        "high": high,
                        "undefined": undefined,
                        "frames": None if counts is None else int(counts.sum()),
                        "positives": None if counts is None else int(counts[0] + counts[2]),
                    }
                )
    frame = pd.DataFrame(rows)
    return frame.astype(_COUNTS)


def reliability_rows(
    sums: npt.NDArray[np.float64], aus: Sequence[str], groups: Sequence[str]
) -> pd.DataFrame:
    """Points of reliability curves: a row per AU, group (`EVERYBODY` first) and bin that has frames.

    Args:
        sums: Of `grouped_calibration_sums`, [S, G + 1, A, bins, 4].
        aus: Names of the A action units.
        groups: Names of the G groups.

    Returns:
        ``au``, ``group``, ``low`` and ``high`` (ends of the bin), ``frames``, ``people``, ``probability``
        (mean of what was predicted) and ``present`` (share of frames with the AU).
    """
    edges = np.linspace(0, 1, sums.shape[3] + 1)
    of = {EVERYBODY: sums.sum(1), **{name: sums[:, g] for g, name in enumerate(groups)}}
    rows = []
    for group, each in of.items():
        total = each.sum(0)
        for a, b in np.argwhere(total[..., 0] > 0).tolist():
            count, predicted, present, _ = total[a, b]
            people = int((each[:, a, b, 0] > 0).sum())
            ends = float(edges[b]), float(edges[b + 1])
            point = float(predicted / count), float(present / count)
            rows.append((aus[a], group, *ends, int(count), people, *point))
    return pd.DataFrame(rows, columns=NO_CURVES.columns)

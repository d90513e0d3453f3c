"""The CSV log of a run, over all its attempts; which process writes."""

from __future__ import annotations

import csv
import math
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter
from lightning.pytorch.utilities import rank_zero_only

from aukit.errors import StoreError
from aukit.utils.files import atomic_path

_PLACE = ("epoch", "step")


def is_rank_zero() -> bool:
    """Whether this process is the one that writes; asked before there is a trainer to tell.

    Lightning reads the environment variables of launchers.
    """
    knows: Any = rank_zero_only  # a function that carries the rank as an attribute
    return int(knows.rank or 0) == 0


class RunLog(CSVLogger):
    """The CSV log of one attempt at a run: a kill leaves what was written before, never half of a line.

    Args:
        folder: the run's folder.

    Example:
        >>> log = RunLog("lightning_logs/runs/fgnet-bp4d-0123456789ab")  # doctest: +SKIP
        >>> log.log_metrics({"train/loss": 0.25}, step=1)  # doctest: +SKIP
    """

    def __init__(self, folder: str | Path) -> None:
        super().__init__(folder, name="csv")

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """Lightning's writer, on a file that is replaced in one step."""
        if self._experiment is None:
            self._experiment = _WholeFile(log_dir=self.log_dir)
        return self._experiment


class _WholeFile(ExperimentWriter):
    """Lightning's writer empties the file to give it new columns, and appends to it in pieces of 8 KB."""

    def save(self) -> None:
        """Write what was logged since the last time."""
        if not self.metrics:
            return
        path = Path(self.metrics_file_path)
        with atomic_path(path) as temporary:
            if path.exists():
                shutil.copyfile(path, temporary)
            else:
                temporary.unlink()  # by which it knows that the columns are to be named
            self.metrics_file_path = str(temporary)
            try:
                super().save()
            finally:
                self.metrics_file_path = str(path)


def read_rows(folder: str | Path) -> list[dict[str, float]]:
    """What a run logged, over all its attempts: a row per step, of what was logged there alone.

    Args:
        folder: the run's folder.

    Returns:
        Rows in order, each with its `step`, its `epoch` if that was logged and metrics by name, NaN and
        infinite ones too; steps that a resumed run did again appear once, as they were done last.

    Raises:
        StoreError: a log is damaged.
    """
    files = sorted(
        Path(folder).glob("csv/version_*/metrics.csv"), key=lambda p: int(p.parent.name.split("_")[1])
    )
    rows: dict[tuple[float, float], dict[str, float]] = {}
    for file in files:
        for row in _read_attempt(file) if file.stat().st_size > 1 else ():
            rows.setdefault((row.get("epoch", math.inf), row["step"]), {}).update(row)
    return [rows[place] for place in sorted(rows)]


def read_log(folder: str | Path) -> pd.DataFrame:
    """Everything that a run logged, over all its attempts.

    Args:
        folder: the run's folder.

    Returns:
        One row per logged step with the columns `epoch`, `step` and one per metric (NaN where not logged);
        steps that a resumed run did again appear once, as they were done last.

    Raises:
        StoreError: a log is damaged.
    """
    rows = read_rows(folder)
    return pd.DataFrame(rows, columns=[*_PLACE, *sorted({name for row in rows for name in row} - {*_PLACE})])


def _read_attempt(file: Path) -> list[dict[str, float]]:
    try:
        with file.open(encoding="utf-8", newline="") as text:
            reader = csv.DictReader(text)
            if missing := [name for name in _PLACE if name not in (reader.fieldnames or ())]:
                raise ValueError(f"has no column {missing[0]}")
            rows = [{name: float(cell) for name, cell in row.items() if cell} for row in reader]
        for row in rows:
            row["step"] = int(row["step"])
            row |= {"epoch": int(row["epoch"])} if "epoch" in row else {}
        return rows
    except (ValueError, TypeError, LookupError, ArithmeticError, csv.Error) as error:
        raise StoreError(
            f"{file}: is no log of a run ({error})\nremove its folder {file.parent.name} and repeat the"
            " command: only what it logged is lost"
        ) from error


def last_values(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The last logged value of every metric in the rows of a log, also where it is NaN or infinite."""
    found: dict[str, float] = {}
    for row in rows:
        found |= row
    return {name: value for name, value in found.items() if name not in _PLACE}

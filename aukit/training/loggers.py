"""The CSV log of a run, over all its attempts; which process writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from lightning.pytorch.utilities import rank_zero_only

from aukit.errors import StoreError


def is_rank_zero() -> bool:
    """Whether this process is the one that writes; asked before there is a trainer to tell.

    Lightning reads the environment variables of launchers.
    """
    knows: Any = rank_zero_only  # a function that carries the rank as an attribute
    return int(knows.rank or 0) == 0


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
    files = sorted(
        Path(folder).glob("csv/version_*/metrics.csv"), key=lambda p: int(p.parent.name.split("_")[1])
    )
    attempts = [_read_attempt(file) for file in files if file.stat().st_size > 1]
    if not attempts:
        return pd.DataFrame(columns=["epoch", "step"])
    log = pd.concat(attempts, ignore_index=True)
    log = log.groupby(["epoch", "step"], sort=True, dropna=False).last()
    return log[sorted(log.columns)].copy().reset_index()  # a copy lies in one piece: pandas warns of many


def _read_attempt(file: Path) -> pd.DataFrame:
    try:
        log = pd.read_csv(file)
        if missing := {"epoch", "step"} - set(log.columns):
            raise ValueError(f"has no column {missing.pop()}")
        return log
    except ValueError as error:  # of pandas' parser, or no text
        raise StoreError(
            f"{file}: is no log of a run ({error})\nremove its folder {file.parent.name} and repeat the"
            " command: only what it logged is lost"
        ) from error


def last_values(log: pd.DataFrame) -> dict[str, float]:
    """The last logged value of every metric of a log."""
    metrics = log.drop(columns=["epoch", "step"])
    return {
        str(name): float(column.dropna().iloc[-1]) for name, column in metrics.items() if column.notna().any()
    }

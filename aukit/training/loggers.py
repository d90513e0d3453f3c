"""Loggers of a run: CSV always, Weights & Biases offline unless the user is logged in."""

from __future__ import annotations

import netrc
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
from lightning.pytorch.loggers import CSVLogger, Logger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from aukit.errors import StoreError
from aukit.training.options import LoggingOptions


def is_rank_zero() -> bool:
    """Whether this process is the one that writes; asked before there is a trainer to tell.

    Lightning reads the environment variables of launchers.
    """
    knows: Any = rank_zero_only  # a function that carries the rank as an attribute
    return int(knows.rank or 0) == 0


def build_loggers(folder: Path, name: str, identity: str, options: LoggingOptions) -> list[Logger]:
    """Make the loggers of one attempt at a run.

    The CSV logger starts a new `csv/version_<n>` per attempt, since it would delete the file of the one
    before; `read_log` puts them together. The W&B run is made in the run's folder, on rank 0 only, and keeps
    its id when the run is resumed.

    Args:
        folder: the run's folder.
        name: display name of the run.
        identity: the run's identity; its first 16 digits are the W&B id.
        options: section `logging` of the configuration.
    """
    loggers: list[Logger] = [CSVLogger(folder, name="csv")]
    if options.wandb and is_rank_zero():
        import wandb

        (folder / "wandb").mkdir(parents=True, exist_ok=True)  # else wandb falls back to a temporary folder
        offline = not logged_in()
        logger = WandbLogger(
            name=name,
            save_dir=folder,
            id=identity[:16],
            resume="allow",
            project=options.project,
            offline=offline,
            # Said to wandb.init too: Lightning sets WANDB_MODE, which wandb may have read before.
            mode="offline" if offline else "online",
            settings=wandb.Settings(silent=offline),
        )
        logger._wandb_init.pop("anonymous", None)  # wandb warns of it, even of None
        loggers.append(logger)
    return loggers


def close_wandb() -> None:
    """End the process' W&B run, so that the next training in this process gets one of its own."""
    if is_rank_zero():
        import wandb

        if wandb.run is not None:
            wandb.finish()


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


def logged_in() -> bool:
    """Whether W&B may be sent to: `WANDB_MODE` if it is set, else whether there is a key; no network.

    The key is looked for where `wandb login` leaves it: in `WANDB_API_KEY` or the netrc file.
    """
    if mode := os.environ.get("WANDB_MODE"):
        return mode == "online"
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname
    path = Path(os.environ.get("NETRC") or "~/.netrc").expanduser()
    try:
        return host is not None and netrc.netrc(path).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False

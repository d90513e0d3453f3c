"""Options of a run beside trainer, model and data: sections `run` and `logging` of a configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aukit.training.config_key_error import ConfigKeyError
from aukit.utils.bounds import NonNegativeFloat

ORACLE = "the test people, an oracle"
"""How the selection of a run ends that chose its checkpoint by labels it is tested on."""


@dataclass(frozen=True)
class RunOptions:
    """Section `run`: what belongs to a run as a whole.

    Attributes:
        monitor: logged validation metric that decides which checkpoint is best; None for none.
        mode: whether more ("max") or less ("min") of it is better.
        selection: checkpoint that is tested: the "best" or the "last" one.
        save_minutes: minutes of training after which its state is written, to go on from after a kill; 0 for
            before every batch.
        batch_per_process: whether batch sizes of `data` are those of each process, not of all together; the
            run is the one whose batches are as many times as large as there are processes.
        time_limit: seconds after which training stops, to be resumed by the same command; None for no limit.

    Raises:
        ConfigKeyError: the best checkpoint is to be tested, and nothing says which one that is.

    Example:
        >>> RunOptions(monitor="val/f1", selection="best").mode
        'max'
    """

    monitor: str | None = None
    mode: Literal["min", "max"] = "max"
    selection: Literal["best", "last"] = "last"
    save_minutes: NonNegativeFloat = 5.0
    batch_per_process: bool = False
    time_limit: NonNegativeFloat | None = None

    def __post_init__(self) -> None:
        if self.selection == "best" and self.monitor is None:
            raise ConfigKeyError(
                ("run", "selection"),
                "run.selection=best: give run.monitor, the validation metric to select by",
            )


@dataclass(frozen=True)
class LoggingOptions:
    """Section `logging`. The CSV logger is always on.

    Attributes:
        wandb: whether to log to Weights & Biases too: offline unless logged in.
        project: its project; None for `WANDB_PROJECT`, else "aukit".
        entity: its user or team; None for the default one of the account.
        group: group of its run; None for the table that the training belongs to, else the experiment.
        job_type: kind of its run; None for "fit".
        tags: further tags of its run, beside experiment, corpus, method, profile and data origin.
        pictures: whether it gets pictures of frames, such as overlays; None for rendered faces alone.
        group_by: groups that the test is scored by: a column of the predictions (gender, task, view …), or of
            `attributes`; bins of numbers (age:<30,30-50,>50), or two of them crossed (gender+skin_tone).
        attributes: table of people with a column person and any others, CSV or Parquet.

    Example:
        >>> LoggingOptions(wandb=False).group_by
        'gender'
    """

    wandb: bool = True
    project: str | None = None
    entity: str | None = None
    group: str | None = None
    job_type: str | None = None
    tags: tuple[str, ...] = ()
    pictures: bool | None = None
    group_by: str = "gender"
    attributes: str | None = None

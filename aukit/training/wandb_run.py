"""Runs of Weights & Biases: online if the user is logged in, else offline; what they show of the data."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from aukit.errors import ConfigError, shown
from aukit.training.fairness import GroupScores
from aukit.training.group_plots import drawn_scores
from aukit.training.loggers import is_rank_zero, read_rows
from aukit.training.options import LoggingOptions, RunOptions
from aukit.training.wandb_mode import agent_run, wandb_mode

PROJECT = "aukit"

_LONGEST_TAG = 64  # W&B begins no run with a longer one

#: Axis of every chart: the batches of the training so far, as in the column `step` of the CSV log.
STEP = "trainer/global_step"


class RunWandbLogger(WandbLogger):
    """Lightning's logger on a W&B run whose steps are batches.

    W&B's own `_step` is the batch too, not the count of calls. Where W&B knows nothing of earlier attempts at
    a training, as offline, their steps are logged again from the CSV log and the pictures in the folder.

    Args:
        run: of `begin_wandb`.
        folder: the training's.
        pictures: whether pictures are logged; they show frames.
        options: section `run` of the configuration: of the metric that it monitors the summary has the best
            value, below `.max` or `.min`, while the training goes on.
    """

    def __init__(self, run: Any, folder: Path, pictures: bool, options: RunOptions | None = None) -> None:
        super().__init__(experiment=run, save_dir=folder, project=run.project)
        self.folder, self.pictures = folder, pictures
        self._caught_up = False
        run.define_metric(STEP)
        run.define_metric("*", step_metric=STEP, step_sync=True)
        if options is not None and options.monitor is not None:
            run.define_metric(options.monitor, step_metric=STEP, step_sync=True, summary=options.mode)

    @rank_zero_only
    def log_hyperparams(self, params: Any) -> None:
        """Nothing: the run has the whole configuration from its start, of which these would be a copy."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log values of a batch; a step that the run has behind it becomes its newest one.

        An online run that is resumed repeats some. W&B would ignore them, and with them a validation that
        the end of the first attempt cut off.
        """
        step = self.experiment.step if step is None else step
        if not self._caught_up:
            self._caught_up = True
            if self.experiment.step == 0:
                self._catch_up(step)
        self.experiment.log({**metrics, STEP: step}, step=max(step, self.experiment.step))

    @rank_zero_only
    def replay(self) -> None:
        """Log all that a finished training has logged, from the step on that the run has come to."""
        self._caught_up = True
        self._catch_up(math.inf, self.experiment.step)
        last = int(max(row["step"] for row in read_rows(self.folder)))
        if (self.folder / "fairness.json").is_file():
            GroupScores.read(self.folder).log_table(self, last)
        self.log_plots(drawn_scores(self.folder), last)

    def _catch_up(self, end: float, begin: int = 0) -> None:
        """Log what was logged before the step `end`; the client's own file of it may end anywhere."""
        rows: dict[int, dict[str, float]] = {}
        for row in read_rows(self.folder):  # what was logged without an epoch has a row of its own
            rows.setdefault(int(row.pop("step")), {}).update(row)
        pictures = sorted(self.folder.glob("*/step*.png"))
        drawn = [(int(path.stem.removeprefix("step")) - 1, path) for path in pictures]
        for step in sorted({*rows, *(step for step, _ in drawn)}):
            if not begin <= step < end:
                continue
            self.log_metrics(rows.get(step, {}), step)
            for path in (path for at, path in drawn if at == step):
                self.log_image(f"pictures/{path.parent.name}", [str(path)], step)

    @rank_zero_only
    def log_image(self, key: str, images: list[Any], step: int | None = None, **kwargs: Any) -> None:
        """Log pictures of frames, if they may leave this machine."""
        if self.pictures:
            super().log_image(key, images, step, **kwargs)

    @rank_zero_only
    def log_plots(self, files: list[Path], step: int | None = None) -> None:
        """Log plots of numbers, in which nobody is to be seen, as ``pictures/<name of the file>``."""
        for path in files:
            super().log_image(f"pictures/{path.stem}", [str(path)], step)

    @rank_zero_only
    def summarize(self, values: Mapping[str, Any]) -> None:
        """Put values into the run's summary, the columns of W&B's table of runs."""
        self.experiment.summary.update({key: value for key, value in values.items() if value is not None})


def begin_wandb(
    folder: Path,
    options: LoggingOptions,
    *,
    id: str,
    name: str,
    group: str,
    job_type: str,
    tags: list[str],
    config: Mapping[str, Any],
    notes: str | None = None,
) -> Any:
    """Begin a W&B run in `<folder>/wandb`, or go on with it; None where W&B is off, and nothing is written.

    What an earlier attempt left there offline under the same id is removed. Where an agent of a sweep has
    begun a run for this process, it is that one, in its project.

    Args:
        folder: folder of what is logged.
        options: section `logging` of the configuration; what it gives counts more than the arguments.
        id: the run's id in its project; a begun run of it is resumed.
        name: display name.
        group: runs that belong together.
        job_type: kind of run within the group.
        tags: words to filter by; those of `options` are added. Longer ones than W&B takes are cut.
        config: nested values, which become W&B's columns `model.init_args.lr` and so on.
        notes: text beside the run.

    Raises:
        ConfigError: the process has a run of its own, or Weights & Biases begins none.
    """
    mode = wandb_mode()
    if not options.wandb or mode == "disabled" or not is_rank_zero():
        return None
    import wandb

    if wandb.run is not None:
        raise ConfigError(
            f"logging.wandb: this process has the Weights & Biases run {wandb.run.id}; end it with"
            " wandb.finish(), or set logging.wandb=false"
        )
    given = agent_run()
    project = options.project or os.environ.get("WANDB_PROJECT") or PROJECT
    place: dict[str, Any] = {"id": id, "project": project, "entity": options.entity}
    if given is not None:
        place, id = {}, given  # W&B would say of each that it is not used
    for attempt in (folder / "wandb").glob(f"offline-run-*-{id}"):
        shutil.rmtree(attempt, ignore_errors=True)
    (folder / "wandb").mkdir(parents=True, exist_ok=True)  # else wandb falls back to a temporary folder
    try:
        return wandb.init(
            **place,
            dir=folder,
            resume="allow",
            name=name,
            group=options.group or os.environ.get("WANDB_RUN_GROUP") or group,
            job_type=options.job_type or os.environ.get("WANDB_JOB_TYPE") or job_type,
            tags=list(dict.fromkeys(tag[:_LONGEST_TAG] for tag in (*tags, *options.tags) if tag)),
            config=dict(config),
            notes=notes,
            mode=mode,
            settings=wandb.Settings(silent=mode == "offline"),
        )
    except wandb.Error as error:  # no network, no valid key, a name that it does not take
        wandb.teardown()
        raise ConfigError(
            f"Weights & Biases begins no run: {shown(error, 300)}\nmend that, or keep the run here to send it"
            " later (WANDB_MODE=offline), or set logging.wandb=false"
        ) from error


@contextmanager
def ending_wandb(run: Any) -> Iterator[None]:
    """End a run of `begin_wandb` with what is done inside: as failed where that does not end well.

    All that was logged is in the run's files then. W&B's own process may have it in memory still when the
    run is finished, so its end is waited for; another one is begun with the next run.
    """
    import wandb

    try:
        yield
    except BaseException:
        run.finish(exit_code=1)
        raise
    else:
        run.finish()
    finally:
        wandb.teardown()

"""Callbacks of every run: random numbers per step, checkpoints to resume from, time and memory, progress."""

from __future__ import annotations

import math
import random
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, Checkpoint, StochasticWeightAveraging, WeightAveraging

from aukit.errors import AukitError, ConfigError, StoreError
from aukit.training.checkpoint_file import CheckpointFile
from aukit.training.options import RunOptions
from aukit.training.resume import readable
from aukit.utils.signals import ending
from aukit.utils.slurm import in_job


class RunInterrupted(AukitError):  # noqa: N818 - no error, but an end on purpose
    """Training stopped at its time limit; the same command resumes it.

    Example:
        >>> try:  # doctest: +SKIP
        ...     record = execute(load_config("fgnet", "mini", ["run.time_limit=3600"]))
        ... except RunInterrupted:
        ...     print("submit the job again")
    """


class StepSeed(Callback):
    """Set the global generators at the start of every batch as a function of (seed, stage, epoch, batch).

    They are those of torch, NumPy and Python.

    Dropout, noise and penalties of a batch then do not depend on how the run came to it: a resumed run draws
    what the uninterrupted one did. In training all processes draw the same numbers, those of the whole batch,
    and take their rows' (`aukit.models.components.processes.draw_rows`); in evaluation each draws its own.

    Args:
        seed: the run's seed.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Seed what a module draws before the first batch."""
        self._set(trainer, 0, 0)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed a training batch."""
        self._set(trainer, 1, batch_idx)

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, *_: Any, **__: Any
    ) -> None:
        """Seed a validation batch."""
        self._set(trainer, 2, batch_idx)

    def on_test_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, *_: Any, **__: Any
    ) -> None:
        """Seed a test batch."""
        self._set(trainer, 3, batch_idx)

    def on_predict_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, *_: Any, **__: Any
    ) -> None:
        """Seed a prediction batch."""
        self._set(trainer, 4, batch_idx)

    def _set(self, trainer: Trainer, stage: int, batch: int) -> None:
        # Test numbers must not depend on the epoch at which training ended.
        epoch = trainer.current_epoch if stage < 3 else 0
        rank = trainer.global_rank if stage > 1 else 0
        numbers = np.random.SeedSequence([self.seed, stage, epoch, batch, rank])
        for_torch, for_python = numbers.generate_state(2, np.uint64).tolist()
        torch.manual_seed(for_torch >> 1)
        np.random.seed(numbers.generate_state(4))
        random.seed(for_python)


class LogOfStep(Callback):
    """Let the line of a step hold what that step logged, and nothing else.

    Lightning repeats a value that only some steps log until the epoch ends. It would pass for that of other
    steps, and a run that resumes within the epoch could not repeat it.
    """

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Forget what the step before logged for itself alone."""
        for result in (trainer._results or {}).values():
            if result.is_tensor and result.meta.on_step and not result.meta.on_epoch:
                result.reset()


def agreed(trainer: Trainer, *wanted: bool) -> list[bool]:
    """What at least one process of a training wants; the same for all, which must all ask at this place."""
    if trainer.world_size == 1:
        return list(wanted)
    votes = torch.tensor(wanted, dtype=torch.uint8, device=trainer.strategy.root_device)
    torch.distributed.all_reduce(votes, torch.distributed.ReduceOp.MAX)
    return [bool(vote) for vote in votes.tolist()]


def leave_together(saved: str) -> NoReturn:
    """End all processes of a training, of which one was asked to end.

    Args:
        saved: What is saved of the work.

    Raises:
        RunInterrupted: Always.
    """
    ending.agree()
    raise RunInterrupted(f"asked to end: {saved}")


_SHORT = 15.0  # seconds of a validation that is ended first; SLURM kills 30 after its last signal


class LeaveWhenAsked(Callback):
    """End before a batch of an evaluation when SLURM has asked one of the processes to; nothing is saved.

    A test that was begun is done again as a whole. A validation that will soon be over is ended, so that the
    training before it can be saved by `RunCheckpoints`; a longer one is left, and what came after the last
    state is done again. Outside of SLURM it does nothing.
    """

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Hear signals again: Lightning has handlers in which processes wait for each other."""
        ending.hear_again()

    on_train_start = on_validation_start = on_test_start = on_predict_start = on_sanity_check_start

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, *_: Any, **__: Any
    ) -> None:
        """Leave if one was asked to some time ago."""
        self._leave_after(_SHORT, trainer)

    def on_test_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, *_: Any, **__: Any
    ) -> None:
        """Leave if one is asked to."""
        self._leave_after(0.0, trainer)

    on_predict_batch_start = on_test_batch_start

    def _leave_after(self, seconds: float, trainer: Trainer) -> None:
        if in_job() and agreed(trainer, ending.waited() > seconds)[0]:
            leave_together("this evaluation begins anew")


class RunCheckpoints(Checkpoint):
    """Write `last.ckpt`, to resume from, and `best.ckpt`, the weights with the best monitored metric.

    `last.ckpt` is written before a batch when `save_minutes` have passed since it was, and at the end of
    training. Before a batch all that belongs to the one before has happened: its validation, its log lines,
    its schedulers. Files are replaced in one step. At the time limit the state is written and training stops;
    so it does when SLURM has asked one of the processes to end. Beside Lightning's state it holds what
    callbacks set at the start of an epoch, which is not begun again where a training goes on inside of it:
    the batches of a step (`GradientAccumulationScheduler`) and frozen parameters (`BackboneFinetuning`).
    When the run is recorded, `keep_tested` leaves the weights that were tested.

    Args:
        folder: folder of the checkpoints.
        options: section `run` of the configuration.
    """

    def __init__(self, folder: Path, options: RunOptions) -> None:
        self.folder = folder
        self.options = options
        self.best_score: float | None = None
        self.best_epoch: int | None = None
        self._metrics: dict[str, torch.Tensor] = {}
        self._accumulated: int | None = None
        self._frozen: list[str] = []
        self._batches = 0
        self._ended = False
        self._began = self._saved = time.monotonic()

    @property
    def last(self) -> Path:
        """The checkpoint to resume from."""
        return self.folder / "last.ckpt"

    @property
    def best(self) -> Path:
        """The best weights."""
        return self.folder / "best.ckpt"

    @property
    def validated(self) -> bool:
        """Whether there was a validation."""
        return bool(self._metrics)

    def state_dict(self) -> dict[str, Any]:
        """The best weights' score and epoch, the last validation, what callbacks set, whether it ended."""
        best = {"best_score": self.best_score, "best_epoch": self.best_epoch}
        of_the_epoch = {"accumulated": self._accumulated, "frozen": self._frozen}
        return {**best, **of_the_epoch, "metrics": self._metrics, "ended": self._ended}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore `state_dict()`."""
        self.best_score = state_dict["best_score"]
        self.best_epoch = state_dict["best_epoch"]
        self._metrics = state_dict.get("metrics", {})
        self._accumulated, self._frozen = state_dict.get("accumulated"), state_dict.get("frozen", [])
        self._ended = state_dict.get("ended", False)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse hyper-parameters that no checkpoint could hold; train no further what ended early."""
        _check_plain(pl_module.hparams, "hyper_parameters")
        # Lightning sees by itself that the epochs or steps are done, but not that a callback had enough.
        if self._ended:
            trainer.should_stop = True

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore what Lightning does not, and forget a best score whose weights were replaced later on.

        Those that replaced them were better, so the training that is repeated finds better ones again.

        Raises:
            StoreError: Lightning's callback has begun an average that it does not go on with.
        """
        if self.best_score is not None and step_of(self.best) > trainer.global_step:
            self.best_score = self.best_epoch = None
        # A scheduler that follows a metric asks for it at the end of an epoch validated before the stop.
        trainer.callback_metrics.update(self._metrics)
        # The batch before which the state was written counts as begun, and would be counted a second time.
        batches = trainer.fit_loop.epoch_loop.batch_progress.total
        batches.ready = batches.completed
        if self._accumulated is not None:  # the training goes on
            callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
            swa = [each for each in callbacks if isinstance(each, StochasticWeightAveraging)]
            if any(trainer.current_epoch >= each.swa_start for each in swa):
                raise StoreError(
                    f"{self.last}: StochasticWeightAveraging has begun its average, and cannot go on\n"
                    "remove this file and repeat the command: training then begins anew; EMAWeightAveraging,"
                    " another callback of Lightning's, goes on after a stop"
                )
            trainer.accumulate_grad_batches = self._accumulated
            for name, parameter in pl_module.named_parameters():
                if parameter.requires_grad == (name in self._frozen):
                    parameter.requires_grad_(name not in self._frozen)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Save if it is due, and stop if it is late or asked for."""
        # Lightning leaves out the step of `ReduceLROnPlateau` while this is set, throughout a resumed epoch.
        # What else depends on it came before. The public setter sets it again where `max_steps` is given.
        trainer.fit_loop._restarting = False
        if batch_idx % trainer.accumulate_grad_batches == 0:
            now, limit = time.monotonic(), self.options.time_limit
            late = self._batches > 0 and limit is not None and now - self._began > limit
            due = self._batches > 0 and now - self._saved >= 60 * self.options.save_minutes
            late, due, asked = agreed(trainer, late, due, ending.came is not None)
            if self._batches > 0 and (late or due or asked):
                self._save(trainer)
            if asked:
                leave_together("its state is saved")
            if late:
                raise RunInterrupted(
                    f"stopped at the time limit of {self.options.time_limit:g} s in epoch"
                    f" {trainer.current_epoch}; repeat the command to resume"
                )
        self._batches += 1

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Make the folder at the first step: a run without it has not begun."""
        if self._batches == 1:
            self.folder.mkdir(parents=True, exist_ok=True)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the final state."""
        self._ended = True
        self._save(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the weights if the monitored metric is better than before."""
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        metrics = trainer.callback_metrics
        self._metrics = {name: value.cpu() for name, value in metrics.items()}
        if self.options.monitor is None:
            return
        if self.options.monitor not in metrics:
            raise ConfigError(
                f"run.monitor={self.options.monitor!r} is not logged in validation; logged:"
                f" {', '.join(sorted(metrics))}"
            )
        score = float(metrics[self.options.monitor])
        sign = 1 if self.options.mode == "max" else -1
        better = math.isfinite(score) and (self.best_score is None or sign * score > sign * self.best_score)
        if trainer.strategy.broadcast(better):  # one decision for all processes: saving is collective
            self.best_score, self.best_epoch = score, trainer.current_epoch
            # What was validated are the averages, which Lightning writes with a whole state only.
            callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
            averaged = any(isinstance(callback, WeightAveraging) for callback in callbacks)
            trainer.save_checkpoint(self.best, weights_only=not averaged)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Refuse hyper-parameters that a checkpoint loaded with `weights_only=True` could not hold."""
        for section in ("hyper_parameters", "datamodule_hyper_parameters"):
            _check_plain(checkpoint.get(section), section)
        loop = checkpoint["loops"]["fit_loop"]["epoch_loop.state_dict"] if "loops" in checkpoint else {}
        goes_on = trainer.training and not self._ended
        if goes_on and "_batches_that_stepped" in loop:
            # Lightning adds one on load where a step ends with this batch, for states saved after it.
            loop["_batches_that_stepped"] -= not trainer.fit_loop.epoch_loop._should_accumulate()

    def _save(self, trainer: Trainer) -> None:
        for logger in trainer.loggers:
            logger.save()  # what is logged up to here will not be logged again
        self._accumulated = trainer.accumulate_grad_batches
        parameters = trainer.lightning_module.named_parameters()
        self._frozen = [name for name, parameter in parameters if not parameter.requires_grad]
        trainer.save_checkpoint(self.last)
        self._saved = time.monotonic()


_RESUMED_FROM = ("callbacks", "lr_schedulers", "optimizer_states")
"""What only a training that goes on needs of a checkpoint."""


def keep_tested(tested: Path) -> None:
    """Leave of a finished run's checkpoints what was tested, without the state of the optimisers.

    That is `best.ckpt`, or of `last.ckpt` the weights alone, a third of it; beside it the best weights where
    there are some. Nothing is done a second time.

    Args:
        tested: The checkpoint that was tested.
    """
    if tested.name != "last.ckpt":
        tested.with_name("last.ckpt").unlink(missing_ok=True)
    elif tested.is_file():
        content = readable(tested)
        if content is not None and content.keys() & set(_RESUMED_FROM):
            kept = {key: value for key, value in content.items() if key not in _RESUMED_FROM}
            CheckpointFile().save_checkpoint(kept, tested)


def step_of(checkpoint: Path) -> int:
    """Optimiser steps behind a checkpoint; -1 where there is none, or none that can be read."""
    if not checkpoint.is_file():
        return -1
    content = readable(checkpoint)
    return -1 if content is None else int(content.get("global_step", -1))


def _check_plain(value: Any, at: str) -> None:
    if isinstance(value, Mapping):
        if type(value).__module__.startswith("omegaconf"):
            raise ConfigError(f"checkpoint: {at} is a {type(value).__name__}; save plain dictionaries")
        for key, inner in value.items():
            _check_plain(inner, f"{at}.{key}")
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            _check_plain(inner, f"{at}[{index}]")
    elif not isinstance(value, str | int | float | bool | None | torch.Tensor):
        raise ConfigError(
            f"checkpoint: {at} is a {type(value).__name__}; hyper-parameters must be dicts, lists, strings"
            " and numbers: leave it out, with self.save_hyperparameters(ignore=[...]) in the constructor"
        )


class TimeAndMemory(Callback):
    """Wall-clock time over all attempts, and peak memory of this process."""

    def __init__(self) -> None:
        self._before = 0.0
        self._began = time.monotonic()
        self._wrote = False

    @property
    def seconds(self) -> float:
        """Seconds spent on the run so far, those before a resume included."""
        return self._before + time.monotonic() - self._began

    def state_dict(self) -> dict[str, Any]:
        """Seconds so far."""
        self._wrote = True
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Count on from `state_dict()`, unless this very attempt wrote it and now loads it for its test."""
        if not self._wrote:
            self._before = float(state_dict["seconds"])

    @staticmethod
    def peak_memory_bytes() -> int:
        """Largest resident memory of this process so far."""
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

    @staticmethod
    def peak_device_memory_bytes() -> int | None:
        """Largest memory allocated on the GPU so far; None without one."""
        return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None


class ProgressReport(Callback):
    """Call `report(done, total)` in training batches, at most about three times a second.

    Args:
        report: the function.
    """

    def __init__(self, report: Callable[[int, int], None]) -> None:
        self.report = report
        self._last = 0.0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Report if it is time."""
        now = time.monotonic()
        if now - self._last < 0.3:
            return
        self._last = now
        done = trainer.fit_loop.total_batch_idx + 1
        self.report(done, max(done, total_batches(trainer, done)))


def total_batches(trainer: Trainer, done: int) -> int:
    """Training batches of the whole run, as far as they are known after `done` of them."""
    limits = []
    if trainer.max_epochs is not None and trainer.max_epochs > 0:
        limits.append(int(trainer.max_epochs * trainer.num_training_batches))
    if trainer.max_steps > 0:  # counts optimiser steps, of which a batch may have none or several
        limits.append(round(trainer.max_steps * done / max(trainer.global_step, 1)))
    return min(limits, default=done)

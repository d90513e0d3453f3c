"""Execute a configuration: fit, choose a checkpoint, test; leave predictions, scores, a record."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from filelock import FileLock, Timeout
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.callbacks import Callback, WeightAveraging
from lightning.pytorch.plugins.io import CheckpointIO
from lightning.pytorch.utilities.model_helpers import is_overridden

from aukit.datamodules.base import StepDataModule
from aukit.errors import ConfigError, StoreError
from aukit.training import record as records
from aukit.training.callbacks import ProgressReport, RunCheckpoints, StepSeed, TimeAndMemory
from aukit.training.checkpoint_file import CheckpointFile
from aukit.training.config import missing_values
from aukit.training.fairness import score_groups
from aukit.training.loggers import build_loggers, close_wandb, is_rank_zero, last_values, read_log
from aukit.training.options import RunOptions
from aukit.training.predictions import IDS, PredictionWriter
from aukit.training.record import Record
from aukit.training.run_config import RunConfig, build_datamodule, build_model, resolve, trainer_arguments
from aukit.training.run_identity import identity
from aukit.utils.files import write_atomic

RUNS = "lightning_logs/runs"


@dataclass(frozen=True)
class RunFolder:
    """Where a run keeps what it makes: `<runs_root>/<experiment>-<12 digits of the identity>`.

    Attributes:
        path: the folder.
        identity: the run's identity.

    Example:
        >>> run = RunFolder(Path("lightning_logs/runs/fgnet-bp4d-0123456789ab"), "0123456789ab")
        >>> run.is_done, run.predictions.name
        (False, 'predictions.parquet')
    """

    path: Path
    identity: str

    @classmethod
    def of(cls, config: RunConfig, data_fingerprint: str, runs_root: str | Path) -> RunFolder:
        """The folder of a configuration; nothing is created."""
        digest = identity(config, data_fingerprint)
        name = config.experiment.replace("/", "-")
        return cls(Path(runs_root) / f"{name}-{digest[:12]}", digest)

    @property
    def is_done(self) -> bool:
        """Whether the run is finished."""
        return (self.path / records.NAME).is_file()

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def predictions(self) -> Path:
        """Predictions of the test frames."""
        return self.path / "predictions.parquet"

    def to_resume(self) -> Path | None:
        """The newest checkpoint with a whole state: ours, or one that Lightning saved for SLURM's requeue."""
        found = [*self.checkpoints.glob("last.ckpt"), *self.path.glob("hpc_ckpt_*.ckpt")]
        return max(found, key=lambda path: path.stat().st_mtime, default=None)

    @contextmanager
    def only_writer(self) -> Iterator[bool]:
        """Hold the folder's lock on rank 0; the operating system gives it back when the process is killed.

        Yields:
            Whether the run was finished meanwhile.
        """
        if not is_rank_zero():
            yield False
            return
        self.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise StoreError(
                f"{self.path}: another process is working on this run; wait for it to end"
            ) from error
        try:
            yield self.is_done
        finally:
            lock.release()


def execute(
    config: Mapping[str, Any],
    runs_root: str | Path = RUNS,
    progress: Callable[[int, int], None] | None = None,
) -> Record:
    """Run a configuration to its end; a finished run is returned at once, a begun one resumes where it was.

    Args:
        config: what `load_config` returns, or a dictionary of its sections.
        runs_root: folder of all run folders.
        progress: called with (batches done, batches in all) during training, instead of a progress bar.

    Returns:
        The record, which is also in `record.json` of the run's folder.

    Raises:
        ConfigError: a value is missing or wrong.
        StoreError: another process works on the same run.
        RunInterrupted: the time limit is reached; the same call resumes.
    """
    resolved, data, run = _open(config, runs_root)
    if run.is_done:
        return Record.read(run.path)
    with run.only_writer() as done:
        if done:  # another process finished it meanwhile
            return Record.read(run.path)
        _save_config(resolved, run)
        try:
            return _execute(resolved, data, run, progress)
        finally:
            if resolved.logging.wandb:
                close_wandb()


def evaluate(
    config: Mapping[str, Any],
    runs_root: str | Path = RUNS,
    stage: Literal["test", "predict"] = "test",
    checkpoint: str | Path | None = None,
    out: Path | None = None,
) -> Path:
    """Apply a trained model to the test frames, or to every frame of the store, without training.

    Args:
        config: what `load_config` returns, or a dictionary of its sections.
        runs_root: folder of all run folders.
        stage: "test" writes `predictions-test.parquet` and scores them by group in `fairness-test.json` and
            `.csv`; "predict" writes every frame to `predictions-predict.parquet`.
        checkpoint: checkpoint to load; None for the one that the finished run of this configuration tested.
        out: file of the predictions, in place of those above: a model's run folder, where the configuration
            names another corpus than the one that it was trained on.

    Returns:
        Path of the predictions.

    Raises:
        ConfigError: the model has no such step, as those of the pre-trainings.
        StoreError: the run is not finished and no checkpoint is given, or the model's step returns no
            predictions.
    """
    resolved, data, run = _open(config, runs_root)
    checkpoint = Path(checkpoint or Record.read(run.path).checkpoint)
    if not checkpoint.is_file():
        raise StoreError(f"{checkpoint}: no such checkpoint")
    path = out or run.path / f"predictions-{stage}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = PredictionWriter(path, stage)
    model = build_model(resolved)
    if not is_overridden(f"{stage}_step", model):
        raise ConfigError(
            f"experiment {resolved.experiment}: {type(model).__name__} scores no frames, so there is nothing"
            f" to {stage}; its validation and what it draws are in {run.path}"
        )
    callbacks = [StepSeed(resolved.seed), writer]
    trainer = _trainer(resolved, run, callbacks, logger=False, quiet=out is not None)
    apply = trainer.test if stage == "test" else trainer.predict
    extra = {"verbose": out is None} if stage == "test" else {"return_predictions": False}
    apply(model, datamodule=data, ckpt_path=str(checkpoint), weights_only=True, **extra)
    if not writer.written:
        raise StoreError(f"{type(model).__name__}.{stage}_step returns no predictions; nothing was written")
    if out is None and writer.frames_per_second is not None:
        print(f"{writer.frames_per_second:.0f} frames/s, loading included")
    if stage == "test" and trainer.is_global_zero:
        name = writer.path.stem.replace("predictions", "fairness")
        score_groups(writer.path, resolved.logging.group_by).write(writer.path.parent, name)
    return writer.path


def _open(config: Mapping[str, Any], runs_root: str | Path) -> tuple[RunConfig, StepDataModule, RunFolder]:
    """Resolve the configuration, make its data ready and find its folder."""
    if missing := missing_values(config):
        raise ConfigError(
            f"experiment {config.get('experiment', '?')}: give {' '.join(f'{m}=...' for m in missing)}"
        )
    resolved = resolve(config)
    _quieten()
    seed_everything(resolved.seed, verbose=False)
    data = build_datamodule(resolved)
    data.prepare_data()
    data.setup("fit")
    return resolved, data, RunFolder.of(resolved, data.fingerprint, runs_root)


def _execute(
    config: RunConfig,
    data: StepDataModule,
    run: RunFolder,
    progress: Callable[[int, int], None] | None,
) -> Record:
    seed_everything(config.seed, verbose=False)
    model = build_model(config)
    checkpoints = RunCheckpoints(run.checkpoints, config.run)
    clock = TimeAndMemory()
    writer = PredictionWriter(run.predictions)
    callbacks = [StepSeed(config.seed), clock, writer, checkpoints]
    if progress is not None:
        callbacks.append(ProgressReport(progress))
    if config.logging.group_by not in IDS:
        raise ConfigError(f"logging.group_by={config.logging.group_by}: choose one of {', '.join(IDS)}")
    loggers = build_loggers(run.path, run.path.name, run.identity, config.logging)
    trainer = _trainer(config, run, callbacks, logger=loggers, quiet=progress is not None)
    saved = run.to_resume()
    trainer.fit(model, datamodule=data, ckpt_path=str(saved) if saved else None, weights_only=True)
    if trainer.interrupted:
        raise KeyboardInterrupt
    checkpoint, rule = _choose(checkpoints, config.run)
    if is_overridden("test_step", model) and data.test_batches() is not None:
        # A checkpoint's weights are the averages; the callback would load those of the last step instead.
        every: Any = trainer
        every.callbacks = [c for c in every.callbacks if not isinstance(c, WeightAveraging)]
        trainer.test(model, datamodule=data, ckpt_path=str(checkpoint), weights_only=True, verbose=False)
    by_group: dict[str, float] = {}
    if writer.written:
        scores = score_groups(run.predictions, config.logging.group_by)
        by_group = scores.scalars()
        if trainer.is_global_zero:
            scores.write(run.path)
            for logger in loggers:
                scores.log(logger, {"epoch": trainer.current_epoch, "step": trainer.global_step})
    for logger in loggers:
        logger.finalize("success")
    trainer.strategy.barrier("record")
    record = Record(
        identity=run.identity,
        experiment=config.experiment,
        config=dict(config),
        metrics={
            **last_values(read_log(run.path)),
            **{k: float(v) for k, v in trainer.callback_metrics.items()},
            **by_group,
        },
        data_fingerprint=data.fingerprint,
        git_commit=records.git_commit(),
        seconds=round(clock.seconds, 3),
        peak_memory_bytes=clock.peak_memory_bytes(),
        peak_device_memory_bytes=clock.peak_device_memory_bytes(),
        versions=records.versions(),
        checkpoint=str(checkpoint),
        predictions=str(run.predictions) if writer.written else None,
        test_frames_per_second=writer.frames_per_second,
        notes=_notes(data, checkpoints, rule),
    )
    if trainer.is_global_zero:
        record.write(run.path)
    return record


def _quieten() -> None:
    """Leave progress bars and warnings that a reader can act on."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for name in ("checkpoint_connector", "logger_connector.logger_connector"):
        logging.getLogger(f"lightning.pytorch.trainer.connectors.{name}").setLevel(logging.WARNING)
    # Lightning calls a function that torch has renamed.
    warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
    # Loading in the training process is a choice, and the samplers do resume in the middle of an epoch.
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*your dataloader is not resumable.*")
    # No person is held out where nothing is selected.
    warnings.filterwarnings("ignore", message=".*Total length of `list` across ranks is zero.*")


def _trainer(
    config: RunConfig, run: RunFolder, callbacks: list[Callback], logger: Any, quiet: bool = False
) -> Trainer:
    arguments = trainer_arguments(config)
    arguments["callbacks"] = [*(arguments.get("callbacks") or []), *callbacks]
    plugins = arguments.get("plugins") or []
    plugins = plugins if isinstance(plugins, list) else [plugins]
    if not any(isinstance(plugin, CheckpointIO) for plugin in plugins):
        arguments["plugins"] = [*plugins, CheckpointFile()]
    arguments["logger"] = logger
    arguments["default_root_dir"] = str(run.path)
    # Our samplers share batches between processes themselves, without repeating a frame.
    arguments["use_distributed_sampler"] = False
    if quiet:
        arguments["enable_progress_bar"] = False
        arguments["enable_model_summary"] = False
    return Trainer(**arguments)


def _choose(checkpoints: RunCheckpoints, options: RunOptions) -> tuple[Path, str]:
    if options.selection == "last":
        return checkpoints.last, "last checkpoint"
    if options.monitor is None:
        raise ConfigError("run.selection=best needs run.monitor, the validation metric to select by")
    if checkpoints.best_score is None:
        return checkpoints.last, f"last checkpoint ({options.monitor} was never finite)"
    return checkpoints.best, f"best {options.monitor} ({options.mode}) on validation people"


def _notes(data: StepDataModule, checkpoints: RunCheckpoints, rule: str) -> dict[str, Any]:
    notes: dict[str, Any] = {"selection": rule}
    if checkpoints.best_score is not None:
        notes["best_score"], notes["best_epoch"] = checkpoints.best_score, checkpoints.best_epoch
    store = getattr(data, "store", None)
    if store is not None and store.standin is not None:
        notes["standin"] = store.standin
    if data.notes:
        notes["data"] = data.notes
    return notes


def _save_config(config: RunConfig, run: RunFolder) -> None:
    """Save the configuration of the first attempt; later ones have the same identity and leave it alone."""
    path = run.path / "config.yaml"
    if is_rank_zero() and not path.exists():
        write_atomic(path, yaml.safe_dump(dict(config), sort_keys=False).encode())

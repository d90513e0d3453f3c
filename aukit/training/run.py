"""Execute a configuration: fit, choose a checkpoint, test; leave predictions, scores, a record."""

from __future__ import annotations

import logging
import re
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.callbacks import Callback, ProgressBar, WeightAveraging
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins.io import CheckpointIO
from lightning.pytorch.utilities.model_helpers import is_overridden

from aukit.datamodules.base import StepDataModule
from aukit.errors import ConfigError, WeightsError
from aukit.models.components.training import logged_step
from aukit.models.weights import RANDOM
from aukit.training import record as records
from aukit.training.callbacks import (
    LeaveWhenAsked,
    LogOfStep,
    ProgressReport,
    RunCheckpoints,
    StepSeed,
    TimeAndMemory,
    keep_tested,
)
from aukit.training.checkpoint_file import CheckpointFile
from aukit.training.classes import import_class
from aukit.training.config import missing_values
from aukit.training.fairness import check_groups, score_groups
from aukit.training.group_plots import draw_scores
from aukit.training.loggers import RunLog, is_rank_zero, last_values, read_rows
from aukit.training.options import ORACLE, LoggingOptions, RunOptions
from aukit.training.predictions import PredictionWriter
from aukit.training.processes import (
    GlobalLayers,
    keep_to_cores,
    launch,
    leave_with_main,
    placed,
    started_several,
    strategy_of,
    with_whole_batches,
)
from aukit.training.progress_lines import ProgressLines, redraws
from aukit.training.record import Record
from aukit.training.resume import check_resumable
from aukit.training.run_config import RunConfig, build_datamodule, build_model, resolve, trainer_arguments
from aukit.training.run_folder import RunFolder
from aukit.training.start_files import without_start_files
from aukit.training.summary import rendered_origin
from aukit.training.wandb_mode import agent_run
from aukit.training.wandb_run import RunWandbLogger, begin_wandb, ending_wandb
from aukit.utils.signals import ending

RUNS = "lightning_logs/runs"


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
        WeightsError: a file that the training starts from is missing.
        StoreError: another process works on the same run, and this one is one of several; else it waits.
        RunInterrupted: the time limit is reached, or SLURM asked for the end; the same call resumes.
    """
    resolved, data, run = open_run(config, runs_root)
    if run.is_done:
        record = _finished(resolved, data, run)
        if record.checkpoint is not None:  # a kill may have come before
            keep_tested(Path(record.checkpoint))
        return record
    if run.missing and run.to_resume() is None:
        raise WeightsError(
            f"{run.missing[0]}: no such file; the model starts from it (experiment {resolved.experiment})"
        )
    with run.only_writer(several=started_several(launch())) as done:
        if done:  # another process finished it meanwhile
            return _finished(resolved, data, run)
        return _execute(resolved, data, run, progress)


def open_run(config: Mapping[str, Any], runs_root: str | Path) -> tuple[RunConfig, StepDataModule, RunFolder]:
    """Resolve the configuration, make its data ready and find its folder."""
    if missing := missing_values(config):
        start = f"; the training starts from these files, or say model.weights={RANDOM}"
        raise ConfigError(
            f"experiment {config.get('experiment', '?')}: give {' '.join(f'{m}=...' for m in missing)}"
            + (start if "model.weights" in missing else "")
        )
    resolved = with_whole_batches(resolve(config), launch())
    leave_with_main()
    keep_to_cores()
    _quieten()
    seed_everything(resolved.seed, verbose=False)
    data = build_datamodule(resolved)
    data.prepare_data()
    data.setup("fit")
    return resolved, data, RunFolder.of(resolved, data.fingerprint, runs_root)


def _finished(config: RunConfig, data: StepDataModule, run: RunFolder) -> Record:
    """The record of a finished run, replayed into the run that an agent of a sweep has begun, if one has.

    Scores that are not there any more are made again of its predictions.
    """
    record = Record.read(run.path)
    if record.predictions is not None and is_rank_zero() and not (run.path / "fairness.json").is_file():
        options = LoggingOptions(**record.config["logging"])
        score_groups(record.predictions, options.group_by, options.attributes).write(run.path)
    if agent_run() is not None:
        with open_loggers(config, data, run) as loggers:
            for logger in loggers:
                if isinstance(logger, RunWandbLogger):
                    logger.replay()
                    logger.summarize(_summary(record))
    return record


def _execute(
    config: RunConfig,
    data: StepDataModule,
    run: RunFolder,
    progress: Callable[[int, int], None] | None,
) -> Record:
    seed_everything(config.seed, verbose=False)
    saved = run.to_resume()
    model = build_model(config if saved is None else without_start_files(config))
    if saved is not None:
        check_resumable(saved, model)
    run.save_config(config)
    checkpoints = RunCheckpoints(run.checkpoints, config.run)
    clock = TimeAndMemory()
    writer = PredictionWriter(run.predictions)
    callbacks: list[Callback] = [StepSeed(config.seed), LogOfStep(), clock, writer, checkpoints]
    if progress is not None:
        callbacks.append(ProgressReport(progress))
    store: Any = getattr(data, "store", None)
    table = None if store is None else store.table
    check_groups(config.logging.group_by, config.logging.attributes, table)
    with open_loggers(config, data, run) as loggers:
        trainer = build_trainer(config, run, callbacks, logger=loggers, quiet=progress is not None)
        with plain_errors(trainer):
            trainer.fit(model, datamodule=data, ckpt_path=str(saved) if saved else None, weights_only=True)
        checkpoint, rule = _choose(checkpoints, config.run, data)
        if is_overridden("test_step", model) and data.test_batches() is not None:
            # A checkpoint's weights are the averages; the callback would load those of the last step instead.
            every: Any = trainer
            every.callbacks = [c for c in every.callbacks if not isinstance(c, WeightAveraging)]
            with plain_errors(trainer):
                trainer.test(
                    model, datamodule=data, ckpt_path=str(checkpoint), weights_only=True, verbose=False
                )
        scores, step = None, logged_step(trainer)
        if writer.written:
            scores = score_groups(run.predictions, config.logging.group_by, config.logging.attributes)
            if trainer.is_global_zero:
                scores.write(run.path)
                for logger in loggers:
                    scores.log(logger, {"epoch": trainer.current_epoch, "step": step})
        for logger in loggers:
            logger.finalize("success")
        trainer.strategy.barrier("record")
        record = Record(
            **run_facts(config, data, run, clock),
            metrics={
                **last_values(read_rows(run.path)),
                **{k: float(v) for k, v in trainer.callback_metrics.items()},
                **({} if scores is None else scores.scalars()),
            },
            checkpoint=str(checkpoint),
            predictions=str(run.predictions) if writer.written else None,
            test_frames_per_second=writer.frames_per_second,
            world_size=trainer.world_size,
            notes=_notes(data, checkpoints, rule),
        )
        if trainer.is_global_zero:
            record.write(run.path)
            keep_tested(checkpoint)
        for logger in loggers:  # behind the record, which no picture may cost
            if isinstance(logger, RunWandbLogger):
                logger.summarize(_summary(record))
                if scores is not None:
                    logger.log_plots(draw_scores(scores, run.path, rendered_origin(record.notes)), step)
        return record


@contextmanager
def open_loggers(config: RunConfig, data: StepDataModule, run: RunFolder) -> Iterator[list[Logger]]:
    """The loggers of one attempt at a run: CSV, and Weights & Biases on the process that writes.

    The CSV logger starts a new `csv/version_<n>` per attempt, since it would delete the file of the one
    before; `read_log` puts them together. The W&B run keeps its id, the identity's first 16 digits.
    """
    origin = "standin" if data.rendered else "licensed or own"
    notes = {key: value for key, value in data_notes(data).items() if key != "data"}
    begun = begin_wandb(
        run.path,
        config.logging,
        id=run.identity[:16],
        name=run.path.name,
        group=config.experiment,
        job_type="fit",
        tags=_tags(config, data, origin),
        config={
            **config,
            **notes,
            "data_origin": origin,
            "data_fingerprint": data.fingerprint,
            "identity": run.identity,
            "git_commit": records.git_commit(),
            "versions": records.versions(),
        },
    )
    loggers: list[Logger] = [RunLog(run.path)]
    if begun is None:
        yield loggers
        return
    pictures = data.rendered if config.logging.pictures is None else config.logging.pictures
    with ending_wandb(begun):
        yield [*loggers, RunWandbLogger(begun, run.path, pictures, config.run)]


def _tags(config: RunConfig, data: StepDataModule, origin: str) -> list[str]:
    """Experiment, method, corpus, profile and data origin, as far as there are such."""
    method = config["model"].get("init_args", {}).get("method")
    words = [config.experiment.partition("/")[0], method, data.corpus_name, config.get("profile"), origin]
    return [word for word in words if isinstance(word, str)]


def _summary(record: Record) -> dict[str, Any]:
    """What a run's summary has beside the last value of all that it logged."""
    notes, found = record.notes, {"selection": record.notes["selection"], "seconds": record.seconds}
    if "best_score" in notes:  # over all attempts
        found |= {
            f"best/{record.config['run']['monitor']}": notes["best_score"],
            "best/epoch": notes["best_epoch"],
        }
    return found


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


def build_trainer(
    config: RunConfig, run: RunFolder, callbacks: list[Callback], logger: Any, quiet: bool = False
) -> Trainer:
    """The configured trainer with a run's callbacks and folder."""
    arguments = trainer_arguments(config)
    arguments["callbacks"] = [*(arguments.get("callbacks") or []), *callbacks, LeaveWhenAsked()]
    plugins = arguments.get("plugins") or []
    plugins = plugins if isinstance(plugins, list) else [plugins]
    if not any(isinstance(plugin, CheckpointIO) for plugin in plugins):
        plugins = [*plugins, CheckpointFile()]
    started = launch()
    if started is not None and started.by == "SLURM":
        # What SLURM sends is heard by aukit.utils.signals; Lightning would save in the middle of a step.
        plugins = [*plugins, SLURMEnvironment(auto_requeue=False)]
    arguments["plugins"] = plugins
    arguments |= placed(arguments, started)
    arguments["logger"] = logger
    arguments["default_root_dir"] = str(run.path)
    # Our samplers share batches between processes themselves, without repeating a frame.
    arguments["use_distributed_sampler"] = False
    if quiet:
        arguments["enable_progress_bar"] = False
        arguments["enable_model_summary"] = False
    shows = arguments.get("enable_progress_bar") is not False
    if shows and not redraws() and not any(isinstance(each, ProgressBar) for each in arguments["callbacks"]):
        arguments["callbacks"].append(ProgressLines())
    try:
        trainer = Trainer(**arguments)
        if trainer.world_size > 1:
            arguments["plugins"] = [*plugins, GlobalLayers()]
            if arguments.get("strategy") in ("auto", None):
                arguments["strategy"] = strategy_of(import_class(config["model"]["class_path"]))
            trainer = Trainer(**arguments)
        return trainer
    except (MisconfigurationException, ValueError, TypeError, RuntimeError, ImportError) as error:
        raise ConfigError(f"experiment {config.experiment}: trainer cannot be made: {error}") from error


def _is_lightnings(error: Exception) -> bool:
    """Whether Lightning's own code raised it, not a model's or ours."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).startswith("lightning.pytorch.")


@contextmanager
def plain_errors(trainer: Trainer) -> Iterator[None]:
    """Say what Lightning says of a configuration as our own error, and let the caller end at Ctrl-C.

    Lightning ends the program then, and ignores further ones. What SLURM sends waits for the next batch.

    Raises:
        ConfigError: Lightning finds a setting that does not fit the model or the data.
        KeyboardInterrupt: Ctrl-C was pressed, or SLURM asked for the end after the last batch.
        RunInterrupted: SLURM asked for the end before.
    """
    try:
        with ending.waits():
            yield
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        # Torch's subclasses of RuntimeError, as of memory, are explained by themselves.
        plain = type(error) is RuntimeError or not isinstance(error, RuntimeError)
        half = type(error) is RuntimeError and trainer.precision in ("16-true", "bf16-true")
        if half and re.search("type|not implemented for", str(error)):
            mixed = str(trainer.precision).replace("true", "mixed")
            raise ConfigError(
                f"trainer.precision={trainer.precision}: the model does not compute in it throughout"
                f" ({error})\ntake trainer.precision={mixed}"
            ) from error
        if not isinstance(error, MisconfigurationException) and not (plain and _is_lightnings(error)):
            raise
        raise ConfigError(f"trainer: {error}") from error
    except SystemExit:
        if not trainer.interrupted:
            raise
        signal.signal(signal.SIGINT, signal.default_int_handler)
        raise KeyboardInterrupt from None


def _choose(checkpoints: RunCheckpoints, options: RunOptions, data: StepDataModule) -> tuple[Path, str]:
    if options.selection == "last":
        return checkpoints.last, "last checkpoint"
    if options.monitor is None:
        raise ConfigError("run.selection=best needs run.monitor, the validation metric to select by")
    if checkpoints.best_score is None:
        why = f"{options.monitor} was never finite" if checkpoints.validated else "nothing was validated"
        return checkpoints.last, f"last checkpoint ({why})"
    whom = ORACLE if data.selects_by_test(options.monitor) else "validation people"
    return checkpoints.best, f"best {options.monitor} ({options.mode}) on {whom}"


def _notes(data: StepDataModule, checkpoints: RunCheckpoints, rule: str) -> dict[str, Any]:
    notes: dict[str, Any] = {"selection": rule}
    if checkpoints.best_score is not None:
        notes["best_score"], notes["best_epoch"] = checkpoints.best_score, checkpoints.best_epoch
    return {**notes, **data_notes(data)}


def run_facts(
    config: RunConfig, data: StepDataModule, run: RunFolder, clock: TimeAndMemory
) -> dict[str, Any]:
    """What a record says of every run, trained or not: configuration, data, code, time and memory."""
    return {
        "identity": run.identity,
        "experiment": config.experiment,
        "config": dict(config),
        "data_fingerprint": data.fingerprint,
        "git_commit": records.git_commit(),
        "seconds": round(clock.seconds, 3),
        "peak_memory_bytes": clock.peak_memory_bytes(),
        "peak_device_memory_bytes": clock.peak_device_memory_bytes(),
        "versions": records.versions(),
        "start_files": dict(run.start_files),
    }


def data_notes(data: StepDataModule) -> dict[str, Any]:
    """What a record says about the data: corpora, the stand-in's recipe, the datamodule's own notes.

    Facts that do not hold are left out.
    """
    store = getattr(data, "store", None)
    facts = {
        "corpus": data.corpus_name,
        "tested_on": None if store is None else store.manifest.get("corpus"),
        "standin": None if store is None else store.standin,
        "rendered": data.rendered,
        "data": data.notes,
    }
    return {name: fact for name, fact in facts.items() if fact}

"""Apply a trained model without training: the checkpoint of a run, another one, or released weights."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import LightningModule

from aukit.datamodules.base import StepDataModule
from aukit.datamodules.corpus import CorpusDataModule
from aukit.errors import ConfigError, StoreError, WeightsError
from aukit.models.weights.files import read_checkpoint
from aukit.training.callbacks import StepSeed, TimeAndMemory
from aukit.training.classes import import_class
from aukit.training.fairness import check_groups, score_groups
from aukit.training.predictions import PredictionWriter
from aukit.training.record import Record
from aukit.training.run import RUNS, build_trainer, data_notes, open_run, plain_errors, run_facts
from aukit.training.run_config import RunConfig, build_model, resolve
from aukit.training.run_folder import RunFolder
from aukit.training.start_files import without_missing_start, without_start_files
from aukit.training.trained_on import TrainedOn
from aukit.utils.files import file_sha256

Stage = Literal["test", "predict"]


def evaluate(
    config: Mapping[str, Any],
    runs_root: str | Path = RUNS,
    stage: Stage = "test",
    checkpoint: str | Path | None = None,
    out: Path | None = None,
    weights: str | Path | None = None,
    held_out: bool = False,
    seen_people: bool = False,
) -> Path:
    """Apply a trained model to the test frames, or to every frame of the store, without training.

    What the model was trained on is compared with the data before anything is scored: images must be of the
    same kind, and the action units of the data among those of the model, whose scores are taken by number.
    Nobody is tested whose labels a named checkpoint has learnt, unless asked for.

    Args:
        config: what `load_config` returns, or a dictionary of its sections.
        runs_root: folder of all run folders.
        stage: "test" writes `predictions-test.parquet` and scores them by group in `fairness-test.json` and
            `.csv`; "predict" writes every frame to `predictions-predict.parquet`, and prints how many were
            left out and why.
        checkpoint: checkpoint to load; None for the one that the finished run of this configuration tested.
            Files of another one have its name and the first digits of its content (SHA-256) in theirs.
        out: file of the predictions, in place of those above: a model's run folder, where the configuration
            names another corpus than the one that it was trained on.
        weights: a file of weights of the whole network to load instead, such as `aukit weights import fgnet`
            writes. No training is needed; the run folder is that of configuration, data and the file's
            content, and its record names the file.
        held_out: test the training people that were held out, not those of the test: their
            `predictions-held-out.parquet` is what thresholds can be chosen on.
        seen_people: test also people whose labels `checkpoint` has learnt.

    Returns:
        Path of the predictions.

    Raises:
        ConfigError: the model does not fit the data (see `TrainedOn.check`), was trained on people who would
            be tested, or has no such step, as those of the pre-trainings; both `checkpoint` and `weights`
            are given; or nobody is held out.
        WeightsError: the file is unreadable, or does not fit the configured model.
        StoreError: the run is not finished and no file is given, or the model's step returns no predictions.
    """
    if checkpoint is not None and weights is not None:
        raise ConfigError("--checkpoint and --weights both name the model; give one of them")
    released = None if weights is None else _released(resolve(config), Path(weights))
    wanted = config if released is None else _starting_from(released, resolve(config))
    if checkpoint is not None:  # it has all weights, whatever its training started from
        wanted = without_missing_start(resolve(config))
    resolved, data, run = open_run(wanted, runs_root)
    cls, step = import_class(resolved["model"]["class_path"]), f"{stage}_step"
    if getattr(cls, step) is getattr(LightningModule, step):
        raise ConfigError(
            f"experiment {resolved.experiment}: {cls.__name__} scores no frames, so there is nothing to"
            f" {stage}; its validation and what it draws are in {run.path}"
        )
    if held_out:
        if not isinstance(data, CorpusDataModule):
            raise ConfigError(
                f"experiment {resolved.experiment}: {type(data).__name__} is of several corpora; test the"
                " held-out people of one, with the configuration that trains on it alone"
            )
        data.test_held_out()
    if stage == "test":
        store: Any = getattr(data, "store", None)
        check_groups(
            resolved.logging.group_by, resolved.logging.attributes, None if store is None else store.table
        )
    if released is not None:
        run = replace(run, path=run.path.with_name(f"weights-{run.path.name}"))
        released.check(data)
        trained, model = released, build_model(resolved)
    else:
        if checkpoint is None and not run.is_done:
            raise StoreError(
                f"{run.path}: no finished run of this configuration; end its `aukit fit` first, or name a"
                " trained model: --checkpoint FILE"
            )
        file = Path(checkpoint or str(Record.read(run.path).checkpoint))
        trained, model = _load(resolved, data, file)
        if checkpoint is not None and stage == "test" and not seen_people:
            trained.check_people(data)
    tested = "held-out" if held_out else stage
    path = out or run.path / f"predictions-{tested}{_other_checkpoint(run, checkpoint)}.parquet"
    writer, clock = PredictionWriter(path, stage, trained.aus), TimeAndMemory()
    callbacks = [StepSeed(resolved.seed), writer]
    trainer = build_trainer(resolved, run, callbacks, logger=False, quiet=out is not None)
    with plain_errors(trainer):
        if stage == "test":
            trainer.test(model, datamodule=data, verbose=False)
        else:
            trainer.predict(model, datamodule=data, return_predictions=False)
    if not writer.written:
        raise StoreError(f"{type(model).__name__}.{stage}_step returns no predictions; nothing was written")
    if stage == "predict" and trainer.is_global_zero and isinstance(data, CorpusDataModule):
        # Whoever predicts has seldom prepared the store, and would miss an image without a face.
        print(f"{len(data.store):,} frames in {data.store.path}, {data.store.left_out()}")
    metrics: dict[str, float] = {}
    if stage == "test" and trainer.is_global_zero:
        name = writer.path.stem.replace("predictions", "fairness")
        scores = score_groups(writer.path, resolved.logging.group_by, resolved.logging.attributes)
        scores.write(writer.path.parent, name)
        metrics = scores.scalars()
    if released is not None and not held_out and trainer.is_global_zero:
        run.save_config(resolved)
        if stage == "test" or not run.is_done:
            record = Record(
                **run_facts(resolved, data, run, clock),
                metrics=metrics,
                checkpoint=None,
                predictions=str(writer.path),
                test_frames_per_second=writer.frames_per_second,
                world_size=trainer.world_size,
                notes={"selection": "released weights, not trained here", **data_notes(data)},
            )
            record.write(run.path)
    return writer.path


def _other_checkpoint(run: RunFolder, checkpoint: str | Path | None) -> str:
    """What the names of files have that belong to another checkpoint than the one the run has tested."""
    if checkpoint is None:
        return ""
    given, tested = Path(checkpoint), Record.read(run.path).checkpoint if run.is_done else None
    if tested is not None and given.resolve() == Path(tested).resolve():
        return ""
    return f"-{given.stem}-{file_sha256(given)[:8]}"


def _load(config: RunConfig, data: StepDataModule, file: Path) -> tuple[TrainedOn, LightningModule]:
    """The model in a checkpoint, and what it was trained on."""
    content = read_checkpoint(file, "name a checkpoint of aukit fit")
    if not isinstance(content.get("state_dict"), Mapping):
        raise WeightsError(f"{file}: is no checkpoint of a training; give files of weights as --weights")
    trained = TrainedOn.of_checkpoint(content, file)
    trained.check(data)
    # The checkpoint has all weights: the files that the training started from need not be there any more.
    model = build_model(_with_aus(without_start_files(config), trained.aus))
    try:
        model.load_state_dict(content["state_dict"])
    except RuntimeError as error:
        lines = textwrap.shorten(" ".join(str(error).splitlines()[1:]), 200, placeholder=" …")
        raise WeightsError(
            f"{file}: does not fit the configured {type(model).__name__}; use the experiment, the profile and"
            f" the model.* of its training ({lines})"
        ) from error
    return trained, model


def _released(config: RunConfig, file: Path) -> TrainedOn:
    """What the network in a file of weights was trained on."""
    cls = import_class(config["model"]["class_path"])
    read = getattr(cls, "released", None)
    if read is None:
        raise ConfigError(f"--weights {file}: {cls.__name__} has no released weights; give --checkpoint FILE")
    about: dict[str, Any] = read(file)
    return TrainedOn(file, tuple(about.pop("aus")), about.pop("corpus"), about)


def _starting_from(released: TrainedOn, config: RunConfig) -> RunConfig:
    """The configuration of the model with these weights."""
    model = _with_aus(config, released.aus)["model"]
    model["init_args"]["weights"] = [str(released.file)]
    return resolve({**config, "model": model})


def _with_aus(config: RunConfig, aus: tuple[int, ...] | None) -> RunConfig:
    """The configuration of the model for these action units, if it has any."""
    model = config["model"]
    if aus is None or list(model.get("init_args", {}).get("aus", aus)) == list(aus):
        return config
    model["init_args"]["aus"] = list(aus)
    return resolve({**config, "model": model})

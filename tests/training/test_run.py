import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from filelock import FileLock
from lightning import LightningModule

from aukit.errors import ConfigError, StoreError
from aukit.training import Record, RunInterrupted, evaluate, execute, read_log
from aukit.training.callbacks import TimeAndMemory
from aukit.training.checkpoint_file import CheckpointFile
from tests.fake_training import FakeDataModule, TinyModule
from tests.fakes import AUS


class Unscored(LightningModule):
    """As a pre-training's: neither a test nor a prediction."""


class OracleDataModule(FakeDataModule):
    """Validates on the people who are tested."""

    selects_on_test = True

    def _split(self):
        train, _, test = super()._split()
        return train, test, test


class FinetunedModule(TinyModule):
    """Its features begin to learn when Lightning's callback says so."""

    def __init__(self, lr: float = 0.01) -> None:
        super().__init__(lr)
        self.backbone = self.features

    def configure_optimizers(self):
        return torch.optim.Adam([p for p in self.parameters() if p.requires_grad], self.lr)


class PlateauModule(TinyModule):
    """Learns more slowly after every epoch: no error is low enough."""

    def configure_optimizers(self):
        optimizer = super().configure_optimizers()["optimizer"]
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
        plateau.best = 0.0
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "val/error"}}


def tiny(tmp_path: Path, manual: bool = False, **run) -> dict:
    return {
        "experiment": "fakes/tiny",
        "seed": 3,
        "trainer": {
            "accelerator": "cpu",
            "devices": 1,
            "max_epochs": 3,
            "num_sanity_val_steps": 0,
            "log_every_n_steps": 1,
            "enable_progress_bar": False,
            "enable_model_summary": False,
        },
        "run": {"monitor": "val/error", "mode": "min", "selection": "best", "save_minutes": 0.0, **run},
        "logging": {"wandb": False},
        "model": {"class_path": "tests.fake_training.TinyModule", "init_args": {"manual": manual}},
        "data": {
            "class_path": "tests.fake_training.FakeDataModule",
            "init_args": {"cache": str(tmp_path / "stores"), "augmentation": "flip", "batch_size": 6},
        },
    }


def checkpoints(record: Record) -> list[Path]:
    return sorted((record.folder / "checkpoints").iterdir())


def weights(record: Record, name: str) -> dict[str, torch.Tensor]:
    return torch.load(record.folder / "checkpoints" / name, weights_only=True)["state_dict"]


def assert_equal_runs(one: Record, two: Record) -> None:
    names = [path.name for path in checkpoints(one)]
    assert names == [path.name for path in checkpoints(two)]
    for name in names:
        first, second = weights(one, name), weights(two, name)
        assert all(torch.equal(first[key], second[key]) for key in first)
    pd.testing.assert_frame_equal(pd.read_parquet(one.predictions), pd.read_parquet(two.predictions))
    # The log of a resumed run has the same steps with the same values, each once.
    pd.testing.assert_frame_equal(read_log(one.folder), read_log(two.folder))


@pytest.fixture(scope="module", params=[False, True], ids=["automatic", "manual"])
def finished(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return execute(tiny(folder, request.param), folder / "runs"), request.param, folder


def test_moving_averages_are_what_is_validated_saved_and_tested(tmp_path):
    config = tiny(tmp_path)
    average = "lightning.pytorch.callbacks.EMAWeightAveraging"
    config["trainer"]["callbacks"] = [{"class_path": average, "init_args": {"decay": 0.5}}]
    record = execute(config, tmp_path / "runs")
    saved = yaml.safe_load((record.folder / "config.yaml").read_text())
    assert saved["trainer"]["callbacks"][0]["init_args"]["decay"] == 0.5
    best = torch.load(record.folder / "checkpoints" / "best.ckpt", weights_only=True)
    averaged, current = best["state_dict"], best["current_model_state"]
    assert not torch.allclose(averaged["head.weight"], current["head.weight"])
    table = pd.read_parquet(evaluate(config, tmp_path / "runs"))
    pd.testing.assert_frame_equal(table, pd.read_parquet(record.predictions))


def test_a_record_says_what_a_reader_needs(finished):
    record, manual, _ = finished
    assert record == Record.read(record.folder)
    content = json.loads((record.folder / "record.json").read_text())
    assert content["predictions"] == "predictions.parquet"  # the folder can be moved
    assert record.notes["standin"] == {"recipe": "fake", "version": 1}
    assert record.notes["data"] == {"people": 6}
    assert "best val/error (min)" in record.notes["selection"]
    assert record.metrics["test/error"] > 0
    assert {"train/loss", "val/error"} <= set(record.metrics)
    assert record.seconds > 0
    assert record.peak_memory_bytes > 50e6
    assert record.test_frames_per_second > 0
    assert {"torch", "lightning", "python"} <= set(record.versions)
    saved = yaml.safe_load((record.folder / "config.yaml").read_text())
    assert saved["model"]["init_args"]["manual"] is manual
    assert saved["data"]["init_args"]["holdout_fraction"] == 0.25  # defaults are written out


def test_a_record_is_json_also_where_values_are_not_finite(finished, tmp_path):
    metrics = {"train/loss": np.inf, "val/error": np.nan, "val/f1": 0.5}
    record = replace(finished[0], metrics=metrics, checkpoint=None, predictions=str(tmp_path / "p.parquet"))
    record.write(tmp_path)

    def refuse(constant):
        raise ValueError(f"{constant} is no JSON")

    written = json.loads((tmp_path / "record.json").read_text(), parse_constant=refuse)
    assert written["metrics"] == {"train/loss": None, "val/error": None, "val/f1": 0.5}
    assert Record.read(tmp_path) == record


def test_predictions_have_one_row_per_test_frame(finished):
    table = pd.read_parquet(finished[0].predictions)
    assert len(table) == 20
    assert set(table["person"]) == {"Fake/P04", "Fake/P05"}
    assert table["row"].is_unique
    assert set(table["gender"]) == {"male", "female"}
    expected = [f"AU{au:02d}_{kind}" for kind in ("label", "score", "expectation") for au in AUS]
    assert set(expected) <= set(table.columns)
    assert table["AU12_expectation"].to_numpy() == pytest.approx(table["AU12_score"].clip(0, 5).to_numpy())


def test_the_test_metric_can_be_recomputed_from_the_predictions(finished):
    record = finished[0]
    table = pd.read_parquet(record.predictions)
    errors = [(table[f"AU{au:02d}_score"] - table[f"AU{au:02d}_label"]) ** 2 for au in AUS]
    assert record.metrics["test/error"] == pytest.approx(np.mean(errors), rel=1e-5)


def test_runs_of_an_earlier_version_are_refused_by_name(finished, tmp_path):
    content = json.loads((finished[0].folder / "record.json").read_text())
    assert content.pop("schema") == 2
    (tmp_path / "record.json").write_text(json.dumps(content))
    with pytest.raises(StoreError, match=r"another version of aukit \(schema 1.*remove the folder"):
        Record.read(tmp_path)


def test_a_finished_run_is_reused(finished, monkeypatch):
    record, manual, folder = finished
    monkeypatch.setattr("aukit.training.run.build_model", None)
    assert execute(tiny(folder, manual), folder / "runs") == record


def test_a_step_s_line_holds_what_that_step_logged(finished):
    log = read_log(finished[0].folder).dropna(subset=["train/loss"])
    assert log["train/loss_of_even"].notna().tolist() == 3 * [True, False, True, False, True]


def test_a_run_stopped_at_every_batch_ends_bit_equal(finished, tmp_path):
    record, manual, folder = finished
    config = tiny(tmp_path, manual, time_limit=0.0)
    config["data"]["init_args"]["cache"] = str(folder / "stores")
    with pytest.raises(RunInterrupted, match="repeat the command to resume"):
        execute(config, tmp_path / "runs")
    resumed, interruptions = None, 1
    while resumed is None:
        try:
            resumed = execute(config, tmp_path / "runs")
        except RunInterrupted:
            interruptions += 1
    assert interruptions == 14  # three epochs of five batches, a stop before each but the first
    assert resumed.identity == record.identity
    assert_equal_runs(record, resumed)
    assert len(list(resumed.folder.glob("csv/version_*"))) == interruptions + 1


SCRIPT = """
import json, sys
from aukit.training import execute
execute(json.loads(sys.argv[1]), sys.argv[2])
"""


def test_a_run_killed_in_an_epoch_ends_bit_equal(tmp_path):
    config = tiny(tmp_path, manual=True)
    record = execute(config, tmp_path / "reference")
    slow = json.loads(json.dumps(config))
    slow["model"]["init_args"]["pause"] = 0.1  # no part of the identity
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, json.dumps(slow), str(tmp_path / "runs")])
    deadline = time.monotonic() + 120
    while not list((tmp_path / "runs").glob("*/checkpoints/best.ckpt")) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.35)  # into the second epoch
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not list((tmp_path / "runs").glob("*/record.json"))
    assert_equal_runs(record, execute(config, tmp_path / "runs"))


def kill_in_its_test(config: dict, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train, and end in the first step of the test."""

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("tests.fake_training.TinyModule.test_step", killed)
        with pytest.raises(KeyboardInterrupt):
            execute(config, runs)


def test_a_run_killed_in_its_test_logs_as_if_it_had_not_been(finished, tmp_path, monkeypatch):
    record, manual, folder = finished
    config = tiny(tmp_path, manual)
    config["data"]["init_args"]["cache"] = str(folder / "stores")
    kill_in_its_test(config, tmp_path / "runs", monkeypatch)
    assert_equal_runs(record, execute(config, tmp_path / "runs"))


def test_a_run_killed_in_its_test_trains_no_further_where_it_had_stopped_early(tmp_path, monkeypatch):
    config = tiny(tmp_path, selection="last")
    stopping = {"monitor": "val/error", "stopping_threshold": 100.0}  # after the first epoch
    class_path = "lightning.pytorch.callbacks.EarlyStopping"
    config["trainer"]["callbacks"] = [{"class_path": class_path, "init_args": stopping}]
    reference = execute(config, tmp_path / "reference")
    assert read_log(reference.folder)["epoch"].max() < 2
    kill_in_its_test(config, tmp_path / "runs", monkeypatch)
    resumed = execute(config, tmp_path / "runs")
    assert_equal_runs(reference, resumed)
    assert resumed.metrics == reference.metrics
    assert resumed.notes == reference.notes


def to_its_end(config: dict, runs: Path) -> Record:
    while True:
        try:
            return execute(config, runs)
        except RunInterrupted:
            continue


def test_validation_within_epochs_is_not_lost_by_a_stop(tmp_path):
    def run(folder, **options):
        config = tiny(tmp_path, **options)
        config["trainer"] |= {"val_check_interval": 2, "max_epochs": 2}
        return to_its_end(config, folder)

    assert_equal_runs(run(tmp_path / "a"), run(tmp_path / "b", time_limit=0.0))


@pytest.mark.parametrize(
    "trainer",
    [
        {"accumulate_grad_batches": 2, "log_every_n_steps": 2},  # the last batch of an epoch is a step alone
        {"check_val_every_n_epoch": None, "val_check_interval": 4},  # batches are counted over epochs
    ],
)
def test_settings_of_a_trainer_outlast_stops(tmp_path, trainer):
    def run(folder, **options):
        config = tiny(tmp_path, **options)
        config["trainer"] |= trainer
        return to_its_end(config, folder)

    whole, pieces = run(tmp_path / "a"), run(tmp_path / "b", time_limit=0.0)
    assert_equal_runs(whole, pieces)
    assert (pieces.metrics, pieces.notes) == (whole.metrics, whole.notes)


@pytest.mark.parametrize(
    ("callback", "options"),
    [
        ("GradientAccumulationScheduler", {"scheduling": {1: 2}}),
        ("BackboneFinetuning", {"unfreeze_backbone_at_epoch": 1, "backbone_initial_lr": 0.005}),
    ],
)
def test_what_a_callback_sets_at_the_start_of_an_epoch_outlasts_stops(tmp_path, callback, options):
    def run(folder, **limits):
        config = tiny(tmp_path, **limits)
        class_path = f"lightning.pytorch.callbacks.{callback}"
        config["trainer"]["callbacks"] = [{"class_path": class_path, "init_args": options}]
        config["model"] = {"class_path": "tests.training.test_run.FinetunedModule"}
        return to_its_end(config, folder)

    assert_equal_runs(run(tmp_path / "a"), run(tmp_path / "b", time_limit=0.0))


def test_an_average_that_cannot_go_on_after_a_stop_is_named(tmp_path):
    config = tiny(tmp_path, time_limit=0.0, selection="last")
    options = {"swa_lrs": 0.02, "swa_epoch_start": 2}  # counted from 1
    class_path = "lightning.pytorch.callbacks.StochasticWeightAveraging"
    config["trainer"]["callbacks"] = [{"class_path": class_path, "init_args": options}]
    with pytest.raises(StoreError, match=r"last.ckpt: StochasticWeightAveraging .*\nremove this file"):
        to_its_end(config, tmp_path / "runs")
    state = torch.load(next((tmp_path / "runs").glob("*/checkpoints/last.ckpt")), weights_only=True)
    assert state["epoch"] == 1  # a stop before the average is no matter


@pytest.mark.parametrize("trainer", [{"max_epochs": 2}, {"max_steps": 10, "val_check_interval": 2}])
def test_a_rate_that_follows_a_metric_is_not_changed_by_stops(tmp_path, trainer):
    def run(folder, **options):
        config = tiny(tmp_path, selection="last", **options)
        config["trainer"] |= trainer
        config["model"] = {"class_path": "tests.training.test_run.PlateauModule"}
        return to_its_end(config, folder)

    assert_equal_runs(run(tmp_path / "a"), run(tmp_path / "b", time_limit=0.0))


@pytest.mark.parametrize("selection", ["best", "last"])
def test_a_finished_run_keeps_the_weights_that_were_tested(tmp_path, selection):
    config = tiny(tmp_path, selection=selection)
    record = execute(config, tmp_path / "runs")
    assert Path(record.checkpoint).name == f"{selection}.ckpt"
    names = [path.name for path in checkpoints(record)]
    assert names == (["best.ckpt"] if selection == "best" else ["best.ckpt", "last.ckpt"])
    for name in names:
        content = torch.load(record.folder / "checkpoints" / name, weights_only=True)
        assert content["state_dict"]
        assert not content.keys() & {"optimizer_states", "lr_schedulers", "callbacks"}
    again = pd.read_parquet(evaluate(config, tmp_path / "runs"))
    pd.testing.assert_frame_equal(again, pd.read_parquet(record.predictions))
    # Killed after its record and before its state was removed: the next call does that.
    if selection == "best":
        left = record.folder / "checkpoints/last.ckpt"
        left.write_bytes(b"state")
        assert execute(config, tmp_path / "runs") == record
        assert not left.exists()


def states_written(monkeypatch, tmp_path, **options) -> int:
    """How often a run of three epochs of five batches writes its state."""
    written = []
    save = CheckpointFile.save_checkpoint

    def noting(self, checkpoint, path, storage_options=None):
        written.append(Path(path).name)
        save(self, checkpoint, path, storage_options)

    monkeypatch.setattr(CheckpointFile, "save_checkpoint", noting)
    execute(tiny(tmp_path, **options), tmp_path / "runs")
    return written.count("last.ckpt")


def test_the_state_is_written_by_the_clock_and_at_the_end(tmp_path, monkeypatch):
    assert states_written(monkeypatch, tmp_path, save_minutes=60.0) == 1


def test_the_state_may_be_written_before_every_batch(tmp_path, monkeypatch):
    assert states_written(monkeypatch, tmp_path, save_minutes=0.0) == 15


def test_a_best_checkpoint_from_after_the_state_is_found_again(tmp_path):
    """A run killed when its best weights were newer than the state that it goes on from."""
    reference = execute(tiny(tmp_path), tmp_path / "reference")
    with pytest.raises(RunInterrupted):
        execute(tiny(tmp_path, time_limit=0.0), tmp_path / "runs")
    (run,) = (tmp_path / "runs").iterdir()
    last = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    (name,) = (name for name in last["callbacks"] if name.startswith("RunCheckpoints"))
    last["callbacks"][name] = {"best_score": -1.0, "best_epoch": 0}  # better than any that it will find
    torch.save(last, run / "checkpoints/last.ckpt")
    shutil.copy2(reference.checkpoint, run / "checkpoints/best.ckpt")
    resumed = execute(tiny(tmp_path), tmp_path / "runs")
    assert_equal_runs(reference, resumed)
    assert resumed.notes == reference.notes


def test_several_processes_do_not_write_the_run_of_another_one(tmp_path, monkeypatch):
    config = tiny(tmp_path)
    with pytest.raises(RunInterrupted):
        execute({**config, "run": {**config["run"], "time_limit": 0.0}}, tmp_path / "runs")
    (folder,) = (tmp_path / "runs").iterdir()
    monkeypatch.setattr("aukit.training.run.started_several", lambda started: True)
    with FileLock(folder / ".lock"), pytest.raises(StoreError, match="another process is working"):
        execute(config, tmp_path / "runs")
    execute(config, tmp_path / "runs")


@pytest.mark.parametrize("ends", ["well", "killed", "without a step"])
def test_a_process_waits_for_another_one_s_run_and_takes_it_over(tmp_path, monkeypatch, ends):
    monkeypatch.setattr("aukit.training.run_folder._SECONDS", 0.02)
    config, runs = tiny(tmp_path), tmp_path / "runs"
    if ends == "well":
        theirs = execute(config, tmp_path / "theirs").folder
    else:
        with pytest.raises(RunInterrupted):
            execute({**config, "run": {**config["run"], "time_limit": 0.0}}, tmp_path / "theirs")
        (theirs,) = (tmp_path / "theirs").iterdir()
    folder = runs / theirs.name
    folder.mkdir(parents=True)
    said, holds, waits = [], threading.Event(), threading.Event()

    def work() -> None:
        with FileLock(folder / ".lock"):
            holds.set()
            waits.wait(500)
            if ends == "without a step":
                shutil.rmtree(folder)
            else:
                shutil.copytree(theirs, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".lock"))

    other = threading.Thread(target=work)
    other.start()
    holds.wait(500)
    monkeypatch.setattr("builtins.print", lambda *words, **_: (said.append(words[0]), waits.set()))
    record = execute(config, runs)
    other.join()
    assert said == [f"{folder}: another process is working on this run; waiting for it"]
    assert len(list(folder.glob("csv/version_*"))) == (2 if ends == "killed" else 1)
    assert record == Record.read(folder)


def test_the_configuration_of_a_begun_run_is_not_overwritten(tmp_path):
    config = tiny(tmp_path)
    with pytest.raises(RunInterrupted):
        execute({**config, "run": {**config["run"], "time_limit": 0.0}}, tmp_path / "runs")
    (path,) = (tmp_path / "runs").glob("*/config.yaml")
    before = path.read_text()
    execute(config, tmp_path / "runs")
    assert path.read_text() == before


def test_evaluate_repeats_the_test_and_predicts_every_frame(finished):
    record, manual, folder = finished
    again = pd.read_parquet(evaluate(tiny(folder, manual), folder / "runs", "test"))
    pd.testing.assert_frame_equal(again, pd.read_parquet(record.predictions))
    everything = pd.read_parquet(evaluate(tiny(folder, manual), folder / "runs", "predict"))
    assert everything["row"].tolist() == list(range(60))
    with pytest.raises(StoreError, match="no finished run of this configuration"):
        evaluate({**tiny(folder, manual), "seed": 9}, folder / "runs")


@pytest.mark.parametrize("stage", ["test", "predict"])
def test_a_model_that_scores_no_frames_is_told(finished, tmp_path, stage):
    _, manual, folder = finished
    config = {**tiny(folder, manual), "model": {"class_path": "tests.training.test_run.Unscored"}}
    with pytest.raises(ConfigError, match=f"fakes/tiny: Unscored scores no frames.*nothing to {stage}"):
        evaluate(config, tmp_path / "runs", stage, checkpoint=finished[0].checkpoint)


def test_selection_without_a_metric_and_a_metric_that_is_not_logged(tmp_path):
    with pytest.raises(ConfigError, match=r"give run\.monitor"):
        execute(tiny(tmp_path, monitor=None), tmp_path / "runs")
    with pytest.raises(ConfigError, match=r"'val/f1' is not logged.*val/error"):
        execute(tiny(tmp_path, monitor="val/f1"), tmp_path / "runs")


def test_a_selection_that_was_not_made_says_why(tmp_path):
    config = tiny(tmp_path)
    config["trainer"] |= {"max_epochs": 1, "limit_val_batches": 0}
    assert execute(config, tmp_path / "runs").notes["selection"] == "last checkpoint (nothing was validated)"
    config = tiny(tmp_path)
    config["trainer"]["max_epochs"] = 1
    config["model"]["init_args"]["lr"] = 1e30
    assert "(val/error was never finite)" in execute(config, tmp_path / "runs").notes["selection"]


def test_values_that_were_never_given_are_asked_for(tmp_path):
    config = tiny(tmp_path)
    config["data"]["init_args"]["root"] = "???"
    with pytest.raises(ConfigError, match=r"give data\.root="):
        execute(config, tmp_path / "runs")


def test_progress_is_reported(tmp_path):
    seen = []
    execute(
        tiny(tmp_path, monitor=None, selection="last"),
        tmp_path / "runs",
        progress=lambda *args: seen.append(args),
    )
    assert seen[0] == (1, 15)
    assert all(done <= total == 15 for done, total in seen)


def test_an_offline_wandb_run_lies_in_the_run_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = tiny(tmp_path, monitor=None, selection="last")
    config["logging"] = {"wandb": True}
    config["trainer"]["max_epochs"] = 1
    record = execute(config, tmp_path / "runs")
    assert list(record.folder.glob("wandb/offline-run-*/*.wandb"))
    assert not (tmp_path / "wandb").exists()
    assert (record.folder / "csv" / "version_0" / "metrics.csv").is_file()


def test_time_is_counted_once_when_a_run_tests_its_own_checkpoint():
    clock = TimeAndMemory()
    time.sleep(0.2)
    saved = clock.state_dict()
    clock.load_state_dict(saved)
    assert clock.seconds < 0.35
    later = TimeAndMemory()
    later.load_state_dict({"seconds": 100.0})
    assert 100 <= later.seconds < 101
    slow = TimeAndMemory()  # to begin with: longer than the attempt before took in all
    time.sleep(0.2)
    slow.load_state_dict({"seconds": 0.1})
    assert slow.seconds >= 0.3


def test_a_checkpoint_that_test_people_select_is_called_an_oracle(tmp_path):
    config = tiny(tmp_path)
    usual = execute(config, tmp_path / "runs")
    assert usual.notes["selection"] == "best val/error (min) on validation people"
    config["data"]["class_path"] = f"{__name__}.OracleDataModule"
    record = execute(config, tmp_path / "runs")
    assert record.notes["selection"] == "best val/error (min) on the test people, an oracle"

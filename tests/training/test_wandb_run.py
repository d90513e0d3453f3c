"""The W&B run of a training, by the real client offline: what it is called, holds and keeps back."""

import math
import os
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

from aukit.errors import ConfigError
from aukit.models.components.pictures import save_picture
from aukit.training import LoggingOptions, RunInterrupted, execute, read_log
from aukit.training.loggers import RunLog
from aukit.training.wandb_mode import wandb_mode
from aukit.training.wandb_run import RunWandbLogger, begin_wandb, ending_wandb
from tests import wandb_files
from tests.fake_training import FakeDataModule, TinyModule
from tests.trainers import QUIET

BATCHES = 5
PLOTS = ["pictures/fairness"]  # of intensities, which have no reliability curves
NAMES = {"id": "a", "name": "n", "group": "g", "job_type": "fit", "tags": [], "config": {}}


class Drawing(TinyModule):
    """Steps both optimizers thrice a batch, and draws a picture per validation."""

    def __init__(self, **options):
        super().__init__(manual=True, **options)

    def training_step(self, batch, batch_idx):
        for _ in range(3):
            super().training_step(batch, batch_idx)

    def on_validation_epoch_end(self):
        save_picture(self, "faces", np.zeros((4, 4, 3), np.uint8))


class Photographs(FakeDataModule):
    """The same frames, as if they were no stand-in's."""

    @property
    def rendered(self):
        return False


def config(folder, data=FakeDataModule, logging=None, **run):
    """Two epochs of five batches, with a validation after each."""
    return {
        "experiment": "fakes/drawn",
        "profile": "tiny",
        "seed": 3,
        "trainer": {**QUIET, "devices": 1, "max_epochs": 2, "num_sanity_val_steps": 0},
        "run": {"monitor": "val/error", "mode": "min", "selection": "best", **run},
        "logging": logging or {},
        "model": {"class_path": f"{__name__}.Drawing", "init_args": {"lr": 0.02}},
        "data": {
            "class_path": f"{data.__module__}.{data.__name__}",
            "init_args": {"cache": str(folder / "stores"), "batch_size": 6},
        },
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wandb")
    return execute(config(folder), folder / "runs")


def test_a_run_has_the_whole_nested_configuration_and_what_the_data_are(finished):
    held = wandb_files.config(finished.folder)
    assert held["model"]["init_args"]["lr"] == 0.02
    assert held["data"]["init_args"]["holdout_fraction"] == 0.25  # defaults too
    assert (held["seed"], held["profile"], held["experiment"]) == (3, "tiny", "fakes/drawn")
    assert held["identity"] == finished.identity
    assert (held["data_origin"], held["standin"]) == ("standin", {"recipe": "fake", "version": 1})
    assert held["data_fingerprint"] == finished.data_fingerprint
    assert held["git_commit"] == finished.git_commit
    assert held["versions"]["aukit"] == finished.versions["aukit"]
    assert not {"lr", "manual", "cache"} & set(held)  # no second copy beside it


def test_a_run_is_grouped_by_its_experiment_and_tagged(finished):
    run = wandb_files.run(finished.folder)
    assert (run.project, run.run_group, run.job_type) == ("aukit", "fakes/drawn", "fit")
    assert run.run_id == finished.identity[:16]
    assert set(run.tags) == {"fakes", "fakecorpus", "tiny", "standin"}


def test_steps_are_batches_however_many_optimizers_step(finished):
    (rows,) = wandb_files.attempts(finished.folder)
    assert [row["_step"] for row in rows] == [*range(2 * BATCHES), 2 * BATCHES]
    assert all(row["trainer/global_step"] == row["_step"] for row in rows)
    assert [row["_step"] for row in rows if "val/error" in row] == [BATCHES - 1, 2 * BATCHES - 1]
    log = read_log(finished.folder)
    assert sorted(set(log["step"])) == [row["_step"] for row in rows]
    assert log.loc[log["test/f1"].notna(), "step"].tolist() == [2 * BATCHES]


def test_the_summary_has_the_best_value_its_epoch_and_the_test(finished):
    held = wandb_files.summary(finished.folder)
    curve = read_log(finished.folder)["val/error"].dropna().to_list()
    assert held["best/val/error"] == pytest.approx(min(curve), rel=1e-6)
    assert held["best/epoch"] == int(np.argmin(curve))
    assert held["selection"].startswith("best val/error")
    assert held["test/f1"] == pytest.approx(finished.metrics["test/f1"])


def test_a_resumed_run_offline_holds_the_steps_before_too(finished, tmp_path):
    """Also those that the client had not written when the first attempt was killed."""
    with pytest.raises(RunInterrupted):
        execute(config(tmp_path, time_limit=0.0), tmp_path / "runs")
    (file,) = tmp_path.glob("runs/*/wandb/offline-run-*/*.wandb")
    file.write_bytes(file.read_bytes()[:7])  # as after a kill
    (folder,) = (tmp_path / "runs").iterdir()
    save = folder / "faces" / "step0000001.png"
    save.parent.mkdir(exist_ok=True)
    Image.new("RGB", (4, 4)).save(save)
    record = execute(config(tmp_path), tmp_path / "runs")
    (rows,), (whole,) = wandb_files.attempts(record.folder), wandb_files.attempts(finished.folder)
    assert [row["_step"] for row in rows] == [row["_step"] for row in whole]
    for one, two in zip(rows, whole, strict=True):
        numbers = {key for key, value in two.items() if isinstance(value, float) and key[0] != "_"}
        assert {key: one[key] for key in numbers} == {key: two[key] for key in numbers}
        assert one["epoch"] == two["epoch"]
    assert "pictures/faces/_type" in rows[0]


def test_a_resumed_run_offline_holds_all_that_a_step_has_logged(tmp_path):
    log = RunLog(tmp_path)
    log.log_metrics({"loss": 0.5, "f1": math.nan, "epoch": 0}, step=3)
    log.log_metrics({"lr": 0.25}, step=3)  # without an epoch, as LearningRateMonitor does
    log.save()
    run = begin_wandb(tmp_path, LoggingOptions(), **NAMES)
    with ending_wandb(run):
        RunWandbLogger(run, tmp_path, pictures=False).log_metrics({"loss": 1.5, "epoch": 0}, 4)
    first, last = wandb_files.attempts(tmp_path)[0]
    assert (first["_step"], first["loss"], first["lr"], first["epoch"]) == (3, 0.5, 0.25, 0)
    assert math.isnan(float(first["f1"]))
    assert (last["_step"], last["loss"]) == (4, 1.5)


def test_pictures_are_logged_where_nobody_is_in_them(finished):
    assert len(list((finished.folder / "faces").iterdir())) == 2
    assert wandb_files.media(finished.folder, "images") == ["pictures/faces", *PLOTS]


@pytest.fixture(scope="module")
def photographed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    return execute(config(folder, Photographs), folder / "runs")


def test_pictures_of_people_stay_in_the_run_s_folder(photographed):
    assert len(list((photographed.folder / "faces").iterdir())) == 2
    assert wandb_files.media(photographed.folder, "images") == PLOTS
    assert wandb_files.config(photographed.folder)["data_origin"] == "licensed or own"


def test_options_decide_and_do_not_change_what_a_run_is(photographed, tmp_path):
    named = {"project": "mine", "entity": "us", "group": "night", "job_type": "try", "tags": ["a", "tiny"]}
    record = execute(config(tmp_path, Photographs, {**named, "pictures": True}), tmp_path / "runs")
    run = wandb_files.run(record.folder)
    assert (run.project, run.entity, run.run_group, run.job_type) == ("mine", "us", "night", "try")
    assert sorted(run.tags) == ["a", "fakecorpus", "fakes", "licensed or own", "tiny"]
    assert wandb_files.media(record.folder, "images") == ["pictures/faces", *PLOTS]
    assert record.identity == photographed.identity


def test_where_it_is_disabled_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    record = execute(config(tmp_path), tmp_path / "runs")
    assert not list(record.folder.rglob("*wandb*"))
    assert list(record.folder.glob("csv/*/metrics.csv"))


def test_a_step_that_is_behind_an_online_run_is_kept(tmp_path):
    run = begin_wandb(tmp_path, LoggingOptions(), **NAMES)
    with ending_wandb(run):
        logger = RunWandbLogger(run, tmp_path, pictures=False)
        for step, name in ((0, "one"), (7, "two"), (5, "three")):
            logger.log_metrics({name: torch.tensor(1.0)}, step)
    first, last = wandb_files.attempts(tmp_path)[0]
    assert (first["_step"], first["one"]) == (0, 1)
    assert (last["_step"], last["two"], last["three"]) == (7, 1, 1)


def test_a_run_of_the_caller_s_is_left_alone(tmp_path):
    mine = begin_wandb(tmp_path, LoggingOptions(), **NAMES)
    with ending_wandb(mine):
        with pytest.raises(ConfigError, match=r"has the Weights & Biases run a; end it with wandb\.finish"):
            execute(config(tmp_path), tmp_path / "runs")
        assert execute(config(tmp_path, logging={"wandb": False}), tmp_path / "runs").metrics
        mine.log({"goes on": 1})
    assert wandb_files.history(tmp_path)["goes on"] == 1
    assert wandb_files.exit_code(tmp_path) == 0


def test_a_long_name_of_an_experiment_is_no_error(tmp_path):
    long = "resnet50-bp4d-and-disfa-photometric-with-class-weights-and-a-cosine-schedule"
    run = begin_wandb(tmp_path, LoggingOptions(tags=["", "night"]), **{**NAMES, "tags": [long], "name": long})
    with ending_wandb(run):
        run.log({"a": 1})
    held = wandb_files.run(tmp_path)
    assert sorted(held.tags) == ["night", long[:64]]
    assert held.display_name == long


@pytest.mark.parametrize(
    ("key", "options", "words"),
    [("abc", {}, "API key must have"), ("", {"project": "a/b"}, "Invalid project name 'a/b'")],
)
def test_a_run_that_is_not_begun_is_said_with_the_remedy(stranger, monkeypatch, key, options, words):
    monkeypatch.setenv("WANDB_API_KEY", key)
    with pytest.raises(ConfigError, match=rf"begins no run: .*{words}.*\n.*WANDB_MODE=offline"):
        begin_wandb(stranger, LoggingOptions(**options), **NAMES)


def test_what_fails_is_a_failed_run(tmp_path):
    with pytest.raises(ConfigError, match="is not logged in validation"):
        execute(config(tmp_path, monitor="val/f1"), tmp_path / "runs")
    (folder,) = (tmp_path / "runs").iterdir()
    assert wandb_files.exit_code(folder) == 1


# ------------------------------------------------------------------ where runs go


@pytest.fixture
def stranger(tmp_path, monkeypatch):
    """A user without any W&B settings."""
    for name in [name for name in os.environ if name.startswith("WANDB_") or name == "NETRC"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MPLCONFIGDIR", matplotlib.get_cachedir())  # else fonts are searched for first
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_runs_are_offline_without_a_key(stranger):
    assert wandb_mode() == "offline"


def test_the_key_that_wandb_login_leaves_is_found(stranger):
    (stranger / ".netrc").write_text("machine api.wandb.ai\n  login user\n  password secret\n")
    (stranger / ".netrc").chmod(0o600)
    assert wandb_mode() == "online"


def test_environment_decides_first(stranger, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "secret")
    assert wandb_mode() == "online"
    for mode in ("offline", "disabled"):
        monkeypatch.setenv("WANDB_MODE", mode)
        assert wandb_mode() == mode


def test_the_real_client_of_a_stranger_writes_offline_and_says_nothing(stranger):
    program = (
        "from pathlib import Path\n"
        "from aukit.training import LoggingOptions\n"
        "from aukit.training.wandb_run import begin_wandb, ending_wandb\n"
        f"run = begin_wandb(Path('run'), LoggingOptions(), **{NAMES})\n"
        "with ending_wandb(run):\n"
        "    run.log({'loss': 1.0})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=stranger, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert list((stranger / "run" / "wandb").glob("offline-run-*/*.wandb"))
    assert "wandb:" not in done.stdout + done.stderr

"""Plans: stages, operations, hours and disk, without running anything."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from aukit.cli import main as aukit
from aukit.errors import ConfigError
from aukit.reproduce import table_class
from aukit.reproduce.cluster import busiest, cluster_lines
from aukit.reproduce.costs import Crops, Disk, Effort, Rows, Trainings, steps_of_epoch
from aukit.reproduce.options import TableOptions
from aukit.reproduce.plan import Stage, check_disk, most_bytes
from aukit.reproduce.throughput import ASSUMED_GPU, NETWORK, NVLINK, Cluster
from aukit.training import load_config
from aukit.training.cost import Exchange
from aukit.utils import experiments

EXPECTED = {
    "niinuma2021": (
        "9,408 frames",
        "8,400 images",
        "shuffled_labels",
        "3,800",
        "11,640",
        "estimators 3 trainings",
        "GB are free",
        "measured",
    ),
    "fgnet": ("5,248 frames", "3,456 frames", "fgnet-bp4d-fold0", "Not run in mini", "GB are free"),
    "pm2": (
        "5,248 frames",
        "3,456 frames",
        "6,912 renders",
        "weights    8 trainings",
        "3,600 renders",
        "2 starts, then 16",
    ),
}


@pytest.mark.parametrize("table", EXPECTED)
def test_the_plan_runs_nothing(table, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert aukit(["reproduce", table, "--plan", "--profile", "mini"]) == 0
    text = capsys.readouterr().out
    for expected in EXPECTED[table]:
        assert expected in text
    assert not (tmp_path / "lightning_logs").exists()


class Written:
    """A part of a stage with known disk."""

    def __init__(self, kept, transient=0):
        self.disk = lambda: Disk(kept, transient, pieces=2)


def test_the_most_disk_is_that_of_a_stage_while_it_runs():
    assert most_bytes([Disk(10, 100), Disk(30, 5)]) == 110
    assert most_bytes([Disk(10, 100), Disk(30, 5), Disk(80)]) == 120


def test_trainings_side_by_side_have_their_states_at_the_same_time():
    stage = Stage("some", [Written(1, 10), Written(2, 100)])
    assert [stage.disk(jobs) for jobs in (1, 3, 8)] == [Disk(3, 100), Disk(3, 210), Disk(3, 220)]


def test_too_little_disk_is_refused_by_name(tmp_path):
    free = shutil.disk_usage(tmp_path).free
    check_disk([Stage("some", [Written(1e6)])], tmp_path / "logs", 1)
    message = r"logs: .* GB are needed and .* are free.*larger disk.*--profile"
    with pytest.raises(ConfigError, match=message):
        check_disk([Stage("some", [Written(1e9, free)])], tmp_path / "logs", 2)


def test_a_table_that_has_no_room_is_not_begun(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("aukit.reproduce.plan.free_bytes", lambda folder: 1000)
    assert aukit(["reproduce", "fgnet", "--profile", "smoke"]) == 2
    assert "MB are needed" in capsys.readouterr().err
    assert not (tmp_path / "lightning_logs").exists()


@pytest.mark.parametrize(
    ("table", "profile"),
    [
        ("niinuma2021", "smoke"),
        ("niinuma2021", "paper"),
        pytest.param("fgnet", "standin", marks=pytest.mark.slow),
        ("fgnet", "paper"),
        pytest.param("pm2", "paper", marks=pytest.mark.slow),
    ],
)
def test_large_and_small_sizes_have_a_plan(table, profile, tmp_path, monkeypatch):
    for variable in ("FGNET", "RESNET50", "SWIN", "VIT", "VGG16"):
        monkeypatch.delenv(f"AUKIT_{variable}_WEIGHTS", raising=False)
    made = table_class(table)(TableOptions(profile, {}, tmp_path))
    stages = {stage.name: stage for stage in made.plan_stages()}
    assert stages["registration"].disk(1).kept > 0
    trained = [item for stage in stages.values() for item in stage.items if isinstance(item, Trainings)]
    assert trained or (table, profile) == ("fgnet", "paper")  # which needs weights
    assert all(item.disk().transient > item.model.weights_bytes for item in trained)
    largest = max(trained, key=lambda item: item.model.parameters, default=None)
    assert largest is None or largest.effort(ASSUMED_GPU).multiply_adds > 1e6


def test_unset_weights_are_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    weights = tmp_path / "vgg16.pt"
    torch.save({}, weights)
    monkeypatch.delenv("AUKIT_VGG16_WEIGHTS", raising=False)
    monkeypatch.delenv("AUKIT_VIT_WEIGHTS", raising=False)
    assert aukit(["reproduce", "fgnet", "--plan", "--profile", "paper"]) == 0
    assert "AUKIT_VIT_WEIGHTS" in (text := capsys.readouterr().out)
    assert "not set: its column is not run" in text


def test_a_missing_experiment_is_noticed(tmp_path, monkeypatch):
    home = tmp_path / "experiments"
    shutil.copytree(experiments.experiments_folder(), home)
    (home / "baselines.yaml").unlink()
    monkeypatch.setattr(experiments, "_PACKAGE", tmp_path)
    with pytest.raises(ConfigError, match=r"baselines: no such configuration file"):
        table_class("fgnet")(TableOptions("mini", {}, tmp_path))


def test_what_several_columns_share_is_planned_once(tmp_path, monkeypatch):
    """In the paper's size no column of Table 3 has the idiosyncratic loss."""
    monkeypatch.setenv("AUKIT_VGG16_WEIGHTS", "random")
    stages = table_class("niinuma2021")(TableOptions("paper", {}, tmp_path), "3").plan_stages()
    counts = {
        stage.name: len(stage.items) for stage in stages if stage.name in ("GAN", "synthesis", "estimators")
    }
    assert counts == {"GAN": 1, "synthesis": 1, "estimators": 6}
    words = " ".join(line for stage in stages for line in stage.lines)
    assert "GAN        1 trainings: synthesis" in words
    assert words.count("for synthetic") == 1


def test_images_that_are_turned_take_disk_too(tmp_path, monkeypatch):
    monkeypatch.setenv("AUKIT_VGG16_WEIGHTS", "random")
    stages = table_class("niinuma2021")(TableOptions("paper", {}, tmp_path), "Fig5").plan_stages()
    (synthesis,) = [stage for stage in stages if stage.name == "synthesis"]
    synthetic, turned = synthesis.items
    assert synthetic.disk().kept == 210_000 * 3 * 224**2
    assert turned.disk().kept == 7 * 6 * 9 * 500 * 3 * 224**2
    cores = replace(ASSUMED_GPU, cores=1)
    assert turned.effort(cores).seconds == pytest.approx(189_000 * 7e-3, rel=0.02)
    assert "189,000 images (4,500 per level and action unit) for rotated" in " ".join(
        line for stage in stages for line in stage.lines
    )


def trainings(runs: Path, **changes) -> Trainings:
    config = load_config("baselines", "smoke", ["data.root=ROOT"])
    return Trainings("some", config, Rows(100, 0, 50), runs, **{"seeds": [0], "folds": [0, 1], **changes})


def test_finished_runs_are_not_counted_again(tmp_path):
    fresh = trainings(tmp_path)
    effort = fresh.effort(ASSUMED_GPU)
    assert (effort.trainings, effort.done, effort.steps) == (2, 0, 12)
    for fold, done in ((0, True), (1, False), (2, True)):
        config = load_config("baselines", "smoke", ["data.root=ROOT", f"fold={fold}"])
        run = tmp_path / f"baselines-bp4d-{fold}"
        run.mkdir()
        (run / "config.yaml").write_text(yaml.safe_dump(dict(config)))
        (run / ("record.json" if done else "half.ckpt")).write_bytes(bytes(10_000))
    before = fresh.model.weights_bytes + 50 * 12 * 8 + 1.2e6
    left = trainings(tmp_path)
    effort = left.effort(ASSUMED_GPU)
    assert (effort.trainings, effort.done, effort.steps) == (1, 1, 6)
    assert before - 20_000 < left.disk().kept < before - 10_000  # what the begun one has is there
    assert trainings(tmp_path, seeds=[1]).effort(ASSUMED_GPU).done == 0


def test_a_store_that_is_there_costs_nothing(tmp_path):
    crops = Crops("bp4d", 10, {"registration": "ffhq", "size": 32, "cache": str(tmp_path)})
    assert crops.disk().kept == 10 * (3 * 32**2 + 68 * 3 * 4)
    assert crops.effort(ASSUMED_GPU).seconds > 0
    smaller = Crops("bp4d", 10, {**crops.data, "encoding": "jpeg"})
    assert 10 * 68 * 3 * 4 < smaller.disk().kept < crops.disk().kept / 2
    (tmp_path / "bp4d-ffhq-32-0123").mkdir()
    assert crops.disk() == Disk()
    assert crops.effort(ASSUMED_GPU) == Effort()
    assert smaller.disk().kept > 0  # of another kind
    (tmp_path / "bp4d-ffhq-jpeg95-32-0123").mkdir()
    assert smaller.disk() == Disk()


@pytest.mark.parametrize(
    ("overrides", "rows", "steps"),
    [
        ([], 1000, 6),
        (["data.steps_per_epoch=null"], 1000, 125),
        (["data.steps_per_epoch=null", "trainer.limit_train_batches=20"], 1000, 20),
        (["data.steps_per_epoch=null", "data.drop_last=false", "trainer.limit_train_batches=20"], 100, 13),
    ],
)
def test_steps_of_an_epoch(overrides, rows, steps):
    assert steps_of_epoch(load_config("baselines", "smoke", overrides), rows) == steps


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--gpus", "0", "--plan"], "--gpus 0: choose a number from 1 to 64"),
        (["--gpus", "65", "--plan"], "--gpus 65: choose a number from 1 to 64"),
        (["--gpus", "8"], "add --plan, or say --jobs 8"),
    ],
)
def test_a_wrong_number_of_gpus(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert aukit(["reproduce", "niinuma2021", "--profile", "smoke", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_plan_for_several_gpus(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert aukit(["reproduce", "fgnet", "--plan", "--profile", "smoke", "--gpus", "3"]) == 0
    text = capsys.readouterr().out
    for expected in ("side by side", "each on all", "all-reduce per step", "assumed: NVLink", "disk below"):
        assert expected in text
    assert "a batch of 8 is shared by 2 of the 3 GPUs" in text
    assert not (tmp_path / "lightning_logs").exists()


def test_an_all_reduce_by_hand():
    # Of 1 GB each of four GPUs sends on 1.5, and passes on what it is handed once.
    exchange = Exchange(gradients=0.9e9, norms=0.1e9, buffers=0.5e9, calls=100)
    seconds = 2e9 / NVLINK.bandwidth + 100 * NVLINK.call
    assert Cluster(ASSUMED_GPU, 4).seconds(exchange) == pytest.approx(seconds)
    seconds = (2 * 15 / 16 + 0.5) * 1e9 / NETWORK.bandwidth + 100 * NETWORK.call
    assert Cluster(ASSUMED_GPU, 16).seconds(exchange) == pytest.approx(seconds)
    assert Cluster(ASSUMED_GPU, 1).seconds(exchange) == 0


def test_each_training_on_all_gpus(tmp_path):
    both = trainings(tmp_path)  # two with batches of eight
    alone = both.on_all(Cluster(ASSUMED_GPU, 1))
    assert (alone.seconds, alone.exchanged) == (pytest.approx(sum(both.lengths(ASSUMED_GPU))), 0)
    assert [both.sharing(gpus) for gpus in (1, 3, 4, 7, 8, 64)] == [1, 2, 4, 4, 8, 8]
    three, two, sixteen, eight = (both.on_all(Cluster(ASSUMED_GPU, gpus)) for gpus in (3, 2, 16, 8))
    assert three == two
    assert sixteen.exchanged == eight.exchanged
    parameters = 4 * both.model.parameters
    assert both.model.exchange(8).gradients == parameters
    assert eight.exchanged > eight.steps * parameters
    assert eight.seconds > eight.exchanging > 0


def test_different_trainings_are_packed(tmp_path):
    stages = [Stage("some", [trainings(tmp_path), trainings(tmp_path, folds=[2])])]
    (length, *_) = trainings(tmp_path).lengths(ASSUMED_GPU)
    lines = cluster_lines(stages, Cluster(ASSUMED_GPU, 2), tmp_path)
    (row,) = [line.split() for line in lines if line.startswith("  some")]
    assert row[1:3] == [f"{2 * length / 60:.1f}", "min"]
    assert busiest([5, 4, 3, 3, 3], 2) == 10
    assert busiest([], 4) == 0

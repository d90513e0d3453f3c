"""Sweeps on this machine: what is chosen, trained and written down; nothing is trained twice after a kill."""

import io
import json
import math
from pathlib import Path

import pandas as pd
import pytest
import yaml
from PIL import Image

from aukit.cli import main
from aukit.errors import ConfigError
from aukit.sweeps.file import Sweep, read_sweep
from aukit.sweeps.local import LocalSweep
from aukit.sweeps.search import Tried, grid_points, next_point
from aukit.sweeps.table import SweepTable, Trained
from aukit.training import Record
from tests.slurm.test_launchers import slurm  # noqa: F401 - a fixture
from tests.sweeps.works import write_sweep

RANGE = {"distribution": "log_uniform_values", "min": 1e-4, "max": 1.0}


def sweep_of(method, **parameters):
    metric = {"name": "best/val/f1", "goal": "maximize"}
    return Sweep("mine", {"method": method, "metric": metric, "parameters": parameters})


def test_a_grid_has_every_point_once_in_order():
    sweep = sweep_of("grid", a={"values": [1, 2]}, b={"value": "x"}, c={"values": [True, None]})
    points = grid_points(sweep)
    assert points == [{"a": a, "b": "x", "c": c} for a in (1, 2) for c in (True, None)]
    past = []
    for point in points:
        assert next_point(sweep, 0, past) == point
        past.append(Tried(point, 0.0))


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_a_choice_follows_from_what_was_before_it(method):
    kinds = {
        "lr": RANGE,
        "layers": {"min": 1, "max": 4},
        "share": {"min": 0.0, "max": 1.0},
        "width": {"distribution": "q_uniform", "min": 8, "max": 64, "q": 8},
        "list": {"values": [[1, 2], None, "no"]},
        "fixed": {"value": 7},
    }
    sweep = sweep_of(method, **kinds)
    past = []
    for number in range(14):
        point = next_point(sweep, 3, past)
        assert point == next_point(sweep, 3, list(past))  # as a command that goes on chooses it
        past.append(Tried(point, [0.1 * number, math.nan, None][number % 3]))
    points = [each.point for each in past]
    assert all(1e-4 <= point["lr"] <= 1 and 0 <= point["share"] <= 1 for point in points)
    assert {point["layers"] for point in points} <= {1, 2, 3, 4}
    assert {point["width"] for point in points} <= set(range(8, 65, 8))
    assert all(point["list"] in kinds["list"]["values"] and point["fixed"] == 7 for point in points)
    assert len({point["lr"] for point in points}) == 14
    assert next_point(sweep, 4, past) != next_point(sweep, 3, past)


def test_tpe_comes_near_the_best_and_random_draws_do_not_look():
    def late(method, seed):
        """Mean distance of the last of 30 points from the best one, in decades."""
        sweep, past = sweep_of(method, lr=RANGE), []
        for _ in range(30):
            point = next_point(sweep, seed, past)
            past.append(Tried(point, -abs(math.log10(point["lr"]) + 2)))  # best at 0.01
        return -sum(each.value for each in past[15:]) / 15

    assert all(late("bayes", seed) < 0.75 * late("random", seed) for seed in range(3))


def test_a_distribution_of_w_and_b_alone_is_refused():
    with pytest.raises(ConfigError, match=r"parameters\.a\.distribution: 'normal'"):
        next_point(sweep_of("random", a={"distribution": "normal", "mu": 0, "sigma": 1, "min": 0}), 0, [])
    with pytest.raises(ConfigError, match=r"parameters\.a: .*correct min and max"):
        next_point(sweep_of("random", a={"min": 2, "max": 1}), 0, [])
    with pytest.raises(ConfigError, match=r"probabilities: only W&B"):
        next_point(sweep_of("random", a={"values": [1, 2], "probabilities": [0.9, 0.1]}), 0, [])


# --------------------------------------------------------------------------------------- trained


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A grid of two rates and two seeds: the first two points by one command, then the rest by another."""
    folder = tmp_path_factory.mktemp("sweep")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        file = write_sweep(folder)
        assert main(["sweep", str(file), "--local", "-n", "2"]) == 0
        runs = {run: run.stat().st_mtime_ns for run in folder.glob("lightning_logs/runs/*/record.json")}
        assert len(runs) == 2
        assert main(["sweep", str(file), "--local"]) == 0
    return folder, runs


def test_a_sweep_goes_on_and_trains_nothing_twice(trained):
    folder, before = trained
    assert len(list(folder.glob("lightning_logs/runs/*/record.json"))) == 4
    assert {run: run.stat().st_mtime_ns for run in before} == before
    assert all(len(list(run.parent.glob("csv/version_*"))) == 1 for run in before)


def test_the_table_has_parameters_value_run_and_seed(trained):
    (folder,) = (trained[0] / "lightning_logs/sweeps").iterdir()
    content = json.loads((folder / "table.json").read_text())
    assert (content["metric"], content["goal"]) == ("best/val/error", "minimize")
    points = content["points"]
    assert [point["parameters"] for point in points] == [
        {"model.lr": lr, "seed": seed} for lr in (0.001, 0.01) for seed in (0, 1)
    ]
    for point in points:
        record = Record.read(trained[0] / point["run"])
        assert record.notes["best_score"] == point["value"]
        assert record.config["seed"] == point["seed"] == point["parameters"]["seed"]
        assert record.config["model"]["init_args"]["lr"] == point["parameters"]["model.lr"]
        assert record.config["logging"]["group"] == "rates"
    assert len({point["value"] for point in points}) == 4
    table = pd.read_csv(folder / "table.csv")
    assert table["best/val/error"].tolist() == pytest.approx([point["value"] for point in points])
    assert table["run"].tolist() == [point["run"] for point in points]
    assert len((folder / "table.md").read_text().splitlines()) == 2 + 4
    with Image.open(folder / "table.png") as picture:
        assert picture.width > 400


def test_a_picture_shows_any_word_letter_by_letter(tmp_path):
    words = ["$a_$", "$ROOT/$b"]
    points = [Trained(i, {"data.root": word}, value=0.1 * i) for i, word in enumerate(words)]
    picture = SweepTable(sweep_of("grid", **{"data.root": {"values": words}}), tmp_path).picture(points)
    with Image.open(io.BytesIO(picture)) as shown:
        assert shown.width > 400


def test_the_best_point_is_named(trained, monkeypatch, capsys):
    folder, _ = trained
    monkeypatch.chdir(folder)
    assert main(["sweep", str(folder / "rates.yaml"), "--local"]) == 0
    printed = capsys.readouterr().out
    (table,) = folder.glob("lightning_logs/sweeps/*/table.csv")
    rows = pd.read_csv(table)
    best = rows.loc[rows["best/val/error"].idxmin()]
    assert f"best: point {best['point']}," in printed
    assert f"model.lr={best['model.lr']} seed={best['seed']}" in printed


class Killed(BaseException):
    """As kill -9: nobody handles it."""


def test_a_point_that_was_begun_is_ended_after_a_kill(tmp_path, monkeypatch):
    """Whatever moment it was killed at: before the training, or when the table was not written yet."""
    monkeypatch.setattr(SweepTable, "picture", lambda *_: b"")
    file = write_sweep(tmp_path, method="random", parameters={"model.lr": RANGE, "seed": {"values": [0, 1]}})
    sweep, asked, scores = read_sweep(file), [], {}

    class Fake:
        """A record of a training that takes no time."""

        def __init__(self, name, config):
            self.notes = {"best_score": config["lr"], "best_epoch": 0}
            self.config, self.seconds, self.folder = {"seed": 1}, 1.0, Path("runs") / name

    class Config(dict):
        class run:  # noqa: N801
            monitor, mode = "val/error", "min"

    def configure(words):
        return Config(lr=float(next(word for word in words if word.startswith("model.lr="))[9:]))

    def train(configs, runs, jobs, desc):
        asked.append(sorted(configs))
        if len(asked) in (1, 4):
            raise Killed
        scores.update({name: config["lr"] for name, config in configs.items()})
        if len(asked) == 3:
            raise Killed  # trained, and not written down
        return {name: Fake(name, config) for name, config in configs.items()}

    def work():
        return LocalSweep(sweep, tmp_path / "mine", 5)

    for _ in range(3):
        with pytest.raises(Killed):
            work().run(configure, tmp_path, 2, train)
    work().run(configure, tmp_path, 2, train)
    points = work().table.read()
    assert asked == [
        *[["point-0", "point-1"]] * 2,
        ["point-2", "point-3"],
        *[["point-0", "point-1", "point-2", "point-3"]] * 2,  # of which finished ones are not trained again
        ["point-4"],
    ]
    assert {f"point-{each.number}": each.value for each in points} == scores
    assert work().is_finished()
    unkilled = LocalSweep(sweep, tmp_path / "other", 5)
    asked[:] = [None] * 9
    unkilled.run(configure, tmp_path, 2, train)
    assert unkilled.table.read() == points


def test_points_of_another_experiment_than_it_is_now_are_trained_again(tmp_path, monkeypatch, capsys):
    """Else one table would hold values of both, and call the best of them the best."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(SweepTable, "picture", lambda *_: b"")
    command = ["sweep", str(write_sweep(tmp_path)), "--local"]
    assert main([*command, "-n", "1"]) == 0
    file = tmp_path / "tiny.yaml"
    content = yaml.safe_load(file.read_text())
    content["trainer"]["max_epochs"] = 2
    file.write_text(yaml.safe_dump(content))
    assert main([*command, "-n", "2"]) == 0
    assert len(list(tmp_path.glob("lightning_logs/runs/*/record.json"))) == 3
    (table,) = tmp_path.glob("lightning_logs/sweeps/*/table.json")
    for point in json.loads(table.read_text())["points"]:
        record = Record.read(tmp_path / point["run"])
        assert record.config["trainer"]["max_epochs"] == 2
        assert record.notes["best_score"] == point["value"]


def test_the_runs_must_look_at_what_the_sweep_looks_at(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    file = write_sweep(tmp_path, metric={"name": "best/val/f1", "goal": "maximize"})
    assert main(["sweep", str(file), "--local"]) == 2
    assert "add run.monitor=val/f1 run.mode=max to its command" in capsys.readouterr().err
    assert main(["sweep", str(file)]) == 2
    assert "-n" not in capsys.readouterr().err
    assert not list(tmp_path.glob("lightning_logs/runs/*"))


def test_a_search_wants_a_number_of_points(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    file = write_sweep(tmp_path, method="random")
    assert main(["sweep", str(file), "--local"]) == 2
    assert "wants a number of points" in capsys.readouterr().err
    assert main(["sweep", str(file), "-n", "3"]) == 2
    assert "want --local" in capsys.readouterr().err


def test_points_are_jobs_of_a_cluster_with_the_sweep_behind_them(slurm):  # noqa: F811
    file = write_sweep(slurm)
    words = ["sweep", str(file), "--local", "-n", "3", "--launcher", "slurm", "--site", "cpu", "--step"]
    assert main(words) == 0
    jobs = [(slurm / f"submitted-{number}").read_text() for number in (1, 2, 3, 4)]
    assert not (slurm / "submitted-5").exists()
    for number, job in enumerate(jobs[:3]):
        assert f"--job-name=rates-3-of-3/point-{number}\n" in job
        assert "aukit.cli fit -c " in job
    assert "--dependency=afterok:1:2:3\n" in jobs[3]
    assert f"aukit.cli sweep {file} --local -n 3 --launcher slurm --site cpu --step" in jobs[3]
    (table,) = slurm.glob("lightning_logs/sweeps/*/table.json")
    points = json.loads(table.read_text())["points"]
    assert [point["run"] for point in points] == [None] * 3
    trained = list(slurm.glob("lightning_logs/slurm/sweep-*/rates-3-of-3-point-*.yaml"))
    rates = {yaml.safe_load(path.read_text())["model"]["init_args"]["lr"] for path in trained}
    assert rates == {point["parameters"]["model.lr"] for point in points}

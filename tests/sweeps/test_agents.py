"""Points that agents of Weights & Biases train: the real client and agent, a double of the service."""

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

from aukit.cli import main
from aukit.training import Record, execute, load_config, read_log
from tests.sweeps.service import Run, Service, served
from tests.sweeps.works import write_sweep

ROOT = Path(__file__).parents[2]


@pytest.fixture
def service(monkeypatch):
    with served() as it:
        for name, value in it.environment().items():
            monkeypatch.setenv(name, value)
        # The client's own process, too, reaches nothing off loopback.
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield it
        assert not it.unknown


def scores(run: Run) -> dict[str, float]:
    """What a summary says of the training, without times."""
    return {
        key: value for key, value in run.summary.items() if not key.startswith("_") and key != "test/fairness"
    }


def test_an_agent_s_run_is_that_of_the_training_and_a_finished_one_is_replayed_into_it(
    service, tmp_path, monkeypatch
):
    write_sweep(tmp_path)
    words = [
        f"data.cache={tmp_path / 'stores'}",
        "logging.wandb=true",
        "logging.project=other",
        "model.lr=0.02",
    ]
    config = load_config(tmp_path / "tiny.yaml", overrides=words)
    (tmp_path / "point.yaml").write_text(yaml.safe_dump({"model.lr": {"value": 0.02}}))
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep1")
    monkeypatch.setenv("WANDB_SWEEP_PARAM_PATH", str(tmp_path / "point.yaml"))
    for name in ("first", "second"):
        monkeypatch.setenv("WANDB_RUN_ID", name)
        record = execute(config, tmp_path / "runs")
    assert len(list(record.folder.glob("csv/version_*"))) == 1  # trained once
    assert set(service.runs) == {"first", "second"}
    first, second = service.runs.values()
    for run in (first, second):
        assert (run.exit_code, run.about["sweep"], run.about["project"]) == (0, "sweep1", "aukit")
        assert run.config["model.lr"] == run.config["model"]["init_args"]["lr"] == 0.02
        assert run.config["identity"] == record.identity
        assert run.summary["best/val/error"] == record.notes["best_score"]
        assert run.summary["val/error"]["min"] == pytest.approx(record.notes["best_score"], rel=1e-6)
        assert run.summary["selection"] == record.notes["selection"]
        for gender in ("female", "male"):
            assert run.summary[f"test/f1_{gender}"] == pytest.approx(record.metrics[f"test/f1_{gender}"])
    assert scores(first).keys() == scores(second).keys()
    for key, value in scores(first).items():
        assert scores(second)[key] == (pytest.approx(value, rel=1e-6) if isinstance(value, float) else value)
    assert first.summary["test/fairness"]["sha256"] == second.summary["test/fairness"]["sha256"]
    assert [row["_step"] for row in first.history] == [row["_step"] for row in second.history]
    assert [row["_step"] for row in second.history] == read_log(record.folder)["step"].tolist()


def test_a_sweep_is_created_with_the_words_that_are_added(service, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    file = write_sweep(tmp_path)
    assert main(["sweep", str(file), "trainer.max_epochs=2"]) == 0
    assert "wandb agent --project aukit sweep1" in capsys.readouterr().out
    assert service.sweep["parameters"]["model.lr"]["values"] == [0.001, 0.01]
    assert service.sweep["command"][-2:] == ["trainer.max_epochs=2", "${args_no_hyphens}"]
    assert service.sweep["metric"] == {"name": "best/val/error", "goal": "minimize"}


def test_without_an_account_the_other_way_is_named(tmp_path, capsys):
    assert main(["sweep", str(write_sweep(tmp_path))]) == 2
    assert "--local" in capsys.readouterr().err


# ------------------------------------------------------------------ the agent itself


class Agents:
    """Processes of `wandb agent` in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        tool = folder / "bin/aukit"
        tool.parent.mkdir()
        tool.write_text(f'#!/bin/sh\nexec {sys.executable} -m aukit.cli "$@"\n')
        tool.chmod(0o755)
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}",
        }
        words = [sys.executable, "-m", "wandb", "agent", "--project", "aukit", "sweep1"]
        with (self.folder / f"agent-{len(self.started)}.log").open("wb") as log:
            agent = subprocess.Popen(words, cwd=self.folder, env=environment, stdout=log, stderr=log)
        self.started.append(agent)
        return agent

    def kill(self, agent: subprocess.Popen[bytes], training: bool) -> None:
        """End an agent at once, and the training that it has started, if that too."""
        below = Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()
        trainings = [pid for pid in below if b"aukit" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        assert trainings
        agent.kill()
        agent.wait()
        for pid in trainings if training else ():
            os.kill(int(pid), signal.SIGKILL)

    def said(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-2000:] for path in self.folder.glob("agent-*.log"))


@pytest.fixture
def agents(tmp_path):
    made = Agents(tmp_path)
    yield made
    for agent in made.started:
        if agent.poll() is None:
            agent.kill()


def wait_for(what, seconds: float = 500.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.heavy
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("training", [True, False], ids=["with its training", "alone"])
def test_two_agents_of_which_one_is_killed_lose_nothing_and_train_nothing_twice(
    service: Service, agents: Agents, tmp_path, monkeypatch, training
):
    monkeypatch.chdir(tmp_path)
    words = ["trainer.max_epochs=3", "model.pause=0.5", "run.save_minutes=0", "logging.wandb=true"]
    assert main(["sweep", str(write_sweep(tmp_path)), *words]) == 0
    runs = tmp_path / "lightning_logs/runs"
    first = agents.start()
    wait_for(lambda: service.assigned)
    second = agents.start()
    wait_for(lambda: list(runs.glob("*/checkpoints/last.ckpt")))
    agents.kill(first, training)
    assert not list(runs.glob("*/record.json"))
    service.hand_out_again("point0")
    third = agents.start()
    for agent in (second, third):
        assert agent.wait(900) == 0, agents.said()

    records = {run.parent.name: Record.read(run.parent) for run in runs.glob("*/record.json")}
    points = [(each.config["model"]["init_args"]["lr"], each.config["seed"]) for each in records.values()]
    assert sorted(points) == [(lr, seed) for lr in (0.001, 0.01) for seed in (0, 1)]  # nothing is lost
    assert set(service.runs) == set(service.assigned) == {f"point{n}" for n in range(4)}
    attempts = {}
    for name, record in records.items():
        (run,) = (each for each in service.runs.values() if each.config["identity"] == record.identity)
        attempts[run.id] = sorted((runs / name).glob("csv/version_*/metrics.csv"))
        assert run.exit_code == 0
        assert run.summary["best/val/error"] == record.notes["best_score"]
        assert math.isfinite(run.summary["test/f1_female"])
        steps = [row["_step"] for row in run.history]
        assert steps == sorted(set(steps))
        assert set(read_log(runs / name)["step"]) <= set(steps)
    # What was killed went on where it was; a training that was not killed was waited for.
    assert {name: len(logs) for name, logs in attempts.items()} == {
        "point0": 1 + training,
        **dict.fromkeys(("point1", "point2", "point3"), 1),
    }
    assert (pd.read_csv(attempts["point0"][-1])["step"].min() > 0) == training

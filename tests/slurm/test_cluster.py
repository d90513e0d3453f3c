"""Jobs on a real SLURM of two nodes: told before their limit, put back, ended as if nothing had been."""

import time
from pathlib import Path

import pytest

from aukit.training import Record
from tests.slurm.cluster import Cluster
from tests.slurm.works import differences, newest_job, shown, write_experiment

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900)]


def until(what, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.5)


def the_run(folder: Path, runs: str) -> Path:
    (found,) = (folder / runs).iterdir()
    return found


def output(folder: Path) -> str:
    return "\n".join(path.read_text() for path in sorted(folder.glob("lightning_logs/slurm/*/*.out")))


def test_a_job_of_two_nodes_is_told_put_back_once_and_ends_bit_equal(cluster: Cluster, tmp_path: Path):
    write_experiment(tmp_path)
    with shown(cluster, tmp_path, "fit -c tiny.yaml --runs whole") as view:
        assert view.wait(600) == 0, (tmp_path / "shown.txt").read_text() + output(tmp_path)
    first = newest_job(tmp_path)
    write_experiment(tmp_path, time="5", notice=180)
    (tmp_path / "slowly").touch()
    with shown(cluster, tmp_path, "fit -c tiny.yaml --runs told") as view:
        until(lambda: newest_job(tmp_path) != first, 120)
        job = newest_job(tmp_path)
        assert job is not None
        until(lambda: cluster.describe(job)["Restarts"] == "1", 400)
        (tmp_path / "slowly").unlink()
        now = cluster.wait(job, {"COMPLETED", "FAILED", "TIMEOUT", "CANCELLED"}, 300)
        assert now["JobState"] == "COMPLETED", output(tmp_path)
        assert now["Restarts"] == "1"
        assert view.wait(60) == 0
    said = output(tmp_path)
    assert "asked to end: its state is saved" in said
    assert said.count("the job goes back into the queue") == 1
    run = the_run(tmp_path, "told")
    assert Record.read(run).world_size == 2
    assert len(list(run.glob("csv/version_*"))) == 2
    assert not list(tmp_path.rglob("hpc_ckpt*"))
    assert differences(run, the_run(tmp_path, "whole")) == []


def test_another_number_of_processes_is_refused(cluster: Cluster, tmp_path: Path):
    write_experiment(tmp_path)
    with shown(cluster, tmp_path, "fit -c tiny.yaml trainer.devices=2") as view:
        assert view.wait(300) == 2
    assert "fit-tiny: failed: " in (tmp_path / "shown.txt").read_text()
    assert "SLURM started 1 processes on each of 2 nodes" in output(tmp_path)


def test_a_cancelled_job_stays_cancelled(cluster: Cluster, tmp_path: Path):
    write_experiment(tmp_path)
    (tmp_path / "slowly").touch()
    with shown(cluster, tmp_path, "fit -c tiny.yaml") as view:
        until(lambda: list(tmp_path.glob("lightning_logs/runs/*/csv")), 300)
        job = newest_job(tmp_path)
        assert job is not None
        cluster.ask("scancel", job)
        assert view.wait(120) == 2
    assert cluster.describe(job)["JobState"] == "CANCELLED"
    assert cluster.describe(job)["Restarts"] == "0"
    assert "back into the queue" not in output(tmp_path)

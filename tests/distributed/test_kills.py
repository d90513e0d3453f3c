"""A killed process takes the others with it, and the same command goes on to the same end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from aukit.training import Record
from tests.distributed.test_ddp import EXPERIMENT

WITHIN = 60  # seconds


def command(folder: Path) -> subprocess.Popen:
    """Train on two processes, which write their state before every batch."""
    words = ["fit", "-c", str(folder / "tiny.yaml"), "--runs", str(folder / "runs")]
    words += [f"data.cache={folder / 'stores'}", "trainer.devices=2"]
    log = (folder / "log.txt").open("a")
    here = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-m", "aukit.cli", *words], cwd=here, stdout=log, stderr=log, start_new_session=True
    )


def members(group: int) -> list[int]:
    """Processes of a group that run, but for what waits to be collected."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            _, _, rest = stat.read_text().rpartition(") ")
        except OSError:  # it has just ended
            continue
        state, _, its_group, *_ = rest.split()
        if int(its_group) == group and state != "Z":
            found.append(int(stat.parent.name))
    return sorted(found)


def wait_for(what, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)


def kill_one(folder: Path, main: bool) -> None:
    """Begin, or go on, kill a process amid training, and see all of them end."""
    run = command(folder)

    def trains() -> bool:
        assert run.poll() is None, (folder / "log.txt").read_text()[-3000:]
        states = [path for path in folder.glob("runs/*/checkpoints/*.ckpt") if path.stat().st_mtime > began]
        return len(members(run.pid)) > 1 and bool(states)

    began = time.time()
    wait_for(trains, 120)
    child = next(pid for pid in members(run.pid) if pid != run.pid)
    os.kill(run.pid if main else child, signal.SIGKILL)
    run.wait(WITHIN)
    wait_for(lambda: not members(run.pid), WITHIN)
    assert run.returncode != 0


@pytest.mark.heavy
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes as Linux lists them")
def test_all_end_with_a_killed_process_and_go_on(tmp_path, monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    model = {**EXPERIMENT["model"], "init_args": {"pause": 0.05}}
    experiment = {**EXPERIMENT, "model": model, "trainer": {**EXPERIMENT["trainer"], "max_epochs": 10}}
    found = {}
    for name, kills in {"killed": (False, True), "whole": ()}.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "base.yaml").write_text("seed: 1\n")
        (folder / "tiny.yaml").write_text(yaml.safe_dump(experiment))
        for main in kills:
            kill_one(folder, main)
        assert command(folder).wait(300) == 0, (folder / "log.txt").read_text()[-3000:]
        (run,) = (folder / "runs").iterdir()
        found[name] = Record.read(run)
    assert found["killed"].metrics == pytest.approx(found["whole"].metrics, rel=0, abs=0, nan_ok=True)
    assert found["killed"].world_size == 2

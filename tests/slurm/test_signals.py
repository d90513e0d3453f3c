"""What SLURM's signals do to the commands, with a `scontrol` that only notes what it is asked."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from aukit.cli import main
from aukit.training import Record, read_log
from aukit.utils.slurm import requeue_own
from tests import fake_training
from tests.distributed.test_ddp import EXPERIMENT

SCONTROL = """\
#!/bin/sh
echo "$@" >> {folder}/asked
case "$1" in
  --oneliner) echo "JobId=7 JobName=fit JobState=$STATE Reason=$REASON Requeue=1 Restarts=$RESTARTS" ;;
  *) [ -z "$REFUSES" ] || {{ echo "Job is refused" >&2; exit 1; }} ;;
esac
"""


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A folder with a tiny experiment, in a job of SLURM with the number 7."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "scontrol").write_text(SCONTROL.format(folder=tmp_path))
    (tools / "scontrol").chmod(0o755)
    (tmp_path / "base.yaml").write_text("seed: 1\n")
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(EXPERIMENT))
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("STATE", "RUNNING")
    monkeypatch.setenv("REASON", "None")
    monkeypatch.setenv("RESTARTS", "0")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fit(runs: str = "runs") -> int:
    """Train; a state is written when it is asked for alone."""
    return main(["fit", "-c", "tiny.yaml", "--runs", runs, "run.save_minutes=60"])


def requeued(job: Path) -> int:
    """How often the job was put back into the queue."""
    asked = job / "asked"
    return asked.read_text().splitlines().count("requeue 7") if asked.exists() else 0


def signal_in(monkeypatch, step: str, call: int, number: signal.Signals) -> None:
    """Send a signal to this process in the nth call of a step, once."""
    original, calls = getattr(fake_training.TinyModule, step), []

    def signalled(self, *args):
        calls.append(step)
        if len(calls) == call:
            os.kill(os.getpid(), number)
        return original(self, *args)

    monkeypatch.setattr(fake_training.TinyModule, step, signalled)


def the_run(job: Path, runs: str = "runs") -> Path:
    (found,) = (job / runs).iterdir()
    return found


def state(run: Path) -> dict:
    return torch.load(run / "checkpoints/last.ckpt", weights_only=True)


def assert_equal_ends(run: Path, other: Path) -> None:
    """Weights and buffers to the last bit, predictions, metrics, every line of the log."""
    for name in ("best.ckpt", "last.ckpt"):
        if (other / "checkpoints" / name).exists():
            one, two = (
                torch.load(each / "checkpoints" / name, weights_only=True)["state_dict"]
                for each in (run, other)
            )
            assert "features.1.running_mean" in one
            assert one.keys() == two.keys()
            assert all(torch.equal(one[key], two[key]) for key in one)
    frames = [pd.read_parquet(each / "predictions.parquet") for each in (run, other)]
    pd.testing.assert_frame_equal(*frames)
    pd.testing.assert_frame_equal(read_log(run), read_log(other))
    pd.testing.assert_series_equal(*(pd.Series(Record.read(each).metrics) for each in (run, other)))


def test_a_training_saves_goes_back_into_the_queue_and_ends_as_if_nothing_had_been(job, monkeypatch):
    assert fit("whole") == 0
    assert requeued(job) == 0
    for call, number in ((4, signal.SIGUSR1), (5, signal.SIGTERM)):  # of each attempt
        with monkeypatch.context() as patch:
            signal_in(patch, "training_step", call, number)
            assert fit() == 0
        assert not (the_run(job) / "record.json").exists()
    assert requeued(job) == 2
    assert state(the_run(job))["global_step"] == 9  # the step that was begun is whole, none was repeated
    assert fit() == 0
    assert requeued(job) == 2
    assert_equal_ends(the_run(job), the_run(job, "whole"))


def test_a_short_validation_is_ended_before_the_state_is_saved(job, monkeypatch):
    with monkeypatch.context() as patch:
        signal_in(patch, "validation_step", 1, signal.SIGUSR1)
        assert fit() == 0
    assert requeued(job) == 1
    assert state(the_run(job))["global_step"] == 8
    assert fit() == 0
    assert fit("whole") == 0
    assert_equal_ends(the_run(job), the_run(job, "whole"))


def test_a_long_validation_is_left_and_saves_nothing(job, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("aukit.training.callbacks._SHORT", 0.0)
        signal_in(patch, "validation_step", 1, signal.SIGUSR1)
        assert fit() == 0
    assert requeued(job) == 1
    assert not (the_run(job) / "checkpoints/last.ckpt").exists()


def test_a_test_leaves_the_state_of_the_training_alone(job, monkeypatch):
    with monkeypatch.context() as patch:
        signal_in(patch, "test_step", 1, signal.SIGUSR1)
        assert fit() == 0
    assert requeued(job) == 1
    assert fit("whole") == 0
    assert state(the_run(job))["global_step"] == 16  # both epochs
    assert fit() == 0
    assert_equal_ends(the_run(job), the_run(job, "whole"))


def test_preparation_goes_back_into_the_queue_at_once(job, monkeypatch):
    original = fake_training.FakeDataModule._prepare

    def signalled(self):
        os.kill(os.getpid(), signal.SIGUSR1)
        return original(self)

    with monkeypatch.context() as patch:
        patch.setattr(fake_training.FakeDataModule, "_prepare", signalled)
        assert main(["prepare", "-c", "tiny.yaml"]) == 0
        assert not (job / "stores").exists()
        assert fit() == 0
    assert requeued(job) == 2
    assert not (job / "runs").exists()
    assert fit() == 0


def test_a_cancelled_job_stays_cancelled(job, monkeypatch, capsys):
    monkeypatch.setenv("STATE", "COMPLETING")
    signal_in(monkeypatch, "training_step", 2, signal.SIGTERM)
    assert fit() == 2
    assert requeued(job) == 0
    assert "asked to end: its state is saved" in capsys.readouterr().err
    assert state(the_run(job))["global_step"] == 2


@pytest.mark.parametrize(
    ("state", "reason", "restarts", "is_back", "asked"),
    [
        ("RUNNING", "None", "0", True, 1),
        ("COMPLETING", "TimeLimit", "0", True, 1),  # where the notice was lost
        ("COMPLETING", "None", "0", False, 0),  # cancelled
        ("RUNNING", "None", "1", True, 0),  # put back by another process, and running again
    ],
)
def test_a_job_is_put_back_once_and_if_nobody_cancelled_it(
    job, monkeypatch, state, reason, restarts, is_back, asked
):
    for name, value in {"STATE": state, "REASON": reason, "RESTARTS": restarts}.items():
        monkeypatch.setenv(name, value)
    announced: list[int] = []
    assert requeue_own(lambda: announced.append(requeued(job))) is is_back
    assert requeued(job) == asked
    assert announced == [0] * asked  # SLURM may end this process before it answers


def test_of_an_array_one_element_is_put_back_and_not_all(job, monkeypatch):
    """The element that was begun last has the array's number: of all elements SLURM would tell, and begin."""
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "7")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    assert requeue_own(lambda: None)
    assert (job / "asked").read_text().splitlines() == ["--oneliner show job 7_3", "requeue 7_3"]


def test_of_a_training_that_leaves_together_the_first_process_alone_asks(job, monkeypatch):
    monkeypatch.setenv("SLURM_PROCID", "1")
    signal_in(monkeypatch, "training_step", 2, signal.SIGUSR1)
    assert fit() == 0
    assert not (job / "asked").exists()


def test_a_refusal_is_told_and_is_no_success(job, monkeypatch, capsys):
    monkeypatch.setenv("REFUSES", "1")
    signal_in(monkeypatch, "training_step", 2, signal.SIGUSR1)
    assert fit() == 2
    said = capsys.readouterr().err
    assert "scontrol requeue: Job is refused" in said
    assert "submit it again" in said


def test_signals_are_as_before_outside_of_slurm(job, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID")
    signal_in(monkeypatch, "training_step", 2, signal.SIGTERM)
    assert fit() == 143
    assert not (job / "asked").exists()


def test_workers_do_not_hear_what_a_job_is_sent():
    """A process that is started anew is not ended by a signal for its parent."""
    program = (
        "import os, signal\n"
        "from aukit.utils.processes import worker_pool\n"
        "with worker_pool(1) as pool:\n"
        "    pid = pool.submit(os.getpid).result()\n"
        "    os.kill(pid, signal.SIGUSR1)\n"
        "    print(pid == pool.submit(os.getpid).result())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "True", done.stderr

"""Who started a process, and how many of them a trainer then has."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from aukit.errors import ConfigError
from aukit.training import load_config
from aukit.training.processes import (
    keep_to_cores,
    launch,
    placed,
    refuse_several,
    with_whole_batches,
)
from aukit.training.run_folder import RunFolder

SLURM = {"SLURM_NTASKS": "8", "SLURM_NNODES": "2", "SLURM_STEP_ID": "0", "SLURM_JOB_NAME": "train"}
ROOTS = [f"data.{name}.root=x" for name in ("source", "target", "avatars")] + ["aus=[1]"]
TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}


@pytest.mark.parametrize(
    ("environment", "trainer", "expected"),
    [
        ({}, {"devices": "auto"}, (1, 1)),
        ({}, {"devices": -1}, (-1, 1)),
        ({}, {"devices": 2, "num_nodes": 1}, (2, 1)),
        (SLURM, {"devices": "auto"}, (4, 2)),
        (SLURM, {"devices": 4, "num_nodes": 2}, (4, 2)),
        (SLURM, {"devices": [0, 1, 2, 3], "num_nodes": 2}, (4, 2)),
        (SLURM, {"devices": "0,1,2,3", "num_nodes": 2}, (4, 2)),
        ({**SLURM, "SLURM_JOB_NAME": "interactive"}, {"devices": 3}, (3, 1)),
        ({"SLURM_NTASKS": "1"}, {"devices": "auto"}, (1, 1)),
        (TORCHRUN, {}, (2, 1)),
        (TORCHRUN, {"devices": -1}, (2, 1)),
    ],
)
def test_devices_are_the_processes_that_were_started(environment, trainer, expected):
    found = placed(trainer, launch(environment))
    assert (found["devices"], found["num_nodes"]) == expected


@pytest.mark.parametrize(
    ("environment", "trainer", "says"),
    [
        (
            SLURM,
            {"devices": 1},
            "started 4 processes on each of 2 nodes.*srun --nodes=1 --ntasks-per-node=1",
        ),
        (SLURM, {"devices": 4, "num_nodes": 1}, "--ntasks-per-node=4 aukit"),
        (SLURM, {"devices": "auto", "num_nodes": 3}, "--nodes=3 --ntasks-per-node=4"),
        (TORCHRUN, {"devices": 1}, "torchrun --nnodes=1 --nproc-per-node=1 -m aukit.cli"),
        ({**SLURM, "SLURM_STEP_ID": ""}, {"devices": 1}, "srun"),
        (
            {"SLURM_NTASKS": "2"},
            {"devices": "auto"},
            "script of a SLURM job of 2 tasks.*srun .*-node=2",
        ),
        ({"SLURM_NTASKS": "1"}, {"devices": 2}, "start them with srun --nodes=1 --ntasks-per-node=2"),
    ],
)
def test_other_numbers_are_refused_with_the_command_to_use(environment, trainer, says):
    with pytest.raises(ConfigError, match=says):
        placed(trainer, launch(environment))


def test_a_batch_per_process_is_the_run_of_as_many_times_the_batch(tmp_path):
    def run(*words, environment=TORCHRUN):
        config = load_config("pm2", "smoke", ["target=disfa", *ROOTS, *words])
        resolved = with_whole_batches(config, launch(environment))
        assert resolved.run.batch_per_process is False
        return RunFolder.of(resolved, "data", tmp_path).path

    each = ["run.batch_per_process=true", "data.batch_size=4"]
    assert run(*each) == run("data.batch_size=8")
    assert run(*each, environment={}) == run("data.batch_size=4")
    assert run(*each, "trainer.devices=3", "trainer.num_nodes=2", environment={}) == run("data.batch_size=24")
    assert run(*each, "data.target_batch_size=3") == run("data.batch_size=8", "data.target_batch_size=6")


def test_a_command_that_starts_processes_is_one():
    for environment, words in ((SLURM, "has 8: .*--ntasks=1"), (TORCHRUN, "has 2: .*without torchrun")):
        with pytest.raises(ConfigError, match=words):
            refuse_several("aukit reproduce", launch(environment))
    for environment in ({}, {"SLURM_NTASKS": "1", "SLURM_STEP_ID": "0"}, {"SLURM_NTASKS": "1"}):
        refuse_several("aukit reproduce", launch(environment))


CHILD = """
import time
from aukit.training.processes import leave_with_main
leave_with_main()
print("started", flush=True)
time.sleep(20)
print("outlived it", flush=True)
"""

MAIN = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


def test_a_process_beside_the_main_one_ends_with_it():
    environment = {**os.environ, "LOCAL_RANK": "1"}
    main = subprocess.Popen(
        [sys.executable, "-c", MAIN, CHILD], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert main.stdout.readline() == "started\n"
    began = time.monotonic()
    os.kill(main.pid, signal.SIGKILL)
    assert main.stdout.read() == ""  # until the child, which has the pipe too, is gone
    assert time.monotonic() - began < 15
    main.wait()


@pytest.mark.parametrize(
    ("environment", "cores", "threads"),
    [({}, 2, 2), ({}, 8, 4), ({"OMP_NUM_THREADS": "4"}, 2, 4)],
)
def test_threads_are_no_more_than_cores(environment, cores, threads, monkeypatch):
    monkeypatch.setattr("aukit.training.processes.available_cores", lambda: cores)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(4)
        keep_to_cores(environment)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)

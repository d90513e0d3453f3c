"""Workers and the queue that they write to end with the process that started them, and quietly."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from aukit.utils.processes import worker_pool

SCRIPT = """
import signal, sys, time
from aukit.utils.processes import worker_pool
from aukit.utils.spawned import event_queue
signal.signal(signal.SIGINT, signal.default_int_handler)
with event_queue() as events, worker_pool(2) as pool:
    tasks = [pool.submit(time.sleep, 100) for _ in range(2)]
    events.put("begun")
    print(events.get(), flush=True)
    [task.result() for task in tasks]
"""


@pytest.mark.parametrize("seconds", [0.0, 0.7])  # its workers import what they need, which takes seconds
def test_an_interruption_ends_all_at_once_with_one_word(seconds):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "begun\n"
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)
    _, printed = process.communicate(timeout=30)  # until the last process that could print is gone
    assert process.returncode == -signal.SIGINT
    assert printed.count("Traceback") == 1, printed  # the script's own
    assert printed.rstrip().endswith("KeyboardInterrupt")


def place_of(_: int) -> tuple[str | None, int]:
    time.sleep(0.2)  # so that the other process takes a task too
    return os.environ.get("CUDA_VISIBLE_DEVICES"), torch.get_num_threads()


@pytest.mark.parametrize("gpus", [("1", "GPU-7f3a", "2"), ("5",), ()])
def test_each_worker_sees_one_gpu(gpus, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with worker_pool(2, gpus=gpus) as pool:
        seen = {gpu for gpu, _ in pool.map(place_of, range(6))}
    assert seen == set(gpus[:2] or [None])

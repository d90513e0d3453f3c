"""Workers and the queue that they write to end with the process that started them, and quietly."""

import os
import signal
import subprocess
import sys
import time

import pytest

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

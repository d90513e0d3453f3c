"""Worker processes that share the cores and never outlive the process that started them."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from aukit.utils.spawned import QuietContext, hear_signals, leave_with_parent, script_hidden


@contextmanager
def worker_pool(
    workers: int,
    initializer: Callable[..., None] | None = None,
    initargs: tuple[Any, ...] = (),
    work: Any = None,
) -> Iterator[ProcessPoolExecutor]:
    """A pool of `workers` spawned processes, each with an equal share of the cores for its threads.

    When the block is left by an error, waiting tasks are dropped; by an interruption, running ones too. When
    the parent ends, also by kill -9, the workers end too.

    A script that calls us needs no ``if __name__ == "__main__"``: workers do not run it again, unless what
    they are given is defined in it.

    Args:
        workers: Number of processes.
        initializer: Called in each of them before its first task.
        initargs: Its arguments.
        work: What the tasks are made of, where that is not among `initargs`.
    """
    threads = max(1, (os.cpu_count() or 1) // workers)
    others = multiprocessing.active_children()
    script_needed = b"__main__" in pickle.dumps((initializer, initargs, work))
    with (
        nullcontext() if script_needed else script_hidden(),
        ProcessPoolExecutor(workers, QuietContext(), _start, (threads, initializer, initargs)) as pool,
    ):
        try:
            yield pool
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            if isinstance(error, KeyboardInterrupt):
                for worker in multiprocessing.active_children():
                    if worker not in others:
                        worker.kill()
            raise


def _start(threads: int, initializer: Callable[..., None] | None, initargs: tuple[Any, ...]) -> None:
    torch.set_num_threads(threads)  # our own loops over frames follow it too
    hear_signals(signal.SIG_DFL)  # which ends it at once: the parent says that it was interrupted
    leave_with_parent()
    if initializer is not None:
        initializer(*initargs)

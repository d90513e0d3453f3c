"""Worker processes that share the cores and never outlive the process that started them."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

import torch

from aukit.utils.cores import available_cores
from aukit.utils.spawned import QuietContext, hear_signals, leave_with_parent, script_hidden


@contextmanager
def worker_pool(
    workers: int,
    initializer: Callable[..., None] | None = None,
    initargs: tuple[Any, ...] = (),
    work: Any = None,
    gpus: Sequence[str] = (),
) -> Iterator[ProcessPoolExecutor]:
    """A pool of `workers` spawned processes, each with an equal share of the cores for its threads.

    With `gpus` each process sees one of them alone, taken in turn.

    When the block is left by an error, waiting tasks are dropped; by an interruption, running ones too. When
    the parent ends, also by kill -9, the workers end too.

    A script that calls us needs no ``if __name__ == "__main__"``: workers do not run it again, unless what
    they are given is defined in it.

    Args:
        workers: Number of processes.
        initializer: Called in each of them before its first task.
        initargs: Its arguments.
        work: What the tasks are made of, where that is not among `initargs`.
        gpus: What ``CUDA_VISIBLE_DEVICES`` may name, such as `aukit.utils.gpus.visible_gpus`.
    """
    context = QuietContext()
    place = _Place(max(1, available_cores() // workers), context.Value("i", 0), tuple(gpus))
    others = multiprocessing.active_children()
    script_needed = b"__main__" in pickle.dumps((initializer, initargs, work))
    with (
        nullcontext() if script_needed else script_hidden(),
        ProcessPoolExecutor(workers, context, _start, (place, initializer, initargs)) as pool,
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


class _Place(NamedTuple):
    """Where the processes of a pool run.

    Attributes:
        threads: Of each.
        started: How many have taken their place, counted by all.
        gpus: GPUs that they take in turn.
    """

    threads: int
    started: Any
    gpus: tuple[str, ...]

    def take(self) -> None:
        """In a process that has just started: keep to one place."""
        torch.set_num_threads(self.threads)  # our own loops over frames follow it too
        if self.gpus:
            with self.started.get_lock():
                index, self.started.value = self.started.value, self.started.value + 1
            # Read when torch first asks the driver, which no import does.
            os.environ["CUDA_VISIBLE_DEVICES"] = self.gpus[index % len(self.gpus)]


def _start(place: _Place, initializer: Callable[..., None] | None, initargs: tuple[Any, ...]) -> None:
    place.take()
    hear_signals(signal.SIG_DFL)  # which ends it at once: the parent says that it was interrupted
    leave_with_parent()
    if initializer is not None:
        initializer(*initargs)

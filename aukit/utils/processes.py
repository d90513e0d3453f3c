"""Worker processes that share the cores and never outlive the process that started them."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.managers import SyncManager
from typing import Any


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
        nullcontext() if script_needed else _script_hidden(),
        ProcessPoolExecutor(workers, _Context(), _start, (threads, initializer, initargs)) as pool,
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


@contextmanager
def _script_hidden() -> Iterator[None]:
    """Started processes find no script to run again."""
    main = sys.modules["__main__"]
    names = [name for name in ("__file__", "__spec__") if name in vars(main)]
    hidden: dict[str, Any] = {name: vars(main)[name] for name in names}
    vars(main).pop("__file__", None)
    main.__spec__ = None
    try:
        yield
    finally:
        vars(main).update(hidden)


@contextmanager
def event_queue() -> Iterator[Any]:
    """A queue for the tasks of a `worker_pool`; the death of one that writes to it cannot damage it.

    It lives in a process of its own, which lets no signal to the group end it, but ends with the parent.
    """
    manager = SyncManager(ctx=_Context())
    with ExitStack() as stack:
        with _script_hidden(), _signals_wait():  # until there is somebody who ends it
            manager.start(_serve)
            stack.enter_context(manager)
        yield manager.Queue()


def _serve() -> None:
    _hear_signals(signal.SIG_IGN)
    _leave_with_parent()


def _start(threads: int, initializer: Callable[..., None] | None, initargs: tuple[Any, ...]) -> None:
    import torch  # takes seconds, which the process that serves a queue can do without

    torch.set_num_threads(threads)  # our own loops over frames follow it too
    _hear_signals(signal.SIG_DFL)  # which ends it at once: the parent says that it was interrupted
    _leave_with_parent()
    if initializer is not None:
        initializer(*initargs)


_ENDING = {signal.SIGINT, signal.SIGTERM}


class _Process(SpawnProcess):
    """A process that hears of signals when it has imported what it needs: else it would print a traceback."""

    def start(self) -> None:
        with _signals_wait():
            super().start()


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Inside, Ctrl-C and SIGTERM wait; processes that are started inherit it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Context(SpawnContext):
    """Fork would copy thread pools in an unknown state."""

    Process = _Process


def _hear_signals(how: signal.Handlers) -> None:
    for number in _ENDING:
        signal.signal(number, how)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None

    def leave() -> None:
        parent.join()  # returns when the parent is gone
        os._exit(1)

    threading.Thread(target=leave, daemon=True).start()

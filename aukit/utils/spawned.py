"""Started processes: quiet at Ctrl-C, gone with their parent; light, since each of them imports this."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.managers import SyncManager
from typing import Any

_ENDING = {signal.SIGINT, signal.SIGTERM}


class _Process(SpawnProcess):
    """A process that is not interrupted while it imports: it would print a traceback.

    SIGUSR1, which SLURM may send to every process of a job, means its parent alone.
    """

    def start(self) -> None:
        with _signals_wait({signal.SIGINT, signal.SIGUSR1}):
            super().start()


@contextmanager
def _signals_wait(which: set[signal.Signals]) -> Iterator[None]:
    """Inside, these signals wait; processes that are started inherit it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, which)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class QuietContext(SpawnContext):
    """Starts processes anew, since fork would copy thread pools in an unknown state.

    Ctrl-C waits until a process has imported what it needs and calls `hear_signals`.
    """

    Process = _Process


def hear_signals(how: signal.Handlers) -> None:
    """In a started process: from now on Ctrl-C and SIGTERM end it (`SIG_DFL`), or do not (`SIG_IGN`)."""
    for number in _ENDING:
        signal.signal(number, how)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)


def leave_with_parent() -> None:
    """In a started process: end it when its parent is gone, also by kill -9."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def leave() -> None:
        parent.join()  # returns when the parent is gone
        os._exit(1)

    threading.Thread(target=leave, daemon=True).start()


def leave_when_orphaned(seconds: float = 1.0) -> None:
    """End this process when the one that started it, of whatever kind, is gone, also by kill -9.

    Args:
        seconds: Time between two looks.
    """
    parent = os.getppid()

    def leave() -> None:
        while os.getppid() == parent:
            time.sleep(seconds)
        os._exit(1)

    threading.Thread(target=leave, daemon=True).start()


@contextmanager
def script_hidden() -> Iterator[None]:
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
    manager = SyncManager(ctx=QuietContext())
    with ExitStack() as stack:
        with script_hidden(), _signals_wait(_ENDING):  # until there is somebody who ends it
            manager.start(_serve)
            stack.enter_context(manager)
        yield manager.Queue()


def _serve() -> None:
    hear_signals(signal.SIG_IGN)
    leave_with_parent()

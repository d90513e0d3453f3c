"""Signals that ask a process to end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def termination_interrupts() -> Iterator[Callable[[], bool]]:
    """Inside, SIGTERM, which schedulers and containers send, is as Ctrl-C; a second one ends all at once.

    Yields:
        Whether SIGTERM has come.
    """
    came = False

    def interrupt(*_: object) -> None:
        nonlocal came
        came = True
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield lambda: came
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield lambda: came
    finally:
        signal.signal(signal.SIGTERM, before)

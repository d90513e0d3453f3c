"""Signals that ask a process to end: at once, or at a place where work can be gone on with later."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from aukit.utils.slurm import in_job


class Ending:
    """What this process was asked.

    Attributes:
        came: The signal that asked it to end; None as long as none did.
        agreed: Whether all processes of a training leave together, so that the first one speaks for them.
    """

    def __init__(self) -> None:
        self.hear(False)

    def hear(self, hears: bool) -> None:
        """Forget what came; hear signals from now on, or leave that to others."""
        self.came: signal.Signals | None = None
        self._when = 0.0
        self.agreed = self._waits = False
        self._hears = hears
        self.hear_again()

    def hear_again(self) -> None:
        """Take the place of what a library has put in the place of the handlers."""
        if self._hears:
            for number in (signal.SIGTERM, signal.SIGUSR1) if in_job() else (signal.SIGTERM,):
                signal.signal(number, self._handle)

    def agree(self) -> None:
        """Leave with all processes of the training, whichever of them was asked."""
        self.came, self.agreed = self.came or signal.SIGUSR1, True

    def waited(self) -> float:
        """Seconds since a signal came; 0 where none did."""
        return 0.0 if self.came is None else time.monotonic() - self._when

    @contextmanager
    def waits(self) -> Iterator[None]:
        """Inside, a signal to a job of SLURM is noted, for `came` to be looked at; it interrupts after."""
        if not (self._hears and in_job()):
            yield
            return
        self._waits = True
        try:
            yield
        finally:
            self._waits = False
        if self.came is not None:
            raise KeyboardInterrupt

    def _handle(self, number: int, _: object) -> None:
        first = self.came is None
        if first:
            self.came, self._when = signal.Signals(number), time.monotonic()
        if not in_job():
            signal.signal(number, signal.SIG_DFL)
        elif self._waits or not first:  # more come while the job is put back, and SLURM knows how to end it
            return
        raise KeyboardInterrupt


ending = Ending()
"""Of this process."""


@contextmanager
def termination_interrupts() -> Iterator[Ending]:
    """Inside, SIGTERM, which schedulers and containers send, is as Ctrl-C; a second one ends all at once.

    In a job of SLURM so is SIGUSR1, which it can be told to send before its time limit; further signals do
    nothing.

    Yields:
        What has come.
    """
    if threading.current_thread() is not threading.main_thread():
        yield ending
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)}
    ending.hear(True)
    try:
        yield ending
    finally:
        ending.hear(False)
        for number, handler in before.items():
            signal.signal(number, handler)

"""Locks between processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def waited_for(path: Path, waiting: str) -> Iterator[None]:
    """Hold a lock that the operating system gives back when its holder is killed.

    Args:
        path: File of the lock; its folder is there.
        waiting: Printed if another process holds it, before it is waited for.
    """
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(waiting, flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()

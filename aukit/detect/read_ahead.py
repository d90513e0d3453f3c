"""A thread that reads while another part of the program computes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from typing import Any, TypeVar

Item = TypeVar("Item")


def read_ahead(items: Iterable[Item], ahead: int) -> Generator[Item]:
    """The same items, up to `ahead` of them taken before they are asked for, in a thread of their own.

    It pays where taking an item spends its time outside Python's lock, as decoding does. An error of the
    items is raised where the item would have come. The thread has ended when the generator has, however that
    ends.
    """
    waiting: queue.Queue[tuple[str, Any]] = queue.Queue(ahead)
    left = threading.Event()

    def put(kind: str, value: Any) -> None:
        while not left.is_set():
            try:
                waiting.put((kind, value), timeout=0.1)
                return
            except queue.Full:
                continue

    def take() -> None:
        try:
            for item in items:
                put("item", item)
                if left.is_set():
                    return
            put("end", None)
        except BaseException as error:  # whatever it is, the other thread is to know
            put("error", error)

    thread = threading.Thread(target=take, name="read ahead", daemon=True)
    thread.start()
    try:
        while True:
            kind, value = waiting.get()
            if kind == "end":
                return
            if kind == "error":
                raise value
            yield value
    finally:
        left.set()
        thread.join()

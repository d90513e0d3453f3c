"""Batches shared among threads."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch


def in_threads(work: Callable[[int], Any], items: Iterable[int]) -> None:
    """Calls ``work`` for every item in ``torch.get_num_threads()`` threads; pays when it releases the GIL.

    Plain threads around GIL-free kernels, rather than numba's own parallel loops: those crash in processes
    that were forked after their first use, and when two Python threads enter them at once.

    Args:
        work: called once per item; its result is dropped, its exception is raised here.
        items: what to work on.
    """
    todo = list(items)
    threads = min(len(todo), torch.get_num_threads())
    if threads <= 1:
        for item in todo:
            work(item)
        return
    with ThreadPoolExecutor(threads) as executor:
        for _ in executor.map(work, todo):
            pass

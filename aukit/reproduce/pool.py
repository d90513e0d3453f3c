"""Run configurations side by side in processes of their own, with one progress bar for all of them."""

import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any

from tqdm import tqdm

from aukit.runs import Record, execute


def run_all(configs: dict[str, dict[str, Any]], jobs: int, desc: str) -> dict[str, Record]:
    """Execute every configuration; finished runs are reused, interrupted ones go on.

    Args:
        configs: Name → resolved configuration.
        jobs: Processes side by side, each with its share of the cores; 1 runs everything in this process.
        desc: Text of the progress bar.

    Returns:
        Name → record, in the order of `configs`.

    Raises:
        Exception: The first error of any run, after the others have ended.
    """
    jobs = min(jobs, len(configs))
    if jobs <= 1:
        return {name: execute(config) for name, config in configs.items()}
    context = multiprocessing.get_context("spawn")
    threads = max(1, (os.cpu_count() or 1) // jobs)
    records: dict[str, Record] = {}
    with context.Manager() as manager:
        events = manager.Queue()
        with (
            tqdm(total=len(configs) * 1.0, desc=desc, unit="run", bar_format=_BAR) as bar,
            ProcessPoolExecutor(jobs, context, initializer=_start_worker, initargs=(threads,)) as pool,
        ):
            follower = threading.Thread(target=_follow, args=(events, bar), daemon=True)
            follower.start()
            futures = {pool.submit(_work, name, config, events): name for name, config in configs.items()}
            for future in as_completed(futures):
                records[futures[future]] = future.result()
            events.put(None)
            follower.join()
    return {name: records[name] for name in configs}


_BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"


def _start_worker(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)


def _work(name: str, config: dict[str, Any], events: Any) -> Record:
    record = execute(config, progress=lambda step, steps: events.put((name, step / max(steps, 1))))
    events.put((name, 1.0))
    return record


def _follow(events: Any, bar: Any) -> None:
    done: dict[str, float] = {}
    while (event := events.get()) is not None:
        name, share = event
        done[name] = max(share, done.get(name, 0.0))
        bar.n = sum(done.values())
        bar.refresh()

"""Run configurations side by side, with one progress bar for all of them."""

import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

from tqdm import tqdm

from aukit.training import Record, execute
from aukit.training.run import open_run
from aukit.utils.gpus import visible_gpus
from aukit.utils.processes import worker_pool
from aukit.utils.spawned import event_queue

_BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"

#: What is still to be done with a finished run, in the process that ran it.
After = Callable[[Record], object]

Report = Callable[[tuple[str, float]], None]


def run_all(
    configs: Mapping[str, Mapping[str, Any]],
    runs: Path,
    jobs: int,
    desc: str,
    after: Mapping[str, After] | None = None,
) -> dict[str, Record]:
    """Execute every configuration; finished runs are reused, interrupted ones go on.

    Processes are started for what is not finished alone, so that the last one left has all cores; of equal
    configurations one is trained, and no process waits for it.

    Args:
        configs: Name → configuration of `load_config`.
        runs: Folder of all run folders.
        jobs: Most processes side by side, each with its share of the cores and a GPU
            where there are some; a single one is this process.
        desc: Text of the progress bar.
        after: Name → what to do with the finished run, in the same process; it must be picklable.

    Returns:
        Name → record, in the order of `configs`.

    Raises:
        Exception: The first error of any run; what had begun goes on with the next call.
    """
    shares = dict.fromkeys(configs, 0.0)
    # Every step reports; where nothing redraws the bar, each drawing stays.
    every = 0.1 if sys.stderr.isatty() else 30.0
    with tqdm(total=len(configs), desc=desc, bar_format=_BAR, mininterval=every, miniters=0) as bar:

        def report(event: tuple[str, float]) -> None:
            name, share = event
            shares[name] = max(share, shares[name])
            bar.update(sum(shares.values()) - bar.n)

        then = after or {}

        def in_turn(names: Iterable[str]) -> dict[str, Record]:
            return {name: _work(name, configs[name], runs, report, then.get(name)) for name in names}

        if jobs == 1:
            return in_turn(configs)
        folders = {name: open_run(config, runs)[2] for name, config in configs.items()}
        records = in_turn(name for name, run in folders.items() if run.is_done)
        first: dict[Path, str] = {}
        for name in configs:
            if name not in records:
                first.setdefault(folders[name].path, name)
        left = {name: configs[name] for name in first.values()}
        workers = min(jobs, len(left))
        records |= _side_by_side(left, runs, workers, report, then) if workers > 1 else in_turn(left)
        records |= in_turn(name for name in configs if name not in records)
        return {name: records[name] for name in configs}


def _side_by_side(
    configs: Mapping[str, Mapping[str, Any]],
    runs: Path,
    jobs: int,
    report: Report,
    after: Mapping[str, After],
) -> dict[str, Record]:
    records: dict[str, Record] = {}
    with event_queue() as events, worker_pool(jobs, gpus=visible_gpus()) as workers:

        def follow() -> None:
            while (event := events.get()) is not None:
                report(event)

        follower = threading.Thread(target=follow, daemon=True)
        follower.start()
        futures = {
            workers.submit(_work, name, config, runs, events.put, after.get(name)): name
            for name, config in configs.items()
        }
        try:
            for future in as_completed(futures):
                records[futures[future]] = future.result()
        finally:
            events.put(None)
            follower.join()
    return records


def _work(
    name: str,
    config: Mapping[str, Any],
    runs: Path,
    report: Report,
    after: After | None,
) -> Record:
    record = execute(config, runs, progress=lambda step, steps: report((name, step / max(steps, 1))))
    if after is not None:
        after(record)
    report((name, 1.0))
    return record

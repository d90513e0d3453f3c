"""The plan of a table on several GPUs: trainings side by side, or each of them in turn on all GPUs."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from pathlib import Path

from aukit.reproduce.costs import Effort, OnAll, Trainings
from aukit.reproduce.plan import Stage, in_bytes, in_columns, in_time, most_bytes
from aukit.reproduce.throughput import NODE, Cluster


def cluster_lines(stages: Sequence[Stage], cluster: Cluster, logs: Path) -> list[str]:
    """Time, disk and all-reduce of stages both ways, and which way is the faster one.

    Args:
        stages: In their order.
        cluster: What they run on.
        logs: Folder that everything is written into.
    """
    count = cluster.count
    rests = [_rest(stage, cluster) for stage in stages]
    packed = [
        rest + busiest((length for each in _trainings(stage) for length in each.lengths(cluster.gpu)), count)
        for stage, rest in zip(stages, rests, strict=True)
    ]
    shared = [sum((each.on_all(cluster) for each in _trainings(stage)), OnAll()) for stage in stages]
    together = [OnAll(rest) + each for rest, each in zip(rests, shared, strict=True)]
    best = sum(min(one, other.seconds) for one, other in zip(packed, together, strict=True))
    title = f"{count} GPUs" if count > 1 else "1 GPU"
    rows = [
        [title, "side by side", "each on all", "all-reduce per step", "its share", "faster"],
        *map(_row, (stage.name for stage in stages), packed, together),
        _row("together", sum(packed), sum(together, OnAll())),
    ]
    disks = [most_bytes([stage.disk(jobs) for stage in stages]) for jobs in (count, 1)]
    return [
        "",
        *in_columns(rows),
        "side by side: a training on each GPU, the longest first; each on all: every training in turn with"
        f" trainer.devices={count}, which shares its batch",
        f"together with the faster way of each stage: {in_time(best)}",
        f"each GPU: {cluster.gpu}",
        *([f"all-reduce: counted bytes, and assumed: {cluster.link}"] if count > 1 else []),
        *_indivisible(stages, count),
        *([f"side by side on {count}: aukit reproduce uses the GPUs of one machine"] if count > NODE else []),
        f"disk below {logs}: {in_bytes(disks[0])} at most side by side, {in_bytes(disks[1])} each on all",
    ]


def busiest(lengths: Iterable[float], workers: int) -> float:
    """Seconds until all is done, if whoever is free takes the longest of what is left.

    Args:
        lengths: Seconds of each piece of work.
        workers: How many work side by side.

    Example:
        >>> busiest([3, 3, 2, 2, 2], workers=2)
        7.0
    """
    until = [0.0] * workers
    for length in sorted(lengths, reverse=True):
        heapq.heapreplace(until, until[0] + length)
    return max(until)


def _trainings(stage: Stage) -> list[Trainings]:
    return [item for item in stage.items if isinstance(item, Trainings)]


def _rest(stage: Stage, cluster: Cluster) -> float:
    """Seconds of what is no training and takes as long on any number of GPUs."""
    others = (item for item in stage.items if not isinstance(item, Trainings))
    return sum((item.effort(cluster.gpu) for item in others), Effort()).seconds


def _row(name: str, side_by_side: float, on_all: OnAll) -> list[str]:
    row = [name, in_time(side_by_side), in_time(on_all.seconds)]
    if not on_all.exchanged:
        return [*row, "", "", ""]
    each = on_all.exchanging / on_all.steps
    return [
        *row,
        f"{in_bytes(on_all.exchanged / on_all.steps)}, {1e3 * each:.1f} ms",
        f"{on_all.exchanging / on_all.seconds:.0%}",
        "each on all" if on_all.seconds < side_by_side else "side by side",
    ]


def _indivisible(stages: Sequence[Stage], count: int) -> list[str]:
    """A line for each size of batches that so many GPUs cannot share."""
    names: dict[int, list[str]] = {}
    for stage in stages:
        for each in _trainings(stage):
            if each.batch % count:
                names.setdefault(each.batch, []).append(each.name)
    sharing = {batch: max(n for n in range(1, count + 1) if batch % n == 0) for batch in names}
    return [
        f"a batch of {batch} is shared by {sharing[batch]} of the {count} GPUs: {', '.join(some)}"
        for batch, some in names.items()
    ]

"""Cores and memory that this process may use, which on a shared machine are less than there is."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path

__all__ = ["available_cores", "available_memory"]

_GROUPS = Path("/sys/fs/cgroup")


def available_cores() -> int:
    """Cores for this process: no more than its affinity and the limits of its control groups allow.

    SLURM and container runtimes give a job some cores of a machine by one or the other; `os.cpu_count` counts
    all of them. Shares of a core are rounded up.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(cores, _group_limit(_GROUPS, _own_groups()))))


def available_memory() -> int | None:
    """Bytes for this process: the machine's memory, or the limit of its control groups; None if unknown."""
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
    return int(min(there, _group_limit(_GROUPS, _own_groups(), "memory", _memory)))


def _own_groups() -> str:
    """Control groups of this process as Linux lists them; empty elsewhere."""
    try:
        return Path("/proc/self/cgroup").read_text()
    except OSError:
        return ""


def _group_limit(
    mounted: Path, groups: str, controller: str = "cpu", granted: Callable[[Path], float] | None = None
) -> float:
    """What control groups grant: the least of a group and those it lies in; infinite without a limit.

    Args:
        mounted: Where the groups are mounted.
        groups: Lines ``number:controllers:path``; the second version has no controllers.
        controller: Of what.
        granted: What one group grants; None for cores.
    """
    granted = granted or _granted
    limit = math.inf
    for line in groups.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = mounted / controllers if controllers else mounted
        own = root / path.lstrip("/")
        for folder in (own, *own.parents):
            if folder.is_relative_to(root):
                limit = min(limit, granted(folder))
    return limit


def _granted(folder: Path) -> float:
    """Quota over period of one group, of either version; infinite where there is none."""
    try:
        if (file := folder / "cpu.max").is_file():
            quota, period = file.read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text()
        return int(quota) / int(period) if quota not in ("max", "-1") else math.inf
    except (OSError, ValueError):
        return math.inf


def _memory(folder: Path) -> float:
    """Limit of memory of one group, of either version; infinite where there is none."""
    for name in ("memory.max", "memory.limit_in_bytes"):
        try:
            text = (folder / name).read_text().strip()
            return math.inf if text == "max" else int(text)
        except (OSError, ValueError):
            continue
    return math.inf

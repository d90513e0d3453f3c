"""The plan of a table: what every stage takes in operations, hours and disk; whether the disk has room."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from aukit.errors import ConfigError
from aukit.reproduce.costs import Disk, Effort, Item
from aukit.reproduce.options import free_bytes
from aukit.reproduce.throughput import Device


@dataclass(frozen=True)
class Stage:
    """A stage of a table.

    Attributes:
        name: As `make` calls it.
        items: What it is made of.
        lines: What a reader of the plan wants to know of it.
    """

    name: str
    items: Sequence[Item]
    lines: Sequence[str] = ()

    def disk(self, jobs: int) -> Disk:
        """What it writes from now on, with so many trainings side by side."""
        disks = [item.disk() for item in self.items]
        transients = sorted((disk.transient for disk in disks for _ in range(disk.pieces)), reverse=True)
        return Disk(sum(disk.kept for disk in disks), sum(transients[:jobs]))

    def effort(self, device: Device) -> Effort:
        """What it takes from now on, one part after the other."""
        return sum((item.effort(device) for item in self.items), Effort())


def plan_lines(stages: Sequence[Stage], device: Device, logs: Path) -> list[str]:
    """What stages are made of, and the table of their costs.

    Args:
        stages: In their order.
        device: What they run on.
        logs: Folder that everything is written into.
    """
    disks = [stage.disk(device.jobs) for stage in stages]
    efforts = [stage.effort(device) for stage in stages]
    names = [*(stage.name for stage in stages), "together"]
    kept = sum(disk.kept for disk in disks)
    rows = [
        ["", "trainings", "steps", "multiply-adds", "disk", "time"],
        *map(_row, names, [*efforts, sum(efforts, Effort())], [*(disk.kept for disk in disks), kept]),
    ]
    return [
        *(f"  {line}" for stage in stages for line in stage.lines),
        *in_columns(rows),
        f"time: counted work over {device}",
        f"disk below {logs}: {in_bytes(most_bytes(disks))} at most while it runs, {in_bytes(kept)} in the"
        f" end; {in_bytes(free_bytes(logs))} are free",
    ]


def in_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(["", row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]


def check_disk(stages: Sequence[Stage], logs: Path, jobs: int) -> None:
    """Refuse to begin what the disk has no room for.

    Args:
        stages: In their order.
        logs: Folder that everything is written into.
        jobs: Trainings side by side.

    Raises:
        ConfigError: More is needed than is free.
    """
    needed, free = most_bytes([stage.disk(jobs) for stage in stages]), free_bytes(logs)
    if needed > free:
        raise ConfigError(
            f"{logs.resolve()}: {in_bytes(needed)} are needed and {in_bytes(free)} are free on its disk;"
            " free some, begin in a folder of a larger disk (everything is written below"
            f" ./{logs.name} there, which may also be a link to one), or choose a smaller --profile"
        )


def most_bytes(disks: Iterable[Disk]) -> float:
    """Most disk at any time: what earlier stages kept, and what the stage needs while it runs."""
    kept, most = 0.0, 0.0
    for disk in disks:
        kept += disk.kept
        most = max(most, kept + disk.transient)
    return most


def weights_line(variable: str, used_for: str, without: str) -> str:
    """A line of a plan on a variable that names weights.

    Args:
        variable: Its name.
        used_for: What starts from them.
        without: What happens where it is not set.
    """
    value = os.environ.get(variable)
    return f"{variable:<22} {f'set: {value}' if value else f'not set: {without}'} ({used_for})"


def _row(name: str, effort: Effort, kept: float) -> list[str]:
    trainings = f"{effort.trainings}" + (f" (+{effort.done} done)" if effort.done else "")
    return [
        name,
        trainings if effort.trainings or effort.done else "",
        f"{effort.steps:,}" if effort.steps else "",
        f"{effort.multiply_adds:.1e}" if effort.multiply_adds else "",
        in_bytes(kept),
        in_time(effort.seconds),
    ]


def in_bytes(number: float) -> str:
    """Bytes as MB or GB."""
    return f"{number / 1e9:,.1f} GB" if number >= 1e9 else f"{number / 1e6:,.0f} MB"


def in_time(seconds: float) -> str:
    """Seconds as minutes or hours."""
    return f"{seconds / 3600:,.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"

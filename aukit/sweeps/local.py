"""A sweep on this machine, or by jobs of SLURM: choose points, train them, keep a table.

A point is written down before it is trained, and its run is found again by its identity: whatever kills the
command, repeated it goes on with what was begun, and trains nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from aukit.errors import ConfigError
from aukit.reproduce.parallel_runs import run_all
from aukit.sweeps.file import Sweep, check_metric
from aukit.sweeps.search import grid_points, next_point
from aukit.sweeps.table import SweepTable, Trained, tried
from aukit.training import Record, RunConfig
from aukit.utils.locks import waited_for

Configure = Callable[[list[str]], RunConfig]
"""Words behind `aukit` → the configuration that they stand for."""


class Train(Protocol):
    """Trains configurations by name, as `aukit.reproduce.parallel_runs.run_all`."""

    def __call__(
        self, configs: Mapping[str, Mapping[str, Any]], runs: Path, jobs: int, desc: str
    ) -> dict[str, Record]:
        """Name → record."""


class LocalSweep:
    """A sweep and its table.

    Args:
        sweep: What is varied.
        folder: Of the sweep.
        count: Points in all; None for all of a grid.
        seed: Of the choice of points.

    Raises:
        ConfigError: It is no grid, and there is no count.
    """

    def __init__(self, sweep: Sweep, folder: Path, count: int | None, seed: int = 0) -> None:
        size = len(grid_points(sweep)) if sweep.method == "grid" else None
        if (count is not None and count < 1) or (count is None and size is None):
            raise ConfigError(f"-n {count}: sweep {sweep.name} ({sweep.method}) wants a number of points")
        self.count = min(each for each in (count, size) if each is not None)
        self.sweep, self.seed = sweep, seed
        self.table = SweepTable(sweep, folder)

    def is_finished(self) -> bool:
        """Whether as many points as are wanted are trained."""
        return sum(point.is_done for point in self.table.read()) >= self.count

    def run(self, configure: Configure, runs: Path, jobs: int = 1, train: Train = run_all) -> str:
        """Train what is missing, and return the table as text; a second process waits for the first one.

        Points of before are looked for by their runs, too: where experiment, corpus or a file that they start
        from has changed since, they are other runs, which are trained.

        Args:
            configure: Reads the words of a point.
            runs: Folder of all run folders.
            jobs: Points side by side. TPE chooses so many without knowing of each other's values.
            train: How they are trained.

        Raises:
            ConfigError: The command, or a value of a point, cannot be.
        """
        folder = self.table.folder
        folder.mkdir(parents=True, exist_ok=True)
        waiting = f"{folder}: another process works on this sweep; waiting for it"
        with waited_for(folder / ".lock", waiting):
            points = [Trained(point.number, point.parameters) for point in self.table.read()]
            while begun := self._begun(points, jobs):
                configs = {f"point-{each.number}": self._config(each, configure) for each in begun}
                self.table.note(points)
                records = train(configs, runs, jobs, f"{self.sweep.name}-{len(points)}-of-{self.count}")
                for each in begun:
                    points[each.number] = _trained(each, records[f"point-{each.number}"])
                self.table.write(points)
            return self.table.text(points)

    def _begun(self, points: list[Trained], jobs: int) -> list[Trained]:
        """What to train next: what was begun, and new points, which are added."""
        begun = [point for point in points if not point.is_done]
        while len(begun) < jobs and len(points) < self.count:
            chosen = next_point(self.sweep, self.seed, tried(points))
            points.append(Trained(len(points), chosen))
            begun.append(points[-1])
        return begun

    def _config(self, point: Trained, configure: Configure) -> RunConfig:
        words = self.sweep.command(point.parameters)
        if not any(word.lstrip("-").startswith("logging.group=") for word in words):
            words.append(f"logging.group={self.sweep.name}")
        config = configure(words)
        check_metric(self.sweep, config)
        return config


def _trained(point: Trained, record: Record) -> Trained:
    return replace(
        point,
        value=float(record.notes.get("best_score", float("nan"))),
        best_epoch=record.notes.get("best_epoch"),
        seed=record.config.get("seed"),
        seconds=record.seconds,
        run=str(record.folder),
    )

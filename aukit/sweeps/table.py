"""The points of a sweep with their values: its memory between two commands, a table and a picture."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from aukit.errors import StoreError
from aukit.reproduce.render.document import csv_text
from aukit.sweeps.file import Point, Sweep
from aukit.sweeps.search import Tried
from aukit.utils.figure import literal, new_figure, png
from aukit.utils.files import write_atomic
from aukit.utils.outside import read_json
from aukit.utils.text import aligned, number

_MOST_BYTES = 2**26
_DECADES = 50.0  # greatest over least value of a parameter from which its axis is logarithmic


@dataclass(frozen=True)
class Trained:
    """A point of a sweep and, once its run is finished, what came of it.

    Attributes:
        number: From 0, in the order of choice.
        parameters: The point.
        value: Best value of the metric on validation people; NaN where it was never finite, None before.
        best_epoch: Epoch that has it.
        seed: Of the run.
        seconds: Of training and test, over all attempts.
        run: The run's folder.
    """

    number: int
    parameters: Point
    value: float | None = None
    best_epoch: int | None = None
    seed: int | None = None
    seconds: float | None = None
    run: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether its run is finished."""
        return self.run is not None


class SweepTable:
    """The points of a sweep in a folder: `table.json`, which is read again, `.csv`, `.md` and `.png`.

    Args:
        sweep: What is varied.
        folder: Of the sweep.
    """

    def __init__(self, sweep: Sweep, folder: Path) -> None:
        self.sweep, self.folder = sweep, folder

    def read(self) -> list[Trained]:
        """The points so far; none where nothing was begun.

        Raises:
            StoreError: The file is damaged.
        """
        path = self.folder / "table.json"
        try:
            rows = read_json(path, _MOST_BYTES)["points"]
            return [_finite(Trained(**row)) for row in rows]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise StoreError(
                f"{path}: cannot be read ({error}); remove it and repeat the command: finished runs stay"
            ) from error

    def write(self, points: Sequence[Trained]) -> None:
        """Write all of it."""
        rows = [[_plain(cell) for cell in row] for row in self._rows(points)]
        write_atomic(self.folder / "table.csv", csv_text([self._heading(), *rows]).encode())
        write_atomic(self.folder / "table.md", self._markdown(points).encode())
        if any(_has_value(point) for point in points):
            write_atomic(self.folder / "table.png", self.picture(points))
        self.note(points)

    def note(self, points: Sequence[Trained]) -> None:
        """Write what is read again."""
        content = {
            "sweep": self.sweep.name,
            "method": self.sweep.method,
            "metric": self.sweep.metric,
            "goal": self.sweep.content["metric"]["goal"],
            "points": [{key: _plain(value) for key, value in asdict(point).items()} for point in points],
        }
        write_atomic(self.folder / "table.json", json.dumps(content, indent=1).encode())

    def best(self, points: Sequence[Trained]) -> Trained | None:
        """The best point; the first of equal ones, None where none has a value."""
        known = [point for point in points if _has_value(point)]
        sign = 1 if self.sweep.maximizes else -1
        return max(known, key=lambda point: sign * (point.value or 0.0), default=None)

    def text(self, points: Sequence[Trained]) -> str:
        """All points in lines, the best one below."""
        rows = [[_shown(cell) for cell in row] for row in self._rows(points)]
        lines = aligned([self._heading(), *rows])
        if (best := self.best(points)) is not None:
            chosen = " ".join(f"{name}={best.parameters[name]}" for name in self.sweep.varied)
            lines.append(
                f"best: point {best.number}, {self.sweep.metric} = {number(best.value, '.4f')}: {chosen}"
            )
        return "\n".join(lines)

    def picture(self, points: Sequence[Trained]) -> bytes:
        """The metric over each parameter that is varied, as PNG; the best point is filled."""
        names = self.sweep.varied or list(self.sweep.parameters)[:1]
        columns = min(3, len(names))
        lines = math.ceil(len(names) / columns)
        title = f"{self.sweep.name}: {self.sweep.metric} of {len(points)} points"
        figure = new_figure(1 + 3.6 * columns, 0.8 + 3.0 * lines, title)
        known, best = [point for point in points if _has_value(point)], self.best(points)
        for at, name in enumerate(names, start=1):
            axes = figure.add_subplot(lines, columns, at)
            places, ticks = _places([point.parameters[name] for point in known])
            axes.plot(places, [point.value for point in known], "o", mfc="none", color="C0")
            if best is not None:
                axes.plot(places[known.index(best)], best.value, "o", color="C3")
            if ticks is not None:
                axes.set_xticks(range(len(ticks)), [literal(tick) for tick in ticks])
            elif min(places) > 0 and max(places) / min(places) >= _DECADES:
                axes.set_xscale("log")
            axes.set_xlabel(name)
            axes.set_ylabel(self.sweep.metric if (at - 1) % columns == 0 else "")
        return png(figure)

    def _heading(self) -> list[str]:
        return ["point", *self.sweep.varied, self.sweep.metric, "best epoch", "seed", "seconds", "run"]

    def _rows(self, points: Sequence[Trained]) -> list[list[Any]]:
        return [
            [
                each.number,
                *(each.parameters[name] for name in self.sweep.varied),
                *(each.value, each.best_epoch, each.seed, each.seconds, each.run),
            ]
            for each in points
        ]

    def _markdown(self, points: Sequence[Trained]) -> str:
        rows = [self._heading(), ["---"] * len(self._heading())]
        rows += [[_shown(cell).replace("|", "\\|") for cell in row] for row in self._rows(points)]
        return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def tried(points: Sequence[Trained]) -> list[Tried]:
    """What a choice of further points looks at."""
    return [Tried(point.parameters, point.value) for point in points]


def _has_value(point: Trained) -> bool:
    return point.value is not None and math.isfinite(point.value)


def _finite(point: Trained) -> Trained:
    """A finished point without a value has NaN, which JSON has not."""
    return replace(point, value=math.nan) if point.is_done and point.value is None else point


def _plain(cell: Any) -> Any:
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell


def _shown(cell: Any) -> str:
    if isinstance(cell, float):
        return "–" if math.isnan(cell) else f"{cell:.4g}"
    return "" if cell is None else str(cell)


def _places(values: Sequence[Any]) -> tuple[list[Any], list[str] | None]:
    """Where values lie on an axis, and its labels where they are no numbers."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return list(values), None
    labels = list(dict.fromkeys(map(str, values)))
    return [labels.index(str(value)) for value in values], labels

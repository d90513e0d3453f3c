"""Curves of a table: scores over the weights of the losses (Figure 3), or over views (Figure 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any, NamedTuple

from aukit.reproduce.niinuma2021.cells import NiinumaCells
from aukit.reproduce.render.report import Report
from aukit.reproduce.render.table import Column, Table
from aukit.utils.figure import legend_beside, new_figure, png
from aukit.utils.files import write_atomic

if TYPE_CHECKING:
    from aukit.training import Record

_BESIDE = 3
"""Panels side by side."""


class Curve(NamedTuple):
    """A line of a panel.

    Attributes:
        label: Its name in the legend.
        points: Tick → column that has the value there, with its interval.
        row: Action unit, ``"AU1"``, or ``"mean"``.
        color: Of matplotlib.
        has_spans: Whether it is drawn thick, with its intervals.
    """

    label: str
    points: Mapping[str, Column]
    row: str
    color: str
    has_spans: bool


def draw_weights(cells: NiinumaCells, generators: Mapping[str, Record], table: Table) -> Path:
    """Figure 3: ICC over each weight of the losses, a curve per action unit and their mean.

    Args:
        cells: The table.
        generators: Id → run.
        table: The table with its scores.
    """
    by_id = {column.id: column for column in table.columns}
    estimators = {column.heading.id: column.estimator for column in cells.columns}

    def weight(argument: str, id: str) -> str:
        made_by = cells.sets[cells.estimators[str(estimators[id])].set].generator
        return f"{generators[str(made_by)].config['model']['init_args'][argument]:g}"

    panels = {
        argument.replace("lambda", "λ"): [
            Curve(row, {weight(argument, id): by_id[id] for id in ids}, row, color, row == "mean")
            for row, color in [*((row, f"C{k}") for k, row in enumerate(table.rows)), ("mean", "k")]
        ]
        for argument, ids in cells.spec["curves"].items()
    }
    return _draw_curves(
        cells.folder / "figure3.png", table.title, panels, table.score, _below(table.caption[0])
    )


def draw_views(cells: NiinumaCells, report: Report) -> Path:
    """Figure 5: ICC over the views, a curve per scenario; the mean, then each action unit.

    Args:
        cells: The table.
        report: Its tables, one per scenario, with a column per view.
    """
    rows = ["mean", *next(iter(report.tables.values())).rows]
    panels = {
        row: [
            Curve(
                table.title,
                {str(view): c for view, c in zip(cells.views, table.columns, strict=True)},
                row,
                f"C{k}",
                True,
            )
            for k, table in enumerate(report.tables.values())
        ]
        for row in rows
    }
    score = next(iter(report.tables.values())).score
    return _draw_curves(
        cells.folder / "figure5.png", report.title, panels, score, f"By view. {_below(report.caption[0])}"
    )


def _below(data: str) -> str:
    """What stands below a picture: what the bars are, and the data."""
    return f"Bars: 95 % over people, as in the table. {data}"


def _draw_curves(
    path: Path,
    title: str,
    panels: Mapping[str, Sequence[Curve]],
    score: str,
    caption: str,
) -> Path:
    """Write panels of curves as a picture, with the caption below and in its metadata.

    Args:
        path: The PNG file.
        title: Above all panels.
        panels: Title of a panel → its curves; all panels share the axis of scores.
        score: Name of the score.
        caption: Sentences.
    """
    lines = -(-len(panels) // _BESIDE)
    words = fill(caption, 38 * _BESIDE + 20)
    height = 3.4 * lines + 0.17 * (words.count("\n") + 2)
    figure = new_figure(4.1 * _BESIDE + 1.3, height, title)
    figure.supxlabel(words, fontsize=7.5, x=0.01, ha="left")
    first: Any = None
    for at, (name, curves) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(lines, _BESIDE, at, sharey=first)
        first = first or axes
        for curve in curves:
            _draw(axes, curve)
        ticks = list(curves[0].points)
        axes.set_xticks(range(len(ticks)), ticks)
        axes.axhline(0, color="0.8", lw=0.8, zorder=0)
        axes.set_title(name, fontsize=10)
        if (at - 1) % _BESIDE == 0:
            axes.set_ylabel(score)
        if at == _BESIDE:
            legend_beside(axes)
    write_atomic(path, png(figure, caption))
    return path


def _draw(axes: Any, curve: Curve) -> None:
    found = [column.at(curve.row) for column in curve.points.values()]
    known = [(x, value, span) for x, (value, span) in enumerate(found) if value is not None]
    places, values = [x for x, _, _ in known], [value for _, value, _ in known]
    width = 2.0 if curve.has_spans else 1.0
    label = fill(curve.label if known else f"{curve.label}: not fitted, no score", 34)
    axes.plot(places, values, "o-", color=curve.color, lw=width, ms=2 * width, label=label)
    for x, _, span in known if curve.has_spans else ():
        if span:
            axes.plot([x, x], list(span), color=curve.color, lw=1.2)

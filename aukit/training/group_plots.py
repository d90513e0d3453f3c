"""Plots of scores by group of people: of a run, and of the page that `aukit fairness` writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aukit.training.fairness import EVERYBODY, GroupScores
from aukit.utils.figure import literal, new_figure, png
from aukit.utils.files import write_atomic

#: Told apart by everybody, also in grey by their marks (Okabe and Ito 2008).
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKS = "osD^vP*X<>"
_WIDTH = 12.0
"""Inches of a plot that a page shows without scrolling."""
_BY_ACTION_UNIT, _RELIABILITY = "fairness.png", "reliability.png"
"""Files of a run's folder."""


def draw_scores(scores: GroupScores, folder: Path, origin: str | None = None) -> list[Path]:
    """Write a run's plots beside its `fairness.csv`; costs a few seconds.

    Args:
        scores: Of the run.
        folder: Of the run.
        origin: What the faces are, in each plot's corner; None for no word of it.

    Returns:
        Files of `folder`: ``fairness.png``, the score of `GroupScores.score` per action unit and group with
        its interval, and, where scores are probabilities, their ``reliability.png``.
    """
    names = {EVERYBODY: EVERYBODY} | {name: f"{name} ({scores.people[name]})" for name in scores.groups}
    aus = [au for au in dict.fromkeys(scores.table["au"]) if au != "mean"]
    rows = scores.table[scores.table["statistic"] == scores.score]
    figures = {_BY_ACTION_UNIT: by_action_unit(rows, names, f"{scores.score.upper()}, 95 % over people")}
    if len(scores.reliability):
        figures[_RELIABILITY] = reliability_curves(scores.reliability, aus, names)
    for name, figure in figures.items():
        if origin is not None:
            corner = {"loc": "outside lower right", "frameon": False, "borderpad": 0.0}
            figure.legend([], [], title=literal(origin), title_fontsize=8, **corner)
        write_atomic(folder / name, png(figure))
    return drawn_scores(folder)


def drawn_scores(folder: Path) -> list[Path]:
    """The plots that `draw_scores` has written into a run's folder."""
    return [path for name in (_BY_ACTION_UNIT, _RELIABILITY) if (path := folder / name).is_file()]


def by_action_unit(table: pd.DataFrame, names: Mapping[str, str], label: str) -> Any:
    """A point with its interval per AU and group; as many AUs in a row as a page is wide.

    Args:
        table: Rows of one statistic, as in `GroupScores.table`.
        names: What each group is called, `EVERYBODY` first.
        label: What the statistic is called.
    """
    aus, groups = list(dict.fromkeys(table["au"])), tuple(names)
    room = max(0.62, 0.13 * len(groups))  # inches of an AU: a group's point stands apart from the next one's
    many = min(len(aus), max(1, int(_WIDTH / room)))
    rows = -(-len(aus) // many)
    figure = new_figure(max(7.0, 0.9 + many * room), 0.5 + 2.9 * rows)
    grid = figure.subplots(rows, 1, sharey=True, squeeze=False)[:, 0]
    spread = min(0.8, 0.14 * len(groups))
    for row, axes in enumerate(grid):
        shown = aus[row * many : (row + 1) * many]
        for place, group in enumerate(groups):
            points = table[table["group"] == group].set_index("au").reindex(shown)
            x = np.arange(len(shown)) + spread * ((place + 0.5) / len(groups) - 0.5)
            value, low, high = (points[name].to_numpy(np.float64) for name in ("value", "low", "high"))
            reach = np.nan_to_num(np.stack([value - low, high - value])).clip(0)
            color, mark = style(place)
            called = literal(names[group])
            axes.errorbar(x, value, reach, fmt=mark, color=color, ms=4.5, lw=1.2, capsize=2, label=called)
        for edge in np.arange(many - 1) + 0.5:
            axes.axvline(edge, color="0.93", lw=0.8, zorder=0)
        axes.set_xticks(range(len(shown)), shown)
        axes.set_xlim(-0.6, many - 0.4)
        axes.set_ylabel(label)
        axes.grid(axis="y", color="0.9", lw=0.7)
    low, high = grid[0].get_ylim()
    grid[0].set_ylim(max(low, -1.02), min(high, 1.02))
    _legend(figure, grid[0])
    return figure


def reliability_curves(table: pd.DataFrame, aus: Sequence[str], names: Mapping[str, str]) -> Any:
    """A small plot per AU: share of frames with the AU over the probability that was predicted.

    Args:
        table: As `GroupScores.reliability`.
        aus: The action units.
        names: What each group is called, `EVERYBODY` first.
    """
    columns = min(4, len(aus))
    rows = -(-len(aus) // columns)
    figure = new_figure(max(7.0, 2.7 * columns), 2.5 * rows + 0.6)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for cell, au in zip(grid.flat, [*aus, *[None] * (rows * columns - len(aus))], strict=True):
        if au is None:
            cell.axis("off")
            continue
        cell.plot([0, 1], [0, 1], color="0.8", lw=1, zorder=0)
        for place, group in enumerate(names):
            at = table[(table["au"] == au) & (table["group"] == group)]
            color, mark = style(place)
            size = 6 + 60 * np.sqrt(at["frames"].to_numpy(np.float64) / max(1, at["frames"].sum()))
            x, y = at["probability"], at["present"]
            cell.plot(x, y, color=color, lw=1)
            cell.scatter(x, y, size, color=color, marker=mark, label=literal(names[group]))
        cell.set_title(au, fontsize=9)
        cell.set_xlim(-0.03, 1.03)
        cell.set_ylim(-0.03, 1.03)
        cell.tick_params(labelsize=7)
    figure.supxlabel("predicted probability", fontsize=9)
    figure.supylabel("share of frames with the action unit", fontsize=9)
    _legend(figure, grid.flat[0])
    return figure


def _legend(figure: Any, axes: Any) -> None:
    """The groups, with their people, above the plots."""
    handles, labels = axes.get_legend_handles_labels()
    columns = max(1, int(figure.get_figwidth() / (0.6 + 0.075 * max(map(len, labels)))))
    figure.legend(handles, labels, fontsize=8, loc="outside upper left", ncols=columns, frameon=False)


def style(place: int) -> tuple[str, str]:
    """Colour and mark of a group by its place; everybody is first, in grey."""
    if place == 0:
        return "0.55", "_"
    return _COLORS[(place - 1) % len(_COLORS)], _MARKS[(place - 1) % len(_MARKS)]

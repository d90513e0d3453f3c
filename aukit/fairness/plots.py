"""The report's plots, as SVG that is the same for the same values."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np

from aukit.fairness.scores import Scored
from aukit.reproduce.render.figure import new_figure
from aukit.training.fairness import EVERYBODY

#: Told apart by everybody, also in grey by their marks (Okabe and Ito 2008).
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKS = "osD^vP*X<>"
_WIDTH = 12.0
"""Inches of a plot that a page shows without scrolling."""


def by_action_unit(scored: Scored, statistic: str, thresholds: str, label: str) -> str:
    """A point with its interval per AU and group; as many AUs in a row as the page is wide."""
    table = scored.table
    chosen = table[(table["statistic"] == statistic) & (table["thresholds"] == thresholds)]
    aus = list(dict.fromkeys(chosen["au"]))
    groups = (EVERYBODY, *scored.groups.names)
    room = max(0.62, 0.13 * len(groups))  # inches of an AU: a group's point stands apart from the next one's
    many = min(len(aus), max(1, int(_WIDTH / room)))
    rows = -(-len(aus) // many)
    figure = new_figure(max(7.0, 0.9 + many * room), 0.5 + 2.9 * rows)
    grid = figure.subplots(rows, 1, sharey=True, squeeze=False)[:, 0]
    spread = min(0.8, 0.14 * len(groups))
    for row, axes in enumerate(grid):
        shown = aus[row * many : (row + 1) * many]
        for place, group in enumerate(groups):
            points = chosen[chosen["group"] == group].set_index("au").reindex(shown)
            x = np.arange(len(shown)) + spread * ((place + 0.5) / len(groups) - 0.5)
            value, low, high = (points[name].to_numpy(np.float64) for name in ("value", "low", "high"))
            reach = np.nan_to_num(np.stack([value - low, high - value])).clip(0)
            color, mark = style(place)
            axes.errorbar(
                x, value, reach, fmt=mark, color=color, ms=4.5, lw=1.2, capsize=2, label=_short(group, scored)
            )
        for edge in np.arange(many - 1) + 0.5:
            axes.axvline(edge, color="0.93", lw=0.8, zorder=0)
        axes.set_xticks(range(len(shown)), shown)
        axes.set_xlim(-0.6, many - 0.4)
        axes.set_ylabel(label)
        axes.grid(axis="y", color="0.9", lw=0.7)
    low, high = grid[0].get_ylim()
    grid[0].set_ylim(max(low, -1.02), min(high, 1.02))
    _legend(figure, grid[0])
    return svg(figure)


def reliability_curves(scored: Scored) -> str:
    """A small plot per AU: share of frames with the AU over the probability that was predicted."""
    table = scored.reliability
    aus = list(dict.fromkeys(scored.thresholds["au"]))
    columns = min(4, len(aus))
    rows = -(-len(aus) // columns)
    figure = new_figure(max(7.0, 2.7 * columns), 2.5 * rows + 0.6)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for cell, au in zip(grid.flat, [*aus, *[None] * (rows * columns - len(aus))], strict=True):
        if au is None:
            cell.axis("off")
            continue
        cell.plot([0, 1], [0, 1], color="0.8", lw=1, zorder=0)
        for place, group in enumerate((EVERYBODY, *scored.groups.names)):
            at = table[(table["au"] == au) & (table["group"] == group)]
            color, mark = style(place)
            size = 6 + 60 * np.sqrt(at["frames"].to_numpy(np.float64) / max(1, at["frames"].sum()))
            x, y, label = at["probability"], at["present"], _short(group, scored)
            cell.plot(x, y, color=color, lw=1)
            cell.scatter(x, y, size, color=color, marker=mark, label=label)
        cell.set_title(au, fontsize=9)
        cell.set_xlim(-0.03, 1.03)
        cell.set_ylim(-0.03, 1.03)
        cell.tick_params(labelsize=7)
    figure.supxlabel("predicted probability", fontsize=9)
    figure.supylabel("share of frames with the action unit", fontsize=9)
    _legend(figure, grid.flat[0])
    return svg(figure)


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


def svg(figure: Any) -> str:
    """The figure as an SVG element: letters as outlines, no date, no random names."""
    import matplotlib

    out = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "aukit"}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    return re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)


def _short(group: str, scored: Scored) -> str:
    people = int(scored.support["people"].sum())
    if group != EVERYBODY:
        people = int(scored.support.set_index("group").loc[group, "people"])  # type: ignore[arg-type]
    return f"{group} ({people})"

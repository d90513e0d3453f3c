"""The report's plots, as SVG that is the same for the same values."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np

from aukit.fairness.scores import VALIDATED, Scored
from aukit.reproduce.render.figure import new_figure
from aukit.training.fairness import EVERYBODY

#: Told apart by everybody, also in grey by their marks (Okabe and Ito 2008).
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKS = "osD^vP*X<>"


def by_action_unit(scored: Scored, statistic: str, thresholds: str, label: str) -> str:
    """A point with its interval per AU and group."""
    table = scored.table
    chosen = table[(table["statistic"] == statistic) & (table["thresholds"] == thresholds)]
    aus = list(dict.fromkeys(chosen["au"]))
    groups = (EVERYBODY, *scored.groups.names)
    spread = min(0.8, 0.14 * len(groups))
    # Wide enough that a group's point stands apart from the next one's.
    figure = new_figure(max(8.0, 1.2 + len(aus) * max(0.62, 0.13 * len(groups))), 3.4)
    axes = figure.add_subplot()
    for place, group in enumerate(groups):
        rows = chosen[chosen["group"] == group].set_index("au").reindex(aus)
        x = np.arange(len(aus)) + spread * ((place + 0.5) / len(groups) - 0.5)
        value, low, high = (rows[name].to_numpy(np.float64) for name in ("value", "low", "high"))
        reach = np.nan_to_num(np.stack([value - low, high - value])).clip(0)
        color, mark = style(place)
        axes.errorbar(
            x, value, reach, fmt=mark, color=color, ms=4.5, lw=1.2, capsize=2, label=_short(group, scored)
        )
    for edge in np.arange(len(aus) - 1) + 0.5:
        axes.axvline(edge, color="0.93", lw=0.8, zorder=0)
    axes.set_xticks(range(len(aus)), aus)
    axes.set_xlim(-0.6, len(aus) - 0.4)
    axes.set_ylabel(label + (", validated" if thresholds == VALIDATED else ""))
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -1.02), min(high, 1.02))
    axes.grid(axis="y", color="0.9", lw=0.7)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return svg(figure)


def reliability_curves(scored: Scored) -> str:
    """A small plot per AU: share of frames with the AU over the probability that was predicted."""
    table = scored.reliability
    aus = list(dict.fromkeys(scored.thresholds["au"]))
    columns = min(4, len(aus))
    rows = -(-len(aus) // columns)
    figure = new_figure(2.6 * columns + 1.6, 2.5 * rows + 0.3)
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
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, loc="outside right upper", frameon=False)
    return svg(figure)


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

"""The report as one HTML page that needs nothing else: plots inline, no script, no font, no link."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
import pandas as pd

from aukit.fairness.predictions import Predictions
from aukit.fairness.scores import NAMES, PERMUTATIONS, UNKNOWN, USUAL, VALIDATED, Scored
from aukit.training.fairness import EVERYBODY
from aukit.training.group_plots import by_action_unit, reliability_curves
from aukit.utils.figure import svg
from aukit.utils.text import listing, number

#: Statistics with a plot, in the order of the page, and what a reader should know of each.
_PLOTS = {
    "icc": ("ICC(3,1)", "Agreement of predicted and coded intensity."),
    "f1": ("F1", "Depends on the threshold and on how often the action unit is there."),
    "auroc": ("AUROC", "How well scores rank frames, whatever the threshold; 0.5 is chance."),
    "average_precision": (
        "Average precision",
        "Whatever the threshold; chance is the share of frames with the action unit, which differs by group.",
    ),
    "brier": ("Brier score", "Mean squared error of the probabilities; less is better."),
    "ece": (
        "Calibration error",
        "Of ten bins of equal width; less is better. Chance makes it larger in a smaller group.",
    ),
}

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 78rem; margin: 2rem auto }
body { padding: 0 1.5rem } h1 { font-size: 1.6rem }
h2 { font-size: 1.3rem; margin-top: 3rem; border-top: 1px solid #ccc; padding-top: 1rem }
h3 { font-size: 1.05rem; margin: 1.8rem 0 .3rem } p { max-width: 60rem; margin: .4rem 0 }
table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums }
td, th { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #e4e4e4; white-space: nowrap }
td:first-child, th:first-child { text-align: left } .few { background: #fff3d6 } .wide { overflow-x: auto }
svg { display: block }
"""

FEW = 5
"""People; the page marks groups of fewer."""


def page(predictions: Predictions, scored: Sequence[Scored], notes: Sequence[str]) -> str:
    """The page.

    Args:
        predictions: What was scored.
        scored: Its scores by each attribute, at least one.
        notes: What was left out and why, beside the notes of the predictions.
    """
    frames, people = len(predictions.person), len(predictions.people)
    parts = [
        "<h1>Fairness of action units</h1>",
        _p(f"{frames:,} frames of {people:,} people: {predictions.source}."),
        _p(f"Decisions: {predictions.rule}; the same for all groups."),
        "<h3>How to read this page</h3>",
        _p(
            "Intervals are 95 % over people: frames of one person are nearly copies of each other, so people"
            " are left out one by one, within their group. A gap is the best minus the worst group; it is"
            " never negative, so only a test says whether it is more than chance."
        ),
        _p(
            f"p: people change their groups at random {PERMUTATIONS:,} times; p is the share of times in"
            " which the gap is at least as large. The hypotheses, fixed before anything was scored, are the"
            " action units × one attribute; “Holm” is p adjusted for their number. A small p says that groups"
            " differ, not why: how often they show an action unit counts too."
        ),
        "<h3>What was left out, and why</h3>",
        _list([*_left_out(predictions), *predictions.notes, *notes] or ["Nothing."]),
        "<h3>Thresholds</h3>",
        *_thresholds(scored[0]),
    ]
    for each in scored:
        parts += _section(each)
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Fairness of action units</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _left_out(predictions: Predictions) -> list[str]:
    coded = ~np.isnan(predictions.present)
    blind = coded & np.isnan(predictions.scores)
    uncoded = int((~coded.any(1)).sum())
    notes = [f"{uncoded:,} frames without a code of any action unit"] if uncoded else []
    if blind.any():
        people = len(set(predictions.person[blind.any(1)].tolist()))
        notes.append(f"{int(blind.any(1).sum()):,} coded frames of {people} people without a score")
    return notes


def _section(scored: Scored) -> list[str]:
    groups = scored.groups
    parts = [f"<h2>By {escape(groups.by)}</h2>", _support(scored)]
    remarks = [f"{count} in no group, only in “everybody”: {why}" for why, count in groups.unknown.items()]
    if groups.empty:
        remarks.append(f"nobody is in {', '.join(groups.empty)}; gaps are between the other groups")
    if remarks:
        parts.append(_list(remarks))
    if len(groups.names) < 2:
        parts.append(_p("There are no two groups, so there is no gap."))
    names = listing([NAMES[statistic] for statistic in scored.statistics])
    parts += [f"<h3>Gaps of {names}</h3>", _gaps(scored)]
    called, by_kind = _called(scored), dict(list(scored.table.groupby(["statistic", "thresholds"])))
    for statistic, (label, note) in _PLOTS.items():
        for thresholds in ("", USUAL, VALIDATED):
            if (statistic, thresholds) not in by_kind:
                continue
            title = label
            if (statistic, VALIDATED) in by_kind:
                title += " at the " + ("validated" if thresholds == VALIDATED else "usual") + " thresholds"
            plot = svg(by_action_unit(by_kind[statistic, thresholds], called, label))
            parts += [f"<h3>{title}</h3>", _p(note), f'<div class="wide">{plot}</div>']
    if len(scored.reliability):
        curves = svg(reliability_curves(scored.reliability, list(scored.thresholds["au"]), called))
        parts += [
            "<h3>Reliability curves</h3>",
            _p("On the diagonal probabilities mean what they say. Larger marks stand for more frames."),
            f'<div class="wide">{curves}</div>',
        ]
    return parts


def _called(scored: Scored) -> dict[str, str]:
    """What plots call each group: its name, with its people."""
    people = scored.support.set_index("group")["people"]
    return {EVERYBODY: f"{EVERYBODY} ({people.sum()})"} | {
        name: f"{name} ({people[name]})" for name in scored.groups.names
    }


def _thresholds(scored: Scored) -> list[str]:
    table = scored.thresholds
    columns = [name for name in (USUAL, VALIDATED) if name in table.columns]
    rows = [["", *table["au"]], *([name, *(f"{value:.3g}" for value in table[name])] for name in columns)]
    words = "One threshold per action unit for all groups."
    if VALIDATED in columns:
        words += " “validation” has the best F1 of everybody in the validation set, whatever their group."
    return [_p(words), _table(rows)]


def _support(scored: Scored) -> str:
    rows = [["group", "people", "frames", "coded", "not predicted"]]
    few = []
    for row in scored.support.to_dict("records"):
        if row["group"] == UNKNOWN and not row["people"]:
            continue
        if row["group"] != UNKNOWN and row["people"] < FEW:
            few.append(len(rows))
        rows.append([str(row["group"]), *(f"{row[name]:,}" for name in rows[0][1:])])
    marked = f" Marked: fewer than {FEW} people." if few else ""
    return _table(rows, few) + _p(
        f"Coded: frames with a code of any action unit; not predicted: those of them without a score.{marked}"
    )


def _gaps(scored: Scored) -> str:
    at = scored.table[scored.table["thresholds"] != VALIDATED]
    cells = {(r["statistic"], r["au"], r["group"]): r for r in at.to_dict("records")}
    names = scored.groups.names
    rows = [["", "gap", "95 %", "p", "Holm", "everybody", *names]]
    for called, statistic, gap in scored.gaps():
        values = [number(cells[statistic, gap["au"], group]["value"]) for group in (EVERYBODY, *names)]
        interval = "–" if pd.isna(gap["low"]) else f"{number(gap['low'])} to {number(gap['high'])}"
        chances = [number(gap[key], ".4f") for key in ("p", "p_holm")]
        rows.append([called, number(gap["value"]), interval, *chances, *values])
    return f'<div class="wide">{_table(rows)}</div>' + _p(
        "A dash: no value, because a group has no frame with the action unit, or no interval, because it"
        " hangs on one person. A mean is over all action units of which every group has the statistic. The"
        " CSV file has every value with frames, positives and people."
    )


def _table(rows: Sequence[Sequence[str]], marked: Iterable[int] = ()) -> str:
    few = set(marked)
    lines = []
    for place, row in enumerate(rows):
        tag = "th" if place == 0 else "td"
        cells = "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row)
        lines.append(f'<tr class="few">{cells}</tr>' if place in few else f"<tr>{cells}</tr>")
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def _p(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _list(items: Sequence[str]) -> str:
    return "<ul>\n" + "\n".join(f"<li>{escape(item)}</li>" for item in items) + "\n</ul>"

"""What a run prints at its end: what it was, and one table of its scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from aukit.training.fairness import BETWEEN, EVERYBODY, GroupScores
from aukit.training.record import Record
from aukit.utils.text import aligned, number

_MOST_GROUPS = 5  # columns that fit into 100 characters


def summary(record: Record) -> str:
    """Headline of a finished run and its scores per action unit; its logged metrics if it has no predictions.

    Args:
        record: Of `execute`.
    """
    lines = [f"{name:<10} {text}" for name, text in _headline(record).items()]
    if record.predictions is None:
        lines += ["", *(f"{name} = {number(value, '.4f')}" for name, value in sorted(record.metrics.items()))]
        return "\n".join(lines)
    return "\n".join([*lines, "", score_table(GroupScores.read(record.folder))])


def score_table(scores: GroupScores) -> str:
    """One row per action unit and their mean: score, its interval over people, each group's score, support.

    The score is ICC(3,1) where intensities were predicted, else F1.
    """
    cells: dict[tuple[Any, ...], dict[Any, Any]] = {
        (cell["statistic"], cell["au"], cell["group"]): cell for cell in scores.table.to_dict("records")
    }
    score, groups = scores.score, scores.groups[:_MOST_GROUPS]
    rows = [["", score.upper(), "95 %", *groups, "gap", "present/coded"]]
    for au in dict.fromkeys(scores.table["au"]):  # the mean is the last
        whole, counted = cells[score, au, EVERYBODY], cells["f1", au, EVERYBODY]
        each = [number(cells[score, au, group]["value"]) for group in groups]
        gap = number(cells[f"{score}_gap", au, BETWEEN]["value"])
        rows.append([au, number(whole["value"]), _interval(whole), *each, gap, _support(counted)])
    lines = aligned(rows, bars={3, 4 + len(groups)})
    rule = "-" * max(map(len, lines))
    people = ", ".join(f"{count} {name}" for name, count in scores.people.items() if count)
    notes = [
        f"95 %: over people ({people}), leaving each out; gap: between the best and the worst {scores.by}",
        scores.rule,
    ]
    aus = [au for au in dict.fromkeys(scores.table["au"]) if au != "mean"]
    shared = [au for au in aus if not any(pd.isna(cells[score, au, g]["value"]) for g in scores.groups)]
    if 0 < len(shared) < len(aus):
        notes.append(f"means by {scores.by}: of the {len(shared)} action units that every group has")
    if len(groups) < 2:
        notes.append(f"nobody is in another group by {scores.by}, so there is no gap")
    if len(groups) < len(scores.groups):
        notes.append(f"{len(scores.groups) - len(groups)} more values of {scores.by} are in the CSV file")
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], *notes])


def _headline(record: Record) -> dict[str, str]:
    notes, config = record.notes, record.config
    facts = [record.experiment, f"profile {config.get('profile') or 'none'}", f"seed {config.get('seed')}"]
    corpus = str(notes.get("corpus") or "–")
    if (target := (notes.get("data") or {}).get("target")) not in (None, notes.get("corpus")):
        corpus += f" → {target}"  # without labels
    if (tested := notes.get("tested_on")) not in (None, notes.get("corpus")):
        corpus += f", tested on {tested}"
    time = f"{record.seconds:,.0f} s"
    if record.test_frames_per_second is not None:
        time += f", tested at {record.test_frames_per_second:,.0f} frames/s"
    return {
        "experiment": ", ".join(facts),
        "corpus": corpus,
        "data": rendered_origin(notes) or "licensed or your own",
        "selection": str(notes.get("selection")),
        "time": time,
        "run": str(record.folder),
    }


def rendered_origin(notes: Mapping[str, Any]) -> str | None:
    """What the faces of a record's notes are, if they are rendered: it must stand beside every number."""
    if (standin := notes.get("standin")) is not None:
        recipe = standin.get("recipe")
        name = recipe.get("name") if isinstance(recipe, Mapping) else recipe
        return f"rendered stand-in (recipe {name}, version {standin.get('version')})"
    return "rendered faces" if notes.get("rendered") else None


def _interval(cell: Mapping[str, Any]) -> str:
    return "–" if pd.isna(cell["low"]) else f"[{number(cell['low'])}, {number(cell['high'])}]"


def _support(cell: Mapping[str, Any]) -> str:
    return "" if pd.isna(cell["frames"]) else f"{cell['positives']:,}/{cell['frames']:,}"

"""The sentences below PM2's tables: what was done, on whom, what the size can show and what not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aukit.reproduce.fairness_scores import SeedScores, span
from aukit.reproduce.render.statistics_table import is_significant

if TYPE_CHECKING:
    from aukit.datamodules import PairedDataModule
    from aukit.reproduce.pm2.tables import Cell, PM2Tables
    from aukit.training import Record

FAIRNESS = (
    "Gaps are the best minus the worst gender per AU, then the mean over AUs; a gap is never negative, so its"
    " interval leaves out 0 even where there is none: read the signed line. Demographic parity: of the share"
    " decided present, and no smaller than the base-rate gap even for a perfect detector; equal opportunity:"
    " of the true positive rate; equalized odds: the greater of the gaps of true and false positive rate."
)

DIFFERENCES = (
    "Each method minus source only, on the same people and seeds; n.s. = not significant: the 95 % interval"
    " holds 0. Nothing is corrected for the number of comparisons, so one in twenty would leave it out by"
    " chance."
)


def caption(
    table: PM2Tables, data: PairedDataModule, starts: dict[int, Record], records: dict[Cell, Record]
) -> list[str]:
    """Sentences below all tables."""
    return [
        _source(table, data),
        _people(table, data),
        _trainings(starts, records),
        _selection(records),
        _scores(table),
        _floor(table, records),
        *_reading(table, records),
        *not_run(table),
        "Published: the tables of the paper were not at hand, so none of its numbers stands here.",
    ]


def people(scores: SeedScores) -> str:
    """Whom the scores of one table are of."""
    by_gender = scores.people
    unknown = f", {by_gender['unknown']} of unknown gender" if by_gender["unknown"] else ""
    women, men = by_gender["female"], by_gender["male"]
    return f"{scores.frames:,} frames of {women} women and {men} men{unknown}."


def not_run(table: PM2Tables) -> list[str]:
    """What this size leaves out."""
    left = [m["label"] for m in table.spec["methods"] if m["id"] not in table.methods]
    left += [a["label"] for a in table.spec["ablations"] if a["id"] not in table.ablations]
    return [f"Not run in {table.setting.profile}: {'; '.join(left)}."] if left else []


def _source(table: PM2Tables, data: PairedDataModule) -> str:
    if table.setting.source == "licensed":
        return f"Source of the data: licensed releases. Size: {table.setting.profile}."
    made = ", ".join(f"{name} version {s['version']}" for name, s in data.notes["standins"].items() if s)
    return (
        f"Source of the data: rendered stand-ins and avatars, seed {table.setting.seed} ({made}; no real face"
        f" in them). Size: {table.setting.profile}. The recipes of the data were fixed before any method ran."
    )


def _people(table: PM2Tables, data: PairedDataModule) -> str:
    notes, source, target = data.notes, data.source, data.target
    counts = [
        len({*part.store.table.frame["person"].iloc[rows]})
        for part, rows in (
            (source, source.train_rows),
            (source, source.val_rows),
            (source, source.test_rows),
            (target, data.target_rows),
            (target, target.test_rows),
        )
    ]
    women, men = notes["real_frames_by_gender"]["female"], notes["real_frames_by_gender"]["male"]
    return (
        f"People of the source who train, select and are held out: {counts[0]}, {counts[1]} and {counts[2]}."
        f" {notes['triplets']:,} real frames ({women:,} of women, {men:,} of men), each with a female and a"
        f" male avatar. Adapted to {notes['target_frames']:,} unlabelled frames of {counts[3]}"
        f" {notes['adapted_to']}; tested on {counts[4]} others."
    )


def _trainings(starts: dict[int, Record], records: dict[Cell, Record]) -> str:
    start, some = next(iter(starts.values())), next(iter(records.values()))
    model, data = some.config["model"]["init_args"], some.config["data"]["init_args"]
    size = data["source"]["init_args"]["size"]
    target = data.get("target_batch_size") or data["batch_size"]
    seeds = ", ".join(map(str, starts))
    weights = start.config["model"]["init_args"].get("weights")
    begun = f"from the weights {Path(weights).name}" if weights else "from random weights"
    return (
        f"One source-trained start per seed (real frames only, {_steps(start)} steps {begun}), shared by all"
        " methods;"
        f" then {_steps(some)} steps of every method, source only included, with {data['batch_size']} frames"
        f" per labelled stream and {target} of the target, crops of {size} px, {model['backbone']}, Adam"
        f" {model['lr']:g}. Seeds: {seeds}."
    )


def _selection(records: dict[Cell, Record]) -> str:
    rules = sorted({str(record.notes["selection"]) for record in records.values()})
    return f"Selection: {'; '.join(rules)}. No label of the target selects anything."


def _scores(table: PM2Tables) -> str:
    return (
        "Scores: a mean probability of the heads above 0.5 is present; F1 per AU over all frames of the"
        " people, mean over AUs; mean over the seeds. Brackets and the lines 95 %: percentile intervals of"
        f" 2,000 bootstrap samples of people, within their gender, and of the {len(table.seeds)} seeds with"
        " replacement."
    )


def _floor(table: PM2Tables, records: dict[Cell, Record]) -> str:
    """Whether source-only has learned anything, where it should."""
    scores = table.scores(records, table.spec["baseline"], "source")
    found = span(scores.minus(scores.floor), "F1")
    verdict = "beats" if found[1] > 0 else "does not beat"
    return f"On held-out people of the source, source only {verdict} the floor: F1 {_interval(found)}."


def _reading(table: PM2Tables, records: dict[Cell, Record]) -> list[str]:
    """What is significant, and how small an effect could have been."""
    found: list[str] = []
    widths: dict[str, list[float]] = {"F1": [], "F1 gap": []}
    rows = ("F1", "F1 gap", "worst group's F1", "equal opportunity")
    for id, method in table.methods.items():
        if id == table.spec["baseline"]:
            continue
        minus = table.difference(records, id, table.spec["baseline"])
        spans = {row: span(minus, row) for row in rows}
        found += [
            f"{method['short']} {row} {_interval(each)}"
            for row, each in spans.items()
            if is_significant(each[1:])
        ]
        for row, ends in widths.items():
            ends.append((spans[row][2] - spans[row][1]) / 2)
    which = ", ".join(rows)
    sentences = [
        f"Significant against source only, of {which}: {'; '.join(found)}."
        if found
        else f"No method differs significantly from source only in any of {which}."
    ]
    f1, gap = (max(ends) for ends in widths.values())
    nothing = "; nan: none at all" if f1 + gap != f1 + gap else ""
    sentences.append(
        f"What {table.setting.profile} can show: that every step of the methods runs, and differences from"
        f" source only of more than about {f1:.3f} in F1 and {gap:.3f} in its gap (half the widest interval"
        f"{nothing}). It cannot show smaller ones, which method is best, or anything about real faces."
    )
    return sentences


def _steps(record: Record) -> str:
    trainer, data = record.config["trainer"], record.config["data"]["init_args"]
    return f"{trainer['max_epochs'] * (data['steps_per_epoch'] or 0):,}"


def _interval(found: tuple[float, float, float]) -> str:
    value, low, high = found
    return f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"

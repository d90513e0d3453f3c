"""From predictions and people to files: what `aukit fairness` writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from aukit.datasets.people import attributes_of_rows, group_people, read_attributes
from aukit.errors import ConfigError
from aukit.fairness.page import page
from aukit.fairness.predictions import Predictions
from aukit.fairness.scores import NAMES, Scored, score
from aukit.fairness.thresholds import validated_thresholds
from aukit.utils.files import replaces_its_kind, write_atomic
from aukit.utils.text import aligned, listing, number

TABLES = {"table": "fairness.csv", "reliability": "reliability.csv", "support": "support.csv"}
"""Tables of a `Scored`, and the files that hold them for all attributes."""


def check_place(folder: Path) -> None:
    """See that a report replaces nothing but an earlier one, whose tables begin with the column ``by``.

    Raises:
        ConfigError: Another table has one of its names, as a run's own ``fairness.csv``.
    """
    for name in TABLES.values():
        replaces_its_kind(folder / name, b"by,")


@dataclass(frozen=True)
class FairnessReport:
    """Scores by each of some attributes.

    Attributes:
        predictions: What was scored.
        scored: By each attribute.
        notes: What was left out and why, beside the notes of the predictions.
    """

    predictions: Predictions
    scored: tuple[Scored, ...]
    notes: tuple[str, ...]

    def write(self, folder: Path) -> None:
        """Write ``fairness.{csv,html}``, ``reliability.csv`` and ``support.csv``, each in one step.

        The same input and seed give the same bytes.

        Raises:
            ConfigError: Something else would be replaced.
        """
        check_place(folder)
        for name, file in TABLES.items():
            each = [getattr(scored, name).assign(by=scored.groups.by) for scored in self.scored]
            table = pd.concat(each, ignore_index=True)
            table = table[["by", *(column for column in table.columns if column != "by")]]
            write_atomic(folder / file, table.to_csv(index=False, float_format="%.9g").encode())
        write_atomic(folder / "fairness.html", page(self.predictions, self.scored, self.notes).encode())

    def text(self) -> str:
        """For a terminal: the means and the gaps that are tested."""
        lines = []
        for scored in self.scored:
            names = listing([NAMES[statistic] for statistic in scored.statistics])
            rows = [[f"gap of {names}", "gap", "p", "Holm"]]
            for called, _, row in scored.gaps():
                chances = [number(row[key], ".4f") for key in ("p", "p_holm")]
                rows.append([called, number(row["value"]), *chances])
            support = scored.support.to_dict("records")
            people = ", ".join(f"{row['people']} {row['group']}" for row in support if row["people"])
            alone = ["one group alone has no gap"] if len(scored.groups.names) < 2 else []
            lines += [f"by {scored.groups.by}: {people}", *aligned(rows), *alone, ""]
        return "\n".join([*lines, *self.predictions.notes, *self.notes]).rstrip()


def fairness_report(
    predictions: Predictions,
    by: Sequence[str],
    attributes: Path | None = None,
    validation: Predictions | None = None,
    seed: int = 0,
) -> FairnessReport:
    """Score predictions by groups of people.

    Args:
        predictions: Of frames; see `aukit.fairness.predictions` and `aukit.fairness.tool_tables`.
        by: What makes the groups, each as in `aukit.datasets.people`.
        attributes: Table of people; None for what the predictions say of them.
        validation: Predictions on other people, for thresholds.
        seed: Of the permutations.

    Raises:
        ConfigError: An attribute is unknown, a bin is wrong, or there is nobody to be compared.
        CorpusError: The table of people is damaged, or names nobody of the predictions.
    """
    people, notes = predictions.people, list[str]()
    known = [attributes_of_rows(predictions.source, predictions.person, predictions.columns)]
    if attributes is not None:
        read, others = read_attributes(attributes, people)
        known.insert(0, read)
        if others:
            notes.append(f"{others} people of {attributes} are not in the predictions")
    grouped = [group_people(people, each, known) for each in dict.fromkeys(by)]
    for groups in grouped:
        if not groups.names:
            why = "; ".join(f"{count}: {reason}" for reason, count in groups.unknown.items())
            raise ConfigError(f"groups by {groups.by}: nobody of {predictions.source} is in a group ({why})")
    thresholds = None
    if validation is not None:
        thresholds, more = validated_thresholds(validation, predictions)
        notes += [f"{validation.source}: {note}" for note in more]
    return FairnessReport(
        predictions, tuple(score(predictions, groups, thresholds, seed) for groups in grouped), tuple(notes)
    )

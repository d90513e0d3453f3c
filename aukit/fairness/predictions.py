"""Tables of predictions with labels: those of runs, and plain ones.

========================= ==============================================================================
``person``                id of the human being
``AU12_label``            occurrence, 0 or 1 (or intensity, 0 to 5); empty where not coded
``AU12_score``            probability, 0 to 1 (or any score, or an intensity); empty where not predicted
any other word            an attribute, if it is the same in all rows of a person
========================= ==============================================================================

CSV (commas, semicolons or tabs) or Parquet, a row per frame; capitals do not count, and ``AU4`` is ``AU04``.
Files of runs say themselves what their labels are.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import expit

from aukit.datasets.person_ids import composed, spelling
from aukit.datasets.table_file import NOTHING, read_arrow
from aukit.errors import ConfigError, CorpusError
from aukit.training.fairness import PRESENT_FROM, are_probabilities

Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.object_]

_COLUMN = re.compile(r"au[ _-]?0*(\d{1,2})[ _](label|score)", re.IGNORECASE | re.ASCII)
_ANY_SCORE = re.compile(r"au[ _-]?\d.*", re.IGNORECASE)


@dataclass(frozen=True)
class Predictions:
    """Frames of people, what coders said of them and what was predicted.

    Attributes:
        source: Where they are from, for messages.
        aus: Action units, ascending.
        person: Person of each frame, texts [n].
        scores: [n, A]; the greater the more the AU is there. NaN where nothing was predicted.
        thresholds: [A]; a score above it says that the AU is present.
        present: [n, A] coded occurrence: 1, 0 or NaN.
        probabilities: [n, A]; NaN where scores are no probabilities.
        levels: [n, A] coded intensity where scores are intensities too, else NaN.
        columns: Further columns, texts [n] each.
        rule: How scores and labels became decisions, in words.
        notes: What was left out, and why.

    Raises:
        CorpusError: Two ids are spellings of one person, who would count as two people.
    """

    source: str
    aus: tuple[int, ...]
    person: Texts
    scores: Floats
    thresholds: Floats
    present: Floats
    probabilities: Floats
    levels: Floats
    columns: dict[str, Texts]
    rule: str
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        first: dict[str, str] = {}
        for person in self.people:
            if (other := first.setdefault(spelling(person), person)) != person:
                raise CorpusError(
                    f"{self.source}: {other} and {person} are spellings of one person; write one of them"
                )

    @property
    def people(self) -> list[str]:
        """Their ids, sorted."""
        return sorted(set(self.person.tolist()))

    def decided(self, thresholds: Floats) -> Floats:
        """Decisions [n, A]: 1, 0 or NaN."""
        return np.where(np.isnan(self.scores), np.nan, self.scores > thresholds)


@dataclass(frozen=True)
class Kind:
    """What scores and labels are where a file does not say it.

    Attributes:
        intensity: Whether they are intensities, 0 to 5.
        threshold: A score above it says that the AU is present; None for the usual one: 0.5, of intensities
            1.5.
        logits: Whether scores are logits of probabilities, and the usual threshold 0.

    Raises:
        ConfigError: The threshold is no finite number.
    """

    intensity: bool = False
    threshold: float | None = None
    logits: bool = False

    def __post_init__(self) -> None:
        if self.threshold is not None and not abs(self.threshold) <= np.finfo(np.float32).max:
            raise ConfigError(f"--threshold {self.threshold}: name a finite number, one that scores may have")


def read_predictions(paths: Sequence[Path], kind: Kind = Kind()) -> Predictions:
    """Read tables of predictions as one: the folds of a cross-validation, for instance.

    Args:
        paths: The files; of a run also its folder, for its ``predictions.parquet``. One that is named twice
            counts once.
        kind: What scores and labels are where a file does not say it; its `threshold` counts before a file's.

    Raises:
        CorpusError: A file is damaged, lacks a column, or holds a label or score that cannot be one.
        ConfigError: The files do not belong together.
    """
    files = [path / "predictions.parquet" if path.is_dir() else path for path in paths]
    distinct = {os.path.realpath(path): path for path in reversed(files)}
    tables = [_read(path, kind) for path in reversed(distinct.values())]
    first = tables[0]
    for other in tables[1:]:
        if other.aus != first.aus or other.rule != first.rule:
            mine, theirs = (f"AUs {each.aus}, {each.rule}" for each in (first, other))
            raise ConfigError(
                f"{other.source}: {theirs}; {first.source} has {mine}: name them in commands of their own"
            )
    shared = [name for name in first.columns if all(name in table.columns for table in tables)]
    together: Any = {
        name: np.concatenate([getattr(table, name) for table in tables])
        for name in ("person", "scores", "present", "probabilities", "levels")
    }
    _check_once(tables)
    return Predictions(
        source=", ".join(table.source for table in tables),
        aus=first.aus,
        thresholds=first.thresholds,
        rule=first.rule,
        columns={name: np.concatenate([table.columns[name] for table in tables]) for name in shared},
        **together,
    )


def _check_once(tables: Sequence[Predictions]) -> None:
    """Refuse a frame that two files have: scored together, two trainings would count as twice the people."""
    seen: dict[tuple[str, str], str] = {}
    for table in tables:
        if "row" not in table.columns:
            continue
        for row, key in enumerate(zip(table.person.tolist(), table.columns["row"].tolist(), strict=True)):
            if (before := seen.setdefault(key, table.source)) != table.source:
                raise ConfigError(
                    f"{table.source}, row {row + 1}: the frame of {key[0]} is in {before} too; two trainings"
                    " on the same frames are scored in commands of their own"
                )


def _read(path: Path, kind: Kind) -> Predictions:
    table = read_arrow(path, lambda name: _COLUMN.fullmatch(name.strip()) is not None)
    said = _said(path)
    intensity = said["label"] == "intensity" if "label" in said else kind.intensity
    usual = PRESENT_FROM - 0.5 if intensity else float(said.get("threshold", 0.0 if kind.logits else 0.5))
    # Scores are read in single precision: one that equals the threshold does so there.
    threshold = float(np.float32(usual if kind.threshold is None else kind.threshold))
    found: dict[tuple[int, str], str] = {}
    for name in table.column_names:
        if match := _COLUMN.fullmatch(name):
            key = int(match[1]), match[2].lower()
            if key in found:
                raise CorpusError(f"{path}: {found[key]} and {name} are the same column; remove one of them")
            found[key] = name
    aus = tuple(
        sorted({au for au, word in found if word == "label"} & {au for au, word in found if word == "score"})
    )
    keys = {name.lower(): name for name in table.column_names}
    if not aus or "person" not in keys:
        lacking = (
            "a column person" if aus else "an action unit with columns such as AU12_label and AU12_score"
        )
        raise CorpusError(f"{path}: lacks {lacking}; it has {', '.join(table.column_names[:12])}")
    labels, scores = (
        np.stack([_numbers(table, found[au, word]) for au in aus], axis=1) for word in ("label", "score")
    )
    _check_labels(path, [found[au, "label"] for au in aus], labels, intensity)
    person = np.array([composed(text) for text in _texts(table, keys["person"])], dtype=object)
    if (silent := np.array([text.lower() in NOTHING for text in person])).any():
        row = int(np.argmax(silent))
        cell = f" ({person[row]})" if person[row] else ""
        raise CorpusError(f"{path}, row {row + 1}: names no person{cell}; write an id in every row")
    if (np.isnan(labels) | np.isnan(scores)).all():
        raise CorpusError(f"{path}: no frame has both a label and a score of an action unit; fill them in")
    nothing = np.full_like(scores, np.nan)
    probabilities = nothing
    if kind.logits and not intensity:
        probabilities = expit(scores)
    elif not intensity and are_probabilities(scores, threshold):
        probabilities = scores
    rule = f"present: score above {threshold:g}"
    if intensity:
        rule += f", label {PRESENT_FROM} and more"
    elif not kind.logits and np.isnan(probabilities).all():
        rule += "; scores are no probabilities"
        if "label" not in said and kind.threshold is None:
            at = tuple(np.argwhere((scores < 0) | (scores > 1))[0].tolist())
            raise CorpusError(
                f"{path}, row {at[0] + 1}, column {found[aus[at[1]], 'score']}: {scores[at]:g} is no"
                " probability; say what scores are: --intensity, --logits, or --threshold N for scores of"
                " another kind"
            )
    return Predictions(
        source=str(path),
        aus=aus,
        person=person,
        scores=scores,
        thresholds=np.full(len(aus), threshold),
        present=np.where(np.isnan(labels), np.nan, labels >= PRESENT_FROM) if intensity else labels,
        probabilities=probabilities,
        levels=labels if intensity else nothing,
        columns={
            key: _texts(table, name)
            for key, name in keys.items()
            if key != "person" and not _ANY_SCORE.fullmatch(name)
        },
        rule=rule,
    )


def _said(path: Path) -> dict[str, Any]:
    """What a file of a run says of its labels and scores."""
    if path.suffix.lower() not in (".parquet", ".pq"):
        return {}
    text = (pq.read_schema(path).metadata or {}).get(b"PANDAS_ATTRS", b"{}")
    try:
        said = json.loads(text)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _check_labels(path: Path, columns: Sequence[str], labels: Floats, intensity: bool) -> None:
    allowed = range(6) if intensity else range(2)
    bad = ~(np.isnan(labels) | np.isin(labels, allowed))
    if not bad.any():
        return
    row, au = np.argwhere(bad)[0].tolist()
    remedy = "leave the cell empty where the frame is not coded"
    if not intensity:
        remedy += "; of intensities say --intensity"
    raise CorpusError(
        f"{path}, row {row + 1}, column {columns[au]}: {labels[row, au]:g} is none of"
        f" {', '.join(map(str, allowed))}; {remedy}"
    )


def _numbers(table: pa.Table, name: str) -> Floats:
    values = table.column(name).to_numpy()
    return np.asarray(values, dtype=np.float64)


def _texts(table: pa.Table, name: str) -> Texts:
    return np.array(
        ["" if text is None else text.strip() for text in table.column(name).to_pylist()], dtype=object
    )

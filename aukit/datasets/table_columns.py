"""What the columns of a user's table mean: places of frames, people, labels, attributes; by their names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aukit.datasets.frame_table import ID_COLUMNS, PREDICTION_COLUMNS, is_attribute
from aukit.datasets.table_file import Column
from aukit.errors import CorpusError, shown
from aukit.facs import ACTION_UNITS, intensity_column, occurrence_column

KNOWN = ("path", "video", "frame", "person", "gender", "task", "view", "partition")
"""Columns with a meaning of their own, beside those of labels."""

_OTHER_WORDS = {"sex": "gender", "session": "task", "camera": "view", "split": "partition"}
"""What people call some of them; kept as attributes, since they may be meant so."""

_LABEL = re.compile(r"au[ _-]?0*(\d{1,2})[ _-]?([cr])", re.IGNORECASE | re.ASCII)
_LIKE_A_LABEL = re.compile(r"(?:au[ _-]?0*(\d{1,2})(?!\d).*|0*(\d{1,2}))", re.IGNORECASE | re.ASCII)
_UNNAMED = re.compile(r"column_\d+|unnamed: ?\d+|__index_level_\d+__", re.IGNORECASE)


@dataclass
class Meaning:
    """Columns of a table by what they mean.

    Attributes:
        known: Those of `KNOWN` that are there.
        labels: By the name that a `FrameTable` gives them, e.g. ``AU04_r``; sorted.
        attributes: All others, by name.
        notes: What was tolerated, and which columns became attributes.

    Example:
        >>> columns = {name: Column(Path("t.csv"), name, codes, [""]) for name in ("path", "person", "AU4_r")}
        ... # doctest: +SKIP
        >>> list(understand(Path("t.csv"), columns).labels)  # doctest: +SKIP
        ['AU04_r']
    """

    known: dict[str, Column] = field(default_factory=dict)
    labels: dict[str, Column] = field(default_factory=dict)
    attributes: dict[str, Column] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def understand(path: Path, columns: Mapping[str, Column]) -> Meaning:
    """Tell what each column is; capitals and spaces in names do not count.

    Raises:
        CorpusError: A needed column is missing, one has a name that leaves open what it is, or two mean the
            same.
    """
    found = Meaning()
    for name, column in columns.items():
        if _UNNAMED.fullmatch(name):
            found.notes.append(f"column {name}: counts rows and is left out")
        elif (word := name.lower()) in KNOWN:
            _put(found.known, word, column)
        elif match := _LABEL.fullmatch(name):
            _put(found.labels, _label(column, int(match[1]), match[2].lower()), column)
        else:
            _put(found.attributes, _attribute(column), column)
    found.labels = dict(sorted(found.labels.items()))
    _require(path, found, columns)
    if found.attributes:
        near = {name: close for name in found.attributes if (close := _nearest(name, found))}
        question = "".join(f"; is {name} meant to be {close}?" for name, close in near.items())
        found.notes.append(f"columns kept as attributes: {', '.join(found.attributes)}{question}")
    return found


def _put(columns: dict[str, Column], name: str, column: Column) -> None:
    if name in columns:
        raise CorpusError(
            f"{column.path}: the columns {columns[name].name!r} and {column.name!r} both are {name}; "
            "remove one of them"
        )
    columns[name] = column


def _label(column: Column, au: int, kind: str) -> str:
    if au not in ACTION_UNITS:
        raise CorpusError(
            f"{column.path}, column {column.name!r}: no action unit {au} is known; remove the column, or "
            "correct its name"
        )
    return occurrence_column(au) if kind == "c" else intensity_column(au)


def _attribute(column: Column) -> str:
    if match := _LIKE_A_LABEL.fullmatch(column.name):
        au = int(match[1] or match[2])
        raise CorpusError(
            f"{column.path}, column {shown(column.name)!r}: is called {occurrence_column(au)} if it holds "
            f"occurrences (0 or 1), {intensity_column(au)} if it holds intensities (0 to 5), and otherwise "
            "by a word; rename it"
        )
    name = re.sub(r"\W+", "_", column.name, flags=re.ASCII).strip("_")
    if not is_attribute(name):
        taken = name.lower() in (*ID_COLUMNS, *PREDICTION_COLUMNS)
        why = "is a word with another meaning here" if taken else "is no word of letters, digits and _"
        raise CorpusError(
            f"{column.path}, column {shown(column.name)!r}: {why}; rename it (known are {', '.join(KNOWN)}, "
            "AU12_c and AU12_r for each action unit, and attributes of your own)"
        )
    return name


def _require(path: Path, found: Meaning, columns: Mapping[str, Column]) -> None:
    there = ", ".join(map(shown, columns))
    if "person" not in found.known:
        raise CorpusError(
            f"{path}: has no column person, an id per human being, without which no split keeps people apart;"
            f" its columns are {shown(there, 300)}"
        )
    if "path" not in found.known and "video" not in found.known:
        raise CorpusError(
            f"{path}: has neither a column path (of an image) nor video and frame; its columns are "
            f"{shown(there, 300)}"
        )
    if "video" in found.known and "frame" not in found.known:
        raise CorpusError(f"{path}: has a column video but no frame, the number in the video; add it")


def _nearest(name: str, found: Meaning) -> str | None:
    free = [word for word in KNOWN if word not in found.known]
    if (word := _OTHER_WORDS.get(name.lower())) in free:
        return word
    return next(iter(difflib.get_close_matches(name.lower(), free, 1, 0.75)), None)

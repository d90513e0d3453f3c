"""Groups of people: what a table says of each person, in bins and crossed.

========================= ==============================================================================
``gender``                the values of a column
``age:<30,30-50,>50``     bins of a column of numbers; ``30-50`` holds both ends, ``<=`` and ``>=`` their own
``gender+age:<30,>=30``   each value of the one with each of the other
========================= ==============================================================================
"""

from __future__ import annotations

import operator
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from aukit.datasets.genders import WORDS
from aukit.datasets.person_ids import composed
from aukit.datasets.table_file import NOTHING, read_words
from aukit.errors import ConfigError, CorpusError, shown

MOST_VALUES = 20
"""Different values of a column that are groups; of more, such as ages, bins must be named."""

_BIN = re.compile(r"(<=|>=|<|>)?(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?")
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

_TAKEN = re.compile(r"everybody|between|no group|unknown|<NA>|gap|difference|(gap_)?AU\d+(_.*)?")
"""Names that tables, or names of scores such as ``f1_gap`` and ``f1_AU12``, have for something else."""

Texts = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Attributes:
    """What is known of people.

    Attributes:
        source: Where it is from, for messages.
        names: The attributes.
        of: Person → attribute → value; an empty text where it is not known.
    """

    source: str
    names: tuple[str, ...]
    of: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Groups:
    """The people of a table of predictions in groups.

    Attributes:
        by: What makes them, as it was asked for.
        names: Groups with at least one person, in order.
        empty: Groups that were asked for and have nobody.
        of: Person → group; None for people of no group.
        unknown: Why people are in no group → how many.
    """

    by: str
    names: tuple[str, ...]
    empty: tuple[str, ...]
    of: Mapping[str, str | None]
    unknown: Mapping[str, int]


def read_attributes(path: Path, people: Sequence[str]) -> tuple[Attributes, int]:
    """Read a table of people.

    Args:
        path: CSV or Parquet with the column ``person`` and one per attribute. A person is called as in the
            predictions (``DISFA/SN001``), or by what is behind the stroke (``SN001``). Of ``gender`` also the
            letters f and m are understood.
        people: Those of the predictions.

    Returns:
        What it says of them, and how many of its people are not among them.

    Raises:
        CorpusError: The table is damaged, names a person twice or one who fits several, or none of `people`.
    """
    columns = read_words(path)
    if "person" not in columns or len(columns) < 2:
        raise CorpusError(f"{path}: the columns are {', '.join(columns)}; needed are person and attributes")
    named = columns.pop("person")
    short: dict[str, list[str]] = {}
    for person in people:
        short.setdefault(composed(person).rpartition("/")[2], []).append(person)
    whole = {composed(person): person for person in people}
    rows: dict[str, int] = {}
    others = 0
    for row, name in enumerate(map(composed, named.values())):
        fits = [whole[name]] if name in whole else short.get(name, [])
        if len(fits) > 1:
            raise CorpusError(
                f"{path}, row {row + 1}: {name} may be {' or '.join(fits[:2])}; write the whole id"
            )
        others += not fits
        for person in fits:
            if person in rows:
                raise CorpusError(
                    f"{path}, row {row + 1}: {person} again, after row {rows[person] + 1}; remove one of them"
                )
            rows[person] = row
    if not rows:
        first = shown(next(iter(named.values())), 40)
        raise CorpusError(
            f"{path}: names nobody of the predictions; they have {people[0]}, it has {first!r}: write the"
            " same ids"
        )
    texts = {name: column.values() for name, column in columns.items()}
    of = {
        person: {name: _plain(name, str(values[row])) for name, values in texts.items()}
        for person, row in rows.items()
    }
    return Attributes(str(path), tuple(columns), of), others


def attributes_of_rows(source: str, person: Texts, columns: Mapping[str, Texts]) -> Attributes:
    """What the columns of a table of predictions say of its people.

    A column that says several things of one person, such as a task, is no attribute of people.

    Args:
        source: The table, for messages.
        person: [n] person of each row.
        columns: Name → [n] texts.
    """
    of: dict[str, dict[str, str]] = {name: {} for name in sorted(set(person.tolist()))}
    names = []
    for name, values in columns.items():
        pairs = pd.DataFrame({"person": person, "value": values}).drop_duplicates()
        if len(pairs) == len(of):
            name = name.lower()
            names.append(name)
            for each, value in zip(pairs["person"], pairs["value"], strict=True):
                of[each][name] = _plain(name, value)
    return Attributes(source, tuple(names), of)


def group_people(people: Sequence[str], by: str, sources: Sequence[Attributes]) -> Groups:
    """Put people into groups.

    Args:
        people: Those of the predictions.
        by: See the module's text.
        sources: What is known of them; the first that has an attribute counts.

    Raises:
        ConfigError: An attribute is unknown, a bin is none or overlaps, a value is no number, or a group is
            called as something else is.
    """
    parts = [_part(text, people, sources) for text in by.split("+")]
    names = [" × ".join(each) for each in product(*(part.names for part in parts))]
    check_names(names, by, " and ".join(dict.fromkeys(part.source for part in parts)))
    of: dict[str, str | None] = {}
    unknown: Counter[str] = Counter()
    for person in people:
        groups = [part.of.get(person) for part in parts]
        missing = [why for part in parts if (why := part.why.get(person))]
        of[person] = None if missing else " × ".join(str(group) for group in groups)
        unknown.update(missing[:1])
    there = set(of.values())
    return Groups(
        by=by,
        names=tuple(name for name in names if name in there),
        empty=tuple(name for name in names if name not in there),
        of=of,
        unknown=dict(unknown),
    )


def check_names(names: Sequence[str], by: str, source: str) -> None:
    """Check that groups can be told by their names from each other and from what else is scored.

    Args:
        names: Of all groups.
        by: What makes them.
        source: Where the names are from.

    Raises:
        ConfigError: One cannot.
    """
    for name in names:
        if _TAKEN.fullmatch(name):
            raise ConfigError(
                f"groups by {by}: {source} calls a group {name!r}, a name that tables of scores have for"
                " something else; write another word there"
            )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ConfigError(
            f"groups by {by}: {source} gives two groups the name {twice[0]!r}; name each bin once, and write"
            " no × in values"
        )


@dataclass(frozen=True)
class _Part:
    """One attribute: where it is from, its groups, each person's, and why somebody has none."""

    source: str
    names: list[str]
    of: Mapping[str, str | None]
    why: Mapping[str, str]


def _part(text: str, people: Sequence[str], sources: Sequence[Attributes]) -> _Part:
    name, sign, bins = text.strip().partition(":")
    name = name.strip().lower()
    source = next((each for each in sources if name in each.names), None)
    if source is None:
        known = ", ".join(dict.fromkeys(each for source in sources for each in source.names)) or "none"
        raise ConfigError(
            f"groups by {text}: no attribute of people is called {name!r}; there is {known} (a"
            " column whose value changes within a person is none)"
        )
    said = {person: source.of.get(person, {}).get(name) for person in people}
    why = {p: f"no row in {source.source}" for p, value in said.items() if value is None}
    why |= {p: f"{name} is empty" for p, value in said.items() if value is not None and _silent(value)}
    known_values = {p: str(value) for p, value in said.items() if p not in why}
    if not sign:
        names = sorted(set(known_values.values()), key=_by_number)
        if len(names) > MOST_VALUES:
            raise ConfigError(
                f"groups by {text}: {source.source} has {len(names)} different values of {name}; name bins,"
                f" such as '{name}:<30,30-50,>50'"
            )
        return _Part(source.source, names, known_values, why)
    names = [each.strip() for each in bins.split(",")]
    edges = {each: _bin(each, text) for each in names}
    of: dict[str, str | None] = {}
    for person, value in known_values.items():
        number = _number(value)
        if number is None:
            raise ConfigError(
                f"groups by {text}: {source.source} says {name} {value!r} of {person}, no"
                " number; write one with a decimal point, or leave the cell empty"
            )
        fits = [each for each, within in edges.items() if within(number)]
        if len(fits) > 1:
            raise ConfigError(
                f"groups by {text}: {value} is in {fits[0]} and in {fits[1]}; let bins not overlap"
            )
        if not fits:
            why[person] = f"{name} is in no bin"
        of[person] = fits[0] if fits else None
    return _Part(source.source, names, of, why)


def _bin(text: str, option: str) -> Callable[[float], bool]:
    match = _BIN.fullmatch(text)
    if match is None or (match[1] is None) == (match[3] is None):
        raise ConfigError(f"groups by {option}: {text!r} is no bin; write <30, <=30, 30-50, >50 or >=50")
    if match[1] is None:
        low, high = float(match[2]), float(match[3])
        return lambda value: low <= value <= high
    compare, edge = _COMPARE[match[1]], float(match[2])
    return lambda value: compare(value, edge)


def _plain(name: str, value: str) -> str:
    return WORDS.get(value.lower(), value) if name == "gender" else value


def _silent(value: str) -> bool:
    return value.lower() in NOTHING


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _by_number(text: str) -> tuple[float, str]:
    """Numbers by size, then words."""
    number = _number(text)
    return (float("inf") if number is None else number, text)

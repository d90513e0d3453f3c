"""Folds of a user's corpus: people dealt into a number of them, or as a column of the table says."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from aukit.datasets.frame_table import GENDERS
from aukit.errors import ConfigError


@dataclass(frozen=True)
class Deal:
    """Who is in which fold.

    Attributes:
        names: Of the folds: values of the column, or 0, 1, … .
        people: Global person id → number of the fold.
        genders: Global person id → gender, of those whose gender is known.
    """

    names: tuple[str, ...]
    people: dict[str, int]
    genders: dict[str, str]

    def of_rows(self, persons: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Number of the fold of each row, given its person."""
        found = pd.Series(np.asarray(persons, dtype=object)).map(self.people)
        return np.asarray(found.to_numpy(), dtype=np.int64)

    def words(self) -> list[str]:
        """One line a fold."""
        lines = []
        for number, name in enumerate(self.names):
            own = [person for person, fold in self.people.items() if fold == number]
            called = "" if name == str(number) else f" ({name})"
            counts = [f"{sum(self.genders.get(p) == g for p in own)} {g}" for g in GENDERS]
            lines.append(f"fold={number}{called} tests {len(own)} people, {', '.join(counts)}")
        return lines


def deal(frame: pd.DataFrame, folds: str | int, where: object) -> Deal:
    """Put people into folds, none into two.

    A number of folds deals them out one by one, the women and then the men, each in the order of a hash of
    their ids in the table: the same whatever the order of the rows and the name of the table, and about as
    many women in each fold.

    Args:
        frame: Everybody who is listed, with usable frames or not: columns ``person``, ``subject`` and
            ``gender``, and the one that names folds.
        folds: Number of folds, or name of a column; its values are sorted, numbers by their size.
        where: The table, for messages.

    Returns:
        The folds; with ``folds=1`` everybody is in fold 0.

    Raises:
        ConfigError: There is no such column, a person has two values of it or none, or there are fewer people
            than folds.

    Example:
        >>> people = pd.DataFrame({"subject": ["a", "b", "c"], "gender": ["female", "male", None]})
        >>> deal(people.assign(person="t/" + people["subject"]), 2, "frames.csv").words()
        ['fold=0 tests 2 people, 1 female, 0 male', 'fold=1 tests 1 people, 0 female, 1 male']
    """
    each = frame.drop_duplicates("person")
    known = each[each["gender"].notna()]
    genders = dict(zip(known["person"].astype(str), known["gender"].astype(str), strict=True))
    if isinstance(folds, int) or folds.isdecimal():
        people = {str(p): str(own) for p, own in zip(each["person"], each["subject"], strict=True)}
        return _by_hash(people, int(folds), genders, where)
    column = re.sub(r"\W+", "_", folds, flags=re.ASCII).strip("_")
    if column not in frame.columns:
        raise ConfigError(
            f"folds={folds}: {where} has no such column; name one whose values are the folds, or give their "
            "number"
        )
    pairs = frame[["person", column]].drop_duplicates()
    if (empty := pairs[column].isna().to_numpy(dtype=bool)).any():
        person = pairs["person"].to_numpy()[empty][0]
        raise ConfigError(f"folds={folds}: {where} leaves it open for {person}; fill the cell of every row")
    if (twice := pairs["person"].duplicated().to_numpy(dtype=bool)).any():
        person = pairs["person"].to_numpy()[twice][0]
        values = ", ".join(pairs.loc[pairs["person"] == person, column].astype(str))
        raise ConfigError(f"folds={folds}: {where} has {person} in {values}; a person is in one fold")
    names = sorted(pairs[column].astype(str).unique(), key=_natural)
    dealt = {str(p): names.index(str(v)) for p, v in zip(pairs["person"], pairs[column], strict=True)}
    return Deal(tuple(names), dealt, genders)


def _by_hash(people: dict[str, str], count: int, genders: dict[str, str], where: object) -> Deal:
    if not 1 <= count <= len(people):
        raise ConfigError(f"folds={count}: {where} has {len(people)} people; give 2 to {len(people)} folds")
    order = [*GENDERS, None]

    def place(person: str) -> tuple[int, int, str]:
        own = people[person]
        return order.index(genders.get(person)), zlib.crc32(f"fold/{own}".encode()), own

    dealt = {person: number % count for number, person in enumerate(sorted(people, key=place))}
    return Deal(tuple(map(str, range(count))), dealt, genders)


def _natural(name: str) -> tuple[int, float, str]:
    return (0, float(name), name) if re.fullmatch(r"\d+", name, re.ASCII) else (1, 0.0, name)

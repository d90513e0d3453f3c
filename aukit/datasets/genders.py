"""A user's table of genders: for corpora that do not publish them, or to overrule an id's letter."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from aukit.datasets.csv_files import csv_lines, without_trailing_commas, wrong_width
from aukit.datasets.files import STANDIN_FILE, inside
from aukit.datasets.person_ids import composed
from aukit.errors import CorpusError

FILE = "genders.csv"
WORDS = {"f": "female", "female": "female", "m": "male", "male": "male"}
"""What a gender may be called, in small letters."""


def gender_table(
    root: Path, corpora: Iterable[str], namespace: str | None, follow_links: bool = False
) -> dict[str, str]:
    """Genders of people by global id: from ``genders.csv`` in the root, else ``AUKIT_<CORPUS>_GENDERS``.

    The file has the columns ``person`` (global id such as ``DISFA/SN001``, or ``SN001`` alone) and ``gender``
    (female, male, f, m; an empty cell says nothing). The people of a stand-in are its own: for them the
    variable does not count.

    Args:
        root: Folder of the release.
        corpora: Name of the corpus, e.g. ``disfa``, then of others with the same people; the first variable
            that is set counts.
        namespace: Of ids given without one; None where the release has several.
        follow_links: Whether the file may be a link that leads out of the root.

    Raises:
        CorpusError: The file is missing or damaged, or says two things of one person.
    """
    path: Path | None = None
    if (root / FILE).exists():
        path = inside(root, FILE, follow_links)
    elif not (root / STANDIN_FILE).exists():
        named = filter(None, map(os.environ.get, map(gender_variable, corpora)))
        path = next(map(Path, named), None)
    return {} if path is None else _read(path, namespace)


def gender_variable(corpus: str) -> str:
    """Environment variable that names the table of a corpus, e.g. ``AUKIT_DISFA_GENDERS``."""
    return f"AUKIT_{corpus.upper()}_GENDERS"


def _read(path: Path, namespace: str | None) -> dict[str, str]:
    every, _ = without_trailing_commas(csv_lines(path))
    (_, header), *lines = every
    names = [cell.strip().lower() for cell in header]
    if "person" not in names or "gender" not in names:
        raise CorpusError(f"{path}, line 1: the columns are {names}; needed are person and gender")
    columns = names.index("person"), names.index("gender")
    genders: dict[str, str] = {}
    for number, cells in lines:
        if len(cells) != len(header):
            raise wrong_width(path, (number, cells), len(header), last=number == lines[-1][0])
        person, word = (composed(cells[column].strip()) for column in columns)
        if not word:
            continue
        if word.lower() not in WORDS:
            raise CorpusError(f"{path}, line {number}: gender {word!r}; known are female, male, f and m")
        if "/" not in person:
            if namespace is None or not person:
                raise CorpusError(
                    f"{path}, line {number}: person {person!r}; write the global id, e.g. FERA2017-test/F001"
                )
            person = f"{namespace}/{person}"
        gender = WORDS[word.lower()]
        if genders.setdefault(person, gender) != gender:
            raise CorpusError(f"{path}, line {number}: {person} is both female and male; remove one line")
    return genders

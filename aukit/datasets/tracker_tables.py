"""Tables of trackers, whatever separator, encoding and spelling a spreadsheet gave them: columns by name.

Read are UTF-8 and UTF-16 (told by its first bytes), and commas, semicolons or tabs between the cells (told by
the header). Where the separator is no comma, numbers may have a decimal comma.
"""

from __future__ import annotations

import codecs
import csv
import re
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from aukit.errors import CorpusError
from aukit.utils.outside import LONGEST_LINE, require_regular

MAX_ROWS = 1_000_000
"""More rows than any recording has: a damaged or hostile file must not ask for all memory."""
MAX_BYTES = 2**30
"""Largest file; py-feat's, the widest that we know, have 40 KB a row."""

_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
_MISSING = frozenset({"", "nan", "na", "n/a", "#n/a", "null", "none"})


@dataclass(frozen=True)
class Header:
    """How a table is written, and its columns.

    Attributes:
        path: The file.
        encoding: Of the text.
        separator: Between cells.
        line: Line of the header, from 1.
        names: Names of the columns as they are spelt.
        keys: The same in lower case, spaces as ``_``; ``eyeBlink_L`` is ``eyeblinkleft``.
    """

    path: Path
    encoding: str
    separator: str
    line: int
    names: tuple[str, ...]
    keys: tuple[str, ...]

    def spelt(self, keys: Iterable[str]) -> str:
        """Names of columns as the file spells them, for messages."""
        return ", ".join(self.names[self.keys.index(key)] if key in self.keys else key for key in keys)


@dataclass(frozen=True)
class Columns:
    """Columns of a table; only what was asked for.

    Attributes:
        header: Of the table.
        lines: Line of each of the T rows.
        numbers: float64 [T] by key, NaN for empty cells and the missing ends of short lines.
        texts: T texts by key.
    """

    header: Header
    lines: list[int]
    numbers: dict[str, npt.NDArray[np.float64]]
    texts: dict[str, list[str]]

    def at(self, row: int, key: str | None = None) -> str:
        """File and line of a row, and the column of a cell, for messages."""
        column = "" if key is None else f", column {self.header.spelt([key])}"
        return f"{self.header.path}, line {self.lines[row]}{column}"


def read_header(path: Path) -> Header:
    """Read the header of a table.

    Raises:
        CorpusError: The file is missing, no file, no text, too large or empty.
    """
    try:
        require_regular(path, MAX_BYTES)
        with path.open("rb") as raw:
            marked = raw.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        encoding = "utf-16" if marked else "utf-8-sig"
        with path.open(newline="", encoding=encoding) as file:
            for number, line in enumerate(_lines(file), 1):
                # Spreadsheets write their separator into a line of its own.
                if not line.strip() or re.fullmatch(r"sep=.\s*", line):
                    continue
                separator = max(_SEPARATORS, key=line.count)
                names = [name.strip() for name in next(csv.reader([line], **_how(separator)))]
                while names and not names[-1]:
                    names.pop()  # commas at the end of the line
                return Header(path, encoding, separator, number, tuple(names), tuple(map(_key, names)))
    except (OSError, ValueError, csv.Error) as error:
        raise _unreadable(path, error) from error
    raise CorpusError(f"{path}: is empty; export it again")


def read_columns(
    header: Header, values: Iterable[str], numbers: Iterable[str] = (), texts: Iterable[str] = ()
) -> Columns:
    """Read some columns of a table (OpenFace writes 700, py-feat 2,500).

    A line may end before the first of the values, as it does where Live Link Face has no face. The last line
    may be cut anywhere, and then is no row.

    Args:
        header: Of the table.
        values: Keys of columns of numbers: what the tracker measured.
        numbers: Keys of other columns of numbers.
        texts: Keys of columns of text.

    Raises:
        CorpusError: A column is there twice, a cell is no number, a line has more or fewer cells than the
            header or there is no row; with file, line and column.
    """
    path, keys = header.path, header.keys
    values, numbers, texts = tuple(values), (*values, *numbers), tuple(texts)
    place = {key: keys.index(key) for key in (*numbers, *texts)}
    for key in place:
        if keys.count(key) > 1:
            raise CorpusError(
                f"{path}, line {header.line}: two columns are called {header.spelt([key])}; remove one"
            )
    columns = Columns(header, [], {}, {key: [] for key in texts})
    read = {key: array("d") for key in numbers}
    try:
        for line, cells in _rows(header, min(place[key] for key in values)):
            if len(columns.lines) == MAX_ROWS:
                raise CorpusError(f"{path}: more than {MAX_ROWS} rows; this is no recording's file")
            columns.lines.append(line)
            for key, column in read.items():
                column.append(_number(cells[place[key]].strip(), columns, key))
            for key, text in columns.texts.items():
                text.append(cells[place[key]].strip())
    except (OSError, UnicodeError, csv.Error) as error:
        raise _unreadable(path, error) from error
    if not columns.lines:
        raise CorpusError(f"{path}: holds no frame; export it again")
    columns.numbers.update({key: np.array(column) for key, column in read.items()})
    return columns


def _rows(header: Header, first_value: int) -> Iterator[tuple[int, list[str]]]:
    """Line and cells of each row, as many as the header has; a cut one at the end is left out."""
    width, cut = len(header.keys), None
    with header.path.open(newline="", encoding=header.encoding) as file:
        reader = csv.reader(_lines(file), **_how(header.separator))
        for cells in reader:
            if reader.line_num <= header.line or _empty(cells):
                continue
            if cut is None and len(cells) > width and _empty(cells[width:]):
                cells = cells[:width]
            if cut is None and first_value < len(cells) < width:
                cut = reader.line_num, len(cells)
                continue
            if cut is not None or len(cells) > width:
                line, there = cut or (reader.line_num, len(cells))
                commas = " (decimal commas?)" if there > width and header.separator == "," else ""
                raise CorpusError(
                    f"{header.path}, line {line}: {there} cells under {width} names, which a "
                    f"{_SEPARATORS[header.separator]} separates{commas}; export it again"
                )
            yield reader.line_num, cells + [""] * (width - len(cells))


def _empty(cells: list[str]) -> bool:
    return not any(cell.strip() for cell in cells)


def _how(separator: str) -> dict[str, Any]:
    return {"delimiter": separator, "skipinitialspace": True, "strict": True}


def _lines(file: TextIO) -> Iterator[str]:
    while line := file.readline(LONGEST_LINE + 1):
        if len(line) > LONGEST_LINE:
            raise csv.Error(f"a line of more than {LONGEST_LINE:,} characters")
        yield line


def _unreadable(path: Path, error: Exception) -> CorpusError:
    return CorpusError(
        f"{path}: cannot be read as CSV ({error}); export it again, as CSV in UTF-8 with commas"
    )


def _key(name: str) -> str:
    name = "_".join(name.lower().split())
    if name.startswith("au"):
        return name
    return re.sub("_l$", "left", re.sub("_r$", "right", name))


def _number(text: str, columns: Columns, key: str) -> float:
    if text.lower() in _MISSING:
        return np.nan
    plain = text if columns.header.separator == "," else text.replace(",", ".")
    try:
        if "_" in plain:
            raise ValueError  # Python would read 1_000
        return float(plain)
    except ValueError:
        where = columns.at(len(columns.lines) - 1, key)
        raise CorpusError(f"{where}: {text!r} is no number; correct the line or export it again") from None

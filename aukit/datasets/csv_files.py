"""CSV files that others wrote: their lines as cells, and each way in which they go wrong by its name."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

from aukit.errors import CorpusError
from aukit.utils.outside import read_text

MAX_ROWS = 1_000_000
"""More rows than any recording has: a damaged or hostile file must not ask for all memory."""

Lines = list[tuple[int, list[str]]]
"""Lines of a file: number from 1, cells."""

_MAX_BYTES = 64 * 2**20
_INTEGER = re.compile(r"\d{1,9}(\.0*)?")
_THOUSAND = re.compile(r"[1-9]\d{0,2}\.000")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+(,\d+)?")
_SEPARATORS = {";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}


def csv_lines(path: Path) -> Lines:
    """Non-empty lines of a CSV file: (line number from 1, cells).

    Read are UTF-8 with or without byte order mark, every kind of line end, quoted cells and spaces around
    them.

    Raises:
        CorpusError: The file is missing, empty, longer than `MAX_ROWS`, no UTF-8 text, has another separator
            than the comma or a quotation mark that is not closed; with file and, where it has one, line.
    """
    lines: Lines = []
    number = 1
    try:
        reader = csv.reader(
            io.StringIO(read_text(path, _MAX_BYTES), newline=""), skipinitialspace=True, strict=True
        )
        for cells in reader:
            if any(cell.strip() for cell in cells):
                lines.append((number, cells))
            if len(lines) > MAX_ROWS:
                raise CorpusError(f"{path}: more than {MAX_ROWS} lines; this is no label file")
            number = reader.line_num + 1
    except csv.Error as error:
        raise CorpusError(
            f"{path}, line {number}: cannot be read as CSV ({error}); correct the line, whose quotation "
            "marks may not be closed, or copy the file again"
        ) from error
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path}: cannot be read as CSV ({error}); copy it again") from error
    if not lines:
        raise CorpusError(f"{path}: is empty; copy it again")
    if separator := _other_separator(lines[0][1]):
        raise CorpusError(
            f"{path}, line {lines[0][0]}: the separator is {separator}, not a comma; save the file as CSV "
            "with commas"
        )
    return lines


def without_trailing_commas(lines: Lines, needed: int = 1) -> tuple[Lines, str]:
    """Lines without the columns at their end that are empty throughout.

    Args:
        lines: Of `csv_lines`.
        needed: Number of columns to keep even where they are empty.

    Returns:
        The lines, and words that say so for the name of the spelling; empty words where nothing was removed.
    """
    width = max(needed, max(_filled(cells) for _, cells in lines))
    if all(len(cells) <= width for _, cells in lines):
        return lines, ""
    return [(number, cells[:width]) for number, cells in lines], ", commas at the ends of lines"


def wrong_width(path: Path, line: tuple[int, list[str]], width: int, last: bool) -> CorpusError:
    """The error about a line that has too few or too many columns.

    Args:
        path: Of the file.
        line: The line.
        width: Number of columns that it should have.
        last: Whether it is the last one of the file.
    """
    number, cells = line
    if separator := _other_separator(cells):
        why = f": its separator is {separator}"
    elif last and len(cells) < width:
        why = ": the file was cut short"
    else:
        why = ""
    return CorpusError(
        f"{path}, line {number}: {len(cells)} columns, expected {width}{why}; correct the line or copy the "
        "file again"
    )


def is_integer(cell: str) -> bool:
    """Whether a cell is a whole number ≥ 0, perhaps written as ``3.0``."""
    return _INTEGER.fullmatch(cell.strip()) is not None


def thousand(cells: Sequence[str]) -> int | None:
    """Place of the first cell of a column of whole numbers that may be a thousand; None if there is none.

    Spreadsheets of some languages part thousands by a dot, so that ``1.000`` comes after ``999``. A column of
    which every number has decimals, as programs write them, holds none.
    """
    places = [place for place, cell in enumerate(cells) if _THOUSAND.fullmatch(cell.strip())]
    return places[0] if places and any(cell.strip().isdecimal() for cell in cells) else None


def may_be_thousand(cell: str) -> str:
    """What is wrong with a frame number of `thousand`, and the remedy; words for a message."""
    number = cell.strip()
    return (
        f"{number!r} may be frame {number.replace('.', '')}, as spreadsheets write a thousand, or frame "
        f"{number.partition('.')[0]}; write numbers of frames without dots"
    )


def is_header(cells: Sequence[str]) -> bool:
    """Whether a first line names columns: no cell is a number or begins like one.

    One bad code does not make a header of a row, so that the row is not lost silently.
    """
    return not any(re.match(r"[+-]?\.?\d", cell.strip()) for cell in cells)


def _other_separator(cells: list[str]) -> str | None:
    """Name of the separator if a line split at commas shows another one."""
    line = ",".join(cells)
    for character, name in _SEPARATORS.items():
        if character in line:
            parts = [part for part in map(str.strip, line.split(character)) if part]
            if len(cells) == 1 or (len(parts) > 1 and all(map(_DECIMAL_COMMA.fullmatch, parts))):
                return name
    return "a space" if len(cells) == 1 and len(line.split()) > 1 else None


def _filled(cells: list[str]) -> int:
    """Number of cells up to the last that is not empty."""
    count = len(cells)
    while count and not cells[count - 1].strip():
        count -= 1
    return count

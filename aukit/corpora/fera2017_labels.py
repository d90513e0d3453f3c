"""The label files of FERA 2017: occurrence and intensity CSVs → codes per row, strictly checked."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aukit.errors import CorpusError
from aukit.facs import CORPUS_AUS

AUS = CORPUS_AUS["fera2017"]
NOT_CODED = 9
MAX_ROWS = 1_000_000
"""More rows than any recording has: a damaged or hostile file must not ask for all memory."""

OCCURRENCE_CODES = frozenset({0, 1, NOT_CODED})
INTENSITY_CODES = frozenset({0, 1, 2, 3, 4, 5, NOT_CODED})
_AU_NAME = re.compile(r"(?:au)?0*(\d{1,2})", re.IGNORECASE)


@dataclass(frozen=True)
class LabelFile:
    """One parsed label file.

    Attributes:
        frames: Frame number per row [T], as written.
        codes: Raw codes [T, A], 9 = not coded.
        variant: Which of the tolerated spellings of the format it was.
    """

    frames: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int64]
    variant: str


def to_labels(codes: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Codes → labels: 9 becomes NaN."""
    return np.where(codes == NOT_CODED, np.nan, codes).astype(np.float32)


def read_occurrence(path: Path) -> LabelFile:
    """Read an occurrence file: header, then frame and the ten AUs 1 4 6 7 10 12 14 15 17 23.

    A header that names all ten AUs is followed; otherwise exactly eleven columns are taken by position. A
    file without header is accepted (its first line holds codes only).

    Returns:
        Codes [T, 10] in the order above.

    Raises:
        CorpusError: An unknown code, a ragged line, or columns that cannot be attributed; with file and line.
    """
    lines = _lines(path)
    header = [cell.strip() for cell in lines[0][1]]
    if _is_data(header):
        columns, variant = list(range(1, 11)), "occurrence without header"
    else:
        lines = lines[1:]
        names = [_AU_NAME.fullmatch(cell) for cell in header[1:]]
        named = {int(m[1]): i for i, m in enumerate(names, start=1) if m}
        if all(au in named for au in AUS.occurrence):
            columns, variant = [named[au] for au in AUS.occurrence], "occurrence, header names AUs"
        else:
            columns, variant = list(range(1, 11)), "occurrence, columns by position"
    if "names" not in variant and len(header) != 11:
        raise CorpusError(
            f"{path}, line 1: {len(header)} columns; expected 11 (frame and the AUs "
            f"{' '.join(map(str, AUS.occurrence))}) or a header that names these AUs"
        )
    return _parse(path, lines, len(header), columns, OCCURRENCE_CODES, variant)


def read_intensity(path: Path) -> LabelFile:
    """Read an intensity file of one AU: frame, code 0..5 or 9; a header line is optional.

    Returns:
        Codes [T, 1].

    Raises:
        CorpusError: An unknown code or a ragged line; with file and line.
    """
    lines = _lines(path)
    header = not all(_is_integer(cell) for cell in lines[0][1])
    variant = "intensity with header" if header else "intensity without header"
    return _parse(path, lines[1:] if header else lines, 2, [1], INTENSITY_CODES, variant)


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Non-empty lines as (line number from 1, cells)."""
    lines: list[tuple[int, list[str]]] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    lines.append((reader.line_num, cells))
                if len(lines) > MAX_ROWS:
                    raise CorpusError(f"{path}: more than {MAX_ROWS} lines; this is no label file")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{path}: cannot be read as CSV ({error}); copy it again") from error
    if not lines:
        raise CorpusError(f"{path}: is empty; copy it again")
    return lines


def _is_integer(cell: str) -> bool:
    return re.fullmatch(r"\d{1,9}(\.0*)?", cell.strip()) is not None


def _is_data(cells: list[str]) -> bool:
    """Whether a first line holds codes, not AU names: no header has only 0, 1 and 9 after its first cell."""
    return len(cells) > 1 and all(_is_integer(c) and float(c) in OCCURRENCE_CODES for c in cells[1:])


def _parse(
    path: Path,
    lines: list[tuple[int, list[str]]],
    width: int,
    columns: list[int],
    allowed: frozenset[int],
    variant: str,
) -> LabelFile:
    frames = np.empty(len(lines), dtype=np.int64)
    codes = np.empty((len(lines), len(columns)), dtype=np.int64)
    for row, (number, cells) in enumerate(lines):
        if len(cells) != width:
            raise CorpusError(f"{path}, line {number}: {len(cells)} columns, expected {width}")
        for column, cell in [(-1, cells[0]), *((i, cells[c]) for i, c in enumerate(columns))]:
            if not _is_integer(cell):
                raise CorpusError(f"{path}, line {number}: {cell!r} is not a whole number")
            value = int(float(cell))
            if column < 0:
                frames[row] = value
            elif value in allowed:
                codes[row, column] = value
            else:
                raise CorpusError(
                    f"{path}, line {number}: unknown code {cell.strip()!r}; known are {sorted(allowed)} "
                    f"({NOT_CODED} = not coded). Correct the line or copy the file again"
                )
    return LabelFile(frames, codes, variant)

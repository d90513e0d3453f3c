"""The occurrence files of FERA 2017 → codes per row; intensity files are as in `label_files`."""

from __future__ import annotations

from pathlib import Path

from aukit.datasets.label_files import OCCURRENCE_CODES, LabelFile, au_number, csv_lines, is_integer, parse
from aukit.errors import CorpusError
from aukit.facs import CORPUS_AUS

AUS = CORPUS_AUS["fera2017"]


def read_occurrence(path: Path) -> LabelFile:
    """Read an occurrence file: header, then frame and the ten AUs 1 4 6 7 10 12 14 15 17 23.

    A header that names all ten AUs is followed; otherwise exactly eleven columns are taken by position. A
    file without header is accepted (its first line holds codes only).

    Returns:
        Codes [T, 10] in the order above.

    Raises:
        CorpusError: An unknown code, a ragged line, or columns that cannot be attributed; with file and line.
    """
    lines = csv_lines(path)
    header = [cell.strip() for cell in lines[0][1]]
    if _is_data(header):
        columns, variant = list(range(1, 11)), "occurrence without header"
    else:
        lines = lines[1:]
        named = {au: i for i, cell in enumerate(header[1:], 1) if (au := au_number(cell)) is not None}
        if all(au in named for au in AUS.occurrence):
            columns, variant = [named[au] for au in AUS.occurrence], "occurrence, header names AUs"
        else:
            columns, variant = list(range(1, 11)), "occurrence, columns by position"
    if "names" not in variant and len(header) != 11:
        raise CorpusError(
            f"{path}, line 1: {len(header)} columns; expected 11 (frame and the AUs "
            f"{' '.join(map(str, AUS.occurrence))}) or a header that names these AUs"
        )
    return parse(path, lines, len(header), columns, OCCURRENCE_CODES, variant)


def _is_data(cells: list[str]) -> bool:
    """Whether a first line holds codes, not AU names: no header has only 0, 1 and 9 after its first cell."""
    return len(cells) > 1 and all(is_integer(c) and float(c) in OCCURRENCE_CODES for c in cells[1:])

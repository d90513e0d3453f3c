"""The occurrence files of BP4D, in both spellings → codes per row; intensity files: see `label_files`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aukit.datasets.label_files import (
    NOT_CODED,
    OCCURRENCE_CODES,
    LabelFile,
    au_number,
    csv_lines,
    parse,
    require_unique,
)
from aukit.errors import CorpusError
from aukit.facs import CORPUS_AUS

AUS = CORPUS_AUS["bp4d"]
OCCLUSION = 99
"""Column that says whether the face is occluded."""
_FEWEST_LEGACY_COLUMNS = 50
_LEGACY_COLUMNS = 100


@dataclass(frozen=True)
class Occurrences:
    """One parsed occurrence file.

    Attributes:
        file: Frames and codes [T, 12] of `AUS`; an AU without column is coded 9 throughout.
        occluded: [T] whether the face is coded as occluded.
        absent: AUs without column.
    """

    file: LabelFile
    occluded: npt.NDArray[np.bool_]
    absent: tuple[int, ...]


def read_occurrence(path: Path) -> Occurrences:
    """Read an occurrence file: a header, then the frame number and one column per AU; codes 0, 1 and 9.

    Two spellings are in use. *Legacy*: 100 columns with the header 0 to 99; column N is AU N, column 99 says
    whether the face is occluded. *Named* (fewer than 50 columns): the header names the scored AUs; its first
    cell means nothing and may equal a later one.

    Raises:
        CorpusError: An unknown code, a ragged line, a header that is neither, or a frame twice; with
            file and line.
    """
    (_, header), *lines = csv_lines(path)
    numbers = [au_number(cell) for cell in header]
    if len(header) >= _FEWEST_LEGACY_COLUMNS:
        # The first cell is the name of the frame column, whatever it says.
        if len(header) != _LEGACY_COLUMNS or numbers[1:] != list(range(1, _LEGACY_COLUMNS)):
            raise CorpusError(
                f"{path}, line 1: {len(header)} columns; expected 100 with the header 0 to 99, or fewer than "
                f"{_FEWEST_LEGACY_COLUMNS} with a header that names the action units"
            )
        variant = "occurrence, 100 columns by number"
    else:
        variant = "occurrence, header names AUs"
    column: dict[int, int] = {}
    for position, number in enumerate(numbers[1:], 1):
        if number is not None and column.setdefault(number, position) != position:
            raise CorpusError(f"{path}, line 1: AU {number} has two columns; copy the file again")
    found = [au for au in AUS.occurrence if au in column]
    if not found:
        raise CorpusError(f"{path}, line 1: names none of the action units; copy the file again")
    wanted = [column[au] for au in found] + ([column[OCCLUSION]] if OCCLUSION in column else [])
    parsed = parse(path, lines, len(header), wanted, OCCURRENCE_CODES, variant)
    require_unique(path, parsed.frames)
    codes = np.full((len(lines), len(AUS.occurrence)), NOT_CODED, dtype=np.int64)
    codes[:, [AUS.occurrence.index(au) for au in found]] = parsed.codes[:, : len(found)]
    occluded = parsed.codes[:, -1] == 1 if OCCLUSION in column else np.zeros(len(lines), dtype=bool)
    absent = tuple(au for au in AUS.occurrence if au not in column)
    return Occurrences(LabelFile(parsed.frames, codes, variant), occluded, absent)

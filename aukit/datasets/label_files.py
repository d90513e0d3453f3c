"""Label files of whole numbers: lines → labels by frame number, strictly checked → labels by position."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aukit.datasets.csv_files import (
    Lines,
    csv_lines,
    is_header,
    is_integer,
    may_be_thousand,
    thousand,
    without_trailing_commas,
    wrong_width,
)
from aukit.errors import CorpusError
from aukit.facs import MAX_INTENSITY, intensity_column, occurrence_column
from aukit.utils.outside import read_text

NOT_CODED = 9
"""Code of what the annotators could not or did not code."""

OCCURRENCE_CODES = frozenset({0, 1, NOT_CODED})
LEVELS = frozenset(range(MAX_INTENSITY + 1))
"""Intensity codes of a corpus in which every frame is coded."""
INTENSITY_CODES = LEVELS | {NOT_CODED}
_AU_NAME = re.compile(r"(?:au)?0*(\d{1,2})", re.IGNORECASE)


@dataclass(frozen=True)
class LabelFile:
    """One parsed label file.

    Attributes:
        frames: Frame number per row [T], as written.
        labels: Codes [T, A], NaN = not coded.
        variant: Which of the tolerated spellings of the format it was; empty where there is only one.
    """

    frames: npt.NDArray[np.int64]
    labels: npt.NDArray[np.float32]
    variant: str = ""


@dataclass(frozen=True)
class Labels:
    """All label rows of a recording.

    Attributes:
        positions: Position in the video per row [T], ascending.
        frames: Frame number per row [T], as the release writes it.
        columns: Values [T] of each label column of the table; NaN = not coded.
        complete: Whether a row may be used [T]: all files that must have it do.
    """

    positions: npt.NDArray[np.int64]
    frames: npt.NDArray[np.int64]
    columns: dict[str, npt.NDArray[np.float32]]
    complete: npt.NDArray[np.bool_]


def labels_by_frame(
    files: Mapping[str, LabelFile], columns: Mapping[str, tuple[str, ...]], first_frame: int = 0
) -> Labels:
    """Labels of files with rows that are found by frame number; NaN where a file has no row.

    Args:
        files: Label files by kind; at least one.
        columns: Columns of the table that each kind of file holds.
        first_frame: Frame number of position 0.
    """
    positions = np.unique(np.concatenate([file.frames for file in files.values()])) - first_frame
    found = {kind: file.frames - first_frame for kind, file in files.items()}
    return _aligned(files, columns, found, positions, positions + first_frame)


def labels_by_row(files: Mapping[str, LabelFile], columns: Mapping[str, tuple[str, ...]]) -> Labels:
    """Labels of files in which row i belongs to decoded frame i; NaN after the end of a shorter file.

    Args:
        files: Label files by kind; at least one.
        columns: Columns of the table that each kind of file holds.
    """
    longest = max((file.frames for file in files.values()), key=len)
    found = {kind: np.arange(len(file.frames)) for kind, file in files.items()}
    return _aligned(files, columns, found, np.arange(len(longest)), longest)


def _aligned(
    files: Mapping[str, LabelFile],
    columns: Mapping[str, tuple[str, ...]],
    found: Mapping[str, npt.NDArray[np.int64]],
    positions: npt.NDArray[np.int64],
    frames: npt.NDArray[np.int64],
) -> Labels:
    values: dict[str, npt.NDArray[np.float32]] = {}
    for kind, names in columns.items():
        labels = np.full((len(positions), len(names)), np.nan, dtype=np.float32)
        if kind in files:
            _, where, rows = np.intersect1d(positions, found[kind], return_indices=True)
            labels[where] = files[kind].labels[rows]
        values |= {name: labels[:, i] for i, name in enumerate(names)}
    return Labels(positions, frames, values, np.ones(len(positions), dtype=bool))


def require_threshold(threshold: int) -> None:
    """Check the least intensity that counts as present.

    Raises:
        CorpusError: It is no intensity.
    """
    if threshold not in range(1, MAX_INTENSITY + 1):
        raise CorpusError(f"threshold {threshold!r}: intensities go from 1 to {MAX_INTENSITY}")


def with_occurrences(labels: Labels, least: Mapping[int, int]) -> Labels:
    """Labels with occurrences beside intensities, NaN where these are, of a corpus that codes levels alone.

    Args:
        labels: With an intensity column of each AU.
        least: AU → least intensity that counts as present.
    """
    columns = dict(labels.columns)
    for au, threshold in least.items():
        levels = columns[intensity_column(au)]
        present = np.where(np.isnan(levels), np.nan, levels >= threshold)
        columns[occurrence_column(au)] = present.astype(np.float32)
    return replace(labels, columns=columns)


def differences(files: Mapping[str, LabelFile]) -> list[str]:
    """What label files of one recording have or lack that most of them do not; words for a note."""
    frames, counts = np.unique(np.concatenate([file.frames for file in files.values()]), return_counts=True)
    usual = frames[2 * counts > len(files)]
    found = []
    for kind, file in files.items():
        missing, beyond = np.setdiff1d(usual, file.frames), np.setdiff1d(file.frames, usual)
        if len(missing) or len(beyond):
            found.append(f"{kind}: {len(missing)} rows missing, {len(beyond)} beyond")
    return found


def require_same_count(paths: Mapping[str, Path], files: Mapping[str, LabelFile]) -> None:
    """Check that no file of a recording numbers the rows of another one differently.

    Raises:
        CorpusError: One has as many rows, all by the same number larger or smaller.
    """
    for kind, other in itertools.combinations(files, 2):
        frames, others = files[kind].frames, files[other].frames
        if len(frames) == len(others) and frames[0] != others[0] and np.ptp(frames - others) == 0:
            raise CorpusError(
                f"{paths[kind]}: numbers its rows from {frames[0]}, {paths[other].name} as many rows from "
                f"{others[0]}: they disagree on the frames; copy them again"
            )


def to_labels(codes: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Codes → labels: 9 becomes NaN."""
    return np.where(codes == NOT_CODED, np.nan, codes).astype(np.float32)


def read_intensity(path: Path, allowed: frozenset[int] = INTENSITY_CODES) -> LabelFile:
    """Read an intensity file of one AU: frame, code; a header line without any number is optional.

    Args:
        path: The file.
        allowed: Codes that may occur: 0..5 and, where the corpus has it, 9.

    Returns:
        Labels [T, 1].

    Raises:
        CorpusError: An unknown code or a ragged line; with file and line.
    """
    lines, commas = without_trailing_commas(csv_lines(path), needed=2)
    header = is_header(lines[0][1])
    variant = f"intensity {'with' if header else 'without'} header{commas}"
    return parse(path, lines[1:] if header else lines, 2, [1], allowed, variant)


def spaced_lines(path: Path, most_bytes: int) -> Lines:
    """Lines of a text file that are not blank: line number from 1, what stands between spaces.

    Raises:
        CorpusError: The file cannot be read, is larger than that, or is no UTF-8 text.
    """
    try:
        lines = read_text(path, most_bytes).splitlines()
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path}: cannot be read ({error}); copy it again") from error
    return [(number, cells) for number, line in enumerate(lines, 1) if (cells := line.split())]


def au_number(name: str) -> int | None:
    """Number of an AU named ``1``, ``01``, ``AU1`` or ``au01``; None for another text."""
    match = _AU_NAME.fullmatch(name.strip())
    return None if match is None else int(match[1])


def require_frame_first(path: Path, header: tuple[int, list[str]]) -> None:
    """Check that no column behind the first, in which frame numbers are looked for, says that it holds them.

    Programs that write a table again put a count of its rows before it.

    Raises:
        CorpusError: One does.
    """
    number, cells = header
    names = [cell.strip() for cell in cells]
    places = [place for place, name in enumerate(names) if name.lower().startswith("frame")]
    if places and places[0]:
        raise CorpusError(
            f"{path}, line {number}: the column {_shown(names[places[0]])} is number {places[0] + 1}, and "
            "frame numbers are in the first; remove what is before it, such as a count of rows"
        )


def parse(
    path: Path,
    lines: Lines,
    width: int,
    columns: list[int],
    allowed: frozenset[int],
    variant: str,
) -> LabelFile:
    """Read frame numbers (first column) and the labels of chosen columns.

    Args:
        path: Of the file, for messages.
        lines: Of `csv_lines` or `spaced_lines`, without a header.
        width: Number of columns that each line must have.
        columns: Which of them hold the codes.
        allowed: Codes that may occur.
        variant: Name of the format's spelling.

    Raises:
        CorpusError: No line, an unknown code, a cell that is no number, a frame that may be a thousand or a
            ragged line; with file and line.
    """
    if not lines:
        raise CorpusError(f"{path}: holds no row; copy it again")
    plain = {str(code): code for code in allowed}  # nearly all cells: far quicker than to look at each
    frames: list[int] = []
    codes: list[list[int]] = []
    for number, cells in lines:
        if len(cells) != width:
            raise wrong_width(path, (number, cells), width, last=number == lines[-1][0])
        frames.append(_whole(path, number, cells[0]))
        found = [plain.get(cells[column], -1) for column in columns]
        if -1 in found:
            found = [_code(path, number, cells[column], allowed) for column in columns]
        codes.append(found)
    if (place := thousand([cells[0] for _, cells in lines])) is not None:
        number, cells = lines[place]
        raise CorpusError(f"{path}, line {number}: {may_be_thousand(cells[0])}")
    labels = to_labels(np.array(codes, dtype=np.int64))
    return LabelFile(np.array(frames, dtype=np.int64), labels, variant)


def _whole(path: Path, line: int, cell: str) -> int:
    if not cell.strip():
        raise CorpusError(f"{path}, line {line}: a cell is empty; correct the line or copy the file again")
    if not is_integer(cell):
        raise CorpusError(
            f"{path}, line {line}: {_shown(cell)} is not a whole number; correct the line or copy the file "
            "again"
        )
    return int(float(cell))


def _code(path: Path, line: int, cell: str, allowed: frozenset[int]) -> int:
    value = _whole(path, line, cell)
    if value not in allowed:
        meaning = f" ({NOT_CODED} = not coded)" if NOT_CODED in allowed else ""
        raise CorpusError(
            f"{path}, line {line}: unknown code {_shown(cell)}; known are {sorted(allowed)}{meaning}. "
            "Correct the line or copy the file again"
        )
    return value


def _shown(cell: str) -> str:
    """A cell for a message: a damaged one may be long."""
    text = cell.strip()
    return repr(text if len(text) <= 20 else f"{text[:20]}…")


def require_unique(path: Path, frames: npt.NDArray[np.int64]) -> None:
    """Check that no frame has two rows, where rows are found by their frame number.

    Raises:
        CorpusError: One has.
    """
    unique, counts = np.unique(frames, return_counts=True)
    if len(unique) < len(frames):
        raise CorpusError(f"{path}: frame {unique[counts > 1][0]} has two rows; copy the file again")

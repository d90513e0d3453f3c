"""GFT: layout, label files, published counts and reader, as far as the files are publicly described.

What the public sources leave open is stated in a map that the owner of the release writes (`Columns`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from aukit.datasets.check_report import Counts, Published
from aukit.datasets.csv_files import (
    csv_lines,
    is_header,
    is_integer,
    may_be_thousand,
    thousand,
    without_trailing_commas,
    wrong_width,
)
from aukit.datasets.files import inside, join
from aukit.datasets.label_files import (
    LabelFile,
    Labels,
    labels_by_frame,
    require_same_count,
    require_unique,
)
from aukit.datasets.reader import Exclusion
from aukit.datasets.recordings import Index, SubjectRecording
from aukit.datasets.recordings import Recording as AnyRecording
from aukit.datasets.release import Release
from aukit.errors import CorpusError
from aukit.facs import MAX_INTENSITY, VISIBLE_AUS, intensity_column, occurrence_column
from aukit.utils.outside import read_yaml_text

NAMESPACE = "GFT"
SEATS = "ABC"
TASK = "conversation"
COLUMNS_FILE = "gft_columns.yaml"
_TEST = (8, 10, 19, 22, 28, 30)
_VALID = (5, 12, 13, 15, 27, 32)
GROUPS: dict[str, tuple[int, ...]] = {
    "train": tuple(g for g in range(1, 33) if g not in (*_TEST, *_VALID)),
    "valid": _VALID,
    "test": _TEST,
}
"""Groups of three people in each partition: those of the public frame lists of Patch-MCD (train is what they
leave). They hold whole groups, so that no conversation is on two sides."""

PARTITION_OF = {f"{group:03d}{seat}": name for name in GROUPS for group in GROUPS[name] for seat in SEATS}
"""Partition of each subject, such as ``028C``."""

LISTED_FRAMES = {"valid": 24_619, "test": 24_723}
"""Frames in those lists, which lack invalid ones."""

LISTED_RATES: dict[str, dict[int, float]] = {
    "test": {1: 0.041, 2: 0.140, 4: 0.033, 6: 0.275, 7: 0.486, 10: 0.242, 12: 0.296, 14: 0.029, 15: 0.104,
             17: 0.315, 23: 0.283, 24: 0.131},
    "valid": {1: 0.045, 2: 0.122, 4: 0.034, 6: 0.277, 7: 0.451, 10: 0.247, 12: 0.292, 14: 0.030, 15: 0.095,
              17: 0.324, 23: 0.255, 24: 0.141},
}  # fmt: skip
"""Share of those frames in which each action unit is present."""

PUBLISHED = Published(
    {
        name: Counts(3 * len(groups), videos=3 * len(groups), label_rows=3 * 1_800 * len(groups))
        for name, groups in GROUPS.items()
    },
    {f"list {name}": rates for name, rates in LISTED_RATES.items()},
    Counts(96),
    {name: f"list {name}" for name in LISTED_RATES},
)
"""Rates: Patch-MCD's lists, which lack invalid frames."""

_NEEDED = ("videos", "labels", "frame", "first_frame", "occurrence", "missing")
_OPTIONAL = ("intensity_labels", "intensity")
_MAX_BYTES = 64 * 2**10

Column = str | int


@dataclass(frozen=True, order=True)
class Recording(SubjectRecording):
    """One person in a conversation of three."""

    namespace = NAMESPACE
    partitions = PARTITION_OF

    task: str = TASK

    def __str__(self) -> str:
        return self.subject


@dataclass(frozen=True)
class Columns:
    """Names of GFT's files and columns.

    A column is named as in the file's header, or by its number from 0. Names of files hold ``{person}`` where
    the id (``028C``) stands; they are looked for in all folders.

    Attributes:
        videos: Name of a video, e.g. ``"{person}.mp4"``.
        labels: Name of a file of occurrence codes.
        frame: Column with the frame's number.
        first_frame: Number of a video's first frame.
        occurrence: Column of each action unit; an action unit that is not named is not read.
        missing: Codes that mean "not coded"; an empty list where there are none.
        intensity_labels: Name of a file of intensity codes, 0 to 5.
        intensity: Column of each action unit in it.
    """

    videos: str
    labels: str
    frame: Column
    first_frame: int
    occurrence: Mapping[int, Column]
    missing: tuple[str, ...]
    intensity_labels: str | None = None
    intensity: Mapping[int, Column] | None = None


class GFT(Release):
    """Sayette Group Formation Task: 96 young adults in 32 conversations of three, one minute each.

    *Format.* A video and files of frame-level codes per person (``001A`` to ``032C``: group and seat). How
    the files are called, which column is which action unit and which code means "not coded" is described in
    the database's wiki (osf.io/7wcyz), not in any source that we had, and public lists disagree on AU 14:
    therefore ``gft_columns.yaml`` in the root, or another file, must say so (`aukit.datasets.gft`).
    Nothing is guessed; an action unit that it does not name is not read. A row belongs to the decoded frame
    whose number is the row's less the map's ``first_frame``.

    *Splits.* ``partition`` is ``train`` (60 people), ``valid`` (18) or ``test`` (18) of Patch-MCD's public
    frame lists, which keep groups together; the official partition was not public. People are ``GFT/001A``
    and so on; gender comes from a table (`aukit.datasets.genders`), since the metadata that has it was not
    read.

    *Citation.* Girard et al., "Sayette Group Formation Task (GFT) Spontaneous Facial Expression Database",
    IEEE FG 2017. Annotations are public under CC BY 4.0; the videos need a signed form and are not part of
    aukit.

    Building `table` reads every label file and counts the frames of every video without decoding it.

    Args:
        root: Folder of the release.
        columns: The column map; None for ``gft_columns.yaml`` in the root.
        persons: Global person ids to keep; None for all.
        locations: Where parts of the release lie: see `Release`.

    Raises:
        CorpusError: The root or the map is missing, a key of the map is, or there is nothing of what is asked
            for; while reading: a label file is damaged, lacks a column or has an unknown code.

    Example:
        >>> corpus = GFT("GFT", columns="gft_columns.yaml")  # doctest: +SKIP
        >>> sorted(corpus.people)[0]  # doctest: +SKIP
        'GFT/001A'
    """

    name = "gft"
    namespace = NAMESPACE
    corpus_title = "GFT"

    def __init__(
        self,
        root: str | Path,
        columns: str | Path | None = None,
        persons: Sequence[str] | None = None,
        **locations: Any,
    ) -> None:
        self.columns = read_columns(Path(root), columns, locations.get("follow_links", False))
        self.options = json.dumps(asdict(self.columns), sort_keys=True)
        self.example = f"{self.columns.videos} (key 'videos' of the column map)"
        intensity = self.columns.intensity or {}
        self.label_columns = {"occurrence": tuple(map(occurrence_column, self.columns.occurrence))}
        if intensity:
            self.label_columns["intensity"] = tuple(map(intensity_column, intensity))
        self._late: dict[str, bool] = {}  # whether the numbers fit a first frame one later, by video
        super().__init__(root, persons, **locations)

    @property
    def settings(self) -> list[str]:
        """Which action units the column map names."""
        named = {"occurrence": self.columns.occurrence, "intensity": self.columns.intensity or {}}
        found = [f"{kind} of AU {' '.join(map(str, aus))}" for kind, aus in named.items() if aus]
        codes = ", ".join(map(repr, self.columns.missing)) or "no code"
        return [f"the column map names {' and '.join(found)}; {codes} means not coded"]

    def _enter(self, index: Index, folder: str, folders: list[str], files: list[str]) -> None:
        for name in files:
            relative = join(folder, name)
            if recording := _recording(self.columns.videos, name, relative):
                index.add_video(recording, 0, relative, f"video files in {folder}")
            # One file may hold both kinds of codes.
            if recording := _recording(self.columns.labels, name, relative):
                index.add_labels(recording, "occurrence", relative, f"label files in {folder}")
            if recording := _recording(self.columns.intensity_labels, name, relative):
                index.add_labels(recording, "intensity", relative, f"intensity label files in {folder}")

    def _read_file(self, kind: str, path: Path) -> LabelFile:
        columns = self.columns
        if kind == "occurrence":
            file = read_codes(path, columns.frame, columns.occurrence, 1, columns.missing)
        else:
            file = read_codes(path, columns.frame, columns.intensity or {}, MAX_INTENSITY, columns.missing)
        if len(file.frames) and file.frames.min() < columns.first_frame:
            raise CorpusError(
                f"{path}: has frame {file.frames.min()}, but the column map says that frames are counted "
                f"from {columns.first_frame}; correct the key 'first_frame'"
            )
        return file

    def _labels(self, recording: AnyRecording, files: Mapping[str, LabelFile]) -> Labels:
        require_same_count(self._label_paths(recording, files), files)
        return labels_by_frame(files, self.label_columns, self.columns.first_frame)

    def _rows(self, video: str, excluded: list[Exclusion]) -> pd.DataFrame | None:
        rows = super()._rows(video, excluded)
        labels = self.labels(self._recording(video)[0])
        if rows is not None and labels is not None:
            ends = int(labels.positions[0]), int(labels.positions[-1])
            self._late[video] = ends == (1, int(self._positions(video)[-1]) + 1)
        return rows

    def _closing_notes(self) -> list[str]:
        notes = super()._closing_notes()
        if late := [video for video, is_late in self._late.items() if is_late]:
            first = self.columns.first_frame
            notes.append(
                f"label rows of {len(late)} of {len(self._late)} videos have no first frame and one behind "
                f"the last, as if frames were counted from {first + 1} and not from {first}, the first: "
                f"{late[0]}; see whether the key 'first_frame' of the column map is right, and its file is"
            )
        return notes


def partition_of(subject: str) -> str | None:
    """``train``, ``valid`` or ``test`` of an id such as ``028C``; None for someone whom GFT does not have."""
    return PARTITION_OF.get(subject)


def subjects(partition: str) -> tuple[str, ...]:
    """Ids of a partition's people, sorted."""
    return tuple(f"{group:03d}{seat}" for group in GROUPS[partition] for seat in SEATS)


def read_columns(root: Path, file: str | Path | None = None, follow_links: bool = False) -> Columns:
    """Read the map: `file`, else ``gft_columns.yaml`` in the root of the release, which may be a link.

    Raises:
        CorpusError: There is none, it is damaged, or keys are missing or unknown; the message names them.
    """
    path = inside(root, COLUMNS_FILE, follow_links) if file is None else Path(file)
    if not path.is_file():
        raise CorpusError(
            f"{path}: no such file. The layout of GFT's annotations is described in its wiki (osf.io/7wcyz) "
            f"and not guessed here: write this file with the keys {', '.join(_NEEDED)}, and "
            f"{', '.join(_OPTIONAL)} if intensities are to be read; aukit/datasets/README.md has an example"
        )
    try:
        content = yaml.safe_load(read_yaml_text(path, _MAX_BYTES))
        if not isinstance(content, dict):
            raise ValueError("no mapping of keys")
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise CorpusError(f"{path}: cannot be read as YAML ({error}); correct it") from error
    if missing := [key for key in _NEEDED if content.get(key) is None]:
        raise CorpusError(f"{path}: the keys {', '.join(missing)} are missing; nothing is guessed for them")
    if unknown := sorted(map(str, set(content) - {*_NEEDED, *_OPTIONAL})):
        raise CorpusError(
            f"{path}: unknown keys {', '.join(unknown)}; known are {', '.join(_NEEDED + _OPTIONAL)}"
        )
    if (content.get("intensity") is None) != (content.get("intensity_labels") is None):
        raise CorpusError(f"{path}: intensity and intensity_labels belong together; give both or neither")
    return _checked(path, content)


def read_codes(
    path: Path, frame: Column, columns: Mapping[int, Column], top: int, missing: tuple[str, ...]
) -> LabelFile:
    """Read frame numbers [T] and labels [T, A] of one file; NaN where a code means "not coded".

    Args:
        path: CSV file; a header is needed where a column is named.
        frame: Column of the frame numbers.
        columns: Column of each action unit.
        top: Greatest code: 1 or 5.
        missing: Codes that mean "not coded".

    Raises:
        CorpusError: A column is not there, a line is ragged, a code is unknown, a frame may be a thousand or
            has two rows; with file and line.
    """
    wanted = [frame, *columns.values()]
    by_number = [column for column in wanted if isinstance(column, int)]
    lines, commas = without_trailing_commas(csv_lines(path), needed=1 + max(by_number, default=0))
    header = lines[0][1]
    places = [_place(path, header, column) for column in wanted]
    if twice := [place for place in places if places.count(place) > 1]:  # by name and by number
        raise CorpusError(
            f"{path}, line 1: the column map names the column {header[twice[0]].strip()!r} (number "
            f"{twice[0]}) twice; correct it"
        )
    if len(by_number) < len(wanted) or is_header([header[place] for place in places]):
        lines = lines[1:]
    known = {str(code): float(code) for code in range(top + 1)}
    known |= dict.fromkeys(map(_plain, missing), float("nan"))
    numbers: list[int] = []
    codes: list[list[float]] = []
    for number, cells in lines:
        if len(cells) != len(header):
            raise wrong_width(path, (number, cells), len(header), last=number == lines[-1][0])
        where, *rest = (cells[place].strip() for place in places)
        if not is_integer(where):
            raise CorpusError(
                f"{path}, line {number}: {where!r} is no frame number; correct the line or copy the file "
                "again"
            )
        numbers.append(int(float(where)))
        spelt = [cell if cell in known else _plain(cell) for cell in rest]
        if unknown := [cell for cell, code in zip(rest, spelt, strict=True) if code not in known]:
            raise CorpusError(
                f"{path}, line {number}: unknown code {unknown[0]!r}; known are 0 to {top} and, as not "
                f"coded, {list(missing)}. Correct the line, or key 'missing' of the column map"
            )
        codes.append([known[code] for code in spelt])
    if (place := thousand([cells[places[0]] for _, cells in lines])) is not None:
        number, cells = lines[place]
        raise CorpusError(f"{path}, line {number}: {may_be_thousand(cells[places[0]])}")
    frames = np.array(numbers, dtype=np.int64)
    require_unique(path, frames)
    labels = np.array(codes, dtype=np.float32).reshape(len(frames), len(columns))
    return LabelFile(frames, labels, f"label files{commas}" if commas else "")


def _plain(code: str) -> str:
    """A code as others may write it: ``9`` for ``9.0``, ``nan`` for ``NaN``."""
    sign, digits = ("-", code[1:]) if code.startswith("-") else ("", code)
    return f"{sign}{int(float(digits))}" if is_integer(digits) else code.lower()


def _place(path: Path, header: list[str], column: Column) -> int:
    names = [name.strip() for name in header]
    if isinstance(column, str):
        if names.count(column) != 1:
            raise CorpusError(
                f"{path}, line 1: {names.count(column)} columns are called {column!r}; there are {names}. "
                "Correct the column map"
            )
        return names.index(column)
    if not 0 <= column < len(names):
        raise CorpusError(
            f"{path}, line 1: has {len(names)} columns, none of number {column}, counted from 0"
        )
    return column


def _checked(path: Path, content: dict[str, Any]) -> Columns:
    """Typed values of a map that has the right keys."""

    def fail(key: str, expected: str) -> CorpusError:
        return CorpusError(f"{path}: {key} is {content[key]!r}; expected {expected}")

    for key in ("videos", "labels", "intensity_labels"):
        name = content.get(key)
        if name is not None and (not isinstance(name, str) or name.count("{person}") != 1 or "/" in name):
            raise fail(key, 'the name of a file without folders, with {person} in it, e.g. "{person}.csv"')
    if not _is_column(content["frame"]):
        raise fail("frame", "a column's name or number")
    if type(content["first_frame"]) is not int or content["first_frame"] < 0:
        raise fail("first_frame", "a whole number, e.g. 1")
    if not isinstance(content["missing"], list):
        raise fail("missing", "a list of codes, [] for none")
    for key in ("occurrence", "intensity"):
        columns = content.get(key)
        if columns is None:
            continue
        if not isinstance(columns, dict) or not columns or not all(map(_is_column, columns.values())):
            raise fail(key, "a column for each action unit, e.g. {1: AU1, 2: AU2}")
        if unknown := [au for au in columns if type(au) is not int or au not in VISIBLE_AUS]:
            raise CorpusError(f"{path}: {key} has {unknown}, which are no visible action units")
        content[key] = dict(sorted(columns.items()))
        named = [content["frame"], *content[key].values()]
        if twice := [column for column in named if named.count(column) > 1]:
            raise CorpusError(
                f"{path}: {key} and frame name the column {twice[0]!r} twice; give each a column of its own"
            )
    content["missing"] = tuple("" if code is None else str(code) for code in content["missing"])
    if codes := [code for code in content["missing"] if _plain(code) in map(str, range(MAX_INTENSITY + 1))]:
        raise CorpusError(f"{path}: missing has {codes}, which are codes of intensity")
    return Columns(**content)


def _is_column(value: Any) -> bool:
    return type(value) in (str, int) and value != "" and (isinstance(value, str) or value >= 0)


def _recording(pattern: str | None, name: str, relative: str) -> Recording | None:
    """The recording that a file belongs to; None if its name does not fit the pattern."""
    if pattern is None:
        return None
    before, after = map(re.escape, pattern.split("{person}"))
    match = re.fullmatch(rf"{before}(\d{{3}}[A-Za-z]){after}", name, re.IGNORECASE)
    if match is None:
        return None
    subject = match[1].upper()
    if subject not in PARTITION_OF:
        raise CorpusError(f"{relative}: GFT has the people 001A, 001B, 001C to 032C, not {subject}")
    return Recording(subject)

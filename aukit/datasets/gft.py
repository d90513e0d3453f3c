"""GFT: the reader of the release (and of the stand-in), as far as its files are publicly described."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import yaml

from aukit.datasets.files import inside, join, put, require_folder, walk
from aukit.datasets.label_files import csv_lines, is_integer
from aukit.datasets.media import Image, count_frames, decode_video
from aukit.datasets.release import Exclusion, Release
from aukit.errors import CorpusError
from aukit.facs import MAX_INTENSITY, VISIBLE_AUS, intensity_column, occurrence_column

NAMESPACE = "GFT"
SEATS = "ABC"
_TEST = (8, 10, 19, 22, 28, 30)
_VALID = (5, 12, 13, 15, 27, 32)
GROUPS: dict[str, tuple[int, ...]] = {
    "train": tuple(g for g in range(1, 33) if g not in (*_TEST, *_VALID)),
    "valid": _VALID,
    "test": _TEST,
}
"""Groups of three people in each partition: those of the public frame lists of Patch-MCD (train is what they
leave). They hold whole groups, so that no conversation is on two sides."""

LISTED_FRAMES = {"valid": 24_619, "test": 24_723}
"""Frames in those lists, which lack invalid ones."""

LISTED_RATES: dict[str, dict[int, float]] = {
    "test": {1: 0.041, 2: 0.140, 4: 0.033, 6: 0.275, 7: 0.486, 10: 0.242, 12: 0.296, 14: 0.029, 15: 0.104,
             17: 0.315, 23: 0.283, 24: 0.131},
    "valid": {1: 0.045, 2: 0.122, 4: 0.034, 6: 0.277, 7: 0.451, 10: 0.247, 12: 0.292, 14: 0.030, 15: 0.095,
              17: 0.324, 23: 0.255, 24: 0.141},
}  # fmt: skip
"""Share of those frames in which each action unit is present."""


def partition_of(subject: str) -> str | None:
    """``train``, ``valid`` or ``test`` of an id such as ``028C``; None for someone whom GFT does not have."""
    match = re.fullmatch(rf"(\d{{3}})[{SEATS}]", subject)
    group = int(match[1]) if match else 0
    return next((name for name, groups in GROUPS.items() if group in groups), None)


def subjects(partition: str) -> tuple[str, ...]:
    """Ids of a partition's people, sorted."""
    return tuple(f"{group:03d}{seat}" for group in GROUPS[partition] for seat in SEATS)


@dataclass
class Index:
    """Relative paths (``/`` as separator) of videos and label files by person."""

    videos: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    intensity_labels: dict[str, str] = field(default_factory=dict)
    folders: Counter[tuple[str, str]] = field(default_factory=Counter)


def scan(root: Path, columns: Columns) -> Index:
    """Index the files that the column map names, in whatever folders below `root`.

    Raises:
        CorpusError: The root is missing or holds no video, a file is there twice, someone is not of GFT, or a
            link leads out of the root.
    """
    require_folder(root, "gft")
    index = Index()
    kinds = {
        "video": (columns.videos, index.videos),
        "label": (columns.labels, index.labels),
        "intensity label": (columns.intensity_labels, index.intensity_labels),
    }
    patterns = {kind: (_pattern(name), files) for kind, (name, files) in kinds.items() if name is not None}
    for folder, _, files in walk(root):
        for name in files:
            for kind, (pattern, found) in patterns.items():
                if match := pattern.fullmatch(name):
                    put(found, _known(match[1].upper(), join(folder, name)), join(folder, name))
                    index.folders[kind, folder] += 1
    if not index.videos:
        raise CorpusError(
            f"{root}: no video called {columns.videos} in it or below. Unpack the release there, correct the "
            "key 'videos' of the column map, or write a stand-in: aukit standin gft --root FOLDER"
        )
    return index


def _pattern(name: str) -> re.Pattern[str]:
    before, after = name.split("{person}")
    return re.compile(rf"{re.escape(before)}(\d{{3}}[A-Za-z]){re.escape(after)}", re.IGNORECASE)


def _known(subject: str, relative: str) -> str:
    if partition_of(subject) is None:
        raise CorpusError(f"{relative}: GFT has the people 001A, 001B, 001C to 032C, not {subject}")
    return subject


COLUMNS_FILE = "gft_columns.yaml"
_NEEDED = ("videos", "labels", "frame", "first_frame", "occurrence", "missing")
_OPTIONAL = ("intensity_labels", "intensity")
_MAX_BYTES = 64 * 2**10

Column = str | int
Labels = npt.NDArray[np.float32]


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

    def text(self) -> str:
        """All of it in one line, for fingerprints."""
        return json.dumps(asdict(self), sort_keys=True)


def read_columns(root: Path, file: str | Path | None = None) -> Columns:
    """Read the map: `file`, else ``gft_columns.yaml`` in the root of the release.

    Raises:
        CorpusError: There is none, it is damaged, or keys are missing or unknown; the message names them.
    """
    path = inside(root, COLUMNS_FILE) if file is None else Path(file)
    if not path.is_file():
        raise CorpusError(
            f"{path}: no such file. The layout of GFT's annotations is described in its wiki (osf.io/7wcyz) "
            f"and not guessed here: write this file with the keys {', '.join(_NEEDED)}, and "
            f"{', '.join(_OPTIONAL)} if intensities are to be read; aukit/datasets/README.md has an example"
        )
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError(f"larger than {_MAX_BYTES} bytes")
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
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
) -> tuple[npt.NDArray[np.int64], Labels]:
    """Frame numbers [T] and codes [T, A] of one file; NaN where a code means "not coded".

    Args:
        path: CSV file; a header is needed where a column is named.
        frame: Column of the frame numbers.
        columns: Column of each action unit.
        top: Greatest code: 1 or 5.
        missing: Codes that mean "not coded".

    Raises:
        CorpusError: A column is not there, a line is ragged, a code is unknown or a frame has two rows; with
            file and line.
    """
    lines = csv_lines(path)
    (first, header), *_ = lines
    wanted = [frame, *columns.values()]
    places = [_place(path, header, column) for column in wanted]
    if any(isinstance(column, str) for column in wanted) or not is_integer(header[places[0]]):
        lines = lines[1:]
    known = {str(code): float(code) for code in range(top + 1)} | dict.fromkeys(missing, float("nan"))
    numbers: list[int] = []
    codes: list[list[float]] = []
    for number, cells in lines:
        if len(cells) != len(header):
            raise CorpusError(f"{path}, line {number}: {len(cells)} columns, line {first} has {len(header)}")
        where, *rest = (cells[place].strip() for place in places)
        if not is_integer(where):
            raise CorpusError(f"{path}, line {number}: {where!r} is no frame number")
        numbers.append(int(float(where)))
        try:
            codes.append([known[cell] for cell in rest])
        except KeyError as error:
            raise CorpusError(
                f"{path}, line {number}: unknown code {error}; known are 0 to {top} and, as not coded, "
                f"{list(missing)}. Correct the line, or key 'missing' of the column map"
            ) from None
    frames = np.array(numbers, dtype=np.int64)
    unique, counts = np.unique(frames, return_counts=True)
    if len(unique) < len(frames):
        raise CorpusError(f"{path}: frame {unique[counts > 1][0]} has two rows; copy the file again")
    return frames, np.array(codes, dtype=np.float32).reshape(len(frames), len(columns))


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
    """Typed values of a map whose keys are right."""

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
    content["missing"] = tuple("" if code is None else str(code) for code in content["missing"])
    if plain := [code for code in content["missing"] if code in map(str, range(MAX_INTENSITY + 1))]:
        raise CorpusError(f"{path}: missing has {plain}, which are codes of intensity")
    return Columns(**content)


def _is_column(value: Any) -> bool:
    return type(value) in (str, int) and value != "" and (isinstance(value, str) or value >= 0)


TASK = "conversation"


class GFT(Release):
    """Sayette Group Formation Task: 96 young adults in 32 conversations of three, one minute each.

    *Format.* A video and files of frame-level codes per person (``001A`` to ``032C``: group and seat). How
    the files are called, which column is which action unit and which code means "not coded" is described in
    the database's wiki (osf.io/7wcyz), not in any source that we read, and public lists disagree on AU 14:
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

    Raises:
        CorpusError: The root or the map is missing, a key of the map is, or there is nothing of what is asked
            for; while reading: a label file is damaged, lacks a column or has an unknown code.
    """

    name = "gft"
    namespace = NAMESPACE

    def __init__(
        self, root: str | Path, columns: str | Path | None = None, persons: Sequence[str] | None = None
    ) -> None:
        super().__init__(root)
        self.columns = read_columns(self.root, columns)
        self._index: Index = scan(self.root, self.columns)
        self._subjects = {
            video: subject
            for subject, video in sorted(self._index.videos.items())
            if persons is None or f"{NAMESPACE}/{subject}" in persons
        }
        if not self._subjects:
            raise CorpusError(f"{self.root}: has no video of the persons {list(persons or ())}")

    @property
    def videos(self) -> list[str]:
        """Videos, relative to the root, by person."""
        return list(self._subjects)

    @property
    def people(self) -> dict[str, list[str]]:
        """The video of each global person id; no label is read for it."""
        return {f"{NAMESPACE}/{subject}": [video] for video, subject in self._subjects.items()}

    @property
    def folder_styles(self) -> dict[str, int]:
        """Folders in which videos and label files lie, with the number of each."""
        return {f"{kind} files in {folder}": n for (kind, folder), n in self._index.folders.items()}

    @property
    def settings(self) -> list[str]:
        """Which action units the column map names."""
        named = {"occurrence": self.columns.occurrence, "intensity": self.columns.intensity or {}}
        found = [f"{kind} of AU {' '.join(map(str, aus))}" for kind, aus in named.items() if aus]
        codes = ", ".join(map(repr, self.columns.missing)) or "no code"
        return [f"the column map names {' and '.join(found)}; {codes} means not coded"]

    def decode(self, video: str) -> Iterator[tuple[int, Image]]:
        """Stream (position, RGB uint8 [H, W, 3]) of a video; ends early where the file is damaged.

        Raises:
            CorpusError: The name leads out of the root, or the file cannot be opened as a video.
        """
        yield from decode_video(inside(self.root, video))

    def fingerprint(self) -> str:
        """SHA-256 (hex) of the column map, names and sizes of videos, and contents of label files."""
        sizes = ((video, inside(self.root, video).stat().st_size) for video in self._subjects)
        files = [f for s in self._subjects.values() for f in self._files(s).values() if f is not None]
        columns = hashlib.sha256(self.columns.text().encode()).hexdigest()
        return self._digest(f"aukit.gft/1 {columns}", sizes, files)

    def _files(self, subject: str) -> dict[str, str | None]:
        return {
            "occurrence": self._index.labels.get(subject),
            "intensity": self._index.intensity_labels.get(subject),
        }

    def _rows(self, video: str, excluded: list[Exclusion]) -> pd.DataFrame | None:
        if (subject := self._subjects.get(video)) is None:
            raise CorpusError(f"{self.root}: has no video {video} of the chosen persons")
        try:
            available = count_frames(inside(self.root, video))
        except CorpusError:
            excluded.append(Exclusion(video, None, "the video cannot be opened"))
            return None
        codes = self._read(subject)
        if not codes:
            excluded.append(Exclusion(video, None, "no label file"))
            return None
        coded = np.unique(np.concatenate([positions for positions, _ in codes.values()]))
        here = np.arange(available)
        excluded += [Exclusion(video, int(i), "frame without label row") for i in np.setdiff1d(here, coded)]
        excluded += [Exclusion(video, int(i), "label row without frame") for i in coded[coded >= available]]
        usable = np.intersect1d(coded, here)
        columns: dict[str, Any] = {
            "corpus": self.name,
            "partition": partition_of(subject),
            "person": f"{NAMESPACE}/{subject}",
            "subject": subject,
            "gender": self._gender(f"{NAMESPACE}/{subject}", None),
            "task": TASK,
            "view": 0,
            "frame": usable + self.columns.first_frame,
            "video": video,
            "position": usable,
            "pair_id": None,
        }
        for kind, aus in (
            ("occurrence", self.columns.occurrence),
            ("intensity", self.columns.intensity or {}),
        ):
            name = occurrence_column if kind == "occurrence" else intensity_column
            labels = _at(codes.get(kind), usable, len(aus))
            columns |= {name(au): labels[:, i] for i, au in enumerate(aus)}
        return pd.DataFrame(columns)

    def _read(self, subject: str) -> dict[str, tuple[npt.NDArray[np.int64], Labels]]:
        """Positions and codes of the label files that a person has."""
        columns, codes = self.columns, {}
        for kind, relative in self._files(subject).items():
            named = columns.occurrence if kind == "occurrence" else columns.intensity
            if named is None:
                continue
            if relative is None:
                self._note(f"{subject}: no file of {kind} codes")
                continue
            path = inside(self.root, relative)
            top = 1 if kind == "occurrence" else MAX_INTENSITY
            frames, labels = read_codes(path, columns.frame, named, top, columns.missing)
            if len(frames) and frames.min() < columns.first_frame:
                raise CorpusError(
                    f"{path}: has frame {frames.min()}, but the column map says that frames are counted from "
                    f"{columns.first_frame}; correct the key 'first_frame'"
                )
            codes[kind] = frames - columns.first_frame, labels
        return codes


def _at(
    codes: tuple[npt.NDArray[np.int64], Labels] | None, positions: npt.NDArray[np.int64], width: int
) -> Labels:
    """Codes [N, A] of positions; NaN where a file has no row, or there is no file."""
    labels = np.full((len(positions), width), np.nan, dtype=np.float32)
    if codes is not None:
        _, where, rows = np.intersect1d(positions, codes[0], return_indices=True)
        labels[where] = codes[1][rows]
    return labels

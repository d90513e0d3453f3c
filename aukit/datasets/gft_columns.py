"""What the public sources do not say of GFT's files: a map that its owner writes, and nobody guesses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from aukit.datasets.files import inside
from aukit.datasets.label_files import csv_lines, is_integer
from aukit.errors import CorpusError
from aukit.facs import MAX_INTENSITY, VISIBLE_AUS

FILE = "gft_columns.yaml"
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
    path = inside(root, FILE) if file is None else Path(file)
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

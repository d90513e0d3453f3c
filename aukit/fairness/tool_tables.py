"""Tables of tools, a file per video, with a table of human codes beside them.

The table of codes has a row per coded frame:

========================= ==============================================================================
``video``                 name of the tool's file without its ending (a folder before it and the ending of
                          the video do not count)
``frame``                 number of the frame in the video, from 0 or from 1
``AU12_c``                occurrence, 0 or 1; empty where not coded
``AU12_r``                intensity, 0 to 5; from 2 on the AU is present, where there is no ``AU12_c``
``person``                id of the human being; may be left out (see `read_tool_tables`)
any other word            an attribute, if it is the same in all rows of a person
========================= ==============================================================================
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
import numpy.typing as npt

from aukit.datasets.images import image_number
from aukit.datasets.person_ids import composed, spelling
from aukit.datasets.table_file import NOTHING, Column, read_words
from aukit.datasets.tracker_rows import TrackerRows, image_rows, video_rows
from aukit.datasets.tracker_tables import read_columns, read_header
from aukit.datasets.tracker_timeline import FRAME_COLUMNS
from aukit.detect.inputs import VIDEO_ENDINGS
from aukit.detect.table import is_table
from aukit.detect.tools import TOOLS, Reading, Tool, read_tool, table_frames, table_images
from aukit.errors import ConfigError, CorpusError, shown
from aukit.fairness.predictions import Floats, Predictions, Texts
from aukit.training.fairness import PRESENT_FROM

_LABEL = re.compile(r"au[ _-]?0*(\d{1,2})[ _-]?([cr])", re.IGNORECASE | re.ASCII)
_LIKE_A_LABEL = re.compile(r"au[ _-]?\d.*", re.IGNORECASE | re.ASCII)
_BLINK = {45: 43}
"""Closed eyes under the number of the blink, as tools and their readers take it."""
_RULES = {
    "aukit": "present: intensity 1 and more, probability 0.5 and more",
    "openface": "present: intensity 1 and more",
    "libreface": "present: intensity 1 and more; without intensity as the tool says",
    "pyfeat": "present: probability above 0.5",
}


def read_tool_tables(
    places: Sequence[Path],
    tool: str,
    labels: Path,
    people: Path | None = None,
    first_frame: Literal[0, 1] | None = None,
) -> Predictions:
    """Join a tool's tables with human codes.

    The person of a video is told by `people`, or else by the column ``person`` of the codes, or else is the
    video's name itself.

    Args:
        places: Files, or folders below which they lie (``.csv``, of aukit also ``.parquet``).
        tool: Whose they are, one of `aukit.detect.tools.TOOLS`.
        labels: The table of codes (see the module's text).
        people: Table with the columns ``video`` and ``person``.
        first_frame: Number of a video's first frame in `labels`; None where a row has frame 0.

    Returns:
        All coded frames; those that the tool did not see have no scores, and notes say how many and why.

    Raises:
        CorpusError: A table is damaged, or lacks a column.
        ConfigError: A place is not there, or no coded frame has a row of the tool.
    """
    columns = read_words(labels)
    if lacking := [name for name in ("video", "frame") if name not in columns]:
        raise CorpusError(f"{labels}: lacks the column {lacking[0]}; it has {', '.join(columns)}")
    codes: dict[tuple[int, str], Column] = {}
    for name, column in columns.items():
        if match := _LABEL.fullmatch(name):
            key = _BLINK.get(int(match[1]), int(match[1])), match[2].lower()
            if (other := codes.setdefault(key, column)) is not column:
                raise CorpusError(
                    f"{labels}: the columns {other.name} and {column.name} are the same; remove one of them"
                )
    if not codes:
        raise CorpusError(f"{labels}: has no codes, in columns such as AU12_c (0 or 1) or AU12_r (0 to 5)")
    video = _videos(columns["video"])
    position = _positions(columns["frame"], first_frame)
    files = _files(places)
    notes: list[str] = []
    readings: dict[str, Reading] = {}
    problems: Counter[str] = Counter()
    for name in sorted(set(video.tolist())):
        at = np.flatnonzero(video == name)
        if name not in files:
            problems[f"no table is called {name}"] += len(at)
            continue
        try:
            readings[name] = _read(files[name], TOOLS[tool], position[at], labels)
        except CorpusError as error:
            problems[shown(error, 300)] += len(at)
    coded = sorted({au for au, _ in codes})
    said = {au for reading in readings.values() for au in (*reading.present, *reading.levels)}
    aus = tuple(au for au in coded if au in said)
    if not aus:
        why = next(iter(problems), f"{tool} reads none of AUs {', '.join(map(str, coded))}")
        raise ConfigError(f"{labels}: no coded frame has a row in the tables of {tool}: {why}")
    notes += [f"{count:,} coded frames: {why}" for why, count in problems.items()]
    if left := [au for au in coded if au not in aus]:
        notes.append(f"AUs {', '.join(map(str, left))} are coded and not read by {tool}")
    like = [column.name for name, column in columns.items() if _LIKE_A_LABEL.fullmatch(name)]
    if others := [name for name in like if not _LABEL.fullmatch(name)]:
        notes.append(
            f"columns {', '.join(others)} are taken for no codes, which are called AU12_c (0 or 1) or AU12_r"
            " (0 to 5)"
        )
    if unused := sorted(set(files) - set(video.tolist())):
        notes.append(f"{len(unused):,} tables are of videos without codes, {unused[0]} for instance")
    shape = len(video), len(aus)
    levels, chances, present = (np.full(shape, np.nan) for _ in range(3))
    for name, reading in readings.items():
        at = np.flatnonzero(video == name)
        for target, source in (
            (levels, reading.levels),
            (chances, reading.chances),
            (present, reading.present),
        ):
            for a, au in enumerate(aus):
                if au in source:
                    target[at, a] = source[au]
    occurrence, intensity = _codes(codes, aus, shape)
    graded, likely = ~np.isnan(levels).all(0), ~np.isnan(chances).all(0)
    scores = np.where(graded, levels, np.where(likely, chances, present))
    # What is present from a value on is above the number before it.
    thresholds = np.where(graded, np.nextafter(1.0, 0), 0.5)
    if tool == "aukit":
        thresholds = np.where(graded, thresholds, np.nextafter(0.5, 0))
    return Predictions(
        source=f"tables of {tool} and {labels}",
        aus=aus,
        person=np.array(list(map(composed, _people(people, columns.get("person"), video))), dtype=object),
        scores=scores,
        thresholds=thresholds,
        present=occurrence,
        probabilities=np.where(graded, np.nan, chances),
        levels=np.where(graded, intensity, np.nan),
        columns={
            name: column.values()
            for name, column in columns.items()
            if name not in ("video", "frame", "person") and not _LABEL.fullmatch(name)
        },
        rule=_RULES[tool],
        notes=notes,
    )


def _videos(column: Column) -> Texts:
    """What the file of each row's video is called.

    Raises:
        CorpusError: Videos of two folders would have one file.
    """
    names = [_name(text) for text in column.texts]
    first: dict[str, str] = {}
    for name, text in zip(names, column.texts, strict=True):
        if _path(first.setdefault(name, text)).parent != _path(text).parent:
            raise CorpusError(
                f"{column.path}, column {column.name}: {first[name]} and {text} would both have the table"
                f" {name}; write what the table of each is called, such as {'-'.join(_path(text).parts)}"
            )
    return np.array(names, dtype=object)[column.codes]


def _name(text: object) -> str:
    """What the file of a video is called, in small letters and without ending."""
    path = _path(text)
    return path.stem if path.suffix in (*VIDEO_ENDINGS, ".csv", ".parquet") else path.name


def _path(text: object) -> PurePosixPath:
    return PurePosixPath(composed(str(text)).replace("\\", "/").casefold())


def _positions(column: Column, first_frame: int | None) -> npt.NDArray[np.int64]:
    numbers = column.frames(10_000_000, "write the number of the frame", gaps=False).astype(np.int64)
    if first_frame is None and numbers.min() > 0:
        raise ConfigError(
            f"{column.path}: no row has frame 0, so that frames may be counted from 0 or from 1; say which:"
            " --first-frame 0 or 1"
        )
    if numbers.min() < (first := first_frame or 0):
        raise ConfigError(f"{column.path}, row {int(numbers.argmin()) + 1}: frame 0, and --first-frame 1")
    return numbers - first


def _files(places: Sequence[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for place in places:
        if place.is_dir():
            files = sorted([*place.rglob("*.csv"), *(p for p in place.rglob("*.parquet") if is_table(p))])
        elif place.exists():
            files = [place]
        else:
            raise ConfigError(f"{place}: no such file or folder; name the tables of the tool")
        for path in files:
            if (before := found.setdefault(_name(path), path)) != path:
                raise ConfigError(f"{path}: {before} has the same name; name one of them")
    return found


def _read(path: Path, tool: Tool, positions: npt.NDArray[np.int64], labels: Path) -> Reading:
    if len(np.unique(positions)) < len(positions):
        values, counts = np.unique(positions, return_counts=True)
        raise CorpusError(f"{labels}: codes frame {values[counts.argmax()]} of {path.stem} twice")
    if tool.name == "aukit" and (images := table_images(path)):
        return read_tool(path, tool, _image_rows(path, images, positions))
    length = table_frames(path) if tool.name == "aukit" else _length(path, tool)
    length = max(length, int(positions.max()) + 1)
    return read_tool(path, tool, video_rows(np.arange(length), positions))


def _image_rows(path: Path, images: Sequence[str], positions: npt.NDArray[np.int64]) -> TrackerRows:
    """Rows of a table about images, whose names say which frame each is.

    Raises:
        CorpusError: They do not: the images lie in several folders, have other names than numbers, numbers
            with gaps, or are fewer than the frames that are coded.
    """
    names = {image_number(image): image for image in images}
    numbers = sorted(number for number in names if number is not None)
    first = numbers[0] if numbers else 0
    if first > 1 or len(images) != len(numbers) or numbers != list(range(first, first + len(images))):
        raise CorpusError(
            f"{path}: is about images whose names do not count frames from 0 or 1 without a gap; which of"
            " them are coded is not certain: name them 001.png, 002.png … in one folder and detect again"
        )
    if positions.max() >= len(images):
        raise CorpusError(
            f"{path}: has {len(images)} images, and frame {positions.max() + 1} of them is coded; see which"
            " frames the codes are about, and from what they count (--first-frame)"
        )
    return image_rows({number - first: names[number] for number in numbers}, images, positions)


def _length(path: Path, tool: Tool) -> int:
    """Number of frames that a tool's table is about."""
    header = read_header(path)
    key = next((key for key in FRAME_COLUMNS if key in header.keys), None)
    if key is None:
        return len(read_columns(header, [header.keys[0]]).lines)
    numbers = read_columns(header, [key]).numbers[key]
    last, first = np.nanmax(numbers, initial=0), np.nanmin(numbers, initial=0)
    return int(last - (first if tool.first_frame is None else tool.first_frame)) + 1


def _codes(
    codes: Mapping[tuple[int, str], Column], aus: Sequence[int], shape: tuple[int, int]
) -> tuple[Floats, Floats]:
    """Occurrence and intensity [n, A]."""
    occurrence, intensity = np.full(shape, np.nan), np.full(shape, np.nan)
    for a, au in enumerate(aus):
        if (au, "r") in codes:
            levels = codes[au, "r"].numbers(0, 5, "write an intensity, 0 to 5, or leave it empty", gaps=True)
            intensity[:, a] = levels
            occurrence[:, a] = np.where(np.isnan(levels), np.nan, levels >= PRESENT_FROM)
        if (au, "c") in codes:
            occurrence[:, a] = codes[au, "c"].numbers(0, 1, "write 0 or 1, or leave it empty", gaps=True)
    return occurrence, intensity


def _people(table: Path | None, column: Column | None, video: Texts) -> Texts:
    """Person of each row."""
    if table is None:
        if column is None:
            return video
        return _named_people(column).values()
    columns = read_words(table)
    if not {"video", "person"} <= set(columns):
        raise CorpusError(f"{table}: the columns are {', '.join(columns)}; needed are video and person")
    of: dict[str, str] = {}
    named = zip(columns["video"].values(), _named_people(columns["person"]).values(), strict=True)
    for row, (name, person) in enumerate(named):
        if (other := of.setdefault(_name(name), str(person))) != person:
            raise CorpusError(
                f"{table}, row {row + 1}: {name} is of {person}, and of {other} in a row before; write one"
                " person for each table"
            )
    if missing := sorted(set(video.tolist()) - set(of)):
        raise CorpusError(f"{table}: has no row of the video {missing[0]}, which is coded; add it")
    return np.array([of[name] for name in video], dtype=object)


def _named_people(column: Column) -> Column:
    """A column of people, after a look whether each row has one, and each person one spelling."""
    column.require(lambda text: text.lower() not in NOTHING, "name a person in every row")
    texts = [composed(text) for text in column.texts]
    first: dict[str, str] = {}
    for code in np.unique(column.codes).tolist():
        if (other := first.setdefault(spelling(texts[code]), texts[code])) != texts[code]:
            raise column.error(
                np.arange(len(texts)) == code, f"is {other!r} of another row in another spelling; write one"
            )
    return Column(column.path, column.name, column.codes, texts)

"""Tables of tools that read action units: which columns each has, and when it says that one is present.

The rules are fixed here, before anything is scored:

========= ============================================ ===================================================
tool      values                                       present
========= ============================================ ===================================================
aukit     ``AU01_r`` …, 0 to 5                         from 1 on
or        ``AU01_p`` …, probabilities                  from 0.5 on; no ICC
openface  ``AU01_r`` …, 0 to 5; ``AU45_r`` is AU 43    from 1 on
libreface ``au_1_intensity`` …, 0 to 5                 from 1 on; without intensity: ``au_7`` … is 1
pyfeat    ``AU01`` …, probabilities                    above 0.5; they are no intensities: no ICC
========= ============================================ ===================================================

A frame counts as seen where the tool says that it had the face, ``success`` is 1 (aukit, OpenFace) or
``FaceScore`` is at least 0.5 (py-feat), and says something of an action unit: LibreFace has no such column,
and an empty row is no face of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from aukit.datasets.tracker_rows import TrackerRows
from aukit.datasets.tracker_tables import read_columns, read_header
from aukit.datasets.tracker_timeline import (
    FRAME_COLUMNS,
    NAME_COLUMNS,
    TIME_COLUMNS,
    TIMECODE,
    Numbering,
    place_rows,
)
from aukit.detect.face import INTENSITY, PROBABILITY, Measure
from aukit.detect.table import detected_aus, is_table, level_column, read_detections
from aukit.errors import CorpusError

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Tool(Numbering):
    """What the files of a tool look like.

    Attributes:
        name: Word of the command.
        level: Keys of columns with intensities; the group is the action unit.
        decision: Keys of columns with decisions or probabilities; the group is the action unit.
        graded: Whether these are probabilities.
        seen: Columns that say that there was a face, and the least that they say then.
    """

    name: str
    level: re.Pattern[str] | None
    decision: re.Pattern[str] | None
    graded: bool
    seen: Mapping[str, float]


TOOLS: Mapping[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool(1, True, True, "aukit", re.compile(r"au(\d\d)_r"), None, False, {"success": 1}),
        Tool(1, True, True, "openface", re.compile(r"au(\d\d)_r"), None, False, {"success": 1}),
        Tool(
            None,
            True,
            True,
            "libreface",
            re.compile(r"au_(\d+)_intensity"),
            re.compile(r"au_(\d+)"),
            False,
            {},
        ),
        Tool(0, False, True, "pyfeat", None, re.compile(r"au(\d\d)"), True, {"facescore": 0.5}),
    )
}


class Reading(NamedTuple):
    """What a tool says of N frames.

    Attributes:
        levels: float64 [N] by action unit, 0 to 5; NaN where nothing is said.
        present: float64 [N] by action unit, 1 or 0; NaN where nothing is said.
        chances: float64 [N] by action unit, probability; only of tools that say one in place of a level.
        seen: bool [N], whether there was a face.
        rows: Number of rows of the file, or of the folder in it that was asked for.
        used: How many of them are about these frames.
    """

    levels: dict[int, Values]
    present: dict[int, Values]
    chances: dict[int, Values]
    seen: npt.NDArray[np.bool_]
    rows: int
    used: int


def read_tool(path: Path, tool: Tool, rows: TrackerRows, folder: str | None = None) -> Reading:
    """Read the file of a tool about a recording.

    Of several faces in a frame the largest counts (aukit); the files of other tools hold one.

    Args:
        path: The file.
        tool: Whose it is.
        rows: Frames of the recording, and which of them are asked for.
        folder: Of a table of aukit about several folders of images, the one of the recording.

    Raises:
        CorpusError: The file is of another tool or other frames, or is damaged.
    """
    if tool.name == "aukit":
        return _read_own(path, rows, folder)
    header = read_header(path)
    keys = dict.fromkeys(header.keys)
    level = _columns(tool.level, keys)
    decision = {au: key for au, key in _columns(tool.decision, keys).items() if au not in level}
    lacking = [key for key in tool.seen if key not in keys]
    if lacking or not (level or decision):
        what = f"the column {lacking[0]} is missing" if lacking else "it has no column of an action unit"
        raise CorpusError(f"{path}: is no table of {tool.name}: {what}; name its tool, DETECTIONS=TOOL")
    columns = read_columns(
        header,
        [*level.values(), *decision.values()],
        [key for key in (*tool.seen, *FRAME_COLUMNS) if key in keys],
        [key for key in (*NAME_COLUMNS, TIMECODE, *TIME_COLUMNS) if key in keys],
    )
    places = place_rows(columns, rows, tool)
    of = np.full(len(rows.numbers), -1, np.int64)
    of[places[places >= 0]] = np.flatnonzero(places >= 0)
    at = of[rows.places]
    there = at >= 0
    for key, least in tool.seen.items():
        there &= columns.numbers[key][at] >= least
    values = np.array([columns.numbers[key][at] for key in (*level.values(), *decision.values())])
    there &= np.isfinite(values).any(0)
    levels = {au: np.where(there, columns.numbers[key][at], np.nan) for au, key in level.items()}
    present = {au: _decided(values, INTENSITY.present) for au, values in levels.items()}
    said = {au: np.where(there, columns.numbers[key][at], np.nan) for au, key in decision.items()}
    present |= {au: _decided(values, np.nextafter(0.5, 1)) for au, values in said.items()}
    return Reading(levels, present, said if tool.graded else {}, there, len(places), int((at >= 0).sum()))


def table_images(path: Path) -> list[str]:
    """Images that a table of aukit is about, in its order; none of a video's.

    Raises:
        CorpusError: As of `read_detections`.
    """
    table = _detections(path)
    return list(dict.fromkeys(table["input"])) if "input" in table.columns else []


def table_frames(path: Path) -> int:
    """Number of frames of the video that a table of aukit is about, or of its images.

    Raises:
        CorpusError: As of `read_detections`.
    """
    return int(_detections(path)["frame"].max())


def image_folders(path: Path) -> list[str]:
    """Folders of the images that a table of aukit is about; none of a video's, and of other tables."""
    return sorted({_folder(name) for name in table_images(path)}) if is_table(path) else []


def _detections(path: Path) -> pd.DataFrame:
    return _read_once(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1)  # one table may be about all sequences of a corpus
def _read_once(path: Path, _changed: int) -> pd.DataFrame:
    return read_detections(path)


def _folder(name: str) -> str:
    return PurePath(name).parent.as_posix()


def _read_own(path: Path, rows: TrackerRows, folder: str | None) -> Reading:
    table = _detections(path)
    if folder is not None:
        table = table[[_folder(name) == folder for name in table["input"]]]
    whole = len(table)
    of_images, frames, length = "input" in table.columns, table["frame"].max(), len(rows.numbers)
    if of_images and not rows.images:
        raise CorpusError(
            f"{path}: is about images, and the codes about a video; run aukit detect on the video"
        )
    if not of_images and frames != length:
        # It has a row for each frame of its video, so that of another length is another one, or another copy.
        what = f"{length} {'images' if rows.images else 'frames'}"
        on = "folder of images" if rows.images else "same video"
        raise CorpusError(
            f"{path}: is about a video of {frames} frames, and the codes about {what}; run aukit detect on"
            f" the {on}"
        )
    table = table[table["success"] == 1]
    # The last of equal frames stays: the largest.
    table = table.iloc[np.argsort((table["box_width"] * table["box_height"]).to_numpy(), kind="stable")]
    if of_images:
        names = [Path(name).name for name in table["input"]]
        place = np.array([rows.images.get(name, -1) for name in names], np.int64)
    else:
        place = table["frame"].to_numpy() - 1
        place = np.where(place < length, place, -1)
    of = np.full(length, -1, np.int64)
    for row in np.flatnonzero(place >= 0).tolist():
        of[place[row]] = row
    at = of[rows.places]

    def said(measure: Measure) -> dict[int, Values]:
        # The last value, NaN, stands where there is no row.
        return {
            au: np.append(table[level_column(au, measure)].to_numpy(), np.nan)[at]
            for au in detected_aus(table.columns, measure)
        }

    levels = said(INTENSITY)
    chances = said(PROBABILITY)
    present = {au: _decided(values, PROBABILITY.present) for au, values in chances.items()}
    present |= {au: _decided(values, INTENSITY.present) for au, values in levels.items()}
    seen = at >= 0
    return Reading(_blinks(levels), _blinks(present), _blinks(chances), seen, whole, int(seen.sum()))


def _columns(pattern: re.Pattern[str] | None, keys: Mapping[str, None]) -> dict[int, str]:
    if pattern is None:
        return {}
    return _blinks({int(match[1]): key for key in keys if (match := pattern.fullmatch(key))})


def _blinks(found: dict[int, Any]) -> dict[int, Any]:
    """Closed eyes, which some tools have under the number of the blink, under their own."""
    if 45 in found and 43 not in found:
        found[43] = found[45]
    return {au: value for au, value in found.items() if au != 45}


def _decided(values: Values, least: float) -> Values:
    return np.where(np.isnan(values), np.nan, (values >= least).astype(np.float64))

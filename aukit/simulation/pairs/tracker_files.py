"""CSV files of expression trackers → activations: OpenFace 2 (AU intensities) and ARKit (52 blendshapes).

Both give one row per video frame. What is lost on the way is counted, never silent:

- A frame is *seen* if the tracker had it (OpenFace ``success`` = 1, ARKit ``BlendshapeCount`` > 0), all its
  numbers are finite and no row is missing.
- Gaps of at most `MAX_GAP` unseen frames between seen ones are interpolated linearly (faces hardly change
  in a fifth of a second) and counted in `AUTrack.interpolated`; frames of longer gaps, and those before the
  first and after the last seen frame, are unusable and counted by reason in `AUTrack.excluded`.
- Trackers overshoot: values outside their documented range are clipped and counted in `AUTrack.clipped`.
- Columns that are missing, numbers that are none and frame numbers that repeat or run backwards are errors.
"""

from __future__ import annotations

import csv
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aukit.errors import CorpusError
from aukit.facs import MAX_INTENSITY, VISIBLE_AUS, VISIBLE_INDEX

MAX_GAP = 5
"""Longest stretch of unseen frames that is interpolated: 0.2 s at 25 frames per second."""
MAX_ROWS = 1_000_000
"""More rows than any recording has: a damaged or hostile file must not ask for all memory."""

OPENFACE_AUS: dict[int, int] = {
    **{au: au for au in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26)}, 45: 43
}  # fmt: skip
"""OpenFace's ``AUxx_r`` → AU that the face shows. Blinking (45) closes the eyes (43). Its presence columns
(``AUxx_c``) are not used: they say less than the intensities, and AU 28, which has no intensity, rests."""

JAW_DROP = 0.35
"""Share of ``jawOpen`` that AU 26 covers; what is beyond it is AU 27."""

Values = dict[str, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class AUTrack:
    """How a face moved in one video, as a tracker saw it.

    Attributes:
        activations: float32 [T, A, 2] (person's left, right) in [0, 1], columns as in `VISIBLE_AUS`; row i
            belongs to decoded frame i. 0 where not usable.
        reasons: T texts: why a frame is unusable, empty for usable ones.
        interpolated: Number of usable frames that were not seen.
        clipped: Number of values outside the tracker's range.
    """

    activations: npt.NDArray[np.float32]
    reasons: tuple[str, ...]
    interpolated: int
    clipped: int

    @property
    def usable(self) -> npt.NDArray[np.bool_]:
        """Which frames were seen or interpolated; bool [T]."""
        return np.array([not reason for reason in self.reasons])

    @property
    def excluded(self) -> dict[str, int]:
        """Number of unusable frames by reason."""
        return dict(sorted(Counter(reason for reason in self.reasons if reason).items()))


def read_tracker(path: str | Path) -> AUTrack:
    """Read a tracker's CSV file, whichever of the two it is; told by its header.

    Raises:
        CorpusError: See `read_openface` and `read_arkit`.
    """
    return _read(Path(path), None)


def read_openface(path: str | Path) -> AUTrack:
    """Read the CSV of OpenFace 2's FeatureExtraction.

    Needed are ``frame`` (from 1), ``success`` and the 17 intensities ``AU01_r`` … ``AU45_r`` (0 to 5);
    names may have spaces around them, other columns are ignored. Both sides move alike.

    Raises:
        CorpusError: Missing columns, no numbers, several faces; with file, line and columns.
    """
    return _read(Path(path), _OPENFACE)


def read_arkit(path: str | Path) -> AUTrack:
    """Read ARKit blendshapes as Live Link Face exports them, or with ARKit's own names.

    ``EyeBlinkLeft``, ``eyeBlinkLeft`` and ``eyeBlink_L`` are the same. ``BlendshapeCount``, if there, is 0
    where no face was found; ``Timecode`` and the rotations of head and eyes are ignored. Left and right are
    kept. See `arkit_activations` for the map.

    Raises:
        CorpusError: Missing columns or no numbers; with file, line and columns.
    """
    return _read(Path(path), _ARKIT)


# ARKit blendshapes of an AU with a left and a right: the names without their side.
_ARKIT_SIDED: dict[int, str] = {
    2: "browouterup", 4: "browdown", 5: "eyewide", 6: "cheeksquint", 7: "eyesquint", 9: "nosesneer",
    10: "mouthupperup", 12: "mouthsmile", 14: "mouthdimple", 15: "mouthfrown", 16: "mouthlowerdown",
    20: "mouthstretch", 24: "mouthpress", 43: "eyeblink",
}  # fmt: skip
_ARKIT_MIDDLE: dict[int, str] = {
    1: "browinnerup",
    17: "mouthshruglower",
    18: "mouthpucker",
    22: "mouthfunnel",
}
_ARKIT_MIXED = ("jawopen", "mouthclose", "mouthrolllower", "mouthrollupper")
ARKIT_NEEDED: tuple[str, ...] = (
    *(f"{name}{side}" for name in _ARKIT_SIDED.values() for side in ("left", "right")),
    *_ARKIT_MIDDLE.values(),
    *_ARKIT_MIXED,
)
"""Blendshapes that the map uses, in lower case."""


def arkit_activations(shapes: Values) -> npt.NDArray[np.float32]:
    """Blendshape weights → activations.

    The map (25 to 28 are our choice):

    ===== ========================================== ===== ==========================================
    AU    blendshape                                 AU    blendshape
    ===== ========================================== ===== ==========================================
    1     browInnerUp (both sides)                   16    mouthLowerDown
    2     browOuterUp                                17    mouthShrugLower (both sides)
    4     browDown                                   18    mouthPucker (both sides)
    5     eyeWide                                    20    mouthStretch
    6     cheekSquint                                22    mouthFunnel (both sides)
    7     eyeSquint                                  24    mouthPress
    9     noseSneer                                  25    jawOpen − mouthClose, not below 0
    10    mouthUpperUp                               26    jawOpen / 0.35, at most 1
    12    mouthSmile                                 27    jawOpen − 0.35, not below 0
    14    mouthDimple                                28    mean of mouthRollLower and mouthRollUpper
    15    mouthFrown                                 43    eyeBlink
    ===== ========================================== ===== ==========================================

    AUs 11, 13 and 23 have no blendshape and rest; blendshapes that no AU of the face model shows (gaze,
    cheekPuff, jawForward, jawLeft, jawRight, mouthLeft, mouthRight, mouthShrugUpper, tongueOut) are ignored.

    Args:
        shapes: [T] weights in [0, 1] by name in lower case, at least `ARKIT_NEEDED`.

    Returns:
        float32 [T, A, 2], left and right of the person.
    """
    result = np.zeros((len(shapes["jawopen"]), len(VISIBLE_AUS), 2), np.float32)
    for au, name in _ARKIT_SIDED.items():
        result[:, VISIBLE_INDEX[au], 0] = shapes[f"{name}left"]
        result[:, VISIBLE_INDEX[au], 1] = shapes[f"{name}right"]
    jaw = shapes["jawopen"]
    middle = {
        **{au: shapes[name] for au, name in _ARKIT_MIDDLE.items()},
        25: np.clip(jaw - shapes["mouthclose"], 0, 1),
        26: np.clip(jaw / JAW_DROP, 0, 1),
        27: np.clip(jaw - JAW_DROP, 0, 1),
        28: 0.5 * (shapes["mouthrolllower"] + shapes["mouthrollupper"]),
    }
    for au, values in middle.items():
        result[:, VISIBLE_INDEX[au]] = values[:, None]
    return result


class _Numbers(NamedTuple):
    """The columns of a file that are used, and the line that each row stands on."""

    path: Path
    lines: list[int]
    columns: Values

    def stack(self, names: Iterable[str]) -> npt.NDArray[np.float64]:
        return np.stack([self.columns[name] for name in names], axis=1)


def _openface(file: _Numbers) -> AUTrack:
    frame, success = file.columns["frame"], file.columns["success"]
    for row, (line, number) in enumerate(zip(file.lines, frame, strict=True)):
        if not (number >= 1 and number == np.floor(number) and number <= MAX_ROWS):
            raise CorpusError(f"{file.path}, line {line}, column frame: {number:g} is no frame number from 1")
        if row and number <= frame[row - 1]:
            raise CorpusError(
                f"{file.path}, line {line}: frame {number:g} after frame {frame[row - 1]:g}; "
                "one face per video is needed (FeatureExtraction, not FaceLandmarkVidMulti)"
            )
    position = frame.astype(np.int64) - 1
    values = file.stack(_OPENFACE_COLUMNS)
    lost = np.full(position[-1] + 1, "no row in the tracker's file", dtype=object)
    lost[position] = ""
    lost[position[~np.isfinite(values).all(axis=1)]] = "NaN in the tracker's file"
    lost[position[success != 1]] = "the tracker failed (success = 0)"
    levels = np.zeros((len(lost), values.shape[1]))
    levels[position] = values
    seen = lost == ""
    clipped = int(((levels[seen] < 0) | (levels[seen] > MAX_INTENSITY)).sum())
    activations = np.zeros((len(lost), len(VISIBLE_AUS), 2), np.float32)
    for column, au in enumerate(OPENFACE_AUS.values()):
        activations[seen, VISIBLE_INDEX[au]] = np.clip(levels[seen, column] / MAX_INTENSITY, 0, 1)[:, None]
    return _bridged(activations, lost, clipped)


def _arkit(file: _Numbers) -> AUTrack:
    values = file.stack(ARKIT_NEEDED)
    lost = np.full(len(values), "", dtype=object)
    lost[~np.isfinite(values).all(axis=1)] = "NaN in the tracker's file"
    if "blendshapecount" in file.columns:
        lost[file.columns["blendshapecount"] == 0] = "the tracker failed (BlendshapeCount = 0)"
    seen = lost == ""
    clipped = int(((values[seen] < 0) | (values[seen] > 1)).sum())
    weights = np.where(seen[:, None], np.clip(values, 0, 1), 0.0)
    return _bridged(arkit_activations(dict(zip(ARKIT_NEEDED, weights.T, strict=True))), lost, clipped)


def _bridged(activations: npt.NDArray[np.float32], lost: npt.NDArray[np.object_], clipped: int) -> AUTrack:
    """Interpolate short gaps; `lost` holds the reason of each unseen frame, "" for the seen."""
    seen = np.flatnonzero(lost == "")
    interpolated = 0
    for before, after in pairwise(seen):
        gap = int(after - before) - 1
        if 0 < gap <= MAX_GAP:
            share = (np.arange(1, gap + 1, dtype=np.float32) / (gap + 1))[:, None, None]
            activations[before + 1 : after] = (1 - share) * activations[before] + share * activations[after]
            lost[before + 1 : after] = ""
            interpolated += gap
    activations[lost != ""] = 0.0
    return AUTrack(activations, tuple(map(str, lost)), interpolated, clipped)


class _Format(NamedTuple):
    name: str
    needed: tuple[str, ...]
    optional: tuple[str, ...]
    convert: Callable[[_Numbers], AUTrack]


_OPENFACE_COLUMNS = tuple(f"au{au:02d}_r" for au in OPENFACE_AUS)
_OPENFACE = _Format("OpenFace", ("frame", "success", *_OPENFACE_COLUMNS), (), _openface)
_ARKIT = _Format("ARKit", ARKIT_NEEDED, ("blendshapecount",), _arkit)


def _read(path: Path, layout: _Format | None) -> AUTrack:
    """Read the columns that a format needs (OpenFace writes 700) and convert them."""
    lines: list[int] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            places = {_key(name): place for place, name in enumerate(header)}
            if layout is None:
                layout = _OPENFACE if {"success", "au01_r"} & set(places) else _ARKIT
            if missing := [name for name in layout.needed if name not in places]:
                raise CorpusError(
                    f"{path}: is no {layout.name} file: the columns {', '.join(missing)} are missing; "
                    "export it again with all of them"
                )
            used = [name for name in (*layout.needed, *layout.optional) if name in places]
            columns = {name: array("d") for name in used}
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) > len(header) or len(lines) == MAX_ROWS:
                    raise CorpusError(
                        f"{path}, line {reader.line_num}: {len(cells)} cells under {len(header)} names, or "
                        f"more than {MAX_ROWS} rows; export it again"
                    )
                lines.append(reader.line_num)
                for name in used:
                    place = places[name]
                    text = cells[place].strip() if place < len(cells) else ""
                    columns[name].append(
                        _number(text, f"{path}, line {lines[-1]}, column {header[place].strip()}")
                    )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{path}: cannot be read as CSV ({error}); export it again") from error
    if not lines:
        raise CorpusError(f"{path}: holds no frame; export it again")
    return layout.convert(_Numbers(path, lines, {name: np.array(values) for name, values in columns.items()}))


def _key(name: str) -> str:
    """A column's name without case and spaces; eyeBlink_L is eyeBlinkLeft."""
    name = name.strip().lower()
    if name.startswith("au"):
        return name
    return re.sub("_l$", "left", re.sub("_r$", "right", name))


def _number(text: str, where: str) -> float:
    """A cell's number; empty cells and the missing ends of short lines are NaN."""
    try:
        return float(text) if text else np.nan
    except ValueError:
        raise CorpusError(f"{where}: {text!r} is no number; correct the line or export it again") from None

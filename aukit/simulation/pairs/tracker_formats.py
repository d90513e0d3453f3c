"""Formats of trackers: which columns each has, in which units, and which activations they mean.

====================================  ======  ===========================================================
format                                range   a frame is lost where
====================================  ======  ===========================================================
OpenFace 2 (FeatureExtraction)        0 to 5  ``success`` is not 1, ``confidence`` is below 0.725
ARKit (Live Link Face, MediaPipe)     0 to 1  ``BlendshapeCount`` is below 51
py-feat (Fex)                         0 to 1  ``FaceScore`` is below 0.5
====================================  ======  ===========================================================

and, in all of them, where a number is missing. A format is told by its header; files of other tools are
refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aukit.datasets.tracker_tables import Columns, Header
from aukit.datasets.tracker_timeline import Numbering
from aukit.errors import CorpusError
from aukit.facs import MAX_INTENSITY, VISIBLE_AUS, VISIBLE_INDEX

MIN_CONFIDENCE = 0.725
"""Of OpenFace: its own ``validation_boundary``, by which it sets ``success``. Files whose ``success`` was set
by another boundary, or by hand, are held to the same."""
MIN_FACE_SCORE = 0.5
"""Of py-feat: the threshold below which its detectors report no face. They write a row all the same."""
MIN_BLENDSHAPES = 51
"""Of Live Link Face: ARKit has 52 blendshapes, 51 before it had ``tongueOut``, and 0 without a face."""
MAX_OUT_OF_RANGE = 0.02
"""Share of the values that may lie out of range and are clipped: trackers overshoot now and then. In another
unit (per cent, levels, degrees) a moving face is beyond the range in most of its values. Two values are let
pass in any file, however short."""

OPENFACE_AUS: dict[int, int] = {
    **{au: au for au in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26)}, 45: 43
}  # fmt: skip
"""OpenFace's ``AUxx_r`` → AU that the face shows. Blinking (45) closes the eyes (43). Its presence columns
(``AUxx_c``) are not used: they say less than the intensities, and AU 28, which has no intensity, rests."""

PYFEAT_AUS: tuple[int, ...] = (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43)
"""AUs that every version of py-feat writes."""
PYFEAT_LATER_AUS: dict[int, int] = {16: 16, 18: 18, 27: 27, 45: 43}
"""AUs that version 2 adds → AU that the face shows."""

JAW_DROP = 0.35
"""Share of ``jawOpen`` that AU 26 covers; what is beyond it is AU 27."""

Values = dict[str, npt.NDArray[np.float64]]
Activations = npt.NDArray[np.float32]


def openface_activations(values: Values) -> Activations:
    """Intensities of OpenFace (`OPENFACE_AUS`) → activations; both sides move alike.

    Args:
        values: [T] intensities in [0, 5] by ``au01_r`` … ``au45_r``.

    Returns:
        float32 [T, A, 2], columns as in `VISIBLE_AUS`.
    """
    result = _rest(values)
    for au, shown in OPENFACE_AUS.items():
        result[:, VISIBLE_INDEX[shown]] = (values[f"au{au:02d}_r"] / MAX_INTENSITY)[:, None]
    return result


def pyfeat_activations(values: Values) -> Activations:
    """AUs of py-feat → activations; both sides move alike.

    py-feat's AUs are probabilities (of its SVM: 0 or 1) and no intensities. Our choice is to take them as
    activations: a movement that py-feat is sure of is a full one. AU 43 (eyes closed) is the greater of its
    AUs 43 and 45 (blink).

    Args:
        values: [T] probabilities in [0, 1] by ``au01`` …, at least `PYFEAT_AUS`.

    Returns:
        float32 [T, A, 2], columns as in `VISIBLE_AUS`.
    """
    result = _rest(values)
    for au, shown in [*((au, au) for au in PYFEAT_AUS), *PYFEAT_LATER_AUS.items()]:
        if (column := values.get(f"au{au:02d}")) is not None:
            place = VISIBLE_INDEX[shown]
            result[:, place] = np.maximum(result[:, place], column[:, None])
    return result


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


def arkit_activations(shapes: Values) -> Activations:
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
    Left and right are kept.

    Args:
        shapes: [T] weights in [0, 1] by name in lower case, at least `ARKIT_NEEDED`.

    Returns:
        float32 [T, A, 2], left and right of the person.
    """
    result = _rest(shapes)
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


@dataclass(frozen=True)
class Format(Numbering):
    """What the files of a tracker look like.

    Attributes:
        name: Of the tracker.
        needed: Columns with values.
        optional: Columns with values that some versions lack.
        top: Greatest value; the least is 0.
        convert: Clipped values → activations [T, A, 2].
        failures: Columns that say that a frame is lost: what is too little, and the reason.
        required: Other columns that every file has.
    """

    name: str
    needed: tuple[str, ...]
    optional: tuple[str, ...]
    top: float
    convert: Callable[[Values], Activations]
    failures: dict[str, tuple[float, str]]
    required: tuple[str, ...] = ()

    def activations(self, columns: Columns) -> tuple[Activations, npt.NDArray[np.object_], int]:
        """Activations [T, A, 2] of the rows, why each is lost (empty if it is not), number of clipped values.

        Raises:
            CorpusError: More values than `MAX_OUT_OF_RANGE` are out of range.
        """
        used = [key for key in (*self.needed, *self.optional) if key in columns.numbers]
        values = np.stack([columns.numbers[key] for key in used], axis=1)
        lost = np.full(len(values), "", dtype=object)
        lost[~np.isfinite(values).all(axis=1)] = "NaN in the tracker's file"
        for key, (least, reason) in self.failures.items():
            if key in columns.numbers:
                lost[~(columns.numbers[key] >= least)] = reason
        seen = lost == ""
        clipped = self._check_range(columns, used, values, seen)
        inside = np.where(seen[:, None], np.clip(values, 0, self.top), 0.0)
        return self.convert(dict(zip(used, inside.T, strict=True))), lost, clipped

    def _check_range(
        self,
        columns: Columns,
        used: list[str],
        values: npt.NDArray[np.float64],
        seen: npt.NDArray[np.bool_],
    ) -> int:
        wrong = seen[:, None] & ((values < 0) | (values > self.top))
        clipped = int(wrong.sum())
        if clipped > max(2, MAX_OUT_OF_RANGE * len(used) * int(seen.sum())):
            row, column = np.argwhere(wrong)[0]
            raise CorpusError(
                f"{columns.at(row, used[column])}: {values[row, column]:g} is not in 0 to {self.top:g}, the "
                f"range of {self.name}, and so are {clipped} of {len(used) * int(seen.sum())} values: "
                f"{_cause(values[wrong])}; export it in its own units"
            )
        return clipped


def format_of(header: Header) -> Format:
    """The format of a file.

    Raises:
        CorpusError: It is of another tool, or lacks columns.
    """
    keys = set(header.keys)
    if other := _other_tool(keys):
        raise CorpusError(f"{header.path}: {other}; {_READ}")
    if keys & {"success", "au01_r"}:
        found = OPENFACE
    elif keys & {"au01", "facescore"}:
        found = PYFEAT
    elif keys & set(ARKIT_NEEDED):
        found = ARKIT
    else:
        raise CorpusError(
            f"{header.path}, line {header.line}: {len(header.names)} columns "
            f"({', '.join(header.names[:4])[:80]} …), those of no tracker that is known; {_READ}"
        )
    if missing := [key for key in (*found.required, *found.needed) if key not in keys]:
        raise CorpusError(
            f"{header.path}: is no {found.name} file: the columns {', '.join(missing)} are missing; "
            "export it again with all of them"
        )
    return found


_READ = "read are OpenFace 2 (FeatureExtraction), ARKit or MediaPipe blendshapes, and py-feat's Fex"


def _other_tool(keys: set[str]) -> str:
    """What is known of a file that is of no use here, by its columns."""
    if any(key.startswith("au_") and key.endswith("_intensity") for key in keys):
        return "is a file of LibreFace, which has the intensities of 12 action units"
    if "action_units" in keys or keys & {"au03_r", "au08_r"}:
        return "is a file of OpenFace 3, which does not say which action unit is which"
    if any(key.startswith(("occ_au_", "int_au_")) for key in keys):
        return "is a file of PyAFAR"
    if {"face", "au01_r"} <= keys and "frame" not in keys:
        return "is a file of OpenFace's FaceLandmarkImg, whose rows are faces and not frames"
    return ""


def _cause(wrong: npt.NDArray[np.float64]) -> str:
    """What values out of range probably are."""
    if (wrong < 0).mean() > 0.1:
        return "negative values are no weights (standardised values, or degrees?)"
    if wrong.max() > 100:
        return "values beyond 100 are no weights (degrees, or pixels?)"
    if wrong.max() > MAX_INTENSITY:
        return "they seem to be per cent (0 to 100)"
    return "they seem to be intensities (0 to 5, as OpenFace has them)"


def _rest(values: Values) -> Activations:
    return np.zeros((len(next(iter(values.values()))), len(VISIBLE_AUS), 2), np.float32)


OPENFACE = Format(
    name="OpenFace",
    required=("frame", "success"),
    needed=tuple(f"au{au:02d}_r" for au in OPENFACE_AUS),
    optional=(),
    top=MAX_INTENSITY,
    convert=openface_activations,
    failures={
        "confidence": (MIN_CONFIDENCE, f"the tracker was not sure (confidence below {MIN_CONFIDENCE})"),
        "success": (1, "the tracker failed (success = 0)"),
    },
    first_frame=1,
    by_name=True,
    complete=True,
)
ARKIT = Format(
    name="ARKit",
    needed=ARKIT_NEEDED,
    optional=(),
    top=1,
    convert=arkit_activations,
    failures={
        "blendshapecount": (
            MIN_BLENDSHAPES,
            f"the tracker failed (BlendshapeCount below {MIN_BLENDSHAPES})",
        )
    },
    first_frame=None,
    by_name=False,
    complete=False,
)
PYFEAT = Format(
    name="py-feat",
    required=("facescore",),
    needed=tuple(f"au{au:02d}" for au in PYFEAT_AUS),
    optional=tuple(f"au{au:02d}" for au in PYFEAT_LATER_AUS),
    top=1,
    convert=pyfeat_activations,
    failures={"facescore": (MIN_FACE_SCORE, f"no face was found (FaceScore below {MIN_FACE_SCORE})")},
    first_frame=0,
    by_name=False,
    complete=True,
)

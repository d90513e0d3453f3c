"""Files as trackers write them, and the frames that they are about."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from aukit.datasets.tracker_rows import TrackerRows, image_rows, video_rows
from aukit.simulation.pairs.tracker_formats import OPENFACE_AUS, PYFEAT_AUS

Rows = Sequence[Mapping[str, object]]

OPENFACE = [f"AU{au:02d}_r" for au in OPENFACE_AUS]
PYFEAT = [f"AU{au:02d}" for au in PYFEAT_AUS]
# The 52 blendshapes in the spelling of Live Link Face: 18 pairs and 16 single ones.
SIDED = (
    "EyeBlink", "EyeLookDown", "EyeLookIn", "EyeLookOut", "EyeLookUp", "EyeSquint", "EyeWide", "MouthSmile",
    "MouthFrown", "MouthDimple", "MouthStretch", "MouthPress", "MouthLowerDown", "MouthUpperUp", "BrowDown",
    "BrowOuterUp", "CheekSquint", "NoseSneer",
)  # fmt: skip
SINGLE = [
    "JawForward", "JawRight", "JawLeft", "JawOpen", "MouthClose", "MouthFunnel", "MouthPucker", "MouthRight",
    "MouthLeft", "MouthRollLower", "MouthRollUpper", "MouthShrugLower", "MouthShrugUpper", "BrowInnerUp",
    "CheekPuff", "TongueOut",
]  # fmt: skip
SHAPES = [f"{name}{side}" for name in SIDED for side in ("Left", "Right")] + SINGLE


def video(frames: int) -> TrackerRows:
    """A video file all of whose frames can be decoded."""
    return video_rows(np.arange(frames), np.arange(frames))


def folder(numbers: Sequence[int], digits: int = 0, others: Sequence[str] = ()) -> TrackerRows:
    """A folder of images, numbered with so many digits at least, and other files."""
    names = {number: f"{number:0{digits}d}.jpg" for number in sorted(numbers)}
    return image_rows(names, [*names.values(), *others], np.array(sorted(numbers)))


def openface(
    path: Path, rows: Rows, drop: tuple[str, ...] = (), space: str = " ", separator: str = ","
) -> Path:
    """A file as FeatureExtraction writes it: names after the first have a space before them."""
    names = ["frame", "face_id", "timestamp", "confidence", "success", *OPENFACE, "AU28_c", "AU45_c"]
    names = [n for n in names if n not in drop]
    defaults = [
        {"frame": number, "timestamp": number / 25, "confidence": 0.98, "success": 1}
        for number in range(1, len(rows) + 1)
    ]
    return table(
        path, names, [{**d, **row} for d, row in zip(defaults, rows, strict=True)], separator + space
    )


def arkit(path: Path, rows: Rows, names: Sequence[str] = SHAPES, lead: tuple[str, ...] = ()) -> Path:
    """A file of Live Link Face whose Timecode stands still unless a row has another; `lead` comes first."""
    lead = lead or ("Timecode", "BlendshapeCount")
    header = [*lead, *names, "HeadYaw", "HeadPitch", "HeadRoll"]
    return table(
        path, header, [{"Timecode": "12:34:56:07.123", "BlendshapeCount": 61, **row} for row in rows]
    )


def pyfeat(path: Path, rows: Rows, more: tuple[str, ...] = ()) -> Path:
    """A Fex as `Fex.to_csv` writes it."""
    names = ["FaceRectX", "FaceScore", *PYFEAT, *more, "anger", "input", "frame"]
    defaults = [{"FaceScore": 0.99, "input": "clip.mp4", "frame": number} for number in range(len(rows))]
    return table(path, names, [{**d, **row} for d, row in zip(defaults, rows, strict=True)])


def table(path: Path, names: Sequence[str], rows: Rows, separator: str = ",") -> Path:
    """Rows under a header; cells that are not given hold 0."""
    lines = [separator.join(names)]
    lines += [separator.join(str(row.get(name, 0)) for name in names) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path

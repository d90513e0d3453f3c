"""A face that was found in an image, and what finds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from aukit.facs import MAX_INTENSITY

Image = npt.NDArray[np.uint8]
"""RGB, [H, W, 3]."""


class Measure(NamedTuple):
    """In what a model says how strongly an action unit acts.

    Attributes:
        letter: End of the names of its columns, as in ``AU12_r``.
        name: With its article, for messages.
        most: Greatest value; the least is 0.
        present: Least value at which an action unit counts as present.
    """

    letter: str
    name: str
    most: float
    present: float


INTENSITY = Measure("r", "an intensity", float(MAX_INTENSITY), 1.0)
"""FACS intensity, present from level A, a trace."""
PROBABILITY = Measure("p", "a probability", 1.0, 0.5)


@dataclass(frozen=True, eq=False)
class Face:
    """One face in one image.

    Attributes:
        box: float32 [4], left, top, width and height in pixels of the upright box around the landmarks.
        confidence: That there is a face where it was looked for, in [0, 1].
        landmarks: float32 [68, 3] in pixels of the image, pixel centres at integers, z towards the viewer.
        uncertainty: float32 [68], expected distance of each landmark in pixels.
        pose: float32 [3], rotation of the head in radians, Rx · Ry · Rz about axes to the right, down and
            away from the camera; all 0 for a face that looks into it.
        levels: float32 [A], of the detector's `aus` in its `measure`: intensities 0 to 5, or probabilities.
        identity: In a video, number of a place on the screen where a face is followed: it is forgotten after
            45 frames without a face there, and a cut to another person at that place keeps it. In photographs
            by size, from 0 on.

    Example:
        >>> detector = Detector()  # doctest: +SKIP
        >>> faces = detector.photograph(image)  # doctest: +SKIP
        >>> faces[0].levels[detector.aus.index(12)]  # doctest: +SKIP
        3.1
    """

    box: npt.NDArray[np.float32]
    confidence: float
    landmarks: npt.NDArray[np.float32]
    uncertainty: npt.NDArray[np.float32]
    pose: npt.NDArray[np.float32]
    levels: npt.NDArray[np.float32]
    identity: int = 0


class Track(Protocol):
    """One video, read in its order: faces are followed from frame to frame.

    Example:
        >>> track = detector.video()  # doctest: +SKIP
        >>> for frames in batches:  # doctest: +SKIP
        ...     faces = track(frames)
    """

    def __call__(self, frames: Sequence[Image | None]) -> list[list[Face]]:
        """Faces of the next frames, largest first; none where a frame is None (it could not be decoded)."""
        ...


class FaceDetector(Protocol):
    """What `aukit detect` asks of a model.

    Attributes:
        name: Of the model, e.g. "aukit".
        version: Digest of its weights, so that results of another model are not mixed with these.
        aus: Action units that it reads.
        measure: What its levels are.

    Example:
        >>> model: FaceDetector = Detector()  # doctest: +SKIP
    """

    name: str
    version: str
    aus: tuple[int, ...]
    measure: Measure

    def photograph(self, image: Image) -> list[Face]:
        """Faces of one image, largest first."""
        ...

    def video(self) -> Track:
        """A reader of one video."""
        ...


@runtime_checkable
class HeatMapDetector(FaceDetector, Protocol):
    """A model that can show where on a face it sees what."""

    def heat_maps(self, image: Image, faces: Sequence[Face]) -> Image:
        """A picture of the first face's crop under the heat map of each action unit; see `FaceDetector`."""
        ...

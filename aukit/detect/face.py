"""A face that was found in an image, and what finds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
"""RGB, [H, W, 3]."""


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
        intensities: float32 [A] in [0, 5], of the detector's `aus`.
        identity: Number that stays with a person while a video is read; in photographs by size, from 0 on.

    Example:
        >>> detector = Detector()  # doctest: +SKIP
        >>> faces = detector.photograph(image)  # doctest: +SKIP
        >>> faces[0].intensities[detector.aus.index(12)]  # doctest: +SKIP
        3.1
    """

    box: npt.NDArray[np.float32]
    confidence: float
    landmarks: npt.NDArray[np.float32]
    uncertainty: npt.NDArray[np.float32]
    pose: npt.NDArray[np.float32]
    intensities: npt.NDArray[np.float32]
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

    Example:
        >>> model: FaceDetector = Detector()  # doctest: +SKIP
    """

    name: str
    version: str
    aus: tuple[int, ...]

    def photograph(self, image: Image) -> list[Face]:
        """Faces of one image, largest first."""
        ...

    def video(self) -> Track:
        """A reader of one video."""
        ...

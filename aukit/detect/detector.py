"""The model that comes along: `aukit.registration.LandmarkDetector` behind the door of `aukit detect`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from aukit.detect.face import INTENSITY, Face, Image
from aukit.detect.pretrained import Graph, Pretrained
from aukit.errors import WeightsError, shown
from aukit.facs import VISIBLE_AUS
from aukit.registration import FoundFace, LandmarkDetector
from aukit.registration.landmarks.detector import FINDER, READER, VIDEO_SIDES, WEIGHTS
from aukit.registration.landmarks.networks import READER_SIZE, Reading


class Detector(Pretrained):
    """Faces, landmarks and action units with the weights of the package.

    Args:
        device: Where the networks compute.
        weights: Folder with other weights of theirs, which `aukit weights import reader|finder` packed.

    Example:
        >>> detector = Detector()  # doctest: +SKIP
        >>> face = detector.photograph(image)[0]  # doctest: +SKIP
        >>> dict(zip(detector.aus, face.levels, strict=True))[12]  # doctest: +SKIP
        3.1
    """

    name = "aukit"
    aus = VISIBLE_AUS
    measure = INTENSITY

    def __init__(self, device: str = "cpu", weights: str | Path = WEIGHTS) -> None:
        self._weights = Path(weights)
        self._landmarks = LandmarkDetector(device, weights)
        self.version = self._landmarks.version

    def photograph(self, image: Image) -> list[Face]:
        """Faces of one image uint8 [H, W, 3] RGB, largest first; ValueError of any other array."""
        return [_face(found, index) for index, found in enumerate(self._landmarks.photograph(image))]

    def video(self) -> _Track:
        """A reader of one video."""
        return _Track(self._landmarks)

    def _write(self, folder: Path) -> dict[str, Any]:
        for name in (READER, FINDER):
            shutil.copyfile(self._weights / name, folder / name)
        return {}

    @property
    def licence(self) -> str:
        """Terms of the weights."""
        return self._landmarks.licence

    def graphs(self) -> list[Graph]:
        """The reader of crops of 112 px, and the finder for images of 320 px a side, black where they end."""
        reader, finder = self._landmarks.reader, self._landmarks.finder
        return [
            Graph("reader", reader, (1, 3, READER_SIZE, READER_SIZE), "crop", Reading._fields),
            Graph("finder", finder, (1, 3, VIDEO_SIDES[1], VIDEO_SIDES[1]), "image", ("heat", "boxes")),
        ]

    @classmethod
    def _read(cls, folder: Path, device: str | None) -> Self:
        try:
            return cls(device or "cpu", folder)
        except Exception as error:  # of safetensors, json or torch, for whatever else the files hold
            raise WeightsError(
                f"{folder}: does not hold {READER} and {FINDER} as they were written ({shown(error)}); save"
                " the detector again"
            ) from error


class _Track:
    def __init__(self, landmarks: LandmarkDetector) -> None:
        self._track = landmarks.video()

    def __call__(self, frames: Sequence[Image | None]) -> list[list[Face]]:
        return [[_face(found, found.identity) for found in faces] for faces in self._track(frames)]


def _face(found: FoundFace, identity: int) -> Face:
    low, high = found.landmarks[:, :2].min(0), found.landmarks[:, :2].max(0)
    return Face(
        box=np.concatenate([low, high - low]),
        confidence=found.confidence,
        landmarks=found.landmarks,
        uncertainty=found.spread,
        pose=euler_angles(found.rotation),
        levels=np.float32(INTENSITY.most) * found.movements,
        identity=identity,
    )


def euler_angles(rotation: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Angles [3] in radians, as OpenFace writes them.

    OpenFace's third axis goes away from the camera, and its rotation is Rx · Ry · Rz about its axes.

    Args:
        rotation: [3, 3], of axes to the right, down and towards the viewer.

    """
    away = np.diag([1.0, 1.0, -1.0])
    r = away @ np.asarray(rotation, np.float64) @ away
    return np.array(
        [
            np.arctan2(-r[1, 2], r[2, 2]),
            np.arcsin(np.clip(r[0, 2], -1.0, 1.0)),
            np.arctan2(-r[0, 1], r[0, 0]),
        ],
        np.float32,
    )

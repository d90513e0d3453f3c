"""Registrations by name, as configurations and ``prepare`` ask for them."""

from abc import ABC, abstractmethod
from inspect import signature
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from aukit.errors import ConfigError
from aukit.mesh.threads import in_threads
from aukit.registration.base import Registered, Registration, check_frames, usable
from aukit.registration.canonical import frontal_template
from aukit.registration.ffhq import PadMode, ffhq_crop, ffhq_matrix, ffhq_quad
from aukit.registration.frontal3d import Frontal3D
from aukit.registration.prnet.frontal import PRNet
from aukit.registration.procrustes import apply_map
from aukit.registration.similarity import similarity_align


class _PlaneCrop(ABC):
    """A 2D crop of each usable frame, and its matrix applied to the landmarks."""

    def __init__(self, size: int, **settings: Any) -> None:
        self.size = size
        self.settings: dict[str, Any] = settings

    @abstractmethod
    def cut(
        self, image: NDArray[np.uint8], landmarks: NDArray[np.float32]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """The crop [S,S,3] of a frame [H,W,3] with landmarks [68,3], and the matrix [2,3] to its pixels.

        Raises:
            ValueError: the landmarks span no face, or one outside the frame.
        """

    def __call__(self, images: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> Registered:
        """Registers frames uint8 [B,H,W,3] with landmarks [B,68,3]."""
        marks = check_frames(images, landmarks)
        ok = usable(marks, *images.shape[1:3])
        crops = np.zeros((len(images), self.size, self.size, 3), np.uint8)
        out = np.full_like(marks, np.nan)

        def one(row: int) -> None:
            try:
                crops[row], matrix = self.cut(np.ascontiguousarray(images[row]), marks[row])
            except ValueError:
                ok[row] = False
                return
            plane = apply_map(torch.from_numpy(matrix), torch.from_numpy(marks[row, :, :2]).double())
            out[row, :, :2] = plane.numpy()
            out[row, :, 2] = marks[row, :, 2] * np.hypot(matrix[0, 0], matrix[1, 0])

        in_threads(one, np.flatnonzero(ok).tolist())
        return Registered(crops, out, ok)


class FFHQ(_PlaneCrop):
    """The FFHQ crop (FG-Net's preprocessing); see ``ffhq_crop`` for the settings and the cost.

    The face is first resampled at four times the crop's side, which is the published 1024 at 256, unless
    ``transform_size`` says otherwise: time grows with its square.

    Args:
        size: side of the crops in pixels.
        transform_size: side at which the face is resampled first; four times ``size`` if it is not given.
        padding: whether what lies outside the frame is filled in instead of black.
        pad_mode: with what, see ``ffhq_crop``.

    Example:
        >>> registration = FFHQ(size=256)
        >>> crops, landmarks, ok = registration(np.zeros((1, 480, 640, 3), np.uint8), np.ones((1, 68, 3)))
        >>> crops.shape, ok  # landmarks in one point are no face
        ((1, 256, 256, 3), array([False]))
    """

    name = "ffhq"

    def __init__(
        self,
        size: int = 256,
        transform_size: int | None = None,
        padding: bool = True,
        pad_mode: PadMode = "reflect",
    ) -> None:
        settings = {"padding": padding, "pad_mode": pad_mode}
        super().__init__(size, transform_size=transform_size or 4 * size, **settings)

    def cut(
        self, image: NDArray[np.uint8], landmarks: NDArray[np.float32]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """See `_PlaneCrop.cut`."""
        crop = ffhq_crop(image, landmarks, self.size, **self.settings)
        return crop, ffhq_matrix(ffhq_quad(landmarks), self.size)


class Similarity(_PlaneCrop):
    """2D Procrustes to the frontal template; see ``similarity_align``. About 0.3 ms per frame.

    Example:
        >>> registration = Similarity(size=96)
        >>> registration.name, registration.size, registration.settings
        ('similarity', 96, {})
    """

    name = "similarity"

    def __init__(self, size: int = 224) -> None:
        super().__init__(size)
        self._template = frontal_template(size)

    def cut(
        self, image: NDArray[np.uint8], landmarks: NDArray[np.float32]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """See `_PlaneCrop.cut`."""
        return similarity_align(image, landmarks, self._template, self.size)


class AsIs:
    """No registration: frames are crops of this size already, which need no landmarks.

    Frames of another size are not ok.

    Example:
        >>> crops = np.zeros((1, 64, 64, 3), np.uint8)
        >>> AsIs(size=64)(crops, np.zeros((1, 68, 3), np.float32)).ok.tolist()
        [True]
    """

    name = "none"

    def __init__(self, size: int = 256) -> None:
        self.size = size
        self.settings: dict[str, Any] = {}

    def __call__(self, images: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> Registered:
        """Passes frames uint8 [B,H,W,3] with landmarks [B,68,3] on."""
        marks = check_frames(images, landmarks)
        if images.shape[1:3] != (self.size, self.size):
            crops = np.zeros((len(images), self.size, self.size, 3), np.uint8)
            return Registered(crops, np.full_like(marks, np.nan), np.zeros(len(images), dtype=bool))
        return Registered(images, marks, np.ones(len(images), dtype=bool))


RegistrationName = Literal["ffhq", "similarity", "frontal3d", "prnet", "none"]

_REGISTRATIONS: dict[str, type[Registration]] = {
    "ffhq": FFHQ,
    "similarity": Similarity,
    "frontal3d": Frontal3D,
    "prnet": PRNet,
    "none": AsIs,
}


def build_registration(name: str, size: int, **settings: Any) -> Registration:
    """Makes the registration called ``ffhq``, ``similarity``, ``frontal3d``, ``prnet`` or ``none``.

    Args:
        name: which.
        size: side of the crops in pixels.
        settings: keyword arguments of its class: ``FFHQ``, ``Similarity``, ``Frontal3D``, ``PRNet``,
            ``AsIs``.

    Raises:
        ConfigError: unknown name or setting.
        WeightsError: of ``prnet``: its file is missing, damaged or another.
    """
    if name not in _REGISTRATIONS:
        raise ConfigError(f"registration: {name!r} is unknown; known are {', '.join(sorted(_REGISTRATIONS))}")
    known = [each for each in signature(_REGISTRATIONS[name]).parameters if each != "size"]
    if unknown := [each for each in settings if each not in known]:
        raise ConfigError(
            f"registration {name} has no setting {' and no '.join(unknown)};"
            f" it has {', '.join(known) or 'none'}"
        )
    return _REGISTRATIONS[name](size=size, **settings)  # type: ignore[call-arg]

"""3D registration by a mesh that is fitted to the landmarks."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from aukit.errors import ConfigError
from aukit.registration.base import usable
from aukit.registration.canonical import CanonicalFace
from aukit.registration.dense import SMOOTHING, DenseFitter
from aukit.registration.frontal import FrontalView, Method, Posed


class Frontal3D(FrontalView):
    """Turns the canonical mask, fitted to the 68 landmarks, to the front; see ``FrontalView``.

    Cost per frame on one core: about 4 ms at 64 pixels from 192, 8 ms at 224.

    Args:
        size: side of the crops in pixels.
        method: see ``FrontalView``, as ``tolerance``, ``least_cosine`` and ``inset``.
        smoothing: see ``DenseFitter``.
        tolerance: depth difference that hides a point, in eye distances.
        least_cosine: of the angle at which a surface turns away.
        inset: how far inside of the canonical face's outline crops end, in eye distances.
        face: the canonical face; the project's own by default.

    Raises:
        ConfigError: the method or a number is out of range.

    Example:
        >>> registration = Frontal3D(size=64, inset=0.0)
        >>> registration.settings["method"]
        'affine'
        >>> crops, landmarks, ok = registration(frames, marks)  # doctest: +SKIP
    """

    name = "frontal3d"

    def __init__(
        self,
        size: int = 224,
        method: Method = "affine",
        smoothing: float = SMOOTHING,
        tolerance: float = 0.05,
        least_cosine: float = 0.25,
        inset: float = 0.15,
        face: CanonicalFace | None = None,
    ) -> None:
        if smoothing < 0:
            raise ConfigError(f"frontal3d: smoothing must be at least 0, got {smoothing}")
        self._fitter = DenseFitter(face, smoothing)
        face = self._fitter.face
        super().__init__(size, method, tolerance, least_cosine, inset, face, smoothing=smoothing)

    def usable(self, landmarks: NDArray[np.float32], height: int, width: int) -> NDArray[np.bool_]:
        """Landmarks with depth that look like a face."""
        fine = usable(landmarks, height, width, self._fitter.face)
        return np.asarray(fine & np.isfinite(landmarks).all((1, 2)))

    def posed(self, images: Sequence[NDArray[np.uint8]], landmarks: NDArray[np.float32]) -> Posed:
        """The mask, fitted to the landmarks alone."""
        fit = self._fitter(torch.from_numpy(landmarks))
        return Posed(fit.vertices.double(), fit.landmarks.double(), fit.scale.double())

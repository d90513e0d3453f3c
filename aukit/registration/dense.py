"""A dense face mesh from 68 landmarks: the canonical mask, posed and then bent smoothly towards them."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aukit.registration.canonical import CanonicalFace, canonical_face
from aukit.registration.procrustes import apply_map, umeyama

#: Smoothing of the warp in units of the eye distance. Of the values between 0.05 and 100 this one brought the
#: texture closest to its place on simulated expressive faces with landmark noise of 3-6 % of the eye distance
#: (twice that in depth), frontal and turned by 45 degrees; the optimum is flat.
SMOOTHING = 1.2


@dataclass(frozen=True)
class DenseFit:
    """Result of fitting the canonical mask to landmarks.

    Attributes:
        vertices: float32 [B,N,3], image pixels.
        landmarks: float32 [B,68,3], where the fitted surface puts the 68 landmarks: smoother than the given.
        scale: float32 [B], pixels per unit of the canonical face (its eye distance).

    Example:
        >>> fit = DenseFitter()(100 * torch.from_numpy(canonical_face().landmarks)[None])
        >>> fit.vertices.shape[1] == len(canonical_face().vertices), round(fit.scale.item())
        (True, 100)
    """

    vertices: Tensor
    landmarks: Tensor
    scale: Tensor


class DenseFitter:
    """Fits a canonical face to batches of 68 3D landmarks by one precomputed linear operator.

    The rigid part is a similarity (Umeyama). What is left of the landmarks is spread over the mask by a
    smoothing thin-plate spline (kernel ``-|r|``, affine part free): with the landmarks' places fixed, the
    spline is linear in their displacements, so it becomes a matrix. It is the same for every pose, since the
    kernel does not change under rotation.

    Args:
        face: the canonical face; the project's own by default.
        smoothing: regularisation; towards 0 the surface passes through every landmark. 0 itself needs a face
            without coinciding landmarks; those of closed lips coincide.

    Example:
        >>> fitter = DenseFitter(smoothing=0.1)
        >>> landmarks = 50 * torch.from_numpy(fitter.face.landmarks)[None]
        >>> torch.allclose(fitter(landmarks).landmarks, landmarks.float(), atol=1e-3)
        True
    """

    def __init__(self, face: CanonicalFace | None = None, smoothing: float = SMOOTHING) -> None:
        self.face = face if face is not None else canonical_face()
        places = np.concatenate([self.face.vertices, self.face.landmarks])
        self._places = torch.from_numpy(places).float()
        self._marks = torch.from_numpy(self.face.landmarks)
        self._warp = torch.from_numpy(spline_operator(self.face.landmarks, places, smoothing)).float()

    def __call__(self, landmarks: Tensor) -> DenseFit:
        """Fits landmarks [B,68,3] (pixels); NaN landmarks give NaN rows. < 1 ms per 10,000 vertices."""
        if landmarks.ndim != 3 or landmarks.shape[1:] != (68, 3):
            raise ValueError(f"landmarks must be [B,68,3], got {tuple(landmarks.shape)}")
        known = landmarks.isfinite().all(-1).all(-1)
        given = landmarks.double().where(known[:, None, None], self._marks)  # the SVD refuses NaN
        pose = umeyama(self._marks.expand(len(given), -1, -1), given)
        rest = given - apply_map(pose, self._marks)
        fitted = apply_map(pose.float(), self._places) + self._warp @ rest.float()
        scale = torch.linalg.vector_norm(pose[:, 0, :3], dim=-1)
        fitted[~known] = torch.nan
        scale[~known] = torch.nan
        return DenseFit(fitted[:, :-68], fitted[:, -68:], scale.float())


def spline_operator(
    centres: NDArray[np.float64], places: NDArray[np.float64], smoothing: float
) -> NDArray[np.float64]:
    """Matrix [P,C] from values at ``centres`` [C,3] to the smoothing spline's values at ``places`` [P,3].

    Kernel ``-|r|`` (thin plate in three dimensions) with a free affine part; ``smoothing`` is added to the
    kernel's diagonal, in units of the coordinates.
    """
    count = len(centres)
    basis = np.concatenate([np.ones((count, 1)), centres], 1)
    system = np.zeros((count + 4, count + 4))
    system[:count, :count] = -np.linalg.norm(centres[:, None] - centres[None], axis=-1)
    system[:count, :count] += smoothing * np.eye(count)
    system[:count, count:], system[count:, :count] = basis, basis.T
    weights = np.linalg.solve(system, np.eye(count + 4)[:, :count])
    kernel = -np.linalg.norm(places[:, None] - centres[None], axis=-1)
    result: NDArray[np.float64] = np.concatenate([kernel, np.ones((len(places), 1)), places], 1) @ weights
    return result


def rigid_misfit(landmarks: Tensor, face: CanonicalFace | None = None) -> Tensor:
    """Rms distance of landmarks [B,68,3] from the rigidly posed face, over their rms radius; [B].

    About 0.1 for a tracked face, above 0.5 for points that are none.
    """
    marks = torch.from_numpy((face if face is not None else canonical_face()).landmarks)
    given = landmarks.double()
    rest = given - apply_map(umeyama(marks.expand(len(given), -1, -1), given), marks)
    radius = (given - given.mean(1, keepdim=True)).square().sum((1, 2)).sqrt()
    return (rest.square().sum((1, 2)).sqrt() / radius.clamp(min=1e-9)).float()


@lru_cache(maxsize=1)
def _default_fitter() -> DenseFitter:
    return DenseFitter()


def fit_dense_mesh(landmarks: Tensor) -> Tensor:
    """Dense mesh [B,N,3] in image pixels from landmarks [B,68,3]: ``DenseFitter`` with its defaults.

    The mesh is the canonical mask (``canonical_face().triangles``). NaN landmarks give NaN vertices.
    """
    return _default_fitter()(landmarks).vertices

"""Least-squares maps between corresponding point sets: similarities and affine maps."""

from typing import Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Points = TypeVar("Points", Tensor, NDArray[np.float64], NDArray[np.float32])


def umeyama(source: Tensor, target: Tensor) -> Tensor:
    """Similarity s R x + t that maps ``source`` onto ``target`` with the least mean squared error.

    R is a proper rotation even where a reflection would fit better (Umeyama, PAMI 1991, eq. 39-43).

    Args:
        source: float [...,N,D], D = 2 or 3.
        target: float [...,N,D].

    Returns:
        Matrices [s R | t], [...,D,D+1] in the dtype given; s = 0 where all source points coincide.
    """
    x, y = source.double(), target.double()
    x_mean, y_mean = x.mean(-2, keepdim=True), y.mean(-2, keepdim=True)
    x, y = x - x_mean, y - y_mean
    u, d, vt = torch.linalg.svd(y.mT @ x)
    # The weakest direction is turned round when the best orthogonal map would be a reflection.
    sign = torch.ones_like(d)
    sign[..., -1] = (torch.linalg.det(u) * torch.linalg.det(vt)).sign()
    rotation = u @ (sign[..., None] * vt)
    spread = x.square().sum((-2, -1))
    scale = ((d * sign).sum(-1) / spread).where(spread > 0, torch.zeros_like(spread))
    linear = scale[..., None, None] * rotation
    return torch.cat([linear, y_mean.mT - linear @ x_mean.mT], -1).to(source.dtype)


def least_squares_affine(source: Tensor, target: Tensor) -> Tensor:
    """Affine map A x + b from ``source`` to ``target`` with the least mean squared error.

    The centred normal equations in float64: a D x D system per set, whatever the number of points. For
    points in one plane (or line) the part of A that they do not determine is zero.

    Args:
        source: float [...,N,D].
        target: float [...,N,D].

    Returns:
        Matrices [A | b], [...,D,D+1] in the dtype given.
    """
    x, y = source.double(), target.double()
    x_mean, y_mean = x.mean(-2, keepdim=True), y.mean(-2, keepdim=True)
    x, y = x - x_mean, y - y_mean
    linear = y.mT @ x @ torch.linalg.pinv(x.mT @ x, hermitian=True, rtol=1e-12)
    return torch.cat([linear, y_mean.mT - linear @ x_mean.mT], -1).to(source.dtype)


def apply_map(matrix: Tensor, points: Tensor) -> Tensor:
    """Maps points [...,N,D] by [A | b] matrices [...,D,D+1]."""
    return points @ matrix[..., :-1].mT + matrix[..., None, :, -1]


def frontalize(
    posed: Points, canonical: Points, method: Literal["affine", "similarity"] = "affine"
) -> tuple[Points, Points]:
    """Brings posed vertices into the canonical pose.

    ``affine`` is what PRNet does (its ``frontalize``): least squares over all 12 numbers of a 3D affine map,
    which also evens out the proportions of the face. ``similarity`` turns, moves and scales only (Umeyama,
    reflections excluded), so the shape of the face stays; this one is our definition, not PRNet's.

    Args:
        posed: float [...,N,3], numpy or torch; any unit.
        canonical: float [N,3] or [...,N,3], the same points in the pose and unit wanted.
        method: which map.

    Returns:
        The mapped vertices [...,N,3] and the matrices [...,3,4] that map them, of the type of ``posed``. The
        solving is done in float64.

    Raises:
        ValueError: shapes do not fit, or the method is unknown.
    """
    if posed.ndim < 2 or posed.shape[-1] != 3 or tuple(posed.shape[-2:]) != tuple(canonical.shape[-2:]):
        raise ValueError(f"posed and canonical must be [...,N,3]: {posed.shape}, {canonical.shape}")
    source = torch.as_tensor(posed)
    target = torch.as_tensor(canonical).to(source.device)
    if method == "affine":
        matrix = least_squares_affine(source, target)
    elif method == "similarity":
        matrix = umeyama(source, target)
    else:
        raise ValueError(f"method must be 'affine' or 'similarity', got {method!r}")
    frontal = apply_map(matrix, source)
    if isinstance(posed, Tensor):
        return frontal, matrix
    return frontal.numpy(), matrix.numpy()

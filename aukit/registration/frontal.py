"""Faces turned to the front with the texture that the frame shows of them, by meshes from anywhere."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aukit.errors import ConfigError
from aukit.mesh import rasterize
from aukit.mesh.threads import in_threads
from aukit.registration._frontal_numba import draw_frontal
from aukit.registration.base import Registered, check_frames
from aukit.registration.canonical import CanonicalFace
from aukit.registration.procrustes import apply_map, frontalize

Method = Literal["affine", "similarity"]

#: Frames whose meshes are made at once: bounds the memory to a few dozen megabytes.
_CHUNK = 32
#: Share of the drawn face that must be visible.
_LEAST_VISIBLE = 0.1


class Posed(NamedTuple):
    """Meshes of faces as they stand in their frames.

    Attributes:
        vertices: float64 [B,N,3], of the canonical face, in frame pixels, z larger = nearer.
        landmarks: float64 [B,68,3], where the meshes put the landmarks.
        scale: float64 [B], pixels per unit of the canonical face (its eye distance).
    """

    vertices: Tensor
    landmarks: Tensor
    scale: Tensor


class FrontalView(ABC):
    """Registers faces in 3D, as Niinuma et al. (WACV 2021) do.

    The mesh of a face is mapped to the canonical pose (``frontalize``) and drawn there: the person's
    expression stays in its shape. Each pixel takes its colour from the full-resolution frame, once. What the
    camera does not see is black (0,0,0): points behind nearer parts of the face, faces turned away, points
    outside the frame; visible pixels are at least 1. A subclass says where meshes come from.

    Args:
        size: side of the crops in pixels.
        method: map to the canonical pose, see ``frontalize``; ``affine`` is PRNet's.
        tolerance: depth difference that hides a point, in eye distances (PRNet: 2 px, about 0.03).
        least_cosine: parts whose normals make a smaller cosine with the line of sight count as hidden, so
            that the background beside the cheek is not taken for skin.
        inset: distance in eye distances from the canonical face's outline, beyond which and outside of which
            every crop is black. The outline of a face's mesh moves with its errors, and against black that
            would be the strongest difference between two frames of a person. 0 keeps all.
        face: the canonical face, of whose vertices the meshes are.
        settings: what else the crops depend on.

    Raises:
        ConfigError: the method or a number is out of range.
    """

    name: str

    def __init__(
        self,
        size: int,
        method: Method,
        tolerance: float,
        least_cosine: float,
        inset: float,
        face: CanonicalFace,
        **settings: Any,
    ) -> None:
        if method not in ("affine", "similarity"):
            raise ConfigError(f"{self.name}: method must be 'affine' or 'similarity', got {method!r}")
        if size < 8 or min(tolerance, inset) < 0:
            raise ConfigError(f"{self.name}: size must be at least 8; tolerance and inset at least 0")
        self.size = size
        self.settings: dict[str, Any] = {
            "method": method,
            **settings,
            "tolerance": tolerance,
            "least_cosine": least_cosine,
            "inset": inset,
        }
        self._method = method
        scale, offset = face.in_crop(size)
        self._canonical = torch.from_numpy(face.vertices * scale + offset)
        self._triangles = np.ascontiguousarray(face.triangles).view(np.uint32)
        self._outside = _outside(self._canonical, face, size, inset * scale)
        self._face = face
        # PRNet grows the hidden area by two rings at 256 pixels.
        self._dilation = max(round(size / 128), 1)

    @cached_property
    def _normals(self) -> Tensor:
        """Of the face's vertices; half a second, which a store that is there already does not need."""
        return torch.from_numpy(self._face.smooth_normals())

    @abstractmethod
    def usable(self, landmarks: NDArray[np.float32], height: int, width: int) -> NDArray[np.bool_]:
        """Which landmarks [B,68,3] of frames of this size a mesh can be made of; bool [B]."""

    @abstractmethod
    def posed(self, images: Sequence[NDArray[np.uint8]], landmarks: NDArray[np.float32]) -> Posed:
        """Meshes of frames [H,W,3] with usable landmarks [B,68,3]."""

    def __call__(self, images: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> Registered:
        """Registers frames uint8 [B,H,W,3] with landmarks [B,68,3]; gives those of the meshes back."""
        marks = check_frames(images, landmarks)
        ok = self.usable(marks, *images.shape[1:3])
        crops = np.zeros((len(images), self.size, self.size, 3), np.uint8)
        out = np.full_like(marks, np.nan)
        rows = np.flatnonzero(ok)
        for start in range(0, len(rows), _CHUNK):
            self._register(images, marks, rows[start : start + _CHUNK], crops, out, ok)
        crops[~ok] = 0
        out[~ok] = np.nan
        return Registered(crops, out, ok)

    def _register(
        self,
        images: NDArray[np.uint8],
        landmarks: NDArray[np.float32],
        rows: NDArray[np.intp],
        crops: NDArray[np.uint8],
        out: NDArray[np.float32],
        ok: NDArray[np.bool_],
    ) -> None:
        posed = self.posed([images[row] for row in rows], landmarks[rows])
        frontal, matrix = frontalize(posed.vertices, self._canonical, self._method)
        out[rows] = apply_map(matrix, posed.landmarks).float().numpy()
        # Normals go with the transposed inverse: from the canonical pose back to the frame, that is A^T.
        seen = self._normals @ matrix[:, :, :3]
        cosines = (seen[..., 2] / torch.linalg.vector_norm(seen, dim=-1)).float().numpy()
        posed_points, frontal_points = posed.vertices.numpy(), frontal.numpy()
        tolerances = (self.settings["tolerance"] * posed.scale).tolist()

        def draw(i: int) -> None:
            row = int(rows[i])
            covered, visible = draw_frontal(
                np.ascontiguousarray(images[row]),
                posed_points[i],
                frontal_points[i],
                self._triangles,
                cosines[i],
                tolerances[i],
                self.settings["least_cosine"],
                self._dilation,
                max(self.size, 96),
                crops[row],
            )
            crops[row][self._outside] = 0
            ok[row] = visible >= max(_LEAST_VISIBLE * covered, 1)

        in_threads(draw, range(len(rows)))


def _outside(vertices: torch.Tensor, face: CanonicalFace, size: int, inset: float) -> NDArray[np.bool_]:
    """Pixels [S,S] that are not `inset` pixels inside of the canonical face; none for an inset of 0."""
    if inset == 0:
        return np.zeros((size, size), np.bool_)
    triangles = torch.from_numpy(np.ascontiguousarray(face.triangles))
    ids, _, _ = rasterize(vertices[None].float(), triangles, size)
    inside = np.pad(ids[0].numpy() >= 0, 1).astype(np.uint8)  # beyond the crop nothing is inside
    distance: NDArray[np.float32] = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance[1:-1, 1:-1] <= inset)

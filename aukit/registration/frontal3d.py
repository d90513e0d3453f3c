"""3D registration: the face turned to the front, with the texture that the frame shows of it."""

from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from aukit.errors import ConfigError
from aukit.mesh import rasterize
from aukit.mesh.threads import in_threads
from aukit.registration._frontal_numba import draw_frontal
from aukit.registration.base import Registered, check_frames, usable
from aukit.registration.canonical import CanonicalFace
from aukit.registration.dense import SMOOTHING, DenseFitter
from aukit.registration.procrustes import apply_map, frontalize

#: Frames fitted at once: bounds the memory to a few dozen megabytes.
_CHUNK = 32
#: Share of the drawn face that must be visible.
_LEAST_VISIBLE = 0.1


class Frontal3D:
    """Registers faces in 3D, as Niinuma et al. (WACV 2021) do with PRNet.

    The canonical mask is fitted to the 68 landmarks, the fitted mesh is mapped to the canonical pose
    (``frontalize``) and drawn there: the person's expression stays in its shape. Each pixel takes its colour
    from the full-resolution frame, once. What the camera does not see is black (0,0,0): points behind nearer
    parts of the face, faces turned away, points outside the frame; visible pixels are at least 1.

    Cost per frame on one core: about 4 ms at 64 pixels from 192, 8 ms at 224.

    Args:
        size: side of the crops in pixels.
        method: map to the canonical pose, see ``frontalize``; ``affine`` is PRNet's.
        smoothing: see ``DenseFitter``.
        tolerance: depth difference that hides a point, in eye distances (PRNet: 2 px, about 0.03).
        least_cosine: parts whose normals make a smaller cosine with the line of sight count as hidden, so
            that the background beside the cheek is not taken for skin.
        inset: distance in eye distances from the canonical face's outline, beyond which and outside of which
            every crop is black. The outline of a fitted face moves with the landmarks' errors, and against
            black that would be the strongest difference between two frames of a person. 0 keeps all.
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
        method: Literal["affine", "similarity"] = "affine",
        smoothing: float = SMOOTHING,
        tolerance: float = 0.05,
        least_cosine: float = 0.25,
        inset: float = 0.15,
        face: CanonicalFace | None = None,
    ) -> None:
        if method not in ("affine", "similarity"):
            raise ConfigError(f"frontal3d: method must be 'affine' or 'similarity', got {method!r}")
        if size < 8 or min(smoothing, tolerance, inset) < 0:
            raise ConfigError("frontal3d: size must be at least 8; smoothing, tolerance and inset at least 0")
        self.size = size
        self.settings: dict[str, Any] = {
            "method": method,
            "smoothing": smoothing,
            "tolerance": tolerance,
            "least_cosine": least_cosine,
            "inset": inset,
        }
        self._method: Literal["affine", "similarity"] = method
        self._fitter = DenseFitter(face, smoothing)
        scale, offset = self._fitter.face.in_crop(size)
        self._canonical = torch.from_numpy(self._fitter.face.vertices * scale + offset)
        self._triangles = np.ascontiguousarray(self._fitter.face.triangles).view(np.uint32)
        self._outside = _outside(self._canonical, self._fitter.face, size, inset * scale)
        self._normals = torch.from_numpy(self._fitter.face.smooth_normals())
        # PRNet grows the hidden area by two rings at 256 pixels.
        self._dilation = max(round(size / 128), 1)

    def __call__(self, images: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> Registered:
        """Registers frames uint8 [B,H,W,3] with landmarks [B,68,3]; gives the fitted landmarks back."""
        marks = check_frames(images, landmarks)
        height, width = images.shape[1:3]
        ok = usable(marks, height, width, self._fitter.face) & np.isfinite(marks).all((1, 2))
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
        fit = self._fitter(torch.from_numpy(landmarks[rows]))
        posed = fit.vertices.double()
        frontal, matrix = frontalize(posed, self._canonical, self._method)
        out[rows] = apply_map(matrix, fit.landmarks.double()).float().numpy()
        # Normals go with the transposed inverse: from the canonical pose back to the frame, that is A^T.
        seen = self._normals @ matrix[:, :, :3]
        cosines = (seen[..., 2] / torch.linalg.vector_norm(seen, dim=-1)).float().numpy()
        posed_points, frontal_points = posed.numpy(), frontal.numpy()
        tolerances = (self.settings["tolerance"] * fit.scale.double()).tolist()

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

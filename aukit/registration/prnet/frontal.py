"""3D registration by PRNet: its dense mesh, drawn from the front."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from aukit.errors import WeightsError
from aukit.registration.base import usable
from aukit.registration.canonical import eye_centres
from aukit.registration.frontal import FrontalView, Method, Posed
from aukit.registration.prnet.file import PRNetFile
from aukit.registration.prnet.network import LARGEST, SIDE, ResFCN256

#: Crops of one pass of the network: 0.2 GB.
_TOGETHER = 8


class PRNet(FrontalView):
    """Turns PRNet's mesh of 43,867 points to the front as Niinuma et al. (WACV 2021); see ``FrontalView``.

    Landmarks say where the face is, and no more: their depth is not used. Those given back are PRNet's own.
    Weights are for research use (PRNet, issue 28) and the UV data derive from the Basel Face Model: both are
    the user's own copies (``aukit weights import prnet``).

    Cost per frame: about 0.2 s on a CPU core, of which the network takes nearly all.

    Args:
        size: side of the crops in pixels.
        prnet: file that ``aukit weights import prnet`` wrote; None for the one that ``AUKIT_PRNET`` names.
        method: see ``FrontalView``, as ``tolerance``, ``least_cosine`` and ``inset``; PRNet's is "affine".
        tolerance: depth difference that hides a point, in eye distances.
        least_cosine: of the angle at which a surface turns away.
        inset: how far inside of the canonical face's outline crops end, in eye distances.
        sha256: refuse a file of another content; None takes any. Settings name the content.
        device: where the network computes; a GPU when there is one by default.

    Raises:
        ConfigError: the method or a number is out of range.
        WeightsError: no file is named, it is damaged, or its content is another.

    Example:
        >>> registration = PRNet(224, "prnet.safetensors")  # doctest: +SKIP
        >>> crops, landmarks, ok = registration(frames, marks)  # doctest: +SKIP
    """

    name = "prnet"

    def __init__(
        self,
        size: int = 224,
        prnet: str | Path | None = None,
        method: Method = "affine",
        tolerance: float = 0.05,
        least_cosine: float = 0.25,
        inset: float = 0.15,
        sha256: str | None = None,
        device: str | None = None,
    ) -> None:
        self._file = PRNetFile(prnet)
        if sha256 not in (None, self._file.sha256):
            raise WeightsError(
                f"{self._file.path}: has content {self._file.sha256[:12]}…, asked for is {str(sha256)[:12]}…:"
                " name the file that the crops were made with"
            )
        face = self._file.uv.mesh
        super().__init__(size, method, tolerance, least_cosine, inset, face, sha256=self._file.sha256)
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._network: ResFCN256 | None = None  # read by the process that computes

    def usable(self, landmarks: NDArray[np.float32], height: int, width: int) -> NDArray[np.bool_]:
        """Landmarks that look like a face, with depth or without."""
        return usable(landmarks, height, width)

    def posed(self, images: Sequence[NDArray[np.uint8]], landmarks: NDArray[np.float32]) -> Posed:
        """The network's meshes."""
        uv = self._file.uv
        parts = [slice(start, start + _TOGETHER) for start in range(0, len(images), _TOGETHER)]
        maps = torch.cat([self._maps(images[part], landmarks[part]) for part in parts])
        marks = maps[:, uv.landmarks]
        left, right = (torch.from_numpy(each) for each in eye_centres(marks.numpy()))
        return Posed(maps[:, uv.vertices], marks, torch.linalg.vector_norm(right - left, dim=-1))

    @torch.inference_mode()
    def _maps(self, images: Sequence[NDArray[np.uint8]], landmarks: NDArray[np.float32]) -> Tensor:
        """Position maps float64 [B,256·256,3] in frame pixels."""
        if self._network is None:
            self._network = self._file.network().to(self._device)
        squares = face_squares(landmarks)
        crops = torch.stack([cut_square(*each) for each in zip(images, squares, strict=True)])
        maps: Tensor = LARGEST * self._network(crops.to(self._device)).cpu().double().flatten(2).mT
        corner, per_pixel = squares[:, None, :2], squares[:, None, 2:] / (SIDE - 1)
        shift = np.concatenate([corner, np.zeros_like(corner[..., :1])], -1)
        return maps * torch.from_numpy(per_pixel) + torch.from_numpy(shift)


def face_squares(landmarks: NDArray[np.floating]) -> NDArray[np.float64]:
    """Squares [B,3] that PRNet cuts out for landmarks [B,68,2|3]: left, top and side, in pixels.

    About the middle of their bounding box, ⌊1.6 · the mean of its sides⌋ wide. (Boxes of dlib's detector, for
    which PRNet has another rule, are not used here.)
    """
    plane = np.asarray(landmarks, np.float64)[..., :2]
    low, high = plane.min(-2), plane.max(-2)
    sides = np.floor(1.6 * (high - low).mean(-1))
    return np.concatenate([(low + high) / 2 - sides[:, None] / 2, sides[:, None]], -1)


def cut_square(image: NDArray[np.uint8], square: NDArray[np.float64]) -> Tensor:
    """The network's input [3,256,256] in [0,1]: corners of the square on those of the crop.

    Bilinear and black beyond the frame, as PRNet does it; of larger squares pixels are left out.
    """
    height, width = image.shape[:2]
    steps = np.linspace(0, square[2], SIDE)
    across = 2 * (square[0] + steps) / max(width - 1, 1) - 1
    down = 2 * (square[1] + steps) / max(height - 1, 1) - 1
    grid = torch.from_numpy(np.stack(np.meshgrid(across, down), -1)).float()[None]
    pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float() / 255
    crop: Tensor = F.grid_sample(pixels, grid, padding_mode="zeros", align_corners=True)[0]
    return crop

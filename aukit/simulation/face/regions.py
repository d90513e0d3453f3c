"""The regions of `aukit.facs` on the vertices of a face model, whatever its basis."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aukit.facs import FACE_REGIONS, FaceRegion
from aukit.simulation.face import head_shape as hs
from aukit.simulation.face.atlas import skin_place
from aukit.simulation.face.face_model import FaceModel

Array = NDArray[np.float64]


def _region(ax: Array, y: Array, row: Array) -> dict[FaceRegion, NDArray[np.bool_]]:
    """Outlines at |x| and y in mm on the closed mean face and ring label; what comes first wins."""
    lips = np.abs(y - hs.MOUTH_ROW)
    return {
        "forehead": (y < -33) & (ax < 58),
        "glabella": (y < -3) & (ax < 12),
        "nose": (y < 49) & (ax < 11 + 9 * hs.smoothstep(18, 36, y) * hs.smoothstep(49, 41, y)),
        "eye": (y > -14) & (y < 14) & (ax < 53),
        "brow": (y <= -14) & (ax < 53),
        "temple": y < 8,
        "mouth corner": (lips < 12) & (ax > 20) & (ax < 37),
        "upper lip": (y < hs.MOUTH_ROW) & (ax < 26) & (y > 46),
        "lower lip": (y < 84) & (ax < 26) & (y > 60),
        "chin": (ax < 30) & (y >= 80),
        "infraorbital": (y < 47) & (ax < 45),
        "cheek": y < 56,
        "jaw": row > 0,
    }


def face_regions(model: FaceModel) -> Tensor:
    """Region of each vertex.

    Args:
        model: Of any basis; the regions are drawn on the texture atlas, which all bases share.

    Returns:
        int64 [N], index into `aukit.facs.FACE_REGIONS`, -1 off the face.
    """
    row, column = skin_place(model.uv.numpy().astype(np.float64))
    x, y, _ = hs.ring_point(row, column)
    outlines = _region(np.abs(x), y, row)
    chosen = np.select(list(outlines.values()), [FACE_REGIONS.index(name) for name in outlines], -1)
    return torch.from_numpy(np.where(model.face_region.numpy(), chosen, -1))

"""Target heat maps of action units: two Gaussians on the face, positive where the AU is present."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["HEATMAP_AUS", "au_heatmaps"]

#: A centre: the landmarks (68-point markup, from 0) whose mean it is, and how far below, in distances of the
#: inner eye corners.
_Centre = tuple[Sequence[int], float]


def _pair(first: int, second: int, below: float = 0.0) -> tuple[_Centre, _Centre]:
    return ((first,), below), ((second,), below)


_CENTRES: Mapping[int, tuple[_Centre, _Centre]] = MappingProxyType(
    {
        1: _pair(21, 22),
        2: _pair(17, 26),
        4: ((range(17, 22), 0.0), (range(22, 27), 0.0)),
        6: ((range(36, 42), 1.0), (range(42, 48), 1.0)),
        7: _pair(38, 43),
        9: _pair(39, 42),
        10: _pair(50, 52),
        12: _pair(48, 54),
        14: _pair(48, 54),
        15: _pair(48, 54),
        17: _pair(56, 58, below=0.5),
        23: _pair(51, 57),
        24: _pair(51, 57),
        25: _pair(51, 57),
        26: _pair(56, 58),
    }
)

HEATMAP_AUS: tuple[int, ...] = tuple(_CENTRES)
"""AUs that have a place on the face: all that BP4D, DISFA (its eight) and GFT are scored on."""


def au_heatmaps(
    landmarks: Tensor | npt.NDArray[np.floating],
    labels: Tensor | npt.NDArray[np.floating],
    aus: Sequence[int],
    size: int = 128,
    image_size: int = 256,
    sigma: float = 20.0,
) -> Tensor:
    """Target heat maps ±(G₁ + G₂), clipped to [−1,1] (arXiv 2308.12380; constants of the published code).

    G is exp(−d²/2σ²) of the distance from a centre on the grid of the map, values below 0.01 set to 0.

    Args:
        landmarks: ``[B,68,2|3]`` in pixels of a crop of ``image_size``; z is not read.
        labels: ``[B,A]``; 1 is present, NaN not coded; any other value counts as absent, as published.
        aus: The A action units, of `HEATMAP_AUS`.
        size: Side of the maps in pixels; landmarks are multiplied by size / image_size.
        image_size: Side of the crop.
        sigma: σ in pixels of the map; 20 in the paper's code, whatever the size.

    Returns:
        ``[B,A,size,size]`` float32 on the device of ``landmarks``; NaN throughout where not coded. Computed
        in float64 (4 ms per frame for 12 AUs at 128 on one core).

    Raises:
        ValueError: An AU has no place, or the shapes do not fit.
    """
    if unknown := [au for au in aus if au not in _CENTRES]:
        known = ", ".join(map(str, _CENTRES))
        raise ValueError(f"no heat map is defined for AU {unknown[0]}; known are {known}")
    points = torch.as_tensor(landmarks)[..., :2].double()
    signs = torch.as_tensor(labels, device=points.device).double()
    if points.ndim != 3 or points.shape[1:] != (68, 2) or signs.shape != (len(points), len(aus)):
        raise ValueError(
            f"landmarks must be [B,68,2|3] and labels [B,{len(aus)}]; they are"
            f" {list(torch.as_tensor(landmarks).shape)} and {list(signs.shape)}"
        )
    points = points * (size / image_size)
    centres = torch.stack([_centre(points, au, side) for au in aus for side in (0, 1)], dim=1)
    grid = torch.arange(size, dtype=torch.float64, device=points.device)
    # A Gaussian is the product of one along x and one along y: [B,2A,2,size].
    gauss = torch.exp(-(grid - centres[..., None]).square() / (2 * sigma**2))
    maps = gauss[:, :, 1, :, None] * gauss[:, :, 0, None, :]
    maps.masked_fill_(maps < 0.01, 0.0)
    maps = maps[:, 0::2].add_(maps[:, 1::2]).clamp_(max=1)
    signs = torch.where(signs.isnan(), torch.nan, torch.where(signs == 1, 1.0, -1.0))
    return maps.mul_(signs[..., None, None]).float()


def _centre(points: Tensor, au: int, side: int) -> Tensor:
    """``[B,2]``."""
    indices, below = _CENTRES[au][side]
    centre = points[:, list(indices)].mean(dim=1)
    if below:
        eyes = (points[:, 42] - points[:, 39]).norm(dim=-1)
        centre = centre + torch.stack([torch.zeros_like(eyes), below * eyes], dim=-1)
    return centre

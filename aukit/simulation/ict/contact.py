"""Contact on the ICT head: lids rest on the eyeballs, lips on each other, the mouth stays in the face.

ICT-FaceKit's shapes are straight paths, so that a half closed lid would cut through the bulging cornea,
lips that are raised or pressed together would pass through each other, and the lining of a wide open mouth
would come through the chin.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import griddata
from scipy.spatial import cKDTree
from torch import Tensor

from aukit.simulation.face.head_shape import smoothstep
from aukit.simulation.ict.atlas import Head

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]

_LID_CLEARANCE = 0.5
"""Least distance of a lid from the eyeball in mm."""
_CORNER = 6.0
"""Distance from the corners of the eye in mm from which lids slide freely."""
_LIP_REACH = 8.0
"""Distance from the mouth line in mm over which the skin yields with lips that touch."""
_WITHDRAWAL = 4.0
"""How far the mouth's lining is moved back from the skin in mm."""
_STATIONS = 25
_CELLS = 33


class LidContact:
    """Lids of one eye, which lie on the eyeball and never inside it.

    Args:
        lids: int64 [L], vertices that move with the lids.
        ball: int64 [E], vertices of the eyeball.
        position: [N, 3] mean head in mm.
        centre: [3] of the eyeball in the mean head.
        corners: [2, 3] of the eye in the mean head; they stay where they are.
    """

    def __init__(self, lids: Index, ball: Index, position: Array, centre: Array, corners: Array) -> None:
        self._lids = torch.from_numpy(lids)
        aside = np.linalg.norm(position[lids, None] - corners, axis=2).min(1)
        self._share = torch.from_numpy(smoothstep(0.0, _CORNER, aside).astype(np.float32))[:, None]
        away = position[ball] - centre
        size = np.linalg.norm(away, axis=1)
        toward = away / size[:, None]
        # The ball's outline by direction, in stereographic coordinates: ± 1 is straight aside.
        place, line = toward[:, :2] / (1.0 + toward[:, 2:]), np.linspace(-1.0, 1.0, _CELLS)
        x, y = np.meshgrid(line, line)
        outline = griddata(place, size, (x, y), method="linear")
        rest = griddata(place, size, (x, y), method="nearest")
        outline = np.where(np.isnan(outline), rest, outline)
        self._outline = torch.from_numpy(outline.astype(np.float32))[None, None]

    def apply(self, vertices: Tensor, centre: Tensor, size: Tensor, turn: Tensor | None) -> None:
        """Move lids out of the eyeball, in place.

        Args:
            vertices: [B, N, 3] in mm.
            centre: [B, 3] of the eyeball.
            size: [B] of the eyeball, 1 for the mean head's.
            turn: [B, 3, 3] rotation of the eyeball; None where it looks ahead.
        """
        away = vertices[:, self._lids] - centre[:, None]
        distance = away.norm(dim=-1, keepdim=True)
        toward = away / distance
        if turn is not None:
            toward = toward @ turn
        place = toward[..., :2] / (1.0 + toward[..., 2:])
        outline = torch.nn.functional.grid_sample(
            self._outline.expand(len(place), -1, -1, -1), place[:, None], "bilinear", "border", True
        )
        least = outline[:, 0, 0] * size[:, None] + _LID_CLEARANCE
        out = (least[..., None] / distance - 1.0).clamp(min=0.0) * self._share
        vertices.index_add_(1, self._lids, away * out)


def withdrawn_mouth(head: Head, lining: Mask) -> Array:
    """How far the mouth's lining is taken back behind the lips and the chin in mm, so that it stays inside.

    The lining lies 1 to 3 mm under the skin; with a jaw wide open, some identities would show it outside.

    Args:
        head: The mean head.
        lining: bool [N], the lips' inner sides and the mouth socket.

    Returns:
        [N] in mm, 0 from the lips' edges to 1 mm behind them and where no skin is near.
    """
    loop, _ = head.chain(60, 67)
    behind, _ = head.nearest(loop)
    skin = ~lining & np.isfinite(behind)
    near, _ = cKDTree(head.open[skin]).query(head.open)
    back = _WITHDRAWAL * smoothstep(1.0, 5.0, behind) * smoothstep(12.0, 7.0, near)
    return np.where(lining, back, 0.0)


class LipContact:
    """Lips, which both yield where they would pass through each other.

    Args:
        head: The mean head.
        original: int64 [N], the head's vertex of each vertex.
    """

    def __init__(self, head: Head, original: Index) -> None:
        loop, place = head.chain(60, 67)
        above = place <= 64
        below = ~above | (place == 60) | (place == 64)
        corners = head.open[head.landmarks[[60, 64]], 0]
        x = np.linspace(float(corners[0]), float(corners[1]), _STATIONS)
        first = np.searchsorted(np.sort(original), np.arange(len(head.open)))
        own = np.argsort(original, kind="stable")[first.clip(max=len(original) - 1)]
        self._upper, self._upper_share = _stations(own[loop[above]], head.open[loop[above], 0], x)
        self._lower, self._lower_share = _stations(own[loop[below]], head.open[loop[below], 0], x)
        distance, nearest = head.nearest(loop)
        yields = np.exp(-((distance / _LIP_REACH) ** 2))
        yields *= np.where(np.isin(nearest, loop[above]), -0.5, 0.5)
        near = np.flatnonzero(np.abs(yields[original]) > 0.01)
        spot = np.interp(head.open[original[near], 0], x, np.arange(_STATIONS))
        share = np.maximum(1.0 - np.abs(spot[:, None] - np.arange(_STATIONS)), 0.0)
        self._skin = torch.from_numpy(near)
        self._share = torch.from_numpy((share * yields[original[near], None]).astype(np.float32).T)

    def apply(self, vertices: Tensor) -> None:
        """Part lips that overlap, in place; vertices [B, N, 3]."""
        upper = (vertices[:, self._upper, 1] * self._upper_share).sum(-1)
        lower = (vertices[:, self._lower, 1] * self._lower_share).sum(-1)
        overlap = (upper - lower).clamp(min=0.0)
        if bool((overlap > 0).any()):
            vertices[:, self._skin, 1] += overlap @ self._share


def _stations(edge: Index, along: Array, x: Array) -> tuple[Tensor, Tensor]:
    """Neighbours on a lip's edge and their weights at places x across the mouth. [S, 2] each."""
    order = np.argsort(along)
    edge, along = edge[order], along[order]
    right = np.clip(np.searchsorted(along, x), 1, len(along) - 1)
    share = np.clip((x - along[right - 1]) / np.maximum(along[right] - along[right - 1], 1e-6), 0.0, 1.0)
    shares = np.stack([1.0 - share, share], -1).astype(np.float32)
    return torch.from_numpy(np.stack([edge[right - 1], edge[right]], -1)), torch.from_numpy(shares)

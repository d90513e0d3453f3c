"""Attached meshes: patches and ribbons fixed to places on the mean head, so that they follow any head."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import embedding_bag

from aukit.mesh import vertex_normals
from aukit.simulation.face.topology import mean_topology
from aukit.simulation.materials import Material

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]


class AttachedMesh(NamedTuple):
    """Hair, head covering and glasses as one mesh that follows the skin.

    Attributes:
        triangles: int64 [T, 3] into its own vertices.
        material: int64 [T], `Material` of each triangle.
        two_sided: bool [T], triangles that can be seen from both sides.
        casts: bool [T], triangles that cast shadows.
        points: int64 [U], the vertices of the mean head's skin that it is fixed to.
        corners: int64 [M, 4], places in `points` of the four that each vertex lies between.
        weights: float32 [M, 4], their shares.
        lift: float32 [M], distance from the skin along its normal in mm.
        offset: float32 [M, 3], further shift in mm.
        uv: float32 [M, 2]; on strands u across, v along them.
    """

    triangles: Index
    material: Index
    two_sided: Mask
    casts: Mask
    points: Tensor
    corners: Tensor
    weights: Tensor
    lift: Tensor
    offset: Tensor
    uv: NDArray[np.float32]

    def on(self, skin: Tensor) -> Tensor:
        """Vertices [B, M, 3] on a head whose places and normals at `points` are given. [B, U, 6]."""
        batch, count, _ = skin.shape
        table = skin.permute(1, 0, 2).reshape(count, -1)
        corners, weights, lift, offset = (
            t.to(skin.device) for t in (self.corners, self.weights, self.lift, self.offset)
        )
        mixed = embedding_bag(corners, table, per_sample_weights=weights, mode="sum")
        root = mixed.view(-1, batch, 6).permute(1, 0, 2)
        return root[..., :3] + root[..., 3:] * lift[:, None] + offset


class Places(NamedTuple):
    """Places on the mean head: the four skin vertices around each of them and their weights. [..., 4]."""

    corners: Index
    weights: Array


def places(q: Array, s: Array) -> Places:
    """Places given by ring label and column, between four vertices each."""
    t = mean_topology()
    q, s = np.broadcast_arrays(q, s)

    def cell(labels: Array, at: Array) -> tuple[Index, Array]:
        k = np.clip(np.searchsorted(labels, at, "right") - 1, 0, len(labels) - 2)
        return k, np.clip((at - labels[k]) / np.maximum(labels[k + 1] - labels[k], 1e-6), 0, 1)

    (r, down), (c, right) = cell(t.rows, q), cell(t.columns, s)
    corners = np.stack([t.grid[r, c], t.grid[r, c + 1], t.grid[r + 1, c], t.grid[r + 1, c + 1]], -1)
    up, left = 1 - down, 1 - right
    return Places(corners, np.stack([up * left, up * right, down * left, down * right], -1))


@lru_cache(maxsize=1)
def _mean_head() -> Array:
    """Places and unit normals of the mean head's vertices. [N, 6]."""
    t = mean_topology()
    seam = np.stack([t.grid[1:, 0], t.grid[1:, -1]], 1)
    position, triangles, pairs = map(torch.from_numpy, (t.position.astype(np.float32), t.triangles, seam))
    normals = vertex_normals(position, triangles, pairs, "numba").numpy()
    return np.concatenate([t.position, normals], 1)


def mean_skin(at: Places) -> tuple[Array, Array]:
    """Points in mm and normals [..., 3] of places on the mean head."""
    both = (_mean_head()[at.corners] * at.weights[..., None]).sum(-2)
    return both[..., :3], both[..., 3:]


class Builder:
    """Collects patches; `count` is the number of their vertices."""

    def __init__(self) -> None:
        self.count = 0
        self._triangles: list[Index] = []
        self._flags: list[tuple[Material, bool]] = []
        self._two_sided: list[Mask] = []
        self._vertices: list[tuple[Index, Array, Array, Array, Array]] = []

    def add(
        self,
        at: Places,
        lift: Array | float,
        offset: Array | float,
        uv: Array,
        material: Material,
        keep: Mask | None = None,
        two_sided: Mask | bool = False,
        casts: bool = False,
    ) -> None:
        """Grids of vertices.

        Args:
            at: Places [..., R, C] that they are fixed to.
            lift: Distance from the skin in mm, broadcast to [..., R, C].
            offset: Further shift in mm, broadcast to [..., R, C, 3].
            uv: [..., R, C, 2].
            material: Of all triangles.
            keep: Quads to draw, [..., R - 1, C - 1]; all if None.
            two_sided: Quads seen from both sides, not only where rows go down as columns go right.
            casts: Casts shadows.
        """
        shape = at.corners.shape[:-1]
        number = np.arange(np.prod(shape)).reshape(shape) + self.count
        near, far = slice(-1), slice(1, None)
        corners = [number[..., r, c] for r in (near, far) for c in (near, far)]
        a, d, b, e = (corner[... if keep is None else keep].ravel() for corner in corners)
        self._triangles.append(np.concatenate([np.stack([a, d, b], 1), np.stack([d, e, b], 1)]))
        both = np.broadcast_to(two_sided, (*shape[:-2], shape[-2] - 1, shape[-1] - 1))
        self._two_sided.append(np.tile(both[... if keep is None else keep].ravel(), 2))
        self._flags.append((material, casts))
        self.count += number.size
        self._vertices.append(
            (
                at.corners.reshape(-1, 4),
                at.weights.reshape(-1, 4),
                np.broadcast_to(lift, shape).ravel(),
                np.broadcast_to(offset, (*shape, 3)).reshape(-1, 3),
                np.broadcast_to(uv, (*shape, 2)).reshape(-1, 2),
            )
        )

    def ribbons(
        self,
        at: Places,
        lift: Array,
        offset: Array | float,
        half: Array,
        uv: Array,
        material: Material,
        tilt: Array,
    ) -> None:
        """Flat strips along paths, seen from outside.

        Args:
            at: Places [L, P] that the paths are fixed to.
            lift: [L, P] in mm.
            offset: [L, P, 3] in mm.
            half: [L, P] half widths in mm.
            uv: [L, P, 2] along the middle.
            material: Of all triangles.
            tilt: [L] how far one edge stands off, as a share of the half width.
        """
        root, normal = mean_skin(at)
        middle = root + normal * lift[..., None] + offset
        along = np.gradient(middle, axis=1)
        side = np.cross(along, normal)
        side /= np.linalg.norm(side, axis=-1, keepdims=True) + 1e-9
        across = np.array([-1.0, 1.0])
        reach = half[..., None, None] * across[:, None]
        shift = (side + tilt[:, None, None] * normal)[:, :, None] * reach
        off = np.broadcast_to(offset, middle.shape)[:, :, None] + shift
        # Strands lie 43 mm to a unit of u.
        u = uv[..., None, 0] + half[..., None] * across / 43.0
        at = Places(np.repeat(at.corners[:, :, None], 2, 2), np.repeat(at.weights[:, :, None], 2, 2))
        v = np.broadcast_to(uv[..., None, 1], u.shape)
        self.add(at, np.repeat(lift[..., None], 2, -1), off, np.stack([u, v], -1), material)

    def mesh(self) -> AttachedMesh:
        """All patches as one, without vertices that no triangle uses."""
        used, triangles = np.unique(np.concatenate(self._triangles), return_inverse=True)
        columns = (np.concatenate(c)[used] for c in zip(*self._vertices, strict=True))
        corners, weights, lift, offset, uv = columns
        points, corner = np.unique(corners, return_inverse=True)
        material, casts = (np.array(c) for c in zip(*self._flags, strict=True))
        count = [len(t) for t in self._triangles]

        def real(a: Array) -> Tensor:
            return torch.from_numpy(a.astype(np.float32))

        return AttachedMesh(
            triangles.reshape(-1, 3),
            np.repeat(material, count),
            np.concatenate(self._two_sided),
            np.repeat(casts, count),
            torch.from_numpy(points),
            torch.from_numpy(corner.reshape(-1, 4)),
            real(weights),
            real(lift),
            real(offset),
            uv.astype(np.float32),
        )

"""Z-buffer rasterisation of triangle meshes, batched, with one rule on every device."""

from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aukit.mesh._raster_numba import barycentric_weights, zbuffer
from aukit.mesh._raster_torch import rasterize_torch
from aukit.mesh.threads import in_threads


class Raster(NamedTuple):
    """What each pixel sees.

    Attributes:
        ids: int32 [B,H,W], index of the visible triangle, -1 where there is none.
        barycentrics: float32 [B,H,W,3], weights of that triangle's three vertices (sum 1), 0 where none.
        depth: float32 [B,H,W], interpolated z (larger = nearer), 0 where none.
    """

    ids: Tensor
    barycentrics: Tensor
    depth: Tensor


def rasterize(
    vertices: Tensor,
    triangles: Tensor,
    size: int | tuple[int, int],
    backend: Literal["auto", "numba", "torch"] = "auto",
) -> Raster:
    """Finds the nearest triangle under every pixel centre.

    A pixel centre p = p0 + w2 (p2 - p0) + w1 (p1 - p0) lies inside when w2 >= 0, w1 >= 0 and w1 + w2 < 1 (the
    rule of 3DDFA_V2's Sim3DR). The greater depth wins; on a tie (depth compared in float32) the earlier
    triangle. Both windings are drawn. Triangles without area or with a coordinate that is not finite are left
    out. The inside test is done in float64, so both backends give the same ids.

    Cost: 86,907 triangles at 224 x 224 take about 2.5 ms per mesh on one core (numba); a batch is shared by
    ``torch.get_num_threads()`` threads. The first call in a fresh installation compiles for a few seconds.

    Args:
        vertices: float [B,N,3]; x and y in pixels (pixel centres at integers), z larger = nearer. No gradient
            flows to them.
        triangles: integer [T,3], indices into N, shared by the batch.
        size: height and width of the image in pixels, or one number for both.
        backend: ``auto`` takes numba on the CPU and torch elsewhere.

    Returns:
        The raster, on the device of ``vertices``.

    Raises:
        ValueError: shapes, indices or size are not as described.
    """
    if vertices.ndim != 3 or vertices.shape[-1] != 3:
        raise ValueError(f"vertices must be [B,N,3], got {tuple(vertices.shape)}")
    if triangles.ndim != 2 or triangles.shape[-1] != 3 or triangles.is_floating_point():
        raise ValueError(f"triangles must be integer [T,3], got {triangles.dtype} {tuple(triangles.shape)}")
    height, width = (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1:
        raise ValueError(f"size must be positive, got {(height, width)}")
    points = vertices.detach().double()
    if backend == "torch" or (backend == "auto" and points.device.type != "cpu"):
        _check_range(triangles, vertices.shape[1])
        return Raster(*rasterize_torch(points, triangles.to(points.device).long(), height, width))
    # The narrow copy is made first: its range is cheaper to check than that of int64.
    corners = triangles.cpu().to(torch.int32)
    _check_range(corners, vertices.shape[1])
    return _rasterize_numba(points.cpu().numpy(), corners.numpy().view(np.uint32), height, width)


def _check_range(triangles: Tensor, n_vertices: int) -> None:
    if triangles.numel() and not 0 <= int(triangles.min()) <= int(triangles.max()) < n_vertices:
        raise ValueError(f"triangles name vertices outside 0..{n_vertices - 1}")


def _rasterize_numba(
    points: NDArray[np.float64], corners: NDArray[np.uint32], height: int, width: int
) -> Raster:
    points, corners = np.ascontiguousarray(points), np.ascontiguousarray(corners)
    batch = len(points)
    ids = np.empty((batch, height, width), np.int32)
    weights = np.empty((batch, height, width, 3), np.float32)
    depth = np.empty((batch, height, width), np.float32)

    def draw(index: int) -> None:
        zbuffer(points[index], corners, ids[index], depth[index])
        barycentric_weights(points[index], corners, ids[index], weights[index], depth[index])

    in_threads(draw, range(batch))
    return Raster(torch.from_numpy(ids), torch.from_numpy(weights), torch.from_numpy(depth))

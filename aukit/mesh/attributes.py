"""Quantities on vertices: normals, and their values under each pixel."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from aukit.mesh._normals_numba import unit_normals
from aukit.mesh.rasterizer import Raster


def vertex_normals(
    vertices: Tensor,
    triangles: Tensor,
    shared: Tensor | None = None,
    backend: Literal["torch", "numba"] = "torch",
) -> Tensor:
    """Unit normals: the normalised sum of the adjacent faces' cross products, which weighs faces by area.

    Args:
        vertices: float [...,N,3].
        triangles: integer [T,3]. (p1 - p0) x (p2 - p0) is taken as a face's outside.
        shared: integer [S,2], pairs of vertices at one place (along a texture seam), which share one normal;
            no vertex is in two of them.
        backend: ``torch`` works on every device and passes gradients on; ``numba`` takes float32 on the CPU
            and is the faster one there. They agree up to rounding.

    Returns:
        Normals [...,N,3]; zero for vertices without a face of positive area.
    """
    if backend == "numba":
        pairs = np.zeros((0, 2), np.int64) if shared is None else shared.numpy()
        frames = (np.ascontiguousarray(v) for v in vertices.reshape(-1, *vertices.shape[-2:]).numpy())
        units = [torch.from_numpy(unit_normals(v, triangles.numpy(), pairs)) for v in frames]
        return torch.stack(units).view(vertices.shape)
    triangles = triangles.long().to(vertices.device)
    corners = vertices[..., triangles, :]
    faces = torch.linalg.cross(
        corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :], dim=-1
    )
    normals = torch.zeros_like(vertices)
    for corner in range(3):
        normals = normals.index_add(-2, triangles[:, corner], faces)
    if shared is not None:
        shared = shared.to(vertices.device)
        both = normals[..., shared, :].sum(-2)
        normals[..., shared[:, 0], :] = both
        normals[..., shared[:, 1], :] = both
    return torch.nn.functional.normalize(normals, dim=-1)


def interpolate(attributes: Tensor, triangles: Tensor, raster: Raster) -> Tensor:
    """Values of vertex attributes at the pixels of a raster, linear in the plane of each triangle.

    Args:
        attributes: float [B,N,C], or [N,C] shared by the batch. Gradients flow to it.
        triangles: integer [T,3] as given to ``rasterize``.
        raster: what ``rasterize`` returned, batch B, size H x W.

    Returns:
        [B,H,W,C] in the dtype of ``attributes``, 0 where there is no triangle.
    """
    batch = len(raster.ids)
    values = attributes.expand(batch, -1, -1) if attributes.ndim == 2 else attributes
    if values.ndim != 3 or len(values) != batch:
        raise ValueError(f"attributes must be [{batch},N,C] or [N,C], got {tuple(attributes.shape)}")
    corners = triangles.long().to(raster.ids.device)[raster.ids.clamp(min=0).long()]  # [B,H,W,3]
    rows = torch.arange(batch, device=corners.device).view(-1, 1, 1)
    weights = raster.barycentrics.to(values.dtype)
    result = torch.zeros((*raster.ids.shape, values.shape[-1]), dtype=values.dtype, device=values.device)
    for corner in range(3):
        result = result + weights[..., corner : corner + 1] * values[rows, corners[..., corner]]
    return result

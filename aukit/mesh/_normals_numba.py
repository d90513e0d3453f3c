"""Compiled vertex normals of one mesh in float32."""

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, fastmath=True, nogil=True, inline="always")  # type: ignore[untyped-decorator]
def edge(vertices: NDArray[np.float32], a: int, b: int) -> tuple[np.float32, np.float32, np.float32]:
    """From vertex `a` to vertex `b`."""
    return (
        vertices[b, 0] - vertices[a, 0],
        vertices[b, 1] - vertices[a, 1],
        vertices[b, 2] - vertices[a, 2],
    )


@njit(cache=True, fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
def unit_normals(
    vertices: NDArray[np.float32], triangles: NDArray[np.int64], shared: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Area-weighted unit normals of one mesh; `aukit.mesh.vertex_normals` explains the arguments.

    Args:
        vertices: [N,3].
        triangles: [T,3].
        shared: [S,2].

    Returns:
        [N,3].
    """
    normals = np.zeros_like(vertices)
    for k in range(triangles.shape[0]):
        a, b, c = triangles[k, 0], triangles[k, 1], triangles[k, 2]
        ux, uy, uz = edge(vertices, a, b)
        vx, vy, vz = edge(vertices, a, c)
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for i in (a, b, c):
            normals[i, 0] += nx
            normals[i, 1] += ny
            normals[i, 2] += nz
    for k in range(shared.shape[0]):
        i, j = shared[k, 0], shared[k, 1]
        for d in range(3):
            s = normals[i, d] + normals[j, d]
            normals[i, d] = s
            normals[j, d] = s
    for i in range(vertices.shape[0]):
        length = np.sqrt(normals[i, 0] ** 2 + normals[i, 1] ** 2 + normals[i, 2] ** 2) + 1e-12
        for d in range(3):
            normals[i, d] /= length
    return normals

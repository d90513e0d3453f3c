"""Compiled z-buffer of one mesh. All geometry in float64; depth is stored and compared in float32.

Triangles come as uint32: signed indices would cost a wrap-around test at every access.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def zbuffer(
    vertices: NDArray[np.float64],
    triangles: NDArray[np.uint32],
    ids: NDArray[np.int32],
    depth: NDArray[np.float32],
) -> None:
    """Writes triangle ids (-1 none) and depth (-inf where none) of one mesh into [H,W] arrays."""
    height, width = ids.shape
    ids[:] = -1
    depth[:] = -np.inf
    for t in range(len(triangles)):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0 = vertices[a, 0], vertices[a, 1]
        x1, y1 = vertices[b, 0], vertices[b, 1]
        x2, y2 = vertices[c, 0], vertices[c, 1]
        # Pixel centres in the bounding box; clipped as floats, since casting huge numbers is undefined.
        left = max(np.ceil(min(x0, x1, x2)), 0.0)
        right = min(np.floor(max(x0, x1, x2)), width - 1.0)
        top = max(np.ceil(min(y0, y1, y2)), 0.0)
        bottom = min(np.floor(max(y0, y1, y2)), height - 1.0)
        if not ((left <= right) & (top <= bottom)):
            continue
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        z0, z1, z2 = vertices[a, 2], vertices[b, 2], vertices[c, 2]
        if area == 0.0 or not np.isfinite(area + x0 + x1 + x2 + y0 + y1 + y2 + z0 + z1 + z2):
            continue
        sign = 1.0 if area > 0.0 else -1.0
        for row in range(int(top), int(bottom) + 1):
            for column in range(int(left), int(right) + 1):
                e1 = (column - x0) * (y2 - y0) - (x2 - x0) * (row - y0)
                e2 = (x1 - x0) * (row - y0) - (column - x0) * (y1 - y0)
                e0 = (x1 - column) * (y2 - row) - (x2 - column) * (y1 - row)
                if (e1 * sign >= 0.0) & (e2 * sign >= 0.0) & (e0 * sign > 0.0):
                    z = np.float32(z0 + (e1 * (z1 - z0) + e2 * (z2 - z0)) / area)
                    if z > depth[row, column]:
                        depth[row, column] = z
                        ids[row, column] = t


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def barycentric_weights(
    vertices: NDArray[np.float64],
    triangles: NDArray[np.uint32],
    ids: NDArray[np.int32],
    weights: NDArray[np.float32],
    depth: NDArray[np.float32],
) -> None:
    """Fills the weights [H,W,3] of the drawn pixels, and zeros (in depth too) where nothing was drawn."""
    height, width = ids.shape
    for row in range(height):
        for column in range(width):
            t = ids[row, column]
            if t < 0:
                weights[row, column, 0] = 0.0
                weights[row, column, 1] = 0.0
                weights[row, column, 2] = 0.0
                depth[row, column] = 0.0
                continue
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            x0, y0 = vertices[a, 0], vertices[a, 1]
            x1, y1 = vertices[b, 0], vertices[b, 1]
            x2, y2 = vertices[c, 0], vertices[c, 1]
            area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
            w1 = ((column - x0) * (y2 - y0) - (x2 - x0) * (row - y0)) / area
            w2 = ((x1 - x0) * (row - y0) - (column - x0) * (y1 - y0)) / area
            weights[row, column, 0] = 1.0 - w1 - w2
            weights[row, column, 1] = w1
            weights[row, column, 2] = w2

"""Compiled z-buffer of one mesh. All geometry in float64; depth is stored and compared in float32.

Triangles come as uint32: signed indices would cost a wrap-around test at every access.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
U32 = NDArray[np.uint32]
I32 = NDArray[np.int32]
Bool = NDArray[np.bool_]

_NEAR = 1e4
"""Pixels within which coordinates are exact enough for the bounds of a row."""
_MARGIN = 1e-3


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def zbuffer(vertices: F64, triangles: U32, one_sided: Bool, ids: I32, depth: F32) -> None:
    """Writes triangle ids (-1 none) and depth (-inf where none) of one mesh into [H,W] arrays."""
    height, width = ids.shape
    ids[:] = -1
    depth[:] = -np.inf
    for t in range(len(triangles)):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0 = vertices[a, 0], vertices[a, 1]
        x1, y1 = vertices[b, 0], vertices[b, 1]
        x2, y2 = vertices[c, 0], vertices[c, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if one_sided[t] and not area > 0.0:
            continue
        # Pixel centres in the bounding box; clipped as floats, since casting huge numbers is undefined.
        left = max(np.ceil(min(x0, x1, x2)), 0.0)
        right = min(np.floor(max(x0, x1, x2)), width - 1.0)
        top = max(np.ceil(min(y0, y1, y2)), 0.0)
        bottom = min(np.floor(max(y0, y1, y2)), height - 1.0)
        if not ((left <= right) & (top <= bottom)):
            continue
        z0, z1, z2 = vertices[a, 2], vertices[b, 2], vertices[c, 2]
        if area == 0.0 or not np.isfinite(area + x0 + x1 + x2 + y0 + y1 + y2 + z0 + z1 + z2):
            continue
        sign = 1.0 if area > 0.0 else -1.0
        near = max(abs(x0), abs(x1), abs(x2), abs(y0), abs(y1), abs(y2)) < _NEAR
        step1, low1, high1 = _side(x0, y0, x2, y2, sign, near)
        step2, low2, high2 = _side(x1, y1, x0, y0, sign, near)
        step0, low0, high0 = _side(x2, y2, x1, y1, sign, near)
        for row in range(int(top), int(bottom) + 1):
            at1, at2, at0 = x0 + (row - y0) * step1, x1 + (row - y1) * step2, x2 + (row - y2) * step0
            first = max(left, np.ceil(max(at1 + low1, at2 + low2, at0 + low0)))
            last = min(right, np.floor(min(at1 + high1, at2 + high2, at0 + high0)))
            if first > last:
                continue
            for column in range(int(first), int(last) + 1):
                e1 = (column - x0) * (y2 - y0) - (x2 - x0) * (row - y0)
                e2 = (x1 - x0) * (row - y0) - (column - x0) * (y1 - y0)
                e0 = (x1 - column) * (y2 - row) - (x2 - column) * (y1 - row)
                if (e1 * sign >= 0.0) & (e2 * sign >= 0.0) & (e0 * sign > 0.0):
                    z = np.float32(z0 + (e1 * (z1 - z0) + e2 * (z2 - z0)) / area)
                    if z > depth[row, column]:
                        depth[row, column] = z
                        ids[row, column] = t


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _side(ax: float, ay: float, bx: float, by: float, sign: float, near: bool) -> tuple[float, float, float]:
    """Where a side bounds the columns of a row: its slope dx/dy, and what is added for either bound.

    The bounds only skip pixels that would fail the test.  They lie `_MARGIN` outside the side, far more than
    rounding moves it, and at infinity where the side does not bound on that hand, or is so flat that rounding
    counts.
    """
    rise = (by - ay) * sign
    if not near or abs(rise) < _MARGIN:
        return 0.0, -np.inf, np.inf
    slope = (bx - ax) / (by - ay)
    if rise > 0.0:
        return slope, -_MARGIN, np.inf
    return slope, -np.inf, _MARGIN


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def barycentric_weights(vertices: F64, triangles: U32, ids: I32, weights: F32, depth: F32) -> None:
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
            w0, w1, w2 = weights_at(vertices, triangles[t], row, column)
            weights[row, column, 0] = w0
            weights[row, column, 1] = w1
            weights[row, column, 2] = w2


@njit(cache=True, nogil=True, error_model="numpy", inline="always")  # type: ignore[untyped-decorator]
def weights_at(vertices: F64, triangle: U32, row: int, column: int) -> tuple[float, float, float]:
    """Barycentric weights of a pixel centre in a triangle [3] with area."""
    a, b, c = triangle[0], triangle[1], triangle[2]
    x0, y0 = vertices[a, 0], vertices[a, 1]
    x1, y1 = vertices[b, 0], vertices[b, 1]
    x2, y2 = vertices[c, 0], vertices[c, 1]
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    w1 = ((column - x0) * (y2 - y0) - (x2 - x0) * (row - y0)) / area
    w2 = ((x1 - x0) * (row - y0) - (column - x0) * (y1 - y0)) / area
    return 1.0 - w1 - w2, w1, w2

"""Compiled part of the 3D registration: one frame in, one frontal crop out."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from aukit.mesh._raster_numba import weights_at, zbuffer


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def draw_frontal(
    frame: NDArray[np.uint8],
    posed: NDArray[np.float64],
    frontal: NDArray[np.float64],
    triangles: NDArray[np.uint32],
    cosines: NDArray[np.float32],
    tolerance: float,
    least_cosine: float,
    dilation: int,
    buffer_size: int,
    crop: NDArray[np.uint8],
) -> tuple[int, int]:
    """Draws the frontal mesh with the texture that the frame shows on the posed mesh.

    Args:
        frame: [H,W,3].
        posed: [N,3] vertices in frame pixels.
        frontal: [N,3] the same vertices in crop pixels.
        triangles: [T,3], faces outwards.
        cosines: [N], between the surface's normals and the line of sight; 1 = towards the camera.
        tolerance: a surface point is hidden when another lies nearer by more than this, in frame pixels.
        least_cosine: a surface point is hidden when its cosine is smaller.
        dilation: rings of pixels by which the hidden area and the edge of the mesh grow black; hidden specks
            that are less than two of them wide are shown.
        buffer_size: side of the depth buffer that covers the posed mesh's bounding box.
        crop: [S,S,3], filled: visible pixels at least 1 in each channel, all others 0.

    Returns:
        Number of pixels that the mesh covers, and of those that are visible.
    """
    size = crop.shape[0]
    crop[:] = 0
    ids = np.empty((size, size), np.int32)
    both_windings = np.zeros(len(triangles), np.bool_)
    zbuffer(frontal, triangles, both_windings, ids, np.empty((size, size), np.float32))

    # Depth of the posed mesh, on a grid over its bounding box.
    left, top, right, bottom = posed[0, 0], posed[0, 1], posed[0, 0], posed[0, 1]
    for vertex in range(len(posed)):
        left, right = min(left, posed[vertex, 0]), max(right, posed[vertex, 0])
        top, bottom = min(top, posed[vertex, 1]), max(bottom, posed[vertex, 1])
    side = max(right - left, bottom - top, 1e-6)
    scale = min((buffer_size - 1) / side, 1.0)
    grid = posed.copy()
    for vertex in range(len(posed)):
        grid[vertex, 0] = (posed[vertex, 0] - left) * scale
        grid[vertex, 1] = (posed[vertex, 1] - top) * scale
    nearest = np.empty((buffer_size, buffer_size), np.float32)
    zbuffer(grid, triangles, both_windings, np.empty((buffer_size, buffer_size), np.int32), nearest)

    # Where each crop pixel lies in the frame, and whether the camera sees it.
    place = np.empty((size, size, 2), np.float64)
    shown = np.zeros((size, size), np.bool_)
    covered = 0
    for row in range(size):
        for column in range(size):
            t = ids[row, column]
            if t < 0:
                continue
            covered += 1
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            w0, w1, w2 = weights_at(frontal, triangles[t], row, column)
            x = w0 * posed[a, 0] + w1 * posed[b, 0] + w2 * posed[c, 0]
            y = w0 * posed[a, 1] + w1 * posed[b, 1] + w2 * posed[c, 1]
            z = w0 * posed[a, 2] + w1 * posed[b, 2] + w2 * posed[c, 2]
            place[row, column, 0] = x
            place[row, column, 1] = y
            cosine = w0 * cosines[a] + w1 * cosines[b] + w2 * cosines[c]
            front = _nearest_around(nearest, (x - left) * scale, (y - top) * scale)
            shown[row, column] = cosine >= least_cosine and z >= front - tolerance
    # Specks narrower than the dilation (nostrils, corners of the eye) would come and go from frame to frame:
    # they are shown. The outside of the mesh counts as hidden here, so that strips along its edge stay.
    for _ in range(dilation):
        shown = _grown(shown)
    hidden = ~shown
    for _ in range(2 * dilation):
        hidden = _grown(hidden)

    # As many taps as frame pixels come to one crop pixel, so that large frames do not alias.
    ratio = np.sqrt(_area(posed, triangles) / max(_area(frontal, triangles), 1e-12))
    taps = min(max(int(np.rint(ratio)), 1), 6)
    visible = 0
    for row in range(size):
        for column in range(size):
            # Where the mesh reaches the crop's edge, nothing beside it has grown over it.
            if ids[row, column] >= 0 and not hidden[row, column]:
                visible += _sample(
                    frame, place[row, column, 0], place[row, column, 1], taps, crop[row, column]
                )
    return covered, visible


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _nearest_around(nearest: NDArray[np.float32], x: float, y: float) -> float:
    """The farthest of the four depths around: a slope alone must not hide a point. -inf at open edges."""
    last = nearest.shape[0] - 2
    column, row = min(max(int(x), 0), last), min(max(int(y), 0), last)
    above = min(nearest[row, column], nearest[row, column + 1])
    below = min(nearest[row + 1, column], nearest[row + 1, column + 1])
    return float(min(above, below))


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask and its eight-neighbours."""
    height, width = mask.shape
    wide = mask.copy()
    for row in range(height):
        for column in range(width):
            if mask[row, column]:
                wide[row, max(column - 1, 0)] = True
                wide[row, min(column + 1, width - 1)] = True
    result = wide.copy()
    for row in range(height):
        for column in range(width):
            if wide[row, column]:
                result[max(row - 1, 0), column] = True
                result[min(row + 1, height - 1), column] = True
    return result


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _area(points: NDArray[np.float64], triangles: NDArray[np.uint32]) -> float:
    """Projected area of the faces that look at the viewer."""
    total = 0.0
    for t in range(len(triangles)):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        area = (points[b, 0] - points[a, 0]) * (points[c, 1] - points[a, 1])
        area -= (points[c, 0] - points[a, 0]) * (points[b, 1] - points[a, 1])
        total += max(area, 0.0)
    return total


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _sample(frame: NDArray[np.uint8], x: float, y: float, taps: int, pixel: NDArray[np.uint8]) -> int:
    """Mean of taps x taps bilinear samples one frame pixel apart; returns 0 where the frame ends, else 1."""
    height, width = frame.shape[:2]
    shift = (taps - 1) / 2
    x, y = x - shift, y - shift
    if not (x >= 0.0 and y >= 0.0 and x + taps - 1 <= width - 1 and y + taps - 1 <= height - 1):
        return 0
    column, row = min(int(x), width - 1 - taps), min(int(y), height - 1 - taps)
    fx, fy = x - column, y - row
    red = green = blue = 0.0
    # Bilinear samples at unit steps share their fractions: the inner pixels weigh 1, the border ones less.
    for i in range(taps + 1):
        wy = 1.0 - fy if i == 0 else (fy if i == taps else 1.0)
        for j in range(taps + 1):
            weight = wy * (1.0 - fx if j == 0 else (fx if j == taps else 1.0))
            red += weight * frame[row + i, column + j, 0]
            green += weight * frame[row + i, column + j, 1]
            blue += weight * frame[row + i, column + j, 2]
    scale = 1.0 / (taps * taps)
    pixel[0] = max(np.uint8(red * scale + 0.5), np.uint8(1))
    pixel[1] = max(np.uint8(green * scale + 0.5), np.uint8(1))
    pixel[2] = max(np.uint8(blue * scale + 0.5), np.uint8(1))
    return 1

"""The mean head as formulas: rings from crown to shoulders, with the features of a face laid on them.

Everything is in millimetres with x right, y down and z towards the viewer; while the shape is built
z = 0 lies on the ear axis, and `EAR_AXIS_DEPTH` moves the origin between the pupils afterwards.  All
figures are rounded general anthropometry; no scanned or downloaded mesh is involved.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

Array = NDArray[np.float64]

EAR_AXIS_DEPTH = 80.0
"""Distance from the ear axis to the plane of the pupils."""
EYE_ROW, MOUTH_ROW = 0.0, 68.0
EYE_CENTRE = (31.0, 0.0, 67.3)
EYE_RADIUS = 12.0
EYE_MIDDLE, EYE_HALF_WIDTH = 31.4, 15.0
MOUTH_HALF_WIDTH = 25.0
LIP_UP, LIP_DOWN = 7.0, 9.0
"""Heights of the upper and lower vermilion at the middle."""

# One line per ring: row label q, y at the front, y at the side, half width, depth of front and back,
# exponent of the superellipse.  Below q = 108 (the chin) the rings run back under the chin to the neck.
_RINGS = np.array(
    [
        [-117, -117, -117, 3, 0, 6, 2.0],
        [-115, -115, -115, 22, 15, 25, 2.0],
        [-110, -110, -110, 38, 33, 44, 2.0],
        [-102, -102, -102, 52, 50, 62, 2.0],
        [-90, -90, -90, 63, 66, 78, 2.05],
        [-75, -75, -75, 70, 78, 89, 2.1],
        [-50, -50, -50, 75, 88, 97, 2.2],
        [-30, -30, -30, 75, 91, 100, 2.25],
        [-10, -10, -10, 72.5, 90, 99, 2.25],
        [10, 10, 9, 70.5, 87, 93, 2.22],
        [30, 30, 25, 68.5, 86, 84, 2.2],
        [50, 50, 38, 65, 86, 76, 2.2],
        [68, 68, 47, 63.5, 85.5, 70, 2.2],
        [85, 85, 55, 61, 83, 66, 2.2],
        [98, 98, 61, 58.5, 81.5, 64, 2.2],
        [108, 107, 66, 56, 77, 62, 2.15],
        [114, 110, 70, 52.5, 69, 61, 2.05],
        [122, 113, 76, 48.5, 57, 60, 2.0],
        [132, 120, 85, 48, 45, 59, 2.0],
        [150, 138, 106, 51, 41, 60, 2.0],
        [175, 164, 145, 64, 41, 64, 2.0],
        [195, 182, 178, 112, 50, 78, 2.2],
        [225, 212, 216, 178, 66, 92, 2.4],
    ],
    dtype=np.float64,
)
RING_CURVES = PchipInterpolator(_RINGS[:, 0], _RINGS[:, 1:], axis=0)

_NOSE_Y = np.array([-24, -14, -6, 0, 8, 17, 26, 33, 37, 41, 45, 49, 54, 60], dtype=np.float64)
_NOSE_RIDGE = PchipInterpolator(
    _NOSE_Y, np.array([0, 0.8, 2.6, 4.8, 8.6, 13.0, 17.2, 19.6, 19.4, 16.0, 10.5, 5.6, 2.0, 0])
)
"""Height of the bridge; the tip and the wings are spheroids of their own."""
_NOSE_HALF = PchipInterpolator(
    _NOSE_Y, np.array([9, 9, 7.4, 6.6, 6.6, 7.0, 7.6, 8.2, 8.4, 8.2, 7.4, 7.0, 7.0, 7.0])
)


def smoothstep(low: float, high: float, value: Array) -> Array:
    """Cubic step from 0 at `low` to 1 at `high` (also with low > high, then falling)."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def bump(dx: Array, dy: Array, rx: float, ry: float, power: float = 2.0) -> Array:
    """A hill of height 1 with compact support: 1 at the centre, 0 beyond the radii `rx`, `ry`."""
    r2 = (dx / rx) ** 2 + (dy / ry) ** 2
    return np.clip(1.0 - r2, 0.0, 1.0) ** power


def hill(dx: Array, dy: Array, sx: float, sy: float) -> Array:
    """A Gaussian hill of height 1 with standard deviations `sx`, `sy`."""
    return np.exp(-0.5 * ((dx / sx) ** 2 + (dy / sy) ** 2))


def spheroid(dx: Array, dy: Array, rx: float, ry: float, base: float, height: float) -> Array:
    """Height field of a half spheroid on `base`; outside its outline it falls away below any surface."""
    r2 = (dx / rx) ** 2 + (dy / ry) ** 2
    return np.where(r2 < 1.0, base + height * np.sqrt(np.clip(1.0 - r2, 0.0, 1.0)), base - 9.0 * (r2 - 1.0))


def smooth_max(a: Array, b: Array, width: float) -> Array:
    """The greater of two heights with a fillet where they differ by less than `width`."""
    return np.maximum(a, b) + np.clip(width - np.abs(a - b), 0.0, None) ** 2 / (4.0 * width)


def smooth_sign(x: Array, width: float = 3.0) -> Array:
    """The sign of x with a soft passage through the midline."""
    return x / np.sqrt(x * x + width * width)


def lip_borders(x: Array) -> tuple[Array, Array]:
    """Heights of the vermilion above and below the mouth line at |x| (0 beyond the corners)."""
    t = np.clip(np.abs(x) / MOUTH_HALF_WIDTH, 0.0, 1.0)
    up = LIP_UP * (1.0 - t**2.2) ** 0.75
    up = up - 1.3 * np.exp(-0.5 * (x / 2.6) ** 2)  # Cupid's bow
    down = LIP_DOWN * (1.0 - t**2.6) ** 0.72
    return up, down


def ring_point(q: Array, column: Array) -> tuple[Array, Array, Array]:
    """Base surface without features.

    Args:
        q: Row label (the y at the front of the face for the rows of the face).
        column: Lateral coordinate: in [-1, 1] x over the half width on the front half; beyond it
            1 + angle / 90° round the back to ±2.

    Returns:
        x, y, z in mm (z from the ear axis).
    """
    y_front, y_side, a, zf, zb, n = np.moveaxis(RING_CURVES(q), -1, 0)
    s = np.clip(np.abs(column), 0.0, 1.0)
    back = np.clip(np.abs(column) - 1.0, 0.0, 1.0) * (np.pi / 2)
    front = np.abs(column) <= 1.0
    x = np.where(front, a * s, a * np.cos(back))
    z = np.where(front, zf * np.clip(1.0 - s**n, 0.0, 1.0) ** (1.0 / n), -zb * np.sin(back))
    # The mouth line is level between its corners; the jaw line rises from the chin at once.
    rise = np.interp(q, [0, 60, 72, 108], [4.6, 4.6, 4.2, 2.3])
    y = y_front + (y_side - y_front) * s**rise
    return np.sign(column) * x, y, z


def features(x: Array, y: Array) -> tuple[Array, Array, Array]:
    """Displacement (dx, dy, dz) of the front of the base surface that makes it a face.

    Args:
        x: Lateral position in mm on the base surface (any sign).
        y: Height in mm (down), lids and lips closed.
    """
    ax = np.abs(x)
    dz = np.zeros_like(x)
    dx = np.zeros_like(x)
    dy = np.zeros_like(x)
    # Forehead, brow ridge, sockets.
    dz += 1.3 * hill(ax - 22, y + 17 + 0.08 * (ax - 22), 15, 6.5)
    dz += 1.5 * hill(ax, y + 20, 13, 9)
    dz += 1.6 * hill(ax - 20, y + 52, 18, 20)
    dz -= 3.0 * bump(ax - 63, y + 18, 20, 30)
    dz -= 4.6 * bump(ax - 30, y + 3, 27, 17, 1.6)
    dz -= 4.8 * hill(ax - 17, y + 2, 4.6, 8)
    # Cheek bones, tear trough, hollow of the cheek, muzzle.
    dz += 5.0 * hill(ax - 45, y - 23, 14, 12)
    dx += np.sign(x) * 2.0 * hill(ax - 58, y - 20, 11, 13)
    dz -= 1.6 * hill(ax - 24, y - 17, 8, 5)
    dz += 1.5 * hill(ax - 33, y - 40, 13, 14)
    dz -= 2.5 * hill(ax - 45, y - 62, 12, 13)
    dz += 3.2 * hill(ax, y - 62, 24, 15)
    # Chin and the furrow above it, jaw.
    dz -= 3.8 * hill(ax, y - 84.5, 17, 5)
    dz += 5.0 * hill(ax, y - 97, 14, 8.5)
    dz += 1.2 * hill(ax - 9, y - 98, 6, 7)
    dx += np.sign(x) * 1.5 * hill(ax - 50, y - 66, 10, 12)
    dz += nose(ax, y)
    # The rows below the tip are drawn up under it, so that the nose has an underside.
    dy -= 2.2 * bump(ax, y - 47.0, 21, 9.0) + 1.3 * hill(ax - 8.0, y - 46.0, 3.4, 3.0)
    # Philtrum and lips.
    dz += 0.9 * hill(ax - 4.2, y - 55, 1.8, 4.5) - 1.0 * hill(ax, y - 55, 2.2, 5.0)
    up, down = lip_borders(x)
    fade = smoothstep(MOUTH_HALF_WIDTH + 1, MOUTH_HALF_WIDTH - 14, ax)
    above = np.clip((MOUTH_ROW - y) / np.maximum(up, 0.8), 0.0, 3.0)
    below = np.clip((y - MOUTH_ROW) / np.maximum(down, 0.8), 0.0, 3.0)
    dz += 3.4 * fade * np.exp(-(((above - 0.62) / 0.62) ** 2)) * (y <= MOUTH_ROW)
    dz += 4.2 * fade * np.exp(-(((below - 0.55) / 0.60) ** 2)) * (y > MOUTH_ROW)
    gap = np.exp(-(((y - MOUTH_ROW) / 1.5) ** 2))
    base = np.where(y <= MOUTH_ROW, 3.4 * np.exp(-1.0), 4.2 * np.exp(-((0.55 / 0.6) ** 2)))
    dz += fade * gap * (0.6 - base)
    # Corner pits.
    dz -= 2.0 * hill(ax - MOUTH_HALF_WIDTH - 1, y - MOUTH_ROW, 3.5, 3.5)
    return dx, dy, dz


def nose(ax: Array, y: Array) -> Array:
    """Height of the nose above the cheeks: a bridge that runs out into them, tip, wings and nostrils."""
    at = np.clip(y, -24, 60)
    half = _NOSE_HALF(at)
    # Two widths: the bone itself and the slope of its sides into the cheek.
    section = 0.58 * np.exp(-np.log(2.0) * (ax / half) ** 2) + 0.42 * np.exp(-0.5 * (ax / (1.4 * half)) ** 2)
    height = _NOSE_RIDGE(at) * section
    height = smooth_max(height, spheroid(ax, y - 36.0, 10.4, 11.0, 8.0, 15.4), 5.0)
    # The septum carries the tip.
    septum = 9.5 * np.exp(-((ax / 4.0) ** 2)) * smoothstep(52, 45, y) * smoothstep(34, 40, y)
    height = smooth_max(height, septum, 2.0)
    height = smooth_max(height, spheroid(ax - 12.4, y - 40.0, 6.2, 6.8, 2.2, 8.4), 3.4)
    height -= 1.0 * hill(ax - 20.0, y - 40.5, 1.8, 4.5) + 0.5 * hill(ax - 9.5, y - 36.0, 2.2, 4.5)
    nostril = np.exp(-((((ax - 7.0) / 3.6) ** 2) ** 1.5) - (((y - 45.4) / 2.3) ** 2) ** 1.5)
    return height - 4.0 * nostril


def lid_opening(x: Array) -> tuple[Array, Array, Array]:
    """Where the lid margins of the open, neutral eye lie at |x|.

    Returns:
        Heights of upper margin (negative), lower margin (positive) relative to the line between the
        canthi, and the height of that line itself, in mm.
    """
    t = np.clip((np.abs(x) - EYE_MIDDLE) / EYE_HALF_WIDTH, -1.0, 1.0)
    shape_up = (1.0 - np.abs(t) ** 2.2) ** 0.82 * (1.0 - 0.10 * t)
    shape_down = (1.0 - np.abs(t) ** 2.2) ** 0.95 * (1.0 + 0.20 * t)
    tilt = -0.9 * t + 0.4
    return -4.7 * shape_up, 4.7 * shape_down, tilt

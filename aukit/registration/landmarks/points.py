"""The points that our network reads off a face: 68 landmarks, then places all over the facial mask.

The places lie on the mean head of the procedural face basis: first some on the middle line, then pairs, all
    of
the person's right side before all of the left.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LANDMARKS = 68
MIDLINE, PAIRS = 16, 120
DENSE = MIDLINE + 2 * PAIRS
POINTS = LANDMARKS + DENSE


def mirrored() -> npt.NDArray[np.int64]:
    """Which point of a face becomes each point of its mirror image. [POINTS]."""
    marks = [
        *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1),
        *(45, 44, 43, 42, 47, 46), *(39, 38, 37, 36, 41, 40),
        *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1),
    ]  # fmt: skip
    right = LANDMARKS + MIDLINE
    dense = [
        *range(LANDMARKS, right),
        *range(right + PAIRS, right + 2 * PAIRS),
        *range(right, right + PAIRS),
    ]
    return np.array(marks + dense)

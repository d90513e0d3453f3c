"""Expressions: a displacement field per action unit and side, and the motions of lids and jaw.

Muscle fields follow FACS (Ekman, Friesen and Hager, 2002): direction and place of the skin's movement at
maximum intensity.  Lids slide on the eyeball and the jaw turns about its hinge, so these two are not fields
but motions, given here by their parameters.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aukit.simulation.face import head_shape as hs

Array = NDArray[np.float64]

JAW_HINGE = (14.0, -84.0)
"""y and z of the axis about which the jaw turns, in mm."""
JAW_ANGLE: dict[int, float] = {26: 11.0, 27: 19.5}
"""Turn of the jaw at full activation, in degrees."""
LID_UPPER: dict[int, float] = {
    43: 0.90, 7: 0.14, 6: 0.04, 5: -0.42, 9: 0.06, 4: 0.06, 12: 0.03, 1: -0.05, 2: -0.10,
}  # fmt: skip
"""Share of the open gap by which the upper lid comes down at full activation; negative where it rises."""
LID_LOWER: dict[int, float] = {43: 0.10, 7: 0.32, 6: 0.17, 9: 0.10, 5: -0.06, 12: 0.07}
"""Share of the open gap by which the lower lid comes up."""


def side_weights(x: Array, width: float = 9.0) -> Array:
    """Shares of the person's left (x > 0) and right half at lateral positions x; they sum to 1. [2, N]."""
    left = hs.smoothstep(-width, width, x)
    return np.stack([left, 1.0 - left])


def jaw_weights(position: Array, row: Array, column: Array, lower_lip: NDArray[np.bool_]) -> Array:
    """Share of the jaw's turn that each skin vertex follows. [N] in [0, 1]."""
    x = position[:, 0]
    in_mouth = np.clip(1.0 - (x / hs.MOUTH_HALF_WIDTH) ** 2, 0.0, 1.0) ** 0.7
    # The corners hang between both jaws, so that a wide open mouth is an oval.
    skin = hs.smoothstep(50.0, 98.0, row)
    share = in_mouth * np.where(lower_lip, 1.0, 0.0) + (1 - in_mouth) * skin
    share = share * hs.smoothstep(146.0, 112.0, row) * hs.smoothstep(1.12, 0.92, np.abs(column))
    return np.asarray(np.nan_to_num(share))


class _Muscles:
    """Fields over the neutral face at given positions."""

    def __init__(self, position: Array, lower_lip: NDArray[np.bool_]) -> None:
        self.x, self.y, self.z = position.T
        self.ax, self.sg = np.abs(self.x), hs.smooth_sign(self.x)
        self.low = lower_lip.astype(np.float64)
        self.up = 1.0 - self.low
        self.front = hs.smoothstep(-75, -45, self.z)
        t = np.clip(self.ax / hs.MOUTH_HALF_WIDTH, 0, 1)
        self.open = (1 - t**3) ** 0.7
        """1 at the middle of the lips, 0 from the corners on."""
        self.t = t
        dy = self.y - hs.MOUTH_ROW
        self.dy = dy
        self.ring = hs.smoothstep(30, 8, np.hypot(self.x / 1.25, dy)) * self.front
        """The muscle ring round the mouth with its surroundings."""
        self.upper_lip = self.up * self.open * hs.smoothstep(24, 3, -dy) * self.front
        self.lower_lip = self.low * self.open * hs.smoothstep(24, 4, dy) * self.front

    def at(self, x: float, y: float, rx: float, ry: float, power: float = 1.5) -> Array:
        """A hill with compact support on both sides."""
        return hs.bump(self.ax - x, self.y - y, rx, ry, power) * self.front

    def brow(self, centre: float, inner: float, outer: float) -> Array:
        """The brow's skin from the lid fold to the hairline, most at `centre` (mm from the midline)."""
        width = np.where(self.ax < centre, inner, outer)
        across = np.exp(-0.5 * ((self.ax - centre) / width) ** 2)
        height = hs.smoothstep(-8.5, -21, self.y) * (0.08 + 0.92 * hs.smoothstep(-68, -26, self.y))
        return np.asarray(across * height * self.front)

    def corners(self, up: float, down: float, side: float) -> tuple[Array, Array]:
        """Pull at the corners of the mouth, sideways and up.

        Lips follow in proportion to |x|; the skin around yields less and less, up to so many mm above, below
        and (from the midline) beside the mouth.
        """
        along = np.where(self.dy < 0, hs.smoothstep(up, 3, -self.dy), hs.smoothstep(down, 4, self.dy))
        outside = hs.smoothstep(side, 24, self.ax)
        pull = np.where(self.ax < hs.MOUTH_HALF_WIDTH, self.t, outside) * along * self.front
        # The middle of the lips stays where it is.
        return pull, pull * np.where(self.ax < hs.MOUTH_HALF_WIDTH, self.t, 1.0)

    def border(self) -> tuple[Array, Array]:
        """Weights of the skin at the border of upper and lower lip, 0 on the mouth line."""
        upper = self.up * self.open * hs.hill(self.dy + 7.5, self.dy * 0, 3.6, 1) * self.front
        lower = self.low * self.open * hs.hill(self.dy - 9.5, self.dy * 0, 4.2, 1) * self.front
        return upper, lower


def _fields(m: _Muscles) -> dict[int, tuple[Array | float, Array | float, Array | float]]:
    """(dx, dy, dz) in mm at full activation of both sides."""
    inner, outer = m.brow(13, 13, 13), m.brow(43, 13, 16)
    frown = m.brow(14, 15, 13)
    # The lips' own ring moves little skin, the muscles that pull it much.
    pull, lift = m.corners(22, 22, 58)
    drawn, _ = m.corners(30, 46, 72)
    smile, rise = m.corners(40, 30, 68)
    depressed, fall = m.corners(20, 46, 64)
    border_up, border_low = m.border()
    cheek = m.at(41, 26, 27, 27)
    low_band = hs.smoothstep(62, 72, m.y)
    # Chin skin is carried up with the lower lip; the boss flattens.
    chin = hs.bump(m.x, m.y - 90, 27, 21, 1.2) * m.front
    chin_lip = (
        m.low * hs.smoothstep(20, 2, m.dy) * (0.35 + 0.65 * m.open) * hs.smoothstep(30, 20, m.ax) * m.front
    )
    outside = hs.smoothstep(46, 26, m.ax)
    pucker = hs.smoothstep(34, 10, np.hypot(m.x / 1.15, m.dy)) * m.front
    dimple = m.at(30.5, 67, 7.0, 8.0, 1.2)
    thin = 1.0 - hs.smoothstep(0, 5, np.abs(m.dy))
    return {
        1: (-1.0 * m.sg * inner, -8.5 * inner, 0.8 * inner),
        2: (0.8 * m.sg * outer, -8.0 * outer, -0.9 * outer),
        4: (
            -4.2 * m.sg * frown * hs.smoothstep(1, 9, m.ax),
            7.5 * frown + 2.4 * m.brow(38, 12, 12),
            1.7 * m.at(10, -17, 12, 12),
        ),
        5: (0.0, -1.2 * m.at(31, -10, 17, 7), 0.0),
        6: (
            -1.5 * m.sg * m.at(50, 6, 16, 18),
            -6.0 * cheek + 2.0 * m.at(47, -18, 14, 9) - 1.5 * m.at(34, 13, 19, 8),
            3.6 * m.at(39, 21, 22, 16) + 1.6 * m.at(34, 11, 17, 6),
        ),
        7: (0.0, -0.8 * m.at(31, 11, 18, 8), 0.7 * m.at(31, 8.5, 15, 4.5)),
        9: (
            -1.2 * m.sg * m.at(9, 4, 14, 14) - 1.5 * m.sg * pull,
            -5.5 * m.at(13, 34, 17, 26)
            + 3.6 * frown
            - 3.5 * m.upper_lip * hs.hill(m.ax - 9, m.y * 0, 9, 1)
            + 0.6 * lift,
            1.9 * m.at(8, 2, 11, 13) + 1.2 * m.at(19, 16, 10, 12),
        ),
        10: (
            0.8 * m.sg * m.at(17, 52, 14, 14) + 0.8 * m.sg * pull,
            -7.0 * m.upper_lip * (0.72 + 0.28 * hs.hill(m.ax - 11, m.y * 0, 7, 1))
            - 3.0 * m.at(19, 46, 15, 18)
            - 1.2 * m.up * m.at(25, 68, 10, 9),
            1.2 * m.upper_lip + 1.8 * m.at(27, 46, 10, 14),
        ),
        11: (
            1.2 * m.sg * m.at(22, 52, 14, 16),
            -3.6 * m.at(20, 52, 15, 20),
            1.5 * m.at(26, 45, 9, 14) - 1.0 * m.at(20, 54, 4, 12),
        ),
        12: (
            7.8 * m.sg * smile,
            -7.6 * rise - 3.0 * cheek + 1.2 * border_up - 1.6 * border_low,
            -5.0 * smile * m.t**2 * outside + 4.0 * m.at(42, 34, 20, 22) - 1.3 * m.ring * m.open,
        ),
        13: (
            3.6 * m.sg * pull,
            -6.4 * lift - 2.0 * cheek,
            4.2 * m.at(38, 52, 15, 16) - 1.0 * m.at(29, 64, 7, 8),
        ),
        14: (
            4.0 * m.sg * pull - 2.0 * m.sg * m.at(45, 66, 13, 18),
            -0.6 * lift,
            -3.6 * dimple
            - 2.4 * pull * m.t**2
            + 2.6 * m.at(44, 66, 8, 14)
            + 1.4 * m.at(33, 79, 9, 6)
            + 1.4 * m.at(34, 55, 9, 6),
        ),
        15: (
            # A line of lips that bends down spans less.
            -4.2 * m.sg * depressed,
            6.4 * fall + 1.5 * m.at(28, 80, 16, 14),
            -1.0 * pull + 1.6 * m.at(28, 82, 9, 8),
        ),
        16: (1.0 * m.sg * m.lower_lip + 0.8 * m.sg * pull, 5.5 * m.lower_lip, 1.8 * m.lower_lip * thin),
        17: (
            -0.8 * m.sg * chin * hs.smoothstep(2, 12, m.ax) - 2.8 * m.sg * pull,
            -6.5 * chin_lip
            - 6.0 * chin
            - 2.6 * m.upper_lip * hs.smoothstep(14, 0, -m.dy)
            + 0.7 * lift * low_band,
            3.4 * chin_lip * thin - 1.4 * m.at(0, 98, 18, 9) + 2.2 * hs.hill(m.x, m.y - 88, 12, 4) * m.front,
        ),
        18: (
            -6.2 * m.sg * pull * hs.smoothstep(0, 12, m.ax),
            2.8 * border_low - 2.4 * border_up,
            6.5 * pucker,
        ),
        20: (
            6.2 * m.sg * drawn,
            -0.5 * rise + 0.7 * border_up - 0.9 * border_low,
            -4.0 * drawn * m.t * outside - 0.8 * m.ring,
        ),
        22: (-2.4 * m.sg * pull, -3.0 * m.upper_lip + 3.2 * m.lower_lip, 6.0 * pucker),
        23: (
            -2.0 * m.sg * pull,
            3.2 * border_up - 2.6 * border_low,
            -1.2 * m.ring * thin + 0.9 * m.ring * (1 - thin),
        ),
        24: (
            -1.2 * m.sg * pull,
            4.9 * border_up - 3.9 * border_low,
            -2.2 * m.ring * thin + 1.5 * (border_up + border_low),
        ),
        25: (0.6 * m.sg * pull, -2.0 * m.upper_lip + 4.6 * m.lower_lip, 0.0),
        26: (0.6 * m.sg * pull, -1.2 * m.upper_lip, 0.0),
        27: (1.2 * m.sg * pull, -2.6 * m.upper_lip, 0.0),
        28: (-1.0 * m.sg * pull, 7.4 * border_up - 6.2 * border_low, -5.0 * m.ring * thin),
        43: (0.0, 0.5 * m.at(32, -17, 18, 8) + 0.7 * m.brow(31, 18, 18), 0.0),
    }


def expression_basis(aus: tuple[int, ...], position: Array, lower_lip: NDArray[np.bool_]) -> Array:
    """Displacements in mm per action unit and side at full activation.

    Args:
        aus: Action units wanted, in this order.
        position: [N, 3] neutral positions on the skin.
        lower_lip: [N] below the mouth line, on its own side of it.

    Returns:
        [A, 2, N, 3]; side 0 is the person's left (x > 0). Both sides together make the whole field.
    """
    muscles = _Muscles(position, lower_lip)
    sides = side_weights(position[:, 0])
    fields = _fields(muscles)
    basis = np.zeros((len(aus), 2, len(position), 3))
    for a, au in enumerate(aus):
        whole = np.stack([np.broadcast_to(f, muscles.x.shape) for f in fields[au]], -1)
        basis[a] = sides[:, :, None] * whole
    return basis


def motion_table(aus: tuple[int, ...], shares: dict[int, float]) -> Array:
    """A row of coefficients in the order of `aus` (0 where an action unit has no part)."""
    return np.array([shares.get(au, 0.0) for au in aus])

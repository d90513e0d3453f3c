"""Materials: what a triangle of a rendered person is made of."""

from enum import IntEnum


class Material(IntEnum):
    """Material of one triangle; the shading kernels and the stored arrays hold its number."""

    SKIN = 0
    EYE = 1
    TEETH = 2
    MOUTH = 3
    CLOTH = 4
    HAIR = 5
    CAP = 6

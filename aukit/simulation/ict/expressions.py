"""Action units of the ICT head: which of ICT-FaceKit's shapes make each of them, and how strongly.

ICT-FaceKit's shapes follow ARKit's blend shapes, which are no action units.  Where its authors name a shape
for an AU we mostly take it; the differences, all ours:

- **6** is ``cheekRaiser`` (beside ICT-FaceKit's own list) rather than ``cheekSquint``, which moves less.
- **10** is ``mouthUpperUp``, so that the upper lip rises, with a trace of ``mouthStretch``; ICT-FaceKit has
  ``mouthShrugUpper``.
- **11** has no shape. The zygomaticus minor lifts the middle of the nasolabial furrow: a cheek's part
  (``cheekSquint``) and a little of the upper lip's outer part.
- **13** has no shape. The levator anguli oris draws the corners up, hardly outwards, and the cheeks bulge:
  ``mouthSmile`` with half of its sideways part, and a trace of ``cheekPuff``.
- **12**, **15** and **17** go beyond their shapes, which are no extremes (``mouthSmile``, ``mouthFrown``,
  ``mouthShrugLower``).
- **14** stretches the mouth (``mouthStretch``), where ``mouthDimple`` draws the corners in alone.
- **15** draws the corners inwards where ``mouthFrown`` draws them outwards; **17** and **28** keep nothing of
  their shapes' sideways part, which widens the mouth, and **17** puckers a little.
- **20** is ``mouthStretch``, which draws the corners down as well, with some ``mouthSmile``: straight aside.
- **22** is three quarters of ``mouthFunnel``, but draws the corners in as far.
- **23** has no shape: both lips rolled in a little (the lower less, since it draws the chin along) and
  drawn together.
- **25** has no shape: lower lip down, upper lip slightly up, jaw at rest.
- **26** is a third of ``jawOpen``, **27** most of it; the upper lip rises a little, so that teeth show, and
  the corners of **27** come in by a fifth as much, so that the mouth stays an oval.

The shapes come from whole faces in motion and bring neighbours along: ``noseSneer`` bares the teeth,
``cheekRaiser`` moves the jaw.  What lies beside the regions of an AU (`aukit.facs.AU_REGIONS`) therefore
fades out over 22 mm (10 mm round the mouth), except where the jaw carries all below the mouth (26, 27).

Shapes with ``_L`` and ``_R`` act per side; the others are split by smooth weights over the midline, so that
left and right together are the whole.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from aukit.facs import AU_REGIONS, FACE_REGIONS, FaceRegion
from aukit.simulation.face.expressions import side_weights
from aukit.simulation.face.head_shape import smoothstep

Array = NDArray[np.float64]


class Share(NamedTuple):
    """A shape's part in an action unit: name without side, weight, and how much of its sideways motion."""

    shape: str
    weight: float = 1.0
    sideways: float = 1.0


AU_SHAPES: dict[int, tuple[Share, ...]] = {
    1: (Share("browInnerUp"),),
    2: (Share("browOuterUp"),),
    4: (Share("browDown"),),
    5: (Share("eyeWide"),),
    6: (Share("cheekRaiser"),),
    7: (Share("eyeSquint"),),
    9: (Share("noseSneer"),),
    10: (Share("mouthUpperUp"), Share("mouthStretch", 0.32)),
    11: (Share("cheekSquint", 0.5), Share("mouthUpperUp", 0.3)),
    12: (Share("mouthSmile", 1.2),),
    13: (Share("mouthSmile", 0.8, sideways=0.5), Share("cheekPuff", 0.12)),
    14: (Share("mouthDimple", 0.7), Share("mouthStretch", 0.6)),
    15: (Share("mouthFrown", 1.4, sideways=-0.8),),
    16: (Share("mouthLowerDown"),),
    17: (Share("mouthShrugLower", 1.5, sideways=0.0), Share("mouthPucker", 0.15)),
    18: (Share("mouthPucker"),),
    20: (Share("mouthStretch", 0.62), Share("mouthSmile", 0.17)),
    22: (Share("mouthFunnel", 0.75, sideways=1.8),),
    23: (Share("mouthRollUpper", 0.4), Share("mouthRollLower", 0.3), Share("mouthPucker", 0.5)),
    24: (Share("mouthPress"),),
    25: (Share("mouthLowerDown", 0.6), Share("mouthUpperUp", 0.2)),
    26: (Share("jawOpen", 0.35), Share("mouthUpperUp", 0.1)),
    27: (Share("jawOpen", 0.82, sideways=0.2), Share("mouthUpperUp", 0.3)),
    28: (Share("mouthRollUpper", sideways=0.0), Share("mouthRollLower", sideways=0.0)),
    43: (Share("eyeBlink"),),
}
"""Shapes per action unit at full activation."""

FADE, RING_FADE = 22.0, 10.0
"""Distance from the regions of an action unit in mm at which it ends; round the mouth it ends sooner."""
RING_AUS = (14, 18, 22, 23, 24, 28)
SPARED: dict[int, tuple[FaceRegion, ...]] = {9: ("upper lip",)}
"""Regions that an action unit reaches by its fade alone."""
JAW_AUS = (26, 27)
LID_AUS = (5, 7)
"""Action units whose lids give way to a closing eye (43): both would shut the eye beyond itself."""


def au_reach(aus: tuple[int, ...], position: Array, region: NDArray[np.int64]) -> Array:
    """How far each vertex follows each action unit: 1 in its regions, 0 beyond the fade.

    Args:
        aus: Action units wanted, in this order.
        position: [N, 3] mean head in mm.
        region: [N] as of `aukit.simulation.face_regions`.

    Returns:
        [A, N] in [0, 1].
    """
    reach = np.ones((len(aus), len(position)))
    for share, au in zip(reach, aus, strict=True):
        if au not in JAW_AUS:
            names = set(AU_REGIONS[au]) - set(SPARED.get(au, ()))
            own = np.isin(region, [FACE_REGIONS.index(name) for name in names])
            distance, _ = cKDTree(position[own]).query(position)
            share[:] = smoothstep(RING_FADE if au in RING_AUS else FADE, 0.0, distance)
    return reach


def au_fields(aus: tuple[int, ...], shapes: dict[str, Array], x: Array) -> Array:
    """Displacements per action unit and side at full activation.

    Args:
        aus: Action units wanted, in this order.
        shapes: [N, 3] displacements by shape name.
        x: [N] lateral position of the vertices in mm.

    Returns:
        [A, 2, N, 3] in the unit of `shapes`; side 0 is the person's left.
    """
    sides = side_weights(x)[..., None]
    fields = np.zeros((len(aus), 2, len(x), 3))
    for field, au in zip(fields, aus, strict=True):
        for share in AU_SHAPES[au]:
            if share.shape in shapes:
                parts = sides * shapes[share.shape]
            else:
                parts = np.stack([shapes[f"{share.shape}_{side}"] for side in "LR"])
            field += share.weight * parts * [share.sideways, 1.0, 1.0]
    return fields


def lid_fields(shapes: dict[str, Array]) -> Array:
    """Displacements of lids that follow an eye down and up, per side. [2 (down, up), 2, N, 3]."""
    return np.array([[shapes[f"eyeLook{way}_{side}"] for side in "LR"] for way in ("Down", "Up")])

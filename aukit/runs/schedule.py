"""How learning rates fall over a run."""

from __future__ import annotations

import math

__all__ = ["cosine_decay"]

_FINAL_SHARE = 0.03


def cosine_decay(progress: float) -> float:
    """Share of the learning rate: half a cosine from 1 at the run's beginning down to 3 % at its end.

    Args:
        progress: Share of the run that is done; 1 and more give 3 %.
    """
    fall = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return _FINAL_SHARE + (1 - _FINAL_SHARE) * fall

"""AU tracker noise: how a face moved → what a commercial expression tracker would report.

It stands between a stand-in corpus and the avatars that its frames drive, so that avatars follow a driving
face no better than they would a real one. It is fed with coded labels, never with the truth behind a picture.
Every constant is our choice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aukit.facs import VISIBLE_AUS
from aukit.simulation.behaviour.intensity_curves import event_process
from aukit.simulation.behaviour.landmark_noise import failures

WEAK: dict[int, float] = {
    6: 0.8,
    7: 0.7,
    14: 0.5,
    15: 0.6,
    17: 0.7,
    18: 0.8,
    20: 0.7,
    23: 0.3,
    24: 0.5,
    28: 0.6,
}
"""Share of a movement that is seen, for movements without a landmark or blendshape of their own; else 1."""

_FPS = 25.0  # of the drift; recordings with other rates drift as many frames


@dataclass(frozen=True)
class AUTrackerNoise:
    """How large the errors of the tracker are.

    Attributes:
        gain: Spread (of the logarithm) of its calibration for each person and AU.
        lag: Shortest and longest delay in frames, one per recording.
        drift: Standard deviation of the slow error.
        jitter: Standard deviation of the error from frame to frame.
        threshold: Movements below it are taken for rest.
        failure: Share of frames without a result, in stretches.
    """

    gain: float = 0.15
    lag: tuple[float, float] = (0.5, 2.0)
    drift: float = 0.04
    jitter: float = 0.02
    threshold: float = 0.06
    failure: float = 0.01


def add_au_tracker_noise(
    activations: npt.NDArray[np.float32],
    person_rng: np.random.Generator,
    rng: np.random.Generator,
    noise: AUTrackerNoise,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Activations as a tracker would give them.

    Args:
        activations: [T, A] movements in [0, 1], columns as in `VISIBLE_AUS`. An AU that never
            moves was not coded: it stays at rest.
        person_rng: Source of the calibration.
        rng: Source of all else.
        noise: How large the errors are.

    Returns:
        float32 [T, A] in [0, 1], and bool [T]: frames where it failed.
    """
    n_frames, n_aus = activations.shape
    weak = np.array([WEAK.get(au, 1.0) for au in VISIBLE_AUS])
    gains = weak * np.exp(person_rng.normal(0.0, noise.gain, n_aus))
    time = np.arange(n_frames, dtype=np.float64)
    seen_at = time - rng.uniform(*noise.lag)
    late = np.stack([np.interp(seen_at, time, column) for column in activations.T], axis=1)
    error = noise.drift * event_process(rng, n_frames, _FPS, n_aus)
    error += noise.jitter * rng.standard_normal((n_frames, n_aus))
    moved = activations.max(axis=0) > 0
    tracked = np.where(moved, late * gains + error, 0.0)
    tracked[tracked < noise.threshold] = 0.0
    return np.clip(tracked, 0.0, 1.0).astype(np.float32), failures(rng, n_frames, noise.failure)

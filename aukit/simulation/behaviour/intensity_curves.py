"""Intensity curves of action units over time: onset, apex, offset, with given rates, levels and correlations.

A curve starts as a latent activation with unit normal distribution that rests at a random height (apex or
neutral), moves smoothly to the next one (onset, offset) and rests again. Mixing two independent heights as
cos·a + sin·b keeps the distribution the same at every instant, so a fixed map from latent activation to
intensity gives the wanted rate and levels exactly in expectation, and correlated latent activations give
correlated AUs. Every constant is our choice unless its comment names a source; a change of any of them raises
the version of the stand-ins (`aukit.simulation.corpora.config.STANDIN_VERSION`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from aukit.facs import VISIBLE_AUS

Array = npt.NDArray[np.float64]

# Occurrence rates. BP4D: positives of the FG-Net frame lists over their 146,423 frames.
_BP4D_POSITIVES = {
    1: 30_846, 2: 24_932, 4: 29_663, 6: 67_492, 7: 80_433, 10: 86_944, 12: 82_229, 14: 68_255, 15: 24_798,
    17: 50_333, 23: 24_192, 24: 22_181,
}  # fmt: skip
RATES: dict[int, float] = {
    **{au: n / 146_423 for au, n in _BP4D_POSITIVES.items()},
    # AUs without a published rate: present, seldom and never coded.
    5: 0.06, 9: 0.06, 11: 0.08, 13: 0.03, 16: 0.05, 18: 0.04, 20: 0.06, 22: 0.02, 28: 0.02,
}  # fmt: skip
"""Share of frames in which each AU is present. 25, 26, 27 come from speech, 43 from blinks (see `person`)."""


def simulated_aus(rates: Mapping[int, float]) -> tuple[int, ...]:
    """AUs that have an intensity curve, in the order of `VISIBLE_AUS`."""
    return tuple(au for au in VISIBLE_AUS if au in rates)


SIMULATED_AUS: tuple[int, ...] = simulated_aus(RATES)
LEVEL_SHARES = (0.40, 0.30, 0.18, 0.09, 0.03)
"""Levels A to E among frames in which an AU is present."""

FACTORS = ("smile", "brow raise", "frown", "mouth press", "open mouth")
"""Causes that several AUs share."""
# Loadings of each AU on the factors; two AUs correlate by the sum of the products of theirs.
LOADINGS: dict[int, tuple[float, ...]] = {
    1: (0.0, 0.80, 0.20, 0.0), 2: (0.0, 0.80, -0.20, 0.0), 4: (0.0, 0.0, 0.65, 0.0), 5: (0.0, 0.40, 0.0, 0.0),
    6: (0.75, 0.0, 0.0, 0.0), 7: (0.50, 0.0, 0.40, 0.0), 9: (0.0, 0.0, 0.50, 0.0), 10: (0.60, 0.0, 0.20, 0.0),
    11: (0.40, 0.0, 0.0, 0.0), 12: (0.75, -0.10, 0.0, 0.0), 14: (0.20, 0.0, 0.0, 0.35),
    15: (-0.20, 0.0, 0.20, 0.50), 17: (-0.10, 0.0, 0.10, 0.60), 23: (0.0, 0.0, 0.0, 0.50),
    24: (-0.10, 0.0, 0.0, 0.50), 25: (0.25, 0.0, 0.0, -0.20, 0.70), 26: (0.0, 0.10, 0.0, -0.20, 0.75),
}  # fmt: skip

# Variance of the latent activations: between people, between recordings of one person, within a recording.
PERSON_SHARE, RECORDING_SHARE = 0.08, 0.17

GENDER_SHIFT: dict[int, float] = {1: 0.05, 4: -0.08, 6: 0.06, 12: 0.08, 15: 0.03, 17: -0.05, 23: -0.05}
"""Mild difference of base rates: added to women's latent activations (of unit variance), else subtracted."""

TRANSITION_SECONDS = (0.3, 1.5)
HOLD_SECONDS = (0.4, 2.0)

_SUBTHRESHOLD = 0.08  # share of frames just below presence, in which the face already moves a little


def event_process(
    rng: np.random.Generator,
    n_frames: int,
    fps: float,
    channels: int,
    hold: tuple[float, float] = HOLD_SECONDS,
    transition: tuple[float, float] = TRANSITION_SECONDS,
) -> Array:
    """Independent unit-normal processes [T, C] that rest and move in turn.

    Args:
        rng: Source of all randomness.
        n_frames: Length T.
        fps: Frames per second.
        channels: Number of processes C.
        hold: Shortest and longest rest in seconds.
        transition: Shortest and longest movement in seconds.
    """
    seconds = n_frames / fps
    events = int(np.ceil((seconds + hold[1] + transition[1]) / (hold[0] + transition[0]))) + 1
    rests = rng.uniform(*hold, (channels, events))
    moves = rng.uniform(*transition, (channels, events))
    heights = rng.standard_normal((channels, events + 1))
    # Start anywhere in the first rest-and-move, so that time 0 is no special moment.
    start = -rng.uniform(0.0, 1.0, channels) * (rests[:, 0] + moves[:, 0])
    ends = start[:, None] + np.cumsum(rests + moves, axis=1)
    time = (np.arange(n_frames) / fps)[:, None]
    begins = np.concatenate([start[:, None], ends], axis=1)
    index = (time[:, :, None] >= begins[:, 1:]).sum(axis=2).clip(max=events - 1)  # [T, C]
    channel = np.arange(channels)
    # Share of the movement that ends event `index`; 0 during the rest before it.
    left = begins[channel, index + 1] - time
    mix = 0.5 * np.pi * _smooth(np.clip(1.0 - left / moves[channel, index], 0.0, 1.0))
    result: Array = np.cos(mix) * heights[channel, index] + np.sin(mix) * heights[channel, index + 1]
    return result


def latent_activations(
    person_rng: np.random.Generator,
    recording_rng: np.random.Generator,
    n_frames: int,
    fps: float,
    gender: str | None,
    aus: Sequence[int] = SIMULATED_AUS,
    recording_share: float = RECORDING_SHARE,
) -> Array:
    """Latent activations [T, A] of AUs for one recording.

    Args:
        person_rng: Generator that depends on the person only; gives what the person always does.
        recording_rng: Generator of this recording.
        n_frames: Length T.
        fps: Frames per second.
        gender: ``female`` or ``male``; shifts the base rates mildly (`GENDER_SHIFT`). None for no shift.
        aus: Which AUs.
        recording_share: Variance between recordings of one person.
    """
    loadings = loading_matrix(aus)
    n_aus, n_factors = loadings.shape
    channels = n_factors + n_aus
    base = (
        np.sqrt(PERSON_SHARE) * person_rng.standard_normal(channels)
        + np.sqrt(recording_share) * recording_rng.standard_normal(channels)
        + np.sqrt(1 - PERSON_SHARE - recording_share) * event_process(recording_rng, n_frames, fps, channels)
    )
    own = np.sqrt(1 - (loadings**2).sum(axis=1))
    shift = np.array([GENDER_SHIFT.get(au, 0.0) for au in aus])
    sign = {"female": 1.0, "male": -1.0, None: 0.0}[gender]
    result: Array = base[:, :n_factors] @ loadings.T + base[:, n_factors:] * own + sign * shift
    return result


def intensities(latent: Array, rates: Mapping[int, float] = RATES) -> Array:
    """Continuous intensities [T, A], 0..5.5, of latent activations: level k is k ± 0.5, below 0.5 is absent.

    Args:
        latent: [T, A] of the AUs `simulated_aus(rates)`.
        rates: Share of frames in which each AU is present.
    """
    curves = [_curve(rates[au]) for au in simulated_aus(rates)]
    return np.stack([np.interp(ndtr(latent[:, i]), *curve) for i, curve in enumerate(curves)], axis=1)


def exact_levels(intensity: Array) -> npt.NDArray[np.int64]:
    """Levels 0..5 that a perfect annotator would code."""
    return np.clip(np.floor(intensity + 0.5), 0, 5).astype(np.int64)


def loading_matrix(aus: Sequence[int] = SIMULATED_AUS) -> Array:
    """Loadings [A, F] of AUs on those of `FACTORS` that concern any of them."""
    matrix = np.array([(*LOADINGS.get(au, ()), *[0.0] * len(FACTORS))[: len(FACTORS)] for au in aus])
    return matrix[:, np.any(matrix != 0, axis=0)]


@cache
def _curve(rate: float) -> tuple[Any, Any]:
    edges = 1 - rate + rate * np.concatenate([[0.0], np.cumsum(LEVEL_SHARES)])
    quantiles = np.concatenate([[max(0.0, 1 - rate - _SUBTHRESHOLD)], edges])
    return quantiles, np.array([0.0, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5])


def _smooth(t: Array) -> Array:
    return t * t * (3 - 2 * t)

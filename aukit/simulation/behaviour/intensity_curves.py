"""Intensity tracks of action units over time: onset, apex, offset, with given rates, levels and correlations.

A track starts as a hidden drive with unit normal distribution that rests at a random height (apex or
neutral), moves smoothly to the next one (onset, offset) and rests again. Mixing two independent heights as
cos·a + sin·b keeps the distribution the same at every instant, so a fixed map from drive to intensity gives
the wanted rate and levels exactly in expectation, and correlated drives give correlated AUs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from aukit.simulation.corpora import config as r

Array = npt.NDArray[np.float64]

_SUBTHRESHOLD = 0.08  # share of frames just below presence, in which the face already stirs


def event_process(
    rng: np.random.Generator,
    n_frames: int,
    fps: float,
    channels: int,
    hold: tuple[float, float] = r.HOLD_SECONDS,
    transition: tuple[float, float] = r.TRANSITION_SECONDS,
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


def drives(
    person_rng: np.random.Generator,
    recording_rng: np.random.Generator,
    n_frames: int,
    fps: float,
    gender: str,
    aus: Sequence[int] = r.TRACK_AUS,
    recording_share: float = r.RECORDING_SHARE,
) -> Array:
    """Hidden drives [T, A] of AUs for one recording.

    Args:
        person_rng: Generator that depends on the person only; gives what the person always does.
        recording_rng: Generator of this recording.
        n_frames: Length T.
        fps: Frames per second.
        gender: ``female`` or ``male``; shifts the base rates mildly (`recipe.GENDER_SHIFT`).
        aus: Which AUs.
        recording_share: Variance between recordings of one person.
    """
    loadings = r.loading_matrix(aus)
    n_aus, n_factors = loadings.shape
    channels = n_factors + n_aus
    base = (
        np.sqrt(r.PERSON_SHARE) * person_rng.standard_normal(channels)
        + np.sqrt(recording_share) * recording_rng.standard_normal(channels)
        + np.sqrt(1 - r.PERSON_SHARE - recording_share)
        * event_process(recording_rng, n_frames, fps, channels)
    )
    own = np.sqrt(1 - (loadings**2).sum(axis=1))
    shift = np.array([r.GENDER_SHIFT.get(au, 0.0) for au in aus])
    sign = 1.0 if gender == "female" else -1.0
    result: Array = base[:, :n_factors] @ loadings.T + base[:, n_factors:] * own + sign * shift
    return result


def intensities(drive: Array, rates: Mapping[int, float] = r.RATES) -> Array:
    """Continuous intensities [T, A], 0..5.5, of drives: level k is k ± 0.5, below 0.5 is absent.

    Args:
        drive: [T, A] of `recipe.track_aus(rates)`.
        rates: Share of frames in which each AU is present.
    """
    curves = [_curve(rates[au]) for au in r.track_aus(rates)]
    return np.stack([np.interp(ndtr(drive[:, i]), *curve) for i, curve in enumerate(curves)], axis=1)


def exact_levels(intensity: Array) -> npt.NDArray[np.int64]:
    """Levels 0..5 that a perfect coder would give."""
    return np.clip(np.floor(intensity + 0.5), 0, 5).astype(np.int64)


@cache
def _curve(rate: float) -> tuple[Any, Any]:
    edges = 1 - rate + rate * np.concatenate([[0.0], np.cumsum(r.LEVEL_SHARES)])
    quantiles = np.concatenate([[max(0.0, 1 - rate - _SUBTHRESHOLD)], edges])
    return quantiles, np.array([0.0, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5])


def _smooth(t: Array) -> Array:
    return t * t * (3 - 2 * t)

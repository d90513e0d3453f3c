"""Simulated FACS annotators: label files hold what they code, never the parameters behind a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from aukit.datasets.label_files import NOT_CODED
from aukit.simulation.behaviour.intensity_curves import event_process, exact_levels


@dataclass(frozen=True)
class AnnotatorSettings:
    """How good a simulated FACS annotator is; all numbers are our choice.

    Attributes:
        jitter_seconds: Onsets and offsets are off by up to ±3 frames of the corpus's 25 per second, that is
            ±0.12 s at any frame rate.
        level_error: Share of present frames coded one level too high or too low, in stretches.
        error_seconds: Mean length of such a stretch.
        miss: Probability that an event that never exceeds level A is overlooked.
        not_coded: Probability that an AU of a recording has a stretch coded 9, of 10–30 % of its frames.
    """

    jitter_seconds: float = 3 / 25
    level_error: float = 0.15
    error_seconds: float = 0.6
    miss: float = 0.25
    not_coded: float = 0.05


def annotate(
    intensity: npt.NDArray[np.float64], fps: float, rng: np.random.Generator, settings: AnnotatorSettings
) -> npt.NDArray[np.int64]:
    """Codes of one annotator for one recording.

    Args:
        intensity: True continuous intensities [T, A], 0..5.5.
        fps: Frames per second.
        rng: The annotator's generator; another generator is another annotator.
        settings: How good the annotator is.

    Returns:
        [T, A] codes 0..5, 9 = not coded.
    """
    codes = exact_levels(_shifted(intensity, fps, rng, settings.jitter_seconds))
    codes = _misjudged(codes, fps, rng, settings)
    for a in range(codes.shape[1]):
        for start, end in _runs(codes[:, a] > 0):
            if codes[start:end, a].max() == 1 and rng.random() < settings.miss:
                codes[start:end, a] = 0
        if rng.random() < settings.not_coded:
            length = max(1, round(rng.uniform(0.1, 0.3) * len(codes)))
            start = int(rng.integers(0, len(codes) - length + 1))
            codes[start : start + length, a] = NOT_CODED
    return codes


def occurrence(codes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Occurrence codes of intensity codes: present from A on; 9 stays 9."""
    return np.where(codes == NOT_CODED, NOT_CODED, (codes >= 1).astype(np.int64))


def _shifted(
    intensity: npt.NDArray[np.float64], fps: float, rng: np.random.Generator, seconds: float
) -> npt.NDArray[np.float64]:
    """The curves as seen by someone whose onsets and offsets are off by up to ± `seconds`."""
    n_frames, n_aus = intensity.shape
    knots = np.arange(0, n_frames + fps, 0.5 * fps)  # a new error every half second
    errors = rng.uniform(-seconds, seconds, (len(knots), n_aus)) * fps
    time = np.arange(n_frames, dtype=np.float64)
    seen = [
        np.interp(time + np.interp(time, knots, errors[:, a]), time, intensity[:, a]) for a in range(n_aus)
    ]
    return np.stack(seen, axis=1)


def _misjudged(
    codes: npt.NDArray[np.int64], fps: float, rng: np.random.Generator, settings: AnnotatorSettings
) -> npt.NDArray[np.int64]:
    """One level too high or too low in the upper or lower tail of a slow process."""
    mood = event_process(
        rng,
        len(codes),
        fps,
        codes.shape[1],
        (0.5 * settings.error_seconds, settings.error_seconds),
        (0.1, 0.3),
    )
    tail = float(-ndtri(settings.level_error / 2))
    change = (mood > tail).astype(np.int64) - (mood < -tail)
    # An A cannot become weaker without vanishing (misses are separate), an E not stronger: such errors go the
    # other way, so that the share of wrong levels holds.
    change = np.where((codes == 1) & (change < 0), 1, change)
    change = np.where((codes == 5) & (change > 0), -1, change)
    return np.where(codes > 0, codes + change, codes)


def _runs(present: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], present, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]

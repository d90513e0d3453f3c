"""Retargeting: what was coded or tracked → how strongly each muscle of an avatar acts. Arrays in, arrays out.

All results are activations of `aukit.facs.VISIBLE_AUS` in [0, 1], the parameters of every `FaceModel`:

1. `from_labels`: FACS intensities 0 to 5 of a label table, I/5 (our choice: FACS's levels are ordered, their
   distances are not defined). An AU that is not coded rests.
2. `sample_levels`: where a corpus codes presence alone, one level for each event.
3. `smooth`: a zero-phase Gaussian low pass along time, so that steps between levels become movements. It
   neither lags nor overshoots, and works on recordings of any length (a Butterworth or Savitzky–Golay filter
   would leave [0, 1] at each step).
4. `both_sides`: one value per AU → the person's left and right.

Files of trackers (OpenFace, ARKit, py-feat) are read by `aukit.simulation.pairs.tracker_files`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from aukit.errors import CorpusError
from aukit.facs import (
    MAX_INTENSITY,
    SIDED_AUS,
    VISIBLE_AUS,
    VISIBLE_INDEX,
    intensity_column,
    occurrence_column,
)

Array = npt.NDArray[np.float32]

SMOOTHING = 1.0
"""Standard deviation of `smooth` in frames: at 25 frames per second it keeps half the power of 3.3 Hz."""


def from_labels(intensity: npt.NDArray[np.floating], aus: Sequence[int], where: str = "labels") -> Array:
    """Coded intensities → activations.

    Args:
        intensity: [T, K] in 0..5, NaN = not coded.
        aus: The K action units; one that a face cannot show is ignored.
        where: Name of the table for errors.

    Returns:
        float32 [T, A] in [0, 1].

    Raises:
        CorpusError: An intensity outside 0..5, with its row and column.
    """
    intensity = np.asarray(intensity, np.float32)
    if intensity.ndim != 2 or intensity.shape[1] != len(aus):
        raise ValueError(f"intensity must be [T, {len(aus)}], not {intensity.shape}")
    _check_range(intensity, [intensity_column(au) for au in aus], MAX_INTENSITY, where)
    result = np.zeros((len(intensity), len(VISIBLE_AUS)), np.float32)
    for values, au in zip(intensity.T, aus, strict=True):
        if au in VISIBLE_INDEX:
            result[:, VISIBLE_INDEX[au]] = np.nan_to_num(values) / MAX_INTENSITY
    return result


def sample_levels(
    occurrence: npt.NDArray[np.floating],
    aus: Sequence[int],
    shares: Sequence[float],
    rng: np.random.Generator,
    where: str = "labels",
) -> Array:
    """Intensities for codes that only say present or absent.

    Each event (a stretch of frames in which an AU is present) gets one level from A to E.

    Args:
        occurrence: [T, K] 0 or 1, NaN = not coded.
        aus: The K action units.
        shares: How often an event has level A, B, C, D, E.
        rng: Source of the levels; the same generator gives the same levels.
        where: Name of the table for errors.

    Returns:
        float32 [T, K] in 0..5, NaN where not coded.

    Raises:
        CorpusError: Another code, with its row and column.
    """
    occurrence = np.asarray(occurrence, np.float32)
    _check_range(occurrence, [occurrence_column(au) for au in aus], 1, where)
    odds = np.asarray(shares, np.float64)
    odds = odds / odds.sum()
    levels = occurrence.copy()
    for column in levels.T:
        present = np.nan_to_num(column) > 0
        edges = np.flatnonzero(np.diff(np.r_[False, present, False]))
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            column[start:end] = 1 + rng.choice(len(odds), p=odds)
    return levels


def smooth(track: Array, sigma: float = SMOOTHING) -> Array:
    """Low-pass along time without shift; see the module's text.

    Args:
        track: [T, ...] one unbroken recording without NaN.
        sigma: Standard deviation in frames; 0 changes nothing.
    """
    if sigma <= 0 or len(track) < 2:
        return track
    return np.asarray(gaussian_filter1d(track, sigma, axis=0, mode="nearest"), np.float32)


def both_sides(values: Array, asymmetry: npt.NDArray[np.floating] | None = None) -> Array:
    """Left and right of the person from one value per AU.

    Args:
        values: [T, A] activations.
        asymmetry: [A] left share minus right share, e.g. 0.1 = the left moves by 10 % more and the right by
            10 % less; None for a symmetric face. Muscles on the midline (not in `aukit.facs.SIDED_AUS`) stay
            symmetric.

    Returns:
        float32 [T, A, 2] in [0, 1].
    """
    tilt = np.zeros(len(VISIBLE_AUS)) if asymmetry is None else np.asarray(asymmetry, np.float64)
    tilt = np.where([au in SIDED_AUS for au in VISIBLE_AUS], tilt, 0.0)
    sides = values[..., None] * np.stack([1 + tilt, 1 - tilt], axis=-1)
    return np.clip(sides, 0.0, 1.0).astype(np.float32)


def _check_range(values: Array, columns: list[str], top: int, where: str) -> None:
    bad = np.argwhere((values < 0) | (values > top))
    if len(bad):
        row, column = bad[0]
        raise CorpusError(
            f"{where}, row {row}, column {columns[column]}: {values[row, column]:g} is outside 0..{top}; "
            "correct the label, or make it NaN if it is not coded"
        )

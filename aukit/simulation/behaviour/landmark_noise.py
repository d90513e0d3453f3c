"""Landmark noise: true landmarks → a sidecar no better than that of a published landmark detector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aukit.simulation.behaviour.intensity_curves import event_process

# How the variance of the error splits over space: the whole set shifts, scales and turns, neighbouring points
# (jaw, brows, nose, eyes, mouth) move together, and each point errs alone.
_WHOLE, _GROUP = 0.25, 0.35
_GROUPS = ((0, 17), (17, 22), (22, 27), (27, 31), (31, 36), (36, 42), (42, 48), (48, 68))
_RAYLEIGH = 1.2533  # mean length of a 2D normal error over its standard deviation per axis


@dataclass(frozen=True)
class LandmarkNoise:
    """How large the errors of the sidecar's landmarks are.

    Attributes:
        nme: Mean 2D error over √(width·height) of the landmark box in frontal views.
        yaw_growth: Relative growth of the error at 40° of yaw (quadratic in between).
        depth_factor: Error of depth per axis, relative to x and y.
        fixed_share: Share of the variance that is constant within a video (mark-up, identity).
        slow_share: Share that drifts (0.8 s); the rest is jitter from frame to frame.
        failure: Share of frames without a result, in stretches.
    """

    nme: float = 0.033
    yaw_growth: float = 0.25
    depth_factor: float = 2.0
    fixed_share: float = 0.55
    slow_share: float = 0.33
    failure: float = 0.01


def add_landmark_noise(
    landmarks: npt.NDArray[np.float32],
    yaw: npt.NDArray[np.float64],
    fps: float,
    rng: np.random.Generator,
    noise: LandmarkNoise,
) -> npt.NDArray[np.float32]:
    """Landmarks as a detector would give them.

    Args:
        landmarks: True landmarks [T, 68, 3] in pixels.
        yaw: Head yaw per frame [T] in degrees.
        fps: Frames per second.
        rng: Source of all randomness.
        noise: How large the errors are.

    Returns:
        [T, 68, 3] float32; frames where the detector failed are NaN.
    """
    n_frames = len(landmarks)
    size = box_size(landmarks)
    growth = 1.0 + noise.yaw_growth * (yaw / 40.0) ** 2
    sigma = noise.nme / _RAYLEIGH * size * growth
    jitter_share = 1.0 - noise.fixed_share - noise.slow_share
    slow = event_process(rng, n_frames, fps, 68 * 3, (0.1, 0.4), (0.4, 0.8)).reshape(n_frames, 68, 3)
    error = (
        np.sqrt(noise.fixed_share) * _spread(rng.standard_normal((1, 68, 3)))
        + np.sqrt(noise.slow_share) * _spread(slow)
        + np.sqrt(jitter_share) * _spread(rng.standard_normal((n_frames, 68, 3)))
    )
    error *= sigma[:, None, None] * np.array([1.0, 1.0, noise.depth_factor])
    result: npt.NDArray[np.float32] = (landmarks + error).astype(np.float32)
    result[failures(rng, n_frames, noise.failure)] = np.nan
    return result


def box_size(landmarks: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """√(width·height) [T] of the 2D landmark box, the normaliser of NME."""
    extent = landmarks[..., :2].max(axis=1) - landmarks[..., :2].min(axis=1)
    size: npt.NDArray[np.float64] = np.sqrt(extent.prod(axis=-1)).astype(np.float64)
    return size


def _spread(noise: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Mix independent unit noise [T, 68, 3] so that points of a group, and all points, err together."""
    whole = np.sqrt(68) * noise.mean(axis=1, keepdims=True)
    grouped = np.empty_like(noise)
    for start, end in _GROUPS:
        grouped[:, start:end] = np.sqrt(end - start) * noise[:, start:end].mean(axis=1, keepdims=True)
    mixed = np.sqrt(_WHOLE) * whole + np.sqrt(_GROUP) * grouped + np.sqrt(1 - _WHOLE - _GROUP) * noise
    # The three parts share the same noise: bring the variance back to one, group by group.
    scale = np.empty(68)
    for start, end in _GROUPS:
        n = end - start
        a, b, c = np.sqrt(_WHOLE / 68), np.sqrt(_GROUP / n), np.sqrt(1 - _WHOLE - _GROUP)
        scale[start:end] = 1 / np.sqrt((68 - n) * a**2 + (n - 1) * (a + b) ** 2 + (a + b + c) ** 2)
    result: npt.NDArray[np.float64] = mixed * scale[:, None]
    return result


def failures(rng: np.random.Generator, n_frames: int, share: float) -> npt.NDArray[np.bool_]:
    """Stretches of 1 to 3 frames that fail, in all `share` of the frames."""
    failed = np.zeros(n_frames, dtype=bool)
    for start in np.flatnonzero(rng.random(n_frames) < share / 2):
        failed[start : start + int(rng.integers(1, 4))] = True
    return failed

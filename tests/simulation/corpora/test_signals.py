"""Intensity curves, annotators, landmark noise: what needs no picture."""

import numpy as np
import pytest

from aukit.metrics import intraclass_correlation
from aukit.simulation import FERA2017SimulationConfig
from aukit.simulation.behaviour.annotators import AnnotatorSettings, annotate, occurrence
from aukit.simulation.behaviour.intensity_curves import (
    GENDER_SHIFT,
    LEVEL_SHARES,
    RATES,
    SIMULATED_AUS,
    event_process,
    exact_levels,
    intensities,
    latent_activations,
)
from aukit.simulation.behaviour.landmark_noise import LandmarkNoise, add_landmark_noise, box_size
from aukit.simulation.corpora.fera2017 import VIEW_POSES

FPS = 10.0


def world(recordings: int, frames: int = 40) -> np.ndarray:
    """True intensities [R, T, A]; every recording of another person, women and men in turn."""
    return np.stack(
        [
            intensities(
                latent_activations(
                    np.random.default_rng([1, i]),
                    np.random.default_rng([2, i]),
                    frames,
                    FPS,
                    ("female", "male")[i % 2],
                )
            )
            for i in range(recordings)
        ]
    )


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    return world(700)


def column(au: int) -> int:
    return SIMULATED_AUS.index(au)


def test_occurrence_rates_are_those_of_bp4d(truth: np.ndarray) -> None:
    present = exact_levels(truth) > 0
    for au in (1, 4, 6, 7, 10, 12, 14, 15, 17, 23):
        # Recordings are independent, frames are not: the standard error comes from recordings.
        per_recording = present[:, :, column(au)].mean(axis=1)
        error = per_recording.std() / np.sqrt(len(per_recording))
        assert abs(per_recording.mean() - RATES[au]) < 4 * error, au


def test_levels_among_present_frames(truth: np.ndarray) -> None:
    levels = exact_levels(truth)
    shares = np.array([(levels == k).sum() for k in range(1, 6)]) / (levels > 0).sum()
    np.testing.assert_allclose(shares, LEVEL_SHARES, atol=0.015)


def test_smile_and_brow_aus_go_together(truth: np.ndarray) -> None:
    flat = truth.reshape(-1, truth.shape[-1])
    correlation = np.corrcoef(flat.T)
    for a, b in ((6, 10), (6, 12), (10, 12), (1, 2)):
        assert correlation[column(a), column(b)] > 0.25, (a, b)
    assert abs(correlation[column(1), column(12)]) < 0.15


def test_base_rates_differ_mildly_by_gender(truth: np.ndarray) -> None:
    present = (exact_levels(truth) > 0).mean(axis=(0, 1))
    women, men = ((exact_levels(truth[i::2]) > 0).mean(axis=(0, 1)) for i in (0, 1))
    for au, shift in GENDER_SHIFT.items():
        assert abs(women[column(au)] - men[column(au)]) < 0.15, au
        assert abs(shift) <= 0.1
    assert women[column(12)] > men[column(12)]
    assert abs(present[column(12)] - (women + men)[column(12)] / 2) < 1e-9


def test_curves_have_rests_and_smooth_movements() -> None:
    fps = 100.0
    process = event_process(np.random.default_rng(0), 3000, fps, 40)
    speed = np.abs(np.diff(process, axis=0)) * fps
    resting = (speed < 1e-9).mean()
    assert 0.4 < resting < 0.75  # holds of 0.4–2 s against movements of 0.3–1.5 s
    # The fastest movement goes from one height to another in 0.3 s, smoothly: 1.5 times its mean speed.
    assert speed.max() < 1.5 * 0.5 * np.pi * 2 * 4.5 / 0.3
    assert abs(process.std() - 1.0) < 0.05
    assert abs(process.mean()) < 0.05


def test_curves_do_not_depend_on_the_frame_rate() -> None:
    fast = event_process(np.random.default_rng(3), 100, 50.0, 5)
    slow = event_process(np.random.default_rng(3), 20, 10.0, 5)
    np.testing.assert_allclose(fast[::5], slow, atol=1e-9)


def test_annotators_agree_but_not_wholly(truth: np.ndarray) -> None:
    aus = [column(au) for au in (1, 4, 6, 10, 12, 14, 17)]
    coded = []
    for annotator in (1, 2):
        codes = np.concatenate(
            [
                annotate(x, FPS, np.random.default_rng([annotator, i]), AnnotatorSettings())
                for i, x in enumerate(truth[:300])
            ]
        )
        coded.append(np.where(codes == 9, np.nan, codes)[:, aus])
    icc = intraclass_correlation(coded[0], coded[1])
    assert (icc > 0.8).all()
    assert (icc < 0.98).all()


def test_annotation_errors_have_the_stated_size(truth: np.ndarray) -> None:
    settings = AnnotatorSettings(jitter_seconds=0.0, miss=0.0, not_coded=0.0)
    wrong = present = 0
    for i, x in enumerate(truth[:300]):
        codes, levels = annotate(x, FPS, np.random.default_rng(i), settings), exact_levels(x)
        assert np.abs(codes - levels).max() <= 1
        assert ((codes > 0) == (levels > 0)).all()
        wrong += int((codes != levels).sum())
        present += int((levels > 0).sum())
    assert wrong / present == pytest.approx(0.15, abs=0.015)


def test_jitter_moves_onsets_by_at_most_three_of_25_frames() -> None:
    step = np.repeat([0.0, 4.0], 50)[:, None]  # at 25 frames per second
    settings = AnnotatorSettings(level_error=1e-9, miss=0.0, not_coded=0.0)
    onsets = [
        int(np.argmax(annotate(step, 25.0, np.random.default_rng(i), settings)[:, 0] >= 3))
        for i in range(200)
    ]
    assert min(onsets) >= 50 - 4
    assert max(onsets) <= 50 + 4
    assert np.std(onsets) > 0.8


def test_only_traces_are_missed_and_some_stretches_are_not_coded(truth: np.ndarray) -> None:
    settings = AnnotatorSettings(jitter_seconds=0.0, level_error=1e-9, miss=0.5, not_coded=0.3)
    nines = missed = 0
    for i, x in enumerate(truth[:100]):
        codes, levels = annotate(x, FPS, np.random.default_rng(i), settings), exact_levels(x)
        nines += int((codes == 9).sum())
        lost = (codes == 0) & (levels > 0)
        assert levels[lost].max(initial=0) <= 1
        missed += int(lost.sum())
    assert 0.03 < nines / (100 * truth.shape[1] * truth.shape[2]) < 0.10
    assert missed > 0
    assert occurrence(np.array([[0, 1, 5, 9]])).tolist() == [[0, 1, 1, 9]]


def face_points(frames: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (68, 3)) * np.array([60, 60, 40]) + 100
    return np.repeat(points[None], frames, axis=0).astype(np.float32)


def sidecar_errors(yaw: float, frames: int = 60, videos: int = 40) -> tuple[float, np.ndarray]:
    """Mean NME and errors [V, T, 68, 3] of noisy landmarks."""
    clean = face_points(frames)
    tracked = np.stack(
        [
            add_landmark_noise(clean, np.full(frames, yaw), FPS, np.random.default_rng(i), LandmarkNoise())
            for i in range(videos)
        ]
    )
    error = tracked - clean
    distance = np.linalg.norm(error[..., :2], axis=-1) / box_size(clean)[:, None]
    return float(np.nanmean(distance)), error


def test_the_sidecar_is_no_better_than_a_published_detector() -> None:
    frontal, error = sidecar_errors(0.0)
    turned, _ = sidecar_errors(40.0)
    assert 0.03 < frontal < 0.037
    assert frontal < turned < 0.045
    depth = np.nanstd(error[..., 2]) / np.nanstd(error[..., :2])
    assert 1.8 < depth < 2.2
    failed = np.isnan(error).any(axis=(2, 3)).mean()
    assert 0.002 < failed < 0.025


def test_sidecar_errors_are_correlated_in_time() -> None:
    _, error = sidecar_errors(0.0)
    centred = error[:, :, :, :2]
    now, later = centred[:, :-10], centred[:, 10:]  # one second apart
    good = np.isfinite(now) & np.isfinite(later)
    assert np.corrcoef(now[good], later[good])[0, 1] > 0.4


def test_sizes_and_people_of_the_recipes() -> None:
    mini = FERA2017SimulationConfig.mini()
    women = {p: sum("F" in s for s in mini.subjects(p)) for p in ("train", "valid", "test")}
    assert [len(mini.subjects(p)) for p in women] == [41, 20, 30]
    assert women == {"train": 23, "valid": 7, "test": 15}
    for partition in women:
        genders = {("F" in s) for s in FERA2017SimulationConfig.smoke().subjects(partition)}
        assert genders == {True, False}
    assert set(mini.subjects("train")) & set(mini.subjects("test"))  # ids are re-used for other people
    assert VIEW_POSES[6] == (0.0, 0.0)
    assert len(set(VIEW_POSES.values())) == 9
    assert set(mini.description()) == {"recipe", "version", "seed"}

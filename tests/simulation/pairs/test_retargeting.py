import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from aukit.errors import CorpusError
from aukit.facs import SIDED_AUS, VISIBLE_AUS, VISIBLE_INDEX
from aukit.simulation.pairs.retargeting import both_sides, from_labels, sample_levels, smooth

A = len(VISIBLE_AUS)
SHARES = (0.4, 0.3, 0.18, 0.09, 0.03)
tracks = arrays(np.float32, st.tuples(st.integers(1, 40), st.just(A)), elements=st.floats(0, 1, width=32))


def test_intensity_is_a_fifth_and_uncoded_rests() -> None:
    moved = from_labels(np.array([[0, 5], [2, np.nan]]), (12, 43))
    assert moved.shape == (2, A)
    np.testing.assert_allclose(moved[:, VISIBLE_INDEX[12]], [0, 0.4])
    np.testing.assert_allclose(moved[:, VISIBLE_INDEX[43]], [1, 0])
    assert np.delete(moved, [VISIBLE_INDEX[12], VISIBLE_INDEX[43]], axis=1).max() == 0


def test_an_au_that_no_face_shows_is_ignored() -> None:
    assert from_labels(np.full((3, 2), 5.0), (12, 36)).sum() == 3


@pytest.mark.parametrize("value", [-0.1, 5.5, np.inf])
def test_a_label_out_of_range_is_named(value: float) -> None:
    labels = np.zeros((4, 2))
    labels[2, 1] = value
    with pytest.raises(CorpusError, match=r"mine\.csv, row 2, column AU06_r: .* outside 0\.\.5"):
        from_labels(labels, (1, 6), "mine.csv")
    with pytest.raises(CorpusError, match=r"row 2, column AU06_c"):
        sample_levels(labels, (1, 6), SHARES, np.random.default_rng(0))


def test_each_event_has_one_level_with_the_given_shares() -> None:
    present = np.tile([0, 1, 1, np.nan, 1], 4000)[:, None]
    levels = sample_levels(present, (4,), SHARES, np.random.default_rng(0))[:, 0].reshape(-1, 5)
    assert (levels[:, 0] == 0).all()
    assert np.isnan(levels[:, 3]).all()
    assert (levels[:, 1] == levels[:, 2]).all()
    counts = np.bincount(levels[:, 1].astype(int), minlength=6)[1:] / 4000
    np.testing.assert_allclose(counts, SHARES, atol=0.03)
    again = sample_levels(present, (4,), SHARES, np.random.default_rng(0))
    np.testing.assert_array_equal(again[:, 0].reshape(-1, 5), levels)
    other = sample_levels(present, (4,), SHARES, np.random.default_rng(1))
    assert not np.array_equal(other[:, 0].reshape(-1, 5)[:, 1], levels[:, 1])


@given(tracks)
def test_smoothing_keeps_range_length_and_mirrors_in_time(track: np.ndarray) -> None:
    low = smooth(track, 1.5)
    assert low.shape == track.shape
    assert low.min() >= -1e-6
    assert low.max() <= 1 + 1e-6
    # Without lag a recording played backwards is smoothed backwards.
    np.testing.assert_allclose(smooth(track[::-1], 1.5)[::-1], low, atol=1e-5)


def test_smoothing_turns_a_step_into_a_movement_without_overshoot() -> None:
    step = np.repeat(np.float32([0, 1]), 20)[:, None]
    low = smooth(step, 2.0)[:, 0]
    assert (np.diff(low) >= 0).all()
    assert low[19] + low[20] == pytest.approx(1, abs=1e-5)  # half way where the step was: no lag
    np.testing.assert_array_equal(smooth(step, 0), step)


@given(tracks)
def test_both_sides_are_equal_unless_asked(track: np.ndarray) -> None:
    sides = both_sides(track)
    assert sides.shape == (*track.shape, 2)
    np.testing.assert_array_equal(sides[..., 0], sides[..., 1])
    np.testing.assert_array_equal(sides[..., 0], track)


def test_asymmetry_tilts_sided_muscles_only() -> None:
    sides = both_sides(np.full((1, A), 0.5, np.float32), np.full(A, 0.2))[0]
    for au, (left, right) in zip(VISIBLE_AUS, sides, strict=True):
        expected = (0.6, 0.4) if au in SIDED_AUS else (0.5, 0.5)
        np.testing.assert_allclose((left, right), expected, atol=1e-6)

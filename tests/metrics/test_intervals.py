"""Jackknife t-intervals: the textbook's where there is one; strata, seeds, missing support."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from aukit import metrics


def ratio(sums):
    with np.errstate(invalid="ignore"):
        return sums[..., 0] / sums[..., 1]


def with_ones(values):
    return np.stack([values, np.ones(len(values))], axis=1)


def ends(interval):
    return [float(interval.low), float(interval.high)]


@settings(deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=30))
def test_of_a_mean_it_is_the_textbooks_t_interval(values):
    interval = metrics.interval_by_subject(with_ones(np.array(values)), ratio)
    error = stats.sem(values)
    expected = (
        stats.t.interval(0.95, len(values) - 1, np.mean(values), error) if error > 0 else [values[0]] * 2
    )
    np.testing.assert_allclose(ends(interval), expected, atol=1e-9)
    assert float(interval.estimate) == pytest.approx(np.mean(values))


def test_of_a_stratified_mean_it_is_the_textbooks_too():
    rng = np.random.default_rng(0)
    values, strata = rng.normal([0.0] * 4 + [5.0] * 7, 1.0), np.array(["a"] * 4 + ["b"] * 7)
    interval = metrics.interval_by_subject(with_ones(values), ratio, strata=strata)
    variance = sum((strata == s).sum() ** 2 * stats.sem(values[strata == s]) ** 2 for s in "ab") / 11**2
    expected = stats.t.interval(0.95, 9, values.mean(), np.sqrt(variance))
    np.testing.assert_allclose(ends(interval), expected)
    assert interval.high - interval.low < np.diff(ends(metrics.interval_by_subject(with_ones(values), ratio)))


@settings(deadline=None)
@given(st.integers(2, 20), st.integers(0, 2**31), st.sampled_from(["rate", "correlation", "gap"]))
def test_no_interval_leaves_its_scale_and_the_estimate_lies_inside(people, seed, scale):
    values = np.random.default_rng(seed).beta(0.2, 0.2, people).round(1)  # many at the very ends
    interval = metrics.interval_by_subject(with_ones(values), ratio, scale=scale)
    low, high = ends(interval)
    assert {"rate": 0, "correlation": -1, "gap": 0}[scale] <= low <= float(interval.estimate) <= high
    assert high <= {"rate": 1, "correlation": 1, "gap": np.inf}[scale]


def test_a_rate_near_its_end_has_a_lopsided_interval():
    interval = metrics.interval_by_subject(with_ones(np.array([0.9, 0.97, 0.95, 0.99])), ratio, scale="rate")
    assert interval.estimate - interval.low > 1.5 * (interval.high - interval.estimate)


def test_a_paired_difference_knows_that_people_are_the_same():
    rng = np.random.default_rng(0)
    people = rng.normal(0, 1, 12)
    method, baseline = (with_ones(people + rng.normal(shift, 0.05, 12)) for shift in (0.2, 0.0))
    paired = metrics.interval_by_subject(method, ratio, baseline=baseline)
    assert 0 < paired.low < 0.2 < paired.high
    alone = metrics.interval_by_subject(method, ratio)
    assert paired.high - paired.low < 0.2 * (alone.high - alone.low)
    backwards = metrics.interval_by_subject(baseline, ratio, baseline=method)
    np.testing.assert_allclose(ends(backwards), [-paired.high, -paired.low])
    assert ends(metrics.interval_by_subject(method, ratio, baseline=method)) == [0, 0]


def test_frames_that_are_copied_change_nothing():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (200, 3)).astype(float)
    scores = np.where(rng.random(labels.shape) < 0.2, 1 - labels, labels)
    people = np.repeat(list("abcdefghij"), 20)
    found = [
        metrics.interval_by_subject(
            metrics.confusion_counts(*(np.repeat(each, k, axis=0) for each in (scores, labels, people))),
            metrics.f1_from_counts,
            scale="rate",
        )
        for k in (1, 5)
    ]
    np.testing.assert_allclose(found[0].low, found[1].low)
    np.testing.assert_allclose(found[0].high, found[1].high)


def test_trainings_add_the_variance_of_their_mean():
    people = with_ones(np.random.default_rng(0).normal(0, 0.1, 10))
    shifts = np.array([0.0, 0.3, -0.1, 0.2, 0.1])
    runs = [people + np.array([shift, 0]) for shift in shifts]
    interval = metrics.interval_by_subject(runs, ratio)
    of_people, of_trainings = (stats.sem(v) ** 2 for v in (people[:, 0], shifts))
    freedom = (of_people + of_trainings) ** 2 / (of_people**2 / 9 + of_trainings**2 / 4)
    expected = stats.t.interval(
        0.95, freedom, people[:, 0].mean() + shifts.mean(), np.sqrt(of_people + of_trainings)
    )
    np.testing.assert_allclose(ends(interval), expected)
    # Trainings from one start move together, and the difference does not hold what they share.
    paired = metrics.interval_by_subject(runs, ratio, baseline=[run - np.array([0.2, 0]) for run in runs])
    np.testing.assert_allclose(ends(paired), [0.2, 0.2])


def test_two_trainings_that_differ_say_little():
    people = with_ones(np.random.default_rng(0).normal(0, 0.01, 30))
    two = metrics.interval_by_subject([people, people + np.array([0.1, 0])], ratio)
    assert two.high - two.low > 10 * 0.1


@pytest.mark.parametrize(("values", "strata"), [([1.0], None), ([1.0, 2.0, 3.0], ["f", "m", "m"])])
def test_a_stratum_of_one_person_gives_no_interval(values, strata):
    interval = metrics.interval_by_subject(with_ones(np.array(values)), ratio, strata=strata)
    assert float(interval.estimate) == np.mean(values)
    assert np.isnan(ends(interval)).all()


def test_no_interval_where_one_person_is_all_the_support():
    interval = metrics.interval_by_subject(np.array([[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]), ratio)
    assert interval.estimate == 1
    assert np.isnan(ends(interval)).all()
    assert float(interval.undefined) == pytest.approx(1 / 3)


def test_other_people_are_refused():
    with pytest.raises(ValueError, match="same people"):
        metrics.interval_by_subject(np.eye(3), ratio, baseline=np.eye(2))
    with pytest.raises(ValueError, match="no people"):
        metrics.interval_by_subject(np.zeros((0, 2)), ratio)
    with pytest.raises(ValueError, match="strata"):
        metrics.interval_by_subject(np.eye(3), ratio, strata=["f"])
    with pytest.raises(ValueError, match="3 trainings cannot be paired with 2"):
        metrics.interval_by_subject([np.eye(3)] * 3, ratio, baseline=[np.eye(3)] * 2)

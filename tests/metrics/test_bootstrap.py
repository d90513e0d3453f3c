import numpy as np
import pytest

from aukit import metrics


def mean_icc(sums):
    return np.nanmean(metrics.icc_from_sums(sums), axis=-1)


def data(people=8, frames=40, aus=3, noise=1.0, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 6, (people * frames, aus)).astype(float)
    trait = rng.normal(0, 1, (people, 1, aus))
    own = np.broadcast_to(trait, (people, frames, aus)).reshape(labels.shape)
    predictions = labels + own + rng.normal(0, noise, labels.shape)
    labels[rng.random(labels.shape) < 0.1] = np.nan
    return predictions, labels, np.repeat([f"P{i:02d}" for i in range(people)], frames)


def test_estimate_is_the_pooled_metric():
    predictions, labels, people = data()
    sums = metrics.icc_sums(predictions, labels, people)
    result = metrics.bootstrap_by_subject(sums, mean_icc, n_boot=500)
    pooled = metrics.intraclass_correlation(predictions, labels).mean()
    assert float(result.estimate) == pytest.approx(pooled, abs=1e-12)
    assert result.low < pooled < result.high
    assert result.replicates.shape == (500,)
    np.testing.assert_array_equal(result.low, np.quantile(result.replicates, 0.025))


def test_replicates_equal_people_repeated_frame_by_frame():
    predictions, labels, people = data(people=5)
    sums = metrics.icc_sums(predictions, labels, people)
    result = metrics.bootstrap_by_subject(sums, metrics.icc_from_sums, n_boot=20, seed=3)
    # The identity of the resampled people shows when each person's statistic is a unit vector.
    draws = metrics.bootstrap_by_subject(np.eye(5), lambda s: s, n_boot=20, seed=3).replicates
    assert (draws.sum(1) == 5).all()
    for replicate, times in zip(result.replicates, draws, strict=True):
        rows = np.concatenate([
            np.tile(np.flatnonzero(people == person), int(n))
            for person, n in zip(sums.subjects, times, strict=True)
        ])  # fmt: skip
        expected = metrics.intraclass_correlation(predictions[rows], labels[rows])
        np.testing.assert_allclose(replicate, expected, atol=1e-10)


def test_seed_decides():
    statistics = np.random.default_rng(0).random((6, 2))
    first, again, other = (
        metrics.bootstrap_by_subject(statistics, lambda s: s, n_boot=50, seed=seed).replicates
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_paired_difference_is_narrower_than_two_intervals():
    good, labels, people = data(noise=0.5)
    better = good + 0.2 * (labels - good)
    better[np.isnan(labels)] = 0
    a, b = (metrics.icc_sums(x, labels, people) for x in (better, good))
    paired = metrics.bootstrap_by_subject(a, mean_icc, baseline=b)
    alone = [metrics.bootstrap_by_subject(x, mean_icc) for x in (a, b)]
    assert float(paired.estimate) == pytest.approx(float(alone[0].estimate - alone[1].estimate))
    np.testing.assert_allclose(paired.replicates, alone[0].replicates - alone[1].replicates)
    assert paired.high - paired.low < alone[0].high - alone[0].low
    assert paired.low > 0
    same = metrics.bootstrap_by_subject(a, mean_icc, baseline=a)
    assert same.low == same.high == 0


def test_several_trainings_share_the_drawn_people():
    runs = []
    for seed in range(3):
        predictions, labels, people = data(seed=0)
        predictions = predictions + np.random.default_rng(seed).normal(0, 1, predictions.shape)
        runs.append(metrics.icc_sums(predictions, labels, people))
    together = metrics.bootstrap_by_subject(runs, mean_icc, n_boot=100)
    alone = [metrics.bootstrap_by_subject(run, mean_icc, n_boot=100) for run in runs]
    np.testing.assert_allclose(together.replicates, np.mean([run.replicates for run in alone], axis=0))
    paired = metrics.bootstrap_by_subject(runs, mean_icc, n_boot=100, baseline=runs[0])
    np.testing.assert_allclose(paired.replicates, together.replicates - alone[0].replicates)


def test_strata_keep_their_numbers():
    gender = ["f"] * 4 + ["m"] * 2
    draws = metrics.bootstrap_by_subject(np.eye(6), lambda s: s, n_boot=200, strata=gender).replicates
    assert (draws[:, :4].sum(1) == 4).all()
    assert (draws[:, 4:].sum(1) == 2).all()
    assert draws.std(0).min() > 0


def test_people_not_frames_decide_the_width():
    """Ten copies of every frame change nothing; twice the people narrow the interval."""
    predictions, labels, people = data()
    once = metrics.bootstrap_by_subject(metrics.icc_sums(predictions, labels, people), mean_icc)
    tenfold = (np.repeat(array, 10, axis=0) for array in (predictions, labels, people))
    copies = metrics.bootstrap_by_subject(metrics.icc_sums(*tenfold), mean_icc)
    np.testing.assert_allclose([copies.low, copies.high], [once.low, once.high], atol=0.002)
    more = metrics.bootstrap_by_subject(metrics.icc_sums(*data(people=80)), mean_icc)
    assert more.high - more.low < 0.6 * (once.high - once.low)


def test_interval_of_a_mean_is_the_textbook_one():
    values = np.random.default_rng(0).normal(size=400)
    statistics = np.stack([values, np.ones(400)], axis=1)
    result = metrics.bootstrap_by_subject(statistics, lambda s: s[:, 0] / s[:, 1], n_boot=4000)
    half = 1.96 * values.std() / 20
    np.testing.assert_allclose([result.low, result.high], values.mean() + np.array([-half, half]), atol=0.01)


@pytest.mark.parametrize("strata", ["abcd", "aaab"])
def test_a_stratum_of_one_person_leaves_no_interval(strata):
    result = metrics.bootstrap_by_subject(np.eye(4), lambda s: s[:, 0], n_boot=50, strata=list(strata))
    assert result.estimate == 1
    assert np.isnan([result.low, result.high]).all()
    np.testing.assert_array_equal(result.undefined, 0)


def test_f1_of_groups_by_strata():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (300, 2)).astype(float)
    scores = np.clip(labels + rng.normal(0, 0.6, labels.shape), 0, 1)
    people = np.repeat([f"{'FM'[i % 2]}{i:02d}" for i in range(10)], 30)
    counts = metrics.confusion_counts(scores, labels, people)
    women = np.array([name[0] == "F" for name in counts.subjects])
    both = counts.sums[:, None] * np.stack([women, ~women], axis=1)[:, :, None, None]

    def gap(sums):
        f1 = metrics.f1_from_counts(sums)
        return np.abs(f1[:, 0] - f1[:, 1])

    result = metrics.bootstrap_by_subject(both, gap, n_boot=300, strata=women)
    gender = [person[0] for person in people]
    report = metrics.group_fairness(scores, labels, gender, ("F", "M"))
    np.testing.assert_allclose(result.estimate, report.f1_gap)
    assert (result.undefined == 0).all()


def test_undefined_replicates_are_counted():
    statistics = np.array([[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]])  # only one person has support

    def ratio(sums):
        with np.errstate(invalid="ignore"):
            return sums[:, 0] / sums[:, 1]

    result = metrics.bootstrap_by_subject(statistics, ratio, n_boot=2000)
    assert float(result.undefined) == pytest.approx((2 / 3) ** 3, abs=0.04)
    assert result.low == result.high == 1
    nothing = metrics.bootstrap_by_subject(np.zeros((3, 2)), ratio, n_boot=10)
    assert np.isnan(nothing.low)
    assert nothing.undefined == 1


def test_one_person_has_no_interval():
    result = metrics.bootstrap_by_subject(np.ones((1, 2)), lambda s: s, n_boot=10)
    assert result.estimate.tolist() == [1, 1]
    assert np.isnan(result.low).all()
    assert np.isnan(result.high).all()


def test_other_people_are_refused():
    a = metrics.icc_sums(*data(people=4))
    predictions, labels, people = data(people=4)
    b = metrics.icc_sums(predictions, labels, np.char.add("X", people))
    for arguments in ({"statistics": [a, b]}, {"statistics": a, "baseline": b}):
        with pytest.raises(ValueError, match="same people"):
            metrics.bootstrap_by_subject(fn=mean_icc, **arguments)
    with pytest.raises(ValueError, match="same people"):
        metrics.bootstrap_by_subject(np.eye(3), lambda s: s, baseline=np.eye(2))
    with pytest.raises(ValueError, match="no people"):
        metrics.bootstrap_by_subject(np.zeros((0, 2)), lambda s: s)
    with pytest.raises(ValueError, match="strata"):
        metrics.bootstrap_by_subject(np.eye(3), lambda s: s, strata=["f"])

"""AUROC, average precision, Brier score and calibration error: scikit-learn's, on tables with gaps."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.calibration import calibration_curve
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from aukit import metrics

NAMES = ("female", "male")
NAN = float("nan")


@st.composite
def tables(draw):
    """Probabilities [n, A] with ties and NaN, labels [n, A] with NaN, people and groups of the frames."""
    n, a = draw(st.integers(1, 40)), draw(st.integers(1, 3))
    steps = draw(st.sampled_from([4, 10, 1000]))
    scores = draw(hnp.arrays(np.int64, (n, a), elements=st.integers(0, steps))) / steps
    scores = np.where(
        draw(hnp.arrays(bool, (n, a), elements=st.sampled_from([True] * 9 + [False]))), scores, NAN
    )
    labels = draw(hnp.arrays(np.float64, (n, a), elements=st.sampled_from([0.0, 1.0, NAN])))
    people = np.array(draw(st.lists(st.sampled_from("abcdef"), min_size=n, max_size=n)))
    group = {p: draw(st.sampled_from([*NAMES, ""])) for p in "abcdef"}
    return scores, labels, people, [group[p] for p in people]


def sklearns(scores, labels, weights=None):
    """The four scores of one action unit; NaN where scikit-learn has none or a class is missing."""
    there = ~(np.isnan(scores) | np.isnan(labels)) & (True if weights is None else weights > 0)
    p, y = scores[there], labels[there]
    w = None if weights is None else weights[there]
    if not len(y):
        return dict.fromkeys(("auroc", "average_precision", "brier", "ece"), NAN)
    true, predicted = calibration_curve(y, p, n_bins=10)
    bins = np.searchsorted(np.linspace(0, 1, 11)[1:-1], p)
    sizes = np.bincount(bins, w)
    sizes = sizes[np.unique(bins)] / sizes.sum()
    return {
        "auroc": roc_auc_score(y, p, sample_weight=w) if 0 < y.sum() < len(y) else NAN,
        "average_precision": average_precision_score(y, p, sample_weight=w) if y.any() else NAN,
        "brier": brier_score_loss(y, p, sample_weight=w, labels=[0, 1]),
        "ece": (sizes * np.abs(true - predicted)).sum() if w is None else NAN,
    }


FUNCTIONS = {
    "auroc": metrics.auroc,
    "average_precision": metrics.average_precision,
    "brier": metrics.brier_score,
    "ece": metrics.expected_calibration_error,
}


@settings(deadline=None, max_examples=40)
@given(tables())
def test_all_four_equal_scikit_learn(data):
    scores, labels, _, _ = data
    for name, function in FUNCTIONS.items():
        expected = [sklearns(x, y)[name] for x, y in zip(scores.T, labels.T, strict=True)]
        np.testing.assert_allclose(function(scores, labels), expected, atol=1e-12, err_msg=name)
        tensors = function(torch.as_tensor(scores), torch.as_tensor(labels))
        np.testing.assert_allclose(tensors.numpy(), expected, atol=1e-12)


def intervals(scores, labels, people, groups):
    sums = metrics.grouped_calibration_sums(scores, labels, people, groups, NAMES)
    return metrics.ranking_intervals(scores, labels, people, groups, NAMES) | metrics.calibration_intervals(
        sums
    )


@settings(deadline=None, max_examples=25)
@given(tables())
def test_estimates_by_group_equal_scikit_learn_on_the_frames_of_the_group(data):
    scores, labels, people, groups = data
    got = intervals(scores, labels, people, groups)
    for au in range(scores.shape[1]):
        whole = sklearns(scores[:, au], labels[:, au])
        each = []
        for name in NAMES:
            rows = np.array([group == name for group in groups])
            each.append(sklearns(scores[rows, au], labels[rows, au]))
        for key in FUNCTIONS:
            values = [one[key] for one in each]
            np.testing.assert_allclose(got[f"overall_{key}"].estimate[au], whole[key], atol=1e-12)
            np.testing.assert_allclose(got[key].estimate[:, au], values, atol=1e-12)
            np.testing.assert_allclose(got[f"{key}_gap"].estimate[au], np.ptp(values), atol=1e-12)


@settings(deadline=None, max_examples=15)
@given(tables())
def test_every_replicate_of_an_area_is_the_area_without_a_person(data):
    scores, labels, people, groups = data
    got = metrics.ranking_intervals(scores, labels, people, groups, NAMES)
    for which, left_out in enumerate(np.unique(people)):
        for au in range(scores.shape[1]):
            for g, name in enumerate(NAMES):
                rows = np.array([group == name for group in groups]) & (people != left_out)
                expected = sklearns(scores[rows, au], labels[rows, au])
                for key in ("auroc", "average_precision"):
                    replicate = got[key].replicates[which, g, au]
                    np.testing.assert_allclose(replicate, expected[key], atol=1e-12)


def test_those_who_remain_of_a_group_stand_for_the_one_who_is_left_out():
    rng = np.random.default_rng(3)
    people = np.repeat([f"{sex}{i}" for sex in "fm" for i in range(4)], 25)
    groups = ["female" if p.startswith("f") else "male" for p in people]
    labels = (rng.random((200, 1)) < 0.4).astype(float)
    scores = np.clip(0.3 * labels + rng.random((200, 1)) * 0.7, 0, 1)
    got = metrics.ranking_intervals(scores, labels, people, groups, NAMES)
    for which, left_out in enumerate(np.unique(people)):
        weights = np.where([p[0] == left_out[0] for p in people], 4 / 3, 1.0) * (people != left_out)
        expected = sklearns(scores[:, 0], labels[:, 0], weights)
        for key in ("auroc", "average_precision"):
            np.testing.assert_allclose(got[f"overall_{key}"].replicates[which, 0], expected[key], atol=1e-12)
    for interval in got.values():
        assert (interval.low < interval.estimate).all()
        assert (interval.estimate < interval.high).all()


@pytest.mark.parametrize("rows", [slice(None, None, -1), np.random.default_rng(0).permutation(150)])
def test_the_order_of_rows_says_nothing(rows):
    """Also where a person's last row is one that nobody coded."""
    rng = np.random.default_rng(4)
    people = np.repeat([f"p{i}" for i in range(6)], 25)
    groups = np.where(people < "p4", *NAMES)
    labels = (rng.random((150, 1)) < 0.4).astype(float)
    scores = np.clip(0.3 * labels + rng.random((150, 1)) * 0.7, 0, 1)
    labels[49::50] = NAN
    given, moved = (intervals(scores[at], labels[at], people[at], groups[at]) for at in (slice(None), rows))
    coded = ~np.isnan(labels[:, 0])
    alone = intervals(scores[coded], labels[coded], people[coded], groups[coded])
    for name, interval in given.items():
        for field in ("estimate", "low", "high", "undefined"):
            for other in (moved, alone):
                np.testing.assert_allclose(getattr(interval, field), getattr(other[name], field), atol=1e-12)


def test_areas_in_pieces_are_those_in_one(monkeypatch):
    rng = np.random.default_rng(0)
    labels, scores = (rng.random((60, 2)) < 0.5).astype(float), rng.random((60, 2))
    people, groups = np.repeat(list("abcdef"), 10), np.repeat(NAMES, 30)
    whole = metrics.ranking_intervals(scores, labels, people, groups, NAMES)
    monkeypatch.setattr("aukit.metrics.ranking._MOST_CELLS", 100)
    pieces = metrics.ranking_intervals(scores, labels, people, groups, NAMES)
    for name in whole:
        np.testing.assert_array_equal(whole[name].replicates, pieces[name].replicates)


def test_the_mean_over_action_units_is_of_those_that_every_group_has():
    labels = np.array([[1.0, 1], [0, 0], [1, 1], [0, 1]])
    scores = np.array([[0.9, 0.1], [0.2, 0.6], [0.3, 0.5], [0.7, 0.4]])
    got = metrics.ranking_intervals(scores, labels, list("aabb"), np.repeat(NAMES, 2), NAMES)
    np.testing.assert_array_equal(got["auroc"].estimate, [[1, 0, 1], [0, NAN, 0]])
    np.testing.assert_array_equal(got["auroc_gap"].estimate, [1, NAN, 1])


def test_reliability_sums_add_up_over_people():
    probabilities, labels = np.array([[0.1], [0.05], [1.0], [0.0]]), np.array([[0.0], [1], [1], [NAN]])
    sums = metrics.grouped_calibration_sums(
        probabilities, labels, list("abab"), ["female", "", "female", ""], NAMES
    )
    assert sums.sums.shape == (2, 3, 1, 10, 4)
    total = sums.sums.sum((0, 1))[0]
    np.testing.assert_allclose(total[0], [2, 0.15, 1, 0.01 + 0.95**2])
    np.testing.assert_allclose(total[9], [1, 1, 1, 0])
    assert total[1:9].sum() == 0


def test_what_is_no_probability_or_no_label_is_refused():
    one = np.ones((1, 1))
    for function in (metrics.brier_score, metrics.expected_calibration_error):
        with pytest.raises(ValueError, match="within 0 and 1"):
            function(1.5 * one, one)
    for function in FUNCTIONS.values():
        with pytest.raises(ValueError, match="0, 1 or NaN"):
            function(one, 9 * one)
        with pytest.raises(ValueError, match=r"\[n, A\]"):
            function(one, np.ones((2, 1)))
    with pytest.raises(ValueError, match="one per frame"):
        metrics.grouped_calibration_sums(one, one, ["a", "b"], ["", ""], NAMES)
    with pytest.raises(ValueError, match="one per frame"):
        metrics.ranking_intervals(one, one, ["a", "b"], [""], NAMES)
    two = np.array([[1.0], [0.0]])
    with pytest.raises(ValueError, match=r"groups must be \[2\], one per frame"):
        metrics.ranking_intervals(two, two, ["a", "b"], [""], NAMES)

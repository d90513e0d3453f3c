import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aukit import metrics
from aukit.metrics.fairness import BETWEEN_GROUPS

NAMES = ("female", "male")


@st.composite
def occurrences(draw):
    """Scores [n, A], labels [n, A] with NaN, group of each frame (or empty)."""
    n, a = draw(st.integers(1, 30)), draw(st.integers(1, 3))
    scores = draw(hnp.arrays(np.float64, (n, a), elements=st.floats(0, 1)))
    labels = draw(hnp.arrays(np.float64, (n, a), elements=st.sampled_from([0.0, 1.0, np.nan])))
    return scores, labels, draw(st.lists(st.sampled_from([*NAMES, ""]), min_size=n, max_size=n))


def brute_force_f1(scores, labels):
    tp = fp = fn = 0
    for score, label in zip(scores, labels, strict=True):
        if np.isnan(label):
            continue
        tp += score > 0.5 and label == 1
        fp += score > 0.5 and label == 0
        fn += score <= 0.5 and label == 1
    return 2 * tp / (2 * tp + fp + fn) if tp + fn else np.nan


@settings(deadline=None, max_examples=60)
@given(occurrences())
def test_f1_equals_counting(data):
    scores, labels, groups = data
    f1 = metrics.multilabel_f1(scores, labels)
    grouped = metrics.grouped_multilabel_f1(scores, labels, groups, NAMES)
    assert list(grouped) == [*NAMES, "overall"]
    for au in range(scores.shape[1]):
        np.testing.assert_allclose(f1[au], brute_force_f1(scores[:, au], labels[:, au]), atol=1e-12)
        np.testing.assert_equal(grouped["overall"][au], f1[au])
        for name in NAMES:
            rows = [group == name for group in groups]
            expected = brute_force_f1(scores[rows, au], labels[rows, au])
            np.testing.assert_allclose(grouped[name][au], expected, atol=1e-12)


@settings(deadline=None, max_examples=40)
@given(occurrences())
def test_the_all_positive_baseline_is_a_detector_that_always_says_yes(data):
    scores, labels, _ = data
    coded = metrics.confusion_counts(scores, labels, np.zeros(len(labels))).sums
    always = metrics.confusion_counts(np.ones_like(scores), labels, np.zeros(len(labels))).sums
    np.testing.assert_array_equal(metrics.all_positive_counts(coded), always)
    assert metrics.all_positive_counts(coded).dtype == coded.dtype


@settings(deadline=None, max_examples=40)
@given(occurrences(), st.integers(1, 5))
def test_batches_do_not_matter_even_without_a_group(data, size):
    scores, labels, groups = data
    a = scores.shape[1]
    plain, grouped = metrics.MultilabelF1(a), metrics.GroupedMultilabelF1(a, NAMES)
    fairness = metrics.GroupFairness(a, NAMES)
    order = np.argsort(groups, kind="stable")  # batches of one group only
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        x, y = torch.from_numpy(scores[rows]), torch.from_numpy(labels[rows])
        names = [groups[row] for row in rows]
        plain.update(x, y)
        grouped.update(x, y, names)
        fairness.update(x, y, torch.tensor([(*NAMES, "").index(name) if name else -1 for name in names]))
    np.testing.assert_array_equal(plain.compute().reshape(-1), metrics.multilabel_f1(scores, labels))
    expected = metrics.grouped_multilabel_f1(scores, labels, groups, NAMES)
    for name, value in grouped.compute().items():
        np.testing.assert_array_equal(value.reshape(-1), expected[name])
    report, whole = fairness.compute(), metrics.group_fairness(scores, labels, groups, NAMES)
    for field in report._fields:
        np.testing.assert_array_equal(getattr(report, field).reshape(-1), getattr(whole, field).reshape(-1))


@settings(deadline=None, max_examples=60)
@given(occurrences())
def test_gaps_are_those_of_the_rates_and_nan_without_support(data):
    scores, labels, groups = data
    report = metrics.group_fairness(scores, labels, groups, NAMES)
    for au in range(scores.shape[1]):
        rates = {"tpr": [], "fpr": [], "selection": [], "base": []}
        for name in NAMES:
            rows = np.array([group == name for group in groups]) & ~np.isnan(labels[:, au])
            present, found = labels[rows, au] == 1, scores[rows, au] > 0.5
            with np.errstate(invalid="ignore"):
                rates["tpr"].append(np.divide((present & found).sum(), present.sum()))
                rates["fpr"].append(np.divide((~present & found).sum(), (~present).sum()))
                rates["selection"].append(np.divide(found.sum(), len(found)))
                rates["base"].append(np.divide(present.sum(), len(found)))
        gap = {key: abs(a - b) for key, (a, b) in rates.items()}
        odds = [gap["tpr"], gap["fpr"]]
        for value, expected in (
            (report.equal_opportunity_difference, gap["tpr"]),
            (report.demographic_parity_difference, gap["selection"]),
            (report.base_rate_gap, gap["base"]),
            (report.equalized_odds_difference, np.maximum(*odds)),
            (report.equalized_odds_difference_mean, np.mean(odds)),
        ):
            np.testing.assert_allclose(value[au], expected, atol=1e-12)
    unknown = np.array([group == "" for group in groups])
    assert report.unknown.tolist() == (~np.isnan(labels[unknown])).sum(0).tolist()


def test_a_perfect_classifier_has_no_gap_but_the_base_rate():
    labels = np.array([[1.0], [1], [1], [0], [1], [0], [0], [0]])
    report = metrics.group_fairness(labels, labels, ["female"] * 4 + ["male"] * 4, NAMES)
    assert report.base_rate_gap[0] == 0.5
    assert report.demographic_parity_difference[0] == 0.5
    assert report.equalized_odds_difference[0] == 0
    assert report.f1_gap[0] == 0
    mean = report.mean()
    assert mean["base_rate_gap"] == 0.5
    assert mean["worst_group_f1"] == 1
    assert set(mean) == set(BETWEEN_GROUPS)


def test_worst_group_and_mean_over_defined_aus():
    labels = np.array([[1.0, 1], [1, 0], [1, 0], [1, 0]])
    scores = np.array([[1.0, 1], [0, 0], [1, 0], [1, 0]])
    report = metrics.group_fairness(scores, labels, ["male", "male", "female", "female"], NAMES)
    assert report.worst_group.tolist() == [1, -1]
    assert report.worst_group_f1[0] == pytest.approx(2 / 3)
    assert report.mean()["f1_gap"] == pytest.approx(1 / 3)


def test_missing_code_cannot_pass_as_present():
    scores = np.ones((2, 1))
    with pytest.raises(ValueError, match="0, 1 or NaN"):
        metrics.multilabel_f1(scores, np.array([[1.0], [9.0]]))
    with pytest.raises(ValueError, match="0, 1 or NaN"):
        metrics.MultilabelF1(1).update(torch.ones(1, 1), torch.tensor([[-1.0]]))


def test_threshold_is_strict():
    labels = np.ones((1, 1))
    assert metrics.multilabel_f1(np.zeros((1, 1)), labels, threshold=0.0)[0] == 0
    assert metrics.multilabel_f1(np.full((1, 1), 1e-6), labels, threshold=0.0)[0] == 1


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
def test_groups_are_names_or_their_numbers_and_never_true_or_false(kind):
    x = np.ones((2, 1))
    by_name = metrics.group_fairness(x, x, ["male", None], NAMES)
    for values in ([1, -1], [1.0, float("nan")]):
        by_number = metrics.group_fairness(x, x, kind(values), NAMES)
        assert by_number.frames.tolist() == by_name.frames.tolist()
        assert by_number.unknown.tolist() == [1]
    for values, wrong in (([True, False], "True"), ([0.5, 1.0], "0.5")):
        with pytest.raises(ValueError, match=f"{wrong} is not one of the groups .* nor an index of one"):
            metrics.group_fairness(x, x, kind(values), NAMES)


def test_groups_must_be_known():
    x = np.ones((1, 1))
    with pytest.raises(ValueError, match="'woman' is not one of the groups"):
        metrics.grouped_multilabel_f1(x, x, ["woman"], NAMES)
    with pytest.raises(ValueError, match="lies outside"):
        metrics.grouped_multilabel_f1(x, x, np.array([2]), NAMES)
    with pytest.raises(ValueError, match="different names"):
        metrics.GroupFairness(1, ["a", "a"])
    with pytest.raises(ValueError, match=r"groups must be \[1\]"):
        metrics.grouped_multilabel_f1(x, x, ["male", "male"], NAMES)
    for unknown in ("", None, float("nan")):
        f1 = metrics.grouped_multilabel_f1(x, x, [unknown], NAMES)
        assert f1["overall"][0] == 1
        assert np.isnan(f1["female"][0])


def test_counts_per_person_add_up():
    rng = np.random.default_rng(0)
    scores, labels = rng.random((50, 3)), rng.integers(0, 2, (50, 3)).astype(float)
    people = rng.choice(["b", "a", "c"], 50)
    counts = metrics.confusion_counts(scores, labels, people)
    assert counts.subjects.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(
        metrics.f1_from_counts(counts.sums.sum(0)), metrics.multilabel_f1(scores, labels)
    )
    np.testing.assert_array_equal(
        metrics.f1_from_counts(counts.sums[1]),
        metrics.multilabel_f1(scores[people == "b"], labels[people == "b"]),
    )

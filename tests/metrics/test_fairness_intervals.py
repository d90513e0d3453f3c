"""Intervals of fairness: what a replicate is, paired differences, groups that are missing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aukit import metrics
from aukit.metrics.fairness import BETWEEN_GROUPS, PER_GROUP

NAMES = ("female", "male")


@st.composite
def detections(draw):
    """Decisions [n, A], labels [n, A] with NaN, person [n], group of each frame."""
    n, a = draw(st.integers(1, 25)), draw(st.integers(1, 3))
    scores = draw(hnp.arrays(np.float64, (n, a), elements=st.sampled_from([0.0, 1.0])))
    labels = draw(hnp.arrays(np.float64, (n, a), elements=st.sampled_from([0.0, 1.0, np.nan])))
    people = np.array(draw(st.lists(st.sampled_from("abcdef"), min_size=n, max_size=n)))
    gender = {p: draw(st.sampled_from([*NAMES, ""])) for p in "abcdef"}
    return scores, labels, people, [gender[p] for p in people]


@settings(deadline=None, max_examples=40)
@given(detections())
def test_every_replicate_is_the_report_without_a_person(data):
    scores, labels, people, groups = data
    counts = metrics.grouped_confusion_counts(scores, labels, people, groups, NAMES)
    got = metrics.fairness_intervals(counts)
    coded = {p: ~np.isnan(labels[people == p]).all() for p in counts.subjects}
    of = {p: g if coded[p] else "" for p, g in zip(people, groups, strict=True)}
    names = list(of.values())
    largest = max((*NAMES, ""), key=names.count)
    of = {p: largest if names.count(g) == 1 else g for p, g in of.items()}
    for which, left_out in enumerate(counts.subjects):
        mates = [p for p in counts.subjects if of[p] == of[left_out] and p != left_out]
        # The others of the group stand for the one who is left out; frames are repeated to say so in numbers.
        times = {p: len(mates) or 1 for p in counts.subjects} | {p: len(mates) + 1 for p in mates}
        times[left_out] = 0
        rows = np.repeat(np.arange(len(people)), [times[p] for p in people])
        report = metrics.group_fairness(scores[rows], labels[rows], [groups[r] for r in rows], NAMES)
        for name in (*PER_GROUP, *BETWEEN_GROUPS, "overall_f1"):
            expected = getattr(report, name).numpy()
            np.testing.assert_allclose(got[name].replicates[which][..., :-1], expected, atol=1e-12)
        signed = report.f1[0] - report.f1[1]
        np.testing.assert_allclose(got["f1_difference"].replicates[which][:-1], signed, atol=1e-12)


@settings(deadline=None, max_examples=40)
@given(detections())
def test_the_estimate_is_the_report_and_nan_where_there_is_no_support(data):
    scores, labels, people, groups = data
    counts = metrics.grouped_confusion_counts(scores, labels, people, groups, NAMES)
    got = metrics.fairness_intervals(counts)
    report = metrics.group_fairness(scores, labels, groups, NAMES)
    for name in (*PER_GROUP, *BETWEEN_GROUPS):
        np.testing.assert_array_equal(got[name].estimate[..., :-1], getattr(report, name).numpy())
    np.testing.assert_array_equal(got["overall_f1"].estimate[:-1], metrics.multilabel_f1(scores, labels))
    lacking = (report.positives == 0).numpy()
    assert np.isnan(got["f1"].estimate[:, :-1][lacking]).all()
    assert (got["f1"].undefined[:, :-1][lacking] == 1).all()


def method(quality, seed, people=12, frames=40):
    """A detector's decisions; the better, the fewer are wrong."""
    truth = np.random.default_rng(1)
    labels = truth.integers(0, 2, (people * frames, 2)).astype(float)
    own = truth.random(people).repeat(frames)[:, None]
    wrong = np.random.default_rng(seed).random(labels.shape) > quality + 0.1 * own
    ids = np.repeat([f"{'FM'[i % 2]}{i:02d}" for i in range(people)], frames)
    gender = [{"F": "female", "M": "male"}[name[0]] for name in ids]
    return metrics.grouped_confusion_counts(np.where(wrong, 1 - labels, labels), labels, ids, gender, NAMES)


def test_a_better_method_is_significantly_so_and_the_same_one_is_not():
    good, bad = [method(0.9, s) for s in (2, 3)], [method(0.7, s) for s in (4, 5)]
    difference = metrics.fairness_intervals(good, baseline=bad)["overall_f1"]
    assert difference.low[-1] > 0.1
    none = metrics.fairness_intervals(good, baseline=good)
    for interval in none.values():
        np.testing.assert_array_equal(interval.low, 0)
        np.testing.assert_array_equal(interval.high, 0)
    backwards = metrics.fairness_intervals(bad, baseline=good)["overall_f1"]
    np.testing.assert_allclose(backwards.estimate, -difference.estimate)
    np.testing.assert_allclose(backwards.replicates, -difference.replicates, atol=1e-12)


def test_trainings_that_differ_widen_the_interval():
    same, unlike = [method(0.8, 2)] * 2, [method(0.6, 2), method(0.9, 2)]
    narrow, wide = (metrics.fairness_intervals(runs)["overall_f1"] for runs in (same, unlike))
    assert wide.high[-1] - wide.low[-1] > 2 * (narrow.high[-1] - narrow.low[-1])
    alone = metrics.fairness_intervals(same[0])["overall_f1"]
    np.testing.assert_array_equal(narrow.replicates, alone.replicates)


def test_a_training_that_is_not_drawn_does_not_undo_a_replicate():
    values = [np.full((3, 1), 1.0), np.full((3, 1), np.nan)]
    result = metrics.bootstrap_by_subject(values, lambda s: s[:, 0], n_boot=400, resample_trainings=True)
    assert float(result.undefined) == pytest.approx(0.75, abs=0.07)  # a quarter draws the first one twice
    assert np.isnan(result.estimate)


def test_people_in_several_groups_are_drawn_as_one():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (80, 1)).astype(float)
    people, task = np.repeat(["a", "b", "c", "d"], 20), np.tile(["T1", "T2"], 40)
    counts = metrics.grouped_confusion_counts(labels, labels, people, task, ("T1", "T2"))
    got = metrics.fairness_intervals(counts)
    assert got["f1"].estimate.tolist() == [[1, 1], [1, 1]]
    assert (got["f1_gap"].replicates == 0).all()


def test_an_empty_group_has_no_value_and_no_gap_and_the_other_one_has():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (60, 2)).astype(float)
    counts = metrics.grouped_confusion_counts(
        labels, labels, np.repeat(["a", "b", "c"], 20), ["female"] * 60, NAMES
    )
    got = metrics.fairness_intervals(counts)
    assert (got["f1"].estimate[0] == 1).all()
    assert np.isnan(got["f1"].estimate[1]).all()
    for name in ("f1_gap", "equal_opportunity_difference", "f1_difference"):
        assert np.isnan(got[name].estimate).all()
        assert (got[name].undefined == 1).all()


def test_three_groups_have_gaps_but_no_signed_difference():
    labels = np.tile([[0.0], [1.0]], (30, 1))
    people = np.repeat(list("abcdef"), 10)
    groups = np.repeat(["x", "y", "z"], 20)
    scores = np.where(groups[:, None] == "z", 1 - labels, labels)
    counts = metrics.grouped_confusion_counts(scores, labels, people, groups, ("x", "y", "z"))
    got = metrics.fairness_intervals(counts)
    assert got["f1_gap"].estimate[0] == 1
    assert "f1_difference" not in got
    with pytest.raises(ValueError, match="there are 3"):
        metrics.group_fairness(scores, labels, groups, ("x", "y", "z")).signed_differences()


def test_icc_by_group():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 6, (120, 2)).astype(float)
    gender = np.repeat(["female", "male"], 60)
    scores = labels + rng.normal(0, np.where(gender == "male", 2.0, 0.3)[:, None], labels.shape)
    people = np.repeat(list("abcdef"), 20)
    sums = metrics.grouped_icc_sums(scores, labels, people, gender, NAMES)
    got = metrics.group_icc_intervals(sums)
    for g, name in enumerate(NAMES):
        expected = metrics.intraclass_correlation(scores[gender == name], labels[gender == name])
        np.testing.assert_allclose(got["icc"].estimate[g, :-1], expected, atol=1e-12)
    everybody = metrics.intraclass_correlation(scores, labels)
    np.testing.assert_allclose(got["overall_icc"].estimate[:-1], everybody, atol=1e-12)
    assert got["icc_difference"].low[-1] > 0
    np.testing.assert_allclose(got["icc_gap"].estimate, np.abs(got["icc_difference"].estimate))


def test_a_mean_over_action_units_is_over_the_same_ones_without_each_person():
    """AU 2 is all one person's: without them the mean would be AU 1's alone, and that jump no chance."""
    rng = np.random.default_rng(0)
    people, labels = np.repeat(np.arange(8), 40), rng.integers(0, 2, (320, 2)).astype(float)
    gender = np.where(people % 2, "male", "female")
    scores = np.where(rng.random(labels.shape) < 0.3, 1 - labels, labels)
    levels = 5 * labels
    labels[people != 3, 1], levels[people != 3, 1] = 0, np.nan
    counts, other = (
        metrics.grouped_confusion_counts(s, labels, people, gender, NAMES) for s in (scores, 1 - scores)
    )
    sums = metrics.grouped_icc_sums(scores, levels, people, gender, NAMES)
    alone = metrics.grouped_confusion_counts(scores[:, :1], labels[:, :1], people, gender, NAMES)
    for whole in (
        metrics.fairness_intervals(counts)["overall_f1"],
        metrics.fairness_intervals([counts, other])["overall_f1"],
        metrics.fairness_intervals(counts, baseline=other)["overall_f1"],
        metrics.group_icc_intervals(sums)["overall_icc"],
        metrics.ranking_intervals(scores, labels, people, gender, NAMES)["overall_auroc"],
    ):
        assert whole.estimate[-1] == pytest.approx(whole.estimate[:-1].mean())
        assert np.isnan([whole.low[1:], whole.high[1:]]).all()
        assert whole.undefined.tolist() == [0, 1 / 8, 1 / 8]
        assert whole.low[0] < whole.estimate[0] < whole.high[0]
    # Groups are compared over what all of them have: AU 1, whoever is left out.
    got, expected = metrics.fairness_intervals(counts), metrics.fairness_intervals(alone)
    for name in ("f1", "f1_gap", "f1_difference"):
        for field in ("estimate", "low", "high", "undefined"):
            of_all, of_one = (getattr(each[name], field)[..., -1] for each in (got, expected))
            np.testing.assert_array_equal(of_all, of_one)
    # Of women and men one shows AU 2: each is all that their group has of it.
    labels[people == 4, 1] = labels[people == 4, 0]
    both = metrics.grouped_confusion_counts(scores, labels, people, gender, NAMES)
    for name in ("f1", "f1_gap", "f1_difference", "worst_group_f1"):
        interval = metrics.fairness_intervals(both)[name]
        assert np.isfinite(interval.estimate).all()
        assert np.isnan(interval.low[..., -1]).all()
    assert np.isfinite(metrics.fairness_intervals(both)["overall_f1"].low[-1])

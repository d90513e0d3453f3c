"""Equality with pingouin, scikit-learn, fairlearn and scipy on stored inputs (data/metrics.json).

Where the reference writes 0 for a value that does not exist, ours is NaN with its support; each such place is
asserted as such, so that the mapping cannot widen unnoticed.
"""

import numpy as np
import pytest
import torch

from aukit import metrics
from tests.parity.loader import load_json

REFERENCE = load_json("metrics")
TOLERANCE = 1e-9
ICC = {case["name"]: case for case in REFERENCE["icc"]}
FAIRNESS = {case["name"]: case for case in REFERENCE["fairness"]}
KINDS = {"icc_1_1": "1,1", "icc_2_1": "2,1", "icc_3_1": "3,1", "icc_2_k": "2,k", "icc_3_k": "3,k"}


def assert_close(value, reference, tolerance=TOLERANCE):
    assert float(value) == pytest.approx(reference, abs=tolerance, rel=tolerance)


@pytest.mark.parametrize("name", ICC)
@pytest.mark.parametrize("key", KINDS)
def test_icc(name, key):
    ratings, expected = np.asarray(ICC[name]["ratings"]), ICC[name][key]
    values = [metrics.rater_agreement(ratings, KINDS[key])]
    if ratings.shape[1] == 2:
        values.append(metrics.intraclass_correlation(ratings[:, 1:], ratings[:, :1], KINDS[key])[0])
        metric = metrics.IntraclassCorrelation(1, KINDS[key])
        for part in np.array_split(ratings, 3):
            metric.update(torch.from_numpy(part[:, 1:]), torch.from_numpy(part[:, :1]))
        values.append(metric.compute())
    for value in values:
        if expected is None:
            assert np.isnan(float(value))
        else:
            assert_close(value, expected)


def test_icc_closed_form_and_constant_prediction():
    for case in ICC.values():
        if case["closed_form_2cov_over_varsum"] is not None:
            ratings = np.asarray(case["ratings"])
            value = metrics.intraclass_correlation(ratings[:, 1:], ratings[:, :1])
            assert_close(value[0], case["closed_form_2cov_over_varsum"])
    ratings = np.asarray(ICC["constant_prediction"]["ratings"])
    assert metrics.intraclass_correlation(ratings[:, 1:], ratings[:, :1])[0] == 0.0


def f1_inputs():
    reference = REFERENCE["f1"]
    labels = np.asarray(reference["labels"], dtype=np.float64)
    labels[labels == reference["missing_code"]] = np.nan
    return reference, np.asarray(reference["predictions"], dtype=np.float64), labels


def test_f1():
    reference, predictions, labels = f1_inputs()
    f1 = metrics.multilabel_f1(predictions, labels)
    for au, expected in enumerate(reference["per_au_f1"]):
        if au in reference["supported"]:
            assert_close(f1[au], expected)
        else:  # The reference writes 0 (no positive) or null (nothing coded).
            assert expected in (0.0, None)
            assert reference["positives"][au] == 0
            assert np.isnan(f1[au])
    with_zeros = np.nan_to_num(f1[np.asarray(reference["n_valid"]) > 0]).mean()
    assert_close(with_zeros, reference["macro_f1_all_with_valid_zero_division_0"])
    counts = metrics.confusion_counts(predictions, labels, np.zeros(len(labels))).sums[0]
    assert (counts[:, 0] + counts[:, 2]).tolist() == reference["positives"]
    assert (counts[:, 0] + counts[:, 1]).tolist() == reference["predicted_positives"]
    assert counts.sum(1).tolist() == reference["n_valid"]


def test_macro_f1():
    reference, predictions, labels = f1_inputs()
    metric = metrics.MultilabelF1(8, average="macro")
    for rows in np.array_split(np.arange(len(labels)), 7):
        metric.update(torch.from_numpy(predictions[rows]), torch.from_numpy(labels[rows]))
    assert_close(metric.compute(), reference["macro_f1_supported_aus"])
    assert metric.support.tolist() == reference["positives"]


def fairness_report(case, names):
    labels = np.asarray(case["y_true"], dtype=np.float64)[:, None]
    predictions = np.asarray(case["y_pred"], dtype=np.float64)[:, None]
    return metrics.group_fairness(predictions, labels, case["group"], names)


DIFFERENCES = {
    "demographic_parity_difference": "demographic_parity_difference",
    "demographic_parity_difference_to_overall": "dpd_to_overall",
    "equal_opportunity_difference": "equal_opportunity_difference",
    "equalized_odds_difference": "equalized_odds_difference_worst_case",
    "equalized_odds_difference_mean": "equalized_odds_difference_mean",
    "f1_gap": "f1_difference",
}
# Gaps that do not exist because a group has no positives or no negatives.
UNDEFINED = {
    "group_without_positives": {
        "equal_opportunity_difference",
        "equalized_odds_difference",
        "equalized_odds_difference_mean",
        "f1_gap",
    },
    "group_without_negatives": {"equalized_odds_difference", "equalized_odds_difference_mean"},
}


@pytest.mark.parametrize("name", FAIRNESS)
def test_fairness(name):
    case = FAIRNESS[name]
    names = sorted(case["per_group"])
    report = fairness_report(case, names)
    for g, group in enumerate(names):
        reference = case["per_group"][group]
        positives, frames = reference["positives"], reference["n"]
        assert int(report.frames[g, 0]) == frames
        assert int(report.positives[g, 0]) == positives
        assert int(report.negatives[g, 0]) == frames - positives
        assert_close(report.selection_rate[g, 0], reference["selection_rate"])
        assert_close(report.base_rate[g, 0], positives / frames)
        rates = (
            (report.f1, "f1", positives),
            (report.true_positive_rate, "tpr", positives),
            (report.false_positive_rate, "fpr", frames - positives),
        )
        for ours, key, support in rates:
            if support:
                assert_close(ours[g, 0], reference[key])
            else:
                assert reference[key] == 0.0
                assert bool(ours[g, 0].isnan())
    for ours, key in DIFFERENCES.items():
        value = getattr(report, ours)[0]
        if ours in UNDEFINED.get(name, ()):
            assert bool(value.isnan()), ours
        else:
            assert_close(value, case[key])


@pytest.mark.parametrize("name", FAIRNESS)
def test_overall_f1_of_groups(name):
    case = FAIRNESS[name]
    names = sorted(case["per_group"])
    labels = np.asarray(case["y_true"], dtype=np.float64)[:, None]
    predictions = np.asarray(case["y_pred"], dtype=np.float64)[:, None]
    f1 = metrics.grouped_multilabel_f1(predictions, labels, case["group"], names)
    assert_close(f1["overall"][0], case["overall_f1"])


def test_a_gap_to_an_absent_group_does_not_exist():
    """The reference sees only groups that occur, and writes a difference of 0."""
    case = FAIRNESS["one_group_only"]
    assert list(case["per_group"]) == ["F"]
    report = fairness_report(case, ["F", "M"])
    for ours, key in DIFFERENCES.items():
        assert case[key] == 0.0
        assert bool(getattr(report, ours)[0].isnan()), ours
    assert report.frames[:, 0].tolist() == [60, 0]
    assert report.worst_group.tolist() == [-1]


@pytest.mark.parametrize("case", REFERENCE["distribution"]["results"], ids=lambda case: case["name"])
def test_distribution(case):
    x, y = (np.asarray(REFERENCE["distribution"][case[side]]) for side in "xy")
    tolerance = 1e-6 if case["name"] == "rank_deficient" else TOLERANCE
    assert_close(metrics.frechet_distance(x, y), case["frechet"], tolerance)
    assert_close(metrics.kernel_distance(x, y, block=50), case["kid_unbiased"])
    assert_close(metrics.kernel_distance(x, y, unbiased=False), case["kid_biased"])

    frechet = metrics.FrechetDistance(x.shape[1])
    unbiased, biased = metrics.KernelDistance(x.shape[1]), metrics.KernelDistance(x.shape[1], unbiased=False)
    for metric in (frechet, unbiased, biased):
        for side, features in ((True, x), (False, y)):
            for part in np.array_split(features, 4):
                metric.update(torch.from_numpy(part), real=side)
    assert_close(frechet.compute(), case["frechet"], tolerance)
    assert_close(unbiased.compute(), case["kid_unbiased"])
    assert_close(biased.compute(), case["kid_biased"])

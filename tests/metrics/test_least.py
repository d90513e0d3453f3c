"""The least that a metric can be given: one action unit, one person, one group, one frame, nothing coded."""

import pickle

import numpy as np
import pytest
import torch

from aukit import metrics

NAN = float("nan")
FRAMES = {
    "one frame with it": (np.array([[0.9]]), np.array([[1.0]]), 1.0),
    "one frame without it": (np.array([[0.9]]), np.array([[0.0]]), NAN),
    "one frame, not coded": (np.array([[0.9]]), np.array([[NAN]]), NAN),
    "two frames": (np.array([[0.9], [0.8]]), np.array([[1.0], [0.0]]), 2 / 3),
    "no frame": (np.zeros((0, 1)), np.zeros((0, 1)), NAN),
}


@pytest.fixture(params=FRAMES.values(), ids=FRAMES.keys())
def case(request):
    return request.param


def test_f1_of_one_action_unit(case):
    scores, labels, expected = case
    streaming = metrics.MultilabelF1(1)
    streaming.update(torch.from_numpy(scores), torch.from_numpy(labels))
    for value in (metrics.multilabel_f1(scores, labels), streaming.compute().numpy()):
        assert value.shape == (1,)
        np.testing.assert_allclose(value, [expected])
    assert streaming.support.tolist() == [int((labels == 1).sum())]
    mean = metrics.MultilabelF1(1, average="macro")
    mean.update(torch.from_numpy(scores), torch.from_numpy(labels))
    assert mean.compute().shape == ()


@pytest.mark.parametrize("names", [("female",), ("female", "male")], ids=["one group", "two groups"])
def test_f1_and_fairness_of_one_action_unit_by_group(case, names):
    scores, labels, expected = case
    groups = ["female"] * len(labels)
    streaming = metrics.GroupedMultilabelF1(1, names)
    streaming.update(torch.from_numpy(scores), torch.from_numpy(labels), groups)
    found = streaming.compute()
    twin = metrics.grouped_multilabel_f1(scores, labels, groups, names)
    for name in (*names, "overall"):
        value = NAN if name == "male" else expected
        assert found[name].shape == twin[name].shape == (1,)
        np.testing.assert_allclose(found[name].numpy(), [value])
        np.testing.assert_allclose(twin[name], [value])
    fairness = metrics.GroupFairness(1, names)
    fairness.update(torch.from_numpy(scores), torch.from_numpy(labels), groups)
    for report in (fairness.compute(), metrics.group_fairness(scores, labels, groups, names)):
        assert report.f1.shape == report.frames.shape == (len(names), 1)
        assert report.overall_f1.shape == report.f1_gap.shape == (1,)
        assert report.frames.tolist()[0] == [int(np.isfinite(labels).sum())]
        # A gap needs a value in every group; the gap of a group with itself is 0.
        gap = NAN if len(names) == 2 or np.isnan(expected) else 0.0
        np.testing.assert_allclose(report.f1_gap.numpy(), [gap])
        np.testing.assert_allclose(report.overall_f1.numpy(), [expected])


@pytest.mark.parametrize("people", [1, 2], ids=["one person", "two people"])
def test_intervals_of_one_action_unit(case, people):
    scores, labels, expected = case
    if not len(labels):
        with pytest.raises(ValueError, match="no people"):
            metrics.fairness_intervals(_counts(scores, labels, 1))
        return
    counts = _counts(scores, labels, people)
    found = metrics.fairness_intervals(counts)
    assert found["overall_f1"].estimate.shape == (2,)  # the action unit, and the mean
    np.testing.assert_allclose(found["overall_f1"].estimate, [expected] * 2)
    assert found["f1"].estimate.shape == (1, 2)
    if len(counts.subjects) < 2:  # no interval over one person
        assert np.isnan(found["overall_f1"].low).all()


def _counts(scores, labels, people):
    persons = [f"p{i % people}" for i in range(len(labels))]
    return metrics.grouped_confusion_counts(scores, labels, persons, ["all"] * len(labels), ("all",))


LEVELS = {
    "one frame": (np.array([[2.0]]), np.array([[3.0]]), NAN),
    "one frame, not coded": (np.array([[2.0]]), np.array([[NAN]]), NAN),
    "no frame": (np.zeros((0, 1)), np.zeros((0, 1)), NAN),
    "two frames": (np.array([[1.0], [3.0]]), np.array([[0.0], [2.0]]), 1.0),
    "a constant": (np.array([[1.0], [1.0]]), np.array([[0.0], [2.0]]), 0.0),
}


@pytest.mark.parametrize(("predictions", "labels", "expected"), LEVELS.values(), ids=LEVELS.keys())
def test_intraclass_correlation_of_one_action_unit(predictions, labels, expected):
    streaming = metrics.IntraclassCorrelation(1)
    streaming.update(torch.from_numpy(predictions), torch.from_numpy(labels))
    for value in (metrics.intraclass_correlation(predictions, labels), streaming.compute().numpy()):
        assert value.shape == (1,)
        np.testing.assert_allclose(value, [expected])
    assert streaming.support.tolist() == [int(np.isfinite(labels).sum())]
    if len(labels):
        persons, everybody = np.array(["p"] * len(labels)), ["all"] * len(labels)
        sums = metrics.grouped_icc_sums(predictions, labels, persons, everybody, ("all",))
        found = metrics.group_icc_intervals(sums)
        np.testing.assert_allclose(found["overall_icc"].estimate, [expected] * 2)
        assert found["icc"].estimate.shape == (1, 2)


@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize("features", [1, 3])
def test_distances_of_few_images(count, features):
    x, y = np.ones((count, features)), np.zeros((count, features))
    streaming = metrics.FrechetDistance(features)
    kernel = metrics.KernelDistance(features)
    for each in (streaming, kernel):
        each.update(torch.from_numpy(x), real=True)
        each.update(torch.from_numpy(y), real=False)
        assert each.compute().shape == ()
    expected = float(features) if count >= 2 else NAN
    np.testing.assert_allclose(metrics.frechet_distance(x, y), expected)
    np.testing.assert_allclose(streaming.compute(), expected)
    expected = 7.0 if count >= 2 else NAN  # the kernel is 8 among ones, 1 elsewhere
    np.testing.assert_allclose(metrics.kernel_distance(x, y), expected)
    np.testing.assert_allclose(kernel.compute(), expected)


def test_a_result_keeps_its_shape_when_it_is_cached_and_when_the_metric_is_copied():
    metric = metrics.IntraclassCorrelation(1)
    metric.update(torch.tensor([[1.0], [3.0]]), torch.tensor([[0.0], [2.0]]))
    for each in (metric, metric, metric.clone(), pickle.loads(pickle.dumps(metric))):
        assert each.compute().tolist() == [1.0]
    assert metric(torch.tensor([[1.0], [3.0]]), torch.tensor([[0.0], [2.0]])).shape == (1,)


@pytest.mark.parametrize("aus", [1, 3])
def test_a_batch_of_another_number_of_action_units_is_refused(aus):
    metric, wrong = metrics.IntraclassCorrelation(2), torch.ones(4, aus)
    with pytest.raises(ValueError, match=rf"of 2 AUs; predictions are \[4, {aus}\]"):
        metric.update(wrong, wrong)
    with pytest.raises(ValueError, match=rf"of 2 AUs; predictions are \[4, {aus}\]"):
        metrics.MultilabelF1(2).update(wrong, wrong)
    for grouped in (metrics.GroupedMultilabelF1(2, ("f", "m")), metrics.GroupFairness(2, ("f", "m"))):
        with pytest.raises(ValueError, match=rf"of 2 AUs; predictions are \[4, {aus}\]"):
            grouped.update(wrong, wrong, ["f"] * 4)
    assert metric.icc_sums.shape == (2, 6)

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aukit import metrics

LEVELS = st.integers(0, 5).map(float)
CODES = st.one_of(LEVELS, st.just(np.nan))


def pairs(values=LEVELS, rows=(2, 40), aus=(1, 4)):
    """Predictions and labels [2, n, A]."""
    return st.tuples(st.integers(*rows), st.integers(*aus)).flatmap(
        lambda shape: hnp.arrays(np.float64, (2, *shape), elements=values)
    )


def anova_icc_3_1(x, y):
    """Shrout and Fleiss by the table of squares, for one AU without missing values."""
    ratings = np.stack([x, y], axis=1)
    n, k = ratings.shape
    between = k * ((ratings.mean(1) - ratings.mean()) ** 2).sum()
    judges = n * ((ratings.mean(0) - ratings.mean()) ** 2).sum()
    error = ((ratings - ratings.mean()) ** 2).sum() - between - judges
    bms, ems = between / (n - 1), error / ((n - 1) * (k - 1))
    return (bms - ems) / (bms + (k - 1) * ems)


@settings(deadline=None, max_examples=60)
@given(pairs(CODES))
def test_icc_equals_the_analysis_of_variance_over_complete_frames(data):
    values = metrics.intraclass_correlation(*data)
    for au, value in enumerate(values):
        x, y = data[0, :, au], data[1, :, au]
        both = ~np.isnan(x) & ~np.isnan(y)
        x, y = x[both], y[both]
        if len(x) < 2 or (x.std() == 0 and y.std() == 0):
            assert np.isnan(value)
        elif x.std() == 0 or y.std() == 0:
            assert value == 0
        else:
            assert value == pytest.approx(anova_icc_3_1(x, y), abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(pairs(), st.floats(-50, 50))
def test_consistency_ignores_an_offset_and_agreement_does_not_see_a_common_one(data, offset):
    x, y = data
    for kind, other in (("3,1", y + offset), ("2,1", y + offset), ("1,1", y + offset)):
        moved = x if kind == "3,1" else x + offset
        np.testing.assert_allclose(
            metrics.intraclass_correlation(moved, other, kind),
            metrics.intraclass_correlation(x, y, kind),
            atol=1e-9,
        )


def test_absolute_agreement_sees_an_offset():
    x = np.arange(6.0)[:, None]
    assert metrics.intraclass_correlation(x + 2, x)[0] == pytest.approx(1)
    assert metrics.intraclass_correlation(x + 2, x, "2,1")[0] < 0.7


@settings(deadline=None, max_examples=40)
@given(pairs(CODES), st.integers(0, 2**32 - 1))
def test_batches_order_and_people_do_not_matter(data, seed):
    """Integer levels are summed exactly, so the results are equal to the last bit."""
    rng = np.random.default_rng(seed)
    x, y = data
    whole = metrics.intraclass_correlation(x, y)
    order = rng.permutation(len(x))
    np.testing.assert_array_equal(metrics.intraclass_correlation(x[order], y[order]), whole)

    people = rng.integers(0, 3, len(x))
    by_person = metrics.icc_sums(x, y, people)
    assert by_person.sums.shape == (len(np.unique(people)), x.shape[1], 6)
    np.testing.assert_array_equal(metrics.icc_from_sums(by_person.sums.sum(0)), whole)

    metric = metrics.IntraclassCorrelation(x.shape[1])
    cuts = np.sort(rng.integers(0, len(x) + 1, 3))
    for a, b in zip(np.split(x, cuts), np.split(y, cuts), strict=True):
        metric.update(torch.from_numpy(a), torch.from_numpy(b))
    np.testing.assert_array_equal(metric.compute().reshape(-1).numpy(), whole)
    assert metric.support.tolist() == (~np.isnan(x + y)).sum(0).tolist()


def test_far_from_the_scale_digits_are_lost_as_documented():
    rng = np.random.default_rng(5)
    y = rng.integers(0, 6, (5000, 3)).astype(float)
    x = y + rng.normal(0, 1, y.shape)
    near = metrics.intraclass_correlation(x, y)
    metric = metrics.IntraclassCorrelation(3)
    for a, b in zip(np.split(x + 1e4, 50), np.split(y + 1e4, 50), strict=True):
        metric.update(torch.from_numpy(a), torch.from_numpy(b))
    np.testing.assert_allclose(metric.compute().numpy(), near, atol=1e-6)
    np.testing.assert_allclose(metrics.intraclass_correlation(x + 1e4, y + 1e4), near, atol=1e-6)


@pytest.mark.parametrize("constant", [0.0, 2.5, 3.7, 1 / 3, 1e4 / 3])
def test_a_constant_prediction_scores_zero_and_two_constants_nothing(constant):
    y = np.random.default_rng(0).integers(0, 6, (999, 1)).astype(float)
    x = np.full_like(y, constant)
    for kind in ("3,1", "2,1"):
        assert metrics.intraclass_correlation(x, y, kind)[0] == 0
        assert metrics.intraclass_correlation(y, x, kind)[0] == 0
    assert np.isnan(metrics.intraclass_correlation(x, x)[0])
    assert np.isnan(metrics.intraclass_correlation(x, x + 1)[0])


@pytest.mark.parametrize("constant", [0.0, 0.7, 1 / 3, 1e4 / 3])
def test_raters_who_tell_no_target_apart_agree_in_nothing(constant):
    """What rounding leaves of a mean is no variance, for any number of raters."""
    ratings = np.full((7, 4), constant)
    for kind in ("1,1", "2,1", "3,1", "1,k", "2,k", "3,k"):
        assert np.isnan(metrics.rater_agreement(ratings, kind))
        assert np.isnan(metrics.rater_agreement(ratings + np.arange(4), kind))
    ratings[0] += 1
    assert metrics.rater_agreement(ratings) == pytest.approx(1)


def test_float32_noise_on_a_constant_is_a_constant():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 6, (999, 1)).astype(np.float32)
    x = np.float32(1.7) + rng.integers(-1, 2, y.shape).astype(np.float32) * np.float32(1.2e-7)
    assert len(np.unique(x)) > 1
    assert metrics.intraclass_correlation(x, y)[0] == 0


def test_answers_in_kind():
    x, y = np.arange(4.0)[:, None], np.array([[0.0], [1], [1], [3]])
    assert isinstance(metrics.intraclass_correlation(x, y), np.ndarray)
    tensor = metrics.intraclass_correlation(torch.from_numpy(x), torch.from_numpy(y))
    assert isinstance(tensor, torch.Tensor)
    assert tensor.dtype == torch.float64


def test_macro_is_the_mean_of_the_aus_that_have_a_value():
    x = torch.tensor([[0.0, 1.0], [2.0, 1.0], [5.0, 1.0]])
    metric = metrics.IntraclassCorrelation(2, average="macro")
    metric.update(x, x)
    assert metric.compute() == pytest.approx(1.0)
    assert metric.compute().dtype == torch.float64


def test_state_stays_float64_when_the_model_is_cast():
    rng = np.random.default_rng(1)
    x, y = (torch.from_numpy(rng.integers(0, 6, (500, 2)).astype(np.float32)) for _ in range(2))
    metric = metrics.IntraclassCorrelation(2).to(torch.bfloat16)
    metric.update(x.to(torch.bfloat16), y)
    assert metric.compute().dtype == torch.float64
    np.testing.assert_array_equal(
        metric.compute().numpy(), metrics.intraclass_correlation(x.numpy(), y.numpy())
    )


def test_reset_and_forward():
    x = torch.tensor([[0.0], [2.0], [5.0]])
    metric = metrics.IntraclassCorrelation(1)
    metric.update(-x, x)
    metric.reset()
    assert metric(x, x) == pytest.approx(1)
    assert metric(-x, x) == pytest.approx(-1)
    assert -1 < metric.compute() < 1


def test_bad_arguments():
    x = np.zeros((3, 2))
    with pytest.raises(ValueError, match=r"\[n, A\]"):
        metrics.intraclass_correlation(x, x[:, :1])
    with pytest.raises(ValueError, match=r"\[n, A\]"):
        metrics.intraclass_correlation(x[:, 0], x[:, 0])
    with pytest.raises(ValueError, match="unknown kind"):
        metrics.intraclass_correlation(x, x, "4,1")
    with pytest.raises(ValueError, match="unknown kind"):
        metrics.IntraclassCorrelation(2, "4,1")
    with pytest.raises(ValueError, match=r"subjects must be \[3\]"):
        metrics.icc_sums(x, x, ["a"])
    for groups in (["m"], ["m"] * 4):
        with pytest.raises(ValueError, match=r"groups must be \[3\], one per frame; it is \[[14]\]"):
            metrics.grouped_icc_sums(np.ones((3, 1)), np.ones((3, 1)), ["a", "a", "b"], groups, ("f", "m"))
    with pytest.raises(ValueError, match="two raters"):
        metrics.rater_agreement(x[:, :1])

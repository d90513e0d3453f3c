import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aukit import metrics


def two_sets(seed, n=60, m=45, d=6, offset=0.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) + offset, rng.normal(size=(m, d)) @ rng.normal(size=(d, d)) + 0.5 + offset


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_frechet_equals_the_matrix_square_root(seed):
    x, y = two_sets(seed)
    root = scipy.linalg.sqrtm(np.cov(x.T) @ np.cov(y.T)).real
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(np.cov(x.T) + np.cov(y.T) - 2 * root)
    assert metrics.frechet_distance(x, y) == pytest.approx(expected, abs=1e-8)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.integers(1, 40), st.booleans())
def test_streams_equal_the_whole(seed, size, unbiased):
    x, y = two_sets(seed)
    frechet = metrics.FrechetDistance(6)
    kernel = metrics.KernelDistance(6, unbiased=unbiased)
    for side, features in ((True, x), (False, y)):
        for start in range(0, len(features), size):
            for metric in (frechet, kernel):
                metric.update(torch.from_numpy(features[start : start + size]), real=side)
    assert float(frechet.compute()) == pytest.approx(metrics.frechet_distance(x, y), abs=1e-9)
    expected = metrics.kernel_distance(x, y, unbiased=unbiased, block=7)
    assert float(kernel.compute()) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_frechet_far_from_the_origin():
    x, y = two_sets(3, offset=1e4)
    metric = metrics.FrechetDistance(6)
    metric.update(torch.from_numpy(x), real=True)
    metric.update(torch.from_numpy(y), real=False)
    near = metrics.frechet_distance(x - 1e4, y - 1e4)
    assert float(metric.compute()) == pytest.approx(near, abs=1e-5)


def test_known_distances():
    x = np.array([[0.0], [2.0]])
    assert metrics.frechet_distance(x, x + 3) == pytest.approx(9)
    assert metrics.frechet_distance(x, 2 * x - 1) == pytest.approx(2.0)  # spreads of √2 and 2√2, means alike
    assert metrics.kernel_distance(np.zeros((2, 1)), np.ones((2, 1)), unbiased=False) == pytest.approx(
        1 + 8 - 2
    )


def test_too_few_rows_have_no_distance():
    x, one = np.random.default_rng(0).normal(size=(5, 2)), np.zeros((1, 2))
    assert np.isnan(metrics.frechet_distance(x, one))
    assert np.isnan(metrics.kernel_distance(x, one))
    assert not np.isnan(metrics.kernel_distance(x, one, unbiased=False))
    for cls in (metrics.FrechetDistance, metrics.KernelDistance):
        metric = cls(2)
        metric.update(torch.from_numpy(x), real=True)
        metric.update(torch.from_numpy(one), real=False)
        assert torch.isnan(metric.compute())


def test_extractor_is_named_used_and_no_part_of_the_model():
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 4))
    images = torch.randn(20, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="name the extractor"):
        metrics.FrechetDistance(4, network)
    for cls, function in (
        (metrics.FrechetDistance, metrics.frechet_distance),
        (metrics.KernelDistance, metrics.kernel_distance),
    ):
        metric = cls(4, network, "probe-1")
        assert metric.extractor_name == "probe-1"
        assert list(metric.parameters()) == []
        metric.update(images[:12], real=True)
        metric.update(images[12:], real=False)
        features = network(images).detach()
        assert float(metric.compute()) == pytest.approx(function(features[:12], features[12:]), rel=1e-9)


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"\[n, D\]"):
        metrics.frechet_distance(np.zeros((3, 2)), np.zeros((3, 4)))
    with pytest.raises(ValueError, match=r"\[B, 3\]"):
        metrics.FrechetDistance(3).update(torch.zeros(2, 4), real=True)
    with pytest.raises(ValueError, match="too much memory"):
        metrics.KernelDistance(2048)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite_have_no_distance(value):
    x = np.random.default_rng(0).random((5, 3))
    y = x.copy()
    y[2, 1] = value
    streaming = metrics.FrechetDistance(3)
    streaming.update(torch.from_numpy(x), real=True)
    streaming.update(torch.from_numpy(y), real=False)
    assert np.isnan(metrics.frechet_distance(x, y))
    assert streaming.compute().isnan()
    assert np.isnan(metrics.kernel_distance(x, y))

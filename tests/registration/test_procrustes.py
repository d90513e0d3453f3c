import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aukit.registration import frontalize, umeyama

seeds = st.integers(0, 10_000)


def rotation(rng, dimension):
    q, r = np.linalg.qr(rng.standard_normal((dimension, dimension)))
    q = q * np.sign(np.diag(r))
    q[:, 0] *= np.linalg.det(q)
    return q


@settings(max_examples=50, deadline=None)
@given(seed=seeds, dimension=st.sampled_from([2, 3]), scale=st.floats(0.01, 100))
def test_a_similarity_is_recovered(seed, dimension, scale):
    rng = np.random.default_rng(seed)
    source = rng.standard_normal((4, 20, dimension))
    turn, shift = rotation(rng, dimension), rng.standard_normal(dimension) * 50
    target = scale * source @ turn.T + shift
    matrix = umeyama(torch.from_numpy(source), torch.from_numpy(target)).numpy()
    np.testing.assert_allclose(
        matrix[..., :-1], np.broadcast_to(scale * turn, matrix[..., :-1].shape), atol=1e-8 * scale
    )
    np.testing.assert_allclose(matrix[..., -1], np.broadcast_to(shift, matrix[..., -1].shape), atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_similarity_never_mirrors_and_is_the_best_of_its_kind(seed):
    rng = np.random.default_rng(seed)
    source, target = rng.standard_normal((2, 1, 30, 3))
    target = target + source * np.array([-3.0, 1, 1])
    frontal, matrix = frontalize(source, target, "similarity")
    assert np.linalg.det(matrix[0, :, :3]) > 0
    error = np.square(frontal - target).sum()
    for _ in range(20):
        small = np.eye(3) + 0.02 * rng.standard_normal((3, 3))
        u, _, vt = np.linalg.svd(small)
        other = matrix[0, :, :3] @ (u @ vt) * (1 + 0.02 * rng.standard_normal())
        mapped = source @ other.T + matrix[0, :, 3] + 0.02 * rng.standard_normal(3)
        assert np.square(mapped - target).sum() >= error


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_the_affine_front_does_not_depend_on_an_affine_change_of_the_input(seed):
    rng = np.random.default_rng(seed)
    canonical = rng.standard_normal((40, 3)) * 30
    posed = canonical @ rotation(rng, 3).T + rng.standard_normal((40, 3))
    change = rotation(rng, 3) * rng.uniform(0.5, 2, 3)
    frontal, _ = frontalize(posed, canonical)
    again, _ = frontalize(posed @ change.T + rng.standard_normal(3) * 9, canonical)
    np.testing.assert_allclose(frontal, again, atol=1e-8)


@pytest.mark.parametrize("method", ["affine", "similarity"])
@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_a_turned_mesh_comes_back_to_the_canonical(method, seed):
    rng = np.random.default_rng(seed)
    canonical = rng.standard_normal((30, 3))
    posed = np.stack([7 * canonical @ rotation(rng, 3).T + rng.standard_normal(3) for _ in range(3)])
    frontal, matrix = frontalize(posed, canonical, method)
    np.testing.assert_allclose(frontal, np.broadcast_to(canonical, frontal.shape), atol=1e-9)
    np.testing.assert_allclose(
        posed @ matrix[..., :3].transpose(0, 2, 1) + matrix[:, None, :, 3], frontal, atol=1e-9
    )


def test_types_and_shapes_are_kept():
    canonical = torch.randn(9, 3, generator=torch.Generator().manual_seed(0))
    frontal, matrix = frontalize(canonical.repeat(2, 1, 1), canonical)
    assert frontal.dtype == matrix.dtype == torch.float32
    assert matrix.shape == (2, 3, 4)
    frontal_array, _ = frontalize(canonical.numpy(), canonical.numpy(), "similarity")
    assert isinstance(frontal_array, np.ndarray)
    assert frontal_array.dtype == np.float32


def test_flat_points_and_bad_arguments():
    flat = np.random.default_rng(0).standard_normal((10, 3)) * [1, 1, 0]
    frontal, matrix = frontalize(flat, flat)
    np.testing.assert_allclose(frontal, flat, atol=1e-9)
    assert np.isfinite(matrix).all()
    assert (umeyama(torch.ones(5, 3), torch.randn(5, 3))[:, :3] == 0).all()
    with pytest.raises(ValueError, match="method"):
        frontalize(flat, flat, "rigid")
    with pytest.raises(ValueError, match=r"\[...,N,3\]"):
        frontalize(flat, flat[:5])

"""The affine frontalisation against PRNet's."""

import numpy as np
import pytest
import torch

from aukit.registration import frontalize
from tests.parity.loader import load_npz


@pytest.fixture(scope="module")
def reference():
    return load_npz("frontalize")


def test_the_fixture_holds_the_formula_shape_only(reference):
    assert all(name == "meta" or name.startswith("synth500.") for name in reference)


@pytest.mark.parametrize("case", [0, 1, 2])
@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_affine_equals_prnet(reference, case, kind):
    canonical = reference["synth500.canonical"]
    values = {k.split(".", 2)[2]: v for k, v in reference.items() if k.startswith(f"synth500.{case}.")}
    posed = values["posed"]
    if kind == "torch":
        frontal, matrix = (
            a.numpy() for a in frontalize(torch.from_numpy(posed), torch.from_numpy(canonical))
        )
    else:
        frontal, matrix = frontalize(posed, canonical)
    reference_matrix = values["affine_3x4"]
    np.testing.assert_allclose(
        matrix, reference_matrix, rtol=1e-8, atol=1e-8 * np.abs(reference_matrix).max()
    )
    residual = frontal - canonical
    rms = np.sqrt(np.square(residual).mean())
    if case == 2:  # without noise: what is left is rounding
        assert np.abs(residual).max() < 1e-9
        assert values["residual_rms"] < 1e-9
        return
    np.testing.assert_allclose(frontal, values["frontal"], rtol=1e-8, atol=1e-8 * np.abs(frontal).max())
    np.testing.assert_allclose(
        residual[values["rows"]], values["frontal_minus_canonical_rows"], atol=1e-8 * np.abs(frontal).max()
    )
    np.testing.assert_allclose(rms, values["residual_rms"], rtol=1e-8)

import numpy as np
import pytest
import torch

from aukit.models.niinuma2021.intensity.augment import relight, shake


def test_light_changes_all_pixels_of_an_image_by_one_factor_per_colour():
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    images[:, :2] = 0
    lit = relight(images, np.random.default_rng(1), 1.0)
    factors = lit[:, 2:] / np.maximum(images[:, 2:], 1)
    used = images[:, 2:] > 0
    assert lit.dtype == np.float32
    assert not lit[:, :2].any()
    for image in range(3):
        for colour in range(3):
            own = factors[image, ..., colour][used[image, ..., colour]]
            assert np.ptp(own) < 1e-5
            assert own[0] != pytest.approx(1, abs=1e-3)


def test_shaking_moves_a_point_by_a_few_pixels_and_no_further():
    images = torch.zeros(200, 1, 64, 64)
    images[:, :, 31:33, 31:33] = 1
    shaken = shake(images, np.random.default_rng(0), 1.0)
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    mass = shaken.sum((1, 2, 3))
    centre = torch.stack([(shaken[:, 0] * x).sum((1, 2)) / mass, (shaken[:, 0] * y).sum((1, 2)) / mass], 1)
    moved = (centre - 31.5).abs()
    assert moved.max() < 64 / 32 * 1.3
    assert moved.mean() > 0.5


def test_no_strength_no_change():
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    assert np.array_equal(relight(images, np.random.default_rng(1), 0.0), images)
    tensor = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(shake(tensor, np.random.default_rng(1), 0.0), tensor, atol=1e-5, rtol=0)

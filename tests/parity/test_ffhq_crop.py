"""The FFHQ crop against the cropper that FG-Net's README names."""

import numpy as np
import pytest

from aukit.registration import ffhq_crop, ffhq_plan, ffhq_quad
from tests.parity.loader import load_npz

CASES = range(5)


@pytest.fixture(scope="module")
def reference():
    return load_npz("ffhq_crop")


def picture(reference, case):
    height, width = reference[f"{case}.image_hw"]
    p = float(reference[f"{case}.image_phase"])
    y, x = np.mgrid[:height, :width].astype(np.float64)
    red = 127.5 + 80 * np.sin(0.031 * x + 0.017 * y + p) + 40 * np.cos(0.11 * y - 0.05 * x)
    green = 127.5 + 70 * np.cos(0.023 * y + 0.5 * p) + 50 * np.sin(0.09 * x)
    blue = 127.5 + 100 * np.sin(0.013 * (x + y)) * np.cos(0.019 * (x - y) + p)
    image = np.rint(np.clip(np.stack([red, green, blue], -1), 0, 255)).astype(np.uint8)
    assert (image.ravel()[reference[f"{case}.image.idx"]] == reference[f"{case}.image.val"]).all()
    return image


@pytest.mark.parametrize("case", CASES)
def test_geometry(reference, case):
    quad = ffhq_quad(reference[f"{case}.landmarks"])
    for name, value in (("quad", quad.corners), ("centre", quad.centre), ("x", quad.x), ("qsize", quad.size)):
        np.testing.assert_allclose(value, reference[f"{case}.{name}"], rtol=0, atol=1e-9)
    height, width = (int(n) for n in reference[f"{case}.image_hw"])
    plan = ffhq_plan(quad, height, width, 256)
    assert max(plan.shrink, 1) == max(int(reference[f"{case}.shrink"]), 1)
    assert plan.border == int(reference[f"{case}.border"])
    assert list(plan.crop) == reference[f"{case}.crop_ltrb"].tolist()
    assert (plan.pad is not None) == bool(reference[f"{case}.padded"])
    assert list(plan.pad or (0, 0, 0, 0)) == reference[f"{case}.pad_ltrb"].tolist()
    np.testing.assert_allclose(plan.quad, reference[f"{case}.quad_final"], rtol=0, atol=1e-9)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("crop256", {}),
        ("crop256_no_padding", {"padding": False}),
        ("crop256_transform256", {"transform_size": 256}),
    ],
)
def test_pixels(reference, case, name, options):
    crop = ffhq_crop(picture(reference, case), reference[f"{case}.landmarks"], 256, **options)
    assert crop.shape == tuple(reference[f"{case}.{name}.shape"])
    sampled = crop.ravel()[reference[f"{case}.{name}.idx"]].astype(int)
    assert np.abs(sampled - reference[f"{case}.{name}.val"].astype(int)).max() <= 2
    mean, std = reference[f"{case}.{name}.stats"][:2]
    assert abs(crop.mean() - mean) < 0.05
    assert abs(crop.std() - std) < 0.05

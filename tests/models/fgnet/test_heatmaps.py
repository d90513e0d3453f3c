import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aukit.facs import CORPUS_AUS
from aukit.models.fgnet import HEATMAP_AUS, au_heatmaps, heatmap_scores

FACE = np.random.default_rng(0).uniform(90, 166, (1, 68, 2))


def test_every_scored_action_unit_has_a_place():
    gft = CORPUS_AUS["gft"].occurrence
    assert set(HEATMAP_AUS) >= {*CORPUS_AUS["bp4d"].occurrence, 1, 2, 4, 6, 9, 12, 25, 26, *gft}
    maps = au_heatmaps(FACE, torch.ones(1, len(gft)), gft)
    assert (heatmap_scores(maps) > 0).all()


def test_absent_is_the_negative_of_present_and_unknown_is_nan():
    labels = torch.tensor([[1.0, 0.0, torch.nan]])
    maps = au_heatmaps(FACE, labels, (12, 14, 15), size=64)[0]
    assert torch.equal(maps[0], -maps[1])
    assert maps[2].isnan().all()


def test_a_batch_is_its_frames():
    landmarks = torch.rand(3, 68, 3) * 256
    labels = torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    together = au_heatmaps(landmarks, labels, (6, 17), size=32, sigma=5)
    for i in range(3):
        single = au_heatmaps(landmarks[i : i + 1], labels[i : i + 1], (6, 17), size=32, sigma=5)
        assert torch.equal(together[i], single[0])


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 255), st.floats(0, 255), st.sampled_from([32, 128]))
def test_the_maximum_is_at_the_centre_and_the_rest_is_zero(x, y, size):
    landmarks = np.full((1, 68, 2), (x, y))
    sigma = 20 * size / 128
    map_ = au_heatmaps(landmarks, np.ones((1, 1)), (1,), size, sigma=sigma)[0, 0].numpy()
    rows, columns = np.mgrid[:size, :size]
    distance = np.hypot(columns - x * size / 256, rows - y * size / 256)
    assert (map_[distance > 3.04 * sigma] == 0).all()  # exp(-d²/2σ²) < 0.01
    assert (map_[distance < 3.03 * sigma] > 0).all()
    assert map_.max() <= 1
    assert (map_[distance < 0.5 * sigma] == 1).all()  # twice the same Gaussian, clipped


@pytest.mark.parametrize(
    ("landmarks", "labels", "aus", "message"),
    [
        (np.zeros((1, 68, 2)), np.zeros((1, 1)), (5,), "AU 5"),
        (np.zeros((1, 66, 2)), np.zeros((1, 1)), (1,), r"\[1, 66, 2\]"),
        (np.zeros((1, 68, 2)), np.zeros((1, 2)), (1,), r"\[1, 2\]"),
    ],
)
def test_what_does_not_fit_is_said(landmarks, labels, aus, message):
    with pytest.raises(ValueError, match=message):
        au_heatmaps(landmarks, labels, aus)

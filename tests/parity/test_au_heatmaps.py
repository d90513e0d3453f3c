"""Target heat maps against the published code, at both map sizes."""

import numpy as np
import pytest
import torch

from aukit.models.fgnet import au_heatmaps, heatmap_scores
from tests.parity import loader

ARRAYS = loader.load_npz("au_heatmaps")
AUS = {
    corpus: loader.meta(loader.load_npz("fgnet_full"))[corpus] for corpus in ("BP4D", "DISFA")
}  # in channel order


@pytest.mark.parametrize("corpus", ["BP4D", "DISFA"])
@pytest.mark.parametrize("size", [128, 64])
def test_maps(corpus, size):
    landmarks = loader.tensor(ARRAYS, "landmarks").array()
    labels = loader.tensor(ARRAYS, f"{corpus}.labels").array().astype(np.float64)
    assert (labels == 9).any()  # any code but 1 is a negative map in the published code
    maps = au_heatmaps(landmarks, labels, AUS[corpus], size)
    assert maps.dtype == torch.float32
    name = f"{corpus}.heatmap{size}"
    loader.tensor(ARRAYS, name).compare(maps, atol=1e-6)
    loader.tensor(ARRAYS, f"{name}_channel_mean").compare(maps.double().mean(dim=(2, 3)), atol=1e-6)
    zeros = (maps == 0).sum(dim=(2, 3)).numpy()
    np.testing.assert_array_equal(zeros, loader.tensor(ARRAYS, f"{name}_zero_count").array())
    decisions = (heatmap_scores(maps) > 0).numpy()
    np.testing.assert_array_equal(
        decisions, loader.tensor(ARRAYS, f"{corpus}.decision_from_gt{size}").array()
    )
    if size == 128:
        loader.tensor(ARRAYS, f"{name}_set0_ch0").compare(maps[0, 0], atol=1e-6)

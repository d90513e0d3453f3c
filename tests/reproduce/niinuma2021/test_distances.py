"""The distance of § 4.4 from the reference Inception, of whose file the name says the hash."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.models.inception import Inception3

from aukit.errors import ConfigError
from aukit.reproduce.niinuma2021 import extractor as module
from aukit.reproduce.niinuma2021.cells import NiinumaCells
from aukit.reproduce.niinuma2021.distances import moments
from aukit.reproduce.options import TableOptions
from aukit.utils.files import file_sha256


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("inception") / "inception.pth"
    torch.save(Inception3(num_classes=1008, aux_logits=False, init_weights=False).state_dict(), path)
    return path


class Images:
    """As a `BalancedSet` of random images."""

    def __init__(self, count: int) -> None:
        self.images = np.random.default_rng(0).integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)

    def __len__(self) -> int:
        return len(self.images)

    def images_at(self, places: np.ndarray) -> np.ndarray:
        return self.images[places]


def test_another_network_s_file_is_refused(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = TableOptions("smoke", {}, tmp_path)
    monkeypatch.setenv(module.INCEPTION_VARIABLE, str(weights))
    with pytest.raises(ConfigError, match=r"inception\.pth: is not pt_inception-2015-12-05-6726825d\.pth"):
        NiinumaCells(options, "FID")
    assert NiinumaCells(options, "3").inception is None  # other tables need none
    monkeypatch.setenv(module.INCEPTION_VARIABLE, str(tmp_path / "none.pth"))
    with pytest.raises(ConfigError, match=r"none\.pth: no such file"):
        NiinumaCells(options, "FID")


def test_moments_of_the_reference_are_those_of_its_features(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = NiinumaCells(TableOptions("smoke", {}, tmp_path), "FID")
    monkeypatch.setenv(module.INCEPTION_VARIABLE, str(weights))
    monkeypatch.setattr(module, "INCEPTION_FILE", f"made-{file_sha256(weights)[:8]}.pth")
    cells = NiinumaCells(TableOptions("smoke", {}, tmp_path), "FID")
    assert cells.inception == weights
    assert cells.decisive_values() != before.decisive_values()  # a finished table is made again
    network = module.extractor(cells.inception)
    images = Images(5)
    mean, covariance = moments(images, network)
    with torch.inference_mode():
        features = network(torch.from_numpy(images.images).permute(0, 3, 1, 2) / 127.5 - 1).double()
    assert mean.shape == (2048,)
    assert torch.allclose(mean, features.mean(0), atol=1e-6)
    assert torch.allclose(covariance, features.T.cov(), atol=1e-6)

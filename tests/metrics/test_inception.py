"""The network of FID against torchvision's, of which it differs where TensorFlow's graph does."""

import pytest
import torch
from torch.nn import functional as F
from torchvision.models.inception import Inception3, InceptionA, InceptionE

from aukit.metrics.inception import Inception


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    """Entries as the published file has them, of random weights."""
    torch.manual_seed(0)
    network = Inception3(num_classes=1008, aux_logits=False, init_weights=False)
    return network.state_dict()


def test_entries_are_those_of_the_published_file(state: dict[str, torch.Tensor]) -> None:
    # torchvision's 27,161,264 less its auxiliary head of 3,326,696, and 8 classes more of 2,049 each.
    values = sum(v.numel() for k, v in state.items() if k.endswith(("weight", "bias")))
    assert values == 27_161_264 - 3_326_696 + 8 * 2_049
    features = Inception(state)
    with pytest.raises(RuntimeError, match="Mixed_7c"):
        Inception({k: v for k, v in state.items() if not k.startswith("Mixed_7c.branch_pool")})
    assert not features.train().network.training


def test_2048_features_of_images_of_any_size(state: dict[str, torch.Tensor]) -> None:
    features, images = Inception(state), torch.rand(2, 3, 48, 64) * 2 - 1
    with torch.inference_mode():
        small = features(images)
        large = features(F.interpolate(images, (299, 299), mode="bilinear", align_corners=False))
    assert small.shape == (2, 2048)
    assert torch.allclose(small, large, atol=1e-6)


def test_means_do_not_count_the_padding_and_the_last_block_takes_a_maximum(
    state: dict[str, torch.Tensor],
) -> None:
    network = Inception(state).network
    for name, theirs in (("Mixed_5b", InceptionA(192, 32)), ("Mixed_7b", InceptionE(1280))):
        block = getattr(network, name)
        theirs.load_state_dict(block.state_dict())
        x = torch.rand(1, block.branch1x1.conv.in_channels, 8, 8)
        with torch.inference_mode():
            ours, original = block(x), theirs.eval()(x)
        assert torch.allclose(ours[..., 2:-2, 2:-2], original[..., 2:-2, 2:-2], atol=1e-5)
        assert not torch.allclose(ours[..., 0, 0], original[..., 0, 0], atol=1e-3)
    last = network.Mixed_7c
    x = torch.rand(1, 2048, 8, 8)
    with torch.inference_mode():
        expected = last.branch_pool(F.max_pool2d(x, 3, 1, 1))
        assert torch.equal(last(x)[:, -192:], expected)

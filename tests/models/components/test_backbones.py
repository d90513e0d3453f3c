import pytest
import timm
import torch
from safetensors.torch import save_file

from aukit.errors import ConfigError, WeightsError
from aukit.models.components.backbones import Backbone

SMALL = {"channels": [8, 8, 16, 24], "stem_width": 8}


def small(**arguments):
    return Backbone("resnet10t", options=SMALL, **arguments).eval()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet10t", SMALL),
        ("mobilenetv3_small_050", {}),
        ("vit_tiny_patch16_224", {"img_size": 64, "embed_dim": 24, "depth": 1}),
    ],
)
def test_every_kind_gives_as_many_features_as_it_says(name, options):
    backbone = Backbone(name, options=options).eval()
    assert backbone(torch.rand(2, 3, 64, 64)).shape == (2, backbone.features)


def test_images_are_normalised_as_the_model_expects():
    backbone = small()
    grey = backbone.mean.expand(3, 64, 64)[None]
    expected = backbone.network(torch.zeros(1, 3, 64, 64))
    torch.testing.assert_close(backbone(grey), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_weights_of_a_file_with_a_classifier_load(tmp_path, suffix):
    source = small()
    state = {**source.network.state_dict(), "fc.weight": torch.zeros(1000, 24), "fc.bias": torch.zeros(1000)}
    path = tmp_path / f"imagenet.{suffix}"
    save_file(state, path) if suffix == "safetensors" else torch.save(state, path)
    image = torch.rand(1, 3, 64, 64)
    assert not torch.equal(small()(image), source(image))
    assert torch.equal(small(weights=str(path))(image), source(image))


def test_a_transformer_takes_weights_of_another_image_size(tmp_path):
    tiny = {"embed_dim": 24, "depth": 1, "num_heads": 2, "num_classes": 0}
    name, path = "vit_tiny_patch16_224", tmp_path / "vit.safetensors"
    torch.manual_seed(0)
    save_file(timm.create_model(name, img_size=64, **tiny).state_dict(), path)
    there = {"file": str(path), "num_classes": 0}
    wanted = timm.create_model(name, img_size=96, pretrained=True, pretrained_cfg_overlay=there, **tiny)
    del tiny["num_classes"]
    mine = Backbone(name, str(path), {"img_size": 96, **tiny}).network.state_dict()
    assert mine["pos_embed"].shape == (1, 1 + 6 * 6, 24)
    assert all(torch.equal(mine[key], value) for key, value in wanted.state_dict().items())
    with pytest.raises(WeightsError, match=r"cls_token is \[1, 1, 24\], needed is \[1, 1, 48\]"):
        Backbone(name, str(path), {"img_size": 96, **tiny, "embed_dim": 48})


def test_what_does_not_fit_is_told(tmp_path):
    with pytest.raises(ConfigError, match="no_such_model"):
        Backbone("no_such_model")
    with pytest.raises(ConfigError, match="wings"):
        Backbone("resnet10t", options={"wings": 2})
    save_file({"conv1.0.weight": torch.zeros(8, 3, 3, 3)}, tmp_path / "part.safetensors")
    with pytest.raises(WeightsError, match=r"part.safetensors: lacks \d+ entries of this ResNet"):
        small(weights=str(tmp_path / "part.safetensors"))

import pytest
import timm
import torch
from safetensors.torch import save_file

from aukit.errors import ConfigError, WeightsError
from aukit.models.components.backbones import Backbone, pack_backbone

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


@pytest.mark.parametrize("name", ["deit3_small_patch16_224", "vit_small_patch14_reg4_dinov2"])
def test_positions_without_those_of_class_tokens_are_resampled_too(tmp_path, name):
    path, tiny = tmp_path / "vit.safetensors", {"embed_dim": 24, "depth": 1, "num_heads": 2}
    save_file(timm.create_model(name, img_size=112, num_classes=0, **tiny).state_dict(), path)
    there = {"file": str(path), "num_classes": 0}
    wanted = timm.create_model(
        name, img_size=56, pretrained=True, pretrained_cfg_overlay=there, num_classes=0, **tiny
    )
    mine = Backbone(name, str(path), {"img_size": 56, **tiny}).network.state_dict()
    assert torch.equal(mine["pos_embed"], wanted.state_dict()["pos_embed"])


def test_both_classifiers_of_a_distilled_network_are_left_out(tmp_path):
    name, tiny = "deit_tiny_distilled_patch16_224", {"depth": 1, "embed_dim": 24}
    source = timm.create_model(name, **tiny)
    save_file(source.state_dict(), tmp_path / "deit.safetensors")
    mine = Backbone(name, str(tmp_path / "deit.safetensors"), tiny).network.state_dict()
    assert mine
    assert all(torch.equal(source.state_dict()[key], value) for key, value in mine.items())


def test_what_does_not_fit_is_told(tmp_path):
    with pytest.raises(ConfigError, match="no_such_model"):
        Backbone("no_such_model")
    with pytest.raises(ConfigError, match="wings"):
        Backbone("resnet10t", options={"wings": 2})
    with pytest.raises(ConfigError, match="sometimes"):
        Backbone("vit_tiny_patch16_224", options={"act_layer": "sometimes", "depth": 1})
    save_file({"conv1.0.weight": torch.zeros(8, 3, 3, 3)}, tmp_path / "part.safetensors")
    with pytest.raises(WeightsError, match=r"part.safetensors: lacks \d+ entries of this ResNet"):
        small(weights=str(tmp_path / "part.safetensors"))


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("hf-hub:timm/resnet10t.c3_in1k", {}, "timm has no model of that name"),
        ("timm/resnet10t.c3_in1k", {}, "timm has no model of that name"),
        ("resnet10t", {"pretrained": True}, "the option pretrained lets timm load weights"),
        ("resnet10t", {"checkpoint_path": "w.pth"}, "the option checkpoint_path lets timm load weights"),
    ],
)
def test_no_backbone_looks_for_weights_itself(name, options, words, monkeypatch):
    asked = []
    monkeypatch.setattr("socket.getaddrinfo", lambda *words, **_: asked.append(words) or [])
    with pytest.raises(ConfigError, match=words):
        Backbone(name, options=options)
    assert not asked
    Backbone("resnet10t", options={**SMALL, "pretrained": False})


def test_a_tag_says_how_its_weights_are_normalised():
    tiny = {"depth": 1, "embed_dim": 24}
    for name, mean in [("vit_small_patch16_224", 0.5), ("vit_small_patch16_224.dino", 0.485)]:
        assert float(Backbone(name, options=tiny).mean[0]) == pytest.approx(mean)


def test_prefixes_of_wrappers_are_taken_off(tmp_path):
    source = small()
    torch.save({f"module.{k}": v for k, v in source.network.state_dict().items()}, tmp_path / "w.pth")
    image = torch.rand(1, 3, 64, 64)
    assert torch.equal(small(weights=str(tmp_path / "w.pth"))(image), source(image))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: {"fc.weight": torch.zeros(9, 24)}, r"lacks \d+ entries of this ResNet"),
        (
            lambda s: {**s, "blocks.0.weight": torch.zeros(1)},
            r"has 1 unknown entries, the first is blocks\.0",
        ),
        (
            lambda s: {**s, "conv1.0.weight": s["conv1.0.weight"].transpose(0, 1)},
            r"conv1\.0\.weight is \[3, 6",
        ),
        (
            lambda s: {**s, "bn1.bias": s["bn1.bias"].fill_(torch.inf)},
            r"bn1\.bias has values that are not finite",
        ),
        (
            lambda s: {**s, "bn1.bias": s["bn1.bias"].long()},
            r"bn1\.bias is torch\.int64, needed is torch\.float32",
        ),
        (lambda s: {"state_dict": s}, r"w\.pth: state_dict is a dict, not a tensor"),
    ],
)
def test_weights_of_another_network_are_refused(tmp_path, change, message):
    torch.save(change(dict(small().network.state_dict())), tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=message):
        small(weights=str(tmp_path / "w.pth"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: {k: v.half() if k.endswith("bn1.bias") else v for k, v in s.items()},
            r"is torch\.float16",
        ),
        (
            lambda s: {k: v * 1e6 if k.endswith("bn1.weight") else v for k, v in s.items()},
            "in half precision",
        ),
        (lambda s: {}, "no checkpoint of a pre-trained backbone"),
    ],
)
def test_a_backbone_is_packed_whole_or_not_at_all(tmp_path, change, message):
    state = {f"network.network.{k}": v for k, v in small().network.state_dict().items()}
    checkpoint, out = tmp_path / "last.ckpt", tmp_path / "w.safetensors"
    torch.save({"state_dict": change(state)}, checkpoint)
    with pytest.raises(WeightsError, match=message):
        pack_backbone(checkpoint, out)
    assert not out.exists()
    torch.save({"state_dict": state}, checkpoint)
    with pytest.raises(WeightsError, match="is the file to import itself"):
        pack_backbone(checkpoint, checkpoint)
    pack_backbone(checkpoint, out)
    pack_backbone(checkpoint, out)  # in the place of what it wrote before
    loaded = small(weights=str(out)).network.state_dict()
    assert all(torch.equal(v, state[f"network.network.{k}"].half().to(v.dtype)) for k, v in loaded.items())

"""The three networks of FG-Net, and all of it, at full size against the published code. About 40 s, 5 GB."""

from functools import cache

import numpy as np
import pytest
import torch

from aukit.models.fgnet import (
    FGNet,
    GradualStyleEncoder,
    PyramidInterpreter,
    StyleGAN2Generator,
    heatmap_scores,
)
from aukit.models.fgnet.grid import resize
from tests.models.fgnet.baseline import published
from tests.parity import loader

NAMES = {"g_all": "generator_1024", "pspencoder": "psp_encoder", "interpreter": "interpreter"}
PARAMETERS = {"g_all": 30_370_060, "pspencoder": 267_136_704, "interpreter": 26_431_008}
BUFFERS = {"g_all": 2_796_432, "pspencoder": 24_372, "interpreter": 5_129}


@cache
def network() -> FGNet:
    """FG-Net with the recipe's weights."""
    net = FGNet().eval()
    for part, name in NAMES.items():
        loader.load_weights(net.get_submodule(part), loader.manifest(name))
    recipe = loader.manifest("latent_avg")
    net.latent_avg.copy_(loader.draw_weights({"latent_avg": net.latent_avg}, recipe)["latent_avg"])
    return net


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


@pytest.mark.parametrize("part", NAMES)
def test_state_dict_is_the_published_one(part):
    with torch.device("meta"):
        module = FGNet().get_submodule(part)
    assert sum(p.numel() for p in module.parameters()) == PARAMETERS[part]
    assert sum(b.numel() for b in module.buffers()) == BUFFERS[part]
    entries = loader.manifest(NAMES[part])["entries"]
    assert {k: list(v.shape) for k, v in module.state_dict().items()} == {
        k: list(shape) for k, (shape, _) in entries.items()
    }


def test_published_constructor_arguments():
    with torch.device("meta"):
        StyleGAN2Generator(size=1024, style_dim=512, n_mlp=8, channel_multiplier=2)
        GradualStyleEncoder(50, "ir_se")
        PyramidInterpreter(points=32, dropout=0.1)


@pytest.mark.slow
def test_weights_are_those_of_the_recipe():
    for part, name in NAMES.items():
        recipe = loader.manifest(name)
        drawn = {
            key: value
            for key, value in network().get_submodule(part).state_dict().items()
            if recipe["entries"][key][1] != "keep"
        }
        loader.check_weights(drawn, recipe)


def test_small_generator():
    arrays = loader.load_npz("stylegan2_features")
    generator = StyleGAN2Generator(64, 512, 8, 2).eval()
    entries = loader.manifest("generator_1024")["entries"]
    loader.load_weights(generator, {"entries": {k: entries[k] for k in generator.state_dict()}})
    w = torch.from_numpy(loader.noise(102, (2, 10, 512)))
    loader.tensor(arrays, "gsmall.latent").compare(w, atol=1e-7)
    maps = generator.features(w)
    for index, feature in enumerate(maps):
        loader.tensor(arrays, f"gsmall.feat{index:02d}").compare(feature, atol=1e-4)
    image = generator.rgb(maps, w)
    loader.tensor(arrays, "gsmall.rgb").compare(image, atol=1e-4)
    loader.tensor(arrays, "gsmall.rgb_item0_crop64").compare(image[0], atol=1e-4)
    z = torch.from_numpy(loader.noise(103, (4, 512)))
    loader.tensor(arrays, "mapping.w").compare(generator.mapping(z), atol=1e-4)


@pytest.mark.slow
def test_generator_and_its_pyramid():
    arrays, generator = loader.load_npz("stylegan2_features"), network().g_all
    w = torch.from_numpy(loader.noise(101, (2, 18, 512)))
    loader.tensor(arrays, "g1024.latent").compare(w, atol=1e-7)
    maps = generator.features(w)
    for index, feature in enumerate(maps):
        loader.tensor(arrays, f"g1024.feat{index:02d}").compare(feature, atol=1e-4)
    loader.tensor(arrays, "g1024.rgb").compare(generator.rgb(maps, w), atol=1e-4)
    for feature, read in zip(maps[1::2], generator.pyramid(w, 128), strict=True):
        wanted = resize(feature, 128) if feature.shape[-1] > 128 else feature
        torch.testing.assert_close(read, wanted, atol=1e-4, rtol=0)


@pytest.mark.slow
def test_encoder():
    arrays, encoder = loader.load_npz("psp_encoder"), network().pspencoder
    images = torch.from_numpy(loader.picture(201, 2, 256))
    loader.tensor(arrays, "image").compare(images, atol=1e-7)
    seen = {}
    hooks = [
        encoder.body[i].register_forward_hook(lambda _, __, out, i=i: seen.update({i: out}))
        for i in (0, 6, 20, 23)
    ]
    loader.tensor(arrays, "codes").compare(encoder(images), atol=5e-5)
    for index, out in seen.items():
        loader.tensor(arrays, f"body{index:02d}").compare(out, atol=5e-5)
    for hook in hooks:
        hook.remove()


@pytest.mark.slow
def test_interpreter():
    arrays, interpreter = loader.load_npz("interpreter"), network().interpreter
    rng = np.random.RandomState(301)
    features = [
        torch.from_numpy(rng.standard_normal((2, channels, side, side)).astype(np.float32))
        for channels, side in loader.meta(arrays)["feature_shapes"]
    ]
    for index, feature in enumerate(features):
        loader.tensor(arrays, f"in{index}").compare(feature, atol=1e-7)
    heatmaps = interpreter(features)
    loader.tensor(arrays, "out").compare(heatmaps, atol=1e-4)
    loader.tensor(arrays, "out_channel_mean").compare(heatmaps.mean(dim=(2, 3)), atol=1e-4)
    loader.tensor(arrays, "out_channel_std").compare(heatmaps.std(dim=(2, 3), correction=0), atol=1e-4)
    border = loader.tensor(arrays, "out_b0_c5_rows_0_127")
    border.compare(heatmaps[0, 5, [0, 127]], atol=1e-4)


@pytest.mark.slow
def test_images_to_decisions():
    arrays, net = loader.load_npz("fgnet_full"), network()
    images = torch.from_numpy(loader.picture(401, 2, 256))
    loader.tensor(arrays, "image").compare(images, atol=1e-7)
    w = net.styles(images)  # row 17 styles nothing that is read
    wanted = loader.tensor(arrays, "w_after_mapping")
    row = wanted.index // 512 % 18
    mine = torch.cat([w, w[:, :1]], dim=1).flatten().numpy()[wanted.index]
    np.testing.assert_allclose(mine[row < 17], wanted.values[row < 17], atol=1e-4)
    features = net.g_all.pyramid(w, 128)
    for index, feature in enumerate(features[:6]):
        loader.tensor(arrays, f"feat{1 + 2 * index:02d}").compare(feature, atol=1e-3)
    heatmaps = net.interpreter(features)
    loader.tensor(arrays, "heatmap_unclamped").compare(heatmaps, atol=2e-3)
    loader.tensor(arrays, "heatmap_unclamped_channel_mean").compare(heatmaps.mean(dim=(2, 3)), atol=2e-3)
    scores = heatmap_scores(heatmaps)
    loader.tensor(arrays, "score_clamped_mean_32ch").compare(scores, atol=1e-4)
    for corpus, count in (("BP4D", 12), ("DISFA", 8)):
        decisions = loader.tensor(arrays, f"{corpus}.decision").array()
        np.testing.assert_array_equal((scores[:, :count] > 0).numpy(), decisions)


@pytest.mark.heavy
def test_the_benchmark_s_baseline():
    arrays, images = loader.load_npz("fgnet_full"), torch.from_numpy(loader.picture(401, 2, 256))
    heatmaps = published(network(), images)
    loader.tensor(arrays, "heatmap_unclamped").compare(heatmaps, atol=2e-3)
    scores = heatmap_scores(heatmaps)
    loader.tensor(arrays, "score_clamped_mean_32ch").compare(scores, atol=1e-4)

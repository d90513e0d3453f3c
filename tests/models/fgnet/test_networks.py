import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from aukit.models.fgnet import (
    FGNet,
    GradualStyleEncoder,
    PyramidInterpreter,
    StyleGAN2Generator,
    heatmap_scores,
)
from aukit.models.fgnet.grid import lay_out, resize, upsampled_convolution
from aukit.models.fgnet.plain_interpreter import PlainInterpreter
from tests.models.fgnet.baseline import published
from tests.models.fgnet.networks import SMALL, small_network

CLOSE = {"atol": 2e-5, "rtol": 1e-5}


@pytest.fixture
def generator():
    return small_network(size=64).g_all


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3), st.integers(2, 9), st.sampled_from([1, 3, 5]), st.booleans())
def test_convolution_of_an_upsampled_map_on_the_small_map(batch, side, taps, last):
    torch.manual_seed(side)
    x, weight, bias = torch.randn(batch, 3, side, side), torch.randn(4, 3, taps, taps), torch.randn(4)
    if last:
        x = x.contiguous(memory_format=torch.channels_last)
    wanted = F.conv2d(resize(x, 2 * side), weight, bias, padding=taps // 2)
    torch.testing.assert_close(upsampled_convolution(x, weight, bias), wanted, **CLOSE)


@pytest.mark.parametrize("size", [4, 8, 16, 32, 64])
@pytest.mark.parametrize("batch", [1, 3])
def test_the_pyramid_is_the_resized_features(generator, size, batch):
    w = torch.randn(batch, generator.n_latent, 16)
    maps = generator.features(w)[1::2]
    for feature, read in zip(maps, generator.pyramid(w, size), strict=True):
        wanted = resize(feature, size) if feature.shape[-1] > size else feature
        torch.testing.assert_close(read, wanted, **CLOSE)


@pytest.mark.parametrize("recompute", [False, True])
def test_the_pyramid_has_the_gradients_of_the_features(generator, recompute):
    w = torch.randn(2, generator.n_latent, 16, requires_grad=True)
    named = dict(generator.named_parameters())
    named["w"] = w
    gradients = []
    for maps in (
        [resize(f, 8) if f.shape[-1] > 8 else f for f in generator.features(w)[1::2]],
        generator.pyramid(w, 8, recompute),
    ):
        loss = sum(((i + 1) * m.square()).mean() for i, m in enumerate(maps))
        gradients.append(torch.autograd.grad(loss, list(named.values()), allow_unused=True))
    for name, wanted, mine in zip(named, *gradients, strict=True):
        if "to_rgb" in name or name.startswith("style."):
            assert mine is None  # RGB is drawn for nobody; w did not come from the mapping network here
        else:
            torch.testing.assert_close(mine, wanted, atol=1e-5, rtol=1e-4, msg=name)


def test_the_last_row_of_the_code_reaches_the_image_only(generator):
    w = torch.randn(1, generator.n_latent, 16)
    other = w.clone()
    other[:, -1] += 1
    assert all(
        torch.equal(a, b) for a, b in zip(generator.features(w), generator.features(other), strict=True)
    )
    assert not torch.allclose(generator(w), generator(other))


def test_mapping_of_zero_is_finite(generator):
    assert generator.mapping(torch.zeros(1, 16)).isfinite().all()


def test_stored_noise_is_fixed_and_drawn_noise_is_not(generator):
    w = torch.randn(2, generator.n_latent, 16)
    assert torch.equal(generator(w), generator(w))
    one, two = generator(w, random_noise=True), generator(w, random_noise=True)
    assert not torch.allclose(one, two)
    assert one.shape == (2, 3, 64, 64)


def test_codes_are_those_of_plain_convolutions():
    encoder = small_network().pspencoder
    images = torch.rand(3, 3, 32, 32) * 2 - 1
    levels = {}
    for name, module in (("c3", encoder.body[3]), ("lat1", encoder.latlayer1), ("lat2", encoder.latlayer2)):
        module.register_forward_hook(lambda _, __, out, name=name: levels.update({name: out}))
    with torch.no_grad():
        codes = encoder(images)
        p2 = resize(levels["c3"], 4) + levels["lat1"]
        p1 = resize(p2, 8) + levels["lat2"]
        for index, head in enumerate(encoder.styles):
            source = levels["c3"] if index < 3 else p2 if index < 7 else p1
            torch.testing.assert_close(codes[:, index], head.linear(head.convs(source).flatten(1)), **CLOSE)


def test_batch_statistics_are_exact_in_training():
    x = torch.rand(2, 8, 256, 256, generator=torch.Generator().manual_seed(0)) ** 4
    wanted = F.batch_norm(x.double(), None, None, training=True)
    mine = F.batch_norm(
        lay_out(x.contiguous(memory_format=torch.channels_last), True), None, None, training=True
    )
    torch.testing.assert_close(mine.double(), wanted, atol=1e-5, rtol=0)
    assert lay_out(x, False).is_contiguous(memory_format=torch.channels_last)


def test_a_sample_does_not_depend_on_its_batch():
    network = small_network()
    images = torch.rand(3, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        together = network(images)
        for i in range(3):
            torch.testing.assert_close(network(images[i : i + 1])[0], together[i], **CLOSE)
    assert together.shape == (3, 4, 16, 16)


def test_training_gives_every_style_a_gradient_and_rgb_none():
    network = small_network().train()
    network(torch.rand(2, 3, 32, 32)).square().mean().backward()
    without = {name for name, p in network.named_parameters() if p.grad is None}
    assert without == {n for n, _ in network.named_parameters() if "to_rgb" in n}
    assert (network.pspencoder.styles[-1].linear.weight.grad == 0).all()
    assert (network.pspencoder.styles[-2].linear.weight.grad != 0).any()


def test_bfloat16_autocast_gives_nearly_the_same():
    network = small_network()
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        exact = network(images)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = network(images)
    assert rough.dtype == torch.bfloat16
    assert (rough - exact).abs().mean() < 0.05 * exact.std()


def test_the_interpreter_leaves_its_input_alone():
    network = small_network()
    features = network.g_all.features(torch.randn(1, 8, 16))[1::2]
    copies = [f.clone() for f in features]
    network.interpreter(features)
    assert all(torch.equal(a, b) for a, b in zip(features, copies, strict=True))


def test_the_interpreter_s_initial_weights():
    interpreter = PyramidInterpreter(4, channels=(64, 64, 32), size=16)
    assert float(interpreter.layer1[1].weight.detach().std()) == pytest.approx(0.02, rel=0.05)
    assert float(interpreter.layer1[4].weight.detach().mean()) == pytest.approx(1, abs=0.02)
    assert (interpreter.layer2[3].bias == 0).all()


def test_scores_clamp_before_they_average():
    maps = torch.tensor([[[[3.0, -1.0], [-1.0, -0.5]]]])
    assert float(heatmap_scores(maps)) == pytest.approx((1 - 1 - 1 - 0.5) / 4)


def test_the_benchmark_s_baseline_computes_the_same():
    network = small_network(size=64)
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(published(network, images), network(images), **CLOSE)


@pytest.mark.parametrize("batch", [1, 3])
def test_a_step_of_training_has_the_gradients_of_the_benchmark_s_baseline(batch):
    network = small_network(size=64, dropout=0.0).train()
    network.g_all.to_rgb1.requires_grad_(False)
    network.g_all.to_rgbs.requires_grad_(False)
    images = torch.rand(batch, 3, 32, 32) * 2 - 1
    trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
    gradients = []
    for heatmaps in (network(images), published(network, images)):
        loss = F.mse_loss(heatmaps, torch.linspace(-1, 1, heatmaps.numel()).view_as(heatmaps))
        gradients.append(torch.autograd.grad(loss, list(trained.values())))
    for name, mine, wanted in zip(trained, *gradients, strict=True):
        torch.testing.assert_close(mine, wanted, atol=1e-5, rtol=1e-3, msg=name)


def test_sizes_that_cannot_be():
    with pytest.raises(ValueError, match="power of two"):
        StyleGAN2Generator(48, 16, 2)
    with pytest.raises(ValueError, match="power of two"):
        GradualStyleEncoder(image_size=24)
    with pytest.raises(ValueError, match="num_layers"):
        GradualStyleEncoder(num_layers=34)


@pytest.mark.parametrize("shape", [(16, 16), (48, 48), (64, 64), (32, 64)])
def test_images_of_another_size_are_refused(shape):
    """Smaller ones would end a head before its last layers."""
    with pytest.raises(ValueError, match=r"images must be \[B,3,32,32\]; they are \[2, 3, "):
        small_network()(torch.rand(2, 3, *shape))


def test_channels_follow_multiplier_and_bound():
    assert StyleGAN2Generator(32, 8, 1, 1 / 64, max_channels=16).channels == (16, 16, 16, 8)
    with torch.device("meta"):
        assert StyleGAN2Generator().channels == (512, 512, 512, 512, 512, 256, 128, 64, 32)
        assert FGNet(**SMALL).g_all.n_latent == 8


@pytest.mark.parametrize(("kernel", "widths"), [(1, (12, 6)), (3, (12, 10, 6))])
def test_the_ablation_s_heads_read_the_stack_of_all_maps(kernel, widths):
    torch.manual_seed(0)
    channels, size = (5, 4, 3), 8
    head = PlainInterpreter(2, channels, size, kernel, widths).eval()
    maps = [torch.randn(2, c, 4 * 2**i, 4 * 2**i) for i, c in enumerate(channels)]
    resized = [F.interpolate(f, size=(size, size), mode="bilinear", align_corners=True) for f in maps]
    weight = torch.cat([entry.weight for entry in head.entry], dim=1)
    stack = F.conv2d(torch.cat(resized, dim=1), weight, head.entry[0].bias, padding=kernel // 2)
    torch.testing.assert_close(head(maps), head.layers(stack), rtol=1e-4, atol=1e-6)
    assert head(maps).shape == (2, 2, size, size)


def test_a_network_with_another_head_has_the_published_widths():
    pixel = small_network(head="pixel")
    assert [m.out_channels for m in pixel.interpreter.layers if isinstance(m, torch.nn.Conv2d)] == [32, 4]
    plain = small_network(head="plain", head_widths=(8, 6))
    assert plain(torch.zeros(1, 3, 32, 32)).shape == (1, 4, 16, 16)
    assert {m.kernel_size for m in plain.modules() if isinstance(m, torch.nn.Conv2d) and m in
            list(plain.interpreter.modules())} == {(3, 3)}  # fmt: skip

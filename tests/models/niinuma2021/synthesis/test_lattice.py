"""A lattice that a generator draws is measured, and cannot be drawn by nearest up-sampling."""

import pytest
import torch

from aukit.models.niinuma2021.synthesis.evaluation import lattice
from aukit.models.niinuma2021.synthesis.networks import ExpressionGenerator, NearestConvolution


def noise(seed=0):
    return torch.randn(16, 3, 64, 64, generator=torch.Generator().manual_seed(seed)) * 0.1


@pytest.mark.parametrize("period", [2, 4])
def test_dots_every_few_pixels_stand_out(period):
    dots = torch.zeros(1, 1, 64, 64)
    dots[..., ::period, ::period] = 0.1
    assert 0.7 < float(lattice(noise())) < 1.4
    assert float(lattice(noise() + dots)) > 5
    smooth = torch.linspace(-1, 1, 64).expand(16, 3, 64, 64)
    assert float(lattice(noise() + smooth)) < 2


def test_every_pixel_is_made_alike():
    torch.manual_seed(0)
    layer = NearestConvolution(4, 2)
    out = layer(torch.ones(1, 4, 8, 8))[..., 1:-1, 1:-1]
    torch.testing.assert_close(out, out[..., :1, :1].expand_as(out))
    transposed = torch.nn.ConvTranspose2d(4, 2, 4, stride=2, padding=1)(torch.ones(1, 4, 8, 8))
    assert float(transposed.detach()[0, 0, 2:-2, 2:-2].std()) > 1e-3


def test_nearest_pixels_are_those_of_an_enlarged_image():
    torch.manual_seed(0)
    layer, x = NearestConvolution(4, 2), torch.randn(2, 4, 5, 8)
    enlarged = torch.nn.functional.interpolate(x, scale_factor=2, mode="nearest")
    expected = torch.nn.functional.conv2d(enlarged, layer.weight, layer.bias, padding=1)
    torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-6)


def test_a_generator_of_either_kind_keeps_the_size():
    image, aus = torch.rand(2, 3, 32, 32) * 2 - 1, torch.rand(2, 7)
    for upsample in (None, "nearest"):
        generator = ExpressionGenerator(7, width=8, blocks=1, upsample=upsample)
        colour, attention = generator(image, aus)
        assert (colour.shape, attention.shape) == ((2, 3, 32, 32), (2, 1, 32, 32))

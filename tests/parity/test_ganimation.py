"""Generator, discriminator and every loss term against the public GANimation re-implementation."""

import copy
from functools import cache

import numpy as np
import pytest
import torch

from aukit.models.niinuma2021.synthesis import losses
from aukit.models.niinuma2021.synthesis.networks import ExpressionDiscriminator, ExpressionGenerator, compose
from tests.parity import loader

SIZES = (128, pytest.param(224, marks=pytest.mark.slow))
REFERENCE = loader.load_json("ganimation_losses")
ARRAYS = loader.load_npz("ganimation")


class Case:
    """Networks with the recipe's weights, the inputs, and everything one training step computes from them."""

    def __init__(self, size: int) -> None:
        self.reference = REFERENCE[str(size)]
        seed, batch = self.reference["seed"], self.reference["batch"]
        self.generator = ExpressionGenerator(7)
        self.discriminator = ExpressionDiscriminator(7, size)
        loader.load_weights(self.generator, loader.manifest("ganimation_generator"))
        loader.load_weights(self.discriminator, loader.manifest(f"ganimation_discriminator_{size}"))
        self.source = torch.from_numpy(loader.picture(seed, batch, size))
        self.target = torch.from_numpy(loader.picture(seed + 10_000, batch, size))
        rng = np.random.RandomState(seed + 20_000)
        self.source_aus, self.target_aus = (
            torch.from_numpy((rng.randint(0, 6, (batch, 7)) / 5).astype(np.float32)) for _ in range(2)
        )
        self.alpha = torch.from_numpy(rng.uniform(0, 1, (batch, 1, 1, 1)).astype(np.float32))

        self.colour, self.attention = self.generator(self.source, self.target_aus)
        self.fake = compose(self.source, self.colour, self.attention)
        colour_back, self.attention_back = self.generator(self.fake, self.source_aus)
        self.rec = compose(self.fake, colour_back, self.attention_back)


@cache
def case(size: int) -> Case:
    return Case(size)


@pytest.mark.parametrize("size", SIZES)
def test_state_dict_is_the_reference_s(size):
    for network, name in (
        (case(size).generator, "ganimation_generator"),
        (case(size).discriminator, f"ganimation_discriminator_{size}"),
    ):
        loader.check_weights(network.state_dict(), loader.manifest(name))


@pytest.mark.parametrize(("n_aus", "parameters"), [(7, 8_436_224), (17, 8_467_584)])
def test_generator_parameters(n_aus, parameters):
    assert sum(p.numel() for p in ExpressionGenerator(n_aus).parameters()) == parameters


@pytest.mark.parametrize(
    ("n_aus", "size", "parameters"),
    [(7, 128, 44_778_432), (17, 128, 44_860_352), (7, 224, 44_850_112), (17, 224, 45_034_432)],
)
def test_discriminator_parameters(n_aus, size, parameters):
    with torch.device("meta"):
        network = ExpressionDiscriminator(n_aus, size)
    assert sum(p.numel() for p in network.parameters()) == parameters


@pytest.mark.parametrize("size", SIZES)
def test_images(size):
    c = case(size)
    for name, mine, tolerance in (
        ("src_img", c.source, 0.0),
        ("tar_img", c.target, 0.0),
        ("src_aus", c.source_aus, 0.0),
        ("tar_aus", c.target_aus, 0.0),
        ("gp_alpha", c.alpha, 0.0),
        ("colour", c.colour, 1e-4),
        ("mask", c.attention, 1e-4),
        ("fake", c.fake, 1e-4),
        ("rec", c.rec, 1e-4),
    ):
        loader.tensor(ARRAYS, f"s{size}.{name}").compare(mine, atol=max(tolerance, 1e-7))


@pytest.mark.parametrize("size", SIZES)
def test_discriminator(size):
    c = case(size)
    with torch.no_grad():
        for name, image in (("real", c.source), ("fake", c.fake)):
            critic_map, aus = c.discriminator(image)
            loader.tensor(ARRAYS, f"s{size}.critic_map_{name}").compare(critic_map, atol=1e-4)
            loader.tensor(ARRAYS, f"s{size}.au_head_{name}").compare(aus, atol=1e-4)
            torch.testing.assert_close(c.discriminator.critic(image), critic_map)


@pytest.mark.parametrize("size", SIZES)
def test_discriminator_terms_and_gradients(size):
    c, weights = case(size), REFERENCE["lambdas"]
    # In single precision each kind of processor rounds otherwise, some by 2e-4 of the penalty: in double the
    # difference is the reference's own rounding, 3e-5.
    discriminator = copy.deepcopy(c.discriminator).double()
    source, fake, aus, alpha = (each.detach().double() for each in (c.source, c.fake, c.source_aus, c.alpha))
    real_map, read = discriminator(source)
    fake_map, _ = discriminator(fake)
    critic = losses.critic_loss(real_map, fake_map)
    error = losses.expression_loss(read, aus)
    penalty = losses.gradient_penalty(discriminator.critic, source, fake, alpha)
    total = weights["adv"] * critic + weights["exp"] * error + weights["gp"] * penalty
    want = c.reference["D"]
    assert float(critic.detach()) == pytest.approx(
        want["critic_fake_term"] + want["critic_real_term"], abs=1e-5
    )
    assert float(error.detach()) == pytest.approx(want["au_mse_real"], rel=1e-4)
    assert float(penalty.detach()) == pytest.approx(want["gp"], rel=1e-4)
    assert float(total.detach()) == pytest.approx(want["total"], rel=1e-4)
    total.backward()
    check_gradients(discriminator, c.reference["D_grad_norm"])


@pytest.mark.parametrize("size", SIZES)
def test_generator_terms_and_gradients(size):
    c, weights = case(size), REFERENCE["lambdas"]
    c.generator.zero_grad()
    fake_map, read = c.discriminator(c.fake)
    adversarial = losses.adversarial_loss(fake_map)
    error = losses.expression_loss(read, c.target_aus)
    identity = losses.cycle_identity_loss(c.rec, c.source)
    idiosyncratic = losses.idiosyncratic_loss(c.fake, c.target)
    total = weights["adv"] * adversarial + weights["exp"] * error + weights["idt"] * identity
    want = c.reference["G"]
    assert float(adversarial.detach()) == pytest.approx(want["adv"], abs=1e-5)
    for mine, name in (
        (error, "au_mse_fake"),
        (identity, "cycle_l1"),
        (losses.attention_loss(c.attention), "mask_mean_fake"),
        (losses.attention_loss(c.attention_back), "mask_mean_rec"),
        (losses.smoothness_loss(c.attention), "tv_fake"),
        (losses.smoothness_loss(c.attention_back), "tv_rec"),
        (idiosyncratic, "idiosyncratic_l1"),
        (total, "total_reference"),
        (total + weights["ids"] * idiosyncratic, "total_with_ids"),
    ):
        assert float(mine.detach()) == pytest.approx(want[name], rel=1e-4), name
    total.backward(retain_graph=True)
    check_gradients(c.generator, c.reference["G_grad_norm"])


def check_gradients(network, norms):
    for name, norm in norms.items():
        gradient = network.get_parameter(name).grad
        assert gradient is not None
        assert float(gradient.norm()) == pytest.approx(norm, rel=5e-3), name

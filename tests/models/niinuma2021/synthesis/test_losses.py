import pytest
import torch

from aukit.models.niinuma2021.synthesis import losses
from aukit.models.niinuma2021.synthesis.networks import (
    ExpressionDiscriminator,
    ExpressionGenerator,
    compose,
    initialize,
)


def test_gradient_penalty_of_a_linear_critic_is_known():
    # D(x) = 3·x[0,0,0] summed over a map of two cells: the gradient of the sum has norm 6 everywhere.
    def critic(image):
        return 3 * image[:, 0, 0, :1].expand(-1, 2)

    real, fake = torch.zeros(4, 3, 2, 2), torch.ones(4, 3, 2, 2)
    penalty = losses.gradient_penalty(critic, real, fake, torch.rand(4, 1, 1, 1))
    assert float(penalty) == pytest.approx(25)


def test_gradient_penalty_mixes_as_stated_and_leaves_the_fake_alone():
    seen = []

    def critic(image):
        seen.append(image.detach().clone())
        return image.flatten(1).square()

    fake = torch.full((1, 3, 2, 2), 2.0, requires_grad=True)
    losses.gradient_penalty(critic, torch.ones(1, 3, 2, 2), fake, torch.full((1, 1, 1, 1), 0.25))
    assert torch.equal(seen[0], torch.full((1, 3, 2, 2), 1.75))
    assert fake.grad is None


def test_the_critic_s_penalty_has_the_gradient_of_plain_layers_bit_for_bit():
    torch.manual_seed(0)
    discriminator = ExpressionDiscriminator(3, 32, 8, 5)
    initialize(discriminator.model, std=None)
    real, fake, alpha = torch.randn(2, 3, 32, 32), torch.randn(2, 3, 32, 32), torch.rand(2, 1, 1, 1)
    gradients = []
    for critic in (discriminator.critic, lambda image: discriminator(image)[0]):
        discriminator.zero_grad()
        losses.gradient_penalty(critic, real, fake, alpha).backward()
        gradients.append([p.grad for p in discriminator.parameters()])
    weights = [n for n, _ in discriminator.named_parameters() if n.endswith("weight") and "aus_top" not in n]
    for (name, _), mine, wanted in zip(discriminator.named_parameters(), *gradients, strict=True):
        if name in weights:
            assert mine.abs().sum() > 0
            assert torch.equal(mine, wanted), name
        else:  # no bias moves the gradient of piecewise linear layers
            assert wanted is None or not wanted.any(), name


def test_idiosyncratic_loss_counts_only_pairs_of_one_person():
    fake = torch.stack([torch.full((3, 2, 2), v) for v in (0.0, 1.0, 5.0)])
    target = torch.zeros(3, 3, 2, 2)
    same = torch.tensor([True, True, False])
    assert float(losses.idiosyncratic_loss(fake, target, same)) == pytest.approx(0.5)
    assert float(losses.idiosyncratic_loss(fake, target)) == pytest.approx(2.0)
    assert float(losses.idiosyncratic_loss(fake, target, torch.zeros(3, dtype=torch.bool))) == 0


def test_critic_and_generator_pull_in_opposite_directions():
    real, fake = torch.tensor([[1.0, 3.0]]), torch.tensor([[5.0, 7.0]])
    assert float(losses.critic_loss(real, fake)) == 4
    assert float(losses.adversarial_loss(fake)) == -6


def test_regularisers_of_flat_and_striped_masks():
    flat = torch.full((2, 1, 4, 4), 0.25)
    striped = torch.tensor([0.0, 1.0]).repeat(2, 1, 4, 2)
    assert float(losses.attention_loss(flat)) == 0.25
    assert float(losses.smoothness_loss(flat)) == 0
    assert float(losses.smoothness_loss(striped)) == 2


def test_first_convolution_is_that_of_broadcast_planes():
    generator = ExpressionGenerator(5, width=8, blocks=1)
    image, aus = torch.randn(2, 3, 12, 20), torch.rand(2, 5)
    planes = aus[:, :, None, None].expand(-1, -1, 12, 20)
    want = generator.model[0](torch.cat([image, planes], dim=1))
    torch.testing.assert_close(generator._first_convolution(image, aus), want)


def test_heads_are_the_published_convolutions():
    generator = ExpressionGenerator(2, width=8, blocks=1)
    image, aus = torch.randn(2, 3, 16, 16), torch.rand(2, 2)
    features = generator.model[1:](generator._first_convolution(image, aus))
    colour, attention = generator(image, aus)
    torch.testing.assert_close(colour, generator.color_top(features))
    torch.testing.assert_close(attention, generator.au_top(features))


def test_one_image_at_a_time_equals_a_batch():
    generator, discriminator = ExpressionGenerator(3, width=8, blocks=2), ExpressionDiscriminator(3, 32, 8, 5)
    image, aus = torch.rand(3, 3, 32, 32) * 2 - 1, torch.rand(3, 3)
    together = compose(image, *generator(image, aus))
    alone = torch.cat(
        [compose(image[i : i + 1], *generator(image[i : i + 1], aus[i : i + 1])) for i in range(3)]
    )
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=0)
    critic_map, read = discriminator(image[:1])
    assert critic_map.shape == (1, 1, 1)
    assert read.shape == (1, 3)


def test_stargan_s_colour_is_the_image():
    generator = ExpressionGenerator(3, width=8, blocks=1, attend=False)
    image, aus = torch.randn(2, 3, 16, 16), torch.rand(2, 3)
    colour, attention = generator(image, aus)
    assert torch.equal(compose(image, colour, attention), colour)
    assert generator.state_dict().keys() == ExpressionGenerator(3, width=8, blocks=1).state_dict().keys()


def test_attention_bias_moves_the_mask_but_is_no_parameter():
    image, aus = torch.rand(2, 3, 16, 16), torch.rand(2, 3)
    plain, biased = (ExpressionGenerator(3, width=8, blocks=1, attention_bias=b) for b in (0.0, -0.5))
    initialize(plain)
    biased.load_state_dict(plain.state_dict(), strict=True)
    with torch.no_grad():
        before, after = plain(image, aus)[1], biased(image, aus)[1]
    torch.testing.assert_close(after.logit(), before.logit() - 0.5)


def test_a_limited_mask_keeps_no_more_of_the_input_than_that():
    image, aus = torch.rand(2, 3, 16, 16), torch.rand(2, 3)
    plain, limited = (ExpressionGenerator(3, width=8, blocks=1, attention_limit=x) for x in (None, 0.9))
    initialize(plain)
    limited.load_state_dict(plain.state_dict(), strict=True)
    with torch.no_grad():
        torch.testing.assert_close(limited(image, aus)[1], 0.9 * plain(image, aus)[1])
        torch.testing.assert_close(limited(image, aus)[0], plain(image, aus)[0])


def test_a_discriminator_needs_large_enough_images():
    with pytest.raises(ValueError, match="too small"):
        ExpressionDiscriminator(7, 32)


@pytest.mark.parametrize("side", [64, 100, 128])
def test_a_discriminator_refuses_images_of_another_size(side):
    """Of larger ones it would read action units off a corner."""
    with pytest.raises(ValueError, match=r"images must be \[B,3,96,96\]; they are"):
        ExpressionDiscriminator(7, 96, 4, 5)(torch.zeros(1, 3, side, side))

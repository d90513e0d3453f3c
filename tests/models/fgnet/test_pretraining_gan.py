import copy
import math

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.plugins import MixedPrecision
from torch import nn

from aukit.models.fgnet import StyleGAN2Module
from aukit.models.fgnet.augment_gan import augment
from aukit.models.fgnet.discriminator import EqualConv, StyleGAN2Discriminator, minibatch_deviation
from aukit.models.fgnet.pretraining_gan import path_lengths, r1_penalty
from aukit.training.callbacks import StepSeed
from tests.models.fgnet.unlabelled import Unlabelled, run_in_pieces

SMALL = {"size": 16, "style_dim": 8, "n_mlp": 1, "channel_multiplier": 0.0625, "max_channels": 8}


def gan(**changes):
    torch.manual_seed(0)
    return StyleGAN2Module(**{**SMALL, "r1_every": 2, "path_every": 3, "average_images": 8, **changes})


def fit(tmp_path, module, steps, data=None, **options):
    trainer = Trainer(
        max_steps=2 * steps,  # both optimizers count
        default_root_dir=str(tmp_path),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
        callbacks=[StepSeed(0)],
        **options,
    )
    data = data or Unlabelled(steps_per_epoch=100)
    trainer.fit(module, data)
    return trainer


class Linear(nn.Module):
    """D(x) = w·x: its gradient at any image is w."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.arange(48.0).reshape(3, 4, 4) / 10)

    def forward(self, x):
        return (x * self.weight).sum((1, 2, 3))


def test_r1_is_the_squared_gradient_at_real_images():
    network = Linear()
    penalty = r1_penalty(network, torch.randn(5, 3, 4, 4))
    torch.testing.assert_close(penalty, network.weight.detach().square().sum().expand(5))
    penalty.mean().backward()  # d‖w‖²/dw = 2w
    torch.testing.assert_close(network.weight.grad, 2 * network.weight.detach())


def test_path_lengths_are_those_of_a_linear_generator():
    # An image that is c·w in every pixel: Jᵀy = c·Σy, for the one row of w.
    torch.manual_seed(0)
    w = torch.randn(2000, 1, 1, requires_grad=True)
    images = 3 * w[:, :, :, None].expand(-1, 3, 4, 4)
    lengths = path_lengths(images, w)
    # Σy has variance 48/4² = 3, and E|N(0, 3)| = √(6/π).
    assert float(lengths.detach().mean()) == pytest.approx(3 * math.sqrt(6 / math.pi), rel=0.05)


def test_deviation_is_that_within_groups():
    x = torch.zeros(4, 2, 3, 3)
    x[2:] = 2.0  # images 0 and 2 are a group of two, 1 and 3 the other
    torch.testing.assert_close(minibatch_deviation(x, 2), torch.ones(4, 1, 3, 3))
    torch.testing.assert_close(minibatch_deviation(x[:2], 2), torch.full((2, 1, 3, 3), 1e-4))
    assert minibatch_deviation(torch.randn(6, 2, 3, 3), 4).shape == (6, 1, 3, 3)  # groups of three


def test_a_reducing_layer_keeps_a_constant_and_halves_the_side():
    for taps in (1, 3):
        layer = EqualConv(2, 2, taps, reduce=True, activate=False)
        with torch.no_grad():
            layer.weight.zero_()
            layer.weight[:, :, taps // 2, taps // 2] = torch.eye(2) / layer.scale
        out = layer(torch.ones(1, 2, 16, 16))
        assert out.shape == (1, 2, 8, 8)
        torch.testing.assert_close(out[..., 2:-2, 2:-2], torch.ones(1, 2, 4, 4))


def test_the_discriminator_takes_any_power_of_two():
    for size in (8, 32):
        assert StyleGAN2Discriminator(size, 0.0625, 8)(torch.randn(3, 3, size, size)).shape == (3,)
    with pytest.raises(ValueError, match="power of two"):
        StyleGAN2Discriminator(24)


def test_augmentation_is_off_at_0_and_changes_every_image_at_1():
    torch.manual_seed(0)
    images = torch.rand(8, 3, 16, 16, requires_grad=True)
    torch.testing.assert_close(augment(images, 0.0), images)
    changed = augment(images, 1.0)
    assert ((changed - images).abs().amax((1, 2, 3)) > 0.01).all()
    changed.sum().backward()
    assert images.grad.isfinite().all()


def test_each_step_moves_its_own_network(tmp_path, monkeypatch):
    module = gan()
    moved = []
    original = StyleGAN2Module._step

    def watch(self, optimizer, loss):
        before = copy.deepcopy(self.state_dict())
        original(self, optimizer, loss)
        after = self.state_dict()
        moved.append({k.split(".")[0] for k, v in before.items() if not torch.equal(v, after[k])})

    monkeypatch.setattr(StyleGAN2Module, "_step", watch)
    fit(tmp_path, module, 3)
    assert moved == [{"discriminator"}, {"generator"}] * 3


def test_penalties_in_half_precision_step_by_the_gradients_before_their_scaling(tmp_path, monkeypatch):
    found, original = [], torch.optim.Adam.step

    def watch(self, *given, **named):
        gradients = [p.grad.abs().max() for p in self.param_groups[0]["params"] if p.grad is not None]
        found.append(float(torch.stack(gradients).max()))
        return original(self, *given, **named)

    monkeypatch.setattr(torch.optim.Adam, "step", watch)
    fit(tmp_path, gan(), 1)
    scaler = torch.amp.GradScaler("cpu", init_scale=256.0)
    fit(tmp_path, gan(), 1, plugins=[MixedPrecision("16-mixed", "cpu", scaler)])
    single, half = found[:4], found[4:]  # discriminator, R1, generator, path lengths
    assert half[:3] == pytest.approx(single[:3], rel=0.02)
    assert half[3] < 2 * single[3]  # whose noise is drawn in half precision


def test_the_average_follows_with_its_half_life(tmp_path):
    module = gan(average_images=4.0)  # a batch of 4 takes half of the way
    before = module.average.input.input.clone()
    torch.testing.assert_close(before, module.generator.input.input)
    fit(tmp_path, module, 1)
    torch.testing.assert_close(module.average.input.input, (before + module.generator.input.input) / 2)
    assert not torch.equal(before, module.generator.input.input)


def test_augmentation_adapts_to_the_discriminator(tmp_path):
    module = gan(augment_target=0.6, augment_images=64)
    with torch.no_grad():
        module.discriminator.linear[1].bias.fill_(100.0)  # sure of every real image
    fit(tmp_path, module, 4)
    assert float(module.augment_probability) == pytest.approx(4 * 4 / 64)


def test_interrupted_runs_end_bit_equal(tmp_path):
    model = {**SMALL, "r1_every": 2, "path_every": 2, "augment_target": -0.99, "augment_images": 64}
    states = run_in_pieces(tmp_path, "aukit.models.fgnet.StyleGAN2Module", model)
    assert float(states[0]["augment_probability"]) > 0
    assert float(states[0]["path_mean"]) > 0
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


def test_it_draws_faces_at_the_end_of_an_epoch(tmp_path):
    run = fit(tmp_path, gan(), 2, Unlabelled(steps_per_epoch=2))
    assert float(run.callback_metrics["val/kernel_distance"]) > 0
    assert len(list((tmp_path / "samples").glob("*.png"))) == 1
    faces = gan()(torch.randn(2, 8))
    assert faces.shape == (2, 3, 16, 16)
    assert 0 <= float(faces.min()) <= float(faces.max()) <= 1
    assert np.isfinite(faces.detach().numpy()).all()

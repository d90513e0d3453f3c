"""Work and sizes of networks, against what is computed by hand; nothing of them is in memory."""

import resource

import pytest
import torch
from torch import nn

from aukit.training import load_config
from aukit.training.cost import ModelCost, Work, count_work, pass_work

PAIRED = ["data.source.root=ROOT", "data.target.root=ROOT", "data.avatars.root=ROOT"]


def convolution(before, after, side, kernel=3):
    """Multiply-adds of one whose output has this side."""
    return side**2 * before * after * kernel**2


# The trunk of `smoke` on 32 px: widths 4, 8, 8, 8, seven action units with six levels.
STEM = convolution(3, 4, 16, 5)
TRUNK = (
    STEM
    + convolution(4, 8, 8)
    + convolution(8, 8, 8)
    + 2 * convolution(8, 8, 4)
    + convolution(8, 8, 2)
    + 8 * 16 * 7 * 6
)


def test_a_layer_is_counted_forward_and_backward():
    layer = nn.Linear(5, 7, device="meta")
    rows = torch.empty(3, 5, device="meta")
    # Backward to the weights; the input needs no gradient.
    assert count_work(lambda: layer(rows)).multiply_adds == 2 * 3 * 5 * 7
    with torch.no_grad():
        work = count_work(lambda: layer(rows))
    assert (work.multiply_adds, work.operations) == (3 * 5 * 7, 1)
    assert work.bytes == 4 * (3 * 5 + 5 * 7 + 7 + 3 * 7)


def test_a_step_of_a_small_network():
    config = load_config("intensity", "smoke")
    cost = ModelCost(config)
    batch = config["data"]["init_args"]["batch_size"]
    assert cost.frame().multiply_adds == TRUNK
    # Twice the forward pass goes backward, but that nothing flows into the images.
    assert cost.step().multiply_adds == batch * (3 * TRUNK - STEM)


def test_a_bank_trains_one_network_per_image_and_scores_with_all():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    config = load_config("intensity", "paper", ["model.frozen_convs=0"])
    cost = ModelCost(config)
    assert cost.weights_bytes == pytest.approx(3.76e9, rel=0.01)
    assert cost.last_bytes == pytest.approx(3 * cost.weights_bytes, rel=0.01)
    images = config["data"]["init_args"]["batch_size"]
    assert cost.step().multiply_adds / images == pytest.approx(3 * cost.frame().multiply_adds / 7, rel=0.01)
    assert cost.frame().multiply_adds / 7 == pytest.approx(15.5e9, rel=0.01)  # VGG16's on 224 px
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500e3  # kB


def test_frozen_layers_take_no_backward_pass():
    free, frozen = (ModelCost(load_config("intensity", "paper", [f"model.frozen_convs={n}"])) for n in (0, 2))
    assert frozen.last_bytes < free.last_bytes
    assert frozen.step().multiply_adds < free.step().multiply_adds


def test_pm2_counts_all_its_passes():
    source, full = (
        ModelCost(load_config("pm2", "smoke", [*PAIRED, *words]))
        for words in (
            ["model.method=source", "model.streams=[real]", "data.pairs=none"],
            ["model.method=pm2"],
        )
    )
    one = source.step().multiply_adds  # a batch, forward and backward
    # A: four batches. B: four forward. C: four times the target.
    assert full.step().multiply_adds == pytest.approx((4 + 4 / 3 + 4) * one, rel=0.05)


def test_synthesis_counts_its_phases():
    def step(*words):
        return ModelCost(load_config("synthesis", "smoke", words)).step().multiply_adds

    read = step("model.head_start_share=1", "model.warmup_share=1", "data.warmup_share=1")
    warm = step("model.head_start_share=0", "model.warmup_share=1", "data.warmup_share=1")
    full = step("model.head_start_share=0", "model.warmup_share=0", "data.warmup_share=0")
    mixed = step("model.head_start_share=0.25", "model.warmup_share=0.5", "data.warmup_share=0.5")
    assert mixed == pytest.approx(0.25 * read + 0.25 * warm + 0.5 * full)
    without = step("model.head_start_share=0.25", "model.warmup_share=0", "data.warmup_share=0")
    assert without == pytest.approx(0.25 * read + 0.75 * full)
    assert read < warm < full
    config = load_config("synthesis", "smoke")
    image = pass_work(config, lambda module, x: module(x, x.new_empty(len(x), 7)))
    batch = config["data"]["init_args"]["batch_size"]
    assert warm == pytest.approx(3 * batch * image.multiply_adds, rel=0.1)


@pytest.mark.parametrize("name", ["fgnet", "baselines"])
def test_a_detector_scores_for_a_third_of_a_step(name):
    config = load_config(name, "smoke")
    cost = ModelCost(config)
    step = cost.step().multiply_adds / config["data"]["init_args"]["batch_size"]
    assert 2 < step / cost.frame().multiply_adds <= 3


@pytest.mark.parametrize(("name", "words"), [("fgnet", []), ("synthesis", []), ("pm2", PAIRED)])
def test_a_share_of_a_batch_is_counted_as_one(name, words):
    config = load_config(name, "smoke", words)
    size = config["data"]["init_args"]["batch_size"]
    half = load_config(name, "smoke", [*words, f"data.batch_size={size // 2}"])
    shared, alone = ModelCost(config).step(processes=2), ModelCost(half).step()
    assert shared.multiply_adds == pytest.approx(alone.multiply_adds)
    assert shared.bytes == pytest.approx(alone.bytes, rel=0.01)
    assert shared.operations == pytest.approx(alone.operations)
    assert (shared.backwards, shared.norms) == (alone.backwards, alone.norms)


def test_all_gradients_are_exchanged_at_each_backward_pass():
    cost = ModelCost(load_config("pm2", "smoke", [*PAIRED, "model.generator_steps=3"]))
    work, exchange = cost.step(2), cost.exchange(2)
    assert work.backwards == 5  # A, B and three times C
    assert exchange.gradients >= 5 * 4 * cost.parameters
    assert cost.exchange(4).gradients == exchange.gradients
    # Each process has its place for what batch norms know of its rows.
    assert cost.exchange(4).norms - exchange.norms == 2 * 4 * work.statistics
    assert cost.exchange(1).calls == 0


def test_work_adds_up():
    work = 2 * Work(1, 2, 3) + Work(operations=1)
    assert work == Work(2, 4, 7)

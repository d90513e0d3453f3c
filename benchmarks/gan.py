"""A step of expression synthesis against the public re-implementation's: same weights, batches and draws.

    python benchmarks/gan.py [--size 64] [--width 16] [--blocks 3] [--critic-max-width 256] [--batch 12]

The paper's networks: --size 128 --width 64 --blocks 6 --critic-max-width 2048. The schedule is the paper's:
the discriminator with its gradient penalty in every batch, the generator in every fifth; a round is five
batches.

The baseline does what the code that the paper builds on does, in PyTorch's defaults: the target as constant
planes beside the image, instance norm by its name, two heads, and in every batch a fake and its way back,
both with a graph for a backward pass; the discriminator sees real and fake images one after the other.
Rounds alternate, the least time of each counts. What is compared are the losses of the first round and the
gradients of its first batch.
"""

import argparse
import copy
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aukit.models.niinuma2021 import SynthesizerModule
from aukit.models.niinuma2021.synthesis.networks import (
    ExpressionDiscriminator,
    ExpressionGenerator,
    InstanceNorm,
)

EVERY = 5
AUS = 7
Batch = dict[str, Tensor]
Losses = dict[str, Tensor]


class Ours(SynthesizerModule):
    """The module without a trainer."""

    def manual_backward(self, loss: Tensor) -> None:  # type: ignore[override]
        loss.backward()


class PlainInstanceNorm(nn.Module):
    """PyTorch's own."""

    def forward(self, features: Tensor) -> Tensor:
        return F.instance_norm(features)


def synthesized(generator: ExpressionGenerator, image: Tensor, aus: Tensor) -> Tensor:
    """Ĩ of the published operations."""
    planes = aus[:, :, None, None].expand(-1, -1, *image.shape[2:])
    x = torch.cat([image, planes], dim=1)
    for layer in generator.model:
        x = layer(x)
    attention = generator.au_top(x)
    return attention * image + (1 - attention) * generator.color_top(x)


def penalized(discriminator: ExpressionDiscriminator, real: Tensor, fake: Tensor) -> Tensor:
    alpha = torch.rand(len(real), 1, 1, 1)
    mixed = (alpha.to(real) * real + (1 - alpha.to(real)) * fake).requires_grad_(True)
    patches, _ = discriminator(mixed)
    ones = torch.ones_like(patches)
    (gradient,) = torch.autograd.grad(patches, mixed, ones, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


def replicate_step(
    generator: ExpressionGenerator,
    discriminator: ExpressionDiscriminator,
    optimizers: Sequence[torch.optim.Optimizer],
    batch: Batch,
    index: int,
) -> Losses:
    """One batch, as the replicate orders it."""
    real, aus, target_aus = batch["input_frame"], batch["input_aus"], batch["target_aus"]
    fake = synthesized(generator, real, target_aus)
    back = synthesized(generator, fake, aus)

    discriminator.requires_grad_(True)
    optimizers[1].zero_grad()
    real_map, read = discriminator(real)
    fake_map, _ = discriminator(fake.detach())
    critic, error = fake_map.mean() - real_map.mean(), F.mse_loss(read, aus)
    penalty = penalized(discriminator, real, fake.detach())
    (critic + 160 * error + 10 * penalty).backward()
    optimizers[1].step()
    losses = {"critic": critic, "au_error_real": error, "penalty": penalty}
    if index % EVERY == 0:
        discriminator.requires_grad_(False)
        optimizers[0].zero_grad()
        fake_map, read = discriminator(fake)
        adversarial, error = -fake_map.mean(), F.mse_loss(read, target_aus)
        identity = F.l1_loss(back, real)
        (adversarial + 160 * error + 10 * identity).backward()
        optimizers[0].step()
        losses |= {"adversarial": adversarial, "au_error_fake": error, "identity": identity}
    return {name: loss.detach() for name, loss in losses.items()}


def as_published(network: nn.Module) -> nn.Module:
    """The same weights with PyTorch's own instance norm."""
    network = copy.deepcopy(network)
    for module in network.modules():
        for name, child in module.named_children():
            if isinstance(child, InstanceNorm):
                setattr(module, name, PlainInstanceNorm())
    return network


def relative(one: Tensor, other: Tensor) -> float:
    return float((one - other).norm() / other.norm())


def gradient(network: nn.Module) -> Tensor:
    return torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None]).clone()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--blocks", type=int, default=3)
    parser.add_argument("--critic-max-width", type=int, default=256)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    module = Ours(
        tuple(range(AUS)),
        options.size,
        generator_width=options.width,
        generator_blocks=options.blocks,
        critic_width=options.width,
        critic_max_width=options.critic_max_width,
        critic_init="he",
        n_critic=EVERY,
    ).to(options.device)
    generator, discriminator = as_published(module.generator), as_published(module.discriminator)
    mine = module.configure_optimizers()
    theirs = [
        torch.optim.Adam(n.parameters(), lr=1e-4, betas=(0.5, 0.999)) for n in (generator, discriminator)
    ]
    shape = (options.batch, 3, options.size, options.size)
    batch = {
        "input_frame": torch.rand(shape) * 2 - 1,
        "target": torch.rand(shape) * 2 - 1,
        "input_aus": torch.rand(options.batch, AUS),
        "target_aus": torch.rand(options.batch, AUS),
        "same_person": torch.zeros(options.batch, dtype=torch.bool),
    }
    batch = {name: value.to(options.device) for name, value in batch.items()}
    runs: dict[str, Callable[[int], Losses]] = {
        "ours": lambda index: module._full_step(mine, batch, index, 1.0),
        "the replicate": lambda index: replicate_step(generator, discriminator, theirs, batch, index),
    }
    wall: dict[str, list[float]] = {name: [] for name in runs}
    busy: dict[str, list[float]] = {name: [] for name in runs}
    losses: dict[str, list[Losses]] = {name: [] for name in runs}
    gradients: dict[str, list[Tensor]] = {}
    networks = {"ours": (module.generator, module.discriminator), "the replicate": (generator, discriminator)}
    for number in range(options.rounds):
        for name, run in runs.items():
            began, cpu = time.perf_counter(), time.process_time()
            for index in range(EVERY):
                torch.manual_seed(EVERY * number + index)
                losses[name].append(run(index))
                if number == index == 0:
                    gradients[name] = [gradient(network) for network in networks[name]]
            if options.device == "cuda":
                torch.cuda.synchronize()
            wall[name].append(time.perf_counter() - began)
            busy[name].append(time.process_time() - cpu)
    names = losses["the replicate"][0]
    print(
        f"expression synthesis, {options.size} px, width {options.width}, batch {options.batch},"
        f" {options.device}, {torch.get_num_threads()} threads; gradients of the first batch differ by at"
        f" most {max(map(relative, gradients['ours'], gradients['the replicate'])):.0e} (relative norm)"
    )
    for name in names:
        pairs = zip(losses["ours"][:EVERY], losses["the replicate"][:EVERY], strict=True)
        worst = max(relative(one[name], other[name]) for one, other in pairs if name in other)
        value = float(losses["the replicate"][0][name])
        print(f"  {name:14s} {value:9.4f}, relative difference up to {worst:.0e}")
    frames = EVERY * options.batch
    for name in runs:
        ratio, work = (min(t["the replicate"]) / min(t[name]) for t in (wall, busy))
        print(
            f"{name:14s} {frames / min(wall[name]):8.2f} images/s {ratio:5.2f} x"
            f"   processor {1000 * min(busy[name]) / frames:8.1f} ms/image ({work:.2f} x)"
        )


if __name__ == "__main__":
    main()

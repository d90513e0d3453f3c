"""FG-Net at full size against the published operations one by one, with the same random weights, in one run.

    python benchmarks/fgnet.py [--train] [--profile paper] [--batch 1] [--rounds 3] [--bf16] [--device cpu]

The baseline is the method as its papers write it down, in PyTorch's defaults: a kernel per sample through
grouped convolutions, low-pass filters and noise as operations of their own, RGB at every resolution, all
feature maps in full and then resized, up-sampling before each convolution of the interpreter. (Its low-pass
filter is a depthwise convolution: several times faster than the single-channel form of the usual ports.)
Rounds alternate; the least time of each counts. Needs 6 GB for ours, more for the baseline at larger batches.

With --train it is a step of training, batch norm with the statistics of the batch and no dropout: forward,
squared error of the heat maps and backward by either way; then the optimiser, AdamW behind a clipped norm, in
one pass over the weights (ours) and in PyTorch's default. Gradients are compared, the largest difference
among those that are not themselves rounding errors.
"""

import argparse
import math
import resource
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aukit.models.fgnet import FGNet, FGNetModule
from aukit.models.fgnet.stylegan2 import Blur, ModulatedConv, StyledConv, ToRGB
from aukit.training import load_config
from aukit.training.run_config import build_model


def filtered(x: Tensor, blur: Blur, before: int, after: int) -> Tensor:
    channels = x.shape[1]
    x = F.pad(x, (before, after, before, after))
    return F.conv2d(x, blur.kernel.flip(0, 1).expand(channels, 1, 4, 4), groups=channels)


def modulated(conv: ModulatedConv, x: Tensor, style: Tensor) -> Tensor:
    batch, inputs, height, width = x.shape
    weight = conv.weight * conv.scale * conv.modulation(style).view(batch, 1, inputs, 1, 1)
    if conv.demodulate:
        weight = weight * torch.rsqrt(weight.square().sum((2, 3, 4), keepdim=True) + 1e-8)
    x = x.reshape(1, batch * inputs, height, width)
    if conv.blur is None:
        y = F.conv2d(x, weight.flatten(0, 1), padding=weight.shape[-1] // 2, groups=batch)
        return y.view(batch, -1, height, width)
    y = F.conv_transpose2d(x, weight.transpose(1, 2).flatten(0, 1), stride=2, groups=batch)
    return filtered(y.view(batch, -1, 2 * height + 1, 2 * width + 1), conv.blur, 1, 1)


def styled(layer: StyledConv, x: Tensor, style: Tensor, noise: Tensor) -> Tensor:
    y = modulated(layer.conv, x, style) + layer.noise.weight * noise
    return F.leaky_relu(y + layer.activate.bias[:, None, None], 0.2) * math.sqrt(2)


def to_rgb(layer: ToRGB, x: Tensor, style: Tensor, image: Tensor | None = None) -> Tensor:
    y = modulated(layer.conv, x, style) + layer.bias
    if image is None:
        return y
    zeros = image.new_zeros(*image.shape[:2], 2 * image.shape[2], 2 * image.shape[3])
    zeros[..., ::2, ::2] = image
    return y + filtered(zeros, layer.upsample, 2, 1)


def resized(x: Tensor, size: int) -> Tensor:
    return F.interpolate(x, size=(size, size), mode="bilinear", align_corners=True)


def published(network: FGNet, images: Tensor) -> Tensor:
    """The heat maps of ``network(images)``, step by step."""
    encoder, g, interpreter = network.pspencoder, network.g_all, network.interpreter
    x, levels = encoder.input_layer(images), []
    for index, unit in enumerate(encoder.body):
        shortcut = getattr(unit, "shortcut_layer", nn.MaxPool2d(1, unit.stride))
        x = unit.res_layer(x) + shortcut(x)
        if index in encoder.taps:
            levels.append(x)
    c1, c2, c3 = levels
    p2 = resized(c3, c2.shape[-1]) + encoder.latlayer1(c2)
    p1 = resized(p2, c1.shape[-1]) + encoder.latlayer2(c1)
    sources = [c3] * 3 + [p2] * 4 + [p1] * (len(encoder.styles) - 7)
    codes = [head.linear(head.convs(x).flatten(1)) for head, x in zip(encoder.styles, sources, strict=True)]
    codes = torch.stack(codes, dim=1)
    w = g.mapping((codes + network.latent_avg).flatten(0, 1)).view_as(codes)

    layers = [g.conv1, *g.convs]
    x = g.input.input.repeat(len(w), 1, 1, 1)
    x = styled(layers[0], x, w[:, 0], g.noises.noise_0)
    image, maps = to_rgb(g.to_rgb1, x, w[:, 1]), [x]
    for block, rgb in enumerate(g.to_rgbs):
        for layer in (1 + 2 * block, 2 + 2 * block):
            x = styled(layers[layer], x, w[:, layer], getattr(g.noises, f"noise_{layer}"))
        image = to_rgb(rgb, x, w[:, 3 + 2 * block], image)
        maps.append(x)
    F.interpolate(image, size=(256, 256), mode="bilinear")  # drawn, and looked at by nobody

    h = maps[0]
    for index, layer in enumerate(interpreter.children()):
        h = layer(h)
        if index + 1 < len(maps):
            f = maps[index + 1]
            h = h + (f if f.shape[-1] <= network.heatmap_size else resized(f, network.heatmap_size))
    return h


def plain(network: FGNet) -> FGNet:
    """Scale random weights so that maps neither vanish nor explode, as in a trained network."""
    for module in network.pspencoder.body:
        module.res_layer[4].weight.data.mul_(0.3)
    for module in network.interpreter.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    for noise in network.g_all.modules():
        if hasattr(noise, "weight") and type(noise).__name__ == "Noise":
            noise.weight.data.fill_(0.1)
    return network


def seconds_of(run: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """Seconds of a call, and of the processor in it."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    began, cpu = time.perf_counter(), time.process_time()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began, time.process_time() - cpu


def train(options: argparse.Namespace, device: torch.device) -> None:
    """Print what a step of training costs, by either way."""
    config = load_config("fgnet", options.profile, ["corpus=bp4d", "model.weights=random", "model.dropout=0"])
    module = build_model(config)
    assert isinstance(module, FGNetModule)
    network = plain(module.network).train().to(device)
    side, heatmap = network.image_size, network.heatmap_size
    images = (torch.rand(options.batch, 3, side, side) * 2 - 1).to(device)
    target = torch.rand(options.batch, network.points, heatmap, heatmap).to(device)
    runs: dict[str, Callable[[], Tensor]] = {
        "ours": lambda: network(images),
        "published operations": lambda: published(network, images),
    }
    timed: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    gradients: dict[str, list[Tensor]] = {}
    for number in range(options.rounds):
        for name, run in runs.items():
            network.zero_grad()
            timed[name].append(seconds_of(lambda run=run: F.mse_loss(run(), target).backward(), device))
            if number == 0:
                gradients[name] = [p.grad.clone() for p in network.parameters() if p.grad is not None]
    sizes = [float(gradient.norm()) for gradient in gradients["published operations"]]
    norms = [float((mine - theirs).norm()) for mine, theirs in zip(*gradients.values(), strict=True)]
    whole = math.hypot(*norms) / math.hypot(*sizes)
    worst = max(n / s for n, s in zip(norms, sizes, strict=True) if s > 1e-5 * math.hypot(*sizes))
    gradients.clear()
    optimizers: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for name, fused in (("ours", True), ("published operations", None)):
        groups = [p for p in network.parameters() if p.grad is not None]
        optimizer = torch.optim.AdamW(groups, lr=0.0, weight_decay=5e-4, fused=fused)

        def update(optimizer: torch.optim.Optimizer = optimizer, groups: list[nn.Parameter] = groups) -> None:
            nn.utils.clip_grad_norm_(groups, 0.1)
            optimizer.step()

        update()  # makes the averages
        optimizers[name] = [seconds_of(update, device) for _ in range(options.rounds)]
        del optimizer, update
    print(
        f"FG-Net's training, {options.profile}, {side} px, batch {options.batch}, {device},"
        f" {torch.get_num_threads()} threads; gradients differ by {whole:.0e} of their norm, one parameter's"
        f" by at most {worst:.0e}"
    )
    passes = {name: [min(column) for column in zip(*timed[name], strict=True)] for name in runs}
    updates = {name: [min(column) for column in zip(*optimizers[name], strict=True)] for name in runs}
    steps = {name: [a + b for a, b in zip(passes[name], updates[name], strict=True)] for name in runs}
    for name in runs:
        (wall, cpu), theirs = steps[name], steps["published operations"]
        print(
            f"{name:22s} {wall:7.3f} s/step ({passes[name][0]:.3f} passes, {updates[name][0]:.3f} optimiser)"
            f" {theirs[0] / wall:5.2f} x   processor {cpu:6.2f} s/step ({theirs[1] / cpu:.2f} x)"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--bf16", action="store_true", help="ours under bfloat16 autocast as well")
    parser.add_argument("--train", action="store_true", help="a step of training instead of the heat maps")
    parser.add_argument("--profile", default="paper", help="size of the training")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    device = torch.device(options.device)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    if options.train:
        train(options, device)
        return
    network = plain(FGNet()).eval().to(device)
    images = (torch.rand(options.batch, 3, 256, 256) * 2 - 1).to(device)
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20

    def reduced() -> Tensor:
        with torch.autocast(device.type, dtype=torch.bfloat16):
            return network(images)

    runs: dict[str, Callable[[], Tensor]] = {"ours": lambda: network(images)}
    if options.bf16:
        runs["ours, bf16"] = reduced
    runs["published operations"] = lambda: published(network, images)
    wall: dict[str, list[float]] = {name: [] for name in runs}
    busy: dict[str, list[float]] = {name: [] for name in runs}
    result: dict[str, Tensor] = {}
    peak: dict[str, float] = {}
    with torch.inference_mode():
        for _ in range(options.rounds):
            for name, run in runs.items():
                if device.type == "cuda":
                    run()
                    torch.cuda.synchronize()
                    torch.cuda.reset_peak_memory_stats()
                began, cpu = time.perf_counter(), time.process_time()
                result[name] = run()
                if device.type == "cuda":
                    torch.cuda.synchronize()
                wall[name].append(time.perf_counter() - began)
                busy[name].append(time.process_time() - cpu)
                peak.setdefault(
                    name,
                    torch.cuda.max_memory_allocated() / 2**30
                    if device.type == "cuda"
                    else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
                )
    error = float((result["ours"] - result["published operations"]).abs().max())
    spread = float(result["published operations"].std())
    print(
        f"FG-Net, 256 px, batch {options.batch}, {device}, {torch.get_num_threads()} threads; heat maps"
        f" differ by at most {error:.1e} (std {spread:.2f}); {loaded:.1f} GiB once loaded"
    )
    for name in runs:
        seconds = min(wall[name]) / options.batch
        ratio = min(wall["published operations"]) / min(wall[name])
        print(
            f"{name:22s} {seconds:7.3f} s/image {1 / seconds:7.2f} images/s {ratio:5.2f} x"
            f"   processor {min(busy[name]) / options.batch:6.2f} s/image"
            f" ({min(busy['published operations']) / min(busy[name]):.2f} x)"
            f", peak so far {peak[name]:.1f} GiB"
        )


if __name__ == "__main__":
    main()

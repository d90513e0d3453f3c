"""One network per action unit: a bank of all in one run against one run for each, on the same batches.

    python benchmarks/estimators.py [--side 32] [--batch 16] [--steps 4] [--aus 2] [--batchnorm]

Both train VGG16 from the same random weights, without dropout, on the same images; the greatest difference of
a weight after the training is printed. *Steps* are those of the trainings alone, in one process, the least of
two rounds in turn. *Whole runs* also begin: a process each, its imports and its network. Beside them stands
the floor: multiply-adds of the steps over the rate that a large matrix product reaches here.
"""

import argparse
import subprocess
import sys
import time

import torch

SEED, LR = 0, 1e-4


def train(
    aus: list[int], side: int, batch: int, steps: int, batchnorm: bool
) -> tuple[float, list[torch.Tensor]]:
    """Processor seconds of the steps of each network, and all weights; draws depend on the action unit."""
    from aukit.models.niinuma2021.intensity.networks import CLASSES, EstimatorBank

    bank = EstimatorBank(aus, architecture="vgg16_bn" if batchnorm else "vgg16", dropout=0.0)
    draws = {}
    for au, estimator in zip(aus, bank.estimators, strict=True):
        draws[au] = torch.Generator().manual_seed(SEED + au)
        for weights in estimator.parameters():
            if weights.ndim > 1:
                fan = weights[0].numel()
                weights.data = torch.randn(weights.shape, generator=draws[au]) * (2 / fan) ** 0.5
    optimizer = torch.optim.AdamW(bank.parameters(), lr=LR, weight_decay=0.0)
    began = time.process_time()
    for _ in range(steps):
        for head, au in enumerate(aus):
            images = torch.randn(batch, 3, side, side, generator=draws[au])
            levels = torch.randint(CLASSES, (batch,), generator=draws[au])
            optimizer.zero_grad()
            logits = bank.head_logits(images, torch.full((batch,), head))
            torch.nn.functional.cross_entropy(logits, levels).backward()
            optimizer.step()
    seconds = time.process_time() - began
    return seconds, [weights.detach() for weights in bank.parameters()]


def matrix_rate(size: int = 1024) -> float:
    """Multiply-adds per second of a matrix product, the best of some."""
    a, best = torch.randn(size, size), float("inf")
    for _ in range(10):
        began = time.process_time()
        a @ a
        best = min(best, time.process_time() - began)
    return size**3 / best


def multiply_adds(side: int) -> float:
    """Of one image forward and backward: three times a forward pass."""
    from torch.utils.flop_counter import FlopCounterMode

    from aukit.models.niinuma2021.intensity.networks import IntensityEstimator

    network = IntensityEstimator(dropout=0.0).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, side, side))
    return 3 * counter.get_total_flops() / 2


def whole_runs(options: argparse.Namespace, runs: list[list[int]]) -> float:
    """Seconds of processes, one after the other, each of which trains these action units."""
    began = time.perf_counter()
    for aus in runs:
        words = ["--only", *map(str, aus)]
        for name in ("side", "batch", "steps"):
            words += [f"--{name}", str(getattr(options, name))]
        subprocess.run([sys.executable, __file__, *words, *["--batchnorm"] * options.batchnorm], check=True)
    return time.perf_counter() - began


def main() -> None:
    """Print the times of both, their ratios, the difference of the weights and the floor."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=4, help="of each action unit")
    parser.add_argument("--aus", type=int, default=2, help="number of action units")
    parser.add_argument("--batchnorm", action="store_true", help="VGG16 with batch norm")
    parser.add_argument("--only", type=int, nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    size = (options.side, options.batch, options.steps, options.batchnorm)
    if options.only:
        train(options.only, *size)
        return
    aus = list(range(options.aus))
    together, alone, difference = float("inf"), float("inf"), 0.0
    for _ in range(2):
        seconds, bank = train(aus, *size)
        together = min(together, seconds)
        each = [train([au], *size) for au in aus]
        alone = min(alone, sum(seconds for seconds, _ in each))
        single = [weights for _, found in each for weights in found]
        difference = max(float((a - b).abs().max()) for a, b in zip(bank, single, strict=True))
    floor = multiply_adds(options.side) * options.batch * options.steps * len(aus) / matrix_rate()
    print(f"{len(aus)} VGG16, {options.steps} steps of {options.batch} images, {options.side} px, one thread")
    print(f"steps: one by one {alone:.2f} s, bank {together:.2f} s: {alone / together:.2f} x")
    print(f"greatest difference of a weight: {difference:g}")
    print(
        f"floor of the arithmetic {floor:.2f} s: {alone / floor:.2f} x is the most that anything could gain"
    )
    runs = whole_runs(options, [[au] for au in aus]), whole_runs(options, [aus])
    print(f"whole runs: one by one {runs[0]:.1f} s, bank {runs[1]:.1f} s: {runs[0] / runs[1]:.2f} x")


if __name__ == "__main__":
    main()

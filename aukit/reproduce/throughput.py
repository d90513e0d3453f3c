"""How fast a device trains: measured here in about two seconds, or assumed of a GPU that is not here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from aukit.reproduce.options import count_gpus, has_gpu
from aukit.utils.cores import available_cores

if TYPE_CHECKING:  # torch takes seconds to import
    from torch import Tensor

    from aukit.training.cost import Exchange, Work

_SECONDS = 0.5  # of each of the three measurements


@dataclass(frozen=True)
class Device:
    """What one training has of a device, beside the others that run at the same time.

    A step's seconds are the sum of three: its multiply-adds, its bytes and the overhead of its operations,
    each at its own rate, as if none of them overlapped.

    Attributes:
        name: What is measured or assumed, in words.
        multiply_adds: Per second, of convolutions forward and backward.
        bandwidth: Bytes per second that operations on maps read and write.
        operation: Seconds of overhead per operation.
        cores: CPU cores of the machine, which render, decode and crop.
        jobs: Trainings side by side.

    Example:
        >>> from aukit.training.cost import Work
        >>> ASSUMED_GPU.seconds(Work(multiply_adds=100e12))
        2.0
    """

    name: str
    multiply_adds: float
    bandwidth: float
    operation: float
    cores: int
    jobs: int = 1

    def seconds(self, work: Work) -> float:
        """Seconds of some work of one training."""
        return (
            work.multiply_adds / self.multiply_adds
            + work.bytes / self.bandwidth
            + work.operations * self.operation
        )

    def __str__(self) -> str:
        return (
            f"{self.name}: {2 * self.multiply_adds / 1e12:.2g} TFLOP/s, {self.bandwidth / 1e9:.2g} GB/s,"
            f" {1e6 * self.operation:.2g} µs per operation, {self.cores} CPU cores"
        )


#: Dense peaks are 495 TFLOP/s (TF32) and 3.35 TB/s; a fifth and 60 % of them are what trainings commonly get.
ASSUMED_GPU = Device("one H100, assumed and not measured", 50e12, 2e12, 10e-6, 16)


def device_for(accelerator: str, jobs: int) -> Device:
    """The device that a size trains on: this CPU, the GPU that is here, or else the assumed one.

    Args:
        accelerator: The trainer's: ``cpu``, or ``auto`` for a GPU where there is one.
        jobs: Trainings side by side; those that are more than the GPUs share them.
    """
    if accelerator == "cpu":
        return replace(_measure("cpu", jobs), jobs=jobs)
    gpu, count = (_measure("cuda", 1), count_gpus()) if has_gpu() else (ASSUMED_GPU, 1)
    share = max(1.0, jobs / count)
    return replace(gpu, multiply_adds=gpu.multiply_adds / share, bandwidth=gpu.bandwidth / share, jobs=jobs)


@dataclass(frozen=True)
class Link:
    """What joins GPUs that add up numbers of each of them.

    Attributes:
        name: In words.
        bandwidth: Bytes per second that each GPU, or each node, sends on.
        call: Seconds of overhead of a sum.
    """

    name: str
    bandwidth: float
    call: float

    def __str__(self) -> str:
        return f"{self.name}, {self.bandwidth / 1e9:.0f} GB/s and {1e6 * self.call:.0f} µs per call"


NODE = 8  # GPUs

#: Peaks are 450 GB/s each way, and 25 GB/s of a card of 200 Gbit/s in each node; neither is measured.
NVLINK = Link(f"NVLink within a node of {NODE}", 200e9, 20e-6)
NETWORK = Link(f"a network between nodes of {NODE}", 20e9, 50e-6)


@dataclass(frozen=True)
class Cluster:
    """Several GPUs, as nodes of eight.

    Attributes:
        gpu: What each of them is, with one training.
        count: Their number.

    Example:
        >>> str(Cluster(ASSUMED_GPU, 8).link)
        'NVLink within a node of 8, 200 GB/s and 20 µs per call'
    """

    gpu: Device
    count: int

    @property
    def link(self) -> Link:
        """The slowest link between any two of them."""
        return NVLINK if self.count <= NODE else NETWORK

    def seconds(self, exchange: Exchange) -> float:
        """Seconds of what the processes of a training tell each other, one message after the other.

        A ring sends on 2·(N − 1)/N of the bytes that are summed, and all bytes that one process hands out.
        """
        if self.count == 1:
            return 0.0
        sent = 2 * (self.count - 1) / self.count * exchange.summed + exchange.buffers
        return sent / self.link.bandwidth + exchange.calls * self.link.call


def cluster_of(count: int) -> Cluster:
    """So many GPUs as the one that is here, or else the assumed one."""
    return Cluster(device_for("auto", 1), count)


@lru_cache
def _measure(device: str, jobs: int) -> Device:
    """Run convolutions, additions on maps and small operations, each forward and backward."""
    import torch
    from torch.nn import functional as F

    from aukit.training.cost import count_work

    cores, before = available_cores(), torch.get_num_threads()
    batch, channels, side = (32, 256, 64) if device == "cuda" else (2, 64, 32)

    def convolution(on: str) -> Tensor:
        images = torch.ones(batch, channels, side, side, device=on, requires_grad=True)
        return F.conv2d(
            images, torch.ones(channels, channels, 3, 3, device=on, requires_grad=True), padding=1
        )

    def addition(on: str) -> Tensor:
        images = torch.ones(batch, channels, side, side, device=on, requires_grad=True)
        return (images + 1) * images

    def chain(on: str) -> Tensor:
        number = torch.ones(8, device=on, requires_grad=True)
        for _ in range(20):
            number = number * 2 + 1
        return number

    def rate(run: Callable[[str], Tensor], unit: str) -> float:
        amount: float = getattr(count_work(lambda: run("meta")), unit)
        return amount / _seconds(lambda: run(device).sum().backward(), device)  # type: ignore[no-untyped-call]

    torch.set_num_threads(max(1, cores // jobs))
    try:
        rates = rate(convolution, "multiply_adds"), rate(addition, "bytes"), 1 / rate(chain, "operations")
    finally:
        torch.set_num_threads(before)
    name = torch.cuda.get_device_name() if device == "cuda" else f"this CPU, {max(1, cores // jobs)} threads"
    return Device(f"{name}, measured just now", *rates, cores)


def _seconds(run: Callable[[], object], device: str) -> float:
    """Seconds of the fastest call of many: what else the machine does disturbs that one least."""
    import torch

    times: list[float] = []
    began = time.perf_counter()
    while time.perf_counter() - began < _SECONDS or len(times) < 3:
        call = time.perf_counter()
        run()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - call)
    return min(times)

"""Steps of trainings that two processes share on this CPU, beside what a plan says of them.

    python benchmarks/processes.py [--profile mini] [--systems fgnet pm2 …] [--steps 40] [--rounds 2]

Each process has one thread; the batch is the same, so each of two computes half of it. *Alone* and *two* are
measured wall times of a step, its loading included. *Predicted* takes the step alone, measured, times the
share of its work that a plan counts for one of two processes (`ModelCost.step`, at rates of this CPU), and
adds what a plan counts that they tell each other, over the bandwidth and latency of gloo, measured here.
*From nothing* is a plan's own figure: counted work over measured rates, without a step being run. Rounds
alternate; the least time counts. Both cores must be idle: what else runs is measured too.
"""

import argparse
import json
import logging
import multiprocessing
import os
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from training import SYSTEMS, prepared

from aukit.reproduce.throughput import Device, Link, device_for
from aukit.training import build_datamodule
from aukit.training.callbacks import StepSeed
from aukit.training.cost import Exchange, ModelCost
from aukit.training.processes import GlobalLayers, strategy_of
from aukit.training.run_config import build_model

FIRST = 5
"""Steps that fill caches and start the loader, which do not count."""


class Stopwatch(Callback):
    """Writes the mean seconds from the end of a step to the end of the next."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ends: list[float] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.ends.append(time.perf_counter())

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero:
            ends = self.ends[FIRST:]
            self.path.write_text(json.dumps((ends[-1] - ends[0]) / (len(ends) - 1)))


def seconds_of_step(config: Any, processes: int, options: argparse.Namespace) -> float:
    """Wall time of a step of a training, which is new in each call."""
    seed_everything(0, verbose=False)
    module, data = build_model(config), build_datamodule(config)
    data.steps_per_epoch = options.steps
    parallel: dict[str, Any] = {"devices": 1}
    if processes > 1:
        strategy = strategy_of(type(module)).replace("ddp", "ddp_fork", 1)
        parallel = {"devices": processes, "strategy": strategy, "plugins": [GlobalLayers()]}
    with tempfile.TemporaryDirectory() as folder:
        watch = Stopwatch(Path(folder) / "seconds.json")
        trainer = Trainer(
            accelerator="cpu",
            max_epochs=1,
            limit_val_batches=0,
            num_sanity_val_steps=0,
            callbacks=[StepSeed(0), watch],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            **parallel,
        )
        trainer.fit(module, datamodule=data)
        return float(json.loads(watch.path.read_text()))


def gloo() -> Link:
    """What two processes of this machine take for a sum of one number and of 25 MB."""
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder:
        times = context.Queue()
        both = [context.Process(target=_sum, args=(rank, folder, times)) for rank in range(2)]
        for process in both:
            process.start()
        call, large = times.get()
        for process in both:
            process.join()
    return Link("gloo between two processes, measured just now", _LARGE * 4 / (large - call), call)


_LARGE = 25 * 2**18


def _sum(rank: int, folder: str, times: Any) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    least = []
    for count in (1, _LARGE):
        numbers, seconds = torch.ones(count), []
        for _ in range(30):
            dist.barrier()
            began = time.perf_counter()
            dist.all_reduce(numbers)
            seconds.append(time.perf_counter() - began)
        least.append(sorted(seconds)[len(seconds) // 2])
    if rank == 0:
        times.put(least)
    dist.destroy_process_group()


def seconds_of(exchange: Exchange, link: Link) -> float:
    """As `aukit.reproduce.throughput.Cluster.seconds` has it for two."""
    return (exchange.summed + exchange.buffers) / link.bandwidth + exchange.calls * link.call


def measure(name: str, device: Device, link: Link, options: argparse.Namespace) -> None:
    """Print the figures of a system."""
    _, config, _ = prepared(SYSTEMS[name], options)
    alone, two = [], []
    for _ in range(options.rounds):
        alone.append(seconds_of_step(config, 1, options))
        two.append(seconds_of_step(config, 2, options))
    cost = ModelCost(config)
    works = [device.seconds(cost.step(processes)) for processes in (1, 2)]
    told = seconds_of(cost.exchange(2), link)
    predicted, measured = min(alone) * works[1] / works[0] + told, min(two)
    print(
        f"{name:10s} alone {1000 * min(alone):7.1f} ms (from nothing {1000 * works[0]:7.1f})"
        f"   two {1000 * measured:7.1f} ms, predicted {1000 * predicted:7.1f} ({predicted / measured:.2f} x),"
        f" from nothing {1000 * (works[1] + told):7.1f}, of which {1000 * told:.1f} told",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", default="mini")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--logs", type=Path, default=Path("lightning_logs"))
    parser.add_argument("--set", nargs="*", default=[], metavar="key=value", help="as of aukit fit")
    parser.add_argument("--steps", type=int, default=40, help="of a training")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.set_num_threads(1)
    link, device = gloo(), device_for("cpu", 2)
    print(f"{link}\n{device}", flush=True)
    for name in options.systems:
        measure(name, device, link, options)


if __name__ == "__main__":
    main()

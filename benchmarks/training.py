"""What a step of each system costs, what its loader gives, and what options gain, on real experiments.

    python benchmarks/training.py [--profile mini] [--systems fgnet pm2 …] [--options bf16 …] [--device cpu]

Each system is trained by Lightning as `aukit fit` does it, on stand-ins below --logs, which are rendered
and cropped where they are not there yet (minutes). Steps are timed alone: forward, backward and optimiser,
the batch being there. The loader is timed alone too. "waiting" is the share of a training loop's time in
which it has no batch. Images are those of a batch: two for each pair of the synthesis, four for each row of
PM2.

Options are timed against the plain step in the same process; rounds alternate, and the least time of each
counts. On a GPU each step ends with a synchronisation, so that waiting is at most what is printed.
"""

import argparse
import contextlib
import logging
import resource
import subprocess
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.profilers import Profiler
from torch import Tensor

from aukit.datamodules import StepDataModule
from aukit.reproduce.data_origin import TableCorpus
from aukit.reproduce.options import TableOptions
from aukit.reproduce.pm2.cells import PM2Cells
from aukit.reproduce.pm2.tables import PM2Tables
from aukit.training import build_datamodule, load_config
from aukit.training.callbacks import StepSeed
from aukit.training.run_config import RunConfig, build_model

PLAIN = "plain"


@dataclass(frozen=True)
class System:
    """An experiment, the corpora it needs, what it is told beside, the networks that can be compiled."""

    experiment: str
    corpora: tuple[str, ...]
    overrides: tuple[str, ...]
    networks: tuple[str, ...]


_OF_BP4D = ("corpus=bp4d", "data.root={bp4d}", "data.cache={stores}", "model.weights=random")
_OF_FERA = ("corpus=fera2017", "data.corpus.root={fera2017}", "data.corpus.cache={stores}")

SYSTEMS = {
    "fgnet": System("fgnet", ("bp4d",), _OF_BP4D, ("network",)),
    "baseline": System("baselines", ("bp4d",), _OF_BP4D, ("network",)),
    "pm2": System(
        "pm2",
        ("bp4d", "disfa"),
        (
            "target=disfa",
            "data.source.root={bp4d}",
            "data.target.root={disfa}",
            "data.avatars.root={pairs}",
            *(f"data.{part}.cache={{stores}}" for part in ("source", "target", "avatars")),
            "model.weights=random",
        ),
        ("network.backbone",),
    ),
    "synthesis": System("synthesis", ("fera2017",), _OF_FERA, ("generator", "discriminator")),
    "intensity": System(
        "intensity",
        ("fera2017",),
        (*_OF_FERA, "data.training_set=null", "data.per_level=500", "model.weights=random"),
        ("network",),
    ),
}


class ChannelsLast(Callback):
    """Networks and images with the channels of a pixel side by side in memory."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for parameter in pl_module.parameters():
            # The gradient of a kernel over three channels overruns its memory in it (torch 2.11, CPU).
            if parameter.ndim == 4 and parameter.shape[1] > 3:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        for name, value in batch.items():
            if isinstance(value, Tensor) and value.ndim == 4:
                batch[name] = value.contiguous(memory_format=torch.channels_last)


class FusedOptimizers(Callback):
    """All parameters in one kernel."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for optimizer in trainer.optimizers:
            for group in optimizer.param_groups:
                group["fused"] = True


@dataclass(frozen=True)
class Option:
    """What a training is told beside the plain one."""

    overrides: tuple[str, ...] = ()
    trainer: tuple[tuple[str, Any], ...] = ()
    callbacks: tuple[Callback, ...] = ()
    compile: bool = False
    tf32: bool = False


OPTIONS = {
    PLAIN: Option(),
    "bf16": Option(trainer=(("precision", "bf16-mixed"),)),
    "tf32": Option(tf32=True),
    "channels_last": Option(callbacks=(ChannelsLast(),)),
    "fused": Option(callbacks=(FusedOptimizers(),)),
    "recompute": Option(overrides=("model.recompute=true",)),
    "compile": Option(compile=True),
}


class Clock(Profiler):
    """Seconds of everything that Lightning's loop names, with all that a GPU was given."""

    def __init__(self) -> None:
        super().__init__()
        self.began: dict[str, float] = {}
        self.spans: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def start(self, action_name: str) -> None:
        self.began[action_name] = time.perf_counter()

    def stop(self, action_name: str) -> None:
        if action_name == "run_training_batch" and torch.cuda.is_available():
            torch.cuda.synchronize()
        self.spans[action_name].append((self.began.pop(action_name), time.perf_counter()))

    def summary(self) -> str:
        return ""

    @property
    def step(self) -> float:
        """Seconds of all steps."""
        return sum(end - start for start, end in self.spans["run_training_batch"])

    @property
    def waiting(self) -> float:
        """Share of the loop's time without a batch; the first one, which starts the loader, is left out."""
        (_, first), *steps = self.spans["run_training_batch"]
        waits = self.spans["[_TrainingEpochLoop].train_dataloader_next"]
        last = steps[-1][1]
        return sum(end - start for start, end in waits if first <= start and end <= last) / (last - first)


class Training:
    """One module under one option, trained again in each round."""

    def __init__(
        self, system: System, option: Option, overrides: Sequence[str], options: argparse.Namespace
    ) -> None:
        self.option, self.options = option, options
        self.config = load_config(system.experiment, options.profile, [*overrides, *option.overrides])
        seed_everything(0, verbose=False)
        self.module = build_model(self.config)
        if option.compile:
            for name in system.networks:
                self.module.get_submodule(name).compile()
        self.seconds: list[float] = []
        self.waiting: list[float] = []
        self.peak = 0.0

    def fit(self, data: StepDataModule) -> None:
        """Train for some steps."""
        clock, data.steps_per_epoch = Clock(), self.options.steps
        trainer = Trainer(
            accelerator="gpu" if self.options.device == "cuda" else "cpu",
            devices=1,
            max_epochs=1,
            limit_val_batches=0,
            profiler=clock,
            callbacks=[StepSeed(0), *self.option.callbacks],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            **dict(self.option.trainer),
        )
        with (
            matrix_products("high" if self.option.tf32 else "highest"),
            peak_memory(self.options.device) as peak,
        ):
            trainer.fit(self.module, datamodule=data)
        self.peak = max(self.peak, peak())
        self.seconds.append(clock.step)
        self.waiting.append(clock.waiting)


@contextlib.contextmanager
def matrix_products(precision: str) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextlib.contextmanager
def peak_memory(device: str) -> Iterator[Callable[[], float]]:
    """Largest GiB in the block: of the GPU's allocator, or of this process, whose mark Linux can reset."""
    status, marks = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        yield lambda: torch.cuda.max_memory_allocated() / 2**30
    elif marks.exists():
        marks.write_text("5")
        yield lambda: int(status.read_text().split("VmHWM:")[1].split()[0]) / 2**20
    else:
        unit = 2**30 if sys.platform == "darwin" else 2**20
        yield lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def standins(system: System, options: argparse.Namespace) -> dict[str, Path]:
    """Roots of the stand-ins that a system needs, which are made where they lack."""
    table = TableOptions(options.profile, {}, options.logs)
    corpora = {name: TableCorpus(name, table) for name in system.corpora}
    for corpus in corpora.values():
        if not corpus.is_there():
            corpus.make()
    roots = {name: corpus.root for name, corpus in corpora.items()} | {"stores": table.stores}
    if system.experiment == "pm2":
        roots["pairs"] = PM2Cells(table).pairs
        if not (roots["pairs"] / "frames.parquet").is_file():
            PM2Tables(table).render()
    return roots


def images_of(batch: dict[str, Any]) -> int:
    return sum(len(value) for value in batch.values() if isinstance(value, Tensor) and value.ndim == 4)


def loading(data: StepDataModule, steps: int) -> tuple[int, float]:
    """Images of a batch, and seconds of a batch from the loader alone."""
    batches = iter(data.train_dataloader())
    count = images_of(next(batches))
    began = time.perf_counter()
    for _ in range(steps - 1):
        if next(batches, None) is None:
            batches = iter(data.train_dataloader())
    return count, (time.perf_counter() - began) / (steps - 1)


def prepared(system: System, options: argparse.Namespace) -> tuple[list[str], RunConfig, StepDataModule]:
    """Overrides, configuration and datamodule of a system, its stand-ins and stores being there."""
    roots = standins(system, options)
    overrides = [*(text.format(**roots) for text in system.overrides), *options.set]
    config = load_config(system.experiment, options.profile, overrides)
    data = build_datamodule(config)
    data.prepare_data()
    return overrides, config, data


def measure(name: str, options: argparse.Namespace) -> None:
    """Print the figures of a system."""
    system = SYSTEMS[name]
    overrides, config, data = prepared(system, options)
    data.setup("fit")
    images, load = loading(data, options.steps)

    wanted = [PLAIN, *(option for option in options.options if option != PLAIN)]
    if options.device != "cuda" and "tf32" in wanted:
        wanted.remove("tf32")
    if "recompute" in wanted and "recompute" not in config["model"]["init_args"]:
        wanted.remove("recompute")
    trainings = {each: Training(system, OPTIONS[each], overrides, options) for each in wanted}
    for _ in range(options.rounds + 1):
        for training in trainings.values():
            training.fit(data)
    for training in trainings.values():  # the first round compiles and fills caches
        del training.seconds[0], training.waiting[0]

    plain = trainings[PLAIN]
    step, parameters = min(plain.seconds) / options.steps, sum(p.numel() for p in plain.module.parameters())
    print(
        f"{name:10s} {parameters / 1e6:6.2f} M parameters, {images} images a step: {1000 * step:7.1f} ms,"
        f" {images / step:7.0f} images/s; loader alone {images / load:7.0f} images/s;"
        f" waiting {100 * min(plain.waiting):4.1f} %; peak {plain.peak:.2f} GiB"
    )
    for each, training in trainings.items():
        if training is not plain:
            ratio = min(plain.seconds) / min(training.seconds)
            print(f"    {each:14s} {ratio:5.2f} x, peak {training.peak:.2f} GiB")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", default="mini")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument(
        "--options",
        nargs="*",
        choices=OPTIONS,
        default=["bf16", "tf32", "channels_last", "fused", "recompute"],
        help="compile takes minutes",
    )
    parser.add_argument("--logs", type=Path, default=Path("lightning_logs"))
    parser.add_argument("--set", nargs="*", default=[], metavar="key=value", help="as of aukit fit")
    parser.add_argument("--steps", type=int, default=40, help="of a training")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu"
    )
    options = parser.parse_args()
    if len(options.systems) > 1:  # each in a process of its own, for its memory
        for name in options.systems:
            subprocess.run([sys.executable, __file__, *sys.argv[1:], "--systems", name], check=True)
        return
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(options.threads)
    measure(options.systems[0], options)


if __name__ == "__main__":
    main()

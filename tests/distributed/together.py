"""Fit a module on one or two processes and keep what each step computed."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.callbacks import Callback

from aukit.training.processes import GlobalLayers, strategy_of
from tests.trainers import quiet_trainer


class Keeper(Callback):
    """Writes what each step logs, its gradients, parameters and buffers, to ``<processes>-<rank>.pt``.

    The last entry is what the validation at the end logs.
    """

    def __init__(self, folder: Path, processes: int) -> None:
        self.folder, self.processes = folder, processes
        self.steps: list[dict[str, dict[str, torch.Tensor]]] = []
        self._gradients: dict[str, torch.Tensor] = {}

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        for name, parameter in pl_module.named_parameters():
            if parameter.grad is not None:
                self._gradients[name] = parameter.grad.detach().clone()

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        metrics = trainer.callback_metrics
        logged = {key: value.clone() for key, value in metrics.items() if key.startswith("train/")}
        state = {key: value.detach().clone() for key, value in pl_module.state_dict().items()}
        self.steps.append({"logged": logged, "gradients": self._gradients, "state": state})
        self._gradients = {}

    def on_fit_end(self, trainer, pl_module):
        metrics = trainer.callback_metrics
        self.steps.append({"validated": {k: v.clone() for k, v in metrics.items() if k.startswith("val/")}})
        torch.save(self.steps, self.folder / f"{self.processes}-{trainer.global_rank}.pt")


class Apart(NamedTuple):
    """Largest difference, relative to the largest entry of the tensor, and whose it is."""

    difference: float
    name: str


def fit(folder: Path, module: LightningModule, data: Any, processes: int, **options: Any) -> list[list[Any]]:
    """What each process kept."""
    folder.mkdir(exist_ok=True)
    parallel: dict[str, Any] = {"devices": 1}
    if processes > 1:
        strategy = strategy_of(type(module)).replace("ddp", "ddp_fork", 1)
        parallel = {"devices": processes, "strategy": strategy, "plugins": [GlobalLayers()]}
    keeper = Keeper(folder, processes)
    with warnings.catch_warnings():
        # Lightning warns where processes log at the end of an epoch what is of their own rows alone.
        warnings.filterwarnings("error", message=".*sync_dist=True.*")
        quiet_trainer(folder, [keeper], num_sanity_val_steps=0, **parallel, **options).fit(module, data)
    return [torch.load(folder / f"{processes}-{rank}.pt", weights_only=True) for rank in range(processes)]


def apart(alone: list[Any], other: list[Any]) -> dict[str, Apart]:
    """Of each kind the greatest difference over all steps, but for parameters whose gradient is rounding."""
    gradients = [step["gradients"] for step in alone if "gradients" in step]
    greatest = max(float(g.abs().max()) for step in gradients for g in step.values())
    names = {name for step in gradients for name in step}
    moved = {n for step in gradients for n, g in step.items() if float(g.abs().max()) > 1e-9 * greatest}
    idle = names - moved
    worst: dict[str, Apart] = {}
    for one, two in zip(alone, other, strict=True):
        for kind in one:
            assert one[kind].keys() == two[kind].keys(), (kind, one[kind].keys() ^ two[kind].keys())
            for name, value in one[kind].items():
                if name in idle or not value.numel():
                    continue
                a, b = value.double(), two[kind][name].double()
                difference = float((a - b).abs().max() / a.abs().max().clamp(min=1e-30))
                worst[kind] = max(worst.get(kind, Apart(-1.0, "")), Apart(difference, name))
    return worst

"""How learning rates rise and fall over a run: one place for all systems."""

from __future__ import annotations

import math
from typing import Literal

import torch
from lightning import LightningModule

from aukit.errors import ConfigError

__all__ = ["Schedule", "cosine_decay", "rise_and_cosine", "set_learning_rates", "set_rate"]

Schedule = Literal["constant", "cosine"]

_FINAL_SHARE = 0.03


def set_learning_rates(module: LightningModule, warmup_steps: int, schedule: Schedule = "cosine") -> None:
    """Give every group of the optimizers its rate of this step: the first one it had times the schedule.

    Without warm-up and decay nothing is touched, so that a module may have a scheduler of its own.

    Args:
        module: Module in training, attached to its trainer.
        warmup_steps: Steps in which the rate rises linearly.
        schedule: "constant" after that, or also "cosine": `cosine_decay` over the run.

    Raises:
        ConfigError: The cosine's run has no end.
    """
    if schedule == "constant" and not warmup_steps:
        return
    trainer = module.trainer
    factor = min(1.0, (trainer.global_step + 1) / max(1, warmup_steps))
    if schedule == "cosine":
        total = float(trainer.estimated_stepping_batches)
        if not math.isfinite(total):
            raise ConfigError("the cosine schedule goes over the whole run: set trainer.max_epochs")
        factor *= cosine_decay(trainer.global_step / max(1.0, total))
    for optimizer in trainer.optimizers:
        for group in optimizer.param_groups:
            # Checkpoints hold it: a resumed run finds a rate that the schedule has changed.
            group["lr"] = group.setdefault("full_lr", group["lr"]) * factor


def cosine_decay(progress: float) -> float:
    """Share of the learning rate: half a cosine from 1 at the run's beginning down to 3 % at its end.

    Args:
        progress: Share of the run that is done; 1 and more give 3 %.
    """
    fall = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return _FINAL_SHARE + (1 - _FINAL_SHARE) * fall


def rise_and_cosine(step: int, total: int) -> float:
    """Share of the learning rate: a rise over the first 5 % of the steps, times half a cosine down to 0.

    Args:
        step: Number of the step, from 0.
        total: Steps of the run.
    """
    rise = min(1.0, (step + 1) / max(1, round(0.05 * total)))
    return rise * 0.5 * (1 + float(torch.cos(torch.tensor(torch.pi * step / total))))


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group of an optimizer the same learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate

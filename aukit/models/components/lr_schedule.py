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
    """Give every group of the first optimizer its rate of this step: its ``full_lr`` times the schedule.

    Args:
        module: Module in training, attached to its trainer.
        warmup_steps: Steps in which the rate rises linearly.
        schedule: "constant" after that, or also "cosine": `cosine_decay` over the run.

    Raises:
        ConfigError: The cosine's run has no end.
    """
    trainer = module.trainer
    factor = min(1.0, (trainer.global_step + 1) / max(1, warmup_steps))
    if schedule == "cosine":
        total = float(trainer.estimated_stepping_batches)
        if not math.isfinite(total):
            raise ConfigError("the cosine schedule goes over the whole run: set trainer.max_epochs")
        factor *= cosine_decay(trainer.global_step / max(1.0, total))
    for group in trainer.optimizers[0].param_groups:
        group["lr"] = group["full_lr"] * factor


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

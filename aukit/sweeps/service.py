"""A sweep at Weights & Biases, whose points agents on any machines train."""

from __future__ import annotations

import os

from aukit.errors import ConfigError
from aukit.sweeps.file import Sweep
from aukit.training.wandb_mode import wandb_mode
from aukit.training.wandb_run import PROJECT


def create_sweep(sweep: Sweep, project: str | None = None) -> str:
    """Create a sweep, and return how agents of it are started.

    Args:
        sweep: What is varied.
        project: Where; None for `WANDB_PROJECT`, else "aukit".

    Raises:
        ConfigError: Nobody is logged in, or W&B is off.
    """
    if wandb_mode() != "online":
        raise ConfigError(
            "Weights & Biases is off or offline; log in (`wandb login`), or train the points here: --local"
        )
    import wandb

    id = wandb.sweep(sweep.content, project=project or os.environ.get("WANDB_PROJECT") or PROJECT)
    return f"wandb agent --project {os.environ['WANDB_PROJECT']} {id}"

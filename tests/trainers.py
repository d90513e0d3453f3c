"""Trainers and configurations that leave nothing on the screen."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback

from aukit.training.callbacks import StepSeed

QUIET = {
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "accelerator": "cpu",
    "log_every_n_steps": 1,
}


def quiet_trainer(folder: Path, callbacks: Sequence[Callback] = (), **options: Any) -> Trainer:
    """One epoch on the CPU, seeded step by step; `options` win over what is said here."""
    own = {"max_epochs": 1, "default_root_dir": str(folder / "run"), "logger": False}
    seeded = {"enable_checkpointing": False, "callbacks": [StepSeed(0), *callbacks]}
    return Trainer(**{**QUIET, **own, **seeded, **options})


def configuration(model: dict[str, Any], data: dict[str, Any], epochs: int = 1, **run: Any) -> dict[str, Any]:
    """Configuration of such a run."""
    trainer = {**QUIET, "devices": 1, "max_epochs": epochs, "num_sanity_val_steps": 0}
    common = {"experiment": "tests/run", "seed": 3, "trainer": trainer, "logging": {"wandb": False}}
    return {**common, "run": run, "model": model, "data": data}

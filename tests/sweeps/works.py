"""An experiment of a second, and sweeps of it."""

from pathlib import Path
from typing import Any

import yaml

from tests.distributed.test_ddp import EXPERIMENT


def write_sweep(folder: Path, name: str = "rates", **change: Any) -> Path:
    """A sweep of the tiny experiment, which is written beside it, as its store is."""
    (folder / "base.yaml").write_text("seed: 1\n")
    run = {**EXPERIMENT["run"], "save_minutes": 5.0}
    tiny = {
        **EXPERIMENT,
        "run": run,
        "trainer": {**EXPERIMENT["trainer"], "max_epochs": 1, "log_every_n_steps": 1},
    }
    (folder / "tiny.yaml").write_text(yaml.safe_dump(tiny))
    words = ["fit", "-c", str(folder / "tiny.yaml"), f"data.cache={folder / 'stores'}"]
    content = {
        "program": "aukit",
        "method": "grid",
        "metric": {"name": "best/val/error", "goal": "minimize"},
        "parameters": {"model.lr": {"values": [0.001, 0.01]}, "seed": {"values": [0, 1]}},
        "command": ["${env}", "${program}", *words, "${args_no_hyphens}"],
    }
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump({**content, **change}))
    return file

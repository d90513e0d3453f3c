"""Two processes on one machine: every frame is counted once, and the numbers are those of one process."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from aukit.training import Record, evaluate, load_config
from tests.fakes import AUS

EXPERIMENT = {
    "trainer": {
        "max_epochs": 2,
        "num_sanity_val_steps": 0,
        "accelerator": "cpu",
        "enable_progress_bar": False,
        "enable_model_summary": False,
    },
    "run": {"monitor": "val/error", "mode": "min", "selection": "best", "save_minutes": 0.0},
    "logging": {"wandb": False},
    "model": {"class_path": "tests.fake_training.TinyModule"},
    "data": {
        "class_path": "tests.fake_training.FakeDataModule",
        # 21 test frames of three people, 7 validation frames: neither can be halved.
        "init_args": {"people": 9, "frames": 7, "batch_size": 4, "holdout_fraction": 0.15},
    },
}


@pytest.mark.slow
def test_evaluation_on_two_processes_counts_every_frame_once(tmp_path):
    (tmp_path / "base.yaml").write_text("seed: 1\n")
    experiment = tmp_path / "tiny.yaml"
    experiment.write_text(yaml.safe_dump(EXPERIMENT))
    stores = f"data.cache={tmp_path / 'stores'}"
    words = ["fit", "-c", str(experiment), "--runs", str(tmp_path / "runs"), stores]
    command = [sys.executable, "-m", "aukit.cli", *words, "trainer.devices=2", "trainer.strategy=ddp"]
    here = Path(__file__).parents[2]
    done = subprocess.run(
        command, cwd=here, env=dict(os.environ), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (folder,) = (tmp_path / "runs").iterdir()
    record = Record.read(folder)
    table = pd.read_parquet(record.predictions)
    assert len(table) == 21
    assert table["row"].is_unique
    assert not list(folder.glob("predictions.rank*"))
    assert len(list(folder.glob("csv/version_*"))) == 1  # one process logs

    # The logged metric is that of all frames, and of one process.
    errors = [(table[f"AU{au:02d}_score"] - table[f"AU{au:02d}_label"]) ** 2 for au in AUS]
    assert record.metrics["test/error"] == pytest.approx(np.mean(errors), rel=1e-5)
    config = load_config(experiment, overrides=[stores])
    alone = pd.read_parquet(evaluate(config, tmp_path / "alone", "test", record.checkpoint))
    pd.testing.assert_frame_equal(alone, table, rtol=1e-5)

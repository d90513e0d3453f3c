"""Trainings on the cluster's two nodes, and whether two of them are the same to the last bit."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import torch
import yaml

from aukit.training import Record, read_log
from tests.distributed.test_ddp import EXPERIMENT
from tests.slurm.cluster import Cluster

SITE = {"time": "10", "nodes": 2, "gpus": 0, "cores": 1, "notice": 0}
"""Of the jobs: nothing is sent by itself."""


def write_experiment(folder: Path, **site: object) -> None:
    """The tiny experiment, whose training writes no state unless it is asked to, and the site's options."""
    content = json.loads(json.dumps(EXPERIMENT))
    content["model"]["class_path"] = "tests.slurm.paced.PacedModule"
    content["trainer"] |= {"max_epochs": 10, "log_every_n_steps": 1}
    content["run"]["save_minutes"] = 60
    (folder / "base.yaml").write_text("seed: 1\n")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(content))
    write_site(folder, **site)


def write_site(folder: Path, **site: object) -> None:
    """The site's options, some of them others than `SITE`."""
    (folder / "site.yaml").write_text(yaml.safe_dump({**SITE, **site}))


@contextmanager
def shown(cluster: Cluster, folder: Path, words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command that shows its jobs, as a user starts it, to `shown.txt`; it is ended with the block."""
    command = [
        sys.executable,
        "-m",
        "aukit.cli",
        *words.split(),
        "--launcher",
        "slurm",
        "--site",
        "site.yaml",
    ]
    with (folder / "shown.txt").open("ab") as file:
        view = subprocess.Popen(
            command, cwd=folder, env=cluster.environment, stdout=file, stderr=file, start_new_session=True
        )
    try:
        yield view
    finally:
        view.kill()
        view.wait()


def newest_job(folder: Path) -> str | None:
    """Number of the last job that was submitted in a folder."""
    numbers = [
        int(line.split("\t")[0])
        for file in folder.glob("lightning_logs/slurm/*/jobs.tsv")
        for line in file.read_text().splitlines()
    ]
    return str(max(numbers)) if numbers else None


def differences(run: Path, other: Path) -> list[str]:
    """What is not the same of two finished runs: weights and buffers, predictions, metrics, log lines."""
    found = []
    for file in sorted((other / "checkpoints").iterdir()):
        one, two = (
            torch.load(each / "checkpoints" / file.name, weights_only=True)["state_dict"]
            for each in (run, other)
        )
        assert any(name.endswith("running_mean") for name in one)
        found += [f"{file.name} {name}" for name in one if not torch.equal(one[name], two[name])]
    frames = [pd.read_parquet(each / "predictions.parquet") for each in (run, other)]
    logs = [read_log(each) for each in (run, other)]
    records = [Record.read(each) for each in (run, other)]
    found += ["predictions"] * (not frames[0].equals(frames[1]))
    found += ["log"] * (not logs[0].equals(logs[1]))
    found += ["metrics"] * (not pd.Series(records[0].metrics).equals(pd.Series(records[1].metrics)))
    return found

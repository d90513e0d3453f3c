"""Two processes give the number of one, on both of them, though each sees other people and other counts."""

import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed
import torch.multiprocessing

from aukit import metrics

NAMES = ("female", "male")
SPLIT = 70  # rank 0 sees the first 70 of 100 frames: women only, in more batches


def inputs():
    rng = np.random.default_rng(4)
    levels = rng.integers(0, 6, (100, 3)).astype(float)
    predictions = np.clip(levels + rng.integers(-1, 2, levels.shape), 0, 5)
    levels[rng.random(levels.shape) < 0.1] = np.nan
    return predictions, levels, np.repeat([0, 1], [SPLIT, 100 - SPLIT]), rng.normal(size=(100, 5))


def build():
    return {
        "icc": metrics.IntraclassCorrelation(3),
        "f1": metrics.MultilabelF1(3, threshold=1.5),
        "grouped": metrics.GroupedMultilabelF1(3, NAMES, threshold=1.5),
        "fairness": metrics.GroupFairness(3, NAMES, threshold=1.5),
        "frechet": metrics.FrechetDistance(5),
        "kernel": metrics.KernelDistance(5),
    }


def run(start, stop, batch):
    """All results over rows start..stop, as named tensors."""
    predictions, levels, gender, features = (torch.from_numpy(array) for array in inputs())
    present = torch.where(levels.isnan(), levels, (levels >= 2).double())
    all_metrics = build()
    for first in range(start, stop, batch):
        rows = slice(first, min(first + batch, stop))
        all_metrics["icc"].update(predictions[rows], levels[rows])
        all_metrics["f1"].update(predictions[rows], present[rows])
        all_metrics["grouped"].update(predictions[rows], present[rows], gender[rows])
        all_metrics["fairness"].update(predictions[rows], present[rows], gender[rows])
        for name in ("frechet", "kernel"):
            all_metrics[name].update(features[rows][::2], real=True)
            all_metrics[name].update(features[rows][1::2] + 1, real=False)
    results = {}
    for name, metric in all_metrics.items():
        value = metric.compute()
        parts = value if isinstance(value, dict) else getattr(value, "_asdict", lambda v=value: {"": v})()
        results.update({f"{name}.{key}": part for key, part in parts.items()})
    return results


def worker(rank, folder):
    torch.set_num_threads(1)  # an OpenMP pool does not survive a fork
    init = (Path(folder) / "init").as_uri()
    torch.distributed.init_process_group("gloo", init_method=init, rank=rank, world_size=2)
    results = run(0, SPLIT, 10) if rank == 0 else run(SPLIT, 100, 10)
    torch.save(results, Path(folder) / f"{rank}.pt")
    torch.distributed.destroy_process_group()


# Forked: importing torchmetrics anew in each process would take longer than all other tests here.
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_two_processes_equal_one(tmp_path, monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    expected = run(0, 100, 10)
    processes = torch.multiprocessing.start_processes(
        worker, args=(str(tmp_path),), nprocs=2, join=False, start_method="fork"
    )
    deadline = time.monotonic() + 120
    try:
        while not processes.join(timeout=5):
            assert time.monotonic() < deadline, "the two processes did not finish"
    finally:
        for process in processes.processes:
            process.kill()
    for rank in range(2):
        results = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert results.keys() == expected.keys()
        for name, value in results.items():
            # Counts and integer levels are exact; sums of real features depend on the order of addition.
            exact = not name.startswith(("frechet", "kernel"))
            tolerance = 0 if exact else 1e-12
            np.testing.assert_allclose(value, expected[name], rtol=tolerance, atol=tolerance, err_msg=name)

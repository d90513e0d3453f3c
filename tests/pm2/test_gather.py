"""Two gloo processes with halves of a batch give the moments and the gradients of one with the whole."""

import time
from pathlib import Path

import pytest
import torch
import torch.distributed
import torch.multiprocessing
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from aukit.pm2 import losses
from aukit.pm2.gather import global_batch


def images():
    return {
        name: torch.randn(6, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        for seed, name in enumerate(("real", "female", "male", "target"))
    }


def extractor():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 4), nn.Tanh()).double()


def distance(network, batches):
    """All losses that are no plain mean over rows."""
    rows = [len(batch) for batch in batches.values()]
    features = network(torch.cat(list(batches.values()))).split(rows)
    real, female, male, target = (global_batch(x) for x in features)
    return (
        losses.paired_moment_distance(real, female, male, order=3, central=True)
        + losses.moment_distance([real, female, male], target, order=3)
        + losses.kernel_discrepancy(real, target)
        + losses.coral_distance(female, target)
        + losses.class_balance(target.sigmoid())
    )


def worker(rank, folder):
    torch.set_num_threads(1)  # an OpenMP pool does not survive a fork
    init = (Path(folder) / "init").as_uri()
    torch.distributed.init_process_group("gloo", init_method=init, rank=rank, world_size=2)
    network = DistributedDataParallel(extractor())
    loss = distance(network, {name: batch[3 * rank : 3 * rank + 3] for name, batch in images().items()})
    loss.backward()
    results = {name: p.grad for name, p in network.module.named_parameters()}
    torch.save({**results, "loss": loss.detach()}, Path(folder) / f"{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_two_processes_have_the_moments_and_gradients_of_one(tmp_path, monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    network = extractor()
    loss = distance(network, images())
    loss.backward()
    expected = {**{name: p.grad for name, p in network.named_parameters()}, "loss": loss.detach()}
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
            torch.testing.assert_close(value, expected[name], rtol=1e-12, atol=1e-14)


def test_a_process_alone_has_its_own_rows():
    rows = torch.randn(3, 2, requires_grad=True)
    assert global_batch(rows) is rows

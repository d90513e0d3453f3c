"""Rows of several processes that have different numbers of them."""

from pathlib import Path

import torch
from torch import multiprocessing

from aukit.models.components.processes import all_rows, first_drawn, row_counts

COUNTS = (3, 1, 2)
WHOLE = torch.arange(6 * 4, dtype=torch.float32).reshape(6, 4)


def work(rank: int, folder: Path) -> None:
    start = f"file://{folder / 'meeting'}"
    torch.distributed.init_process_group("gloo", start, rank=rank, world_size=len(COUNTS))
    torch.manual_seed(rank)  # as in evaluation
    own = WHOLE[sum(COUNTS[:rank]) :][: COUNTS[rank]]
    assert row_counts(own) == [*COUNTS]
    assert torch.equal(all_rows(own), WHOLE)
    drawn = first_drawn(lambda rows: torch.randn(rows, 2), own)
    torch.manual_seed(0)
    assert torch.equal(drawn, torch.randn(6, 2).split(COUNTS)[rank])
    torch.distributed.destroy_process_group()


def test_rows_of_unequal_parts(tmp_path, monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    multiprocessing.start_processes(work, (tmp_path,), len(COUNTS), start_method="fork")


def test_alone():
    torch.manual_seed(0)
    expected = torch.randn(6, 2)
    torch.manual_seed(0)
    assert torch.equal(first_drawn(lambda rows: torch.randn(rows, 2), WHOLE), expected)
    assert all_rows(WHOLE) is WHOLE
    assert row_counts(WHOLE) == [6]

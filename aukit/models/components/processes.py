"""Several processes train what one would: sums, rows, draws and statistics of the batch of all of them.

A loss made with `global_sum` or of `global_batch` has the same value on every process, and the mean of the
processes' gradients, which is what DistributedDataParallel forms, is the gradient that one process with the
whole batch would have. Everything works on every backend that sums, gloo too, can be differentiated twice,
and costs nothing in one process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule

__all__ = [
    "all_rows",
    "averaged",
    "draw_rows",
    "first_drawn",
    "global_batch",
    "global_mean",
    "global_sum",
    "log_of_all",
    "normal_rows",
    "place",
    "row_counts",
]


def place() -> tuple[int, int]:
    """Rank of this process and number of processes; (0, 1) where there is one."""
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return 0, 1
    return torch.distributed.get_rank(), torch.distributed.get_world_size()


def global_sum(values: Tensor) -> Tensor:
    """Sum over the processes, element by element; alone, the values themselves.

    All processes must give the same shape. Cost: an all-reduce forwards and, with a gradient, backwards.
    """
    if place()[1] == 1:
        return values
    total: Callable[..., Tensor] = _AllReduce.apply
    return total(values)


def global_mean(values: Tensor) -> Tensor:
    """Mean of all elements of all processes, which must have equally many."""
    return global_sum(values.mean()) / place()[1]


def global_batch(rows: Tensor) -> Tensor:
    """Rows ``[B,…]`` of every process as ``[W·B,…]``, in order of rank; alone, the rows themselves.

    All processes must give the same shape. Cost: one all-reduce of W·B rows each way.
    """
    rank, count = place()
    if count == 1:
        return rows
    return global_sum(
        torch.cat([rows if index == rank else torch.zeros_like(rows) for index in range(count)])
    )


def row_counts(rows: Tensor) -> list[int]:
    """Number of rows of every process, in order of rank. Cost: an all-reduce and a wait for its result."""
    rank, count = place()
    if count == 1:
        return [len(rows)]
    own = torch.zeros(count, dtype=torch.int64, device=rows.device)
    own[rank] = len(rows)
    return [int(number) for number in global_sum(own)]


def all_rows(rows: Tensor) -> Tensor:
    """Rows ``[B,…]`` of every process in order of rank, which may have different numbers of them.

    For what an evaluation computes of all rows; `global_batch` is for training. Cost: two all-reduces, of all
    rows with room for the longest part.
    """
    counts = row_counts(rows)
    if len(counts) == 1:
        return rows
    padded = rows.new_zeros(max(counts), *rows.shape[1:])
    padded[: len(rows)] = rows.detach()
    parts = torch.split(global_batch(padded), max(counts))
    return torch.cat([part[:number] for part, number in zip(parts, counts, strict=True)])


def first_drawn(draw: Callable[[int], Tensor], rows: Tensor) -> Tensor:
    """This process' part of what the first process draws for `rows` of all, which may differ in number.

    For evaluation, where every process has a generator in another state.

    Args:
        draw: Number of rows → random tensor with that many entries along its first axis.
        rows: Rows of this process.
    """
    rank, count = place()
    counts = row_counts(rows)
    drawn = draw(sum(counts))
    if count == 1:
        return drawn
    drawn = global_sum(drawn if rank == 0 else torch.zeros_like(drawn))
    return torch.split(drawn, counts)[rank]


def log_of_all(module: LightningModule, values: Mapping[str, Tensor], prog_bar: bool = False) -> None:
    """Log, at the end of an epoch, what every process has computed alike, of the rows of all.

    The greatest of equal values is the value, to the bit, which a mean need not be. Lightning warns of values
    that are not brought together; that warning is for those that differ.
    """
    module.log_dict(dict(values), prog_bar=prog_bar, sync_dist=True, reduce_fx="max")


def draw_rows(draw: Callable[[int], Tensor], count: int) -> Tensor:
    """This process' part of what is drawn for the rows of all processes.

    Torch's generators must be in the same state on all processes, as a run seeds them at each step, and stay
    so: each draws for everybody.

    Args:
        draw: Number of rows → random tensor with that many entries along its first axis.
        count: Rows of this process.

    Example:
        >>> draw_rows(lambda rows: torch.rand(rows, 1, 1, 1), 4).shape
        torch.Size([4, 1, 1, 1])
    """
    rank, processes = place()
    return draw(count * processes)[rank * count : (rank + 1) * count]


def normal_rows(count: int, *shape: int, like: Tensor) -> Tensor:
    """Standard normal numbers ``[count,*shape]`` by `draw_rows`, of the type and device of `like`."""
    return draw_rows(lambda rows: torch.randn(rows, *shape, device=like.device, dtype=like.dtype), count)


def averaged(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Means of scalars over the processes, for logging: one all-reduce for all; alone, the values."""
    if place()[1] == 1 or not values:
        return dict(values)
    double = any(value.dtype == torch.float64 for value in values.values())
    dtype = torch.float64 if double else torch.float32
    total = torch.stack([value.detach().to(dtype) for value in values.values()])
    torch.distributed.all_reduce(total)
    return dict(zip(values, total / place()[1], strict=True))


class _AllReduce(torch.autograd.Function):
    """Sum over processes, forwards and backwards."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.contiguous().clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Tensor:
        total: Callable[..., Tensor] = _AllReduce.apply  # itself, so that a penalty's gradient has one too
        return total(gradients[0])

"""Several processes train what one would: sums, rows, draws and statistics of the batch of all of them.

A loss made with `global_sum` or of `global_batch` has the same value on every process, and the mean of the
processes' gradients, which is what DistributedDataParallel forms, is the gradient that one process with the
whole batch would have. Everything works on every backend that sums, gloo too, can be differentiated twice,
and costs nothing in one process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

__all__ = ["averaged", "draw_rows", "global_batch", "global_mean", "global_sum", "normal_rows", "place"]


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

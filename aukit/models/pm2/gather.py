"""The batch of all processes, through which gradients flow back to each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed
from torch import Tensor

__all__ = ["global_batch"]


def global_batch(rows: Tensor) -> Tensor:
    """Rows ``[B,…]`` of this process → ``[W·B,…]`` of all W, in order of rank; alone, the rows themselves.

    A loss of these rows is the same on every process, and the mean of the processes' gradients, which is what
    DistributedDataParallel forms, is the gradient that one process with the whole batch would have. Works on
    every backend that sums, gloo too. All processes must give the same shape. Cost: one all-reduce of W·B
    rows each way.
    """
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return rows
    count, rank = torch.distributed.get_world_size(), torch.distributed.get_rank()
    slots = torch.cat([rows if index == rank else torch.zeros_like(rows) for index in range(count)])
    total: Callable[..., Tensor] = _AllReduce.apply
    return total(slots)


class _AllReduce(torch.autograd.Function):
    """Sum over processes, forwards and backwards."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Tensor:
        total: Tensor = gradients[0].contiguous().clone()
        torch.distributed.all_reduce(total)
        return total

"""Batch norm and dropout of the batch of all processes, in place of layers that know their own rows only.

torch's SyncBatchNorm refuses tensors on the CPU, and no layer of torch draws dropout for several processes.
`with_global_layers` turns a network's layers into ours, and back, without touching weights, names or hooks; a
single process needs neither.
"""

from __future__ import annotations

from typing import Any

import torch
from timm.layers import BatchNormAct2d, DropPath
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from aukit.errors import ConfigError
from aukit.models.components.processes import draw_rows, place

__all__ = ["with_global_layers", "with_local_layers"]


class _GlobalBatchNorm(_BatchNorm):
    """Mixed into a batch norm: in training its statistics are those of the rows of all processes."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or place()[1] == 1:
            plain: Tensor = super().forward(x)
            return plain
        y, mean, variance, count = _Normalise.apply(x, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
        if self.track_running_stats:
            self._track(mean, variance * count / (count - 1).clamp(min=1))
        if isinstance(self, BatchNormAct2d):
            y = self.act(self.drop(y))
        normalised: Tensor = y
        return normalised

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics as the plain layer does."""
        assert self.num_batches_tracked is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.mul_(1 - share).add_(share * mean)
        self.running_var.mul_(1 - share).add_(share * variance)


class _GlobalDropout(nn.Dropout):
    """Mixed into a dropout: its mask is the part of one that is drawn for the rows of all processes."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or place()[1] == 1:
            return super().forward(x)

        def mask(rows: int) -> Tensor:
            return F.dropout(x.new_ones(rows, *x.shape[1:]), self.p, training=True)

        return x * draw_rows(mask, len(x))


class _GlobalDropPath(nn.Module):
    """Mixed into a stochastic depth: the rows that skip a block are drawn for the rows of all processes."""

    drop_prob: float
    scale_by_keep: bool

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.drop_prob or place()[1] == 1:
            plain: Tensor = super().forward(x)
            return plain
        kept = 1 - self.drop_prob

        def mask(rows: int) -> Tensor:
            return x.new_empty(rows, *[1] * (x.ndim - 1)).bernoulli_(kept)

        return x * draw_rows(mask, len(x)) / (kept if self.scale_by_keep else 1)


class _Normalise(torch.autograd.Function):
    """(x − mean) / deviation · weight + bias with mean and deviation over the rows of all processes.

    Returns the result, mean, biased variance (both ``[C]``) and the number of values behind them. Half
    precision is normalised in float32. Weight and bias get this process' part of their gradients, as those
    of all other layers, of which DistributedDataParallel forms the mean.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Any:
        values = x if x.dtype == torch.float64 else x.float()
        axes = [axis for axis in range(x.ndim) if axis != 1]
        # Each process' mean and squared deviations, put together as Chan et al. (1979) do: no cancellation.
        variance, mean = torch.var_mean(values, dim=axes, correction=0)
        number = x.numel() // x.shape[1]
        rank, processes = place()
        parts = values.new_zeros(processes, 2, len(mean))
        counts = values.new_zeros(processes, 1)
        parts[rank], counts[rank] = torch.stack([mean, variance]), number
        together = torch.cat([parts.flatten(1), counts], dim=1)
        torch.distributed.all_reduce(together)
        parts, counts = together[:, :-1].reshape(processes, 2, -1), together[:, -1:]
        count = counts.sum()
        mean = (counts * parts[:, 0]).sum(0) / count
        variance = (counts * (parts[:, 1] + (parts[:, 0] - mean).square())).sum(0) / count
        inverse = (variance + eps).rsqrt()
        shape = [1, -1] + [1] * (x.ndim - 2)
        y = (values - mean.reshape(shape)) * inverse.reshape(shape)
        ctx.save_for_backward(x, weight, mean, inverse, count)
        if weight is not None and bias is not None:
            y = y * weight.reshape(shape) + bias.reshape(shape)
        ctx.mark_non_differentiable(mean, variance, count)
        return y.to(x.dtype), mean, variance, count

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Any) -> Any:
        x, weight, mean, inverse, count = ctx.saved_tensors
        axes, shape = [a for a in range(x.ndim) if a != 1], [1, -1] + [1] * (x.ndim - 2)
        gradient = gradients[0].to(mean.dtype)
        normal = (x.to(mean.dtype) - mean.reshape(shape)) * inverse.reshape(shape)
        own = torch.stack([gradient.sum(axes), (gradient * normal).sum(axes)])
        sums = own.clone()
        torch.distributed.all_reduce(sums)
        first, second = (each.reshape(shape) / count for each in sums)
        scale = inverse if weight is None else inverse * weight
        to_x = (gradient - first - normal * second) * scale.reshape(shape)
        to_weight, to_bias = (None, None) if weight is None else (own[1], own[0])
        return to_x.to(x.dtype), to_weight, to_bias, None


#: Classes of torch and timm → what their `forward` is when there are several processes.
_KINDS: dict[type[nn.Module], type[nn.Module]] = {
    _BatchNorm: _GlobalBatchNorm,
    BatchNormAct2d: _GlobalBatchNorm,
    nn.Dropout: _GlobalDropout,
    DropPath: _GlobalDropPath,
}
_OURS: dict[type[nn.Module], type[nn.Module]] = {}


def with_global_layers(network: nn.Module) -> nn.Module:
    """Let the batch norms and dropouts of a network see the rows of all processes; the network itself.

    Dropout that is a function and no layer, as timm's ``drop_rate`` of a ResNet, draws the same for the rows
    of each process.

    Raises:
        ConfigError: A layer of a class of its own normalises or drops in another way.
    """
    for name, layer in network.named_modules():
        kind = type(layer)
        if kind in _OURS.values() or not isinstance(layer, tuple(_KINDS)):
            continue
        ours = [own for known, own in _KINDS.items() if known.forward is kind.forward]
        if not ours:
            raise ConfigError(
                f"{name}: a {kind.__module__}.{kind.__name__} normalises or drops the rows of each process"
                " alone; train on one process, or use a layer of torch or timm"
            )
        if kind not in _OURS:
            _OURS[kind] = type(f"Global{kind.__name__}", (ours[0], kind), {})
        setattr(layer, "__class__", _OURS[kind])  # noqa: B010 - its type is not known before
    return network


def with_local_layers(network: nn.Module) -> nn.Module:
    """Undo `with_global_layers`."""
    theirs = {ours: kind for kind, ours in _OURS.items()}
    for layer in network.modules():
        layer.__class__ = theirs.get(type(layer), type(layer))
    return network

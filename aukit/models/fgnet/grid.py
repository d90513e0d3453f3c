"""Feature maps: bilinear resizing with corner pixels aligned, shortcuts around it, memory layout."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_CACHED = 1 << 21  # values

__all__ = ["bilinear", "grid_taps", "lay_out", "resize", "upsampled_convolution"]


def lay_out(x: Tensor, training: bool) -> Tensor:
    """Bring ``[B,C,H,W]`` to the fastest memory layout in which batch norm is exact.

    That is channels last, except in training on a CPU: there PyTorch sums the statistics of a batch in that
    layout in single precision, one value after the other, and 256² maps come out wrong by up to 3e−3.
    """
    exact = training and x.device.type == "cpu"
    return x.contiguous(memory_format=torch.contiguous_format if exact else torch.channels_last)


def resize(x: Tensor, size: int) -> Tensor:
    """Resize ``[B,C,H,W]`` to ``[B,C,size,size]``, bilinearly, corners aligned, without antialiasing."""
    return F.interpolate(x, size=(size, size), mode="bilinear", align_corners=True)


def grid_taps(side: int, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Where `resize` reads one axis: the lower neighbour ``[size]`` int64 and the fraction beyond it.

    Positions are computed in float32 as torch does: on fine maps their rounding shows in the values.
    """
    step = torch.tensor(side - 1, dtype=torch.float32, device=device) / (size - 1)
    position = torch.arange(size, dtype=torch.float32, device=device) * step
    low = position.long().clamp(max=side - 1)
    # Rounding may put the last position a little beyond the last pixel.
    return low, torch.where(low < side - 1, position - low, 0.0)


def bilinear(pixels: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Weigh the four neighbours of each grid position.

    Args:
        pixels: ``[B,C,2m,2n]``; entries 2i and 2i+1 of an axis are the neighbours of position i.
        rows: ``[m]``, the part of the second one.
        columns: ``[n]``, likewise.

    Returns:
        ``[B,C,m,n]``.
    """
    mixed = torch.lerp(pixels[:, :, 0::2], pixels[:, :, 1::2], rows[:, None].to(pixels.dtype))
    return torch.lerp(mixed[..., 0::2], mixed[..., 1::2], columns.to(pixels.dtype))


def upsampled_convolution(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``conv2d(resize(x, 2·side), weight, bias, padding=k // 2)`` for a quarter of the multiplications.

    Resizing acts on places and each tap of the kernel on channels, so that the two commute: the channels are
    mixed on the small map, once per tap, then each axis is resized and shifted by its taps in one product
    with a small matrix.

    Args:
        x: ``[B,in,n,n]``.
        weight: ``[out,in,k,k]``, k odd.
        bias: ``[out]`` or None.

    Returns:
        ``[B,out,2n,2n]``; memory for k²·out·n² values per sample.
    """
    batch, inputs, side, _ = x.shape
    outputs, _, taps, _ = weight.shape
    columns = x.transpose(2, 3).reshape(batch, inputs, side * side)
    axis = _upsampling_taps(side, taps).to(x)
    # A few output channels at a time: what lies between the products then stays in the cache.
    share = outputs if x.device.type != "cpu" else max(1, _CACHED // (batch * taps**2 * side**2))
    parts = []
    for kernel in torch.split(weight.permute(0, 2, 3, 1), share):
        mixer = kernel.reshape(1, -1, inputs).expand(batch, -1, -1)
        # Rows: output channel, vertical tap, horizontal tap; columns: x, then y. The horizontal sum runs over
        # (horizontal tap, x), which lie side by side in memory; likewise the vertical one.
        mixed = torch.bmm(mixer, columns).reshape(-1, taps * side, side).transpose(1, 2)
        wide = torch.bmm(mixed, axis.expand(len(mixed), -1, -1)).reshape(-1, taps * side, 2 * side)
        high = torch.bmm(axis.T.expand(len(wide), -1, -1), wide)
        parts.append(high.reshape(batch, -1, 2 * side, 2 * side))
    out = torch.cat(parts, dim=1)
    return out if bias is None else out + bias[:, None, None].to(out.dtype)


def _upsampling_taps(side: int, taps: int) -> Tensor:
    """``[taps·side, 2·side]``: what each place of a small axis gives to each place of the doubled one."""
    unit = F.interpolate(torch.eye(side)[None], size=2 * side, mode="linear", align_corners=True)[0]
    shifted = F.pad(unit, (taps // 2, taps // 2)).unfold(1, 2 * side, 1)
    return shifted.transpose(0, 1).reshape(taps * side, 2 * side)

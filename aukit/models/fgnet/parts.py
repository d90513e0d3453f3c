"""Parts of FG-Net that a user writes: their interface, and the check of what they give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pkgutil import resolve_name
from typing import Any, Protocol

from torch import Tensor, nn

from aukit.errors import ConfigError

__all__ = ["EncoderInterface", "HeadInterface", "check_shape", "own_part"]


class EncoderInterface(Protocol):
    """Images → W+ codes, in the place of `GradualStyleEncoder`.

    ``model.encoder.class_path=my_parts.MyEncoder`` names it. The class is called as
    ``MyEncoder(n_styles, style_dim, image_size, **init_args)``.

    Example:
        >>> class MyEncoder(nn.Module):
        ...     def __init__(self, n_styles, style_dim, image_size):
        ...         super().__init__()
        ...         self.linear = nn.Linear(3, n_styles * style_dim)
        ...         self.shape = (n_styles, style_dim)
        ...
        ...     def forward(self, images):
        ...         return self.linear(images.mean(dim=(2, 3))).unflatten(1, self.shape)
    """

    def __call__(self, images: Tensor) -> Tensor:
        """Codes ``[B,n_styles,style_dim]``, less the mean code, of images ``[B,3,S,S]`` in [−1,1]."""
        ...


class HeadInterface(Protocol):
    """The generator's maps → heat maps, in the place of `PyramidInterpreter`.

    ``model.head.class_path=my_parts.MyHead`` names it. The class is called as
    ``MyHead(points, channels, size, **init_args)``: heat maps that come out, channels of the maps from coarse
    to fine, side of the heat maps.

    Example:
        >>> class MyHead(nn.Module):
        ...     def __init__(self, points, channels, size, level=1):
        ...         super().__init__()
        ...         self.level, self.size = level, size
        ...         self.convolution = nn.Conv2d(channels[level], points, 1)
        ...
        ...     def forward(self, maps):
        ...         heatmaps = self.convolution(maps[self.level])
        ...         return nn.functional.interpolate(heatmaps, size=(self.size, self.size))
    """

    def __call__(self, maps: Sequence[Tensor]) -> Tensor:
        """Heat maps ``[B,points,size,size]`` of maps ``[B,C,s,s]``, s = 4, 8, …, at most ``size``.

        There is a map for each of ``channels``; those that were finer than the heat maps come at their size.
        """
        ...


def own_part(name: str, part: Mapping[str, Any], *arguments: Any) -> nn.Module:
    """Make a part that the configuration names.

    Args:
        name: "head" or "encoder", for errors.
        part: ``class_path`` and, where wanted, ``init_args``.
        arguments: What every such part is called with first.

    Raises:
        ConfigError: There is no such class, or it cannot be called so.
    """
    if "class_path" not in part or set(part) - {"class_path", "init_args"}:
        raise ConfigError(f"model.{name} takes class_path and init_args; got {', '.join(sorted(part))}")
    path, options = part["class_path"], part.get("init_args") or {}
    try:
        made = resolve_name(path)(*arguments, **options)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise ConfigError(
            f"model.{name}: {path} cannot be made: {error}; see aukit.models.fgnet.{name.title()}Interface"
        ) from error
    if not isinstance(made, nn.Module):
        raise ConfigError(f"model.{name}: {path} gives a {type(made).__name__}, not a torch.nn.Module")
    return made


def check_shape(name: str, part: nn.Module, found: Any, wanted: Sequence[int]) -> Tensor:
    """The output of a part, if it has the wanted shape.

    Raises:
        ConfigError: It has another; both are named.
    """
    if isinstance(found, Tensor) and found.shape == tuple(wanted):
        return found
    what = list(found.shape) if isinstance(found, Tensor) else f"a {type(found).__name__}"
    raise ConfigError(
        f"model.{name}: {type(part).__name__} gives {what}, needed is {list(wanted)}; see"
        f" aukit.models.fgnet.{name.title()}Interface"
    )

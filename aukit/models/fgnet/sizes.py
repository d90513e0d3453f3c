"""The sizes of a `StyleNetwork` or `FGNet`, read from the shapes in its state dict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["interpreter_sizes_of", "sizes_of"]

Shape = tuple[int, ...]


def sizes_of(shapes: Mapping[str, Shape]) -> dict[str, Any]:
    """Arguments of `StyleNetwork` that give a network with these shapes, if there is one.

    Args:
        shapes: Key → shape; entries of other parts are not looked at.

    Raises:
        KeyError: An entry that tells a size is missing.
        ValueError: One has another number of axes.

    Example:
        >>> from aukit.models.fgnet.networks import StyleNetwork
        >>> from aukit.models.weights import MINI_NETWORK
        >>> state = StyleNetwork(**MINI_NETWORK).state_dict()
        >>> sizes_of({key: tuple(value.shape) for key, value in state.items()}) == MINI_NETWORK
        True
    """
    codes, style_dim = shapes["latent_avg"]
    blocks = codes // 2 - 1
    channels = [shapes["g_all.input.input"][1]]
    channels += [shapes[f"g_all.to_rgbs.{block}.conv.weight"][2] for block in range(blocks)]
    # Maps of side 2^k have min(most, ⌊16384·multiplier / 2^k⌋) channels; the largest lower bound fits.
    multiplier = max(count * 2**k for k, count in enumerate(channels, 2)) / 16384
    top, third, *_ = shapes["pspencoder.latlayer1.weight"]
    second = shapes["pspencoder.latlayer2.weight"][1]
    outputs = [
        shapes[f"pspencoder.body.{unit}.res_layer.1.weight"][0]
        for unit in range(_count(shapes, "pspencoder.body.", ".res_layer.1.weight"))
    ]
    stages = (outputs[0], second, third, top)
    return {
        "image_size": 16 * 2 ** _count(shapes, "pspencoder.styles.0.convs.", ".weight"),
        "size": 4 * 2**blocks,
        "style_dim": style_dim,
        "n_mlp": _count(shapes, "g_all.style.", ".weight"),
        "channel_multiplier": multiplier,
        "max_channels": max(channels),
        "encoder_widths": (shapes["pspencoder.input_layer.0.weight"][0], *stages),
        "encoder_units": _units(outputs, stages),
    }


def interpreter_sizes_of(shapes: Mapping[str, Shape]) -> dict[str, Any]:
    """The further arguments of an `FGNet` with the published head, `PyramidInterpreter`.

    Raises:
        KeyError: An entry that tells a size is missing.

    Example:
        >>> from aukit.models.fgnet.networks import FGNet
        >>> from aukit.models.weights import MINI_NETWORK
        >>> state = FGNet(points=12, heatmap_size=16, kernel_size=3, **MINI_NETWORK).state_dict()
        >>> interpreter_sizes_of({key: tuple(value.shape) for key, value in state.items()})
        {'points': 12, 'heatmap_size': 16, 'kernel_size': 3}
    """
    layers = [key for key in shapes if key.startswith("interpreter.layer") and key.endswith(".weight")]
    last = max(int(key.split(".")[1].removeprefix("layer")) for key in layers) if layers else 0
    points, _, kernel, _ = shapes[f"interpreter.layer{last}.4.weight"]
    # Behind an up-sampling the convolution is the layer's second part; without one that is a ReLU.
    doublings = sum(f"interpreter.layer{index}.1.weight" in shapes for index in range(last))
    return {"points": points, "heatmap_size": 4 * 2**doublings, "kernel_size": kernel}


def _units(outputs: list[int], stages: tuple[int, ...]) -> tuple[int, ...]:
    """Residual units per stage; of equally wide stages the first one gets what the others need not."""
    left, units = list(outputs), []
    for index, width in enumerate(stages):
        count = left.count(width) - stages[index + 1 :].count(width)
        units.append(count)
        left = left[count:]
    return tuple(units)


def _count(shapes: Mapping[str, Shape], start: str, end: str) -> int:
    return sum(key.startswith(start) and key.endswith(end) for key in shapes)

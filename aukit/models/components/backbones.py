"""timm's image models behind one interface: pooled features, weights from a file that the user names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import timm
import torch
from timm.layers import resample_abs_pos_embed
from torch import Tensor, nn

from aukit.errors import ConfigError, WeightsError
from aukit.models.weights import weights_path
from aukit.models.weights.files import read_checkpoint, write_tensors

__all__ = ["Backbone", "load_backbone", "pack_backbone"]

#: torchvision's names → timm's, of linear layers that are convolutions there.
_TORCHVISION = {"classifier.0": "pre_logits.fc1", "classifier.3": "pre_logits.fc2"}


class Backbone(nn.Module):
    """Any timm image model without its classifier: images → one vector of features each.

    Args:
        name: timm's name, such as ``resnet50`` or ``swin_base_patch4_window7_224``.
        weights: File of weights with timm's keys (.safetensors or a plain state dict) or the name of shipped
            ones (`aukit.models.weights`); None starts from random weights. Nothing is ever downloaded.
        options: Further arguments of the timm model, e.g. ``{"channels": [24, 48, 96, 160]}`` of a ResNet or
            ``{"img_size": 128}`` of a transformer.

    Attributes:
        features: Length of the vector.
        network: The timm model.

    Raises:
        ConfigError: timm has no such model, or it does not take these options.
        WeightsError: The file is missing, unreadable or does not fit.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, name: str, weights: str | None = None, options: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        try:
            self.network: nn.Module = timm.create_model(name, num_classes=0, **dict(options or {}))
        except (RuntimeError, TypeError, AssertionError) as error:
            raise ConfigError(f"backbone {name!r} with {dict(options or {})}: {error}") from error
        if weights is not None:
            load_backbone(self.network, weights_path("backbone", weights))
        # `num_features` counts the channels before a hidden layer that some heads have.
        hidden = getattr(self.network, "head_hidden_size", None)
        self.features = int(hidden or cast(int, self.network.num_features))
        config = cast(Mapping[str, Any], getattr(self.network, "pretrained_cfg", {}))
        for name, default in (("mean", (0.485, 0.456, 0.406)), ("std", (0.229, 0.224, 0.225))):
            values = torch.tensor(config.get(name) or default)[:, None, None]
            self.register_buffer(name, values, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Features ``[B,F]`` of images ``[B,3,S,S]`` in [0,1]; the model's own normalisation happens here."""
        normalized = (images - self.mean) / self.std
        # The layout stays through the network: small ResNets train 1.3 to 1.7 times as fast on a CPU.
        return cast(Tensor, self.network(normalized.contiguous(memory_format=torch.channels_last)))


def load_backbone(network: nn.Module, path: Path) -> None:
    """Load everything but the classifier from a file with timm's keys (of a VGG also torchvision's).

    Position embeddings that were trained with another image size are resampled to the network's.

    Raises:
        WeightsError: The file is missing, unreadable, or lacks an entry or has one of another shape.
    """
    state = dict(read_checkpoint(path, "put one there or leave weights empty"))
    for old, new in _TORCHVISION.items():
        for part in ("weight", "bias"):
            if (value := state.pop(f"{old}.{part}", None)) is not None:
                state[f"{new}.{part}"] = value
    own = network.state_dict()
    if "pos_embed" in own and "pos_embed" in state:
        state["pos_embed"] = _resampled(network, state["pos_embed"], own["pos_embed"])
    get_classifier = getattr(network, "get_classifier", lambda: None)
    classifier = {f"{name}." for name, module in network.named_modules() if module is get_classifier()}
    wanted = {key: value for key, value in own.items() if not key.startswith(tuple(classifier))}
    missing = [key for key in wanted if key not in state and not key.endswith("num_batches_tracked")]
    if missing:
        kind = type(network).__name__
        raise WeightsError(f"{path}: lacks {len(missing)} entries of this {kind}, the first is {missing[0]}")
    for key, value in wanted.items():
        if key not in state:
            continue
        if state[key].numel() != value.numel():
            raise WeightsError(f"{path}: {key} is {list(state[key].shape)}, needed is {list(value.shape)}")
        own[key] = state[key].reshape(value.shape)
    network.load_state_dict(own)


def _resampled(network: nn.Module, value: Tensor, wanted: Tensor) -> Tensor:
    """A transformer's position embedding on the grid of this image size, as timm resamples its own."""
    grid = getattr(getattr(network, "patch_embed", None), "grid_size", None)
    if grid is None or value.ndim != 3 or value.shape[-1] != wanted.shape[-1]:
        return value
    prefix = int(getattr(network, "num_prefix_tokens", 0))
    patches = value.shape[1] - prefix
    if math.isqrt(max(patches, 1)) ** 2 != patches:
        return value
    return cast(Tensor, resample_abs_pos_embed(value, list(grid), num_prefix_tokens=prefix))


def pack_backbone(checkpoint: Path, out: Path) -> int:
    """Take the backbone out of a checkpoint of `PCAModule`, as safetensors.

    Values are rounded to half precision, which is far finer than the differences between two trainings;
    networks load them as single precision.

    Args:
        checkpoint: The checkpoint of a training whose ``network`` was a `Backbone`.
        out: The file to write, with timm's keys.

    Returns:
        Number of values.

    Raises:
        WeightsError: The checkpoint is missing, unreadable or another module's.
    """
    prefix = "network.network."
    state = read_checkpoint(checkpoint, "name the checkpoint of a pre-training").get("state_dict")
    entries = state.items() if isinstance(state, Mapping) else ()
    tensors = {key.removeprefix(prefix): value for key, value in entries if key.startswith(prefix)}
    if not tensors:
        raise WeightsError(
            f"{checkpoint}: no checkpoint of a pre-trained backbone: it has no entry {prefix}…"
        )
    write_tensors(out, {k: v.half() if v.is_floating_point() else v for k, v in tensors.items()})
    return sum(value.numel() for value in tensors.values())

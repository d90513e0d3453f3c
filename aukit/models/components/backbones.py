"""timm's image models behind one interface: pooled features, weights from a file that the user names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from aukit import __version__
from aukit.errors import ConfigError, WeightsError
from aukit.models.weights import RANDOM, weights_path
from aukit.models.weights.files import (
    FORMAT,
    check_target,
    entries_fault,
    read_checkpoint,
    state_entries,
    write_tensors,
)
from aukit.utils.files import file_sha256
from aukit.utils.tensors import content_hash

__all__ = ["Backbone", "load_backbone", "pack_backbone"]

#: torchvision's names → timm's, of linear layers that are convolutions there.
_TORCHVISION = {"classifier.0": "pre_logits.fc1", "classifier.3": "pre_logits.fc2"}
#: What published files have besides and no network here needs: torchvision's classifier of a VGG, and tables
#: that newer versions of timm compute.
_CLASSIFIER, _TABLES = ("classifier.6.",), ("attn_mask", "relative_position_index")
#: timm's own arguments that load weights, whatever the file or hub says.
_LOADING = ("pretrained", "checkpoint_path")


class Backbone(nn.Module):
    """Any timm image model without its classifier: images → one vector of features each.

    Args:
        name: timm's name, such as ``resnet50`` or ``swin_base_patch4_window7_224``. Where it has several
            weights, their tag says how images are normalised for them: ``vit_small_patch16_224.dino`` takes
            ImageNet's mean and deviation, without a tag the network takes 0.5 and 0.5.
        weights: File of weights with timm's keys (.safetensors or a plain state dict) or the name of shipped
            ones (`aukit.models.weights`); None and ``random`` start from random weights. Nothing is ever
            downloaded.
        options: Further arguments of the timm model, e.g. ``{"channels": [24, 48, 96, 160]}`` of a ResNet or
            ``{"img_size": 128}`` of a transformer; none that loads weights.

    Attributes:
        features: Length of the vector.
        network: The timm model.

    Raises:
        ConfigError: timm has no such model, it does not take these options, or they load weights.
        WeightsError: The file is missing, unreadable or does not fit.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, name: str, weights: str | None = None, options: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        import timm  # a second, which a finished run need not wait for

        given = dict(options or {})
        if not timm.is_model(name):  # such as hf-hub:…, which timm would look for on the network
            raise ConfigError(f"backbone {name!r}: timm has no model of that name; see timm.list_models()")
        if loading := [option for option in _LOADING if given.get(option)]:
            raise ConfigError(
                f"backbone {name!r}: the option {loading[0]} lets timm load weights, perhaps from the"
                " network; name a file of them instead (weights)"
            )
        try:
            self.network: nn.Module = timm.create_model(name, num_classes=0, **given)
        except (RuntimeError, TypeError, ValueError, LookupError, AssertionError) as error:
            raise ConfigError(f"backbone {name!r} with {given}: {error}") from error
        if weights is not None and weights != RANDOM:
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
        WeightsError: The file is missing, unreadable, or lacks an entry, has an unknown one, or one of
            another shape or with values that are not finite.
    """
    state = state_entries(path, "", read_checkpoint(path, "put one there or leave weights empty"))
    own = network.state_dict()
    for old, new in _TORCHVISION.items():
        for part in ("weight", "bias"):
            if (value := state.pop(f"{old}.{part}", None)) is not None:
                shape = own[f"{new}.{part}"].shape if f"{new}.{part}" in own else value.shape
                state[f"{new}.{part}"] = value.reshape(shape) if value.numel() == shape.numel() else value
    if "pos_embed" in own and "pos_embed" in state:
        state["pos_embed"] = _resampled(network, state["pos_embed"], own["pos_embed"])
    get_classifier = getattr(network, "get_classifier", lambda: None)
    heads = get_classifier()  # of a distilled network two
    heads = heads if isinstance(heads, tuple) else (heads,)
    classifier = {f"{name}." for name, module in network.named_modules() if any(module is h for h in heads)}
    wanted = {key: value for key, value in own.items() if not key.startswith(tuple(classifier))}
    missing = [key for key in wanted if key not in state and not key.endswith("num_batches_tracked")]
    unknown = [
        key
        for key in state
        if key not in own and not key.startswith((*classifier, *_CLASSIFIER)) and not key.endswith(_TABLES)
    ]
    if missing or unknown:
        fault = entries_fault(missing, unknown, f" of this {type(network).__name__}")
        raise WeightsError(f"{path}: {fault}; name a file of the very network, with timm's keys")
    for key, value in wanted.items():
        if key in state:
            _check_values(path, key, state[key], value)
            own[key] = state[key]
    network.load_state_dict(own)


def _resampled(network: nn.Module, value: Tensor, wanted: Tensor) -> Tensor:
    """A transformer's position embedding on the grid of this image size, as timm resamples its own."""
    grid = getattr(getattr(network, "patch_embed", None), "grid_size", None)
    if grid is None or value.ndim != 3 or value.shape[-1] != wanted.shape[-1]:
        return value
    prefix = int(getattr(network, "num_prefix_tokens", 0))
    if getattr(network, "no_embed_class", False):  # those tokens have no place
        prefix = 0
    patches = value.shape[1] - prefix
    if math.isqrt(max(patches, 1)) ** 2 != patches:
        return value
    from timm.layers import resample_abs_pos_embed

    return cast(Tensor, resample_abs_pos_embed(value, list(grid), num_prefix_tokens=prefix))


def _check_values(path: Path, key: str, value: Tensor, own: Tensor) -> None:
    if value.shape != own.shape:
        raise WeightsError(f"{path}: {key} is {list(value.shape)}, needed is {list(own.shape)}")
    if value.is_floating_point() != own.is_floating_point():
        raise WeightsError(f"{path}: {key} is {value.dtype}, needed is {own.dtype}; take the original file")
    if not bool(value.isfinite().all()):
        raise WeightsError(f"{path}: {key} has values that are not finite; download or make the file again")


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
        WeightsError: The checkpoint is missing, unreadable or another module's, or has values that are not
            finite or too large for half precision; or `out` is the checkpoint or another's file.
    """
    check_target(out, checkpoint)
    prefix = "network.network."
    content = read_checkpoint(checkpoint, "name the checkpoint of a pre-training", ("state_dict",))
    state = content.get("state_dict", {})
    entries = state_entries(checkpoint, "state_dict", state)
    below = {key.removeprefix(prefix): value for key, value in entries.items() if key.startswith(prefix)}
    tensors = state_entries(checkpoint, prefix, below)
    if not tensors:
        raise WeightsError(
            f"{checkpoint}: no checkpoint of a pre-trained backbone: it has no entry {prefix}…"
        )
    packed = {key: v.half() if v.is_floating_point() else v for key, v in tensors.items()}
    for key, value in packed.items():
        expected = torch.int64 if key.endswith("num_batches_tracked") else torch.float32
        if tensors[key].dtype != expected:
            raise WeightsError(
                f"{checkpoint}: {key} is {tensors[key].dtype}, needed is {expected}; take the checkpoint that"
                " the training wrote"
            )
        if not bool(value.isfinite().all()):
            raise WeightsError(
                f"{checkpoint}: {key} has values that are not finite in half precision; train again or take"
                " an earlier checkpoint"
            )
    metadata = {
        "format": FORMAT,
        "aukit": __version__,
        "kind": "backbone",
        "source": checkpoint.name,
        "source_sha256": file_sha256(checkpoint),
        "sha256": content_hash(packed),
    }
    write_tensors(out, packed, metadata)
    return sum(value.numel() for value in tensors.values())

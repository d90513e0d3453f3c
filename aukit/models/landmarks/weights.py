"""The weights of a training, as the detector loads them and another training starts from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from aukit import __version__
from aukit.errors import WeightsError
from aukit.models.weights.files import (
    FORMAT,
    check_target,
    read_checkpoint,
    read_tensors,
    state_entries,
    write_tensors,
)
from aukit.registration.landmarks.networks import FaceFinder, FaceReader
from aukit.utils.files import file_sha256
from aukit.utils.tensors import content_hash

LICENCE = (
    "MIT. Trained on rendered faces, half of them of shapes of ICT-FaceKit "
    "(Copyright (c) 2020 USC Institute for Creative Technologies, MIT)"
)
_AVERAGE = "average.module."


def pack_network(checkpoint: Path, out: Path, kind: type[FaceReader | FaceFinder]) -> dict[str, str]:
    """Take the averaged network out of a checkpoint of a finder's or reader's training, as safetensors.

    Values are rounded to half precision; the detector computes in single precision.

    Args:
        checkpoint: The checkpoint.
        out: The file to write.
        kind: Class of the network.

    Returns:
        The file's metadata.

    Raises:
        WeightsError: The checkpoint is missing, unreadable or another module's, or has values that are not
            finite in half precision; or `out` is the checkpoint or another's file.
    """
    check_target(out, checkpoint)
    content = read_checkpoint(
        checkpoint, "name the checkpoint of a training", ("state_dict", "hyper_parameters")
    )
    entries = state_entries(checkpoint, "state_dict", content.get("state_dict", {}))
    tensors = {key.removeprefix(_AVERAGE): v for key, v in entries.items() if key.startswith(_AVERAGE)}
    options = dict(content.get("hyper_parameters", {})).get("options")
    if not tensors or not isinstance(options, dict):
        raise WeightsError(
            f"{checkpoint}: no checkpoint of a network that finds or reads faces: it has no entry "
            f"{_AVERAGE}… or does not say how large its network is"
        )
    if {key: value.shape for key, value in tensors.items()} != _shapes(kind, options):
        raise WeightsError(
            f"{checkpoint}: holds another network than a {kind.__name__}; `aukit weights import reader` "
            "takes a checkpoint of face_reader, `… import finder` one of face_finder"
        )
    packed = {key: v.half() if v.is_floating_point() else v for key, v in tensors.items()}
    if broken := [key for key, value in packed.items() if not bool(value.isfinite().all())]:
        raise WeightsError(
            f"{checkpoint}: {broken[0]} has values that are not finite in half precision; train again or "
            "take an earlier checkpoint"
        )
    metadata = {
        "format": FORMAT,
        "aukit": __version__,
        "network": json.dumps(options),
        "licence": LICENCE,
        "source": checkpoint.name,
        "source_sha256": file_sha256(checkpoint),
        "sha256": content_hash(packed),
    }
    write_tensors(out, packed, metadata)
    return metadata


def _shapes(kind: type[nn.Module], options: dict[str, Any]) -> dict[str, torch.Size] | None:
    """Of the values of a network with these options; None if there can be none."""
    try:
        with torch.device("meta"):
            return {key: value.shape for key, value in kind(**options).state_dict().items()}
    except Exception:  # whatever torch says of the options of another network, or of none
        return None


def start_network(network: nn.Module, file: Path) -> None:
    """Load packed weights into a network of the same size.

    Raises:
        WeightsError: The file is missing, truncated, of another format or of another network.
    """
    tensors, _ = read_tensors(file, "name a file that `aukit weights import reader|finder` wrote")
    wanted = {key: value.shape for key, value in network.state_dict().items()}
    if wanted != {key: value.shape for key, value in tensors.items()}:
        raise WeightsError(f"{file}: is not of this network, or of another size of it; start from its own")
    network.load_state_dict(tensors)

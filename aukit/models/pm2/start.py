"""The start that all methods share: weights trained on the source domain."""

from __future__ import annotations

from pathlib import Path

from aukit.errors import WeightsError
from aukit.models.pm2.networks import DetectionNetwork
from aukit.models.weights.files import read_checkpoint

__all__ = ["load_start"]


def load_start(network: DetectionNetwork, path: Path, aus: list[int], members: int) -> None:
    """Load the backbone of a source-only run, and for each group of heads its first head or both.

    Args:
        network: Network to start.
        path: Checkpoint of a `PM2Module` with method "source".
        aus: Action units of the network.
        members: Heads per group, 2 with a discrepancy.

    Raises:
        WeightsError: The file is missing or unreadable, is no such checkpoint, or does not fit the network.
    """
    checkpoint = read_checkpoint(path, "make it by a run with model.method=source")
    try:
        options, state = checkpoint["hyper_parameters"], checkpoint["state_dict"]
        method, coded = options["method"], list(options["aus"])
    except (KeyError, TypeError) as error:
        raise WeightsError(f"{path}: is no checkpoint of PM2Module: it lacks {error}") from error
    if method != "source" or coded != aus:
        raise WeightsError(
            f"{path}: is of method {method} for AUs {coded}; a start is of method source, here for AUs {aus}"
        )
    backbone, *heads = (
        {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        for prefix in ("network.backbone.", "network.heads.0.", "network.heads.1.")
    )
    try:
        network.backbone.load_state_dict(backbone)
        for index, head in enumerate(network.heads):
            head.load_state_dict(heads[index % members])
    except RuntimeError as error:
        raise WeightsError(f"{path}: does not fit this backbone and head: {error}") from error

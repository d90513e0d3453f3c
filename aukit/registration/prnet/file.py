"""The file that `aukit weights import prnet` writes: PRNet's network and UV data together."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from aukit.errors import WeightsError, shown
from aukit.registration.prnet.network import ResFCN256
from aukit.registration.prnet.uv import UVData
from aukit.utils.tensors import content_hash

__all__ = ["KIND", "PRNET_VARIABLE", "PRNetFile", "packed"]

KIND = "prnet"
"""Metadata ``kind`` of the file."""
PRNET_VARIABLE = "AUKIT_PRNET"
"""Environment variable that names the file where nothing else does."""

_NETWORK = "network."
_IMPORT = "make it with aukit weights import prnet"


def packed(network: dict[str, Tensor], uv: UVData) -> dict[str, Tensor]:
    """The tensors of the file."""
    data = {"face": uv.face, "landmarks": uv.landmarks, "canonical": uv.canonical}
    return {
        **{f"{_NETWORK}{key}": value for key, value in network.items()},
        **{f"uv.{key}": torch.from_numpy(value) for key, value in data.items()},
    }


class PRNetFile:
    """What is in the file; the network is read when it is asked for.

    Args:
        path: The file; None for the one that `AUKIT_PRNET` names.

    Attributes:
        sha256: Of the content, as the file says; compared when the network is read.
        uv: The UV data.

    Raises:
        WeightsError: No file is named, or it is missing, damaged or of another kind.

    Example:
        >>> file = PRNetFile("prnet.safetensors")  # doctest: +SKIP
        >>> file.network()  # doctest: +SKIP
    """

    def __init__(self, path: str | Path | None = None) -> None:
        name = path or os.environ.get(PRNET_VARIABLE)
        if not name:
            raise WeightsError(
                "registration prnet needs PRNet's network and UV data, which are not distributed with aukit:"
                f" {_IMPORT}, and name the file (data.prnet, --prnet or {PRNET_VARIABLE})"
            )
        self.path = Path(name)
        self.sha256, uv = self._read("uv.")
        try:
            self.uv = UVData(*(uv[f"uv.{key}"].numpy() for key in ("face", "landmarks", "canonical")))
        except KeyError as error:
            raise WeightsError(f"{self.path}: lacks {error.args[0]}; {_IMPORT}") from error

    def network(self) -> ResFCN256:
        """The network, ready to infer.

        Raises:
            WeightsError: The file is not what was written, or does not fit.

        Cost: 0.3 s.
        """
        _, tensors = self._read("")
        if content_hash(tensors) != self.sha256:
            raise WeightsError(f"{self.path}: the content is not what was written (hash differs); {_IMPORT}")
        state = {key.removeprefix(_NETWORK): v for key, v in tensors.items() if key.startswith(_NETWORK)}
        network = ResFCN256()
        try:
            network.load_state_dict(state, strict=True)
        except RuntimeError as error:
            raise WeightsError(f"{self.path}: is not PRNet's network ({shown(error)}); {_IMPORT}") from error
        return network.eval().requires_grad_(False)

    def _read(self, prefix: str) -> tuple[str, dict[str, Tensor]]:
        """The hash in the metadata, and the tensors whose names begin so."""
        if not self.path.is_file():
            raise WeightsError(f"{self.path}: no such file; {_IMPORT}")
        try:
            with safe_open(self.path, "pt") as opened:
                about = opened.metadata() or {}
                names = [key for key in opened.keys() if key.startswith(prefix)]  # noqa: SIM118
                tensors = {key: opened.get_tensor(key) for key in names}
        except (SafetensorError, OSError, RuntimeError) as error:
            raise WeightsError(
                f"{self.path}: truncated or no safetensors file ({shown(error)}); {_IMPORT}"
            ) from error
        if about.get("kind") != KIND or "sha256" not in about:
            raise WeightsError(
                f"{self.path}: is not of kind {KIND} but {shown(about.get('kind'))}; {_IMPORT}"
            )
        return about["sha256"], tensors

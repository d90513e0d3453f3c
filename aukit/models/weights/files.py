"""Files of weights: read without running anything that is in them, written in one step, hashed by content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from aukit.errors import WeightsError
from aukit.utils.files import atomic_path

__all__ = ["content_hash", "read_checkpoint", "read_tensors", "require_file", "write_tensors"]


def require_file(path: Path, remedy: str) -> None:
    """Raise `WeightsError` with the remedy if there is no such file."""
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; {remedy}")


def read_checkpoint(path: Path, remedy: str) -> Mapping[str, Any]:
    """The top-level dictionary of a PyTorch checkpoint, or the tensors of a safetensors file.

    Nothing but tensors and plain values is unpickled.

    Args:
        path: The file; ``.safetensors`` says which of the two it is.
        remedy: What to do when it is missing.

    Raises:
        WeightsError: The file is missing, truncated, holds other things or is no dictionary.
    """
    require_file(path, remedy)
    if path.suffix == ".safetensors":
        return read_tensors(path, "download it again")[0]
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        first = str(error).strip().partition("\n")[0]
        with path.open("rb") as file:
            pickled = file.read(2).startswith((b"PK", b"\x80"))
        if pickled and ("weights_only" in str(error) or "Unsupported" in str(error)):
            raise WeightsError(
                f"{path}: refused, since it holds other things than tensors and plain values, which could run"
                f" code when read ({first}); take the file from its authors"
            ) from error
        size = path.stat().st_size
        raise WeightsError(
            f"{path}: truncated or no PyTorch checkpoint ({size:,} bytes); download or make it again"
        ) from error
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path}: holds a {type(content).__name__}, not a dictionary of state dicts")
    return content


def read_tensors(path: Path, remedy: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file.

    Args:
        path: The file.
        remedy: What to do when it is missing or damaged.

    Raises:
        WeightsError: The file is missing, truncated or of another format.
    """
    require_file(path, remedy)
    try:
        with safe_open(path, "pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: truncated or no safetensors file ({error}); {remedy}") from error


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file in one step."""
    with atomic_path(path) as temporary:
        save_file({key: value.contiguous() for key, value in tensors.items()}, temporary, metadata)


def content_hash(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and values, whatever the file's layout."""
    digest = hashlib.sha256()
    for key in sorted(tensors):
        value = tensors[key].contiguous()
        digest.update(f"{key} {value.dtype} {list(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()

"""Files of weights: read without running anything that is in them, written in one step."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from aukit.errors import WeightsError, shown
from aukit.models.weights.formats import description
from aukit.models.weights.torch_files import LEGACY_MAGIC, ZIP_MAGIC, read_torch
from aukit.utils.files import atomic_path

__all__ = [
    "FORMAT",
    "check_target",
    "entries_fault",
    "is_safetensors",
    "read_checkpoint",
    "read_tensors",
    "require_file",
    "state_entries",
    "write_tensors",
]

FORMAT = "aukit-weights-1"
"""Metadata ``format`` of the files that `aukit weights import` writes."""

_LARGEST = 32 << 30  # bytes; a training of the published FG-Net with its optimizer has 5e9
_HEADER = 4 << 20  # bytes of a safetensors header; one entry takes about 100
_SHARED = 8  # so many times as large as their file may tensors be, since tied ones share their values
_WRAPPERS = ("module.", "_orig_mod.")  # of DataParallel and torch.compile


def require_file(path: Path, remedy: str, largest: int = _LARGEST) -> None:
    """Raise `WeightsError` if there is no such file, or one larger than any that is meant."""
    if not path.is_file():
        other = "no regular file" if path.exists() else "no such file"
        raise WeightsError(f"{path}: {other}; {remedy}")
    if (size := path.stat().st_size) > largest:
        raise WeightsError(f"{path}: {size:,} bytes are more than any file of weights has that is read here")
    if not os.access(path, os.R_OK):
        raise WeightsError(f"{path}: may not be read; change its permissions")


def read_checkpoint(path: Path, remedy: str, parts: tuple[str, ...] = ()) -> Mapping[str, Any]:
    """The top-level dictionary of a PyTorch checkpoint, or the tensors of a safetensors file.

    Nothing but dense tensors and plain values is unpickled, see `aukit.models.weights.torch_files`.

    Args:
        path: The file; its content says which of the two it is.
        remedy: What to do when it is missing.
        parts: Entries that will be read; messages name them.

    Raises:
        WeightsError: The file is missing, truncated, damaged, of another format, holds other things or is no
            dictionary.
    """
    require_file(path, remedy)
    if is_safetensors(path):
        return read_tensors(path, "download it again")[0]
    with path.open("rb") as file:
        head = file.read(len(LEGACY_MAGIC))
    if not head.startswith(ZIP_MAGIC) and head != LEGACY_MAGIC:
        raise WeightsError(f"{path}: {description(path)}")
    content = read_torch(path, parts)
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path}: holds a {type(content).__name__}, not a dictionary of state dicts")
    return content


def state_entries(path: Path, name: str, state: Any) -> dict[str, Tensor]:
    """The tensors of a state dict, without the prefix that DataParallel or torch.compile puts before each.

    Args:
        path: Where it is from, for messages.
        name: What it is called there, for messages; empty for the file's own top.
        state: What should be a dictionary of tensors.

    Raises:
        WeightsError: It is none, has an entry that is no tensor, or many tensors of the same values.
    """
    if not isinstance(state, Mapping):
        raise WeightsError(
            f"{path}: {shown(name)} is no state dict but a {type(state).__name__}; download it again"
        )
    entries: dict[str, Tensor] = {}
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            full = shown(f"{name}.{key}" if name else key)
            raise WeightsError(
                f"{path}: {full} is a {type(value).__name__}, not a tensor; take a file whose state dict"
                " holds tensors alone"
            )
        entries[key] = value
    total, size = sum(value.nbytes for value in entries.values()), path.stat().st_size
    if total > _SHARED * size:
        raise WeightsError(
            f"{path}: its tensors have {total:,} bytes, the file {size:,}: too many names for the"
            " same values; take the original file"
        )
    while prefix := next((w for w in _WRAPPERS if entries and all(k.startswith(w) for k in entries)), None):
        entries = {key.removeprefix(prefix): value for key, value in entries.items()}
    return entries


def entries_fault(missing: Sequence[str], unknown: Sequence[str], owner: str = "") -> str:
    """How many entries of a state dict are missing and unknown, with the first of each."""
    lacks = f"lacks {len(missing)} entries{owner}, the first is {shown(missing[0])}" if missing else ""
    more = f"has {len(unknown)} unknown entries, the first is {shown(unknown[0])}" if unknown else ""
    return " and ".join(filter(None, (lacks, more)))


def is_safetensors(path: Path) -> bool:
    """Whether a file begins as safetensors does, or at least is called so."""
    with path.open("rb") as file:
        head = file.read(9)
    return path.suffix == ".safetensors" or (head[8:] == b"{" and not head.startswith(ZIP_MAGIC))


def read_tensors(path: Path, remedy: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file.

    Args:
        path: The file.
        remedy: What to do when it is missing or damaged.

    Raises:
        WeightsError: The file is missing, truncated or of another format.
    """
    return _read_safetensors(path, remedy, lambda file: {key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118


def check_target(out: Path, *sources: Path | None) -> None:
    """Refuse to write over a source, or over anything that `aukit weights import` did not write.

    Args:
        out: The file that will be written.
        sources: Files that will be read; None for none.

    Raises:
        WeightsError: `out` is one of them (also by a link), a folder, or another's file.
    """
    if not out.exists():
        return
    for source in sources:
        if source is not None and source.exists() and out.samefile(source):
            raise WeightsError(f"{out}: is the file to import itself; name another file for the result")
    try:
        ours = _read_safetensors(out, "", lambda _: {})[1].get("format") == FORMAT
    except WeightsError:
        ours = False
    if not ours:
        raise WeightsError(
            f"{out}: is there and was not written by aukit weights import; remove it or name another file"
        )


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file in one step.

    Raises:
        WeightsError: It cannot be written.
    """
    taken: set[int] = set()
    separate: dict[str, Tensor] = {}
    for key, value in tensors.items():
        # safetensors refuses tensors that share a storage, such as tied ones: each gets its own.
        alone = value.untyped_storage().nbytes() == value.nbytes and value.data_ptr() not in taken
        separate[key] = value.contiguous() if alone else value.clone(memory_format=torch.contiguous_format)
        taken.add(separate[key].data_ptr())
    try:
        with atomic_path(path) as temporary:
            save_file(separate, temporary, metadata)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: cannot be written ({error})") from error


def _read_safetensors(
    path: Path, remedy: str, tensors: Callable[[Any], dict[str, Tensor]]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    require_file(path, remedy)
    with path.open("rb") as file:
        head = file.read(9)
    if head[8:] != b"{":
        raise WeightsError(f"{path}: {description(path)}")
    if (length := int.from_bytes(head[:8], "little")) > min(_HEADER, path.stat().st_size):
        raise WeightsError(
            f"{path}: truncated or no safetensors file (its header would have {length:,} bytes); {remedy}"
        )
    try:
        with safe_open(path, "pt") as opened:
            return tensors(opened), dict(opened.metadata() or {})
    # Beside its own error the library passes on those of PyTorch, for types that only one of the two has.
    except (SafetensorError, OSError, KeyError, AttributeError, RuntimeError) as error:
        raise WeightsError(f"{path}: truncated or no safetensors file ({shown(error)}); {remedy}") from error

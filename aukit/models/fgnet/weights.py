"""Published checkpoints, and our own → safetensors: checked by keys, shapes and hash, with licence terms.

| kind | file | state dicts in it | groups of `FGNet` that it gives |
|---|---|---|---|
| fgnet | ``model.pth`` | ``pspencoder``, ``g_all``, ``interpreter`` | these |
| stylegan2 | ``stylegan2-ffhq-config-f.pt`` | ``g_ema`` | ``g_all`` |
| psp | ``psp_ffhq_encode.pt`` | ``state_dict`` (``encoder.…``) | ``pspencoder``, ``latent_avg`` |
| inversion | a checkpoint of `InversionModule` | ``state_dict`` (``network.…``) | all but ``interpreter`` |

The mean code that the encoder's output is added to is not in the released FG-Net files; it comes from the pSp
checkpoint. A ``latent_avg`` beside ``g_ema`` is another thing, the generator's own mean, and is not read.

A kind is imported whole or not at all. Prefixes that DataParallel or torch.compile puts before all keys of a
state dict (``module.``, ``_orig_mod.``) are taken off. Encoder4Editing (e4e) has the very keys and shapes of
pSp's encoder, but its codes mean something else; only the ``opts`` in a checkpoint tell the two apart.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from aukit import __version__
from aukit.errors import WeightsError, shown
from aukit.facs import CORPUS_AUS
from aukit.models.fgnet.networks import FGNet, StyleNetwork
from aukit.models.fgnet.sizes import sizes_of
from aukit.models.weights import weights_path
from aukit.models.weights.files import (
    FORMAT,
    check_target,
    entries_fault,
    is_safetensors,
    read_checkpoint,
    read_tensors,
    require_file,
    state_entries,
    write_tensors,
)
from aukit.utils.files import file_sha256
from aukit.utils.tensors import content_hash

__all__ = ["LICENCES", "RELEASED_AUS", "WeightsKind", "import_weights", "load_weights", "published_shapes"]

WeightsKind = Literal["fgnet", "stylegan2", "psp", "inversion"]

_FFHQ = (
    "derived from StyleGAN2 FFHQ weights (NVIDIA Source Code License, non-commercial) and FFHQ images"
    " (non-commercial terms)"
)

LICENCES: Mapping[WeightsKind, str] = {
    "fgnet": f"FG-Net repository: MIT (2023). Weights {_FFHQ}; trained on BP4D or DISFA (signed agreements,"
    " research use). The authors' and owners' own terms decide.",
    "stylegan2": f"Weights {_FFHQ}. The owners' own terms decide.",
    "psp": f"pixel2style2pixel repository: MIT. Weights {_FFHQ}. The authors' and owners' own terms decide.",
    "inversion": "MIT, as aukit; trained on faces that aukit rendered.",
}
"""Licence terms that go into the metadata of an imported file."""

RELEASED_AUS: Mapping[str, tuple[int, ...]] = {
    "bp4d": CORPUS_AUS["bp4d"].occurrence,
    "disfa": (1, 2, 4, 6, 9, 12, 25, 26),
}
"""Action units of the first heat maps of the released models, by corpus."""

_PSP_ENCODER = "GradualStyleEncoder"
_CHANGED = "{}: the content is not what was written (hash differs); import it again"
_LARGEST = 4 << 30  # bytes; the pSp checkpoint, the largest of them, has 1.2e9
_CONTAINER: Mapping[WeightsKind, tuple[str, ...]] = {
    "fgnet": ("pspencoder", "g_all", "interpreter"),
    "stylegan2": ("g_ema",),
    "psp": ("state_dict", "latent_avg"),
    "inversion": ("state_dict",),
}
_GROUPS: Mapping[WeightsKind, tuple[str, ...]] = {
    "fgnet": ("pspencoder", "g_all", "interpreter", "latent_avg"),
    "stylegan2": ("g_all",),
    "psp": ("pspencoder", "latent_avg"),
    "inversion": ("pspencoder", "g_all", "latent_avg"),
}


def published_shapes(network: nn.Module | None = None) -> dict[str, tuple[int, ...]]:
    """Key → shape of every entry of a network; by default of the published one, without its memory."""
    if network is None:
        with torch.device("meta"):
            network = FGNet()
    return {key: tuple(value.shape) for key, value in network.state_dict().items()}


def import_weights(
    kind: WeightsKind,
    checkpoint: Path,
    out: Path,
    *,
    corpus: str | None = None,
    latent_avg: Path | None = None,
    sha256: str | None = None,
    network: FGNet | None = None,
) -> dict[str, str]:
    """Turn a published checkpoint into a safetensors file with metadata.

    Args:
        kind: What the file is; see the module's table.
        checkpoint: The published file.
        out: The file to write, in one step.
        corpus: For "fgnet": "bp4d" or "disfa", what the model was trained on.
        latent_avg: For "fgnet": the pSp checkpoint, or what "psp" was imported to.
        sha256: Refuse a file with another hash.
        network: A network of another size than the published one, for its shapes.

    Returns:
        The metadata: ``format``, ``kind``, ``licence``, ``source``, ``source_sha256``, ``sha256`` (of the
        content) and, for "fgnet", ``corpus`` and ``aus``.

    Raises:
        WeightsError: The file is missing, truncated, holds something else than tensors, or its keys, shapes,
            types or hash are not those expected; the message says which and what to do.

    Cost for ``model.pth``: 20 to 60 s and 3.2 GB.
    """
    if kind != "fgnet" and (corpus is not None or latent_avg is not None):
        raise WeightsError(f"{checkpoint}: corpus and latent-avg belong to fgnet; leave them out for {kind}")
    if kind == "fgnet" and (corpus not in RELEASED_AUS or latent_avg is None):
        raise WeightsError(
            f"{checkpoint}: an FG-Net checkpoint says neither what it was trained on nor its mean code;"
            " name the corpus (bp4d or disfa) and the pSp checkpoint (psp_ffhq_encode.pt), for its latent_avg"
        )
    check_target(out, checkpoint, latent_avg)
    content, digest = _read_published(checkpoint, kind, sha256)
    tensors = _tensors(kind, content, checkpoint)
    if latent_avg is not None:
        tensors["latent_avg"] = _mean_code(latent_avg)
    shapes = _shapes_by_sizes(tensors, checkpoint) if kind == "inversion" else published_shapes(network)
    _check(tensors, shapes, checkpoint, _GROUPS[kind])
    metadata = {
        "format": FORMAT,
        "aukit": __version__,
        "kind": kind,
        "licence": LICENCES[kind],
        "source": checkpoint.name,
        "source_sha256": digest,
        "sha256": content_hash(tensors),
    }
    if corpus is not None and kind == "fgnet":
        metadata |= {"corpus": corpus, "aus": json.dumps(RELEASED_AUS[corpus])}
    write_tensors(out, tensors, metadata)
    return metadata


def load_weights(network: nn.Module, *paths: str | Path) -> list[dict[str, str]]:
    """Load imported files into a network, each strictly: whole groups, same shapes, content as hashed.

    Args:
        network: An `FGNet` or the part of one that the files are for; groups that no file gives stay as they
            are.
        paths: Files that `import_weights` wrote, or names of shipped ones (`aukit.models.weights`);
            ``FILE#GROUP`` takes one group of a file, such as ``mini#pspencoder``. A later one wins where two
            give the same group.

    Returns:
        The files' metadata.

    Raises:
        WeightsError: A file is missing, damaged or not ours, does not fit the network or lacks the group.
    """
    read = []
    for name in paths:
        file, _, group = str(name).partition("#")
        path = weights_path("fgnet", file)
        tensors, metadata = _read_imported(path)
        _check(tensors, published_shapes(network), path)
        if content_hash(tensors) != metadata.get("sha256"):
            raise WeightsError(_CHANGED.format(path))
        if group:
            groups = sorted({key.split(".")[0] for key in tensors})
            tensors = {key: value for key, value in tensors.items() if key.split(".")[0] == group}
            if not tensors:
                raise WeightsError(f"{path}: has no group {group!r}, but {', '.join(groups)}")
        network.load_state_dict(tensors, strict=False)  # strict by groups: _check has seen to it
        read.append(metadata)
    return read


def _read_published(
    path: Path, kind: WeightsKind, sha256: str | None = None
) -> tuple[Mapping[str, Any], str]:
    """The top-level dictionary of a checkpoint, which has what its kind needs, and the file's hash."""
    remedy = "the links to the published checkpoints are in the README"
    require_file(path, remedy, _LARGEST)
    digest = file_sha256(path)
    if sha256 is not None and digest != sha256.lower():
        raise WeightsError(
            f"{path}: SHA-256 is {digest}, expected is {shown(sha256.lower())}; download it again"
        )
    content = read_checkpoint(path, remedy, _CONTAINER[kind])
    for name in _CONTAINER[kind]:
        if name not in content:
            raise WeightsError(_lacks(path, name, kind, content))
    if kind == "psp":
        options = content.get("opts")
        named = options if isinstance(options, Mapping) else getattr(options, "__dict__", {})
        encoder = named.get("encoder_type", _PSP_ENCODER)
        if encoder != _PSP_ENCODER:
            raise WeightsError(
                f"{path}: its opts name the encoder {shown(encoder)}, which is not pSp's {_PSP_ENCODER},"
                " though its entries may be called and shaped alike; take pSp's own psp_ffhq_encode.pt"
            )
    return content, digest


def _tensors(kind: WeightsKind, content: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    """The entries of a checkpoint of a kind, by the names that they have in `FGNet`."""
    if kind == "fgnet":
        groups = {name: state_entries(path, name, content[name]) for name in _CONTAINER[kind]}
    elif kind == "stylegan2":
        groups = {"g_all": state_entries(path, "g_ema", content["g_ema"])}
    elif kind == "psp":
        state = state_entries(path, "state_dict", content["state_dict"])
        if others := sorted(key for key in state if not key.startswith(("encoder.", "decoder."))):
            raise WeightsError(
                f"{path}: its state_dict has {len(others)} entries of neither encoder nor decoder, the first"
                f" is {shown(others[0])}; take the released psp_ffhq_encode.pt"
            )
        groups = {"pspencoder": _below(path, "encoder.", state)}
    else:
        state = _below(path, "network.", state_entries(path, "state_dict", content["state_dict"]))
        groups = {name: _below(path, f"{name}.", state) for name in ("pspencoder", "g_all")}
        if not groups["pspencoder"]:
            raise WeightsError(
                f"{path}: no checkpoint of InversionModule: it has no entry network.pspencoder.…"
            )
    tensors = {f"{name}.{key}": value for name, group in groups.items() for key, value in group.items()}
    if kind == "psp":
        tensors["latent_avg"] = _checked_mean_code(content["latent_avg"], path)
    elif kind == "inversion" and "latent_avg" in state:
        tensors["latent_avg"] = state["latent_avg"]
    return tensors


def _shapes_by_sizes(tensors: Mapping[str, Tensor], path: Path) -> dict[str, tuple[int, ...]]:
    """Key → shape of the network that a training here had, at whatever size, by some of its entries."""
    try:
        with torch.device("meta"):
            network = StyleNetwork(**sizes_of({key: tuple(value.shape) for key, value in tensors.items()}))
    except (LookupError, ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise WeightsError(
            f"{path}: lacks {shown(error)}, or it has another shape than any network's; take the checkpoint"
            " that the training wrote"
        ) from error
    return published_shapes(network)


def _below(path: Path, prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The entries below a prefix, without it and without a wrapper's below it."""
    below = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    return state_entries(path, prefix, below)


def _lacks(path: Path, name: str, kind: str, content: Mapping[str, Any]) -> str:
    if name == "latent_avg":
        return (
            f"{path}: has no latent_avg, the mean code that its output must be added to; take the released"
            " psp_ffhq_encode.pt, which has it, not a state dict saved without"
        )
    found = shown(", ".join(sorted(map(str, content))[:6])) or "nothing"
    return f"{path}: is no {kind} checkpoint: it has no {name!r}, but {found}"


def _mean_code(path: Path) -> Tensor:
    require_file(path, "name the pSp checkpoint or what it was imported to")
    if not is_safetensors(path):
        return _checked_mean_code(_read_published(path, "psp")[0]["latent_avg"], path)
    tensors, metadata = _read_imported(path)
    if "latent_avg" not in tensors:
        raise WeightsError(_lacks(path, "latent_avg", "psp", tensors))
    if content_hash(tensors) != metadata.get("sha256"):
        raise WeightsError(_CHANGED.format(path))
    return _checked_mean_code(tensors["latent_avg"], path)


def _checked_mean_code(value: Any, path: Path) -> Tensor:
    if not isinstance(value, Tensor) or value.ndim != 2:
        what = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise WeightsError(f"{path}: latent_avg is {what}; needed is one code per style, as pSp has it")
    return value


def _check(
    tensors: Mapping[str, Tensor],
    shapes: Mapping[str, tuple[int, ...]],
    path: Path,
    groups: Sequence[str] = (),
) -> None:
    """Groups that are there or named must be whole, of the right shapes, float32 (counters int64), finite."""
    needed = {*groups, *(key.split(".")[0] for key in tensors)}
    if absent := sorted(needed - {key.split(".")[0] for key in {**shapes, **tensors}}):
        raise WeightsError(f"{path}: lacks {', '.join(absent)}; take the file as it was written")
    wanted = {key: shape for key, shape in shapes.items() if key.split(".")[0] in needed}
    missing, unknown = sorted(set(wanted) - set(tensors)), sorted(set(tensors) - set(wanted))
    if missing or unknown:
        raise WeightsError(
            f"{path}: {entries_fault(missing, unknown)}; it belongs to a network of another size or kind"
            f"{_size_hint(tensors)}"
        )
    for key, value in tensors.items():
        if tuple(value.shape) != wanted[key]:
            raise WeightsError(
                f"{path}: {key} is {list(value.shape)}, needed is {list(wanted[key])}; it belongs to a"
                f" network of another size{_size_hint(tensors)}"
            )
        expected = torch.int64 if key.endswith("num_batches_tracked") else torch.float32
        if value.dtype != expected:
            raise WeightsError(
                f"{path}: {key} is {value.dtype}, needed is {expected}; take the published file, not a copy"
                " in reduced precision"
            )
        if not bool(value.isfinite().all()):
            raise WeightsError(f"{path}: {key} has values that are not finite; download the file again")


def _size_hint(tensors: Mapping[str, Tensor]) -> str:
    blocks = {key.split(".")[2] for key in tensors if key.startswith("g_all.to_rgbs.")}
    return f" (its generator draws {4 * 2 ** len(blocks)} px)" if blocks else ""


def _read_imported(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    tensors, metadata = read_tensors(path, "make it with aukit weights import")
    if metadata.get("format") != FORMAT or metadata.get("kind") not in get_args(WeightsKind):
        raise WeightsError(f"{path}: was not made by aukit weights import; import the published checkpoint")
    return tensors, metadata

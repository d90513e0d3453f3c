"""PRNet's weights as their owners have them, and the UV data beside them, in one checked file.

The authors publish a checkpoint of TensorFlow, which is read as an npz of its variables; two ports to
PyTorch, both converted from it, have the same numbers under other names. Which it is, the names say.
TensorFlow's kernels are [height, width, in, out], of transposed convolutions [height, width, out, in];
PyTorch's have both pairs exchanged, and neither turns kernels round.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from aukit import __version__
from aukit.errors import WeightsError, shown
from aukit.models.weights.files import (
    FORMAT,
    check_target,
    entries_fault,
    read_checkpoint,
    require_file,
    state_entries,
    write_tensors,
)
from aukit.registration.prnet.file import KIND, packed
from aukit.registration.prnet.network import ResFCN256
from aukit.registration.prnet.uv import read_uv_data
from aukit.utils.files import file_sha256
from aukit.utils.tensors import content_hash

__all__ = ["LICENCE", "import_prnet"]

LICENCE = (
    "PRNet repository: MIT. Weights for research use only (PRNet, issue 28); UV data derived from the Basel"
    " Face Model (academic terms). The authors' and owners' own terms decide."
)

_REMEDY = "see aukit/registration/prnet/README.md for how to make it of the authors' checkpoint"
_LARGEST = 1 << 30  # bytes; 54e6 of weights, three times as many with the optimizer's
_HEAD = 1 << 12  # bytes of an array's description


class _Layer(NamedTuple):
    """A convolution, or a batch norm, by the names that it has.

    Attributes:
        ours: In `ResFCN256`.
        tensorflow: In the authors' checkpoint.
        plain: In liguohao96's pytorch-prnet.
        collected: In pytorchcv, osmr's collection.
    """

    ours: str
    tensorflow: str
    plain: str
    collected: str


def _layers() -> Iterator[_Layer]:
    """Of the whole network; those with a norm of their own are followed by it."""

    def unit(ours: str, tensorflow: str, plain: str, place: int, collected: str) -> Iterator[_Layer]:
        yield _Layer(f"{ours}.conv", tensorflow, f"{plain}.{place}", f"{collected}.conv")
        norm = f"{plain}.{place + 1}"
        yield _Layer(f"{ours}.norm", f"{tensorflow}/BatchNorm", norm, f"{collected}.bn")

    yield from unit("first", "Conv", "input_conv", 1, "features.init_block")
    for index in range(10):
        ours = f"encoder.{index}"
        scope = _numbered("resBlock", index)
        plain = f"down_conv_{index + 1}"
        collected = f"features.encoder.stage{index // 2 + 1}.unit{index % 2 + 1}"
        halves = index % 2 == 0
        if halves:
            yield _Layer(
                f"{ours}.short", f"{scope}/shortcut", f"{plain}.shortcut", f"{collected}.identity_conv"
            )
        middle = 3 if halves else 4  # there a padding has a place of its own
        yield from unit(f"{ours}.reduce", f"{scope}/Conv", f"{plain}.main", 0, f"{collected}.body.conv1")
        yield from unit(
            f"{ours}.middle", f"{scope}/Conv_1", f"{plain}.main", middle, f"{collected}.body.conv2"
        )
        last = f"{plain}.main.{middle + 3}"
        yield _Layer(f"{ours}.expand", f"{scope}/Conv_2", last, f"{collected}.body.conv3")
        activate = f"{plain}.activate.0"
        yield _Layer(f"{ours}.norm", f"{scope}/BatchNorm", activate, f"{collected}.norm_activ.bn")
    places = [
        ("center_conv", 1, "features.decoder.stage1.unit1"),
        *(
            (f"up_conv_{6 - stage}", 4 * place, f"features.decoder.stage{stage + 1}.unit{place + 1}")
            for stage, length in enumerate((3, 3, 3, 2, 2), start=1)
            for place in range(length)
        ),
        *(("output_conv", 4 * place + 1, f"output.conv{place + 1}") for place in range(3)),
    ]
    for index, (part, place, collected) in enumerate(places):
        plain = f"{part}.main" if part.startswith("up") else part
        yield from unit(f"decoder.{index}", _numbered("Conv2d_transpose", index), plain, place, collected)


def _numbered(name: str, index: int) -> str:
    return f"{name}_{index}" if index else name


_SCOPE = "resfcn256/"
_OF_NORM = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}
_SLOTS = ("/Adam", "/Adam_1")  # the optimizer's


def _names(form: Callable[[_Layer, str], str]) -> dict[str, str]:
    """Our name → that of one of the forms, of every tensor but the counters of batches."""
    entries = {"conv": ("weight",), "norm": tuple(_OF_NORM)}
    return {
        f"{layer.ours}.{entry}": form(layer, entry)
        for layer in _layers()
        for entry in entries["norm" if layer.ours.endswith("norm") else "conv"]
    }


def _tensorflow(layer: _Layer, entry: str) -> str:
    norm = layer.ours.endswith("norm")
    return f"{_SCOPE}{layer.tensorflow}/{_OF_NORM[entry] if norm else 'weights'}"


_PORTS: Mapping[str, Callable[[_Layer, str], str]] = {
    "pytorch-prnet": lambda layer, entry: f"{layer.plain}.{entry}",
    "pytorchcv": lambda layer, entry: f"{layer.collected}.{entry}",
}


def import_prnet(file: Path, uv_data: Path, out: Path, sha256: str | None = None) -> dict[str, str]:
    """Pack PRNet's weights and UV data, checked, into one safetensors file.

    Args:
        file: npz of the variables of the authors' checkpoint, or a state dict of pytorch-prnet or pytorchcv.
        uv_data: Folder Data/uv-data of PRNet's repository.
        out: The file to write, in one step.
        sha256: Refuse a file with another hash.

    Returns:
        The metadata.

    Raises:
        WeightsError: A file is missing, damaged or of another network; the message names the file, the array
            and what is expected of it.

    Cost: 1 s.
    """
    check_target(out, file)
    require_file(file, _REMEDY, _LARGEST)
    digest = file_sha256(file)
    if sha256 is not None and digest != sha256.lower():
        raise WeightsError(
            f"{file}: SHA-256 is {digest}, expected is {shown(sha256.lower())}; take another copy"
        )
    uv, shapes = read_uv_data(uv_data), _shapes()
    network = _of_npz(file, shapes) if _is_npz(file) else _of_port(file, shapes)
    tensors = packed(network, uv)
    metadata = {
        "format": FORMAT,
        "aukit": __version__,
        "kind": KIND,
        "licence": LICENCE,
        "source": file.name,
        "source_sha256": digest,
        "sha256": content_hash(tensors),
    }
    write_tensors(out, tensors, metadata)
    return metadata


def _shapes() -> dict[str, tuple[int, ...]]:
    """Of every tensor of the network, and of its counters of batches."""
    with torch.device("meta"):
        state = ResFCN256().state_dict()
    return {key: tuple(value.shape) for key, value in state.items()}


def _is_npz(path: Path) -> bool:
    """Whether it is a zip of arrays; PyTorch's is a zip too."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith(".npy") for name in archive.namelist())


def _of_npz(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    names = _names(_tensorflow)
    result = {key: torch.zeros((), dtype=torch.int64) for key in shapes if key not in names}
    try:
        with zipfile.ZipFile(path) as archive:
            there = {
                info.filename.removesuffix(".npy").removesuffix(":0"): info for info in archive.infolist()
            }
            unknown = {name for name in there if name.startswith(_SCOPE) and not name.endswith(_SLOTS)}
            _refuse(path, set(names.values()), unknown, set(there))
            for ours, name in names.items():
                shape = _reversed(shapes[ours])
                info = there[name]
                if info.file_size > 4 * int(np.prod(shape)) + _HEAD:
                    raise WeightsError(
                        f"{path}: {name} has {info.file_size:,} bytes, more than float32 of shape"
                        f" {list(shape)}; {_REMEDY}"
                    )
                with archive.open(info) as member:
                    array = np.lib.format.read_array(member, allow_pickle=False)
                _check(path, name, array.shape, str(array.dtype), shape)
                value = torch.from_numpy(array)
                result[ours] = _finite(path, name, value.permute(3, 2, 0, 1) if array.ndim == 4 else value)
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise WeightsError(
            f"{path}: damaged or no npz of plain arrays ({shown(error)}); {_REMEDY}"
        ) from error
    return result


def _reversed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """TensorFlow's shape of a kernel; of a batch norm's channels the same."""
    return (*shape[2:], *shape[1::-1]) if len(shape) == 4 else shape


def _of_port(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    content = read_checkpoint(path, _REMEDY, ("state_dict",))
    name = next((each for each in ("state_dict", "model") if isinstance(content.get(each), Mapping)), "")
    entries = state_entries(path, name, content[name] if name else content)
    forms = {port: _names(form) for port, form in _PORTS.items()}
    port, names = max(forms.items(), key=lambda pair: len(set(pair[1].values()) & entries.keys()))
    known = set(names.values())
    if not known & entries.keys():
        raise WeightsError(
            f"{path}: its names, such as {shown(next(iter(entries), 'none'))}, are neither those of"
            f" {' nor of '.join(forms)}; {_REMEDY}"
        )
    counted = {key for key in entries if not key.endswith("num_batches_tracked")}
    _refuse(path, known, counted, set(entries), f" of {port}")
    result = {key: torch.zeros((), dtype=torch.int64) for key in shapes if key not in names}
    for ours, theirs in names.items():
        value = entries[theirs]
        _check(path, theirs, tuple(value.shape), str(value.dtype).removeprefix("torch."), shapes[ours])
        result[ours] = _finite(path, theirs, value)
    return result


def _refuse(path: Path, wanted: set[str], given: set[str], there: set[str], owner: str = "") -> None:
    missing, unknown = sorted(wanted - there), sorted(given - wanted)
    if missing or unknown:
        raise WeightsError(f"{path}: {entries_fault(missing, unknown, owner)}; {_REMEDY}")


def _check(path: Path, name: str, found: tuple[int, ...], dtype: str, shape: tuple[int, ...]) -> None:
    if found != shape or dtype != "float32":
        raise WeightsError(
            f"{path}: {name} should be float32 of shape {list(shape)}, found {dtype} of {list(found)};"
            f" {_REMEDY}"
        )


def _finite(path: Path, name: str, value: Tensor) -> Tensor:
    if not bool(value.isfinite().all()):
        raise WeightsError(f"{path}: {name} has values that are not finite; take another copy")
    return value.contiguous()

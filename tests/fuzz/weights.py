"""Damage to files of weights: broken downloads, other kinds, other tools' habits, and hostile ones."""

from __future__ import annotations

import argparse
import collections
import io
import json
import os
import pickle
import shutil
import struct
import tarfile
import zipfile
from typing import Any

import numpy as np
import torch

from tests.fuzz.catalogue import corruption
from tests.fuzz.checkpoints import FILES, PICKLED, Weights

# --------------------------------------------------------------------------------------- broken files


@corruption(*FILES)
def file_cut_off(weights: Weights) -> None:
    """The file ends early, as after a broken download."""
    content = weights.path.read_bytes()
    weights.write(content[: int(len(content) * weights.rng.uniform(0.001, 0.999))])


@corruption(*FILES)
def file_empty(weights: Weights) -> None:
    """The file has no byte."""
    weights.write(b"")


@corruption(*FILES)
def file_of_zeros(weights: Weights) -> None:
    """All bytes are zero, as a crash of a file system leaves."""
    weights.write(bytes(weights.path.stat().st_size))


@corruption(*FILES)
def values_flipped(weights: Weights) -> None:
    """Bytes among the values are others; the archive's checksums, or ours, tell."""
    content = bytearray(weights.path.read_bytes())
    place = int(weights.rng.integers(len(content) // 3, len(content) // 2))
    content[place : place + 64] = weights.rng.bytes(64)
    weights.write(bytes(content))


@corruption(*FILES)
def web_page(weights: Weights) -> None:
    """A store's page that says that too many have downloaded the file."""
    weights.write(b"<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head></html>")


@corruption(*FILES)
def pointer(weights: Weights) -> None:
    """The few lines that git-lfs leaves where the file itself was not fetched."""
    weights.write(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1204\n")


@corruption(*FILES)
def another_archive(weights: Weights) -> None:
    """A zip archive of something else."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("readme.txt", "see the other archive")
    weights.write(stream.getvalue())


@corruption(*PICKLED)
def tape_archive(weights: Weights) -> None:
    """The file in a tar archive."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.add(weights.path, arcname="model.pth")
    weights.write(stream.getvalue())


@corruption(*FILES)
def pipe_of_weights(weights: Weights) -> None:
    """A pipe that nobody writes to."""
    weights.path.unlink()
    os.mkfifo(weights.path)


@corruption(*FILES)
def link_to_itself_of_weights(weights: Weights) -> None:
    """A link leads to itself."""
    weights.path.unlink()
    weights.path.symlink_to(weights.path.name)


@corruption(*FILES)
def folder_of_weights(weights: Weights) -> None:
    """A folder, as some tools unpack the archive."""
    weights.path.unlink()
    weights.path.mkdir()


@corruption(*PICKLED)
def archive_deflated(weights: Weights) -> None:
    """The archive was packed anew with compression: read rightly, or refused."""
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(weights.path) as source,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as copy,
    ):
        for name in source.namelist():
            copy.writestr(name, source.read(name))
    weights.write(stream.getvalue())


@corruption(*PICKLED)
def archive_that_swells(weights: Weights) -> None:
    """A compressed member of 1.5 GB of zeros in 7 MB: refused before it is unpacked."""
    with zipfile.ZipFile(weights.path) as source:
        members = {name: source.read(name) for name in source.namelist()}
    name = max(members, key=lambda name: len(members[name]))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as copy:
        for other, content in members.items():
            if other != name:
                copy.writestr(other, content)
        with copy.open(name, "w", force_zip64=True) as member:
            for _ in range(24):
                member.write(bytes(64 << 20))
    weights.write(stream.getvalue())


# --------------------------------------------------------------------------------------- pickles


class _Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("ran",))


class _Options:
    """A class of somebody's own, which is not there where the file is read."""

    lr = 0.1


@corruption(*PICKLED)
def code_in_a_pickle(weights: Weights) -> None:
    """The file would run a command when it is read: refused, and nothing runs."""
    weights.content["state_dict" if "state_dict" in weights.content else "extra"] = _Hostile()
    weights.save()


@corruption(*PICKLED)
def plain_pickle(weights: Weights) -> None:
    """A pickle of arrays, as of TensorFlow or NVIDIA: must be converted, and that is said."""
    weights.write(pickle.dumps({"G_ema": {"w": np.zeros(3)}, "opts": argparse.Namespace(a=1)}))


@corruption(*PICKLED)
def arguments_of_a_trainer(weights: Weights) -> None:
    """The trainer's arguments stand beside the weights, as a Namespace: allowed."""
    weights.content["args"] = argparse.Namespace(size=1024, lr=0.002, path="x", nothing=None)
    weights.save()


@corruption(*PICKLED)
def class_of_somebody(weights: Weights) -> None:
    """An object of a class of somebody's own stands beside the weights: named, and how to do without it."""
    weights.content["config"] = _Options()
    weights.save()


@corruption(*PICKLED)
def whole_module(weights: Weights) -> None:
    """The module itself was saved, not its state dict."""
    weights.path.unlink()
    torch.save(torch.nn.Linear(2, 2), weights.path)


@corruption(*PICKLED)
def old_format(weights: Weights) -> None:
    """PyTorch's format before 1.6: read rightly, or refused by its name."""
    weights.save(_use_new_zipfile_serialization=False)


@corruption(*PICKLED)
def list_of_tensors(weights: Weights) -> None:
    """A list in place of a dictionary."""
    values = list(weights.content.values())
    weights.path.unlink()
    torch.save(values, weights.path)


# --------------------------------------------------------------------------------------- names


@corruption(*PICKLED)
def prefix_module(weights: Weights) -> None:
    """Every key begins with `module.`, as DataParallel writes: stripped, or refused; never half imported."""
    state = dict(weights.state)
    weights.state.clear()
    weights.state.update({f"module.{key}": value for key, value in state.items()})
    weights.save()


@corruption(*PICKLED)
def prefix_of_a_compiler(weights: Weights) -> None:
    """Every key begins with `_orig_mod.`, as torch.compile writes."""
    state = dict(weights.state)
    weights.state.clear()
    weights.state.update({f"_orig_mod.{key}": value for key, value in state.items()})
    weights.save()


@corruption(*PICKLED)
def entry_missing(weights: Weights) -> None:
    """One entry that is read is missing."""
    del weights.state[weights.key()]
    weights.save()


@corruption(*PICKLED)
def entry_more(weights: Weights) -> None:
    """One entry more than the network has, among those that are read."""
    weights.state[f"{weights.key()}_more"] = torch.zeros(3)
    weights.save()


@corruption(*PICKLED)
def entry_renamed(weights: Weights) -> None:
    """One entry has another name."""
    key = weights.key()
    weights.state[key.replace("weight", "kernel") + "_"] = weights.state.pop(key)
    weights.save()


@corruption(*PICKLED)
def half_of_the_entries(weights: Weights) -> None:
    """Every second entry is missing."""
    for key in list(weights.state)[::2]:
        del weights.state[key]
    weights.save()


@corruption(*PICKLED)
def group_empty(weights: Weights) -> None:
    """The state dict is there and holds nothing."""
    weights.state.clear()
    weights.save()


@corruption(*PICKLED)
def group_missing(weights: Weights) -> None:
    """The state dict is not there."""
    name = next(iter(weights.content))
    del weights.content[name]
    weights.save()


@corruption(*PICKLED)
def group_of_another_type(weights: Weights) -> None:
    """None, a number, a text, a list or a tensor in place of a state dict."""
    name = next(iter(weights.content))
    kinds = [None, 3, "x", [1], torch.zeros(3), {1: torch.zeros(2)}]
    weights.content[name] = kinds[int(weights.rng.integers(len(kinds)))]
    weights.save()


@corruption("inversion")
def part_missing(weights: Weights) -> None:
    """The whole encoder or generator is missing."""
    part = str(weights.rng.choice(["network.pspencoder.", "network.g_all.", "network.latent_avg"]))
    for key in [key for key in weights.state if key.startswith(part)]:
        del weights.state[key]
    weights.save()


@corruption(*PICKLED)
def another_kind(weights: Weights) -> None:
    """The file of another kind under this name."""
    others = [kind for kind in PICKLED if kind != weights.kind]
    other = others[int(weights.rng.integers(len(others)))]
    weights.write((weights.root / FILES[other]).read_bytes())


@corruption("psp")
def another_encoder(weights: Weights) -> None:
    """An e4e checkpoint: its encoder has the keys and shapes of pSp's, its options tell."""
    weights.content["opts"]["encoder_type"] = "Encoder4Editing"
    weights.save()


@corruption("psp", "fgnet")
def mean_code_of_another_shape(weights: Weights) -> None:
    """The mean code is one row, or of another width."""
    path = weights.root / FILES["psp"]
    content = torch.load(path, weights_only=True)
    content["latent_avg"] = [content["latent_avg"][0], content["latent_avg"][:, :-1]][weights.rng.integers(2)]
    path.unlink()
    torch.save(content, path)
    if weights.kind == "psp":
        weights.content["latent_avg"] = content["latent_avg"]


# --------------------------------------------------------------------------------------- tensors


@corruption(*PICKLED)
def not_finite(weights: Weights) -> None:
    """A value is NaN or infinite, as of a training that diverged."""
    bad = float(weights.rng.choice([np.nan, np.inf, -np.inf]))
    weights.replace(lambda tensor: tensor.clone().index_fill_(0, torch.tensor([0]), bad))


@corruption(*PICKLED)
def reduced_precision(weights: Weights) -> None:
    """A tensor in another precision: refused, or read to the same values."""
    kinds = [torch.float16, torch.bfloat16, torch.float64, torch.int8, torch.complex64, torch.bool]
    kind = kinds[int(weights.rng.integers(len(kinds)))]
    weights.replace(lambda tensor: tensor.to(kind))


@corruption(*PICKLED)
def other_shape(weights: Weights) -> None:
    """A tensor of another shape, of as many values or of more."""
    which = int(weights.rng.integers(3))
    weights.replace(lambda t: [t.flatten(), t.transpose(0, -1).contiguous()[None], torch.cat([t, t])][which])


@corruption(*PICKLED)
def sparse(weights: Weights) -> None:
    """A sparse tensor, of 10^12 values or of as many as there should be."""
    huge = torch.sparse_coo_tensor(torch.zeros(2, 1, dtype=torch.int64), torch.ones(1), (10**6, 10**6))
    which = int(weights.rng.integers(2))
    weights.replace(lambda tensor: [huge, tensor.to_sparse()][which])


@corruption(*PICKLED)
def quantised(weights: Weights) -> None:
    """A tensor of eight bits with a scale."""
    weights.replace(lambda tensor: torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8))


@corruption(*PICKLED)
def without_values(weights: Weights) -> None:
    """A tensor of the meta device, which has a shape and no values."""
    size = [10**6, 10**6]
    which = int(weights.rng.integers(2))
    weights.replace(lambda tensor: torch.empty([size, list(tensor.shape)][which], device="meta"))


@corruption(*PICKLED)
def one_value_repeated(weights: Weights) -> None:
    """A tensor of stride 0: 10^12 values from four bytes."""
    which = int(weights.rng.integers(2))
    weights.replace(lambda tensor: torch.ones(1).expand([(10**6, 10**6), tensor.shape][which]))


@corruption(*PICKLED)
def view_of_a_larger_storage(weights: Weights) -> None:
    """A tensor is a view of a larger one: the same values, read rightly."""
    weights.replace(lambda tensor: torch.cat([torch.zeros_like(tensor), tensor])[len(tensor) :])


@corruption(*PICKLED)
def not_contiguous(weights: Weights) -> None:
    """A tensor's values lie in another order: the same values, read rightly."""
    weights.replace(lambda tensor: tensor.transpose(0, 1).contiguous().transpose(0, 1))


@corruption(*PICKLED)
def parameters(weights: Weights) -> None:
    """Parameters in place of tensors: read rightly, or refused."""
    weights.replace(torch.nn.Parameter)


@corruption(*PICKLED)
def entry_of_another_type(weights: Weights) -> None:
    """A list, a number, a text, an array or nothing in place of a tensor."""
    which = int(weights.rng.integers(5))
    weights.replace(lambda tensor: [tensor.tolist(), 1.0, "x", collections.OrderedDict(), None][which])


# --------------------------------------------------------------------------------------- safetensors


def _with_header(weights: Weights, header: bytes, length: int | None = None) -> None:
    content = weights.path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    start = struct.pack("<Q", len(header) if length is None else length)
    weights.write(start + header + content[8 + size :])


def _header(weights: Weights) -> dict[str, Any]:
    content = weights.path.read_bytes()
    found: dict[str, Any] = json.loads(content[8 : 8 + struct.unpack("<Q", content[:8])[0]])
    return found


@corruption("imported")
def header_that_claims_too_much(weights: Weights) -> None:
    """The header says that it has 2^60 bytes, or that a tensor has 10^12 values."""
    header = _header(weights)
    name = next(key for key in header if key != "__metadata__")
    header[name]["shape"], header[name]["data_offsets"] = [10**6, 10**6], [0, 4 * 10**12]
    text = json.dumps(header).encode()
    _with_header(weights, text, [None, 2**60, 2**63][int(weights.rng.integers(3))])


@corruption("imported")
def header_damaged(weights: Weights) -> None:
    """The header is no JSON, is nested, has overlapping tensors or no tensor at all."""
    header = _header(weights)
    names = [key for key in header if key != "__metadata__"]
    overlap = json.loads(json.dumps(header))
    overlap[names[0]]["data_offsets"] = overlap[names[1]]["data_offsets"]
    texts = [b"{", b"[" * 10_000, b"null", json.dumps(overlap).encode(), b"{}"]
    _with_header(weights, texts[int(weights.rng.integers(len(texts)))])


@corruption("imported")
def metadata_changed(weights: Weights) -> None:
    """The file's own account of itself is missing, of another format or of another content."""
    header = _header(weights)
    change = int(weights.rng.integers(3))
    if change == 0:
        del header["__metadata__"]
    else:
        header["__metadata__"] |= [{"format": "pt"}, {"sha256": "0" * 64}][change - 1]
    _with_header(weights, json.dumps(header).encode())


@corruption("imported")
def pickle_called_safetensors(weights: Weights) -> None:
    """A PyTorch checkpoint under the name of a safetensors file."""
    shutil.copy(weights.root / FILES["psp"], weights.root / "copy")
    weights.write((weights.root / "copy").read_bytes())


@corruption("psp", "stylegan2")
def safetensors_called_pickle(weights: Weights) -> None:
    """A safetensors file under the name of a PyTorch checkpoint."""
    weights.write((weights.root / FILES["imported"]).read_bytes())

import subprocess
import sys
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch

from aukit.cli import main
from aukit.errors import WeightsError
from aukit.models.weights import weights_path
from aukit.models.weights.files import (
    read_checkpoint,
    read_tensors,
    state_entries,
    write_tensors,
)
from aukit.utils.tensors import content_hash

STATE = {"b": torch.arange(6.0).reshape(2, 3).T, "a": torch.ones(1, dtype=torch.int64)}


def test_what_is_written_is_read_with_its_metadata(tmp_path):
    write_tensors(tmp_path / "w.safetensors", STATE, {"licence": "MIT"})
    tensors, metadata = read_tensors(tmp_path / "w.safetensors", "make it again")
    assert metadata == {"licence": "MIT"}
    assert content_hash(tensors) == content_hash(STATE)
    assert read_checkpoint(tmp_path / "w.safetensors", "").keys() == STATE.keys()


def test_safetensors_are_known_by_their_content(tmp_path):
    write_tensors(tmp_path / "w", STATE)
    assert read_checkpoint(tmp_path / "w", "").keys() == STATE.keys()


def test_tensors_that_share_values_are_written_apart(tmp_path):
    values = torch.arange(6.0)
    write_tensors(tmp_path / "w.safetensors", {"a": values, "tied": values, "part": values[2:4]})
    tensors, _ = read_tensors(tmp_path / "w.safetensors", "")
    assert torch.equal(tensors["a"], values)
    assert torch.equal(tensors["tied"], values)
    assert torch.equal(tensors["part"], values[2:4])


def test_the_hash_is_of_names_shapes_types_and_values():
    changes = ({"c": STATE["b"]}, {"b": STATE["b"].T}, {"b": STATE["b"].double()}, {"b": STATE["b"] + 1})
    hashes = {content_hash({**STATE, **change}) for change in changes}
    assert len(hashes | {content_hash(STATE)}) == 5


# ------------------------------------------------------------------------------- both formats of torch.save


def some_of_everything():
    values = torch.arange(24.0)
    types = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32)
    types += (torch.int16, torch.int8, torch.uint8, torch.bool)
    return {
        "types": OrderedDict((str(dtype), values.to(dtype)) for dtype in types),
        "views": [values.reshape(2, 3, 4), values.reshape(4, 6).T, values[5:9], values[::2]],
        "parameter": torch.nn.Parameter(values),
        "module": torch.nn.BatchNorm2d(3).state_dict(),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "plain": (None, True, -1, 300, 70_000, 2**40, -(2**70), 0.1, "ÄÖ", "", [], {"a": (1, 2, 3, 4)}),
    }


def equal(a, b):
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a.detach(), b.detach())
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(equal, a, b))
    return a == b


@pytest.mark.parametrize("zipped", [True, False])
def test_checkpoints_are_read_as_torch_reads_them(tmp_path, zipped):
    path = tmp_path / "w.pt"
    torch.save(some_of_everything(), path, _use_new_zipfile_serialization=zipped)
    content = read_checkpoint(path, "")
    assert equal(content, torch.load(path, weights_only=True))
    assert (
        content["views"][1].untyped_storage().data_ptr() == content["views"][0].untyped_storage().data_ptr()
    )


# -------------------------------------------------------------------------------------- what cannot be read

TAR = b"weights".ljust(257, b"\0") + b"ustar\x00"
NVIDIA = b"\x80\x04}\x94\x8c\x05G_ema\x94}\x94s."
TENSORFLOW = b"\x80\x03cdnnlib.tflib.network\nNetwork\n."
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 132717355\n"
PAGE = b"<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title>"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.pt", None, "no such file; put it there"),
        ("empty.pt", b"", "is empty"),
        ("zeros.pt", bytes(5000), "begins with zeros only"),
        ("text.pt", b"nothing of the kind", "is text .* 'nothing of the kind'"),
        ("page.pt", PAGE, "is a web page .* Google Drive"),
        ("page.safetensors", PAGE, "is a web page"),
        ("pointer.pt", POINTER, "is a git-lfs pointer"),
        ("w.tar", TAR, "is a tar archive; unpack it"),
        ("w.pt.gz", b"\x1f\x8b\x08\x00", "is a gzip archive; unpack it"),
        ("keras.h5", b"\x89HDF\r\n\x1a\n", "is an HDF5 file"),
        ("network.pkl", NVIDIA, "is NVIDIA's own pickle .*StyleGAN2-ADA.* convert it"),
        ("stylegan2.pkl", TENSORFLOW, "is NVIDIA's own pickle .*convert_weight.py"),
        ("other.pkl", b"\x80\x04]\x94.", "is a pickle that torch.save did not write"),
        ("noise.pt", bytes(range(200, 256)), "is truncated or no PyTorch or safetensors file"),
        ("list.pt", [torch.zeros(1)], "holds a list, not a dictionary"),
        ("module.pt", {"model": torch.nn.Linear(1, 1)}, "refused: it holds a torch.nn.modules.linear.Linear"),
        ("sparse.pt", {"a": torch.eye(3).to_sparse()}, "refused: it holds a sparse tensor"),
        ("meta.pt", {"a": torch.empty(10**9, device="meta")}, "refused: it holds a tensor without values"),
        ("numpy.pt", {"a": np.float32(1)}, "refused: it holds a numpy"),
        ("expanded.pt", {"a": torch.zeros(1).expand(10**12)}, "holds an expanded tensor"),
        (
            "complex.pt",
            {"a": torch.zeros(1, dtype=torch.complex64)},
            "refused: it holds a torch.ComplexFloatStor",
        ),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path, name, content, message):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(WeightsError, match=f"{name}: {message}"):
        read_checkpoint(path, "put it there")


@pytest.mark.filterwarnings("ignore:.*quantize")
def test_quantised_tensors_are_refused(tmp_path):
    torch.save({"a": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)}, tmp_path / "q.pt")
    with pytest.raises(WeightsError, match="refused: it holds a quantised tensor"):
        read_checkpoint(tmp_path / "q.pt", "")


def test_torchscript_is_refused(tmp_path):
    torch.jit.script(torch.nn.Linear(1, 1)).save(tmp_path / "script.pt")
    with pytest.raises(WeightsError, match="refused: it holds a TorchScript module"):
        read_checkpoint(tmp_path / "script.pt", "")


def test_another_protocol_of_pickle_is_named(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "w.pt", pickle_protocol=4)
    with pytest.raises(WeightsError, match="saved with pickle protocol 4"):
        read_checkpoint(tmp_path / "w.pt", "")


def test_control_characters_of_a_file_do_not_reach_the_terminal(tmp_path, capsys):
    torch.save({"\x1b[31mred": torch.ones(1)}, tmp_path / "w.pt")
    out = str(tmp_path / "w.safetensors")
    assert main(["weights", "import", "stylegan2", str(tmp_path / "w.pt"), "--out", out]) == 2
    assert "\x1b" not in capsys.readouterr().err


def rewritten(path, change):
    """A zip archive again, with its members changed; all of them stored, as PyTorch does."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in change(members).items():
            archive.writestr(name, data)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda m: {k: v[:-4] if k.endswith("/0") else v for k, v in m.items()},
            "should have 4,000 bytes and is 3",
        ),
        (
            lambda m: {k: v for k, v in m.items() if not k.endswith("/0")},
            "should have 4,000 bytes and is missing",
        ),
        (
            lambda m: {k: v.replace(b"M\xe8\x03", b"M\xff\xff") for k, v in m.items()},
            "should have 262,140 bytes",
        ),
        (
            lambda m: {k.replace("data.pkl", "other"): v for k, v in m.items()},
            "a zip archive, but not PyTorch's",
        ),
        (
            lambda m: {k: b"big" if k.endswith("byteorder") else v for k, v in m.items()},
            "another order of bytes",
        ),
        (lambda m: {k: v[:-9] if k.endswith(".pkl") else v for k, v in m.items()}, "truncated or damaged"),
        (
            lambda m: {k: bytes(3 << 20) if k.endswith(".pkl") else v for k, v in m.items()},
            "data.pkl has 3,145,728",
        ),
    ],
)
def test_an_archive_that_contradicts_itself_is_refused(tmp_path, change, words):
    path = tmp_path / "w.pt"
    torch.save({"a": torch.zeros(1000)}, path)
    rewritten(path, change)
    with pytest.raises(WeightsError, match=words):
        read_checkpoint(path, "")


def test_dictionaries_of_python_2_are_read(tmp_path):
    torch.save({"a": torch.zeros(3)}, tmp_path / "w.pt")
    program = b"\x80\x02ccollections\nOrderedDict\n](](U\x01aK\x01ee\x85R."
    rewritten(tmp_path / "w.pt", lambda m: {k: program if k.endswith(".pkl") else v for k, v in m.items()})
    assert read_checkpoint(tmp_path / "w.pt", "") == {"a": 1}


@pytest.mark.parametrize("zipped", [True, False])
def test_every_flipped_bit_or_lost_byte_is_an_error_or_changes_nothing(tmp_path, zipped):
    """Of an archive all bytes are covered by sums or structure; of the older format all but the values."""
    path, rng = tmp_path / "w.pt", np.random.default_rng(0)
    content = {"state_dict": {"a": torch.arange(500.0), "b": torch.ones(3, 4)}, "epoch": 3}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    whole, refused = path.read_bytes(), 0
    for where in rng.integers(len(whole), size=300):
        damaged = bytearray(whole)
        damaged[where] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            read = read_checkpoint(path, "")
        except WeightsError:
            refused += 1
            continue
        if zipped:
            assert equal(read["state_dict"]["a"], content["state_dict"]["a"])
    assert refused > 30
    for share in rng.random(30):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(WeightsError):
            read_checkpoint(path, "")


# ---------------------------------------------------------------------------------- few bytes, large claims


def deflated(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w/data.pkl", b"\x80\x02}q\x00.")
        archive.writestr("w/data/0", bytes(200 << 20))


def header_of_100_gb(path):
    path.write_bytes((100 << 30).to_bytes(8, "little") + b"{" + bytes(1000))


def header_of_200_mb(path):
    with path.open("wb") as file:
        file.write((200 << 20).to_bytes(8, "little") + b"{" + b" " * 1000)
        file.truncate(201 << 20)


def legacy_claim(path):
    torch.save({"a": torch.zeros(1000)}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes().replace(b"M\xe8\x03", b"J\xff\xff\xff\x7f"))


def huge_memo(path):
    torch.save({"a": torch.zeros(3)}, path)
    rewritten(
        path, lambda m: {k: b"\x80\x02}r\xff\xff\xff\xff." if k.endswith(".pkl") else v for k, v in m.items()}
    )


def bytearray_of_a_terabyte(path):
    torch.save({"a": torch.zeros(3)}, path)
    program = b"\x80\x02c__builtin__\nbytearray\n\x8a\x06\x00\x00\x00\x00\x00\x01\x85R."
    rewritten(path, lambda m: {k: program if k.endswith(".pkl") else v for k, v in m.items()})


def keys_of_one_hash(path):
    """Numbers that are 0 modulo 2^61 − 1, on which a dictionary takes hours."""
    torch.save({"a": torch.zeros(3)}, path)
    keys = b"".join(b"\x8a\x0b" + (i * (2**61 - 1)).to_bytes(11, "little") + b"N" for i in range(1, 140_000))
    rewritten(
        path, lambda m: {k: b"\x80\x02}(" + keys + b"u." if k.endswith(".pkl") else v for k, v in m.items()}
    )


def sparse_file(path):
    with path.open("wb") as file:
        file.truncate(1 << 42)


CLAIMS = [deflated, header_of_100_gb, header_of_200_mb, legacy_claim, huge_memo]
CLAIMS += [bytearray_of_a_terabyte, keys_of_one_hash, sparse_file]

READ = """
import resource, sys
from pathlib import Path
from aukit.errors import WeightsError
from aukit.models.weights.files import read_checkpoint
size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (150 << 20),) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
for path in sys.argv[1:]:
    try:
        read_checkpoint(Path(path), "")
        print("read")
    except WeightsError as error:
        print("refused", error)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of a process as Linux has them")
def test_large_claims_are_refused_within_150_mb(tmp_path):
    paths = []
    for make in CLAIMS:
        paths.append(tmp_path / f"{make.__name__}.pt")
        make(paths[-1])
    done = subprocess.run(
        [sys.executable, "-c", READ, *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    for path, line in zip(paths, lines, strict=True):
        # An index of 4 billion claims nothing where it is a key: that file holds an empty dictionary.
        assert line.startswith("read" if path.stem == "huge_memo" else "refused"), line
        assert "memory" not in line, line


def test_many_names_for_the_same_values_are_refused(tmp_path):
    values = torch.zeros(1 << 16)
    torch.save({f"tied.{i}": values for i in range(2000)}, tmp_path / "same.pt")
    torch.save({f"view.{i}": values[:-i] for i in range(1, 2000)}, tmp_path / "views.pt")
    for name in ("same.pt", "views.pt"):
        content = read_checkpoint(tmp_path / name, "")
        with pytest.raises(WeightsError, match="too many names for the same values"):
            state_entries(tmp_path / name, "it", content)
    torch.save({"a": values, "tied": values}, tmp_path / "tied.pt")
    assert len(state_entries(tmp_path / "tied.pt", "it", read_checkpoint(tmp_path / "tied.pt", ""))) == 2


def test_a_name_that_is_not_shipped_says_what_is(tmp_path):
    with pytest.raises(WeightsError, match="no weights of that name come with the project"):
        weights_path("backbone", "nowhere")
    assert weights_path("fgnet", tmp_path / "own.safetensors") == tmp_path / "own.safetensors"

"""Files that others wrote: bounded in time and memory, whatever they are and whatever they claim."""

import json
import os
import socket
from pathlib import Path

import numpy as np
import pytest
import yaml

from aukit.cli import main
from aukit.utils.outside import load_npy, read_bytes, read_json, read_text, read_yaml_text

READERS = (read_bytes, read_text, read_json, read_yaml_text, load_npy)


def npy_header(path: Path, descr: str, shape: str, data: bytes = b"") -> Path:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data)
    return path


@pytest.mark.parametrize("reader", READERS)
def test_only_regular_files_are_opened(reader, tmp_path):
    pipe, circle = tmp_path / "pipe", tmp_path / "circle"
    os.mkfifo(pipe)
    circle.symlink_to(circle)
    with pytest.raises(ValueError, match="is a pipe, not a file"):
        reader(pipe, 100)  # an open() would wait for a writer for ever
    with pytest.raises(ValueError, match="is a folder"):
        reader(tmp_path, 100)
    with pytest.raises(ValueError, match="is a device"):
        reader(Path("/dev/zero"), 100)
    with pytest.raises(OSError, match="symbolic links"):
        reader(circle, 100)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        with pytest.raises(ValueError, match="is a socket"):
            reader(tmp_path / "s", 100)


@pytest.mark.parametrize("reader", READERS)
def test_larger_files_are_not_read(reader, tmp_path):
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(2**40)  # a hole: 1 TiB that takes no disk
    with pytest.raises(ValueError, match="larger than the 1,000 bytes"):
        reader(path, 1000)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a\nb" + b"x" * 10_000_000, "line 2 has 10,000,001 characters"),
        (b"a\nb\0c", "line 2 has a zero byte"),
        (b"a\n\xe9", "line 2 is no UTF-8 text: byte 0xe9"),
        ("a\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_what_is_no_text_is_named_with_its_line(content, problem, tmp_path):
    path = tmp_path / "text"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=problem):
        read_text(path, 2**24)


def test_text_keeps_its_line_ends_and_loses_its_mark(tmp_path):
    path = tmp_path / "text"
    path.write_bytes("\ufeffä\r\nb\n".encode())
    assert read_text(path, 100) == "ä\r\nb\n"


def test_json_nested_without_end_is_an_error_of_the_file(tmp_path):
    path = tmp_path / "deep.json"
    path.write_text("[" * 200_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        read_json(path, 2**20)
    path.write_text(json.dumps({"a": [1]}))
    assert read_json(path, 100) == {"a": [1]}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "a0: &a0 [x, x]\n" + "".join(f"a{k}: &a{k} [*a{k - 1}, *a{k - 1}]\n" for k in range(1, 60)),
            "more than 20,000 nodes when its aliases are written out",
        ),
        ("a: &a [*a]\n", "line 1 has an alias that leads to itself"),
        ("a: 1\nb: 2\na: 3\n", "line 3 has the key a again"),
        ("a: " + "[" * 3000, "nested too deeply|expected"),
        ("a: b: c", "mapping values are not allowed"),
    ],
)
def test_yaml_that_a_loader_would_choke_on(text, problem, tmp_path):
    path = tmp_path / "map.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=problem):
        read_yaml_text(path, 2**20)


def test_yaml_with_an_honest_alias_is_read(tmp_path):
    path = tmp_path / "map.yaml"
    path.write_text("a: &lr 1\nb: *lr\n1: x\n'1': y\n")
    assert yaml.safe_load(read_yaml_text(path, 100)) == {"a": 1, "b": 1, 1: "x", "1": "y"}


@pytest.mark.parametrize(
    ("descr", "shape", "problem"),
    [
        ("'<f4'", "(1000000000000,)", r"header says float32 \[1000000000000\], but 16 bytes follow"),
        ("'<f4'", "(-4, -1)", "but 16 bytes follow"),
        ("'<f4'", "(3,)", "but 16 bytes follow"),
        ("'|O'", "(2,)", "Python objects"),
        ("'<f4'", "((((((4", "no header of a .npy file"),
        ("[('a', '<f4')" * 3, "(4,)", "no header of a .npy file"),
    ],
)
def test_arrays_that_claim_other_sizes_than_they_have(descr, shape, problem, tmp_path):
    with pytest.raises(ValueError, match=problem):
        load_npy(npy_header(tmp_path / "a.npy", descr, shape, bytes(16)), 2**20)


@pytest.mark.parametrize(
    "array", [np.arange(6.0).reshape(2, 3), np.zeros((0, 68, 3), np.float32), np.array(3)]
)
def test_arrays_come_back_as_written(array, tmp_path):
    np.save(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(load_npy(tmp_path / "a.npy", 2**20), array)


def test_what_nobody_foresaw_ends_without_traceback(monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device", "store")

    monkeypatch.setattr("aukit.cli.corpora._check", full)
    assert main(["corpora", "check", "disfa", "--root", "x"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("aukit: store: No space left on device\nfree space on that disk")
    assert said.count("\n") == 2

"""Reading files that others wrote: regular files only, and never more memory than the caller allows.

Every function raises `OSError` or `ValueError` and nothing else; the caller, who knows what the file is for,
adds its name and the remedy.
"""

from __future__ import annotations

import codecs
import json
import math
import stat
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import yaml

LONGEST_LINE = 2**16
"""Characters: a line of OpenFace's widest table has 6,000."""
_MOST_YAML_NODES = 20_000
_WIDE = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def require_regular(path: Path, most_bytes: int) -> int:
    """Check the kind and size of a file before it is opened, and return the size.

    Pipes, sockets and devices are never opened: a pipe without writer would stop the program for good.

    Raises:
        OSError: There is no such file, or links lead in a circle.
        ValueError: It is no regular file, or larger than `most_bytes`.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
        raise ValueError(f"is {kinds.get(stat.S_IFMT(status.st_mode), 'a device')}, not a file")
    if status.st_size > most_bytes:
        raise ValueError(f"is larger than the {most_bytes:,} bytes that are expected")
    return status.st_size


def read_bytes(path: Path, most_bytes: int) -> bytes:
    """A whole file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no regular file, or too large.
    """
    require_regular(path, most_bytes)
    with path.open("rb") as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:  # it grows, or belongs to a file system that does not know its size
        raise ValueError(f"is larger than the {most_bytes:,} bytes that are expected")
    return content


def read_text(path: Path, most_bytes: int, longest_line: int = LONGEST_LINE) -> str:
    """A text file in UTF-8, without its byte order mark; line ends are kept.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no regular file, too large, no text, in another encoding, or has a line of more than
            `longest_line` characters.
    """
    content = read_bytes(path, most_bytes)
    if content.startswith(_WIDE):
        raise ValueError("is UTF-16 or UTF-32 text; save it as UTF-8")
    if (where := content.find(b"\0")) >= 0:
        line = content.count(b"\n", 0, where) + 1
        raise ValueError(f"line {line} has a zero byte: it is damaged or no text")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} is no UTF-8 text: byte 0x{content[error.start]:02x}") from error
    for number, row in enumerate(text.splitlines(), 1):
        if len(row) > longest_line:
            raise ValueError(f"line {number} has {len(row):,} characters, more than {longest_line:,}")
    return text


def read_json(path: Path, most_bytes: int) -> Any:
    """The value in a JSON file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no regular file, too large, no JSON or nested too deeply.
    """
    try:
        return json.loads(read_bytes(path, most_bytes).decode("utf-8-sig"))
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error


def read_yaml_text(path: Path, most_bytes: int) -> str:
    """The text of a YAML file that any loader can take: few nodes with all aliases written out, no key twice.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no regular file, too large, no YAML, nested too deeply, grows without bound by its
            aliases, or has a key twice, of which loaders keep the last without a word.
    """
    text = read_text(path, most_bytes)
    check_yaml_text(text)
    return text


def check_yaml_text(text: str) -> None:
    """Refuse a text that `read_yaml_text` would.

    Raises:
        ValueError: It is no YAML, nested too deeply, grows without bound by its aliases, or has a key twice.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is not None and _written_out(root, {}) > _MOST_YAML_NODES:
            raise ValueError(f"has more than {_MOST_YAML_NODES:,} nodes when its aliases are written out")
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    except yaml.YAMLError as error:
        raise ValueError(yaml_problem(error)) from error


def yaml_problem(error: yaml.YAMLError) -> str:
    """What a YAML parser says, in one line."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return " ".join(str(error).split())
    words = ", ".join(text for text in (error.context, error.problem) if text)
    return f"line {error.problem_mark.line + 1}: {words}"


def load_npy(path: Path, most_bytes: int) -> npt.NDArray[Any]:
    """The array in a ``.npy`` file.

    The shape that the header claims is compared with the file's size before memory is asked for.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no regular file, too large, truncated, no ``.npy`` file, or holds Python objects.
    """
    size = require_regular(path, most_bytes)
    with path.open("rb") as file:
        shape, _, dtype = read_npy_header(file)
        if dtype.hasobject:
            raise ValueError("holds Python objects, which are never read")
        rest = size - file.tell()
        if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != rest:
            raise ValueError(f"its header says {dtype} {list(shape)}, but {rest:,} bytes follow")
    array: npt.NDArray[Any] = np.load(path, allow_pickle=False)
    return array


def read_npy_header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """What the header of an open ``.npy`` file claims: shape, whether in Fortran's order, and type.

    Raises:
        ValueError: It has no such header.
    """
    try:
        version = np.lib.format.read_magic(file)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        header: tuple[tuple[int, ...], bool, np.dtype[Any]] = read_header(file)
    except OSError:
        raise
    except Exception as error:  # numpy parses the header as Python, which may stumble over anything
        raise ValueError("has no header of a .npy file") from error
    return header


def _written_out(node: yaml.Node, counts: dict[int, int]) -> int:
    """Number of nodes below and with `node`, aliases counted each time."""
    if id(node) in counts:
        if counts[id(node)] == 0:
            raise ValueError(f"line {node.start_mark.line + 1} has an alias that leads to itself")
        return counts[id(node)]
    counts[id(node)] = 0  # until it is known
    total = 1
    if isinstance(node, yaml.SequenceNode):
        total += sum(_written_out(item, counts) for item in node.value)
    elif isinstance(node, yaml.MappingNode):
        seen: set[tuple[str, str]] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise ValueError(f"line {key.start_mark.line + 1} has the key {key.value} again")
                seen.add((key.tag, key.value))
            total += _written_out(key, counts) + _written_out(value, counts)
    counts[id(node)] = total
    return total

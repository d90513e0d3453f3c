"""PyTorch's checkpoint files, read so that nothing in them runs and no size in them is believed unchecked.

`torch.load` takes a file's word for the sizes of its storages and for the functions that rebuild its tensors;
a few bytes can then ask for terabytes. Here the pickle in a file knows only what `torch.save` writes for
dense tensors and plain values; a storage is as large as the bytes that are there for it, a tensor lies inside
its storage, and the checksums of the zip archive, which `torch.load` skips, are compared.

Both of `torch.save`'s formats are read: the zip archive (PyTorch 1.6 and later) and the row of pickles before
it, in which many published weights still come.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple, cast

import torch
from torch import Tensor

from aukit.errors import WeightsError, shown

__all__ = ["LEGACY_MAGIC", "ZIP_MAGIC", "read_torch"]

ZIP_MAGIC = b"PK\x03\x04"
LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The pickled number that files of the older format begin with."""

_PICKLE = 2 << 20  # bytes; one entry of a state dict takes about 120
_DIRECTORY = 4 << 20  # bytes of an archive's table of contents; one entry takes about 120
_PIECE = 1 << 20

_STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_OTHER_TENSORS = {
    "_rebuild_sparse_tensor": "a sparse tensor",
    "_rebuild_qtensor": "a quantised tensor",
    "_rebuild_meta_tensor_no_storage": "a tensor without values (device meta)",
    "_rebuild_nested_tensor": "a nested tensor",
    "_rebuild_wrapper_subclass": "a tensor of a class of its own",
}
# The machine that is written in Python: there an instruction can be left out, and an index of 4 billion costs
# nothing.
_Machine: Any = pickle._Unpickler  # type: ignore[attr-defined,unused-ignore]
# Protocol, stop, marks, tuples, empty containers, constants, numbers, strings, memo and storages.
_PLAIN_OPCODES = b"\x80 . ( 0 t \x85 \x86 \x87 ) ] } N \x88 \x89 J K M G \x8a X U T h j q r Q".split(b" ")


class _DamagedError(Exception):
    """What is wrong with a file, without its name and the remedy."""


class _ForeignError(Exception):
    """What a file holds besides dense tensors and plain values."""


class _Storage(NamedTuple):
    values: Tensor


def read_torch(path: Path, parts: tuple[str, ...] = ()) -> Any:
    """The object that `torch.save` wrote, with dense tensors on the CPU.

    ``argparse.Namespace``, in which trainers keep their options, becomes a ``types.SimpleNamespace``.

    Args:
        path: A file that begins as one of PyTorch's two formats does.
        parts: Entries that the caller reads, for the remedy.

    Raises:
        WeightsError: The file is truncated or damaged, is another kind of archive, or holds other things.

    Cost: about 4 s/GB; memory of the file's size. Whatever is in a file, at most 10 s and 0.2 GB more.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            magic = file.read(len(LEGACY_MAGIC))
            file.seek(0)
            return _read_row(file, size) if magic == LEGACY_MAGIC else _read_archive(path, size)
    except _ForeignError as error:
        wanted = ", ".join(f"{name!r}: content[{name!r}]" for name in parts or ("state_dict",))
        raise WeightsError(
            f"{path}: refused: it holds {error}, and reading such things can run code that is in the file. If"
            " you trust it, load it where it was written and save what is needed of it alone:"
            f" torch.save({{{wanted}}}, 'plain.pt')"
        ) from error
    except MemoryError:
        raise
    except Exception as error:  # zipfile passes on whatever a damaged table of contents makes it stumble over
        raise WeightsError(f"{path}: {_words(error, path)}; download or make it again") from error


def _words(error: Exception, path: Path) -> str:
    if isinstance(error, _DamagedError):
        return str(error)
    if isinstance(error, zipfile.BadZipFile) and "CRC" in str(error):
        return "damaged: a checksum of the archive differs"
    return f"truncated or no PyTorch checkpoint ({path.stat().st_size:,} bytes; {shown(error)})"


# -------------------------------------------------------------------------------------------- zip archives


class _BoundedFile(io.FileIO):
    """A file of which no more is read at once than a table of contents may have."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _DIRECTORY:
            raise zipfile.BadZipFile(f"a part of {size:,} bytes where at most {_DIRECTORY:,} are expected")
        return super().read(-1 if size is None else size) or b""


def _read_archive(path: Path, size: int) -> Any:
    with _BoundedFile(path) as file, zipfile.ZipFile(file) as archive:
        members = {info.filename: info for info in archive.infolist()}
        homes = [name.removesuffix("data.pkl") for name in members if name.endswith("/data.pkl")]
        if len(homes) != 1 or homes[0].count("/") != 1:
            raise _DamagedError(
                f"a zip archive, but not PyTorch's: it begins with {shown(next(iter(members), 'nothing'))}."
                " If the weights are inside, unpack it; otherwise"
            )
        home = homes[0]
        if f"{home}constants.pkl" in members:
            raise _ForeignError("a TorchScript module, code and all")
        if len(members) < len(archive.infolist()) or sum(i.file_size for i in members.values()) > size:
            raise _DamagedError("damaged: entries of its archive overlap")
        for name, info in members.items():
            if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
                raise _DamagedError(
                    f"{shown(name)} is compressed or encrypted, which PyTorch never does: no checkpoint"
                )

        def member(name: str, limit: int) -> bytes:
            info = members[home + name]
            if info.file_size > limit:
                raise _DamagedError(
                    f"{name} has {info.file_size:,} bytes, more than any checkpoint's ({limit:,})"
                )
            return archive.read(info)

        if f"{home}byteorder" in members and member("byteorder", 16) != b"little":
            raise _DamagedError("written on a machine with another order of bytes")

        def storage(key: str, length: int) -> Tensor:
            info = members.get(f"{home}data/{key}")
            if info is None or info.file_size != length:
                there = "missing" if info is None else f"{info.file_size:,} bytes"
                raise _DamagedError(f"damaged: data/{shown(key)} should have {length:,} bytes and is {there}")
            with archive.open(info) as source:
                return _filled(length, source)

        return _unpickled(io.BytesIO(member("data.pkl", _PICKLE)), storage)


# ------------------------------------------------------------------------------------- a row of pickles


def _read_row(file: io.BufferedReader, size: int) -> Any:
    head = io.BytesIO(file.read(_PICKLE))
    storages: dict[str, Tensor] = {}
    left = size

    def storage(key: str, length: int) -> Tensor:
        nonlocal left
        left -= length
        if left < 0:
            raise _DamagedError(f"truncated: its tensors need more than its {size:,} bytes")
        storages[key] = torch.empty(length, dtype=torch.uint8)
        return storages[key]

    def no_storage(key: str, length: int) -> Tensor:
        raise _DamagedError("damaged: a tensor in its head")

    for _ in range(2):  # the magic number and the format's version
        _unpickled(head, no_storage)
    system = _unpickled(head, no_storage)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise _DamagedError("written on a machine with another order of bytes")
    unpickler = _Unpickler(head, storage)
    content = _run(unpickler)
    keys = _unpickled(head, no_storage)
    if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(storages):
        raise _DamagedError("damaged: its list of storages is not that of its tensors")
    file.seek(head.tell())
    for key in map(str, keys):
        values = storages[key]
        count = struct.unpack("<q", _exactly(file, 8))[0]
        if count * unpickler.sizes[key] != len(values):
            raise _DamagedError(f"damaged: storage {shown(key)} has {count:,} values, not as its tensors say")
        _fill(values, file)
    if file.read(1):
        raise _DamagedError(f"damaged: {size - file.tell() + 1:,} bytes follow after its last tensor")
    return content


# -------------------------------------------------------------------------------------- the restricted pickle


class _Unpickler(_Machine):  # type: ignore[misc]
    """Pickle's machine with the instructions that `torch.save` needs, and with the functions here alone.

    No name in the file leads to an import.
    """

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        code[0]: _Machine.dispatch[code[0]] for code in _PLAIN_OPCODES
    }

    def __init__(self, file: io.BytesIO, storage: Callable[[str, int], Tensor]) -> None:
        super().__init__(file, encoding="utf-8")
        self.sizes: dict[str, int] = {}  # bytes per value of each storage
        self._storage = storage
        self._storages: dict[str, Tensor] = {}
        self._functions: dict[str, Callable[..., Any]] = {
            "torch._utils._rebuild_tensor": self._tensor,
            "torch._utils._rebuild_tensor_v2": self._tensor,
            "torch._utils._rebuild_parameter": self._parameter,
            "collections.OrderedDict": OrderedDict,
            "argparse.Namespace": SimpleNamespace,
        }

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if module == "torch._utils" and name in _OTHER_TENSORS:
            raise _ForeignError(_OTHER_TENSORS[name])
        try:
            return self._functions[f"{module}.{name}"]
        except KeyError:
            raise _ForeignError(f"a {shown(f'{module}.{name}')}") from None

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _, count, *view = pid
        key = str(key)
        if kind != "storage" or not isinstance(dtype, torch.dtype) or not isinstance(count, int) or count < 0:
            raise _ForeignError("a module" if kind == "module" else "an unknown storage")
        if view and view[0] is not None:
            raise _ForeignError("views of storages, as PyTorch before 0.4 wrote them")
        if self.sizes.setdefault(key, dtype.itemsize) != dtype.itemsize:
            raise _DamagedError(f"damaged: storage {shown(key)} is of two types")
        if key not in self._storages:
            self._storages[key] = self._storage(key, count * dtype.itemsize)
        elif len(self._storages[key]) != count * dtype.itemsize:
            raise _DamagedError(f"damaged: storage {shown(key)} is of two sizes")
        return _Storage(self._storages[key].view(dtype))

    def _tensor(
        self, storage: _Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any
    ) -> Tensor:
        if len(size) > 16 or len(stride) != len(size) or min((offset, *size, *stride)) < 0:
            raise _DamagedError("damaged: a tensor of an impossible shape")
        values, count = storage.values, math.prod(size)
        if count > len(values):
            raise _DamagedError(
                f"holds an expanded tensor: shape {list(size)} from {len(values):,} values."
                " If it is yours, save it with .contiguous(); otherwise"
            )
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if count and last >= len(values):
            raise _DamagedError("damaged: a tensor that reaches beyond its values")
        return values.as_strided(size, stride, offset) if count else values.new_empty(size)

    @staticmethod
    def _parameter(data: Tensor, *_: Any) -> Tensor:
        if not isinstance(data, Tensor):
            raise _DamagedError("damaged: a parameter that is no tensor")
        return data

    def _reduce(self) -> None:
        # Called by name only: what else lies on the stack is data.
        arguments, function = self.stack.pop(), self.stack[-1]
        if not any(function is known for known in self._functions.values()):
            raise _DamagedError("damaged: a call of something that is no function")
        if function is OrderedDict:  # Python 2 pickled its entries as an argument
            self.stack[-1] = OrderedDict((_key(key), value) for key, value in (arguments or ((),))[0])
        else:
            self.stack[-1] = function(*arguments)

    def _new_object(self) -> None:
        arguments, kind = self.stack.pop(), self.stack[-1]
        if arguments or kind not in (OrderedDict, SimpleNamespace):
            raise _ForeignError(f"an object of {shown(kind)}")
        self.stack[-1] = kind()

    def _build(self) -> None:
        # A state dict carries versions of its modules as attributes; nobody reads them here.
        state, target = self.stack.pop(), self.stack[-1]
        if type(target) is SimpleNamespace and isinstance(state, dict):
            target.__dict__.update(state)
        elif type(target) is not OrderedDict:
            raise _ForeignError(f"an object of {type(target).__name__}")

    def _put_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._target(dict, OrderedDict)[_key(key)] = value

    def _put_items(self) -> None:
        items = self.pop_mark()
        self._target(dict, OrderedDict).update(zip(map(_key, items[::2]), items[1::2], strict=True))

    def _append(self) -> None:
        value = self.stack.pop()
        self._target(list).append(value)

    def _extend(self) -> None:
        items = self.pop_mark()
        self._target(list).extend(items)

    def _target(self, *kinds: type) -> Any:
        if type(self.stack[-1]) not in kinds:
            raise _DamagedError("damaged: entries of something that is no container")
        return self.stack[-1]

    dispatch |= {
        pickle.GLOBAL[0]: _Machine.load_global,
        pickle.REDUCE[0]: _reduce,
        pickle.NEWOBJ[0]: _new_object,
        pickle.BUILD[0]: _build,
        pickle.SETITEM[0]: _put_item,
        pickle.SETITEMS[0]: _put_items,
        pickle.APPEND[0]: _append,
        pickle.APPENDS[0]: _extend,
    }


def _key(key: Any) -> str | int:
    # Only of these can nobody choose a hundred thousand with the same hash, which takes hours to look up.
    if isinstance(key, str) or (isinstance(key, int) and abs(key) < 1 << 32):
        return key
    raise _DamagedError("damaged: a key that is neither text nor a small number")


def _unpickled(file: io.BytesIO, storage: Callable[[str, int], Tensor]) -> Any:
    return _run(_Unpickler(file, storage))


def _run(unpickler: _Unpickler) -> Any:
    try:
        return unpickler.load()
    except (_DamagedError, _ForeignError, zipfile.BadZipFile, OSError):
        raise
    except Exception as error:  # whatever a damaged program makes the machine stumble over
        version = getattr(unpickler, "proto", 2)
        if version > 2:
            raise _DamagedError(
                f"saved with pickle protocol {version}, not with torch.save's own. If it is yours, save it"
                " again without pickle_protocol; otherwise"
            ) from error
        raise _DamagedError(
            f"truncated or damaged: its list of contents cannot be read ({shown(error)})"
        ) from error


# ------------------------------------------------------------------------------------------------ bytes


def _filled(length: int, source: io.BufferedIOBase | Any) -> Tensor:
    values = torch.empty(length, dtype=torch.uint8)
    _fill(values, source)
    return values


def _fill(values: Tensor, source: Any) -> None:
    room, done = memoryview(values.numpy().data), 0
    while done < len(room):
        piece = _exactly(source, min(_PIECE, len(room) - done))
        room[done : done + len(piece)] = piece
        done += len(piece)


def _exactly(source: Any, count: int) -> bytes:
    data = cast(bytes, source.read(count))
    if len(data) != count:
        raise _DamagedError("truncated: its last tensors are missing")
    return data

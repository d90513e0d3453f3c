"""The chunks of an AVI file, counted by their headers alone.

AVI has no timestamps: a frame's place is the number of its chunk, and an empty chunk stands for a repeated
picture. A reader that skips what it cannot read loses count, and shifts all that follows.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import BinaryIO

_HEADER = struct.Struct("<4sI")
_LISTS = (b"RIFF", b"LIST")
_CHUNK = re.compile(rb"\d\d[A-Za-z]{2}|ix\d\d|JUNK|idx1|indx|rec ")


def chunk_numbers(path: Path, stream: int) -> dict[int, int]:
    """Offset of the data of each chunk of a video stream → its number, empty chunks counted.

    Args:
        path: AVI file, with or without index, OpenDML or not.
        stream: Number of the stream.

    Returns:
        The chunks up to the end of the file, or up to the first header that is none: what is behind it cannot
        be counted. One read of eight bytes per chunk.
    """
    numbers: dict[int, int] = {}
    names = (b"%02ddc" % stream, b"%02ddb" % stream)
    with path.open("rb") as file:
        end = file.seek(0, 2)
        at = 0
        while at + _HEADER.size <= end:
            name, size = _header(file, at)
            data = at + _HEADER.size
            if name in _LISTS:
                kind, _ = _header(file, data)
                # Lists with frames are entered, others (the file's head) are passed over.
                at = data + 4 if kind in (b"AVI ", b"AVIX", b"movi", b"rec ") else data + size + size % 2
                continue
            if not _CHUNK.fullmatch(name):
                break
            if name in names:
                numbers[data] = len(numbers)
            at = data + size + size % 2
    return numbers


def _header(file: BinaryIO, at: int) -> tuple[bytes, int]:
    file.seek(at)
    name, size = _HEADER.unpack(file.read(_HEADER.size).ljust(_HEADER.size, b"\0"))
    return name, size

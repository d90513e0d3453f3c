"""Stamps of files: what changes when one is repaired, exchanged or cut short, without reading it all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from stat import S_ISREG

from aukit.errors import CorpusError
from aukit.utils.files import file_sha256

CONTENT_BYTES = 16 * 2**20
"""Larger files are never stamped by content."""


def file_stamp(path: Path, content: bool = False) -> str:
    """Size and modification time of a file; where there is none, the reason.

    Args:
        path: The file.
        content: Whether the SHA-256 of a file of up to `CONTENT_BYTES` is part of it.

    Raises:
        CorpusError: The content cannot be read.
    """
    try:
        status = path.stat()
    except OSError as error:
        return str(error.strerror)
    stamp = _stamp(status)
    if not content or status.st_size > CONTENT_BYTES or not S_ISREG(status.st_mode):
        return stamp
    try:
        return f"{stamp} {file_sha256(path)}"
    except OSError as error:
        raise CorpusError(
            f"{path}: cannot be read ({error.strerror}); see to its rights or copy it again"
        ) from error


def folder_stamp(folder: Path, counts: Callable[[str], bool]) -> str:
    """Hash (64 hex digits) of the names, sizes and modification times of files directly in a folder.

    Cost: 8 µs per file on a local disk (0.17 s for 20,000 files), so that 150,000 images take 1.3 s.

    Args:
        folder: The folder; where there is none, the stamp says why.
        counts: Whether a file of that name is looked at.
    """
    try:
        with os.scandir(folder) as entries:
            stamps = sorted(f"{entry.name}|{_of(entry)}" for entry in entries if counts(entry.name))
    except OSError as error:
        return str(error.strerror)
    return hashlib.sha256("\n".join(stamps).encode(errors="surrogateescape")).hexdigest()


def _of(entry: os.DirEntry[str]) -> str:
    try:
        return _stamp(entry.stat())
    except OSError as error:
        return str(error.strerror)


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_mtime_ns}"

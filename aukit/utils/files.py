"""Atomic writes: a reader sees the old file or folder or the new one, never half of either."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to; on success it takes the place of `path`.

    The temporary name keeps the suffix, since many writers choose their format by it. It is removed on an
    error.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    _share(temporary, 0o666)
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.filename is None:  # a write to a full disk does not say where
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` to `path` in one step."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def atomic_folder(path: Path, resume: bool = False) -> Iterator[Path]:
    """Give a temporary folder beside `path` to fill; on success it takes the place of `path`.

    Args:
        path: the folder to make; what is there is replaced.
        resume: whether the temporary folder stays after an error or a kill, and is given to the next attempt
            as it is; such attempts must hold a lock. Otherwise every attempt gets an empty folder of its own.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if resume:
        temporary = path.with_name(f".{path.name}.building")
        temporary.mkdir(exist_ok=True)
    else:
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
        _share(temporary, 0o777)
    try:
        yield temporary
    except BaseException:
        if not resume:
            shutil.rmtree(temporary, ignore_errors=True)
        raise
    shutil.rmtree(path, ignore_errors=True)
    temporary.replace(path)


def _share(path: Path, mode: int) -> None:
    """Give a path the rights of any other one: temporary files and folders are made private."""
    umask = os.umask(0)
    os.umask(umask)
    path.chmod(mode & ~umask)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal digits; about 1 s per GB."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Atomic writes: a reader sees the old file or folder or the new one, never half of either."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aukit.errors import ConfigError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to; on success it takes the place of `path`.

    The temporary name keeps the suffix, since many writers choose their format by it. It is removed on an
    error. What a killed process leaves is taken over by the next one that writes `path`, so that repeating a
    command leaves nothing behind.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary, handle = _temporary_file(path)
    try:
        yield temporary
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # a write to a full disk does not say where
            error.filename = str(path)
        raise
    finally:
        os.close(handle)


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` to `path` in one step."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def replaces_its_kind(path: Path, beginning: bytes) -> None:
    """See that a file which is about to be written replaces nothing but an earlier one of its kind.

    Args:
        path: Where it will be.
        beginning: What all files of its kind begin with.

    Raises:
        ConfigError: What is there begins otherwise.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        if file.read(len(beginning)) != beginning:
            raise ConfigError(f"{path}: is there already, and of another kind; name another --out")


@contextmanager
def atomic_folder(path: Path, resume: bool = False) -> Iterator[Path]:
    """Give a temporary folder beside `path` to fill; on success it takes the place of `path`.

    A second process that makes the same folder waits for the first one. What a kill leaves of the old folder
    is removed by the next one that makes it.

    Args:
        path: the folder to make; what is there is replaced.
        resume: whether the temporary folder stays after an error, and is given to the next attempt as it is.
            Otherwise every attempt gets an empty one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = building_folder(path)
    with _locked_folder(temporary):
        if not resume:
            _empty(temporary)
        try:
            yield temporary
        except BaseException:
            if not resume:
                shutil.rmtree(temporary, ignore_errors=True)
            raise
        # What is there is moved aside at once: removed in its place it would be half there for a while, and
        # for good after a kill.
        replaced = path.with_name(f".{path.name}.replaced")
        shutil.rmtree(replaced, ignore_errors=True)
        if path.is_dir() and not path.is_symlink():
            path.rename(replaced)
        temporary.replace(path)
        shutil.rmtree(replaced, ignore_errors=True)


def building_folder(path: Path) -> Path:
    """Where `atomic_folder` lets a folder be filled."""
    return path.with_name(f".{path.name}.building")


def _temporary_file(path: Path) -> tuple[Path, int]:
    """A temporary file beside `path` and a handle that keeps others from it.

    It has the same name in every attempt, unless a living process writes to it. The lock ends with the
    process, by whatever it is killed.
    """
    temporary = path.with_name(f".{path.stem}.part{path.suffix}")
    while True:
        handle = -1
        try:
            handle = os.open(temporary, os.O_RDWR | os.O_CREAT, 0o666)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(temporary, handle):
                os.ftruncate(handle, 0)
                return temporary, handle
            os.close(handle)
        except (BlockingIOError, PermissionError):  # somebody writes to it, or it is another user's
            if handle >= 0:
                os.close(handle)
            own = path.with_name(f".{path.stem}.{uuid.uuid4().hex}{path.suffix}")
            return own, os.open(own, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)


@contextmanager
def _locked_folder(folder: Path) -> Iterator[None]:
    """Make a folder and keep other processes from it."""
    while True:
        folder.mkdir(exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX)
        if _is_still(folder, handle):
            break
        os.close(handle)
    try:
        yield
    finally:
        os.close(handle)


def _is_still(path: Path, handle: int) -> bool:
    """Whether a path leads to what was opened, which another process may have renamed meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(handle))
    return False


def _empty(folder: Path) -> None:
    for each in folder.iterdir():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        else:
            each.unlink()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal digits; about 1 s per GB."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""What lies where below the root of a release: folders, landmark sidecars, the description of a stand-in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from aukit.errors import CorpusError
from aukit.utils.outside import load_npy, read_json

STANDIN_FILE = "STANDIN.json"
SIDECAR_FOLDER = "Landmarks"

_MAX_JSON_BYTES = 2**20
_MAX_LANDMARK_BYTES = 512 * 2**20


def read_description(path: Path) -> dict[str, Any]:
    """Recipe, version and seed of a rendered corpus.

    Raises:
        CorpusError: The file is damaged or has no version.
    """
    try:
        content = read_json(path, _MAX_JSON_BYTES)
        if not isinstance(content, dict) or "version" not in content:
            raise ValueError("no version in it")
    except (OSError, ValueError) as error:
        raise CorpusError(
            f"{path}: is no description of a rendered corpus ({error}); write the corpus again"
        ) from error
    return content


def read_landmarks(path: Path) -> npt.NDArray[np.float32]:
    """Landmarks [T, 68, 3] of a video in pixels of the full frame; NaN rows = no face found.

    Raises:
        CorpusError: The file is missing or damaged.
    """
    try:
        points = load_npy(path, _MAX_LANDMARK_BYTES)
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path}: cannot be read as landmarks ({error}); write it again") from error
    if points.ndim != 3 or points.shape[1:] != (68, 3) or not np.issubdtype(points.dtype, np.floating):
        raise CorpusError(
            f"{path}: {points.dtype} {points.shape}, expected floats [T, 68, 3]; write it again"
        )
    return np.ascontiguousarray(points, dtype=np.float32)


Key = TypeVar("Key")


def inside(root: Path, relative: str) -> Path:
    """Absolute path of a file of the release.

    Raises:
        CorpusError: The name leaves the root, by ``..``, as an absolute path or through a symbolic link.
    """
    path = root / relative
    try:
        leaves = PurePosixPath(relative).is_absolute() or not path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError) as error:
        raise CorpusError(f"{relative}: links lead in a circle; put the file itself there") from error
    if leaves:
        raise CorpusError(
            f"{relative}: leads out of the corpus root; put the files themselves below the root"
        )
    return path


def walk(root: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Folders below `root` in sorted order: (relative path, names of its folders, names of its files).

    What is removed from the list of folders is not entered, so that folders of many thousand images need not
    be listed. Linked folders are not entered; linked files count where they stay below the root.

    Raises:
        CorpusError: A link leads out of the root.
    """
    for folder, folders, files in os.walk(root):
        folders.sort()
        relative = Path(folder).relative_to(root).as_posix()
        for name in (*files, *folders):
            if os.path.islink(os.path.join(folder, name)):
                inside(root, f"{relative}/{name}")
        yield relative, folders, sorted(name for name in files if os.path.isfile(os.path.join(folder, name)))


def join(folder: str, name: str) -> str:
    """Path of a file in a folder that `walk` named."""
    return name if folder == "." else f"{folder}/{name}"


def put(files: dict[Key, str], key: Key, relative: str) -> None:
    """Enter a file into an index.

    Raises:
        CorpusError: There is another file of that meaning.
    """
    if key in files:
        raise CorpusError(f"the same file twice: {files[key]} and {relative}; remove one of them")
    files[key] = relative


def require_folder(root: Path, corpus: str) -> None:
    """Check that there is a folder at all.

    Raises:
        CorpusError: There is none; the message says where one comes from.
    """
    if not root.is_dir():
        raise CorpusError(
            f"{root}: no such folder. Give the folder of the release, or write a stand-in there: "
            f"aukit standin {corpus} --root FOLDER"
        )

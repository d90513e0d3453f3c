"""What lies where below the root of a release: folders, landmark sidecars, the description of a stand-in."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from aukit.datasets.registry import corpus_names
from aukit.errors import CorpusError
from aukit.utils.outside import read_json

STANDIN_FILE = "STANDIN.json"
AGREEMENT_FILE = "inter_rater_agreement.json"
"""Agreement of two simulated annotators, in the root of a stand-in; written last: what has it is complete."""

SIDECAR_FOLDER = "Landmarks"

_MAX_JSON_BYTES = 2**20


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


Key = TypeVar("Key")


def inside(root: Path, relative: str, follow_links: bool = False) -> Path:
    """Path of a file or folder of the release; the last door before something is opened.

    Args:
        root: Folder that the name belongs to.
        relative: Name below it.
        follow_links: Whether symbolic links may lead anywhere.

    Raises:
        CorpusError: The name leaves the root, by ``..``, as an absolute path or through a symbolic link; it
            is a pipe, a socket or a device, which must never be opened; links lead in a circle.
    """
    path = root / relative
    pure = PurePosixPath(relative)
    if pure.is_absolute() or ".." in pure.parts:
        raise CorpusError(f"{relative}: leads out of the corpus root; name a file below it")
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = stat.S_IFREG  # whoever opens it reports it
    except OSError as error:
        why = "links lead in a circle" if error.errno == errno.ELOOP else error.strerror
        raise CorpusError(f"{relative}: {why}; put the file itself there") from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise CorpusError(f"{relative}: is a pipe, a socket or a device; put the file itself there")
    if not follow_links and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
        raise CorpusError(
            f"{relative}: a link leads out of the corpus root; put the files themselves below the root, or "
            "have links followed: --follow-links, or data.follow_links=true in an experiment"
        )
    return path


@dataclass(frozen=True)
class Folder:
    """One folder that `walk` has come to.

    Attributes:
        path: Its path relative to the root, ``.`` for the root.
        folders: Names of its folders, sorted. What is removed from the list is not entered, so that folders
            of many thousand images need not be listed.
        files: Names of its files, sorted.
        others: Names of what is neither, sorted: pipes, sockets, devices, and links that lead to nothing or
            to themselves.
        same_as: Path of the folder under which its content was seen already, through a link; it is listed
            only once, and this one is given as empty.
    """

    path: str
    folders: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    same_as: str | None = None


def walk(root: Path, follow_links: bool = False) -> Iterator[Folder]:
    """Folders below `root`, those of a folder in sorted order.

    Without `follow_links`, linked folders are not entered and linked files count where they stay below the
    root. With it, both count wherever they lead; no folder is entered twice, so that loops end.

    Raises:
        CorpusError: A folder cannot be listed, or a link leads out of the root and is not to be followed.
    """

    def fail(error: OSError) -> None:
        raise CorpusError(
            f"{error.filename}: cannot be listed ({error.strerror}); mend its permissions or copy it again"
        )

    seen: dict[str, str] = {}  # by the real path
    for folder, folders, names in os.walk(root, onerror=fail, followlinks=follow_links):
        relative = Path(folder).relative_to(root).as_posix()
        before = seen.setdefault(os.path.realpath(folder), relative)
        if before != relative:
            folders.clear()
            yield Folder(relative, same_as=before)
            continue
        folders.sort()
        for name in () if follow_links else (*names, *folders):
            if os.path.islink(os.path.join(folder, name)):
                inside(root, join(relative, name))
        files = {name for name in names if os.path.isfile(os.path.join(folder, name))}
        yield Folder(relative, folders, sorted(files), sorted({*names} - files))


def file_names(root: Path, folder: str, follow_links: bool = False) -> list[str]:
    """Names of the files directly in a folder, sorted; a folder that is not there has none.

    What is no file, such as a pipe or a link to nothing, is left out.

    Raises:
        CorpusError: The folder cannot be listed, or a link leads out of the root and is not to be followed.
    """
    path = inside(root, folder, follow_links)
    names = []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_symlink():
                    inside(root, join(folder, entry.name), follow_links)
                if entry.is_file():
                    names.append(entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise CorpusError(f"{path}: cannot be listed ({error.strerror}); copy it again") from error
    return sorted(names)


def no_file(path: Path) -> CorpusError:
    """The error about one of a folder's `others` that is called like something to be read."""
    what = "a pipe, a socket or a device" if path.exists() else "a link to nothing"
    return CorpusError(f"{path}: is {what}, not a file; put the file itself there, or remove it")


def join(folder: str, name: str) -> str:
    """Path of a file in a folder that `walk` named."""
    return name if folder == "." else f"{folder}/{name}"


def without_ending(path: str) -> str:
    """Path without the ending of the file's name, such as ``faces/0001`` of ``faces/0001.png``."""
    folder, _, name = path.rpartition("/")
    return join(folder or ".", name.rpartition(".")[0] or name)


def put(files: dict[Key, str], key: Key, relative: str) -> None:
    """Enter a file into an index.

    Raises:
        CorpusError: There is another file of that meaning.
    """
    if key in files:
        raise CorpusError(f"the same file twice: {files[key]} and {relative}; remove one of them")
    files[key] = relative


def numbered(pattern: re.Pattern[str], names: Iterable[str]) -> dict[int, str]:
    """Number → name of the files whose names have one.

    Args:
        pattern: Of the names; the first group is the number.
        names: Of all files in a folder.

    Raises:
        CorpusError: Two have the same number.
    """
    files: dict[int, str] = {}
    for name in names:
        if match := pattern.fullmatch(name):
            put(files, int(match[1]), name)
    return files


def require_finished(root: Path, corpus: str) -> None:
    """Check that a stand-in is there as a whole; a licensed release passes.

    Raises:
        CorpusError: Its writer was stopped, or is still at work.
    """
    if (root / STANDIN_FILE).exists() and not (root / AGREEMENT_FILE).exists():
        raise CorpusError(
            f"{root}: an unfinished stand-in: {AGREEMENT_FILE}, which is written last, is missing; repeat "
            f"the command that began it (aukit standin {corpus} --root {root} ...): it goes on"
        )


def require_folder(root: Path, corpus: str, option: str = "root") -> None:
    """Check that there is a folder at all.

    Raises:
        CorpusError: There is none; the message says where one comes from.
    """
    if root.is_dir():
        return
    if option != "root" or corpus not in corpus_names(standin=True):
        raise CorpusError(f"{root}: no such folder; correct {option}")
    raise CorpusError(
        f"{root}: no such folder. Give the folder of the release, or write a stand-in there: "
        f"aukit standin {corpus} --root FOLDER"
    )

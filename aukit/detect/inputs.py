"""What a user named → videos and lists of images, each with the name of its table."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aukit.datasets.files import walk
from aukit.datasets.images import BESIDE, ENDINGS, is_picture
from aukit.errors import ConfigError, shown

VIDEO_ENDINGS = (
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".asf",
    ".flv", ".ogv", ".3gp", ".3g2", ".mxf", ".dv", ".nut",
)  # fmt: skip
"""Of the files in a folder that are taken for videos; a file that is named itself may be called anything."""

PHOTOGRAPHS = "photographs"
"""Name of the table of all photographs that were named one by one."""

DRAWN = OVERLAY, HEAT_MAPS, CROPS = ".overlay", ".heatmaps", ".crops"
"""Ends of the names of folders and, before ``.mp4``, of videos with what was found drawn into them."""

_OTHER_IMAGES = (".gif", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2")
_LONGEST_NAME = 180  # bytes; a file system has 255, and temporary names are longer


@dataclass
class Inputs:
    """What is to be read.

    Attributes:
        videos: Files by the names of their tables.
        folders: Images below a folder, in order, by their paths in it; by the names of the tables.
        photographs: Images that were named one by one, by what the table calls them.
        refused: What is wrong with files that were named and are of no format that is read.
        left_out: Files in folders that are neither images nor videos of a known format.
        formats: How many of those are images of other formats, by their ends.
    """

    videos: dict[str, Path] = field(default_factory=dict)
    folders: dict[str, dict[str, Path]] = field(default_factory=dict)
    photographs: dict[str, Path] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    left_out: int = 0
    formats: Counter[str] = field(default_factory=Counter)


def find_inputs(named: str | Path | Iterable[str | Path]) -> Inputs:
    """Look for all that was named: files, folders with their folders, patterns such as ``clips/**/*.mp4``.

    A path by itself is one input.

    A file that is named twice counts once; overlays, which this command writes, never count. A link to
    nothing counts as the file that its name says, so that what was not fetched is not left out in silence.

    Raises:
        ConfigError: Something is not there, or nothing is to be read.
        CorpusError: A folder cannot be listed.
    """
    inputs = Inputs()
    named = [named] if isinstance(named, str | Path) else named
    videos: list[Path] = []
    images: dict[Path, dict[str, Path]] = {}
    paths = {os.path.realpath(path): path for text in reversed(list(named)) for path in _expanded(text)[::-1]}
    for path in reversed(paths.values()):
        if path.is_dir():
            found = _below(path, inputs)
            images[path] = {text_of(name): path / name for name in found if is_picture(name.name)}
            videos += [path / name for name in found if not is_picture(name.name)]
        elif is_picture(path.name):
            inputs.photographs[text_of(path)] = path
        elif path.name.lower().endswith(_OTHER_IMAGES):
            inputs.refused[text_of(path)] = (
                f"images of this format are not read, {', '.join(ENDINGS)} are; save it as JPEG"
            )
        else:
            videos.append(path)
    videos = list({os.path.realpath(path): path for path in videos}.values())
    folders = [path for path, found in images.items() if found]
    if not (videos or folders or inputs.photographs):
        for name, why in inputs.refused.items():
            raise ConfigError(f"{name}: {why}")
        other = f" ({', '.join(inputs.formats)} are not read; save them as JPEG)" if inputs.formats else ""
        raise ConfigError(f"no image and no video among {inputs.left_out} files{other}; name some")
    names = distinct_names([*videos, *folders], taken=[PHOTOGRAPHS])
    inputs.videos = dict(zip(names, videos, strict=False))
    inputs.folders = dict(zip(names[len(videos) :], (images[path] for path in folders), strict=True))
    return inputs


def distinct_names(paths: Sequence[Path], taken: Collection[str] = ()) -> list[str]:
    """A name for a file about each path: its stem where no other path has it, else as much more as it takes.

    Names that differ by capital letters alone count as equal, as on some file systems.

    Example:
        >>> distinct_names([Path("a/clip.mp4"), Path("b/clip.mp4"), Path("b/other.mp4")])
        ['a-clip', 'b-clip', 'other']
        >>> distinct_names([Path("a/clip.mp4"), Path("a/clip.avi")])
        ['clip.mp4', 'clip.avi']

    Raises:
        ConfigError: Paths cannot be told apart by any part of them.
    """
    whole = [Path(os.path.abspath(path)) for path in paths]
    most = max((len(path.parts) for path in whole), default=0)
    levels = _levels(most)
    level = [0] * len(paths)
    while True:
        names = [_name(path, *levels[step]) for path, step in zip(whole, level, strict=True)]
        groups: dict[str, list[int]] = {name.casefold(): [] for name in taken}
        alone = {*groups}
        for index, name in enumerate(names):
            groups.setdefault(name.casefold(), []).append(index)
        same = [group for name, group in groups.items() if len(group) > (name not in alone)]
        if not same:
            return names
        for group in same:
            least = min(level[index] for index in group)  # a longer name is kept
            for index in group:
                level[index] += level[index] == least
                if level[index] == len(levels):
                    raise ConfigError(f"{paths[index]}: its table has no name of its own; rename the file")


def table_names(path: Path) -> list[str]:
    """All names that `distinct_names` may give a path, the shortest first.

    Example:
        >>> table_names(Path("/a/clip.mp4"))[:4]
        ['clip', 'clip.mp4', 'a-clip', 'a-clip.mp4']
    """
    whole = Path(os.path.abspath(path))
    return [_name(whole, *level) for level in _levels(len(whole.parts))]


def text_of(path: Path) -> str:
    """A path as text that any file can hold: bytes that are no UTF-8 are replaced."""
    return os.fsencode(path).decode("utf-8", "replace")


def _levels(depth: int) -> list[tuple[int, bool]]:
    """How many parts of a path stand in a name, and whether its ending does."""
    return [(parts, ending) for parts in range(1, depth + 1) for ending in (False, True)]


def _name(path: Path, depth: int, ending: bool) -> str:
    last = path.name if ending or path.is_dir() else path.stem
    name = "-".join([*(part.strip("/") for part in path.parts[-depth:-1]), last])
    return os.fsencode(name)[:_LONGEST_NAME].decode("utf-8", "ignore") or "root"


def _expanded(text: str | Path) -> list[Path]:
    path = Path(text)
    if os.path.lexists(path):  # also one called "[1].jpg"
        return [path]
    if found := sorted(glob.glob(str(text), recursive=True)):
        return [Path(each) for each in found]
    pattern = " matches this pattern" if glob.has_magic(str(text)) else ""
    raise ConfigError(f"{shown(text)}: no such file or folder{pattern}; see whether the name is right")


def _below(root: Path, inputs: Inputs) -> list[Path]:
    """Images and videos in a folder and its folders, in order, relative to it; other files are counted."""
    found: list[Path] = []
    for folder in walk(root, follow_links=True):
        folder.folders[:] = [name for name in folder.folders if not name.endswith(DRAWN)]
        for name in sorted([*folder.files, *folder.others]):
            if is_picture(name) or (name.lower().endswith(VIDEO_ENDINGS) and not name.startswith(BESIDE)):
                if not name.endswith(tuple(f"{end}.mp4" for end in DRAWN)):
                    found.append(Path(folder.path) / name)
            else:
                inputs.left_out += 1
                ends = [end for end in _OTHER_IMAGES if name.lower().endswith(end)]
                inputs.formats.update([] if name.startswith(BESIDE) else ends)
    return found

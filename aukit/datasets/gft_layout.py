"""What lies where in a GFT release: people, their published partition, and files found by their names."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from aukit.datasets.files import join, put, require_folder, walk
from aukit.datasets.gft_columns import Columns
from aukit.errors import CorpusError

NAMESPACE = "GFT"
SEATS = "ABC"
_TEST = (8, 10, 19, 22, 28, 30)
_VALID = (5, 12, 13, 15, 27, 32)
GROUPS: dict[str, tuple[int, ...]] = {
    "train": tuple(g for g in range(1, 33) if g not in (*_TEST, *_VALID)),
    "valid": _VALID,
    "test": _TEST,
}
"""Groups of three people in each partition: those of the public frame lists of Patch-MCD (train is what they
leave). They hold whole groups, so that no conversation is on two sides."""

LISTED_FRAMES = {"valid": 24_619, "test": 24_723}
"""Frames in those lists, which lack invalid ones."""

LISTED_RATES: dict[str, dict[int, float]] = {
    "test": {1: 0.041, 2: 0.140, 4: 0.033, 6: 0.275, 7: 0.486, 10: 0.242, 12: 0.296, 14: 0.029, 15: 0.104,
             17: 0.315, 23: 0.283, 24: 0.131},
    "valid": {1: 0.045, 2: 0.122, 4: 0.034, 6: 0.277, 7: 0.451, 10: 0.247, 12: 0.292, 14: 0.030, 15: 0.095,
              17: 0.324, 23: 0.255, 24: 0.141},
}  # fmt: skip
"""Share of those frames in which each action unit is present."""


def partition_of(subject: str) -> str | None:
    """``train``, ``valid`` or ``test`` of an id such as ``028C``; None for someone whom GFT does not have."""
    match = re.fullmatch(rf"(\d{{3}})[{SEATS}]", subject)
    group = int(match[1]) if match else 0
    return next((name for name, groups in GROUPS.items() if group in groups), None)


def subjects(partition: str) -> tuple[str, ...]:
    """Ids of a partition's people, sorted."""
    return tuple(f"{group:03d}{seat}" for group in GROUPS[partition] for seat in SEATS)


@dataclass
class Index:
    """Relative paths (``/`` as separator) of videos and label files by person."""

    videos: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    intensity_labels: dict[str, str] = field(default_factory=dict)
    folders: Counter[tuple[str, str]] = field(default_factory=Counter)


def scan(root: Path, columns: Columns) -> Index:
    """Index the files that the column map names, in whatever folders below `root`.

    Raises:
        CorpusError: The root is missing or holds no video, a file is there twice, someone is not of GFT, or a
            link leads out of the root.
    """
    require_folder(root, "gft")
    index = Index()
    kinds = {
        "video": (columns.videos, index.videos),
        "label": (columns.labels, index.labels),
        "intensity label": (columns.intensity_labels, index.intensity_labels),
    }
    patterns = {kind: (_pattern(name), files) for kind, (name, files) in kinds.items() if name is not None}
    for folder, _, files in walk(root):
        for name in files:
            for kind, (pattern, found) in patterns.items():
                if match := pattern.fullmatch(name):
                    put(found, _known(match[1].upper(), join(folder, name)), join(folder, name))
                    index.folders[kind, folder] += 1
    if not index.videos:
        raise CorpusError(
            f"{root}: no video called {columns.videos} in it or below. Unpack the release there, correct the "
            "key 'videos' of the column map, or write a stand-in: aukit standin gft --root FOLDER"
        )
    return index


def _pattern(name: str) -> re.Pattern[str]:
    before, after = name.split("{person}")
    return re.compile(rf"{re.escape(before)}(\d{{3}}[A-Za-z]){re.escape(after)}", re.IGNORECASE)


def _known(subject: str, relative: str) -> str:
    if partition_of(subject) is None:
        raise CorpusError(f"{relative}: GFT has the people 001A, 001B, 001C to 032C, not {subject}")
    return subject

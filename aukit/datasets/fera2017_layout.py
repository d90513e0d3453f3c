"""What lies where in a FERA 2017 release: file names → an index, without opening a file."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from aukit.datasets.files import join, put, require_folder, walk
from aukit.errors import CorpusError

PARTITIONS = {"TR": "train", "VA": "valid", "TE": "test"}
NAMESPACES = {"train": "BP4D", "valid": "FERA2017-valid", "test": "FERA2017-test"}
"""Train people are BP4D's people; Valid and Test re-use its numbers for others (people of BP4D+)."""

VIEWS = range(1, 10)
_STEM = r"FERA17_(?P<partition>TR|VA|TE)_(?P<subject>[A-Za-z]*\d+)_(?P<task>T\d+)"
_VIDEO = re.compile(_STEM + r"_(?P<view>[1-9])\.(?:mp4|avi)", re.IGNORECASE)
_OCCURRENCE = re.compile(_STEM + r"\.csv", re.IGNORECASE)
_INTENSITY = re.compile(_STEM + r"_AU(?P<au>\d{1,2})(?:_Int)?\.csv", re.IGNORECASE)


@dataclass(frozen=True, order=True)
class Sequence:
    """One recording: a person doing a task; its nine views share the labels."""

    partition: str
    subject: str
    task: str

    @property
    def person(self) -> str:
        """Global person id."""
        return f"{NAMESPACES[self.partition]}/{self.subject}"

    @property
    def gender(self) -> str | None:
        """From the id's letter (after the ``r`` of re-recorded people): F female, M male, else unknown."""
        match = re.fullmatch(r"r?([FM])\d+", self.subject)
        return None if match is None else {"F": "female", "M": "male"}[match[1]]


@dataclass
class Index:
    """Relative paths (``/`` as separator) of all files of a release that its naming scheme covers."""

    videos: dict[tuple[Sequence, int], str] = field(default_factory=dict)
    occurrence: dict[Sequence, str] = field(default_factory=dict)
    intensity: dict[tuple[Sequence, int], str] = field(default_factory=dict)
    folders: Counter[tuple[str, str]] = field(default_factory=Counter)


def scan(root: Path) -> Index:
    """Index all videos and label files below `root`, whatever the folders are called.

    Raises:
        CorpusError: The root is missing or empty of such files, the same name occurs in two folders, or a
            link leads out of the root.
    """
    require_folder(root, "fera2017")
    index = Index()
    for folder, _, files in walk(root):
        for name in files:
            relative = join(folder, name)
            if m := _VIDEO.fullmatch(name):
                put(index.videos, (_sequence(m), int(m["view"])), relative)
                index.folders["video", folder] += 1
            elif m := _OCCURRENCE.fullmatch(name):
                put(index.occurrence, _sequence(m), relative)
                index.folders["occurrence", folder] += 1
            elif m := _INTENSITY.fullmatch(name):
                put(index.intensity, (_sequence(m), int(m["au"])), relative)
                index.folders["intensity", folder] += 1
    if not index.videos:
        raise CorpusError(
            f"{root}: no FERA 2017 video (FERA17_TR_F001_T1_6.mp4 …) in it or below. Unpack the release "
            "there, or write a stand-in: aukit standin fera2017 --root FOLDER"
        )
    return index


def _sequence(match: re.Match[str]) -> Sequence:
    letters = re.fullmatch(r"(r?)(.*)", match["subject"], re.IGNORECASE)
    assert letters is not None
    subject = letters[1].lower() + letters[2].upper()
    return Sequence(PARTITIONS[match["partition"].upper()], subject, match["task"].upper())

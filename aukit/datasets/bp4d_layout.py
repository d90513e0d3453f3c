"""What lies where in a BP4D release: names of folders and files → an index, without opening a file."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from aukit.datasets.files import join, put, require_folder, walk
from aukit.datasets.folds import fold_split_of
from aukit.datasets.images import image_number
from aukit.errors import CorpusError

NAMESPACE = "BP4D"
_SUBJECT = re.compile(r"[FM]\d{3}", re.IGNORECASE)
_TASK = re.compile(r"T\d{1,2}", re.IGNORECASE)
_OCCURRENCE = re.compile(r"([FM]\d{3})_(T\d{1,2})\.csv", re.IGNORECASE)
_INTENSITY = re.compile(r"([FM]\d{3})_(T\d{1,2})_AU(\d{1,2})\.csv", re.IGNORECASE)


@dataclass(frozen=True, order=True)
class Sequence:
    """One recording: a person doing a task."""

    subject: str
    task: str

    @property
    def person(self) -> str:
        """Global person id."""
        return f"{NAMESPACE}/{self.subject}"

    @property
    def gender(self) -> str:
        """From the id's letter."""
        return "female" if self.subject.startswith("F") else "male"

    @property
    def partition(self) -> str:
        """P1, P2 or P3 (see `aukit.datasets.folds`)."""
        part = fold_split_of("bp4d", self.subject)
        assert part is not None
        return part


@dataclass
class Index:
    """Relative paths (``/`` as separator) of the image folders and label files of a release."""

    images: dict[Sequence, str] = field(default_factory=dict)
    occurrence: dict[Sequence, str] = field(default_factory=dict)
    intensity: dict[tuple[Sequence, int], str] = field(default_factory=dict)
    folders: Counter[tuple[str, str]] = field(default_factory=Counter)

    def label_files(self, sequence: Sequence, aus: tuple[int, ...]) -> list[str]:
        """Label files of a sequence that there are."""
        files = [self.occurrence.get(sequence), *(self.intensity.get((sequence, au)) for au in aus)]
        return [file for file in files if file is not None]


def scan(root: Path) -> Index:
    """Index image folders (``…/F001/T1``) and label files below `root`, whatever the folders are called.

    Raises:
        CorpusError: The root is missing or holds no images, a sequence or label file is there twice, someone
            is not of BP4D, or a link leads out of the root.
    """
    require_folder(root, "bp4d")
    index = Index()
    for folder, folders, files in walk(root):
        if _SUBJECT.fullmatch(Path(folder).name):
            for name in [f for f in folders if _TASK.fullmatch(f)]:
                folders.remove(name)  # not entered: it may hold thousands of files
                relative = join(folder, name)
                if _has_images(root / relative):
                    put(index.images, _sequence(Path(folder).name, name, relative), relative)
                    index.folders["image", str(Path(folder).parent)] += 1
        for name in files:
            relative = join(folder, name)
            if m := _OCCURRENCE.fullmatch(name):
                put(index.occurrence, _sequence(m[1], m[2], relative), relative)
                index.folders["occurrence", folder] += 1
            elif m := _INTENSITY.fullmatch(name):
                put(index.intensity, (_sequence(m[1], m[2], relative), int(m[3])), relative)
                index.folders["intensity", str(Path(folder).parent)] += 1
    if not index.images:
        raise CorpusError(
            f"{root}: no BP4D images (Sequences(2D+3D)/F001/T1/2440.jpg …) in it or below. Unpack the "
            "release there, or write a stand-in: aukit standin bp4d --root FOLDER"
        )
    return index


def _has_images(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return any(image_number(entry.name) is not None for entry in entries)


def _sequence(subject: str, task: str, relative: str) -> Sequence:
    sequence = Sequence(subject.upper(), task.upper())
    if fold_split_of("bp4d", sequence.subject) is None:
        raise CorpusError(
            f"{relative}: BP4D has the people F001 to F023 and M001 to M018, not {sequence.subject}. BP4D+ "
            "re-uses BP4D's numbers for other people: keep the two in different folders"
        )
    return sequence

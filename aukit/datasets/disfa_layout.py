"""What lies where in a DISFA release: names of folders and files → an index, without opening a file."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from aukit.datasets.files import inside, join, put, require_folder, walk
from aukit.datasets.folds import fold_split_of
from aukit.errors import CorpusError

NAMESPACE = "DISFA"
CAMERAS = ("left", "right")
_VIDEO = re.compile(r"(Left|Right)Video(SN\d{3})_comp\.(?:avi|mp4)", re.IGNORECASE)
_LABELS = re.compile(r"(SN\d{3})_au(\d{1,2})\.txt", re.IGNORECASE)
_SUBJECT = re.compile(r"SN\d{3}", re.IGNORECASE)
_LANDMARK_FOLDER = re.compile(r"(?:tmp_)?frame_lm", re.IGNORECASE)
# Five digits at most: whoever makes an array by frame must not need all memory for one odd name.
_LANDMARKS = re.compile(r"SN\d{3}_(0*\d{1,5})_lm\.mat", re.IGNORECASE)


@dataclass
class Index:
    """Relative paths (``/`` as separator) of videos, label files and landmark folders of a release."""

    videos: dict[tuple[str, str], str] = field(default_factory=dict)
    labels: dict[tuple[str, int], str] = field(default_factory=dict)
    landmarks: dict[str, str] = field(default_factory=dict)
    folders: Counter[tuple[str, str]] = field(default_factory=Counter)

    def label_files(self, subject: str) -> dict[int, str]:
        """Label file of each AU of a person, for those that there are."""
        return {au: file for (who, au), file in sorted(self.labels.items()) if who == subject}


def scan(root: Path) -> Index:
    """Index videos, label files and landmark folders below `root`, whatever the folders are called.

    Raises:
        CorpusError: The root is missing or holds no video, a file is there twice, someone is not of DISFA, or
            a link leads out of the root.
    """
    require_folder(root, "disfa")
    index = Index()
    for folder, folders, files in walk(root):
        if _SUBJECT.fullmatch(subject := Path(folder).name):
            for name in [f for f in folders if _LANDMARK_FOLDER.fullmatch(f)]:
                folders.remove(name)  # not entered: it holds a file per frame
                put(index.landmarks, _known(subject, join(folder, name)), join(folder, name))
                index.folders["landmark", str(Path(folder).parent)] += 1
        for name in files:
            relative = join(folder, name)
            if m := _VIDEO.fullmatch(name):
                put(index.videos, (_known(m[2], relative), m[1].lower()), relative)
                index.folders["video", folder] += 1
            elif m := _LABELS.fullmatch(name):
                put(index.labels, (_known(m[1], relative), int(m[2])), relative)
                index.folders["label", str(Path(folder).parent)] += 1
    if not index.videos:
        raise CorpusError(
            f"{root}: no DISFA video (LeftVideoSN001_comp.avi …) in it or below. Unpack the release there, "
            "or write a stand-in: aukit standin disfa --root FOLDER"
        )
    return index


def list_landmarks(root: Path, folder: str) -> dict[int, str]:
    """Index of the frame, from 0 → name of its landmark file."""
    names = sorted(os.listdir(inside(root, folder)))
    return {int(match[1]): name for name in names if (match := _LANDMARKS.fullmatch(name))}


def _known(subject: str, relative: str) -> str:
    if fold_split_of("disfa", subject.upper()) is None:
        raise CorpusError(
            f"{relative}: DISFA has the 27 people SN001 to SN032 without 014, 015, 019, 020 and 022, not "
            f"{subject.upper()}; keep other corpora in folders of their own"
        )
    return subject.upper()

"""DISFA: the reader of the official release (and of the stand-in, which has the same layout)."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.io import loadmat

from aukit.datasets.files import inside, join, put, require_folder, walk
from aukit.datasets.folds import fold_split_of
from aukit.datasets.label_files import INTENSITY_CODES, NOT_CODED, LabelFile, read_intensity
from aukit.datasets.media import Image, count_frames, decode_video
from aukit.datasets.release import Exclusion, Release
from aukit.errors import CorpusError
from aukit.facs import CORPUS_AUS, intensity_column, occurrence_column

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


AUS = CORPUS_AUS["disfa"]
TASK = "S1"
"""Name of the one session of each person."""
POINTS = 66
_CODES = INTENSITY_CODES - {NOT_CODED}
_MAX_MAT_BYTES = 64 * 2**10


class DISFA(Release):
    """DISFA: 27 adults watch one film, filmed by two cameras; twelve AUs with intensities in every frame.

    *Format.* ``LeftVideoSN001_comp.avi`` and ``RightVideoSN001_comp.avi``; per person one text file per AU,
    ``SN001_au1.txt``, with lines ``frame,intensity`` (0..5) for AUs 1 2 4 5 6 9 12 15 17 20 25 26; optional
    landmarks (`release_landmarks`). Files are found by name anywhere below the root. Line i belongs to
    decoded frame i, whether the file counts from 0 or from 1 (`notes` says which). Some copies lack single
    files: that AU of that person is NaN, with a note.

    *Occurrence.* The release has none: an AU is present from intensity `threshold` on.

    *Splits.* ``partition`` is the part P1, P2 or P3 of the usual three folds (`aukit.datasets.folds`). People
    are ``DISFA/SN001`` and so on; nothing public says who is a woman: give a table (`aukit.datasets.genders`).
    In the table ``view`` is 1 for the left camera and 2 for the right one.

    *Citation.* Mavadati et al., "DISFA: A Spontaneous Facial Action Intensity Database", IEEE Transactions on
    Affective Computing 4(2), 2013. The corpus needs a signed agreement and is not part of aukit.

    Building `table` reads every label file and counts the frames of every video without decoding it.

    Args:
        root: Folder of the release.
        camera: ``left`` or ``right``. The published frame lists do not say which they mean.
        threshold: Least intensity that counts as present, 1 to 5. 2 is the field's convention.
        persons: Global person ids to keep; None for all.

    Raises:
        CorpusError: The root is missing or holds nothing of what is asked for; while reading: a label file is
            damaged, has an unknown code or contradicts another one.
    """

    name = "disfa"
    namespace = NAMESPACE

    def __init__(
        self,
        root: str | Path,
        camera: Literal["left", "right"] = "left",
        threshold: int = 2,
        persons: Sequence[str] | None = None,
    ) -> None:
        super().__init__(root)
        if camera not in CAMERAS or threshold not in range(1, 6):
            raise CorpusError(
                f"camera {camera!r}, threshold {threshold!r}: DISFA has the cameras left and right and "
                "intensities from 1 to 5"
            )
        self.camera, self.threshold = camera, threshold
        self._index: Index = scan(self.root)
        self._subjects = {
            video: subject
            for (subject, side), video in sorted(self._index.videos.items())
            if side == camera and (persons is None or f"{NAMESPACE}/{subject}" in persons)
        }
        if not self._subjects:
            there = sorted({side for _, side in self._index.videos})
            raise CorpusError(
                f"{self.root}: no video of the {camera} camera"
                + (f" of {list(persons)}" if persons else "")
                + f"; there are videos of: {', '.join(there)}"
            )

    @property
    def videos(self) -> list[str]:
        """Videos of the chosen camera, relative to the root, by person."""
        return list(self._subjects)

    @property
    def people(self) -> dict[str, list[str]]:
        """The video of each global person id; no label is read for it."""
        return {f"{NAMESPACE}/{subject}": [video] for video, subject in self._subjects.items()}

    @property
    def folder_styles(self) -> dict[str, int]:
        """Folders in which videos, label files and landmarks lie, with the number of each."""
        return {f"{kind} files in {folder}": n for (kind, folder), n in self._index.folders.items()}

    @property
    def settings(self) -> list[str]:
        """Camera and threshold."""
        return [f"{self.camera} camera; an AU counts as present from intensity {self.threshold} on"]

    def decode(self, video: str) -> Iterator[tuple[int, Image]]:
        """Stream (position, RGB uint8 [H, W, 3]) of a video; ends early where the file is damaged.

        Raises:
            CorpusError: The name leads out of the root, or the file cannot be opened as a video.
        """
        yield from decode_video(inside(self.root, video))

    def release_landmarks(self, video: str) -> npt.NDArray[np.float32]:
        """The landmarks of the release, by position: [T, 66, 2] in pixels; NaN where there is no file.

        The release does not say which camera they belong to, nor are they used by `aukit prepare`.

        Raises:
            CorpusError: There are none of this person, or a file is damaged.
        """
        subject = self._subject(video)
        if (folder := self._index.landmarks.get(subject)) is None:
            raise CorpusError(f"{self.root}: has no landmarks (frame_lm) of {subject}")
        files = list_landmarks(self.root, folder)
        points = np.full((max(files, default=-1) + 1, POINTS, 2), np.nan, np.float32)
        for position, name in files.items():
            points[position] = _read_mat(inside(self.root, f"{folder}/{name}"))
        return points

    def fingerprint(self) -> str:
        """SHA-256 (hex) of camera, threshold, names and sizes of videos, and contents of label files."""
        sizes = ((video, inside(self.root, video).stat().st_size) for video in self._subjects)
        files = [f for s in self._subjects.values() for f in self._index.label_files(s).values()]
        return self._digest(f"aukit.disfa/1 {self.camera} {self.threshold}", sizes, files)

    def _subject(self, video: str) -> str:
        if video not in self._subjects:
            raise CorpusError(f"{self.root}: has no video {video} of the {self.camera} camera")
        return self._subjects[video]

    def _rows(self, video: str, excluded: list[Exclusion]) -> pd.DataFrame | None:
        subject = self._subject(video)
        try:
            available = count_frames(inside(self.root, video))
        except CorpusError:
            excluded.append(Exclusion(video, None, "the video cannot be opened"))
            return None
        files = self._read_labels(subject)
        if not files:
            excluded.append(Exclusion(video, None, "no label file"))
            return None
        longest = max((file.frames for file in files.values()), key=len)
        usable = min(available, len(longest))
        excluded += [Exclusion(video, i, "frame without label row") for i in range(usable, available)]
        excluded += [
            Exclusion(video, i, "label row without frame (the video ends early)")
            for i in range(available, len(longest))
        ]
        columns: dict[str, Any] = {
            "corpus": self.name,
            "partition": fold_split_of("disfa", subject),
            "person": f"{NAMESPACE}/{subject}",
            "subject": subject,
            "gender": self._gender(f"{NAMESPACE}/{subject}", None),
            "task": TASK,
            "view": 1 + CAMERAS.index(self.camera),
            "frame": longest[:usable],
            "video": video,
            "position": np.arange(usable),
            "pair_id": None,
        }
        for au in AUS.intensity:
            levels = _levels(files.get(au), usable)
            present = np.where(np.isnan(levels), np.nan, levels >= self.threshold)
            columns[occurrence_column(au)] = present.astype(np.float32)
            columns[intensity_column(au)] = levels
        return pd.DataFrame(columns)

    def _read_labels(self, subject: str) -> dict[int, LabelFile]:
        """Label file of each AU that has one; they count frames alike, without gaps."""
        files: dict[int, LabelFile] = {}
        first: int | None = None
        for au, relative in self._index.label_files(subject).items():
            if au not in AUS.intensity:
                self._note(f"{subject}: AU {au} is none of DISFA's twelve; its file is not read")
                continue
            path = inside(self.root, relative)
            file = files[au] = read_intensity(path, _CODES)
            self.spellings[relative] = file.variant
            start = int(file.frames[0])
            gaps = file.frames != start + np.arange(len(file.frames))
            if start not in (0, 1) or gaps.any():
                row = int(np.argmax(gaps))
                raise CorpusError(
                    f"{path}: row {row + 1} is frame {file.frames[row]}; frames must be counted from 0 or 1 "
                    "without gaps, since line i belongs to frame i of the video. Copy the file again"
                )
            if first is not None and start != first:
                raise CorpusError(
                    f"{path}: counts frames from {start}, other files of {subject} from {first}; copy them "
                    "again"
                )
            first = start
        if missing := [au for au in AUS.intensity if au not in files]:
            self._note(f"{subject}: no label file of AU {' '.join(map(str, missing))}")
        if len({len(file.frames) for file in files.values()}) > 1:
            self._note(f"{subject}: label files of unequal length; what a shorter one lacks is not coded")
        if first is not None:
            self._note(f"label files count frames from {first}")
        return files


def _levels(file: LabelFile | None, rows: int) -> npt.NDArray[np.float32]:
    levels = np.full(rows, np.nan, dtype=np.float32)
    if file is not None:
        codes = file.codes[:rows, 0]
        levels[: len(codes)] = codes
    return levels


def _read_mat(path: Path) -> npt.NDArray[np.float32]:
    try:
        if path.stat().st_size > _MAX_MAT_BYTES:
            raise ValueError(f"larger than {_MAX_MAT_BYTES} bytes")
        points = np.asarray(loadmat(path, variable_names=["pts"])["pts"], dtype=np.float32)
    except Exception as error:  # scipy's reader raises whatever a damaged file makes it stumble over
        raise CorpusError(f"{path}: cannot be read as landmarks ({error}); copy it again") from error
    if points.shape != (POINTS, 2):
        raise CorpusError(f"{path}: pts is {points.shape}, expected ({POINTS}, 2); copy it again")
    return points

"""FERA 2017: the reader of the official release (and of the stand-in, which has the same layout)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from aukit.datasets.files import inside, join, put, require_folder, walk
from aukit.datasets.label_files import (
    OCCURRENCE_CODES,
    LabelFile,
    au_number,
    csv_lines,
    is_integer,
    parse,
    read_intensity,
    to_labels,
)
from aukit.datasets.media import Image, count_frames, decode_video
from aukit.datasets.release import Exclusion, Release
from aukit.errors import CorpusError
from aukit.facs import CORPUS_AUS, intensity_column, occurrence_column

PARTITIONS = {"TR": "train", "VA": "valid", "TE": "test"}
NAMESPACES = {"train": "BP4D", "valid": "FERA2017-valid", "test": "FERA2017-test"}
"""Train people are BP4D's people; Valid and Test re-use its numbers for others (people of BP4D+)."""

VIEWS = range(1, 10)
_STEM = r"FERA17_(?P<partition>TR|VA|TE)_(?P<subject>[A-Za-z]*\d+)_(?P<task>T\d+)"
_VIDEO = re.compile(_STEM + r"_(?P<view>[1-9])\.(?:mp4|avi)", re.IGNORECASE)
_OCCURRENCE = re.compile(_STEM + r"\.csv", re.IGNORECASE)
_INTENSITY = re.compile(_STEM + r"_AU(?P<au>\d{1,2})(?:_Int)?\.csv", re.IGNORECASE)


@dataclass(frozen=True, order=True)
class Recording:
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

    videos: dict[tuple[Recording, int], str] = field(default_factory=dict)
    occurrence: dict[Recording, str] = field(default_factory=dict)
    intensity: dict[tuple[Recording, int], str] = field(default_factory=dict)
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


def _sequence(match: re.Match[str]) -> Recording:
    letters = re.fullmatch(r"(r?)(.*)", match["subject"], re.IGNORECASE)
    assert letters is not None
    subject = letters[1].lower() + letters[2].upper()
    return Recording(PARTITIONS[match["partition"].upper()], subject, match["task"].upper())


AUS = CORPUS_AUS["fera2017"]


def read_occurrence(path: Path) -> LabelFile:
    """Read an occurrence file: header, then frame and the ten AUs 1 4 6 7 10 12 14 15 17 23.

    A header that names all ten AUs is followed; otherwise exactly eleven columns are taken by position. A
    file without header is accepted (its first line holds codes only).

    Returns:
        Codes [T, 10] in the order above.

    Raises:
        CorpusError: An unknown code, a ragged line, or columns that cannot be attributed; with file and line.
    """
    lines = csv_lines(path)
    header = [cell.strip() for cell in lines[0][1]]
    if _is_data(header):
        columns, variant = list(range(1, 11)), "occurrence without header"
    else:
        lines = lines[1:]
        named = {au: i for i, cell in enumerate(header[1:], 1) if (au := au_number(cell)) is not None}
        if all(au in named for au in AUS.occurrence):
            columns, variant = [named[au] for au in AUS.occurrence], "occurrence, header names AUs"
        else:
            columns, variant = list(range(1, 11)), "occurrence, columns by position"
    if "names" not in variant and len(header) != 11:
        raise CorpusError(
            f"{path}, line 1: {len(header)} columns; expected 11 (frame and the AUs "
            f"{' '.join(map(str, AUS.occurrence))}) or a header that names these AUs"
        )
    return parse(path, lines, len(header), columns, OCCURRENCE_CODES, variant)


def _is_data(cells: list[str]) -> bool:
    """Whether a first line holds codes, not AU names: no header has only 0, 1 and 9 after its first cell."""
    return len(cells) > 1 and all(is_integer(c) and float(c) in OCCURRENCE_CODES for c in cells[1:])


class FERA2017(Release):
    """FERA 2017 challenge corpus: 3D-rendered views of spontaneous expressions with AU intensities.

    *Format.* Videos ``FERA17_TR_F001_T1_6.mp4`` (TR, VA, TE; person; task; view 1 to 9) and, shared by the
    nine views, ``FERA17_TR_F001_T1.csv`` (occurrence of AUs 1 4 6 7 10 12 14 15 17 23) and
    ``FERA17_TR_F001_T1_AU06_Int.csv`` (intensity, one file per AU 1 4 6 10 12 14 17). Row i of a label file
    belongs to decoded frame i. Code 9 is "not coded" and becomes NaN. Files are found by name anywhere below
    the root, so that local folder names do not matter. View 6 is what independent readers use as the frontal
    one.

    *Splits.* Train: the 41 people of BP4D, and so named (``BP4D/F001``). Valid (20) and Test (30) are people
    of BP4D+ who re-use those numbers: ``FERA2017-valid/F007``, ``FERA2017-test/F001``. Gender is the id's
    letter, unless a table says otherwise (`aukit.datasets.genders`). The organisers keep the Test labels back:
    where they are absent, Test rows have NaN labels.

    *Citation.* Valstar et al., "FERA 2017 – Addressing Head Pose in the Third Facial Expression Recognition
    and Analysis Challenge", IEEE FG 2017. The corpus needs a signed agreement and is not part of aukit.

    Building `table` reads every label file and counts the frames of every needed video without decoding it
    (seconds for one view of the whole release).

    Args:
        root: Folder of the release.
        partitions: Which of ``train``, ``valid``, ``test`` to read; those that the release lacks are left
            out.
        views: Which views, 1 to 9; videos of other views are not touched.
        persons: Global person ids to keep; None for all.

    Raises:
        CorpusError: The root is missing or holds nothing of what is asked for; while reading: a label file is
            damaged, has an unknown code or contradicts another one.
    """

    name = "fera2017"
    namespace = None

    def __init__(
        self,
        root: str | Path,
        partitions: Sequence[str] = ("train", "valid", "test"),
        views: Sequence[int] = (6,),
        persons: Sequence[str] | None = None,
    ) -> None:
        super().__init__(root)
        self.partitions = tuple(partitions)
        self.views = tuple(views)
        self.persons = None if persons is None else tuple(persons)
        unknown = [p for p in self.partitions if p not in ("train", "valid", "test")]
        if unknown:
            raise CorpusError(f"FERA 2017 has the partitions train, valid and test, not {unknown}")
        self._index: Index = scan(self.root)
        self._videos = self._needed()
        if not self._videos:
            there = sorted({(recording.partition, view) for recording, view in self._index.videos})
            raise CorpusError(
                f"{self.root}: no video of partitions {list(self.partitions)}, views {list(self.views)}"
                + (f", persons {list(self.persons)}" if self.persons else "")
                + f"; there are (partition, view): {there}"
            )

    @property
    def videos(self) -> list[str]:
        """Videos to read, relative to the root, by partition (train, valid, test), person, task, view."""
        return list(self._videos)

    @property
    def people(self) -> dict[str, list[str]]:
        """Videos to read of each global person id; no label is read for it."""
        videos: dict[str, list[str]] = {}
        for video, (recording, _) in self._videos.items():
            videos.setdefault(recording.person, []).append(video)
        return videos

    def is_labelled(self, partition: str) -> bool:
        """Whether the release holds intensities of a partition; the organisers keep those of Test back."""
        return any(recording.partition == partition for recording, _ in self._index.intensity)

    def decode(self, video: str) -> Iterator[tuple[int, Image]]:
        """Stream (position, RGB uint8 [H, W, 3]) of a video; ends early where the file is damaged.

        Raises:
            CorpusError: The name leads out of the root, or the file cannot be opened as a video.
        """
        yield from decode_video(inside(self.root, video))

    def fingerprint(self) -> str:
        """SHA-256 (hex) of names and sizes of videos and sidecars and of the contents of label files."""
        sizes = ((video, inside(self.root, video).stat().st_size) for video in self._videos)
        recordings = {recording for recording, _ in self._videos.values()}
        files = [file for recording in recordings for file in self._label_files(recording)]
        return self._digest("aukit.fera2017/1", sizes, files)

    def _needed(self) -> dict[str, tuple[Recording, int]]:
        order = {p: i for i, p in enumerate(("train", "valid", "test"))}
        videos = [
            (recording, view, video)
            for (recording, view), video in self._index.videos.items()
            if recording.partition in self.partitions
            and view in self.views
            and (self.persons is None or recording.person in self.persons)
        ]
        videos.sort(key=lambda v: (order[v[0].partition], v[0].subject, int(v[0].task[1:]), v[1]))
        return {video: (recording, view) for recording, view, video in videos}

    def _label_files(self, recording: Recording) -> list[str]:
        files = [self._index.occurrence.get(recording)]
        files += [self._index.intensity.get((recording, au)) for au in AUS.intensity]
        return [f for f in files if f is not None]

    def _read_labels(self, recording: Recording) -> dict[str, LabelFile]:
        """Column group (``c`` or ``AUxx_r``) → parsed file, for the files that there are."""
        files: dict[str, LabelFile] = {}
        if occurrence := self._index.occurrence.get(recording):
            files["c"] = read_occurrence(inside(self.root, occurrence))
        for au in AUS.intensity:
            if intensity := self._index.intensity.get((recording, au)):
                files[intensity_column(au)] = read_intensity(inside(self.root, intensity))
        return files

    def _rows(self, video: str, excluded: list[Exclusion]) -> pd.DataFrame | None:
        if video not in self._videos:
            raise CorpusError(f"{self.root}: has no video {video} in the chosen partitions and views")
        recording, view = self._videos[video]
        try:
            available = count_frames(inside(self.root, video))
        except CorpusError:
            excluded.append(Exclusion(video, None, "the video cannot be opened"))
            return None
        files = self._read_labels(recording)
        if not files and recording.partition != "test":
            excluded.append(Exclusion(video, None, "no label file"))
            return None
        stem = f"{recording.partition} {recording.subject} {recording.task}"
        if not files:
            self._note(f"{stem}: no labels (the organisers keep Test labels back)")
            numbers = np.arange(available)
        else:
            if missing := [au for au in AUS.intensity if intensity_column(au) not in files]:
                self._note(f"{stem}: no intensity file of AU {' '.join(map(str, missing))}")
            if "c" not in files:
                self._note(f"{stem}: no occurrence file")
            numbers = self._frame_numbers(recording, files)
        usable = min(available, len(numbers))
        longest = max((len(f.frames) for f in files.values()), default=usable)
        excluded += [Exclusion(video, i, "frame without label row") for i in range(usable, available)]
        excluded += [
            Exclusion(video, i, "label row without frame (the video ends early)")
            for i in range(available, longest)
        ]
        columns: dict[str, Any] = {
            "corpus": self.name,
            "partition": recording.partition,
            "person": recording.person,
            "subject": recording.subject,
            "gender": self._gender(recording.person, recording.gender),
            "task": recording.task,
            "view": view,
            "frame": numbers[:usable],
            "video": video,
            "position": np.arange(usable),
            "pair_id": None,
        }
        occurrence = _column_block(files.get("c"), usable, len(AUS.occurrence))
        for i, au in enumerate(AUS.occurrence):
            columns[occurrence_column(au)] = occurrence[:, i]
        for au in AUS.intensity:
            columns[intensity_column(au)] = _column_block(files.get(intensity_column(au)), usable, 1)[:, 0]
        return pd.DataFrame(columns)

    def _frame_numbers(self, recording: Recording, files: dict[str, LabelFile]) -> npt.NDArray[np.int64]:
        """Frame numbers of the rows that every label file of the recording has; they must agree."""
        shortest = min((f.frames for f in files.values()), key=len)
        for group, file in files.items():
            differ = file.frames[: len(shortest)] != shortest
            if differ.any():
                row = int(np.argmax(differ))
                raise CorpusError(
                    f"{self.root}: the label files of {recording.partition} {recording.subject} "
                    f"{recording.task} disagree: row {row + 1} is frame {shortest[row]} in one and "
                    f"{file.frames[row]} in that of "
                    f"{'the occurrences' if group == 'c' else group[:4]}; copy them again"
                )
        return shortest


def _column_block(file: LabelFile | None, rows: int, width: int) -> npt.NDArray[np.float32]:
    if file is None:
        return np.full((rows, width), np.nan, dtype=np.float32)
    return to_labels(file.codes[:rows])

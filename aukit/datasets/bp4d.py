"""BP4D: the reader of the official release (and of the stand-in, which has the same layout)."""

from __future__ import annotations

import os
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
from aukit.datasets.folds import fold_split_of
from aukit.datasets.label_files import (
    NOT_CODED,
    OCCURRENCE_CODES,
    LabelFile,
    au_number,
    csv_lines,
    parse,
    read_intensity,
    require_unique,
    to_labels,
)
from aukit.datasets.media import Image, folder_stamp, image_number, list_images, read_image
from aukit.datasets.release import Exclusion, Release
from aukit.errors import CorpusError
from aukit.facs import CORPUS_AUS, intensity_column, occurrence_column

NAMESPACE = "BP4D"
_SUBJECT = re.compile(r"[FM]\d{3}", re.IGNORECASE)
_TASK = re.compile(r"T\d{1,2}", re.IGNORECASE)
_OCCURRENCE = re.compile(r"([FM]\d{3})_(T\d{1,2})\.csv", re.IGNORECASE)
_INTENSITY = re.compile(r"([FM]\d{3})_(T\d{1,2})_AU(\d{1,2})\.csv", re.IGNORECASE)


@dataclass(frozen=True, order=True)
class Recording:
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

    images: dict[Recording, str] = field(default_factory=dict)
    occurrence: dict[Recording, str] = field(default_factory=dict)
    intensity: dict[tuple[Recording, int], str] = field(default_factory=dict)
    folders: Counter[tuple[str, str]] = field(default_factory=Counter)

    def label_files(self, sequence: Recording, aus: tuple[int, ...]) -> list[str]:
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


def _sequence(subject: str, task: str, relative: str) -> Recording:
    sequence = Recording(subject.upper(), task.upper())
    if fold_split_of("bp4d", sequence.subject) is None:
        raise CorpusError(
            f"{relative}: BP4D has the people F001 to F023 and M001 to M018, not {sequence.subject}. BP4D+ "
            "re-uses BP4D's numbers for other people: keep the two in different folders"
        )
    return sequence


AUS = CORPUS_AUS["bp4d"]
OCCLUSION = 99
"""Column that says whether the face is occluded."""
_FEWEST_LEGACY_COLUMNS = 50
_LEGACY_COLUMNS = 100


@dataclass(frozen=True)
class Occurrences:
    """One parsed occurrence file.

    Attributes:
        file: Frames and codes [T, 12] of `AUS`; an AU without column is coded 9 throughout.
        occluded: [T] whether the face is coded as occluded.
        absent: AUs without column.
    """

    file: LabelFile
    occluded: npt.NDArray[np.bool_]
    absent: tuple[int, ...]


def read_occurrence(path: Path) -> Occurrences:
    """Read an occurrence file: a header, then the frame number and one column per AU; codes 0, 1 and 9.

    Two spellings are in use. *Legacy*: 100 columns with the header 0 to 99; column N is AU N, column 99 says
    whether the face is occluded. *Named* (fewer than 50 columns): the header names the scored AUs; its first
    cell means nothing and may equal a later one.

    Raises:
        CorpusError: An unknown code, a ragged line, a header that is neither, or a frame twice; with
            file and line.
    """
    (_, header), *lines = csv_lines(path)
    numbers = [au_number(cell) for cell in header]
    if len(header) >= _FEWEST_LEGACY_COLUMNS:
        # The first cell is the name of the frame column, whatever it says.
        if len(header) != _LEGACY_COLUMNS or numbers[1:] != list(range(1, _LEGACY_COLUMNS)):
            raise CorpusError(
                f"{path}, line 1: {len(header)} columns; expected 100 with the header 0 to 99, or fewer than "
                f"{_FEWEST_LEGACY_COLUMNS} with a header that names the action units"
            )
        variant = "occurrence, 100 columns by number"
    else:
        variant = "occurrence, header names AUs"
    column: dict[int, int] = {}
    for position, number in enumerate(numbers[1:], 1):
        if number is not None and column.setdefault(number, position) != position:
            raise CorpusError(f"{path}, line 1: AU {number} has two columns; copy the file again")
    found = [au for au in AUS.occurrence if au in column]
    if not found:
        raise CorpusError(f"{path}, line 1: names none of the action units; copy the file again")
    wanted = [column[au] for au in found] + ([column[OCCLUSION]] if OCCLUSION in column else [])
    parsed = parse(path, lines, len(header), wanted, OCCURRENCE_CODES, variant)
    require_unique(path, parsed.frames)
    codes = np.full((len(lines), len(AUS.occurrence)), NOT_CODED, dtype=np.int64)
    codes[:, [AUS.occurrence.index(au) for au in found]] = parsed.codes[:, : len(found)]
    occluded = parsed.codes[:, -1] == 1 if OCCLUSION in column else np.zeros(len(lines), dtype=bool)
    absent = tuple(au for au in AUS.occurrence if au not in column)
    return Occurrences(LabelFile(parsed.frames, codes, variant), occluded, absent)


class BP4D(Release):
    """BP4D-Spontaneous: 41 young adults, eight tasks each, twelve AUs in common use, five with intensities.

    *Format.* ``Sequences(2D+3D)/F001/T1/2440.jpg``, one image per frame; ``AU_OCC/F001_T1.csv`` with one
    column per AU in either of two spellings (`aukit.datasets.bp4d`); ``AU_INT/AU06/F001_T1_AU06.csv``
    with frame and code for AUs 6 10 12 14 17. Code 9 is "not coded" and becomes NaN. Folders and label files
    are found by name anywhere below the root, so that local folder names do not matter. A row belongs to the
    image whose name is its frame number, with whatever padding; sequences start anywhere. In the table
    ``position`` is that number.

    *Splits.* ``partition`` is the part P1, P2 or P3 of the usual three folds (`aukit.datasets.folds`). People
    are ``BP4D/F001`` and so on; FERA 2017 Train has the same ones. Gender is the id's letter, unless a table
    says otherwise (`aukit.datasets.genders`).

    *Citation.* Zhang et al., "BP4D-Spontaneous: a high-resolution spontaneous 3D dynamic facial expression
    database", Image and Vision Computing 32(10), 2014. The corpus needs a signed agreement and is not part of
    aukit.

    Building `table` reads every label file and lists every folder of images (seconds for the whole release).

    Args:
        root: Folder of the release.
        leave_out_occluded: Whether frames are excluded whose face is coded as occluded (column 99 of the
            legacy files). The published frame lists keep them.
        persons: Global person ids to keep; None for all.

    Raises:
        CorpusError: The root is missing or holds nothing of what is asked for; while reading: a label file is
            damaged or has an unknown code.
    """

    name = "bp4d"
    namespace = NAMESPACE

    def __init__(
        self, root: str | Path, leave_out_occluded: bool = False, persons: Sequence[str] | None = None
    ) -> None:
        super().__init__(root)
        self.leave_out_occluded = leave_out_occluded
        self._index: Index = scan(self.root)
        self._recordings = {
            folder: recording
            for recording, folder in sorted(self._index.images.items(), key=lambda item: _order(item[0]))
            if persons is None or recording.person in persons
        }
        if not self._recordings:
            raise CorpusError(f"{self.root}: has no images of the persons {list(persons or ())}")
        self._occluded: dict[str, int] = {}

    @property
    def videos(self) -> list[str]:
        """Folders of images, relative to the root, by person and task."""
        return list(self._recordings)

    @property
    def people(self) -> dict[str, list[str]]:
        """Folders of each global person id; no label is read for it."""
        folders: dict[str, list[str]] = {}
        for folder, recording in self._recordings.items():
            folders.setdefault(recording.person, []).append(folder)
        return folders

    @property
    def folder_styles(self) -> dict[str, int]:
        """Folders in which images and label files lie, with the number of sequences or files in each."""
        return {f"{kind} files in {folder}": n for (kind, folder), n in self._index.folders.items()}

    def decode(self, video: str) -> Iterator[tuple[int, Image | None]]:
        """Stream (frame number, RGB uint8 [H, W, 3]) of the labelled images; None for a damaged one."""
        rows = self._rows(video, [])
        images = list_images(self.root, video)
        for number in [] if rows is None else rows["position"].tolist():
            try:
                image = read_image(inside(self.root, f"{video}/{images[number]}"))
            except CorpusError:
                image = None
            yield number, image

    def sidecar_landmarks(self, video: str) -> npt.NDArray[np.float32]:
        """Tracked landmarks by frame number: [last + 1, 68, 3], pixels; NaN where there is no image or face.

        Raises:
            CorpusError: There is no sidecar for this sequence, it is damaged or has not one row per image.
        """
        tracked = super().sidecar_landmarks(video)
        numbers = list(list_images(self.root, video))
        if len(tracked) != len(numbers):
            raise CorpusError(
                f"{self._sidecar(video)}: {len(tracked)} rows for {len(numbers)} images in {video}; "
                "write it again"
            )
        result = np.full((max(numbers) + 1, 68, 3), np.nan, np.float32)
        result[numbers] = tracked
        return result

    def fingerprint(self) -> str:
        """SHA-256 (hex) of all images' names, the sizes of each folder's first and last, and label files."""
        files = [f for r in self._recordings.values() for f in self._index.label_files(r, AUS.intensity)]
        stamps = ((video, folder_stamp(self.root, video)) for video in self._recordings)
        return self._digest(f"aukit.bp4d/1 {self.leave_out_occluded}", stamps, files)

    def title(self, video: str) -> str:
        """Person and task, as the label files are called."""
        recording = self._recording(video)
        return f"{recording.subject}_{recording.task}"

    def tracker_rows(self, video: str, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Place of each image among those of its folder."""
        return np.searchsorted(list(list_images(self.root, video)), positions).astype(np.int64)

    def _recording(self, video: str) -> Recording:
        if video not in self._recordings:
            raise CorpusError(f"{self.root}: has no sequence {video} of the chosen persons")
        return self._recordings[video]

    def _closing_notes(self) -> list[str]:
        occluded = sum(self._occluded.values())
        fate = "left out" if self.leave_out_occluded else "kept"
        notes = (
            [f"{occluded} labelled frames are coded as occluded (column 99) and {fate}"] if occluded else []
        )
        return [*notes, *super()._closing_notes()]

    def _read_labels(self, recording: Recording) -> tuple[Occurrences | None, dict[int, LabelFile]]:
        """Occurrences and, by AU, intensities, for the files that there are."""
        occurrences, intensities = None, {}
        if relative := self._index.occurrence.get(recording):
            occurrences = read_occurrence(inside(self.root, relative))
            self.spellings[relative] = occurrences.file.variant
        for au in AUS.intensity:
            if relative := self._index.intensity.get((recording, au)):
                intensities[au] = read_intensity(inside(self.root, relative))
                self.spellings[relative] = intensities[au].variant
                require_unique(inside(self.root, relative), intensities[au].frames)
        return occurrences, intensities

    def _rows(self, video: str, excluded: list[Exclusion]) -> pd.DataFrame | None:
        recording = self._recording(video)
        occurrences, intensities = self._read_labels(recording)
        files = [*([occurrences.file] if occurrences else []), *intensities.values()]
        if not files:
            excluded.append(Exclusion(video, None, "no label file"))
            return None
        self._tell(recording, occurrences, intensities)
        names = list_images(self.root, video)
        digits = sorted({len(name.partition(".")[0]) for name in names.values()})
        self.spellings[video] = f"sequences with image names of {' and '.join(map(str, digits))} digits"
        images = np.array(list(names))
        numbers = np.unique(np.concatenate([file.frames for file in files]))
        here = np.isin(numbers, images)
        excluded += [
            Exclusion(video, int(n), "image without label row") for n in np.setdiff1d(images, numbers)
        ]
        excluded += [Exclusion(video, int(n), "label row without image") for n in numbers[~here]]
        usable = numbers[here]
        if occurrences is not None:
            occluded = np.intersect1d(usable, occurrences.file.frames[occurrences.occluded])
            self._occluded[video] = len(occluded)
            if self.leave_out_occluded:
                excluded += [Exclusion(video, int(n), "the face is coded as occluded") for n in occluded]
                usable = np.setdiff1d(usable, occluded)
        columns: dict[str, Any] = {
            "corpus": self.name,
            "partition": recording.partition,
            "person": recording.person,
            "subject": recording.subject,
            "gender": self._gender(recording.person, recording.gender),
            "task": recording.task,
            "view": 0,
            "frame": usable,
            "video": video,
            "position": usable,
            "pair_id": None,
        }
        occurrence = _by_frame(occurrences.file if occurrences else None, usable, len(AUS.occurrence))
        for i, au in enumerate(AUS.occurrence):
            columns[occurrence_column(au)] = occurrence[:, i]
        for au in AUS.intensity:
            columns[intensity_column(au)] = _by_frame(intensities.get(au), usable, 1)[:, 0]
        return pd.DataFrame(columns)

    def _tell(
        self, recording: Recording, occurrences: Occurrences | None, intensities: dict[int, LabelFile]
    ) -> None:
        stem = f"{recording.subject} {recording.task}"
        if occurrences is None:
            self._note(f"{stem}: no occurrence file")
        elif occurrences.absent:
            self._note(f"{stem}: no occurrence column of AU {' '.join(map(str, occurrences.absent))}")
        if missing := [au for au in AUS.intensity if au not in intensities]:
            self._note(f"{stem}: no intensity file of AU {' '.join(map(str, missing))}")


def _by_frame(file: LabelFile | None, numbers: npt.NDArray[np.int64], width: int) -> npt.NDArray[np.float32]:
    """Labels [N, A] of frame numbers; NaN where the file has no row."""
    labels = np.full((len(numbers), width), np.nan, dtype=np.float32)
    if file is not None:
        _, where, rows = np.intersect1d(numbers, file.frames, return_indices=True)
        labels[where] = to_labels(file.codes[rows])
    return labels


def _order(recording: Recording) -> tuple[str, int]:
    return recording.subject, int(recording.task[1:])

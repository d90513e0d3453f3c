"""BP4D: the reader of the official release (and of the stand-in, which has the same layout)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from aukit.datasets.bp4d_labels import AUS, Occurrences, read_occurrence
from aukit.datasets.bp4d_layout import NAMESPACE, Index, scan
from aukit.datasets.bp4d_layout import Sequence as Recording
from aukit.datasets.files import inside
from aukit.datasets.images import folder_stamp, list_images, read_image
from aukit.datasets.label_files import LabelFile, read_intensity, require_unique, to_labels
from aukit.datasets.media import Image
from aukit.datasets.release import Exclusion, Release
from aukit.errors import CorpusError
from aukit.facs import intensity_column, occurrence_column


class BP4D(Release):
    """BP4D-Spontaneous: 41 young adults, eight tasks each, twelve AUs in common use, five with intensities.

    *Format.* ``Sequences(2D+3D)/F001/T1/2440.jpg``, one image per frame; ``AU_OCC/F001_T1.csv`` with one
    column per AU in either of two spellings (`aukit.datasets.bp4d_labels`); ``AU_INT/AU06/F001_T1_AU06.csv``
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

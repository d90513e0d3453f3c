"""BP4D: layout, label files, published counts and reader of the release, which its stand-in shares."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from aukit.datasets.check_report import Counts, Published
from aukit.datasets.csv_files import csv_lines, is_integer, without_trailing_commas
from aukit.datasets.files import join
from aukit.datasets.folds import FOLD_SPLIT_OF, FOLD_SPLITS, listed_rates
from aukit.datasets.image_folders import ImageFolderRelease, has_images
from aukit.datasets.label_files import (
    OCCURRENCE_CODES,
    LabelFile,
    Labels,
    au_number,
    parse,
    read_intensity,
    require_frame_first,
    require_unique,
)
from aukit.datasets.reader import Exclusion
from aukit.datasets.recordings import Index, SubjectRecording
from aukit.datasets.recordings import Recording as AnyRecording
from aukit.errors import CorpusError
from aukit.facs import CORPUS_AUS, intensity_column, occurrence_column

NAMESPACE = "BP4D"
AUS = CORPUS_AUS["bp4d"]
OCCLUSION = 99
"""Column that says whether the face is occluded."""

PUBLISHED = Published(
    {
        split: Counts(
            people=len(people),
            female=sum(subject.startswith("F") for subject in people),
            male=sum(subject.startswith("M") for subject in people),
            videos=8 * len(people),
            label_rows=rows,
        )
        for (split, people), rows in zip(FOLD_SPLITS["bp4d"].items(), (50_631, 50_182, 46_034), strict=True)
    },
    listed_rates("bp4d"),
    Counts(41, 23, 18),
    {split: f"list {split}" for split in FOLD_SPLITS["bp4d"]},
)
"""Label rows: ME-GraphAU's lists, which hold every labelled frame. Rates: FG-Net's lists."""

_FEWEST_LEGACY_COLUMNS = 50
_LEGACY_COLUMNS = 100
_SUBJECT = re.compile(r"[FM]\d{3}", re.IGNORECASE)
_TASK = re.compile(r"T\d{1,2}", re.IGNORECASE)
_OCCURRENCE = re.compile(r"([FM]\d{3})_(T\d{1,2})\.csv", re.IGNORECASE)
_INTENSITY = re.compile(r"([FM]\d{3})_(T\d{1,2})_AU(\d{1,2})\.csv", re.IGNORECASE)


@dataclass(frozen=True, order=True)
class Recording(SubjectRecording):
    """One recording: a person doing a task."""

    namespace = NAMESPACE
    partitions = FOLD_SPLIT_OF["bp4d"]

    @property
    def gender(self) -> str:
        """From the id's letter."""
        return "female" if self.subject.startswith("F") else "male"


class BP4D(ImageFolderRelease):
    """BP4D-Spontaneous: 41 young adults, eight tasks each, twelve AUs in common use, five with intensities.

    *Format.* ``Sequences(2D+3D)/F001/T1/2440.jpg``, one image per frame; ``AU_OCC/F001_T1.csv`` with one
    column per AU in either of two spellings (`read_occurrence`); ``AU_INT/AU06/F001_T1_AU06.csv`` with frame
    and code for AUs 6 10 12 14 17. Code 9 is "not coded" and becomes NaN. Folders and label files are found
    by name anywhere below the root, so that local folder names do not matter. A row belongs to the image
    whose name is its frame number, with whatever padding; sequences start anywhere. In the table ``position``
    is that number.

    *Splits.* ``partition`` is P1, P2 or P3 of the usual three folds (`aukit.datasets.folds`). People are
    ``BP4D/F001`` and so on; FERA 2017 Train has the same ones. Gender is the id's letter, unless a table says
    otherwise (`aukit.datasets.genders`).

    *Citation.* Zhang et al., "BP4D-Spontaneous: a high-resolution spontaneous 3D dynamic facial expression
    database", Image and Vision Computing 32(10), 2014. The corpus needs a signed agreement and is not part of
    aukit.

    Building `table` reads every label file and lists every folder of images (seconds for the whole release).

    Args:
        root: Folder of the release.
        leave_out_occluded: Whether frames are left out whose face is coded as occluded (column 99 of the
            legacy files). The published frame lists keep them.
        persons: Global person ids to keep; None for all.
        locations: Where parts of the release lie: see `Release`.

    Raises:
        CorpusError: The root is missing or holds nothing of what is asked for; while reading: a label file is
            damaged or has an unknown code.

    Example:
        >>> corpus = BP4D("BP4D", persons=["BP4D/F001"])  # doctest: +SKIP
        >>> corpus.table.occurrence_aus  # doctest: +SKIP
        (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
    """

    name = "bp4d"
    namespace = NAMESPACE
    corpus_title = "BP4D"
    example = "Sequences(2D+3D)/F001/T1/2440.jpg"
    label_columns: Mapping[str, tuple[str, ...]] = {
        "occurrence": tuple(map(occurrence_column, AUS.occurrence)),
        **{f"AU{au:02d}": (intensity_column(au),) for au in AUS.intensity},
    }
    labels_without_video = "labels without images"
    aus: tuple[int, ...] = AUS.occurrence
    """AUs whose occurrence is read."""

    def __init__(
        self,
        root: str | Path,
        leave_out_occluded: bool = False,
        persons: Sequence[str] | None = None,
        **locations: Any,
    ) -> None:
        self.leave_out_occluded = leave_out_occluded
        self.options = f"leave_out_occluded={leave_out_occluded}"
        self._occlusions: dict[AnyRecording, npt.NDArray[np.int64]] = {}  # frames by recording
        self._occluded: dict[str, int] = {}  # number of usable ones by video
        super().__init__(root, persons, **locations)

    def title(self, video: str) -> str:
        """Person and task, as the label files are called."""
        recording, _ = self._recording(video)
        return f"{recording.subject}_{recording.task}"

    def _enter(self, index: Index, folder: str, folders: list[str], files: list[str]) -> None:
        """Enter folders of images (``…/F001/T1``) and label files."""
        above = str(Path(folder).parent)
        if _SUBJECT.fullmatch(subject := Path(folder).name):
            for task in [f for f in folders if _TASK.fullmatch(f)]:
                folders.remove(task)  # not entered: it may hold thousands of files
                relative = join(folder, task)
                if has_images(self.video_path(relative)):
                    recording = self._of(subject, task, relative)
                    index.add_video(recording, 0, relative, f"image files in {above}")
        for name in files:
            relative = join(folder, name)
            if m := _OCCURRENCE.fullmatch(name):
                recording = self._of(m[1], m[2], relative)
                index.add_labels(recording, "occurrence", relative, f"occurrence files in {folder}")
            elif m := _INTENSITY.fullmatch(name):
                recording = self._of(m[1], m[2], relative)
                index.add_labels(recording, f"AU{int(m[3]):02d}", relative, f"intensity files in {above}")

    def _of(self, subject: str, task: str, relative: str) -> SubjectRecording:
        """The recording that a name stands for."""
        recording = Recording(subject.upper(), task.upper())
        if recording.subject not in Recording.partitions:
            raise CorpusError(
                f"{relative}: BP4D has the people F001 to F023 and M001 to M018, not {recording.subject}. "
                "BP4D+ re-uses BP4D's numbers for other people: keep the two in different folders"
            )
        return recording

    def _read_file(self, kind: str, path: Path) -> LabelFile:
        file = read_occurrence(path, self.aus) if kind == "occurrence" else read_intensity(path)
        require_unique(path, file.frames)
        return file

    def _labels(self, recording: AnyRecording, files: Mapping[str, LabelFile]) -> Labels:
        if isinstance(occurrences := files.get("occurrence"), Occurrences):
            self._occlusions[recording] = occurrences.frames[occurrences.occluded]
            if occurrences.absent:
                aus = " ".join(map(str, occurrences.absent))
                self._note(f"{recording}: no occurrence column of AU {aus}")
        return super()._labels(recording, files)

    def _rows(self, video: str, excluded: list[Exclusion]) -> pd.DataFrame | None:
        rows = super()._rows(video, excluded)
        if rows is None:
            return None
        occluded = rows["frame"].isin(self._occlusions.get(self._recording(video)[0], [])).to_numpy()
        self._occluded[video] = int(occluded.sum())
        if not self.leave_out_occluded:
            return rows
        return self._leave_out(rows, occluded, "the face is coded as occluded", excluded)

    def _closing_notes(self) -> list[str]:
        occluded = sum(self._occluded.values())
        fate = "left out" if self.leave_out_occluded else "kept"
        note = f"{occluded} labelled frames are coded as occluded (column 99) and {fate}"
        return [note] if occluded else []


@dataclass(frozen=True)
class Occurrences(LabelFile):
    """One parsed occurrence file: labels [T, A] of the AUs that are asked for, NaN for one without column.

    Attributes:
        occluded: Whether the face is coded as occluded [T].
        absent: AUs without column.
    """

    occluded: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))
    absent: tuple[int, ...] = ()


def read_occurrence(path: Path, aus: tuple[int, ...] = AUS.occurrence) -> Occurrences:
    """Read an occurrence file: a header, then the frame number and one column per AU; codes 0, 1 and 9.

    Two spellings are in use. *Legacy*: 100 columns with the header 0 to 99; column N is AU N, column 99 says
    whether the face is occluded. *Named* (fewer than 50 columns): the header names the scored AUs; its first
    cell means nothing and may equal a later one.

    Args:
        path: The file.
        aus: AUs to read.

    Raises:
        CorpusError: An unknown code, a ragged line, a header that is neither, or a frame twice; with
            file and line.
    """
    every, commas = without_trailing_commas(csv_lines(path))
    (_, header), *lines = every
    if len(header) > 1 and all(is_integer(cell) and float(cell) in OCCURRENCE_CODES for cell in header[1:]):
        raise CorpusError(
            f"{path}, line 1: has no header line, which says what the columns are; copy the file again, or "
            "put the header of another occurrence file of this release before its first line"
        )
    require_frame_first(path, every[0])
    numbers = [au_number(cell) for cell in header]
    if len(header) >= _FEWEST_LEGACY_COLUMNS:
        # The first cell is the name of the frame column, whatever it says.
        if len(header) != _LEGACY_COLUMNS or numbers[1:] != list(range(1, _LEGACY_COLUMNS)):
            raise CorpusError(
                f"{path}, line 1: {len(header)} columns; expected 100 with the header 0 to 99, or fewer than "
                f"{_FEWEST_LEGACY_COLUMNS} with a header that names the action units"
            )
        variant = f"occurrence, 100 columns by number{commas}"
    else:
        variant = f"occurrence, header names AUs{commas}"
    column: dict[int, int] = {}
    for position, number in enumerate(numbers[1:], 1):
        if number is not None and column.setdefault(number, position) != position:
            raise CorpusError(f"{path}, line 1: AU {number} has two columns; copy the file again")
    found = [au for au in aus if au in column]
    if not found:
        raise CorpusError(f"{path}, line 1: names none of the action units; copy the file again")
    wanted = [column[au] for au in found] + ([column[OCCLUSION]] if OCCLUSION in column else [])
    parsed = parse(path, lines, len(header), wanted, OCCURRENCE_CODES, variant)
    labels = np.full((len(lines), len(aus)), np.nan, dtype=np.float32)
    labels[:, [aus.index(au) for au in found]] = parsed.labels[:, : len(found)]
    occluded = parsed.labels[:, -1] == 1 if OCCLUSION in column else np.zeros(len(lines), dtype=bool)
    absent = tuple(au for au in aus if au not in column)
    return Occurrences(parsed.frames, labels, variant, occluded, absent)

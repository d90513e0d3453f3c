"""FERA 2017: layout, label files, published counts and reader of the release, which its stand-in shares."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aukit.datasets.check_report import Counts, Published
from aukit.datasets.csv_files import csv_lines, is_header, without_trailing_commas
from aukit.datasets.files import join
from aukit.datasets.folds import LISTED, LISTED_FRAMES
from aukit.datasets.label_files import (
    OCCURRENCE_CODES,
    LabelFile,
    Labels,
    au_number,
    parse,
    read_intensity,
    require_frame_first,
)
from aukit.datasets.recordings import Index
from aukit.datasets.recordings import Recording as AnyRecording
from aukit.datasets.release_by_row import ReleaseByRow
from aukit.errors import CorpusError
from aukit.facs import CORPUS_AUS, intensity_column, occurrence_column

AUS = CORPUS_AUS["fera2017"]
PARTITIONS = {"TR": "train", "VA": "valid", "TE": "test"}
NAMESPACES = {"train": "BP4D", "valid": "FERA2017-valid", "test": "FERA2017-test"}
"""Train people are BP4D's people; Valid and Test re-use its numbers for others (people of BP4D+)."""

PUBLISHED = Published(
    {
        "train": Counts(41, 23, 18, 2952, 146_847),  # the label rows are BP4D's
        "valid": Counts(20, 7, 13, 1431),
        "test": Counts(30, videos=1080),
    },
    {"BP4D": {au: sum(counts) / sum(LISTED_FRAMES["bp4d"]) for au, counts in LISTED["bp4d"].items()}},
    rates_of={"train": "BP4D"},
)
"""Videos: of all views. Rates: of Train's people, in FG-Net's lists of BP4D."""

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

    def __str__(self) -> str:
        return f"{self.partition} {self.subject} {self.task}"


class FERA2017(ReleaseByRow):
    """FERA 2017 challenge corpus: 3D-rendered views of spontaneous expressions with AU intensities.

    *Format.* Videos ``FERA17_TR_F001_T1_6.mp4`` (TR, VA, TE; person; task; view 1 to 9) and, shared by the
    nine views, ``FERA17_TR_F001_T1.csv`` (occurrence of AUs 1 4 6 7 10 12 14 15 17 23) and
    ``FERA17_TR_F001_T1_AU06_Int.csv`` (intensity, one file per AU 1 4 6 10 12 14 17). Row i of a label file
    belongs to decoded frame i. Code 9 is "not coded" and becomes NaN. Files are found by name anywhere below
    the root, so that local folder names do not matter. View 6 is what independent readers use as the frontal
    one.

    *Splits.* Train: the 41 people of BP4D, and so named (``BP4D/F001``). Valid (20) and Test (30) are people
    of BP4D+ who re-use those numbers: ``FERA2017-valid/F007``, ``FERA2017-test/F001``. Gender is the id's
    letter, unless a table says otherwise (`aukit.datasets.genders`). The organisers keep the Test labels
    back: where they are absent, Test rows have NaN labels.

    *Citation.* Valstar et al., "FERA 2017 – Addressing Head Pose in the Third Facial Expression Recognition
    and Analysis Challenge", IEEE FG 2017. The corpus needs a signed agreement and is not part of aukit.

    Building `table` reads every label file and counts the frames of every needed video without decoding it
    (seconds for one view of the whole release).

    Args:
        root: Folder of the release.
        partitions: Partitions to read: train, valid, test; those that the release lacks are left out.
        views: Views to read, 1 to 9; videos of other views are not touched.
        persons: Global person ids to keep; None for all.
        locations: Where parts of the release lie: see `Release`.

    Raises:
        CorpusError: The root is missing or holds nothing of what is asked for; while reading: a label file is
            damaged, has an unknown code or contradicts another one.

    Example:
        >>> corpus = FERA2017("FERA2017", partitions=("train",), views=(6,))  # doctest: +SKIP
        >>> corpus.table.intensities((6, 12)).shape  # doctest: +SKIP
        (146847, 2)
    """

    namespaces = tuple(NAMESPACES.values())
    name = "fera2017"
    corpus_title = "FERA 2017"
    example = "FERA17_TR_F001_T1_6.mp4"
    label_columns: Mapping[str, tuple[str, ...]] = {
        "occurrence": tuple(map(occurrence_column, AUS.occurrence)),
        **{f"AU{au:02d}": (intensity_column(au),) for au in AUS.intensity},
    }
    driving_partitions = ("train",)  # the others are for testing
    views_share_labels = True

    def __init__(
        self,
        root: str | Path,
        partitions: Sequence[str] = ("train", "valid", "test"),
        views: Sequence[int] = (6,),
        persons: Sequence[str] | None = None,
        **locations: Any,
    ) -> None:
        self.partitions, self.views = tuple(partitions), tuple(views)
        self.asked = f"partitions {list(partitions)}, views {list(views)}"
        if unknown := [p for p in partitions if p not in NAMESPACES]:
            raise CorpusError(f"FERA 2017 has the partitions train, valid and test, not {unknown}")
        super().__init__(root, persons, **locations)

    @property
    def counted(self) -> dict[str, tuple[AnyRecording, int]]:
        """Recording and view of the videos of all views."""
        return self._select(lambda recording, view: True)

    def is_labelled(self, partition: str) -> bool:
        """Whether the release holds intensities of a partition; the organisers keep those of Test back."""
        return any(
            recording.partition == partition and any(kind.startswith("AU") for kind in files)
            for recording, files in self.index.labels.items()
        )

    def _wanted(self, recording: AnyRecording, view: int) -> bool:
        return view in self.views

    def _choice(self, recording: AnyRecording, view: int) -> str:
        return f"{recording.partition} view {view}"

    def _order(self, recording: AnyRecording, view: int) -> tuple[int | str, ...]:
        return list(NAMESPACES).index(recording.partition), *super()._order(recording, view)

    def _enter(self, index: Index, folder: str, folders: list[str], files: list[str]) -> None:
        # Folders of people and recordings are left out, so that one line stands for all folders of a kind.
        first, *others = Path(folder).parts or [""]
        place = f"{first}/{'…/' if others else ''}" if first else "./"
        for name in files:
            relative = join(folder, name)
            if m := _VIDEO.fullmatch(name):
                index.add_video(_recording(m), int(m["view"]), relative, f"video files in {place}")
            elif m := _OCCURRENCE.fullmatch(name):
                index.add_labels(_recording(m), "occurrence", relative, f"occurrence files in {place}")
            elif m := _INTENSITY.fullmatch(name):
                kind = f"AU{int(m['au']):02d}"
                index.add_labels(_recording(m), kind, relative, f"intensity files in {place}")

    def _read_file(self, kind: str, path: Path) -> LabelFile:
        return read_occurrence(path) if kind == "occurrence" else read_intensity(path)

    def _labels(self, recording: AnyRecording, files: Mapping[str, LabelFile]) -> Labels:
        """Labels by row; rows that not all files have are incomplete."""
        labels = super()._labels(recording, files)
        shortest = min(len(file.frames) for file in files.values())
        return replace(labels, complete=labels.positions < shortest)

    def _without_labels(self, recording: AnyRecording, frames: npt.NDArray[np.int64]) -> Labels | None:
        if recording.partition != "test":
            return None
        self._note(f"{recording}: no labels (the organisers keep Test labels back)")
        missing = np.full(len(frames), np.nan, dtype=np.float32)
        columns = {name: missing for names in self.label_columns.values() for name in names}
        return Labels(frames, frames, columns, np.ones(len(frames), dtype=bool))


def read_occurrence(path: Path) -> LabelFile:
    """Read an occurrence file: header, then frame and the ten AUs 1 4 6 7 10 12 14 15 17 23.

    A header that names all ten AUs is followed. One without numbers, or none at all, means that the eleven
    columns are in this order.

    Returns:
        Labels [T, 10] in the order above.

    Raises:
        CorpusError: An unknown code, a ragged line, or columns that cannot be attributed; with file and line.
    """
    width = 1 + len(AUS.occurrence)
    lines, commas = without_trailing_commas(csv_lines(path), width)
    (_, first), *rest = lines
    require_frame_first(path, lines[0])
    numbers = [au_number(cell) for cell in first[1:]]
    named = {au: i for i, au in enumerate(numbers, 1) if au is not None}
    if all(au in named for au in AUS.occurrence):
        if twice := [au for au in AUS.occurrence if numbers.count(au) > 1]:
            raise CorpusError(f"{path}, line 1: AU {twice[0]} has two columns; copy the file again")
        columns, variant = [named[au] for au in AUS.occurrence], "occurrence, header names AUs"
        return parse(path, rest, len(first), columns, OCCURRENCE_CODES, variant + commas)
    header = is_header(first)
    if len(first) != width or (header and named):
        raise CorpusError(
            f"{path}, line 1: {len(first)} columns that cannot be attributed; expected {width} (frame and "
            f"the AUs {' '.join(map(str, AUS.occurrence))}) or a header that names these AUs"
        )
    if header:
        lines, variant = rest, "occurrence, columns by position"
    else:
        variant = "occurrence without header"
    return parse(path, lines, width, list(range(1, width)), OCCURRENCE_CODES, variant + commas)


def _recording(match: re.Match[str]) -> Recording:
    letters = re.fullmatch(r"(r?)(.*)", match["subject"], re.IGNORECASE)
    assert letters is not None
    subject = letters[1].lower() + letters[2].upper()
    return Recording(PARTITIONS[match["partition"].upper()], subject, match["task"].upper())

"""BP4D+: layout, label files and reader, as far as public readers describe them; its stand-in shares it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from aukit.datasets.bp4d import BP4D
from aukit.datasets.check_report import Counts, Published
from aukit.datasets.label_files import LabelFile, Labels
from aukit.datasets.reader import Exclusion
from aukit.datasets.recordings import Recording as AnyRecording
from aukit.datasets.recordings import SubjectRecording
from aukit.errors import CorpusError
from aukit.facs import ACTION_UNITS, CORPUS_AUS, intensity_column, occurrence_column

NAMESPACE = "BP4DPlus"
AUS = CORPUS_AUS["bp4dplus"]
CODED_TASKS = ("T1", "T6", "T7", "T8")
"""Tasks with codes of action units, as one reader reports."""
OFFSET = -1
"""Number of an image less that of its label row, unless the reader is told otherwise."""

SPLITS: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "P1": (
        "F004", "F013", "F014", "F019", "F020", "F026", "F033", "F038", "F039", "F044", "F046", "F047",
        "F053", "F057", "F061", "F066", "F071", "F072", "F076", "F079", "M003", "M004", "M015", "M017",
        "M020", "M025", "M026", "M029", "M033", "M036", "M040", "M042", "M048", "M050", "M051",
    ),
    "P2": (
        "F012", "F016", "F022", "F024", "F028", "F030", "F031", "F032", "F034", "F056", "F060", "F065",
        "F074", "F075", "F077", "M001", "M005", "M009", "M011", "M016", "M018", "M019", "M022", "M023",
        "M028", "M034", "M037", "M038", "M043", "M044", "M045", "M046", "M047", "M052", "M055",
    ),
    "P3": (
        "F001", "F002", "F008", "F009", "F017", "F021", "F027", "F029", "F035", "F040", "F042", "F043",
        "F045", "F050", "F052", "F054", "F058", "F062", "F063", "F064", "F068", "F069", "F078", "F080",
        "M008", "M010", "M024", "M027", "M030", "M031", "M035", "M041", "M054", "M056", "M057",
    ),
    "P4": (
        "F003", "F005", "F006", "F007", "F010", "F011", "F015", "F018", "F023", "F025", "F036", "F037",
        "F041", "F048", "F049", "F051", "F055", "F059", "F067", "F070", "F073", "F081", "F082", "M002",
        "M006", "M007", "M012", "M013", "M014", "M021", "M032", "M039", "M049", "M053", "M058",
    ),
})  # fmt: skip
"""People of FMAE-IAT's four random folds; none are official."""

PUBLISHED = Published(
    {
        split: Counts(
            len(people),
            sum(each.startswith("F") for each in people),
            sum(each.startswith("M") for each in people),
        )
        for split, people in SPLITS.items()
    },
    {},
    Counts(140, 82, 58),
)
"""People alone: neither label rows nor rates are public."""


@dataclass(frozen=True, order=True)
class Recording(SubjectRecording):
    """One recording: a person doing a task."""

    namespace = NAMESPACE
    partitions = MappingProxyType({each: split for split, people in SPLITS.items() for each in people})

    @property
    def gender(self) -> str:
        """From the id's letter."""
        return "female" if self.subject.startswith("F") else "male"


class BP4DPlus(BP4D):
    """BP4D+: 140 adults, ten tasks each, action units coded in four of them.

    *Format.* ``2D+3D/F001/T1/2440.jpg`` and ``AUCoding/AU_OCC/F001_T1.csv``, whose header names some 34 AUs,
    as in BP4D's newer files (`aukit.datasets.bp4d.read_occurrence`); other spellings of BP4D are read as
    well. Which AUs have intensities is not public: none is read unless `intensity_aus` names them, whose
    files are then called as BP4D's (``F001_T1_AU06.csv``).

    *Frame numbers.* Public readers contradict each other: by one, a label row f belongs to image f - 1, by
    another one to image f. `frame_offset` is added to the row's number; `notes` says in how many sequences
    the first and the last row then have an image, and in how many with the other reading.

    *Splits.* ``partition`` is P1 to P4 of FMAE-IAT's random folds; none are official. People are
    ``BP4DPlus/F001`` and so on: BP4D's numbers, other people. FERA 2017's Valid and Test are of them, under
    numbers of their own. Gender is the id's letter, unless a table says otherwise (`aukit.datasets.genders`).

    *Citation.* Zhang et al., "Multimodal Spontaneous Emotion Corpus for Human Behavior Analysis", CVPR 2016.
    The corpus needs a signed agreement and is not part of aukit.

    Args:
        root: Folder of the release.
        aus: AUs whose occurrence is read; a file without column of one has NaN, with a note.
        intensity_aus: AUs whose intensity files are read.
        frame_offset: Number of an image less that of its label row, -1 or 0.
        leave_out_occluded: Whether frames are left out whose face is coded as occluded (`BP4D`).
        persons: Global person ids to keep; None for all.
        locations: Where parts of the release lie: see `Release`.

    Raises:
        CorpusError: The root is missing or holds nothing of what is asked for, or an AU is unknown; while
            reading: a label file is damaged or has an unknown code.

    Example:
        >>> corpus = BP4DPlus("BP4D+", frame_offset=0)  # doctest: +SKIP
        >>> corpus.notes[0]  # doctest: +SKIP
        'label row f belongs to image f + 0'
    """

    name = "bp4dplus"
    namespace = NAMESPACE
    corpus_title = "BP4D+"
    example = "2D+3D/F001/T1/2440.jpg"

    def __init__(
        self,
        root: str | Path,
        aus: Sequence[int] = AUS.occurrence,
        intensity_aus: Sequence[int] = (),
        frame_offset: int = OFFSET,
        leave_out_occluded: bool = False,
        persons: Sequence[str] | None = None,
        **locations: Any,
    ) -> None:
        if unknown := [au for au in (*aus, *intensity_aus) if au not in ACTION_UNITS]:
            raise CorpusError(f"no AU {unknown[0]} is known; correct aus or intensity_aus")
        if frame_offset not in (-1, 0):
            raise CorpusError(
                f"frame_offset {frame_offset}: a label row f belongs to image f - 1 or to image f"
            )
        self.aus = tuple(aus)
        self.label_columns = {
            "occurrence": tuple(map(occurrence_column, aus)),
            **{f"AU{au:02d}": (intensity_column(au),) for au in intensity_aus},
        }
        self.frame_offset = frame_offset
        self._fits: dict[str, dict[int, bool]] = {}
        super().__init__(root, leave_out_occluded, persons, **locations)
        self.options += f" frame_offset={frame_offset} columns={sorted(self.label_columns.items())}"

    @property
    def settings(self) -> list[str]:
        """The frame offset."""
        return [
            f"label row f belongs to image f {self.frame_offset:+d}".replace("+0", "+ 0").replace("-1", "- 1")
        ]

    def _of(self, subject: str, task: str, relative: str) -> SubjectRecording:
        recording = Recording(subject.upper(), task.upper())
        if recording.subject not in Recording.partitions:
            raise CorpusError(
                f"{relative}: BP4D+ has the people F001 to F082 and M001 to M058, not {recording.subject}"
            )
        return recording

    def _labels(self, recording: AnyRecording, files: Mapping[str, LabelFile]) -> Labels:
        labels = super()._labels(recording, files)
        return replace(labels, positions=labels.positions + self.frame_offset)

    def _rows(self, video: str, excluded: list[Exclusion]) -> pd.DataFrame | None:
        labels = self.labels(self._recording(video)[0])
        if labels is not None:
            images, ends = self.images(video), (int(labels.frames[0]), int(labels.frames[-1]))
            self._fits[video] = {offset: all(end + offset in images for end in ends) for offset in (-1, 0)}
        return super()._rows(video, excluded)

    def _closing_notes(self) -> list[str]:
        notes = super()._closing_notes()
        if self._fits:
            counts = {offset: sum(fits[offset] for fits in self._fits.values()) for offset in (-1, 0)}
            text = (
                f"first and last label row have an image in {counts[-1]} of {len(self._fits)} sequences with "
                f"frame_offset -1, in {counts[0]} with 0"
            )
            better = max(counts, key=lambda offset: counts[offset])
            if counts[better] > counts[self.frame_offset]:
                text += f": say --frame-offset {better} (data.frame_offset in an experiment)"
            notes.append(text)
        return notes

"""FERA 2017: the reader of the official release (and of the stand-in, which has the same layout)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from tqdm import tqdm

from aukit.corpora import fera2017_labels as labels
from aukit.corpora.companions import read_description, read_landmarks
from aukit.corpora.fera2017_layout import Index, inside, scan
from aukit.corpora.fera2017_layout import Sequence as Recording
from aukit.corpora.frame_table import FrameTable
from aukit.corpora.video import Image, count_frames, decode_video
from aukit.errors import CorpusError
from aukit.facs import intensity_column, occurrence_column

AUS = labels.AUS
STANDIN_FILE = "STANDIN.json"
SIDECAR_FOLDER = "Landmarks"


@dataclass(frozen=True)
class Exclusion:
    """A frame (or, with position None, a whole video) that is not in the table, and why."""

    source: str
    position: int | None
    reason: str


class FERA2017:
    """FERA 2017 challenge corpus: 3D-rendered views of spontaneous expressions with AU intensities.

    *Format.* Videos ``FERA17_TR_F001_T1_6.mp4`` (TR, VA, TE; person; task; view 1 to 9) and, shared by the
    nine views, ``FERA17_TR_F001_T1.csv`` (occurrence of AUs 1 4 6 7 10 12 14 15 17 23) and
    ``FERA17_TR_F001_T1_AU06_Int.csv`` (intensity, one file per AU 1 4 6 10 12 14 17). Row i of a label file
    belongs to decoded frame i. Code 9 is "not coded" and becomes NaN. Files are found by name anywhere below
    the root, so that local folder names do not matter. View 6 is what independent readers use as the frontal
    one.

    *Splits.* Train: the 41 people of BP4D, and so named (``BP4D/F001``). Valid (20) and Test (30) are people
    of BP4D+ who re-use those numbers: ``FERA2017-valid/F007``, ``FERA2017-test/F001``. Gender is the id's
    letter. The organisers keep the Test labels back: where they are absent, Test rows have NaN labels.

    *Citation.* Valstar et al., "FERA 2017 – Addressing Head Pose in the Third Facial Expression Recognition
    and Analysis Challenge", IEEE FG 2017. The corpus needs a signed agreement and is not part of aukit.

    Building `table` reads every label file and counts the frames of every needed video without decoding it
    (seconds for one view of the whole release). The reader writes nothing.

    Args:
        root: Folder of the release. No file outside it is ever opened.
        partitions: Which of ``train``, ``valid``, ``test`` to read; those that the release lacks are left
            out.
        views: Which views, 1 to 9; videos of other views are not touched.
        persons: Global person ids to keep; None for all.

    Raises:
        CorpusError: The root is missing or holds nothing of what is asked for; while reading: a label file is
            damaged, has an unknown code or contradicts another one.
    """

    name = "fera2017"

    def __init__(
        self,
        root: str | Path,
        partitions: Sequence[str] = ("train", "valid", "test"),
        views: Sequence[int] = (6,),
        persons: Sequence[str] | None = None,
    ) -> None:
        self.root = Path(root)
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
        self._excluded: list[Exclusion] = []
        self._notes: list[str] = []

    @property
    def sources(self) -> list[str]:
        """Videos to read, relative to the root, by partition (train, valid, test), person, task, view."""
        return [relative for _, relative in self._videos]

    @property
    def people(self) -> dict[str, list[str]]:
        """Videos to read of each global person id; no label is read for it."""
        videos: dict[str, list[str]] = {}
        for (recording, _), source in self._videos:
            videos.setdefault(recording.person, []).append(source)
        return videos

    @cached_property
    def table(self) -> FrameTable:
        """All usable frames with their labels, in the order of `sources` and position."""
        self._excluded.clear()
        self._notes.clear()
        parts = []
        for (recording, view), source in tqdm(
            self._videos, desc="reading fera2017", unit="video", disable=None, delay=3, leave=False
        ):
            rows = self._rows(recording, view, source, self._excluded)
            if rows is not None:
                parts.append(rows)
        if not parts:
            reasons = sorted({e.reason for e in self._excluded})
            raise CorpusError(f"{self.root}: not a single usable frame; reasons: {reasons}")
        return FrameTable(pd.concat(parts, ignore_index=True))

    def read(self, source: str) -> tuple[FrameTable | None, list[Exclusion]]:
        """Usable frames of one of `sources` (None if it has none) and what was left out, and why.

        Nothing else is read: for those who go through a whole release video by video.

        Raises:
            CorpusError: `source` is none of `sources`, or its label files are damaged.
        """
        keys = [key for key, video in self._videos if video == source]
        if not keys:
            raise CorpusError(f"{self.root}: has no video {source} in the chosen partitions and views")
        recording, view = keys[0]
        excluded: list[Exclusion] = []
        rows = self._rows(recording, view, source, excluded)
        return (None if rows is None or rows.empty else FrameTable(rows)), excluded

    @property
    def exclusions(self) -> list[Exclusion]:
        """Frames and videos that are not in `table`, each with its reason."""
        _ = self.table
        return list(self._excluded)

    @property
    def notes(self) -> list[str]:
        """What was tolerated while reading: absent Test labels, absent AU files, people without gender."""
        _ = self.table
        genders = {r.person: r.gender for (r, _), _ in self._videos}
        unknown = sorted(person for person, gender in genders.items() if gender is None)
        extra = [f"{len(unknown)} people without known gender: {', '.join(unknown)}"] if unknown else []
        return [*self._notes, *extra]

    @property
    def has_sidecar(self) -> bool:
        """Whether the root brings tracked landmarks (stand-ins do, the licensed release does not)."""
        return (self.root / SIDECAR_FOLDER).is_dir()

    def is_labelled(self, partition: str) -> bool:
        """Whether the release holds intensities of a partition; the organisers keep those of Test back."""
        return any(recording.partition == partition for recording, _ in self._index.intensity)

    @cached_property
    def standin(self) -> dict[str, Any] | None:
        """Recipe, version and seed if the root is a rendered stand-in, None for a licensed release."""
        if not (self.root / STANDIN_FILE).exists():
            return None
        return read_description(inside(self.root, STANDIN_FILE))

    def decode(self, source: str) -> Iterator[tuple[int, Image]]:
        """Stream (position, RGB uint8 [H, W, 3]) of a video; ends early where the file is damaged.

        Raises:
            CorpusError: The name leads out of the root, or the file cannot be opened as a video.
        """
        yield from decode_video(inside(self.root, source))

    def sidecar_landmarks(self, source: str) -> npt.NDArray[np.float32]:
        """Tracked landmarks [T, 68, 3] of a video in pixels of the full frame; NaN rows = no face found.

        Raises:
            CorpusError: There is no sidecar for this video, or it is damaged.
        """
        relative = f"{SIDECAR_FOLDER}/{PurePosixPath(source).stem}.npy"
        return read_landmarks(inside(self.root, relative))

    def fingerprint(self) -> str:
        """SHA-256 (hex) of names and sizes of videos and sidecars and of the contents of label files."""
        digest = hashlib.sha256(b"aukit.fera2017/1")
        for (_, _), source in self._videos:
            digest.update(f"|{source}|{inside(self.root, source).stat().st_size}".encode())
            sidecar = self.root / SIDECAR_FOLDER / f"{PurePosixPath(source).stem}.npy"
            if sidecar.exists():
                digest.update(f"|{sidecar.stat().st_size}".encode())
        for relative in sorted(
            {f for (recording, _), _ in self._videos for f in self._label_files(recording)}
        ):
            digest.update(f"|{relative}|".encode() + inside(self.root, relative).read_bytes())
        digest.update(json.dumps(self.standin, sort_keys=True).encode())
        return digest.hexdigest()

    def _needed(self) -> list[tuple[tuple[Recording, int], str]]:
        order = {p: i for i, p in enumerate(("train", "valid", "test"))}
        videos = [
            item
            for item in self._index.videos.items()
            if item[0][0].partition in self.partitions
            and item[0][1] in self.views
            and (self.persons is None or item[0][0].person in self.persons)
        ]
        return sorted(
            videos, key=lambda v: (order[v[0][0].partition], v[0][0].subject, _natural(v[0]), v[0][1])
        )

    def _label_files(self, recording: Recording) -> list[str]:
        files = [self._index.occurrence.get(recording)]
        files += [self._index.intensity.get((recording, au)) for au in AUS.intensity]
        return [f for f in files if f is not None]

    def _read_labels(self, recording: Recording) -> dict[str, labels.LabelFile]:
        """Column group (``c`` or ``AUxx_r``) → parsed file, for the files that there are."""
        files: dict[str, labels.LabelFile] = {}
        if occurrence := self._index.occurrence.get(recording):
            files["c"] = labels.read_occurrence(inside(self.root, occurrence))
        for au in AUS.intensity:
            if intensity := self._index.intensity.get((recording, au)):
                files[intensity_column(au)] = labels.read_intensity(inside(self.root, intensity))
        return files

    def _rows(
        self, recording: Recording, view: int, source: str, excluded: list[Exclusion]
    ) -> pd.DataFrame | None:
        try:
            available = count_frames(inside(self.root, source))
        except CorpusError:
            excluded.append(Exclusion(source, None, "the video cannot be opened"))
            return None
        files = self._read_labels(recording)
        if not files and recording.partition != "test":
            excluded.append(Exclusion(source, None, "no label file"))
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
        excluded += [Exclusion(source, i, "frame without label row") for i in range(usable, available)]
        excluded += [
            Exclusion(source, i, "label row without frame (the video ends early)")
            for i in range(available, longest)
        ]
        columns: dict[str, Any] = {
            "corpus": self.name,
            "partition": recording.partition,
            "person": recording.person,
            "subject": recording.subject,
            "gender": recording.gender,
            "task": recording.task,
            "view": view,
            "frame": numbers[:usable],
            "source": source,
            "position": np.arange(usable),
            "pair_id": None,
        }
        occurrence = _column_block(files.get("c"), usable, len(AUS.occurrence))
        for i, au in enumerate(AUS.occurrence):
            columns[occurrence_column(au)] = occurrence[:, i]
        for au in AUS.intensity:
            columns[intensity_column(au)] = _column_block(files.get(intensity_column(au)), usable, 1)[:, 0]
        return pd.DataFrame(columns)

    def _frame_numbers(
        self, recording: Recording, files: dict[str, labels.LabelFile]
    ) -> npt.NDArray[np.int64]:
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

    def _note(self, text: str) -> None:
        if text not in self._notes:
            self._notes.append(text)


def _natural(video: tuple[Recording, int]) -> int:
    return int(video[0].task[1:])


def _column_block(file: labels.LabelFile | None, rows: int, width: int) -> npt.NDArray[np.float32]:
    if file is None:
        return np.full((rows, width), np.nan, dtype=np.float32)
    return labels.to_labels(file.codes[:rows])


def exclusion_counts(exclusions: Iterable[Exclusion]) -> dict[str, int]:
    """Number of exclusions per reason."""
    counts: dict[str, int] = {}
    for exclusion in exclusions:
        counts[exclusion.reason] = counts.get(exclusion.reason, 0) + 1
    return dict(sorted(counts.items()))

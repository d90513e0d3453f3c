"""GFT: the reader of the release (and of the stand-in), as far as its files are publicly described."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from aukit.datasets.files import inside
from aukit.datasets.gft_columns import Labels, read_codes, read_columns
from aukit.datasets.gft_layout import NAMESPACE, Index, partition_of, scan
from aukit.datasets.media import Image, count_frames, decode_video
from aukit.datasets.release import Exclusion, Release
from aukit.errors import CorpusError
from aukit.facs import MAX_INTENSITY, intensity_column, occurrence_column

TASK = "conversation"


class GFT(Release):
    """Sayette Group Formation Task: 96 young adults in 32 conversations of three, one minute each.

    *Format.* A video and files of frame-level codes per person (``001A`` to ``032C``: group and seat). How
    the files are called, which column is which action unit and which code means "not coded" is described in
    the database's wiki (osf.io/7wcyz), not in any source that we read, and public lists disagree on AU 14:
    therefore ``gft_columns.yaml`` in the root, or another file, must say so (`aukit.datasets.gft_columns`).
    Nothing is guessed; an action unit that it does not name is not read. A row belongs to the decoded frame
    whose number is the row's less the map's ``first_frame``.

    *Splits.* ``partition`` is ``train`` (60 people), ``valid`` (18) or ``test`` (18) of Patch-MCD's public
    frame lists, which keep groups together; the official partition was not public. People are ``GFT/001A``
    and so on; gender comes from a table (`aukit.datasets.genders`), since the metadata that has it was not
    read.

    *Citation.* Girard et al., "Sayette Group Formation Task (GFT) Spontaneous Facial Expression Database",
    IEEE FG 2017. Annotations are public under CC BY 4.0; the videos need a signed form and are not part of
    aukit.

    Building `table` reads every label file and counts the frames of every video without decoding it.

    Args:
        root: Folder of the release.
        columns: The column map; None for ``gft_columns.yaml`` in the root.
        persons: Global person ids to keep; None for all.

    Raises:
        CorpusError: The root or the map is missing, a key of the map is, or there is nothing of what is asked
            for; while reading: a label file is damaged, lacks a column or has an unknown code.
    """

    name = "gft"
    namespace = NAMESPACE

    def __init__(
        self, root: str | Path, columns: str | Path | None = None, persons: Sequence[str] | None = None
    ) -> None:
        super().__init__(root)
        self.columns = read_columns(self.root, columns)
        self._index: Index = scan(self.root, self.columns)
        self._subjects = {
            video: subject
            for subject, video in sorted(self._index.videos.items())
            if persons is None or f"{NAMESPACE}/{subject}" in persons
        }
        if not self._subjects:
            raise CorpusError(f"{self.root}: has no video of the persons {list(persons or ())}")

    @property
    def videos(self) -> list[str]:
        """Videos, relative to the root, by person."""
        return list(self._subjects)

    @property
    def people(self) -> dict[str, list[str]]:
        """The video of each global person id; no label is read for it."""
        return {f"{NAMESPACE}/{subject}": [video] for video, subject in self._subjects.items()}

    @property
    def folder_styles(self) -> dict[str, int]:
        """Folders in which videos and label files lie, with the number of each."""
        return {f"{kind} files in {folder}": n for (kind, folder), n in self._index.folders.items()}

    @property
    def settings(self) -> list[str]:
        """Which action units the column map names."""
        named = {"occurrence": self.columns.occurrence, "intensity": self.columns.intensity or {}}
        found = [f"{kind} of AU {' '.join(map(str, aus))}" for kind, aus in named.items() if aus]
        codes = ", ".join(map(repr, self.columns.missing)) or "no code"
        return [f"the column map names {' and '.join(found)}; {codes} means not coded"]

    def decode(self, video: str) -> Iterator[tuple[int, Image]]:
        """Stream (position, RGB uint8 [H, W, 3]) of a video; ends early where the file is damaged.

        Raises:
            CorpusError: The name leads out of the root, or the file cannot be opened as a video.
        """
        yield from decode_video(inside(self.root, video))

    def fingerprint(self) -> str:
        """SHA-256 (hex) of the column map, names and sizes of videos, and contents of label files."""
        sizes = ((video, inside(self.root, video).stat().st_size) for video in self._subjects)
        files = [f for s in self._subjects.values() for f in self._files(s).values() if f is not None]
        columns = hashlib.sha256(self.columns.text().encode()).hexdigest()
        return self._digest(f"aukit.gft/1 {columns}", sizes, files)

    def _files(self, subject: str) -> dict[str, str | None]:
        return {
            "occurrence": self._index.labels.get(subject),
            "intensity": self._index.intensity_labels.get(subject),
        }

    def _rows(self, video: str, excluded: list[Exclusion]) -> pd.DataFrame | None:
        if (subject := self._subjects.get(video)) is None:
            raise CorpusError(f"{self.root}: has no video {video} of the chosen persons")
        try:
            available = count_frames(inside(self.root, video))
        except CorpusError:
            excluded.append(Exclusion(video, None, "the video cannot be opened"))
            return None
        codes = self._read(subject)
        if not codes:
            excluded.append(Exclusion(video, None, "no label file"))
            return None
        coded = np.unique(np.concatenate([positions for positions, _ in codes.values()]))
        here = np.arange(available)
        excluded += [Exclusion(video, int(i), "frame without label row") for i in np.setdiff1d(here, coded)]
        excluded += [Exclusion(video, int(i), "label row without frame") for i in coded[coded >= available]]
        usable = np.intersect1d(coded, here)
        columns: dict[str, Any] = {
            "corpus": self.name,
            "partition": partition_of(subject),
            "person": f"{NAMESPACE}/{subject}",
            "subject": subject,
            "gender": self._gender(f"{NAMESPACE}/{subject}", None),
            "task": TASK,
            "view": 0,
            "frame": usable + self.columns.first_frame,
            "video": video,
            "position": usable,
            "pair_id": None,
        }
        for kind, aus in (
            ("occurrence", self.columns.occurrence),
            ("intensity", self.columns.intensity or {}),
        ):
            name = occurrence_column if kind == "occurrence" else intensity_column
            labels = _at(codes.get(kind), usable, len(aus))
            columns |= {name(au): labels[:, i] for i, au in enumerate(aus)}
        return pd.DataFrame(columns)

    def _read(self, subject: str) -> dict[str, tuple[npt.NDArray[np.int64], Labels]]:
        """Positions and codes of the label files that a person has."""
        columns, codes = self.columns, {}
        for kind, relative in self._files(subject).items():
            named = columns.occurrence if kind == "occurrence" else columns.intensity
            if named is None:
                continue
            if relative is None:
                self._note(f"{subject}: no file of {kind} codes")
                continue
            path = inside(self.root, relative)
            top = 1 if kind == "occurrence" else MAX_INTENSITY
            frames, labels = read_codes(path, columns.frame, named, top, columns.missing)
            if len(frames) and frames.min() < columns.first_frame:
                raise CorpusError(
                    f"{path}: has frame {frames.min()}, but the column map says that frames are counted from "
                    f"{columns.first_frame}; correct the key 'first_frame'"
                )
            codes[kind] = frames - columns.first_frame, labels
        return codes


def _at(
    codes: tuple[npt.NDArray[np.int64], Labels] | None, positions: npt.NDArray[np.int64], width: int
) -> Labels:
    """Codes [N, A] of positions; NaN where a file has no row, or there is no file."""
    labels = np.full((len(positions), width), np.nan, dtype=np.float32)
    if codes is not None:
        _, where, rows = np.intersect1d(positions, codes[0], return_indices=True)
        labels[where] = codes[1][rows]
    return labels

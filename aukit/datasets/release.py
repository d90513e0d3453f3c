"""What the readers of all releases share: one table of usable frames, and an account of everything else."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from tqdm import tqdm

from aukit.datasets.files import SIDECAR_FOLDER, STANDIN_FILE, inside, read_description, read_landmarks
from aukit.datasets.frame_table import FrameTable
from aukit.datasets.genders import gender_table
from aukit.datasets.media import Image
from aukit.errors import CorpusError


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A frame (or, with position None, a whole video) that is not in the table, and why."""

    video: str
    position: int | None
    reason: str


class Release(ABC):
    """A release on disk, read video by video; a video is a file or a folder of images.

    Subclasses say what the videos are and how one becomes rows of the table. A reader writes nothing and
    opens no file outside its root, but for a table of genders that the user names (`aukit.datasets.genders`).

    Args:
        root: Folder of the release.

    Attributes:
        root: The same.
        genders: What the user's table says, by global person id.
        tolerated: What was tolerated in all that has been read so far.
        spellings: Which of the tolerated spellings each file met so far has, by name of the file.
    """

    name: str
    """Of the corpus, e.g. ``bp4d``."""
    namespace: str | None
    """First half of global person ids; None where a release has several."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.genders = gender_table(self.root, self.name, self.namespace)
        self.tolerated: list[str] = []
        self.spellings: dict[str, str] = {}
        self._excluded: list[Exclusion] = []

    @property
    @abstractmethod
    def videos(self) -> list[str]:
        """Videos or folders to read, relative to the root, in the order of the table."""

    @property
    @abstractmethod
    def people(self) -> dict[str, list[str]]:
        """Sources of each global person id; no label is read for it."""

    @abstractmethod
    def decode(self, video: str) -> Iterator[tuple[int, Image | None]]:
        """Stream (position, RGB uint8 [H, W, 3]) of a video; None for a frame that cannot be decoded.

        Raises:
            CorpusError: The video is not of this release, or cannot be opened.
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """SHA-256 (hex) of all that decides table and frames, without reading a frame."""

    @abstractmethod
    def _rows(self, video: str, excluded: list[Exclusion]) -> pd.DataFrame | None:
        """Rows of a video, None if there are none; what is left out is added to the list."""

    @property
    def settings(self) -> list[str]:
        """What was chosen where the release leaves a choice, in words."""
        return []

    def _closing_notes(self) -> list[str]:
        """Notes that need all videos to have been read."""
        genders = self.table.frame[["person", "gender"]].drop_duplicates()
        unknown = sorted(genders["person"][genders["gender"].isna()])
        return [f"{len(unknown)} people without known gender: {', '.join(unknown)}"] if unknown else []

    @cached_property
    def table(self) -> FrameTable:
        """All usable frames with their labels, in the order of `videos` and position.

        Raises:
            CorpusError: A label file is damaged, or there is not a single usable frame.
        """
        self._excluded.clear()
        self.tolerated.clear()
        self.spellings.clear()
        parts = []
        for video in tqdm(
            self.videos, desc=f"reading {self.name}", unit="video", disable=None, delay=3, leave=False
        ):
            rows = self._rows(video, self._excluded)
            if rows is not None:
                parts.append(rows)
        if not parts:
            reasons = sorted({e.reason for e in self._excluded})
            raise CorpusError(f"{self.root}: not a single usable frame; reasons: {reasons}")
        return FrameTable(pd.concat(parts, ignore_index=True))

    def read(self, video: str) -> tuple[FrameTable | None, list[Exclusion]]:
        """Usable frames of one of `videos` (None if it has none) and what was left out, and why.

        Nothing else is read: for those who go through a whole release video by video.

        Raises:
            CorpusError: `video` is none of `videos`, or its label files are damaged.
        """
        excluded: list[Exclusion] = []
        rows = self._rows(video, excluded)
        return (None if rows is None or rows.empty else FrameTable(rows)), excluded

    @property
    def exclusions(self) -> list[Exclusion]:
        """Frames and videos that are not in `table`, each with its reason."""
        _ = self.table
        return list(self._excluded)

    @property
    def notes(self) -> list[str]:
        """What was chosen, and what was tolerated while reading: absent files, people without gender."""
        _ = self.table
        return [*self.settings, *self.tolerated, *self._closing_notes()]

    @property
    def has_sidecar(self) -> bool:
        """Whether the root brings tracked landmarks (stand-ins do, licensed releases do not)."""
        return (self.root / SIDECAR_FOLDER).is_dir()

    @cached_property
    def standin(self) -> dict[str, Any] | None:
        """Recipe, version and seed if the root is a rendered stand-in, None for a licensed release."""
        if not (self.root / STANDIN_FILE).exists():
            return None
        return read_description(inside(self.root, STANDIN_FILE))

    def sidecar_landmarks(self, video: str) -> npt.NDArray[np.float32]:
        """Tracked landmarks [T, 68, 3] of a video in pixels of the full frame; NaN rows = no face found.

        Raises:
            CorpusError: There is no sidecar for this video, or it is damaged.
        """
        relative = self._sidecar(video)
        assert relative is not None
        return read_landmarks(inside(self.root, relative))

    def title(self, video: str) -> str:
        """What a file about a video is called, without its ending: no other video's is called so."""
        return PurePosixPath(video).stem

    def tracker_rows(self, video: str, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Row of each position in what a tracker writes about a video, one row for each of its frames."""
        return positions

    def _sidecar(self, video: str) -> str | None:
        """Path of the tracked landmarks of a video; None where they are no single file."""
        return f"{SIDECAR_FOLDER}/{self.title(video)}.npy"

    def _gender(self, person: str, own: str | None) -> str | None:
        """Gender of a person: the user's table goes before what the release says."""
        return self.genders.get(person, own)

    def _note(self, text: str) -> None:
        if text not in self.tolerated:
            self.tolerated.append(text)

    def _digest(self, tag: str, stamps: Iterable[tuple[str, object]], label_files: Iterable[str]) -> str:
        """Fingerprint of videos (each with a stamp), their sidecars, label files, genders and the recipe."""
        digest = hashlib.sha256(tag.encode())
        for video, stamp in stamps:
            digest.update(f"|{video}|{stamp}".encode())
            sidecar = self._sidecar(video)
            if sidecar is not None and (self.root / sidecar).exists():
                digest.update(f"|{(self.root / sidecar).stat().st_size}".encode())
        for relative in sorted(set(label_files)):
            digest.update(f"|{relative}|".encode() + inside(self.root, relative).read_bytes())
        if self.genders:
            digest.update(json.dumps(self.genders, sort_keys=True).encode())
        digest.update(json.dumps(self.standin, sort_keys=True).encode())
        return digest.hexdigest()


def exclusion_counts(exclusions: Iterable[Exclusion]) -> dict[str, int]:
    """Number of exclusions per reason."""
    return dict(sorted(Counter(exclusion.reason for exclusion in exclusions).items()))

"""What every corpus on disk offers: a table of usable frames, the frames, and what stands beside them."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from aukit.datasets.files import SIDECAR_FOLDER, STANDIN_FILE, inside, read_description
from aukit.datasets.frame_table import FrameTable
from aukit.datasets.sidecars import ENDINGS, read_array
from aukit.datasets.video import Image, decode_video
from aukit.errors import CorpusError

NOT_DECODED = "the frame cannot be decoded"
"""Reason of a frame that is damaged, or lies between damage and the next key frame of its video."""


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A frame (or, with position None, a whole video) that is not in the table, and why.

    Example:
        >>> Exclusion("videos/001A.mp4", 17, "frame without label row").reason
        'frame without label row'
    """

    video: str
    position: int | None
    reason: str


def exclusion_counts(exclusions: Iterable[Exclusion]) -> dict[str, int]:
    """Number of exclusions per reason."""
    return dict(sorted(Counter(exclusion.reason for exclusion in exclusions).items()))


class CorpusReader(ABC):
    """Frames and labels of a corpus in a folder: what a prepared store is made of.

    A reader writes nothing and opens no file outside its roots.

    Args:
        root: Folder of the corpus.

    Attributes:
        root: The same.

    Example:
        >>> from aukit.datasets.bp4d import BP4D
        >>> corpus: CorpusReader = BP4D("BP4D")  # doctest: +SKIP
        >>> position, image = next(corpus.decode(corpus.table.videos[0]))  # doctest: +SKIP
    """

    name: str
    """Of the corpus, e.g. ``bp4d``."""
    description_file: ClassVar[str] = STANDIN_FILE
    """File in the root that says how it was rendered."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    @property
    @abstractmethod
    def table(self) -> FrameTable:
        """All usable frames with their labels."""

    @property
    @abstractmethod
    def exclusions(self) -> list[Exclusion]:
        """Frames and videos that are not in `table`, each with its reason."""

    def fingerprint(self) -> str:
        """SHA-256 (hex) of all that decides table and frames, as it was when this reader first looked.

        It looks when it is first asked or reads its table, whichever comes first; no frame is read.
        """
        return hashlib.sha256(json.dumps(self._first_stamps, sort_keys=True).encode()).hexdigest()

    def changed(self) -> list[str]:
        """What decides table and frames and is no longer as this reader first saw it, by name."""
        now = self._stamps()
        return sorted(name for name, stamp in self._first_stamps.items() if now.get(name) != stamp)

    @abstractmethod
    def _stamps(self) -> dict[str, str]:
        """Names of all that decides table and frames, and a stamp of each as it is now."""

    @cached_property
    def _first_stamps(self) -> dict[str, str]:
        return self._stamps()

    @property
    def settings(self) -> list[str]:
        """What was chosen where the corpus leaves a choice, for printing."""
        return []

    @property
    def notes(self) -> list[str]:
        """`settings`, and whatever else a reader says about what it read."""
        return self.settings

    @cached_property
    def standin(self) -> dict[str, Any] | None:
        """Recipe, version and seed if the root was rendered, None for a licensed release."""
        if not (self.root / self.description_file).exists():
            return None
        return read_description(self.path(self.description_file))

    def path(self, relative: str) -> Path:
        """Path of a file in the root.

        Raises:
            CorpusError: It leads out of the root.
        """
        return inside(self.root, relative)

    def video_path(self, video: str) -> Path:
        """Path of a video file, a folder of images or an image in one.

        Raises:
            CorpusError: It leads out of the root.
        """
        return self.path(video)

    def decode(self, video: str) -> Iterator[tuple[int, Image | None]]:
        """Stream (position, RGB uint8 [H, W, 3]) of a video; None for a frame that cannot be decoded.

        A damaged video file ends early.

        Raises:
            CorpusError: The video is not of this corpus, or cannot be opened.
        """
        yield from decode_video(self.video_path(video))

    @property
    def has_sidecar(self) -> bool:
        """Whether the root has a folder of tracked landmarks, stand-ins' or the user's, see `sidecars`."""
        return (self.root / SIDECAR_FOLDER).is_dir()

    def sidecar_landmarks(self, video: str) -> npt.NDArray[np.float32]:
        """Tracked landmarks [T, 68, 3] of a video in pixels of the full frame; NaN rows = no face found.

        Raises:
            CorpusError: There is no sidecar for this video, or it is damaged.
        """
        relative = self._sidecar(video)
        assert relative is not None
        return read_array(self.path(relative))

    def title(self, video: str) -> str:
        """Unique name of files about a video, without their ending."""
        return PurePosixPath(video).stem

    def _sidecar(self, video: str) -> str | None:
        """Path of the tracked landmarks of a video; None where they are no single file.

        Raises:
            CorpusError: There are several of them.
        """
        named = [f"{SIDECAR_FOLDER}/{self.title(video)}{ending}" for ending in ENDINGS]
        there = [relative for relative in named if self.path(relative).is_file()]
        if len(there) > 1:
            raise CorpusError(f"{self.root}: {' and '.join(there)} are about the same video; remove one")
        return there[0] if there else named[0]

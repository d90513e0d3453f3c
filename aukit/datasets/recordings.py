"""Recordings of a release, and where their videos and label files lie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar, Protocol

from aukit.datasets.files import Key, put


class Recording(Protocol):
    """A person doing one task; the views of it, where there are several, share its labels.

    Each corpus has a class of its own, hashable, which knows how the corpus names people (see
    `SubjectRecording`); notes name a recording by its `str`.
    """

    @property
    def partition(self) -> str:
        """Partition of the corpus, e.g. ``train`` or ``P1``."""

    @property
    def person(self) -> str:
        """Global id ``<namespace>/<subject>``."""

    @property
    def subject(self) -> str:
        """Id within the corpus."""

    @property
    def gender(self) -> str | None:
        """What the release says, ``female``, ``male`` or nothing."""

    @property
    def task(self) -> str:
        """Task or session."""


@dataclass(frozen=True, order=True)
class SubjectRecording:
    """Recording of a corpus whose people have one namespace; subclasses know more about them.

    Attributes:
        namespace: First half of global person ids.
        partitions: Partition of each subject; those of a corpus without partitions have its namespace.
        subject: Id within the corpus.
        task: Task or session.

    Example:
        >>> class Interview(SubjectRecording):
        ...     namespace = "MINE"
        >>> Interview("p07", "talk").person
        'MINE/p07'
    """

    namespace: ClassVar[str]
    partitions: ClassVar[Mapping[str, str]] = MappingProxyType({})

    subject: str
    task: str

    @property
    def person(self) -> str:
        """Global person id."""
        return f"{self.namespace}/{self.subject}"

    @property
    def gender(self) -> str | None:
        """Nothing is known."""
        return None

    @property
    def partition(self) -> str:
        """Partition of the corpus."""
        return self.partitions.get(self.subject, self.namespace)

    def __str__(self) -> str:
        return f"{self.subject} {self.task}"


KINDS = frozenset({"videos", "labels", "landmarks"})
"""What a release consists of; each may lie in a root of its own."""


@dataclass
class Index:
    """What lies where in a release: paths relative to the root of their kind, ``/`` as separator.

    Attributes:
        kinds: What is entered now: what the root holds that is being searched.
        videos: Video file or folder of images of each recording and view.
        images: Folders of images that stand in for a video where there is none (`settle`).
        labels: Label files of each recording by kind, e.g. ``occurrence`` or ``AU06``.
        landmarks: Files or folders of landmarks, under the name by which the reader looks them up.
        styles: Number of files by kind and folder, e.g. of ``video files in videos``.

    Example:
        >>> from aukit.datasets.disfa import Recording
        >>> index = Index()
        >>> index.add_video(Recording("SN001"), 1, "videos/LeftVideoSN001_comp.avi", "video files in videos")
        >>> index.styles["video files in videos"]
        1
    """

    kinds: frozenset[str] = KINDS
    videos: dict[tuple[Recording, int], str] = field(default_factory=dict)
    images: dict[tuple[Recording, int], str] = field(default_factory=dict)
    labels: dict[Recording, dict[str, str]] = field(default_factory=dict)
    landmarks: dict[str, str] = field(default_factory=dict)
    styles: Counter[str] = field(default_factory=Counter)

    def add_video(self, recording: Recording, view: int, relative: str, style: str) -> None:
        """Enter a video.

        Raises:
            CorpusError: The recording has another one of that view.
        """
        self._add("videos", self.videos, (recording, view), relative, style)

    def add_images(self, recording: Recording, view: int, relative: str, style: str) -> None:
        """Enter a folder of images that stands in for a video.

        Raises:
            CorpusError: The recording has another one of that view.
        """
        self._add("videos", self.images, (recording, view), relative, style)

    def add_labels(self, recording: Recording, kind: str, relative: str, style: str) -> None:
        """Enter a label file.

        Raises:
            CorpusError: The recording has another one of that kind.
        """
        files = self.labels.setdefault(recording, {}) if "labels" in self.kinds else {}
        self._add("labels", files, kind, relative, style)

    def add_landmarks(self, name: str, relative: str, style: str) -> None:
        """Enter a file or folder of landmarks.

        Raises:
            CorpusError: There is another one of that name.
        """
        self._add("landmarks", self.landmarks, name, relative, style)

    def settle(self) -> list[str]:
        """Take folders of images as videos where there is no video; returns those that are not needed."""
        unused = [relative for key, relative in self.images.items() if key in self.videos]
        self.videos = self.images | self.videos
        return unused

    def _add(self, kind: str, files: dict[Key, str], key: Key, relative: str, style: str) -> None:
        if kind in self.kinds:
            put(files, key, relative)
            self.styles[style] += 1

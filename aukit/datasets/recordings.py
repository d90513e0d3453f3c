"""Recordings of a release, and where their videos and label files lie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar, Protocol

from aukit.datasets.files import put


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
        """What the release says: ``female``, ``male`` or nothing."""

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


@dataclass
class Index:
    """What lies where in a release: paths relative to its root, ``/`` as separator.

    Attributes:
        videos: Video file or folder of images of each recording and view.
        labels: Label files of each recording by kind, e.g. ``occurrence`` or ``AU06``.
        styles: Number of files by kind and folder, e.g. of ``video files in videos``.

    Example:
        >>> from aukit.datasets.disfa import Recording
        >>> index = Index()
        >>> index.add_video(Recording("SN001"), 1, "videos/LeftVideoSN001_comp.avi", "video files in videos")
        >>> index.styles["video files in videos"]
        1
    """

    videos: dict[tuple[Recording, int], str] = field(default_factory=dict)
    labels: dict[Recording, dict[str, str]] = field(default_factory=dict)
    styles: Counter[str] = field(default_factory=Counter)

    def add_video(self, recording: Recording, view: int, relative: str, style: str) -> None:
        """Enter a video.

        Raises:
            CorpusError: The recording has another one of that view.
        """
        put(self.videos, (recording, view), relative)
        self.styles[style] += 1

    def add_labels(self, recording: Recording, kind: str, relative: str, style: str) -> None:
        """Enter a label file.

        Raises:
            CorpusError: The recording has another one of that kind.
        """
        put(self.labels.setdefault(recording, {}), kind, relative)
        self.styles[style] += 1

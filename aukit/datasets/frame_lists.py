"""Frame lists of published projects: rows of image, person and labels, with the images that they name."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from aukit.datasets import bp4d, disfa
from aukit.datasets.folds import fold_split_of, fold_splits
from aukit.datasets.image_folders import ImageFolderRelease
from aukit.datasets.images import image_number, read_image_if_whole
from aukit.datasets.label_files import NOT_CODED, LabelFile, Labels, labels_by_frame, to_labels
from aukit.datasets.recordings import Index, Recording
from aukit.datasets.video import Image
from aukit.errors import CorpusError
from aukit.facs import occurrence_column

_NAMESPACES = {"bp4d": bp4d.NAMESPACE, "disfa": disfa.NAMESPACE}
_PATHS = {
    "bp4d": re.compile(r"(?:.*/)?(?P<subject>[FM]\d{3})/(?P<task>T\d{1,2})"),
    "disfa": re.compile(r"(?:.*/)?(?P<subject>SN\d{3})"),
}


@dataclass(frozen=True)
class Entry:
    """What a list says of one frame.

    Attributes:
        place: Where it says so, for messages, e.g. ``train.csv, line 2``.
        image: Path of the image as listed.
        labels: One per action unit as written, in the order of the list's `aus`.
    """

    place: str
    image: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """An entry that was understood.

    Attributes:
        video: Folder of the image, relative to the images' root.
        position: Frame number, from the image's name.
        image: Name of the image as listed.
        recording: Person and task.
        codes: One per action unit; 9 = not coded.
    """

    video: str
    position: int
    image: str
    recording: Recording
    codes: tuple[int, ...]

    @property
    def key(self) -> tuple[str, int]:
        """What finds the frame in the table."""
        return self.video, self.position


class FrameLists(ImageFolderRelease):
    """The frames of all training and test lists of a project that are there: one store serves all folds.

    `frames` gives those of one list, in its order. An image is found by the number in its name, whatever the
    padding; a listed frame without image is a counted exclusion, an image that no list names does not count.
    Label 9 or -1 becomes NaN. Folds are counted as FG-Net counts them (`aukit.datasets.folds`).

    A subclass says which files make up a list (`list_files`), what is in them (`_entries`) and where the
    images lie (`_image_path`).

    Args:
        root: Folder of the project's data.
        corpus: ``bp4d`` or ``disfa``.
        locations: Where parts of it lie: see `Release`; the lists are the label files.

    Attributes:
        aus: Action units of the labels, in the order of the lists.

    Raises:
        CorpusError: There is no list, or one is damaged, names a frame twice, an image outside the root or a
            person of another fold split, or contradicts another list.

    Example:
        >>> lists: FrameLists = FGNetLists("FG-Net/data", "bp4d")  # doctest: +SKIP
        >>> lists.frames(0, lists.test_list)[0]  # doctest: +SKIP
        ('BP4D/aligned_images/F001/T1', 2440)
    """

    project: ClassVar[str]
    """Whose lists they are, for messages."""
    train_list: ClassVar[str] = "train"
    test_list: ClassVar[str] = "test"
    """What `frames` calls the two lists of a fold."""
    codes: ClassVar[dict[str, int]] = {"0": 0, "1": 1, "9": NOT_CODED, "-1": NOT_CODED}
    examples: ClassVar[dict[str, str]]
    """A path that a list may hold, by corpus, for messages."""
    row_without_frame = row_beyond_end = "listed, but there is no such image"

    def __init__(self, root: str | Path, corpus: Literal["bp4d", "disfa"], **locations: Any) -> None:
        self.name, self.namespace = corpus, _NAMESPACES[corpus]
        self.options = f"{self.project}'s lists"
        self.aus: tuple[int, ...] = ()
        super().__init__(root, **locations)

    @abstractmethod
    def list_files(self, fold: int, name: str) -> tuple[str, ...]:
        """Files of a list, relative to the root of the labels."""

    @abstractmethod
    def _entries(self, fold: int, name: str) -> Iterable[Entry]:
        """What a list says, in its order; sets `aus`."""

    def _image_path(self, listed: str) -> str:
        """Path of an image below the images' root."""
        return listed

    def _match(self, folder: str) -> re.Match[str] | None:
        """Subject and, where there are several, task of a folder of images; None for another folder."""
        return _PATHS[self.name].fullmatch(folder)

    def frames(self, fold: int, name: str) -> list[tuple[str, int]]:
        """Video and position of the frames of one list, in its order.

        Args:
            fold: 0, 1 or 2: tests P1, P2 or P3, as FG-Net counts.
            name: `train_list`, `test_list`, or a subset if the project has any.

        Raises:
            CorpusError: The list is missing or damaged.
        """
        return list(self._read_list(fold, name))

    def image_size(self) -> tuple[int, int] | None:
        """Height and width of the first listed image that can be read; None if there is none."""
        for video in self.videos:
            for _, image in self.decode(video):
                if image is not None:
                    return image.shape[0], image.shape[1]
        return None

    def decode(self, video: str) -> Iterator[tuple[int, Image | None]]:
        """Stream (frame number, RGB uint8 [H, W, 3]) of the listed images; None for a damaged one."""
        for position, name in self._listed_images(video).items():
            yield position, read_image_if_whole(self.video_path(f"{video}/{name}"))

    def labels(self, recording: Recording) -> Labels:
        """All listed rows of a recording."""
        rows = self.listed(self.index.videos[recording, 0])
        labels = to_labels(np.array([row.codes for row in rows], dtype=np.int64))
        columns = tuple(map(occurrence_column, self.aus))
        file = LabelFile(np.array([row.position for row in rows]), labels)
        return labels_by_frame({"list": file}, {"list": columns})

    def listed(self, video: str) -> list[Row]:
        """Rows of all lists about a video, by position.

        Raises:
            CorpusError: No list names it.
        """
        if video not in self._by_video:
            raise CorpusError(f"{self.root}: {video} is in none of the lists {', '.join(self.files)}")
        return self._by_video[video]

    def title(self, video: str) -> str:
        """Person and, where there are several, task."""
        recording = self.listed(video)[0].recording
        return recording.subject if self.name == "disfa" else f"{recording.subject}_{recording.task}"

    def _listed_images(self, video: str) -> dict[int, str]:
        """Position → name of the listed images that are there."""
        present = self.images(video)
        return {row.position: present[row.position] for row in self.listed(video) if row.position in present}

    def _positions(self, video: str) -> npt.NDArray[np.int64]:
        return np.array(list(self._listed_images(video)), dtype=np.int64)

    def _reasons(self, video: str) -> tuple[str, str, str]:
        return self.frame_without_row, self.row_without_frame, self.row_beyond_end

    def _label_files(self) -> set[str]:
        return set(self.files)

    def _scan(self) -> Index:
        self._require_roots()
        lists = [(fold, name) for fold in range(3) for name in (self.test_list, self.train_list)]
        there = {
            key: [file for file in self.list_files(*key) if self.label_path(file).is_file()] for key in lists
        }
        whole = [key for key in lists if len(there[key]) == len(self.list_files(*key))]
        halves = [file for key in lists if key not in whole for file in there[key]]
        if not whole:
            lacking = " and ".join(self.list_files(0, self.train_list))
            raise CorpusError(
                f"{self.labels_root}: holds no {lacking}; name the folder `data` of {self.project}'s code"
                + (f". There is {halves[0]}, which needs its counterpart" if halves else "")
            )
        if halves:
            self._layout_notes.append(f"lists that are not read, since half of them is missing: {halves}")
        self.files = [file for key in whole for file in there[key]]
        rows: dict[tuple[str, int], Row] = {}
        for fold, name in whole:
            for key, row in self._read_list(fold, name).items():
                if rows.setdefault(key, row) != row:
                    raise CorpusError(
                        f"{self.list_files(fold, name)[0]}: {row.image} in {row.video} is labelled otherwise "
                        "elsewhere"
                    )
        index = Index()
        self._by_video: dict[str, list[Row]] = {}
        for row in sorted(rows.values(), key=lambda row: row.position):
            if row.video not in self._by_video:
                self.video_path(row.video)
                index.add_video(row.recording, 0, row.video, f"image files in {Path(row.video).parent}")
            self._by_video.setdefault(row.video, []).append(row)
        return index

    def _read_list(self, fold: int, name: str) -> dict[tuple[str, int], Row]:
        trained, tested = fold_splits(fold)
        splits = (tested,) if name == self.test_list else trained
        rows: dict[tuple[str, int], Row] = {}
        for entry in self._entries(fold, name):
            row = self._row(entry)
            subject = row.recording.subject
            if fold_split_of(self.name, subject) not in splits:
                raise CorpusError(
                    f"{entry.place}: {subject} is not of {' or '.join(splits)}, whose people this list has; "
                    "is it of another fold?"
                )
            if rows.setdefault(row.key, row) is not row:
                raise CorpusError(f"{entry.place}: {entry.image} is listed twice")
        return rows

    def _row(self, entry: Entry) -> Row:
        path = self._image_path(entry.image)
        folder, _, name = path.rpartition("/")
        match, position = self._match(folder), image_number(name)
        if match is None or position is None or ".." in folder.split("/"):
            raise CorpusError(
                f"{entry.place}: image_path {entry.image!r}; expected e.g. {self.examples[self.name]}"
            )
        codes = tuple(self.codes.get(label, -1) for label in entry.labels)
        if -1 in codes:
            wrong = entry.labels[codes.index(-1)]
            raise CorpusError(f"{entry.place}: label {wrong!r}; known are 0, 1, {NOT_CODED} (not coded)")
        recording = (bp4d if self.name == "bp4d" else disfa).Recording(*match.groups())
        return Row(folder, position, name, recording, codes)

"""FG-Net's own lists: crops and landmarks of its preprocessing, in the frames and order of its CSV files.

Layout below the root (``data`` in the official code):

==================================================== ====================================================
``BP4D/labels/0/train.csv``, ``test.csv``            fold 0: ``image_path,au1,au2,…``, one row per frame
``BP4D/labels/0/train_100.csv``                      a subset; an unnamed first column counts rows
``BP4D/aligned_images/F001/T1/02440.jpg``            FFHQ crop, 256 × 256, at the ``image_path`` of the row
``BP4D/aligned_landmarks/F001/T1/02440.npy``         its 68 landmarks [68, 2] in pixels of the crop
``DISFA/aligned_images/SN001/00001.jpg`` …           likewise; DISFA's numbers begin at 1
==================================================== ====================================================
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from aukit.datasets import bp4d, disfa
from aukit.datasets.csv_files import csv_lines, without_trailing_commas, wrong_width
from aukit.datasets.files import inside, require_folder
from aukit.datasets.folds import fold_split_of, fold_splits
from aukit.datasets.label_files import (
    NOT_CODED,
    LabelFile,
    Labels,
    au_number,
    labels_by_frame,
    to_labels,
)
from aukit.datasets.media import image_number, read_image_if_whole
from aukit.datasets.reader import Exclusion
from aukit.datasets.recordings import Index, Recording
from aukit.datasets.release import Release
from aukit.datasets.stamps import folder_stamp
from aukit.datasets.video import Image
from aukit.errors import CorpusError
from aukit.facs import CORPUS_AUS, occurrence_column
from aukit.utils.outside import load_npy

IMAGES, LANDMARKS = "aligned_images", "aligned_landmarks"
_NAMESPACES = {"bp4d": bp4d.NAMESPACE, "disfa": disfa.NAMESPACE}
_PATH = {
    "bp4d": re.compile(rf".*{IMAGES}/(?P<subject>[FM]\d{{3}})/(?P<task>T\d{{1,2}})/[^/]+"),
    "disfa": re.compile(rf".*{IMAGES}/(?P<subject>SN\d{{3}})/[^/]+"),
}
_LABELS = {"0": 0, "0.0": 0, "1": 1, "1.0": 1, "9": NOT_CODED, "9.0": NOT_CODED}
_MAX_NPY_BYTES = 64 * 2**10


@dataclass(frozen=True)
class Row:
    """One row of a list.

    Attributes:
        video: Folder of the image, relative to the root.
        position: Frame number, from the image's name.
        image: Name of the image.
        recording: Person and task.
        codes: One per action unit, in the order of `FGNetLists.aus`; 9 = not coded.
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


class FGNetLists(Release):
    """The frames of FG-Net's lists, as its preprocessing left them (see the module's text).

    The table holds the frames of all lists ``train.csv`` and ``test.csv`` that are there, so that one
    prepared store serves all folds; `frames` gives those of one list, in its order. Images are crops already:
    prepare them with the registration ``none``. Where ``aligned_landmarks`` is there, a frame without
    landmarks is a counted exclusion, and so is one without image; code 9 becomes NaN.

    *Citation.* Yin et al., "FG-Net: Facial Action Unit Detection with Generalizable Pyramidal Features", WACV
    2024. The lists derive from licensed corpora and are not part of aukit.

    Args:
        root: The ``data`` folder.
        corpus: ``bp4d`` or ``disfa``.

    Raises:
        CorpusError: There is no list, or one is damaged, names a frame twice, an image outside the root or a
            person of another fold split, or contradicts another list.

    Example:
        >>> lists = FGNetLists("FG-Net/data", "bp4d")  # doctest: +SKIP
        >>> len(lists.frames(0, "train_100.csv"))  # doctest: +SKIP
        100
    """

    options = "FG-Net's lists"
    row_without_frame = row_beyond_end = "listed, but there is no such image"

    def __init__(self, root: str | Path, corpus: Literal["bp4d", "disfa"]) -> None:
        self.name, self.namespace = corpus, _NAMESPACES[corpus]
        super().__init__(root)

    def _scan(self) -> Index:
        require_folder(self.root, self.name)
        self.aus: tuple[int, ...] = ()
        self.files = [
            relative
            for fold in range(3)
            for name in ("test.csv", "train.csv")
            if inside(self.root, relative := self._list(fold, name)).is_file()
        ]
        if not self.files:
            raise CorpusError(
                f"{self.root}: holds no {self._list(0, 'train.csv')}; name the folder `data` of FG-Net's code"
            )
        rows: dict[tuple[str, int], Row] = {}
        for relative in self.files:
            for key, row in self._read_list(relative).items():
                if rows.setdefault(key, row) != row:
                    raise CorpusError(
                        f"{relative}: {row.image} in {row.video} is labelled otherwise elsewhere"
                    )
        index = Index()
        self._by_video: dict[str, list[Row]] = {}
        for row in sorted(rows.values(), key=lambda row: row.position):
            if row.video not in self._by_video:
                inside(self.root, row.video)
                index.add_video(row.recording, 0, row.video, f"image files in {Path(row.video).parent}")
            self._by_video.setdefault(row.video, []).append(row)
        return index

    def frames(self, fold: int, name: str) -> list[tuple[str, int]]:
        """Video and position of the frames of one list, in its order.

        Args:
            fold: 0, 1 or 2.
            name: ``train.csv``, ``test.csv`` or a subset such as ``train_100.csv``.

        Raises:
            CorpusError: The list is missing or damaged.
        """
        return list(self._read_list(self._list(fold, name)))

    @property
    def has_sidecar(self) -> bool:
        """Whether the landmarks of FG-Net's preprocessing are there."""
        return (self.root / f"{self.namespace}" / LANDMARKS).is_dir()

    def decode(self, video: str) -> Iterator[tuple[int, Image | None]]:
        """Stream (frame number, RGB uint8 [H, W, 3]) of the listed images; None for a damaged one."""
        present = self._names(video)
        for row in self._listed(video):
            if row.image in present:
                yield row.position, read_image_if_whole(inside(self.root, f"{video}/{row.image}"))

    def sidecar_landmarks(self, video: str) -> npt.NDArray[np.float32]:
        """Landmarks by frame number: [last + 1, 68, 3], depth NaN; NaN where there is no file.

        Raises:
            CorpusError: A file is damaged.
        """
        rows, folder = self._listed(video), _landmark_folder(video)
        present = self._names(folder)
        result = np.full((rows[-1].position + 1, 68, 3), np.nan, np.float32)
        for row in rows:
            if name := _landmark_file(row.image, present):
                result[row.position, :, :2] = _read_points(inside(self.root, f"{folder}/{name}"))
        return result

    def _stamp(self, video: str) -> str:
        folder = inside(self.root, _landmark_folder(video))
        return f"{super()._stamp(video)} {folder_stamp(folder, lambda name: name.endswith('.npy'))}"

    def _sidecar(self, video: str) -> None:
        return None  # a file per image

    def _listed(self, video: str) -> list[Row]:
        if video not in self._by_video:
            raise CorpusError(f"{self.root}: {video} is in none of the lists {', '.join(self.files)}")
        return self._by_video[video]

    def _names(self, folder: str) -> set[str]:
        path = inside(self.root, folder)
        return set(os.listdir(path)) if path.is_dir() else set()

    def _label_files(self) -> set[str]:
        return set(self.files)

    def _positions(self, video: str) -> npt.NDArray[np.int64]:
        """Of the listed images that are there."""
        present = self._names(video)
        return np.array([row.position for row in self._listed(video) if row.image in present], dtype=np.int64)

    def labels(self, recording: Recording) -> Labels:
        """All listed rows of a recording."""
        rows = self._by_video[self.index.videos[recording, 0]]
        labels = to_labels(np.array([row.codes for row in rows], dtype=np.int64))
        columns = tuple(map(occurrence_column, self.aus))
        file = LabelFile(np.array([row.position for row in rows]), labels)
        return labels_by_frame({"list": file}, {"list": columns})

    def _rows(self, video: str, excluded: list[Exclusion]) -> pd.DataFrame | None:
        rows = super()._rows(video, excluded)
        if rows is None or not self.has_sidecar:
            return rows
        names = self._names(_landmark_folder(video))
        lacking = {row.position for row in self._listed(video) if not _landmark_file(row.image, names)}
        which = rows["position"].isin(lacking).to_numpy()
        return self._leave_out(rows, which, "listed, but there are no landmarks", excluded)

    def _list(self, fold: int, name: str) -> str:
        return f"{self.namespace}/labels/{fold}/{name}"

    def _read_list(self, relative: str) -> dict[tuple[str, int], Row]:
        path = inside(self.root, relative)
        trained, tested = fold_splits(int(path.parent.name))
        splits = (tested,) if path.name == "test.csv" else trained
        every, _ = without_trailing_commas(csv_lines(path))
        (_, header), *lines = every
        names = [cell.strip() for cell in header]
        if "image_path" not in names or not lines:
            raise CorpusError(f"{path}, line 1: no column image_path, or no row; copy the list again")
        path_column = names.index("image_path")
        columns = {au: i for i, name in enumerate(names) if i > path_column and (au := au_number(name))}
        aus = tuple(columns)
        known = {*CORPUS_AUS[self.name].occurrence, *CORPUS_AUS[self.name].intensity}
        if not aus or not set(aus) <= known or self.aus not in ((), aus):
            raise CorpusError(
                f"{path}, line 1: the action units are {aus}; expected {self.aus or sorted(known)}"
            )
        self.aus = aus
        rows: dict[tuple[str, int], Row] = {}
        for number, cells in lines:
            if len(cells) != len(header):
                raise wrong_width(path, (number, cells), len(header), last=number == lines[-1][0])
            row = self._row(path, number, cells[path_column].strip(), [cells[i] for i in columns.values()])
            subject = row.recording.subject
            if fold_split_of(self.name, subject) not in splits:
                raise CorpusError(
                    f"{path}, line {number}: {subject} is not of {' or '.join(splits)}, whose people this "
                    "list has; is it of another fold?"
                )
            if rows.setdefault(row.key, row) is not row:
                raise CorpusError(f"{path}, line {number}: {cells[path_column]} is listed twice")
        return rows

    def _row(self, path: Path, number: int, image: str, cells: list[str]) -> Row:
        match = _PATH[self.name].fullmatch(image)
        folder, _, name = image.rpartition("/")
        position = image_number(name)
        if match is None or position is None or ".." in folder.split("/"):
            raise CorpusError(
                f"{path}, line {number}: image_path {image!r}; expected e.g. "
                f"{self.namespace}/{IMAGES}/{'F001/T1' if self.name == 'bp4d' else 'SN001'}/02440.jpg"
            )
        codes = tuple(_LABELS.get(cell.strip(), -1) for cell in cells)
        if -1 in codes:
            wrong = cells[codes.index(-1)].strip()
            raise CorpusError(
                f"{path}, line {number}: label {wrong!r}; known are 0, 1, {NOT_CODED} (not coded)"
            )
        subject = match["subject"]
        recording: Recording = (
            bp4d.Recording(subject, match["task"]) if self.name == "bp4d" else disfa.Recording(subject)
        )
        return Row(folder, position, name, recording, codes)


def _landmark_folder(video: str) -> str:
    return video.replace(IMAGES, LANDMARKS)


def _landmark_file(image: str, names: set[str]) -> str | None:
    """Name of an image's landmarks: its own with ``.npy`` in place of its ending, or after it."""
    return next((name for name in (f"{Path(image).stem}.npy", f"{image}.npy") if name in names), None)


def _read_points(path: Path) -> npt.NDArray[np.float32]:
    try:
        points = load_npy(path, _MAX_NPY_BYTES)
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path}: cannot be read as landmarks ({error}); make it again") from error
    if points.shape != (68, 2) or not np.issubdtype(points.dtype, np.number):
        raise CorpusError(f"{path}: {points.dtype} {points.shape}, expected numbers [68, 2]; make it again")
    return np.asarray(points, dtype=np.float32)

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

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from aukit.datasets.csv_files import csv_lines, without_trailing_commas, wrong_width
from aukit.datasets.files import file_names
from aukit.datasets.frame_lists import Entry, FrameLists
from aukit.datasets.label_files import NOT_CODED, au_number
from aukit.datasets.reader import Exclusion
from aukit.datasets.stamps import folder_stamp
from aukit.errors import CorpusError, shown
from aukit.facs import CORPUS_AUS
from aukit.utils.outside import load_npy

IMAGES, LANDMARKS = "aligned_images", "aligned_landmarks"
_MAX_NPY_BYTES = 64 * 2**10
_LIKE_AN_AU = re.compile(r"au[ _-]?\d.*", re.IGNORECASE)


class FGNetLists(FrameLists):
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
        locations: Where parts of it lie: see `Release`; the lists are the label files, landmarks stay in
            `root`.

    Raises:
        CorpusError: There is no list, or one is damaged, names a frame twice, an image outside the root or a
            person of another fold split, or contradicts another list.

    Example:
        >>> lists = FGNetLists("FG-Net/data", "bp4d")  # doctest: +SKIP
        >>> len(lists.frames(0, "train_100.csv"))  # doctest: +SKIP
        100
    """

    project = "FG-Net"
    train_list, test_list = "train.csv", "test.csv"
    codes: ClassVar[dict[str, int]] = {
        "0": 0, "0.0": 0, "1": 1, "1.0": 1, "9": NOT_CODED, "9.0": NOT_CODED,
    }  # fmt: skip
    examples: ClassVar[dict[str, str]] = {
        "bp4d": f"BP4D/{IMAGES}/F001/T1/02440.jpg",
        "disfa": f"DISFA/{IMAGES}/SN001/00001.jpg",
    }

    def list_files(self, fold: int, name: str) -> tuple[str]:
        """The CSV file: ``train.csv``, ``test.csv`` or a subset such as ``train_100.csv``."""
        return (f"{self.namespace}/labels/{fold}/{name}",)

    @property
    def has_sidecar(self) -> bool:
        """Whether the landmarks of FG-Net's preprocessing are there."""
        return (self.root / f"{self.namespace}" / LANDMARKS).is_dir()

    def sidecar_landmarks(self, video: str) -> npt.NDArray[np.float32]:
        """Landmarks by frame number: [last + 1, 68, 3], depth NaN; NaN where there is no file.

        Raises:
            CorpusError: A file is damaged.
        """
        rows, folder = self.listed(video), _landmark_folder(video)
        present = self._landmark_files(folder)
        result = np.full((rows[-1].position + 1, 68, 3), np.nan, np.float32)
        for row in rows:
            if name := _landmark_file(row.image, present):
                result[row.position, :, :2] = _read_points(self.path(f"{folder}/{name}"))
        return result

    def _entries(self, fold: int, name: str) -> Iterator[Entry]:
        (file,) = self.list_files(fold, name)
        path = self.label_path(file)
        every, _ = without_trailing_commas(csv_lines(path))
        (_, header), *lines = every
        names = [cell.strip() for cell in header]
        if "image_path" not in names or not lines:
            raise CorpusError(f"{path}, line 1: no column image_path, or no row; copy the list again")
        path_column = names.index("image_path")
        columns: dict[int, int] = {}
        for i, name in enumerate(names):
            if (au := au_number(name)) and columns.setdefault(au, i) != i:
                raise CorpusError(f"{path}, line 1: AU {au} has two columns; copy the list again")
            if au is None and _LIKE_AN_AU.fullmatch(name):
                raise CorpusError(
                    f"{path}, line 1: the column {shown(name)!r} is no action unit's; those are called au1, "
                    "au2 and so on: rename it, or copy the list again"
                )
        aus = tuple(columns)
        known = {*CORPUS_AUS[self.name].occurrence, *CORPUS_AUS[self.name].intensity}
        if not aus or not set(aus) <= known or self.aus not in ((), aus):
            raise CorpusError(
                f"{path}, line 1: the action units are {aus}; expected {self.aus or sorted(known)}"
            )
        self.aus = aus
        for number, cells in lines:
            if len(cells) != len(header):
                raise wrong_width(path, (number, cells), len(header), last=number == lines[-1][0])
            labels = tuple(cells[i].strip() for i in columns.values())
            yield Entry(f"{path}, line {number}", cells[path_column].strip(), labels)

    def _match(self, folder: str) -> re.Match[str] | None:
        return super()._match(folder) if IMAGES in folder.split("/") else None

    def _stamp(self, video: str) -> str:
        folder = self.path(_landmark_folder(video))
        return f"{super()._stamp(video)} {folder_stamp(folder, lambda name: name.endswith('.npy'))}"

    def _sidecar(self, video: str) -> None:
        return None  # a file per image

    def _rows(self, video: str, excluded: list[Exclusion]) -> pd.DataFrame | None:
        rows = super()._rows(video, excluded)
        if rows is None or not self.has_sidecar:
            return rows
        names = self._landmark_files(_landmark_folder(video))
        lacking = {row.position for row in self.listed(video) if not _landmark_file(row.image, names)}
        which = rows["position"].isin(lacking).to_numpy()
        return self._leave_out(rows, which, "listed, but there are no landmarks", excluded)

    def _landmark_files(self, folder: str) -> set[str]:
        return set(file_names(self.root, folder, self.follow_links))


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

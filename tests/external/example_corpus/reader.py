"""Reader of the example corpus: one video and one file of intensities per person."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from aukit.datasets import Counts, Index, Published, Release, SubjectRecording
from aukit.datasets.csv_files import csv_lines
from aukit.datasets.files import join
from aukit.datasets.label_files import NOT_CODED, LabelFile, parse
from aukit.facs import intensity_column, occurrence_column

AUS = (4, 12)
PARTITIONS = {"E1": "train", "E2": "train", "E3": "train", "E4": "test"}
PUBLISHED = Published({"train": Counts(people=3), "test": Counts(people=1)}, rates={})


class Recording(SubjectRecording):
    """One person's interview."""

    namespace = "Example"
    partitions = PARTITIONS


class Example(Release):
    """``E1.mp4`` and ``E1.csv``, whose lines are: frame from 0, intensities of AU 4 and 12.

    Args:
        root: Folder of the release.
        threshold: Least intensity that counts as present.
        persons: Global person ids to keep; None for all.
        locations: Where parts of the release lie: see `Release`.
    """

    name, namespace, corpus_title, example = "example", "Example", "Example", "E1.mp4"
    label_columns = MappingProxyType(
        {"codes": tuple(name(au) for name in (intensity_column, occurrence_column) for au in AUS)}
    )

    def __init__(
        self,
        root: str | Path,
        threshold: int = 1,
        persons: Sequence[str] | None = None,
        **locations: Any,
    ) -> None:
        self.threshold = threshold
        self.options = f"threshold={threshold}"
        super().__init__(root, persons, **locations)

    def _enter(self, index: Index, folder: str, folders: list[str], files: list[str]) -> None:
        for name in files:
            subject, _, ending = name.partition(".")
            if subject in PARTITIONS and ending == "mp4":
                index.add_video(Recording(subject, "interview"), 0, join(folder, name), "video files")
            elif subject in PARTITIONS and ending == "csv":
                index.add_labels(Recording(subject, "interview"), "codes", join(folder, name), "label files")

    def _read_file(self, kind: str, path: Path) -> LabelFile:
        file = parse(path, csv_lines(path), 1 + len(AUS), [1, 2], frozenset({*range(6), NOT_CODED}), "codes")
        present = np.where(np.isnan(file.labels), np.nan, file.labels >= self.threshold).astype(np.float32)
        return replace(file, labels=np.hstack([file.labels, present]))

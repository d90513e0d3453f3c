"""A corpus of your own as a datamodule: one table of frames, split by person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from aukit.datamodules.dataset import StoreDataset
from aukit.datamodules.folds import FoldDataModule
from aukit.datamodules.samplers import EvaluationBatches, Rows, StepSampler
from aukit.datasets import Table
from aukit.datasets.person_ids import spelling
from aukit.errors import ConfigError
from aukit.store.store import EXCLUSIONS
from aukit.utils.bounds import PositiveInt

_PARTITIONS = ("train", "valid", "test")
_USES = {"valid": "validate on", "test": "test"}


class TableDataModule(FoldDataModule):
    """Frames of a user's table (`aukit.datasets.Table`), to train on, to adapt to or to be tested on.

    Who is tested is said by `folds`, or by a column `partition` with train, test and perhaps valid, whose
    people then validate. No split divides the frames of a person, and all splits share one store. Folds are
    of everybody in the table, so that a fold is the same whatever the registration and whosever frames can be
    used.

    Args:
        root: folder below which the images and videos of the table lie.
        table: the table, CSV or Parquet; None for frames.csv or frames.parquet in the root.
        landmarks: table or folder of landmarks, see `aukit.datasets.Table`; None for the folder Landmarks in
            the root if it is there, else see `landmark_source`. Frames of registration "none" need none.
        aus: action units, in the order of the label columns; empty for all that the table has, ascending.
        folds: a number of folds into which people are dealt, or the column that names each row's fold; 1
            tests everybody, for models that were trained elsewhere. None for the column `partition`.
        fold: which of the folds is tested, from 0 on.
        first_frame: number of a video's first frame in the table, 0 or 1; may be left out where a row has
            frame 0.
        threshold: least intensity that counts as present where the table has AU12_r and no AU12_c.
        options: further options: see `FoldDataModule` and `CorpusDataModule`.

    Raises:
        ConfigError: from `prepare_data()`, frames of registration "none" are no crops of `size`; from
            `setup()`, it is not said who is tested, there is no such fold, none of its people has a usable
            frame, or the table does not code an AU.

    Example:
        >>> data = TableDataModule("faces", "frames.csv", aus=(6, 12), folds=5, fold=2, size=64)
        >>> data.prepare_data()  # doctest: +SKIP
        >>> data.setup("fit")  # doctest: +SKIP
        >>> next(iter(data.train_dataloader()))["occurrences"].shape  # doctest: +SKIP
        torch.Size([16, 2])
    """

    root_variable = "AUKIT_TABLE_ROOT"
    location_arguments: ClassVar[tuple[str, ...]] = (*FoldDataModule.location_arguments, "table", "landmarks")
    held_out_by = "subject"  # the name of the table is half of `person`

    def __init__(
        self,
        root: str | None = None,
        table: str | None = None,
        landmarks: str | None = None,
        *,
        aus: Sequence[int] = (),
        folds: int | str | None = None,
        fold: int = 0,
        first_frame: Literal[0, 1] | None = None,
        threshold: PositiveInt = 2,
        **options: Any,
    ) -> None:
        super().__init__(root=root, aus=aus, fold=fold, **options)
        self.table = table
        self.landmarks = landmarks
        self.folds = folds
        self.first_frame: Literal[0, 1] | None = first_frame
        self.threshold = threshold

    def setup(self, stage: str | None = None) -> None:
        """Open the store, split its rows by person, and see that the table has the action units."""
        super().setup(stage)
        known = {*self.store.table.occurrence_aus, *self.store.table.intensity_aus}
        self.aus = self.aus or tuple(sorted(known))
        if known and (lacking := [au for au in self.aus if au not in known]):
            raise ConfigError(
                f"the table has no column for AU {' '.join(map(str, lacking))}; it has AU"
                f" {' '.join(map(str, sorted(known)))}: give aus=[...] of them"
            )

    def known_as(self, rows: Rows) -> dict[str, set[str]]:
        """Names of the people of some rows; one id in two tables of one root is one person."""
        frame = self.store.table.frame.iloc[rows].drop_duplicates("person")
        own = dict(zip(frame["person"].astype(str), frame["subject"].astype(str), strict=True))
        root = self.root.resolve()
        return {p: names | {f"{root}: {spelling(own[p])}"} for p, names in super().known_as(rows).items()}

    def train_batches(self) -> tuple[StoreDataset, StepSampler]:
        """Augmented crops of the training people.

        Raises:
            ConfigError: there is nobody to train on, or nothing to learn.
        """
        if not len(self.train_rows):
            raise ConfigError(
                f"data.folds={self.folds} leaves nobody to train on; give 2 folds or more, or see in"
                f" {self.store.path / EXCLUSIONS} why no frame of the others can be used"
            )
        self._require_labels("train on")
        return super().train_batches()

    def test_batches(self) -> tuple[StoreDataset, EvaluationBatches] | None:
        """Crops of the test people, each once.

        Raises:
            ConfigError: the table has no labels.
        """
        self._require_labels("test on")
        return super().test_batches()

    def _require_labels(self, what: str) -> None:
        if not (self.store.table.occurrence_aus or self.store.table.intensity_aus):
            raise ConfigError(
                f"the table has no labels to {what} (columns AU12_c or AU12_r); aukit predict needs none"
            )

    def _require_fold(self) -> None:
        if self.fold < 0:
            raise ConfigError(f"data.fold={self.fold}: folds are counted from 0")

    def _corpus(self) -> Table:
        return Table(
            self.root,
            self.table,
            self.landmarks,
            self.folds,
            self.first_frame,
            self.threshold,
            follow_links=bool(self.locations["follow_links"]),
        )

    def _prepare(self) -> Path:
        self._require_crops()
        return super()._prepare()

    def _require_crops(self) -> None:
        """Check the first image, where images are to be used as they are."""
        if self.registration != "none" or not self.has_root:
            return
        corpus = self._corpus()
        for _, image in corpus.decode(corpus.videos[0]):
            if image is not None and image.shape[:2] != (self.size, self.size):
                raise ConfigError(
                    f"{self.root}: frames are {image.shape[1]} x {image.shape[0]} pixels, not {self.size} x"
                    f" {self.size}, and registration=none takes them as they are; give another"
                    " data.registration, or data.size the side of the crops"
                )
            return

    def _note_people(self, corpus: Table) -> None:
        people = corpus.rows.drop_duplicates("person")
        self._partition_of = dict(zip(people["person"], people["partition"], strict=True))
        self._dealt = corpus.dealt

    def _split(self) -> tuple[Rows, Rows, Rows]:
        if str(self.folds) == "1":
            nobody, everybody = np.zeros(0, np.int64), np.arange(len(self.store), dtype=np.int64)
            return nobody, nobody, everybody
        if self._dealt is None and self.selection == "people" and "valid" in self._partition_of.values():
            train, val, test = (self._rows_of(self._partition_of, name) for name in _PARTITIONS)
            return self._subset_of(train), val, test
        return super()._split()

    def _lists(self) -> tuple[Rows, Rows]:
        if self._dealt is not None:
            names = self._dealt.names
            if self.fold >= len(names):
                raise ConfigError(
                    f"data.fold={self.fold}: data.folds={self.folds} makes {len(names)}, counted from 0"
                )
            of = {p: "test" if n == self.fold else "train" for p, n in self._dealt.people.items()}
            return self._rows_of(of, "train"), self._rows_of(of, "test")
        partitions = set(self._partition_of.values())
        if not {"train", "test"} <= partitions or not partitions <= set(_PARTITIONS):
            raise ConfigError(
                f"{self.table or self.root}: who is tested? Give data.folds=K (a number), data.folds=COLUMN,"
                f" or a column partition with train and test (it has: {', '.join(sorted(partitions))});"
                " data.folds=1 tests everybody, without training"
            )
        if self.fold:
            raise ConfigError(f"data.fold={self.fold}: a column partition makes one split; give data.folds")
        return self._rows_of(self._partition_of, "train", "valid"), self._rows_of(self._partition_of, "test")

    def _rows_of(self, part_of: Mapping[str, str], *parts: str) -> Rows:
        """Rows of the people of some parts of the split."""
        people = {person for person, part in part_of.items() if part in parts}
        rows = np.flatnonzero(self.store.table.frame["person"].isin(people))
        # Whoever is only tested need not have what the training was of.
        return rows if "train" in parts else self._require_frames(rows, people, _USES[parts[0]])

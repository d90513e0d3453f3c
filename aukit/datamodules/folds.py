"""Corpora in folds, the usual three or one per person: rows of the lists, subsets, held-out people."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar, Literal

import numpy as np

from aukit.datamodules.corpus import CorpusDataModule, held_out_people
from aukit.datamodules.samplers import Rows
from aukit.datasets import Release
from aukit.datasets.folds import fold_splits, subset
from aukit.errors import ConfigError
from aukit.store.store import EXCLUSIONS
from aukit.utils.bounds import Fraction, PositiveInt


class FoldDataModule(CorpusDataModule):
    """Base of the datamodules of corpora with the usual three folds (`aukit.datasets.folds`).

    The rows of the training list are those of the next fold split and the one after it, each by person, task
    and frame. A subset is drawn from what is left of it after people were held out, so that with
    `selection="oracle"` it is the published one wherever the list is.

    Args:
        root: see `CorpusDataModule`.
        fold: 0, 1 or 2 as FG-Net counts; tests split P1, P2 or P3.
        subset: number of training frames, 1 and more; None for all.
        selection: "people" validates on held-out training people; "oracle" on the test people, as published.
        holdout_fraction: share of the training people held out with `selection="people"`.
        options: further options: see `CorpusDataModule`.

    Raises:
        ConfigError: there is no such fold or subset.

    Example:
        >>> class MyDataModule(FoldDataModule):  # a corpus whose partitions are P1, P2 and P3
        ...     def _corpus(self):
        ...         return MyRelease(self.root, **self.locations)
    """

    #: What predictions are judged by.
    label = "occurrence"

    #: Column of the store with the ids by which people are held out.
    held_out_by: ClassVar[str] = "person"

    def __init__(
        self,
        root: str | None = None,
        *,
        fold: int = 0,
        subset: PositiveInt | None = None,
        selection: Literal["people", "oracle"] = "people",
        holdout_fraction: Fraction = 0.15,
        **options: Any,
    ) -> None:
        super().__init__(root=root, **options)
        self.fold = fold
        self.subset = subset
        self.selection = selection
        self.holdout_fraction = holdout_fraction
        self.selects_on_test = selection == "oracle"
        self._require_fold()

    def _require_fold(self) -> None:
        fold_splits(self.fold)  # raises now if there is no such fold

    def _lists(self) -> tuple[Rows, Rows]:
        """Rows of the store that train and test, in the order of the lists."""
        splits = self.store.table.frame["partition"].to_numpy(dtype=str)
        trained, tested = fold_splits(self.fold)
        train = [np.flatnonzero(splits == split) for split in trained]
        return np.concatenate(train), np.flatnonzero(splits == tested)

    def _split(self) -> tuple[Rows, Rows, Rows]:
        train, test = self._lists()
        person = self.store.table.frame[self.held_out_by].to_numpy(dtype=str)
        if self.selection == "oracle":
            val = test
        else:
            held = np.isin(person[train], held_out_people(person[train].tolist(), self.holdout_fraction))
            train, val = train[~held], train[held]
        return self._subset_of(train), val, test

    def _require_frames(self, rows: Rows, people: Collection[str], what: str) -> Rows:
        """The rows of some people, unless there are none.

        Raises:
            ConfigError: none of them has a row.
        """
        if people and not len(rows):
            raise ConfigError(
                f"{self.store.path}: nobody to {what} has a usable frame ({', '.join(sorted(people)[:5])});"
                f" {EXCLUSIONS} there says why: mend their frames, or {what} others"
            )
        return rows

    def _subset_of(self, train: Rows) -> Rows:
        """The asked for subset of training rows."""
        return train if self.subset is None else train[subset(len(train), self.subset)]


class LeaveOneOutDataModule(FoldDataModule):
    """Base of the datamodules of corpora without folds, of whose people each is tested alone.

    Args:
        root: see `CorpusDataModule`.
        fold: which person of the release is tested, from 0 on in the order of their ids.
        options: further options: see `FoldDataModule` and `CorpusDataModule`.

    Raises:
        ConfigError: from `setup()`, there are fewer people, or the tested one has no usable frame.

    Example:
        >>> from aukit.datamodules import UNBCDataModule
        >>> data: LeaveOneOutDataModule = UNBCDataModule("UNBC", fold=24)
        >>> data.fold
        24
    """

    def _require_fold(self) -> None:
        if self.fold < 0:
            raise ConfigError(f"data.fold={self.fold}: people are counted from 0")

    def _note_people(self, corpus: Release) -> None:
        self._people = sorted({*corpus.people, *(recording.person for recording in corpus.orphans)})

    def _lists(self) -> tuple[Rows, Rows]:
        if self.fold >= len(self._people):
            raise ConfigError(f"data.fold={self.fold}: there are {len(self._people)} people, counted from 0")
        left_out = self._people[self.fold]
        tested = self.store.table.frame["person"].to_numpy(dtype=str) == left_out
        return np.flatnonzero(~tested), self._require_frames(np.flatnonzero(tested), [left_out], "test")

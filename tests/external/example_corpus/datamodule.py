"""The example corpus as a datamodule: its own partition."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from aukit.datamodules import CorpusDataModule
from aukit.datamodules.samplers import Rows
from example_corpus.reader import AUS, Example


class ExampleDataModule(CorpusDataModule):
    """Three people to train on, one to test.

    Args:
        root: Folder of the release.
        aus: Action units, in the order of the label columns.
        threshold: Least intensity that counts as present.
        options: Further options: see `CorpusDataModule`.
    """

    label = "occurrence"

    def __init__(
        self, root: str | None = None, *, aus: Sequence[int] = AUS, threshold: int = 1, **options: Any
    ) -> None:
        super().__init__(root=root, aus=aus, **options)
        self.threshold = threshold

    def _corpus(self) -> Example:
        return Example(self.root, self.threshold, **self.locations)

    def _split(self) -> tuple[Rows, Rows, Rows]:
        partition = self.store.table.frame["partition"].to_numpy(dtype=str)
        return (
            np.flatnonzero(partition == "train"),
            np.zeros(0, np.int64),
            np.flatnonzero(partition == "test"),
        )

"""GFT (96 people in conversations of three) as a datamodule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from aukit.datamodules.corpus import CorpusDataModule
from aukit.datamodules.samplers import Rows
from aukit.datasets import GFT


class GFTDataModule(CorpusDataModule):
    """GFT in the partition of Patch-MCD's public lists: 60 people to train on, 18 for validation, 18 to test.

    Citation: Girard et al., "Sayette Group Formation Task (GFT) Spontaneous Facial Expression Database",
    FG 2017.

    Args:
        root: folder of the release or of a stand-in of it; None for the one that `AUKIT_GFT_ROOT` names.
        aus: action units, in the order of the label columns; these ten are those of BP4D → GFT.
        columns: map of the release's files and columns; None for `gft_columns.yaml` in the root.
        options: further options: see `CorpusDataModule`.

    Example:
        >>> data = GFTDataModule("GFT", size=64)
        >>> len(data.aus)
        10
    """

    label = "occurrence"
    location_arguments = (*CorpusDataModule.location_arguments, "columns")
    root_variable = "AUKIT_GFT_ROOT"

    def __init__(
        self,
        root: str | None = None,
        *,
        aus: Sequence[int] = (1, 2, 4, 6, 10, 12, 14, 15, 23, 24),
        columns: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(root=root, aus=aus, **options)
        self.columns = columns

    def _corpus(self) -> GFT:
        return GFT(self.root, self.columns, **self.locations)

    def _split(self) -> tuple[Rows, Rows, Rows]:
        partition = self.store.table.frame["partition"].to_numpy(dtype=str)
        train, val, test = (np.flatnonzero(partition == name) for name in ("train", "valid", "test"))
        return train, val, test

"""FG-Net's own frame lists as a datamodule."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np

from aukit.datamodules.folds import FoldDataModule
from aukit.datamodules.samplers import Rows
from aukit.datasets import FGNetLists


class FGNetListsDataModule(FoldDataModule):
    """The frames of FG-Net's own lists, as its preprocessing left them (`aukit.datasets.FGNetLists`).

    The images are crops already, so that there is no choice of a registration.

    Args:
        root: the `data` folder of FG-Net's code.
        corpus: "bp4d" or "disfa".
        aus: action units, in the order of the label columns.
        train_list: list to train on, e.g. "train_100.csv".
        options: further options: see `FoldDataModule` and `CorpusDataModule`.

    Example:
        >>> data = FGNetListsDataModule("FG-Net/data", "disfa", aus=(1, 2, 4, 6, 9, 12, 25, 26), fold=1)
        >>> data.registration
        'none'
    """

    def __init__(
        self,
        root: str,
        corpus: Literal["bp4d", "disfa"],
        *,
        aus: Sequence[int],
        train_list: str = "train.csv",
        **options: Any,
    ) -> None:
        super().__init__(
            root=root, registration="none", transform_size=None, padding=True, aus=aus, **options
        )
        self.corpus: Literal["bp4d", "disfa"] = corpus
        self.train_list = train_list

    @cached_property
    def _reader(self) -> FGNetLists:
        return FGNetLists(self.root, self.corpus)  # some 400,000 rows, asked for twice

    @property
    def input_kind(self) -> dict[str, Any]:
        """FFHQ crops, of the settings of whoever made them."""
        return {**super().input_kind, "registration": "ffhq", "registration_settings": None}

    def _corpus(self) -> FGNetLists:
        return self._reader

    def _lists(self) -> tuple[Rows, Rows]:
        corpus, frame = self._corpus(), self.store.table.frame
        keys = zip(frame["video"], frame["position"].tolist(), strict=True)
        row = {key: index for index, key in enumerate(keys)}
        train, test = (
            # Frames that could not be used are no rows of the store.
            np.array([row[key] for key in corpus.frames(self.fold, name) if key in row], np.int64)
            for name in (self.train_list, "test.csv")
        )
        return train, test

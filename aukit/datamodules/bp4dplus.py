"""BP4D+ as a datamodule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from aukit.datamodules.folds import FoldDataModule
from aukit.datamodules.samplers import Rows
from aukit.datasets import BP4DPlus
from aukit.errors import ConfigError


class BP4DPlusDataModule(FoldDataModule):
    """BP4D+, one of FMAE-IAT's four folds: 105 people to train on, 35 to test on; none are official.

    Citation: Zhang et al., "Multimodal Spontaneous Emotion Corpus for Human Behavior Analysis", CVPR 2016.

    Args:
        root: folder of the release or of a stand-in of it; None for the one that `AUKIT_BP4DPLUS_ROOT` names.
        aus: action units, in the order of the label columns.
        fold: 0 to 3; tests P1 to P4.
        intensity_aus: action units whose intensity files are read; which there are is not public.
        frame_offset: number of an image less that of its label row, -1 or 0.
        leave_out_occluded: whether frames coded as occluded are left out.
        options: further options: see `FoldDataModule` and `CorpusDataModule`.

    Raises:
        ConfigError: there is no such fold.

    Example:
        >>> data = BP4DPlusDataModule("BP4D+", fold=3, frame_offset=0, size=128)
        >>> len(data.aus)
        12
    """

    root_variable = "AUKIT_BP4DPLUS_ROOT"

    def __init__(
        self,
        root: str | None = None,
        *,
        aus: Sequence[int] = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24),
        fold: int = 0,
        intensity_aus: Sequence[int] = (),
        frame_offset: int = -1,
        leave_out_occluded: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(root=root, aus=aus, fold=fold, **options)
        self.intensity_aus = tuple(intensity_aus)
        self.frame_offset = frame_offset
        self.leave_out_occluded = leave_out_occluded

    def _require_fold(self) -> None:
        if self.fold not in range(4):
            raise ConfigError(f"data.fold={self.fold}: there are the folds 0 to 3, which test P1 to P4")

    def _corpus(self) -> BP4DPlus:
        return BP4DPlus(
            self.root,
            self.aus,
            self.intensity_aus,
            self.frame_offset,
            self.leave_out_occluded,
            **self.locations,
        )

    def _lists(self) -> tuple[Rows, Rows]:
        tested = self.store.table.frame["partition"].to_numpy(dtype=str) == f"P{self.fold + 1}"
        return np.flatnonzero(~tested), np.flatnonzero(tested)

"""BP4D as a datamodule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aukit.datamodules.folds import FoldDataModule
from aukit.datasets import BP4D


class BP4DDataModule(FoldDataModule):
    """BP4D, one of the three published folds: 27 or 28 people to train on, 13 or 14 to test on.

    Citation: Zhang et al., "BP4D-Spontaneous: a high-resolution spontaneous 3D dynamic facial expression
    database", Image and Vision Computing 32(10), 2014.

    Args:
        root: folder of the release or of a stand-in of it; None for the one that `AUKIT_BP4D_ROOT` names.
        aus: action units, in the order of the label columns.
        leave_out_occluded: whether frames coded as occluded are left out.
        options: further options: see `FoldDataModule` and `CorpusDataModule`.

    Example:
        >>> data = BP4DDataModule("BP4D", fold=1, subset=1000, size=128)
        >>> data.aus[-2:], data.batch_size
        ((23, 24), 16)
    """

    root_variable = "AUKIT_BP4D_ROOT"

    def __init__(
        self,
        root: str | None = None,
        *,
        aus: Sequence[int] = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24),
        leave_out_occluded: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(root=root, aus=aus, **options)
        self.leave_out_occluded = leave_out_occluded

    def _corpus(self) -> BP4D:
        return BP4D(self.root, self.leave_out_occluded, **self.locations)

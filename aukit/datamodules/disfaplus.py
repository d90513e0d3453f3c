"""DISFA+ (nine of DISFA's people, posed, twelve intensity-coded action units) as a datamodule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aukit.datamodules.folds import LeaveOneOutDataModule
from aukit.datasets import DISFAPlus
from aukit.utils.bounds import PositiveInt


# No folds are official, and DISFA's three would test four people, one and four.
class DISFAPlusDataModule(LeaveOneOutDataModule):
    """DISFA+, one person left out to test on.

    Citation: Mavadati, Sanger and Mahoor, "Extended DISFA Dataset: Investigating Posed and Spontaneous Facial
    Expressions", CVPR Workshops 2016.

    Args:
        root: folder of the release or of a stand-in of it; None for the one that `AUKIT_DISFAPLUS_ROOT`
            names.
        aus: action units, in the order of the label columns.
        fold: which person of the release is tested, from 0 on in the order of their ids.
        threshold: least intensity that counts as present; 2 is the field's convention.
        options: further options: see `FoldDataModule` and `CorpusDataModule`.

    Raises:
        ConfigError: from `setup()`, there are fewer people, or the tested one has no usable frame.

    Example:
        >>> data = DISFAPlusDataModule("DISFAPlus", fold=8, registration="similarity", size=64)
        >>> data.aus
        (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
    """

    root_variable = "AUKIT_DISFAPLUS_ROOT"

    def __init__(
        self,
        root: str | None = None,
        *,
        aus: Sequence[int] = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26),
        fold: int = 0,
        threshold: PositiveInt = 2,
        **options: Any,
    ) -> None:
        super().__init__(root=root, aus=aus, fold=fold, **options)
        self.threshold = threshold

    def _corpus(self) -> DISFAPlus:
        return DISFAPlus(self.root, self.threshold, **self.locations)

"""UNBC-McMaster (25 people with shoulder pain, ten intensity-coded action units) as a datamodule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aukit.datamodules.folds import LeaveOneOutDataModule
from aukit.datasets import UNBC
from aukit.utils.bounds import PositiveInt


class UNBCDataModule(LeaveOneOutDataModule):
    """UNBC-McMaster, one person left out to test on: the usual protocol, since no folds are official.

    Citation: Lucey et al., "Painful data: The UNBC-McMaster shoulder pain expression archive database", FG
    2011.

    Args:
        root: folder of the release or of a stand-in of it; None for the one that `AUKIT_UNBC_ROOT` names.
        aus: action units, in the order of the label columns.
        fold: which person of the release is tested, from 0 on in the order of their ids.
        threshold: least intensity that counts as present, of AU 43 always 1.
        options: further options: see `FoldDataModule` and `CorpusDataModule`.

    Raises:
        ConfigError: from `setup()`, there are fewer people, or the tested one has no usable frame.

    Example:
        >>> data = UNBCDataModule("UNBC", aus=(4, 6, 10, 12), fold=24, registration="frontal3d", size=64)
        >>> data.aus
        (4, 6, 10, 12)
    """

    root_variable = "AUKIT_UNBC_ROOT"

    def __init__(
        self,
        root: str | None = None,
        *,
        aus: Sequence[int] = (4, 6, 7, 9, 10, 12, 20, 25, 26, 43),
        fold: int = 0,
        threshold: PositiveInt = 1,
        **options: Any,
    ) -> None:
        super().__init__(root=root, aus=aus, fold=fold, **options)
        self.threshold = threshold

    def _corpus(self) -> UNBC:
        return UNBC(self.root, self.threshold, **self.locations)

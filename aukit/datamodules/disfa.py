"""DISFA as a datamodule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from aukit.datamodules.folds import FoldDataModule
from aukit.datasets import DISFA
from aukit.utils.bounds import PositiveInt


class DISFADataModule(FoldDataModule):
    """DISFA, one of the three published folds: 18 people to train on, 9 to test on.

    Citation: Mavadati et al., "DISFA: A Spontaneous Facial Action Intensity Database", IEEE Transactions on
    Affective Computing 4(2), 2013.

    Args:
        root: folder of the release or of a stand-in of it; None for the one that `AUKIT_DISFA_ROOT` names.
        aus: action units, in the order of the label columns.
        camera: "left" or "right".
        threshold: least intensity that counts as present; 2 is the field's convention.
        first_image: number of the first frame where frames are images, 0 or 1; None to find it.
        options: further options: see `FoldDataModule` and `CorpusDataModule`.

    Example:
        >>> data = DISFADataModule("DISFA", fold=2, camera="right", registration="similarity")
        >>> data.aus
        (1, 2, 4, 6, 9, 12, 25, 26)
    """

    root_variable = "AUKIT_DISFA_ROOT"

    def __init__(
        self,
        root: str | None = None,
        *,
        aus: Sequence[int] = (1, 2, 4, 6, 9, 12, 25, 26),
        camera: Literal["left", "right"] = "left",
        threshold: PositiveInt = 2,
        first_image: Literal[0, 1] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(root=root, aus=aus, **options)
        self.camera: Literal["left", "right"] = camera
        self.threshold = threshold
        self.first_image: Literal[0, 1] | None = first_image

    def _corpus(self) -> DISFA:
        return DISFA(self.root, self.camera, self.threshold, self.first_image, **self.locations)

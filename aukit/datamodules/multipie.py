"""Multi-PIE (337 people, posed expressions, no codes) as a datamodule: a source of faces, and to predict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from aukit.datamodules.dataset import StoreDataset
from aukit.datamodules.folds import FoldDataModule
from aukit.datamodules.samplers import Rows, StepSampler
from aukit.datasets import MultiPIE
from aukit.errors import ConfigError


class MultiPIEDataModule(FoldDataModule):
    """Multi-PIE: frontal photographs of high resolution, or images of several cameras; without labels.

    Citation: Gross et al., "Multi-PIE", Image and Vision Computing 28(5), 2010.

    Args:
        root: folder of the release or of a stand-in of it; None for the one that `AUKIT_MULTIPIE_ROOT` names.
        aus: action units to predict.
        tree: "highres" or "multiview".
        cameras: of "multiview": names of the cameras; 05_1 is frontal.
        flashes: of "multiview": numbers of the flashes; None for all.
        expressions: which of neutral, smile, surprise, squint, disgust, scream; None for all.
        landmarks: table or folder of landmarks, see `aukit.datasets.Table`; None for the folder Landmarks in
            the root if it is there, else see `landmark_source`.
        options: further options: see `FoldDataModule` and `CorpusDataModule`; who was trained on has no
            effect.

    Example:
        >>> data = MultiPIEDataModule("Multi-Pie", expressions=["neutral"], registration="frontal3d", size=64)
        >>> data.registration, data.tree
        ('frontal3d', 'highres')
    """

    root_variable = "AUKIT_MULTIPIE_ROOT"
    location_arguments: ClassVar[tuple[str, ...]] = (*FoldDataModule.location_arguments, "landmarks")

    def __init__(
        self,
        root: str | None = None,
        *,
        aus: Sequence[int] = (),
        tree: Literal["highres", "multiview"] = "highres",
        cameras: Sequence[str] = ("05_1",),
        flashes: Sequence[int] | None = None,
        expressions: Sequence[str] | None = None,
        landmarks: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(root=root, aus=aus, **options)
        self.tree: Literal["highres", "multiview"] = tree
        self.cameras = tuple(cameras)
        self.flashes = flashes
        self.expressions = expressions
        self.landmarks = landmarks

    def train_batches(self) -> tuple[StoreDataset, StepSampler]:
        """Nothing.

        Raises:
            ConfigError: always: there are no labels.
        """
        raise ConfigError("Multi-PIE codes no action units: there is nothing to train on; aukit predict does")

    def _corpus(self) -> MultiPIE:
        return MultiPIE(
            self.root,
            self.tree,
            self.cameras,
            self.flashes,
            self.expressions,
            landmarks=self.landmarks,
            follow_links=bool(self.locations["follow_links"]),
        )

    def _split(self) -> tuple[Rows, Rows, Rows]:
        nobody = np.zeros(0, dtype=np.int64)
        return nobody, nobody, nobody

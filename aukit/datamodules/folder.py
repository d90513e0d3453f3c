"""Images in a folder as a datamodule: to predict, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from aukit.datamodules.dataset import StoreDataset
from aukit.datamodules.folds import FoldDataModule
from aukit.datamodules.samplers import Rows, StepSampler
from aukit.datasets import Folder
from aukit.errors import ConfigError


class FolderDataModule(FoldDataModule):
    """All images below a folder (`aukit.datasets.Folder`), for `aukit predict` with a trained model.

    Images without a face are left out and counted; the column `path` of the predictions names each image.

    Args:
        root: the folder.
        landmarks: table or folder of landmarks, see `aukit.datasets.Table`; None for the folder Landmarks in
            the root if it is there, else see `landmark_source`. Images of registration "none" need none.
        aus: action units to predict.
        options: further options: see `FoldDataModule` and `CorpusDataModule`. Registration and size are those
            of the training; who was trained on has no effect.

    Example:
        >>> data = FolderDataModule("photos", aus=(6, 12), registration="similarity", size=64)
        >>> data.aus
        (6, 12)
    """

    root_variable = "AUKIT_FOLDER_ROOT"
    location_arguments: ClassVar[tuple[str, ...]] = (*FoldDataModule.location_arguments, "landmarks")

    def __init__(
        self,
        root: str | None = None,
        landmarks: str | None = None,
        *,
        aus: Sequence[int] = (),
        **options: Any,
    ) -> None:
        super().__init__(root=root, aus=aus, **options)
        self.landmarks = landmarks

    def train_batches(self) -> tuple[StoreDataset, StepSampler]:
        """Nothing.

        Raises:
            ConfigError: always: a folder of images has no labels.
        """
        raise ConfigError("a folder of images has no labels to train on; name a table (corpus=table)")

    def _corpus(self) -> Folder:
        return Folder(self.root, self.landmarks, bool(self.locations["follow_links"]))

    def _split(self) -> tuple[Rows, Rows, Rows]:
        nobody = np.zeros(0, dtype=np.int64)
        return nobody, nobody, nobody

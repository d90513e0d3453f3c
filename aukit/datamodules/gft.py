"""GFT (96 people in conversations of three) as a datamodule."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from aukit.datamodules.corpus import CorpusDataModule
from aukit.datamodules.samplers import Rows
from aukit.store.build import prepare_release


class GFTDataModule(CorpusDataModule):
    """GFT in the partition of Patch-MCD's public lists: 60 people to train on, 18 for validation, 18 to test.

    Citation: Girard et al., "Sayette Group Formation Task (GFT) Spontaneous Facial Expression Database",
    FG 2017.

    Args:
        root: folder of the release or of a stand-in.
        cache: folder of prepared stores.
        registration: "ffhq", "similarity" or "frontal3d".
        size: side of the crops in pixels.
        aus: action units, in the order of the label columns; these ten are those of BP4D → GFT.
        columns: map of the release's files and columns; None for `gft_columns.yaml` in the root.
        augmentation: "none", "flip" or "photometric", in training.
        batch_size: frames per training batch and process.
        eval_batch_size: frames per evaluation batch and process; None for `batch_size`.
        steps_per_epoch: batches per epoch; None for one pass over the training rows.
        num_workers: loader processes.
        prepare_workers: processes that decode and register when the store is built.
        weights_dir: folder of face-alignment's weights, for releases without a landmark sidecar; None for the
            library's own cache.
        seed: seed of order and augmentation.
        sampling: "shuffled", or "balanced" over action units that are present and absent, in training.
        transform_size: of "ffhq": side at which the face is resampled first; None for four times `size`.
    """

    label = "occurrence"
    location_arguments = (*CorpusDataModule.location_arguments, "weights_dir", "columns")

    def __init__(
        self,
        root: str,
        cache: str = "lightning_logs/stores",
        registration: Literal["ffhq", "similarity", "frontal3d"] = "ffhq",
        size: int = 256,
        aus: Sequence[int] = (1, 2, 4, 6, 10, 12, 14, 15, 23, 24),
        columns: str | None = None,
        augmentation: Literal["none", "flip", "photometric"] = "none",
        batch_size: int = 16,
        eval_batch_size: int | None = None,
        steps_per_epoch: int | None = None,
        num_workers: int = 0,
        prepare_workers: int = 2,
        weights_dir: str | None = None,
        seed: int = 0,
        sampling: Literal["shuffled", "balanced"] = "shuffled",
        transform_size: int | None = None,
    ) -> None:
        super().__init__(
            root,
            cache,
            registration,
            size,
            aus,
            augmentation,
            batch_size,
            eval_batch_size,
            steps_per_epoch,
            num_workers,
            prepare_workers,
            seed,
            sampling,
        )
        self.columns = columns
        self.weights_dir = weights_dir
        self.transform_size = transform_size

    def _prepare(self) -> Path:
        from aukit.datasets import GFT  # decoders are needed here only, not where a store is opened

        settings: dict[str, Any] = {}
        if self.transform_size is not None:
            settings["transform_size"] = self.transform_size
        return prepare_release(
            GFT(self.root, self.columns),
            self.cache,
            self.registration,
            self.size,
            self.weights_dir,
            self.prepare_workers,
            **settings,
        ).path

    def _split(self) -> tuple[Rows, Rows, Rows]:
        partition = self.store.table.frame["partition"].to_numpy(dtype=str)
        rows = [np.flatnonzero(partition == name) for name in ("train", "valid", "test")]
        return rows[0], rows[1], rows[2]

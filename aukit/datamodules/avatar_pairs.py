"""Avatar pairs as a datamodule: renders of a woman and a man for each driving frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from aukit.datamodules.corpus import CorpusDataModule, held_out_people
from aukit.datamodules.samplers import Rows
from aukit.store.build import prepare_release


class AvatarPairsDataModule(CorpusDataModule):
    """Renders written by `aukit avatars pairs`; to train on them alone, or for `PairedDataModule`.

    Nobody is tested on avatars. For validation whole driving people are held out; an avatar that serves
    several of them is on both sides.

    Args:
        root: folder of the pairs.
        cache: folder of prepared stores.
        registration: "ffhq", "similarity" or "frontal3d"; landmarks come with the renders.
        size: side of the crops in pixels.
        aus: action units, in the order of the label columns.
        gender: avatars to train on, "both", "female" or "male".
        holdout_fraction: share of the driving people held out.
        augmentation: "none", "flip" or "photometric", in training.
        batch_size: frames per training batch and process.
        eval_batch_size: frames per evaluation batch and process; None for `batch_size`.
        steps_per_epoch: batches per epoch; None for one pass over the training rows.
        num_workers: loader processes.
        prepare_workers: processes that decode and register when the store is built.
        seed: seed of order and augmentation; the held-out people do not depend on it.
        sampling: "shuffled", or "balanced" over action units that are present and absent, in training.
        transform_size: of "ffhq": side at which the face is resampled first; None for four times `size`.
    """

    label = "occurrence"

    def __init__(
        self,
        root: str,
        cache: str = "lightning_logs/stores",
        registration: Literal["ffhq", "similarity", "frontal3d"] = "ffhq",
        size: int = 256,
        aus: Sequence[int] = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24),
        gender: Literal["both", "female", "male"] = "both",
        holdout_fraction: float = 0.15,
        augmentation: Literal["none", "flip", "photometric"] = "none",
        batch_size: int = 16,
        eval_batch_size: int | None = None,
        steps_per_epoch: int | None = None,
        num_workers: int = 0,
        prepare_workers: int = 2,
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
        self.gender = gender
        self.holdout_fraction = holdout_fraction
        self.transform_size = transform_size

    def _prepare(self) -> Path:
        from aukit.datasets import AvatarPairs  # decoders are needed here only

        settings: dict[str, Any] = {}
        if self.transform_size is not None:
            settings["transform_size"] = self.transform_size
        corpus = AvatarPairs(self.root)
        return prepare_release(
            corpus, self.cache, self.registration, self.size, workers=self.prepare_workers, **settings
        ).path

    def _split(self) -> tuple[Rows, Rows, Rows]:
        frame = self.store.table.frame
        # corpus, partition and subject of the driving frame
        drivers = frame["pair_id"].str.split("/").str[:3].str.join("/").to_numpy(dtype=str)
        held = np.isin(drivers, held_out_people(drivers.tolist(), self.holdout_fraction))
        wanted = np.ones(len(frame), dtype=bool)
        if self.gender != "both":
            wanted = frame["gender"].to_numpy(dtype=str) == self.gender
        return np.flatnonzero(wanted & ~held), np.flatnonzero(wanted & held), np.zeros(0, np.int64)

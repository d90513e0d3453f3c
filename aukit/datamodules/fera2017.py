"""FERA 2017 (BP4D and BP4D+ videos in nine views, seven intensity-coded action units) as a datamodule."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from aukit.datamodules.corpus import CorpusDataModule, held_out_people
from aukit.datamodules.samplers import Rows
from aukit.errors import ConfigError
from aukit.store.build import prepare_release


class FERA2017DataModule(CorpusDataModule):
    """FERA 2017, official partitions: 41 people to train on, 20 in Valid, 30 in Test.

    The released Test labels are not public; with `test_partition="valid"` the Valid people are scored instead
    and a checkpoint is selected on held-out training people. Citation: Valstar et al., "FERA 2017 -
    Addressing Head Pose in the Third Facial Expression Recognition and Analysis Challenge", FG 2017.

    Args:
        root: folder of the release or of a stand-in with the same layout.
        cache: folder of prepared stores.
        registration: "ffhq", "similarity" or "frontal3d".
        size: side of the crops in pixels.
        aus: action units, in the order of the label columns.
        view: camera view 1..9; 6 is frontal.
        test_partition: "test" or "valid".
        validation: "people" holds out whole training people, "valid" takes the Valid partition.
        holdout_fraction: share of the training people held out with `validation="people"`.
        augmentation: "none", "flip" or "photometric", in training.
        batch_size: frames per training batch and process.
        eval_batch_size: frames per evaluation batch and process; None for `batch_size`.
        steps_per_epoch: batches per epoch; None for one pass over the training rows.
        num_workers: loader processes.
        prepare_workers: processes that decode and register when the store is built.
        weights_dir: folder of face-alignment's weights, for releases without a landmark sidecar; None for the
            library's own cache.
        seed: seed of order and augmentation; the split by people does not depend on it.
    """

    location_arguments = (*CorpusDataModule.location_arguments, "weights_dir")

    def __init__(
        self,
        root: str,
        cache: str = "lightning_logs/stores",
        registration: Literal["ffhq", "similarity", "frontal3d"] = "frontal3d",
        size: int = 224,
        aus: Sequence[int] = (1, 4, 6, 10, 12, 14, 17),
        view: int = 6,
        test_partition: Literal["test", "valid"] = "test",
        validation: Literal["people", "valid"] = "people",
        holdout_fraction: float = 0.15,
        augmentation: Literal["none", "flip", "photometric"] = "none",
        batch_size: int = 16,
        eval_batch_size: int | None = None,
        steps_per_epoch: int | None = None,
        num_workers: int = 0,
        prepare_workers: int = 2,
        weights_dir: str | None = None,
        seed: int = 0,
    ) -> None:
        if test_partition == "valid" and validation == "valid":
            raise ConfigError(
                "data.validation and data.test_partition are both 'valid': a model must not be selected on"
                " the people it is scored on; set data.validation=people"
            )
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
        )
        self.view = view
        self.test_partition = test_partition
        self.validation = validation
        self.holdout_fraction = holdout_fraction
        self.weights_dir = weights_dir

    def _prepare(self) -> Path:
        from aukit.datasets import FERA2017  # decoders are needed here only, not where a store is opened

        partitions = ("train", "valid", "test") if self.test_partition == "test" else ("train", "valid")
        corpus = FERA2017(self.root, partitions, (self.view,))
        return prepare_release(
            corpus, self.cache, self.registration, self.size, self.weights_dir, self.prepare_workers
        ).path

    def _split(self) -> tuple[Rows, Rows, Rows]:
        frame = self.store.table.frame
        partition, person = frame["partition"].to_numpy(dtype=str), frame["person"].to_numpy(dtype=str)
        train = partition == "train"
        if self.validation == "people":
            val = train & np.isin(person, held_out_people(person[train].tolist(), self.holdout_fraction))
        else:
            val = partition == "valid"
        rows = [np.flatnonzero(mask) for mask in (train & ~val, val, partition == self.test_partition)]
        return rows[0], rows[1], rows[2]

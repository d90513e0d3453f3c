"""FERA 2017 (BP4D and BP4D+ videos in nine views, seven intensity-coded action units) as a datamodule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from aukit.datamodules.corpus import CorpusDataModule, held_out_people
from aukit.datamodules.samplers import Rows
from aukit.datasets import FERA2017
from aukit.errors import ConfigError
from aukit.registration import RegistrationName
from aukit.utils.bounds import Fraction, PositiveInt


class FERA2017DataModule(CorpusDataModule):
    """FERA 2017, official partitions: 41 people to train on, 20 in Valid, 30 in Test.

    The released Test labels are not public; with `test_partition="valid"` the Valid people are scored instead
    and a checkpoint is selected on held-out training people. Citation: Valstar et al., "FERA 2017 -
    Addressing Head Pose in the Third Facial Expression Recognition and Analysis Challenge", FG 2017.

    Args:
        root: folder of the release or of a stand-in of it; None for the one that `AUKIT_FERA2017_ROOT` names.
        registration: see `CorpusDataModule`; 3D-registered as by Niinuma et al. unless another one is named.
        size: side of the crops in pixels.
        aus: action units, in the order of the label columns.
        view: camera view 1..9; 6 is frontal.
        test_partition: "test" or "valid".
        validation: "people" holds out whole training people, "valid" takes the Valid partition.
        holdout_fraction: share of the training people held out with `validation="people"`.
        partitions: those that the store has, where that is not all that a training and its test use.
        views: views that the store has, where that is not `view` alone, whose rows are used.
        options: further options: see `CorpusDataModule`.

    Raises:
        ConfigError: both `validation` and `test_partition` are "valid".

    Example:
        >>> data = FERA2017DataModule("FERA2017", view=6, validation="valid", size=64)
        >>> data.registration, data.aus
        ('frontal3d', (1, 4, 6, 10, 12, 14, 17))
    """

    root_variable = "AUKIT_FERA2017_ROOT"

    def __init__(
        self,
        root: str | None = None,
        *,
        registration: RegistrationName = "frontal3d",
        size: PositiveInt = 224,
        aus: Sequence[int] = (1, 4, 6, 10, 12, 14, 17),
        view: int = 6,
        test_partition: Literal["test", "valid"] = "test",
        validation: Literal["people", "valid"] = "people",
        holdout_fraction: Fraction = 0.15,
        partitions: Sequence[Literal["train", "valid", "test"]] | None = None,
        views: Sequence[int] | None = None,
        **options: Any,
    ) -> None:
        if test_partition == "valid" and validation == "valid":
            raise ConfigError(
                "data.validation and data.test_partition are both 'valid': a model must not be selected on"
                " the people it is scored on; set data.validation=people"
            )
        super().__init__(root=root, registration=registration, size=size, aus=aus, **options)
        self.view = view
        self.test_partition = test_partition
        self.validation = validation
        self.holdout_fraction = holdout_fraction
        self.partitions = None if partitions is None else tuple(partitions)
        self.views = None if views is None else tuple(views)

    def _corpus(self) -> FERA2017:
        used = ("train", "valid", "test") if self.test_partition == "test" else ("train", "valid")
        views = self.views or (self.view,)
        return FERA2017(self.root, self.partitions or used, views, **self.locations)

    def _split(self) -> tuple[Rows, Rows, Rows]:
        frame = self.store.table.frame
        partition, person = frame["partition"].to_numpy(dtype=str), frame["person"].to_numpy(dtype=str)
        partition = np.where(frame["view"].to_numpy(dtype=int) == self.view, partition, "")
        train = partition == "train"
        if self.validation == "valid":
            val = partition == "valid"
        elif self.partitions is None or "train" in self.partitions:
            val = train & np.isin(person, held_out_people(person[train].tolist(), self.holdout_fraction))
        else:
            val = train
        rows = [np.flatnonzero(mask) for mask in (train & ~val, val, partition == self.test_partition)]
        return rows[0], rows[1], rows[2]

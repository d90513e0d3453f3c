"""Avatar pairs as a datamodule: renders of a woman and a man for each driving frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from aukit.datamodules.corpus import CorpusDataModule, held_out_people
from aukit.datamodules.samplers import Rows
from aukit.datasets import AvatarPairs
from aukit.datasets.avatar_pairs import CURVES
from aukit.utils.bounds import Fraction


class AvatarPairsDataModule(CorpusDataModule):
    """Renders written by `aukit avatars pairs`; to train on them alone, or for `PairedDataModule`.

    Nobody is tested on avatars. For validation whole driving people are held out; an avatar that serves
    several of them is on both sides. Landmarks come with the renders.

    Of a data set that `aukit avatars dataset` wrote, its own splits are taken: other avatars are validated
    and tested than are trained on.

    Args:
        root: folder of the pairs.
        aus: action units, in the order of the label columns.
        gender: avatars to train on, "both", "female" or "male".
        holdout_fraction: share of the driving people held out.
        options: further options: see `CorpusDataModule`.

    Example:
        >>> data = AvatarPairsDataModule("pairs", gender="female", registration="similarity", size=64)
        >>> data.gender
        'female'
    """

    label = "occurrence"

    def __init__(
        self,
        root: str,
        *,
        aus: Sequence[int] = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24),
        gender: Literal["both", "female", "male"] = "both",
        holdout_fraction: Fraction = 0.15,
        **options: Any,
    ) -> None:
        super().__init__(root=root, aus=aus, **options)
        self.gender = gender
        self.holdout_fraction = holdout_fraction

    @property
    def is_dataset(self) -> bool:
        """Whether no corpus drives the renders: `aukit avatars dataset` wrote them."""
        return bool(self.store.table.frame["pair_id"].str.startswith(f"{CURVES}/").all())

    def _corpus(self) -> AvatarPairs:
        return AvatarPairs(self.root)

    def _split(self) -> tuple[Rows, Rows, Rows]:
        frame = self.store.table.frame
        wanted = np.ones(len(frame), dtype=bool)
        if self.gender != "both":
            wanted = frame["gender"].to_numpy(dtype=str) == self.gender
        if self.is_dataset:
            partition = frame["partition"].to_numpy(dtype=str)
            train, val, test = (
                np.flatnonzero(wanted & (partition == name)) for name in ("train", "valid", "test")
            )
            return train, val, test
        # corpus, partition and subject of the driving frame
        drivers = frame["pair_id"].str.split("/").str[:3].str.join("/").to_numpy(dtype=str)
        held = np.isin(drivers, held_out_people(drivers.tolist(), self.holdout_fraction))
        return np.flatnonzero(wanted & ~held), np.flatnonzero(wanted & held), np.zeros(0, np.int64)

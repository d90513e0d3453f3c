"""Datamodules of corpora: a prepared store, its rows split by person, batches of crops with labels."""

from __future__ import annotations

import zlib
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from aukit.datamodules.base import StepDataModule
from aukit.datamodules.dataset import StoreDataset
from aukit.datamodules.samplers import BalancedBatches, EvaluationBatches, Rows, ShuffledBatches, StepSampler
from aukit.datamodules.transforms import Augmentation
from aukit.errors import ConfigError
from aukit.store.store import PreparedStore


def held_out_people(persons: Sequence[str], fraction: float) -> list[str]:
    """Choose whole people for validation, the same ones whatever the seed and the order of `persons`.

    People are ordered by a hash of their name, so that adding a person moves no other across.

    Args:
        persons: global person ids; repeats are ignored.
        fraction: share of the people, in [0, 1); at least one person is held out when it is above 0.

    Returns:
        Sorted ids of the held-out people; empty for fraction 0.

    Raises:
        ConfigError: nobody would be left to train on.
    """
    if not 0 <= fraction < 1:
        raise ConfigError(f"holdout_fraction must lie in [0, 1); got {fraction}")
    if fraction == 0:
        return []
    people = sorted(set(persons), key=lambda person: (zlib.crc32(f"holdout/{person}".encode()), person))
    count = max(1, round(fraction * len(people)))
    if count >= len(people):
        raise ConfigError(f"holding out {count} of {len(people)} training people leaves none to train on")
    return sorted(people[:count])


class CorpusDataModule(StepDataModule):
    """Base of the datamodules of single corpora.

    A subclass implements `_prepare()` (build or find the store, return its folder) and `_split()` (rows of
    the store for training, validation and test). Validation sees no test person unless `selects_on_test`.

    Batches: `image` uint8 [B,3,S,S] (float32 in [0,1] once on the device), `landmarks` float32 [B,68,3] crop
    pixels, `intensities` and `occurrences` float32 [B,A] in the order of `aus`, NaN where not coded, `gender`
    int64 [B] (0 female, 1 male, -1 unknown), `rows` int64 [B] rows of the store.

    Args:
        root: folder of the corpus release.
        cache: folder in which prepared stores live.
        registration: "ffhq", "similarity", "frontal3d" or "none" (the frames are crops of `size` already).
        size: side of the crops in pixels.
        aus: action units, in the order of the label columns.
        augmentation: "none", "flip" or "photometric" (flip, small geometry, colour, noise, blur), in
            training.
        batch_size: frames per training batch and process.
        eval_batch_size: frames per evaluation batch and process; None for `batch_size`.
        steps_per_epoch: batches per epoch; None for one pass over the training rows.
        num_workers: loader processes.
        prepare_workers: processes that decode and register when the store is built.
        seed: seed of order and augmentation.
        sampling: "shuffled", or "balanced" over action units that are present and absent, in training.
    """

    location_arguments: ClassVar[tuple[str, ...]] = ("root", "cache", "num_workers", "prepare_workers")

    #: Whether the validation people are the test people, which a configuration must say by name.
    selects_on_test = False

    store: PreparedStore
    train_rows: Rows
    val_rows: Rows
    test_rows: Rows

    def __init__(
        self,
        root: str,
        cache: str = "lightning_logs/stores",
        registration: Literal["ffhq", "similarity", "frontal3d", "none"] = "frontal3d",
        size: int = 224,
        aus: Sequence[int] = (),
        augmentation: Literal["none", "flip", "photometric"] = "none",
        batch_size: int = 16,
        eval_batch_size: int | None = None,
        steps_per_epoch: int | None = None,
        num_workers: int = 0,
        prepare_workers: int = 2,
        seed: int = 0,
        sampling: Literal["shuffled", "balanced"] = "shuffled",
    ) -> None:
        super().__init__(batch_size, eval_batch_size, num_workers, seed)
        self.sampling = sampling
        self.root = Path(root)
        self.cache = Path(cache)
        self.registration = registration
        self.size = size
        self.aus = tuple(aus)
        self.augmentation = augmentation
        self.steps_per_epoch = steps_per_epoch
        self.prepare_workers = prepare_workers
        self._store_path: Path | None = None

    @abstractmethod
    def _prepare(self) -> Path:
        """Build the store, or find it complete; return its folder. Called on several processes at once."""

    @abstractmethod
    def _split(self) -> tuple[Rows, Rows, Rows]:
        """Rows of `self.store` for training, validation and test."""

    @property
    def fingerprint(self) -> str:
        """The store's fingerprint: corpus files, selection, landmark source, registration, schema."""
        return self.store.fingerprint

    def prepare_data(self) -> None:
        """Decode and register what is not in the cache yet; costs nothing when the store is complete."""
        self._store_path = self._prepare()

    def setup(self, stage: str | None = None) -> None:
        """Open the store and split its rows by person."""
        if hasattr(self, "store"):
            return
        # Processes on which the trainer does not call prepare_data() find the store that another one made.
        self.store = PreparedStore.open(self._store_path or self._prepare())
        train, val, test = (np.asarray(rows, dtype=np.int64) for rows in self._split())
        persons = self.store.table.frame["person"].to_numpy()
        used = np.concatenate([train, val]) if not self.selects_on_test else train
        if shared := set(persons[test]) & set(persons[used]):
            raise ConfigError(f"test people are also used for training or validation: {sorted(shared)[:5]}")
        self.train_rows, self.val_rows, self.test_rows = train, val, test

    def dataset(self, augmentation: Augmentation | None = None) -> StoreDataset:
        """The store as a map from batch specifications to batches."""
        return StoreDataset(self.store, self.aus, augmentation)

    def train_batches(self) -> tuple[StoreDataset, StepSampler]:
        """Augmented crops of the training people, in a new order each epoch or drawn."""
        dataset = self.dataset(Augmentation.build(self.augmentation))
        rest = (self.batch_size, self.seed, self.rank, self.world_size, self.steps_per_epoch)
        if self.sampling == "balanced":
            return dataset, BalancedBatches(self.train_rows, dataset.occurrences[self.train_rows], *rest)
        return dataset, ShuffledBatches(self.train_rows, *rest)

    def val_batches(self) -> tuple[StoreDataset, EvaluationBatches] | None:
        """Crops of the validation people, each once."""
        return self._evaluation(self.val_rows)

    def test_batches(self) -> tuple[StoreDataset, EvaluationBatches] | None:
        """Crops of the test people, each once."""
        return self._evaluation(self.test_rows)

    def predict_batches(self) -> tuple[StoreDataset, EvaluationBatches] | None:
        """Every crop of the store, each once."""
        return self._evaluation(np.arange(len(self.store), dtype=np.int64))

    def _evaluation(self, rows: Rows) -> tuple[StoreDataset, EvaluationBatches] | None:
        if len(rows) == 0:
            return None
        return self.dataset(), EvaluationBatches(rows, self.eval_batch_size, self.rank, self.world_size)

"""What every datamodule shares: loaders over whole-batch samplers, and resuming in the middle of an epoch."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt
import torch
from lightning import LightningDataModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader

from aukit.datamodules.samplers import (
    BalancedBatches,
    BatchSpec,
    EvaluationBatches,
    ProcessSampler,
    Rows,
    ShuffledBatches,
    StepSampler,
)
from aukit.datasets.person_ids import digests
from aukit.errors import ConfigError
from aukit.store.store import PreparedStore
from aukit.utils.bounds import NonNegativeInt, PositiveInt

Batch = dict[str, Any]
_OF_WEIGHTS = {"64-true": torch.float64, "16-true": torch.float16, "bf16-true": torch.bfloat16}


class BatchDataset(Protocol):
    """A map from a batch specification to a ready batch (a dict of tensors).

    Example:
        >>> class NumbersDataset:
        ...     def __getitem__(self, spec):
        ...         return {"number": torch.from_numpy(spec.rows).float()}
    """

    def __getitem__(self, spec: BatchSpec) -> Batch:
        """Build the batch."""
        ...


class StepDataModule(LightningDataModule):
    """Base of all datamodules: subclasses provide datasets and samplers, this class the loaders.

    Subclasses implement `train_batches`, `val_batches`, `test_batches` (and `predict_batches` where wanted),
    each returning a dataset that builds whole batches and a sampler of `BatchSpec`, or None where there is no
    such stage. They provide `fingerprint`, `aus` and `store` after `prepare_data()` and `setup()`.

    Batches are those of all processes together, of which each takes its part, also under a plain
    ``Trainer(devices=2, strategy="ddp")``: training sees the same batches on any number of processes, and
    every frame of an evaluation is counted once.

    Datasets return images as uint8 [B,3,H,W]; every uint8 4-D tensor of a batch becomes float32 in [0,1] on
    the device, so that a quarter of the bytes travel between processes and to the device.

    Args:
        batch_size: frames per training batch, that of all processes together.
        eval_batch_size: frames per evaluation batch of all processes together; None for `batch_size`.
        steps_per_epoch: batches per epoch; None for one pass over the training rows. No more than
            `trainer.limit_train_batches` of them are trained on.
        num_workers: loader processes; 0 loads in the training process.
        seed: seed of data order, augmentation and every other draw of the data side; no split depends on it.

    Example:
        >>> class Numbers(StepDataModule):
        ...     def train_batches(self):
        ...         return NumbersDataset(), self.shuffled_batches(np.arange(100))
    """

    #: Constructor arguments that say where or how fast, not what: they do not enter a run's identity.
    location_arguments: ClassVar[tuple[str, ...]] = ("num_workers",)

    def __init__(
        self,
        batch_size: PositiveInt = 16,
        eval_batch_size: PositiveInt | None = None,
        steps_per_epoch: PositiveInt | None = None,
        num_workers: NonNegativeInt = 0,
        seed: NonNegativeInt = 0,
    ) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size or batch_size
        self.steps_per_epoch = steps_per_epoch
        self.num_workers = num_workers
        self.seed = seed
        self._resume = (0, 0)

    @property
    def fingerprint(self) -> str:
        """Hash of the data that went in; valid after `prepare_data()` and `setup()`."""
        raise NotImplementedError(f"{type(self).__name__} has no fingerprint")

    @property
    def notes(self) -> dict[str, Any]:
        """What a run's record should say about the data, as plain types; after `setup()`."""
        return {}

    def selects_by_test(self, monitor: str) -> bool:
        """Whether a metric of the validation is of those who are tested, so that it selects an oracle."""
        return False

    @property
    def corpus_name(self) -> str | None:
        """Corpus whose frames train; None where there is no store."""
        store: PreparedStore | None = getattr(self, "store", None)
        return None if store is None else str(store.manifest["corpus"])

    @property
    def input_kind(self) -> dict[str, Any]:
        """What a model's images are, by `registration`, its `registration_settings`, `size`; after `setup()`.

        Plain types; a checkpoint keeps them, and is applied to images of the same kind alone. What is not
        known is None and not compared.
        """
        store: PreparedStore | None = getattr(self, "store", None)
        if store is None:
            return {}
        made = store.manifest["registration"]
        return {
            "registration": made["name"],
            "registration_settings": made["settings"],
            "size": store.size,
        }

    @property
    def trained_on(self) -> dict[str, Any]:
        """What every checkpoint says of the data: `schema`, `corpus`, `aus` in order, `people`, `input_kind`.

        People are known by fingerprints of their names: a checkpoint that is passed on names nobody.
        """
        aus = getattr(self, "aus", None)
        about: dict[str, Any] = {
            "schema": 1,
            "corpus": self.corpus_name,
            "aus": None if aus is None else list(aus),
        }
        if people := self.trained_people:
            about["people"] = digests(set().union(*people.values()))
        return {**about, **self.input_kind}

    @property
    def trained_people(self) -> dict[str, set[str]]:
        """Names of those whose labels train, by person; empty where that is not known. After `setup()`.

        Whoever shares a name with a person is that person.
        """
        return {}

    @property
    def tested_people(self) -> dict[str, set[str]]:
        """Names of those who are tested, by person, as in `trained_people`."""
        return {}

    @property
    def rendered(self) -> bool:
        """Whether all faces are ones that we rendered, so that they show nobody; after `setup()`."""
        if self.parts:
            return all(part.rendered for part in self.parts)
        store: PreparedStore | None = getattr(self, "store", None)
        return store is not None and store.standin is not None

    @property
    def parts(self) -> Sequence[StepDataModule]:
        """The datamodules of corpora that this one is made of; none unless a subclass says so."""
        return ()

    def prepare_data(self) -> None:
        """Make what the parts lack on disk."""
        for part in self.parts:
            part.prepare_data()

    def prepared(self) -> list[str]:
        """What `prepare_data` made or found, for printing after it."""
        return [text for part in self.parts for text in part.prepared()]

    @property
    def rank(self) -> int:
        """This process' rank (0 without a trainer)."""
        return self.trainer.global_rank if self.trainer is not None else 0

    @property
    def world_size(self) -> int:
        """Number of processes (1 without a trainer)."""
        return self.trainer.world_size if self.trainer is not None else 1

    @abstractmethod
    def train_batches(self) -> tuple[BatchDataset, StepSampler]:
        """Training dataset and sampler of the batches of all processes; the loader takes this one's part."""

    def val_batches(self) -> tuple[BatchDataset, ProcessSampler] | None:
        """Validation dataset and sampler; None for no validation."""
        return None

    def test_batches(self) -> tuple[BatchDataset, ProcessSampler] | None:
        """Test dataset and sampler; None for no test."""
        return None

    def predict_batches(self) -> tuple[BatchDataset, ProcessSampler] | None:
        """Dataset and sampler of `aukit predict`; the test ones unless a subclass says otherwise."""
        return self.test_batches()

    def train_dataloader(self) -> DataLoader[Any]:
        """Loader that starts where a resumed run stopped.

        Raises:
            ConfigError: The trainer would replace its sampler (`overfit_batches`).
        """
        if getattr(self.trainer, "overfit_batches", 0):
            raise ConfigError(
                "trainer.overfit_batches would train on rows of every split; set trainer.limit_train_batches"
            )
        dataset, sampler = self.train_batches()
        limit = getattr(self.trainer, "limit_train_batches", None)
        if type(limit) is int and limit < (self.steps_per_epoch or 0):
            warnings.warn(
                f"epochs end after {limit} of data.steps_per_epoch={self.steps_per_epoch} batches:"
                f" trainer.limit_train_batches={limit}",
                stacklevel=2,
            )
        sampler.resume(*self._resume)
        return self._loader(dataset, sampler)

    def val_dataloader(self) -> Any:
        """Loader of `val_batches`, or an empty list."""
        return self._evaluation_loader(self.val_batches())

    def test_dataloader(self) -> Any:
        """Loader of `test_batches`, or an empty list."""
        return self._evaluation_loader(self.test_batches())

    def predict_dataloader(self) -> Any:
        """Loader of `predict_batches`, or an empty list."""
        return self._evaluation_loader(self.predict_batches())

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Turn uint8 [B,3,H,W] images into [0,1] on the device: float32, or as weights are at `precision`."""
        if not isinstance(batch, dict):
            return batch
        dtype = _OF_WEIGHTS.get(str(getattr(self.trainer, "precision", "")), torch.float32)
        return {key: _as_float_image(value, dtype) for key, value in batch.items()}

    def state_dict(self) -> dict[str, Any]:
        """What is trained on, and at which epoch and batch a run loaded from this checkpoint continues."""
        if self.trainer is None:
            return {}
        return {"trained_on": self.trained_on, **self._position(self.trainer)}

    def _position(self, trainer: Trainer) -> dict[str, int]:
        loop = trainer.fit_loop
        batches: Any = loop.epoch_loop.batch_progress.current
        epochs: Any = loop.epoch_progress.current
        if batches.processed < trainer.num_training_batches:
            return {"epoch": epochs.processed, "step": batches.processed}
        # `processed` counts this epoch only after its end hooks; `started` counts it in either case.
        return {"epoch": epochs.started, "step": 0}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the position of `state_dict()`."""
        if "step" in state_dict:
            self._resume = (int(state_dict["epoch"]), int(state_dict["step"]))

    def shuffled_batches(self, rows: Rows, drop_last: bool = True) -> ShuffledBatches:
        """Sampler of training batches: `rows` in a new order each pass; see `ShuffledBatches`."""
        return ShuffledBatches(rows, self.batch_size, self.seed, self.steps_per_epoch, drop_last)

    def balanced_batches(self, rows: Rows, occurrences: npt.NDArray[np.floating[Any]]) -> BalancedBatches:
        """Sampler of training batches: `rows` drawn by `occurrences` [N,A], see `BalancedBatches`."""
        return BalancedBatches(rows, occurrences, self.batch_size, self.seed, self.steps_per_epoch)

    def evaluation_batches(self, rows: Rows) -> EvaluationBatches:
        """Sampler of evaluation batches: each of `rows` once over all processes."""
        return EvaluationBatches(rows, self.eval_batch_size)

    def _evaluation_loader(self, batches: tuple[BatchDataset, ProcessSampler] | None) -> Any:
        return [] if batches is None else self._loader(*batches)

    def _loader(self, dataset: BatchDataset, sampler: ProcessSampler) -> DataLoader[Any]:
        sampler.divide(self.rank, self.world_size)
        return DataLoader(
            dataset,  # type: ignore[arg-type]  # a map from specifications, not from integers
            sampler=sampler,
            batch_size=None,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator().manual_seed(self.seed),  # else the loader draws from the global state
        )


def _as_float_image(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, Tensor) and value.dtype == torch.uint8 and value.ndim == 4:
        return value.to(dtype) / 255
    return value

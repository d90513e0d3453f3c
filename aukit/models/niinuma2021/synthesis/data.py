"""Pairs of frames for expression synthesis: an input face and the expression that it is given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from aukit.datamodules.corpus import CorpusDataModule
from aukit.datamodules.dataset import StoreDataset, images_to_tensor
from aukit.datamodules.samplers import (
    BatchSpec,
    EvaluationBatches,
    ProcessSampler,
    Rows,
    ShuffledBatches,
    StepSampler,
)
from aukit.errors import ConfigError
from aukit.facs import MAX_INTENSITY
from aukit.models.niinuma2021.data import CorpusFramesDataModule
from aukit.models.niinuma2021.synthesis.schedule import steps_of
from aukit.store.store import PreparedStore
from aukit.utils.bounds import NonNegativeFloat, PositiveInt, UnitInterval

__all__ = ["PairBatches", "PairDataset", "PairSampling", "SynthesisDataModule"]

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PairSampling:
    """How the pairs of a batch are drawn; the defaults are the paper's.

    Attributes:
        same_person_share: Share of each batch that is paired within the person; 0 for by chance only.
        warmup_steps: First steps of the run in which every pair is of the same person.
        target_weight: w in the probability of a target, proportional to 1 + w·Σ y/5; 0 is uniform.
        target_noise: Half width of the uniform noise on target vectors of other people.
        candidates: Targets drawn for each pair of one person, of which the one whose labels differ most from
            the input's is taken.

    Example:
        >>> PairSampling(same_person_share=0.67, candidates=8).warmup_steps
        0
    """

    same_person_share: float = 0.0
    warmup_steps: int = 0
    target_weight: float = 0.0
    target_noise: float = 0.1
    candidates: int = 1


class PairBatches(StepSampler):
    """Batches of (input, target) pairs as a pure function of (seed, step).

    Input frames run through all rows in a new order each pass. Targets of a configured share of each batch
    show the input's person; the others are drawn from everybody (also, by chance, from that person).

    Args:
        rows: ``[N]`` rows of the store, all coded for every action unit.
        vectors: ``[N,A]`` their intensities / 5.
        persons: ``[N]`` their people.
        batch_size: Pairs per batch.
        seed: Seed of all draws.
        recordings: ``[N]`` their recordings, for same-person pairs within one recording; None to pair all
            frames of a person.
        steps_per_epoch: Batches per epoch; None for one pass over the rows.
        sampling: How pairs are drawn.

    Example:
        >>> rows, persons = np.arange(4), np.array(["a", "a", "b", "b"], dtype=object)
        >>> pairs = PairBatches(rows, np.zeros((4, 3), np.float32), persons, batch_size=2, seed=0)
        >>> pairs.batch(epoch=0, step=0).extra["target"].shape
        (2,)
    """

    def __init__(
        self,
        rows: Rows,
        vectors: Vectors,
        persons: npt.NDArray[np.object_],
        batch_size: int,
        seed: int,
        recordings: npt.NDArray[np.object_] | None = None,
        steps_per_epoch: int | None = None,
        sampling: PairSampling = PairSampling(),
    ) -> None:
        people = np.unique(persons.astype(str), return_inverse=True)[1]
        pools = people if recordings is None else np.unique(recordings.astype(str), return_inverse=True)[1]
        # Ordered by pool, so that the frames that pair with each other are a run of the cumulated weights.
        order = np.argsort(pools, kind="stable")
        self.rows, self.vectors, self.codes = np.asarray(rows)[order], vectors[order], people[order]
        self._pools = pools[order]
        self._bounds = np.searchsorted(self._pools, np.arange(pools.max(initial=-1) + 2))
        weights = 1 + sampling.target_weight * self.vectors.sum(axis=1, dtype=np.float64)
        self._cumulated = np.concatenate([[0.0], np.cumsum(weights)])
        self.sampling = sampling
        self._inputs = ShuffledBatches(np.arange(len(self.rows)), batch_size, seed, steps_per_epoch)
        super().__init__(self._inputs.steps_per_epoch, seed)

    def batch(self, epoch: int, step: int) -> BatchSpec:
        """One batch: ``rows`` are the store rows of the input frames.

        ``extra`` has ``target`` (store rows), ``input_aus`` and ``target_aus`` ``[B,A]``, ``same_person``
        and the two horizontal flips ``[B]``: one flip for a pair of the same person, independent flips
        otherwise.
        """
        spec = self._inputs.batch(epoch, step)
        rng, count = spec.rng(1), len(spec.rows)
        now = epoch * self.steps_per_epoch + step
        how = self.sampling
        share = 1.0 if now < how.warmup_steps else how.same_person_share
        paired = np.arange(count) < round(share * count)
        pool = self._pools[spec.rows]
        first = np.where(paired, self._bounds[pool], 0)
        end = np.where(paired, self._bounds[pool + 1], len(self.rows))
        low, high = self._cumulated[first], self._cumulated[end]
        places = low + rng.random((how.candidates, count)) * (high - low)
        drawn = np.minimum(np.searchsorted(self._cumulated, places, side="right") - 1, end - 1)
        change = np.abs(self.vectors[drawn] - self.vectors[spec.rows]).sum(axis=2)
        best = np.where(paired, change.argmax(axis=0), 0)
        target = drawn[best, np.arange(count)]
        same = self.codes[target] == self.codes[spec.rows]
        noise = rng.uniform(-how.target_noise, how.target_noise, (count, self.vectors.shape[1]))
        flips = rng.random((2, count)) < 0.5
        extra = {
            "target": self.rows[target],
            "input_aus": self.vectors[spec.rows],
            "target_aus": (self.vectors[target] + np.where(same[:, None], 0, noise)).astype(np.float32),
            "same_person": same,
            "input_flip": flips[0],
            "target_flip": np.where(same, flips[0], flips[1]),
            "step": now,
        }
        return BatchSpec(self.rows[spec.rows], spec.seed, epoch, step, extra)


class PairDataset(Dataset[dict[str, Any]]):
    """Reads the images of the pairs that `PairBatches` drew: ``dataset[spec]`` is a ready batch.

    Example:
        >>> batch = PairDataset(store)[pairs.batch(epoch=0, step=0)]  # doctest: +SKIP
        >>> batch["input_frame"].shape, batch["input_frame"].dtype  # doctest: +SKIP
        (torch.Size([2, 3, 64, 64]), torch.uint8)
    """

    def __init__(self, store: PreparedStore) -> None:
        self.store = store

    def __getitem__(self, spec: BatchSpec) -> dict[str, Any]:
        pair = spec.extra
        return {
            "input_frame": images_to_tensor(self._read(spec.rows, pair["input_flip"])),
            "target": images_to_tensor(self._read(pair["target"], pair["target_flip"])),
            "input_aus": torch.from_numpy(pair["input_aus"]),
            "target_aus": torch.from_numpy(pair["target_aus"]),
            "same_person": torch.from_numpy(pair["same_person"]),
            "step": pair["step"],
        }

    def _read(self, rows: Rows, flips: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
        images = np.array(self.store.images[rows])
        images[flips] = images[flips, :, ::-1]
        return images


class FixedBatches(ProcessSampler):
    """The first batches of a `PairBatches`, the same ones at each validation and on each process."""

    def __init__(self, pairs: PairBatches, steps: int) -> None:
        super().__init__()
        self.pairs = pairs
        self.steps = steps

    def __iter__(self) -> Iterator[BatchSpec]:
        return (self.pairs.batch(0, step) for step in range(self.steps))

    def __len__(self) -> int:
        return self.steps


class SynthesisDataModule(CorpusFramesDataModule):
    """Pairs of frames of one corpus; defaults are those of the code the paper builds on.

    Batches: ``input_frame``, ``target`` float32 ``[B,3,S,S]`` in [0,1] once on the device; ``input_aus``,
    ``target_aus`` ``[B,A]`` = level / 5; ``same_person`` ``[B]`` bool; ``step``, the 0-based step of the run.
    Frames that are not coded for every action unit are left out and counted (`notes`). Test batches are the
    corpus's own.

    Args:
        corpus: Datamodule of the corpus; gives store, split and action units.
        same_person_share: Share of each batch paired within the person; 0 = by chance only, 1 = a target of
            the same person for each input, as eq. 4 may also be read. None is one pair of each batch where
            the model has an idiosyncratic term (by chance more than half of the batches of 25 pairs of 41
            people have none), and else 0.
        same_recording: Pair within one recording of the person, with the same light and camera; off in the
            paper.
        warmup_share: First share of the run with same-person pairs only; must equal the module's.
        target_weight: w in the targets' probability, proportional to 1 + w·Σ y/5.
        target_noise: Half width of the noise on target vectors of other people.
        candidates: Targets drawn for each pair of one person, of which the one whose labels differ most from
            the input's is taken; 1 in the paper.
        val_pairs: Fixed pairs per validation, half of them of the same person.
        options: Further options: see `StepDataModule`; `batch_size` counts pairs, and the seed is the
            corpus's.

    Example:
        >>> from aukit.datamodules import FERA2017DataModule
        >>> corpus = FERA2017DataModule("FERA2017", validation="valid", size=64)
        >>> data = SynthesisDataModule(corpus, batch_size=25)
        >>> data.aus
        (1, 4, 6, 10, 12, 14, 17)
        >>> data.prepare_data()  # doctest: +SKIP
        >>> data.setup("fit")  # doctest: +SKIP
        >>> next(iter(data.train_dataloader()))["target_aus"].shape  # doctest: +SKIP
        torch.Size([25, 7])
    """

    def __init__(
        self,
        corpus: CorpusDataModule,
        same_person_share: UnitInterval | None = None,
        warmup_share: UnitInterval = 0.0,
        target_weight: NonNegativeFloat = 0.0,
        target_noise: NonNegativeFloat = 0.1,
        val_pairs: PositiveInt = 256,
        same_recording: bool = False,
        candidates: PositiveInt = 1,
        **options: Any,
    ) -> None:
        super().__init__(corpus=corpus, **options)
        self.same_person_share = same_person_share
        self.warmup_share = warmup_share
        self.target_weight = target_weight
        self.target_noise = target_noise
        self.val_pairs = val_pairs
        self.same_recording = same_recording
        self.candidates = candidates

    @property
    def notes(self) -> dict[str, Any]:
        """How many frames of training people are left out, where some are."""
        rows = self.corpus.train_rows
        left_out = len(rows) - len(self._complete(rows))
        return {"frames_not_coded_for_every_au": left_out} if left_out else {}

    def train_batches(self) -> tuple[PairDataset, PairBatches]:
        """Pairs of training people."""
        sampling = PairSampling(
            self._same_person_share(),
            target_weight=self.target_weight,
            target_noise=self.target_noise,
            candidates=self.candidates,
        )
        pairs = self._pairs(
            self.corpus.train_rows,
            self.seed,
            sampling,
            steps_per_epoch=self.steps_per_epoch,
        )
        if self.trainer is not None and self.warmup_share:
            if not self.trainer.max_epochs or self.trainer.max_epochs < 0:
                raise ConfigError("a warm-up is a share of the run: set trainer.max_epochs")
            steps = self.trainer.max_epochs * pairs.steps_per_epoch
            pairs.sampling = replace(sampling, warmup_steps=steps_of(self.warmup_share, steps))
        return PairDataset(self.store), pairs

    def _same_person_share(self) -> float:
        if self.same_person_share is not None:
            return self.same_person_share
        model: Any = None if self.trainer is None else self.trainer.lightning_module
        idiosyncratic = model is not None and model.hparams.get("lambda_ids", 0) > 0
        # Of a batch that all frames do not fill, too.
        pairs = min(self.batch_size, len(self._complete(self.corpus.train_rows)))
        return 1 / pairs if idiosyncratic else 0.0

    def val_batches(self) -> tuple[PairDataset, FixedBatches] | None:
        """The fixed pairs of validation people, without noise."""
        if not len(self._complete(self.corpus.val_rows)) or not self.val_pairs:
            return None
        sampling = PairSampling(
            0.5, target_weight=self.target_weight, target_noise=0.0, candidates=self.candidates
        )
        pairs = self._pairs(self.corpus.val_rows, self.seed + 1, sampling)
        return PairDataset(self.store), FixedBatches(pairs, -(-self.val_pairs // pairs._inputs.batch_size))

    def test_batches(self) -> tuple[StoreDataset, EvaluationBatches] | None:
        """The corpus's test frames, for the discriminator as a reader of real frames."""
        return self._frames(self.corpus.test_rows)

    def predict_batches(self) -> tuple[StoreDataset, EvaluationBatches] | None:
        """Every frame of the corpus's store, for the same."""
        return self._frames(np.arange(len(self.store), dtype=np.int64))

    def sample_frames(self, count: int) -> tuple[npt.NDArray[np.uint8], Vectors]:
        """Draw real training frames and their vectors, expressive ones more often (weight 1 + 3·Σ y/5).

        Returns:
            Images uint8 ``[M,S,S,3]`` and intensities / 5 ``[M,A]``, M the smaller of `count` and all frames.
        """
        rows = self._complete(self.corpus.train_rows)
        vectors = (self.store.table.intensities(self.aus)[rows] / MAX_INTENSITY).astype(np.float32)
        weights = 1 + 3 * vectors.sum(axis=1, dtype=np.float64)
        rng = np.random.default_rng([self.seed, 11])
        drawn = np.sort(
            rng.choice(len(rows), min(count, len(rows)), replace=False, p=weights / weights.sum())
        )
        return np.asarray(self.store.images[rows[drawn]]), vectors[drawn]

    def _frames(self, rows: Rows) -> tuple[StoreDataset, EvaluationBatches] | None:
        return (self.corpus.dataset(), self.evaluation_batches(rows)) if len(rows) else None

    def _complete(self, rows: Rows) -> Rows:
        return rows[np.isfinite(self.store.table.intensities(self.aus)[rows]).all(axis=1)]

    def _pairs(self, rows: Rows, seed: int, sampling: PairSampling, **where: Any) -> PairBatches:
        rows = self._complete(rows)
        if not len(rows):
            raise ConfigError(f"no frame is coded for every action unit of {tuple(self.aus)}")
        vectors = (self.store.table.intensities(self.aus)[rows] / MAX_INTENSITY).astype(np.float32)
        frame = self.store.table.frame.iloc[rows]
        return PairBatches(
            rows,
            vectors,
            frame["person"].to_numpy(),
            self.batch_size,
            seed,
            frame["video"].to_numpy() if self.same_recording else None,
            sampling=sampling,
            **where,
        )

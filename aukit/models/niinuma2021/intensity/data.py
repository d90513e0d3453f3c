"""Balanced training batches and evaluation frames for the intensity estimators, normalised."""

from __future__ import annotations

import hashlib
import warnings
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from aukit.datamodules.corpus import CorpusDataModule, same_people
from aukit.datamodules.dataset import label_columns
from aukit.datamodules.samplers import BatchSpec, EvaluationBatches, Rows, ShuffledBatches, StepSampler
from aukit.errors import ConfigError, StoreError
from aukit.models.niinuma2021.data import CorpusFramesDataModule
from aukit.models.niinuma2021.intensity.augment import relight, shake
from aukit.models.niinuma2021.intensity.normalize import (
    Floats,
    Normalization,
    Normalizer,
    coded_levels,
    lacking_neutral,
)
from aukit.models.niinuma2021.synthesis.resampling import LEVELS, Pool, real_resampling
from aukit.store.balanced_set import BalancedSet
from aukit.store.store import PreparedStore
from aukit.utils.bounds import NonNegativeFloat, PositiveInt

__all__ = ["IntensityDataModule"]


class BalancedSetBatches(StepSampler):
    """Batches of a `BalancedSet`: mixed, or of one action unit each (for one network per action unit).

    Args:
        heads: ``[M]`` index of the action unit that each image was drawn for; -1: left out.
        batch_size: Images per batch.
        seed: Seed of the orders.
        steps_per_epoch: Batches per epoch; None for one pass.
        by_head: One action unit per batch, in turn.
    """

    def __init__(
        self,
        heads: npt.NDArray[np.int64],
        batch_size: int,
        seed: int,
        steps_per_epoch: int | None = None,
        by_head: bool = False,
    ) -> None:
        groups = (
            [np.flatnonzero(heads == head) for head in np.unique(heads[heads >= 0])]
            if by_head
            else [np.flatnonzero(heads >= 0)]
        )
        self._orders = [
            ShuffledBatches(rows, batch_size, seed + 7919 * number) for number, rows in enumerate(groups)
        ]
        steps = steps_per_epoch or sum(order.steps_per_pass for order in self._orders)
        super().__init__(steps, seed)

    def batch(self, epoch: int, step: int) -> BatchSpec:
        """Rows of the set; flips and dropout of the step depend on (seed, epoch, step)."""
        now = epoch * self.steps_per_epoch + step
        turn, number = divmod(now, len(self._orders))
        order = self._orders[number]
        rows = order.batch(*divmod(turn, order.steps_per_pass)).rows
        return BatchSpec(rows, self.seed, epoch, step, {"step": now})


class BalancedDataset(Dataset[dict[str, Any]]):
    """Normalised images of a balanced set.

    Batches: ``image`` ``[B,3,S,S]``; ``head`` ``[B]``, index of the action unit that an image was drawn for,
    and its ``level`` 0 … 5; ``levels`` ``[B,A]``, all labels of the image (NaN = not coded); ``step``.

    Args:
        balanced: The set.
        aus: Action units, in the order of the columns of labels.
        labelled_by: ``[M]`` rows of the set whose labels the images have.
        normalizer: Images → network input.
        flip: Whether to flip at random.
        jitter: Strength of random changes of light and place.
    """

    def __init__(
        self,
        balanced: BalancedSet,
        aus: tuple[int, ...],
        labelled_by: Rows,
        normalizer: Normalizer,
        flip: bool,
        jitter: float,
    ) -> None:
        self.balanced = balanced
        self.heads = _heads(balanced, aus)
        self.levels = balanced.levels(aus)[labelled_by]
        self.persons = balanced.plan["person"].to_numpy()
        self.normalizer = normalizer
        self.flip = flip
        self.jitter = jitter

    def __getitem__(self, spec: BatchSpec) -> dict[str, Any]:
        raw, rng = self.balanced.images_at(spec.rows), spec.draws(2)
        flips = rng.random(len(raw)) < 0.5
        lit = relight(raw, rng, self.jitter) if self.jitter else raw
        images = self.normalizer(lit, self.persons[spec.rows])
        image = _channels_first(images, flips & self.flip)
        heads, levels = self.heads[spec.rows], self.levels[spec.rows]
        return {
            "image": shake(image, rng, self.jitter) if self.jitter else image,
            "head": torch.from_numpy(heads),
            "level": torch.from_numpy(levels[np.arange(len(levels)), heads].astype(np.int64)),
            "levels": torch.from_numpy(levels),
            "step": spec.extra["step"],
        }


class FrameDataset(Dataset[dict[str, Any]]):
    """Normalised real frames: ``image``, ``labels`` ``[B,A]`` (NaN = not coded) and ``rows`` of the store."""

    def __init__(self, store: PreparedStore, aus: tuple[int, ...], normalizer: Normalizer) -> None:
        self.store = store
        self.labels = label_columns(store.table, aus, "intensity")
        self.persons = store.table.frame["person"].to_numpy()
        self.normalizer = normalizer

    def __getitem__(self, spec: BatchSpec) -> dict[str, Any]:
        images = self.normalizer(np.asarray(self.store.images[spec.rows]), self.persons[spec.rows])
        return {
            "image": _channels_first(images, np.zeros(len(images), dtype=bool)),
            "labels": torch.from_numpy(self.labels[spec.rows]),
            "rows": torch.from_numpy(np.asarray(spec.rows, dtype=np.int64)),
        }


class IntensityDataModule(CorpusFramesDataModule):
    """Trains on a balanced set, evaluates on real frames of the corpus, or of another one.

    `store` is that of the tested corpus, to which test rows belong; validation rows belong to `corpus.store`.

    Args:
        corpus: Datamodule of the corpus; gives action units, validation people and, where no other one is
            given, test people.
        training_set: Folder of the `BalancedSet`, synthetic or real, of crops like the corpus's. The people
            of its input frames and targets must not be tested. Images that were drawn for action units which
            the corpus is not read for are left out and counted. None: the corpus's own training frames,
            frequent levels down-sampled and rare ones up-sampled (`real_resampling`).
        per_level: Frames per level and action unit where `training_set` is None.
        test: Datamodule of what is tested in place of `corpus`: another corpus, registration or view, in
            crops of the same size. Action units that it does not code have no score and support 0.
        test_people: "test" people of what is tested, or "all" of them.
        normalization: "none", "au0" (subtract a neutral frame: needs labels of test people, an oracle) or
            "mean" (subtract the personal mean texture: looks at all frames of test people, transductive).
        shuffle_labels: Control: permute the label vectors over the images of each action unit.
        by_head: Batches of one action unit each, for networks that are not shared.
        flip: Random horizontal flips in training; off in the paper, as far as it says.
        jitter: Strength of random changes of light and place in training; 0 = off, as in the paper.
        val_frames: At most this many frames per validation, spread evenly; None for all.
        options: Further options: see `StepDataModule`; the seed is the corpus's.

    Raises:
        ConfigError: From `setup()`: a tested person gave images or labels of the set or selects the
            checkpoint, the crops do not fit each other, or the tested corpus codes none of the action units.

    Example:
        >>> from aukit.datamodules import DISFADataModule, FERA2017DataModule
        >>> corpus = FERA2017DataModule("FERA2017", validation="valid", size=64)
        >>> data = IntensityDataModule(corpus, "set", normalization="mean", batch_size=64)
        >>> data.aus
        (1, 4, 6, 10, 12, 14, 17)
        >>> data.prepare_data()  # doctest: +SKIP
        >>> data.setup("fit")  # doctest: +SKIP
        >>> next(iter(data.train_dataloader()))["levels"].shape  # doctest: +SKIP
        torch.Size([64, 7])
        >>> disfa = DISFADataModule("DISFA", registration="frontal3d", size=64)
        >>> IntensityDataModule(corpus, "set", test=disfa, test_people="all").parts == (corpus, disfa)
        True
    """

    location_arguments: ClassVar[tuple[str, ...]] = (
        *CorpusFramesDataModule.location_arguments,
        "training_set",
    )

    def __init__(
        self,
        corpus: CorpusDataModule,
        training_set: str | None = None,
        per_level: PositiveInt = 5000,
        *,
        test: CorpusDataModule | None = None,
        test_people: Literal["test", "all"] = "test",
        normalization: Normalization = "none",
        shuffle_labels: bool = False,
        by_head: bool = False,
        flip: bool = False,
        jitter: NonNegativeFloat = 0.0,
        val_frames: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(corpus=corpus, **options)
        self.training_set = training_set
        self.per_level = per_level
        self.test = test
        self.test_people = test_people
        self.normalization: Normalization = normalization
        self.shuffle_labels = shuffle_labels
        self.by_head = by_head
        self.flip = flip
        self.jitter = jitter
        self.val_frames = val_frames

    @property
    def tested(self) -> CorpusDataModule:
        """What is tested."""
        return self.test or self.corpus

    @property
    def parts(self) -> tuple[CorpusDataModule, ...]:
        """The corpus, and the tested one where it is another."""
        return tuple(dict.fromkeys((self.corpus, self.tested)))

    @property
    def fingerprint(self) -> str:
        """Hash of the fingerprints of corpora and training set."""
        found = [self.corpus.fingerprint, self.balanced.fingerprint]
        found += [each.fingerprint for each in self.parts[1:]]
        return hashlib.sha256("/".join(found).encode()).hexdigest()

    @property
    def corpus_name(self) -> str | None:
        """The corpus that trains."""
        return self.corpus.corpus_name

    @property
    def input_kind(self) -> dict[str, Any]:
        """The corpus's crops and what is subtracted from them."""
        return {**self.corpus.input_kind, "normalization": self.normalization}

    @property
    def trained_people(self) -> dict[str, set[str]]:
        """Those of whose frames the training set was made, in the corpus or not."""
        own = self.corpus.known_as(np.arange(len(self.corpus.store)))
        made_of = set(map(str, self.balanced.plan[["person", "target_person"]].to_numpy().ravel()))
        return {person: own.get(person, {self.corpus.known_by(person)}) for person in made_of}

    @property
    def tested_people(self) -> dict[str, set[str]]:
        """Those of `test_rows`."""
        return self.tested.known_as(self.test_rows)

    @property
    def notes(self) -> dict[str, Any]:
        """Images for other action units, which are left out; levels without an image, by action unit.

        Where another corpus is tested, action units that it lacks.
        For "au0" also the people with a reference, and how many have one that is not neutral.
        """
        others = int((_heads(self.balanced, self.aus) < 0).sum())
        notes: dict[str, Any] = {"images_for_other_aus": others} if others else {}
        drawn = set(self.balanced.plan[["au", "level"]].itertuples(index=False, name=None))
        absent = {f"AU{au}": [level for level in LEVELS if (au, level) not in drawn] for au in self.aus}
        if absent := {name: levels for name, levels in absent.items() if levels}:
            notes["levels_without_images"] = absent
        if self.test is not None:
            labels = label_columns(self.store.table, self.aus, "intensity")[self.test_rows]
            coded = np.isfinite(labels).sum(axis=0).tolist()
            notes |= {
                "trained_on": self.corpus.store.standin,
                "aus_without_coded_test_frames": [
                    au for au, n in zip(self.aus, coded, strict=True) if n == 0
                ],
            }
        if self.normalization != "au0":
            return notes
        lacking, people = 0, 0
        for data, normalizer in zip(self.parts, self.normalizers, strict=True):
            persons = data.store.table.frame["person"].to_numpy()
            lacking += len(lacking_neutral(persons, coded_levels(data.store, self.aus)))
            people += len(normalizer.references)
        return {**notes, "references": people, "references_not_neutral": lacking}

    @property
    def test_rows(self) -> Rows:
        """Rows of `store` that are tested."""
        return np.arange(len(self.store)) if self.test_people == "all" else self.tested.test_rows

    @cached_property
    def normalizers(self) -> list[Normalizer]:
        """Of the frames of each of `parts`; costs a look at every frame unless nothing is subtracted."""
        return [Normalizer.build(self.normalization, each.store, self.aus) for each in self.parts]

    def setup(self, stage: str | None = None) -> None:
        """Open the stores and the training set, which must exist."""
        super().setup(stage)
        if self.test is not None:
            self.test.trainer = self.trainer
            self.test.setup(stage)
            self.store = self.test.store
        if hasattr(self, "balanced"):
            return
        self.balanced = self._open_set()
        self._check()

    def _check(self) -> None:
        """See that set, corpus and what is tested fit each other, and that nobody tested was seen before."""
        made, crops = self.balanced.registration, self.corpus.store.manifest["registration"]
        if made != crops:
            raise ConfigError(
                f"{self.balanced.path}: has crops of {made}, the corpus {crops}; make the set again, or"
                " change data.corpus.registration or size"
            )
        if self.store.size != self.balanced.size:
            raise ConfigError(
                f"{self.store.path}: has crops of {self.store.size} px, the training set of"
                f" {self.balanced.size}; set data.test.size={self.balanced.size}"
            )
        if not set(self.aus) & set(self.store.table.intensity_aus):
            raise ConfigError(
                f"{self.store.path}: has intensities of AU {list(self.store.table.intensity_aus)}, none of"
                f" {list(self.aus)}; name another corpus in data.test"
            )
        tested = self.tested_people
        if both := same_people(tested, self.trained_people):
            raise ConfigError(
                f"{self.balanced.path}: was made of test people, such as {both[:5]}; test others"
                " (data.test_people), or make the set without them"
            )
        both = same_people(tested, self.corpus.known_as(self.corpus.val_rows))
        if both and not self.corpus.selects_on_test:
            raise ConfigError(
                f"people who select the checkpoint are tested, such as {both[:5]}; test others"
                " (data.test_people), or validate on others (data.corpus.validation)"
            )

    def _open_set(self) -> BalancedSet:
        """The set that was named, or one of the training frames, made where it is missing."""
        if self.training_set is not None:
            return BalancedSet.open(self.training_set)
        store = self.corpus.store
        with warnings.catch_warnings():
            # A corpus of one's own seldom has every level; `notes` name those that it lacks.
            warnings.filterwarnings("ignore", message=".*the balanced set lacks this class")
            pool = Pool.of(store, self.aus, self.corpus.train_rows)
            plan = real_resampling(pool, self.per_level, self.seed)
        if not len(plan):
            raise ConfigError(
                f"{type(self.corpus).__name__}: no training frame has an intensity of AU {list(self.aus)};"
                " name action units that are coded, or a set (data.training_set)"
            )
        name = hashlib.sha256(plan.to_csv().encode()).hexdigest()[:12]
        folder = self.corpus.cache / f"balanced-{store.fingerprint[:12]}-{name}"
        try:
            return BalancedSet.open(folder)
        except StoreError:  # not there yet, or damaged
            return BalancedSet.write(folder, plan, store)

    def train_batches(self) -> tuple[BalancedDataset, BalancedSetBatches]:
        """The balanced set in a new order each pass."""
        heads = _heads(self.balanced, self.aus)
        labelled_by = np.arange(len(self.balanced))
        if self.shuffle_labels:
            for head in np.unique(heads[heads >= 0]):
                mine = np.flatnonzero(heads == head)
                labelled_by[mine] = np.random.default_rng([self.seed, int(head), 3]).permutation(mine)
        sampler = BalancedSetBatches(heads, self.batch_size, self.seed, self.steps_per_epoch, self.by_head)
        normalizer = self.normalizers[0]
        dataset = BalancedDataset(self.balanced, self.aus, labelled_by, normalizer, self.flip, self.jitter)
        return dataset, sampler

    def val_batches(self) -> tuple[FrameDataset, EvaluationBatches] | None:
        """Real frames of the corpus's validation people."""
        rows = self.corpus.val_rows
        if self.val_frames is not None and len(rows) > self.val_frames:
            rows = rows[np.linspace(0, len(rows) - 1, self.val_frames).round().astype(np.int64)]
        return self._frames(self.corpus.store, rows, self.normalizers[0])

    def test_batches(self) -> tuple[FrameDataset, EvaluationBatches] | None:
        """Real frames of the tested people, each once."""
        return self._frames(self.store, self.test_rows, self.normalizers[-1])

    def predict_batches(self) -> tuple[FrameDataset, EvaluationBatches] | None:
        """Every real frame of the tested store, each once."""
        return self._frames(self.store, np.arange(len(self.store)), self.normalizers[-1])

    def _frames(
        self, store: PreparedStore, rows: Rows, normalizer: Normalizer
    ) -> tuple[FrameDataset, EvaluationBatches] | None:
        if not len(rows):
            return None
        return FrameDataset(store, self.aus, normalizer), self.evaluation_batches(rows)


def _heads(balanced: BalancedSet, aus: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Index in `aus` of the action unit that each image was drawn for; -1 for that of another one."""
    numbers = balanced.plan["au"].to_numpy(np.int64)
    if lacking := sorted(set(aus) - set(numbers.tolist())):
        raise ConfigError(
            f"{balanced.path}: has no images for AU {lacking} of {list(aus)}; it has some for"
            f" {sorted(set(numbers.tolist()))}. Make the set again, or name others in data.corpus.aus"
        )
    heads = np.full(len(numbers), -1, dtype=np.int64)
    for head, au in enumerate(aus):
        heads[numbers == au] = head
    return heads


def _channels_first(images: Floats, mirrored: npt.NDArray[np.bool_]) -> torch.Tensor:
    """[B,S,S,3] → [B,3,S,S], some of them mirrored in the same copy."""
    count, height, width, channels = images.shape
    copies = np.empty((count, channels, height, width), dtype=images.dtype)
    for copy, image, mirror in zip(copies, images.transpose(0, 3, 1, 2), mirrored, strict=True):
        copy[...] = image[..., ::-1] if mirror else image
    return torch.from_numpy(copies)

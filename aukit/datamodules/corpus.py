"""Datamodules of corpora: a prepared store, its rows split by person, batches of crops with labels."""

from __future__ import annotations

import os
import zlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from aukit.datamodules.base import StepDataModule
from aukit.datamodules.dataset import StoreDataset
from aukit.datamodules.samplers import EvaluationBatches, Rows, StepSampler
from aukit.datamodules.transforms import Augmentation
from aukit.datasets import AvatarPairs
from aukit.datasets.person_ids import spelling
from aukit.datasets.release import Release
from aukit.errors import ConfigError
from aukit.registration import RegistrationName
from aukit.store import Encoding, PreparedStore, prepare_release
from aukit.store.build import LandmarkSourceName
from aukit.utils.bounds import NonNegativeInt, PositiveInt


def held_out_people(persons: Sequence[str], fraction: float) -> list[str]:
    """Choose whole people for validation, the same ones whatever the seed and the order of `persons`.

    People are ordered by a hash of their name, so that adding a person moves no other across.

    Args:
        persons: global person ids; repeats are ignored.
        fraction: share of the people, in [0, 1); at least one person is held out when it is above 0.

    Returns:
        Sorted ids of the held-out people; empty for fraction 0.

    Raises:
        ConfigError: no people would be left to train on.
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


def same_people(tested: Mapping[str, set[str]], used: Mapping[str, set[str]]) -> list[str]:
    """Those of `tested` who are among `used`, sorted; both as `CorpusDataModule.known_as` gives them."""
    names = set().union(*used.values())
    return sorted(person for person, own in tested.items() if own & names)


class CorpusDataModule(StepDataModule):
    """Base of the datamodules of single corpora, and the one place where their common options are declared.

    A subclass implements `_corpus()` (the reader of the release) and `_split()` (rows of the prepared store
    for training, validation and test), and declares only options of its own or with another default; all
    others pass through `**options`. Validation sees no test person unless `selects_on_test`.

    Batches are dictionaries; `StoreDataset` says what they hold. `dataset()[0]` is one frame.

    Args:
        root: folder of the release, or of a stand-in with the same layout; None for the one that the
            environment variable `root_variable` names.
        cache: folder of prepared stores.
        registration: "ffhq", "similarity", "frontal3d", "prnet" (the same by PRNet's network and UV data, of
            which you need copies) or "none" (the frames are crops of `size` already).
        size: side of the crops in pixels.
        aus: action units, in the order of the label columns.
        augmentation: "none", "flip" or "photometric" (flip, small geometry, colour, noise, blur), in
            training.
        sampling: "shuffled", or "balanced" over action units that are present and absent, in training.
        drop_last: whether the frames at the end of an epoch that do not fill a batch are left out; otherwise
            they are a smaller one. Only of "shuffled" epochs that are one pass (no `steps_per_epoch`).
        prepare_workers: processes that decode and register when the store is built.
        weights_dir: folder of face-alignment's weights, for releases without a landmark sidecar; None for the
            library's own cache.
        landmark_source: "sidecar" (the release's folder Landmarks), "aukit" (the package's own networks:
            nothing is fetched) or "face-alignment"; None for the folder if it is there, then face-alignment
            if `weights_dir` is given, else aukit.
        transform_size: of "ffhq": side at which the face is resampled first; None for four times `size`.
            4096, as in the cropper of FG-Net's authors, takes about 13 times as long as 1024 (0.8 s per frame
            and CPU core) and changes next to nothing (`aukit/registration/CHOICES.md`).
        padding: of "ffhq": whether what lies outside the frame is filled in instead of black.
        pad_mode: of "ffhq": with what, before it is blurred and faded: "reflect", its mirrored border, or
            "constant", zeros, as in the cropper of FG-Net's authors.
        prnet: of "prnet": file that `aukit weights import prnet` wrote; None for the one that the environment
            variable AUKIT_PRNET names.
        encoding: how the store keeps crops: "webp" (lossless) or "jpeg" (not exact, smaller still); None for
            pixels without compression, which are read fastest (`aukit.store.Encoding`).
        quality: of "jpeg", 1 to 100; None for 95.
        images_root: folder with the videos or images of the release; None for the root.
        labels_root: folder with its label files; None for the root.
        follow_links: whether links in the release are followed wherever they lead.
        options: further options: see `StepDataModule`.

    Raises:
        ConfigError: `transform_size`, `padding` or `pad_mode` is given with another registration than "ffhq",
            `prnet` with another than "prnet", "jpeg" with "frontal3d" or "prnet", or `quality` without
            "jpeg"; from `prepare_data()`, there is no root, or one is named for parts of a corpus that lies
            in one folder; from `setup()`, a test person is also used for training or validation.

    Example:
        >>> class MyDataModule(CorpusDataModule):
        ...     def _corpus(self):
        ...         return MyRelease(self.root, **self.locations)
        ...
        ...     def _split(self):
        ...         partition = self.store.table.frame["partition"].to_numpy(dtype=str)
        ...         return tuple(np.flatnonzero(partition == name) for name in ("train", "valid", "test"))
        >>> data = MyDataModule("release", aus=(6, 12), size=64, batch_size=32)
        >>> data.prepare_data()  # doctest: +SKIP
        >>> data.setup("fit")  # doctest: +SKIP
        >>> next(iter(data.train_dataloader()))["image"].shape  # doctest: +SKIP
        torch.Size([32, 3, 64, 64])
    """

    location_arguments: ClassVar[tuple[str, ...]] = (
        "root",
        "cache",
        "num_workers",
        "prepare_workers",
        "weights_dir",
        "prnet",
        "images_root",
        "labels_root",
        "follow_links",
    )

    #: Environment variable that names the release where no root is given.
    root_variable: ClassVar[str | None] = None

    #: Whether the validation people are the test people, which a configuration must say by name.
    selects_on_test = False

    store: PreparedStore
    train_rows: Rows
    val_rows: Rows
    test_rows: Rows

    def __init__(
        self,
        root: str | None = None,
        cache: str = "lightning_logs/stores",
        registration: RegistrationName = "ffhq",
        size: PositiveInt = 256,
        aus: Sequence[int] = (),
        augmentation: Literal["none", "flip", "photometric"] = "none",
        sampling: Literal["shuffled", "balanced"] = "shuffled",
        drop_last: bool = True,
        prepare_workers: NonNegativeInt = 2,
        weights_dir: str | None = None,
        landmark_source: LandmarkSourceName | None = None,
        transform_size: PositiveInt | None = None,
        padding: bool = True,
        pad_mode: Literal["reflect", "constant"] = "reflect",
        prnet: str | None = None,
        encoding: Literal["webp", "jpeg"] | None = None,
        quality: PositiveInt | None = None,
        images_root: str | None = None,
        labels_root: str | None = None,
        follow_links: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._settings: dict[str, Any] = {
            **({} if transform_size is None else {"transform_size": transform_size}),
            **({} if padding else {"padding": False}),
            **({} if pad_mode == "reflect" else {"pad_mode": pad_mode}),
        }
        if self._settings and registration != "ffhq":
            name = next(iter(self._settings))
            raise ConfigError(f"data.{name} belongs to registration=ffhq, not to {registration}")
        if prnet is not None:
            if registration != "prnet":
                raise ConfigError(f"data.prnet belongs to registration=prnet, not to {registration}")
            self._settings["prnet"] = prnet
        named = root or os.environ.get(self.root_variable or "", "")
        self.root, self.has_root = Path(named), bool(named)  # a path alone cannot say: "." is a root, too
        self.cache = Path(cache)
        self.registration = registration
        self.size = size
        self.aus = tuple(aus)
        self.augmentation = augmentation
        self.sampling = sampling
        self.drop_last = drop_last
        self.prepare_workers = prepare_workers
        self.weights_dir = weights_dir
        self.landmark_source: LandmarkSourceName | None = landmark_source
        self.transform_size = transform_size
        self.padding = padding
        self.pad_mode = pad_mode
        self.prnet = prnet
        self.encoding = encoding
        self.quality = quality
        Encoding(encoding, quality).check(registration)
        self.locations: dict[str, Any] = {
            "images_root": images_root,
            "labels_root": labels_root,
            "follow_links": follow_links,
        }
        self._store_path: Path | None = None

    @abstractmethod
    def _corpus(self) -> Release | AvatarPairs:
        """Reader of the release at `self.root`, with `self.locations` as further arguments."""

    @abstractmethod
    def _split(self) -> tuple[Rows, Rows, Rows]:
        """Rows of `self.store` for training, validation and test."""

    def _note_people(self, corpus: Any) -> None:
        """Keep who is in the release, for a split that must not depend on whose frames can be used.

        The store has nobody without a usable frame, and others with another registration or a repaired file.
        """

    def _prepare(self) -> Path:
        """Build the store, or find it complete; return its folder. Called on several processes at once."""
        if not self.has_root:
            how = f" or set {self.root_variable}" if self.root_variable else ""
            raise ConfigError(f"the corpus has no root: give data.root=FOLDER{how}")
        corpus = self._corpus()
        for name, value in self.locations.items():
            if value and Path(str(getattr(corpus, name, ""))) != Path(str(value)):
                raise ConfigError(
                    f"data.{name}: {corpus.name} is read from its root alone; leave the option out"
                )
        self._note_people(corpus)
        return prepare_release(
            corpus,
            self.cache,
            self.registration,
            self.size,
            self.weights_dir,
            self.prepare_workers,
            self.encoding,
            self.quality,
            self.landmark_source,
            **self._settings,
        ).path

    @property
    def fingerprint(self) -> str:
        """The store's fingerprint, of corpus files, selection, landmark source, registration, schema."""
        return self.store.fingerprint

    def prepare_data(self) -> None:
        """Decode and register what the cache lacks; costs milliseconds when the store is complete."""
        self._store_path = self._prepare()

    def prepared(self) -> list[str]:
        """The store's summary."""
        return [] if self._store_path is None else [PreparedStore.open(self._store_path).summary()]

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

    def selects_by_test(self, monitor: str) -> bool:
        """Of all metrics, where `selects_on_test`."""
        return self.selects_on_test

    def known_as(self, rows: Rows) -> dict[str, set[str]]:
        """Names of the people of some rows, by person: whoever shares one with a person is that person."""
        people = self.store.table.frame["person"].iloc[rows].unique()
        return {str(person): {self.known_by(str(person))} for person in people}

    def known_by(self, person: str) -> str:
        """Name of a person, however spelt; those of a stand-in are others than those it stands for."""
        return f"{'stand-in: ' if self.rendered else ''}{spelling(person)}"

    @property
    def trained_people(self) -> dict[str, set[str]]:
        """Names of those whose labels train."""
        return self.known_as(self.train_rows)

    @property
    def tested_people(self) -> dict[str, set[str]]:
        """Names of those who are tested."""
        return self.known_as(self.test_rows)

    def test_held_out(self) -> None:
        """Let the test be of the held-out training people, of whom thresholds may be chosen.

        Raises:
            ConfigError: There are none.
        """
        if self.selects_on_test or not len(self.val_rows):
            raise ConfigError(
                f"{type(self).__name__} holds nobody out of the training; train with data.selection=people or"
                " the like, and data.holdout_fraction"
            )
        self.test_rows = self.val_rows

    def dataset(self, augmentation: Augmentation | None = None) -> StoreDataset:
        """The store as a map from batch specifications to batches."""
        return StoreDataset(self.store, self.aus, augmentation)

    def train_batches(self) -> tuple[StoreDataset, StepSampler]:
        """Augmented crops of the training people, in a new order each epoch or drawn."""
        dataset = self.dataset(Augmentation.build(self.augmentation))
        if self.sampling == "balanced":
            return dataset, self.balanced_batches(self.train_rows, dataset.occurrences[self.train_rows])
        return dataset, self.shuffled_batches(self.train_rows, self.drop_last)

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
        return (self.dataset(), self.evaluation_batches(rows)) if len(rows) else None

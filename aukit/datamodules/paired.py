"""Real frames with their two avatars, and an independent stream of unlabelled target frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch.utils.data import Dataset

from aukit.datamodules.avatar_pairs import AvatarPairsDataModule
from aukit.datamodules.base import StepDataModule
from aukit.datamodules.corpus import CorpusDataModule
from aukit.datamodules.cross_corpus import check_corpora, combined_fingerprint, shared_aus
from aukit.datamodules.dataset import StoreDataset, images_to_tensor
from aukit.datamodules.samplers import BatchSpec, EvaluationBatches, Rows, ShuffledBatches, StepSampler
from aukit.datamodules.transforms import Augmentation
from aukit.datasets.avatar_pairs import with_pair_ids
from aukit.datasets.frame_table import GENDERS
from aukit.errors import ConfigError
from aukit.store.store import PreparedStore
from aukit.utils.bounds import PositiveInt

REAL = "real"
STREAMS: dict[str, tuple[str, ...]] = {"both": GENDERS, "female": ("female",), "male": ("male",), "none": ()}
"""Renders in a batch, by the value of `pairs`."""


class PairedBatches(StepSampler):
    """Two samplers in step: `rows` are the first one's, ``extra["target"]`` is the other's specification."""

    def __init__(self, source: StepSampler, target: StepSampler) -> None:
        super().__init__(source.steps_per_epoch, source.seed)
        self.source, self.target = source, target

    def batch(self, epoch: int, step: int) -> BatchSpec:
        """The batch at `step` of `epoch`."""
        spec = self.source.batch(epoch, step)
        extra = {"target": self.target.batch(epoch, step)}
        return BatchSpec(spec.rows, spec.seed, epoch, step, extra)


class PairedDataset(Dataset[dict[str, Any]]):
    """Triplets and target frames; `dataset[spec]` is a ready batch, see `PairedDataModule`.

    The images of a triplet are mirrored and re-lit alike: they differ only in the person shown.

    Args:
        stores: prepared stores of ``real``, of the wanted renders (the same one) and of ``target``.
        triplets: for each of them but the target, [N] rows of its store; entry i of all is one triplet.
        aus: action units, in the order of the label columns.
        augmentation: applied to all images; None for none.
    """

    def __init__(
        self,
        stores: dict[str, PreparedStore],
        triplets: dict[str, Rows],
        aus: Sequence[int],
        augmentation: Augmentation | None = None,
    ) -> None:
        self.stores = stores
        self.triplets = triplets
        self.augmentation = augmentation
        rows, table = triplets[REAL], stores[REAL].table
        self.occurrences = StoreDataset(stores[REAL], aus).occurrences[rows]
        self.gender = table.gender_codes()[rows]

    def __len__(self) -> int:
        return len(self.triplets[REAL])

    def __getitem__(self, spec: BatchSpec) -> dict[str, Any]:
        target: BatchSpec = spec.extra["target"]
        return {
            **{name: self._read(name, rows[spec.rows], spec) for name, rows in self.triplets.items()},
            "occurrences": torch.from_numpy(self.occurrences[spec.rows]),
            "gender": torch.from_numpy(self.gender[spec.rows]),
            "rows": torch.from_numpy(self.triplets[REAL][spec.rows]),
            "target": self._read("target", target.rows, target),
            "target_rows": torch.from_numpy(target.rows),
        }

    def _read(self, name: str, rows: Rows, spec: BatchSpec) -> torch.Tensor:
        store = self.stores[name]
        images = np.asarray(store.images[rows])
        if self.augmentation is not None:
            # The specification names the triplet, so its images get the same random changes.
            images, _ = self.augmentation(images, store.landmarks[rows], spec)
        return images_to_tensor(images)


class UnlabelledDataset(Dataset[dict[str, Any]]):
    """Frames of a store without their labels: `image` uint8 [B,3,S,S] and `rows` int64 [B]."""

    def __init__(self, store: PreparedStore) -> None:
        self.store = store

    def __getitem__(self, spec: BatchSpec) -> dict[str, Any]:
        images = images_to_tensor(np.asarray(self.store.images[spec.rows]))
        return {"image": images, "rows": torch.from_numpy(np.asarray(spec.rows, dtype=np.int64))}


class PairedDataModule(StepDataModule):
    """Labelled frames of a source domain, a female and a male avatar for each, unlabelled target frames.

    A training batch has

    - `real`, `female`, `male`: uint8 [B,3,S,S] (float32 in [0,1] once on the device), entry b of all with the
      same expression; those that `pairs` leaves out are missing;
    - `occurrences` float32 [B,A] of them all, in the order of `aus`, NaN where not coded;
    - `gender` int64 [B] of the real person, 0 female, 1 male, -1 unknown, and `rows` of `labelled.store`;
    - `target`: uint8 [T,3,S,S], frames of the target's training people, and `target_rows` of `target.store`.
      No label of the target is in any training batch, unless `train_on="target"`.

    Real frames are the source's training frames for which both renders exist, whatever `pairs` says, so that
    its ablations differ in nothing else; frames left out are counted (`notes`). Target frames come in an
    order of their own, repeatedly, whichever of the two corpora is larger. Both orders are
    functions of (seed, epoch, step).

    The renders may be a data set that no corpus drives (`aukit avatars dataset`), of all its splits, since
    nobody is tested on avatars. A frame then goes with the woman and the man of an expression in which the
    same of `aus` are present, wherever the frame is coded: with one of several by the seed, and all of them
    as often as can be. A frame that shows what no expression does is left out and counted.

    Validation has two or three loaders:

    0. held-out training people of the labelled corpus, as `CorpusDataModule` gives them;
    1. `image` and `rows` of the target's held-out training people, or of all its training people where none
       is held out: for criteria that need no labels;
    2. with `oracle=True`, the target's test people with their labels.

    Test batches are those of the target's test people, or with `test_on="source"` of the source's; `store` is
    theirs.

    Args:
        source: datamodule of the source domain, the labelled corpus; its test people are kept for
            `test_on="source"`.
        target: datamodule of the target domain, the unlabelled corpus.
        avatars: renders driven by the source, or a data set of avatars; None for none, then all training
            frames of the source are used.
        pairs: renders in a batch.
        transductive: adapt to the target's test people instead of its training people. Such results must be
            called transductive.
        oracle: add the third validation loader; a model selected on it must be called an oracle.
        test_on: whose test people are scored.
        train_on: whose labels train. "target" is for an upper bound, with `pairs="none"`: the real frames
            are then those of the target's training people, whom adaptation sees without labels, and its
            held-out people validate.
        aus: which of the action units that source and target share, in this order; None for all.
        augmentation: "none", "flip" or "photometric", in training.
        sampling: order of the real frames: "shuffled", or "balanced" over action units present and absent.
        target_batch_size: target frames per training batch; None for `batch_size`. Never more
            than there are.
        options: further options: see `StepDataModule`; `batch_size` and `steps_per_epoch` count triplets.

    Raises:
        ConfigError: see `shared_aus` and, from `setup()`, `check_corpora`; renders and corpora have crops of
            another kind, no render goes with a training frame, nobody is held out for validation, or
            `train_on="target"` is given with renders or with the test people to adapt to.

    Example:
        >>> from aukit.datamodules import AvatarPairsDataModule, BP4DDataModule, DISFADataModule
        >>> options = {"registration": "similarity", "size": 64}
        >>> data = PairedDataModule(
        ...     source=BP4DDataModule("BP4D", **options),
        ...     target=DISFADataModule("DISFA", **options),
        ...     avatars=AvatarPairsDataModule("pairs", **options),
        ...     batch_size=32,
        ... )
        >>> data.aus
        (1, 2, 4, 6, 12)
        >>> data.prepare_data()  # doctest: +SKIP
        >>> data.setup("fit")  # doctest: +SKIP
        >>> sorted(next(iter(data.train_dataloader())))  # doctest: +SKIP
        ['female', 'gender', 'male', 'occurrences', 'real', 'rows', 'target', 'target_rows']
    """

    label = "occurrence"

    def __init__(
        self,
        source: CorpusDataModule,
        target: CorpusDataModule,
        avatars: AvatarPairsDataModule | None = None,
        pairs: Literal["both", "female", "male", "none"] = "both",
        transductive: bool = False,
        oracle: bool = False,
        test_on: Literal["target", "source"] = "target",
        train_on: Literal["source", "target"] = "source",
        aus: Sequence[int] | None = None,
        augmentation: Literal["none", "flip", "photometric"] = "none",
        sampling: Literal["shuffled", "balanced"] = "shuffled",
        target_batch_size: PositiveInt | None = None,
        **options: Any,
    ) -> None:
        if avatars is None and pairs != "none":
            raise ConfigError(f"data.pairs={pairs} needs data.avatars, the folder of renders; or pairs=none")
        if train_on == "target" and (pairs != "none" or transductive):
            raise ConfigError(
                "data.train_on=target is an upper bound, of frames that no avatar shows and that are not"
                " tested: set data.pairs=none, and leave data.transductive out"
            )
        super().__init__(**options)
        self.source, self.target, self.avatars = source, target, avatars
        self.pairs = pairs
        self.transductive = transductive
        self.oracle = self.selects_on_test = oracle
        self.test_on = test_on
        self.train_on = train_on
        self.aus = shared_aus(source, target, aus)
        self.augmentation = augmentation
        self.sampling = sampling
        self.target_batch_size = target_batch_size or self.batch_size
        self._notes: dict[str, Any] = {}
        self._triplets: dict[str, Rows] = {}

    @property
    def store(self) -> PreparedStore:
        """Store of the corpus whose people are tested."""
        return self.target.store if self.test_on == "target" else self.source.store

    @property
    def fingerprint(self) -> str:
        """Hash of the fingerprints of source, target and renders."""
        return combined_fingerprint(*self.parts)

    @property
    def corpus_name(self) -> str | None:
        """The corpus with labels."""
        return self.labelled.corpus_name

    @property
    def labelled(self) -> CorpusDataModule:
        """The corpus whose labels train, which is the source, or for an upper bound the target."""
        return self.source if self.train_on == "source" else self.target

    @property
    def notes(self) -> dict[str, Any]:
        """Counts of pairs and of what was left out, the adapted people, recipes of stand-ins."""
        return self._notes

    @property
    def trained_people(self) -> dict[str, set[str]]:
        """Those of the labelled corpus; whoever is seen without labels is no training person."""
        return self.labelled.trained_people

    @property
    def tested_people(self) -> dict[str, set[str]]:
        """Those of `test_on`."""
        return self._scored.tested_people

    def selects_by_test(self, monitor: str) -> bool:
        """Of the metrics that an oracle adds; of all where the tested corpus trains and selects so."""
        on_test = self._scored is self.labelled and self.labelled.selects_on_test
        return on_test or (self.oracle and monitor.startswith("val/oracle_"))

    @property
    def parts(self) -> list[CorpusDataModule]:
        """The corpora and the renders."""
        return [self.source, self.target, *([self.avatars] if self.avatars is not None else [])]

    def setup(self, stage: str | None = None) -> None:
        """Open the stores, pair frames with renders and check that they fit each other."""
        for data in self.parts:
            data.trainer = self.trainer
            data.setup(stage)
        if self._triplets:
            return
        source, target = self.source, self.target
        scored = self.oracle or "target" in (self.test_on, self.train_on)
        checked = check_corpora(source, target, self.aus, scored)
        if not len(self.labelled.val_rows):
            raise ConfigError(
                f"no {self.train_on} person is held out for validation; set"
                f" data.{self.train_on}.holdout_fraction"
            )
        self._triplets, counts = self._pair()
        self._notes = {
            **checked,
            **counts,
            "target": target.corpus_name,
            "trained_on": f"labels of the {self.train_on}",
            "real_frames_by_gender": _by_gender(self.labelled.store, self._triplets[REAL]),
            "test_frames_by_gender": _by_gender(target.store, target.test_rows),
            "adapted_to": "target test people (transductive)"
            if self.transductive
            else "target training people",
            "target_frames": len(self.target_rows),
            "standins": {data.store.manifest["corpus"]: data.store.standin for data in self.parts},
        }

    @property
    def target_rows(self) -> Rows:
        """Rows of `target.store` whose images training sees, without labels."""
        return self.target.test_rows if self.transductive else self.target.train_rows

    @property
    def unlabelled_rows(self) -> Rows:
        """Rows of `target.store` for criteria without labels, of held-out people or `target_rows`."""
        held_out = not (self.transductive or self.target.selects_on_test) and len(self.target.val_rows)
        return self.target.val_rows if held_out else self.target_rows

    def train_batches(self) -> tuple[PairedDataset, PairedBatches]:
        """Triplets in a new order each pass, or drawn, beside target frames in an order of their own."""
        stores = {REAL: self.labelled.store, "target": self.target.store}
        if self.avatars is not None:
            stores |= dict.fromkeys(GENDERS, self.avatars.store)
        wanted = {name: self._triplets[name] for name in (REAL, *STREAMS[self.pairs])}
        dataset = PairedDataset(stores, wanted, self.aus, Augmentation.build(self.augmentation))
        triplets = np.arange(len(dataset), dtype=np.int64)
        real: StepSampler = (
            self.balanced_batches(triplets, dataset.occurrences)
            if self.sampling == "balanced"
            else self.shuffled_batches(triplets)
        )
        # Another seed: the streams must not walk in step where the corpora are of one size.
        target = ShuffledBatches(
            self.target_rows, self.target_batch_size, self.seed + 7919, real.steps_per_epoch
        )
        return dataset, PairedBatches(real, target)

    def val_batches(self) -> tuple[StoreDataset, EvaluationBatches] | None:
        """Held-out training people of the labelled corpus, real frames, with labels."""
        data = self.labelled
        return StoreDataset(data.store, self.aus), self.evaluation_batches(data.val_rows)

    def unlabelled_batches(self) -> tuple[UnlabelledDataset, EvaluationBatches]:
        """Frames of `unlabelled_rows`, each once, without labels."""
        return UnlabelledDataset(self.target.store), self.evaluation_batches(self.unlabelled_rows)

    def val_dataloader(self) -> Any:
        """Loaders of `val_batches`, `unlabelled_batches` and, for an oracle, the target's test people."""
        oracle = [self._labelled(self.target)] if self.oracle else []
        return [
            self._evaluation_loader(each) for each in (self.val_batches(), self.unlabelled_batches(), *oracle)
        ]

    def test_batches(self) -> tuple[StoreDataset, EvaluationBatches] | None:
        """Test people of `test_on`, each frame once."""
        data = self._scored
        return self._labelled(data) if len(data.test_rows) else None

    def predict_batches(self) -> tuple[StoreDataset, EvaluationBatches] | None:
        """Every frame of the corpus whose test people are scored, each once."""
        rows = np.arange(len(self.store), dtype=np.int64)
        return StoreDataset(self.store, self.aus), self.evaluation_batches(rows)

    @property
    def _scored(self) -> CorpusDataModule:
        return self.target if self.test_on == "target" else self.source

    def _labelled(self, data: CorpusDataModule) -> tuple[StoreDataset, EvaluationBatches]:
        return StoreDataset(data.store, self.aus), self.evaluation_batches(data.test_rows)

    def _pair(self) -> tuple[dict[str, Rows], dict[str, Any]]:
        """Rows of the real frames and of their renders, and counts of those without a counterpart."""
        rows = self.labelled.train_rows
        if self.avatars is None or self.train_on == "target":
            return {REAL: rows}, {"triplets": 0, "real_frames": len(rows)}
        kinds = [
            (d.store.manifest["registration"]["name"], d.store.size) for d in (self.source, self.avatars)
        ]
        if kinds[0] != kinds[1]:
            raise ConfigError(f"frames and renders differ in registration and size of the crops: {kinds}")
        renders = self.avatars.store.table.frame
        if self.avatars.is_dataset:
            wanted = self._alike(rows)
            known = set(wanted)
        else:
            driving = with_pair_ids(self.source.store.table).frame["pair_id"].to_numpy(dtype=object)
            wanted, known = driving[rows], set(driving)
        found: dict[str, npt.NDArray[np.int64]] = {}
        for gender in GENDERS:
            own = renders.index[(renders["gender"] == gender).to_numpy(dtype=bool)]
            ids = pd.Index(renders["pair_id"].to_numpy()[own])
            if not ids.is_unique:
                raise ConfigError(
                    f"{self.avatars.store.path}: pair {ids[ids.duplicated()][0]} has two {gender} renders; "
                    "write and prepare the pairs again"
                )
            place = ids.get_indexer(pd.Index(wanted))
            found[gender] = np.where(place >= 0, own.to_numpy()[place], -1)
        complete = np.logical_and.reduce([found[gender] >= 0 for gender in GENDERS])
        if not self.avatars.is_dataset:
            self._check_labels(rows, found, complete)
        used = set(wanted[complete])
        orphans = int((~renders["pair_id"].isin(known)).sum())
        counts = {
            "triplets": int(complete.sum()),
            "real_training_frames_without_both_renders": int((~complete).sum()),
            "renders": len(renders),
            "renders_without_their_real_frame": orphans,
            "renders_of_people_who_do_not_train": int((~renders["pair_id"].isin(used)).sum()) - orphans,
        }
        if not complete.any() and self.avatars.is_dataset:
            raise ConfigError(
                f"{self.avatars.root}: no expression has the action units {self.aus} as a training frame of"
                f" {self.source.root} has them; write a larger data set, or name fewer of data.aus"
            )
        if not complete.any():
            example = renders["pair_id"].iloc[0] if len(renders) else "none"
            raise ConfigError(
                f"{self.avatars.root}: none of {len(renders)} renders belongs to a training frame of "
                f"{self.source.root}; the first is of {example}, the first frame is "
                f"{wanted[0]}. Write the pairs with --driving-root of this corpus"
            )
        return {REAL: rows[complete], **{g: found[g][complete] for g in GENDERS}}, counts

    def _alike(self, rows: Rows) -> npt.NDArray[np.object_]:
        """Pair of the data set that each frame goes with, by its labels; an empty text for none."""
        assert self.avatars is not None
        renders = self.avatars.store.table.frame.drop_duplicates("pair_id")
        ids = renders["pair_id"].to_numpy(dtype=object)
        shown = StoreDataset(self.avatars.store, self.aus).occurrences[renders.index]
        coded = np.nan_to_num(StoreDataset(self.source.store, self.aus).occurrences[rows], nan=-1)
        found, rng = np.full(len(rows), "", dtype=object), np.random.default_rng(self.seed)
        patterns, of = np.unique(coded, axis=0, return_inverse=True)
        for number, pattern in enumerate(patterns):
            frames = np.flatnonzero(of.reshape(-1) == number)
            alike = rng.permutation(np.flatnonzero(((shown == pattern) | (pattern < 0)).all(axis=1)))
            if len(alike):
                found[frames] = ids[np.resize(alike, len(frames))]
        return found

    def _check_labels(self, rows: Rows, found: dict[str, Rows], complete: npt.NDArray[np.bool_]) -> None:
        """Check that renders have the labels that their frames have now."""
        assert self.avatars is not None
        coded = StoreDataset(self.source.store, self.aus).occurrences[rows[complete]]
        rendered = StoreDataset(self.avatars.store, self.aus).occurrences
        for own in found.values():
            theirs = rendered[own[complete]]
            same = (coded == theirs) | (np.isnan(coded) & np.isnan(theirs))
            if not same.all():
                row = own[complete][np.flatnonzero(~same.all(axis=1))[0]]
                pair = self.avatars.store.table.frame["pair_id"].iloc[row]
                raise ConfigError(
                    f"{self.avatars.root}: the labels of pair {pair} are not those of its frame in "
                    f"{self.source.root}; write the pairs again"
                )


def _by_gender(store: PreparedStore, rows: Rows) -> dict[str, int]:
    codes = store.table.gender_codes()[rows]
    counts = {name: int((codes == code).sum()) for code, name in enumerate(GENDERS)}
    return {**counts, "unknown": int((codes < 0).sum())}

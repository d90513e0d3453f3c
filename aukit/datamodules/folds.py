"""BP4D and DISFA in the usual three folds: the release itself, or the frames of FG-Net's lists."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from aukit.datamodules.corpus import CorpusDataModule, held_out_people
from aukit.datamodules.samplers import Rows
from aukit.datasets.folds import fold_splits, subset
from aukit.errors import ConfigError
from aukit.store.build import prepare_release

if TYPE_CHECKING:
    from aukit.datasets.fgnet_lists import FGNetLists
    from aukit.datasets.release import Release


class FoldDataModule(CorpusDataModule):
    """Base of the datamodules of corpora with the usual three folds (`aukit.datasets.folds`).

    A subclass implements `_corpus()`. The rows of the training list are those of the next part and the one
    after it, each by person, task and frame; a subset is drawn from what is left of it after people were held
    out, so that with `selection="oracle"` it is the published one wherever the list is.

    Args: see the subclasses.
    """

    location_arguments = (*CorpusDataModule.location_arguments, "weights_dir")

    #: What predictions are judged by.
    label = "occurrence"

    #: Environment variable that names the release where no root is given.
    root_variable: ClassVar[str | None] = None

    def __init__(
        self,
        root: str | None,
        cache: str,
        registration: Literal["ffhq", "similarity", "frontal3d", "none"],
        size: int,
        aus: Sequence[int],
        fold: int,
        subset: int | None,
        selection: Literal["people", "oracle"],
        holdout_fraction: float,
        augmentation: Literal["none", "flip", "photometric"],
        batch_size: int,
        eval_batch_size: int | None,
        steps_per_epoch: int | None,
        num_workers: int,
        prepare_workers: int,
        weights_dir: str | None,
        seed: int,
        sampling: Literal["shuffled", "balanced"],
        transform_size: int | None = None,
    ) -> None:
        super().__init__(
            root or os.environ.get(self.root_variable or "", ""),
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
        fold_splits(fold)  # says now if there is no such fold
        if transform_size is not None and registration != "ffhq":
            raise ConfigError(f"data.transform_size belongs to registration=ffhq, not to {registration}")
        self.fold = fold
        self.subset = subset
        self.selection = selection
        self.holdout_fraction = holdout_fraction
        self.weights_dir = weights_dir
        self.transform_size = transform_size
        self.selects_on_test = selection == "oracle"

    @abstractmethod
    def _corpus(self) -> Release:
        """Reader of what is prepared."""

    def _prepare(self) -> Path:
        if self.root == Path():
            how = f" or set {self.root_variable}" if self.root_variable else ""
            raise ConfigError(f"the corpus has no root: give data.root=FOLDER{how}")
        settings = {} if self.transform_size is None else {"transform_size": self.transform_size}
        return prepare_release(
            self._corpus(),
            self.cache,
            self.registration,
            self.size,
            self.weights_dir,
            self.prepare_workers,
            **settings,
        ).path

    def _lists(self) -> tuple[Rows, Rows]:
        """Rows of the store that train and test, in the order of the lists."""
        parts = self.store.table.frame["partition"].to_numpy(dtype=str)
        trained, tested = fold_splits(self.fold)
        train = [np.flatnonzero(parts == part) for part in trained]
        return np.concatenate(train), np.flatnonzero(parts == tested)

    def _split(self) -> tuple[Rows, Rows, Rows]:
        train, test = self._lists()
        person = self.store.table.frame["person"].to_numpy(dtype=str)
        if self.selection == "oracle":
            val = test
        else:
            held = np.isin(person[train], held_out_people(person[train].tolist(), self.holdout_fraction))
            train, val = train[~held], train[held]
        if self.subset is not None:
            train = train[subset(len(train), self.subset)]
        return train, val, test


class BP4DDataModule(FoldDataModule):
    """BP4D, one of the three published folds: 27 or 28 people to train on, 13 or 14 to test on.

    Citation: Zhang et al., "BP4D-Spontaneous: a high-resolution spontaneous 3D dynamic facial expression
    database", Image and Vision Computing 32(10), 2014.

    Args:
        root: folder of the release or of a stand-in of it; None for the one that `AUKIT_BP4D_ROOT` names.
        cache: folder of prepared stores.
        registration: "ffhq", "similarity" or "frontal3d".
        size: side of the crops in pixels.
        aus: action units, in the order of the label columns.
        fold: 0, 1 or 2 as FG-Net counts; tests part P1, P2 or P3.
        subset: number of training frames, 1 and more; None for all.
        selection: "people" validates on held-out training people; "oracle" on the test people, as published.
        holdout_fraction: share of the training people held out with `selection="people"`.
        augmentation: "none", "flip" or "photometric", in training.
        batch_size: frames per training batch and process.
        eval_batch_size: frames per evaluation batch and process; None for `batch_size`.
        steps_per_epoch: batches per epoch; None for one pass over the training rows.
        num_workers: loader processes.
        prepare_workers: processes that decode and register when the store is built.
        weights_dir: folder of face-alignment's weights, for releases without a landmark sidecar; None for the
            library's own cache.
        seed: seed of order and augmentation; fold, subset and held-out people do not depend on it.
        sampling: "shuffled", or "balanced" over action units that are present and absent, in training.
        transform_size: of "ffhq": side at which the face is resampled first; None for four times `size`.
            4096, as in the cropper of FG-Net's authors, takes about 13 times as long as 1024 (0.8 s per frame
            and CPU core).
        leave_out_occluded: whether frames coded as occluded are left out.
    """

    root_variable = "AUKIT_BP4D_ROOT"

    def __init__(
        self,
        root: str | None = None,
        cache: str = "lightning_logs/stores",
        registration: Literal["ffhq", "similarity", "frontal3d"] = "ffhq",
        size: int = 256,
        aus: Sequence[int] = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24),
        fold: int = 0,
        subset: int | None = None,
        selection: Literal["people", "oracle"] = "people",
        holdout_fraction: float = 0.15,
        augmentation: Literal["none", "flip", "photometric"] = "none",
        batch_size: int = 16,
        eval_batch_size: int | None = None,
        steps_per_epoch: int | None = None,
        num_workers: int = 0,
        prepare_workers: int = 2,
        weights_dir: str | None = None,
        seed: int = 0,
        sampling: Literal["shuffled", "balanced"] = "shuffled",
        transform_size: int | None = None,
        leave_out_occluded: bool = False,
    ) -> None:
        super().__init__(
            root,
            cache,
            registration,
            size,
            aus,
            fold,
            subset,
            selection,
            holdout_fraction,
            augmentation,
            batch_size,
            eval_batch_size,
            steps_per_epoch,
            num_workers,
            prepare_workers,
            weights_dir,
            seed,
            sampling,
            transform_size,
        )
        self.leave_out_occluded = leave_out_occluded

    def _corpus(self) -> Release:
        from aukit.datasets import BP4D  # decoders are needed here only, not where a store is opened

        return BP4D(self.root, self.leave_out_occluded)


class DISFADataModule(FoldDataModule):
    """DISFA, one of the three published folds: 18 people to train on, 9 to test on.

    Citation: Mavadati et al., "DISFA: A Spontaneous Facial Action Intensity Database", IEEE Transactions on
    Affective Computing 4(2), 2013.

    Args:
        root: folder of the release or of a stand-in of it; None for the one that `AUKIT_DISFA_ROOT` names.
        cache: folder of prepared stores.
        registration: "ffhq", "similarity" or "frontal3d".
        size: side of the crops in pixels.
        aus: action units, in the order of the label columns.
        fold: 0, 1 or 2 as FG-Net counts; tests part P1, P2 or P3.
        subset: number of training frames, 1 and more; None for all.
        selection: "people" validates on held-out training people; "oracle" on the test people, as published.
        holdout_fraction: share of the training people held out with `selection="people"`.
        augmentation: "none", "flip" or "photometric", in training.
        batch_size: frames per training batch and process.
        eval_batch_size: frames per evaluation batch and process; None for `batch_size`.
        steps_per_epoch: batches per epoch; None for one pass over the training rows.
        num_workers: loader processes.
        prepare_workers: processes that decode and register when the store is built.
        weights_dir: folder of face-alignment's weights, for releases without a landmark sidecar; None for the
            library's own cache.
        seed: seed of order and augmentation; fold, subset and held-out people do not depend on it.
        sampling: "shuffled", or "balanced" over action units that are present and absent, in training.
        transform_size: of "ffhq": side at which the face is resampled first; None for four times `size`.
            4096, as in the cropper of FG-Net's authors, takes about 13 times as long as 1024 (0.8 s per frame
            and CPU core).
        camera: "left" or "right".
        threshold: least intensity that counts as present; 2 is the field's convention.
    """

    root_variable = "AUKIT_DISFA_ROOT"

    def __init__(
        self,
        root: str | None = None,
        cache: str = "lightning_logs/stores",
        registration: Literal["ffhq", "similarity", "frontal3d"] = "ffhq",
        size: int = 256,
        aus: Sequence[int] = (1, 2, 4, 6, 9, 12, 25, 26),
        fold: int = 0,
        subset: int | None = None,
        selection: Literal["people", "oracle"] = "people",
        holdout_fraction: float = 0.15,
        augmentation: Literal["none", "flip", "photometric"] = "none",
        batch_size: int = 16,
        eval_batch_size: int | None = None,
        steps_per_epoch: int | None = None,
        num_workers: int = 0,
        prepare_workers: int = 2,
        weights_dir: str | None = None,
        seed: int = 0,
        sampling: Literal["shuffled", "balanced"] = "shuffled",
        transform_size: int | None = None,
        camera: Literal["left", "right"] = "left",
        threshold: int = 2,
    ) -> None:
        super().__init__(
            root,
            cache,
            registration,
            size,
            aus,
            fold,
            subset,
            selection,
            holdout_fraction,
            augmentation,
            batch_size,
            eval_batch_size,
            steps_per_epoch,
            num_workers,
            prepare_workers,
            weights_dir,
            seed,
            sampling,
            transform_size,
        )
        self.camera: Literal["left", "right"] = camera
        self.threshold = threshold

    def _corpus(self) -> Release:
        from aukit.datasets import DISFA  # decoders are needed here only, not where a store is opened

        return DISFA(self.root, self.camera, self.threshold)


class FGNetListsDataModule(FoldDataModule):
    """The frames of FG-Net's own lists, as its preprocessing left them (`aukit.datasets.FGNetLists`).

    Args:
        root: the `data` folder of FG-Net's code.
        corpus: "bp4d" or "disfa".
        aus: action units, in the order of the label columns.
        cache: folder of prepared stores.
        size: side of the images in pixels.
        fold: 0, 1 or 2.
        train_list: which list to train on, e.g. "train_100.csv".
        subset: number of training frames, drawn by the rule that made the shorter lists; None for all.
        selection: "people" validates on held-out training people; "oracle" on the test people, as published.
        holdout_fraction: share of the training people held out with `selection="people"`.
        augmentation: "none", "flip" or "photometric", in training.
        batch_size: frames per training batch and process.
        eval_batch_size: frames per evaluation batch and process; None for `batch_size`.
        steps_per_epoch: batches per epoch; None for one pass over the training rows.
        num_workers: loader processes.
        prepare_workers: processes that decode when the store is built.
        weights_dir: folder of face-alignment's weights, where there are no `aligned_landmarks`.
        seed: seed of order and augmentation.
        sampling: "shuffled", or "balanced" over action units that are present and absent, in training.
    """

    def __init__(
        self,
        root: str,
        corpus: Literal["bp4d", "disfa"],
        aus: Sequence[int],
        cache: str = "lightning_logs/stores",
        size: int = 256,
        fold: int = 0,
        train_list: str = "train.csv",
        subset: int | None = None,
        selection: Literal["people", "oracle"] = "people",
        holdout_fraction: float = 0.15,
        augmentation: Literal["none", "flip", "photometric"] = "none",
        batch_size: int = 16,
        eval_batch_size: int | None = None,
        steps_per_epoch: int | None = None,
        num_workers: int = 0,
        prepare_workers: int = 2,
        weights_dir: str | None = None,
        seed: int = 0,
        sampling: Literal["shuffled", "balanced"] = "shuffled",
    ) -> None:
        super().__init__(
            root,
            cache,
            "none",
            size,
            aus,
            fold,
            subset,
            selection,
            holdout_fraction,
            augmentation,
            batch_size,
            eval_batch_size,
            steps_per_epoch,
            num_workers,
            prepare_workers,
            weights_dir,
            seed,
            sampling,
        )
        self.corpus: Literal["bp4d", "disfa"] = corpus
        self.train_list = train_list
        self._read: FGNetLists | None = None  # some 400,000 rows, asked for twice

    def _corpus(self) -> FGNetLists:
        from aukit.datasets import FGNetLists

        if self._read is None:
            self._read = FGNetLists(self.root, self.corpus)
        return self._read

    def _lists(self) -> tuple[Rows, Rows]:
        corpus, frame = self._corpus(), self.store.table.frame
        keys = zip(frame["video"], frame["position"].tolist(), strict=True)
        row = {key: index for index, key in enumerate(keys)}
        train, test = (
            # Frames that could not be used are no rows of the store.
            np.array([row[key] for key in corpus.frames(self.fold, name) if key in row], np.int64)
            for name in (self.train_list, "test.csv")
        )
        return train, test

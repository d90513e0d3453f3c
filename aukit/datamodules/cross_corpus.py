"""Train on one corpus, test on another: over the action units that both have, with no person in both."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from aukit.datamodules.base import StepDataModule
from aukit.datamodules.corpus import CorpusDataModule, same_people
from aukit.datamodules.dataset import StoreDataset
from aukit.datamodules.samplers import EvaluationBatches, StepSampler
from aukit.errors import ConfigError
from aukit.store.store import PreparedStore


def shared_aus(
    source: CorpusDataModule, target: CorpusDataModule, aus: Sequence[int] | None = None
) -> tuple[int, ...]:
    """Action units of both corpora, in the order of the source domain, or the named ones of them.

    Args:
        source: datamodule of the source domain, the corpus that is trained on.
        target: datamodule of the target domain, the corpus that is tested on.
        aus: which of the shared ones, in this order; None for all.

    Raises:
        ConfigError: there are none, or one of `aus` is not shared; both lists are named.
    """
    own, theirs = source.aus or target.aus, target.aus or source.aus  # a table's need not be named
    both = tuple(au for au in own if au in theirs)
    missing = [au for au in aus or () if au not in both]
    if not both or missing:
        what = f"do not share AU {' '.join(map(str, missing))}" if missing else "share no action unit"
        raise ConfigError(f"source and target {what}: the source has {list(own)}, the target {list(theirs)}")
    return tuple(aus) if aus else both


def check_corpora(
    source: CorpusDataModule, target: CorpusDataModule, aus: Sequence[int], scored: bool = True
) -> dict[str, Any]:
    """Check that a network trained on the one can be scored on the other; after their `setup()`.

    An action unit without a coded test frame is kept: its score is NaN with support 0, and it is counted.

    Args:
        source: datamodule of the corpus that is trained on.
        target: datamodule of the other one.
        aus: action units of the network.
        scored: whether the target's people are scored, for which it needs labels.

    Returns:
        What belongs in the record: `aus`, those that only one corpus has, and those without a score.

    Raises:
        ConfigError: a person trains the one and tests the other, the crops differ, the target's store has no
            labels of an AU at all, or no training frame of the source is coded for it.
    """
    kinds = [(d.store.manifest["registration"]["name"], d.store.size) for d in (source, target)]
    if kinds[0] != kinds[1]:
        raise ConfigError(f"source and target differ in registration and size of the crops: {kinds}")
    used = source.known_as(np.concatenate([source.train_rows, source.val_rows]))
    if both := same_people(target.known_as(target.test_rows), used):
        raise ConfigError(f"the target's test people are also the source's: {both[:5]}")
    known = target.store.table.occurrence_aus
    if scored and (absent := [au for au in aus if au not in known]):
        raise ConfigError(
            f"{target.store.path}: has no occurrences of AU {' '.join(map(str, absent))}; asked for are"
            f" {list(aus)}, it has {list(known)}. Name others in data.aus, or score nothing of it"
            " (of paired data: data.test_on=source)"
        )
    trained = _coded(StoreDataset(source.store, aus).occurrences[source.train_rows], aus)
    if idle := [au for au, n in trained.items() if n == 0]:
        raise ConfigError(
            f"{source.store.path}: no training frame codes AU {' '.join(map(str, idle))} of {list(aus)}"
        )
    coded = _coded(StoreDataset(target.store, aus).occurrences[target.test_rows], aus)
    return {
        "aus": list(aus),
        "aus_of_the_source_only": [au for au in source.aus if au not in target.aus],
        "aus_of_the_target_only": [au for au in target.aus if au not in source.aus],
        "aus_without_coded_test_frames": [au for au, n in coded.items() if n == 0],
    }


class CrossCorpusDataModule(StepDataModule):
    """Training and validation people of one corpus, test people of another, over the AUs they share.

    Batches are those of the two datamodules, whose `aus` become the shared ones. `store` is that of the
    tested corpus, to which test rows belong; validation rows belong to `train.store`. Order, augmentation and
    seed are those of `train`.

    Args:
        train: datamodule of the corpus that trains; its test people are not used.
        test: datamodule of the corpus that is tested; its training people are not used.
        aus: which of the shared action units, in this order; None for all.

    Raises:
        ConfigError: see `shared_aus` and, from `setup()`, `check_corpora`.

    Example:
        >>> from aukit.datamodules import BP4DDataModule, DISFADataModule
        >>> data = CrossCorpusDataModule(BP4DDataModule("BP4D"), DISFADataModule("DISFA"))
        >>> data.aus
        (1, 2, 4, 6, 12)
    """

    label = "occurrence"

    def __init__(
        self, train: CorpusDataModule, test: CorpusDataModule, aus: Sequence[int] | None = None
    ) -> None:
        super().__init__(
            batch_size=train.batch_size,
            eval_batch_size=test.eval_batch_size,
            num_workers=train.num_workers,
            seed=train.seed,
        )
        self.train, self.test = train, test
        self._checked: dict[str, Any] | None = None
        self._shared = shared_aus(train, test, aus)

    @property
    def aus(self) -> tuple[int, ...]:
        """The shared action units."""
        return self._shared

    @property
    def store(self) -> PreparedStore:
        """The tested corpus' store."""
        return self.test.store

    @property
    def fingerprint(self) -> str:
        """Hash of both corpora's fingerprints."""
        return combined_fingerprint(*self.parts)

    @property
    def corpus_name(self) -> str | None:
        """The corpus that trains."""
        return self.train.corpus_name

    @property
    def notes(self) -> dict[str, Any]:
        """Action units used and left out; after `setup()`."""
        return {**(self._checked or {}), "trained_on": self.train.store.standin}

    @property
    def trained_people(self) -> dict[str, set[str]]:
        """Those of the corpus that trains."""
        return self.train.trained_people

    @property
    def tested_people(self) -> dict[str, set[str]]:
        """Those of the tested corpus."""
        return self.test.tested_people

    @property
    def parts(self) -> tuple[CorpusDataModule, CorpusDataModule]:
        """Both corpora."""
        return self.train, self.test

    def setup(self, stage: str | None = None) -> None:
        """Open both stores and check that they fit each other."""
        for data in self.parts:
            data.trainer = self.trainer
            data.setup(stage)
        if self._checked is None:
            self._checked = check_corpora(self.train, self.test, self.aus)
            self.train.aus = self.test.aus = self.aus

    def train_batches(self) -> tuple[StoreDataset, StepSampler]:
        """Batches of the corpus that trains."""
        return self.train.train_batches()

    def val_batches(self) -> tuple[StoreDataset, EvaluationBatches] | None:
        """Held-out people of the corpus that trains, each frame once."""
        return self.train.val_batches()

    def test_batches(self) -> tuple[StoreDataset, EvaluationBatches] | None:
        """Test people of the other corpus, each frame once."""
        return self.test.test_batches()

    def predict_batches(self) -> tuple[StoreDataset, EvaluationBatches] | None:
        """Every frame of the other corpus, each once."""
        return self.test.predict_batches()


def combined_fingerprint(*corpora: CorpusDataModule) -> str:
    """Hash of the fingerprints of several corpora, in this order."""
    return hashlib.sha256("/".join(data.fingerprint for data in corpora).encode()).hexdigest()


def _coded(labels: np.ndarray[Any, Any], aus: Sequence[int]) -> dict[int, int]:
    """Coded frames of each action unit."""
    return dict(zip(aus, np.isfinite(labels).sum(axis=0).tolist(), strict=True))

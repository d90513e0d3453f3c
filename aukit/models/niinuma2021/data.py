"""What the datamodules of synthesis and intensity share: batches of their own from one corpus."""

from __future__ import annotations

from typing import Any

from aukit.datamodules import CorpusDataModule, StepDataModule
from aukit.store import PreparedStore


class CorpusFramesDataModule(StepDataModule):
    """Base of datamodules that build other batches from a corpus; the seed of all draws is the corpus's.

    Args:
        corpus: Datamodule of the corpus; gives store, split and action units.
        options: Further options: see `StepDataModule`.
    """

    store: PreparedStore

    def __init__(self, corpus: CorpusDataModule, **options: Any) -> None:
        super().__init__(seed=corpus.seed, **options)
        self.corpus = corpus
        self.aus = corpus.aus

    @property
    def fingerprint(self) -> str:
        """The corpus's fingerprint."""
        return self.corpus.fingerprint

    def selects_by_test(self, monitor: str) -> bool:
        """As of the corpus."""
        return self.corpus.selects_by_test(monitor)

    @property
    def trained_people(self) -> dict[str, set[str]]:
        """The corpus's."""
        return self.corpus.trained_people

    @property
    def tested_people(self) -> dict[str, set[str]]:
        """The corpus's."""
        return self.corpus.tested_people

    @property
    def parts(self) -> tuple[CorpusDataModule, ...]:
        """The corpus."""
        return (self.corpus,)

    def setup(self, stage: str | None = None) -> None:
        """Open the corpus's store."""
        self.corpus.trainer = self.trainer
        self.corpus.setup(stage)
        self.store, self.aus = self.corpus.store, self.corpus.aus

"""The corpora of a table: a licensed release that the user names, or the stand-in that is rendered for it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aukit.datasets.files import AGREEMENT_FILE
from aukit.datasets.registry import CorpusEntry, corpus_entry
from aukit.reproduce.options import TableOptions

if TYPE_CHECKING:  # Lightning takes seconds to import; a finished table is printed without it
    from aukit.datamodules import CorpusDataModule
    from aukit.datasets.release import Release
    from aukit.store.store import PreparedStore


@dataclass(frozen=True)
class TableCorpus:
    """One corpus of a table.

    Attributes:
        name: Its name in the registry.
        options: Data origin and size.
        views: Views of its scored people alone that a stand-in of its own has; none for the whole corpus.

    Example:
        >>> corpus = TableCorpus("bp4d", TableOptions("smoke", {}, Path("lightning_logs")))
        >>> corpus.title, corpus.is_rendered
        ('BP4D', True)
    """

    name: str
    options: TableOptions
    views: tuple[int, ...] = ()

    @property
    def entry(self) -> CorpusEntry:
        """What the registry knows of it."""
        return corpus_entry(self.name)

    @property
    def title(self) -> str:
        """Name in texts."""
        return self.entry.title

    @property
    def is_rendered(self) -> bool:
        """Whether the table renders it; False where the user names a root."""
        return self.name not in self.options.roots

    @property
    def simulation_config(self) -> Any:
        """What is rendered in place of the corpus at this size."""
        config_type = self.entry.load("standin").config_type
        config = config_type.of_size(self.options.standin_profile, self.options.seed)
        return config.of_test_people(self.views) if self.views else config

    @property
    def root(self) -> Path:
        """Root of the licensed release, or of the stand-in."""
        if not self.is_rendered:
            return self.options.roots[self.name]
        config = self.simulation_config
        views = f"-{len(self.views)}-views" if self.views else ""
        name = f"{self.name}-{config.profile}-v{config.version}-seed{config.seed}{views}"
        return self.options.logs / "standins" / name

    def make(self) -> None:
        """Render the stand-in, or complete it; nothing to do where a release is given."""
        if self.is_rendered:
            truth = self.root.with_name(f"{self.root.name}-truth")
            self.entry.load("standin")(self.root, truth, self.simulation_config).write()

    def release(self) -> Release:
        """Reader of the release or of its stand-in."""
        reader: Release = self.entry.load("reader")(self.root)
        return reader

    def prepare(self, arguments: Mapping[str, Any]) -> CorpusDataModule:
        """Crop every frame; the corpus' datamodule, set up for training.

        Args:
            arguments: Of the datamodule, as in a resolved configuration.
        """
        data: CorpusDataModule = self.entry.load("datamodule")(**arguments)
        data.prepare_data()
        data.setup("fit")
        print(data.store.summary(), flush=True)
        return data

    def is_there(self) -> bool:
        """Whether there is something to read: a release, or a whole stand-in."""
        return not self.is_rendered or (self.root / AGREEMENT_FILE).exists()

    @property
    def is_at_hand(self) -> bool:
        """Whether a table that can do without it has it: named with the others, made beside it or before."""
        if self.options.roots:
            return self.name in self.options.roots
        return self.name in self.options.beside or self.is_there()

    def count_frames(self) -> int:
        """Frames of one view: read from a release, known for a stand-in before it is rendered."""
        if not self.is_rendered:
            return len(self.release().table)
        return int(self.simulation_config.n_frames)

    def frames_by_partition(self) -> Counter[str]:
        """Frames of one view in each partition: read from a release, known for a stand-in beforehand."""
        if not self.is_rendered:
            return Counter(self.release().table.frame["partition"].astype(str))
        config = self.simulation_config
        return Counter(
            {p: n * config.frames for p, n in Counter(r.partition for r in config.recordings()).items()}
        )

    def inter_rater_agreement(self, partition: str) -> dict[str, Any] | None:
        """Agreement of two simulated annotators on a partition.

        Returns:
            ``icc`` and, of corpora scored for occurrence, ``f1``, each ``"AU01"`` → value; ``mean`` of the
            ICC. None on a licensed release or where nobody is in the partition.
        """
        if self.options.data_origin == "licensed":
            return None
        content = json.loads((self.root / AGREEMENT_FILE).read_text())
        found: dict[str, Any] | None = content["partitions"].get(partition)
        return found


def count_people(store: PreparedStore, rows: Any) -> int:
    """Number of people in rows of a store."""
    return int(store.table.frame["person"].iloc[rows].nunique())

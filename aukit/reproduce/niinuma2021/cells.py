"""What Table 3 runs: one generator, balanced training sets, an estimator per cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aukit.reproduce.base import Cells
from aukit.reproduce.data_origin import TableCorpus
from aukit.reproduce.options import TableOptions
from aukit.reproduce.render.table import Heading
from aukit.reproduce.start_weights import StartWeights

if TYPE_CHECKING:
    from aukit.training import RunConfig

WEIGHTS_VARIABLE = "AUKIT_VGG16_WEIGHTS"


@dataclass(frozen=True)
class Cell:
    """One estimator, for all action units.

    Attributes:
        heading: What its column is called.
        training_set: ``synthetic``, ``identity`` (the same plan without synthesis) or ``real`` (frames drawn
            for their own labels).
        normalization: Of the images.
        shuffle_labels: Whether the label vectors are shuffled over the images.
    """

    heading: Heading
    training_set: str
    normalization: str
    shuffle_labels: bool

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Cell:
        """The cell of an entry of the YAML file."""
        shuffled = entry.get("shuffle_labels", False)
        return cls(Heading.of(entry), entry["training_set"], entry["normalization"], shuffled)

    @property
    def name(self) -> str:
        """Name in progress and provenance."""
        return self.heading.id


class Table3Cells(Cells):
    """The generator and the estimators of Table 3.

    Args:
        options: Data origin and size.
        target: There is no choice of targets.

    Attributes:
        aus: Action units in printing order.
        estimators: Cells in printing order.
        start_weights: What estimators of the paper's widths start from.

    Raises:
        ConfigError: `AUKIT_VGG16_WEIGHTS` names no file.
    """

    name = "table3"

    def __init__(self, options: TableOptions, target: str | None = None) -> None:
        super().__init__(options, target)
        self.aus: list[int] = self.spec["aus"]
        self.estimators = [Cell.of(entry) for entry in self.spec["cells"]]
        self.start_weights = StartWeights.read(WEIGHTS_VARIABLE, "VGG16", "estimators")

    @property
    def corpus(self) -> TableCorpus:
        """FERA 2017."""
        return next(iter(self.corpora.values()))

    @cached_property
    def scored_partition(self) -> str:
        """``test``, or ``valid`` where the release lacks the labels of Test."""
        if self.corpus.is_rendered:
            return "test"
        release: Any = self.corpus.release()
        return "test" if release.is_labelled("test") else "valid"

    @property
    def sets(self) -> Path:
        """Folder of the balanced training sets."""
        return self.options.logs / "sets" / f"{self.name}-{self.options.name}"

    def config(self, experiment: str, *overrides: str) -> RunConfig:
        """A run's configuration: the experiment in this size, on this corpus, with this seed."""
        seed = self.options.seed
        where = [f"data.corpus.root={self.corpus.root}", f"data.corpus.cache={self.options.stores}"]
        where += [f"data.corpus.seed={seed}", f"seed={seed}"]
        if self.scored_partition == "valid":
            where += ["data.corpus.test_partition=valid", "data.corpus.validation=people"]
        return super().config(experiment, f"corpus={self.corpus.name}", *where, *overrides)

    def corpus_arguments(self) -> dict[str, Any]:
        """Arguments of the corpus' datamodule."""
        found: dict[str, Any] = self.config("synthesis")["data"]["init_args"]["corpus"]["init_args"]
        return found

    def estimator_config(self, cell: Cell, training_set: Path) -> RunConfig:
        """Configuration of the training of an estimator on a balanced set."""
        overrides = [
            f"data.training_set={training_set}",
            f"data.normalization={cell.normalization}",
            f"data.shuffle_labels={str(cell.shuffle_labels).lower()}",
        ]
        return self.config("intensity", *self._start(), *overrides)

    def _start(self) -> list[str]:
        """Overrides that say where the estimators start from; none where the size says it."""
        weights = self.start_weights
        if weights.value is None or self.options.profile not in ("standin", "paper"):
            return []
        if weights.is_random:
            return ["model.frozen_convs=0", f"model.weights={weights.value}"]
        return ["model.network=vgg16", "model.frozen_convs=2", f"model.weights={weights.value}"]

    def check_start(self) -> None:
        """See that it is said what the estimators start from.

        Raises:
            ConfigError: It is the paper's size, and `AUKIT_VGG16_WEIGHTS` is not set.
        """
        if self.options.profile == "paper":
            self.start_weights.check()

    def weights_lines(self) -> list[str]:
        """Lines of the plan on the variable that names weights, where this size starts from them."""
        if self.options.profile not in ("standin", "paper"):
            return []
        without = None if self.options.profile == "paper" else "they start from random weights"
        return [self.start_weights.plan_line(without)]

    def decisive_values(self) -> str:
        """The weights that the estimators start from."""
        return str(self.start_weights.value)

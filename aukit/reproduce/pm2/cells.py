"""What PM2's tables run: a source-trained start per seed; from it methods, ablations, an upper bound."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import OmegaConf

from aukit.datasets.folds import fold_splits
from aukit.reproduce.base import Cells
from aukit.reproduce.data_origin import TableCorpus
from aukit.reproduce.options import TableOptions
from aukit.reproduce.render.table import BEYOND, UPPER_BOUND, Heading
from aukit.reproduce.start_weights import StartWeights

if TYPE_CHECKING:
    from aukit.simulation import AvatarDatasetConfig
    from aukit.training import RunConfig

WEIGHTS_VARIABLE = "AUKIT_RESNET50_WEIGHTS"

_AVATARS = "data.avatars.root="

PM2 = "pm2"
"""Id of the method that ablations change and rivals are compared with."""


@dataclass(frozen=True)
class Cell:
    """One training: a method, an ablation of PM2 or the upper bound, with a seed."""

    id: str
    seed: int

    @property
    def name(self) -> str:
        """Name in progress and provenance."""
        return f"{self.id}-seed{self.seed}"


class PM2Cells(Cells):
    """Methods and ablations, each with every seed, towards one target.

    Args:
        options: Data origin and size.
        choice: Unlabelled corpus; None for the first one of the YAML file.

    Attributes:
        aus: Action units that both corpora code.
        methods: Id → what its column is called, of the methods of this size, what is beyond the paper and
            the upper bound.
        ablations: The same of the ablations.
        seeds: Seeds of this size.
        baseline: Method that the others are compared with.
        shares: Candidates of an alignment's share of the source loss's gradient.
        fold: Fold of the labelled corpus whose people are held out.
        start_weights: What the source-trained starts of the paper's size start from.

    Raises:
        ConfigError: `AUKIT_RESNET50_WEIGHTS` names no file.
    """

    name = "pm2"

    def __init__(self, options: TableOptions, choice: str | None = None) -> None:
        super().__init__(options, choice)
        self.aus: list[int] = self.spec["aus"]
        methods = [m for m in self.spec["methods"] if options.profile in m["sizes"]]
        ablations = [a for a in self.spec["ablations"] if a["id"] in self.size["ablations"]]
        self.methods = {method["id"]: Heading.of(method) for method in methods}
        self.ablations = {ablation["id"]: Heading.of(ablation) for ablation in ablations}
        self.seeds = [options.seed + k for k in range(self.size["seeds"])]
        self.baseline: str = self.spec["baseline"]
        self.shares = [float(share) for share in self.size["shares"]]
        self.fold: int = self.spec["source_fold"]
        self.start_weights = StartWeights.read(WEIGHTS_VARIABLE, "ResNet-50", "source-trained starts")

    @property
    def folder_name(self) -> str:
        """Table and target."""
        return f"{self.name}-{self.target.name}"

    @property
    def source(self) -> TableCorpus:
        """The labelled corpus."""
        return next(iter(self.corpora.values()))

    @property
    def target(self) -> TableCorpus:
        """The unlabelled corpus."""
        return self.corpora[self.spec["choice"]]

    @property
    def adapted(self) -> list[str]:
        """Methods, without what is beyond the paper and the upper bound, which is none."""
        return [id for id, heading in self.methods.items() if heading.kind not in (BEYOND, UPPER_BOUND)]

    def of_kind(self, kind: str) -> list[str]:
        """Those of `methods` that are of a kind, `BEYOND` or `UPPER_BOUND`."""
        return [id for id, heading in self.methods.items() if heading.kind == kind]

    @property
    def rivals(self) -> list[str]:
        """Methods that PM2 is compared with."""
        return [id for id in self.adapted if id != PM2]

    @property
    def training_partitions(self) -> tuple[str, ...]:
        """Partitions of the labelled corpus whose people train and drive the avatars."""
        return fold_splits(self.fold)[0]

    @property
    def pairs(self) -> Path:
        """Folder of the avatars that the labelled corpus' training people drive."""
        from aukit.simulation import PAIRS_VERSION

        name = f"pairs-{self.source.name}-fold{self.fold}-{self.options.name}-v{PAIRS_VERSION}"
        return self.options.logs / "standins" / name

    @property
    def dataset(self) -> Path:
        """Folder of the avatars that no corpus drives."""
        from aukit.simulation import PAIRS_VERSION

        return self.options.logs / "standins" / f"avatars-{self.options.name}-v{PAIRS_VERSION}"

    @property
    def dataset_config(self) -> AvatarDatasetConfig | None:
        """What lies there; None where this size trains nothing on it."""
        from aukit.simulation import AvatarDatasetConfig

        if not self.of_kind(BEYOND):
            return None
        return AvatarDatasetConfig(
            **self.size["dataset"], size=self.size["pair_size"], seed=self.options.seed
        )

    def not_run(self, kind: str) -> list[Heading]:
        """Entries of the YAML file below ``methods`` or ``ablations`` that this size leaves out."""
        done = {"methods": self.methods, "ablations": self.ablations}[kind]
        return [Heading.of(entry) for entry in self.spec[kind] if entry["id"] not in done]

    def not_run_labels(self) -> list[str]:
        """Labels of all methods and ablations that this size leaves out."""
        return [heading.label for kind in ("methods", "ablations") for heading in self.not_run(kind)]

    def trainings(self) -> dict[Cell, list[str]]:
        """Every training after the start, with its overrides, all but the weight of its alignment."""
        full, *_ = (method["overrides"] for method in self.spec["methods"] if method["id"] == PM2)
        overrides = {
            m["id"]: [
                *m["overrides"],
                *([f"{_AVATARS}{self.dataset}"] if m["kind"] == BEYOND else []),
            ]
            for m in self.spec["methods"]
            if m["id"] in self.methods
        }
        overrides |= {
            a["id"]: [*full, *a["overrides"]] for a in self.spec["ablations"] if a["id"] in self.ablations
        }
        return {Cell(id, seed): each for seed in self.seeds for id, each in overrides.items()}

    def aligned(self) -> list[str]:
        """Methods and ablations that align features, so that there is a weight to choose."""
        from aukit.models.pm2 import METHODS

        methods = {
            cell.id: OmegaConf.from_dotlist(own).model.method for cell, own in self.trainings().items()
        }
        return [id for id, method in methods.items() if METHODS[method].alignment != "none"]

    def weighed(self) -> list[str]:
        """Those of `aligned` whose weight is chosen; all others have PM2's share."""
        return [id for id in self.aligned() if id in self.adapted]

    def run_config(self, seed: int, *overrides: str) -> RunConfig:
        """Configuration of a training that goes on from a start, and so needs no other file of weights."""
        return self._config(seed, "model.weights=null", *overrides)

    def start_config(self, seed: int) -> RunConfig:
        """Configuration of the source-trained start of a seed."""
        weights = [f"model.weights={self.start_weights.value or 'null'}"] if self.names_weights else []
        return self._config(seed, *self.spec["start"], *self.size["start_overrides"], *weights)

    def _config(self, seed: int, *overrides: str) -> RunConfig:
        """Where everything is, the action units, the seed, `overrides`."""
        common = [
            f"target={self.target.name}",
            f"data.source.root={self.source.root}",
            f"data.source.fold={self.fold}",
            f"data.target.root={self.target.root}",
            *self.options.data_overrides("data.source"),
            *self.options.data_overrides("data.target"),
            f"data.avatars.cache={self.options.stores}",  # landmarks of renders are known
            f"aus=[{','.join(map(str, self.aus))}]",
            f"data.seed={seed}",
            f"seed={seed}",
        ]
        if not any(each.startswith(_AVATARS) for each in overrides):
            common.append(f"{_AVATARS}{self.pairs}")
        return self.experiment_config("pm2", *common, *overrides)

    @property
    def names_weights(self) -> bool:
        """Whether a variable names what the starts of this size start from."""
        return self.options.profile == "paper"

    def check_start(self) -> None:
        """See that it is said what the source-trained starts start from.

        Raises:
            ConfigError: It is the paper's size, and `AUKIT_RESNET50_WEIGHTS` is not set.
        """
        if self.names_weights:
            self.start_weights.check()

    def weights_lines(self) -> list[str]:
        """Lines of the plan on the variable that names weights, where this size starts from them."""
        return [self.start_weights.plan_line()] if self.names_weights else []

    def decisive_values(self) -> str:
        """The weights that the source-trained starts start from."""
        return self.start_weights.stamp if self.names_weights else ""

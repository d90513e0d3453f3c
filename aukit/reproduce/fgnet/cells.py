"""What FG-Net's tables run: methods, folds, training frames, heads; from named or shipped weights."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aukit.errors import ConfigError, WeightsError
from aukit.models.weights import RANDOM, weights_path
from aukit.reproduce.base import Cells
from aukit.reproduce.options import TableOptions
from aukit.reproduce.plan import weights_line
from aukit.reproduce.render.table import Heading
from aukit.reproduce.start_weights import stamp

if TYPE_CHECKING:
    from aukit.training import RunConfig

PYRAMID = "pyramid"
"""Head of FG-Net as published."""


@dataclass(frozen=True)
class Cell:
    """One training.

    Attributes:
        method: Id of the method.
        corpus: What it is trained on.
        fold: Which fold of it.
        subset: Number of training frames; None for all.
        head: Head of FG-Net.
    """

    method: str
    corpus: str
    fold: int
    subset: int | None = None
    head: str = PYRAMID

    @property
    def name(self) -> str:
        """Name in progress and provenance."""
        axes = [self.method, self.corpus, f"fold{self.fold}"]
        axes += [f"{self.subset}frames"] if self.subset else []
        return "-".join([*axes, *([self.head] if self.head != PYRAMID else [])])


@dataclass(frozen=True)
class Section:
    """One table: the same frames scored for several methods, or for several heads of one.

    Attributes:
        title: Its heading.
        trained_on: Corpus of the trainings.
        tested_on: Corpus whose test people are scored.
        subset: Number of training frames; None for all.
        compares_heads: Whether its columns are heads of FG-Net.
        aus: Action units scored.
        headings: Column → what it is called.
        cells: Column → a cell per fold; none where the column is not run.
    """

    title: str
    trained_on: str
    tested_on: str
    subset: int | None
    compares_heads: bool
    aus: list[int]
    headings: Mapping[str, Heading]
    cells: Mapping[str, list[Cell]]

    @property
    def is_usual_protocol(self) -> bool:
        """Whether it is the comparison that others publish: one corpus, all its frames, methods."""
        return self.trained_on == self.tested_on and self.subset is None and not self.compares_heads


class FGNetCells(Cells):
    """Trainings of every method on every corpus and fold.

    Args:
        options: Data origin and size.
        choice: There is none.

    Attributes:
        methods: Id → entry of the YAML file.
        heads: The same of the heads.
        folds: Folds of this size.
        weights: Method → what it starts from; None where it has no weights at hand.

    Raises:
        ConfigError: A variable that names weights names no file.
    """

    name = "fgnet"

    def __init__(self, options: TableOptions, choice: str | None = None) -> None:
        super().__init__(options, choice)
        self.methods: dict[str, dict[str, Any]] = {method["id"]: method for method in self.spec["methods"]}
        self.heads: dict[str, dict[str, Any]] = {head["id"]: head for head in self.spec["heads"]}
        self.folds: list[int] = self.size["folds"]
        self.weights = {
            id: _named_weights(method["weights"]) if "weights" in method else _shipped_weights(method)
            for id, method in self.methods.items()
            if method.keys() & {"weights", "shipped"}
        }

    def is_run(self, method: str) -> bool:
        """Whether a method is run in this size, with the weights at hand."""
        return self._is_here(self.methods[method]) and self.weights.get(method, "") is not None

    def reason_not_run(self, column: str) -> str:
        """Why a method or a head has no score."""
        entry = self.methods.get(column)
        if entry is None or self.is_run(column) or not self._is_here(entry):
            return f"not run in {self.options.profile}"
        if "weights" in entry:
            return f"not run: {entry['weights']} names no weights"
        return f"not run: no weights {entry['shipped']} come with the project"

    def not_run(self) -> list[str]:
        """What the published protocol has and this size has not."""
        missing = [
            f"fold {fold}" for fold in self.spec["profiles"]["paper"]["folds"] if fold not in self.folds
        ]
        for section in self.spec["sections"]:
            if "paper" in section.get("sizes", ()) and not self._is_here(section):
                frames = section.get("subset")
                missing.append(f"{frames:,} training frames" if frames else section["title"])
        return missing + [f"head {id}" for id, head in self.heads.items() if not self._is_here(head)]

    def check_start(self) -> None:
        """See that there is something to train.

        Raises:
            ConfigError: No method can be run in this size with the weights at hand.
        """
        if not self.trainings():
            variables = ", ".join(m["weights"] for m in self.methods.values() if "weights" in m)
            raise ConfigError(
                f"size {self.options.profile} has no method without weights: name some with {variables}"
            )

    def weights_lines(self) -> list[str]:
        """Lines of the plan on the variables that name weights in this size."""
        named = [each for each in self.methods.values() if "weights" in each and self._is_here(each)]
        return [weights_line(m["weights"], m["label"], "its column is not run") for m in named]

    @property
    def first(self) -> str:
        """The first method of this size; the heads are compared on it."""
        return next((method for method in self.methods if self.is_run(method)), next(iter(self.methods)))

    def sections(self) -> dict[str, Section]:
        """The tables of this size, in printing order."""
        made = {entry["id"]: self._section(entry) for entry in self.spec["sections"] if self._is_here(entry)}
        return {id: section for id, section in made.items() if any(section.cells.values())}

    def _section(self, entry: dict[str, Any]) -> Section:
        trained_on, tested_on, subset = entry["trained_on"], entry["tested_on"], entry.get("subset")
        heads = entry.get("compares") == "heads"
        if heads:
            columns, runs = self.heads, self.is_run(self.first)
            run = {id: runs and self._is_here(head) for id, head in columns.items()}
            axes = {id: (self.first, id) for id in columns}
        else:
            columns, only = self.methods, self.size.get("only", {})
            run = {id: self.is_run(id) and entry["id"] in only.get(id, [entry["id"]]) for id in columns}
            axes = {id: (id, PYRAMID) for id in columns}
        coded: list[list[int]] = [self.spec["aus"][corpus] for corpus in (trained_on, tested_on)]
        return Section(
            title=entry["title"].format(method=self.methods[self.first]["label"]),
            trained_on=trained_on,
            tested_on=tested_on,
            subset=subset,
            compares_heads=heads,
            aus=[au for au in coded[1] if au in coded[0]],
            headings={id: Heading.of(column) for id, column in columns.items()},
            cells={
                id: [Cell(method, trained_on, fold, subset, head) for fold in self.folds if run[id]]
                for id, (method, head) in axes.items()
            },
        )

    def trainings(self) -> list[Cell]:
        """Every training once."""
        sections = self.sections().values()
        return list(dict.fromkeys(cell for each in sections for row in each.cells.values() for cell in row))

    def crossings(self) -> dict[Cell, list[str]]:
        """Training → the other corpora whose test people it scores."""
        found: dict[Cell, list[str]] = {}
        for section in self.sections().values():
            if section.tested_on != section.trained_on:
                for cell in (cell for row in section.cells.values() for cell in row):
                    found.setdefault(cell, []).append(section.tested_on)
        return found

    def run_config(self, cell: Cell) -> RunConfig:
        """Configuration of a training."""
        method = self.methods[cell.method]
        overrides = [f"fold={cell.fold}", *method.get("overrides", ())]
        if files := self.weights.get(cell.method):
            one = method["experiment"] == "baselines"
            overrides.append(f"model.weights={files[0] if one else '[' + ','.join(files) + ']'}")
        if cell.subset is not None:
            overrides += [f"subset={cell.subset}", *self.size["subset_overrides"]]
        if cell.head != PYRAMID:
            overrides.append(f"head={cell.head}")
        return self.corpus_config(method["experiment"], cell.corpus, *overrides)

    def data_config(self, corpus: str, fold: int) -> dict[str, Any]:
        """Section ``data`` of a configuration on a fold of a corpus."""
        found: dict[str, Any] = self.corpus_config("fgnet", corpus, f"fold={fold}")["data"]
        return found

    def corpus_config(self, experiment: str, corpus: str, *overrides: str) -> RunConfig:
        """A run's configuration: the experiment in this size, on a corpus, with this table's seed."""
        seed = self.options.seed
        where = [f"corpus={corpus}", f"data.root={self.corpora[corpus].root}"]
        where += [*self.options.data_overrides("data"), f"data.seed={seed}", f"seed={seed}"]
        return self.experiment_config(experiment, *where, *overrides)

    def decisive_values(self) -> str:
        """The weights that methods start from."""
        return " ".join(
            f"{method}:{[stamp(file) for file in files]}"
            for method, files in self.weights.items()
            if files and self.is_run(method)
        )

    def _is_here(self, entry: dict[str, Any]) -> bool:
        """Whether an entry of the YAML file belongs to this size; one without sizes belongs to all."""
        return self.options.profile in entry.get("sizes", [self.options.profile])


def _shipped_weights(method: dict[str, Any]) -> list[str] | None:
    """Name of weights that come with the project, as the only one in a list; None where they are missing."""
    try:
        weights_path({"fgnet": "fgnet", "baselines": "backbone"}[method["experiment"]], method["shipped"])
    except WeightsError:
        return None
    return [method["shipped"]]


def _named_weights(variable: str) -> list[str] | None:
    """Files that a variable names, separated as in PATH; None where it is not set, or random weights are.

    Raises:
        ConfigError: A file does not exist.
    """
    value = os.environ.get(variable, "")
    if value in ("", RANDOM):  # which is no start for a column of published weights
        return None
    files = value.split(os.pathsep)
    for file in files:
        if not Path(file).is_file():
            raise ConfigError(f"{variable}: {file}: no such file; name weights files or unset it")
    return files

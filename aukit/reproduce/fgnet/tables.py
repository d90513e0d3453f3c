"""FG-Net's tables: within and across BP4D and DISFA, few training frames, heads; F1 of occurrence."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aukit.datasets.folds import fold_splits
from aukit.errors import ConfigError, WeightsError
from aukit.models.weights import weights_path
from aukit.reproduce import data_origin as sources
from aukit.reproduce.base import Reproduction
from aukit.reproduce.fgnet import caption as fgnet_caption
from aukit.reproduce.options import Setting
from aukit.reproduce.render.report import Report
from aukit.reproduce.render.table import Column, Table
from aukit.reproduce.scores import F1Scores, f1_scores
from aukit.reproduce.timing import Stages

if TYPE_CHECKING:  # Lightning takes seconds to import; a finished table is printed without it
    from aukit.datamodules.folds import FoldDataModule
    from aukit.training import Record

NAMES = {"bp4d": "BP4D", "disfa": "DISFA"}
OTHER = {"bp4d": "disfa", "disfa": "bp4d"}


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
    head: str = "pyramid"

    @property
    def name(self) -> str:
        """Name in progress and provenance."""
        parts = [self.method, self.corpus, f"fold{self.fold}"]
        parts += [f"{self.subset}frames"] if self.subset else []
        return "-".join([*parts, *([self.head] if self.head != "pyramid" else [])])


@dataclass(frozen=True)
class Part:
    """One table: the same frames scored for several methods.

    Attributes:
        title: Its heading.
        trained_on: Corpus of the trainings.
        tested_on: Corpus whose test people are scored.
        aus: Action units scored.
        cells: Column → a cell per fold; none where the column is not run.
        columns: Column → id, short, label and kind, as of a `Column`.
    """

    title: str
    trained_on: str
    tested_on: str
    aus: list[int]
    cells: dict[str, list[Cell]]
    columns: dict[str, dict[str, str]]


class FGNetTables(Reproduction):
    """Trainings of every method on every corpus and fold; each is scored on both corpora.

    Args:
        setting: Source and size.

    Raises:
        ConfigError: A variable that names weights names no file.
    """

    name = "fgnet"
    corpora = ("bp4d", "disfa")
    experiments = ("fgnet/bp4d", "fgnet/disfa", "baselines/bp4d", "baselines/disfa")

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.methods: dict[str, dict[str, Any]] = {method["id"]: method for method in self.spec["methods"]}
        self.folds: list[int] = self.size["folds"]
        self.weights = {
            id: _named_weights(method["weights"]) if "weights" in method else _shipped_weights(method)
            for id, method in self.methods.items()
            if method.keys() & {"weights", "shipped"}
        }

    # ----------------------------------------------------------------- what it is made of

    def is_run(self, method: str) -> bool:
        """Whether a method is run in this size, with the weights at hand."""
        here = self.setting.profile in self.methods[method]["sizes"]
        return here and self.weights.get(method, "") is not None

    def not_run(self, method: str) -> str:
        """Why a method has no score."""
        spec = self.methods[method]
        if self.is_run(method) or self.setting.profile not in spec["sizes"]:
            return f"not run in {self.setting.profile}"
        if "weights" in spec:
            return f"not run: {spec['weights']} names no weights"
        return f"not run: no weights {spec['shipped']} come with the project"

    @property
    def first(self) -> str:
        """The first method of this size; the heads are compared on it."""
        return next((method for method in self.methods if self.is_run(method)), next(iter(self.methods)))

    def parts(self) -> dict[str, Part]:
        """The tables of this size, in printing order."""
        aus = self.spec["aus"]
        parts = {}
        for corpus, name in NAMES.items():
            title = f"Within corpus: trained and tested on {name}"
            part = f"within_{corpus}"
            parts[part] = self._by_method(part, title, corpus, corpus, aus[corpus])
        for corpus, name in NAMES.items():
            title = f"Across corpora: trained on {name}, tested on {NAMES[OTHER[corpus]]}"
            part = f"{corpus}_to_{OTHER[corpus]}"
            parts[part] = self._by_method(part, title, corpus, OTHER[corpus], aus["shared"])
        for subset in self.size["subsets"]:
            title = f"Few frames: trained on {subset:,} frames of BP4D"
            part = f"frames_{subset}"
            parts[part] = self._by_method(part, title, "bp4d", "bp4d", aus["bp4d"], subset)
        heads = {head["id"]: head for head in self.spec["heads"]}
        subset, label = self.size["heads_subset"], self.methods[self.first]["label"]
        frames = f"{subset:,} frames of " if subset else ""
        parts["heads"] = Part(
            f"Heads: {label}, trained on {frames}BP4D",
            "bp4d",
            "bp4d",
            aus["bp4d"],
            {
                head: [Cell(self.first, "bp4d", fold, subset, head) for fold in self.folds]
                if head in self.size["heads"] and self.is_run(self.first)
                else []
                for head in heads
            },
            {id: {**head, "kind": "ours" if id == "pyramid" else "comparison"} for id, head in heads.items()},
        )
        return {id: part for id, part in parts.items() if any(part.cells.values())}

    def _by_method(
        self, id: str, title: str, trained_on: str, tested_on: str, aus: list[int], subset: int | None = None
    ) -> Part:
        only: dict[str, list[str]] = self.size.get("only", {})
        cells = {
            method: [Cell(method, trained_on, fold, subset) for fold in self.folds]
            if self.is_run(method) and id in only.get(method, [id])
            else []
            for method in self.methods
        }
        return Part(title, trained_on, tested_on, aus, cells, self.methods)

    def cells(self) -> list[Cell]:
        """Every training once."""
        cells = [cell for part in self.parts().values() for row in part.cells.values() for cell in row]
        return list(dict.fromkeys(cells))

    def run_config(self, cell: Cell) -> dict[str, Any]:
        """Configuration of a training."""
        method = self.methods[cell.method]
        words = [f"fold={cell.fold}", *method.get("words", ())]
        if files := self.weights.get(cell.method):
            one = method["experiment"] == "baselines"
            words.append(f"model.weights={files[0] if one else '[' + ','.join(files) + ']'}")
        if cell.subset is not None:
            words += [f"subset={cell.subset}", *self.size["subset_words"]]
        if cell.head != "pyramid":
            words.append(f"head={cell.head}")
        return self.config(f"{method['experiment']}/{cell.corpus}", *words)

    def config(self, experiment: str, *overrides: str) -> dict[str, Any]:
        """A run's configuration: the experiment in this size, on its corpus, with this seed."""
        root, seed = sources.root(Path(experiment).name, self.setting), self.setting.seed
        words = [f"data.root={root}", f"data.cache={self.setting.logs / 'stores'}"]
        return super().config(experiment, *words, f"data.seed={seed}", f"seed={seed}", *overrides)

    def decisive_words(self) -> str:
        """The weights that methods start from."""
        return " ".join(f"{m}:{files}" for m, files in self.weights.items() if self.is_run(m))

    # ----------------------------------------------------------------- the chain

    def make(self, stages: Stages) -> Report:
        """Corpora, registration, trainings with their scores on the other corpus, tables.

        Raises:
            ConfigError: No method can be run in this size with the weights at hand.
        """
        if not self.cells():
            variables = ", ".join(m["weights"] for m in self.methods.values() if "weights" in m)
            raise ConfigError(
                f"size {self.setting.profile} has no method without weights: name some with {variables}"
            )
        with stages.stage("corpora"):
            for corpus in self.corpora:
                sources.make(corpus, self.setting)
        with stages.stage("registration"):
            data = {corpus: self.prepare(corpus) for corpus in self.corpora}
        with stages.stage("trainings"):
            records = self.train(data)
        with stages.stage("scores"):
            return self.tabulate(data, records)

    def prepare(self, corpus: str) -> FoldDataModule:
        """Crop every frame; the datamodule is that of the first fold."""
        from aukit.datamodules import BP4DDataModule, DISFADataModule

        kinds: dict[str, Any] = {"bp4d": BP4DDataModule, "disfa": DISFADataModule}
        arguments = self.config(f"fgnet/{corpus}", f"fold={self.folds[0]}")["data"]["init_args"]
        data: FoldDataModule = kinds[corpus](**arguments)
        data.prepare_data()
        data.setup("fit")
        print(data.store.summary(), flush=True)
        return data

    def train(self, data: dict[str, FoldDataModule]) -> dict[Cell, Record]:
        """Every training of every part; those of whole folds also score the other corpus' test people."""
        from aukit.reproduce.cross_corpus import predict_on
        from aukit.reproduce.parallel_runs import run_all

        runs = self.setting.logs / "runs"
        crossing = {
            cell
            for part in self.parts().values()
            if part.trained_on != part.tested_on
            for row in part.cells.values()
            for cell in row
        }
        configs, after = {}, {}
        # FG-Net first: the short trainings then fill the end.
        for cell in sorted(self.cells(), key=lambda cell: self.methods[cell.method]["kind"] != "ours"):
            configs[cell.name] = self.run_config(cell)
            if cell in crossing:
                other = self.config(f"fgnet/{OTHER[cell.corpus]}", f"fold={cell.fold}")["data"]
                target = _target(data[OTHER[cell.corpus]])
                after[cell.name] = partial(predict_on, data=other, target=target, runs=runs)
        records = run_all(configs, runs, self.setting.jobs, "trainings", after)
        return {cell: records[cell.name] for cell in self.cells()}

    # ----------------------------------------------------------------- the tables

    def tabulate(self, data: dict[str, FoldDataModule], records: dict[Cell, Record]) -> Report:
        """Every part, with everything that must stand beside it."""
        tables = {id: self.table(part, data, records) for id, part in self.parts().items()}
        some = next(iter(records.values()))
        return Report(
            title=self.title(),
            tables=tables,
            caption=fgnet_caption.caption(self, data, records),
            provenance={
                "source": self.setting.source,
                "size": self.setting.profile,
                "seed": self.setting.seed,
                "folds": self.folds,
                "standin": {corpus: module.store.standin for corpus, module in data.items()},
                "stores": {corpus: module.store.fingerprint for corpus, module in data.items()},
                "runs": {cell.name: record.identity for cell, record in records.items()},
                "training_seconds": {cell.name: record.seconds for cell, record in records.items()},
                "git_commit": some.git_commit,
                "versions": some.versions,
            },
        )

    def table(self, part: Part, data: dict[str, FoldDataModule], records: dict[Cell, Record]) -> Table:
        """One part: the all-positive rule, then the methods."""
        from aukit.reproduce.cross_corpus import transfer_file

        scored: dict[str, F1Scores] = {}
        columns: list[Column] = []
        support: dict[str, str] | None = None
        for id, cells in part.cells.items():
            look = part.columns[id]
            if not cells:
                note = self.not_run(id) if id in self.methods else f"not run in {self.setting.profile}"
                nothing: dict[str, float | None] = dict.fromkeys(f"AU{au}" for au in part.aus)
                kind = "missing"
                columns.append(Column(id, look["short"], look["label"], kind, nothing, None, note=note))
                continue
            runs = [records[cell] for cell in cells]
            if part.trained_on == part.tested_on:
                paths = [Path(str(run.predictions)) for run in runs]
            else:
                paths = [transfer_file(run, _target(data[part.tested_on])) for run in runs]
            scores = scored[id] = f1_scores(paths, part.aus)
            column = scores.method.column(id, look["short"], look["label"], look["kind"])
            columns.append(replace(column, margin=scores.margin, extra={**column.extra, **_extra(runs)}))
        columns.sort(key=lambda column: column.kind == "missing")
        if scored:
            some = next(iter(scored.values()))
            floor = some.floor.column("floor", "floor", "every frame called positive", "floor")
            columns.insert(0, floor)
            support = {au: f"{n:,}/{floor.support[au]:,}" for au, n in some.positives.items()}
        return Table(
            title=part.title,
            rows=[f"AU{au}" for au in part.aus],
            columns=columns,
            ceiling=self.ceiling(part.tested_on, part.aus),
            caption=fgnet_caption.part_caption(self, part, scored),
            provenance={},
            score="F1",
            support=support,
        )

    def ceiling(self, corpus: str, aus: Sequence[int]) -> dict[str, float] | None:
        """F1 of one simulated coder judged by another, mean over the folds; None on a licensed release."""
        found = [sources.ceiling(corpus, self.setting, fold_splits(fold)[1]) for fold in self.folds]
        by_fold = [own["f1"] for own in found if own is not None]
        if not by_fold:
            return None
        means = {f"AU{au}": _mean([f1[f"AU{au:02d}"] for f1 in by_fold]) for au in aus}
        return {**means, "mean": _mean(list(means.values()))}

    # ----------------------------------------------------------------- the plan

    def plan(self) -> str:
        """Cells, hours and disk, without running anything."""
        lines = [self.plan_head()]
        crops = 0
        for corpus in self.corpora:
            size = self.config(f"fgnet/{corpus}")["data"]["init_args"]["size"]
            frames = self.count_frames(corpus)
            crops += frames * size**2 * 3
            place = sources.root(corpus, self.setting)
            lines.append(f"  {corpus:<10} {place} ({frames:,} frames, crops of {size} x {size})")
        cells = self.cells()
        lines.append(f"  trainings  {len(cells)}, {self.setting.jobs} side by side:")
        lines += [f"    {cell.name}" for cell in cells]
        lines += [f"  {line}" for line in fgnet_caption.not_run(self)]
        return "\n".join([*lines, *self.plan_tail(crops + self.size["run_bytes"])])

    def count_frames(self, corpus: str) -> int:
        """Frames of a corpus: read from a licensed release, known for a stand-in."""
        if corpus in self.setting.roots:
            return len(sources.release(corpus, self.setting).table)
        recipe = sources.recipe(corpus, self.setting)
        frames: int = recipe.people * getattr(recipe, "tasks", 1) * recipe.frames
        return frames


def _target(data: FoldDataModule) -> str:
    """Corpus and state of a datamodule, for file names."""
    return f"{type(data).__name__.removesuffix('DataModule').lower()}-{data.store.fingerprint[:8]}"


def _extra(runs: list[Record]) -> dict[str, Any]:
    """What the runs logged about people they were trained with: genders, selection, cost."""
    return {
        "validation_f1": [run.notes.get("best_score") for run in runs],
        "test_f1_female": [run.metrics.get("test/f1_female") for run in runs],
        "test_f1_male": [run.metrics.get("test/f1_male") for run in runs],
        "test_f1_gap": [run.metrics.get("test/f1_gap") for run in runs],
        "seconds": [run.seconds for run in runs],
        "test_frames_per_second": [run.test_frames_per_second for run in runs],
        "runs": [run.folder.name for run in runs],
    }


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None and value == value]
    return sum(known) / len(known) if known else float("nan")


def _shipped_weights(method: dict[str, Any]) -> list[str] | None:
    """Name of weights that come with the project, as the only one in a list; None where they are missing."""
    try:
        weights_path({"fgnet": "fgnet", "baselines": "backbone"}[method["experiment"]], method["shipped"])
    except WeightsError:
        return None
    return [method["shipped"]]


def _named_weights(variable: str) -> list[str] | None:
    """Files that a variable names, separated as in PATH; None where it is not set.

    Raises:
        ConfigError: A file does not exist.
    """
    value = os.environ.get(variable)
    if not value:
        return None
    files = value.split(os.pathsep)
    for file in files:
        if not Path(file).is_file():
            raise ConfigError(f"{variable}: {file}: no such file; name weights files or unset it")
    return files

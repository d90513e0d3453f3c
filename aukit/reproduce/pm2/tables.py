"""PM2's tables: BP4D and avatars driven by it → an unlabelled target; F1, fairness by gender, ablations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from aukit.datasets.folds import fold_splits
from aukit.errors import ConfigError
from aukit.metrics import Interval
from aukit.reproduce import data_origin as sources
from aukit.reproduce.base import Reproduction
from aukit.reproduce.fairness_scores import STATISTICS, SeedScores, statistics_column
from aukit.reproduce.options import Setting
from aukit.reproduce.pm2 import caption as pm2_caption
from aukit.reproduce.pm2 import figures as pm2_figures
from aukit.reproduce.render.report import Report
from aukit.reproduce.render.statistics_table import StatisticsTable
from aukit.reproduce.render.table import Column, Table
from aukit.reproduce.timing import Stages
from aukit.utils.files import write_atomic

if TYPE_CHECKING:  # Lightning takes seconds to import; a finished table is printed without it
    from aukit.datamodules import PairedDataModule
    from aukit.training import Record

SOURCE_PREDICTIONS = "predictions-on-source.parquet"


@dataclass(frozen=True)
class Cell:
    """One training: a method or an ablation of PM2, with a seed."""

    id: str
    seed: int

    @property
    def name(self) -> str:
        """Name in progress and provenance."""
        return f"{self.id}-seed{self.seed}"


class PM2Tables(Reproduction):
    """A source-trained start per seed, then every method from it, scored on target people nobody adapted to.

    Args:
        setting: Source and size.
    """

    name = "pm2"
    corpora = ("bp4d", "disfa")
    experiments = ("pm2/disfa",)
    target: ClassVar[str] = "disfa"

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.folder = setting.logs / "tables" / f"pm2-{self.target}" / setting.name
        self.spec["title"] = self.spec["title"].format(target=NAMES[self.target])
        self.aus: list[int] = self.spec["targets"][self.target]["aus"]
        self.methods = {m["id"]: m for m in self.spec["methods"] if setting.profile in m["sizes"]}
        self.ablations = {a["id"]: a for a in self.spec["ablations"] if a["id"] in self.size["ablations"]}
        self.seeds = [setting.seed + k for k in range(self.size["seeds"])]
        self._scores: dict[tuple[str, str], SeedScores] = {}
        self._differences: dict[tuple[str, str], dict[str, Interval]] = {}

    @classmethod
    def for_target(cls, target: str | None) -> type[Reproduction]:
        """The tables towards a target: ``disfa`` (also None) or ``gft``."""
        kinds: dict[str | None, type[PM2Tables]] = {None: PM2Tables, "disfa": PM2Tables, "gft": PM2ToGFT}
        if target not in kinds:
            raise ConfigError(f"--target {target}: unknown; choose disfa or gft")
        return kinds[target]

    # ----------------------------------------------------------------- what it is made of

    @property
    def fold(self) -> int:
        """Fold of the source whose people are held out."""
        fold: int = self.spec["source_fold"]
        return fold

    @property
    def pairs(self) -> Path:
        """Folder of the avatars that the source's training people drive."""
        from aukit.simulation.pairs.recorder import VERSION

        name = f"pairs-bp4d-fold{self.fold}-{self.setting.name}-v{VERSION}"
        return self.setting.logs / "standins" / name

    def run_config(self, seed: int, *words: str) -> dict[str, Any]:
        """Configuration of a training: where everything is, the action units, the seed, `words`."""
        stores, aus = self.setting.logs / "stores", f"[{','.join(map(str, self.aus))}]"
        common = [
            f"data.source.root={sources.root('bp4d', self.setting)}",
            f"data.source.fold={self.fold}",
            f"data.target.root={sources.root(self.target, self.setting)}",
            f"data.avatars.root={self.pairs}",
            *(f"data.{part}.cache={stores}" for part in ("source", "target", "avatars")),
            f"model.aus={aus}",
            f"data.aus={aus}",
            f"data.seed={seed}",
            f"seed={seed}",
        ]
        return self.config(self.experiments[0], *common, *words)

    def cells(self) -> dict[Cell, list[str]]:
        """Every training after the start, with its words."""
        full = self.methods["pm2"]["words"]
        kinds = {id: m["words"] for id, m in self.methods.items()}
        kinds |= {id: [*full, *a["words"]] for id, a in self.ablations.items()}
        return {Cell(id, seed): words for seed in self.seeds for id, words in kinds.items()}

    # ----------------------------------------------------------------- the chain

    def make(self, stages: Stages) -> Report:
        """Corpora, avatars, registration, starts, methods, tables and figures."""
        with stages.stage("corpora"):
            for corpus in self.corpora:
                sources.make(corpus, self.setting)
        with stages.stage("avatars"):
            self.render()
        with stages.stage("registration"):
            data = self.prepare()
        with stages.stage("starts"):
            starts = self.train_starts()
        with stages.stage("methods"):
            records = self.train_methods(starts)
        with stages.stage("scores"):
            report = self.tabulate(data, starts, records)
            self.draw(data, records)
        return report

    def render(self) -> None:
        """A woman and a man for every training frame of the source."""
        from aukit.simulation import write_avatar_pairs

        parts, _ = fold_splits(self.fold)
        root = sources.root("bp4d", self.setting)
        size, seed = self.size["pair_size"], self.setting.seed
        print(write_avatar_pairs(self.pairs, "bp4d", root, size=size, seed=seed, partitions=parts))

    def prepare(self) -> PairedDataModule:
        """Crop every frame and render, and see that all goes together."""
        from aukit.training.instantiate import build_datamodule, resolve

        config = self.run_config(self.setting.seed)
        built: Any = build_datamodule(resolve(config))
        data: PairedDataModule = built
        data.prepare_data()
        data.setup("fit")
        for part in (data.source, data.target, data.avatars):
            print(part.store.summary() if part else "", flush=True)
        return data

    def train_starts(self) -> dict[int, Record]:
        """One source-trained network per seed, shared by all methods."""
        from aukit.reproduce.parallel_runs import run_all

        words = [*self.spec["start"], *self.size["start_words"]]
        configs = {Cell("start", seed).name: self.run_config(seed, *words) for seed in self.seeds}
        records = run_all(configs, self.setting.logs / "runs", self.setting.jobs, "starts")
        return {seed: records[Cell("start", seed).name] for seed in self.seeds}

    def train_methods(self, starts: dict[int, Record]) -> dict[Cell, Record]:
        """Every method and ablation from its seed's start; each also scores held-out source people."""
        from aukit.reproduce.parallel_runs import run_all

        runs = self.setting.logs / "runs"
        configs, after = {}, {}
        for cell, words in self.cells().items():
            start = f"model.start={starts[cell.seed].checkpoint}"
            configs[cell.name] = self.run_config(cell.seed, start, *words)
            after[cell.name] = partial(predict_on_source, runs=runs)
        records = run_all(configs, runs, self.setting.jobs, "methods", after)
        return {cell: records[cell.name] for cell in self.cells()}

    # ----------------------------------------------------------------- tables and figures

    def scores(self, records: dict[Cell, Record], id: str, on: str = "target") -> SeedScores:
        """Scores of a method over its seeds."""
        if (id, on) not in self._scores:
            runs = [records[Cell(id, seed)] for seed in self.seeds]
            paths = [
                Path(str(run.predictions)) if on == "target" else run.folder / SOURCE_PREDICTIONS
                for run in runs
            ]
            self._scores[id, on] = SeedScores.read(paths, self.aus)
        return self._scores[id, on]

    def difference(self, records: dict[Cell, Record], id: str, other: str) -> dict[str, Interval]:
        """Every statistic of a method minus another's, on the target."""
        if (id, other) not in self._differences:
            minus = self.scores(records, id).minus(self.scores(records, other))
            self._differences[id, other] = minus
        return self._differences[id, other]

    def tabulate(
        self, data: PairedDataModule, starts: dict[int, Record], records: dict[Cell, Record]
    ) -> Report:
        """All tables, with everything that must stand beside them."""
        some = next(iter(records.values()))
        tables = {
            "source": self.f1_table(records, "source"),
            "target": self.f1_table(records, "target"),
            "fairness": self.fairness_table(records),
            "differences": self.difference_table(records),
        }
        if self.ablations:
            tables["ablations"] = self.ablation_table(records)
        return Report(
            title=self.title(),
            tables=tables,
            caption=pm2_caption.caption(self, data, starts, records),
            provenance={
                "source": self.setting.source,
                "size": self.setting.profile,
                "seed": self.setting.seed,
                "seeds": self.seeds,
                "target": self.target,
                "data": data.notes,
                "fingerprint": data.fingerprint,
                "runs": {
                    **{Cell("start", seed).name: record.identity for seed, record in starts.items()},
                    **{cell.name: record.identity for cell, record in records.items()},
                },
                "training_seconds": {cell.name: record.seconds for cell, record in records.items()},
                "git_commit": some.git_commit,
                "versions": some.versions,
            },
        )

    def f1_table(self, records: dict[Cell, Record], on: str) -> Table:
        """F1 per action unit of every method, beside the rule that calls everything present."""
        scored = {id: self.scores(records, id, on) for id in self.methods}
        columns = [
            scores.f1_column(id, *(self.methods[id][key] for key in ("short", "label", "kind")))
            for id, scores in scored.items()
        ]
        floor = next(iter(scored.values())).floor
        columns.insert(0, floor.f1_column("floor", "floor", "every frame called positive", "floor"))
        where = NAMES[self.target if on == "target" else "bp4d"]
        what = "the target" if on == "target" else "held-out people of the source"
        return Table(
            title=f"F1 on {what}, {where}",
            rows=[f"AU{au}" for au in self.aus],
            columns=[*columns, *self._not_run("methods", self.methods)],
            ceiling=None,
            caption=[pm2_caption.people(floor)],
            provenance={},
            score="F1",
            support=floor.support,
        )

    def fairness_table(self, records: dict[Cell, Record]) -> StatisticsTable:
        """Fairness by gender on the target."""
        columns = []
        for id, method in self.methods.items():
            own = self.scores(records, id).own
            columns.append(statistics_column(own, id, method["short"], method["label"], method["kind"]))
        return StatisticsTable(
            title=f"Fairness by gender on {NAMES[self.target]}: means over the action units",
            rows=list(STATISTICS),
            columns=columns,
            ceiling=None,
            caption=[pm2_caption.FAIRNESS],
            provenance={},
        )

    def difference_table(self, records: dict[Cell, Record]) -> StatisticsTable:
        """Every method minus source-only on the same people and seeds."""
        columns = []
        for id, method in self.methods.items():
            if id != self.spec["baseline"]:
                minus = self.difference(records, id, self.spec["baseline"])
                look = (method["short"], f"{method['label']} minus source only", method["kind"])
                columns.append(statistics_column(minus, id, *look))
        return StatisticsTable(
            title=f"Paired differences to source only on {NAMES[self.target]}",
            rows=[row for row in STATISTICS if row != "base-rate gap"],
            columns=columns,
            ceiling=None,
            caption=[pm2_caption.DIFFERENCES],
            provenance={},
            signed=True,
        )

    def ablation_table(self, records: dict[Cell, Record]) -> StatisticsTable:
        """PM2 as it is, and each ablation minus it."""
        columns = []
        for id, ablation in self.ablations.items():
            minus = self.difference(records, id, "pm2")
            columns.append(statistics_column(minus, id, ablation["short"], ablation["label"], "comparison"))
        return StatisticsTable(
            title=f"Ablations on {NAMES[self.target]}: each minus PM2 in full (order 2)",
            rows=["F1", "F1 gap", "worst group's F1", "equal opportunity", "equalized odds"],
            columns=[*columns, *self._not_run("ablations", self.ablations)],
            ceiling=None,
            caption=[],
            provenance={},
            signed=True,
        )

    def _not_run(self, kind: str, done: dict[str, Any]) -> list[Column]:
        """Columns of what this size leaves out."""
        note = f"not run in {self.setting.profile}"
        left = [cell for cell in self.spec[kind] if cell["id"] not in done]
        return [Column(c["id"], c["short"], c["label"], "missing", {}, None, note=note) for c in left]

    def draw(self, data: PairedDataModule, records: dict[Cell, Record]) -> None:
        """Write the figures beside the table."""
        looks = {id: method["label"] for id, method in self.methods.items()}
        scored = {id: self.scores(records, id) for id in self.methods}
        title = self.title()
        write_atomic(self.folder / "gap_f1.png", pm2_figures.gap_against_f1(scored, looks, title))
        first = {id: records[Cell(id, self.seeds[0])] for id in self.methods}
        write_atomic(self.folder / "embedding.png", pm2_figures.embeddings(first, data, looks, title))

    # ----------------------------------------------------------------- the plan

    def plan(self) -> str:
        """Cells, hours and disk, without running anything."""
        arguments = self.run_config(self.setting.seed)["data"]["init_args"]
        side = arguments["source"]["init_args"]["size"]
        counts = {corpus: self.count_frames(corpus) for corpus in self.corpora}
        renders = 2 * counts["bp4d"] * 2 // 3
        lines = [self.plan_head()]
        lines += [
            f"  {corpus:<10} {sources.root(corpus, self.setting)} ({frames:,} frames, crops of {side} px)"
            for corpus, frames in counts.items()
        ]
        lines.append(f"  avatars    {self.pairs} (about {renders:,} renders of {self.size['pair_size']} px)")
        cells = self.cells()
        lines.append(
            f"  trainings  {len(self.seeds)} starts, then {len(cells)}, {self.setting.jobs} side by side:"
        )
        lines += [f"    {cell.name}" for cell in cells]
        lines += [f"  {line}" for line in pm2_caption.not_run(self)]
        crops = (sum(counts.values()) + renders) * side**2 * 3
        return "\n".join([*lines, *self.plan_tail(crops + renders * 5e3 + self.size["run_bytes"])])

    def count_frames(self, corpus: str) -> int:
        """Frames of a corpus: read from a licensed release, known for a stand-in."""
        if corpus in self.setting.roots:
            return len(sources.release(corpus, self.setting).table)
        recipe = sources.recipe(corpus, self.setting)
        frames: int = len(recipe.subjects()) * getattr(recipe, "tasks", 1) * recipe.frames
        return frames


class PM2ToGFT(PM2Tables):
    """The same towards GFT."""

    corpora = ("bp4d", "gft")
    experiments = ("pm2/gft",)
    target = "gft"


NAMES = {"bp4d": "BP4D", "disfa": "DISFA", "gft": "GFT"}


def predict_on_source(record: Record, runs: Path) -> Path:
    """Score the source's held-out people with the checkpoint that the run tested; nothing is done twice."""
    from aukit.training import evaluate

    path = record.folder / SOURCE_PREDICTIONS
    if path.exists():
        return path
    data = record.config["data"]
    config = {**record.config, "data": {**data, "init_args": {**data["init_args"], "test_on": "source"}}}
    return evaluate(config, runs, "test", record.checkpoint, out=path)

"""PM2's tables: BP4D and its avatars → an unlabelled target; F1, fairness by gender, differences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aukit.metrics import Interval
from aukit.reproduce.base import Reproduction
from aukit.reproduce.captions import not_run_sentences
from aukit.reproduce.costs import Crops, Fixed, Renders, Rows, Trainings
from aukit.reproduce.data_origin import count_people
from aukit.reproduce.plan import Stage
from aukit.reproduce.pm2 import caption as captions
from aukit.reproduce.pm2 import figures
from aukit.reproduce.pm2.cells import PM2, Cell, PM2Cells
from aukit.reproduce.pm2.weights import Candidate, Choice, best_share, measure, validation_f1
from aukit.reproduce.render.report import Report
from aukit.reproduce.render.statistics_table import StatisticsTable
from aukit.reproduce.render.table import ALL_POSITIVE, BEYOND, UPPER_BOUND, Column, Table
from aukit.reproduce.scores import STATISTICS, SeedScores, span, statistics_column
from aukit.reproduce.timing import Stages
from aukit.utils.files import write_atomic

if TYPE_CHECKING:  # Lightning takes seconds to import; a finished table is printed without it
    from aukit.datamodules import PairedDataModule
    from aukit.training import Record, RunConfig

DIFFERENCES = [row for row in STATISTICS if row != "base-rate gap"]
"""Statistics of which differences are shown."""

HELD_OUT = "source"
"""Who is tested besides the target's people: the held-out people of the source domain."""


class PM2Tables(Reproduction[PM2Cells]):
    """A source-trained start per seed, then every method from it, scored on target people nobody adapted to.

    Args:
        options: Data origin and size.
        choice: Unlabelled corpus; None for the first one of the YAML file.
    """

    cells_type = PM2Cells

    def make(self, stages: Stages) -> Report:
        """Corpora, avatars, registration, starts, weights, methods, tables and figures."""
        with stages.stage("corpora"):
            self.make_corpora()
        with stages.stage("avatars"):
            self.render()
        with stages.stage("registration"):
            data = self.prepare()
        with stages.stage("starts"):
            starts = self.train_starts()
        with stages.stage("weights"):
            choices = self.choose_weights(starts)
        with stages.stage("methods"):
            records = self.train_methods(starts, choices)
        with stages.stage("scores"):
            results = Results(self.cells, records)
            report = self.tabulate(data, starts, choices, results)
            self.draw(data, results)
        return report

    def render(self) -> None:
        """A woman and a man for every training frame of the labelled corpus, and the data set of avatars."""
        from aukit.simulation import AvatarPairsConfig, write_avatar_dataset, write_avatar_pairs

        source = self.cells.source
        config = AvatarPairsConfig(
            source.name,
            self.cells.training_partitions,
            size=self.cells.size["pair_size"],
            seed=self.options.seed,
        )
        print(write_avatar_pairs(self.cells.pairs, source.root, config))
        if (dataset := self.cells.dataset_config) is not None:
            print(write_avatar_dataset(self.cells.dataset, dataset))

    def prepare(self) -> PairedDataModule:
        """Crop every frame and render, and see that all goes together."""
        from aukit.training import build_datamodule

        built: Any = build_datamodule(self.cells.run_config(self.options.seed))
        data: PairedDataModule = built
        data.prepare_data()
        data.setup("fit")
        for each in (data.source, data.target, data.avatars):
            print(each.store.summary() if each else "", flush=True)
        for id in self.cells.of_kind(BEYOND):
            cell = Cell(id, self.options.seed)
            build_datamodule(self.cells.run_config(cell.seed, *self.cells.trainings()[cell])).prepare_data()
        return data

    def train_starts(self) -> dict[int, Record]:
        """One source-trained network per seed, shared by all methods."""
        configs = {_start(seed): self.cells.start_config(seed) for seed in self.cells.seeds}
        records = self.train("starts", configs)
        return {seed: records[_start(seed)] for seed in self.cells.seeds}

    def choose_weights(self, starts: Mapping[int, Record]) -> dict[str, Choice]:
        """Weight of each alignment: of methods by F1 on source people who select, of all else as of PM2.

        The trainings of the chosen ones are those of the table.
        """
        cells, batches = self.cells, self.cells.spec["weighed_batches"]
        measured = {
            id: measure(id, [self.method_config(Cell(id, seed), starts) for seed in cells.seeds], batches)
            for id in cells.aligned()
        }
        configs = {
            Candidate(id, share, seed): self.method_config(Cell(id, seed), starts, gradients.weight(share))
            for id, gradients in measured.items()
            if id in cells.weighed()
            for share in cells.shares
            for seed in cells.seeds
        }
        records = self.train("weights", {each.name: config for each, config in configs.items()})
        f1: dict[str, dict[float, float]] = {}
        for id, share, _ in configs:
            runs = [records[Candidate(id, share, seed).name] for seed in cells.seeds]
            f1.setdefault(id, {})[share] = validation_f1(runs)
        shares = {id: best_share(each) for id, each in f1.items()}
        return {
            id: Choice(gradients, shares[id if id in shares else PM2], f1.get(id, {}))
            for id, gradients in measured.items()
        }

    def train_methods(
        self, starts: Mapping[int, Record], choices: Mapping[str, Choice]
    ) -> dict[Cell, Record]:
        """Every method and ablation from its seed's start; each also scores held-out people of the source."""
        weights = {id: choice.weight for id, choice in choices.items()}
        cells = list(self.cells.trainings())
        configs = {cell.name: self.method_config(cell, starts, weights.get(cell.id)) for cell in cells}
        after = partial(predict_on_held_out, runs=self.options.runs)
        records = self.train("methods", configs, dict.fromkeys(configs, after))
        return {cell: records[cell.name] for cell in cells}

    def method_config(
        self, cell: Cell, starts: Mapping[int, Record], weight: float | None = None
    ) -> RunConfig:
        """Configuration of a training from its seed's start, perhaps with a weight of its alignment."""
        start = f"model.start={starts[cell.seed].checkpoint}"
        weighed = [] if weight is None else [f"model.alignment_weight={weight}"]
        return self.cells.run_config(cell.seed, start, *self.cells.trainings()[cell], *weighed)

    # ----------------------------------------------------------------- tables and figures

    def tabulate(
        self,
        data: PairedDataModule,
        starts: dict[int, Record],
        choices: Mapping[str, Choice],
        results: Results,
    ) -> Report:
        """All tables, with everything that must stand beside them."""
        tables = {
            "source_domain": self.f1_table(results, held_out=True),
            "target_domain": self.f1_table(results, held_out=False),
            "fairness": self.fairness_table(results),
            "differences": self.difference_table(results),
            "differences_to_rivals": self.rivals_table(results),
        }
        if self.cells.ablations:
            tables["ablations"] = self.ablation_table(results)
        records = {_start(seed): record for seed, record in starts.items()}
        records |= {cell.name: record for cell, record in results.records.items()}
        return Report(
            title=self.title(),
            tables=tables,
            caption=captions.caption(self.facts(data, starts, choices, results)),
            provenance=self.provenance(
                records,
                seeds=self.cells.seeds,
                target=self.cells.target.name,
                data=data.notes,
                fingerprint=data.fingerprint,
                weights={id: choice.as_dict() for id, choice in choices.items()},
            ),
        )

    def f1_table(self, results: Results, held_out: bool) -> Table:
        """F1 per action unit of every method, beside the all-positive baseline."""
        scored = {id: results.scores(id, held_out) for id in self.cells.methods}
        baseline = next(iter(scored.values())).all_positive
        columns = [scores.f1_column(self.cells.methods[id]) for id, scores in scored.items()]
        domain = "held-out people of the source" if held_out else "the target"
        corpus = self.cells.source if held_out else self.cells.target
        return Table(
            title=f"F1 on {domain}, {corpus.title}",
            rows=[f"AU{au}" for au in self.cells.aus],
            columns=[baseline.f1_column(ALL_POSITIVE), *columns, *self._not_run("methods")],
            agreement=None,
            caption=[captions.people_sentence(baseline.frames, baseline.people)],
            score="F1",
            support=baseline.support_text,
        )

    def fairness_table(self, results: Results) -> StatisticsTable:
        """Fairness by gender on the target."""
        return StatisticsTable(
            title=f"Fairness by gender on {self.cells.target.title}: means over the action units",
            rows=list(STATISTICS),
            columns=[
                statistics_column(results.scores(id), heading) for id, heading in self.cells.methods.items()
            ],
            agreement=None,
            caption=[captions.FAIRNESS],
        )

    def difference_table(self, results: Results) -> StatisticsTable:
        """Every method, and the upper bound, minus source-only on the same people and seeds."""
        return self._differences(
            f"Paired differences to source only on {self.cells.target.title}",
            DIFFERENCES,
            [
                statistics_column(
                    results.scores(id),
                    heading._replace(label=f"{heading.label}, minus source only"),
                    minus=results.scores(self.cells.baseline),
                )
                for id, heading in self.cells.methods.items()
                if id != self.cells.baseline
            ],
            [captions.differences_sentence("Each minus source only", len(self.cells.seeds))],
        )

    def rivals_table(self, results: Results) -> StatisticsTable:
        """PM2 minus each other method, and minus what is beyond the paper, on the same people and seeds."""
        methods = self.cells.methods
        return self._differences(
            f"Paired differences of {methods[PM2].label} to each rival on {self.cells.target.title}",
            DIFFERENCES,
            [
                statistics_column(
                    results.scores(PM2),
                    methods[id]._replace(label=f"{methods[PM2].label} minus {methods[id].label}"),
                    minus=results.scores(id),
                )
                for id in (*self.cells.rivals, *self.cells.of_kind(BEYOND))
            ],
            [
                captions.differences_sentence(
                    f"{methods[PM2].label} minus the method that heads the column", len(self.cells.seeds)
                )
            ],
        )

    def ablation_table(self, results: Results) -> StatisticsTable:
        """PM2 as it is, and each ablation minus it."""
        columns = [
            statistics_column(results.scores(id), heading, minus=results.scores(PM2))
            for id, heading in self.cells.ablations.items()
        ]
        return self._differences(
            f"Ablations on {self.cells.target.title}: each minus PM2 in full (order 2)",
            ["F1", "F1 gap", "worst group's F1", "equal opportunity", "equalized odds"],
            [*columns, *self._not_run("ablations")],
            [captions.differences_sentence("Each minus PM2", len(self.cells.seeds))],
        )

    def _differences(
        self, title: str, rows: list[str], columns: list[Column], caption: Iterable[str]
    ) -> StatisticsTable:
        judged = len(self.cells.seeds) >= captions.LEAST_SEEDS
        return StatisticsTable(title, rows, columns, None, list(caption), signed=True, judged=judged)

    def _not_run(self, kind: str) -> list[Column]:
        """Columns of what this size leaves out."""
        note = f"not run in {self.options.profile}"
        return [Column.missing(heading, note) for heading in self.cells.not_run(kind)]

    def facts(
        self,
        data: PairedDataModule,
        starts: dict[int, Record],
        choices: Mapping[str, Choice],
        results: Results,
    ) -> captions.Facts:
        """What the caption of all tables states."""
        cells, source, target, notes = self.cells, data.source, data.target, data.notes
        baseline, headings = cells.baseline, {**cells.methods, **cells.ablations}
        compared = [(id, baseline) for id in cells.adapted if id != baseline]
        compared += [(PM2, id) for id in cells.rivals if id != baseline]
        held_out = results.scores(baseline, held_out=True)
        return captions.Facts(
            data=self.data_facts(notes["standins"].values()),
            landmarks=sorted({str(each.store.manifest["landmarks"]) for each in (source, target)}),
            source_people=[
                count_people(source.store, rows)
                for rows in (source.train_rows, source.val_rows, source.test_rows)
            ],
            triplets=notes["triplets"],
            triplets_by_gender=notes["real_frames_by_gender"],
            target_frames=notes["target_frames"],
            adapted_people=count_people(target.store, data.target_rows),
            adapted_to=notes["adapted_to"],
            tested_people=count_people(target.store, target.test_rows),
            start=next(iter(starts.values())).config,
            method=next(iter(results.records.values())).config,
            seeds=list(starts),
            selections={str(record.notes["selection"]) for record in results.records.values()},
            above_all_positive=span(held_out.minus(held_out.all_positive), "F1"),
            differences={
                f"{headings[id].short} - {headings[other].short}": {
                    row: span(results.difference(id, other), row) for row in captions.COMPARED
                }
                for id, other in compared
            },
            shares=cells.shares,
            weighed_batches=cells.spec["weighed_batches"],
            weights={headings[id].short: c for id, c in choices.items() if id in cells.adapted},
            other_weights={headings[id].short: c for id, c in choices.items() if id not in cells.adapted},
            beyond={
                cells.methods[id].short: results.records[Cell(id, cells.seeds[0])].notes["data"]
                for id in cells.of_kind(BEYOND)
            },
            upper_bounds=[cells.methods[id].short for id in cells.of_kind(UPPER_BOUND)],
            bound_selected_on=count_people(target.store, target.val_rows),
            not_run=cells.not_run_labels(),
        )

    def draw(self, data: PairedDataModule, results: Results) -> None:
        """Write the figures beside the table."""
        labels = {id: heading.label for id, heading in self.cells.methods.items()}
        scored = {id: results.scores(id) for id in self.cells.methods}
        folder, title = self.cells.folder, self.title()
        write_atomic(folder / "gap_f1.png", figures.gap_against_f1(scored, labels, title))
        # Of what is beyond the paper the avatars are others than those of `data`.
        shown = [id for id in self.cells.methods if id not in self.cells.of_kind(BEYOND)]
        first = {id: results.records[Cell(id, self.cells.seeds[0])] for id in shown}
        write_atomic(folder / "embedding.png", figures.embeddings(first, data, labels, title))

    # ----------------------------------------------------------------- the plan

    def plan_stages(self) -> list[Stage]:
        """Corpora, avatars, crops, a start per seed, then every method and ablation with every seed."""
        cells, runs, seeds = self.cells, self.options.runs, self.cells.seeds
        frames = {name: corpus.frames_by_partition() for name, corpus in cells.corpora.items()}
        source = frames[cells.source.name]
        driving = sum(source[partition] for partition in cells.training_partitions)
        start = cells.start_config(seeds[0])
        data = start["data"]["init_args"]
        parts = {name: data[name]["init_args"] for name in ("source", "target", "avatars")}
        held_out = parts["source"]["holdout_fraction"] * driving
        target = frames[cells.target.name]
        tested = target["test"] or target.total() / 3
        # Validated on are the held-out people of the source and as many frames of the target.
        validated = held_out + parts["target"].get("holdout_fraction", 0.0) * (target.total() - tested)
        both = source.total() - driving + tested
        rows = Rows(driving - held_out, validated, both)
        every = cells.trainings()
        methods = {
            cell.id: Trainings(cell.id, cells.run_config(cell.seed, *overrides), rows, runs, seeds)
            for cell, overrides in every.items()
            if cell.seed == seeds[0]
        }
        # The chosen ones are those of the table.
        weighed = cells.weighed()
        candidates = [replace(methods.pop(id), copies=len(cells.shares)) for id in weighed]
        starts = Trainings("start", start, Rows(driving - held_out, validated, tested), runs, seeds)
        lines = [
            f"avatars    {cells.pairs} (about {2 * driving:,} renders of {cells.size['pair_size']} px)",
            f"weights    {len(weighed) * len(cells.shares) * len(seeds)} trainings, of which"
            f" {len(weighed) * len(seeds)} are among those below (shares"
            f" {', '.join(f'{share:g}' for share in cells.shares)}; {', '.join(weighed)})",
            f"trainings  {len(seeds)} starts, then {len(every)}, {self.options.jobs} side by side:",
            *(f"  {cell.name}" for cell in every),
            *cells.weights_lines(),
            *not_run_sentences(self.options.profile, cells.not_run_labels(), "; "),
        ]
        is_there = (cells.pairs / "frames.parquet").is_file()
        crops = [
            Crops(cells.source.name, source.total(), parts["source"]),
            Crops(cells.target.name, target.total(), parts["target"]),
            Crops("avatar_pairs", 2 * driving, parts["avatars"]),
        ]
        renders = [Renders(2 * driving, cells.size["pair_size"], is_there, avatars=True)]
        if (dataset := cells.dataset_config) is not None:
            is_there, number = (cells.dataset / "frames.parquet").is_file(), 2 * dataset.expressions
            renders.append(Renders(number, dataset.size, is_there, avatars=True))
            crops.append(Crops("avatar_pairs", number, parts["avatars"]))
            lines.insert(1, f"data set   {cells.dataset} ({number:,} renders, which no corpus drives)")
        return [
            self.corpora_stage("corpora", dict.fromkeys(cells.corpora, parts["source"]["size"])),
            Stage("avatars", renders, lines),
            Stage("registration", crops),
            Stage("starts", [starts]),
            Stage("weights", candidates),
            Stage("methods", list(methods.values())),
            Stage("scores", [Fixed(10.0)]),
        ]


class Results:
    """Scores of finished runs, each computed once.

    Args:
        cells: What was run.
        records: Record of each cell.
    """

    def __init__(self, cells: PM2Cells, records: dict[Cell, Record]) -> None:
        self.cells = cells
        self.records = records
        self._scores: dict[tuple[str, bool], SeedScores] = {}

    def scores(self, id: str, held_out: bool = False) -> SeedScores:
        """Scores of a method over its seeds, on the target or on held-out people of the source."""
        from aukit.reproduce.cross_corpus import predictions_on

        if (id, held_out) not in self._scores:
            runs = [self.records[Cell(id, seed)] for seed in self.cells.seeds]
            paths = [
                predictions_on(run, HELD_OUT) if held_out else Path(str(run.predictions)) for run in runs
            ]
            self._scores[id, held_out] = SeedScores.read(paths, self.cells.aus)
        return self._scores[id, held_out]

    def difference(self, id: str, other: str) -> dict[str, Interval]:
        """Every statistic of a method minus another's, on the target."""
        return self.scores(id).minus(self.scores(other))


def predict_on_held_out(record: Record, runs: Path) -> Path:
    """Score the held-out people of the source with the checkpoint that the run tested."""
    from aukit.reproduce.cross_corpus import predict_on

    data = record.config["data"]
    data = {**data, "init_args": {**data["init_args"], "test_on": "source"}}
    return predict_on(record, data, HELD_OUT, runs)


def _start(seed: int) -> str:
    return Cell("start", seed).name

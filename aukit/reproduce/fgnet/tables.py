"""FG-Net's tables: within and across BP4D and DISFA, few training frames, heads; F1 of occurrence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aukit.datasets.folds import fold_splits
from aukit.reproduce.base import Reproduction
from aukit.reproduce.captions import not_run_sentences
from aukit.reproduce.costs import Crops, Fixed, Rows, Trainings
from aukit.reproduce.data_origin import count_people
from aukit.reproduce.fgnet.caption import Facts, SectionFacts, Training, caption, section_caption
from aukit.reproduce.fgnet.cells import PYRAMID, Cell, FGNetCells, Section
from aukit.reproduce.plan import Stage
from aukit.reproduce.published import Published
from aukit.reproduce.render.report import Report
from aukit.reproduce.render.table import ALL_POSITIVE, Column, Table
from aukit.reproduce.scores import F1Scores, Span, f1_difference, f1_scores
from aukit.reproduce.timing import Stages

if TYPE_CHECKING:  # Lightning takes seconds to import; a finished table is printed without it
    from aukit.datamodules import CorpusDataModule
    from aukit.training import Record

Data = dict[str, "CorpusDataModule"]
"""Corpus → its datamodule, of the first fold and set up."""


class FGNetTables(Reproduction[FGNetCells]):
    """Trainings of every method on every corpus and fold; each is scored on both corpora.

    Args:
        options: Data origin and size.
        choice: There is none.

    Raises:
        ConfigError: A variable that names weights names no file.
    """

    cells_type = FGNetCells

    def make(self, stages: Stages) -> Report:
        """Corpora, registration, trainings with their scores on the other corpus, tables."""
        with stages.stage("corpora"):
            self.make_corpora()
        with stages.stage("registration"):
            first = self.cells.folds[0]
            data = {
                name: corpus.prepare(self.cells.data_config(name, first)["init_args"])
                for name, corpus in self.cells.corpora.items()
            }
        with stages.stage("trainings"):
            records = self.train_cells(data)
        with stages.stage("scores"):
            return self.tabulate(data, records)

    def train_cells(self, data: Data) -> dict[Cell, Record]:
        """Every training of every section; those of whole folds also score the other corpus' test people."""
        from aukit.reproduce.cross_corpus import people_of, predict_on_corpora

        cells, crossings = self.cells.trainings(), self.cells.crossings()
        configs, after = {}, {}
        # FG-Net first: the short trainings then fill the end.
        for cell in sorted(cells, key=lambda cell: self.cells.methods[cell.method]["kind"] != "ours"):
            configs[cell.name] = self.cells.run_config(cell)
            others = {
                people_of(corpus, data[corpus].store): self.cells.data_config(corpus, cell.fold)
                for corpus in crossings.get(cell, ())
            }
            after[cell.name] = partial(predict_on_corpora, others=others, runs=self.options.runs)
        records = self.train("trainings", configs, after)
        return {cell: records[cell.name] for cell in cells}

    # ----------------------------------------------------------------- the tables

    def tabulate(self, data: Data, records: dict[Cell, Record]) -> Report:
        """Every section, with everything that must stand beside it."""
        return Report(
            title=self.title(),
            tables={id: self.table(each, data, records) for id, each in self.cells.sections().items()},
            caption=caption(self.facts(data, records)),
            provenance=self.provenance(
                {cell.name: record for cell, record in records.items()},
                folds=self.cells.folds,
                standin={corpus: module.store.standin for corpus, module in data.items()},
                stores={corpus: module.store.fingerprint for corpus, module in data.items()},
            ),
        )

    def table(self, section: Section, data: Data, records: dict[Cell, Record]) -> Table:
        """One section: the all-positive baseline, then the methods or heads."""
        scored: dict[str, F1Scores] = {}
        columns: list[Column] = []
        missing: list[Column] = []
        rows = [f"AU{au}" for au in section.aus]
        for id, cells in section.cells.items():
            heading = section.headings[id]
            if not cells:
                missing.append(Column.missing(heading, self.cells.reason_not_run(id), rows))
                continue
            runs = [records[cell] for cell in cells]
            scores = scored[id] = f1_scores(_predictions(section, runs, data), section.aus)
            columns.append(scores.method.column(heading, scores.margin, _extra(runs)))
        some, by_id = next(iter(scored.values())), {column.id: column for column in columns}
        differences = self.differences(section, scored)
        for (a, b), span in differences.items():
            by_id[a].extra.setdefault("minus", {})[b] = span
        return Table(
            title=section.title,
            rows=rows,
            columns=[some.all_positive.column(ALL_POSITIVE), *columns, *missing],
            agreement=self.inter_rater_agreement(section.tested_on, section.aus),
            caption=section_caption(self.section_facts(section, scored, differences)),
            score="F1",
            support=some.support_text,
        )

    def inter_rater_agreement(self, corpus: str, aus: Sequence[int]) -> dict[str, float] | None:
        """F1 of one simulated annotator judged by another, mean over folds; None on a licensed release."""
        tested = [fold_splits(fold)[1] for fold in self.cells.folds]
        found = [self.cells.corpora[corpus].inter_rater_agreement(partition) for partition in tested]
        by_fold = [each["f1"] for each in found if each is not None]
        if not by_fold:
            return None
        means = {f"AU{au}": _mean([f1[f"AU{au:02d}"] for f1 in by_fold]) for au in aus}
        return {**means, "mean": _mean(list(means.values()))}

    def facts(self, data: Data, records: dict[Cell, Record]) -> Facts:
        """What the caption of all tables states."""
        methods, titles = self.cells.methods, {name: c.title for name, c in self.cells.corpora.items()}
        return Facts(
            data=self.data_facts(module.store.standin for module in data.values()),
            folds=self.cells.folds,
            trainings=[
                Training(methods[cell.method]["experiment"], cell.subset, record.config)
                for cell, record in records.items()
            ],
            landmarks=sorted({str(module.store.manifest["landmarks"]) for module in data.values()}),
            selections={str(record.notes["selection"]) for record in records.values()},
            people={
                titles[corpus]: [
                    count_people(module.store, rows)
                    for rows in (module.train_rows, module.val_rows, module.test_rows)
                ]
                for corpus, module in data.items()
            },
            remarks=[
                f"{method['short']}: {method['remark']}"
                for id, method in methods.items()
                if "remark" in method and self.cells.is_run(id)
            ],
            not_run=self.cells.not_run(),
        )

    def differences(self, section: Section, scored: dict[str, F1Scores]) -> dict[tuple[str, str], Span]:
        """Mean F1 of one column minus that of another, of the pairs that the YAML file lists."""
        pairs = [tuple(pair) for pair in self.cells.spec["differences"]]
        if section.compares_heads:
            pairs = [(head, PYRAMID) for head in scored if head != PYRAMID]
        return {(a, b): f1_difference(scored[a], scored[b]) for a, b in pairs if a in scored and b in scored}

    def section_facts(
        self,
        section: Section,
        scored: dict[str, F1Scores],
        differences: Mapping[tuple[str, str], Span],
    ) -> SectionFacts:
        """What the caption of one table states."""
        corpus, headings = section.tested_on, section.headings
        return SectionFacts(
            scores=next(iter(scored.values())).method,
            folds=self.cells.folds,
            differences=[
                (headings[a].short, headings[b].short, span) for (a, b), span in differences.items()
            ],
            licensed=self.cells.corpora[corpus].title,
            published=self.cells.spec["published"][corpus] if section.is_usual_protocol else {},
            all_positive=self.cells.spec["listed_all_positive"][corpus] if section.is_usual_protocol else (),
        )

    # ----------------------------------------------------------------- beside published numbers

    @classmethod
    def published(cls, spec: Mapping[str, Any]) -> list[Published]:
        """Mean F1 of other systems, as printed by others, beside the tables within a corpus."""
        why = "another system, on frames of its own choice; none of FG-Net's own scores is at hand"
        return [
            Published(section["id"], "mean", name, value, None, why)
            for section in spec["sections"]
            if section["trained_on"] == section["tested_on"] and not section.keys() & {"subset", "compares"}
            for name, value in spec["published"][section["tested_on"]].items()
        ]

    # ----------------------------------------------------------------- the plan

    def plan_stages(self) -> list[Stage]:
        """Corpora, crops, trainings of each method, corpus, number of frames and head."""
        cells = self.cells
        data = {name: cells.data_config(name, cells.folds[0])["init_args"] for name in cells.corpora}
        frames = {name: corpus.frames_by_partition() for name, corpus in cells.corpora.items()}
        kinds = dict.fromkeys(replace(cell, fold=cells.folds[0]) for cell in cells.trainings())
        crossings = cells.crossings()
        trainings = [self.plan_trainings(first, len(crossings.get(first, ())), frames) for first in kinds]
        lines = [
            f"trainings  {len(cells.trainings())}, {self.options.jobs} side by side:",
            *(f"  {each.name} ({each.count})" for each in trainings),
            *not_run_sentences(self.options.profile, cells.not_run()),
            *cells.weights_lines(),
        ]
        crops = [Crops(name, frames[name].total(), each) for name, each in data.items()]
        return [
            self.corpora_stage("corpora", {name: each["size"] for name, each in data.items()}),
            Stage("registration", crops),
            Stage("trainings", trainings, lines),
            Stage("scores", [Fixed(5.0)]),
        ]

    def plan_trainings(
        self, first: Cell, crossings: int, frames: Mapping[str, Mapping[str, int]]
    ) -> Trainings:
        """The trainings of a cell over all folds, of which it is the first."""
        cells, config = self.cells, self.cells.run_config(first)
        sources, tested = fold_splits(first.fold)
        rows = sum(frames[first.corpus][part] for part in sources)
        held_out = config["data"]["init_args"]["holdout_fraction"] * rows
        others = sum(frames[name][tested] for name in frames if name != first.corpus)
        test = frames[first.corpus][tested] + (others if crossings else 0)
        train = first.subset or rows - held_out
        return Trainings(
            first.name,
            config,
            Rows(train, held_out, test),
            self.options.runs,
            [self.options.seed],
            cells.folds,
        )


def _predictions(section: Section, runs: Sequence[Record], data: Data) -> list[Path]:
    """Files of predictions of the section's test people, one of each run."""
    from aukit.reproduce.cross_corpus import people_of, predictions_on

    if section.trained_on == section.tested_on:
        return [Path(str(run.predictions)) for run in runs]
    return [predictions_on(run, people_of(section.tested_on, data[section.tested_on].store)) for run in runs]


def _extra(runs: Sequence[Record]) -> dict[str, Any]:
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

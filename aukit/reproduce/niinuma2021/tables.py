"""Tables of Niinuma et al. (WACV 2021): corpus → registration → GANs → balanced sets → estimators → ICC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aukit.datasets.registry import corpus_entry
from aukit.reproduce.base import Reproduction
from aukit.reproduce.costs import Crops, Fixed, Images, Rows, Trainings
from aukit.reproduce.data_origin import count_people
from aukit.reproduce.niinuma2021.caption import Facts, Scored, caption, left_out
from aukit.reproduce.niinuma2021.cells import (
    FRONTAL_VIEW,
    VIEWS,
    ColumnOf,
    Estimator,
    NiinumaCells,
    TrainingSet,
)
from aukit.reproduce.niinuma2021.curves import draw_views, draw_weights
from aukit.reproduce.niinuma2021.distances import FID, distance_columns, distance_table
from aukit.reproduce.niinuma2021.figures import write_figures
from aukit.reproduce.niinuma2021.sets import make_sets
from aukit.reproduce.niinuma2021.views import of_view, view_column
from aukit.reproduce.plan import Stage
from aukit.reproduce.published import Published
from aukit.reproduce.render.report import Report
from aukit.reproduce.render.table import Column, Heading, Table
from aukit.reproduce.timing import Stages

if TYPE_CHECKING:  # Lightning takes seconds to import; a finished table is printed without it
    from aukit.datamodules import CorpusDataModule
    from aukit.store.balanced_set import BalancedSet
    from aukit.training import Record, RunConfig


class Made(NamedTuple):
    """What a table is made of.

    Attributes:
        corpora: Registration → the first corpus.
        others: Name → another corpus, which gives faces or is tested.
        views: Registration → the scored people in several views.
        generators: Id → run.
        sets: Id → balanced set.
        estimators: Id → run.
    """

    corpora: dict[str, CorpusDataModule]
    others: dict[str, CorpusDataModule]
    views: dict[str, CorpusDataModule]
    generators: dict[str, Record]
    sets: dict[str, BalancedSet]
    estimators: dict[str, Record]

    def record(self, column: ColumnOf) -> Record:
        """The run whose predictions a column shows."""
        if column.estimator is not None:
            return self.estimators[column.estimator]
        return self.generators[str(column.generator)]

    def predictions(self, column: ColumnOf, seen: tuple[str, int] | None = None) -> Path:
        """The file that a column is scored from, perhaps that of a registration and view."""
        from aukit.reproduce.cross_corpus import people_of, predictions_on

        record = self.record(column)
        if seen is not None:
            registration, view = seen
            return of_view(predictions_on(record, people_of(VIEWS, self.views[registration].store)), view)
        if column.tested_on is None:
            return Path(str(record.predictions))
        return predictions_on(record, people_of(column.tested_on, self.others[column.tested_on].store))


class NiinumaTable(Reproduction[NiinumaCells]):
    """Intensity of action units, learned from synthetic faces; ICC beside the published columns.

    Args:
        options: Data origin and size.
        choice: Which table; None for the first one of the YAML file.

    Raises:
        ConfigError: There is no such table, or `AUKIT_VGG16_WEIGHTS` or `AUKIT_INCEPTION_WEIGHTS` names no
            such file.
    """

    cells_type = NiinumaCells

    def make(self, stages: Stages) -> Table | Report:
        """Corpus, registration, GANs, balanced sets, estimators, scores."""
        cells = self.cells
        with stages.stage("corpus"):
            self.make_corpora()
        with stages.stage("registration"):
            corpora = {each: self.prepare(each) for each in cells.registrations}
            others = {name: each.prepare(cells.other_arguments(name)) for name, each in cells.others.items()}
            views = {
                each: cells.corpora[VIEWS].prepare(cells.view_arguments(each))
                for each in (cells.registrations if cells.views else ())
            }
        with stages.stage("GAN"):
            generators = self.train_generators()
        with stages.stage("synthesis"):
            sets = make_sets(cells, corpora, others, generators)
        with stages.stage("estimators"):
            estimators = self.train_estimators(sets, others, views) if cells.estimators else {}
        with stages.stage("scores"):
            standins = [corpus.store.standin for corpus in (*[*corpora.values()][:1], *others.values())]
            write_figures(self.cells, corpora, generators, self.data_facts(standins))
            return self.tabulate(Made(corpora, others, views, generators, sets, estimators))

    def prepare(self, registration: str) -> CorpusDataModule:
        """Register every frame; split by person."""
        return self.cells.corpus.prepare(self.cells.corpus_arguments(registration))

    def train_generators(self) -> dict[str, Record]:
        """Train the generators with their discriminators, equal ones once."""
        configs = {id: self.cells.generator_config(each) for id, each in self.cells.generators.items()}
        return self.train("GAN", configs)

    def train_estimators(
        self,
        sets: Mapping[str, BalancedSet],
        others: Mapping[str, CorpusDataModule],
        views: Mapping[str, CorpusDataModule],
    ) -> dict[str, Record]:
        """One training per estimator; each trains all action units, and scores who else is tested too."""
        from aukit.reproduce.cross_corpus import people_of

        cells = self.cells
        tested: dict[str, dict[str, dict[str, Any]]] = {}
        for column in cells.columns:
            if column.estimator is None:
                continue
            mine = tested.setdefault(column.estimator, {})
            if column.tested_on is not None:
                people = people_of(column.tested_on, others[column.tested_on].store)
                mine[people] = cells.other_datamodule(column.tested_on)
            registration = cells.registration_of(column)
            if cells.views:
                mine[people_of(VIEWS, views[registration].store)] = cells.view_datamodule(registration)
        configs = {
            id: self.cells.estimator_config(each, sets[each.set].path)
            for id, each in self.cells.estimators.items()
        }
        after = {
            id: partial(score_elsewhere, tests=tests, runs=self.options.runs)
            for id, tests in tested.items()
            if tests
        }
        return self.train("estimators", configs, after)

    # ----------------------------------------------------------------- the table

    def tabulate(self, made: Made) -> Table | Report:
        """Published columns and ours, with everything that must stand beside them."""
        if "reference" in self.cells.spec:
            return self.distances(made)
        if self.cells.views:
            return self.over_views(made)
        published = [
            Column(
                *Heading.of(column, "published"),
                values={f"AU{au}": value for au, value in column["values"].items()},
                mean=column["mean"],
            )
            for column in self.cells.spec["published"]
        ]
        ours = [self.column(each, made.record(each), made.predictions(each)) for each in self.cells.columns]
        table = Table(
            title=self.title(),
            rows=[f"AU{au}" for au in self.cells.rows],
            columns=[*published, *ours],
            agreement=self.inter_rater_agreement(),
            caption=caption(self.facts(made, ours)),
            provenance=self.provenance_of(made),
        )
        if "curves" in self.cells.spec:
            draw_weights(self.cells, made.generators, table)
        return table

    def over_views(self, made: Made) -> Report:
        """A table per column of the file, with a column for each view."""
        cells = self.cells
        tables, frontal = {}, []
        for column in cells.columns:
            registration, record = cells.registration_of(column), made.record(column)
            views = {
                view: self.column(
                    view_column(column, view, self.options),
                    record,
                    made.predictions(column, (registration, view)),
                )
                for view in cells.views
            }
            frontal.append(views[FRONTAL_VIEW])
            rows = [f"AU{au}" for au in cells.rows]
            tables[column.heading.id] = Table(column.heading.label, rows, [*views.values()], None, [])
        report = Report(self.title(), tables, caption(self.facts(made, frontal)), self.provenance_of(made))
        draw_views(cells, report)
        return report

    def provenance_of(self, made: Made) -> dict[str, Any]:
        """What the numbers come from."""
        stores = {each: corpus.store.fingerprint for each, corpus in (made.corpora | made.others).items()}
        stores |= {f"{each}, views": data.store.fingerprint for each, data in made.views.items()}
        return self.provenance(
            {**{f"GAN {id}": run for id, run in made.generators.items()}, **made.estimators},
            standin=next(iter(made.corpora.values())).store.standin,
            scored_partition=self.cells.scored_partition,
            stores=stores,
            sets={id: each.fingerprint for id, each in made.sets.items()},
        )

    def distances(self, made: Made) -> Table:
        """How far synthetic sets are from real frames."""
        some = next(iter(made.corpora.values())).store
        return distance_table(
            self.title(),
            distance_columns(self.cells, made.sets),
            self.data_facts([some.standin]),
            self.described(made),
            self.provenance(
                {f"GAN {id}": run for id, run in made.generators.items()},
                standin=some.standin,
                scored_partition=self.cells.scored_partition,
                sets={id: each.fingerprint for id, each in made.sets.items()},
            ),
        )

    def described(self, made: Made) -> dict[str, Mapping[str, Any]]:
        """How a generator differs from the first of the file → configuration of its run."""
        return {self.cells.generators[id].label: run.config for id, run in made.generators.items()}

    def column(self, column: ColumnOf, record: Record, predictions: Path) -> Column:
        """Score one run; without a fit there is a note instead, but controls are not meant to fit."""
        from aukit.reproduce.scores import icc_scores

        scores = icc_scores(predictions, self.cells.rows)
        extra = {"seconds": record.seconds, "run": record.folder.name}
        if column.estimator is None:
            return scores.column(column.heading, extra=extra)
        entropy = record.metrics["final_cross_entropy"]
        extra |= {
            "final_cross_entropy": entropy,
            "mean_of_likeliest_level": icc_scores(predictions, self.cells.rows, "level").mean,
            "validation_icc": record.notes.get("best_score"),
        }
        found = scores.column(column.heading, extra=extra)
        if record.metrics["fitted"] or column.heading.kind == "control":
            return found
        note = f"not fitted: training cross-entropy {entropy:.2f}, chance 1.79; no score"
        nothing: dict[str, float | None] = dict.fromkeys(scores.values)
        return replace(found, values=nothing, mean=None, interval=None, au_intervals={}, note=note)

    def inter_rater_agreement(self) -> dict[str, float] | None:
        """ICC of two simulated annotators of the scored frames; None on a licensed release or elsewhere."""
        if any(column.tested_on is not None for column in self.cells.columns):
            return None
        found = self.cells.corpus.inter_rater_agreement(self.cells.scored_partition)
        if found is None:
            return None
        return {**{f"AU{au}": found["icc"][f"AU{au:02d}"] for au in self.cells.aus}, "mean": found["mean"]}

    def facts(self, made: Made, ours: list[Column]) -> Facts:
        """What the caption states."""
        cells, corpus = self.cells, next(iter(made.corpora.values()))
        au0 = [made.estimators[id] for id, each in cells.estimators.items() if each.normalization == "au0"]
        notes = au0[0].notes["data"] if au0 else None
        stores = [each.store.manifest for each in (*made.corpora.values(), *made.others.values())]
        standins = [each.store.standin for each in (corpus, *made.others.values())]
        return Facts(
            data=self.data_facts(standins),
            scored_partition=cells.scored_partition,
            scored=self.scored(ours),
            training_people=count_people(corpus.store, corpus.train_rows),
            selection_people=count_people(corpus.store, corpus.val_rows),
            selections={
                each.heading.short: str(made.record(each).notes["selection"]) for each in cells.columns
            },
            generators=self.described(made),
            estimator=next(iter(made.estimators.values())).config,
            registrations=[(each["registration"], str(each["landmarks"])) for each in stores],
            per_level=cells.size["per_level"],
            images={id: len(each.plan) for id, each in made.sets.items()},
            every_image={
                id: cells.images_per_level(each) * 6 * len(cells.aus) for id, each in cells.sets.items()
            },
            faces={
                corpus_entry(str(each.sources)).title: int(made.sets[id].plan["input_frame"].nunique())
                for id, each in cells.sets.items()
                if each.sources is not None
            },
            per_view=cells.size["per_view"] if any(each.poses for each in cells.sets.values()) else None,
            views=len(cells.views),
            is_published=bool(cells.spec["published"]),
            references=notes and (notes["references"], notes["references_not_neutral"]),
            cross_entropies={
                column.short: column.extra["final_cross_entropy"]
                for column in ours
                if "final_cross_entropy" in column.extra
            },
            left_out=[column.heading.label for column in cells.left_out],
            absent=cells.absent,
        )

    def scored(self, ours: Sequence[Column]) -> list[Scored]:
        """Whom the columns are scored on, each once."""
        found: dict[str | None, Scored] = {}
        for column, made in zip(self.cells.columns, ours, strict=True):
            coded = sorted(n for n in made.support.values() if n)
            title = None if column.tested_on is None else corpus_entry(column.tested_on).title
            found[column.tested_on] = Scored(title, made.extra["people"], made.extra["frames"], coded)
        return list(found.values())

    # ----------------------------------------------------------------- beside published numbers

    @classmethod
    def published(cls, spec: Mapping[str, Any]) -> list[Published]:
        """The printed columns, with our column that repeats each."""
        ours = {column["repeats"]: column["id"] for column in spec["columns"] if "repeats" in column}
        found = []
        for column in spec["published"]:
            if "value" in column:
                why = "its reference and number of images are not stated"
                found.append(Published("", FID, column["label"], column["value"], None, why))
                continue
            rows = {**{f"AU{au}": value for au, value in column["values"].items()}, "mean": column["mean"]}
            mine = ours.get(column["id"])
            why = "" if mine else "another system or corpus, which is not built here"
            printed = {row: value for row, value in rows.items() if value is not None}
            found += [Published("", row, column["label"], v, mine, why) for row, v in printed.items()]
        return found

    @classmethod
    def hindrances(cls, provenance: Mapping[str, Any]) -> list[str]:
        """Of any table, and the scored people."""
        found = super().hindrances(provenance)
        if provenance["scored_partition"] != "test":
            found.append(f"ours are of {provenance['scored_partition'].title()}, the published of Test")
        return found

    # ----------------------------------------------------------------- the plan

    def plan_stages(self) -> list[Stage]:
        """Corpus, crops, the generators, balanced sets, the estimators."""
        from aukit.training.cost import pass_work

        cells, corpus = self.cells, self.cells.corpus
        frames = corpus.frames_by_partition()
        data = {each: cells.corpus_arguments(each) for each in cells.registrations}
        side = next(iter(data.values()))["size"]
        others = {name: each.frames_by_partition().total() for name, each in cells.others.items()}

        def count(each: TrainingSet) -> int:
            return len(cells.aus) * 6 * cells.images_per_level(each)

        scored = frames[cells.scored_partition]
        gans = distinct({id: cells.generator_config(each) for id, each in cells.generators.items()})
        pairs = next(iter(gans.values()))["data"]["init_args"]["val_pairs"]
        configs = distinct(
            {
                id: cells.estimator_config(each, cells.set_folder(cells.sets[each.set]))
                for id, each in cells.estimators.items()
            }
        )
        most = [each["data"]["init_args"]["val_frames"] for each in configs.values()][:1]
        validated = min([frames["valid"], *(each for each in most if each)])
        seeds, runs = [self.options.seed], self.options.runs

        def training(estimator: Estimator) -> Trainings:
            elsewhere = sum(
                others[c.tested_on]
                for c in cells.columns
                if c.estimator == estimator.id and c.tested_on is not None
            )
            elsewhere += len(cells.views) * scored
            rows = Rows(count(cells.sets[estimator.set]), validated, scored + elsewhere)
            return Trainings(estimator.id, configs[estimator.id], rows, runs, seeds)

        made: dict[Path, TrainingSet] = {}
        for each in cells.sets.values():
            if each.kind in ("synthetic", "rotated"):  # others leave their images where they are
                made.setdefault(cells.set_folder(each), each)
        some = next(iter(gans.values()))
        image = partial(pass_work, some, lambda module, x: module(x, x.new_empty(len(x), len(cells.aus))))
        lines = [
            f"GAN        {len(gans)} trainings: {', '.join(gans)}",
            *(
                f"synthesis  {count(each):,} images ({cells.images_per_level(each):,} per level and action"
                f" unit) for {each.id}"
                for each in made.values()
            ),
            f"estimators {len(configs)} trainings, {self.options.jobs} side by side: {', '.join(configs)}",
            *cells.weights_lines(),
            *([left_out([c.heading.label for c in cells.left_out], cells.absent)] if cells.left_out else []),
        ]
        trained = Rows(frames["train"], pairs, scored)
        return [
            self.corpora_stage("corpus", dict.fromkeys((each.name for each in cells.corpora.values()), side)),
            Stage(
                "registration",
                [
                    *(Crops(corpus.name, frames.total(), each) for each in data.values()),
                    *(Crops(name, n, cells.other_arguments(name)) for name, n in others.items()),
                    *(
                        Crops(VIEWS, len(cells.views) * scored, cells.view_arguments(each))
                        for each in (data if cells.views else ())
                    ),
                ],
            ),
            Stage("GAN", [Trainings(id, gan, trained, runs, seeds) for id, gan in gans.items()], lines),
            Stage(
                "synthesis",
                [
                    Images(count(each), side, image if each.generator else None, folder)
                    for folder, each in made.items()
                ],
            ),
            Stage("estimators", [training(cells.estimators[id]) for id in configs]),
            Stage("scores", [Fixed(2.0)]),
        ]


def distinct(configs: Mapping[str, RunConfig]) -> dict[str, RunConfig]:
    """Configurations without those that are equal to one before them: what several ids train is one run."""
    found: dict[str, RunConfig] = {}
    for id, config in configs.items():
        if config not in found.values():
            found[id] = config
    return found


def score_elsewhere(record: Record, tests: Mapping[str, dict[str, Any]], runs: Path) -> None:
    """Score everybody of other corpora with a trained estimator; nothing is done twice.

    Args:
        record: Its run.
        tests: Who is tested, as `people_of` names them → datamodule, as in a resolved configuration.
        runs: Folder of all run folders.
    """
    from aukit.reproduce.cross_corpus import predict_on

    data = record.config["data"]
    for people, test in tests.items():
        arguments = {**data["init_args"], "test": test, "test_people": "all"}
        predict_on(record, {**data, "init_args": arguments}, people, runs)

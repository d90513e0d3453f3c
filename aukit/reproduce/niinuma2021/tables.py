"""Table 3 of Niinuma et al. (WACV 2021): corpus → registration → GAN → balanced sets → estimators → ICC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aukit.errors import ConfigError
from aukit.reproduce.base import Reproduction
from aukit.reproduce.costs import Crops, Fixed, Images, Rows, Trainings
from aukit.reproduce.data_origin import count_people
from aukit.reproduce.niinuma2021.caption import Facts, caption
from aukit.reproduce.niinuma2021.cells import Cell, Table3Cells
from aukit.reproduce.plan import Stage
from aukit.reproduce.published import Published
from aukit.reproduce.render.table import Column, Heading, Table
from aukit.reproduce.timing import Stages

if TYPE_CHECKING:  # Lightning takes seconds to import; a finished table is printed without it
    from aukit.datamodules import CorpusDataModule
    from aukit.store.balanced_set import BalancedSet
    from aukit.training import Record


class Made(NamedTuple):
    """What the table is made of: the corpus, the generator's run, balanced sets and estimators by name."""

    corpus: CorpusDataModule
    gan: Record
    sets: dict[str, BalancedSet]
    records: dict[str, Record]


class Table3(Reproduction[Table3Cells]):
    """Intensity of action units, learned from synthetic faces; ICC beside the published columns.

    Args:
        options: Data origin and size.
        target: There is no choice of targets.

    Raises:
        ConfigError: `AUKIT_VGG16_WEIGHTS` names no file.
    """

    cells_type = Table3Cells

    def make(self, stages: Stages) -> Table:
        """Corpus, registration, GAN, balanced sets, estimators, scores."""
        with stages.stage("corpus"):
            self.make_corpora()
        with stages.stage("registration"):
            corpus = self.prepare()
        with stages.stage("GAN"):
            gan = self.train_generator()
        with stages.stage("synthesis"):
            sets = self.make_sets(corpus, gan)
        with stages.stage("estimators"):
            records = self.train_estimators(sets)
        with stages.stage("scores"):
            return self.tabulate(Made(corpus, gan, sets, records))

    def prepare(self) -> CorpusDataModule:
        """Register every frame to a frontal view; split by person."""
        return self.cells.corpus.prepare(self.cells.corpus_arguments())

    def train_generator(self, *overrides: str) -> Record:
        """Train generator and discriminator."""
        return self.train("GAN", {"GAN": self.cells.config("synthesis", *overrides)})["GAN"]

    def make_sets(self, corpus: CorpusDataModule, gan: Record) -> dict[str, BalancedSet]:
        """The balanced training sets: synthetic images, the same plan without synthesis, plain frames."""
        from aukit.models.niinuma2021 import (
            SynthesizerModule,
            real_resampling,
            semantic_resampling,
            synthesize,
        )
        from aukit.reproduce.options import has_gpu
        from aukit.store.balanced_set import BalancedSet

        rows, aus, folder = corpus.train_rows, self.cells.aus, self.cells.sets
        levels = corpus.store.table.intensities(tuple(aus))[rows]
        count, seed = self.cells.size["per_level"], self.options.seed
        plan = semantic_resampling(levels, aus, count, seed, rows)
        module = SynthesizerModule.load_from_checkpoint(
            str(gan.checkpoint), map_location="cpu", weights_only=True
        )
        if list(module.hparams["aus"]) != aus:
            raise ConfigError(
                f"{gan.checkpoint}: generates AUs {list(module.hparams['aus'])}, the table has {aus}; make"
                " model.aus of the synthesis and aus of the table equal"
            )
        device, batch = ("cuda", 128) if has_gpu() else ("cpu", 16)
        synthetic = synthesize(module.generator, corpus.store, plan, folder / "synthetic", aus, batch, device)
        return {
            "synthetic": synthetic,
            "identity": BalancedSet.write(folder / "identity", plan, corpus.store),
            "real": BalancedSet.write(
                folder / "real", real_resampling(levels, aus, count, seed, rows), corpus.store
            ),
        }

    def train_estimators(self, sets: dict[str, BalancedSet]) -> dict[str, Record]:
        """One training per cell of the table; each trains all action units."""
        configs = {
            cell.name: self.cells.estimator_config(cell, sets[cell.training_set].path)
            for cell in self.cells.estimators
        }
        return self.train("estimators", configs)

    # ----------------------------------------------------------------- the table

    def tabulate(self, made: Made) -> Table:
        """Published columns and ours, with everything that must stand beside them."""
        published = [
            Column(
                *Heading.of(column, "published"),
                values={f"AU{au}": value for au, value in column["values"].items()},
                mean=column["mean"],
            )
            for column in self.cells.spec["published"]
        ]
        ours = [self.column(cell, made.records[cell.name]) for cell in self.cells.estimators]
        return Table(
            title=self.title(),
            rows=[f"AU{au}" for au in self.cells.aus],
            columns=[*published, *ours],
            agreement=self.inter_rater_agreement(),
            caption=caption(self.facts(made, ours)),
            provenance=self.provenance(
                {"GAN": made.gan, **made.records},
                standin=made.corpus.store.standin,
                scored_partition=self.cells.scored_partition,
                store=made.corpus.store.fingerprint,
                sets={name: each.fingerprint for name, each in made.sets.items()},
            ),
        )

    def column(self, cell: Cell, record: Record) -> Column:
        """Score one estimator; without a fit there is a note instead, but controls are not meant to fit."""
        from aukit.reproduce.scores import icc_scores

        assert record.predictions is not None
        scores = icc_scores(Path(record.predictions), self.cells.aus)
        by_level = icc_scores(Path(record.predictions), self.cells.aus, "level")
        entropy = record.metrics["final_cross_entropy"]
        extra = {
            "final_cross_entropy": entropy,
            "mean_of_likeliest_level": by_level.mean,
            "validation_icc": record.notes.get("best_score"),
            "seconds": record.seconds,
            "run": record.folder.name,
        }
        column = scores.column(cell.heading, extra=extra)
        if record.metrics["fitted"] or cell.heading.kind == "control":
            return column
        note = f"not fitted: training cross-entropy {entropy:.2f}, chance 1.79; no score"
        nothing: dict[str, float | None] = dict.fromkeys(scores.values)
        return replace(column, values=nothing, mean=None, interval=None, au_intervals={}, note=note)

    def inter_rater_agreement(self) -> dict[str, float] | None:
        """ICC of two simulated annotators of the scored frames; None on a licensed release."""
        found = self.cells.corpus.inter_rater_agreement(self.cells.scored_partition)
        if found is None:
            return None
        return {**{f"AU{au}": found["icc"][f"AU{au:02d}"] for au in self.cells.aus}, "mean": found["mean"]}

    def facts(self, made: Made, ours: list[Column]) -> Facts:
        """What the caption states."""
        store = made.corpus.store
        by_normalization = {
            cell.normalization: made.records[cell.name] for cell in reversed(self.cells.estimators)
        }
        references = by_normalization["au0"].notes["data"]
        return Facts(
            data=self.data_facts([store.standin]),
            scored_partition=self.cells.scored_partition,
            scored_people=ours[0].extra["people"],
            scored_frames=ours[0].extra["frames"],
            coded_frames=sorted(ours[0].support.values()),
            training_people=count_people(store, made.corpus.train_rows),
            selection_people=count_people(store, made.corpus.val_rows),
            generator=made.gan.config,
            estimator=by_normalization["none"].config,
            registration=store.manifest["registration"],
            landmarks=str(store.manifest["landmarks"]),
            per_level=self.cells.size["per_level"],
            images=len(made.sets["synthetic"].plan),
            every_image=self.cells.size["per_level"] * 6 * len(self.cells.aus),
            references=references["references"],
            references_not_neutral=references["references_not_neutral"],
            cross_entropies={column.short: column.extra["final_cross_entropy"] for column in ours},
        )

    # ----------------------------------------------------------------- beside published numbers

    @classmethod
    def published(cls, spec: Mapping[str, Any]) -> list[Published]:
        """The printed columns, with our cell that repeats each."""
        ours = {cell["repeats"]: cell["id"] for cell in spec["cells"] if "repeats" in cell}
        found = []
        for column in spec["published"]:
            rows = {**{f"AU{au}": value for au, value in column["values"].items()}, "mean": column["mean"]}
            mine = ours.get(column["id"])
            why = "" if mine else "another system, which is not built here"
            found += [Published("", row, column["label"], v, mine, why) for row, v in rows.items()]
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
        """Corpus, crops, the generator, balanced sets, an estimator per cell."""
        from aukit.training.cost import pass_work

        cells, corpus = self.cells, self.cells.corpus
        data, frames = cells.corpus_arguments(), corpus.frames_by_partition()
        count = len(cells.aus) * 6 * cells.size["per_level"]
        scored = frames[cells.scored_partition]
        gan = cells.config("synthesis")
        pairs = gan["data"]["init_args"]["val_pairs"]
        configs = {c.name: cells.estimator_config(c, cells.sets / c.training_set) for c in cells.estimators}
        most = next(iter(configs.values()))["data"]["init_args"]["val_frames"]
        rows = Rows(count, min(frames["valid"], most or frames["valid"]), scored)
        lines = [
            "GAN        1 training",
            f"synthesis  {count:,} images ({cells.size['per_level']:,} per level and action unit)",
            f"estimators {len(cells.estimators)} trainings, {self.options.jobs} side by side:",
            *(f"  {cell.name:<20} {cell.heading.label}" for cell in cells.estimators),
            *cells.weights_lines(),
        ]
        seeds, runs = [self.options.seed], self.options.runs
        image = partial(pass_work, gan, lambda module, x: module(x, x.new_empty(len(x), len(cells.aus))))
        return [
            self.corpora_stage("corpus", {corpus.name: data["size"]}),
            Stage("registration", [Crops(corpus.name, frames.total(), data)]),
            Stage("GAN", [Trainings("GAN", gan, Rows(frames["train"], pairs, scored), runs, seeds)], lines),
            Stage("synthesis", [Images(count, data["size"], image, cells.sets / "synthetic")]),
            Stage("estimators", [Trainings(n, config, rows, runs, seeds) for n, config in configs.items()]),
            Stage("scores", [Fixed(2.0)]),
        ]

"""Table 3 of Niinuma et al. (WACV 2021): corpus → registration → GAN → balanced sets → estimators → ICC."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aukit.datasets import FERA2017
from aukit.errors import ConfigError
from aukit.reproduce import data_origin as sources
from aukit.reproduce.base import Reproduction
from aukit.reproduce.options import Setting
from aukit.reproduce.render.table import Column, Table
from aukit.reproduce.timing import Stages
from aukit.simulation import FERA2017SimulationConfig

if TYPE_CHECKING:  # Lightning takes seconds to import; a finished table is printed without it
    from aukit.datamodules.fera2017 import FERA2017DataModule
    from aukit.store.balanced_set import BalancedSet
    from aukit.training import Record

WEIGHTS_VARIABLE = "AUKIT_VGG16_WEIGHTS"


class Table3(Reproduction):
    """The table as a chain of stages; every stage finds what is done and makes what is missing.

    Args:
        setting: Source and size.

    Raises:
        ConfigError: `AUKIT_VGG16_WEIGHTS` names no file.
    """

    name = "table3"
    corpora = ("fera2017",)
    experiments = ("synthesis/fera2017", "intensity/fera2017")

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.aus: list[int] = self.spec["aus"]
        weights = os.environ.get(WEIGHTS_VARIABLE)
        if weights and not Path(weights).is_file():
            raise ConfigError(
                f"{WEIGHTS_VARIABLE}={weights}: no such file; name a VGG16 state dict or unset it"
            )
        self.vgg16_weights = Path(weights) if weights else None

    # ----------------------------------------------------------------- what it is made of

    @property
    def root(self) -> Path:
        """Root of the licensed release, or of the stand-in."""
        return sources.root("fera2017", self.setting)

    @property
    def recipe(self) -> FERA2017SimulationConfig:
        """The stand-in that this size uses in place of the corpus."""
        made: FERA2017SimulationConfig = sources.recipe("fera2017", self.setting)
        return made

    @cached_property
    def scored_partition(self) -> str:
        """``test``, or ``valid`` where the release lacks the labels of Test."""
        return "test" if not self.setting.roots or FERA2017(self.root).is_labelled("test") else "valid"

    def config(self, experiment: str, *overrides: str) -> dict[str, Any]:
        """A run's configuration: the experiment in this size, on this corpus, with this seed."""
        seed = self.setting.seed
        words = [f"data.corpus.root={self.root}", f"data.corpus.cache={self.setting.logs / 'stores'}"]
        words += [f"data.corpus.seed={seed}", f"seed={seed}"]
        if self.scored_partition == "valid":
            words += ["data.corpus.test_partition=valid", "data.corpus.validation=people"]
        return super().config(f"{experiment}/fera2017", *words, *overrides)

    def estimator_words(self) -> list[str]:
        """Overrides that say where the estimators start from."""
        if self.setting.profile not in ("standin", "paper"):
            return []
        if self.vgg16_weights is not None:
            return ["model.network=vgg16", "model.frozen_convs=2", f"model.weights={self.vgg16_weights}"]
        return ["model.frozen_convs=0"]

    def decisive_words(self) -> str:
        """The weights that the estimators start from."""
        return str(self.vgg16_weights)

    # ----------------------------------------------------------------- the chain

    def make(self, stages: Stages) -> Table:
        """Corpus, registration, GAN, balanced sets, estimators, scores."""
        with stages.stage("corpus"):
            sources.make("fera2017", self.setting)
        with stages.stage("registration"):
            corpus = self.prepare()
        with stages.stage("GAN"):
            gan = self.train_generator()
        with stages.stage("synthesis"):
            sets = self.make_sets(corpus, gan)
        with stages.stage("estimators"):
            records = self.train_estimators(sets)
        with stages.stage("scores"):
            return self.tabulate(corpus, gan, sets, records)

    def prepare(self) -> FERA2017DataModule:
        """Register every frame to a frontal view; split by person."""
        from aukit.datamodules.fera2017 import FERA2017DataModule

        arguments = self.config("synthesis")["data"]["init_args"]["corpus"]["init_args"]
        corpus = FERA2017DataModule(**arguments)
        corpus.prepare_data()
        corpus.setup("fit")
        print(corpus.store.summary(), flush=True)
        return corpus

    def train_generator(self, *overrides: str) -> Record:
        """Train generator and discriminator."""
        from aukit.reproduce.parallel_runs import run_all

        config = self.config("synthesis", *overrides)
        return run_all({"GAN": config}, self.setting.logs / "runs", 1, "GAN")["GAN"]

    def make_sets(self, corpus: FERA2017DataModule, gan: Record) -> dict[str, BalancedSet]:
        """The balanced training sets: synthetic images, the same plan without synthesis, real frames."""
        from aukit.models.niinuma2021.synthesis import (
            SynthesizerModule,
            real_resampling,
            semantic_resampling,
            synthesize,
        )
        from aukit.reproduce.options import has_gpu
        from aukit.store.balanced_set import BalancedSet

        rows = corpus.train_rows
        levels = corpus.store.table.intensities(tuple(self.aus))[rows]
        count, seed = self.size["per_level"], self.setting.seed
        plan = semantic_resampling(levels, self.aus, count, seed, rows)
        folder = self.setting.logs / "sets" / f"table3-{self.setting.name}"
        module = SynthesizerModule.load_from_checkpoint(gan.checkpoint, map_location="cpu", weights_only=True)
        device, batch = ("cuda", 128) if has_gpu() else ("cpu", 16)
        synthetic = synthesize(
            module.generator, corpus.store, plan, folder / "synthetic", self.aus, batch, device
        )
        return {
            "synthetic": synthetic,
            "identity": BalancedSet.write(folder / "identity", plan, corpus.store),
            "real": BalancedSet.write(
                folder / "real", real_resampling(levels, self.aus, count, seed, rows), corpus.store
            ),
        }

    def train_estimators(self, sets: dict[str, BalancedSet]) -> dict[str, Record]:
        """One training per cell of the table; each trains all action units."""
        from aukit.reproduce.parallel_runs import run_all

        configs = {}
        for cell in self.spec["cells"]:
            words = [
                f"data.training_set={sets[cell['training_set']].path}",
                f"data.normalization={cell['normalization']}",
                f"data.shuffle_labels={str(cell.get('shuffle_labels', False)).lower()}",
            ]
            configs[cell["id"]] = self.config("intensity", *self.estimator_words(), *words)
        return run_all(configs, self.setting.logs / "runs", self.setting.jobs, "estimators")

    # ----------------------------------------------------------------- the table

    def tabulate(
        self,
        corpus: FERA2017DataModule,
        gan: Record,
        sets: dict[str, BalancedSet],
        records: dict[str, Record],
    ) -> Table:
        """Published columns and ours, with everything that must stand beside them."""
        from aukit.reproduce.niinuma2021.caption import caption

        rows = [f"AU{au}" for au in self.aus]
        published = [
            Column(
                id=column["id"],
                short=column["short"],
                label=column["label"],
                kind="published",
                values={f"AU{au}": value for au, value in column["values"].items()},
                mean=column["mean"],
            )
            for column in self.spec["published"]
        ]
        ours = [self.column(cell, records[cell["id"]]) for cell in self.spec["cells"]]
        return Table(
            title=self.title(),
            rows=rows,
            columns=[*published, *ours],
            ceiling=self.ceiling(),
            caption=caption(self, corpus, gan, sets, records, ours),
            provenance={
                "source": self.setting.source,
                "size": self.setting.profile,
                "seed": self.setting.seed,
                "standin": corpus.store.standin,
                "scored_partition": self.scored_partition,
                "store": corpus.store.fingerprint,
                "sets": {name: made.fingerprint for name, made in sets.items()},
                "runs": {"GAN": gan.identity, **{name: record.identity for name, record in records.items()}},
                "git_commit": gan.git_commit,
                "versions": gan.versions,
            },
        )

    def column(self, cell: dict[str, Any], record: Record) -> Column:
        """Score one estimator; without a fit there is a note instead, but controls are not meant to fit."""
        from aukit.reproduce.scores import icc_scores

        assert record.predictions is not None
        scores = icc_scores(Path(record.predictions), self.aus)
        by_level = icc_scores(Path(record.predictions), self.aus, "level", n_boot=1)
        entropy = record.metrics["final_cross_entropy"]
        extra = {
            "final_cross_entropy": entropy,
            "mean_of_likeliest_level": by_level.mean,
            "validation_icc": record.notes.get("best_score"),
            "seconds": record.seconds,
            "run": record.folder.name,
        }
        column = scores.column(cell["id"], cell["short"], cell["label"], cell["kind"])
        column.extra.update(extra)
        if record.metrics["fitted"] or cell["kind"] == "control":
            return column
        note = f"not fitted: training cross-entropy {entropy:.2f}, chance 1.79; no score"
        nothing: dict[str, float | None] = dict.fromkeys(scores.values)
        return replace(column, values=nothing, mean=None, interval=None, au_intervals={}, note=note)

    def ceiling(self) -> dict[str, float] | None:
        """Agreement of two simulated coders of the scored frames; None on a licensed release."""
        own = sources.ceiling("fera2017", self.setting, self.scored_partition)
        if own is None:
            return None
        return {**{f"AU{au}": own["icc"][f"AU{au:02d}"] for au in self.aus}, "mean": own["mean"]}

    # ----------------------------------------------------------------- the plan

    def plan(self) -> str:
        """Cells, hours and disk, without running anything."""
        frames, side = (
            self.count_frames(),
            self.config("synthesis")["data"]["init_args"]["corpus"]["init_args"],
        )
        image = side["size"] ** 2 * 3
        images = len(self.aus) * 6 * self.size["per_level"]
        video = 0 if self.setting.roots else frames * self.recipe.size**2 * 0.08
        disk = video + (frames + 2 * images) * image + self.size["run_bytes"]
        lines = [
            self.plan_head(),
            f"  corpus        {self.root} ({frames:,} frontal frames)",
            f"  registration  {frames:,} crops of {side['size']} x {side['size']}",
            "  GAN           1 training",
            f"  synthesis     {images:,} images ({self.size['per_level']:,} per level and action unit)",
            f"  estimators    {len(self.spec['cells'])} trainings, {self.setting.jobs} side by side:",
        ]
        lines += [f"    {cell['id']:<20} {cell['label']}" for cell in self.spec["cells"]]
        return "\n".join([*lines, *self.plan_tail(disk)])

    def count_frames(self) -> int:
        """Frames of the frontal view: read from a licensed release, known for a stand-in."""
        if self.setting.roots:
            return len(FERA2017(self.root).table)
        recipe = self.recipe
        return sum(p * t for p, t in zip(recipe.people, recipe.tasks, strict=True)) * recipe.frames

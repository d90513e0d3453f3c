"""What all tables share: a YAML file of cells, stages that find what is done, a hash of what decides it."""

from __future__ import annotations

import hashlib
import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from omegaconf import OmegaConf

import aukit
from aukit.datasets.registry import corpus_entry
from aukit.errors import ConfigError
from aukit.reproduce.captions import DataFacts, code_sentences, short_commit
from aukit.reproduce.cluster import cluster_lines
from aukit.reproduce.costs import Renders, Trainings
from aukit.reproduce.data_origin import TableCorpus
from aukit.reproduce.options import TableOptions
from aukit.reproduce.plan import Stage, check_disk, plan_lines
from aukit.reproduce.published import Published, hindrances
from aukit.reproduce.render.report import Report
from aukit.reproduce.render.table import Table
from aukit.reproduce.throughput import cluster_of, device_for
from aukit.reproduce.timing import Stages
from aukit.reproduce.wandb_table import log_table
from aukit.training.record import git_commit
from aukit.utils.experiments import experiments_folder, find_experiment
from aukit.utils.outside import read_json

if TYPE_CHECKING:  # Lightning takes seconds to import; a finished table is printed without it
    from aukit.reproduce.cell_jobs import CellJobs
    from aukit.reproduce.parallel_runs import After
    from aukit.training import Record, RunConfig


def table_file(name: str) -> Path:
    """The YAML file of a table."""
    return experiments_folder() / "tables" / f"{name}.yaml"


_CHOICES = {"targets": "--target", "tables": "--table"}
"""Sections of a YAML file of which one entry is merged in, and the option that chooses it."""


def read_spec(name: str, choice: str | None = None) -> dict[str, Any]:
    """Read ``experiments/tables/<name>.yaml``; see `Cells` for what every such file has.

    Args:
        name: Name on the command line, and stem of the file.
        choice: Corpus below ``targets``, or table below ``tables``, whose entries are merged in; None for the
            first one. ``{target}`` in the title is the corpus' title.

    Raises:
        ConfigError: There is no such choice.
    """
    spec = _content(name)
    section = next((section for section in _CHOICES if section in spec), None)
    if section is None:
        if choice is not None:
            raise ConfigError(f"{choice}: {name} has nothing to choose from; leave out --target and --table")
        return spec
    entries: dict[str, dict[str, Any]] = spec.pop(section)
    choice = next(iter(entries)) if choice is None else choice
    if choice not in entries:
        raise ConfigError(f"{_CHOICES[section]} {choice}: unknown; choose {' or '.join(entries)}")
    if section == "targets":
        spec["title"] = spec["title"].format(target=corpus_entry(choice).title)
    return {**spec, **entries[choice], "choice": choice}


def tables_of(name: str) -> list[str]:
    """Tables that a YAML file describes; empty where it describes one alone."""
    return [str(table) for table in _content(name).get("tables") or ()]


def _content(name: str) -> dict[str, Any]:
    """A YAML file, as a copy of the caller's own."""
    return deepcopy(_parsed(table_file(name).read_text(encoding="utf-8")))


@lru_cache(maxsize=8)
def _parsed(text: str) -> dict[str, Any]:
    content = OmegaConf.to_container(OmegaConf.create(text))
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items()}


class Cells:
    """What a table runs: its YAML file at one size, and the configurations of its trainings.

    Every file has ``title``; ``corpora``, what the table is made of; ``experiments``, the files below
    ``experiments/`` that its cells are runs of; and ``profiles``, a section per size. The rest is explained
    in the file and read by the subclass.

    Args:
        options: Data origin and size.
        choice: Target corpus, or table, where the file has several.

    Raises:
        ConfigError: An experiment that it names is not there, or it is not made with the registration.

    Attributes:
        spec: The YAML file.
        size: Its section of this size.
        corpora: Name → corpus.
        folder: Where the table is written.
    """

    name: ClassVar[str]
    """Name on the command line, and stem of the YAML file."""
    other_registrations: ClassVar[tuple[str, ...]] = ()
    """What `TableOptions.registration` can be."""

    def __init__(self, options: TableOptions, choice: str | None = None) -> None:
        if options.registration not in (None, *self.other_registrations):
            raise ConfigError(f"--registration {options.registration}: {self.name} is not made with it")
        self.options = options
        self.spec = read_spec(self.name, choice)
        self.size: dict[str, Any] = self.spec["profiles"][options.profile]
        for experiment in self.spec["experiments"]:
            find_experiment(experiment)
        names = ["base", f"profiles/{options.profile}", *self.spec["experiments"]]
        files = [table_file(self.name), *(experiments_folder() / f"{name}.yaml" for name in names)]
        # As they are now: a table is made over hours, and not of what they are changed to meanwhile.
        self._files = [file.read_bytes() for file in files]
        self.corpora = {name: TableCorpus(name, options) for name in self.spec["corpora"]}
        self.folder = options.logs / "tables" / self.folder_name / options.name

    @property
    def folder_name(self) -> str:
        """Name of the folder of the table's data origins and sizes."""
        return self.name

    @property
    def group(self) -> str:
        """Group of the table's runs in Weights & Biases."""
        return f"{self.folder_name}-{self.options.name}"

    def experiment_config(self, experiment: str, *overrides: str) -> RunConfig:
        """A run's configuration: the experiment in this size with these overrides."""
        from aukit.training import load_config

        words = [f"logging.group={self.group}", *overrides]
        return load_config(experiments_folder() / f"{experiment}.yaml", self.options.profile, words)

    def decisive_values(self) -> str:
        """What decides the table besides files and corpora, such as weights that the user names."""
        return ""

    def check_start(self) -> None:
        """See, before anything runs, that what trainings start from is there or said to be random."""
        return

    def signature(self) -> str | None:
        """Hash of what decides the table, cheap to compute; None while a corpus is not there yet."""
        if not all(corpus.is_there() for corpus in self.corpora.values()):
            return None
        values = f"{aukit.__version__} {self.options.name} {self.decisive_values()}"
        digest = hashlib.sha256(values.encode())
        for content in self._files:
            digest.update(content)
        for corpus in self.corpora.values():
            digest.update(corpus.release().fingerprint().encode())
        return digest.hexdigest()[:16]


CellsT = TypeVar("CellsT", bound=Cells)

_MOST_BYTES = 2**26  # of a table's JSON


def _provenance_of(path: Path) -> dict[str, Any]:
    """That of a table that was made before; empty where there is none, or it is damaged."""
    try:
        return dict(read_json(path, _MOST_BYTES)["provenance"])
    except (FileNotFoundError, ValueError, LookupError, TypeError):
        return {}


class Reproduction(ABC, Generic[CellsT]):
    """A published table as a chain of stages; every stage finds what is done and makes what is missing.

    Args:
        options: Data origin and size.
        choice: Target corpus, or table, where the file has several.

    Attributes:
        options: As given.
        cells: What the table runs.
        cell_jobs: Trains it as jobs of SLURM, where that is wanted.
    """

    cells_type: type[CellsT]

    def __init__(self, options: TableOptions, choice: str | None = None) -> None:
        self.options = options
        self.cells: CellsT = self.cells_type(options, choice)
        self.cell_jobs: CellJobs | None = None

    @abstractmethod
    def make(self, stages: Stages) -> Table | Report:
        """Make what is missing, stage by stage; `run` adds seconds and signature to the provenance."""

    @abstractmethod
    def plan_stages(self) -> list[Stage]:
        """Stages of `make` with what they are made of, without making anything."""

    @classmethod
    def published(cls, spec: Mapping[str, Any]) -> list[Published]:
        """Numbers that others printed, from the table's YAML file; none are at hand for most tables."""
        return []

    @classmethod
    def hindrances(cls, provenance: Mapping[str, Any]) -> list[str]:
        """Why a table of this provenance does not compare with published numbers; empty if it does."""
        return hindrances(provenance)

    def finished(self) -> str | None:
        """The table as text when it is complete; else None."""
        folder, signature = self.cells.folder, self.cells.signature()
        if signature is not None and _provenance_of(folder / "table.json").get("signature") == signature:
            return (folder / "table.txt").read_text()
        return None

    def _say_if_older(self) -> None:
        """Say on the standard error that a finished table is of other code: it is not made anew for that."""
        folder, now = self.cells.folder, git_commit()
        made = _provenance_of(folder / "table.json").get("table_commit")
        if now is not None and made is not None and made != now:
            print(
                f"{folder}: this table was made by other code ({short_commit(str(made))}; this is "
                f"{short_commit(now)}). To make it anew, delete that folder, and below {self.options.runs} "
                "the runs that are to be trained again",
                file=sys.stderr,
            )

    def run(self) -> str:
        """Make what is missing and return the table as text; at once when it is complete.

        Raises:
            GoesOnLater: Its trainings are jobs, and some were missing.
        """
        if (text := self.finished()) is not None:
            self._say_if_older()
            return text
        folder = self.cells.folder
        from aukit.training.processes import launch, refuse_several

        refuse_several("aukit reproduce", launch())
        self.cells.check_start()
        check_disk(self.plan_stages(), self.options.logs, self.options.jobs)
        stages, decided = Stages(folder / "stages.json"), self.cells.signature()
        table = self.make(stages)
        table.provenance["signature"] = decided or self.cells.signature()
        table.provenance["seconds"] = stages.seconds
        table.provenance["table_commit"] = now = git_commit()
        table.caption.extend(code_sentences(table.provenance.get("git_commits", {}), now))
        table.write(folder)
        cells, experiment = self.cells, self.cells.spec["experiments"][0]
        log_table(table, folder, cells.name, cells.group, experiment, self.options)
        print(stages.summary(), flush=True)
        return table.to_text()

    def make_corpora(self) -> None:
        """Render the stand-ins that are missing."""
        for corpus in self.cells.corpora.values():
            corpus.make()

    def train(
        self, what: str, configs: Mapping[str, RunConfig], after: Mapping[str, After] | None = None
    ) -> dict[str, Record]:
        """Run trainings side by side, or as jobs; see `aukit.reproduce.parallel_runs.run_all`."""
        from aukit.reproduce.parallel_runs import run_all

        run = run_all if self.cell_jobs is None else self.cell_jobs.run_all
        return run(configs, self.options.runs, self.options.jobs, what, after)

    def title(self) -> str:
        """Title with data origin and size, where the numbers are not of licensed corpora."""
        title = str(self.cells.spec["title"])
        if self.options.data_origin == "standin":
            title += f" (ours on a rendered stand-in, size {self.options.profile})"
        return title

    def data_facts(self, standins: Iterable[Mapping[str, Any] | None]) -> DataFacts:
        """Data origin and size for the caption, with the descriptions of what is rendered."""
        return DataFacts(
            titles=tuple(dict.fromkeys(corpus.title for corpus in self.cells.corpora.values())),
            profile=self.options.profile,
            seed=self.options.seed,
            standins=tuple(each for each in standins if each is not None)
            if self.options.data_origin == "standin"
            else None,
        )

    def provenance(self, records: Mapping[str, Record], **more: Any) -> dict[str, Any]:
        """What the numbers come from: data origin, size, seed, runs, commit, versions; and `more`."""
        some = next(iter(records.values()))
        return {
            "data_origin": self.options.data_origin,
            "size": self.options.profile,
            "seed": self.options.seed,
            **more,
            "runs": {name: record.identity for name, record in records.items()},
            "training_seconds": {name: record.seconds for name, record in records.items()},
            "git_commit": some.git_commit,
            "git_commits": dict(Counter(str(record.git_commit) for record in records.values())),
            "versions": some.versions,
        }

    def plan(self, gpus: int | None = None) -> str:
        """Stages, operations, hours and disk, without running anything.

        Args:
            gpus: Also what so many GPUs need; None for what is here alone.
        """
        stages = self.plan_stages()
        trainings = [item for stage in stages for item in stage.items if isinstance(item, Trainings)]
        accelerators = {training.config["trainer"]["accelerator"] for training in trainings}
        device = device_for("cpu" if accelerators == {"cpu"} else "auto", self.options.jobs)
        title = f"{self.cells.spec['title']}: {self.options.data_origin} corpus, size {self.options.profile}"
        lines = [title, *plan_lines(stages, device, self.options.logs)]
        if gpus is not None:
            lines += cluster_lines(stages, cluster_of(gpus), self.options.logs)
        return "\n".join(lines)

    def corpora_stage(self, name: str, sides: Mapping[str, int]) -> Stage:
        """The corpora: rendered, where they are stand-ins that are not there.

        Args:
            name: Name of the stage.
            sides: Corpus → side of its crops in pixels.
        """
        renders, lines = [], []
        for corpus in self.cells.corpora.values():
            frames, side = corpus.count_frames(), sides[corpus.name]
            lines.append(f"{corpus.name:<10} {corpus.root} ({frames:,} frames, crops of {side} x {side})")
            if corpus.is_rendered:
                made = corpus.simulation_config
                renders.append(Renders(frames * max(1, len(corpus.views)), made.size, corpus.is_there()))
        return Stage(name, renders, lines)

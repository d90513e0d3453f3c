"""The generators, balanced sets and estimators that a table of Niinuma et al. needs."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aukit.datasets.registry import corpus_entry
from aukit.reproduce.base import Cells
from aukit.reproduce.data_origin import TableCorpus
from aukit.reproduce.niinuma2021.extractor import INCEPTION_FILE, INCEPTION_VARIABLE, inception_file
from aukit.reproduce.options import TableOptions
from aukit.reproduce.plan import weights_line
from aukit.reproduce.render.table import Heading
from aukit.reproduce.start_weights import StartWeights

if TYPE_CHECKING:
    from aukit.training import RunConfig

WEIGHTS_VARIABLE = "AUKIT_VGG16_WEIGHTS"

TARGETS_PER_FACE = 5
"""Targets that a neutral face of another corpus is given per level and action unit, as in the paper."""

FRONTAL = "frontal3d"
"""Registration where neither an entry nor the options name one."""

PRNET = "prnet"
"""Registration in the place of `FRONTAL` that the paper has."""

VIEWS = "views"
"""Key of a table that scores people in several views, and name of the corpus that shows them so."""

FRONTAL_VIEW = 6
"""View of FERA 2017 that readers of the release agree on as the frontal one."""


class Generator(NamedTuple):
    """A generator with its discriminator.

    Attributes:
        id: Its name.
        label: How it differs from the first one, in words.
        overrides: Of `experiments/synthesis.yaml` in this size.
        registration: Of the frames.
    """

    id: str
    label: str
    overrides: tuple[str, ...]
    registration: str


class TrainingSet(NamedTuple):
    """A balanced set.

    Attributes:
        id: Its name.
        kind: ``synthetic``, ``identity`` (the same plan without synthesis), ``real`` (frames drawn for their
            own labels), ``mix`` (the images of others) or ``rotated`` (the images of another one, turned).
        registration: Of the frames.
        generator: Id of the one that makes the images; None where none does.
        of: Ids of the sets that are mixed, or of the one that is turned.
        sources: Corpus whose neutral faces are given the labels; None for the frames of the first corpus.
        poses: Pitch and yaw in degrees of the views that images are turned to.
    """

    id: str
    kind: str
    registration: str
    generator: str | None = None
    of: tuple[str, ...] = ()
    sources: str | None = None
    poses: tuple[tuple[float, float], ...] = ()


class Estimator(NamedTuple):
    """A training on a balanced set, for all action units.

    Attributes:
        id: Its name.
        set: Id of the set.
        normalization: Of the images.
        shuffle_labels: Whether the label vectors are shuffled over the images.
    """

    id: str
    set: str
    normalization: str = "none"
    shuffle_labels: bool = False


@dataclass(frozen=True)
class ColumnOf:
    """What a column shows.

    Attributes:
        heading: What it is called.
        estimator: Id of an estimator.
        generator: Id of the generator whose critic reads the intensities, in place of an estimator.
        set: Id of the set whose distance from real frames is shown, in place of both.
        repeats: Id of the published column of the same setting.
        tested_on: Corpus of which everybody is scored; None for the scored people of the first corpus.
    """

    heading: Heading
    estimator: str | None
    generator: str | None
    set: str | None
    repeats: str | None
    tested_on: str | None

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> ColumnOf:
        """The column of an entry of the YAML file."""
        shown = [entry.get(kind) for kind in ("estimator", "generator", "set", "repeats", "tested_on")]
        return cls(Heading.of(entry), *shown)


class NiinumaCells(Cells):
    """One table's columns, and the estimators, sets and generators below them, in the order of the file.

    Args:
        options: Data origin and size.
        choice: Which table; None for the first one of the YAML file.

    Attributes:
        aus: Action units that are trained, in printing order.
        rows: Those of them that the table shows.
        views: Views of FERA 2017 in which the scored people are shown; none for the frontal one alone.
        frontal: 3D registration, of entries that name none.
        columns: What the table shows beside published values.
        left_out: Columns of the file that need an optional corpus that is not at hand.
        estimators: Id → estimator.
        sets: Id → balanced set, those that others are mixed of first.
        generators: Id → generator.
        start_weights: What estimators of the paper's widths start from.
        inception: File of the reference Inception, for the table of distances where it is given.

    Raises:
        ConfigError: There is no such table, or `AUKIT_VGG16_WEIGHTS` or `AUKIT_INCEPTION_WEIGHTS` names no
            such file.
    """

    name = "niinuma2021"
    other_registrations = (PRNET,)

    def __init__(self, options: TableOptions, choice: str | None = None) -> None:
        super().__init__(options, choice)
        self.aus: list[int] = self.spec["aus"]
        self.rows: list[int] = self.spec.get("rows", self.aus)
        self.frontal = options.registration or FRONTAL
        self.views: tuple[int, ...] = tuple(self.spec.get(VIEWS, ()))
        if self.views:
            self.corpora[VIEWS] = TableCorpus(self.corpus.name, options, self.views)
        optional = {name: TableCorpus(name, options) for name in self.spec.get("optional", ())}
        self.corpora |= {name: each for name, each in optional.items() if each.is_at_hand}
        every = self._every_set()
        columns = [ColumnOf.of(entry) for entry in self.spec["columns"]]
        self.columns = [each for each in columns if self._corpora_of(each, every) <= self.corpora.keys()]
        self.left_out = [each for each in columns if each not in self.columns]
        self.estimators = {
            id: Estimator(id, **entry)
            for id, entry in self._needed("estimators", (c.estimator for c in self.columns))
        }
        direct = [every[each.set] for each in self.estimators.values()]
        wanted = {each.id for each in direct} | {id for each in direct for id in each.of}
        wanted |= {column.set for column in self.columns if column.set}
        wanted |= {self.spec["reference"]} if "reference" in self.spec else set()
        self.sets = {id: each for id, each in every.items() if id in wanted}
        makers = [each.generator for each in self.sets.values()]
        self.generators = {
            id: self._generator(id, entry)
            for id, entry in self._needed("generators", (*makers, *(c.generator for c in self.columns)))
        }
        self.start_weights = StartWeights.read(WEIGHTS_VARIABLE, "VGG16", "estimators")
        self.inception = inception_file() if "reference" in self.spec else None

    def _corpora_of(self, column: ColumnOf, sets: Mapping[str, TrainingSet]) -> set[str]:
        """Corpora beside the first one that a column needs."""
        estimator = self.spec["estimators"].get(column.estimator, {})
        own = [sets[id] for id in (column.set, estimator.get("set")) if id is not None]
        own += [sets[id] for each in own for id in each.of]
        return {name for name in (column.tested_on, *(each.sources for each in own)) if name is not None}

    def _needed(self, section: str, ids: Iterable[str | None]) -> list[tuple[str, dict[str, Any]]]:
        """Entries of a section that are among `ids`."""
        wanted = set(ids)
        return [(id, entry) for id, entry in self.spec[section].items() if id in wanted]

    def _generator(self, id: str, entry: Mapping[str, Any]) -> Generator:
        by_size = entry.get("overrides", {})
        overrides = (*by_size.get("all", ()), *by_size.get(self.options.profile, ()))
        return Generator(id, entry.get("label", ""), overrides, entry.get("registration", self.frontal))

    def _every_set(self) -> dict[str, TrainingSet]:
        """All sets of the file."""
        return {id: _training_set(id, entry, self.frontal) for id, entry in self.spec["sets"].items()}

    @property
    def folder_name(self) -> str:
        """All tables and which of them."""
        return f"{self.name}-{self.spec['choice'].lower()}"

    @property
    def corpus(self) -> TableCorpus:
        """FERA 2017."""
        return next(iter(self.corpora.values()))

    @property
    def others(self) -> dict[str, TableCorpus]:
        """Corpora that give faces, or are tested, beside the first one."""
        return {name: each for name, each in self.corpora.items() if name == each.name != self.corpus.name}

    @property
    def absent(self) -> list[str]:
        """Titles of the optional corpora that are not at hand."""
        return [
            corpus_entry(name).title for name in self.spec.get("optional", ()) if name not in self.corpora
        ]

    @property
    def registrations(self) -> list[str]:
        """Registrations of the frames that the table needs."""
        needed = [each.registration for each in self.sets.values()]
        needed += [each.registration for each in self.generators.values()]
        return list(dict.fromkeys(needed))

    def registration_of(self, column: ColumnOf) -> str:
        """Registration of the frames that a column is scored on, that of what its estimator learned from."""
        if column.estimator is None:
            return self.frontal
        return self.sets[self.estimators[column.estimator].set].registration

    @cached_property
    def scored_partition(self) -> str:
        """``test``, or ``valid`` where the release lacks the labels of Test."""
        if self.corpus.is_rendered:
            return "test"
        release: Any = self.corpus.release()
        return "test" if release.is_labelled("test") else "valid"

    def set_folder(self, wanted: TrainingSet) -> Path:
        """Folder of a balanced set; sets of all tables that are made alike in this size are one."""
        first = next(each for each in self._every_set().values() if self._how(each) == self._how(wanted))
        return self.options.logs / "sets" / f"{self.name}-{self.options.name}" / first.id

    def _how(self, wanted: TrainingSet) -> tuple[Any, ...]:
        """What decides the images of a set."""
        id = wanted.generator
        generator = None if id is None else self._generator(id, self.spec["generators"][id])
        trained = generator and (generator.overrides, generator.registration)
        return wanted._replace(id="", generator=None), trained

    def images_per_level(self, wanted: TrainingSet) -> int:
        """Images of a balanced set per level and action unit."""
        if wanted.kind == "mix":
            every = self._every_set()
            return sum(self.images_per_level(every[id]) for id in wanted.of)
        if wanted.kind == "rotated":
            return len(wanted.poses) * int(self.size["per_view"])
        faces = TARGETS_PER_FACE * int(self.size["faces"])
        return int(self.size["per_level"]) if wanted.sources is None else faces

    def config(self, experiment: str, registration: str, *overrides: str) -> RunConfig:
        """A run's configuration: the experiment in this size, on this corpus, with this seed."""
        seed = self.options.seed
        where = [f"data.corpus.root={self.corpus.root}", *self.options.data_overrides("data.corpus")]
        where += [f"data.corpus.seed={seed}", f"seed={seed}"]
        if registration != FRONTAL:
            where.append(f"data.corpus.registration={registration}")
        if self.scored_partition == "valid":
            where += ["data.corpus.test_partition=valid", "data.corpus.validation=people"]
        return self.experiment_config(experiment, f"corpus={self.corpus.name}", *where, *overrides)

    def corpus_arguments(self, registration: str) -> dict[str, Any]:
        """Arguments of the corpus' datamodule."""
        config = self.config("synthesis", registration)
        found: dict[str, Any] = config["data"]["init_args"]["corpus"]["init_args"]
        return found

    def other_arguments(self, name: str) -> dict[str, Any]:
        """Arguments of the datamodule of one of `others`: the crops of the first one, by 3D registration."""
        first = self.corpus_arguments(self.frontal)
        shared = ("cache", "size", "prepare_workers", "landmark_source", "encoding", "quality")
        arguments = {key: first[key] for key in shared if key in first}
        if any(each.sources == name for each in self.sets.values()):
            arguments["expressions"] = ["neutral"]
        return {"root": str(self.corpora[name].root), "registration": self.frontal, **arguments}

    def other_datamodule(self, name: str) -> dict[str, Any]:
        """The datamodule of one of `others`, as in a resolved configuration."""
        return {"class_path": corpus_entry(name).datamodule, "init_args": self.other_arguments(name)}

    def view_arguments(self, registration: str) -> dict[str, Any]:
        """Arguments of the datamodule of the scored people alone, in all views."""
        alone = {"partitions": [self.scored_partition], "views": list(self.views)}
        return {**self.corpus_arguments(registration), "root": str(self.corpora[VIEWS].root), **alone}

    def view_datamodule(self, registration: str) -> dict[str, Any]:
        """The datamodule of all views, as in a resolved configuration."""
        return {"class_path": self.corpus.entry.datamodule, "init_args": self.view_arguments(registration)}

    def generator_config(self, generator: Generator) -> RunConfig:
        """Configuration of the training of a generator."""
        return self.config("synthesis", generator.registration, *generator.overrides)

    def estimator_config(self, estimator: Estimator, training_set: Path) -> RunConfig:
        """Configuration of the training of an estimator on a balanced set."""
        overrides = [
            f"data.training_set={training_set}",
            f"data.normalization={estimator.normalization}",
            f"data.shuffle_labels={str(estimator.shuffle_labels).lower()}",
        ]
        registration = self.sets[estimator.set].registration
        return self.config("intensity", registration, *self._start(), *overrides)

    def _start(self) -> list[str]:
        """Overrides that say where the estimators start from; none where the size says it."""
        weights = self.start_weights
        if weights.value is None or self.options.profile not in ("standin", "paper"):
            return []
        if weights.is_random:
            return ["model.frozen_convs=0", f"model.weights={weights.value}"]
        return ["model.network=vgg16", "model.frozen_convs=2", f"model.weights={weights.value}"]

    def check_start(self) -> None:
        """See that it is said what the estimators start from.

        Raises:
            ConfigError: It is the paper's size, and `AUKIT_VGG16_WEIGHTS` is not set.
            WeightsError: PRNet's file is needed, and is missing or damaged.
        """
        _ = self._prnet
        if self.options.profile == "paper":
            self.start_weights.check()

    def weights_lines(self) -> list[str]:
        """Lines of the plan on the variables that name weights."""
        lines = []
        if self.frontal == PRNET:
            lines.append(weights_line("AUKIT_PRNET", "3D registration", "refused"))
        if self.options.profile in ("standin", "paper"):
            without = None if self.options.profile == "paper" else "they start from random weights"
            lines.append(self.start_weights.plan_line(without))
        if "reference" in self.spec:
            lines.append(weights_line(INCEPTION_VARIABLE, "FID", "another distance, which is no FID"))
        return lines

    def decisive_values(self) -> str:
        """The weights of the estimators' start, of the extractor of a distance, and of the registration."""
        inception = INCEPTION_FILE if self.inception else None  # known by its hash, wherever it lies
        return " ".join(filter(None, (self.start_weights.stamp, inception, self._prnet)))

    @cached_property
    def _prnet(self) -> str | None:
        """Hash of PRNet's file; None where it is not needed."""
        if self.frontal != PRNET:
            return None
        from aukit.registration.prnet.file import PRNetFile

        return PRNetFile().sha256


def _training_set(id: str, entry: Mapping[str, Any], frontal: str) -> TrainingSet:
    return TrainingSet(
        id,
        entry["kind"],
        entry.get("registration", frontal),
        entry.get("generator"),
        tuple(entry.get("of", ())),
        entry.get("sources"),
        tuple(itertools.product(entry.get("pitch", ()), entry.get("yaw", ()))),
    )

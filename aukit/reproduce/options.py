"""What a table is made from (stand-ins or licensed corpora) and how large it is (smoke to paper)."""

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from aukit.datasets.files import STANDIN_FILE
from aukit.datasets.registry import corpus_entry
from aukit.errors import ConfigError
from aukit.utils.cores import available_cores
from aukit.utils.text import listing

PROFILES = ("smoke", "mini", "standin", "paper")


@dataclass(frozen=True)
class TableOptions:
    """Data origin and size of a table.

    Attributes:
        profile: Size: ``smoke``, ``mini``, ``standin`` or ``paper``.
        roots: Corpus → root that the user names; empty for stand-ins of our own.
        logs: Folder that everything is written into.
        seed: Seed of the whole chain: the stand-ins' people, the data order, every training.
        jobs: Trainings run side by side.
        landmarks: Where landmarks come from, see `aukit.store.build.landmark_source`; None for what the
            corpora bring, else our own networks.
        registration: Registration in 3D, in place of the table's own; None for that one.
        beside: Corpora that the tables of the command are made of, this one and those beside it.

    Example:
        >>> TableOptions("mini", {}, Path("lightning_logs"), seed=2).name
        'standin-mini-seed2'
    """

    profile: str
    roots: Mapping[str, Path]
    logs: Path
    seed: int = 0
    jobs: int = 1
    landmarks: str | None = None
    registration: str | None = None
    beside: frozenset[str] = frozenset()

    @property
    def data_origin(self) -> Literal["standin", "licensed"]:
        """Where the data come from; a stand-in stays one where it is given as the release."""
        return "licensed" if any(not is_standin(root) for root in self.roots.values()) else "standin"

    @property
    def standin_profile(self) -> str:
        """Size of the stand-ins; the papers' size uses that of ``standin``."""
        return "standin" if self.profile == "paper" else self.profile

    @property
    def name(self) -> str:
        """Folder name of the table: ``<data origin>-<size>``, and what is not usual."""
        seed = f"seed{self.seed}" if self.seed else None
        words = (self.data_origin, self.profile, seed, self.landmarks, self.registration)
        return "-".join(filter(None, words))

    def data_overrides(self, data: str) -> list[str]:
        """Where a corpus' datamodule, at this place in a configuration, has its store and landmarks."""
        landmarks = [f"{data}.landmark_source={self.landmarks}"] if self.landmarks else []
        return [f"{data}.cache={self.stores}", *landmarks]

    @property
    def runs(self) -> Path:
        """Folder of all run folders."""
        return self.logs / "runs"

    @property
    def stores(self) -> Path:
        """Folder of all prepared stores."""
        return self.logs / "stores"


def is_standin(root: Path) -> bool:
    """Whether a corpus root is one that we rendered."""
    return (root / STANDIN_FILE).exists()


def choose_options(
    corpora: Sequence[str],
    profile: str | None,
    logs: Path,
    seed: int = 0,
    jobs: int | None = None,
    landmarks: str | None = None,
    registration: str | None = None,
    optional: Sequence[str] = (),
    beside: Iterable[str] = (),
) -> TableOptions:
    """Decide data origin and size from the environment and the arguments of the command.

    Args:
        corpora: What the table is made of, such as ``("bp4d", "disfa")``; the registry knows the environment
            variable that names the root of each.
        profile: Size, or None for the default: ``paper`` for licensed releases, else ``mini``.
        logs: Output folder.
        seed: Seed of the whole chain.
        jobs: Trainings side by side; None for one on each GPU, or up to four on a CPU.
        landmarks: Where landmarks come from, see `TableOptions`.
        registration: Registration in 3D, see `TableOptions`.
        optional: Corpora that the table can do without; their roots count where all others are named.
        beside: Corpora that the tables of the command are made of.

    Raises:
        ConfigError: A root does not exist, only some of the roots are given, some are licensed and some
            stand-ins, or the profile is unknown.
    """
    if roots := _named_roots(corpora):
        more = [each for each in optional if os.environ.get(corpus_entry(each).root_variable)]
        roots = _named_roots([*corpora, *more])
    profile = profile or ("paper" if roots else "mini")
    if profile not in PROFILES:
        raise ConfigError(f"--profile {profile}: unknown; choose one of {', '.join(PROFILES)}")
    if jobs is None:
        jobs = count_gpus() or min(4, available_cores())
    return TableOptions(profile, roots, logs, seed, jobs, landmarks, registration, frozenset(beside))


def _named_roots(corpora: Sequence[str]) -> dict[str, Path]:
    variables = {corpus: corpus_entry(corpus).root_variable for corpus in corpora}
    values = {corpus: os.environ.get(variable) for corpus, variable in variables.items()}
    roots = {corpus: Path(value) for corpus, value in values.items() if value}
    for corpus, root in roots.items():
        if not root.is_dir():
            raise ConfigError(
                f"{variables[corpus]}={root}: no such folder; name the root of the licensed release or"
                " unset it"
            )
    if roots and (missing := [corpus for corpus in corpora if corpus not in roots]):
        raise ConfigError(
            f"{variables[next(iter(roots))]} is set and {variables[missing[0]]} is not: a table never mixes"
            " licensed corpora and stand-ins; set all of them or none"
        )
    if len({is_standin(root) for root in roots.values()}) > 1:
        which = [variables[corpus] for corpus, root in roots.items() if is_standin(root)]
        raise ConfigError(f"{which[0]} names a stand-in beside licensed releases: a table never mixes them")
    return roots


def tables_at_hand(tables: Mapping[str, Sequence[str]]) -> tuple[list[str], list[str]]:
    """Which of several tables are made where none is named.

    Args:
        tables: Table → its corpora.

    Returns:
        Those all of whose corpora are named by the environment, or all tables where there is no such one; and
        a line about each that is left out.
    """
    lacking = {
        table: [v for corpus in corpora if not os.environ.get(v := corpus_entry(corpus).root_variable)]
        for table, corpora in tables.items()
    }
    whole = [table for table, variables in lacking.items() if not variables]
    if not whole:
        return list(tables), []
    left = {table: listing(variables) for table, variables in lacking.items() if variables}
    return whole, [f"table {table} is left out: {variables} is not set" for table, variables in left.items()]


def check_affordable(options: TableOptions, yes: bool) -> None:
    """Refuse the paper's size without a GPU unless the user insists.

    Raises:
        ConfigError: There is no GPU and `yes` is False.
    """
    if options.profile == "paper" and not yes and not has_gpu():
        raise ConfigError(
            "the paper's size without a GPU takes weeks: look at --plan, choose --profile mini, or add --yes"
        )


def has_gpu() -> bool:
    """Whether torch sees a GPU."""
    import torch

    return torch.cuda.is_available()


def count_gpus() -> int:
    """Number of GPUs that torch sees."""
    import torch

    return torch.cuda.device_count()


def free_bytes(folder: Path) -> int:
    """Free disk space where `folder` is, or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free

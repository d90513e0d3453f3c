"""Options of the commands that can be jobs of SLURM, and how such a job is made of the command itself."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aukit.cli.grammar import Parser
from aukit.errors import ConfigError

if TYPE_CHECKING:  # it imports torch
    from aukit.utils.jobs import Shard

JOBS = Path("lightning_logs/slurm")
"""Folder of the jobs of all works."""

_SHOWN = 30  # lines of a job's output


def add_launcher(command: argparse._ActionsContainer, shards: bool = False) -> None:
    """Add the options.

    Args:
        command: Parser, or a group of one.
        shards: Whether the command can share its work among the jobs of an array.
    """
    group = command.add_argument_group("jobs of SLURM")
    group.add_argument("--launcher", choices=("slurm",), help="submit jobs, show their states, print the end")
    group.add_argument("--site", metavar="FILE|NAME", help="what a job asks for (default: default)")
    group.add_argument("--time", metavar="H:MM:SS", help="limit of a job; it saves and goes on later")
    group.add_argument("--partition", metavar="NAME")
    group.add_argument("--gpus-per-cell", type=int, metavar="N", help="GPUs of a job, a process for each")
    if shards:
        group.add_argument("--shards", type=int, metavar="N", help="jobs that share the work")


def add_shard(command: argparse._ActionsContainer) -> None:
    """Add the option by which a command does a share of its work."""
    command.add_argument(
        "--shard", metavar="i/n", help="do share i of n, from 0/n on; for cluster arrays (default: all)"
    )


def shard_of(given: argparse.Namespace) -> Shard:
    """The share that is wanted."""
    from aukit.utils.jobs import Shard

    return Shard.parse(given.shard)


def own_words(given: argparse.Namespace) -> list[str]:
    """The words of the command without those options."""
    options = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    add_launcher(options, shards=True)
    words: Sequence[str] = given.words
    return options.parse_known_args(words)[1]


def as_jobs(given: argparse.Namespace) -> bool:
    """Whether the command is to be jobs.

    Raises:
        ConfigError: It is not, and there are options for them.
    """
    others = ("site", "time", "partition", "gpus_per_cell", "shards")
    if given.launcher is None and any(getattr(given, name, None) is not None for name in others):
        raise ConfigError("--site, --time, --partition, --gpus-per-cell and --shards want --launcher slurm")
    return given.launcher is not None


def also_as_job(command: Parser) -> None:
    """Let a command whose work can be shared be a job, or an array of them."""
    add_launcher(command, shards=True)
    work, name = command.get_default("run"), "-".join(command.prog.split()[1:])
    command.set_defaults(run=lambda given: as_job(given, name) if as_jobs(given) else work(given))


def as_job(given: argparse.Namespace, name: str) -> None:
    """Submit the command itself as a job, or as an array, unless it is one already; show how it goes.

    Args:
        given: What was parsed.
        name: What the job is called.

    Raises:
        ConfigError: SLURM refuses it, or an option cannot be.
        TrainingError: The job failed.
    """
    from aukit.training.launchers import jobs_of

    words = own_words(given)
    shards = getattr(given, "shards", None) or 0
    if shards < 0:
        raise ConfigError(f"--shards {shards}: give the number of jobs")
    digest = hashlib.sha256("\0".join(words).encode()).hexdigest()[:8]
    jobs = jobs_of(given, JOBS / f"{name}-{digest}")
    if not jobs.are_alive():
        jobs.submit(name, words, shards=shards)
    jobs.follow(lambda states: states.get(name, "").startswith("COMPLETED"))
    for file in jobs.output(name)[-1:]:
        print("\n".join(file.read_text(errors="replace").splitlines()[-_SHOWN:]))
        print(file)

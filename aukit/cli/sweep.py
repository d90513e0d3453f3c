"""The command of sweeps: at Weights & Biases, or trained here."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from aukit.cli.grammar import Commands, Parser, add_command, count, seed
from aukit.cli.launch import JOBS, add_launcher, as_jobs
from aukit.cli.runs import add_runs
from aukit.errors import ConfigError

if TYPE_CHECKING:
    from aukit.sweeps.file import Sweep
    from aukit.sweeps.local import LocalSweep
    from aukit.training import RunConfig

SWEEPS = Path("lightning_logs/sweeps")
RUNS = Path("lightning_logs/runs")


def add_sweep(commands: Commands[Parser]) -> None:
    """Add the command."""
    text = "train a grid or a search of hyper-parameters"
    command = add_command(commands, "sweep", _sweep, text, keys=True)
    command.usage = f"{command.prog} FILE|NAME [--local [-n N]] [--profile PROFILE] [key=value ...]"
    command.add_argument("sweep", metavar="FILE|NAME", help="a file, or a name such as fgnet_rates")
    command.add_argument(
        "--local", action="store_true", help="choose and train the points here; no account is needed"
    )
    command.add_argument(
        "-n", type=int, metavar="N", help="with --local: points in all (default: a whole grid)"
    )
    command.add_argument(
        "--jobs", type=count, default=1, metavar="N", help="with --local: points side by side"
    )
    command.add_argument("--seed", type=seed, default=0, help="with --local: of the choice of points")
    command.add_argument("--profile", help="size of all runs")
    add_launcher(command)
    command.add_argument("--step", action="store_true", help=argparse.SUPPRESS)  # in the sweep's own job
    command.epilog = (
        "key=value is added to the command of every point. Without --local the sweep is created at Weights &"
        " Biases, and the words that start an agent are printed."
    )


def _sweep(given: argparse.Namespace) -> None:
    from aukit.sweeps.file import check_metric, read_sweep

    profile = [] if given.profile is None else ["--profile", given.profile]
    sweep = read_sweep(given.sweep, [*profile, *given.overrides])
    if given.local:
        return _train_here(sweep, given)
    if as_jobs(given) or given.n is not None:
        raise ConfigError(
            "-n and --launcher want --local; agents of Weights & Biases have options of their own"
        )
    check_metric(sweep, _configure(sweep.command({})))  # before anybody hears of it
    from aukit.sweeps.service import create_sweep

    print(create_sweep(sweep))


def _train_here(sweep: Sweep, given: argparse.Namespace) -> None:
    by_jobs = as_jobs(given)
    from aukit.sweeps.local import LocalSweep

    name = f"{sweep.name}-{sweep.digest}" + (f"-seed{given.seed}" if given.seed else "")
    work = LocalSweep(sweep, SWEEPS / name, given.n, given.seed)
    if not by_jobs:
        print(work.run(_configure, RUNS, given.jobs))
    elif not _train_by_jobs(work, given, name):
        return
    print(f"{work.table.folder}/table.{{csv,md,json,png}}")


def _train_by_jobs(work: LocalSweep, given: argparse.Namespace, name: str) -> bool:
    """Show the jobs of a sweep and print its table; in the sweep's own job submit those of the points.

    Returns:
        Whether this is the view.
    """
    from aukit.reproduce.cell_jobs import GoesOnLater, cell_jobs

    cells = cell_jobs(given, f"sweep-{name}", JOBS.parent)
    at_once = given.jobs if work.sweep.method == "bayes" else work.count
    if not given.step:
        cells.follow(work.is_finished)
    try:
        print(work.run(_configure, RUNS, at_once, cells.run_all))
    except GoesOnLater:
        if not given.step:  # runs are others now than when the table was written
            cells.follow(work.is_finished)
            print(work.table.text(work.table.read()))
    return not given.step


def _configure(words: list[str]) -> RunConfig:
    """The configuration that the words of `aukit fit` stand for."""
    from aukit.training import load_config

    root = Parser(prog="aukit")
    add_runs(root.add_subparsers(required=True, prog="aukit"))
    given = root.parse_args(words)
    return load_config(given.config, given.profile, given.overrides)

"""Published tables: cells → runs → records → a table that prints the paper's columns beside ours."""

from __future__ import annotations

import argparse
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aukit.errors import ConfigError

if TYPE_CHECKING:
    from aukit.reproduce.base import Reproduction
    from aukit.reproduce.options import TableOptions

LOGS = Path("lightning_logs")

#: GPUs that a plan can be made for.
MOST_GPUS = 64

#: Name on the command line and stem of a file in experiments/tables → class, imported when asked for.
TABLES = {
    "niinuma2021": "aukit.reproduce.niinuma2021.tables.NiinumaTable",
    "fgnet": "aukit.reproduce.fgnet.tables.FGNetTables",
    "pm2": "aukit.reproduce.pm2.tables.PM2Tables",
}


def main(arguments: argparse.Namespace) -> None:
    """Make and print the tables that the arguments of `aukit reproduce` ask for.

    Raises:
        ConfigError: The table, its target, the profile or a named folder does not exist; a bundle cannot
            lie where it is wanted, or is wanted of several tables; a plan is not made for so many GPUs.
        TrainingError: A job of the table failed.
        StoreError: A bundle would name a person or this machine, or what it needs is gone.
    """
    kind = table_class(arguments.table)
    choices = _choices(arguments)
    if arguments.bundle_frames and arguments.bundle is None:
        raise ConfigError("--bundle-frames says what is in a bundle; name its file with --bundle ZIP")
    if arguments.bundle is not None and arguments.bundle.is_dir():
        raise ConfigError(f"--bundle {arguments.bundle}: is a folder; name a file")
    if arguments.bundle is not None and len(choices) > 1:
        raise ConfigError(f"--bundle {arguments.bundle}: holds one table; choose it with --table")
    _check_gpus(arguments)
    from aukit.reproduce.base import read_spec
    from aukit.reproduce.options import check_affordable, choose_options

    jobs = 1 if arguments.launcher else arguments.jobs

    specs = {choice: read_spec(arguments.table, choice) for choice in choices}
    beside = [corpus for spec in specs.values() for corpus in spec["corpora"]]

    def options_of(spec: dict[str, Any]) -> TableOptions:
        return choose_options(
            spec["corpora"],
            arguments.profile,
            LOGS,
            arguments.seed,
            jobs,
            arguments.landmarks,
            arguments.registration,
            spec.get("optional", ()),
            beside,
        )

    tables = [kind(options_of(spec), choice) for choice, spec in specs.items()]
    options = tables[0].options
    if arguments.plan:
        print("\n\n".join(table.plan(arguments.gpus) for table in tables))
        return
    if arguments.launcher:
        from aukit.reproduce.cell_jobs import GoesOnLater, cell_jobs

        name = "-".join([arguments.table, *(choice for choice in choices if choice), options.name])
        cells = cell_jobs(arguments, name, LOGS)
        if arguments.step:
            for table in tables:
                table.cell_jobs = cells
            with suppress(GoesOnLater):
                for table in tables:
                    print(table.run())
            return
        cells.follow(lambda: all(table.finished() is not None for table in tables))
    else:
        check_affordable(options, arguments.yes)
    for table in tables:
        print(table.run())
        print(f"{table.cells.folder}/table.{{txt,csv,md,tex,json,png}}")
        if arguments.bundle is not None:
            from aukit.reproduce.bundle import write_bundle

            frames = options.data_origin == "standin" or arguments.bundle_frames
            print(write_bundle(table, arguments.bundle, frames))


def _choices(arguments: argparse.Namespace) -> list[str | None]:
    """The tables, or the target, that are asked for; where none is named, all whose corpora are there."""
    from aukit.reproduce.base import read_spec, tables_of
    from aukit.reproduce.options import tables_at_hand

    if arguments.target is not None and arguments.tables:
        raise ConfigError("--target and --table: no table has both; leave one out")
    if arguments.target is not None:
        return [arguments.target]
    if arguments.tables:
        return list(arguments.tables)
    every = tables_of(arguments.table)
    made, left_out = tables_at_hand({each: read_spec(arguments.table, each)["corpora"] for each in every})
    print("\n".join(left_out), end="\n" if left_out else "")
    return [*made] or [None]


def _check_gpus(arguments: argparse.Namespace) -> None:
    gpus = arguments.gpus
    if gpus is not None and not arguments.plan:
        raise ConfigError(
            f"--gpus {gpus} is what a plan is made for: add --plan, or say --jobs {max(1, gpus)} for so many"
            " trainings side by side"
        )
    if gpus is not None and not 1 <= gpus <= MOST_GPUS:
        raise ConfigError(f"--gpus {gpus}: choose a number from 1 to {MOST_GPUS}")


def table_class(name: str) -> type[Reproduction[Any]]:
    """Class of a table by its name.

    Raises:
        ConfigError: There is no such table.
    """
    if name not in TABLES:
        raise ConfigError(f"table {name!r}: unknown; there is {', '.join(TABLES)}")
    module, _, cls = TABLES[name].rpartition(".")
    found: type[Reproduction[Any]] = getattr(import_module(module), cls)
    return found

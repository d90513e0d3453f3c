"""Published tables: cells → runs → records → a table that prints the paper's columns beside ours."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from aukit.errors import ConfigError

if TYPE_CHECKING:
    from aukit.reproduce.base import Reproduction

LOGS = Path("lightning_logs")

#: Word of the command line → module and class; imported when asked for.
TABLES = {
    "table3": ("aukit.reproduce.niinuma2021.tables", "Table3"),
    "fgnet": ("aukit.reproduce.fgnet.tables", "FGNetTables"),
    "pm2": ("aukit.reproduce.pm2.tables", "PM2Tables"),
}


def main(words: argparse.Namespace) -> None:
    """Make and print the table that the words of `aukit reproduce` ask for.

    Raises:
        ConfigError: The table, the profile or a named folder does not exist.
    """
    from aukit.reproduce.options import check_affordable, choose_setting

    kind = table_class(words.table).for_target(words.target)
    setting = choose_setting(kind.corpora, words.profile, LOGS, words.seed, words.jobs)
    table = kind(setting)
    if words.plan:
        print(table.plan())
        return
    check_affordable(setting, words.yes)
    print(table.run())
    print(f"{table.folder}/table.{{txt,csv,md,tex,json,png}}")


def table_class(name: str) -> type[Reproduction]:
    """Class of a table by its name.

    Raises:
        ConfigError: There is no such table.
    """
    if name not in TABLES:
        raise ConfigError(f"table {name!r}: unknown; there is {', '.join(TABLES)}")
    module, cls = TABLES[name]
    found: type[Reproduction] = getattr(import_module(module), cls)
    return found

"""Published tables: cells → runs → records → a table that prints the paper's columns beside ours."""

from __future__ import annotations

import argparse
from pathlib import Path

from aukit.errors import ConfigError

LOGS = Path("lightning_logs")
TABLES = ("table3",)


def main(words: argparse.Namespace) -> None:
    """Make and print the table that the words of `aukit reproduce` ask for.

    Raises:
        ConfigError: The table, the profile or a named folder does not exist.
    """
    from aukit.reproduce.setting import check_affordable, choose_setting
    from aukit.reproduce.table3 import ROOT_VARIABLE, Table3

    if words.table not in TABLES:
        raise ConfigError(f"table {words.table!r}: unknown; there is {', '.join(TABLES)}")
    setting = choose_setting(ROOT_VARIABLE, words.profile, LOGS, words.seed, words.jobs)
    table = Table3(setting)
    if words.plan:
        print(table.plan())
        return
    check_affordable(setting, words.yes)
    print(table.run())
    print(f"{table.folder}/table.{{txt,csv,md,tex,json,png}}")

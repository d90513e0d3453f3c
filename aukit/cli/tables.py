"""The command that makes published tables."""

from __future__ import annotations

import argparse

from aukit.cli.grammar import PROFILES, Commands, Parser, add_command


def add_reproduce(commands: Commands[Parser]) -> None:
    """Add the command."""
    text = "make a published table: train what is missing, print it"
    command = add_command(commands, "reproduce", _reproduce, text)
    command.add_argument("table", metavar="TABLE", help="e.g. table3")
    command.add_argument(
        "--profile", choices=PROFILES, help="default: mini, or paper with a licensed root and a GPU"
    )
    command.add_argument("--target", metavar="CORPUS", help="pm2: the unlabelled corpus, disfa or gft")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--plan", action="store_true", help="list cells, hours and disk; run nothing")
    command.add_argument("--yes", action="store_true", help="paper size without a GPU, really")
    command.add_argument("--jobs", type=int, help="trainings side by side")


def _reproduce(given: argparse.Namespace) -> None:
    from aukit.reproduce import main as reproduce

    reproduce(given)

"""The commands that make published tables, and verify those that others made."""

from __future__ import annotations

import argparse
from pathlib import Path

from aukit.cli.grammar import PROFILES, Commands, Parser, add_command, count
from aukit.cli.launch import add_launcher, as_jobs


def add_tables(commands: Commands[Parser]) -> None:
    """Add the commands."""
    text = "make a published table: train what is missing, print it"
    command = add_command(commands, "reproduce", _reproduce, text)
    command.add_argument("table", metavar="PAPER", help="niinuma2021, fgnet or pm2")
    which = "niinuma2021: 3, 2, S1, S3, S4, 4, S2, S5, Fig3, Fig5, FID; default: all"
    command.add_argument("--table", dest="tables", nargs="+", metavar="ID", help=which)
    command.add_argument(
        "--profile", choices=PROFILES, help="default: mini, or paper with a licensed root and a GPU"
    )
    command.add_argument("--target", metavar="CORPUS", help="pm2: the unlabelled corpus, disfa or gft")
    command.add_argument("--seed", type=int, default=0)
    where = "where landmarks come from; default: what lies in their folders Landmarks, else aukit"
    command.add_argument("--landmarks", choices=("sidecar", "face-alignment", "aukit"), help=where)
    dense = "niinuma2021: 3D registration by PRNet, as in the paper (AUKIT_PRNET names its file)"
    command.add_argument("--registration", choices=("prnet",), help=dense)
    command.add_argument("--plan", action="store_true", help="list work, hours and disk; run nothing")
    command.add_argument("--gpus", type=int, metavar="N", help="with --plan: what N GPUs need, up to 64")
    command.add_argument("--yes", action="store_true", help="paper size without a GPU, really")
    command.add_argument("--jobs", type=count, help="trainings side by side")
    add_launcher(command)
    command.add_argument("--step", action="store_true", help=argparse.SUPPRESS)  # in the table's own job
    command.add_argument(
        "--bundle", type=Path, metavar="ZIP", help="also write what others need to verify the table"
    )
    command.add_argument(
        "--bundle-frames",
        action="store_true",
        help="of a licensed corpus too, bundle labels and scores of each frame: if its licence lets you",
    )

    text = "compute a bundle's table again, offline"
    command = add_command(commands, "verify", _verify, text)
    command.add_argument("bundle", type=Path, metavar="ZIP", help="from aukit reproduce TABLE --bundle ZIP")
    command.add_argument("--json", action="store_true", help="print everything as JSON")


def _reproduce(given: argparse.Namespace) -> None:
    as_jobs(given)
    from aukit.reproduce import main as reproduce

    reproduce(given)


def _verify(given: argparse.Namespace) -> int:
    from aukit.reproduce.verify import verify

    found = verify(given.bundle)
    print(found.to_json() if given.json else found.to_text(), end="")
    return 0 if found.holds else 1

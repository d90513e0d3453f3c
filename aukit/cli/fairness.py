"""The command that compares groups of people in any table of predictions."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from aukit.cli.detect import TOOLS
from aukit.cli.grammar import Commands, Parser, add_command, seed
from aukit.errors import ConfigError

if TYPE_CHECKING:
    from aukit.fairness.predictions import Predictions

_EXAMPLES = """\
examples:
  aukit fairness predictions.parquet --by gender --out results        what a run wrote, with its own genders
  aukit fairness mine.csv --attributes people.csv --by gender --by 'age:<30,30-50,>50' --out results
  aukit fairness of2/ --tool openface --labels codes.csv --by gender+skin_tone --out results"""


def add_fairness(commands: Commands[Parser]) -> None:
    """Add the command."""
    command = add_command(
        commands,
        "fairness",
        _fairness,
        "any predictions by any groups of people, as one page",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "predictions",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="predictions with labels, or a tool's tables",
    )
    command.add_argument(
        "--by",
        action="append",
        required=True,
        metavar="ATTRIBUTE",
        help="gender; 'age:<30,30-50,>50' (bins); gender+skin_tone (crossed); may be repeated",
    )
    command.add_argument(
        "--attributes", type=Path, metavar="FILE", help="a row per person: person, gender, age"
    )
    command.add_argument(
        "--validation",
        action="append",
        type=Path,
        metavar="FILE",
        help="predictions on other people, to choose a threshold per action unit on; may be repeated",
    )
    kind = command.add_mutually_exclusive_group()
    kind.add_argument("--intensity", action="store_true", help="labels and scores of plain tables are 0 to 5")
    kind.add_argument("--logits", action="store_true", help="scores are logits of probabilities")
    kind.add_argument("--tool", choices=TOOLS, help="FILEs are a tool's tables, or folders of them")
    command.add_argument(
        "--threshold",
        type=float,
        metavar="N",
        help="a score above it means present (default: a run's own, or 0.5)",
    )
    command.add_argument("--labels", type=Path, metavar="FILE", help="of a tool: codes by video and frame")
    command.add_argument("--people", type=Path, metavar="FILE", help="of a tool: the person of each video")
    command.add_argument(
        "--first-frame",
        type=int,
        choices=(0, 1),
        help="of a tool: a video's first frame in --labels",
    )
    command.add_argument("--seed", type=seed, default=0, help="of the permutations (default: 0)")
    command.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="where the page and tables go"
    )


def _fairness(given: argparse.Namespace) -> None:
    of_tools = [word for word in ("labels", "people", "first_frame") if getattr(given, word) is not None]
    if given.tool is None and of_tools:
        raise ConfigError(f"--{of_tools[0].replace('_', '-')} is about tables of a tool; say which, --tool")
    if given.tool is not None and given.labels is None:
        raise ConfigError("--tool: give the human codes of the tables too, --labels FILE")
    if given.tool is not None and (given.threshold is not None or given.validation):
        raise ConfigError(
            "--tool: what a tool calls present is fixed; leave --threshold and --validation out"
        )
    from aukit.fairness.report import check_place, fairness_report

    check_place(given.out)  # scoring takes a while
    report = fairness_report(
        _read(given, given.predictions),
        given.by,
        given.attributes,
        None if given.validation is None else _read(given, given.validation),
        given.seed,
    )
    report.write(given.out)
    print(report.text())
    print(f"\nthe report is {given.out / 'fairness.html'}")


def _read(given: argparse.Namespace, files: list[Path]) -> Predictions:
    from aukit.fairness.predictions import Kind, read_predictions
    from aukit.fairness.tool_tables import read_tool_tables

    if given.tool is not None:
        return read_tool_tables(files, given.tool, given.labels, given.people, given.first_frame)
    return read_predictions(files, Kind(given.intensity, given.threshold, given.logits))

"""The command that looks for faces in files of anyone's."""

from __future__ import annotations

import argparse
from pathlib import Path

from aukit.cli.grammar import Commands, Parser, add_command

_EXAMPLES = """\
examples:
  aukit detect clip.mp4 portrait.jpg holiday/ --out results     a table for each, holiday's videos included
  aukit detect 'clips/**/*.mp4' --out results --overlay         what was found, drawn into copies

The exit status is 0 if everything was read, 1 if something was not, 2 if nothing could begin."""


def add_detect(commands: Commands[Parser]) -> None:
    """Add the command."""
    text = "faces, landmarks and action units of photographs and videos, as tables"
    command = add_command(
        commands,
        "detect",
        _detect,
        text,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "inputs", nargs="+", metavar="FILE", help="images, videos, folders of both, patterns"
    )
    command.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of the tables; what is done there is kept",
    )
    command.add_argument("--format", choices=("csv", "parquet"), default="csv", help="of the tables")
    command.add_argument("--overlay", action="store_true", help="draw what was found into copies")
    command.add_argument("--largest", action="store_true", help="only the largest face of each image")


def _detect(given: argparse.Namespace) -> int:
    from aukit.detect import Detector, detect_files
    from aukit.detect.inputs import find_inputs

    find_inputs(given.inputs)  # what is not there is said at once: the model takes seconds to load
    summary = detect_files(
        given.inputs,
        given.out,
        Detector(),
        table_format=given.format,
        overlay=given.overlay,
        largest=given.largest,
        progress=True,
    )
    print(summary.text())
    return summary.status

"""The commands that look for faces in files of anyone's, and that score such tables against human codes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aukit.cli.corpora import READER_ARGUMENTS
from aukit.cli.grammar import Commands, Parser, add_command
from aukit.datasets.registry import corpus_entry, corpus_names
from aukit.errors import ConfigError
from aukit.utils.arguments import add_options

if TYPE_CHECKING:
    from aukit.detect import Detector, TrainedDetector

_EXAMPLES = """\
examples:
  aukit detect clip.mp4 portrait.jpg holiday/ --out results     a table for each, holiday's videos included
  aukit detect 'clips/**/*.mp4' --out results --overlay         what was found, drawn into copies

The exit status is 0 if everything was read, 1 if something was not, 2 if nothing could begin."""


def add_detect(commands: Commands[Parser]) -> None:
    """Add the command."""
    text = "faces and action units of photographs and videos"
    command = add_command(
        commands,
        "detect",
        _detect,
        text,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_files(command)
    command.add_argument(
        "--model",
        default="aukit",
        metavar="MODEL",
        help="aukit (default: weights of the package), or a model of yours by its run folder, checkpoint or "
        "saved folder: fgnet:FILE (also imported weights), intensity:RUN, baselines:RUN, pm2:RUN",
    )
    command.add_argument("--overlay", action="store_true", help="draw what was found into copies")
    command.add_argument(
        "--calibrate", action="store_true", help="of videos: a face's low intensities are taken for zero"
    )
    command.add_argument(
        "--heatmaps", action="store_true", help="of fgnet: draw the heat map of each action unit"
    )


def add_register(commands: Commands[Parser]) -> None:
    """Add the command."""
    text = "faces cut out, aligned or turned to the front"
    command = add_command(commands, "register", _register, text)
    _add_files(command)
    command.add_argument(
        "--registration",
        choices=("similarity", "ffhq", "frontal3d", "prnet"),
        default="similarity",
        help="moved, turned and scaled onto a mean face (default), as FFHQ cuts, or turned frontal in 3D: by"
        " a mesh fitted to landmarks, or by PRNet's",
    )
    command.add_argument(
        "--prnet", metavar="FILE", help="of prnet: what aukit weights import prnet wrote (else AUKIT_PRNET)"
    )
    command.add_argument(
        "--size", type=int, default=256, metavar="PX", help="side of the crops (default: 256)"
    )


def _add_files(command: Parser) -> None:
    """Add what all commands about files of anyone's take."""
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
    command.add_argument("--largest", action="store_true", help="only the largest face of each image")


def _register(given: argparse.Namespace) -> int:
    from aukit.detect import Detector, register_files
    from aukit.detect.inputs import find_inputs
    from aukit.registration import build_registration

    if not 8 <= given.size <= 4096:
        raise ConfigError(f"--size {given.size}: name a number of pixels from 8 to 4096")
    find_inputs(given.inputs)
    settings = {} if given.prnet is None else {"prnet": given.prnet}
    summary = register_files(
        given.inputs,
        given.out,
        Detector(),
        build_registration(given.registration, given.size, **settings),
        table_format=given.format,
        largest=given.largest,
        progress=True,
    )
    print(summary.text())
    return summary.status


def _detect(given: argparse.Namespace) -> int:
    from aukit.detect import detect_files
    from aukit.detect.inputs import find_inputs

    find_inputs(given.inputs)  # what is not there is said at once: the model takes seconds to load
    summary = detect_files(
        given.inputs,
        given.out,
        named_model(given.model),
        table_format=given.format,
        overlay=given.overlay,
        heatmaps=given.heatmaps,
        calibrate=given.calibrate,
        largest=given.largest,
        progress=True,
    )
    print(summary.text())
    return summary.status


def named_model(name: str, device: str | None = None) -> TrainedDetector | Detector:
    """What a user calls aukit, or KIND:PATH.

    Raises:
        ConfigError: There is no such kind, or no path.
    """
    kind, _, path = name.partition(":")
    if kind == "aukit" and not path:
        from aukit.detect import Detector

        return Detector(device or "cpu")
    if not path:
        raise ConfigError(f"{name}: name aukit, fgnet:FILE, intensity:RUN, baselines:RUN or pm2:RUN")
    from aukit.detect import trained_detector

    return trained_detector(kind, path, device)


TOOLS = ("aukit", "openface", "libreface", "pyfeat")


def add_score(commands: Commands[Parser]) -> None:
    """Add the command."""
    text = "tables of any tool against a corpus' human codes"
    command = add_command(commands, "score", _score, text, extend=_add_reader)
    command.add_argument(
        "detections",
        nargs="+",
        metavar="DIR[=TOOL]",
        help="folder of tables, a table for each video of the corpus",
    )
    command.add_argument(
        "--tool", choices=TOOLS, default="aukit", help="whose tables, where DIR does not say it"
    )
    command.add_argument(
        "--corpus",
        choices=corpus_names(released=True),
        required=True,
        help="and with --help, what belongs to this corpus",
    )
    command.add_argument("--root", type=Path, required=True, metavar="DIR", help="folder of the corpus")
    command.add_argument("--out", type=Path, metavar="DIR", help="where to write scores.csv and scores.json")


def _add_reader(command: Parser, words: Sequence[str]) -> None:
    """Add the options of the named corpus' reader, but for those that change no code."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--corpus", nargs="?")
    name = first.parse_known_args(words)[0].corpus
    if name in corpus_names(released=True):
        reader = corpus_entry(name).load("reader")
        skip = (*READER_ARGUMENTS, "landmarks", "folds")
        command.set_defaults(of_reader=add_options(command, reader, skip=skip))


def _score(given: argparse.Namespace) -> None:
    from aukit.detect import score_detections
    from aukit.detect.score import check_place

    if given.out is not None:
        check_place(given.out)  # scoring takes a while
    named = [text.rpartition("=") for text in given.detections]
    detections = {
        place if tool in TOOLS and place else text: tool if tool in TOOLS and place else given.tool
        for text, (place, _, tool) in zip(given.detections, named, strict=True)
    }
    reader = corpus_entry(given.corpus).load("reader")
    release = reader(given.root, **{name: getattr(given, name) for name in given.of_reader})
    scores = score_detections(release, detections)
    if given.out is not None:
        scores.write(given.out)
    print(scores.text())

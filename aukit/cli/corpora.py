"""Commands of one corpus: check a release, render a stand-in, prepare a store.

What belongs to a corpus, such as the options of its reader, is known once its name is: a first parser reads
the name, a second one what follows.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aukit.cli.grammar import Commands, Parser, Run, add_command, seed
from aukit.cli.launch import add_launcher, add_shard, as_job, as_jobs, shard_of
from aukit.datasets.registry import CorpusEntry, corpus_entry, corpus_names
from aukit.utils.arguments import add_options

READER_ARGUMENTS = ("root", "persons")
LANDMARK_SOURCES = ("sidecar", "face-alignment", "aukit")
"""Of every reader; all others are options of the commands that read a corpus."""


def add_check(corpora: Commands[Parser]) -> None:
    """Add the command that checks a release."""
    text = "is a release read rightly? counts, codes, variants; no frame"
    _add_for_corpus(corpora, "check", _check, text, corpus_names(released=True))


def add_standin(commands: Commands[Parser]) -> None:
    """Add the command that renders a stand-in."""
    text = "render a stand-in in a corpus' official layout"
    _add_for_corpus(commands, "standin", _standin, text, corpus_names(standin=True))


def _check(given: argparse.Namespace) -> int:
    from aukit.datasets import verify_release

    entry, command = _corpus_command(given)
    command.add_argument("--json", action="store_true", help="machine-readable")
    command.add_argument("--deep", action="store_true", help="decode every frame, to know which are usable")
    reader = entry.load("reader")
    names = add_options(command, reader, skip=READER_ARGUMENTS)
    options = command.parse_args(given.options)
    release = reader(options.root, **_chosen(options, names))
    published = entry.load("published") if entry.published else None
    report = verify_release(release, published, options.deep, progress=True)
    print(report.to_json() if options.json else report.text())
    return 2 if not report.ok else 1 if report.findings else 0


def _standin(given: argparse.Namespace) -> None:
    from aukit.simulation import write_standin

    entry, command = _corpus_command(given)
    standin = entry.load("standin")
    command.add_argument(
        "--truth", type=Path, metavar="DIR", help="folder of the sealed truth (default: ROOT-truth)"
    )
    command.add_argument("--profile", choices=("smoke", "mini", "standin"), default="mini", help="size")
    command.add_argument("--workers", type=int, metavar="N", help="processes (default: one per core)")
    command.add_argument("--seed", type=seed, default=0, metavar="N")
    names = add_options(command, standin.config_type, standin.config_type.options, default=None)
    add_shard(command)
    add_launcher(command, shards=True)
    options = command.parse_args(given.options)
    options.words = given.words
    if as_jobs(options):
        return as_job(options, f"standin-{entry.name}")
    chosen = {name: value for name, value in _chosen(options, names).items() if value is not None}
    missing = write_standin(
        entry.name,
        options.root,
        options.profile,
        truth_root=options.truth,
        seed=options.seed,
        workers=options.workers,
        shard=shard_of(options),
        **chosen,
    )
    if missing:
        print(missing)


def prepare_corpus(given: argparse.Namespace) -> None:
    """Prepare a store of a corpus as the words behind its name say; print a summary of it."""
    from aukit.registration import FFHQ, PRNet
    from aukit.store import Encoding, prepare_release, prepare_share

    entry, command = _corpus_command(given)
    kinds = ("ffhq", "similarity", "frontal3d", "prnet")
    command.add_argument("--registration", choices=kinds, default="frontal3d", help="how faces are cropped")
    command.add_argument("--size", type=int, default=224, metavar="N", help="side of the crops in pixels")
    settings = (
        *add_options(command, FFHQ, skip=("size",), default=None),
        *add_options(command, PRNet, ("prnet",)),
    )
    encoding = add_options(command, Encoding)
    command.add_argument("--weights", type=Path, metavar="DIR", help="folder of face-alignment's weights")
    command.add_argument("--workers", type=int, default=2, metavar="N", help="processes")
    command.add_argument(
        "--out", type=Path, default="lightning_logs/stores", metavar="DIR", help="folder of all stores"
    )
    reader = entry.load("reader")
    names = add_options(command, reader, skip=READER_ARGUMENTS)
    if "landmarks" not in names:
        where = "where landmarks come from; default: what lies in its folder Landmarks, else aukit"
        command.add_argument("--landmarks", choices=LANDMARK_SOURCES, help=where)
    add_shard(command)
    add_launcher(command, shards=True)
    options = command.parse_args(given.options)
    options.words = given.words
    if as_jobs(options):
        return as_job(options, f"prepare-{entry.name}")
    arguments = _chosen(options, names)
    landmarks = options.landmarks
    if "landmarks" in names:  # that of a reader is a file or folder, or the name of a source, which wins
        named = str(landmarks) in LANDMARK_SOURCES
        arguments["landmarks"] = None if named else landmarks
        landmarks = str(landmarks) if named else None
    release, shard = reader(options.root, **arguments), shard_of(options)
    wanted = (release, options.out, options.registration, options.size, options.weights, options.workers)
    chosen = {name: value for name, value in _chosen(options, settings).items() if value is not None}
    chosen |= {**_chosen(options, encoding), "landmarks": landmarks}
    if shard.count > 1 and (missing := prepare_share(shard, *wanted, **chosen)):
        print(f"{missing} parts are missing: the store follows when all are there")
    else:
        print(prepare_release(*wanted, **chosen).summary())


def _add_for_corpus(
    commands: Commands[Parser], name: str, run: Run, text: str, corpora: Sequence[str]
) -> None:
    command = add_command(commands, name, run, text, corpora=corpora)
    command.set_defaults(prog=command.prog)
    command.usage = f"{command.prog} CORPUS --root DIR ..."
    command.add_argument("corpus", choices=corpora, help="and then --help, for what belongs to this corpus")


def _corpus_command(given: argparse.Namespace) -> tuple[CorpusEntry, Parser]:
    """The entry of the named corpus, and a parser of the options behind its name."""
    entry = corpus_entry(given.corpus)
    command = Parser(prog=f"{given.prog} {entry.name}", description=entry.title)
    command.add_argument("--root", type=Path, required=True, metavar="DIR", help="folder of the corpus")
    return entry, command


def _chosen(options: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(options, name) for name in names}

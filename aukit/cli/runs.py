"""Commands of an experiment: show its configuration, prepare its data, train, test, predict."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from aukit.cli.corpora import prepare_corpus
from aukit.cli.grammar import PROFILES, Commands, Parser, add_command
from aukit.cli.launch import add_launcher, as_job, as_jobs
from aukit.datasets.registry import corpus_names

if TYPE_CHECKING:
    from aukit.training import RunConfig
    from aukit.training.experiment import Experiment

RUNS = "lightning_logs/runs"

_KEYS = "-c FILE|NAME [--profile PROFILE] [key=value ...]"


def add_runs(commands: Commands[Parser]) -> None:
    """Add the commands."""
    for name, run, text in (
        ("fit", _fit, "train, select, test and print scores; goes on where it was"),
        ("test", _evaluate, "score the test frames again with a trained model"),
        ("predict", _evaluate, "predict every frame of the corpus with a trained model"),
    ):
        command = add_command(commands, name, run, text, keys=True)
        command.usage = f"{command.prog} {_KEYS} [options]"
        command.set_defaults(stage=name)
        _add_experiment(command)
        command.add_argument(
            "--runs", type=Path, default=RUNS, metavar="DIR", help="folder of all run folders"
        )
        if name == "fit":
            add_launcher(command)
        else:
            if name == "test":
                command.add_argument(
                    "--held-out", action="store_true", help="the training people that were held out"
                )
                command.add_argument(
                    "--seen-people",
                    action="store_true",
                    help="also people whose labels the checkpoint has learnt, who are refused otherwise",
                )
            model = command.add_mutually_exclusive_group()
            model.add_argument(
                "--checkpoint", type=Path, metavar="FILE", help="other than the one the run has tested"
            )
            model.add_argument(
                "--weights",
                type=Path,
                metavar="FILE",
                help="released weights of the whole network; no training is needed",
            )
    _add_config(commands)
    _add_prepare(commands)


def _add_experiment(command: Parser, required: bool = True) -> None:
    command.add_argument(
        "-c",
        "--config",
        required=required,
        metavar="FILE|NAME",
        help="experiment: a file, or a name such as fgnet",
    )
    command.add_argument("--profile", help=f"size: {', '.join(PROFILES)} or the experiment's own")
    command.epilog = (
        "key=value (or --key=value, anywhere) changes the configuration: a dotted key such as model.lr=1e-4,"
        " or a short name of the experiment such as corpus=disfa or fold=1."
    )


def _read(given: argparse.Namespace) -> Experiment:
    """The experiment's layers: a wrong file, profile or corpus is answered before torch is imported."""
    from aukit.training import read_experiment

    return read_experiment(given.config, given.profile, given.overrides)


def _load(given: argparse.Namespace) -> RunConfig:
    experiment = _read(given)
    from aukit.training import check_experiment

    return check_experiment(experiment)


def _fit(given: argparse.Namespace) -> None:
    if as_jobs(given):  # types of values are checked in the job: a login node imports no torch
        return as_job(given, f"fit-{_read(given).name.replace('/', '-')}")
    config = _load(given)
    from aukit.training import LoggingOptions, execute, is_rank_zero, summary

    record = execute(config, given.runs)
    if is_rank_zero():
        print(summary(record))
        then = LoggingOptions(**record.config["logging"])  # of a run that was finished before
        asked, by = ((each.group_by, each.attributes) for each in (config.logging, then))
        if record.predictions is not None and asked != by:
            print("these are the groups of its training; aukit test, with the same words, has the asked ones")


def _evaluate(given: argparse.Namespace) -> None:
    config = _load(given)
    from aukit.training import GroupScores, count_rows, evaluate, is_rank_zero, score_table

    people = {"held_out": given.held_out, "seen_people": given.seen_people} if given.stage == "test" else {}
    path = evaluate(config, given.runs, given.stage, given.checkpoint, weights=given.weights, **people)
    if not is_rank_zero():
        return
    if given.stage == "test":
        print(score_table(GroupScores.read(path.parent, path.stem.replace("predictions", "fairness"))))
    print(f"predictions of {count_rows(path):,} frames are in\n{path}")


def _add_config(commands: Commands[Parser]) -> None:
    text = "print an experiment's configuration, or explain its keys"
    command = add_command(commands, "config", _config, text, keys=True)
    command.usage = f"{command.prog} {_KEYS} [--help-keys [PREFIX]]"
    _add_experiment(command)
    command.add_argument(
        "--help-keys",
        nargs="?",
        const="",
        metavar="PREFIX",
        help="name, type, default and meaning of each key that begins so, e.g. model or data.fold",
    )


def _config(given: argparse.Namespace) -> None:
    experiment = _read(given)
    from aukit.training import check_experiment, config_yaml, explain_keys

    if given.help_keys is None:
        print(config_yaml(check_experiment(experiment)), end="")
    else:
        print(explain_keys(experiment, given.help_keys))


def _add_prepare(commands: Commands[Parser]) -> None:
    text = "decode and register the frames of an experiment or a corpus"
    command = add_command(commands, "prepare", _prepare, text, keys=True, corpora=corpus_names())
    command.usage = (
        f"{command.prog} {_KEYS}\n       {command.prog} {{{','.join(corpus_names())}}} --root DIR ..."
    )
    _add_experiment(command, required=False)
    command.set_defaults(prog=command.prog, refuse=command.error)


def _prepare(given: argparse.Namespace) -> None:
    if given.corpus is not None:
        return prepare_corpus(given)
    if given.config is None:
        given.refuse(f"name an experiment (-c FILE|NAME) or a corpus ({', '.join(corpus_names())})")
    config = _load(given)
    from aukit.training import prepare_data

    print(prepare_data(config))

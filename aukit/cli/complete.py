"""The command that makes a shell complete the others."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from aukit.cli.grammar import Commands, Parser, add_command
from aukit.errors import ConfigError
from aukit.utils.experiments import known_experiments

SHELLS = ("bash", "zsh")

_EXAMPLES = """\
examples:
  eval "$(aukit complete bash)"                       in ~/.bashrc
  aukit complete zsh > ~/.zfunc/_aukit                with ~/.zfunc in $fpath, before compinit

Commands, options, their choices, names of experiments, files and folders are completed."""


def add_complete(commands: Commands[Parser], root: Callable[[], Parser]) -> None:
    """Add the command; `root` makes the grammar that it completes."""
    text = "a script by which a shell completes aukit"
    command = add_command(
        commands,
        "complete",
        lambda given: print(completion(root(), given.shell)),
        text,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("shell", choices=SHELLS)


def completion(parser: Parser, shell: str) -> str:
    """The script of a shell.

    Raises:
        ConfigError: The package shtab is missing.
    """
    if find_spec("shtab") is None:
        raise ConfigError(
            "completion needs shtab, which is not installed: pip install 'aukit-facs[completion]'"
        )
    import shtab

    action: Any  # shtab reads its attribute complete, which argparse does not know
    for action in _actions(parser):
        meant = str(action.metavar)
        if action.dest == "config":
            action.complete = {"bash": "_aukit_experiments", "zsh": "_aukit_experiments"}
        elif meant.startswith("DIR"):
            action.complete = shtab.DIRECTORY
        elif meant.startswith("FILE") or action.type is Path:
            action.complete = shtab.FILE
    names = " ".join(known_experiments())
    preamble = {
        "bash": f'_aukit_experiments() {{ compgen -W "{names}" -- "$1"; compgen -f -- "$1"; }}',
        "zsh": f"_aukit_experiments() {{ compadd {names}; _files; }}",
    }
    return shtab.complete(parser, shell, preamble=preamble[shell])


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Arguments of a parser and of all its commands; a corpus that may stand first becomes one."""
    if isinstance(parser, Parser) and parser.corpora and all(a.dest != "corpus" for a in parser._actions):
        parser.add_argument("corpus", nargs="?", choices=parser.corpora)
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)

"""The grammar of the command line: options are never abbreviated, keys of a configuration stand anywhere.

`key=value` and `--key=value` both set a key, before, behind and between the options of a command. A word that
is neither is refused with the nearest right one.
"""

from __future__ import annotations

import argparse
import difflib
import itertools
from collections.abc import Callable, Collection, Sequence
from typing import Any, NoReturn

Commands = argparse._SubParsersAction
Run = Callable[[argparse.Namespace], object]

PROFILES = ("smoke", "mini", "standin", "paper")


class Parser(argparse.ArgumentParser):
    """Options of one command.

    Args:
        keys: Whether the command also takes `key=value`; they become `overrides` of what is parsed.
        corpora: Corpora of which one may stand first; it becomes `corpus` of what is parsed, and the words
            behind it, which another parser reads, become `options`.
        extend: Adds the options that depend on the words; it is called with the parser and all of them.
        options: As of `argparse.ArgumentParser`.
    """

    def __init__(
        self,
        *,
        keys: bool = False,
        corpora: Collection[str] = (),
        extend: Callable[[Parser, Sequence[str]], None] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options, allow_abbrev=False)
        self.keys, self.corpora, self._extend = keys, corpora, extend

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the words of this command; leave none over."""
        if args and args[0] in self.corpora:
            return argparse.Namespace(**self._defaults, corpus=args[0], options=list(args[1:])), []
        if self._extend is not None:
            self._extend(self, args or ())
        overrides: list[str] = []
        if self.keys:
            args, overrides = self._split(args)
        elif self._subparsers is None:  # said before what is missing: it may be missing since it is misspelt
            for word in itertools.takewhile(lambda word: word != "--", args or ()):
                if word.startswith("--") and word.partition("=")[0] not in self._option_string_actions:
                    self.error(self._unknown(word))
        namespace, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(self._unknown(rest[0]))
        if self.keys:
            namespace.overrides = overrides
        if self.corpora:
            namespace.corpus = None
        return namespace, []

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse what is none of an argument's choices, with the nearest of them."""
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            near = difflib.get_close_matches(str(value), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(known)}"
            raise argparse.ArgumentError(action, f"{value!r} is unknown; {hint}")

    def error(self, message: str) -> NoReturn:
        """End with what is wrong and where to read more, exit status 2."""
        self.exit(2, f"{self.prog}: {message}\n{self.prog} --help lists what there is\n")

    def _split(self, words: Sequence[str]) -> tuple[list[str], list[str]]:
        """Words for argparse, and `key=value`."""
        options, overrides = [], []
        rest, places = list(words), len(self._get_positional_actions())
        while rest:
            word = rest.pop(0)
            if word == "--":
                continue
            name, sign, _ = word.partition("=")
            option = self._option_string_actions.get(name)
            if places and not sign and not word.startswith("-"):
                options.append(word)
                places -= 1
            elif option is not None:
                options.append(word)
                if option.nargs in (None, "?") and not sign and rest and self._is_value(option, rest[0]):
                    options.append(rest.pop(0))
            elif not word.startswith("-"):
                if not sign or not name:
                    if near := difflib.get_close_matches(word, self.corpora, n=1, cutoff=0.5):
                        self.error(f"{word!r} is no corpus; did you mean {near[0]}?")
                    self.error(f"{word!r}: write key=value, for instance trainer.max_epochs=2")
                overrides.append(word)
            elif not word.startswith("--"):
                options.append(word)  # -cFILE, or unknown
            elif "." not in name and self._near(name):
                self.error(self._unknown(word))
            elif sign:
                overrides.append(word[2:])
            else:
                value = rest[0] if rest and not rest[0].startswith("--") and "=" not in rest[0] else "VALUE"
                self.error(f"{word}: no such option; a key and its value are one word: {word}={value}")
        return options, overrides

    def _is_value(self, option: argparse.Action, word: str) -> bool:
        """Whether the word behind an option is its value."""
        return option.nargs is None or not (word.startswith("-") or "=" in word)

    def _unknown(self, word: str) -> str:
        name = word.partition("=")[0]
        if not word.startswith("-"):
            return f"{word!r}: unexpected"
        near = self._near(name)
        return f"{name}: no such option" + (f"; did you mean {near}?" if near else "")

    def _near(self, name: str) -> str | None:
        known = [option for option in self._option_string_actions if option.startswith("--")]
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
        near = near or [option for option in known if option.startswith(name) and len(name) > 3]
        return near[0] if near else None


def seed(text: str) -> int:
    """A seed of random numbers, as `type` of an option."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no seed; write a whole number from 0 on")
    return int(text)


def count(text: str) -> int:
    """A number of things of which there is at least one, as `type` of an option."""
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r}: write a whole number from 1 on")
    return int(text)


def add_command(
    commands: Commands[Parser], name: str, run: Run, text: str, *, keys: bool = False, **options: Any
) -> Parser:
    """Add a command that calls `run` with what is parsed; `text` is its line in the list of commands."""
    description = text[0].upper() + text[1:] + "."
    command: Parser = commands.add_parser(name, help=text, description=description, keys=keys, **options)
    command.set_defaults(run=run)
    return command


def add_group(commands: Commands[Parser], name: str, text: str) -> Commands[Parser]:
    """Add a word that has commands of its own."""
    return commands.add_parser(name, help=text).add_subparsers(required=True, metavar="COMMAND")

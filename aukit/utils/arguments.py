"""Command line options from the signature of a constructor and its Google docstring."""

from __future__ import annotations

import argparse
import inspect
import types
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

_LATER = object()


def add_options(
    parser: argparse.ArgumentParser,
    cls: type,
    names: Collection[str] | None = None,
    skip: Collection[str] = (),
    default: Any = _LATER,
) -> tuple[str, ...]:
    """Add an option for each argument of a constructor that has a default; its help is the docstring's.

    Where the constructor takes ``**keywords``, the arguments of its base class follow. An argument
    ``leave_out_occluded: bool`` becomes ``--leave-out-occluded`` (and ``--no-…``), a `Literal` a choice, a
    sequence takes one value or more, ``X | None`` a value of ``X``.

    Args:
        parser: Where to.
        cls: Class whose constructor is called with the options.
        names: Arguments to take; None for all.
        skip: Arguments to leave out.
        default: Default of all options; that of each argument if it is not given.

    Returns:
        Names of the arguments for which there is an option now.

    Raises:
        TypeError: An argument has a type that no option can give.
    """
    added = []
    for name, (owner, parameter) in _parameters(cls).items():
        shown = parameter.default if default is _LATER else default
        if shown is parameter.empty or name in skip or (names is not None and name not in names):
            continue
        text = _help_texts(owner).get(name, "")
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            dest=name,
            default=shown,
            help=(text + ("" if shown is None else f" (default: {_shown(shown)})")).replace("%", "%%"),
            **_kind(cls, name, get_type_hints(owner.__init__)[name]),
        )
        added.append(name)
    return tuple(added)


def _parameters(cls: type) -> dict[str, tuple[Any, inspect.Parameter]]:
    """Arguments of a constructor, each with the class whose docstring describes it."""
    found: dict[str, tuple[Any, inspect.Parameter]] = {}
    for owner in cls.__mro__:
        if "__init__" not in vars(owner):
            continue
        _, *parameters = inspect.signature(vars(owner)["__init__"]).parameters.values()  # without self
        for parameter in parameters:
            if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                found.setdefault(parameter.name, (owner, parameter))
        if all(parameter.kind != parameter.VAR_KEYWORD for parameter in parameters):
            break
    return found


def _kind(cls: type, name: str, hint: Any) -> dict[str, Any]:
    """Keywords of ``add_argument`` for a type."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        some = [each for each in inner if each is not type(None)]
        # A path may be given as text: the text is what a command line has.
        return _kind(cls, name, Path if Path in some else some[0])
    if origin is Literal:
        return {"choices": inner, "type": type(inner[0])}
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return {"nargs": "+", **_kind(cls, name, inner[0])}
    if hint is bool:
        return {"action": argparse.BooleanOptionalAction}
    if hint in (int, float, str, Path):
        return {"type": hint, "metavar": {int: "N", float: "X"}.get(hint, "PATH" if hint is Path else "TEXT")}
    raise TypeError(f"{cls.__name__}: no command line option can give {name}: {hint}")


def _help_texts(cls: type) -> dict[str, str]:
    from docstring_parser import parse

    parsed = parse(inspect.getdoc(cls) or "")
    return {
        each.arg_name: " ".join((each.description or "").split()).rstrip(".")
        for each in parsed.params
        if each.args[0] == "param"  # no attributes
    }


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)

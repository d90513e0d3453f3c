"""YAML as a configuration wants it: YAML 1.2's plain values, so that `no` is a word and `1e-4` a number."""

from __future__ import annotations

import re
from typing import Any

import yaml

from aukit.utils.outside import check_yaml_text, yaml_problem


def parse_yaml(text: str) -> Any:
    """The value of a YAML text: dictionaries, lists, texts, numbers, booleans and None.

    Of YAML 1.1, which the parser below it reads, only what YAML 1.2 has too is taken: `on`, `yes` and `no`,
    `1:30`, dates and `010` are texts (so that a number with leading zeros is refused where a number is
    wanted). `None` is null, as `null` and `~` are.

    Raises:
        ValueError: It is no such text, has a key twice, is nested too deeply, or names types of Python.

    Example:
        >>> parse_yaml("{lr: 1e-4, mode: no, weights: None}")
        {'lr': 0.0001, 'mode': 'no', 'weights': None}
    """
    check_yaml_text(text)
    try:
        return yaml.load(text, Loader=_Loader)
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    except yaml.YAMLError as error:
        raise ValueError(yaml_problem(error)) from error


def dump_yaml(value: Any) -> str:
    """The text of plain values that `parse_yaml` reads as the same ones."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=100))


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2's core schema."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # yaml's own


class _Dumper(yaml.SafeDumper):
    """SafeDumper that puts texts in quotes which either version of YAML would read as something else."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write a value out wherever it stands."""
        return True

    def represent_sequence(
        self, tag: str, sequence: Any, flow_style: bool | None = None
    ) -> yaml.SequenceNode:
        """Lists of plain values in one line."""
        inline = not any(isinstance(item, dict | list) for item in sequence)
        return super().represent_sequence(tag, sequence, flow_style=inline)


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|None|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9_]*)|0x[0-9a-fA-F_]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|(0|[1-9][0-9_]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", "<<", ["<"]),
):
    for _kind in (_Loader, _Dumper):
        _kind.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)

"""Words `key=value`: dotted keys of a configuration and their values in YAML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from aukit.errors import ConfigError, shown
from aukit.utils.yaml_values import parse_yaml

_KEY = re.compile(r"[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*")


class Override(NamedTuple):
    """A word, read.

    Attributes:
        origin: How errors name it.
        path: Its key in parts, axes spelled out.
        value: Its value.
        empty: Whether there is no value (``key=``), which takes the key out.
    """

    origin: str
    path: tuple[str, ...]
    value: Any
    empty: bool

    def layer(self) -> dict[str, Any]:
        """The nested dictionary that it stands for."""
        value: Any = self.value
        for key in reversed(self.path):
            value = {key: value}
        assert isinstance(value, dict)
        return value


def read_overrides(words: Iterable[str], axes: Mapping[str, str]) -> list[Override]:
    """Read words, spelling out an experiment's short names.

    Raises:
        ConfigError: A word is no ``key=value``, or its value no YAML.
    """
    if isinstance(words, str):
        raise ConfigError(f"overrides {shown(words)!r}: give a list of key=value words")
    found = []
    for word in words:
        origin = f"override '{shown(word)}'"
        key, sign, text = str(word).partition("=")
        key = key.strip()
        if not sign or not key or key.startswith("-"):
            raise ConfigError(f"{origin}: write key=value, for instance trainer.max_epochs=2")
        if "[" in key:
            raise ConfigError(f"{origin}: a list is given as a whole; write {key.partition('[')[0]}=[...]")
        if not _KEY.fullmatch(key):
            raise ConfigError(f"{origin}: write a dotted key such as data.batch_size, not {shown(key)!r}")
        try:
            value = parse_yaml(text)
        except ValueError as error:
            raise ConfigError(
                f"{origin}: the value of {key} is not readable as YAML ({shown(error)}); put texts with"
                " special characters in quotes"
            ) from error
        found.append(Override(origin, tuple(axes.get(key, key).split(".")), value, not text.strip()))
    return found

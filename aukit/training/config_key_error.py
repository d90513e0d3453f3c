"""A wrong key or value of a configuration, before it is known which layer holds it."""

from __future__ import annotations

from aukit.errors import ConfigError
from aukit.training.layers import Key


class ConfigKeyError(ConfigError):
    """A key with a wrong name or value.

    Attributes:
        key: the key in parts.
        text: what is wrong with it and what to do, with the dotted key.

    Example:
        >>> str(ConfigKeyError(("model", "lr"), "model.lr must be a finite number above 0; got -1"))
        'model.lr must be a finite number above 0; got -1'
    """

    def __init__(self, key: Key, text: str) -> None:
        super().__init__(text)
        self.key = key
        self.text = text

"""Weights that a table's trainings start from, named by an environment variable: a file, or ``random``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from aukit.datasets.stamps import file_stamp
from aukit.errors import ConfigError
from aukit.models.weights import RANDOM
from aukit.reproduce.plan import weights_line


@dataclass(frozen=True)
class StartWeights:
    """What trainings start from.

    Attributes:
        variable: Name of the environment variable.
        what: What it names, such as ``VGG16``.
        used_for: What starts from it, in the plural.
        value: A file, or ``random``; None where the variable is not set.
    """

    variable: str
    what: str
    used_for: str
    value: str | None

    @classmethod
    def read(cls, variable: str, what: str, used_for: str) -> StartWeights:
        """Read the variable.

        Raises:
            ConfigError: It names no file.
        """
        value = os.environ.get(variable) or None
        if value not in (None, RANDOM) and not Path(str(value)).is_file():
            raise ConfigError(
                f"{variable}={value}: no such file; name a {what} state dict, say {RANDOM} or unset it"
            )
        return cls(variable, what, used_for, value)

    @property
    def stamp(self) -> str:
        """The value and, of a file, what changes with its content."""
        return stamp(str(self.value))

    @property
    def is_random(self) -> bool:
        """Whether it is said that they start from random weights."""
        return self.value == RANDOM

    def check(self) -> None:
        """See that it is said what they start from.

        Raises:
            ConfigError: The variable is not set.
        """
        if self.value is None:
            raise ConfigError(
                f"the paper's {self.used_for} start from ImageNet: name a {self.what} state dict with"
                f" {self.variable}=FILE, or say {self.variable}={RANDOM} to start from random weights,"
                " which the caption then says"
            )

    def plan_line(self, without: str | None = None) -> str:
        """A line of a plan on the variable.

        Args:
            without: What happens where it is not set; by default the table is refused.
        """
        refused = f"refused without a file or {self.variable}={RANDOM}"
        return weights_line(self.variable, f"{self.what} of the {self.used_for}", without or refused)


def stamp(weights: str) -> str:
    """A file of weights with what changes with its content; a name that is none stays as it is."""
    path = Path(weights)
    return f"{weights} {file_stamp(path)}" if path.is_file() else weights

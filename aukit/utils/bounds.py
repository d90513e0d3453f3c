"""Numbers with bounds, for signatures: a constructor says `lr: PositiveFloat`, and -1 is refused by name.

To a type checker they are `int` and `float`. Configurations are checked against them, and values stay plain
numbers (the types of the same names in jsonargparse would make objects of their own, which no checkpoint
should hold).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from jsonargparse.typing import register_type

from aukit.utils.yaml_values import parse_yaml

if TYPE_CHECKING:
    PositiveInt: TypeAlias = int
    NonNegativeInt: TypeAlias = int
    PositiveFloat: TypeAlias = float
    NonNegativeFloat: TypeAlias = float
    UnitInterval: TypeAlias = float
    Fraction: TypeAlias = float
else:

    class PositiveInt(int):
        """A whole number of at least 1."""

    class NonNegativeInt(int):
        """A whole number of at least 0."""

    class PositiveFloat(float):
        """A finite number above 0."""

    class NonNegativeFloat(float):
        """A finite number of at least 0."""

    class UnitInterval(float):
        """A number from 0 to 1."""

    class Fraction(float):
        """A number from 0 to below 1."""


def _register(kind: type, allowed: Callable[[float], bool]) -> None:
    plain = int if issubclass(kind, int) else float
    wanted = str(kind.__doc__).rstrip(".")

    def read(value: Any) -> float:
        number = parse_yaml(value) if isinstance(value, str) else value
        if plain is int and isinstance(number, float) and number.is_integer():
            number = int(number)
        if isinstance(number, bool) or not isinstance(number, (int, plain)):
            raise ValueError(f"must be {wanted[0].lower()}{wanted[1:]}")
        if not math.isfinite(number) or not allowed(number):
            raise ValueError(f"must be {wanted[0].lower()}{wanted[1:]}")
        return plain(number)

    def is_one(value: Any, _: type) -> bool:
        return type(value) is plain and math.isfinite(value) and allowed(value)

    register_type(kind, serializer=plain, deserializer=read, type_check=is_one)


_register(PositiveInt, lambda number: number >= 1)
_register(NonNegativeInt, lambda number: number >= 0)
_register(PositiveFloat, lambda number: number > 0)
_register(NonNegativeFloat, lambda number: number >= 0)
_register(UnitInterval, lambda number: 0 <= number <= 1)
_register(Fraction, lambda number: 0 <= number < 1)

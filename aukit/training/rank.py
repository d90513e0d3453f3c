"""Which process this is, before there is a trainer to ask."""

from typing import Any

from lightning.pytorch.utilities import rank_zero_only


def is_rank_zero() -> bool:
    """Whether this process is the one that writes; Lightning reads the launchers' environment variables."""
    knows: Any = rank_zero_only  # a function that carries the rank as an attribute
    return int(knows.rank or 0) == 0

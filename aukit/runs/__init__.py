"""What every run shares: configuration, identity, execution, records, predictions.

Names are imported when they are first used: reading records needs no Lightning.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aukit.runs.callbacks import RunInterrupted
    from aukit.runs.config import LoggingOptions, RunOptions, load_config
    from aukit.runs.fairness import GroupScores, score_groups
    from aukit.runs.fingerprint import identity
    from aukit.runs.instantiate import resolve
    from aukit.runs.loggers import read_log
    from aukit.runs.predictions import PredictionWriter
    from aukit.runs.rank import is_rank_zero
    from aukit.runs.record import Record
    from aukit.runs.run import RunFolder, evaluate, execute

__all__ = [
    "GroupScores",
    "LoggingOptions",
    "PredictionWriter",
    "Record",
    "RunFolder",
    "RunInterrupted",
    "RunOptions",
    "evaluate",
    "execute",
    "identity",
    "is_rank_zero",
    "load_config",
    "read_log",
    "resolve",
    "score_groups",
]

_HOMES = {
    "callbacks": ("RunInterrupted",),
    "config": ("LoggingOptions", "RunOptions", "load_config"),
    "fairness": ("GroupScores", "score_groups"),
    "fingerprint": ("identity",),
    "instantiate": ("resolve",),
    "loggers": ("read_log",),
    "predictions": ("PredictionWriter",),
    "rank": ("is_rank_zero",),
    "record": ("Record",),
    "run": ("RunFolder", "evaluate", "execute"),
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value

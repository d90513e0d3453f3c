"""What a column of a table is computed from, so that anybody who has it can compute the column again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Score = Literal["icc", "f1_over_folds", "f1_over_seeds", "statistics"]


@dataclass(frozen=True)
class Basis:
    """Files of predictions and the rule that makes a column of them.

    Attributes:
        score: Which function of `aukit.reproduce.scores` makes the column.
        aus: Action units scored.
        files: ``<run folder>/<name without suffix>`` of each file, one per fold or seed.
        threshold: Scores above it count as present; None for intensities.
        all_positive: Whether the column is that of the baseline that calls every frame positive.
        minus: Files of the method that is subtracted, on the same people and seeds.

    Example:
        >>> Basis.name(Path("lightning_logs/runs/fgnet-bp4d-0123456789ab/predictions.parquet"))
        'fgnet-bp4d-0123456789ab/predictions'
    """

    score: Score
    aus: tuple[int, ...]
    files: tuple[str, ...]
    threshold: float | None = None
    all_positive: bool = False
    minus: tuple[str, ...] = ()

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Basis:
        """As a table's JSON has it."""
        return cls(
            content["score"],
            tuple(map(int, content["aus"])),
            tuple(map(str, content["files"])),
            None if content["threshold"] is None else float(content["threshold"]),
            bool(content["all_positive"]),
            tuple(map(str, content["minus"])),
        )

    @staticmethod
    def name(path: Path) -> str:
        """How a file of predictions is called here."""
        return f"{path.parent.name}/{path.stem}"

    @classmethod
    def names(cls, paths: Sequence[Path]) -> tuple[str, ...]:
        """`name` of each."""
        return tuple(map(cls.name, paths))

"""Semantic resampling: training sets with equally many images per intensity level (paper, §4.2.2)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from aukit.facs import MAX_INTENSITY
from aukit.store.balanced_set import PLAN_COLUMNS

__all__ = ["LEVELS", "real_resampling", "semantic_resampling"]

#: Intensity levels: 0 = absent, 1 … 5 = A … E.
LEVELS = tuple(range(MAX_INTENSITY + 1))

Levels = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
_Pair = Callable[[int, Levels, int], tuple[Rows, Rows]]


def semantic_resampling(
    levels: Levels, aus: Sequence[int], per_level: int, seed: int, rows: Rows | None = None
) -> pd.DataFrame:
    """Plan a balanced synthetic set: which face is given which target vector.

    For each action unit a and level l: `per_level` input frames with y[a] = 0 and, independently, `per_level`
    targets with y[a] = l. Level 0 goes through the generator too. Input frames lack a because a generator
    adds wrinkles more easily than it removes them, and such frames are many.

    Args:
        levels: ``[N,A]`` intensity levels 0 … 5, NaN where not coded. A frame not coded for a is in no pool
            of a; a target must be coded for every action unit, since its whole vector is used.
        aus: ``[A]`` numbers of the action units, in the order of the columns.
        per_level: Images per level and action unit; 5,000 in the paper.
        seed: Seed of all draws. Each (a, l) has a stream of its own.
        rows: ``[N]`` rows of the prepared store that `levels` describes; None: 0 … N−1.

    Returns:
        Columns ``au``, ``level`` (0 … 5), ``input_frame``, ``target`` (rows of the store), ordered by au
        and level. Pools smaller than `per_level` are drawn with replacement; an empty pool gives none, with a
        warning.
    """
    complete = np.isfinite(levels).all(axis=1)

    def pair(au: int, column: Levels, level: int) -> tuple[Rows, Rows]:
        inputs = np.flatnonzero(column == 0)
        targets = np.flatnonzero((column == level) & complete)
        rng = np.random.default_rng([seed, au, level, 0])
        return _draw(rng, inputs, per_level), _draw(rng, targets, per_level)

    return _plan(levels, aus, pair, rows)


def real_resampling(
    levels: Levels, aus: Sequence[int], per_level: int, seed: int, rows: Rows | None = None
) -> pd.DataFrame:
    """Plan the paper's baseline: real frames, frequent levels down-sampled and rare ones up-sampled.

    Args:
        levels: ``[N,A]`` intensity levels 0 … 5, NaN where not coded.
        aus: ``[A]`` numbers of the action units, in the order of the columns.
        per_level: Images per level and action unit; 5,000 in the paper.
        seed: Seed of all draws.
        rows: ``[N]`` rows of the prepared store that `levels` describes; None: 0 … N−1.

    Returns:
        As `semantic_resampling`, with ``target`` equal to ``input_frame``.
    """

    def pair(au: int, column: Levels, level: int) -> tuple[Rows, Rows]:
        drawn = _draw(np.random.default_rng([seed, au, level, 1]), np.flatnonzero(column == level), per_level)
        return drawn, drawn

    return _plan(levels, aus, pair, rows)


def _draw(rng: np.random.Generator, pool: Rows, count: int) -> Rows:
    if not len(pool):
        return pool
    return rng.choice(pool, count, replace=len(pool) < count)


def _plan(levels: Levels, aus: Sequence[int], pair: _Pair, rows: Rows | None) -> pd.DataFrame:
    if levels.ndim != 2 or levels.shape[1] != len(aus):
        raise ValueError(f"levels {levels.shape} do not fit {len(aus)} action units")
    rows = np.arange(len(levels)) if rows is None else rows
    plans = []
    for index, au in enumerate(aus):
        for level in LEVELS:
            inputs, targets = pair(au, levels[:, index], level)
            if not (len(inputs) and len(targets)):
                warnings.warn(
                    f"AU{au} level {level}: no usable frame; the balanced set lacks this class",
                    stacklevel=3,
                )
                continue
            plan = {"au": au, "level": level, "input_frame": rows[inputs], "target": rows[targets]}
            plans.append(pd.DataFrame(plan).astype("int64"))
    if not plans:
        return pd.DataFrame({name: np.zeros(0, np.int64) for name in PLAN_COLUMNS})
    return pd.concat(plans, ignore_index=True)

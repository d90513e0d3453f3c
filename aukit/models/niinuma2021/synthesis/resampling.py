"""Semantic resampling: training sets with equally many images per intensity level (paper, §4.2.2)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from aukit.datamodules.dataset import label_columns
from aukit.facs import MAX_INTENSITY, intensity_column
from aukit.store.balanced_set import PLAN_COLUMNS
from aukit.store.store import PreparedStore

__all__ = ["LEVELS", "Pool", "real_resampling", "semantic_resampling"]

#: Intensity levels: 0 = absent, 1 … 5 = A … E.
LEVELS = tuple(range(MAX_INTENSITY + 1))

Rows = npt.NDArray[np.int64]


class Pool(NamedTuple):
    """Frames to draw from.

    Attributes:
        aus: ``[A]`` numbers of the action units.
        levels: ``[N,A]`` intensity levels 0 … 5, NaN where not coded.
        persons: ``[N]`` global ids.
        rows: ``[N]`` rows of the prepared store that the frames are in.

    Example:
        >>> levels = np.array([[0, 5], [2, np.nan]], np.float32)
        >>> pool = Pool((6, 12), levels, np.array(["F001", "M002"], object), np.arange(2))
        >>> len(pool.rows), pool.persons[1]
        (2, 'M002')
    """

    aus: tuple[int, ...]
    levels: npt.NDArray[np.float32]
    persons: npt.NDArray[np.object_]
    rows: Rows

    @classmethod
    def of(cls, store: PreparedStore, aus: Sequence[int], rows: Rows | None = None) -> Pool:
        """Frames of a store; an action unit that its corpus does not code is NaN.

        Args:
            store: The store.
            aus: Action units.
            rows: Which frames; None for all.
        """
        rows = np.arange(len(store)) if rows is None else rows
        levels = label_columns(store.table, aus, "intensity")[rows]
        return cls(tuple(aus), levels, store.table.frame["person"].to_numpy()[rows], rows)

    @classmethod
    def neutral(cls, store: PreparedStore, aus: Sequence[int], rows: Rows) -> Pool:
        """Neutral faces of a corpus that codes no action units: all of them are absent.

        Args:
            store: The store.
            aus: Action units.
            rows: Which frames; they are known to be neutral.
        """
        levels = np.zeros((len(rows), len(aus)), np.float32)
        return cls(tuple(aus), levels, store.table.frame["person"].to_numpy()[rows], rows)


_Pair = Callable[[int, int, int], tuple[Rows, Rows]]


def semantic_resampling(
    source_pool: Pool, target_pool: Pool, per_level: int, seed: int, in_turn: bool = False
) -> pd.DataFrame:
    """Plan a balanced synthetic set: which face is given which target vector.

    For each action unit a and level l: `per_level` input frames with y[a] = 0 and, independently, `per_level`
    targets with y[a] = l. Level 0 goes through the generator too. Input frames lack a because a generator
    adds wrinkles more easily than it removes them, and such frames are many.

    Args:
        source_pool: Frames that give the faces. One that is not coded for a is no input of a.
        target_pool: Frames that give the labels, of the same corpus or another one; only those that are coded
            for every action unit, since the whole vector is used.
        per_level: Images per level and action unit; 5,000 in the paper.
        seed: Seed of all draws. Each (a, l) has a stream of its own.
        in_turn: Whether input frames are taken one after the other, so that with `per_level` of five times
            their number each is given five targets (921 faces and 4,605 images in the paper).

    Returns:
        A plan of `aukit.store.BalancedSet`: `input_frame` of the source's store, `target` of the target's,
        ordered by au and level. Pools smaller than `per_level` are drawn with replacement; an empty pool
        gives none, with a warning.

    Raises:
        ValueError: The pools have different action units.
    """
    if source_pool.aus != target_pool.aus:
        raise ValueError(f"source has AUs {list(source_pool.aus)}, target has {list(target_pool.aus)}")
    complete = np.isfinite(target_pool.levels).all(axis=1)

    def pair(index: int, au: int, level: int) -> tuple[Rows, Rows]:
        inputs = np.flatnonzero(source_pool.levels[:, index] == 0)
        targets = np.flatnonzero((target_pool.levels[:, index] == level) & complete)
        rng = np.random.default_rng([seed, au, level, 0])
        if in_turn and len(inputs):
            return np.resize(inputs, per_level), _draw(rng, targets, per_level)
        return _draw(rng, inputs, per_level), _draw(rng, targets, per_level)

    return _plan(source_pool, target_pool, pair)


def real_resampling(pool: Pool, per_level: int, seed: int) -> pd.DataFrame:
    """Plan the paper's baseline: real frames, frequent levels down-sampled and rare ones up-sampled.

    Args:
        pool: The frames.
        per_level: Images per level and action unit; 5,000 in the paper.
        seed: Seed of all draws.

    Returns:
        As `semantic_resampling`, with `target` equal to `input_frame`.
    """

    def pair(index: int, au: int, level: int) -> tuple[Rows, Rows]:
        mine = np.flatnonzero(pool.levels[:, index] == level)
        drawn = _draw(np.random.default_rng([seed, au, level, 1]), mine, per_level)
        return drawn, drawn

    return _plan(pool, pool, pair)


def _draw(rng: np.random.Generator, pool: Rows, count: int) -> Rows:
    if not len(pool):
        return pool
    return rng.choice(pool, count, replace=len(pool) < count)


def _plan(source: Pool, target: Pool, pair: _Pair) -> pd.DataFrame:
    labels = [intensity_column(au) for au in source.aus]
    plans = []
    for index, au in enumerate(source.aus):
        for level in LEVELS:
            inputs, targets = pair(index, au, level)
            if not (len(inputs) and len(targets)):
                warnings.warn(
                    f"AU{au} level {level}: no usable frame; the balanced set lacks this class",
                    stacklevel=3,
                )
                continue
            plan = {
                "au": au,
                "level": level,
                "input_frame": source.rows[inputs],
                "target": target.rows[targets],
                "person": source.persons[inputs],
                "target_person": target.persons[targets],
                **dict(zip(labels, target.levels[targets].T, strict=True)),
            }
            plans.append(pd.DataFrame(plan))
    if not plans:
        return pd.DataFrame(columns=[*PLAN_COLUMNS, *labels])
    return pd.concat(plans, ignore_index=True)

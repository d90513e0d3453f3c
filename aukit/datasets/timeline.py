"""Timestamps of a video's packets → places on its presented timeline, to which label rows belong.

A row of labels belongs to a place, not to the next picture that a decoder happens to give: where a packet was
lost, a chunk is empty or a picture cannot be decoded, later ones keep their places.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.int64]

MOST_JITTER = 0.2
"""Of a frame's duration: a timestamp so near to a place of the grid belongs to it beyond doubt."""


def places(times: npt.NDArray[np.int64], rates: tuple[Fraction, ...] = (), origin: int | None = 0) -> Places:
    """Place of each timestamp, counted from 0.

    If all timestamps lie on one grid, whose step is the usual distance of neighbours, a place is a point of
    the grid: what is missing in between leaves its place empty. If they do not (a variable frame rate), it is
    the rank of the timestamp.

    Args:
        times: Timestamps [N] in ticks, in any order, no two alike.
        rates: Durations of a frame in ticks that the file names; they are tried before what is measured.
        origin: Timestamp of place 0, if it lies on the grid; None for the earliest timestamp.

    Returns:
        Places [N] ≥ 0 in the order of `times`.

    Example:
        >>> places(np.array([0, 512, 2048, 1536])).tolist()
        [0, 1, 4, 3]
        >>> places(np.array([0, 33, 71, 98, 140])).tolist()
        [0, 1, 2, 3, 4]
    """
    order = np.argsort(times, kind="stable")
    ascending = times[order].astype(np.float64)
    steps = np.diff(ascending)
    found = _on_grid(ascending, steps, rates)
    result = np.empty(len(times), dtype=np.int64)
    if found is None:
        result[order] = np.arange(len(times))
        return result
    grid, step = found
    if origin is not None:
        first = (ascending[0] - origin) / step
        if first >= 0 and abs(first - np.rint(first)) <= max(MOST_JITTER, 1 / step):
            grid = grid + int(np.rint(first))
    result[order] = grid
    return result


def _on_grid(
    ascending: npt.NDArray[np.float64], steps: npt.NDArray[np.float64], rates: tuple[Fraction, ...]
) -> tuple[Places, float] | None:
    """Points of the grid, the first being 0, and its step; None if the timestamps lie on none."""
    if len(steps) == 0:
        return np.zeros(len(ascending), dtype=np.int64), max([1.0, *map(float, rates)])
    usual = float(np.median(steps))
    # Rounding to ticks makes steps of 33 and 34 of 33.3: those near the usual one give it.
    near = steps[np.abs(steps - usual) <= max(1.0, MOST_JITTER * usual)]
    if not len(near):
        return None
    for step in (*(float(rate) for rate in rates), float(near.mean())):
        if not 0.5 < usual / step < 1.5:
            continue  # finer than the frames, or coarser
        grid = np.concatenate([[0], np.cumsum(np.rint(steps / step))])
        refined = _fit(grid, ascending) if grid[-1] else step
        grid = np.rint((ascending - ascending[0]) / refined)
        refined = _fit(grid, ascending) if grid[-1] else step
        offset = ascending - refined * grid
        jitter = np.abs(offset - np.median(offset)).max()
        if (np.diff(grid) > 0).all() and jitter <= max(1.0, MOST_JITTER * refined):
            return grid.astype(np.int64), refined
    return None


def _fit(grid: npt.NDArray[np.float64], ascending: npt.NDArray[np.float64]) -> float:
    """Step of the grid by least squares."""
    centred = grid - grid.mean()
    return float((centred * (ascending - ascending.mean())).sum() / (centred**2).sum())

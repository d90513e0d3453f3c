"""Confidence intervals by resampling people, not frames.

Frames of one person are nearly copies of each other, so an interval over frames is far too narrow. Here
people are drawn with replacement and their additive statistics added up, which gives all replicates in one
product of matrices: 2,000 replicates of a mean ICC over seven AUs take some milliseconds.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from aukit.metrics.arrays import sum_by


@dataclass(frozen=True)
class SubjectSums:
    """Additive statistics per person.

    Attributes:
        subjects: Sorted ids [S].
        sums: Statistics [S, ...]; row s belongs to ``subjects[s]``.

    Example:
        >>> from aukit.metrics import confusion_counts
        >>> labels = np.array([[1.0], [0], [1], [1]])
        >>> counts = confusion_counts(labels, labels, ["F001", "F001", "M002", "M002"])
        >>> counts.subjects.tolist(), counts.sums[:, 0].tolist()
        (['F001', 'M002'], [[1, 0, 0, 1], [2, 0, 0, 0]])
    """

    subjects: npt.NDArray[Any]
    sums: npt.NDArray[Any]


Sums = npt.NDArray[np.float64]
Statistics = SubjectSums | npt.NDArray[Any]


class Interval(NamedTuple):
    """An estimate with its interval; each field has the shape that ``fn`` gives per replicate.

    Attributes:
        estimate: Value on all people.
        low: Lower end; NaN where there is no interval.
        high: Upper end.
        undefined: Share of replicates where the value is NaN.
        replicates: All values [N, ...]: one per draw of a bootstrap, or one without each person.

    Example:
        >>> sums = np.arange(8.0).reshape(8, 1)
        >>> interval = bootstrap_by_subject(sums, lambda s: s[:, 0] / 8, n_boot=200)
        >>> bool(interval.low < interval.estimate < interval.high), float(interval.estimate)
        (True, 3.5)
    """

    estimate: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    undefined: npt.NDArray[np.float64]
    replicates: npt.NDArray[np.float64]


def bootstrap_by_subject(
    statistics: Statistics | Sequence[Statistics],
    fn: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]],
    n_boot: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    *,
    baseline: Statistics | Sequence[Statistics] | None = None,
    strata: npt.ArrayLike | None = None,
    resample_trainings: bool = False,
) -> Interval:
    """Percentile interval of a function of additive statistics over resampled people (Efron 1979).

    The draws depend on ``seed``, ``n_boot``, the number of people and ``strata`` only, so that two methods
    scored on the same people see the same people drawn.

    Args:
        statistics: [S, ...] additive per person (``icc_sums``, ``confusion_counts``), people in a fixed
            order. A list or tuple of such arrays is one method trained with several seeds: each replicate
            draws people once and averages ``fn`` over the trainings.
        fn: Sums [N, ...] → values [N] or [N, ...], without looking across the first axis; for instance
            ``lambda s: icc_from_sums(s).mean(-1)``.
        n_boot: Replicates.
        seed: Seed of the draws.
        level: Coverage of the interval.
        baseline: Statistics of another method on the same people: the interval is then of the paired
            difference, method minus baseline.
        strata: [S] a value per person; people are drawn within each value, so that each replicate has as many
            women and men as the data. A value of one person leaves no interval.
        resample_trainings: Whether each replicate draws trainings with replacement too, so that the interval
            holds what another seed would change. Method and baseline share the draw where they have equally
            many trainings: the i-th of both then belong together, as trainings from one start do.

    Returns:
        Estimate, percentiles of the replicates that are defined, and all replicates. There is no interval
        (NaN) of a single person, nor where a stratum has one.

    Raises:
        ValueError: No people, or statistics that are not of the same people.
    """
    trainings, others = paired_trainings(statistics, baseline)
    n_people = len(trainings[0])
    people_drawn = _draw(n_people, n_boot, seed, strata)
    shares = [_draw_trainings(len(each), n_boot, seed, resample_trainings) for each in (trainings, others)]

    def value(weights: npt.NDArray[np.float64], drawn: bool) -> npt.NDArray[np.float64]:
        result = _mean_value(trainings, weights, fn, shares[0] if drawn else None)
        if baseline is None:
            return result
        return result - _mean_value(others, weights, fn, shares[1] if drawn else None)

    estimate = value(np.ones((1, n_people)), drawn=False)[0]
    replicates = value(people_drawn, drawn=True)
    undefined = np.isnan(replicates).mean(0)
    ends = [(1 - level) / 2, (1 + level) / 2]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="All-NaN slice")
        low, high = np.nanquantile(replicates, ends, axis=0)
    if n_people < 2 or _has_single_person(strata):
        low, high = np.full_like(low, np.nan), np.full_like(high, np.nan)
    return Interval(estimate, low, high, undefined, replicates)


def _has_single_person(strata: npt.ArrayLike | None) -> bool:
    """Whether a stratum has one person, who is drawn each time and does not say how others would differ."""
    return strata is not None and bool((np.unique(np.asarray(strata), return_counts=True)[1] == 1).any())


def _draw(n_people: int, n_boot: int, seed: int, strata: npt.ArrayLike | None) -> npt.NDArray[np.float64]:
    """How often each person is drawn in each replicate, [n_boot, S]."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(n_people, dtype=np.int64) if strata is None else np.asarray(strata)
    if labels.shape != (n_people,):
        raise ValueError(f"strata must be [{n_people}], one per person; it is {list(labels.shape)}")
    weights = np.zeros((n_boot, n_people))
    for stratum in np.unique(labels):
        members = np.flatnonzero(labels == stratum)
        share = np.full(len(members), 1 / len(members))
        weights[:, members] = rng.multinomial(len(members), share, size=n_boot)
    return weights


def _draw_trainings(number: int, n_boot: int, seed: int, resample: bool) -> npt.NDArray[np.float64] | None:
    """Share of each training in each replicate, [n_boot, T]; None for equal ones."""
    if not resample or number < 2:
        return None
    rng = np.random.default_rng([seed, 1])  # apart from the draws of people, which stay as they are
    return rng.multinomial(number, np.full(number, 1 / number), size=n_boot) / number


def _mean_value(
    trainings: list[npt.NDArray[np.float64]],
    weights: npt.NDArray[np.float64],
    fn: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]],
    shares: npt.NDArray[np.float64] | None,
) -> npt.NDArray[np.float64]:
    values = np.asarray([fn(np.tensordot(weights, each, axes=1)) for each in trainings], dtype=np.float64)
    if shares is None:
        return np.asarray(values.mean(0))
    share = shares.T.reshape(*shares.T.shape, *[1] * (values.ndim - 2))
    # A training that is not drawn must not make a replicate undefined.
    return np.asarray(np.where(share > 0, share * values, 0.0).sum(0))


def paired_trainings(
    statistics: Statistics | Sequence[Statistics], baseline: Statistics | Sequence[Statistics] | None
) -> tuple[list[Sums], list[Sums]]:
    """The trainings' statistics of a method, and of its baseline (empty without one), on the same people.

    Raises:
        ValueError: No people, or not the same ones in the same order.
    """
    trainings, people = _trainings(statistics)
    if baseline is None:
        return trainings, []
    others, other_people = _trainings(baseline)
    if len(others[0]) != len(trainings[0]) or not _same_people(people, other_people):
        raise ValueError("statistics and baseline are not of the same people in the same order")
    return trainings, others


def _trainings(
    statistics: Statistics | Sequence[Statistics],
) -> tuple[list[npt.NDArray[np.float64]], npt.NDArray[Any] | None]:
    items = list(statistics) if isinstance(statistics, list | tuple) else [statistics]
    people = [item.subjects for item in items if isinstance(item, SubjectSums)]
    arrays = [
        np.asarray(item.sums if isinstance(item, SubjectSums) else item, dtype=np.float64) for item in items
    ]
    if not arrays or arrays[0].ndim < 1 or len(arrays[0]) == 0:
        raise ValueError("no people to resample")
    if any(array.shape != arrays[0].shape for array in arrays) or not all(
        _same_people(people[0], other) for other in people
    ):
        raise ValueError("the trainings are not scored on the same people in the same order")
    return arrays, people[0] if people else None


def _same_people(a: npt.NDArray[Any] | None, b: npt.NDArray[Any] | None) -> bool:
    return a is None or b is None or np.array_equal(a, b)


def sum_by_subject(entries: torch.Tensor, subjects: npt.ArrayLike) -> SubjectSums:
    """Adds up what each frame contributes, [n, ...], per person.

    Args:
        entries: [n, ...] contributions.
        subjects: [n] ids, all of one type.

    Raises:
        ValueError: Not one id per frame.
    """
    one_group = torch.zeros(len(entries), dtype=torch.int64)
    by_group = sum_by_subject_and_group(entries, subjects, one_group, 1)
    return SubjectSums(by_group.subjects, by_group.sums[:, 0])


def sum_by_subject_and_group(
    entries: torch.Tensor, subjects: npt.ArrayLike, groups: torch.Tensor, number: int
) -> SubjectSums:
    """Adds up what each frame contributes, [n, ...], per person and group.

    Args:
        entries: [n, ...] contributions.
        subjects: [n] ids, all of one type.
        groups: [n] index of each frame's group, 0 … ``number`` - 1.
        number: Number of groups.

    Returns:
        ``sums`` [S, number, ...].

    Raises:
        ValueError: Not one id or not one group per frame.
    """
    ids = np.asarray(subjects)
    if ids.shape != (len(entries),):
        raise ValueError(f"subjects must be [{len(entries)}], one per frame; it is {list(ids.shape)}")
    if groups.shape != (len(entries),):  # one alone would count for all
        raise ValueError(f"groups must be [{len(entries)}], one per frame; it is {list(groups.shape)}")
    names, index = np.unique(ids, return_inverse=True)
    cell = torch.as_tensor(index) * number + groups.cpu()
    sums = sum_by(entries, cell, len(names) * number)
    return SubjectSums(names, sums.reshape(len(names), number, *entries.shape[1:]).cpu().numpy())

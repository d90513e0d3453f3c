"""Confidence intervals over people: the jackknife's standard error, Student's t, the metric's own scale.

Frames of one person are nearly copies of each other, so an interval over frames is far too narrow; people are
the units. Test folds have 9 to 30 of them, and with so few the percentile bootstrap is too narrow as well:
its "95 %" covers 85 % at nine people. Leaving out one person after the other (Tukey 1958) estimates the
standard error without that loss, Student's t pays for having to estimate it, and on the log-odds of a rate or
Fisher's z of a correlation the interval is as lopsided as the metric. `benchmarks/interval_coverage.py`
measures coverage and width beside those of four bootstraps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from aukit.metrics.bootstrap import Interval, Statistics, Sums, paired_trainings

Scale = Literal["linear", "rate", "correlation", "gap"]
"""What a value is: any number; from 0 to 1; from -1 to 1; never negative."""

_LIMITS = {"linear": (-np.inf, np.inf), "rate": (0.0, 1.0), "correlation": (-1.0, 1.0), "gap": (0.0, np.inf)}


def interval_by_subject(
    statistics: Statistics | Sequence[Statistics],
    fn: Callable[[Sums], Sums],
    level: float = 0.95,
    *,
    scale: Scale = "linear",
    baseline: Statistics | Sequence[Statistics] | None = None,
    strata: npt.ArrayLike | None = None,
) -> Interval:
    """Jackknife t-interval of a function of additive statistics over people.

    The degrees of freedom are the number of people less the number of strata. Several trainings of one method
    add the variance of their mean, and the degrees of freedom follow Satterthwaite (1946): two trainings say
    so little about a third that the interval becomes very wide.

    Costs one evaluation of `fn` on S + 1 sums for S people: milliseconds.

    Args:
        statistics: [S, ...] additive per person (``icc_sums``, ``confusion_counts``), people in a fixed
            order. A list or tuple of such arrays is one method trained with several seeds; its value is the
            mean of theirs.
        fn: Sums [N, ...] → values [N] or [N, ...], for instance ``lambda s: icc_from_sums(s).mean(-1)``. The
            first row is everybody. A mean over those that have a value must be over the same ones in every
            row, and NaN where they are not there: else a jump to another mean counts as chance of people.
        level: Coverage of the interval.
        scale: What the values are. Rates are taken as log-odds and correlations as Fisher's z, but for those
            at the very end of their scale; no interval leaves its scale.
        baseline: Statistics of another method on the same people: the interval is then of the paired
            difference, method minus baseline, whatever the scale. Of as many trainings as the method,
            training i of the one belongs to i of the other, as trainings from one start do; or of one.
        strata: [S] a value per person (gender, fold); people are compared within it.

    Returns:
        Estimate and interval; the replicates are the values without each person [S, ...]. There is no
        interval (NaN) where a stratum has one person, or where the value does not exist without some person.

    Raises:
        ValueError: No people, statistics that are not of the same people, or trainings that cannot be paired.

    Example:
        >>> heights = np.stack([np.array([1.62, 1.75, 1.58, 1.81]), np.ones(4)], axis=1)
        >>> mean = interval_by_subject(heights, lambda sums: sums[:, 0] / sums[:, 1])
        >>> [round(float(end), 3) for end in (mean.low, mean.estimate, mean.high)]
        [1.518, 1.69, 1.862]
    """
    trainings, others = paired_trainings(statistics, baseline)
    if len(others) not in (0, 1, len(trainings)):
        raise ValueError(f"{len(trainings)} trainings cannot be paired with {len(others)} of the baseline")
    without, members = leave_one_out(len(trainings[0]), strata)
    if baseline is not None:
        scale = "linear"

    def values(sums: Sums) -> Sums:
        """Values of everybody, and without each person, [1 + S, ...]."""
        return fn(np.concatenate([np.tensordot(people, sums, axes=1) for people in (everybody, without)]))

    everybody = np.ones((1, len(without)))
    own, other = (np.asarray([values(sums) for sums in each], np.float64) for each in (trainings, others))
    both = own - other if len(other) else own
    return jackknife_interval(both[:, 0], both[:, 1:].mean(0), members, level, scale)


def jackknife_interval(
    each: Sums, replicates: Sums, strata: list[npt.NDArray[np.int64]], level: float, scale: Scale
) -> Interval:
    """The interval from values that are there already: of everybody, and without each person.

    Args:
        each: [T, ...] value of each training on all people.
        replicates: [S, ...] values under the weights of `leave_one_out`.
        strata: People of each stratum, of the same function.
        level: Coverage of the interval.
        scale: What the values are.
    """
    estimate = each.mean(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = _t_interval(estimate, each, replicates, strata, level)
        if scale in ("rate", "correlation"):
            curved = [_stretch(field, scale) for field in (estimate, each, replicates)]
            ends = _t_interval(curved[0], curved[1], curved[2], strata, level)
            usable = np.isfinite(np.concatenate(curved[1:])).all(0)
            low, high = (
                np.where(usable, _shrink(end, scale), plain)
                for end, plain in zip(ends, (low, high), strict=True)
            )
    least, most = _LIMITS[scale]
    undefined = np.isnan(replicates).mean(0)
    return Interval(estimate, np.maximum(low, least), np.minimum(high, most), undefined, replicates)


def leave_one_out(people: int, strata: npt.ArrayLike | None) -> tuple[Sums, list[npt.NDArray[np.int64]]]:
    """Weights [S, S] of the people without each of them, and the people of each stratum.

    Those left of a stratum count so much more that every stratum keeps its size.
    """
    labels = np.zeros(people, dtype=np.int64) if strata is None else np.asarray(strata)
    if labels.shape != (people,):
        raise ValueError(f"strata must be [{people}], one per person; it is {list(labels.shape)}")
    members = [np.flatnonzero(labels == stratum) for stratum in np.unique(labels)]
    weights = np.ones((people, people))
    for each in members:
        weights[np.ix_(each, each)] = len(each) / max(len(each) - 1, 1)
    np.fill_diagonal(weights, 0.0)
    return weights, members


def _t_interval(
    estimate: Sums, each: Sums, replicates: Sums, strata: list[npt.NDArray[np.int64]], level: float
) -> tuple[Sums, Sums]:
    """Ends of the interval from a value per training [T, ...] and one without each person [S, ...]."""
    of_people = np.zeros_like(estimate)
    for members in strata:
        n = len(members)
        # One person does not say how others of this stratum would differ.
        spread = np.square(replicates[members] - replicates[members].mean(0)).sum(0) if n > 1 else np.nan
        of_people = of_people + (n - 1) / n * spread
    freedom = np.full_like(estimate, max(len(replicates) - len(strata), 1))
    variance = of_people
    if len(each) > 1:
        of_trainings = each.var(0, ddof=1) / len(each)
        variance = of_people + of_trainings
        parts = of_people**2 / freedom + of_trainings**2 / (len(each) - 1)
        freedom = np.where(parts > 0, variance**2 / parts, freedom)
    half = stats.t.ppf((1 + level) / 2, freedom) * np.sqrt(variance)
    return estimate - half, estimate + half


def _stretch(values: Sums, scale: Scale) -> Sums:
    return np.asarray(special.logit(values) if scale == "rate" else np.arctanh(values))


def _shrink(values: Sums, scale: Scale) -> Sums:
    return np.asarray(special.expit(values) if scale == "rate" else np.tanh(values))

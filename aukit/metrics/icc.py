"""Intraclass correlation of predicted with coded intensity, from sums that add up over batches and people.

The statistics per AU are six sums over the frames where both values are there: n, Σx, Σy, Σx², Σy², Σxy, with
x the prediction and y the label, both taken from the middle of the intensity scale (2.5). They add up over
batches, processes and people, so one frame is one frame however the data were cut.

Numerics: float64. Integer levels are summed without any rounding. The result is good to about 1e-15 for
values on the intensity scale and loses two digits for each factor of ten that the mean lies away from it in
units of the standard deviation: about 1e-8 is left of values near 10,000 with a standard deviation of 1.

Sources: Shrout and Fleiss, *Intraclass Correlations: Uses in Assessing Rater Reliability*, 1979 (the six
kinds and their names); McGraw and Wong 1996 call ICC(3,1) ICC(C,1), consistency, and ICC(2,1) ICC(A,1),
absolute agreement.
"""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy.typing as npt
import torch
from torch import Tensor

from aukit.metrics.arrays import AnyArray, Array, check_pair, group_index, in_kind, to_float64
from aukit.metrics.bootstrap import SubjectSums, sum_by_subject, sum_by_subject_and_group

IccKind = Literal["1,1", "2,1", "3,1", "1,k", "2,k", "3,k"]

ORIGIN = 2.5
"""Middle of the intensity scale 0 to 5; sums are taken from here to keep digits."""

# A standard deviation below a millionth of the values' size is what float32 rounding makes of a constant.
_CONSTANT = 1e-12


def intraclass_correlation(predictions: Array, labels: Array, kind: IccKind = "3,1") -> Array:
    """Intraclass correlation of predictions with labels per AU, over all frames pooled.

    For two raters ICC(3,1) equals 2·cov(x, y) / (var x + var y): blind to a constant offset, sensitive to
    scale.

    Args:
        predictions: [n, A], any real values; NaN = no prediction.
        labels: [n, A], any real values; NaN = not coded. A frame counts for an AU where both are there.
        kind: ``"3,1"`` consistency, ``"2,1"`` absolute agreement, ``"1,1"`` one-way; ``k`` instead of the
            last 1 for the mean of both raters.

    Returns:
        [A] float64. 0 for predictions (or labels) without variance, NaN where neither varies or fewer than
        two frames count. ICC(1,1) keeps its formula's value for predictions without variance.

    Raises:
        ValueError: Shapes differ, or ``kind`` is unknown.
    """
    x, y = to_float64(predictions), to_float64(labels)
    check_pair(x, y)
    return in_kind(_icc_from_sums(entry_sums(x, y).sum(0), kind), predictions)  # type: ignore[no-any-return]


def icc_sums(predictions: AnyArray, labels: AnyArray, subjects: npt.ArrayLike) -> SubjectSums:
    """Sums per person and AU that :func:`icc_from_sums` turns into an ICC, alone or added up.

    Args:
        predictions: [n, A]; NaN = no prediction.
        labels: [n, A]; NaN = not coded.
        subjects: [n] ids of the people.

    Returns:
        ``sums`` [S, A, 6] float64 for the people in sorted order.

    Raises:
        ValueError: Shapes differ.
    """
    x, y = to_float64(predictions), to_float64(labels)
    check_pair(x, y)
    return sum_by_subject(entry_sums(x, y), subjects)


def grouped_icc_sums(
    predictions: AnyArray,
    labels: AnyArray,
    subjects: npt.ArrayLike,
    groups: AnyArray | Sequence[Any],
    names: Sequence[str],
) -> SubjectSums:
    """Sums per person, group and AU, for :func:`aukit.metrics.group_icc_intervals`.

    Args:
        predictions: [n, A], as in :func:`icc_sums`.
        labels: [n, A], as in :func:`icc_sums`.
        subjects: [n] ids of the people.
        groups: [n] group names or indices into ``names``; unknown is an empty name, None, NaN or -1.
        names: The fixed list of groups.

    Returns:
        ``sums`` [S, G + 1, A, 6] float64 for the people in sorted order; the last group is the unknown one.

    Raises:
        ValueError: Shapes differ, also of ``groups``, or a group is not in ``names``.
    """
    x, y = to_float64(predictions), to_float64(labels)
    check_pair(x, y)
    index = group_index(groups, names, x.device)
    return sum_by_subject_and_group(entry_sums(x, y), subjects, index, len(names) + 1)


def icc_from_sums(sums: Array, kind: IccKind = "3,1") -> Array:
    """ICC from sums [..., 6] of :func:`icc_sums`, added over any people; the same rules apply.

    Returns:
        [...] float64.
    """
    return in_kind(_icc_from_sums(to_float64(sums), kind), sums)  # type: ignore[no-any-return]


def rater_agreement(ratings: Array, kind: IccKind = "3,1") -> Array:
    """Intraclass correlation of any number of raters who rated the same targets, such as annotators.

    Args:
        ratings: [n, k]; targets with a NaN are left out.
        kind: As in :func:`intraclass_correlation`.

    Returns:
        Scalar float64; NaN where undefined, as where no rater tells targets apart.

    Raises:
        ValueError: ``ratings`` is not [n, k] with k ≥ 2.
    """
    values = to_float64(ratings)
    if values.ndim != 2 or values.shape[1] < 2:
        raise ValueError(f"ratings must be [n, k] with at least two raters; it is {list(values.shape)}")
    values = values[~values.isnan().any(1)]
    n, k = values.shape
    size = (values - ORIGIN).square().sum(0) + n * ORIGIN**2
    constant = ((values - values.mean(0)).square().sum(0) <= _CONSTANT * size).all()
    values = values - values.mean()
    rows, columns = values.mean(1), values.mean(0)
    between = k * rows.square().sum() / (n - 1)
    judges = n * columns.square().sum() / (k - 1)
    error = (values - rows[:, None] - columns).square().sum() / ((n - 1) * (k - 1))
    count = torch.tensor(float(n), dtype=torch.float64, device=values.device)
    result = _icc(between, judges, error, between - error, count, k, kind)
    return in_kind(torch.where(constant, torch.nan, result), ratings)  # type: ignore[no-any-return]


def entry_sums(predictions: Tensor, labels: Tensor) -> Tensor:
    """What each frame and AU adds to the sums: [n, A] twice, float64, NaN = missing → [n, A, 6]."""
    valid = ~(predictions.isnan() | labels.isnan())
    x = torch.where(valid, predictions - ORIGIN, 0.0)
    y = torch.where(valid, labels - ORIGIN, 0.0)
    return torch.stack([valid.to(x.dtype), x, y, x * x, y * y, x * y], dim=-1)


def _icc_from_sums(sums: Tensor, kind: IccKind) -> Tensor:
    n, x, y, xx, yy, xy = sums.unbind(-1)
    # Centred second moments; a rater that is constant up to rounding has exactly none.
    mxx, myy, mxy = xx - x * x / n, yy - y * y / n, xy - x * y / n
    x_constant = mxx <= _CONSTANT * (xx + n * ORIGIN**2)
    y_constant = myy <= _CONSTANT * (yy + n * ORIGIN**2)
    mxx = torch.where(x_constant, 0.0, mxx)
    myy = torch.where(y_constant, 0.0, myy)
    mxy = torch.where(x_constant | y_constant, 0.0, mxy)
    # Two-way analysis of variance for k = 2 raters. BMS - EMS is written out: it is exactly 0 for a constant.
    bms = (mxx + 2 * mxy + myy) / 2 / (n - 1)
    ems = (mxx - 2 * mxy + myy) / 2 / (n - 1)
    jms = (x - y).square() / (2 * n)
    icc = _icc(bms, jms, ems, 2 * mxy / (n - 1), n, 2, kind)
    return torch.where((n < 2) | (x_constant & y_constant), torch.nan, icc)


def _icc(
    bms: Tensor, jms: Tensor, ems: Tensor, bms_minus_ems: Tensor, n: Tensor, k: int, kind: IccKind
) -> Tensor:
    """Shrout and Fleiss 1979: mean squares between targets, judges and error → one of the six kinds."""
    wms = ((n - 1) * (k - 1) * ems + (k - 1) * jms) / (n * (k - 1))
    match kind:
        case "1,1":
            icc = (bms - wms) / (bms + (k - 1) * wms)
        case "2,1":
            icc = bms_minus_ems / (bms + (k - 1) * ems + k * (jms - ems) / n)
        case "3,1":
            icc = bms_minus_ems / (bms + (k - 1) * ems)
        case "1,k":
            icc = (bms - wms) / bms
        case "2,k":
            icc = bms_minus_ems / (bms + (jms - ems) / n)
        case "3,k":
            icc = bms_minus_ems / bms
        case _:
            raise ValueError(f"unknown kind of ICC {kind!r}; known are {', '.join(get_args(IccKind))}")
    return torch.where(icc.isfinite(), icc, torch.nan)

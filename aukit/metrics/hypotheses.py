"""Whether groups differ by more than chance: a permutation test over people, and Holm's correction.

Frames of one person are nearly copies of each other, so people are what is exchanged: under the hypothesis
that the group says nothing, every way of giving the groups to the people is equally likely. Everything about
the people counts, also how often they show the AU: a small p value says that the groups differ, not why.

Sources: Fisher 1935; Phipson and Smyth 2010 (p values of random permutations are never 0); Holm 1979.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from aukit.metrics.bootstrap import SubjectSums, Sums

_MOST_CELLS = 2**22


def group_permutation_test(
    sums: SubjectSums | npt.NDArray[np.float64],
    groups: npt.ArrayLike,
    number: int,
    fn: Callable[[Sums], Sums],
    permutations: int = 9999,
    seed: int = 0,
) -> Sums:
    """P values of differences between groups of people.

    Args:
        sums: [S, ...] additive per person (:func:`aukit.metrics.confusion_counts`).
        groups: [S] index of each person's group, 0 … ``number`` - 1; -1 for people who are left out.
        number: Number of groups.
        fn: Sums of the groups [N, number, ...] → differences [N, ...], the greater the more they differ.
        permutations: Random ways of giving the groups to the people; the least p value is 1 / (this + 1).
        seed: Of the draws.

    Returns:
        [...] the share of ways, the true one among them, in which the groups differ at least as much. A way
        in which the difference is not defined counts as one of them. NaN where the true one is not defined.

    Raises:
        ValueError: Not one group per person, or an index out of range.
    """
    values = np.asarray(sums.sums if isinstance(sums, SubjectSums) else sums, dtype=np.float64)
    index = np.asarray(groups, dtype=np.int64)
    if index.shape != (len(values),) or (len(index) and not -1 <= index.min() <= index.max() < number):
        raise ValueError(f"groups must be [{len(values)}] indices from -1 to {number - 1}, one per person")
    values, index = values[index >= 0], index[index >= 0]
    rng = np.random.default_rng(seed)

    def differences(ways: npt.NDArray[np.int64]) -> Sums:
        given = (ways[:, None] == np.arange(number)[:, None]).astype(np.float64)
        return fn(np.tensordot(given, values, axes=1))

    true = differences(index[None])[0]
    # Sums in another order differ in their last digits: what is equal but for them counts as equal.
    least = true - 1e-9 * np.abs(true)
    extreme = np.ones_like(true)
    step = max(1, _MOST_CELLS // max(1, number * max(len(index), values[0].size if len(values) else 1)))
    for begin in range(0, permutations, step):
        count = min(step, permutations - begin)
        drawn = differences(rng.permuted(np.tile(index, (count, 1)), axis=1))
        extreme += (~(drawn < least)).sum(0)
    return np.where(np.isnan(true), np.nan, extreme / (permutations + 1))


def holm(p_values: npt.ArrayLike) -> Sums:
    """P values adjusted for the number of hypotheses, so that the chance of any false one keeps its level.

    Args:
        p_values: Of any shape; NaN is a hypothesis that could not be tested, and counts as none.

    Returns:
        Adjusted values of the same shape, at most 1; NaN where there was none.
    """
    given = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(given.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(given))
    order = tested[np.argsort(given.flat[tested], kind="stable")]
    steps = given.flat[order] * np.arange(len(order), 0, -1)
    adjusted.flat[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted

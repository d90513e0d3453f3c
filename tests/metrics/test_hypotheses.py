"""The permutation test over people against all permutations, and Holm's correction against statsmodels'."""

from itertools import permutations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from aukit import metrics

NAN = float("nan")


@pytest.mark.parametrize("number", [0, 1, 2, 3, 12])
def test_holm_equals_statsmodels_on_the_hypotheses_that_could_be_tested(number):
    rng = np.random.default_rng(number)
    for _ in range(2):
        values = rng.choice([rng.random(), 1e-4, 0.03, 0.5, 1.0, NAN], number)  # ties
        tested = ~np.isnan(values)
        expected = np.full(number, NAN)
        if tested.any():
            expected[tested] = multipletests(values[tested], method="holm")[1]
        np.testing.assert_allclose(metrics.holm(values), expected, atol=1e-15)


def test_holm_keeps_the_shape():
    assert metrics.holm([[0.01, NAN], [0.04, 0.5]]).tolist()[0][0] == pytest.approx(0.03)
    assert metrics.holm(np.zeros((2, 3))).shape == (2, 3)


def gap_of_means(sums):
    with np.errstate(invalid="ignore"):
        means = sums[..., 0] / sums[..., 1]
    return means.max(1) - means.min(1)


def people(rng, counts, shift):
    """Sum and number of frames of each person, and their groups, [S, A = 1, 2]."""
    groups = np.repeat(np.arange(len(counts)), counts)
    frames = rng.integers(5, 20, len(groups)).astype(float)
    means = rng.normal(size=len(groups)) + shift * groups
    return np.stack([means * frames, frames], axis=-1)[:, None], groups


@pytest.mark.parametrize("counts", [(3, 4), (2, 2, 2), (1, 5)])
def test_p_values_are_shares_of_all_permutations(counts):
    sums, groups = people(np.random.default_rng(1), counts, 0.7)
    ways = np.array(sorted(set(permutations(groups.tolist()))))
    totals = np.stack([[sums[way == g].sum(0) for g in range(len(counts))] for way in ways])
    every, true = (
        gap_of_means(totals)[:, 0],
        gap_of_means(np.stack([sums[groups == g].sum(0) for g in range(len(counts))])[None])[0, 0],
    )
    exact = (every >= true - 1e-9).mean()
    got = metrics.group_permutation_test(sums, groups, len(counts), gap_of_means, 9999, seed=4)
    assert got.shape == (1,)
    assert got[0] == pytest.approx(exact, abs=4 * np.sqrt(0.25 / 9999))


def test_p_values_of_groups_that_do_not_differ_are_uniform_or_larger():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(300):
        sums, groups = people(rng, (6, 6), 0.0)
        found.append(metrics.group_permutation_test(sums, groups, 2, gap_of_means, 199, seed=0)[0])
    for level in (0.05, 0.2, 0.5):
        assert np.mean(np.array(found) <= level) == pytest.approx(level, abs=4 * np.sqrt(level / 300))


def test_people_who_differ_by_much_get_the_least_p_value_there_is():
    sums, groups = people(np.random.default_rng(2), (9, 9), 20.0)
    assert metrics.group_permutation_test(sums, groups, 2, gap_of_means, 99)[0] == pytest.approx(
        0.01, abs=1e-12
    )


def test_people_of_no_group_are_left_out_and_repeats_are_equal():
    sums, groups = people(np.random.default_rng(5), (5, 5), 1.0)
    more = np.concatenate([sums, 1e6 * sums[:3]])
    with_unknown = np.concatenate([groups, [-1, -1, -1]])
    first = metrics.group_permutation_test(sums, groups, 2, gap_of_means, 500, seed=7)
    assert first == metrics.group_permutation_test(more, with_unknown, 2, gap_of_means, 500, seed=7)


def test_an_undefined_difference_is_not_tested_and_an_undefined_way_counts_against():
    sums = np.array([[[5.0, 5]], [[0, 0]], [[4, 5]], [[0, 0]]])
    assert np.isnan(metrics.group_permutation_test(sums, [0, 1, 0, 1], 2, gap_of_means, 50))
    # Of the six ways two leave a group without frames; of the others two have the true difference.
    got = metrics.group_permutation_test(sums, [0, 0, 1, 1], 2, gap_of_means, 2000)
    assert got[0] == pytest.approx(1.0)


def test_groups_are_one_per_person():
    for groups in ([0], [0, 2], [0, -2]):
        with pytest.raises(ValueError, match="one per person"):
            metrics.group_permutation_test(np.ones((2, 1, 2)), groups, 2, gap_of_means)

"""Timestamps to places."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aukit.datasets.timeline import places


@given(
    st.sets(st.integers(0, 3000), min_size=2, max_size=80),
    st.sampled_from([(1, 25), (1001, 30_000), (1001, 24_000), (1, 15)]),
    st.sampled_from([1_000, 12_800, 90_000, 600]),
    st.integers(0, 99),
)
def test_what_lies_on_a_grid_keeps_its_place_whatever_is_missing(lost, duration, ticks, seed) -> None:
    there = np.array(sorted({*range(3200)} - lost))
    step = float(Fraction(*duration) * ticks)
    times = np.rint(there * step).astype(np.int64)
    order = np.random.default_rng(seed).permutation(len(times))
    assert (places(times[order]) == there[order]).all()


@given(st.lists(st.integers(1, 200), min_size=12, max_size=60))
def test_a_variable_rate_gives_ranks(steps) -> None:
    usual = np.median(steps)
    uneven = [step for step in steps if abs(step / usual - round(step / usual)) > 0.3 and step > 1]
    if len(uneven) > 5:
        times = np.cumsum([0, *steps])
        assert places(times).tolist() == list(range(len(times)))


@pytest.mark.parametrize(
    ("times", "origin", "expected"),
    [
        ([2560, 3072, 3584], 0, [5, 6, 7]),  # packets before them were cut off
        ([2560, 3072, 3584], None, [0, 1, 2]),
        ([70, 582, 1094], 0, [0, 1, 2]),  # a start between two places is the file's own
        ([0, 512, 2048, 1536, 1024], 0, [0, 1, 4, 3, 2]),
        ([0, 33, 67, 100, 200, 233], 0, [0, 1, 2, 3, 6, 7]),
        ([0, 33, 70, 90, 200, 233], 0, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_examples(times, origin, expected) -> None:
    assert places(np.array(times), origin=origin).tolist() == expected


def test_one_frame_is_placed_by_the_rate_of_the_file() -> None:
    assert places(np.array([1536]), (Fraction(512),)).tolist() == [3]
    assert places(np.array([0])).tolist() == [0]

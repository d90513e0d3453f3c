from itertools import chain

import numpy as np
import pytest

from aukit.data import EvaluationBatches, ShuffledBatches
from aukit.errors import ConfigError


def _rows(sampler):
    return [spec.rows.tolist() for spec in sampler]


def test_an_epoch_shows_every_row_once_and_epochs_differ():
    sampler = ShuffledBatches(np.arange(100, 120), 5, seed=3)
    first = _rows(sampler)
    sampler.set_epoch(1)
    second = _rows(sampler)
    assert sorted(chain(*first)) == list(range(100, 120)) == sorted(chain(*second))
    assert first != second


def test_a_resumed_sampler_goes_on_with_the_same_batches():
    whole = ShuffledBatches(np.arange(20), 5, seed=3)
    whole.set_epoch(2)
    resumed = ShuffledBatches(np.arange(20), 5, seed=3)
    resumed.resume(2, 1)
    assert _rows(resumed) == _rows(whole)[1:]
    assert len(resumed) == len(whole) == 4
    resumed.set_epoch(3)
    assert len(_rows(resumed)) == 4


def test_two_processes_together_see_the_batches_of_one():
    one = _rows(ShuffledBatches(np.arange(24), 6, seed=1))
    parts = [_rows(ShuffledBatches(np.arange(24), 3, seed=1, rank=rank, world_size=2)) for rank in (0, 1)]
    assert [a + b for a, b in zip(*parts, strict=True)] == one


def test_steps_per_epoch_strings_passes_together():
    sampler = ShuffledBatches(np.arange(6), 2, seed=0, steps_per_epoch=2)
    seen = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        seen += chain(*_rows(sampler))
    assert sorted(seen) == sorted([*range(6)] * 2)


def test_random_numbers_of_a_batch_depend_on_its_place_alone():
    specs = list(ShuffledBatches(np.arange(6), 2, seed=0))
    again = list(ShuffledBatches(np.arange(6), 2, seed=0))
    draws = [spec.rng().random() for spec in specs]
    assert draws == [spec.rng().random() for spec in again]
    assert len(set(draws)) == 3
    assert specs[0].rng(1).random() != draws[0]


@pytest.mark.parametrize(
    ("rows", "batch", "world"), [(7, 3, 2), (5, 1, 2), (1, 4, 1), (9, 100, 4), (64, 8, 3)]
)
def test_evaluation_counts_every_row_once_in_equally_many_batches(rows, batch, world):
    samplers = [EvaluationBatches(np.arange(rows) + 50, batch, rank, world) for rank in range(world)]
    assert len({len(s) for s in samplers}) == 1
    batches = [spec.rows for s in samplers for spec in s]
    assert min(map(len, batches)) > 0
    assert max(map(len, batches)) <= batch + 1
    assert sorted(np.concatenate(batches)) == list(range(50, 50 + rows))


def test_too_few_rows_are_refused():
    with pytest.raises(ConfigError, match="cannot be shared by 3"):
        EvaluationBatches(np.arange(2), 1, 0, 3)
    with pytest.raises(ConfigError, match="not enough for 2"):
        ShuffledBatches(np.arange(1), 1, 0, world_size=2)

from itertools import chain

import numpy as np
import pytest

from aukit.datamodules import BalancedBatches, EvaluationBatches, ShuffledBatches
from aukit.errors import ConfigError


def _divided(sampler, rank, world_size):
    sampler.divide(rank, world_size)
    return sampler


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
    parts = [_rows(_divided(ShuffledBatches(np.arange(24), 6, seed=1), rank, 2)) for rank in (0, 1)]
    assert [a + b for a, b in zip(*parts, strict=True)] == one


def test_steps_per_epoch_strings_passes_together():
    sampler = ShuffledBatches(np.arange(6), 2, seed=0, steps_per_epoch=2)
    seen = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        seen += chain(*_rows(sampler))
    assert sorted(seen) == sorted([*range(6)] * 2)


@pytest.mark.parametrize(
    ("rows", "batch", "world", "sizes"),
    [
        (100, 16, 1, [16] * 6 + [4]),  # 7 batches an epoch, 105 in FG-Net's 15
        (32, 16, 1, [16, 16]),
        (11, 4, 2, [4, 4, 2]),  # the eleventh row does not go round
        (9, 4, 2, [4, 4]),
        (3, 16, 1, [3]),
    ],
)
def test_what_does_not_fill_a_batch_may_be_a_smaller_one(rows, batch, world, sizes):
    samplers = [
        _divided(ShuffledBatches(np.arange(rows), batch, 0, drop_last=False), rank, world)
        for rank in range(world)
    ]
    for epoch in (0, 1):
        for sampler in samplers:
            sampler.set_epoch(epoch)
        together = [list(chain(*parts)) for parts in zip(*map(_rows, samplers), strict=True)]
        assert [len(each) for each in together] == sizes
        assert len(samplers[0]) == len(sizes)
        assert len(set(chain(*together))) == sum(sizes)  # no row twice
    strung = ShuffledBatches(np.arange(rows), batch, 0, steps_per_epoch=9, drop_last=False)
    assert len({len(each) for each in _rows(strung)}) == 1  # where passes are strung together all are full


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
    samplers = [
        _divided(EvaluationBatches(np.arange(rows) + 50, batch), rank, world) for rank in range(world)
    ]
    assert len({len(s) for s in samplers}) == 1
    batches = [spec.rows for s in samplers for spec in s]
    assert min(map(len, batches)) > 0
    assert max(map(len, batches)) <= max(1, batch // world) + 1
    assert sorted(np.concatenate(batches)) == list(range(50, 50 + rows))


def test_too_few_rows_are_refused():
    with pytest.raises(ConfigError, match="cannot be shared by 3"):
        EvaluationBatches(np.arange(2), 1).divide(0, 3)
    with pytest.raises(ConfigError, match="no training rows"):
        ShuffledBatches(np.arange(0), 1, 0)


@pytest.mark.parametrize(("batch", "nearest"), [(7, "6 or 9"), (2, "to 3"), (40, "18 or 21")])
def test_a_batch_that_cannot_be_divided_names_the_nearest_sizes(batch, nearest):
    with pytest.raises(ConfigError, match=nearest):  # there are 20 rows
        ShuffledBatches(np.arange(20), batch, 0).divide(0, 3)


def test_draws_of_a_part_are_those_of_the_whole_batch():
    whole = next(iter(ShuffledBatches(np.arange(24), 6, seed=1)))
    parts, draws = [whole.part(rank, 3).draws(5) for rank in range(3)], whole.draws(5)
    for name, words in (
        ("normal", (1, 2)),
        ("random", ()),
        ("uniform", (-1, 3)),
        ("integers", (0, 9)),
        ("standard_normal", ()),
    ):
        alone = getattr(draws, name)(*words, size=(6, 4))
        assert np.array_equal(np.concatenate([getattr(p, name)(*words, size=(2, 4)) for p in parts]), alone)
    with pytest.raises(ValueError, match="first axis"):
        draws.random(2)


def test_balanced_batches_show_rare_action_units_as_often_as_they_lack_them():
    labels = np.zeros((200, 3))
    labels[:4, 0] = 1  # rare
    labels[:150, 1] = 1
    labels[150:, 1] = np.nan  # never seen absent: left out
    labels[:, 2] = np.arange(200) % 2
    sampler = BalancedBatches(np.arange(1000, 1200), labels, 50, seed=0, steps_per_epoch=40)
    rows = np.concatenate([spec.rows for spec in sampler])
    assert set(rows) <= set(range(1000, 1200))
    assert len(rows) == 2000
    rare = (rows < 1004).mean()
    assert rare == pytest.approx(0.25 + 0.25 * 0.02 + 0.5 * 0.02, abs=0.03)
    sampler.set_epoch(1)
    assert [spec.rows.tolist() for spec in sampler] != [
        spec.rows.tolist()
        for spec in BalancedBatches(np.arange(1000, 1200), labels, 50, seed=0, steps_per_epoch=40)
    ]


def test_balanced_batches_are_functions_of_their_place():
    labels = np.arange(20)[:, None] % 2
    whole = BalancedBatches(np.arange(20), labels, 5, seed=3)
    whole.set_epoch(2)
    resumed = BalancedBatches(np.arange(20), labels, 5, seed=3)
    resumed.resume(2, 1)
    assert _rows(resumed) == _rows(whole)[1:]
    halves = [_rows(_divided(BalancedBatches(np.arange(20), labels, 6, seed=3), n, 2)) for n in (0, 1)]
    one = _rows(BalancedBatches(np.arange(20), labels, 6, seed=3))
    assert [a + b for a, b in zip(*halves, strict=True)] == one
    with pytest.raises(ConfigError, match="some rows show and others do not"):
        BalancedBatches(np.arange(3), np.ones((3, 1)), 2, seed=0)

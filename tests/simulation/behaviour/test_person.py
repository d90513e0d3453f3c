"""People express themselves individually; what they do besides tells nothing of it."""

import numpy as np
import pytest

from aukit.facs import VISIBLE_AUS, VISIBLE_INDEX
from aukit.simulation.behaviour.person import REGIONS, Motion, Person, sample_motion

N = len(VISIBLE_AUS)


@pytest.fixture(scope="module")
def crowd() -> list[Person]:
    return [Person.sample("corpus", f"BP4D/F{i:03d}", ("female", "male")[i % 2], seed=0) for i in range(60)]


def intended(**strengths: float) -> np.ndarray:
    values = np.zeros((1, N))
    for name, strength in strengths.items():
        values[0, VISIBLE_INDEX[int(name[2:])]] = strength
    return values


def test_a_person_is_a_function_of_split_name_and_seed() -> None:
    one, same = (Person.sample("corpus", "BP4D/F001", "female", 0) for _ in range(2))
    np.testing.assert_array_equal(one.gains, same.gains)
    np.testing.assert_array_equal(one.avatar.identity, same.avatar.identity)
    for other in (
        Person.sample("pairs", "BP4D/F001", "female", 0),
        Person.sample("corpus", "FERA2017-test/F001", "female", 0),
        Person.sample("corpus", "BP4D/F001", "female", 1),
    ):
        assert not np.array_equal(one.gains, other.gains)
        assert not np.array_equal(one.avatar.identity, other.avatar.identity)


def test_gains_spread_by_a_quarter_between_people(crowd: list[Person]) -> None:
    gains = np.stack([p.gains for p in crowd])
    assert 0.18 < (gains.std(axis=0) / gains.mean(axis=0)).mean() < 0.30


def test_activations_are_bounded_neutral_at_rest_and_grow_with_the_intention(crowd: list[Person]) -> None:
    levels = np.linspace(0, 1, 6)
    for person in crowd[:10]:
        for au in (1, 4, 6, 10, 12, 14, 17):
            strengths = np.concatenate([intended(**{f"au{au}": s}) for s in levels])
            moved = person.activations(strengths)
            assert moved.dtype == np.float32
            assert moved.shape == (6, N, 2)
            assert (moved[0] == 0).all()
            assert (moved >= 0).all()
            assert (moved <= 1).all()
            own = moved[:, VISIBLE_INDEX[au]].mean(axis=-1)
            assert (np.diff(own)[own[1:] < 1] > 0).all()


def test_faces_are_slightly_and_individually_asymmetric(crowd: list[Person]) -> None:
    smiles = np.concatenate([p.activations(intended(au12=0.4)) for p in crowd])[:, VISIBLE_INDEX[12]]
    ratio = smiles[:, 0] / smiles[:, 1]
    assert 0.05 < np.log(ratio).std() < 0.35
    assert (ratio > 1).any()
    assert (ratio < 1).any()


def test_neighbours_saturate_together(crowd: list[Person]) -> None:
    alone = np.mean([p.activations(intended(au12=0.8))[0, VISIBLE_INDEX[12]].mean() for p in crowd])
    together = np.mean(
        [p.activations(intended(au12=0.8, au6=0.8, au10=0.8))[0, VISIBLE_INDEX[12]].mean() for p in crowd]
    )
    apart = np.mean([p.activations(intended(au12=0.8, au1=0.8))[0, VISIBLE_INDEX[12]].mean() for p in crowd])
    assert together < 0.92 * alone
    assert apart == pytest.approx(alone)
    assert all(au in VISIBLE_INDEX for region in REGIONS for au in region)


def test_companion_movements_differ_between_people_and_are_not_coded(crowd: list[Person]) -> None:
    coded = {1, 4, 6, 7, 10, 12, 14, 15, 17, 23}
    smiles = np.concatenate([p.activations(intended(au12=1.0)) for p in crowd]).mean(axis=-1)
    brought = {au for au in VISIBLE_AUS if smiles[:, VISIBLE_INDEX[au]].max() > 0.02} - {12}
    assert brought
    assert not brought & coded
    assert smiles[:, VISIBLE_INDEX[11]].std() > 0.03


def motions(count: int) -> list[Motion]:
    return [sample_motion(np.random.default_rng(i), 100, 25.0) for i in range(count)]


def test_motion_is_speech_blinks_gaze_and_a_moving_head() -> None:
    many = motions(80)
    moved = {au for au in VISIBLE_AUS if max(m.activations[:, VISIBLE_INDEX[au]].max() for m in many) > 0}
    assert moved == {18, 22, 25, 26, 43}
    blinks = np.mean([m.activations[:, VISIBLE_INDEX[43]].max() > 0.9 for m in many])
    assert 0.3 < blinks < 0.95  # about one in four seconds, recordings of four seconds
    speaking = np.mean([m.activations[:, VISIBLE_INDEX[26]].max() > 0.05 for m in many])
    assert 0.2 < speaking < 0.6
    pose = np.stack([m.pose for m in many])
    assert 2.0 < pose[..., 0].std() < 7.0
    assert np.abs(pose).max() < 30
    assert np.abs(np.diff(pose, axis=1)).max() < 3.0  # degrees per frame: heads do not jump
    assert np.abs(np.stack([m.shift for m in many])).max() < 0.12


def test_speech_joins_the_expression(crowd: list[Person]) -> None:
    motion = np.zeros((1, N))
    motion[0, VISIBLE_INDEX[26]] = 0.5
    moved = crowd[0].activations(intended(au12=0.5), motion)
    assert moved[0, VISIBLE_INDEX[26]].mean() > 0.3
    assert moved[0, VISIBLE_INDEX[12]].mean() > 0.2

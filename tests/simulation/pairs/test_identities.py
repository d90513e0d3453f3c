import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aukit.simulation import (
    BP4DSimulationConfig,
    DISFASimulationConfig,
    FERA2017SimulationConfig,
    GFTSimulationConfig,
)
from aukit.simulation.behaviour.person import Person
from aukit.simulation.corpora.recorder import IDENTITY_SPLIT as CORPUS_SPLIT
from aukit.simulation.images.random_renders import IDENTITY_SPLIT as RENDER_SPLIT
from aukit.simulation.pairs.identities import (
    AGE_GROUPS,
    IDENTITY_SPLIT,
    TONE_GROUPS,
    assign,
    avatar_identities,
    distribution,
    identity_table,
)


def test_there_is_one_woman_and_one_man_of_each_tone_and_age() -> None:
    identities = avatar_identities(0)
    assert len({m.subject for m in identities}) == 60
    cells = Counter((m.gender, m.tone_group, m.age_group) for m in identities)
    assert len(cells) == 2 * TONE_GROUPS * len(AGE_GROUPS)
    assert set(cells.values()) == {1}
    printed = distribution(identities)
    assert printed.loc[("All", ""), "All"] == 60
    assert (printed.drop(index="All", level=0).drop(columns="All") == 1).all(axis=None)


def test_the_faces_are_what_the_table_says() -> None:
    identities = avatar_identities(3)
    table = identity_table(identities)
    for identity, row in zip(identities, table.to_dict("records"), strict=True):
        assert row["subject"] == identity.subject
        avatar = identity.avatar(3)
        assert (avatar.gender, avatar.age, avatar.appearance.tone) == (
            identity.gender,
            identity.age,
            identity.tone,
        )
        assert (identity.tone_group - 1) / TONE_GROUPS <= identity.tone < identity.tone_group / TONE_GROUPS
        youngest, oldest = map(int, identity.age_group.split("-"))
        assert youngest <= identity.age < oldest + 1
    skins = [np.mean(m.avatar(3).appearance.skin) for m in identities]
    assert np.corrcoef([m.tone for m in identities], skins)[0, 1] < -0.9


def test_the_identities_are_a_function_of_the_seed() -> None:
    assert avatar_identities(0) == avatar_identities(0)
    assert avatar_identities(0) != avatar_identities(1)


@given(st.integers(1, 200))
def test_avatars_tones_and_ages_are_used_evenly(n_people: int) -> None:
    pairs = assign([f"X/P{i:03d}" for i in range(n_people)], 0)
    assert len(pairs) == n_people
    for place, gender in enumerate(("female", "male")):
        chosen = [pair[place] for pair in pairs.values()]
        assert {m.gender for m in chosen} == {gender}
        everybody = [m for m in avatar_identities(0) if m.gender == gender]
        for key in ("subject", "tone_group", "age_group"):
            counts = Counter(getattr(m, key) for m in chosen)
            uses = [counts[value] for value in {getattr(m, key) for m in everybody}]
            assert max(uses) - min(uses) <= 1


def test_who_stands_for_whom_does_not_depend_on_the_order_of_people() -> None:
    people = [f"X/P{i:03d}" for i in range(41)]
    assert assign(people, 0) == assign(people[::-1], 0)


def test_identity_splits_share_nobody() -> None:
    assert len({IDENTITY_SPLIT, CORPUS_SPLIT, RENDER_SPLIT}) == 3
    avatar = avatar_identities(0)[0].avatar(0)
    person = Person.sample(CORPUS_SPLIT, "F01", "female", 0).avatar
    assert not np.array_equal(avatar.identity, person.identity)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(avatar.identity, person.identity, atol=0.01)


def test_corpora_share_people_only_where_the_real_ones_do() -> None:
    kinds = (FERA2017SimulationConfig, BP4DSimulationConfig, DISFASimulationConfig, GFTSimulationConfig)
    people = {kind.corpus: {r.person: r.gender for r in kind.mini().recordings()} for kind in kinds}
    assert {name: len(found) for name, found in people.items()} == {
        "fera2017": 91, "bp4d": 41, "disfa": 27, "gft": 96,
    }  # fmt: skip
    shared = {
        (one, two): set(people[one]) & set(people[two]) for one, two in itertools.combinations(people, 2)
    }
    assert shared.pop(("fera2017", "bp4d")) == set(people["bp4d"])
    assert not any(shared.values())
    # Other ids are other faces, and no avatar of the pairs is among them.
    some = [(person, gender) for found in people.values() for person, gender in list(found.items())[:4]]
    faces = {p: Person.sample(CORPUS_SPLIT, p, str(g), 0).avatar.identity for p, g in some}
    faces |= {m.subject: m.avatar(0).identity for m in avatar_identities(0)[::20]}
    assert len({face.tobytes() for face in faces.values()}) == len(faces) == 4 * 3 + 3

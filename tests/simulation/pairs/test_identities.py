import itertools
from collections import Counter
from pathlib import Path

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
from aukit.simulation.corpora.bp4d import BP4DLayout
from aukit.simulation.corpora.disfa import DISFALayout
from aukit.simulation.corpora.fera2017 import FERA2017Layout
from aukit.simulation.corpora.gft import GFTLayout
from aukit.simulation.corpora.recorder import POOL as CORPUS_POOL
from aukit.simulation.images.random_renders import POOL as RENDER_POOL
from aukit.simulation.pairs.identities import (
    AGE_GROUPS,
    POOL,
    TONE_GROUPS,
    assign,
    cast,
    cast_table,
    distribution,
)


def test_the_cast_has_one_woman_and_one_man_of_each_tone_and_age() -> None:
    members = cast(0)
    assert len({m.subject for m in members}) == 60
    cells = Counter((m.gender, m.tone_group, m.age_group) for m in members)
    assert len(cells) == 2 * TONE_GROUPS * len(AGE_GROUPS)
    assert set(cells.values()) == {1}
    printed = distribution(members)
    assert printed.loc[("All", ""), "All"] == 60
    assert (printed.drop(index="All", level=0).drop(columns="All") == 1).all(axis=None)


def test_the_faces_are_what_the_table_says() -> None:
    members = cast(3)
    table = cast_table(members)
    for member, row in zip(members, table.to_dict("records"), strict=True):
        assert row["subject"] == member.subject
        avatar = member.avatar(3)
        assert (avatar.gender, avatar.age, avatar.appearance.tone) == (member.gender, member.age, member.tone)
        assert (member.tone_group - 1) / TONE_GROUPS <= member.tone < member.tone_group / TONE_GROUPS
        youngest, oldest = map(int, member.age_group.split("-"))
        assert youngest <= member.age < oldest + 1
    skins = [np.mean(m.avatar(3).appearance.skin) for m in members]
    assert np.corrcoef([m.tone for m in members], skins)[0, 1] < -0.9


def test_the_cast_is_a_function_of_the_seed() -> None:
    assert cast(0) == cast(0)
    assert cast(0) != cast(1)


@given(st.integers(1, 200))
def test_avatars_tones_and_ages_are_used_evenly(n_people: int) -> None:
    pairs = assign([f"X/P{i:03d}" for i in range(n_people)], 0)
    assert len(pairs) == n_people
    for place, gender in enumerate(("female", "male")):
        chosen = [pair[place] for pair in pairs.values()]
        assert {m.gender for m in chosen} == {gender}
        everybody = [m for m in cast(0) if m.gender == gender]
        for key in ("subject", "tone_group", "age_group"):
            counts = Counter(getattr(m, key) for m in chosen)
            uses = [counts[value] for value in {getattr(m, key) for m in everybody}]
            assert max(uses) - min(uses) <= 1


def test_who_stands_for_whom_does_not_depend_on_the_order_of_people() -> None:
    people = [f"X/P{i:03d}" for i in range(41)]
    assert assign(people, 0) == assign(people[::-1], 0)


def test_pools_share_nobody() -> None:
    assert len({POOL, CORPUS_POOL, RENDER_POOL}) == 3
    avatar = cast(0)[0].avatar(0)
    person = Person.sample(CORPUS_POOL, "F01", "female", 0).avatar
    assert not np.array_equal(avatar.identity, person.identity)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(avatar.identity, person.identity, atol=0.01)


def test_corpora_share_people_only_where_the_real_ones_do() -> None:
    layouts = {
        "fera2017": FERA2017Layout(Path("a"), Path("b"), FERA2017SimulationConfig.mini()),
        "bp4d": BP4DLayout(Path("a"), Path("b"), BP4DSimulationConfig.mini()),
        "disfa": DISFALayout(Path("a"), Path("b"), DISFASimulationConfig.mini()),
        "gft": GFTLayout(Path("a"), Path("b"), GFTSimulationConfig.mini()),
    }
    people = {name: {r.person: r.gender for r in layout.recordings()} for name, layout in layouts.items()}
    assert {name: len(found) for name, found in people.items()} == {
        "fera2017": 91, "bp4d": 41, "disfa": 27, "gft": 96,
    }  # fmt: skip
    shared = {
        (one, two): set(people[one]) & set(people[two]) for one, two in itertools.combinations(people, 2)
    }
    assert shared.pop(("fera2017", "bp4d")) == set(people["bp4d"])
    assert not any(shared.values())
    # Other ids are other faces, and nobody of the cast is among them.
    some = [(person, gender) for found in people.values() for person, gender in list(found.items())[:4]]
    faces = {p: Person.sample(CORPUS_POOL, p, str(g), 0).avatar.identity for p, g in some}
    faces |= {m.subject: m.avatar(0).identity for m in cast(0)[::20]}
    assert len({face.tobytes() for face in faces.values()}) == len(faces) == 4 * 3 + 3

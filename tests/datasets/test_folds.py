import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aukit.datasets.folds import (
    FOLD_SPLITS,
    LISTED,
    LISTED_FRAMES,
    SUBSET_SIZES,
    fold_split_of,
    fold_splits,
    subset,
)
from aukit.errors import ConfigError

# Frames of the training lists that FG-Net ships, and the first two rows of their subsets.
PUBLISHED = {
    ("bp4d", 0): (95_844, (70_764, 69_527)),
    ("bp4d", 1): (96_266, (11_491, 13_694)),
    ("bp4d", 2): (100_736, (99_340, 24_893)),
    ("disfa", 0): (86_766, (34_040, 83_591)),
    ("disfa", 1): (86_706, (49_927, 30_213)),
    ("disfa", 2): (87_150, (75_161, 33_203)),
}


@pytest.mark.parametrize(("corpus", "women", "men"), [("bp4d", 23, 18), ("disfa", None, None)])
def test_each_person_is_of_one_part(corpus: str, women: int | None, men: int | None) -> None:
    people = [subject for subjects in FOLD_SPLITS[corpus].values() for subject in subjects]
    assert len(people) == len(set(people)) == {"bp4d": 41, "disfa": 27}[corpus]
    if women is not None:
        assert sorted(people) == [*(f"F{i:03d}" for i in range(1, 24)), *(f"M{i:03d}" for i in range(1, 19))]
    for part, subjects in FOLD_SPLITS[corpus].items():
        assert all(fold_split_of(corpus, subject) == part for subject in subjects)
    assert fold_split_of(corpus, "F024") is None
    genders = [
        (sum(s[0] == "F" for s in p), sum(s[0] == "M" for s in p)) for p in FOLD_SPLITS["bp4d"].values()
    ]
    assert genders == [(8, 6), (6, 8), (9, 4)]


@pytest.mark.parametrize("fold", [0, 1, 2])
def test_folds_rotate_and_never_share_people(fold: int) -> None:
    trained, tested = fold_splits(fold)
    assert sorted([*trained, tested]) == ["P1", "P2", "P3"]
    assert tested == f"P{fold + 1}"
    assert trained == {0: ("P2", "P3"), 1: ("P3", "P1"), 2: ("P1", "P2")}[fold]


@pytest.mark.parametrize(("corpus", "fold"), PUBLISHED)
def test_subsets_are_those_of_the_published_lists(corpus: str, fold: int) -> None:
    frames, first = PUBLISHED[corpus, fold]
    trained, _ = fold_splits(fold)
    assert sum(LISTED_FRAMES[corpus][int(part[1]) - 1] for part in trained) == frames
    for size in SUBSET_SIZES:
        rows = subset(frames, size)
        assert tuple(rows[:2]) == first
        assert len(rows) == size


@given(st.integers(1, 300), st.data())
def test_subsets_are_nested_and_without_repetition(frames: int, data: st.DataObject) -> None:
    small, large = sorted(data.draw(st.tuples(st.integers(1, frames), st.integers(1, frames))))
    rows = subset(frames, large)
    assert len(set(rows.tolist())) == large
    assert rows.min() >= 0
    assert rows.max() < frames
    np.testing.assert_array_equal(subset(frames, small), rows[:small])


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="fold 3"):
        fold_splits(3)
    for size in (0, 11):
        with pytest.raises(ConfigError, match="10 training frames"):
            subset(10, size)


def test_published_counts_add_up() -> None:
    assert sum(LISTED_FRAMES["bp4d"]) == 146_423
    assert sum(LISTED_FRAMES["disfa"]) == 130_311
    assert sum(LISTED["bp4d"][24]) == 22_181
    assert sum(LISTED["disfa"][25]) == 36_231
    # The all-positive floor per fold is known to two digits: F1 of saying "present" everywhere.
    for corpus, floors in (("bp4d", (45.86, 47.97, 50.25)), ("disfa", (16.08, 18.30, 21.20))):
        for part, (frames, floor) in enumerate(zip(LISTED_FRAMES[corpus], floors, strict=True)):
            f1 = [2 * n[part] / (n[part] + frames) for n in LISTED[corpus].values()]
            assert 100 * np.mean(f1) == pytest.approx(floor, abs=0.006)

import json
import pickle
import shutil

import numpy as np
import pytest

from aukit.errors import StoreError
from aukit.store import BalancedSet
from aukit.store.growing_set import grow_set
from tests.fakes import AUS, FakeCorpus, FakeRegistration, fake_plan, fake_store

ROWS = np.arange(10)


def _images(seed=0, count=10):
    return np.random.default_rng(seed).integers(0, 255, (count, 16, 16, 3), dtype=np.uint8)


def _pixels(made):
    return made.images_at(np.arange(len(made)))


def test_a_set_of_synthetic_images_needs_no_store(tmp_path):
    store, images = fake_store(tmp_path / "stores"), _images()
    plan = fake_plan(store, ROWS, ROWS[::-1])
    made = BalancedSet.write(tmp_path / "set", plan, store, iter([images[:7], images[7:]]))
    levels, people = store.table.intensities(AUS), store.table.frame["person"]
    shutil.rmtree(tmp_path / "stores")
    again = BalancedSet.open(tmp_path / "set")
    assert (again.images_at(np.array([8, 2])) == images[[8, 2]]).all()
    assert np.array_equal(again.levels(AUS), levels[ROWS[::-1]])
    assert np.isnan(again.levels((17, 4))[:, 0]).all()
    assert np.array_equal(again.levels((17, 4))[:, 1], levels[ROWS[::-1], 1])
    assert again.plan["person"].tolist() == people[ROWS].tolist()
    assert again.fingerprint == made.fingerprint
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    copy = pickle.dumps(again)
    assert len(copy) < 1000
    assert np.array_equal(_pixels(pickle.loads(copy)), images)


def test_nothing_but_a_set_is_replaced_by_one(tmp_path):
    store = fake_store(tmp_path / "stores")
    plan, notes = fake_plan(store, ROWS), tmp_path / "mine" / "notes.txt"
    notes.parent.mkdir()
    notes.write_text("a year's work")
    own = BalancedSet.write(tmp_path / "own", plan, store, [_images()])
    for made in (
        lambda: BalancedSet.write(notes.parent, plan, store, [_images()]),
        lambda: BalancedSet.concatenate(notes.parent, [own]),
        lambda: grow_set(notes.parent, plan, store, "origin", lambda at: _images()[at], 4, "", False),
    ):
        with pytest.raises(StoreError, match=r"mine: holds notes\.txt, which is of no balanced set"):
            made()
    assert notes.read_text() == "a year's work"
    (own.path / "set.json").unlink()  # what a kill or a copy may leave
    assert len(BalancedSet.write(own.path, plan, store, [_images(1)])) == 10


def test_a_set_is_not_put_together_in_the_place_of_its_part(tmp_path, monkeypatch):
    store, images = fake_store(tmp_path / "stores"), _images()
    own = BalancedSet.write(tmp_path / "own", fake_plan(store, ROWS), store, [images])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match="own: is one of the sets to be put together"):
        BalancedSet.concatenate("own", [own, own])
    assert np.array_equal(_pixels(BalancedSet.open(own.path)), images)


def test_a_set_s_fingerprint_tells_images_and_labels(tmp_path):
    store, plan = fake_store(tmp_path / "stores"), None
    plan = fake_plan(store, ROWS)
    variants = [
        BalancedSet.write(tmp_path / "own", plan, store, [_images()]),
        BalancedSet.write(tmp_path / "others", plan, store, [_images(1)]),
        BalancedSet.write(tmp_path / "labels", plan.assign(AU04_r=2.0), store, [_images()]),
        BalancedSet.write(tmp_path / "frames", plan, store),
    ]
    assert len({each.fingerprint for each in variants}) == 4
    same = BalancedSet.write(tmp_path / "elsewhere" / "same", plan, store, [_images()])
    assert same.fingerprint == variants[0].fingerprint


def test_a_set_of_real_frames_reads_the_store_wherever_both_are(tmp_path):
    store = fake_store(tmp_path / "logs/stores")
    made = BalancedSet.write(tmp_path / "logs/sets/real", fake_plan(store, np.arange(20, 30)), store)
    assert (made.images_at(np.array([3])) == store.images[23]).all()
    (tmp_path / "logs").rename(tmp_path / "moved")
    again = BalancedSet.open(tmp_path / "moved/sets/real")
    assert (again.images_at(np.array([3])) == store.images[23]).all()
    shutil.rmtree(tmp_path / "moved/stores")
    with pytest.raises(StoreError, match=r"sets/real: its images are not there: .*moved/stores"):
        BalancedSet.open(tmp_path / "moved/sets/real")


def test_a_store_that_was_made_again_otherwise_is_not_taken(tmp_path):
    store = fake_store(tmp_path / "stores")
    BalancedSet.write(tmp_path / "set", fake_plan(store, ROWS), store)
    shutil.rmtree(store.path)
    shutil.move(fake_store(tmp_path / "stores", FakeCorpus(people=5)).path, store.path)
    with pytest.raises(StoreError, match=r"set: made of other images than .*; make it again"):
        BalancedSet.open(tmp_path / "set")


def test_sets_of_several_stores_are_put_together_without_a_copy(tmp_path):
    store = fake_store(tmp_path / "stores")
    other = fake_store(tmp_path / "stores", FakeCorpus(people=9))
    own = BalancedSet.write(tmp_path / "own", fake_plan(store, ROWS), store, [_images()])
    frames = BalancedSet.write(tmp_path / "frames", fake_plan(other, np.arange(70, 85)), other)
    both = BalancedSet.concatenate(tmp_path / "both", [own, frames])
    more = BalancedSet.concatenate(tmp_path / "more", [both, own])
    assert len(more) == 35
    want = np.concatenate([_images(), other.images[70:85], _images()])
    mixed = np.random.default_rng(0).permutation(35)
    assert np.array_equal(more.images_at(mixed), want[mixed])
    levels = np.concatenate([own.levels(AUS), frames.levels(AUS), own.levels(AUS)])
    assert np.array_equal(more.levels(AUS), levels)
    assert sorted(p.name for p in (tmp_path / "more").iterdir()) == ["set.json", "set.parquet"]
    BalancedSet.write(tmp_path / "own", own.plan, store, [_images(1)])
    with pytest.raises(StoreError, match=r"both: made of other images than .*own has now"):
        BalancedSet.open(tmp_path / "more")


def test_sets_of_unlike_crops_are_not_put_together(tmp_path):
    stores = [fake_store(tmp_path / "stores", None, FakeRegistration(16, name)) for name in ("one", "two")]
    parts = [
        BalancedSet.write(tmp_path / f"set{number}", fake_plan(store, ROWS), store)
        for number, store in enumerate(stores)
    ]
    with pytest.raises(StoreError, match=r"set0 and .*set1 have crops of two kinds"):
        BalancedSet.concatenate(tmp_path / "both", parts)
    assert not (tmp_path / "both").exists()


def test_a_set_that_does_not_fit_is_refused(tmp_path):
    store = fake_store(tmp_path / "stores")
    plan = fake_plan(store, ROWS)

    def write(plan, *images):
        return BalancedSet.write(tmp_path / "set", plan, store, *images)

    with pytest.raises(StoreError, match="9 images for 10 rows"):
        write(plan, [_images(count=9)])
    with pytest.raises(StoreError, match="outside the store's 60 rows, first in row 5"):
        write(plan.assign(input_frame=np.arange(55, 65)))
    with pytest.raises(StoreError, match=r"lacks the columns person, AU01_r"):
        write(plan.drop(columns=["person", "AU01_r"]))
    with pytest.raises(StoreError, match="row 0 of the plan is labelled with another level of AU1"):
        write(plan.assign(level=(plan["level"] + 1) % 6))
    with pytest.raises(StoreError, match="no complete balanced set"):
        BalancedSet.open(tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_a_set_of_an_earlier_version_is_refused(tmp_path):
    store = fake_store(tmp_path / "stores")
    BalancedSet.write(tmp_path / "set", fake_plan(store, ROWS), store)
    manifest = json.loads((tmp_path / "set" / "set.json").read_text())
    del manifest["schema"]
    (tmp_path / "set" / "set.json").write_text(json.dumps(manifest))
    with pytest.raises(StoreError, match=r"another version \(schema 1.*delete the folder"):
        BalancedSet.open(tmp_path / "set")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("set.json", b""),
        ("set.json", b'{"schema": "\xff"}'),
        ("set.json", b"[]"),
        ("set.json", b'{"schema": 4}'),
        ("set.parquet", b"PAR1"),
        ("images.npy", b"\x93NUMPY\1\0"),
        ("images.npy", None),
    ],
)
def test_a_damaged_set_is_refused_and_its_remedy_works(tmp_path, file, content):
    store = fake_store(tmp_path / "stores")

    def make():
        return BalancedSet.write(tmp_path / "set", fake_plan(store, ROWS), store, [_images()])

    make()
    whole = (tmp_path / "set" / file).read_bytes()
    (tmp_path / "set" / file).write_bytes(whole[:-100] if content is None else content)
    with pytest.raises(StoreError, match=rf"damaged balanced set \({file}.*; delete the folder"):
        BalancedSet.open(tmp_path / "set")
    shutil.rmtree(tmp_path / "set")
    assert (_pixels(make()) == _images()).all()


@pytest.mark.parametrize("values", [{"images": "own"}, {"images": "there"}, {"of": [["x"]]}, {"of": []}])
def test_a_manifest_that_says_nonsense_of_the_images_is_damaged(tmp_path, values):
    store = fake_store(tmp_path / "stores")
    BalancedSet.write(tmp_path / "set", fake_plan(store, ROWS), store)
    manifest = json.loads((tmp_path / "set" / "set.json").read_text())
    (tmp_path / "set" / "set.json").write_text(json.dumps({**manifest, **values}))
    with pytest.raises(StoreError, match="damaged balanced set"):
        BalancedSet.open(tmp_path / "set")


def test_another_plan_than_the_set_was_made_of_is_refused(tmp_path):
    store = fake_store(tmp_path / "stores")
    BalancedSet.write(tmp_path / "set", fake_plan(store, ROWS), store)
    fake_plan(store, np.arange(1, 11)).to_parquet(tmp_path / "set" / "set.parquet")
    with pytest.raises(StoreError, match=r"set\.parquet holds another plan"):
        BalancedSet.open(tmp_path / "set")

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from aukit.errors import StoreError
from aukit.store import BalancedSet
from tests.fakes import FakeCorpus, fake_store


def _plan(rows):
    levels = np.arange(len(rows)) % 6
    return pd.DataFrame({"au": 1, "level": levels, "input_frame": rows, "target": rows[::-1]})


def test_a_balanced_set_of_synthetic_images(tmp_path):
    store = fake_store(tmp_path / "stores")
    images = np.random.default_rng(0).integers(0, 255, (10, 16, 16, 3), dtype=np.uint8)
    made = BalancedSet.write(tmp_path / "set", _plan(np.arange(10)), store, iter([images[:7], images[7:]]))
    again = BalancedSet.open(tmp_path / "set", store)
    assert (again.images_at(np.array([8, 2])) == images[[8, 2]]).all()
    assert again.fingerprint == made.fingerprint
    changed = BalancedSet.write(tmp_path / "other", _plan(np.arange(10)), store, [images[::-1]])
    assert changed.fingerprint != made.fingerprint
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_a_balanced_set_of_real_frames_reads_the_store(tmp_path):
    store = fake_store(tmp_path / "stores")
    made = BalancedSet.write(tmp_path / "set", _plan(np.arange(20, 30)), store)
    assert made.images is None
    assert (made.images_at(np.array([3])) == store.images[23]).all()


def test_a_balanced_set_that_does_not_fit_is_refused(tmp_path):
    store = fake_store(tmp_path / "stores")
    with pytest.raises(StoreError, match="9 images for 10 rows"):
        BalancedSet.write(tmp_path / "set", _plan(np.arange(10)), store, [np.zeros((9, 16, 16, 3), np.uint8)])
    assert not (tmp_path / "set").exists()
    with pytest.raises(StoreError, match="outside the store"):
        BalancedSet.write(tmp_path / "set", _plan(np.arange(55, 65)), store)
    with pytest.raises(StoreError, match="no complete balanced set"):
        BalancedSet.open(tmp_path / "set", store)
    BalancedSet.write(tmp_path / "set", _plan(np.arange(10)), store)
    other = fake_store(tmp_path / "stores", FakeCorpus(people=5))
    with pytest.raises(StoreError, match="made from the prepared store"):
        BalancedSet.open(tmp_path / "set", other)


def test_a_set_of_an_earlier_version_is_refused(tmp_path):
    store = fake_store(tmp_path / "stores")
    BalancedSet.write(tmp_path / "set", _plan(np.arange(10)), store)
    manifest = json.loads((tmp_path / "set" / "set.json").read_text())
    del manifest["schema"]
    (tmp_path / "set" / "set.json").write_text(json.dumps(manifest))
    with pytest.raises(StoreError, match=r"another version \(schema 1.*delete the folder"):
        BalancedSet.open(tmp_path / "set", store)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("set.json", b""),
        ("set.json", b'{"schema": "\xff"}'),
        ("set.json", b"[]"),
        ("set.json", b'{"schema": 3}'),
        ("set.parquet", b"PAR1"),
        ("images.npy", b"\x93NUMPY\1\0"),
        ("images.npy", None),
    ],
)
def test_a_damaged_set_is_refused_and_its_remedy_works(tmp_path, file, content):
    store = fake_store(tmp_path / "stores")
    images = np.random.default_rng(0).integers(0, 255, (10, 16, 16, 3), dtype=np.uint8)

    def make():
        return BalancedSet.write(tmp_path / "set", _plan(np.arange(10)), store, [images])

    make()
    whole = (tmp_path / "set" / file).read_bytes()
    (tmp_path / "set" / file).write_bytes(whole[:-100] if content is None else content)
    with pytest.raises(StoreError, match=rf"damaged balanced set \({file}.*; delete the folder"):
        BalancedSet.open(tmp_path / "set", store)
    shutil.rmtree(tmp_path / "set")
    assert (make().images == images).all()


def test_another_plan_than_the_set_was_made_of_is_refused(tmp_path):
    store = fake_store(tmp_path / "stores")
    BalancedSet.write(tmp_path / "set", _plan(np.arange(10)), store)
    _plan(np.arange(1, 11)).to_parquet(tmp_path / "set" / "set.parquet")
    with pytest.raises(StoreError, match=r"set\.parquet holds another plan"):
        BalancedSet.open(tmp_path / "set", store)

"""A frontal set turned to several views: balanced over views, with the labels of what it was made of."""

import numpy as np
import pytest

from aukit.errors import StoreError
from aukit.models.niinuma2021 import Pool, rotate, semantic_resampling
from aukit.registration import FaceTurner, canonical_face
from aukit.store import BalancedSet, prepare
from tests.fakes import AUS, FakeCorpus, FakeLandmarks, FakeRegistration

SIZE = 24
POSES = [(-20.0, 0.0), (0.0, 40.0), (0.0, 0.0)]


class Faces(FakeLandmarks):
    def landmarks(self, video, images, positions):
        scale, offset = canonical_face().in_crop(SIZE)
        mean = (canonical_face().landmarks * scale + offset).astype(np.float32)
        return np.repeat(mean[None], len(images), 0)


@pytest.fixture
def made(tmp_path):
    """A frontal set, the store of its frames, and one in which the first video's are not."""

    def store(name, corpus):
        registration = FakeRegistration(SIZE, name)
        return prepare(corpus, registration, Faces(corpus), tmp_path / name, workers=0, progress=False)

    whole, fewer = FakeCorpus(), FakeCorpus()
    fewer.table.frame.drop(fewer.table.frame.index[:10], inplace=True)
    fewer.table.frame.reset_index(drop=True, inplace=True)
    faces, flat = store("frontal", whole), store("flat", fewer)
    pool = Pool.of(faces, AUS)
    plan = semantic_resampling(pool, pool, 8, seed=0)
    return BalancedSet.write(tmp_path / "set", plan, faces), faces, flat


def test_each_view_has_its_share_of_every_level(made, tmp_path):
    frontal, faces, flat = made
    turned = rotate(frontal, faces, flat, POSES, 3, tmp_path / "turned", seed=0)
    counts = turned.plan.groupby(["au", "level"]).size()
    assert set(counts) == {3 * len(POSES)}
    assert turned.registration["name"] == "flat"
    assert not set(flat.table.frame["video"].iloc[turned.plan["input_frame"]]) & {"p00.mp4"}
    again = rotate(frontal, faces, flat, POSES, 3, tmp_path / "again", seed=0)
    other = rotate(frontal, faces, flat, POSES, 3, tmp_path / "other", seed=1)
    assert again.fingerprint == turned.fingerprint != other.fingerprint


def test_images_and_labels_are_those_of_the_frontal_set(made, tmp_path):
    frontal, faces, flat = made
    turned = rotate(frontal, faces, flat, POSES, 2, tmp_path / "turned", seed=0)
    keys = ["person", "target", "au", "level"]
    plan, old = turned.plan, frontal.plan
    views = np.repeat(np.arange(len(POSES)), len(plan) // len(POSES))
    turner = FaceTurner(SIZE)
    for row in range(0, len(plan), 7):
        frame = flat.table.frame[["video", "position"]].iloc[plan["input_frame"].iloc[row]]
        inputs = faces.table.frame[["video", "position"]].iloc[old["input_frame"]].reset_index(drop=True)
        same = (inputs == frame.to_numpy()).all(axis=1) & (old[keys] == plan[keys].iloc[row]).all(axis=1)
        (candidates,) = np.nonzero(same)
        at = int(old["input_frame"].iloc[candidates[0]])
        crop = frontal.images_at(candidates[:1])
        want = turner(crop, np.asarray(faces.landmarks[[at]]), *POSES[views[row]])
        assert np.array_equal(turned.images_at(np.array([row])), want)
        labels = [column for column in plan if column.endswith("_r")]
        assert plan[labels].iloc[row].equals(old[labels].iloc[candidates[0]].rename(row))


def test_stores_of_two_sizes_are_refused(made, tmp_path):
    frontal, faces, _ = made
    corpus = FakeCorpus()
    other = prepare(
        corpus, FakeRegistration(16, "flat"), Faces(corpus), tmp_path / "small", workers=0, progress=False
    )
    with pytest.raises(StoreError, match=r"has crops of 24 px, .* of 16; prepare both alike"):
        rotate(frontal, faces, other, POSES, 2, tmp_path / "turned", seed=0)


def test_a_store_with_none_of_the_input_frames_is_refused(made, tmp_path):
    frontal, faces, flat = made
    flat.table.frame["video"] += " of another corpus"
    with pytest.raises(StoreError, match=r"no input frame of .*set is in .*; prepare both of one corpus"):
        rotate(frontal, faces, flat, POSES, 2, tmp_path / "turned", seed=0)


def test_a_finished_set_is_not_made_again(made, tmp_path, monkeypatch):
    frontal, faces, flat = made
    first = rotate(frontal, faces, flat, POSES, 2, tmp_path / "turned", seed=0)
    monkeypatch.setattr(FaceTurner, "__call__", lambda *_: pytest.fail("made again"))
    assert (
        rotate(frontal, faces, flat, POSES, 2, tmp_path / "turned", seed=0).fingerprint == first.fingerprint
    )

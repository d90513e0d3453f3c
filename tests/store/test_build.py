import errno
import json
import multiprocessing
import os
import pickle
import shutil
import signal
import time

import numpy as np
import pytest

from aukit.errors import StoreError, WeightsError
from aukit.store import PreparedStore, prepare
from aukit.store.build import store_fingerprint
from tests.fakes import AUS, FakeCorpus, FakeLandmarks, FakeRegistration, fake_store


def _files(path):
    return {p.name: p.read_bytes() for p in sorted(path.iterdir())}


def test_rows_of_images_landmarks_and_table_belong_together(tmp_path):
    corpus = FakeCorpus()
    store = fake_store(tmp_path, corpus)
    assert store.images.shape == (60, 16, 16, 3)
    assert store.landmarks.shape == (60, 68, 3)
    for row in (0, 17, 59):
        frame = store.table.frame.iloc[row]
        image = dict(corpus.decode(frame["video"]))[frame["position"]]
        assert (store.images[row] == image[:16, :16]).all()
        assert store.landmarks[row, 0, 0] == frame["position"]
    assert store.table.intensities(AUS).tolist() == corpus.table.intensities(AUS).tolist()
    assert store.standin == {"recipe": "fake", "version": 1}


def test_every_frame_left_out_is_listed_with_its_reason(tmp_path):
    corpus = FakeCorpus()
    corpus.short["p00.mp4"] = 7
    corpus.broken["p01.mp4"] = 4
    corpus.faceless = {("p02.mp4", 0), ("p02.mp4", 9)}
    frame = corpus.table.frame
    frame.loc[frame["video"].eq("p03.mp4") & (frame["position"] < 2), [c for c in frame if c[:2] == "AU"]] = (
        np.nan
    )
    store = fake_store(tmp_path, corpus)
    assert len(store) == 60 - 3 - 6 - 2 - 2
    reasons = store.exclusions.groupby("reason").size()
    assert reasons["the video ends before this frame"] == 3
    assert reasons["the video cannot be decoded: p01.mp4: damaged at frame 4"] == 6
    assert reasons["no face landmarks"] == 2
    assert reasons["no action unit is coded"] == 2
    assert reasons["no person of that name"] == 1
    lost = store.exclusions[store.exclusions["reason"] == "no face landmarks"]
    assert sorted(lost["position"]) == [0, 9]
    assert set(lost["video"]) == {"p02.mp4"}
    assert "6 x the video cannot be decoded" in store.summary()
    assert "14 left out" in store.summary()


def test_a_partition_without_any_label_is_kept(tmp_path):
    corpus = FakeCorpus()
    frame = corpus.table.frame
    frame.loc[frame["partition"] == "test", [c for c in frame if c[:2] == "AU"]] = np.nan
    assert len(fake_store(tmp_path, corpus)) == 60


def test_a_complete_store_is_opened_and_other_settings_get_another_folder(tmp_path, monkeypatch):
    corpus = FakeCorpus()
    first = fake_store(tmp_path, corpus)
    monkeypatch.setattr(corpus, "decode", None)
    assert fake_store(tmp_path, corpus).path == first.path
    monkeypatch.undo()
    larger = prepare(corpus, FakeRegistration(20), FakeLandmarks(corpus), tmp_path, workers=0, progress=False)
    fewer = fake_store(tmp_path, corpus, selection=np.arange(0, 60, 2))
    assert len({first.path, larger.path, fewer.path}) == 3
    assert len(fewer) == 30
    assert first.fingerprint == store_fingerprint(corpus, FakeRegistration(), FakeLandmarks(corpus))


def test_workers_give_the_same_bytes(tmp_path):
    corpus = FakeCorpus()
    alone = fake_store(tmp_path / "a", corpus)
    pool = prepare(
        corpus, FakeRegistration(), FakeLandmarks(corpus), tmp_path / "b", workers=2, progress=False
    )
    assert _files(alone.path) == _files(pool.path)


def _build_slowly(out):
    fake_store(out, FakeCorpus(delay=0.005))


def test_kill_9_loses_nothing(tmp_path):
    """Killed again and again after the first video is done, the store ends in the same bytes."""
    reference = fake_store(tmp_path / "reference", FakeCorpus(delay=0.005))
    out = tmp_path / "out"
    done = 0
    for _ in range(2):
        before = done
        # A forked process has everything imported already; spawning one would take longer than the work.
        process = multiprocessing.get_context("fork").Process(target=_build_slowly, args=(out,))
        process.start()
        while done <= before and process.is_alive():
            done = len(list(out.glob(".*.building/shards/*.npz")))
            time.sleep(0.001)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert before < done < 6
    store = fake_store(out, FakeCorpus(delay=0.005))
    assert _files(store.path) == _files(reference.path)
    assert not list(out.glob(".*.building"))


def test_a_disk_that_is_full_is_an_error_and_no_signal(tmp_path, monkeypatch):
    reference = fake_store(tmp_path / "reference")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        with pytest.raises(OSError, match=r"No space left on device: '.*images\.npy'"):
            fake_store(tmp_path / "out")
    assert _files(fake_store(tmp_path / "out").path) == _files(reference.path)


@pytest.mark.parametrize("moment", range(6))
def test_a_kill_while_merging_loses_nothing(tmp_path, monkeypatch, moment):
    """Stop at the n-th file that is removed or replaced during the merge."""
    import aukit.store.build as module

    reference = fake_store(tmp_path / "reference")
    count = 0

    class StopError(BaseException):
        pass

    def stop_at(original):
        def wrapped(*args, **kwargs):
            nonlocal count
            if count == moment:
                raise StopError
            count += 1
            return original(*args, **kwargs)

        return wrapped

    with monkeypatch.context() as patched:
        patched.setattr(module.Path, "unlink", stop_at(module.Path.unlink))
        patched.setattr(os, "replace", stop_at(os.replace))
        patched.setattr(shutil, "rmtree", stop_at(shutil.rmtree))
        merging = module._merge

        def begin(*args):
            nonlocal count
            count = 0 if moment < 5 else -3  # the later ones: after the array is complete
            return merging(*args)

        patched.setattr(module, "_merge", begin)
        count = -(10**6)
        with pytest.raises(StopError):
            fake_store(tmp_path / "out")
    store = fake_store(tmp_path / "out")
    assert _files(store.path) == _files(reference.path)


def test_no_usable_frame_is_an_error(tmp_path):
    corpus = FakeCorpus(people=2)
    corpus.broken = {"p00.mp4": 0, "p01.mp4": 0}
    with pytest.raises(StoreError, match=r"no frame of the corpus can be used.*damaged at frame 0"):
        fake_store(tmp_path, corpus)


def test_missing_weights_stop_before_any_work(tmp_path, monkeypatch):
    corpus = FakeCorpus()
    landmarks = FakeLandmarks(corpus)

    def check():
        raise WeightsError("put them there")

    monkeypatch.setattr(landmarks, "check", check)
    with pytest.raises(WeightsError):
        prepare(corpus, FakeRegistration(), landmarks, tmp_path / "out", workers=0)
    assert not (tmp_path / "out").exists()


def test_an_incomplete_or_damaged_store_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(StoreError, match="aukit prepare CORPUS --root DIR"):
        PreparedStore.open(tmp_path)
    store = fake_store(tmp_path)
    (store.path / "landmarks.npy").write_bytes(b"not an array")
    with pytest.raises(StoreError, match="delete the folder"):
        PreparedStore.open(store.path)


def test_a_store_of_an_earlier_version_is_refused(tmp_path):
    path = fake_store(tmp_path).path
    manifest = json.loads((path / "store.json").read_text())
    (path / "store.json").write_text(json.dumps({**manifest, "schema": 1}))
    with pytest.raises(StoreError, match=r"schema 1, this version reads 3.*aukit prepare"):
        PreparedStore.open(path)


def test_a_pickled_store_is_its_path(tmp_path):
    store = fake_store(tmp_path)
    data = pickle.dumps(store)
    assert len(data) < 1000
    assert (pickle.loads(data).images == store.images).all()


class OfAllSizes(FakeCorpus):
    """Frames of changing size, one of them damaged."""

    def decode(self, video):
        for position, frame in super().decode(video):
            if (video, position) == ("p00.mp4", 3):
                yield position, None
            else:
                yield position, np.pad(frame, ((0, position % 3), (0, position % 2), (0, 0)))


def test_frames_may_differ_in_size_and_a_damaged_one_costs_itself_only(tmp_path):
    store = fake_store(tmp_path / "a", OfAllSizes())
    reference = fake_store(tmp_path / "b")
    assert len(store) == 59
    assert (store.images == np.delete(reference.images, 3, axis=0)).all()
    assert (
        store.table.frame["position"].tolist()
        == np.delete(reference.table.frame["position"].to_numpy(), 3).tolist()
    )
    lost = store.exclusions[store.exclusions["reason"] == "the frame cannot be decoded"]
    assert list(zip(lost["video"], lost["position"], strict=True)) == [("p00.mp4", 3)]

"""Pairs of a small stand-in: complete, balanced, resumable, driven by labels, never by the sealed truth."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aukit.datasets import FERA2017, AvatarPairs, with_pair_ids
from aukit.errors import ConfigError, CorpusError
from aukit.registration import SidecarLandmarks, build_registration
from aukit.simulation import AvatarPairsConfig, FERA2017SimulationConfig, FERA2017Standin, write_avatar_pairs
from aukit.simulation.pairs import recorder as pair_recorder
from aukit.store import prepare
from aukit.utils.jobs import Shard
from tests.simulation.pairs.trackers import openface
from tests.standins import opened_files

CONFIG = replace(
    FERA2017SimulationConfig.smoke(), profile="driving", people=(2, 1, 1), tasks=(2, 1, 1), frames=5, size=64
)
SIZE = 48


@pytest.fixture(scope="module")
def driving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("driving")
    FERA2017Standin(folder / "fera", folder / "fera-truth", CONFIG).write(workers=0, progress=False)
    return folder / "fera"


def write(out: Path, root: Path, seed: int = 0, **options: Any) -> str:
    config = AvatarPairsConfig("fera2017", size=SIZE, seed=seed)
    return write_avatar_pairs(out, root, config, workers=0, progress=False, **options)


@pytest.fixture(scope="module")
def writing(driving: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The pairs, and every file that Python opened to write them."""
    out = tmp_path_factory.mktemp("pairs") / "pairs"
    with opened_files() as opened:
        write(out, driving)
    return out, opened


@pytest.fixture(scope="module")
def pairs(writing: tuple[Path, list[str]]) -> Path:
    return writing[0]


def files(root: Path) -> dict[str, bytes]:
    names = sorted(p for p in root.rglob("*") if p.is_file() and not p.name.startswith("."))
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in names}


def test_every_driving_frame_has_a_woman_and_a_man_with_its_labels(driving: Path, pairs: Path) -> None:
    corpus, real = AvatarPairs(pairs), with_pair_ids(FERA2017(driving, ("train",)).table)
    frame = corpus.table.frame
    left_out = {(e.video, e.position) for e in corpus.exclusions}
    used = [p not in left_out for p in zip(real.frame["video"], real.frame["position"], strict=True)]
    expected = real.frame[used].set_index("pair_id")
    for gender in ("female", "male"):
        own = frame[frame["gender"] == gender].set_index("pair_id")
        assert sorted(own.index) == sorted(expected.index)
        for column in [c for c in expected.columns if c.startswith("AU")]:
            np.testing.assert_array_equal(own[column], expected.loc[own.index, column])
    assert len(real) + len([e for e in corpus.exclusions if "without frame" in e.reason]) == 2 * 2 * 5
    assert real.frame["pair_id"].iloc[0] == "fera2017/train/F001/T1/6/1"


def test_each_person_keeps_two_avatars(pairs: Path) -> None:
    corpus = AvatarPairs(pairs)
    person = corpus.table.frame["task"].str.split("_").str[0]
    subjects = corpus.table.frame.groupby(person)["subject"].unique().map(sorted).to_dict()
    assert subjects == {"F001": ["F01", "M30"], "M001": ["F02", "M29"]}
    avatars = corpus.avatars.set_index("subject")
    assert len(avatars) == 60
    joined = corpus.table.frame.join(avatars.add_prefix("avatar_"), on="subject")
    assert (joined["gender"] == joined["avatar_gender"]).all()
    assert joined["avatar_tone"].between(0, 1).all()


def test_videos_and_landmarks_fit_the_table(pairs: Path) -> None:
    corpus = AvatarPairs(pairs)
    for video, rows in corpus.table.frame.groupby("video"):
        images = [image for _, image in corpus.decode(str(video))]
        assert [i.shape for i in images] == [(SIZE, SIZE, 3)] * len(rows)
        points = corpus.sidecar_landmarks(str(video))
        assert points.shape == (len(rows), 68, 3)
        assert ((points[..., :2] > 0) & (points[..., :2] < SIZE)).all()
        # The background is plain: the corners of a frame have one colour, up to the codec.
        assert np.ptp(np.stack([images[0][0, 0], images[0][0, -1]]).astype(int), axis=0).max() < 12


def test_a_woman_and_a_man_of_a_pair_move_alike(driving: Path, tmp_path: Path) -> None:
    """Driven to smile in one video and to rest in the other, both have wider mouths in the first."""
    openface(tmp_path / "FERA17_TR_F001_T1_6.csv", [{"AU12_r": 5}] * 5)
    openface(tmp_path / "FERA17_TR_F001_T2_6.csv", [{}] * 5)
    write(tmp_path / "pairs", driving, tracker=tmp_path)
    corpus = AvatarPairs(tmp_path / "pairs")
    for avatar in ("F01", "M30"):
        smile, rest = (
            corpus.sidecar_landmarks(f"videos/{avatar}/FERA17_TR_F001_{task}_6.mp4") for task in ("T1", "T2")
        )
        widths = [np.linalg.norm(p[:, 54] - p[:, 48], axis=1) / np.linalg.norm(p[:, 45] - p[:, 36], axis=1)
                  for p in (smile, rest)]  # fmt: skip
        assert widths[0].min() > 1.1 * widths[1].max()


def test_it_says_what_it_is_and_what_drove_it(pairs: Path) -> None:
    described = AvatarPairs(pairs).standin
    assert described["version"] == pair_recorder.PAIRS_VERSION
    assert described["recipe"]["expression"] == "simulated tracker"
    assert described["driver"]["standin"]["recipe"]["profile"] == "driving"


def test_the_sealed_truth_is_never_opened(driving: Path, writing: tuple[Path, list[str]]) -> None:
    _, opened = writing
    truth = driving.with_name("fera-truth")
    assert list(truth.glob("*.npz"))
    assert any(name.endswith("AU12_Int.csv") for name in opened)  # the trace works
    assert not [name for name in opened if str(truth) in name or name.endswith(".npz")]


def test_without_the_truth_the_pairs_are_the_same(driving: Path, pairs: Path, tmp_path: Path) -> None:
    """One video again, from a copy of the corpus that has no truth beside it."""
    root = Path(shutil.copytree(driving, tmp_path / "fera"))
    write(tmp_path / "pairs", root, shard=Shard(0, 4))
    whole = files(pairs)
    again = files(tmp_path / "pairs")
    assert sum(name.endswith(".mp4") for name in again) == 2
    assert {name: whole[name] for name in again} == again


def test_shards_and_a_full_disk_end_in_the_same_bytes(
    driving: Path, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, calls = tmp_path / "pairs", 0
    real = pair_recorder.encode_video

    def full(path: Path, *arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path, *arguments)

    monkeypatch.setattr(pair_recorder, "encode_video", full)
    with pytest.raises(CorpusError, match=r"No space left on device.*repeat the command"):
        write(out, driving, shard=Shard(0, 2))
    assert len(list(out.glob("recordings/*.json"))) == 1
    monkeypatch.setattr(pair_recorder, "encode_video", real)
    assert "frames.parquet follows" in write(out, driving, shard=Shard(0, 2))
    with pytest.raises(CorpusError, match=r"frames\.parquet is missing.*all shards"):
        AvatarPairs(out)
    kept = out / "videos" / "F01" / "FERA17_TR_F001_T1_6.mp4"
    before = kept.stat().st_mtime_ns
    write(out, driving, shard=Shard(1, 2))
    assert files(out) == files(pairs)
    assert kept.stat().st_mtime_ns == before


def test_a_killed_writer_goes_on(driving: Path, pairs: Path, tmp_path: Path) -> None:
    out = tmp_path / "pairs"
    words = [
        "--driving-corpus",
        "fera2017",
        "--driving-root",
        driving,
        "--out",
        out,
        "--size",
        SIZE,
        "--workers",
        1,
    ]
    command = [sys.executable, "-m", "aukit.cli", "avatars", "pairs", *map(str, words)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    give_up = time.monotonic() + 120
    while not list(out.glob("videos/*/.*")) and process.poll() is None and time.monotonic() < give_up:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (out / "frames.parquet").exists()
    write(out, driving)
    assert files(out) == files(pairs)
    assert not [p for p in out.rglob(".*") if not p.name.endswith(".lock")]


def test_a_finished_folder_is_left_as_it_is_and_a_lost_video_comes_back(
    driving: Path, pairs: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(pairs, tmp_path / "pairs"))
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*.mp4")}
    summary = write(out, driving)
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*.mp4")} == before
    assert "tone_group" in summary
    assert "of 4 avatars from 4 of 4 videos" in summary
    next(iter(before)).unlink()
    write(out, driving)
    assert files(out) == files(pairs)


def test_other_settings_do_not_mix(driving: Path, pairs: Path) -> None:
    with pytest.raises(CorpusError, match=r"AVATAR_PAIRS\.json: was begun with other settings"):
        write(pairs, driving, seed=1)
    with pytest.raises(CorpusError, match="is not empty"):
        write(driving, driving)


def test_a_trackers_files_drive_and_what_they_lack_is_counted(driving: Path, tmp_path: Path) -> None:
    tracker = tmp_path / "openface"
    tracker.mkdir()
    with pytest.raises(CorpusError, match="no file of a tracker"):
        write(tmp_path / "pairs", driving, tracker=tracker)
    rows: list[dict[str, object]] = [{"AU12_r": 4}, {"AU12_r": "nan"}, {"AU12_r": 6}] + [{"success": 0}] * 2
    openface(tracker / "FERA17_TR_F001_T1_6.csv", rows)
    summary = write(tmp_path / "pairs", driving, tracker=tracker)
    corpus = AvatarPairs(tmp_path / "pairs")
    assert len(corpus.table) == 2 * 3
    reasons = [e.reason for e in corpus.exclusions]
    assert reasons.count("the tracker failed (success = 0)") == 2
    assert reasons.count("no file of the tracker for this video") >= 14
    assert "2: the tracker failed" in summary
    assert "in the tracker's files, frames interpolated: 1" in summary
    assert "in the tracker's files, values out of range, clipped: 1" in summary
    assert "videos without a tracker's file: 3; expected for example FERA17_TR_F001_T2_6.csv" in summary
    assert corpus.standin["recipe"]["expression"] == "tracker files"


def test_without_standin_json_codes_drive(driving: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(driving, tmp_path / "fera"))
    (root / "STANDIN.json").unlink()
    write(tmp_path / "pairs", root, shard=Shard(0, 1000))
    described = json.loads((tmp_path / "pairs" / "AVATAR_PAIRS.json").read_text())
    assert described["recipe"]["expression"] == "codes"
    assert described["driver"]["standin"] is None


def test_a_tracker_that_saw_nothing_is_an_error_with_the_reasons(driving: Path, tmp_path: Path) -> None:
    openface(tmp_path / "FERA17_TR_F001_T1_6.csv", [{"success": 0}] * 5)
    with pytest.raises(CorpusError, match=r"not a single frame.*\n0 pairs(.|\n)*5: the tracker failed"):
        write(tmp_path / "pairs", driving, tracker=tmp_path)


def test_videos_that_cannot_be_opened_are_counted(driving: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(driving, tmp_path / "fera"))
    for path in root.rglob("FERA17_TR_M001_*.mp4"):
        path.write_bytes(b"no video")
    summary = write(tmp_path / "pairs", root)
    assert "2: whole video: the video cannot be opened" in summary
    corpus = AvatarPairs(tmp_path / "pairs")
    assert set(corpus.table.frame["subject"]) == {"F01", "M30"}
    assert [e.position for e in corpus.exclusions if "opened" in e.reason] == [None, None]


@pytest.mark.parametrize("wrong", [{"size": 47}, {"size": 8}, {"seed": -1}, {"basis": "clay"}])
def test_what_cannot_be_rendered_is_refused_before_anything_is_written(
    driving: Path, tmp_path: Path, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError):
        write_avatar_pairs(tmp_path / "pairs", driving, AvatarPairsConfig("fera2017", **wrong), workers=0)
    assert not (tmp_path / "pairs").exists()


def test_a_lost_half_of_a_pair_is_noticed(pairs: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(pairs, tmp_path / "pairs"))
    table = AvatarPairs(out).table
    table.take(np.arange(1, len(table))).write_parquet(out / "frames.parquet")
    with pytest.raises(
        CorpusError, match="fera2017/train/F001/T1/6/1 has not exactly one female and one male"
    ):
        _ = AvatarPairs(out).table


def test_what_is_no_folder_of_pairs(driving: Path, pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"holds no AVATAR_PAIRS\.json"):
        AvatarPairs(driving)
    with pytest.raises(CorpusError, match="leads out of the corpus root"):
        list(AvatarPairs(pairs).decode("../../secret.mp4"))
    out = Path(shutil.copytree(pairs, tmp_path / "pairs"))
    (out / "avatars.csv").write_text("subject\nF01\n")
    with pytest.raises(CorpusError, match=r"avatars\.csv: has the columns"):
        _ = AvatarPairs(out).avatars
    victim = next(out.glob("videos/*/*.mp4"))
    victim.unlink()
    with pytest.raises(CorpusError, match=f"{victim.name}: is missing"):
        AvatarPairs(out).fingerprint()


def test_pairs_are_prepared_like_any_corpus(pairs: Path, tmp_path: Path) -> None:
    corpus = AvatarPairs(pairs)
    registration = build_registration("similarity", 32)
    store = prepare(corpus, registration, SidecarLandmarks(corpus), tmp_path, workers=0, progress=False)
    assert len(store) == len(corpus.table)
    assert store.standin == corpus.standin
    assert set(store.table.frame["pair_id"]) == set(corpus.table.frame["pair_id"])

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aukit.datasets import FrameTable
from aukit.datasets.tracker_rows import video_rows
from aukit.errors import CorpusError
from aukit.facs import VISIBLE_AUS, VISIBLE_INDEX
from aukit.simulation.pairs.au_tracker_noise import WEAK, AUTrackerNoise, add_au_tracker_noise
from aukit.simulation.pairs.driving import CODES, FILES, SIMULATED, check_tracker, expressions
from tests.simulation.pairs.trackers import arkit, openface, video

VIDEO = "FERA17_TR_F001_T1_6"
NO_ERROR = AUTrackerNoise(gain=0, lag=(0, 0), drift=0, jitter=0, threshold=0, failure=0)


def table(positions: list[int], **labels: list[float]) -> FrameTable:
    ids = {
        "corpus": "fera2017", "partition": "train", "person": "BP4D/F001", "subject": "F001",
        "gender": "female", "task": "T1", "view": 6, "video": f"a/{VIDEO}.mp4", "pair_id": None,
    }  # fmt: skip
    frame = pd.DataFrame({"position": positions, "frame": [p + 1 for p in positions], **labels})
    return FrameTable(frame.assign(**ids))


def test_codes_drive_with_their_levels_and_presence_with_drawn_ones() -> None:
    n = 40
    labels = table(list(range(n)), AU12_c=[1.0] * n, AU12_r=[3.0] * n, AU07_c=[1.0] * n, AU01_r=[0.0] * n)
    moved = expressions(labels, CODES, 0, VIDEO)
    assert set(moved.reasons) == {""}
    np.testing.assert_allclose(moved.activations[:, VISIBLE_INDEX[12]], 0.6, atol=1e-6)
    drawn = moved.activations[:, VISIBLE_INDEX[7]]
    assert 5 * drawn[0, 0] == pytest.approx(round(5 * drawn[0, 0]), abs=1e-5)
    assert 0.2 <= drawn[0, 0] <= 1
    assert np.ptp(drawn) < 1e-6
    assert np.delete(moved.activations, [VISIBLE_INDEX[12], VISIBLE_INDEX[7]], axis=1).max() == 0
    np.testing.assert_array_equal(expressions(labels, CODES, 0, VIDEO).activations, moved.activations)
    others = {
        float(expressions(labels, CODES, seed, VIDEO).activations[0, VISIBLE_INDEX[7], 0])
        for seed in range(12)
    }
    assert len(others) > 1


def test_frames_without_a_code_are_excluded_and_missing_frames_split_events() -> None:
    nan = float("nan")
    labels = table([0, 1, 2, 9, 10], AU12_r=[5.0, 5.0, nan, 0.0, 0.0])
    moved = expressions(labels, CODES, 0, VIDEO)
    assert moved.reasons == ("", "", "no action unit is coded", "", "")
    assert (moved.activations[3:] == 0).all()  # nothing leaks over the gap


def test_a_perfect_tracker_sees_weak_movements_weakly() -> None:
    meant = np.full((30, len(VISIBLE_AUS)), 0.5, np.float32)
    seen, failed = add_au_tracker_noise(meant, np.random.default_rng(0), np.random.default_rng(1), NO_ERROR)
    assert not failed.any()
    np.testing.assert_allclose(seen[0], [0.5 * WEAK.get(au, 1.0) for au in VISIBLE_AUS], atol=1e-6)


def test_the_simulated_tracker_lags_errs_misses_and_rests_where_nothing_moves() -> None:
    rng = np.random.default_rng(2)
    meant = np.zeros((4000, len(VISIBLE_AUS)), np.float32)
    wave = 0.5 - 0.5 * np.cos(np.arange(4000) * 2 * np.pi / 50)
    meant[:, VISIBLE_INDEX[12]] = wave
    settings = AUTrackerNoise()
    seen, failed = add_au_tracker_noise(meant, np.random.default_rng(0), rng, settings)
    smile = seen[:, VISIBLE_INDEX[12]]
    match = [np.corrcoef(np.roll(meant[:, VISIBLE_INDEX[12]], lag), smile)[0, 1] for lag in range(6)]
    assert 1 <= int(np.argmax(match)) <= 2
    assert 0.9 < max(match) < 0.999
    assert 0.005 < failed.mean() < 0.02
    assert np.delete(seen, VISIBLE_INDEX[12], axis=1).max() == 0
    assert seen.min() >= 0
    assert seen.max() <= 1


def test_simulated_failures_are_excluded_with_their_reason() -> None:
    n = 2000
    labels = table(list(range(n)), AU12_r=[2.0] * n)
    moved = expressions(labels, SIMULATED, 0, VIDEO)
    failed = [r for r in moved.reasons if r]
    assert set(failed) == {"the tracker failed"}
    assert 0.005 < len(failed) / n < 0.02
    plain = expressions(labels, CODES, 0, VIDEO).activations
    assert not np.allclose(plain, moved.activations, atol=0.02)


def test_a_trackers_file_drives_the_frames_that_it_is_about(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"AU04_r": 5.0 if i >= 10 else 0.0} for i in range(20)]
    rows[14:20] = [{"success": 0}] * 6
    del rows[18]
    rows[18] = {"success": 0, "frame": 20}
    openface(tmp_path / f"{VIDEO}.csv", rows)
    positions = [2, 12, 13, 14, 18]
    labels = table(positions, AU12_r=[1.0] * 5)
    frames = video_rows(np.arange(20), np.array(positions))
    moved = expressions(labels, FILES, 0, VIDEO, tmp_path, frames)
    assert moved.reasons == (
        "", "", "", "the tracker failed (success = 0)", "no row in the tracker's file",
    )  # fmt: skip
    # Labels play no part, and the failed frames behind do not pull the movement down.
    np.testing.assert_allclose(moved.activations[:3, VISIBLE_INDEX[4], 0], [0, 1, 1], atol=0.02)
    assert moved.activations[:, VISIBLE_INDEX[12]].max() == 0


def test_a_file_about_other_frames_leaves_its_recording_out_with_both_numbers(tmp_path: Path) -> None:
    arkit(tmp_path / f"{VIDEO}.csv", [{}] * 30)
    moved = expressions(table([0, 1], AU12_r=[1.0, 1.0]), FILES, 0, VIDEO, tmp_path, video(28))
    assert moved.reasons == ("the tracker's file has 30 rows for 28 frames",) * 2


def test_a_video_without_a_trackers_file_is_excluded_and_a_folder_without_any_is_an_error(
    tmp_path: Path,
) -> None:
    moved = expressions(table([0, 1], AU12_r=[1.0, 1.0]), FILES, 0, VIDEO, tmp_path, video(2))
    assert moved.reasons == ("no file of the tracker for this video",) * 2
    with pytest.raises(CorpusError, match=r"expected for example b\.csv"):
        check_tracker(tmp_path, ["b", "c"])


def test_the_fingerprint_of_a_trackers_files_is_their_content(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("x")
    one = check_tracker(tmp_path, ["b", "c"])
    (tmp_path / "other.csv").write_text("x")
    assert check_tracker(tmp_path, ["b", "c"]) == one
    (tmp_path / "b.csv").write_text("y")
    assert check_tracker(tmp_path, ["b", "c"]) != one
    (tmp_path / "b.csv").write_text("x")
    (tmp_path / "c.csv").write_text("x")
    assert check_tracker(tmp_path, ["b", "c"]) != one

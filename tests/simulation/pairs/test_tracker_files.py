from pathlib import Path

import numpy as np
import pytest

from aukit.facs import VISIBLE_INDEX
from aukit.simulation.pairs.tracker_files import MAX_GAP, read_tracker
from tests.simulation.pairs.trackers import folder, openface, video


def test_frames_without_result_are_bridged_or_counted_never_lost(tmp_path: Path) -> None:
    short, long = MAX_GAP, MAX_GAP + 1
    rows: list[dict[str, object]] = [{"success": 0}, {"AU12_r": 1}]
    rows += (
        [{"AU12_r": "nan"}] * short + [{"AU12_r": 4}] + [{"success": 0, "AU12_r": 5}] * long + [{"AU12_r": 2}]
    )
    track = read_tracker(openface(tmp_path / "a.csv", rows), video(len(rows)))
    assert len(track.reasons) == len(rows)
    assert track.interpolated == short
    assert track.excluded == {"the tracker failed (success = 0)": 1 + long}
    assert track.usable.sum() + sum(track.excluded.values()) == len(rows)
    smile = track.activations[:, VISIBLE_INDEX[12], 0]
    np.testing.assert_allclose(smile[1 : short + 3], np.linspace(0.2, 0.8, short + 2), atol=1e-6)
    assert (smile[~track.usable] == 0).all()


def test_a_long_gap_of_nan_and_missing_rows_have_their_own_reasons(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{}, *[{"AU01_r": "nan"}] * 6, {}]
    rows += [{"frame": 15 + i} for i in range(2)]
    track = read_tracker(openface(tmp_path / "a.csv", rows), video(19))
    assert len(track.reasons) == 19
    assert track.excluded == {"NaN in the tracker's file": 6, "no row in the tracker's file": 6 + 3}


def test_openface_goes_through_a_folder_by_name_and_gaps_are_bridged_in_the_order_of_time(
    tmp_path: Path,
) -> None:
    """Row 1 is 1000.jpg; 999.jpg, the last row, is its neighbour in time."""
    smiles: list[dict[str, object]] = [
        {"AU12_r": 5},
        {"AU12_r": 4},
        {"AU12_r": 0},
        {"success": 0},
        {"AU12_r": 2},
    ]
    frames = folder([997, 998, 999, 1000, 1001])
    assert [frames.numbers[place] for place in frames.orders[0]] == [1000, 1001, 997, 998, 999]
    track = read_tracker(openface(tmp_path / "a.csv", smiles), frames)
    np.testing.assert_allclose(track.activations[:, VISIBLE_INDEX[12], 0], [0, 0.2, 0.4, 1, 0.8], atol=1e-6)
    assert track.interpolated == 1


@pytest.mark.parametrize("others", [["Thumbs.db", "notes.txt"], ["cover.jpg"]])
def test_images_that_are_no_frames_have_a_row_of_their_own(tmp_path: Path, others: list[str]) -> None:
    images = others == ["cover.jpg"]
    rows: list[dict[str, object]] = [{"AU12_r": 1}, {"AU12_r": 2}, *[{"AU12_r": 5}] * images]
    track = read_tracker(openface(tmp_path / "a.csv", rows), folder([7, 8], digits=4, others=others))
    np.testing.assert_allclose(track.activations[:, VISIBLE_INDEX[12], 0], [0.2, 0.4], atol=1e-6)
    assert track.excluded == {}

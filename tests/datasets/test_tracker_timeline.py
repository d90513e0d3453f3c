"""A smile of frame 17 of 30 must be found on frame 17, whatever rows are missing; or the file is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aukit.datasets.tracker_rows import TrackerRows, video_rows
from aukit.datasets.tracker_timeline import OtherFramesError
from aukit.errors import CorpusError
from aukit.facs import VISIBLE_INDEX
from aukit.simulation.pairs.tracker_files import read_tracker
from tests.simulation.pairs.trackers import Rows, arkit, folder, openface, pyfeat, video

N, SMILE = 30, 17
Writer = Callable[[Path, Rows], Path]


def smiles(path: Path, frames: TrackerRows, smile: int = SMILE) -> set[str]:
    """Check that exactly one frame smiles; the reasons why others are unusable."""
    track = read_tracker(path, frames)
    found = np.flatnonzero(track.activations[:, VISIBLE_INDEX[12], 0] > 0.6)
    np.testing.assert_array_equal(found, [smile])
    return set(track.excluded)


def rows(missing: range, **columns: Callable[[int], object]) -> list[dict[str, object]]:
    """Rows of the frames that are not missing, with columns that are functions of the frame."""
    return [
        {"MouthSmileLeft": 0.8 * (i == SMILE), **{name: value(i) for name, value in columns.items()}}
        for i in range(N)
        if i not in missing
    ]


def timecode(start: float, rate: float, step: float = 1.0) -> Callable[[int], str]:
    """Timecodes of frames that are `step` apart, from so many seconds after noon on."""

    def text(frame: int) -> str:
        total = (12 * 3600 + start) * rate + frame * step
        seconds, rest = divmod(round(total, 3), rate)
        hours, seconds = divmod(int(seconds), 3600)
        return f"{hours % 24:02d}:{seconds // 60:02d}:{seconds % 60:02d}:{rest:06.3f}"

    return text


GAPS = [range(0), range(5, 6), range(8, 16), range(SMILE + 1, SMILE + 3)]


@pytest.mark.parametrize("missing", [*GAPS, range(3), range(25, N)])
@pytest.mark.parametrize("name", ["frame", "Frame_Number", "frame_idx"])
def test_a_frame_column_from_0(tmp_path: Path, missing: range, name: str) -> None:
    if 0 in missing:
        missing = range(1, 3)
    file = arkit(tmp_path / "a.csv", rows(missing, **{name: lambda i: i}), lead=(name,))
    long = len(missing) > 5 or missing.stop == N
    assert smiles(file, video(N)) == ({"no row in the tracker's file"} if long else set())


@pytest.mark.parametrize("missing", [*GAPS, range(3)])
def test_a_frame_column_from_1_is_told_by_its_last_frame_or_the_time(tmp_path: Path, missing: range) -> None:
    file = arkit(tmp_path / "a.csv", rows(missing, frame=lambda i: i + 1), lead=("frame",))
    smiles(file, video(N))
    gone = range(25, N)
    for start in (0, 1):
        numbers = rows(range(0), frame=lambda i, s=start: i + s, timestamp_ms=lambda i: round(i * 100 / 3))
        numbers = [row for i, row in enumerate(numbers) if i not in gone and i > 0]
        smiles(arkit(tmp_path / "b.csv", numbers, lead=("frame", "timestamp_ms")), video(N))
        file = arkit(tmp_path / "c.csv", numbers, lead=("frame",))
        with pytest.raises(CorpusError, match=r"c\.csv: its frame numbers may count from 0 or from 1"):
            read_tracker(file, video(N))


@pytest.mark.parametrize("missing", GAPS)
@pytest.mark.parametrize(
    "clock",
    [
        timecode(3.0, 60),
        timecode(39.7, 60, 2),
        timecode(39.7, 60, 1.9995),  # a take of Live Link Face that lasts a little longer than its clock says
        timecode(59.8, 30),
        timecode(12 * 3600 - 0.3, 60),  # past midnight
        timecode(7.5, 24),
    ],
)
def test_a_timecode_is_followed(tmp_path: Path, missing: range, clock: Callable[[int], str]) -> None:
    smiles(arkit(tmp_path / "a.csv", rows(missing, Timecode=clock)), video(N))


@pytest.mark.parametrize("missing", GAPS)
@pytest.mark.parametrize(
    ("name", "clock"),
    [
        ("timestamp", lambda i: i / 25),
        ("timestamp_ms", lambda i: round(i * 1000 / 30)),
        ("time", lambda i: 1_700_000_000 + i * 0.04),
    ],
)
def test_a_timestamp_is_followed(
    tmp_path: Path, missing: range, name: str, clock: Callable[[int], object]
) -> None:
    smiles(arkit(tmp_path / "a.csv", rows(missing, **{name: clock}), lead=(name,)), video(N))


def test_times_that_do_not_span_the_recording_leave_it_out_and_tell_both_numbers(tmp_path: Path) -> None:
    file = arkit(tmp_path / "a.csv", rows(range(5), Timecode=timecode(0, 30)))
    with pytest.raises(OtherFramesError, match="25 rows that span 25 frames, the recording has 30"):
        read_tracker(file, video(N))
    # The times of rows that are missing at the beginning count from the first frame of the video.
    smiles(
        arkit(tmp_path / "b.csv", rows(range(5), timestamp=lambda i: i / 30), lead=("timestamp",)), video(N)
    )
    # Every other frame was tracked: 15 rows from 0 on, at even distances.
    half = rows(range(0), timestamp=lambda i: i / 30)[::2]
    with pytest.raises(OtherFramesError, match="15 rows"):
        read_tracker(arkit(tmp_path / "c.csv", half, lead=("timestamp",)), video(N))


def test_a_gap_that_cannot_be_placed_is_an_error(tmp_path: Path) -> None:
    file = arkit(
        tmp_path / "a.csv", rows(range(0), timestamp=lambda i: i + 0.5 * (i > 9)), lead=("timestamp",)
    )
    with pytest.raises(CorpusError, match=r"a\.csv, line 12: 1\.50 times the usual time"):
        read_tracker(file, video(N))
    back = rows(range(0), timestamp=lambda i: i if i < 20 else i - 9)
    with pytest.raises(CorpusError, match=r"b\.csv, line 22: the time runs backwards"):
        read_tracker(arkit(tmp_path / "b.csv", back, lead=("timestamp",)), video(N))
    words = rows(range(0), Timecode=lambda i: "noon" if i == 2 else f"12:00:00:{i}")
    with pytest.raises(CorpusError, match=r"c\.csv, line 4, column Timecode: 'noon' is no Timecode"):
        read_tracker(arkit(tmp_path / "c.csv", words), video(N))


def test_an_uneven_clock_with_a_row_for_each_frame_is_let_pass(tmp_path: Path) -> None:
    uneven = rows(range(0), timestamp=lambda i: i + 0.4 * (i % 2))
    smiles(arkit(tmp_path / "a.csv", uneven, lead=("timestamp",)), video(N))


def test_frames_counted_by_rows_while_the_clock_shows_a_gap_are_an_error(tmp_path: Path) -> None:
    counted = rows(range(8, 16), timestamp_ms=lambda i: 40 * i)
    file = arkit(
        tmp_path / "a.csv",
        [{**row, "frame": number} for number, row in enumerate(counted)],
        lead=("frame", "timestamp_ms"),
    )
    with pytest.raises(CorpusError, match=r"line 10: frame 8 follows frame 7, but by the time 9 frames"):
        read_tracker(file, video(N))


@pytest.mark.parametrize(("written", "frames"), [(30, 28), (28, 30)])
def test_another_number_of_rows_leaves_the_recording_out_and_tells_both(
    tmp_path: Path, written: int, frames: int
) -> None:
    with pytest.raises(OtherFramesError, match=f"has {written} rows for {frames} frames") as caught:
        read_tracker(arkit(tmp_path / "a.csv", [{}] * written), video(frames))
    assert "a.csv" in str(caught.value)
    assert "a.csv" not in caught.value.reason


def test_openface_numbers_its_rows_from_1(tmp_path: Path) -> None:
    levels: list[dict[str, object]] = [{"AU12_r": 5 * (i == SMILE), "frame": i + 1} for i in range(N)]
    for missing in ([], [0], [4, 5], [4, N - 1]):
        kept = [row for i, row in enumerate(levels) if i not in missing]
        smiles(openface(tmp_path / "a.csv", kept), video(N))
    with pytest.raises(OtherFramesError, match="has 30 rows for 28 frames"):
        read_tracker(openface(tmp_path / "a.csv", levels), video(28))
    with pytest.raises(OtherFramesError, match="has 21 rows, to frame 30, for 28 frames"):
        read_tracker(openface(tmp_path / "a.csv", levels[9:]), video(28))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"frame": 1}, r"line 3: frame 1 after frame 1; one face per video.*FaceLandmarkVidMulti"),
        ({"frame": 0}, r"line 3, column frame: 0 is no frame number from 1"),
        ({"frame": 1e12}, r"line 3, column frame"),
        ({"frame": 2.5}, r"line 3, column frame: 2.5 is no frame number"),
        ({"frame": ""}, r"line 3, column frame: nan is no frame number"),
    ],
)
def test_frame_numbers_ascend(tmp_path: Path, wrong: dict[str, object], message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        read_tracker(openface(tmp_path / "a.csv", [{}, wrong]), video(4))


def test_where_frames_cannot_be_decoded_the_number_of_rows_tells_whether_they_were_counted(
    tmp_path: Path,
) -> None:
    there = np.array([i for i in range(N) if i not in (5, 6)])
    frames = video_rows(there, there)
    decoded: list[dict[str, object]] = [{"AU12_r": 5 * (i == SMILE)} for i in there]
    smiles(openface(tmp_path / "a.csv", decoded), frames)
    every: list[dict[str, object]] = [{"AU12_r": 5 * (i == SMILE)} for i in range(N)]
    smiles(openface(tmp_path / "b.csv", every), frames)
    with pytest.raises(OtherFramesError, match="has 27 rows, to frame 27, for 30 frames"):
        read_tracker(openface(tmp_path / "c.csv", every[:27]), frames)
    unsure = arkit(tmp_path / "d.csv", rows(range(27, N), frame=lambda i: i), lead=("frame",))
    with pytest.raises(OtherFramesError, match="27 rows; of 30 frames 28 can be decoded"):
        read_tracker(unsure, frames)


NUMBERS = range(990, 990 + N)  # crosses 999/1000 with three digits


def test_rows_with_file_names_are_matched_by_them(tmp_path: Path) -> None:
    named: list[dict[str, object]] = [
        {"AU12": 0.8 * (i == SMILE), "input": f"D:\\BP4D\\T1\\{number}.jpg"}
        for i, number in enumerate(NUMBERS)
    ]
    by_name = sorted(named, key=lambda row: str(row["input"]))
    for order in (named, by_name, by_name[:3] + by_name[5:]):
        given = [{**row, "frame": i} for i, row in enumerate(order)]
        smiles(pyfeat(tmp_path / "a.csv", given), folder(NUMBERS))
    cover = {"input": "/F001/T1/cover.png", "AU12": 1}
    smiles(pyfeat(tmp_path / "a.csv", [*named, cover]), folder(NUMBERS, others=["cover.png", "notes.txt"]))
    for wrong, message in (
        (named[3], r"line 32, column input: 993\.jpg again, after line 5; one face per image"),
        ({"input": "1.jpg"}, r"line 32, column input: no image of the folder is called '1\.jpg'"),
    ):
        with pytest.raises(CorpusError, match=message):
            read_tracker(pyfeat(tmp_path / "b.csv", [*named, wrong]), folder([*NUMBERS, 2000]))


@pytest.mark.parametrize("write", [openface, pyfeat])
def test_where_the_tracker_met_fewer_frames_any_of_them_may_be_the_one(tmp_path: Path, write: Writer) -> None:
    """OpenFace and py-feat write a row for each frame; one that they cannot decode shifts the others."""
    with pytest.raises(OtherFramesError, match=r"has 29 rows, to frame \d+, for 30 frames"):
        read_tracker(write(tmp_path / "a.csv", [{}] * 29), video(N))
    with pytest.raises(OtherFramesError, match=r"has 29 rows, to frame \d+, for 30 frames"):
        read_tracker(write(tmp_path / "a.csv", [{}] * 29), folder(NUMBERS))
    every_third = [{"frame": 3 * i} for i in range(10)]
    assert read_tracker(pyfeat(tmp_path / "b.csv", every_third), video(N)).interpolated == 18


def test_pyfeat_counts_the_frames_of_a_video_from_0_and_has_a_row_for_each_face(tmp_path: Path) -> None:
    levels: list[dict[str, object]] = [{"AU12": 0.8 * (i == SMILE), "frame": i} for i in range(N)]
    smiles(pyfeat(tmp_path / "a.csv", levels[2 : SMILE + 5]), video(N))
    two = [*levels[:4], levels[3], *levels[4:]]
    with pytest.raises(CorpusError, match=r"line 6: frame 3 after frame 3; one face per video"):
        read_tracker(pyfeat(tmp_path / "a.csv", two), video(N + 1))


def test_numbers_of_images_are_known_as_such_and_an_uncertain_order_is_refused(tmp_path: Path) -> None:
    numbered = arkit(tmp_path / "a.csv", rows(range(4), frame=lambda i: NUMBERS[i]), lead=("frame",))
    smiles(numbered, folder(NUMBERS))
    counted = arkit(tmp_path / "b.csv", rows(range(0), frame=lambda i: i), lead=("frame",))
    smiles(counted, folder(NUMBERS, digits=4))
    with pytest.raises(CorpusError, match=r"b\.csv: the images of the folder have another order by name"):
        read_tracker(counted, folder(NUMBERS))
    with pytest.raises(CorpusError, match=r"c\.csv: the images of the folder have another order by name"):
        read_tracker(arkit(tmp_path / "c.csv", rows(range(0))), folder(NUMBERS))
    # 5 may be the sixth image, the fifth, or the one called 5.
    few = arkit(tmp_path / "d.csv", rows(range(10), frame=lambda i: i - 5), lead=("frame",))
    with pytest.raises(CorpusError, match=r"d\.csv: its frame numbers may count from 0 or from 1, or be"):
        read_tracker(few, folder(range(3, 3 + N), digits=4))

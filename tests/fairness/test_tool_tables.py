"""Tables of OpenFace, LibreFace, py-feat and aukit beside codes by video and frame."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aukit.errors import ConfigError, CorpusError
from aukit.fairness.tool_tables import read_tool_tables
from tests.detect.test_score import made

LEVELS = {"v1": np.array([0.0, 1, 2, 0.5]), "v2": np.array([3.0, 0, 0, 1])}
CODES = """video,frame,person,AU06_c,AU12_r
clips/v1.mp4,0,a,0,0
clips/v1.mp4,1,a,1,
clips/v1.mp4,3,a,1,3
clips/v2.mp4,0,b,1,1
clips/v2.mp4,2,b,,2
"""


@pytest.fixture
def codes(tmp_path: Path) -> Path:
    (tmp_path / "codes.csv").write_text(CODES)
    return tmp_path / "codes.csv"


@pytest.mark.parametrize("tool", ["openface", "libreface"])
def test_levels_and_codes_by_video_and_frame(codes: Path, tmp_path: Path, tool: str) -> None:
    read = read_tool_tables([made(tmp_path / "tables", tool, LEVELS)], tool, codes)
    assert read.aus == (6, 12)
    np.testing.assert_array_equal(read.scores[:, 0], [0, 1, 0.5, 3, 0])
    np.testing.assert_array_equal(read.present[:, 0], [0, 1, 1, 1, np.nan])
    np.testing.assert_array_equal(read.present[:, 1], [0, np.nan, 1, 0, 1])  # intensity 2 and more
    np.testing.assert_array_equal(read.levels[:, 1], [0, np.nan, 3, 1, 2])
    assert np.isnan(read.levels[:, 0]).all()
    assert read.person.tolist() == ["a", "a", "a", "b", "b"]
    assert read.decided(read.thresholds)[:, 0].tolist() == [0, 1, 0, 1, 0]  # 1 is present
    assert np.isnan(read.probabilities).all()
    assert not read.notes


def test_probabilities_of_pyfeat(codes: Path, tmp_path: Path) -> None:
    read = read_tool_tables([made(tmp_path / "tables", "pyfeat", LEVELS)], "pyfeat", codes)
    np.testing.assert_allclose(read.probabilities[:, 0], [0, 0.2, 0.1, 0.6, 0])
    np.testing.assert_array_equal(read.probabilities, read.scores)
    assert np.isnan(read.levels).all()
    assert read.decided(read.thresholds)[:, 0].tolist() == [0, 0, 0, 1, 0]


def test_tables_of_aukit(codes: Path, tmp_path: Path) -> None:
    for video, levels in LEVELS.items():
        path = tmp_path / f"{video}.csv"
        rows = [own_row(frame, level if frame < 4 else None) for frame, level in enumerate(levels, 1)]
        pd.DataFrame(rows).to_csv(path, index=False)
    read = read_tool_tables([tmp_path / "v1.csv", tmp_path / "v2.csv"], "aukit", codes)
    np.testing.assert_array_equal(read.scores[:, 0], [0, 1, np.nan, 3, 0])
    codes.write_text(CODES + "clips/v2.mp4,4,b,,2\n")  # counted from 1, in this video alone
    read = read_tool_tables([tmp_path / "v1.csv", tmp_path / "v2.csv"], "aukit", codes)
    np.testing.assert_array_equal(read.scores[:, 0], [0, 1, np.nan, np.nan, np.nan, np.nan])
    (note,) = read.notes
    assert "3 coded frames" in note
    assert "is about a video of 4 frames, and the codes about 5 frames" in note


def test_tables_of_aukit_about_folders_of_images(codes: Path, tmp_path: Path) -> None:
    """An image is the frame that its name says, in whatever order the table has them."""
    order = [1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9]  # as names without zeros are sorted
    for video, levels in LEVELS.items():
        level = dict(enumerate([*levels, 5, 5, 5, 5, 5, 5, 5], 1))
        rows = [{"input": f"{n}.png", **own_row(row, level[n])} for row, n in enumerate(order, 1)]
        pd.DataFrame(rows).to_csv(tmp_path / f"{video}.csv", index=False)
    read = read_tool_tables([tmp_path / "v1.csv", tmp_path / "v2.csv"], "aukit", codes)
    np.testing.assert_array_equal(read.scores[:, 0], [0, 1, 0.5, 3, 0])
    assert not read.notes


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["1.png", "2.png", "4.png", "5.png"], "do not count frames from 0 or 1 without a gap"),
        (["7.png", "8.png", "9.png", "10.png"], "do not count frames from 0 or 1 without a gap"),
        (["a/1.png", "a/2.png", "b/1.png", "b/2.png"], "do not count frames .* in one folder"),
        (["me.png", "you.png", "she.png", "he.png"], "name them 001.png"),
        (["1.png", "2.png", "3.png"], "has 3 images, and frame 4 of them is coded"),
    ],
)
def test_images_of_which_none_is_certain_are_no_lost_faces(
    codes: Path, tmp_path: Path, names: list[str], message: str
) -> None:
    rows = [{"input": name, **own_row(row, 1)} for row, name in enumerate(names, 1)]
    pd.DataFrame(rows).to_csv(tmp_path / "v1.csv", index=False)
    with pytest.raises(ConfigError, match=rf"no coded frame has a row.*v1.csv: .*{message}"):
        read_tool_tables([tmp_path / "v1.csv"], "aukit", codes)


def own_row(frame: int, level: float | None) -> dict[str, object]:
    """A row as `aukit detect` writes it; without a face for no level."""
    places = [f"{axis}_{i}" for axis in "xyz" for i in range(68)]
    measured = ["box_x", "box_y", "box_width", "box_height", "pose_Rx", "pose_Ry", "pose_Rz", *places]
    row: dict[str, object] = {"frame": frame, "timestamp": 0.04 * frame, "reason": ""}
    row |= {"face_id": 0, "confidence": 1.0, "success": 1} | dict.fromkeys(measured, 9.0)
    row |= {name: level for au in (6, 12) for name in (f"AU{au:02d}_r",)}
    if level is None:
        row |= dict.fromkeys([*measured, "face_id"]) | {"confidence": 0, "success": 0, "reason": "no face"}
    return row


def test_people_by_a_table_or_by_the_name_of_the_file(tmp_path: Path) -> None:
    tables = made(tmp_path / "tables", "openface", LEVELS)
    codes = tmp_path / "codes.csv"
    codes.write_text("video,frame,AU6_c\nV1,0,1\nv2,0,0\n")
    assert read_tool_tables([tables], "openface", codes).person.tolist() == ["v1", "v2"]
    people = tmp_path / "people.csv"
    people.write_text("video,person\nv1.avi,F001\nv2.avi,F001\n")
    assert read_tool_tables([tables], "openface", codes, people).person.tolist() == ["F001", "F001"]
    people.write_text("video,person\nv1.avi,F001\n")
    with pytest.raises(CorpusError, match="no row of the video v2"):
        read_tool_tables([tables], "openface", codes, people)
    people.write_text("video,person\nv1.avi,F001\nv2.avi,F002\nother/v1.avi,F003\n")
    with pytest.raises(CorpusError, match=r"people.csv, row 3: other/v1.avi is of F003, and of F001 in"):
        read_tool_tables([tables], "openface", codes, people)


@pytest.mark.parametrize("ending", [".m4v", ".MTS", ".3gp", ".csv", ""])
def test_the_ending_of_a_video_does_not_count(tmp_path: Path, ending: str) -> None:
    tables = made(tmp_path / "tables", "openface", LEVELS)
    codes = tmp_path / "codes.csv"
    codes.write_text(f"video,frame,AU6_c\nclips\\v1{ending},0,1\n")
    assert read_tool_tables([tables], "openface", codes).person.tolist() == ["v1"]


def test_two_videos_are_never_taken_for_one(tmp_path: Path) -> None:
    tables = made(tmp_path / "tables", "openface", LEVELS)
    codes = tmp_path / "codes.csv"
    codes.write_text("video,frame,person,AU6_c\np1/v1.mp4,0,a,1\np2/v1.mp4,1,b,0\n")
    with pytest.raises(CorpusError, match=r"p1/v1.mp4 and p2/v1.mp4 would both have the table v1; .*p2-v1"):
        read_tool_tables([tables], "openface", codes)


def test_frames_counted_from_one(tmp_path: Path) -> None:
    tables = made(tmp_path / "tables", "openface", LEVELS)
    codes = tmp_path / "codes.csv"
    codes.write_text("video,frame,AU6_c\nv1,1,1\nv1,2,0\n")
    assert read_tool_tables([tables], "openface", codes, first_frame=1).scores[:, 0].tolist() == [0, 1]
    assert read_tool_tables([tables], "openface", codes, first_frame=0).scores[:, 0].tolist() == [1, 2]
    with pytest.raises(ConfigError, match=r"no row has frame 0.*--first-frame 0 or 1"):
        read_tool_tables([tables], "openface", codes)


def test_what_is_left_out_is_said(codes: Path, tmp_path: Path) -> None:
    codes.write_text(
        CODES.replace("AU06_c", "AU46_c").replace("person", "AU9") + "v3.mp4,0,c,1,1\nv4.mp4,0,c,1,1\n"
    )
    tables = made(tmp_path / "tables", "openface", LEVELS | {"v5": np.zeros(3), "v4": np.zeros(3)}, lose=0)
    (tables / "v4.csv").write_text("frame,timestamp\n1,0\n")
    read = read_tool_tables([tables], "openface", codes)
    assert read.aus == (12,)
    assert np.isnan(read.scores[0, 0])  # the lost row
    notes = "\n".join(read.notes)
    assert "1 coded frames: no table is called v3" in notes
    assert "v4.csv: is no table of openface" in notes
    assert "AUs 46 are coded and not read by openface" in notes
    assert "columns AU9 are taken for no codes, which are called AU12_c (0 or 1) or AU12_r" in notes
    assert "1 tables are of videos without codes, v5" in notes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video,AU6_c\nv1,1\n", "lacks the column frame"),
        ("video,frame,AU6\nv1,0,1\n", "has no codes, in columns such as AU12_c"),
        ("video,frame,AU6_c,AU06_c\nv1,0,1,1\n", "AU6_c and AU06_c are the same"),
        ("video,frame,Frame,AU6_c\nv1,0,0,1\n", "frame and Frame are the same"),
        ("video,frame,AU6_c\nv1,0,2\n", "row 1, column AU6_c: '2'; write 0 or 1"),
        ("video,frame,AU6_r\nv1,0,7\n", "row 1, column AU6_r: '7'; write an intensity"),
        ("video,frame,AU6_c\nv1,zero,1\n", "row 1, column frame: 'zero'"),
        ("video,frame,AU6_c\nv1,0,1\nv1,1.000,1\n", r"row 2, column frame: '1\.000' may be frame 1000"),
        ("video,frame,person,AU6_c\nv1,0,7,1\nv2,0,07,1\n", "row 2, column person: '07'; is '7' of another"),
        ("video,frame,person,AU6_c\nv1,0,,1\n", "row 1, column person: an empty cell"),
        ("video,frame,person,AU6_c\nv1,0,NA,1\n", "row 1, column person: 'NA'; name a person"),
    ],
)
def test_what_is_wrong_with_the_codes_is_said(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "codes.csv").write_text(text)
    with pytest.raises(CorpusError, match=message):
        read_tool_tables([made(tmp_path / "t", "openface", LEVELS)], "openface", tmp_path / "codes.csv")


def test_nothing_to_be_joined_is_an_error(codes: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no coded frame has a row in the tables of openface: no table is"):
        read_tool_tables([made(tmp_path / "t", "openface", {"v9": np.zeros(3)})], "openface", codes)
    with pytest.raises(ConfigError, match="no such file or folder"):
        read_tool_tables([tmp_path / "nowhere"], "openface", codes)
    codes.write_text(CODES + "clips/v1.mp4,3,a,1,3\n")
    with pytest.raises(ConfigError, match="codes frame 3 of v1 twice"):
        read_tool_tables([made(tmp_path / "u", "openface", {"v1": LEVELS["v1"]})], "openface", codes)


def test_the_blink_of_a_tool_is_closed_eyes(tmp_path: Path) -> None:
    (tmp_path / "v1.csv").write_text("frame,timestamp,success,AU45_r\n1,0,1,0\n2,0.04,1,3\n")
    (tmp_path / "codes.csv").write_text("video,frame,AU45_c\nv1,0,0\nv1,1,1\n")
    read = read_tool_tables([tmp_path / "v1.csv"], "openface", tmp_path / "codes.csv")
    assert (read.aus, read.scores.tolist()) == ((43,), [[0], [3]])

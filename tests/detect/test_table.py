"""Tables read back: what was written, or an error that names row and column."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aukit.detect import detect_files, read_detections
from aukit.detect.face import INTENSITY
from aukit.detect.table import Rows
from aukit.errors import CorpusError
from aukit.facs import VISIBLE_AUS, VISIBLE_INDEX
from aukit.simulation.pairs.tracker_files import read_tracker
from tests.detect.bright import BrightSquares, video
from tests.simulation.pairs.trackers import video as frames_of


@pytest.fixture
def table(tmp_path: Path) -> Path:
    detect_files([video(tmp_path / "clip.mp4", 6, empty=(2,))], tmp_path, BrightSquares())
    return tmp_path / "clip.csv"


def test_types(table: Path) -> None:
    rows = read_detections(table)
    assert rows["frame"].dtype == rows["success"].dtype == np.int64
    assert str(rows["face_id"].dtype) == str(rows["AU12_c"].dtype) == "Int64"
    assert rows["timestamp"].dtype == rows["AU12_r"].dtype == rows["z_67"].dtype == np.float64
    assert rows.loc[2, ["AU12_r", "x_0", "box_x"]].isna().all()


def test_faces_come_back(table: Path) -> None:
    rows = Rows(read_detections(table), "frame")
    faces = [face for frame in range(1, 8) for face in rows.faces(frame, VISIBLE_AUS, INTENSITY)]
    assert len(faces) == 5
    assert len(rows) == 6
    assert faces[1].landmarks.shape == (68, 3)
    np.testing.assert_allclose(faces[1].landmarks[0, :2], faces[1].box[:2], atol=0.01)
    assert faces[1].levels.shape == (len(VISIBLE_AUS),)


def test_our_reader_of_openface_takes_it_for_openface(table: Path) -> None:
    track = read_tracker(table, frames_of(6))
    assert track.usable.all()
    assert track.interpolated == 1  # the frame without a face
    assert (track.activations[:, VISIBLE_INDEX[12]] > 0.9).all()
    assert (track.activations[:, VISIBLE_INDEX[43]] > 0.9).all()


def column(name: str, row: int, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(rows: pd.DataFrame) -> pd.DataFrame:
        rows[name] = rows[name].astype(object)
        rows.loc[row, name] = value
        return rows

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (column("AU12_r", 3, 5.5), "row 4, column AU12_r: 5.5 is not an intensity, 0 to 5"),
        (column("AU12_r", 0, "much"), "row 1, column AU12_r: much is not a number"),
        (column("AU12_r", 1, None), "row 2, column AU12_r: nan is not a number where success is 1"),
        (column("AU12_c", 1, 2), "row 2, column AU12_c: 2 is not 0 or 1"),
        (column("frame", 0, 1.5), "row 1, column frame: 1.5 is not a whole number"),
        (column("frame", 0, 0), "row 1, column frame: 0 is not a number from 1"),
        (column("success", 5, 7), "row 6, column success: 7 is not 0 or 1"),
        (column("x_0", 5, np.inf), "row 6, column x_0: inf is not a number where success is 1"),
        (column("face_id", 0, None), "row 1, column face_id"),
        (lambda rows: rows.drop(columns="box_x"), "the columns box_x are missing"),
    ],
)
def test_wrong_values_are_named(
    table: Path, change: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    change(pd.read_csv(table)).to_csv(table, index=False)
    with pytest.raises(CorpusError, match=message):
        read_detections(table)


@pytest.mark.parametrize(
    "content", [b"", b"\0\1\2", b"a,b\n1,2\n", b"\xff\xfe" + bytes(99), b'"', b"a\n1,2,3\n"]
)
@pytest.mark.parametrize("name", ["x.csv", "x.parquet"])
def test_files_that_are_no_tables(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorpusError, match=name):
        read_detections(tmp_path / name)
    with pytest.raises(CorpusError, match="nowhere"):
        read_detections(tmp_path / "nowhere.csv")

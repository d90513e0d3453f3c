"""Faces cut out of photographs and videos, each with where it came from."""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skimage.data
from PIL import Image

from aukit.cli import main
from aukit.datasets.video import encode_video
from aukit.detect import detect_files, read_detections, register_files
from aukit.errors import ConfigError
from aukit.registration import build_registration
from tests.detect.bright import BrightSquares, scene, video
from tests.detect.test_files import save

SIMILARITY = build_registration("similarity", 64)


def points(row: pd.Series) -> np.ndarray:
    return np.array([[row[f"x_{point}"], row[f"y_{point}"]] for point in range(68)], np.float64)


def test_faces_of_a_video_are_cut_where_they_are(tmp_path: Path) -> None:
    clip = video(tmp_path / "clip.mp4", 5, empty=(2,))
    summary = register_files([clip], tmp_path / "out", BrightSquares(), SIMILARITY)
    assert (summary.status, summary.crops, summary.uncut) == (0, 4, 0)
    assert "crops    4" in summary.text()
    folder = tmp_path / "out/clip.crops"
    cut = pd.read_csv(folder / "crops.csv")
    assert cut["crop"].tolist() == [f"{frame:06d}-0.png" for frame in (1, 2, 4, 5)]
    assert sorted(path.name for path in folder.iterdir()) == [*cut["crop"], "crops.csv"]
    found = read_detections(tmp_path / "out/clip.csv").set_index("frame")
    np.testing.assert_allclose(cut["timestamp"], [0, 0.04, 0.12, 0.16], atol=1e-6)
    for _, row in cut.iterrows():
        assert row["box_x"] == found.loc[row["frame"], "box_x"]
        crop = np.asarray(Image.open(folder / row["crop"]))
        assert crop.shape == (64, 64, 3)
        # One similarity leads from the landmarks of the frame to those of the crop, and the square with them.
        there, here = points(row), points(found.loc[row["frame"]])
        system = np.concatenate([here, np.ones((68, 1))], 1)
        matrix, *_ = np.linalg.lstsq(system, there, rcond=None)
        np.testing.assert_allclose(system @ matrix, there, atol=0.05)
        inside = np.round(there[20:48]).astype(int)
        assert (crop[inside[:, 1], inside[:, 0], 1] > 150).all()


def test_crops_of_a_long_video_have_the_times_of_its_table(tmp_path: Path) -> None:
    times, frames = [0.0, 12345.02, 12345.04, 12345.06], [scene((4 * i, 20, 40)) for i in range(4)]
    encode_video(tmp_path / "clip.mp4", frames, 50, seconds=times)
    register_files([tmp_path / "clip.mp4"], tmp_path / "out", BrightSquares(), SIMILARITY)
    columns = ["frame", "timestamp", "face_id", "box_x", "box_y", "box_width", "box_height"]
    cut = pd.read_csv(tmp_path / "out/clip.crops/crops.csv")[columns]
    pd.testing.assert_frame_equal(cut, read_detections(tmp_path / "out/clip.csv")[columns], check_dtype=False)
    np.testing.assert_allclose(cut["timestamp"], times, atol=1e-4)


def test_images_of_a_folder_and_faces_that_cannot_be_registered(tmp_path: Path) -> None:
    save(tmp_path / "all/a/one.png", scene((5, 5, 30), (60, 30, 6)))
    save(tmp_path / "all/none.png", scene())
    (tmp_path / "all/broken.png").write_bytes(b"no image")
    summary = register_files([tmp_path / "all"], tmp_path / "out", BrightSquares(), SIMILARITY)
    assert (summary.status, summary.crops, summary.uncut) == (1, 1, 1)
    assert "1; 1 face could not be registered" in summary.text()
    cut = pd.read_csv(tmp_path / "out/all.crops/crops.csv", keep_default_na=False)
    assert cut["crop"].tolist() == ["a/one-0.png", ""]
    assert cut["input"].tolist() == ["a/one.png"] * 2
    assert cut["reason"].tolist() == ["", "cannot be registered"]
    assert (tmp_path / "out/all.crops/a/one-0.png").is_file()


def test_crops_of_images_that_differ_in_their_endings_have_names_of_their_own(tmp_path: Path) -> None:
    reds = {"a.png": 0, "a.bmp": 120, "a.png.webp": 255}
    for name, red in reds.items():
        save(tmp_path / "all" / name, scene((10, 10, 30), red=red))
    register_files([tmp_path / "all"], tmp_path / "out", BrightSquares(), SIMILARITY)
    cut = pd.read_csv(tmp_path / "out/all.crops/crops.csv").set_index("input")["crop"]
    assert cut.nunique() == 3
    for name, red in reds.items():
        crop = np.asarray(Image.open(tmp_path / "out/all.crops" / cut[name]))
        assert abs(int(crop[40, 32, 0]) - red) < 10, name


def test_crops_are_cut_once_and_anew_in_another_way(tmp_path: Path) -> None:
    photo = save(tmp_path / "photo.png", scene((10, 10, 30)))
    out, detector = tmp_path / "out", BrightSquares()
    first = register_files([photo], out, detector, SIMILARITY)
    picture = out / "photographs.crops/photo-0.png"
    before = picture.stat().st_mtime_ns
    again = register_files([photo], out, detector, SIMILARITY)
    assert (again.crops, again.reused, detector.seen) == (first.crops, 1, 1)
    assert picture.stat().st_mtime_ns == before
    register_files([photo], out, detector, build_registration("ffhq", 32))
    assert Image.open(picture).size == (32, 32)
    assert detector.seen == 1
    # What lies in the folder of an input is not read as one.
    inside = register_files([tmp_path], tmp_path / "out2", BrightSquares(), SIMILARITY)
    assert inside.images == 1


def test_crops_that_have_gone_are_cut_again(tmp_path: Path) -> None:
    photo, out = save(tmp_path / "photo.png", scene((10, 10, 30))), tmp_path / "out"
    for _ in range(2):
        assert register_files([photo], out, BrightSquares(), SIMILARITY).crops == 1
        assert (out / "photographs.crops/photo-0.png").is_file()
        shutil.rmtree(out / "photographs.crops")


def test_crops_of_a_photograph_that_has_gone_are_not_thrown_away(tmp_path: Path) -> None:
    photos, out = [save(tmp_path / f"{name}.png", scene((10, 10, 30))) for name in "ab"], tmp_path / "out"
    register_files(photos[:1], out, BrightSquares(), SIMILARITY)
    photos[0].rename(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match=r"photographs\.crops: 1 photograph in it .* \(.*/a\.png\); bring"):
        register_files(photos[1:], out, BrightSquares(), SIMILARITY)
    assert (out / "photographs.crops/a-0.png").is_file()
    (tmp_path / "elsewhere").rename(photos[0])
    assert register_files(photos[1:], out, BrightSquares(), SIMILARITY).crops == 2


def test_a_table_made_in_another_way_is_taken_as_it_stands_or_refused(tmp_path: Path) -> None:
    clip, out, detector = video(tmp_path / "clip.mp4", 5), tmp_path / "out", BrightSquares("2")
    detect_files([clip], out, BrightSquares(), calibrate=True)
    before = (out / "clip.csv").read_bytes()
    assert register_files([clip], out, detector, SIMILARITY).crops == 5
    with pytest.raises(
        ConfigError, match=r"clip\.csv: was made by bright squares 1 --calibrate; .* --largest"
    ):
        register_files([clip], out, detector, SIMILARITY, largest=True)
    os.utime(clip, (1, 1))
    with pytest.raises(ConfigError, match=r"--calibrate, and not from .*clip\.mp4 as it is now"):
        register_files([clip], out, detector, SIMILARITY)
    assert (out / "clip.csv").read_bytes() == before
    assert detector.seen == 0


def test_nothing_of_anybody_else_is_replaced(tmp_path: Path) -> None:
    photo = save(tmp_path / "photo.png", scene((10, 10, 30)))
    mine = save(tmp_path / "out/photographs.crops/mine.png", scene())
    with pytest.raises(ConfigError, match=r"photographs\.crops: is there already, and was not made from"):
        register_files([photo], tmp_path / "out", BrightSquares(), SIMILARITY)
    assert mine.is_file()


def test_no_face_at_all(tmp_path: Path) -> None:
    photo = save(tmp_path / "photo.png", scene())
    summary = register_files([photo], tmp_path / "out", BrightSquares(), SIMILARITY)
    assert (summary.status, summary.crops) == (0, 0)
    assert len(pd.read_csv(tmp_path / "out/photographs.crops/crops.csv")) == 0


def test_a_portrait_turned_to_the_front_by_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, out = save(tmp_path / "portrait.png", skimage.data.astronaut()), tmp_path / "out"
    words = ["register", str(photo), "--out", str(out), "--registration", "frontal3d", "--size", "64"]
    assert main(words) == 0
    assert "crops    1" in capsys.readouterr().out
    crop = np.asarray(Image.open(out / "photographs.crops/portrait-0.png"))
    assert crop.shape == (64, 64, 3)
    assert (crop[32, 32] > 90).all()  # her nose
    assert not crop[0, 0].any()
    assert main([*words[:-1], "2"]) == 2
    assert "--size 2: name a number of pixels" in capsys.readouterr().err

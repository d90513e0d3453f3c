"""Videos, folders and photographs in, tables out: every frame has its row, and nothing is done twice."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from aukit.detect import Face, detect_files, read_detections
from aukit.errors import ConfigError
from tests.datasets.numbered import overwrite, packet_places, write
from tests.detect.bright import BrightSquares, scene, video


def save(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "results"


def test_a_video_has_a_row_for_each_frame(tmp_path: Path, out: Path) -> None:
    clip = video(tmp_path / "clip.mp4", 12, empty=(3, 4))
    summary = detect_files([clip], out, BrightSquares())
    assert summary.tables == [out / "clip.csv"]
    assert summary.status == 0
    assert summary.counts == {"images": 12, "faces": 10, "without": 2, "unread": 0}
    rows = read_detections(out / "clip.csv")
    assert rows["frame"].tolist() == list(range(1, 13))
    np.testing.assert_allclose(rows["timestamp"], np.arange(12) / 25, atol=1e-6)
    assert rows["success"].tolist() == [0 if i in (3, 4) else 1 for i in range(12)]
    assert rows["reason"].tolist() == ["no face" if i in (3, 4) else "" for i in range(12)]
    assert rows["face_id"].isna().tolist() == (rows["success"] == 0).tolist()
    seen = rows[rows["success"] == 1]
    np.testing.assert_allclose(seen["box_x"], 4 * (seen["frame"] - 1), atol=1.5)
    np.testing.assert_allclose(seen["x_0"], seen["box_x"], atol=0.01)
    np.testing.assert_allclose(seen["x_16"], seen["box_x"] + seen["box_width"] - 1, atol=0.01)
    np.testing.assert_allclose(seen["pose_Ry"], -0.2)
    assert (seen["AU12_r"] > 4.5).all()
    assert (seen["AU12_c"] == 1).all()
    assert np.array_equal(seen["AU45_r"], seen["AU43_r"])  # OpenFace's name


def test_columns_are_those_of_openface(tmp_path: Path, out: Path) -> None:
    detect_files([video(tmp_path / "clip.mp4", 2)], out, BrightSquares())
    names = (out / "clip.csv").read_text().splitlines()[0].split(",")
    first = (
        "frame face_id timestamp confidence success box_x box_y box_width box_height pose_Rx pose_Ry pose_Rz"
    )
    assert names[:12] == first.split()
    assert names[12:216] == [f"{axis}_{i}" for axis in "xyz" for i in range(68)]
    assert names[216:218] == ["AU01_r", "AU02_r"]
    assert names[-2:] == ["AU45_c", "reason"]


def test_presence_is_an_intensity_of_at_least_one(tmp_path: Path, out: Path) -> None:
    reds = {"below.png": 48, "at.png": 51, "above.png": 54}  # of 255, five levels
    for name, red in reds.items():
        save(tmp_path / "faces" / name, scene((20, 20, 40), red=red))
    detect_files([tmp_path / "faces"], out, BrightSquares())
    rows = read_detections(out / "faces.csv").set_index("input")
    assert rows["AU01_r"].to_dict() == pytest.approx({name: red / 51 for name, red in reds.items()}, abs=1e-3)
    assert rows["AU01_c"].to_dict() == {"below.png": 0, "at.png": 1, "above.png": 1}


def test_real_times_at_a_variable_rate(tmp_path: Path, out: Path) -> None:
    times = [0, 40, 47, 120, 300, 310]
    write(tmp_path / "clip.mkv", 6, times=times, time_base=Fraction(1, 1000))
    detect_files([tmp_path / "clip.mkv"], out, BrightSquares())
    rows = read_detections(out / "clip.csv").drop_duplicates("frame")
    np.testing.assert_allclose(rows["timestamp"], np.array(times) / 1000, atol=1e-6)
    assert rows["frame"].tolist() == [1, 2, 3, 4, 5, 6]


def test_damaged_frames_are_rows_with_a_reason(tmp_path: Path, out: Path) -> None:
    clip = write(tmp_path / "clip.mp4")
    start, size = packet_places(clip)[17]
    overwrite(clip, start + 10, bytes(size - 10))
    summary = detect_files([clip], out, BrightSquares())
    again = detect_files([clip], out, BrightSquares())
    rows = read_detections(out / "clip.csv").drop_duplicates("frame")
    assert rows["frame"].tolist() == list(range(1, 37))
    lost = rows.loc[rows["reason"] == "not decoded", "frame"]
    assert {18, 24} <= set(lost)
    assert summary.counts["unread"] == len(lost)
    assert summary.status == again.status == 1
    assert summary.failed == again.failed == {str(clip): f"{len(lost)} of 36 frames could not be read"}
    assert again.read == 0  # more cannot be read of it


def test_all_faces_or_the_largest(tmp_path: Path, out: Path) -> None:
    photo = save(tmp_path / "two.png", scene((5, 5, 20), (60, 30, 40)))
    detect_files([photo], out, BrightSquares())
    rows = read_detections(out / "photographs.csv")
    assert rows["face_id"].tolist() == [0, 1]
    assert rows["box_x"].tolist() == [60, 5]
    assert rows["frame"].tolist() == [1, 1]
    detect_files([photo], out, BrightSquares(), largest=True)
    assert read_detections(out / "photographs.csv")["box_x"].tolist() == [60]


def test_a_folder_has_one_table_of_its_images_and_one_for_each_video(tmp_path: Path, out: Path) -> None:
    save(tmp_path / "all/b.png", scene((10, 10, 30)))
    save(tmp_path / "all/sub/a.jpg", scene())
    video(tmp_path / "all/sub/clip.mp4", 3)
    (tmp_path / "all/notes.txt").write_text("no image")
    summary = detect_files([tmp_path / "all"], out, BrightSquares())
    assert sorted(summary.tables) == [out / "all.csv", out / "clip.csv"]
    assert summary.left_out == 1
    rows = read_detections(out / "all.csv")
    assert rows["input"].tolist() == ["b.png", "sub/a.jpg"]
    assert rows["frame"].tolist() == [1, 2]
    assert rows["timestamp"].isna().all()
    assert rows["reason"].tolist() == ["", "no face"]


def test_patterns_and_files_named_twice(tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png", "[1].png"):
        save(Path("in") / name, scene((10, 10, 30)))
    detector = BrightSquares()
    detect_files(["in/*.png", "in/a.png", "./in/[1].png"], out, detector)
    assert sorted(read_detections(out / "photographs.csv")["input"]) == ["in/[1].png", "in/a.png", "in/b.png"]
    assert detector.seen == 3


def test_parquet_says_the_same(tmp_path: Path, out: Path) -> None:
    clip = video(tmp_path / "clip.mp4", 4, empty=(1,))
    detect_files([clip], out, BrightSquares())
    detect_files([clip], out, BrightSquares(), table_format="parquet")
    text, binary = read_detections(out / "clip.csv"), read_detections(out / "clip.parquet")
    pd.testing.assert_frame_equal(text, binary)


def test_inputs_of_one_name_have_tables_of_their_own(tmp_path: Path, out: Path) -> None:
    for name in ("a/clip.mp4", "b/clip.mp4", "b/clip.avi", "a/other.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        video(tmp_path / name, 2 + len(name) % 2)
    save(tmp_path / "b/other/x.png", scene())
    named = [tmp_path / "a/clip.mp4", tmp_path / "b", tmp_path / "b/other", tmp_path / "a/other.mp4"]
    summary = detect_files(named, out, BrightSquares())
    assert len(set(summary.tables)) == 6  # four videos, the folder b and the folder other
    assert all(table.is_file() for table in summary.tables)


def test_the_table_of_another_input_is_never_overwritten(tmp_path: Path, out: Path) -> None:
    for folder in "ab":
        (tmp_path / folder).mkdir()
        video(tmp_path / folder / "clip.mp4", 3 + (folder == "b"))
    detect_files([tmp_path / "a/clip.mp4"], out, BrightSquares())
    before = (out / "clip.csv").read_bytes()
    with pytest.raises(ConfigError, match=r"clip\.csv: is there already, of another input"):
        detect_files([tmp_path / "b/clip.mp4"], out, BrightSquares())
    assert (out / "clip.csv").read_bytes() == before
    (out / "mine.csv").write_text("x,y\n1,2\n")
    shutil.copy(tmp_path / "b/clip.mp4", tmp_path / "mine.mp4")
    with pytest.raises(ConfigError, match=r"mine\.csv: is there already, and is no table"):
        detect_files([tmp_path / "mine.mp4"], out, BrightSquares())


def test_frames_of_two_people_that_are_alike_in_name_size_and_time(tmp_path: Path, out: Path) -> None:
    for person, left in (("P01", 10), ("P02", 50)):
        for number in range(2):
            os.utime(save(tmp_path / person / f"frames/{number}.bmp", scene((left, 10, 30))), (9, 9))
    detect_files([tmp_path / "P01/frames"], out, BrightSquares())
    with pytest.raises(ConfigError, match=r"frames\.csv: is there already, of another input .*P01"):
        detect_files([tmp_path / "P02/frames"], out, BrightSquares())
    detector = BrightSquares()
    detect_files([tmp_path / "P01/frames", tmp_path / "P02/frames"], out, detector)
    assert detector.seen == 4
    assert read_detections(out / "P02-frames.csv")["box_x"].tolist() == [50, 50]


def test_what_is_done_is_not_read_again(tmp_path: Path, out: Path) -> None:
    clip = video(tmp_path / "clip.mp4", 3)
    photo = save(tmp_path / "photo.png", scene((10, 10, 30)))
    first = detect_files([clip, photo], out, BrightSquares())
    tables = {path: path.read_bytes() for path in first.tables}
    detector = BrightSquares()
    again = detect_files([clip, photo], out, detector)
    assert detector.seen == 0
    assert (again.reused, again.counts, again.read) == (2, first.counts, 0)
    assert {path: path.read_bytes() for path in again.tables} == tables
    os.utime(clip, (1, 1))
    detect_files([clip, photo], out, detector)
    assert detector.seen == 3  # the video changed
    newer = BrightSquares("2")
    detect_files([clip, photo], out, newer)
    assert newer.seen == 4  # all of it, by another model
    record = json.loads((out / "clip.csv.json").read_text())
    assert (record["model"], record["version"]) == ("bright squares", "2")


def test_a_table_without_its_record_is_never_overwritten(tmp_path: Path, out: Path) -> None:
    clip = video(tmp_path / "clip.mp4", 3)
    detect_files([clip], out, BrightSquares())
    for content in ("{", '{"files": 3}', "[1]", None):
        record = out / "clip.csv.json"
        record.unlink() if content is None else record.write_text(content)
        before = (out / "clip.csv").read_bytes()
        with pytest.raises(ConfigError, match=r"clip\.csv: is there already, and has no record"):
            detect_files([clip], out, BrightSquares())
        assert (out / "clip.csv").read_bytes() == before
    (out / "clip.csv").unlink()
    assert detect_files([clip], out, BrightSquares()).status == 0
    (out / "clip.csv").unlink()  # its record alone stands in nobody's way
    assert detect_files([clip], out, BrightSquares()).status == 0


def test_a_file_called_like_a_record_is_never_overwritten(tmp_path: Path, out: Path) -> None:
    clip = video(tmp_path / "clip.mp4", 3)
    out.mkdir()
    (out / "clip.csv.json").write_text('{"my": "notes"}')
    with pytest.raises(ConfigError, match=r"clip\.csv\.json: is there already, and is no record"):
        detect_files([clip], out, BrightSquares())
    assert (out / "clip.csv.json").read_text() == '{"my": "notes"}'


def test_a_table_that_somebody_changed_is_never_overwritten(tmp_path: Path, out: Path) -> None:
    clip = video(tmp_path / "clip.mp4", 3)
    detect_files([clip], out, BrightSquares())
    with (out / "clip.csv").open("a") as table:
        table.write("a note\n")
    with pytest.raises(ConfigError, match=r"clip\.csv: was changed since it was made"):
        detect_files([clip], out, BrightSquares("2"))
    assert "a note" in (out / "clip.csv").read_text()


@pytest.mark.parametrize("table_format", ["csv", "parquet"])
def test_a_table_that_cannot_be_written_leaves_the_one_of_before(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch, table_format: str
) -> None:
    photos = [save(tmp_path / f"{left}.png", scene((left, 10, 30))) for left in (10, 20, 40)]

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def detect(photo: Path) -> None:
        detect_files([photo], out, BrightSquares(), table_format=table_format)

    detect(photos[0])
    for broken in ("aukit.detect.table.TableWriter.flush", "pathlib.Path.replace"):
        with monkeypatch.context() as patch:
            patch.setattr(broken, full)
            with pytest.raises(OSError, match="No space left"):
                detect(photos[1])
        assert read_detections(out / f"photographs.{table_format}")["box_x"].tolist() == [10]
    detect(photos[2])
    assert read_detections(out / f"photographs.{table_format}")["box_x"].tolist() == [10, 40]


def test_a_kill_between_the_record_and_its_table_costs_nothing_else(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def killed(path: Path, target: Path) -> Path:
        if target.suffix == ".csv":
            raise KeyboardInterrupt
        return replace(path, target)

    for frames in (3, 4):  # where there is no table yet, and where there is one
        clip = video(tmp_path / "clip.mp4", frames)
        photo = save(tmp_path / "photo.png", scene((10 * frames, 10, 30)))
        for named in (clip, photo):
            with monkeypatch.context() as patch:
                patch.setattr(Path, "replace", killed)
                with pytest.raises(KeyboardInterrupt):
                    detect_files([named], out, BrightSquares())
        detector = BrightSquares()
        assert detect_files([clip, photo], out, detector).status == 0
        assert detector.seen == frames + 1
        assert len(read_detections(out / "clip.csv")) == frames
        assert read_detections(out / "photographs.csv")["box_x"].tolist() == [10 * frames]


def test_photographs_add_to_those_of_earlier_commands(tmp_path: Path, out: Path) -> None:
    one = save(tmp_path / "one.png", scene((10, 10, 30)))
    two = save(tmp_path / "two.png", scene((40, 10, 30)))
    detect_files([one], out, BrightSquares())
    detector = BrightSquares()
    detect_files([two], out, detector)
    assert detector.seen == 1
    assert read_detections(out / "photographs.csv")["box_x"].tolist() == [10, 40]


def test_rows_of_photographs_that_are_not_there_are_kept(tmp_path: Path, out: Path) -> None:
    for name, left in (("one", 10), ("two", 20), ("three", 40)):
        save(tmp_path / f"drive/{name}.png", scene((left, 10, 30)))
    three = (tmp_path / "drive/three.png").rename(tmp_path / "three.png")
    detect_files([tmp_path / "drive/*.png"], out, BrightSquares())
    (tmp_path / "drive").rename(tmp_path / "unmounted")
    summary = detect_files([three], out, BrightSquares(), overlay=True)
    assert (summary.gone, summary.status) == (2, 0)
    assert "2 photographs of before not there, kept" in summary.text()
    assert sorted(read_detections(out / "photographs.csv")["box_x"]) == [10, 20, 40]
    before = (out / "photographs.csv").read_bytes()
    for detector, largest in ((BrightSquares("2"), False), (BrightSquares(), True)):
        with pytest.raises(ConfigError, match=r"2 photographs of it cannot be read anew, since not there"):
            detect_files([three], out, detector, largest=largest)
    assert (out / "photographs.csv").read_bytes() == before
    (tmp_path / "unmounted").rename(tmp_path / "drive")
    detector = BrightSquares()
    assert detect_files([three], out, detector).gone == 0
    assert detector.seen == 0


def test_a_photograph_that_could_not_be_read_is_tried_again(tmp_path: Path, out: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    good = save(tmp_path / "good.png", scene((10, 10, 30)))
    assert detect_files([good], out, BrightSquares()).status == 0
    for named in (bad, good):
        assert detect_files([named], out, BrightSquares()).status == 1
        assert read_detections(out / "photographs.csv")["input"].tolist() == [str(good), str(bad)]
    save(bad, scene((40, 10, 30)))
    assert detect_files([good], out, BrightSquares()).status == 0
    assert read_detections(out / "photographs.csv")["box_x"].tolist() == [10, 40]


class Meanwhile(BrightSquares):
    """Another command runs while an image is looked at."""

    def __init__(self, other: Callable[[], object]) -> None:
        super().__init__()
        self.other: Callable[[], object] | None = other

    def photograph(self, image: np.ndarray) -> list[Face]:
        if self.other is not None:
            other, self.other = self.other, None
            other()
        return super().photograph(image)


def test_photographs_of_two_commands_at_once_share_a_table(tmp_path: Path, out: Path) -> None:
    for name, left in (("a/one", 10), ("b/one", 20), ("two", 40)):
        save(tmp_path / f"{name}.png", scene((left, 10, 30)))
    named = [tmp_path / "a/one.png"], [tmp_path / "b/one.png", tmp_path / "two.png"]

    def other() -> None:
        detect_files(named[1], out, BrightSquares())

    detect_files(named[0], out, Meanwhile(other), overlay=True)
    rows = read_detections(out / "photographs.csv")
    assert rows["box_x"].tolist() == [10, 20, 40]
    assert rows["input"].tolist() == [str(path) for path in (*named[0], *named[1])]
    assert len(list((out / "photographs.overlay").iterdir())) == 3
    detector = BrightSquares()
    detect_files([*named[0], *named[1]], out, detector)
    assert detector.seen == 0


def test_photographs_of_one_name_from_two_folders_at_once(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, left in (("a", 10), ("b", 20)):
        save(tmp_path / folder / "one.png", scene((left, 10, 30)))

    def detect(folder: str, detector: BrightSquares) -> None:
        monkeypatch.chdir(tmp_path / folder)
        detect_files(["one.png"], out, detector)

    detect("a", Meanwhile(lambda: detect("b", BrightSquares())))
    rows = read_detections(out / "photographs.csv")
    assert rows["input"].tolist() == ["one.png", str(tmp_path / "b/one.png")]
    assert rows["box_x"].tolist() == [10, 20]


def test_a_table_that_another_command_made_meanwhile_is_never_overwritten(tmp_path: Path, out: Path) -> None:
    for person, frames in (("P01", 3), ("P02", 4)):
        (tmp_path / person).mkdir()
        video(tmp_path / person / "clip.mp4", frames)
    photo = save(tmp_path / "photo.png", scene((10, 10, 30)))

    def other() -> None:
        detect_files([tmp_path / "P02/clip.mp4"], out, BrightSquares())

    summary = detect_files([tmp_path / "P01/clip.mp4", photo], out, Meanwhile(other))
    assert summary.status == 1
    assert "of another input" in summary.failed[str(tmp_path / "P01/clip.mp4")]
    assert len(read_detections(out / "clip.csv")) == 4
    assert len(read_detections(out / "photographs.csv")) == 1
    newer = Meanwhile(lambda: detect_files([tmp_path / "P01"], out / "2", BrightSquares("2")))
    save(tmp_path / "P01/photo.png", scene())
    assert "by another model" in detect_files([tmp_path / "P01"], out / "2", newer).text()


def test_a_folder_s_table_follows_its_images(tmp_path: Path, out: Path) -> None:
    folder = tmp_path / "all"
    for name in "abc":
        save(folder / f"{name}.png", scene((10, 10, 30)))
    detect_files([folder], out, BrightSquares())
    (folder / "a.png").unlink()
    save(folder / "b.png", scene((50, 10, 30)))
    save(folder / "d.png", scene())
    detector = BrightSquares()
    detect_files([folder], out, detector)
    assert detector.seen == 2
    rows = read_detections(out / "all.csv")
    assert rows["input"].tolist() == ["b.png", "c.png", "d.png"]
    assert rows["frame"].tolist() == [1, 2, 3]
    assert rows["box_x"].tolist()[:2] == [50, 10]


class Interrupted(BrightSquares):
    """Ctrl-C comes when the image of a number is looked at."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after

    def photograph(self, image: np.ndarray) -> list[Face]:
        if self.seen == self.after:
            raise KeyboardInterrupt
        return super().photograph(image)


def test_an_interruption_leaves_done_what_is_done(tmp_path: Path, out: Path) -> None:
    clips = [video(tmp_path / f"{name}.mp4", 20) for name in "ab"]
    folder = tmp_path / "all"
    for number in range(6):
        save(folder / f"{number}.png", scene((10, 10, 30)))
    for after, left in ((30, 20 + 6), (20 + 4, 2)):  # in the second video; then in the folder
        with pytest.raises(KeyboardInterrupt):
            detect_files([*clips, folder], out, Interrupted(after))
        assert not [path for path in out.iterdir() if "part" in path.name]
        detector = BrightSquares()
        if after == 30:
            assert not (out / "b.csv").exists()
        else:
            assert len(read_detections(out / "all.csv")) == 4
            summary = detect_files([*clips, folder], out, detector)
            assert detector.seen == left
            assert len(read_detections(out / "all.csv")) == 6
            assert summary.reused == 2 + 4


def test_words_of_the_summary(tmp_path: Path, out: Path) -> None:
    clip = video(tmp_path / "clip.mp4", 4, empty=(0,))
    (tmp_path / "text.mp4").write_text("this is no video")
    text = detect_files([clip, tmp_path / "text.mp4"], out, BrightSquares()).text()
    assert "2 videos, 0 images" in text
    assert "4: 1 without a face, 0 could not be read" in text
    assert "failed   1 file" in text
    assert "text.mp4: cannot be opened" in text
    assert "frames/s: 4 in" in text


def test_files_that_are_not_read_are_named(tmp_path: Path, out: Path) -> None:
    save(tmp_path / "in/photo.png", scene((10, 10, 30)))
    for name in ("a.heic", "b.heic", "notes.txt"):
        (tmp_path / "in" / name).write_bytes(b"")
    for name in ("P01.mp4", "P02.png", "P03.txt"):  # as of git-annex, not fetched
        (tmp_path / "in" / name).symlink_to("nowhere")
    (tmp_path / "photo.gif").write_bytes(b"GIF89a")
    summary = detect_files([tmp_path / "in", tmp_path / "photo.gif"], out, BrightSquares())
    assert summary.status == 1
    assert {Path(path).name for path in summary.failed} == {"P01.mp4", "P02.png", "photo.gif"}
    assert "4 other files in folders left out, with images that are not read: .heic 2" in summary.text()
    assert read_detections(out / "in.csv")["success"].tolist() == [0, 1]


def test_nothing_named_or_not_there(tmp_path: Path, out: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "photo.gif").write_bytes(b"GIF89a")
    for named, message in (
        ("nothing.mp4", "no such file"),
        ("*.mp4", "matches this pattern"),
        ("empty", "no image and no video"),
        ("photo.gif", "images of this format are not read"),
    ):
        with pytest.raises(ConfigError, match=message):
            detect_files([tmp_path / named], out, BrightSquares())


def test_an_output_folder_that_cannot_be(tmp_path: Path) -> None:
    clip = video(tmp_path / "clip.mp4", 2)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        detect_files([clip], tmp_path / "file", BrightSquares())
    with pytest.raises(OSError, match="file"):
        detect_files([clip], tmp_path / "file/below", BrightSquares())

"""Real files that are odd, damaged or none at all: rows, or a reason; the others are read all the same."""

import os
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from aukit.detect import Summary, detect_files, read_detections
from tests.datasets.numbered import write
from tests.detect.bright import BrightSquares, scene, sound, video

FACE = scene((20, 30, 40))


def saved(*arguments: object, **options: object) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(FACE).save(path, *arguments, **options)


def as_mode(mode: str, **options: object) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(FACE).convert(mode).save(path, **options)


def sixteen_bits(path: Path) -> None:
    Image.fromarray(FACE[..., 1].astype(np.uint16) * 257).save(path)


def cut(share: float) -> Callable[[Path], None]:
    def write_cut(path: Path) -> None:
        noise = np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8)
        Image.fromarray(noise).save(path)
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])

    return write_cut


def rotated(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the upper side of what is shown is the left one of what is kept
    Image.fromarray(np.ascontiguousarray(np.rot90(FACE))).save(path, exif=exif)


def huge(path: Path) -> None:
    Image.new("1", (9000, 9)).save(path)


def sized(height: int, width: int) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(np.full((height, width, 3), 90, np.uint8)).save(path)


READ = {
    "plain.png": saved(),
    "plain.bmp": saved(),
    "plain.webp": saved(lossless=True),
    "plain.JPG": lambda path: Image.fromarray(FACE).save(path, "JPEG", quality=95),
    "grey.png": as_mode("L"),
    "alpha.png": as_mode("RGBA"),
    "palette.png": as_mode("P"),
    "cmyk.jpg": as_mode("CMYK", quality=95),
    "sixteen bits.png": sixteen_bits,
    "rotated.jpg": rotated,
    "a jpeg called.png": lambda path: Image.fromarray(FACE).save(path, "JPEG", quality=95),
    "Ünïcode 猫, 'quoted' \"twice\".png": saved(),
    "line\nbreak.png": saved(),
}
"""Every one shows the same square."""

NO_FACE = {"one pixel.png": sized(1, 1), "tiny.png": sized(8, 8), "narrow.png": sized(1, 500)}

UNREAD = {
    "empty.png": (lambda path: path.write_bytes(b""), "cannot be read as an image"),
    "text.jpg": (lambda path: path.write_text("this is no image"), "cannot be read as an image"),
    "cut.png": (cut(0.5), "cannot be read as an image"),
    "cut.jpg": (cut(0.5), "image"),
    "huge.png": (huge, "at most 8192 a side"),
    "folder.png": (lambda path: path.mkdir(), ""),
    "pipe.png": (os.mkfifo, "is a pipe"),
    "link to nothing.png": (lambda path: path.symlink_to("nowhere"), "No such file"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd") / "photographs of mine"
    folder.mkdir()
    for name, make in {**READ, **NO_FACE, **{name: make for name, (make, _) in UNREAD.items()}}.items():
        make(folder / name)
    return folder


@pytest.fixture(scope="module")
def result(folder: Path) -> Summary:
    return detect_files([folder], folder.parent / "out", BrightSquares(), overlay=True)


@pytest.mark.parametrize("name", READ)
def test_odd_images_are_read(result: Summary, name: str) -> None:
    rows = read_detections(result.tables[0])
    (row,) = rows[rows["input"] == name].to_dict("records")
    assert row["reason"] == ""
    np.testing.assert_allclose([row["box_x"], row["box_y"]], [20, 30], atol=1)
    np.testing.assert_allclose([row["box_width"], row["box_height"]], [40, 40], atol=2)


@pytest.mark.parametrize("name", NO_FACE)
def test_tiny_images_have_no_face(result: Summary, name: str) -> None:
    rows = read_detections(result.tables[0])
    (row,) = rows[rows["input"] == name].to_dict("records")
    assert (row["success"], row["reason"]) == (0, "no face")


@pytest.mark.parametrize(("name", "reason"), [(name, why) for name, (_, why) in UNREAD.items() if why])
def test_images_that_cannot_be_read_have_a_reason(result: Summary, name: str, reason: str) -> None:
    rows = read_detections(result.tables[0])
    (row,) = rows[rows["input"] == name].to_dict("records")
    assert row["success"] == 0
    assert reason in row["reason"]
    assert any(name in path and reason in why for path, why in result.failed.items())


def test_one_bad_image_stops_nothing_and_is_tried_again(folder: Path, result: Summary) -> None:
    assert result.status == 1
    unread = sum(bool(why) for _, why in UNREAD.values())
    assert len(result.failed) == result.counts["unread"] == unread
    assert result.counts["images"] == len(READ) + len(NO_FACE) + unread
    again = detect_files([folder], folder.parent / "out", BrightSquares())
    assert again.failed == result.failed
    assert again.read == unread


def test_an_image_cut_off_at_a_row_is_none(tmp_path: Path) -> None:
    cut(0.9)(tmp_path / "cut.jpg")
    summary = detect_files([tmp_path / "cut.jpg"], tmp_path / "out", BrightSquares())
    assert summary.status == 1
    assert read_detections(tmp_path / "out/photographs.csv")["reason"].item()


# ----------------------------------------------------------------------------------------- videos


def half(path: Path) -> None:
    write(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def no_frames(path: Path) -> None:
    data = write(path).read_bytes()
    path.write_bytes(data[: data.index(b"\x1f\x43\xb6\x75")])  # the first cluster


BROKEN = {
    "empty.mp4": lambda path: path.write_bytes(b""),
    "text.mp4": lambda path: path.write_text("this is no video\n" * 99),
    "noise.mkv": lambda path: path.write_bytes(np.random.default_rng(0).bytes(9999)),
    "sound.mp4": sound,
    "half.mp4": half,  # its index is at the end
    "no frames.mkv": no_frames,
    "folder.mp4": lambda path: path.mkdir(),
    "pipe.mp4": os.mkfifo,
    "playlist.mp4": lambda path: path.write_text("#EXTM3U\n/etc/passwd\n"),
    "image.mp4": lambda path: Image.fromarray(FACE).save(path, "PNG"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_videos_are_named_and_the_others_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    BROKEN[name](tmp_path / "in" / name)
    good = video(tmp_path / "in/zz.mp4", 3)
    named = [good] if name == "folder.mp4" else [tmp_path / "in" / name, good]
    summary = detect_files([*named, tmp_path / "in"], tmp_path / "out", BrightSquares())
    assert len(read_detections(tmp_path / "out/zz.csv")) == 3
    if name != "folder.mp4":
        assert summary.status == 1
        assert [name in path for path in summary.failed] == [True]
        assert not (tmp_path / "out" / f"{Path(name).stem}.csv").exists()


def test_a_matroska_file_that_ends_early_has_the_rows_of_its_beginning(tmp_path: Path) -> None:
    video(tmp_path / "clip.mkv", 40)
    data = (tmp_path / "clip.mkv").read_bytes()
    (tmp_path / "clip.mkv").write_bytes(data[: len(data) * 2 // 3])
    detect_files([tmp_path / "clip.mkv"], tmp_path / "out", BrightSquares())
    rows = read_detections(tmp_path / "out/clip.csv")
    assert 10 < len(rows) < 40
    assert rows["frame"].is_monotonic_increasing
    np.testing.assert_allclose(rows["timestamp"], (rows["frame"] - 1) / 25, atol=1e-3)


def test_a_video_that_is_shown_turned(tmp_path: Path) -> None:
    video(tmp_path / "clip.mp4", 3)
    data = (tmp_path / "clip.mp4").read_bytes()
    place = data.index(b"tkhd") + 4 + 40  # the matrix of a track's header, version 0
    turned = b"".join(n.to_bytes(4, "big", signed=True) for n in (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0))
    (tmp_path / "clip.mp4").write_bytes(data[:place] + turned + data[place + 32 :])
    detect_files([tmp_path / "clip.mp4"], tmp_path / "out", BrightSquares(), overlay=True)
    first = read_detections(tmp_path / "out/clip.csv").iloc[0]
    # 128 x 96 turned clockwise: left 0, top 20 of side 40 lies at the right less 60.
    np.testing.assert_allclose([first["box_x"], first["box_y"]], [96 - 60, 0], atol=1.5)


def test_a_video_whose_size_changes_has_rows_for_all(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "clip.ts"), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for i in range(6):
            frame = av.VideoFrame.from_ndarray(FACE, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    summary = detect_files([tmp_path / "clip.ts"], tmp_path / "out", BrightSquares())
    assert summary.counts["images"] == 6


def test_a_video_of_which_no_frame_can_be_decoded_failed(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", key_every=999)
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        places = [(p.pos, p.size) for p in container.demux(video=0) if p.size and p.pos is not None]
    for start, size in places:
        data[start + 4 : start + size] = bytes(size - 4)
    path.write_bytes(data)
    for _ in range(2):  # the second command tries again
        summary = detect_files([path], tmp_path / "out", BrightSquares())
        assert summary.status == 1
        assert "none of its frames can be decoded" in next(iter(summary.failed.values()))
    assert set(read_detections(tmp_path / "out/clip.csv")["reason"]) == {"not decoded"}


def test_names_that_are_no_text(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\xfe.png")
    Image.fromarray(FACE).save(tmp_path / "a.png")
    (tmp_path / "in").mkdir()
    shutil.copy(tmp_path / "a.png", tmp_path / "in" / name)
    video(tmp_path / "clip.mp4", 2)
    shutil.copy(tmp_path / "clip.mp4", tmp_path / "in" / os.fsdecode(b"\xff.mp4"))
    summary = detect_files([tmp_path / "in"], tmp_path / "out", BrightSquares(), overlay=True)
    assert summary.status == 0
    summary.text().encode()
    assert read_detections(tmp_path / "out/in.csv")["reason"].tolist() == [""]

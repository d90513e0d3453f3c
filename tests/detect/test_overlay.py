"""What was found, drawn into copies that keep size and time."""

import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from aukit.detect import detect_files, draw_faces
from aukit.detect.drawings import picture_names
from aukit.detect.record import Record
from aukit.errors import ConfigError
from tests.datasets.numbered import write
from tests.detect.bright import BrightSquares, scene, video


def times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(frame.time) for frame in container.decode(video=0)]


def test_an_image_keeps_its_place_and_size() -> None:
    image = scene((30, 20, 60), size=(400, 300))
    drawn = draw_faces(image, [], (1, 2, 12))
    assert np.array_equal(drawn[:400, :300], image)
    detector = BrightSquares()
    faces = detector.photograph(image)
    with_face = draw_faces(image, faces, detector.aus)
    changed = (with_face[:400, :300] != image).any(-1)
    assert changed[20:80, 30:90].any()
    assert not changed[100:].any()  # below the face
    assert with_face.shape[1] > 300
    bare = draw_faces(image, faces, ())
    assert bare.shape == (400, 300, 3)


def test_bars_are_as_long_as_an_action_unit_is_strong() -> None:
    detector = BrightSquares()

    def coloured(red: int) -> int:
        image = scene((30, 20, 60), red=red, size=(400, 300))
        panel = draw_faces(image, detector.photograph(image), detector.aus)[:, 300:].astype(int)
        return int(((panel[..., 1] - panel[..., 0]) > 60).sum())  # the first person's green

    none, half, whole = coloured(0), coloured(128), coloured(255)
    assert none == 0
    assert half == pytest.approx(whole / 2, rel=0.05)


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (97, 61), (2000, 40)])
def test_any_size_has_room_for_bars_and_even_sides(size: tuple[int, int]) -> None:
    drawn = draw_faces(np.full((*size, 3), 90, np.uint8), [], range(1, 26))
    assert drawn.shape[0] % 2 == drawn.shape[1] % 2 == 0
    assert (drawn[: size[0], : size[1]] == 90).all()


def test_a_video_s_frames_keep_their_times(tmp_path: Path) -> None:
    ticks = [0, 40, 47, 120, 300, 310]
    write(tmp_path / "clip.mkv", 6, times=ticks, time_base=Fraction(1, 1000))
    detect_files([tmp_path / "clip.mkv"], tmp_path / "out", BrightSquares(), overlay=True)
    shown = times(tmp_path / "out/clip.overlay.mp4")
    np.testing.assert_allclose(shown, np.array(ticks) / 1000, atol=1e-4)
    with av.open(str(tmp_path / "out/clip.overlay.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "h264"


def test_overlays_are_drawn_once_and_also_later(tmp_path: Path) -> None:
    clip = video(tmp_path / "clip.mp4", 3)
    photo = tmp_path / "photo.png"
    Image.fromarray(scene((10, 10, 30))).save(photo)
    out = tmp_path / "out"
    detect_files([clip, photo], out, BrightSquares())
    assert not (out / "clip.overlay.mp4").exists()
    detector = BrightSquares()
    detect_files([clip, photo], out, detector, overlay=True)
    assert detector.seen == 0  # from the tables
    pictures = [out / "clip.overlay.mp4", out / "photographs.overlay/photo.jpg"]
    before = [path.stat().st_mtime_ns for path in pictures]
    detect_files([clip, photo], out, detector, overlay=True)
    assert [path.stat().st_mtime_ns for path in pictures] == before
    pictures[0].unlink()
    shutil.rmtree(pictures[1].parent)
    detect_files([clip, photo], out, detector, overlay=True)
    assert all(path.is_file() for path in pictures)


def test_an_overlay_shows_the_table_that_is_there(tmp_path: Path) -> None:
    clip, out, detector = video(tmp_path / "clip.mp4", 3), tmp_path / "out", BrightSquares()
    detect_files([clip], out, detector, calibrate=True, largest=True)
    before = (out / "clip.csv").read_bytes()
    assert detect_files([clip], out, detector, overlay=True).reused == 1
    assert (out / "clip.overlay.mp4").is_file()
    assert (out / "clip.csv").read_bytes() == before
    assert detector.seen == 3
    assert (
        detect_files([clip], out, BrightSquares("2"), overlay=True).reused == 0
    )  # another model was asked for


def test_pictures_of_somebody_else_are_never_overwritten(tmp_path: Path) -> None:
    clip, out = video(tmp_path / "clip.mp4", 3), tmp_path / "out"
    photo = tmp_path / "photo.png"
    Image.fromarray(scene((10, 10, 30))).save(photo)
    for mine, named in (("clip.overlay.mp4", clip), ("photographs.overlay/photo.jpg", photo)):
        (out / mine).parent.mkdir(parents=True, exist_ok=True)
        (out / mine).write_text("mine")
        for _ in range(2):  # also where the table is there
            with pytest.raises(ConfigError, match=r"overlay.*: is there already, and was not made from"):
                detect_files([named], out, BrightSquares(), overlay=True)
            assert (out / mine).read_text() == "mine"
            detect_files([named], out, BrightSquares())


def test_overlays_are_known_for_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip, out = video(tmp_path / "clip.mp4", 3), tmp_path / "out"
    write = Record.write

    def killed(record: Record, table: Path) -> None:
        if record.drawn.get(".overlay") is not None:
            raise KeyboardInterrupt
        write(record, table)

    with monkeypatch.context() as patch:
        patch.setattr(Record, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            detect_files([clip], out, BrightSquares(), overlay=True)
    assert (out / "clip.overlay.mp4").is_file()
    assert detect_files([clip], out, BrightSquares(), overlay=True).status == 0
    assert detect_files([clip], out, BrightSquares("2"), overlay=True).status == 0
    assert detect_files([clip], out, BrightSquares(), table_format="parquet", overlay=True).status == 0
    detect_files([clip], out, BrightSquares("3"))
    assert detect_files([clip], out, BrightSquares("3"), overlay=True).status == 0


def test_overlays_are_no_inputs(tmp_path: Path) -> None:
    folder = tmp_path / "all"
    folder.mkdir()
    video(folder / "clip.mp4", 2)
    Image.fromarray(scene((10, 10, 30))).save(folder / "photo.png")
    first = detect_files([folder], folder, BrightSquares(), overlay=True)
    assert (folder / "all.overlay/photo.jpg").is_file()
    again = detect_files([folder], folder, BrightSquares(), overlay=True)
    assert (again.videos, again.images) == (first.videos, first.images) == (1, 1)


def test_pictures_of_images_have_names_that_any_file_system_tells_apart() -> None:
    images = {name: Path(name) for name in ("a.jpg", "A.PNG", "b.png", "B.PNG.webp", "sub/a.png")}
    names = picture_names(images, Path("holiday.csv"))
    assert names == {
        "a.jpg": "a.jpg", "A.PNG": "A.PNG", "b.png": "b", "B.PNG.webp": "B.PNG.webp", "sub/a.png": "sub/a",
    }  # fmt: skip

"""Names of tables: of its own for each input, whatever files are called."""

import os
from pathlib import Path

import pytest

from aukit.datasets import Folder
from aukit.detect.inputs import distinct_names, find_inputs
from aukit.errors import ConfigError


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a/clip.mp4"], ["clip"]),
        (["a/clip.mp4", "a/clip.avi"], ["clip.mp4", "clip.avi"]),
        (["a/clip.mp4", "b/clip.mp4"], ["a-clip", "b-clip"]),
        (["a/clip.mp4", "b/CLIP.mp4"], ["a-clip", "b-CLIP"]),
        (["x/a/clip.mp4", "y/a/clip.mp4", "clip2.mp4"], ["x-a-clip", "y-a-clip", "clip2"]),
        (["a/clip.mp4", "b/clip.mp4", "a-clip.mp4"], ["a-clip", "b-clip", "a-clip.mp4"]),
        (["photographs.mp4"], ["photographs.mp4"]),
        (["Ünïcode 猫.mp4"], ["Ünïcode 猫"]),
        ([".mp4"], [".mp4"]),
    ],
)
def test_names_are_as_short_as_can_be(paths: list[str], names: list[str]) -> None:
    found = distinct_names([Path(path) for path in paths], taken=["photographs"])
    assert found == names
    assert len({name.casefold() for name in found}) == len(found)


def test_names_fit_into_a_file_system() -> None:
    (name,) = distinct_names([Path("猫" * 80 + ".mp4")])
    assert len(os.fsencode(name)) <= 180
    with pytest.raises(ConfigError, match="rename"):
        distinct_names([Path("x" * 240 + "1.mp4"), Path("x" * 240 + "2.mp4")])


def test_files_named_twice_count_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/clip.mp4").write_bytes(b"")
    os.symlink(tmp_path / "in/clip.mp4", tmp_path / "link.mp4")
    found = find_inputs(["in/clip.mp4", tmp_path / "in", "in/*.mp4", "link.mp4"])
    assert list(found.videos) == ["clip"]


def test_files_that_macos_puts_beside_others_are_left_out(tmp_path: Path) -> None:
    for name in ("a.jpg", "clip.mp4", "._a.jpg", "._clip.mp4", "._b.heic", "__MACOSX/._a.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = find_inputs(tmp_path)
    assert [list(images) for images in found.folders.values()] == [["a.jpg"]]
    assert list(found.videos) == ["clip"]
    assert (found.left_out, found.formats) == (4, {})
    assert Folder(tmp_path).rows["path"].tolist() == ["a.jpg"]


def test_one_path_is_one_input(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"")
    for one in (tmp_path / "clip.mp4", str(tmp_path / "clip.mp4"), str(tmp_path)):
        assert list(find_inputs(one).videos) == ["clip"]


def test_circles_of_links_end(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    os.symlink(tmp_path, tmp_path / "again")
    (images,) = find_inputs([tmp_path]).folders.values()
    assert list(images) == ["a.png"]


def test_images_of_other_formats_stop_nothing(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.JFIF", "c.gif", "d.HEIC", "e.tiff", "f.tiff", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    named = find_inputs([tmp_path / "*.[jJgG]*"])
    assert [Path(name).name for name in named.photographs] == ["a.jpg", "b.JFIF"]
    ((name, why),) = named.refused.items()
    assert name == str(tmp_path / "c.gif")
    assert "images of this format are not read, .jpg, .jpeg, .jfif" in why
    folder = find_inputs([tmp_path])
    assert [list(images) for images in folder.folders.values()] == [["a.jpg", "b.JFIF"]]
    assert (folder.left_out, folder.formats) == (5, {".gif": 1, ".heic": 1, ".tiff": 2})
    assert folder.refused == {}


def test_a_folder_of_a_phone_s_photographs_says_what_to_do(tmp_path: Path) -> None:
    for name in ("a.HEIC", "b.heic", "c.tiff", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    message = r"among 4 files \(.heic, .tiff are not read; save them as JPEG\)"
    with pytest.raises(ConfigError, match=message):
        find_inputs([tmp_path])
    with pytest.raises(ConfigError, match=r"a.HEIC: images of this format are not read.*save it as JPEG"):
        find_inputs([tmp_path / "a.HEIC"])

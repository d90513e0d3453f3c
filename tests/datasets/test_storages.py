"""Parts of a release on several storages: roots of their own, links, and what is no file at all."""

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aukit.cli import main
from aukit.datamodules import AvatarPairsDataModule, DISFADataModule
from aukit.datasets import BP4D, DISFA, Release
from aukit.errors import ConfigError, CorpusError
from aukit.training import identity
from aukit.training.run_config import build_datamodule
from tests.datamodules.test_folds import add_sidecar
from tests.releases import bp4d, disfa, disfa_landmarks

LEFT = "Videos_LeftCamera/LeftVideoSN001_comp.avi"


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    return disfa(tmp_path / "disfa")


def apart(root: Path) -> dict[str, Path]:
    """Move label files and videos of DISFA to storages of their own; the root keeps the landmarks."""
    places = {"images_root": root.parent / "videos", "labels_root": root.parent / "labels"}
    for place in places.values():
        place.mkdir()
    for name in ("Videos_LeftCamera", "Videos_RightCamera"):
        shutil.move(root / name, places["images_root"] / name)
    shutil.move(root / "ActionUnit_Labels", places["labels_root"] / "ActionUnit_Labels")
    return places


def same(one: Release, other: Release) -> bool:
    a, b = one.table.frame, other.table.frame
    return a.equals(b) and one.exclusions == other.exclusions


def test_videos_and_labels_may_lie_in_roots_of_their_own(whole: Path) -> None:
    disfa_landmarks(whole, "SN001", [0, 1])
    (whole / "genders.csv").write_text("person,gender\nSN001,f\n")
    before = DISFA(whole)
    frames = [image.copy() for _, image in before.decode(LEFT)]
    assert len(before.table) == 15
    places = apart(whole)
    after = DISFA(whole, **places)
    assert same(before, after)
    assert after.videos == before.videos
    assert all(np.array_equal(a, b) for a, (_, b) in zip(frames, after.decode(LEFT), strict=True))
    assert len(after.release_landmarks(LEFT)) == 2
    assert after.changed() == []
    with pytest.raises(CorpusError, match="no DISFA release"):
        DISFA(whole)


def test_labels_come_from_their_root_alone_and_so_do_videos(whole: Path, tmp_path: Path) -> None:
    other = disfa(tmp_path / "other")
    for path in (other / "ActionUnit_Labels").rglob("*.txt"):
        path.write_text(path.read_text().replace(",1", ",0"))
    videos, labels = DISFA(whole).table.frame, DISFA(other).table.frame
    assert not videos.equals(labels)
    assert DISFA(whole, labels_root=other).table.frame.equals(labels)
    assert DISFA(other, images_root=whole).table.frame.equals(labels)
    shutil.rmtree(other / "Videos_LeftCamera")
    assert DISFA(whole, labels_root=other).table.frame.equals(labels)
    with pytest.raises(CorpusError, match=f"{other}: no video of the left camera"):
        DISFA(whole, images_root=other)


def test_a_fingerprint_follows_both_roots(whole: Path) -> None:
    places = apart(whole)
    before = DISFA(whole, **places).fingerprint()
    for path in (
        places["labels_root"] / "ActionUnit_Labels/SN001/SN001_au1.txt",
        places["images_root"] / LEFT,
    ):
        path.write_bytes(path.read_bytes() + b" ")
        changed = DISFA(whole, **places).fingerprint()
        assert changed != before
        before = changed


@pytest.mark.parametrize("option", ["images_root", "labels_root"])
def test_a_root_that_is_not_there_is_named_with_its_option(whole: Path, option: str) -> None:
    with pytest.raises(CorpusError, match=rf"nowhere: no such folder; correct {option}"):
        DISFA(whole, **{option: whole / "nowhere"})


def test_every_command_takes_the_roots(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in whole.rglob("*.avi"):
        add_sidecar(whole / "Landmarks" / f"{path.stem}.npy", 5, (32, 48))
    places = apart(whole)
    words = ["disfa", "--root", str(whole)]
    assert main(["corpora", "check", *words]) == 2
    for option, place in places.items():
        words += [f"--{option.replace('_', '-')}", str(place)]
    main(["corpora", "check", *words, "--json"])
    assert str(whole.parent) not in capsys.readouterr().out
    store = str(whole.parent / "stores")
    prepare = ["prepare", *words, "--registration", "similarity", "--size", "32", "--workers", "0"]
    assert main([*prepare, "--out", store]) == 0
    data = DISFADataModule(
        str(whole),
        cache=store,
        registration="similarity",
        size=32,
        prepare_workers=0,
        **{name: str(place) for name, place in places.items()},
    )
    data.prepare_data()
    data.setup()
    assert len(data.store) == 15
    assert len(list((whole.parent / "stores").glob("disfa-*"))) == 1  # the one of `prepare`


def test_where_parts_lie_is_no_part_of_a_run_s_identity() -> None:
    def of(**places: object) -> str:
        data = {"class_path": "aukit.datamodules.DISFADataModule", "init_args": {"root": "a", **places}}
        model = {"class_path": "tests.fake_training.TinyModule", "init_args": {}}
        return identity({"data": data, "model": model, "trainer": {}, "run": {}}, "data")

    assert of() == of(images_root="b", labels_root="c", follow_links=True)


def test_a_corpus_that_lies_in_one_folder_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = AvatarPairsDataModule(str(tmp_path), images_root="elsewhere")
    monkeypatch.setattr(data, "_corpus", lambda: type("Pairs", (), {"name": "pairs", "root": tmp_path})())
    with pytest.raises(ConfigError, match=r"data\.images_root: pairs is read from its root alone"):
        data.prepare_data()
    config = {
        "data": {
            "class_path": "aukit.datamodules.DISFADataModule",
            "init_args": {"root": "a", "labels_root": "b", "follow_links": True, "first_image": 1},
        },
        "model": {"class_path": "tests.fake_training.TinyModule"},
    }
    built = build_datamodule(config)
    assert built.locations == {"images_root": None, "labels_root": "b", "follow_links": True}
    assert built.first_image == 1


def test_links_out_of_the_root_are_followed_on_request_only(tmp_path: Path) -> None:
    root = bp4d(tmp_path / "bp4d")
    before = BP4D(root)
    assert len(before.table) == 20
    elsewhere = tmp_path / "storage"
    elsewhere.mkdir()
    images = root / "Sequences(2D+3D)"
    for part in (images / "F001", images / "F003/T1", root / "AUCoding/AU_OCC", images / "M010/T8/0997.jpg"):
        if part.exists():
            target = elsewhere / part.name
            shutil.move(part, target)
            part.symlink_to(target)
    label = root / "AUCoding/AU_INT/AU06/F001_T1_AU06.csv"
    shutil.move(label, elsewhere / "a.csv")
    label.symlink_to(elsewhere / "a.csv")
    with pytest.raises(CorpusError, match=r"a link leads out of the corpus root.*--follow-links"):
        BP4D(root)
    after = BP4D(root, follow_links=True)
    assert same(before, after)
    video = "Sequences(2D+3D)/F001/T1"
    assert [n for n, image in after.decode(video) if image is not None] == list(range(2440, 2444))
    assert after.changed() == []


def test_a_linked_image_needs_the_option_too(tmp_path: Path) -> None:
    root = bp4d(tmp_path / "bp4d")
    image = root / "Sequences(2D+3D)/F001/T1/2441.jpg"
    shutil.move(image, tmp_path / "out.jpg")
    image.symlink_to(tmp_path / "out.jpg")
    with pytest.raises(CorpusError, match=r"F001/T1/2441.jpg: a link leads out"):
        _ = BP4D(root).table
    assert len(BP4D(root, follow_links=True).table) == 20


@pytest.mark.parametrize("follow_links", [False, True])
@pytest.mark.timeout(60)
def test_links_in_circles_end(whole: Path, follow_links: bool) -> None:
    before = DISFA(whole)
    assert len(before.table) == 15
    (whole / "Videos_LeftCamera/up").symlink_to(whole)
    (whole / "ActionUnit_Labels/SN001/again").symlink_to(whole / "ActionUnit_Labels")
    (whole / "a").mkdir()
    (whole / "a/b").symlink_to(whole / "c")
    (whole / "c").symlink_to(whole / "a")
    after = DISFA(whole, follow_links=follow_links)
    assert same(before, after)
    notes = [note for note in after.notes if "same folder" in note]
    assert len(notes) == (4 if follow_links else 0), notes


def test_two_links_to_one_folder_are_one(whole: Path) -> None:
    before = DISFA(whole)
    assert len(before.table) == 15
    shutil.move(whole / "ActionUnit_Labels", whole.parent / "elsewhere")
    for name in ("first", "second"):
        (whole / name).symlink_to(whole.parent / "elsewhere")
    after = DISFA(whole, follow_links=True)
    assert same(before, after)
    assert "second is the same folder as first and read once" in after.notes


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    short = Path(os.path.relpath(path))  # a socket's path may not be long
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(short))


def _itself(path: Path) -> None:
    path.symlink_to(path.name)


def _nothing(path: Path) -> None:
    path.symlink_to("gone")


@pytest.mark.parametrize("follow_links", [False, True])
@pytest.mark.parametrize("make", [_pipe, _socket, _itself, _nothing])
@pytest.mark.parametrize("relative", [LEFT, "ActionUnit_Labels/SN001/SN001_au4.txt"])
@pytest.mark.timeout(60)
def test_what_is_no_file_is_named_and_never_opened(
    whole: Path,
    relative: str,
    make: Callable[[Path], None],
    follow_links: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (whole / relative).unlink()
    monkeypatch.chdir(whole)
    make(whole / relative)
    words = ["--follow-links"] if follow_links else []
    assert main(["corpora", "check", "disfa", "--root", str(whole), *words]) == 2
    assert Path(relative).name in capsys.readouterr().err


@pytest.mark.timeout(60)
def test_pipes_among_images_are_rows_without_image(tmp_path: Path) -> None:
    root = bp4d(tmp_path / "bp4d")
    path = root / "Sequences(2D+3D)/F001/T1/2441.jpg"
    path.unlink()
    os.mkfifo(path)
    os.mkfifo(root / "Sequences(2D+3D)/F001/T3")  # called like a sequence
    os.mkfifo(root / "log.pipe")  # called like nothing that is read
    excluded = BP4D(root).exclusions
    assert [(e.position, e.reason) for e in excluded] == [(2441, "label row without image")]


def test_a_folder_that_cannot_be_listed_is_named(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = os.scandir

    def refuse(path: str) -> object:
        if Path(path).name == "SN003":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(CorpusError, match=r"SN003: cannot be listed \(Permission denied\)"):
        DISFA(whole)

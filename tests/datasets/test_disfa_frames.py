"""DISFA with extracted frames in place of its videos."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aukit.cli import main
from aukit.datamodules import DISFADataModule
from aukit.datasets import DISFA
from aukit.errors import CorpusError
from tests.datamodules.test_folds import add_sidecar
from tests.releases import DISFA_AUS, disfa, disfa_person, edit

PEOPLE = ("SN001", "SN003", "SN006")
LAYOUTS: dict[str, Callable[[str, str], str]] = {
    "as the videos": lambda side, subject: f"frames/{side}Video{subject}_comp",
    "by side": lambda side, subject: f"frames/{subject}/{side.lower()}",
    "beside the labels": lambda side, subject: f"ActionUnit_Labels/{subject}/{side}",
}


def extract(root: Path, folder: Callable[[str, str], str], first: int, sides=("Left", "Right")) -> None:
    """Turn the videos into folders of PNG images, numbered from `first`, with paddings of two widths."""
    for side in sides:
        for subject in PEOPLE:
            video = f"Videos_{side}Camera/{side}Video{subject}_comp.avi"
            (root / folder(side, subject)).mkdir(parents=True)
            for position, image in DISFA(root, camera=side.lower()).decode(video):
                number = first + position
                name = f"{number:03d}.png" if position % 2 else f"{number}.png"
                Image.fromarray(image).save(root / folder(side, subject) / name)
    for side in ("Left", "Right"):
        shutil.rmtree(root / f"Videos_{side}Camera")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return disfa(tmp_path / "disfa")


def content(corpus: DISFA) -> list:
    """Labels and pixels of all frames, by person and position."""
    rows = []
    for video in corpus.videos:
        table = corpus.table.select(video=video)
        images = dict(corpus.decode(video))
        for row, levels in zip(table.frame.itertuples(), table.intensities(DISFA_AUS), strict=True):
            rows.append((row.person, row.view, row.position, levels.tolist(), images[row.position].tobytes()))
    return rows


@pytest.mark.parametrize("camera", ["left", "right"])
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_frames_in_folders_are_those_of_the_video(root: Path, layout: str, first: int, camera: str) -> None:
    before = content(DISFA(root, camera=camera))
    extract(root, LAYOUTS[layout], first)
    corpus = DISFA(root, camera=camera)
    assert content(corpus) == before
    assert corpus.exclusions == []
    assert content(DISFA(root, camera=camera, first_image=first)) == before


@pytest.mark.parametrize("camera", ["left", "right"])
def test_folders_without_a_side_are_those_of_the_chosen_camera(root: Path, camera: str) -> None:
    before = content(DISFA(root, camera=camera))
    extract(root, lambda _, subject: f"images/{subject}", 1, sides=(camera.title(),))
    corpus = DISFA(root, camera=camera)
    assert content(corpus) == before
    other = DISFA(root, camera={"left": "right", "right": "left"}[camera])
    assert corpus.fingerprint() != other.fingerprint()
    assert f"3 folders of images do not name their camera: read as the {camera} one's" in corpus.notes


def test_videos_go_before_frames_and_a_note_says_so(root: Path) -> None:
    before = content(DISFA(root))
    shutil.copytree(root, root.parent / "copy")
    extract(root.parent / "copy", LAYOUTS["by side"], 1)
    shutil.move(root.parent / "copy/frames", root / "frames")
    corpus = DISFA(root)
    assert content(corpus) == before
    assert corpus.videos[0].endswith(".avi")
    assert any(note.startswith("6 folders of images are not read") for note in corpus.notes)


def test_two_folders_of_one_camera_are_refused(root: Path) -> None:
    extract(root, LAYOUTS["by side"], 1)
    shutil.copytree(root / "frames/SN001/left", root / "more/LeftVideoSN001_comp")
    with pytest.raises(CorpusError, match="the same file twice"):
        DISFA(root)


def test_missing_and_damaged_images_are_counted(root: Path) -> None:
    extract(root, LAYOUTS["by side"], 1)
    folder = root / "frames/SN003/left"
    (folder / "3.png").unlink()
    (folder / "004.png").write_bytes(b"no image")
    shutil.copy(folder / "5.png", folder / "6.png")
    with pytest.raises(CorpusError, match=r"SN003/left: has images number 1 to 6"):
        _ = DISFA(root).table
    corpus = DISFA(root, first_image=1)
    assert [(e.video, e.position, e.reason) for e in corpus.exclusions] == [
        ("frames/SN003/left", 5, "image without label row"),
        ("frames/SN003/left", 2, "label row without image"),
    ]
    assert [(n, image is None) for n, image in corpus.decode("frames/SN003/left")] == [
        (0, False), (1, False), (3, True), (4, False),
    ]  # fmt: skip
    assert corpus.tracker_rows("frames/SN003/left", np.array([0, 3, 4])).places.tolist() == [0, 2, 3]


@pytest.mark.parametrize(
    ("first", "lost", "found"),
    [
        (0, [], 0),
        (0, [4], 0),
        (1, [], 1),
        (1, [1], 1),
        (0, [0], None),  # 1 to 4 of five: from 0 without the first, or from 1 without the last
        (1, [5], None),
        (0, [0, 4], None),
    ],
)
def test_the_first_number_is_certain_or_asked_for(
    root: Path, first: int, lost: list[int], found: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {row[2]: row for row in content(DISFA(root)) if row[0] == "DISFA/SN001"}
    extract(root, LAYOUTS["as the videos"], first)
    for path in list((root / "frames/LeftVideoSN001_comp").iterdir()):
        if int(path.stem) in lost:
            path.unlink()
    left = [row for position, row in before.items() if position + first not in lost]
    if found is None:
        with pytest.raises(CorpusError, match=r"number 0 or number 1.*--first-image 0 or --first-image 1"):
            _ = DISFA(root).table
        assert main(["corpora", "check", "disfa", "--root", str(root)]) == 2
        assert "first-image" in capsys.readouterr().out
    else:
        assert [row for row in content(DISFA(root)) if row[0] == "DISFA/SN001"] == left
    given = DISFA(root, first_image=first)
    assert [row for row in content(given) if row[0] == "DISFA/SN001"] == left
    assert len(given.exclusions) == len(lost)


def test_a_first_number_that_cannot_be_is_refused(root: Path) -> None:
    extract(root, LAYOUTS["as the videos"], 0)
    with pytest.raises(CorpusError, match="has an image 0, so that first_image cannot be 1"):
        _ = DISFA(root, first_image=1).table
    with pytest.raises(CorpusError, match="first_image 2"):
        DISFA(root, first_image=2)  # type: ignore[arg-type]


def test_a_person_without_labels_is_an_exclusion(root: Path) -> None:
    extract(root, LAYOUTS["by side"], 1)
    shutil.rmtree(root / "ActionUnit_Labels/SN003")
    assert ("frames/SN003/left", None, "no label file") in [
        (e.video, e.position, e.reason) for e in DISFA(root).exclusions
    ]


def test_label_files_that_count_from_0_change_nothing(root: Path) -> None:
    extract(root, LAYOUTS["by side"], 1)
    before = content(DISFA(root))
    for path in root.rglob("*_au*.txt"):
        edit(path, lambda lines: [f"{int(x.split(',')[0]) - 1},{x.split(',')[1]}" for x in lines])
    assert content(DISFA(root)) == before


def test_frames_on_a_storage_of_their_own_become_the_same_crops(root: Path, tmp_path: Path) -> None:
    for path in root.rglob("*.avi"):
        add_sidecar(root / "Landmarks" / f"{path.stem}.npy", 5, (32, 48))

    def crops(**places: object) -> np.ndarray:
        data = DISFADataModule(
            str(root), cache=str(tmp_path / "stores"), registration="similarity", size=32,
            prepare_workers=0, **places,
        )  # fmt: skip
        data.prepare_data()
        data.setup()
        return np.asarray(data.store.images)

    before = crops()
    extract(root, LAYOUTS["by side"], 1)
    shutil.move(root / "frames", tmp_path / "frames")
    corpus = DISFA(root, images_root=tmp_path / "frames")
    with pytest.raises(CorpusError, match=r"LeftVideoSN001_comp\.npy.*002\.png before 1\.png"):
        corpus.sidecar_landmarks(corpus.videos[0])  # of the video, or of the images by name
    for image in (tmp_path / "frames").rglob("*.png"):
        image.rename(image.with_name(image.name.zfill(8)))
    np.testing.assert_array_equal(crops(images_root=str(tmp_path / "frames")), before)


def test_people_whom_disfa_does_not_have_are_refused(tmp_path: Path) -> None:
    disfa_person(tmp_path, "SN001")
    (tmp_path / "frames/SN014/left").mkdir(parents=True)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "frames/SN014/left/1.png")
    with pytest.raises(CorpusError, match="SN014"):
        DISFA(tmp_path)

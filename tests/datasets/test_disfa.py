import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from aukit.datasets import DISFA, verify_release
from aukit.datasets.disfa import PUBLISHED as DISFA_PUBLISHED
from aukit.errors import CorpusError
from tests.releases import DISFA_AUS, disfa, disfa_landmarks, disfa_person, edit, write_lines

LEFT = "Videos_LeftCamera/LeftVideoSN001_comp.avi"
AU4 = "ActionUnit_Labels/SN001/SN001_au4.txt"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return disfa(tmp_path_factory.mktemp("disfa") / "disfa")


@pytest.fixture
def root(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "disfa"))


def test_line_i_belongs_to_decoded_frame_i(root: Path) -> None:
    corpus = DISFA(root)
    assert corpus.videos[0] == LEFT
    assert corpus.exclusions == []
    rows = corpus.table.select(video=LEFT)
    assert rows.frame["frame"].tolist() == [1, 2, 3, 4, 5]
    decoded = list(corpus.decode(LEFT))
    assert [position for position, _ in decoded] == rows.frame["position"].tolist() == list(range(5))
    assert [abs(image.mean() - (40 + 20 * i)) < 4 for i, image in decoded] == [True] * 5
    expected = [[(i + au) % 6 for au in DISFA_AUS] for i in range(5)]
    np.testing.assert_array_equal(rows.intensities(DISFA_AUS), expected)


def test_files_that_count_from_0_give_the_same_labels(root: Path, tmp_path: Path) -> None:
    for path in root.rglob("*_au*.txt"):
        edit(path, lambda lines: [f"{int(x.split(',')[0]) - 1},{x.split(',')[1]}" for x in lines])
    one, zero = DISFA(disfa(tmp_path / "one")), DISFA(root)
    np.testing.assert_array_equal(one.table.intensities(DISFA_AUS), zero.table.intensities(DISFA_AUS))
    assert zero.table.frame["position"].tolist() == zero.table.frame["frame"].tolist()
    assert "label files count frames from 0" in zero.notes
    assert "label files count frames from 1" in one.notes


@pytest.mark.parametrize("threshold", [1, 2, 5])
def test_occurrence_follows_the_threshold_and_both_are_told(root: Path, threshold: int) -> None:
    corpus = DISFA(root, threshold=threshold)
    levels = corpus.table.intensities(DISFA_AUS)
    np.testing.assert_array_equal(corpus.table.occurrences(DISFA_AUS), levels >= threshold)
    assert f"left camera; an AU counts as present from intensity {threshold} on" in corpus.notes
    assert corpus.fingerprint() != DISFA(root, threshold=3).fingerprint()


def test_the_camera_is_a_choice(root: Path) -> None:
    right = DISFA(root, camera="right")
    assert all("RightVideo" in video for video in right.videos)
    assert right.table.frame["view"].eq(2).all()
    assert DISFA(root).table.frame["view"].eq(1).all()
    assert right.fingerprint() != DISFA(root).fingerprint()
    with pytest.raises(CorpusError, match="left and right"):
        DISFA(root, camera="front")  # type: ignore[arg-type]
    for path in root.rglob("Left*.avi"):
        path.unlink()
    with pytest.raises(CorpusError, match=r"no video of the left camera; there are videos of: right"):
        DISFA(root)


def test_other_names_of_folders_and_files_are_read_alike(root: Path) -> None:
    before = DISFA(root).table
    (root / "Videos_LeftCamera").rename(root / "Video_LeftCamera")
    for path in list((root / "Video_LeftCamera").iterdir()):
        path.rename(path.with_name(path.name.replace("_comp", "_Comp")))
    after = DISFA(root).table
    np.testing.assert_array_equal(before.intensities(DISFA_AUS), after.intensities(DISFA_AUS))


def test_a_missing_file_of_one_au_is_nan_for_that_person_with_a_note(root: Path) -> None:
    (root / AU4).unlink()
    corpus = DISFA(root)
    table = corpus.table
    assert np.isnan(table.select(subject="SN001").intensities((4,))).all()
    assert np.isnan(table.select(subject="SN001").occurrences((4,))).all()
    assert np.isfinite(table.select(subject="SN003").intensities((4,))).all()
    assert "SN001: no label file of AU 4" in corpus.notes


def test_a_person_without_labels_and_a_broken_video_are_listed(root: Path) -> None:
    for path in (root / "ActionUnit_Labels/SN001").iterdir():
        path.unlink()
    (root / "Videos_LeftCamera/LeftVideoSN003_comp.avi").write_bytes(b"not a video")
    corpus = DISFA(root)
    assert corpus.table.persons == ["DISFA/SN006"]
    assert [(e.video[-14:], e.reason) for e in corpus.exclusions] == [
        ("SN001_comp.avi", "no label file"),
        ("SN003_comp.avi", "the video cannot be opened"),
    ]


def test_videos_and_labels_of_unequal_length_are_counted_exclusions(root: Path) -> None:
    for path in (root / "ActionUnit_Labels/SN001").iterdir():
        edit(path, lambda lines: lines[:-1])
    for path in (root / "ActionUnit_Labels/SN003").iterdir():
        edit(path, lambda lines: [*lines, "6,0"])
    corpus = DISFA(root)
    assert [(e.video[-14:-9], e.position, e.reason) for e in corpus.exclusions] == [
        ("SN001", 4, "frame without label row"),
        ("SN003", 5, "label row without frame (the video ends early)"),
    ]


def test_a_shorter_file_of_one_au_is_nan_at_its_end(root: Path) -> None:
    edit(root / AU4, lambda lines: lines[:3])
    corpus = DISFA(root)
    levels = corpus.table.select(subject="SN001").intensities((4, 6))
    assert np.isnan(levels[:, 0]).tolist() == [False, False, False, True, True]
    assert np.isfinite(levels[:, 1]).all()
    assert any("unequal length" in note for note in corpus.notes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [*lines[:2], "3,6", *lines[3:]], r"SN001_au4.txt, line 3: unknown code '6'"),
        (lambda lines: [*lines[:2], "3,9", *lines[3:]], r"SN001_au4.txt, line 3: unknown code '9'"),
        (lambda lines: [*lines[:2], "3", *lines[3:]], r"SN001_au4.txt, line 3: 1 columns"),
        (lambda lines: [*lines[:2], *lines[3:]], r"SN001_au4.txt: row 3 is frame 4.*without gaps"),
        (lambda lines: [f"{20 + i},0" for i in range(5)], r"SN001_au4.txt: row 1 is frame 20"),
        (lambda lines: [f"{i},0" for i in range(5)], r"SN001_au4.txt: counts frames from 0, other files"),
        (lambda lines: ["frame,intensity"], r"SN001_au4.txt: holds no row"),
    ],
)
def test_damaged_label_files_are_errors_with_file_and_place(root: Path, change, message: str) -> None:
    edit(root / AU4, change)
    with pytest.raises(CorpusError, match=message):
        _ = DISFA(root).table


def test_people_of_other_corpora_and_doubles_are_refused(root: Path) -> None:
    (root / "more").mkdir()
    (root / "more/SN001_au4.txt").write_text("1,0\n")
    with pytest.raises(CorpusError, match="twice"):
        DISFA(root)
    (root / "more/SN001_au4.txt").rename(root / "more/SN014_au4.txt")
    with pytest.raises(CorpusError, match="SN014"):
        DISFA(root)


def test_genders_come_from_a_table_only(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = DISFA(root)
    assert corpus.table.frame["gender"].isna().all()
    assert "3 people without known gender: DISFA/SN001, DISFA/SN003, DISFA/SN006" in corpus.notes
    (root / "genders.csv").write_text("gender,person\nf,SN001\nMale,DISFA/SN003\n")
    monkeypatch.setenv("AUKIT_DISFA_GENDERS", "nowhere.csv")  # the file in the root comes first
    genders = DISFA(root).table.frame.groupby("subject")["gender"].first()
    assert genders.fillna("?").to_dict() == {"SN001": "female", "SN003": "male", "SN006": "?"}
    (root / "genders.csv").write_text("person,gender\nSN1,f\nsn003,m\nSN006,m\n")
    assert DISFA(root).notes[-2:] == [
        "the table of genders has DISFA/SN1, DISFA/sn003, of whom the release has nothing",
        "2 people without known gender: DISFA/SN001, DISFA/SN003",
    ]
    (root / "genders.csv").unlink()
    with pytest.raises(CorpusError, match=r"nowhere.csv"):
        DISFA(root)


def test_a_label_file_of_another_person_is_noted(tmp_path: Path) -> None:
    for subject in ("SN001", "SN003"):
        disfa_person(tmp_path, subject, frames=100, aus=(1,))
    first, other = (f"ActionUnit_Labels/{subject}/{subject}_au1.txt" for subject in ("SN001", "SN003"))
    note = f"{first} and {other} have the same rows: one is a copy of the other under its name"
    assert note in DISFA(tmp_path).notes
    edit(tmp_path / other, lambda lines: ["1,5", *lines[1:]])
    assert not any("same rows" in each for each in DISFA(tmp_path).notes)
    for path in (first, other):
        write_lines(tmp_path / path, [f"{i},0" for i in range(1, 101)])  # neutral faces are alike
    assert not any("same rows" in each for each in DISFA(tmp_path).notes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("person,sex\nSN001,f\n", "line 1: the columns are"),
        ("person,gender\nSN001,x\n", "line 2: gender 'x'"),
        ("person,gender\nSN001,f\nDISFA/SN001,m\n", "line 3: DISFA/SN001 is both"),
        ("person,gender\nSN001\n", "line 2: 1 columns"),
        ("person,gender\n,f\n", "line 2: person ''"),
    ],
)
def test_a_damaged_table_of_genders_is_an_error(root: Path, text: str, message: str) -> None:
    (root / "genders.csv").write_text(text)
    with pytest.raises(CorpusError, match=rf"genders.csv, {message}"):
        DISFA(root)


def test_the_release_s_landmarks_are_read_where_they_are(root: Path) -> None:
    disfa_landmarks(root, "SN001", [0, 1, 3])
    disfa_landmarks(root, "SN003", [0], folder="tmp_frame_lm")
    corpus = DISFA(root)
    points = corpus.release_landmarks(LEFT)
    assert points.shape == (4, 66, 2)
    assert points[:, 0, 0].tolist()[:2] == [0, 1]
    assert np.isnan(points[2]).all()
    assert points[3].mean() == 3
    assert len(corpus.release_landmarks("Videos_LeftCamera/LeftVideoSN003_comp.avi")) == 1
    with pytest.raises(CorpusError, match="no landmarks"):
        corpus.release_landmarks("Videos_LeftCamera/LeftVideoSN006_comp.avi")
    path = root / "Landmark_Points/SN001/frame_lm/SN001_0001_lm.mat"
    for damage in (b"", b"MATLAB 5.0", path.read_bytes()[:150]):
        path.write_bytes(damage)
        with pytest.raises(CorpusError, match=r"SN001_0001_lm.mat"):
            corpus.release_landmarks(LEFT)


def test_landmarks_of_both_names_are_read_and_counted(root: Path) -> None:
    disfa_landmarks(root, "SN001", [0, 1, 3])
    disfa_landmarks(root, "SN003", [1, 2, 4], name="l{:05d}_lm.mat")
    disfa_landmarks(root, "SN006", [0, 2], name="l{:05d}_lm.mat")
    corpus = DISFA(root)
    read = {video[-14:-9]: corpus.release_landmarks(video) for video in corpus.videos}
    numbers = {subject: points[:, 0, 0].tolist() for subject, points in read.items()}
    np.testing.assert_array_equal(numbers["SN001"], [0, 1, np.nan, 3])
    np.testing.assert_array_equal(numbers["SN003"], [1, 2, np.nan, 4])  # frame 1 is at position 0
    np.testing.assert_array_equal(numbers["SN006"], [0, np.nan, 2])  # a number 0: counted from 0
    variants = verify_release(corpus).variants
    assert variants["landmark files like SN001_0000_lm.mat in Landmark_Points"] == 3
    assert variants["landmark files like l00001_lm.mat in Landmark_Points"] == 5


def test_landmark_folders_with_neither_or_both_names_are_errors(root: Path) -> None:
    (root / "Landmark_Points/SN001/frame_lm").mkdir(parents=True)
    disfa_landmarks(root, "SN003", [0])
    disfa_landmarks(root, "SN003", [2], name="l{:05d}_lm.mat")
    corpus = DISFA(root)
    with pytest.raises(CorpusError, match=r"SN001/frame_lm: holds no landmark files; expected"):
        corpus.release_landmarks(LEFT)
    with pytest.raises(CorpusError, match=r"SN003/frame_lm: holds files of both names; expected"):
        corpus.release_landmarks("Videos_LeftCamera/LeftVideoSN003_comp.avi")
    variants = verify_release(corpus).variants
    assert variants["landmark folders in Landmark_Points that hold no landmark files"] == 1
    assert variants["landmark folders in Landmark_Points that hold files of both names"] == 1


def test_missing_root_and_empty_folder_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no such folder.*aukit standin disfa"):
        DISFA(tmp_path / "nowhere")
    with pytest.raises(CorpusError, match=r"no DISFA release.*aukit standin disfa"):
        DISFA(tmp_path)


def test_the_reader_travels_to_other_processes(root: Path) -> None:
    corpus = pickle.loads(pickle.dumps(DISFA(root)))
    assert len(list(corpus.decode(LEFT))) == 5


def test_check_names_camera_and_threshold_and_compares(root: Path) -> None:
    report = verify_release(DISFA(root, camera="right", threshold=2), DISFA_PUBLISHED)
    assert report.ok
    assert [r.people for r in report.partitions.values()] == [1, 1, 1]
    assert report.partitions["P1"].label_rows == 5
    assert "right camera; an AU counts as present from intensity 2 on" in report.text()
    assert report.published.total.female == 12
    assert report.published.rates["list P1"][12] == pytest.approx(4_480 / 43_545)
    assert str(root) not in report.text() + report.to_json()
    assert verify_release(DISFA(root, threshold=1), DISFA_PUBLISHED).published.rates == {}
    edit(root / AU4, lambda lines: [*lines[:2], "3,6", *lines[3:]])
    broken = verify_release(DISFA(root), DISFA_PUBLISHED)
    assert broken.notes[0] == "left camera; an AU counts as present from intensity 2 on"
    assert [p.split(":")[0] for p in broken.problems] == ["ActionUnit_Labels/SN001/SN001_au4.txt, line 3"]


def test_a_lone_person_is_enough(tmp_path: Path) -> None:
    disfa_person(tmp_path, "SN032", frames=3)
    assert len(DISFA(tmp_path).table) == 3

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from aukit.datasets import BP4D, FrameTable, verify_release
from aukit.datasets.bp4d import PUBLISHED as BP4D_PUBLISHED
from aukit.errors import CorpusError
from tests.releases import BP4D_AUS, bp4d, bp4d_sequence, edit, legacy_occurrence, named_occurrence, picture

F001_T1 = "AUCoding/AU_OCC/F001_T1.csv"
IMAGES = "Sequences(2D+3D)/F001/T1"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return bp4d(tmp_path / "bp4d")


def of(table: FrameTable, video: str) -> FrameTable:
    return table.select(video=f"Sequences(2D+3D)/{video}")


def test_frames_are_matched_by_number_whatever_their_padding(root: Path) -> None:
    corpus = BP4D(root)
    assert corpus.exclusions == []
    for video, first in (("F001/T1", 2440), ("F001/T2", 7), ("M009/T1", 98), ("M010/T8", 997)):
        rows = of(corpus.table, video)
        assert rows.frame["frame"].tolist() == list(range(first, first + 4))
        decoded = list(corpus.decode(f"Sequences(2D+3D)/{video}"))
        assert [number for number, _ in decoded] == rows.frame["position"].tolist()
        for number, image in decoded:
            assert image is not None
            assert image.shape == (24, 32, 3)
            assert abs(int(image.mean()) - int(picture(number).mean())) <= 2


def test_both_spellings_give_the_same_labels(root: Path) -> None:
    table = BP4D(root).table
    expected = [[float(au % 2 == i % 2) for au in BP4D_AUS] for i in range(4)]
    for video in ("F001/T1", "F001/T2", "F003/T1", "M009/T1"):
        rows = of(table, video)
        np.testing.assert_array_equal(rows.occurrences(BP4D_AUS), expected)
        np.testing.assert_array_equal(rows.intensities((6, 17)), [[i, i] for i in range(4)])


def test_people_are_those_of_fera_2017_train_and_partitions_are_parts(root: Path) -> None:
    frame = BP4D(root).table.frame
    people = frame.groupby("person")[["gender", "partition"]].first()
    assert people.loc["BP4D/F001"].tolist() == ["female", "P1"]
    assert people.loc["BP4D/F003"].tolist() == ["female", "P2"]
    assert people.loc["BP4D/M009"].tolist() == ["male", "P3"]
    assert frame["view"].eq(0).all()


def test_code_9_becomes_nan_never_0(root: Path) -> None:
    edit(root / F001_T1, lambda lines: [*lines[:2], lines[2].replace(",1", ",9"), *lines[3:]])
    path = root / "AUCoding/AU_INT/AU12/F001_T1_AU12.csv"
    edit(path, lambda lines: ["2440,9", *lines[1:]])
    rows = of(BP4D(root).table, "F001/T1")
    assert np.isnan(rows.occurrences((1, 7, 15, 17, 23))[1]).all()
    assert np.isfinite(rows.occurrences((2, 4, 6))[1]).all()
    assert np.isnan(rows.intensities((12,))[0, 0])


def test_occluded_frames_are_counted_and_kept_unless_asked_for(root: Path) -> None:
    codes = {au: [0, 1, 0, 1] for au in BP4D_AUS} | {99: [0, 1, 1, 0]}
    legacy_occurrence(root / F001_T1, range(2440, 2444), codes)
    corpus = BP4D(root)
    assert len(of(corpus.table, "F001/T1")) == 4
    assert "2 labelled frames are coded as occluded (column 99) and kept" in corpus.notes
    without = BP4D(root, leave_out_occluded=True)
    assert of(without.table, "F001/T1").frame["frame"].tolist() == [2440, 2443]
    assert [(e.position, e.reason) for e in without.exclusions] == [
        (2441, "the face is coded as occluded"),
        (2442, "the face is coded as occluded"),
    ]
    assert without.fingerprint() != corpus.fingerprint()


def test_images_without_row_and_rows_without_image_are_counted(root: Path) -> None:
    (root / IMAGES / "2441.jpg").unlink()
    shutil.copy(root / IMAGES / "2440.jpg", root / IMAGES / "2439.jpg")
    corpus = BP4D(root)
    assert [(e.position, e.reason) for e in corpus.exclusions] == [
        (2439, "image without label row"),
        (2441, "label row without image"),
    ]
    assert of(corpus.table, "F001/T1").frame["frame"].tolist() == [2440, 2442, 2443]


def test_a_damaged_image_is_none_and_the_others_are_shown(root: Path) -> None:
    path = root / IMAGES / "2441.jpg"
    path.write_bytes(path.read_bytes()[:100])
    shown = dict(BP4D(root).decode(IMAGES))
    assert [number for number, image in shown.items() if image is None] == [2441]
    assert len(shown) == 4


def test_missing_label_files_are_told(root: Path) -> None:
    (root / "AUCoding/AU_INT/AU14/F001_T1_AU14.csv").unlink()
    (root / "AUCoding/AU_OCC/F001_T2.csv").unlink()
    for path in root.rglob("M009_T1*.csv"):
        path.unlink()
    corpus = BP4D(root)
    assert np.isnan(of(corpus.table, "F001/T1").intensities((14,))).all()
    assert np.isnan(of(corpus.table, "F001/T2").occurrences(BP4D_AUS)).all()
    assert np.isfinite(of(corpus.table, "F001/T2").intensities((12,))).all()
    assert [(e.video, e.position, e.reason) for e in corpus.exclusions] == [
        ("Sequences(2D+3D)/M009/T1", None, "no label file")
    ]
    assert "F001 T1: no intensity file of AU 14" in corpus.notes
    assert "F001 T2: no occurrence file" in corpus.notes


def test_a_named_header_without_an_au_leaves_it_nan(root: Path) -> None:
    codes = {au: [0, 1, 0, 1] for au in BP4D_AUS if au != 24}
    named_occurrence(root / F001_T1, range(2440, 2444), codes)
    corpus = BP4D(root)
    assert np.isnan(of(corpus.table, "F001/T1").occurrences((24,))).all()
    assert of(corpus.table, "F001/T1").occurrences((23,))[:, 0].tolist() == [0, 1, 0, 1]
    assert "F001 T1: no occurrence column of AU 24" in corpus.notes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [*lines[:3], lines[3].replace(",1", ",2"), *lines[4:]], r"F001_T1.csv, line 4.*'2'"),
        (lambda lines: [*lines[:3], lines[3] + ",0", *lines[4:]], r"F001_T1.csv, line 4: 101 columns"),
        (lambda lines: lines[1:], r"F001_T1.csv, line 1: has no header line"),
        (lambda lines: [*lines, lines[1]], r"F001_T1.csv: frame 2440 has two rows"),
        (
            lambda lines: [*lines, lines[1].replace("2440", "3.000", 1)],
            r"F001_T1.csv, line 6: '3\.000' may be frame 3000.*or frame 3;",
        ),
        (lambda lines: lines[:1], r"F001_T1.csv: holds no row"),
        (lambda lines: ["a,b", "1,2"], r"F001_T1.csv, line 1: names none"),
        (
            lambda lines: [",Frame,1,2", "0,2440,0,0"],
            r"line 1: the column 'Frame' is number 2.*count of rows",
        ),
        (lambda lines: ["1,1,2,2", "1,0,0,0"], r"line 1: AU 2 has two columns"),
        (lambda lines: [], r"is empty"),
    ],
)
def test_damaged_occurrence_files_are_errors_with_file_and_line(root: Path, change, message: str) -> None:
    edit(root / F001_T1, change)
    with pytest.raises(CorpusError, match=message):
        _ = BP4D(root).table


def test_people_of_bp4d_plus_are_refused(root: Path) -> None:
    bp4d_sequence(root, "F024", "T1", 1)
    with pytest.raises(CorpusError, match=r"F024.*BP4D\+"):
        BP4D(root)


def test_the_same_frame_or_sequence_twice_is_an_error(root: Path) -> None:
    shutil.copy(root / IMAGES / "2441.jpg", root / IMAGES / "02441.jpg")
    with pytest.raises(CorpusError, match=r"02441.jpg and 2441.jpg are the same frame"):
        _ = BP4D(root).table
    shutil.copytree(root / IMAGES, root / "copy" / "F001" / "T1")
    with pytest.raises(CorpusError, match="twice"):
        BP4D(root)


def test_other_trees_do_not_disturb(root: Path) -> None:
    (root / "3DFeatures/F001/T1").mkdir(parents=True)
    (root / "3DFeatures/F001/T1/2440.obj").write_text("v 0 0 0\n")
    (root / IMAGES / "2440.mtl").write_text("")
    (root / IMAGES / "thumbs.db").write_text("")
    assert BP4D(root).exclusions == []


def test_missing_root_empty_folder_and_absent_people_say_what_to_do(root: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no such folder.*aukit standin bp4d"):
        BP4D(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match=r"no BP4D release.*aukit standin bp4d"):
        BP4D(tmp_path / "empty")
    with pytest.raises(CorpusError, match="BP4D/M018"):
        BP4D(root, persons=["BP4D/M018"])
    with pytest.raises(CorpusError, match="has no video"):
        list(BP4D(root).decode("../F001/T1"))


def test_links_that_leave_the_root_are_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (root / "AUCoding/more").symlink_to(tmp_path / "outside")
    with pytest.raises(CorpusError, match="out of the corpus root"):
        BP4D(root)


def test_a_table_of_genders_goes_before_the_letter(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = BP4D(root).fingerprint()
    table = root.parent / "genders.csv"
    table.write_text("person,gender\nBP4D/F001,male\nM009,F\nM010,\n")
    monkeypatch.setenv("AUKIT_BP4D_GENDERS", str(table))
    corpus = BP4D(root)
    genders = corpus.table.frame.groupby("subject")["gender"].first()
    assert genders.to_dict() == {"F001": "male", "F003": "female", "M009": "female", "M010": "male"}
    assert corpus.fingerprint() != before


def test_the_fingerprint_follows_the_files(root: Path, tmp_path: Path) -> None:
    before = BP4D(root).fingerprint()
    copy = Path(shutil.copytree(root, tmp_path / "copy"))
    assert BP4D(copy).fingerprint() == before
    edit(copy / F001_T1, lambda lines: [*lines[:2], lines[2].replace(",1", ",9"), *lines[3:]])
    assert BP4D(copy).fingerprint() != before
    (root / IMAGES / "2442.jpg").rename(root / IMAGES / "2452.jpg")
    assert BP4D(root).fingerprint() != before


def test_the_reader_travels_to_other_processes(root: Path) -> None:
    corpus = pickle.loads(pickle.dumps(BP4D(root)))
    assert len(list(corpus.decode(IMAGES))) == 4


def test_sequence_by_sequence_is_the_whole_table(root: Path) -> None:
    corpus = BP4D(root)
    assert sum(len(t) for t, _ in map(corpus.read, corpus.videos) if t is not None) == len(corpus.table)
    assert [s for videos in corpus.people.values() for s in videos] == corpus.videos


def test_check_compares_with_published_counts_and_tells_no_path(root: Path) -> None:
    report = verify_release(BP4D(root), BP4D_PUBLISHED)
    assert report.ok
    first = report.partitions["P1"]
    assert (first.people, first.female, first.recordings, first.label_rows, first.rows) == (1, 1, 2, 8, 8)
    assert first.occurrence_codes["AU12"] == {0: 4, 1: 4}
    assert report.variants["occurrence, 100 columns by number"] == 3
    assert report.variants["occurrence, header names AUs"] == 2
    assert report.variants["sequences with image names of 3 and 4 digits"] == 1
    assert report.variants["sequences with image names of 4 digits"] == 3
    assert report.published.partitions["P1"].label_rows == 50_631
    assert sum(counts.label_rows for counts in report.published.partitions.values()) == 146_847
    assert report.published.rates["list P3"][12] == pytest.approx(27_806 / 45_687)
    for text in (report.text(), report.to_json()):
        assert str(root) not in text
    assert "50631" in report.text()
    assert json.loads(report.to_json())["ok"] is True


def test_check_goes_on_at_damaged_files(root: Path) -> None:
    edit(root / F001_T1, lambda lines: [*lines[:3], lines[3].replace(",1", ",2"), *lines[4:]])
    report = verify_release(BP4D(root), BP4D_PUBLISHED)
    assert not report.ok
    assert "line 4" in report.problems[0]
    assert str(root) not in report.to_json()
    assert report.partitions["P3"].rows == 4
    assert "HAS PROBLEMS" in report.text()

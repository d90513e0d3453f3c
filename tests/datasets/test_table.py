"""A user's table and folder of images as corpora: what is taken, what is counted, what is refused and how."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from aukit.datasets import Folder, Table, verify_release, with_pair_ids
from aukit.datasets.table_folds import deal
from aukit.datasets.video import encode_video
from aukit.errors import ConfigError, CorpusError, StoreError
from aukit.registration import canonical_face, frontal_template
from aukit.store import prepare_release
from tests.tables import PEOPLE, SIDE, write_table


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_table(tmp_path)
    return tmp_path


def test_rows_become_frames_with_labels_and_attributes(root: Path) -> None:
    table = Table(root).table
    assert len(table) == 24
    assert table.persons == [f"frames/{person}" for person in PEOPLE]
    assert table.attributes == ("light", "path")
    anna = table.select(person="frames/anna").frame
    assert anna["path"].tolist() == [f"faces/anna/{i}.png" for i in range(4)]
    assert anna["AU06_c"].tolist() == [0, 1, 0, 1]
    assert anna["AU12_r"].tolist() == [0, 1, 2, 3]
    assert anna["AU12_c"].tolist() == [0, 0, 1, 1]  # the field's convention: from level 2 on
    assert set(anna["gender"]) == {"male"}


def test_frames_are_those_of_their_rows(root: Path) -> None:
    corpus = Table(root)
    for video in corpus.videos:
        rows = corpus.table.select(video=video).frame.set_index("position")
        for position, image in corpus.decode(video):
            assert image is not None
            number = PEOPLE.index(rows["subject"][position])
            assert image[0, 0, 0] == 30 + 10 * number + rows["AU12_r"][position]


def as_parquet(root: Path) -> Path:
    frame = pd.read_csv(root / "frames.csv").astype({"light": "category", "AU6_c": bool, "AU12_r": float})
    frame.to_parquet(root / "frames.pq")
    return root / "frames.pq"


def as_semicolons(root: Path) -> Path:
    (root / "excel.csv").write_bytes(
        b"\xef\xbb\xbf" + (root / "frames.csv").read_bytes().replace(b",", b";").replace(b"\n", b"\r\n")
    )
    return root / "excel.csv"


def as_excel_declares_it(root: Path) -> Path:
    semicolons = as_semicolons(root).read_bytes()
    (root / "declared.csv").write_bytes(semicolons[:3] + b"sep=;\r\n" + semicolons[3:])
    return root / "declared.csv"


def as_german_excel(root: Path) -> Path:
    """Labels that became decimals by a gap, decimal commas, and rows of empty cells below the last one."""
    frame = pd.read_csv(root / "frames.csv").astype({"AU6_c": float, "AU12_r": float})
    text = frame.to_csv(index=False, sep=";", decimal=",", lineterminator="\r\n")
    assert ";1,0;" in text
    end = ";" * (len(frame.columns) - 1) + "\r\n"
    (root / "deutsch.csv").write_text(text + 3 * end, encoding="utf-8-sig", newline="")
    return root / "deutsch.csv"


def as_capitals(root: Path) -> Path:
    text = (root / "frames.csv").read_text().replace("path,person", "Path,PERSON").replace("AU6_c", "au 06_C")
    (root / "other.tsv").write_text(text.replace(",", "\t"))
    return root / "other.tsv"


def in_another_order(root: Path) -> Path:
    frame = pd.read_csv(root / "frames.csv").sample(frac=1, random_state=0)
    frame.iloc[:, ::-1].to_csv(root / "shuffled.csv")  # with the column of row numbers that pandas writes
    return root / "shuffled.csv"


@pytest.mark.parametrize(
    "write",
    [as_parquet, as_semicolons, as_excel_declares_it, as_german_excel, as_capitals, in_another_order],
)
def test_spellings_of_one_table_are_one_corpus(root: Path, write: Callable[[Path], Path]) -> None:
    expected = Table(root).table.frame
    found = Table(root, write(root)).table.frame
    same = [c for c in expected.columns if c not in ("person", "light")]
    pd.testing.assert_frame_equal(found[same], expected[same])


def cell(column: str, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.astype({column: object})
        frame.loc[2, column] = value
        return frame

    return change


def numbered(first: str, other: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Anna by another id, and in the third row by yet another."""
    return lambda frame: cell("person", other)(frame.replace({"person": {"anna": first}}))


def rename(old: str, new: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda frame: frame.rename(columns={old: new})


def again(**changed: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda frame: pd.concat([frame, frame.iloc[[2]].assign(**changed)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (cell("AU6_c", 2), "row 3, column AU6_c: '2'; expected 0 or 1"),
        (cell("AU12_r", 6), "row 3, column AU12_r: '6'"),
        (cell("AU12_r", 1.37), "'1.37'; expected a whole number 0 to 5"),
        (cell("AU12_r", "50%"), "'50%'"),
        (cell("AU12_r", "1,000"), "'1,000'"),
        (cell("AU12_r", "٣"), "row 3"),
        (cell("AU12_r", 9), "'9'; .* nothing where not coded"),
        (cell("person", None), "row 3, column person: an empty cell; expected an id"),
        (cell("person", "a/b/c"), "row 3, column person"),
        (cell("person", "Anna"), "row 3, column person: 'Anna' is 'anna' of row 1 in another spelling"),
        (cell("person", "frames/anna"), "row 3, column person: 'frames/anna' is 'anna' of row 1"),
        (cell("person", "bp4d/F001"), "row 3, column person: 'bp4d/F001'; write BP4D/ before"),
        (cell("person", "fera2017-Valid/F001"), "row 3.*write FERA2017-valid/ before"),
        (numbered("7", "07"), "row 3, column person: '07' is '7' of row 1"),
        (numbered("7", "7.0"), "row 3, column person: '7.0' is '7' of row 1"),
        (numbered("BP4D/F001", "BP4D/f001"), "row 3.*'BP4D/f001' is 'BP4D/F001' of row 1"),
        (cell("gender", "divers"), "row 3, column gender: 'divers'"),
        (cell("gender", "female"), "row 3.*frames/anna is both female and male"),
        (cell("path", "../secret.png"), "row 3, column path.*without"),
        (cell("path", "/etc/passwd.png"), "row 3, column path"),
        (cell("path", "faces\\anna\\0.png"), "row 3, column path"),
        (cell("path", "clip.mp4"), "row 3, column path.*into the column video"),
        (cell("path", "notes.txt"), "row 3, column path.*expected an image"),
        (cell("path", None), "row 3: has neither a path nor a video"),
        (cell("light", "a\nb"), "row 3, column light.*control characters"),
        (rename("AU6_c", "AU6"), "column 'AU6': is called AU06_c if .*AU06_r if"),
        (rename("AU6_c", "AU6_occ"), "AU06_c"),
        (rename("AU6_c", "6"), "AU06_c"),
        (rename("AU6_c", "AU12_R"), "both are AU12_r"),
        (rename("AU6_c", "AU77_c"), "no action unit 77"),
        (rename("person", "subject"), "column 'subject': is a word with another meaning"),
        (rename("person", "participant"), "no column person"),
        (rename("path", "file"), "neither a column path .* nor video and frame"),
        (again(light="other"), "row 25: faces/anna/2.png is labelled otherwise in row 3"),
        (lambda frame: frame.iloc[:0], "no row"),
        (lambda frame: frame.assign(view="left"), "row 1, column view: 'left'"),
        (
            lambda frame: frame.assign(partition=["train", *["test"] * 23]),
            "row 2, column partition: person anna is 'test' here and 'train' in row 1",
        ),
    ],
)
def test_what_is_wrong_is_named_by_row_and_column(
    root: Path, change: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    change(pd.read_csv(root / "frames.csv")).to_csv(root / "frames.csv", index=False)
    with pytest.raises(CorpusError, match=message) as error:
        _ = Table(root).table
    assert str(error.value).startswith(str(root / "frames.csv"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "names no column"),
        (b"path,person\n", "no row"),
        (b"path,path,person\na.png,a.png,1\n", "'path' twice"),
        (b"path,person\na.png,1\nb.png\n", "line 3"),
        (b"sep=,\npath,person\na.png,1\nb.png\n", "line 4"),
        (b"sep=,\n", "names no column"),
        (b'path,person\n"a.png,1\n', "cannot be read as a table"),
        (b"path,person\n\xe9.png,1\n", "save it as UTF-8, which spreadsheets call CSV UTF-8"),
        (b"path,person,plac\xe9\na.png,1,a\n", "save it as UTF-8, which spreadsheets call CSV UTF-8"),
        (b"path,person\n,\n,\n", "no row"),
        ("path,person\na.png,1\n".encode("utf-16"), "UTF-16"),
        (b"path,person\na\0.png,1\n", "row 1, column path"),
        (bytes(range(256)) * 8, "cannot be read as a table"),
    ],
)
def test_damaged_csv_files_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "frames.csv").write_bytes(content)
    with pytest.raises(CorpusError, match=message):
        Table(tmp_path)


def test_an_id_with_an_accent_is_one_person_however_it_is_composed(root: Path) -> None:
    whole, apart = "Jos\N{LATIN SMALL LETTER E WITH ACUTE}", "Jose\N{COMBINING ACUTE ACCENT}"
    frame = pd.read_csv(root / "frames.csv").replace({"person": {"anna": whole}})
    frame = frame.assign(partition="train", gender=None)
    cell("person", apart)(frame).to_csv(root / "frames.csv", index=False)
    (root / "genders.csv").write_text(f"person,gender\n{apart},male\n", encoding="utf-8")
    corpus = Table(root, folds=6)
    jose = corpus.table.select(person=f"frames/{whole}").frame
    assert len(corpus.table.persons) == len(PEOPLE)
    assert len(jose) == 4
    assert set(jose["gender"]) == {"male"}


def test_damaged_and_odd_parquet_files_are_named(root: Path) -> None:
    frame = pd.read_csv(root / "frames.csv")
    odd = pa.Table.from_pandas(frame).append_column("boxes", pa.array([[1, 2]] * len(frame)))
    pq.write_table(odd, root / "odd.parquet")
    with pytest.raises(CorpusError, match=r"column 'boxes' holds list.* leave it out"):
        Table(root, root / "odd.parquet")
    (root / "cut.parquet").write_bytes((root / "odd.parquet").read_bytes()[:-30])
    with pytest.raises(CorpusError, match="cannot be read as a table"):
        Table(root, root / "cut.parquet")
    (root / "frames.xlsx").write_bytes(b"PK")
    with pytest.raises(CorpusError, match=r"frames\.xlsx: is called neither .*; save it as CSV"):
        Table(root, root / "frames.xlsx")
    with pytest.raises(CorpusError, match="no such table"):
        Table(root, root / "nothing.csv")


def test_a_cell_that_says_nothing_is_no_value_of_an_attribute(root: Path) -> None:
    """R writes NA where pandas writes nothing: nobody is of a fold or in a light of that name."""
    cell("light", "NA")(pd.read_csv(root / "frames.csv")).to_csv(root / "frames.csv", index=False)
    assert Table(root).table.frame["light"].isna().sum() == 1
    with pytest.raises(ConfigError, match="leaves it open for frames/anna"):
        _ = Table(root, folds="light").table


def test_a_column_that_may_be_one_of_another_name_is_asked_about(root: Path) -> None:
    rename("gender", "Sex")(pd.read_csv(root / "frames.csv")).to_csv(root / "frames.csv", index=False)
    assert "columns kept as attributes: Sex, light; is Sex meant to be gender?" in Table(root).notes
    frame = pd.read_csv(root / "frames.csv").assign(gender="female")
    frame.to_csv(root / "frames.csv", index=False)
    assert "columns kept as attributes: Sex, light" in Table(root).notes


def test_missing_images_and_repeated_rows_are_counted(root: Path) -> None:
    again()(pd.read_csv(root / "frames.csv")).to_csv(root / "frames.csv", index=False)
    (root / "faces/anna/1.png").unlink()
    (root / "faces/bea/0.png").write_bytes(b"no image")
    corpus = Table(root)
    assert len(corpus.table) == 23
    assert [(e.video, e.reason) for e in corpus.exclusions] == [
        ("faces/anna/1.png", "listed, but there is no such image")
    ]
    assert any(note.startswith("1 rows say again") for note in corpus.notes)
    assert [image is None for _, image in corpus.decode("faces/bea")] == [True, False, False, False]
    report = verify_release(corpus, deep=True)
    assert report.ok
    assert report.partitions["all"].rows == 22
    for folder in root.glob("faces/*"):
        folder.rename(folder.with_name(f"{folder.name}-away"))
    with pytest.raises(CorpusError, match=r"not a single usable frame.*first: faces/anna/0\.png"):
        _ = Table(root).table


def test_a_link_that_leads_out_of_the_root_is_refused(root: Path, tmp_path_factory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "0.png"
    Image.new("RGB", (8, 8)).save(outside)
    (root / "faces/anna/0.png").unlink()
    (root / "faces/anna/0.png").symlink_to(outside)
    with pytest.raises(CorpusError, match="leads out of the corpus root"):
        _ = Table(root).table
    assert len(Table(root, follow_links=True).table) == 24


def test_one_folder_of_many_people_is_as_good_as_a_folder_each(root: Path) -> None:
    frame = pd.read_csv(root / "frames.csv")
    flat = frame["path"].str.replace("/", "_").str.replace("faces_", "")
    for old, new in zip(frame["path"], flat, strict=True):
        (root / old).rename(root / new)
    frame.assign(path=flat).to_csv(root / "frames.csv", index=False)
    corpus = Table(root)
    assert len(corpus.videos) == len({corpus.title(video) for video in corpus.videos}) == 6
    assert corpus.table.frame.groupby("video")["person"].nunique().eq(1).all()
    assert len(list(corpus.decode(corpus.videos[0]))) == 4


def videos(root: Path, first: int, frames: int = 5, rows: int = 5) -> Path:
    encode_video(root / "clip.mp4", [np.full((32, 48, 3), 20 * i, np.uint8) for i in range(frames)], fps=5)
    numbers = range(first, first + rows)
    table = pd.DataFrame({"video": "clip.mp4", "frame": numbers, "person": "BP4D/F001", "AU12_r": 1})
    table.to_csv(root / "frames.csv", index=False)
    return root


def test_frames_of_a_video_are_counted_from_0_or_from_1_as_is_said(tmp_path: Path) -> None:
    assert Table(videos(tmp_path, 0)).table.frame["position"].tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(CorpusError, match="from 0 or from 1; say which: --first-frame"):
        Table(videos(tmp_path, 1))
    frame = Table(tmp_path, first_frame=1).table.frame
    assert frame["position"].tolist() == [0, 1, 2, 3, 4]
    assert frame["frame"].tolist() == [1, 2, 3, 4, 5]
    assert set(frame["person"]) == {"BP4D/F001"}  # a person that another corpus shows too
    counted = Table(tmp_path, first_frame=0)
    assert len(counted.table) == 4
    assert [e.reason for e in counted.exclusions] == ["listed, but the video ends before this frame"]
    with pytest.raises(CorpusError, match=r"clip\.mp4 has a frame 0, but frames are to be counted from 1"):
        Table(videos(tmp_path, 0), first_frame=1)


def test_a_table_that_a_spreadsheet_may_have_cut_is_noted(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for rows, noted in ((25, True), (24, False), (26, False)):
        monkeypatch.setattr("aukit.datasets.table.SPREADSHEET_ROWS", rows)
        assert any("as many as spreadsheets hold" in note for note in Table(root).notes) == noted


def test_views_in_one_folder_have_rows_of_their_own(root: Path) -> None:
    frame = pd.read_csv(root / "frames.csv")
    frame.assign(view=[number % 4 > 0 for number in frame.index]).astype({"view": int}).to_csv(
        root / "frames.csv", index=False
    )
    corpus = Table(root)
    assert len(corpus.videos) == 2 * len(PEOPLE)
    labels = [corpus.labels(recording) for recording, _ in corpus.recordings.values()]
    assert [len(each.positions) for each in labels if each is not None] == [1, 3] * len(PEOPLE)
    report = verify_release(corpus)
    assert report.partitions["all"].label_rows == len(frame)
    assert not any("label rows have a frame" in finding for finding in report.findings)


def test_videos_that_are_counted_otherwise_than_each_other_are_told(tmp_path: Path) -> None:
    other = pd.read_csv(videos(tmp_path, 1) / "frames.csv").assign(video="other.mp4", person="b")
    table = pd.concat([pd.read_csv(videos(tmp_path, 0) / "frames.csv"), other])
    table.to_csv(tmp_path / "frames.csv", index=False)
    (tmp_path / "other.mp4").write_bytes((tmp_path / "clip.mp4").read_bytes())
    with pytest.raises(CorpusError, match=r"other\.mp4 has 5 frames .* frames 1 to 5, .* --first-frame 0"):
        _ = Table(tmp_path).table
    said = Table(tmp_path, first_frame=0)
    assert [(e.video, e.position) for e in said.exclusions] == [("other.mp4", 5)]
    table[table["frame"] != 5].to_csv(tmp_path / "frames.csv", index=False)
    assert len(Table(tmp_path).table) == 9  # its first frame may have no row


def test_a_thousand_as_spreadsheets_write_it_is_no_frame_1(tmp_path: Path) -> None:
    frame = pd.read_csv(videos(tmp_path, 0) / "frames.csv", dtype=str)
    frame.loc[4, "frame"] = "1.000"
    frame.to_csv(tmp_path / "frames.csv", index=False)
    with pytest.raises(CorpusError, match=r"row 5, column frame: '1\.000' may be frame 1000.*or frame 1;"):
        Table(tmp_path)
    frame["frame"] = [f"{number}.000" for number in range(5)]  # as programs write all of them
    frame.to_csv(tmp_path / "frames.csv", index=False)
    assert Table(tmp_path).table.frame["position"].tolist() == [0, 1, 2, 3, 4]


def test_people_of_one_folder_are_stores_of_their_own(root: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(root / "frames.csv")
    flat = frame["path"].str.replace("/", "_")
    for old, new in zip(frame["path"], flat, strict=True):
        (root / old).rename(root / new)
    frame.assign(path=flat).to_csv(root / "frames.csv", index=False)
    pair = [f"frames/{person}" for person in PEOPLE[:2]]
    for person in pair:
        corpus = Table(root, persons=[person])
        store = prepare_release(corpus, tmp_path / "stores", "none", SIDE, workers=0)
        assert store.table.persons == [person]
    same = {Table(root, persons=order).fingerprint() for order in (pair, pair[::-1])}
    assert len(same) == 1  # in whatever order they are named


def test_landmarks_come_from_a_table_or_a_folder(root: Path) -> None:
    expected = Table(root, landmarks=root / "landmarks.csv").sidecar_landmarks("faces/anna")
    assert expected.shape == (4, 68, 3)
    assert np.isfinite(expected[..., :2]).all()
    assert np.isnan(expected[..., 2]).all()  # no depth is given
    for i in range(3):  # and none of the last image
        path = root / f"Landmarks/faces/anna/{i}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, expected[i, :, :2])
    found = Table(root).sidecar_landmarks("faces/anna")
    np.testing.assert_array_equal(found[:3], expected[:3])
    assert np.isnan(found[3]).all()
    assert Table(root, landmarks=root / "landmarks.csv").fingerprint() != Table(root).fingerprint()


def test_rows_of_a_tracker_are_those_of_the_images_that_are_listed(root: Path) -> None:
    (root / "faces/anna/1.png").unlink()
    Image.new("RGB", (8, 8)).save(root / "faces/anna/other.png")
    corpus = Table(root)
    rows = corpus.tracker_rows("faces/anna", np.array([2, 3]))
    assert rows.numbers.tolist() == [0, 2, 3]
    assert rows.places.tolist() == [1, 2]
    assert rows.images == {"0.png": 0, "2.png": 1, "3.png": 2}
    assert [order.tolist() for order in rows.orders] == [[0, 1, 2]]


def test_a_folder_of_other_landmarks_is_no_folder_of_frames_without_a_face(root: Path) -> None:
    (root / "Landmarks/faces").mkdir(parents=True)
    (root / "Landmarks/faces/anna.csv").write_text("frame,success\n1,1\n")
    with pytest.raises(CorpusError, match=r"Landmarks: holds no \.npy; .*one table of all"):
        Table(root).sidecar_landmarks("faces/anna")


MIRRORED = "landmarks of a mirror image: x and y, left and right, or the sign of z are exchanged"


@pytest.mark.parametrize(
    ("registration", "axes", "reason"),
    [
        ("none", "xy", r"frames of 32 x 32 pixels are no crops of 24 x 24"),
        ("frontal3d", "xy", "landmarks without depth, which frontal3d needs"),
        ("similarity", "yx", MIRRORED),
        ("frontal3d", "xyz", MIRRORED),  # away from the viewer
    ],
)
def test_a_frame_that_cannot_be_registered_says_why(
    root: Path, registration: str, axes: str, reason: str
) -> None:
    points = np.concatenate([frontal_template(SIDE), -10 * canonical_face().landmarks[:, 2:]], 1)
    values = {f"{axis}{n}": points[n, place] for place, axis in enumerate(axes) for n in range(68)}
    paths = pd.read_csv(root / "frames.csv")[["path"]]
    paths.join(pd.DataFrame(values, index=paths.index)).to_csv(root / "landmarks.csv", index=False)
    corpus = Table(root, landmarks=root / "landmarks.csv")
    with pytest.raises(StoreError, match=reason):
        prepare_release(corpus, root / "stores", registration, 24, workers=0)


def test_landmarks_are_found_by_the_same_names_as_frames(root: Path) -> None:
    expected = Table(root, landmarks=root / "landmarks.csv").sidecar_landmarks("faces/anna")
    for name in ("frames.csv", "landmarks.csv"):
        text = (root / name).read_text()
        (root / name).write_text(text.replace("faces/anna", "./faces//anna"))
    corpus = Table(root, landmarks=root / "landmarks.csv")
    np.testing.assert_array_equal(corpus.sidecar_landmarks("faces/anna"), expected)


def test_pixels_of_a_table_of_openface_are_not_its_millimetres(root: Path) -> None:
    """It calls pixels x_0 and millimetres X_0; a row without success has points anywhere."""
    marks = canonical_face().landmarks
    of = {"x": 40 * marks[:, 0] + 9, "y": 40 * marks[:, 1] + 7}
    of |= {"X": 60 * marks[:, 0] + 1, "Y": 60 * marks[:, 1] + 2, "Z": 500 - 60 * marks[:, 2]}
    row = {f"{axis}_{n}": values[n] for axis, values in of.items() for n in range(68)}
    paths = [f"faces/anna/{i}.png" for i in range(3)]
    table = pd.DataFrame([{"path": path, "success": path != paths[1], **row} for path in paths])
    table.astype({"success": int}).to_csv(root / "openface.csv", index=False)
    found = Table(root, landmarks=root / "openface.csv").sidecar_landmarks("faces/anna")
    expected = 40 * marks + [9, 7, -40 * marks[:, 2].mean()]
    np.testing.assert_allclose(found[[0, 2]], np.stack([expected, expected]), atol=1e-3)
    assert np.isnan(found[1]).all()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("x17", "nose", "no column x17"),
        ("x17", "x_16", "the columns x16 and x_16 are the same"),
        ("path", "image", "does not say which frames"),
        ("faces/anna/1.png", "faces/anna/0.png", r"row 1: faces/anna/0\.png has row 2 too"),
        (",1", ",one", "line 2"),
    ],
)
def test_damaged_landmarks_are_named(root: Path, old: str, new: str, message: str) -> None:
    path = root / "landmarks.csv"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(CorpusError, match=message):
        Table(root, landmarks=path).sidecar_landmarks("faces/anna")


def test_landmarks_of_a_video_are_of_all_its_frames(tmp_path: Path) -> None:
    root = videos(tmp_path, 0, rows=3)
    points = np.arange(5 * 68 * 2, dtype=np.float32).reshape(5, 68, 2)
    (root / "Landmarks").mkdir()
    for whole in (points, points[:3]):  # five frames, of which the first three are listed
        np.save(root / "Landmarks/clip.npy", whole)
        found = Table(root, first_frame=0).sidecar_landmarks("clip.mp4")
        np.testing.assert_array_equal(found[..., :2], points[:3])
    for rows in (points[:2], points[:4], np.concatenate([points, points[:1]])):
        np.save(root / "Landmarks/clip.npy", rows)
        with pytest.raises(CorpusError, match=rf"clip\.npy: {len(rows)} rows, but .* has 3 or 5 frames"):
            Table(root, first_frame=0).sidecar_landmarks("clip.mp4")


def test_a_file_of_landmarks_that_two_images_share_is_of_neither(root: Path) -> None:
    (root / "Landmarks/faces/anna").mkdir(parents=True)
    np.save(root / "Landmarks/faces/anna/0.npy", np.ones((68, 2), np.float32))
    assert np.isfinite(Table(root).sidecar_landmarks("faces/anna")[0, :, :2]).all()
    Image.new("RGB", (8, 8)).save(root / "faces/anna/0.jpg")
    frame = pd.read_csv(root / "frames.csv")
    again(path="faces/anna/0.jpg", person="gast")(frame).to_csv(root / "frames.csv", index=False)
    for corpus in (Table(root), Table(root, persons=["frames/anna"]), Folder(root)):
        with pytest.raises(
            CorpusError, match=r"anna/0\.npy: may be about faces/anna/0\.\w+ or .*; rename one of them"
        ):
            corpus.sidecar_landmarks(corpus.videos[0])
    named = Table(root, landmarks=root / "landmarks.csv")
    assert np.isfinite(named.sidecar_landmarks(named.videos[0])[0, :, :2]).all()


def test_a_file_of_landmarks_that_two_videos_share_is_of_neither(tmp_path: Path) -> None:
    root = videos(tmp_path, 0)
    (root / "clip.avi").write_bytes((root / "clip.mp4").read_bytes())
    (root / "Landmarks").mkdir()
    np.save(root / "Landmarks/clip.npy", np.ones((5, 68, 2), np.float32))
    frame = pd.read_csv(root / "frames.csv")
    pd.concat([frame, frame.assign(video="clip.avi")]).to_csv(root / "frames.csv", index=False)
    with pytest.raises(CorpusError, match=r"clip\.npy: may be about clip\.mp4 or about clip\.avi"):
        Table(root).sidecar_landmarks("clip.mp4")


def test_pair_ids_of_images_do_not_depend_on_other_rows(root: Path) -> None:
    frame = pd.read_csv(root / "frames.csv")
    before = with_pair_ids(Table(root).table).frame.set_index("path")["pair_id"]
    frame.drop(index=1).to_csv(root / "frames.csv", index=False)
    after = with_pair_ids(Table(root).table).frame.set_index("path")["pair_id"]
    pd.testing.assert_series_equal(after, before.drop("faces/anna/1.png"))
    assert after["faces/anna/2.png"] == "table/all/anna/faces/anna/0/faces/anna/2.png"


def test_pair_ids_of_videos_have_the_numbers_of_frames(tmp_path: Path) -> None:
    table = with_pair_ids(Table(videos(tmp_path, 1), first_frame=1).table)
    assert table.frame["pair_id"].iloc[0] == "table/all/BP4D-F001/clip/0/1"


def points_of(root: Path, frames: range, video: str = "clip.mp4") -> pd.DataFrame:
    """A table of landmarks about frames of a video; points of frame i are i."""
    names = [f"{axis}{n}" for axis in "xy" for n in range(68)]
    table = pd.DataFrame(np.array(frames)[:, None].repeat(len(names), 1), columns=names)
    table.insert(0, "frame", frames)
    table.insert(0, "video", video)
    table.to_csv(root / "points.csv", index=False)
    return table


@pytest.mark.parametrize(
    ("rows", "said", "frames", "message"),
    [
        (0, None, range(5), None),
        (0, 0, range(1, 5), None),  # who says 0 says it of both tables
        (1, 1, range(2, 6), None),
        (0, None, range(1, 6), "no row has frame 0 of a video.*number them as the list does"),
        (0, None, range(1, 5), "no row has frame 0 of a video"),  # from 1, and no face in the last frame
        (0, 0, range(1, 6), r"has frames 1 to 5 of clip\.mp4, whose frames are 0 to 4"),
        (1, 1, range(5), r"has a frame 0 of clip\.mp4, but frames are counted from 1"),
    ],
)
def test_landmarks_in_a_table_are_counted_as_the_list_is(
    tmp_path: Path, rows: int, said: Literal[0, 1] | None, frames: range, message: str | None
) -> None:
    root = videos(tmp_path, rows, rows=3)
    points_of(root, frames)
    corpus = Table(root, first_frame=said, landmarks=root / "points.csv")
    if message is None:
        expected = [i if i in frames else np.nan for i in range(rows, rows + 3)]
        np.testing.assert_array_equal(corpus.sidecar_landmarks("clip.mp4")[:, 0, 0], expected)
    else:
        with pytest.raises(CorpusError, match=message):
            corpus.sidecar_landmarks("clip.mp4")


@pytest.mark.parametrize("write", [pd.DataFrame.to_parquet, lambda t, path: t.to_csv(path, index=False)])
def test_landmarks_of_images_and_videos_may_be_in_one_table(
    tmp_path: Path, write: Callable[[pd.DataFrame, Path], None]
) -> None:
    root = videos(tmp_path, 0)
    Image.new("RGB", (8, 8)).save(root / "face.png")
    frame = pd.read_csv(root / "frames.csv")
    face = pd.DataFrame([{"path": "face.png", "person": "a", "AU12_r": 1}])
    pd.concat([frame, face]).to_csv(root / "frames.csv", index=False)
    both = pd.concat([points_of(root, range(5)), face[["path"]].assign(x0=7.0)], ignore_index=True)
    path = root / ("points.parquet" if write is pd.DataFrame.to_parquet else "points.csv")
    write(both, path)
    corpus = Table(root, landmarks=path)
    assert corpus.sidecar_landmarks("clip.mp4")[:, 0, 0].tolist() == [0, 1, 2, 3, 4]
    (folder,) = set(corpus.videos) - {"clip.mp4"}
    assert corpus.sidecar_landmarks(folder)[0, 0, 0] == 7
    write(both.assign(path=None), path)
    with pytest.raises(CorpusError, match=r"row 6: has neither a path nor a video"):
        Table(root, landmarks=path).sidecar_landmarks("clip.mp4")


def test_how_landmarks_are_counted_is_told_by_all_videos_of_their_table(tmp_path: Path) -> None:
    root = videos(tmp_path, 1, rows=3)
    other = points_of(root, range(2), "other.mp4")
    pd.concat([points_of(root, range(1, 5)), other]).to_csv(root / "points.csv", index=False)
    with pytest.raises(CorpusError, match=r"has a frame 0 of other\.mp4, but frames are counted from 1"):
        Table(root, first_frame=1, landmarks=root / "points.csv").sidecar_landmarks("clip.mp4")


def people(count: int) -> pd.DataFrame:
    genders = ["female" if i % 2 else "male" for i in range(count)]
    frame = pd.DataFrame({"subject": [f"p{i}" for i in range(count)], "gender": genders})
    return frame.assign(person="t/" + frame["subject"])


def test_people_are_dealt_into_folds_whatever_their_order() -> None:
    frame = people(20)
    dealt = deal(frame, 5, "t.csv")
    assert dealt == deal(frame, "5", "t.csv")
    assert dealt.people == deal(frame.sample(frac=1, random_state=1), 5, "t.csv").people
    assert np.bincount(list(dealt.people.values())).tolist() == [4] * 5
    assert dealt.words()[0] == "fold=0 tests 4 people, 2 female, 2 male"
    renamed = deal(frame.assign(person="other/" + frame["subject"]), 5, "other.csv").people
    assert renamed == {p.replace("t/", "other/"): fold for p, fold in dealt.people.items()}


def test_a_column_names_the_folds_and_divides_nobody() -> None:
    frame = people(4).assign(site=["10", "9", "10", "9"])
    dealt = deal(frame, "site", "t.csv")
    assert dealt.names == ("9", "10")  # by size
    assert dealt.of_rows(["t/p0", "t/p1"]).tolist() == [1, 0]
    for change, message in (
        (pd.concat([frame, frame.iloc[[0]].assign(site="9")]), r"has t/p0 in 10, 9; a person is in one fold"),
        (frame.assign(site=["10", None, "10", "9"]), "leaves it open for t/p1"),
        (frame.drop(columns="site"), "no such column"),
    ):
        with pytest.raises(ConfigError, match=message):
            deal(change, "site", "t.csv")
    with pytest.raises(ConfigError, match="4 people; give 2 to 4 folds"):
        deal(frame, 5, "t.csv")


def test_a_folder_of_images_is_a_corpus_without_labels(root: Path) -> None:
    Image.new("RGB", (20, 10)).save(root / "portrait.webp")
    Image.new("RGB", (20, 10)).save(root / "saved.jfif", "JPEG")
    (root / "old.gif").write_bytes(b"GIF89a")
    folder = Folder(root, landmarks=root / "landmarks.csv")
    paths = folder.table.frame["path"].tolist()
    assert len(paths) == 26
    assert {"portrait.webp", "saved.jfif", "faces/anna/0.png"} <= set(paths)
    assert folder.table.occurrence_aus == folder.table.intensity_aus == ()
    assert "1 images of other formats" in folder.notes[0]
    with pytest.raises(CorpusError, match=r"nothing: no such folder; correct root$"):
        Folder(root / "nothing")  # nobody renders a stand-in of it
    (root / "empty").mkdir()
    with pytest.raises(CorpusError, match="holds no image"):
        Folder(root / "empty")

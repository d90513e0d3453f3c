from pathlib import Path

import numpy as np
import pytest

from aukit.datasets import FGNetLists
from aukit.errors import CorpusError
from tests.releases import edit, fgnet_lists

TRAIN = "BP4D/labels/0/train.csv"
F003 = "BP4D/aligned_images/F003/T1"
M009 = "BP4D/aligned_images/M009/T8"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return fgnet_lists(tmp_path / "data")


def test_the_table_holds_all_folds_and_lists_keep_their_order(root: Path) -> None:
    corpus = FGNetLists(root, "bp4d")
    frame = corpus.table.frame
    assert len(frame) == 6
    assert corpus.exclusions == []
    assert corpus.aus == (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
    assert frame["person"].unique().tolist() == ["BP4D/F001", "BP4D/F003", "BP4D/M009"]
    assert frame["partition"].tolist() == ["P1", "P1", "P2", "P2", "P3", "P3"]
    assert frame["gender"].tolist() == ["female"] * 4 + ["male"] * 2
    assert corpus.table.occurrences((1, 2))[:2].tolist() == [[0, 1], [1, 0]]
    assert corpus.frames(0, "train.csv") == [(F003, 11), (F003, 12), (M009, 11), (M009, 12)]
    assert corpus.frames(1, "train.csv")[:1] == [(M009, 11)]
    assert corpus.frames(0, "train_100.csv") == [(M009, 11), (F003, 11)]
    assert corpus.frames(1, "test.csv") == [(F003, 11), (F003, 12)]


def test_images_and_landmarks_are_those_of_the_preprocessing(root: Path) -> None:
    corpus = FGNetLists(root, "disfa")
    video = "DISFA/aligned_images/SN001"
    assert [n for n, image in corpus.decode(video) if image is not None and image.shape == (32, 32, 3)] == [
        11,
        12,
    ]
    assert corpus.has_sidecar
    points = corpus.sidecar_landmarks(video)
    assert points.shape == (13, 68, 3)
    assert (points[11, :, :2] == 11).all()
    assert np.isnan(points[:11]).all()
    assert np.isnan(points[..., 2]).all()
    assert corpus.table.frame["task"].eq("S1").all()
    assert corpus.table.frame["gender"].isna().all()


def test_label_9_becomes_nan(root: Path) -> None:
    for path in root.glob("BP4D/labels/*/t*.csv"):
        edit(path, lambda lines: [line.replace("00011.jpg,0", "00011.jpg,9") for line in lines])
    table = FGNetLists(root, "bp4d").table
    assert np.isnan(table.occurrences((1,))[:, 0]).tolist() == [True, False] * 3


def test_missing_images_and_landmarks_are_counted_exclusions(root: Path) -> None:
    (root / F003 / "00011.jpg").unlink()
    (root / "BP4D/aligned_landmarks/F003/T1/00012.npy").unlink()
    corpus = FGNetLists(root, "bp4d")
    assert [(e.video, e.position, e.reason) for e in corpus.exclusions] == [
        (F003, 11, "listed, but there is no such image"),
        (F003, 12, "listed, but there are no landmarks"),
    ]
    assert len(corpus.table) == 4
    assert next(iter(corpus.decode(F003)))[0] == 12


def test_landmarks_named_after_the_whole_file_name_are_found(root: Path) -> None:
    folder = root / "BP4D/aligned_landmarks/F003/T1"
    for path in list(folder.iterdir()):
        path.rename(path.with_name(f"{path.stem}.jpg.npy"))
    corpus = FGNetLists(root, "bp4d")
    assert corpus.exclusions == []
    assert (corpus.sidecar_landmarks(F003)[12, :, 0] == 12).all()


def test_without_any_image_it_says_so(root: Path) -> None:
    for path in root.rglob("*.jpg"):
        path.unlink()
    with pytest.raises(CorpusError, match=r"not a single usable frame.*no such image"):
        _ = FGNetLists(root, "bp4d").table


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [lines[0], lines[1][:-1] + "2", *lines[2:]], r"train.csv, line 2: label '2'"),
        (lambda lines: [lines[0], lines[1] + ",1", *lines[2:]], r"train.csv, line 2: 14 columns"),
        (lambda lines: [*lines, lines[1]], r"train.csv, line 6: .*00011.jpg is listed twice"),
        (lambda lines: [lines[0].replace("au1,", "au3,"), *lines[1:]], r"line 1: the action units are"),
        (lambda lines: [f"{lines[0]},AU1", *(f"{x},1" for x in lines[1:])], r"line 1: AU 1 has two columns"),
        (lambda lines: [f"1,{lines[0]}", *(f"1,{x}" for x in lines[1:])], r"line 1: AU 1 has two columns"),
        (lambda lines: [lines[0].replace("au1,", "au1_c,"), *lines[1:]], r"the column 'au1_c' is no action"),
        (lambda lines: [lines[0].replace("image_path", "x"), *lines[1:]], r"line 1: no column image_path"),
        (lambda lines: [x.replace("BP4D/al", "../al") for x in lines], r"line 2: image_path '\.\./"),
        (lambda lines: [x.replace("BP4D/al", "/etc/al") for x in lines], r"out of the corpus root"),
        (lambda lines: [x.replace("F003", "F001") for x in lines], r"line 2: F001 is not of P2 or P3"),
        (lambda lines: [x.replace("11.jpg,0", "11.jpg,1") for x in lines], r"labelled otherwise elsewhere"),
        (lambda lines: lines[:1], r"train.csv, line 1: .*no row"),
    ],
)
def test_damaged_lists_are_errors_with_file_and_line(root: Path, change, message: str) -> None:
    edit(root / TRAIN, change)
    with pytest.raises(CorpusError, match=message):
        FGNetLists(root, "bp4d")


def test_damaged_landmarks_and_images(root: Path) -> None:
    path = root / "BP4D/aligned_landmarks/F003/T1/00011.npy"
    np.save(path, np.zeros((66, 2)))
    with pytest.raises(CorpusError, match=r"00011.npy: float64 \(66, 2\)"):
        FGNetLists(root, "bp4d").sidecar_landmarks(F003)
    np.save(path, np.array([{}]), allow_pickle=True)
    with pytest.raises(CorpusError, match="cannot be read"):
        FGNetLists(root, "bp4d").sidecar_landmarks(F003)
    (root / F003 / "00011.jpg").write_bytes(b"no image")
    assert [(n, image is None) for n, image in FGNetLists(root, "bp4d").decode(F003)] == [
        (11, True),
        (12, False),
    ]


def test_a_folder_without_lists_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"holds no BP4D/labels/0/train.csv"):
        FGNetLists(tmp_path, "bp4d")


def test_the_fingerprint_follows_lists_images_and_landmarks(root: Path) -> None:
    before = FGNetLists(root, "bp4d").fingerprint()
    assert FGNetLists(root, "disfa").fingerprint() != before
    (root / "BP4D/aligned_landmarks/F003/T1/00012.npy").unlink()
    after = FGNetLists(root, "bp4d").fingerprint()
    assert after != before
    (root / F003 / "00011.jpg").unlink()
    assert FGNetLists(root, "bp4d").fingerprint() != after

"""The lists of JAA-Net and ME-GraphAU: pairs of text files beside images."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aukit.datamodules import JAANetListsDataModule, MEGraphAUListsDataModule
from aukit.datasets import FrameLists, JAANetLists, MEGraphAULists
from aukit.errors import ConfigError, CorpusError
from aukit.training import execute, load_config
from tests.datamodules.test_folds import add_sidecar
from tests.releases import BP4D_AUS, PARTS, edit, jaanet_lists, megraphau_lists

AUS = {"bp4d": BP4D_AUS, "disfa": (1, 2, 4, 6, 9, 12, 25, 26)}
KINDS = {
    "jaanet": (jaanet_lists, JAANetLists, JAANetListsDataModule),
    "megraphau": (megraphau_lists, MEGraphAULists, MEGraphAUListsDataModule),
}
TEST_P1 = {
    "jaanet": ("list/BP4D_part1_path.txt", "list/BP4D_part1_AUoccur.txt"),
    "megraphau": ("BP4D/list/BP4D_test_img_path_fold3.txt", "BP4D/list/BP4D_test_label_fold3.txt"),
}
F001 = {"jaanet": "imgs/BP4D/F001/T1", "megraphau": "BP4D/img/F001/T1"}


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def root(kind: str, tmp_path: Path) -> Path:
    return KINDS[kind][0](tmp_path / "data")


def read(kind: str, root: Path, corpus: str = "bp4d", **places: object) -> FrameLists:
    return KINDS[kind][1](root, corpus, **places)


@pytest.mark.parametrize("corpus", ["bp4d", "disfa"])
def test_labels_belong_to_the_image_of_their_line(kind: str, root: Path, corpus: str) -> None:
    lists = read(kind, root, corpus)
    parts, aus, numbers = PARTS[corpus.upper()]
    frame = lists.table.frame
    assert lists.exclusions == []
    assert lists.aus == AUS[corpus] == aus
    assert frame["partition"].tolist() == [f"P{part}" for part in (1, 1, 2, 2, 3, 3)] or corpus == "disfa"
    assert frame["position"].tolist() == list(numbers) * 3
    expected = [[(n + au) % 2 for au in aus] for n in numbers] * 3
    np.testing.assert_array_equal(lists.table.occurrences(aus), expected)
    for video in lists.videos:
        for number, image in lists.decode(video):
            assert abs(int(image.mean()) - (40 + number % 160)) <= 1
    persons = {where.split("/")[0] for where in parts.values()}
    assert {name.split("/")[1] for name in lists.table.persons} == persons


@pytest.mark.parametrize("fold", [0, 1, 2])
def test_a_fold_tests_its_part_and_trains_on_the_others(kind: str, root: Path, fold: int) -> None:
    lists = read(kind, root)
    parts, _, numbers = PARTS["BP4D"]
    of = {name: lists.frames(fold, name) for name in ("test", "train")}
    assert [video[-7:] for video, _ in of["test"]] == [parts[fold + 1]] * 2
    others = [parts[part] for part in parts if part != fold + 1]
    assert [video[-7:] for video, _ in of["train"]] == [where for where in others for _ in numbers]


def test_codes_9_and_minus_1_are_not_coded(kind: str, root: Path) -> None:
    before = read(kind, root).table.occurrences(BP4D_AUS)
    for path in root.rglob("*"):
        if path.is_file() and ("AUoccur" in path.name or "_label_" in path.name) and "BP4D" in path.name:
            edit(path, lambda lines: [f"9 -1 {line.split(' ', 2)[2]}" for line in lines])
    after = read(kind, root).table.occurrences(BP4D_AUS)
    assert np.isnan(after[:, :2]).all()
    np.testing.assert_array_equal(after[:, 2:], before[:, 2:])


def test_numbers_as_numpy_writes_them_are_read(kind: str, root: Path) -> None:
    before = read(kind, root).table.frame
    for path in root.rglob("*.txt"):
        if "AUoccur" in path.name or "_label_" in path.name:
            np.savetxt(path, np.loadtxt(path), delimiter="\t")
    assert read(kind, root).table.frame.equals(before)


def test_images_are_found_by_number_and_missing_ones_are_counted(kind: str, root: Path) -> None:
    folder = root / F001[kind]
    (folder / "0098.jpg").rename(folder / "00098.jpg")
    (folder / "1003.jpg").unlink()
    (folder / "0005.jpg").write_bytes(b"named by no list")
    lists = read(kind, root)
    assert [(e.video, e.position, e.reason) for e in lists.exclusions] == [
        (F001[kind], 1003, "listed, but there is no such image")
    ]
    assert [(n, image is None) for n, image in lists.decode(F001[kind])] == [(98, False)]
    (folder / "00098.jpg").write_bytes(b"damaged")
    assert [(n, image is None) for n, image in read(kind, root).decode(F001[kind])] == [(98, True)]
    shutil.rmtree(folder)
    os.mkfifo(folder)
    with pytest.raises(CorpusError, match="pipe"):
        read(kind, root)


@pytest.mark.parametrize("which", [0, 1])
def test_files_of_unequal_length_are_an_error_that_names_both(kind: str, root: Path, which: int) -> None:
    edit(root / TEST_P1[kind][which], lambda lines: lines[:-1])
    names = [Path(name).name for name in TEST_P1[kind]]
    counts = (1, 2) if which == 0 else (2, 1)
    with pytest.raises(
        CorpusError, match=rf"{names[0]} has {counts[0]} lines, .*{names[1]} has {counts[1]}: line i"
    ):
        read(kind, root)


@pytest.mark.parametrize(
    ("which", "change", "message"),
    [
        (1, lambda lines: [lines[0][:-1] + "2", *lines[1:]], r"line 1: label '2'"),
        (1, lambda lines: [lines[0], lines[1] + " 1"], r"line 2: 13 labels, expected 12.*AU 1 2 4 6 7"),
        (1, lambda lines: [line.replace(" ", ",") for line in lines], r"line 1: 1 labels, expected 12"),
        (1, lambda lines: [lines[0], "", lines[1]], r"line 2: is empty"),
        (0, lambda lines: [lines[0], "", lines[1]], r"line 2: is empty"),
        (0, lambda lines: [lines[0], lines[0]], r"line 2: .*98.jpg is listed twice"),
        (0, lambda lines: [line.replace("F001", "F003") for line in lines], r"line 1: F003 is not of P1"),
        (0, lambda lines: [line.replace("F001", "F099") for line in lines], r"line 1: F099 is not of P1"),
        (0, lambda lines: [f"../{line}" for line in lines], r"line 1: image_path '\.\./"),
        (0, lambda lines: [f"/etc/{line}" for line in lines], r"out of the corpus root"),
        (0, lambda lines: ["x.jpg", lines[1]], r"line 1: image_path 'x.jpg'; expected e.g. .*F001/T1/2440"),
        (0, lambda lines: list(reversed(lines)), r"labelled otherwise elsewhere"),
    ],
)
def test_damaged_lists_are_errors_with_file_and_line(
    kind: str, root: Path, which: int, change: Callable[[list[str]], list[str]], message: str
) -> None:
    edit(root / TEST_P1[kind][which], change)
    with pytest.raises(CorpusError, match=message):
        read(kind, root)


def test_half_a_list_is_noted_and_no_list_is_an_error(kind: str, root: Path) -> None:
    paths, labels = TEST_P1[kind]
    (root / labels).unlink()
    lists = read(kind, root)
    assert any(Path(paths).name in note for note in lists.notes)
    with pytest.raises(CorpusError, match=Path(labels).name):
        lists.frames(0, "test")
    for path in root.rglob("*.txt"):
        if "AUoccur" in path.name or "_label_" in path.name:
            path.unlink()
    with pytest.raises(CorpusError, match=r"holds no .*There is .* which needs its counterpart"):
        read(kind, root)


def test_lists_and_images_may_lie_apart(kind: str, root: Path, tmp_path: Path) -> None:
    before = read(kind, root)
    assert len(before.table) == 6
    images = tmp_path / "images"
    shutil.copytree(root, images)
    for path in root.rglob("*.*g"):
        path.unlink()
    for path in images.rglob("*.txt"):
        path.unlink()
    after = read(kind, root, images_root=images)
    assert after.table.frame.equals(before.table.frame)
    assert read(kind, images, labels_root=root).table.frame.equals(before.table.frame)


def test_the_fingerprint_follows_lists_and_images(kind: str, root: Path) -> None:
    seen = {read(kind, root).fingerprint(), read(kind, root, "disfa").fingerprint()}
    (root / F001[kind] / "0098.jpg").write_bytes(b"other")
    seen.add(read(kind, root).fingerprint())
    for path in root.rglob("*.txt"):
        if "AUoccur" in path.name or "_label_" in path.name:
            edit(path, lambda lines: [line.replace("0", "9") for line in lines])
    seen.add(read(kind, root).fingerprint())
    assert len(seen) == 4


def with_landmarks(root: Path) -> Path:
    for corpus, (parts, _, numbers) in PARTS.items():
        for where in parts.values():
            title = where.replace("/", "_") if corpus == "BP4D" else where
            add_sidecar(root / "Landmarks" / f"{title}.npy", len(numbers), (32, 32))
    return root


def test_batches_are_the_lists_in_their_order(kind: str, root: Path, tmp_path: Path) -> None:
    def built(size: int = 32) -> object:
        data = KINDS[kind][2](
            str(with_landmarks(root)), "bp4d", aus=(6, 12), fold=1, size=size, cache=str(tmp_path),
            prepare_workers=0, selection="oracle",
        )  # fmt: skip
        data.prepare_data()
        data.setup()
        return data

    data = built()
    frame = data.store.table.frame
    assert frame["subject"].iloc[data.train_rows].tolist() == ["F001", "F001", "M009", "M009"]
    assert frame["subject"].iloc[data.test_rows].tolist() == ["F003", "F003"]
    assert abs(int(data.store.images[0].mean()) - (40 + 98)) <= 1  # not cropped
    with pytest.raises(ConfigError, match=r"the images are 32 x 32 pixels, not 64 x 64.*data\.size"):
        built(64)


@pytest.mark.parametrize("corpus", ["bp4d", "disfa"])
def test_an_experiment_trains_on_them(kind: str, root: Path, corpus: str, tmp_path: Path) -> None:
    places = [f"data.root={with_landmarks(root)}", f"data.cache={tmp_path}", "data.prepare_workers=0"]
    overrides = [*places, "fold=2", f"corpus={corpus}_{kind}", f"aus={list(AUS[corpus])}"]
    record = execute(load_config("baselines", "smoke", overrides), tmp_path / "runs")
    table = pd.read_parquet(record.predictions)
    assert table["subject"].tolist() == [PARTS[corpus.upper()][0][3].split("/")[0]] * 2

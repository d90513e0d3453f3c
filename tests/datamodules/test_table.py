"""A user's table and folder as datamodules: who is tested, what is refused, from the table to predictions."""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aukit.datamodules import (
    BP4DDataModule,
    CrossCorpusDataModule,
    FolderDataModule,
    PairedDataModule,
    TableDataModule,
)
from aukit.errors import ConfigError
from aukit.training import evaluate, execute, load_config
from tests.tables import PEOPLE, SIDE, write_table


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table") / "mine"
    write_table(folder)
    return folder


def module(root: Path, *, kind: Any = TableDataModule, **options: Any) -> Any:
    given: dict[str, Any] = {
        "landmarks": str(root / "landmarks.csv"),
        "registration": "similarity",
        "aus": (6, 12),
    }
    if kind is TableDataModule:
        given["table"] = str(root / "frames.csv")
    given |= {"cache": str(root.parent / "stores"), "size": SIDE, "prepare_workers": 0, "batch_size": 4}
    data = kind(str(root), **{**given, **options})
    data.prepare_data()
    data.setup()
    return data


def people(data: Any, rows: np.ndarray) -> set[str]:
    return set(data.store.table.frame["subject"].to_numpy(dtype=str)[rows])


def test_folds_test_everybody_once_and_share_one_store(root: Path) -> None:
    folds = [module(root, folds=3, fold=k) for k in range(3)]
    assert len({data.store.path for data in folds}) == 1
    assert sorted(p for data in folds for p in people(data, data.test_rows)) == sorted(PEOPLE)
    for data in folds:
        rows = [people(data, rows) for rows in (data.train_rows, data.val_rows, data.test_rows)]
        assert [len(own) for own in rows] == [3, 1, 2]
        assert set.union(*rows) == set(PEOPLE)
    one = module(root, folds=1)
    assert people(one, one.test_rows) == set(PEOPLE)
    with pytest.raises(ConfigError, match="nobody to train on"):
        one.train_batches()


def test_a_partition_column_or_another_one_splits(root: Path) -> None:
    frame = pd.read_csv(root / "frames.csv")
    which = {"anna": "test", "bea": "valid", "carl": "test"}
    frame["partition"] = frame["person"].map(which).fillna("train")
    frame["site"] = frame["person"].str.len()
    frame.to_csv(root.parent / "split.csv", index=False)
    data = module(root, table=str(root.parent / "split.csv"))
    assert people(data, data.test_rows) == {"anna", "carl"}
    assert people(data, data.val_rows) == {"bea"}
    data = module(root, table=str(root.parent / "split.csv"), folds="site", fold=0)
    assert people(data, data.test_rows) == {"bea"}


@pytest.fixture(scope="module")
def lacking(root: Path) -> str:
    """Landmarks of all people but Anna, of whose frames no crops are made."""
    marks = pd.read_csv(root / "landmarks.csv")
    marks[~marks["path"].str.contains("anna")].to_csv(root.parent / "lacking.csv", index=False)
    return str(root.parent / "lacking.csv")


def test_folds_are_of_everybody_in_the_table_whosever_frames_can_be_used(root: Path, lacking: str) -> None:
    pd.read_csv(root / "frames.csv").assign(site=lambda f: f["person"]).to_csv(
        root.parent / "sites.csv", index=False
    )
    for folds in (3, "site"):
        for fold in range(3):
            options = {"table": str(root.parent / "sites.csv"), "folds": folds, "fold": fold}
            whole = module(root, registration="none", **options)
            if people(whole, whole.test_rows) == {"anna"}:
                with pytest.raises(ConfigError, match=r"nobody to test has a usable frame \(sites/anna\)"):
                    module(root, landmarks=lacking, **options)
                continue
            part = module(root, landmarks=lacking, **options)
            assert people(part, part.test_rows) == people(whole, whole.test_rows) - {"anna"}


def test_a_partition_without_a_usable_frame_is_named(root: Path, lacking: str) -> None:
    frame = pd.read_csv(root / "frames.csv")
    for part, what in (("valid", "validate on"), ("test", "test")):
        frame["partition"] = np.where(frame["person"] == "anna", part, "train")
        frame.loc[frame["person"] == "bea", "partition"] = "test" if part == "valid" else "valid"
        frame.to_csv(root.parent / "parts.csv", index=False)
        with pytest.raises(ConfigError, match=rf"nobody to {what} has a usable frame \(parts/anna\)"):
            module(root, table=str(root.parent / "parts.csv"), landmarks=lacking)


def test_a_table_under_another_name_is_split_alike(root: Path) -> None:
    frame = pd.read_csv(root / "frames.csv")
    for name in ("frames_v2", "third", "x"):
        frame.to_csv(root.parent / f"{name}.csv", index=False)
        for fold in range(2):
            before = module(root, folds=2, fold=fold)
            after = module(root, table=str(root.parent / f"{name}.csv"), folds=2, fold=fold)
            for rows in ("train_rows", "val_rows", "test_rows"):
                assert people(after, getattr(after, rows)) == people(before, getattr(before, rows))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "who is tested"),
        ({"folds": 3, "fold": 3}, "data.folds=3 makes 3"),
        ({"folds": 3, "fold": -1}, "counted from 0"),
        ({"folds": 7}, "6 people"),
        ({"folds": "site"}, "no such column"),
        ({"folds": 3, "aus": (6, 12, 25)}, "no column for AU 25; it has AU 6 12"),
        ({"folds": 3, "registration": "none", "size": 64}, "frames are 32 x 32 pixels, not 64 x 64"),
    ],
)
def test_what_is_open_or_wrong_is_asked_for(root: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        module(root, **options)


def test_crops_need_no_landmarks(root: Path) -> None:
    data = module(root, folds=2, registration="none", landmarks=None)
    assert len(data.store) == 24
    assert np.isnan(data.store.landmarks).all()
    batch = next(iter(data.test_dataloader()))
    level = batch["intensities"][:, 1].numpy()
    number = [PEOPLE.index(p) for p in data.store.table.frame["subject"].iloc[batch["rows"].numpy()]]
    assert (batch["image"][:, 0, 0, 0].numpy() == 30 + 10 * np.array(number) + level).all()


def test_the_current_folder_may_be_the_root(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    options = {"folds": 2, "registration": "none", "landmarks": None, "cache": str(tmp_path)}
    assert len(module(Path(), **options).store) == 24
    with pytest.raises(ConfigError, match="frames are 32 x 32 pixels, not 64 x 64"):
        module(Path(), **{**options, "size": 64})
    with pytest.raises(ConfigError, match=r"has no root: give data\.root=FOLDER or set AUKIT_TABLE_ROOT"):
        TableDataModule(None, folds=2, registration="none", size=SIDE).prepare_data()


def test_a_table_without_labels_is_no_training_and_no_test(root: Path) -> None:
    frame = pd.read_csv(root / "frames.csv")
    frame[["path", "person"]].to_csv(root.parent / "unlabelled.csv", index=False)
    data = module(root, table=str(root.parent / "unlabelled.csv"), folds=2)
    for batches in (data.train_batches, data.test_batches):
        with pytest.raises(ConfigError, match="no labels to"):
            batches()
    assert data.predict_batches() is not None
    with pytest.raises(ConfigError, match="no labels to train on"):
        module(root, kind=FolderDataModule).train_batches()


def test_a_target_need_have_no_labels_where_it_is_not_scored(root: Path) -> None:
    frame = pd.read_csv(root / "frames.csv")
    frame[["path", "person"]].assign(person="other/" + frame["person"]).to_csv(
        root.parent / "target.csv", index=False
    )
    source = module(root, folds=2, aus=(6, 12))
    target = module(root, table=str(root.parent / "target.csv"), folds=2, aus=())
    assert PairedDataModule(source, target, pairs="none").aus == (6, 12)
    paired = PairedDataModule(source, target, pairs="none", test_on="source")
    paired.prepare_data()
    paired.setup()
    assert next(iter(paired.train_dataloader()))["target"].shape[1:] == (3, SIDE, SIDE)
    scored = PairedDataModule(source, target, pairs="none")
    with pytest.raises(ConfigError, match=r"has no occurrences of AU 6 12.*test_on=source"):
        scored.setup()
    assert PairedDataModule(BP4DDataModule("BP4D"), target, pairs="none").aus == BP4DDataModule("BP4D").aus


def test_a_person_is_known_in_another_table_of_the_root_and_in_another_spelling(root: Path) -> None:
    frame = pd.read_csv(root / "frames.csv")
    frame.to_csv(root.parent / "again.csv", index=False)
    numbers = frame["person"].map(PEOPLE.index).astype(str)
    for name, corpus in (("capitals", "BP4D/F00"), ("small", "BP4D/f00")):
        frame.assign(person=corpus + numbers).to_csv(root.parent / f"{name}.csv", index=False)
    elsewhere = Path(shutil.copytree(root, root.parent / "elsewhere"))

    def both(first: str, folder: Path, second: str) -> CrossCorpusDataModule:
        trains = module(root, table=str(root.parent / f"{first}.csv"), folds=2)
        tests = module(folder, table=str(root.parent / f"{second}.csv"), folds=1)
        return CrossCorpusDataModule(trains, tests)

    for data, person in (
        (both("again", root, "mine/frames"), "frames/"),
        (both("capitals", elsewhere, "small"), "BP4D/f00"),
    ):
        with pytest.raises(ConfigError, match=rf"test people are also the source's: \['{person}"):
            data.setup()
    both("again", elsewhere, "mine/frames").setup()  # of another root: other people with the same ids


def test_from_a_table_to_scores_by_light_and_to_predictions_of_a_folder(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [f"data.root={root}", f"data.landmarks={root}/landmarks.csv", "data.registration=similarity"]
    words += ["aus=[6,12]", "logging.wandb=false", f"data.cache={root.parent}/stores"]
    table = [*words, f"data.table={root}/frames.csv"]
    config = load_config(
        "baselines", "smoke", ["corpus=table", *table, "data.folds=3", "logging.group_by=light"]
    )
    record = execute(config, tmp_path / "runs")
    assert {"test/f1_AU12_dim", "test/f1_AU12_bright"} <= set(record.metrics)
    assert pd.read_parquet(record.predictions)["path"].str.startswith("faces/").all()
    # Everybody of the table, most of whom that model was trained on.
    everybody = load_config("baselines", "smoke", ["corpus=table", *table, "data.folds=1"])
    with pytest.raises(ConfigError, match="of the 6 people who would be tested"):
        evaluate(everybody, tmp_path / "runs", "test", record.checkpoint)
    tested = evaluate(everybody, tmp_path / "runs", "test", record.checkpoint, seen_people=True)
    assert len(pd.read_parquet(tested)) == 24
    photos = shutil.copytree(root, tmp_path / "photos")
    (photos / "faces" / "broken.png").write_bytes(b"no picture")
    (photos / "old.gif").write_bytes(b"GIF89a")
    folder = load_config("baselines", "smoke", ["corpus=folder", f"data.root={photos}", *words[1:]])
    capsys.readouterr()
    predicted = evaluate(folder, tmp_path / "runs", "predict", record.checkpoint)
    said = capsys.readouterr().out
    assert re.search(r"24 frames in \S+, 1 left out\n  1 x .*\n", said)
    assert "1 images of other formats" in said
    rows = pd.read_csv(Path(predicted).with_suffix(".csv"))
    assert rows["path"].is_unique
    assert len(rows) == 24
    assert np.isfinite(rows[["AU06_score", "AU12_score"]]).all(axis=None)
    with pytest.raises(Exception, match="--checkpoint FILE"):
        evaluate(folder, tmp_path / "runs", "predict")

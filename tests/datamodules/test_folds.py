"""BP4D, DISFA and FG-Net's lists as datamodules: fake releases with a landmark sidecar of ours."""

from pathlib import Path

import numpy as np
import pytest

from aukit.datamodules import BP4DDataModule, DISFADataModule, FGNetListsDataModule
from aukit.datasets.folds import FOLD_SPLITS, subset
from aukit.datasets.images import list_images
from aukit.errors import ConfigError
from aukit.registration import frontal_template
from aukit.training.predictions import prediction_table
from aukit.training.run_config import build_datamodule
from tests.releases import BP4D_AUS, bp4d_sequence, disfa, fgnet_lists

PEOPLE = ("F001", "F002", "F003", "F005", "F004", "M003")  # two of each part


def add_sidecar(path: Path, frames: int, size: tuple[int, int]) -> None:
    """A frontal face in the middle of frames of (height, width); depth is not known."""
    face = frontal_template(min(size))
    points = np.full((frames, 68, 3), np.nan, np.float32)
    points[..., :2] = np.asarray(face)[:, :2] + (np.array(size[::-1]) - min(size)) / 2
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, points)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bp4d") / "bp4d"
    for number, subject in enumerate(PEOPLE):
        bp4d_sequence(root, subject, "T1", 10 * number + 1, frames=5)
        add_sidecar(root / "Landmarks" / f"{subject}_T1.npy", 5, (24, 32))
    return root


def module(release: Path, **options: object) -> BP4DDataModule:
    data = BP4DDataModule(
        str(release),
        cache=str(release.parent / "stores"),
        size=32,
        prepare_workers=0,
        batch_size=4,
        **options,
    )
    data.prepare_data()
    data.setup()
    return data


def people(data, rows: np.ndarray) -> list[str]:
    return sorted(set(data.store.table.frame["subject"].to_numpy(dtype=str)[rows]))


@pytest.mark.parametrize("fold", [0, 1, 2])
def test_a_fold_tests_its_part_and_validates_on_held_out_training_people(release: Path, fold: int) -> None:
    data = module(release, fold=fold)
    part = FOLD_SPLITS["bp4d"][f"P{fold + 1}"]
    assert people(data, data.test_rows) == sorted(p for p in PEOPLE if p in part)
    train, val = people(data, data.train_rows), people(data, data.val_rows)
    assert len(val) == 1
    assert sorted([*train, *val]) == sorted(p for p in PEOPLE if p not in part)
    assert len(data.train_rows) + len(data.val_rows) + len(data.test_rows) == 30


def test_all_folds_share_one_store(release: Path) -> None:
    assert len({module(release, fold=fold).store.path for fold in range(3)}) == 1


def test_batches_have_occurrences_and_intensities_where_coded(release: Path) -> None:
    data = module(release)
    batch = next(iter(data.test_dataloader()))
    assert batch["image"].shape == (4, 3, 32, 32)
    frame = data.store.table.frame.iloc[batch["rows"].numpy()]
    first = data.store.table.frame.groupby("video")["frame"].transform("min").iloc[batch["rows"].numpy()]
    index = (frame["frame"] - first).to_numpy()
    expected = np.array([[au % 2 == i % 2 for au in BP4D_AUS] for i in index], np.float32)
    np.testing.assert_array_equal(batch["occurrences"].numpy(), expected)
    assert np.isnan(batch["intensities"][:, 0].numpy()).all()
    np.testing.assert_array_equal(batch["intensities"][:, BP4D_AUS.index(12)].numpy(), index)


def test_a_subset_follows_the_published_rule(release: Path) -> None:
    oracle = module(release, selection="oracle")
    np.testing.assert_array_equal(oracle.val_rows, oracle.test_rows)
    assert oracle.selects_by_test("val/f1")
    assert not module(release).selects_by_test("val/f1")
    few = module(release, selection="oracle", subset=7)
    np.testing.assert_array_equal(few.train_rows, oracle.train_rows[subset(len(oracle.train_rows), 7)])
    parts = oracle.store.table.frame["partition"].to_numpy(dtype=str)[oracle.train_rows]
    assert parts.tolist() == ["P2"] * 10 + ["P3"] * 10
    held = module(release, subset=7)
    assert len(held.train_rows) == 7
    assert not set(people(held, held.train_rows)) & set(people(held, held.val_rows))
    with pytest.raises(ConfigError, match="subset 100: the fold has 15 training frames"):
        module(release, subset=100)


def test_wrong_words_are_refused(release: Path) -> None:
    with pytest.raises(ConfigError, match="fold 3"):
        module(release, fold=3)
    with pytest.raises(ConfigError, match="transform_size belongs to registration=ffhq"):
        module(release, registration="similarity", transform_size=4096)
    assert module(release, transform_size=64).store.path != module(release).store.path
    assert module(release, transform_size=128).store.path == module(release).store.path


def test_a_damaged_image_is_left_out_with_its_reason(tmp_path: Path) -> None:
    for number, subject in enumerate(PEOPLE):
        bp4d_sequence(tmp_path / "bp4d", subject, "T1", 10 * number + 1, frames=2)
        add_sidecar(tmp_path / "bp4d/Landmarks" / f"{subject}_T1.npy", 2, (24, 32))
    folder = "Sequences(2D+3D)/F001/T1"
    name = list_images(tmp_path / "bp4d", folder)[2]
    (tmp_path / "bp4d" / folder / name).write_bytes(b"no image")
    store = module(tmp_path / "bp4d").store
    assert len(store) == 11
    left_out = store.exclusions.iloc[0]
    assert (left_out["position"], left_out["reason"]) == (2, "the frame cannot be decoded")


def test_disfa_by_camera_and_threshold(tmp_path: Path) -> None:
    root = disfa(tmp_path / "disfa")
    for path in root.rglob("*.avi"):
        add_sidecar(root / "Landmarks" / f"{path.stem}.npy", 5, (32, 48))
    options = {"cache": str(tmp_path), "size": 32, "prepare_workers": 0, "selection": "oracle"}
    stores = set()
    for camera, threshold in (("left", 2), ("right", 2), ("left", 1)):
        data = DISFADataModule(str(root), camera=camera, threshold=threshold, fold=1, **options)
        data.prepare_data()
        data.setup()
        stores.add(data.store.path)
        assert people(data, data.test_rows) == ["SN006"]
        assert people(data, data.train_rows) == ["SN001", "SN003"]
        batch = next(iter(data.test_dataloader()))
        assert ((batch["intensities"] >= threshold) == batch["occurrences"]).all()
    assert len(stores) == 3


def test_fg_net_s_lists_as_they_are(tmp_path: Path) -> None:
    root = fgnet_lists(tmp_path / "data")

    def lists(**options: object) -> FGNetListsDataModule:
        data = FGNetListsDataModule(
            str(root),
            "bp4d",
            aus=BP4D_AUS,
            cache=str(tmp_path),
            size=32,
            prepare_workers=0,
            selection="oracle",
            **options,
        )
        data.prepare_data()
        data.setup()
        return data

    data = lists()
    frame = data.store.table.frame
    assert frame["subject"].iloc[data.train_rows].tolist() == ["F003", "F003", "M009", "M009"]
    assert frame["frame"].iloc[data.train_rows].tolist() == [11, 12, 11, 12]
    assert people(data, data.test_rows) == ["F001"]
    assert abs(int(data.store.images[0].mean()) - 51) <= 1  # not cropped
    assert (data.store.landmarks[0, :, :2] == 11).all()
    assert lists(train_list="train_100.csv").train_rows.tolist() == [4, 2]
    assert lists(fold=2).store.path == data.store.path
    assert lists(subset=2).train_rows.tolist() == data.train_rows[subset(4, 2)].tolist()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("BP4DDataModule", {"subset": 100, "leave_out_occluded": True, "transform_size": 4096}),
        ("DISFADataModule", {"camera": "right", "threshold": 1, "selection": "oracle"}),
        ("FGNetListsDataModule", {"corpus": "disfa", "aus": [1, 2], "train_list": "train_100.csv"}),
    ],
)
def test_configurations_name_them(name: str, options: dict[str, object]) -> None:
    def build(**arguments: object) -> object:
        data = {
            "class_path": f"aukit.datamodules.{name}",
            "init_args": {"root": "somewhere", **options, **arguments},
        }
        return build_datamodule({"data": data, "model": {"class_path": "tests.fake_training.TinyModule"}})

    made = build(fold=2)
    assert made.fold == 2
    for key, value in options.items():
        assert getattr(made, key) == (tuple(value) if isinstance(value, list) else value)
    with pytest.raises(ConfigError, match="fold"):
        build(fold="first")


def test_the_root_comes_from_the_environment_where_none_is_given(release, monkeypatch) -> None:
    monkeypatch.setenv("AUKIT_BP4D_ROOT", str(release))
    assert BP4DDataModule().root == release
    monkeypatch.delenv("AUKIT_BP4D_ROOT")
    with pytest.raises(ConfigError, match=r"data\.root=FOLDER or set AUKIT_BP4D_ROOT"):
        BP4DDataModule().prepare_data()


def test_predictions_of_other_action_units_have_occurrences_or_nothing_as_labels(release) -> None:
    data = module(release, fold=0, aus=(1, 2, 26))
    rows = data.test_rows
    table = prediction_table([{"rows": rows, "scores": np.zeros((len(rows), 3), np.float32)}], data)
    assert set(table["AU02_label"].dropna()) <= {0, 1}
    assert table["AU26_label"].isna().all()  # BP4D does not code it

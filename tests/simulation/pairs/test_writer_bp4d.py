"""Pairs driven by BP4D: a stand-in by the simulated tracker, a release by its codes or a tracker."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aukit.cli import main
from aukit.datasets import BP4D, AvatarPairs, with_pair_ids
from aukit.datasets.images import list_images
from aukit.errors import ConfigError
from aukit.simulation import AvatarPairsConfig, BP4DSimulationConfig, BP4DStandin, write_avatar_pairs
from aukit.training.run_config import build_datamodule
from tests.datamodules.test_folds import add_sidecar
from tests.releases import bp4d, disfa
from tests.simulation.pairs.trackers import openface
from tests.standins import opened_files

SIZE = 48


def write(out: Path, root: Path, tracker: Path | None = None, **options: Any) -> str:
    config = AvatarPairsConfig("bp4d", size=SIZE, **options)
    return write_avatar_pairs(out, root, config, tracker, workers=0, progress=False)


@pytest.fixture(scope="module")
def driving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("driving")
    config = replace(BP4DSimulationConfig.smoke(), profile="driving", people=3, tasks=1, frames=6, size=48)
    BP4DStandin(folder / "bp4d", folder / "bp4d-truth", config).write(workers=0, progress=False)
    return folder / "bp4d"


@pytest.fixture(scope="module")
def writing(driving: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The pairs, and every file that Python opened to write them."""
    out = tmp_path_factory.mktemp("pairs") / "pairs"
    with opened_files() as opened:
        write(out, driving)
    return out, opened


@pytest.fixture(scope="module")
def pairs(writing: tuple[Path, list[str]]) -> Path:
    return writing[0]


def test_each_frame_of_each_part_has_a_woman_and_a_man_with_its_labels(driving: Path, pairs: Path) -> None:
    corpus, real = AvatarPairs(pairs), with_pair_ids(BP4D(driving).table).frame.set_index("pair_id")
    assert set(corpus.table.frame["partition"]) == {"P1", "P2", "P3"}
    assert corpus.standin["recipe"]["expression"] == "simulated tracker"
    labels = [column for column in real.columns if column.startswith("AU")]
    for gender in ("female", "male"):
        own = corpus.table.select(gender=gender).frame.set_index("pair_id")
        assert len(own) + len(corpus.exclusions) >= len(real)
        np.testing.assert_array_equal(own[labels], real.loc[own.index, labels])
        assert (own["frame"] == real.loc[own.index, "frame"]).all()


def test_recordings_of_one_task_do_not_meet(pairs: Path) -> None:
    """Folders of all people are called T1: files are named after person and task."""
    corpus = AvatarPairs(pairs)
    tasks = corpus.table.frame.groupby("video")["task"].unique()
    assert all(len(found) == 1 for found in tasks)
    assert len(tasks) == 2 * 3
    assert corpus.table.videos[0] == "videos/F01/F001_T1.mp4"
    for video, rows in corpus.table.frame.groupby("video"):
        assert len(list(corpus.decode(str(video)))) == len(corpus.sidecar_landmarks(str(video))) == len(rows)


def test_the_sealed_truth_is_never_opened(driving: Path, writing: tuple[Path, list[str]]) -> None:
    _, opened = writing
    assert list(driving.with_name("bp4d-truth").glob("*.npz"))
    assert any(name.endswith("F001_T1_AU12.csv") for name in opened)  # the trace works
    assert not [name for name in opened if "bp4d-truth" in name or name.endswith(".npz")]


def test_a_release_is_driven_by_its_codes_or_a_trackers_rows(tmp_path: Path) -> None:
    """A tracker sees a folder of images as its first, second … frame, wherever their numbers begin."""
    root = bp4d(tmp_path / "bp4d")
    first, *_ = images = list(list_images(root, "Sequences(2D+3D)/F001/T1"))
    assert first == 2440
    folder = tmp_path / "openface"
    folder.mkdir()
    openface(folder / "F001_T1.csv", [{"AU12_r": 5}] * 3 + [{"success": 0}] * (len(images) - 3))
    write(tmp_path / "pairs", root, tracker=folder, partitions=("P1",))
    corpus = AvatarPairs(tmp_path / "pairs")
    assert sorted(set(corpus.table.frame["frame"])) == images[:3]
    assert [e.position for e in corpus.exclusions if "success" in e.reason] == images[3:]
    assert set(corpus.table.frame["task"]) == {"F001_T1_0"}
    words = [
        "--driving-corpus",
        "bp4d",
        "--driving-root",
        str(root),
        "--out",
        str(tmp_path / "coded"),
        "--workers",
        "0",
    ]
    assert main(["avatars", "pairs", *words, "--size", "32", "--partitions", "P2"]) == 0
    coded = AvatarPairs(tmp_path / "coded")
    assert coded.standin["recipe"]["expression"] == "codes"
    assert set(coded.table.frame["partition"]) == {"P2"}


def test_openface_goes_through_a_folder_by_name_and_another_unit_ends_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of 997.jpg … 1000.jpg the last one is OpenFace's first row."""
    root = bp4d(tmp_path / "bp4d")
    tracker = tmp_path / "openface"
    tracker.mkdir()
    openface(tracker / "M010_T8.csv", [{"success": 0}, *[{"AU12_r": 2}] * 3])
    words = ["--driving-corpus", "bp4d", "--driving-root", str(root), "--tracker", str(tracker)]
    small = ["--size", "32", "--workers", "0"]
    assert main(["avatars", "pairs", *words, "--out", str(tmp_path / "pairs"), *small]) == 0
    assert sorted(set(AvatarPairs(tmp_path / "pairs").table.frame["frame"])) == [997, 998, 999]
    assert "videos without a tracker's file: 4; expected for example" in capsys.readouterr().out
    openface(tracker / "M010_T8.csv", [{"AU12_r": 40, "AU04_r": 70}] * 4)
    assert main(["avatars", "pairs", *words, "--out", str(tmp_path / "more"), *small]) == 2
    assert "M010_T8.csv, line 2, column AU04_r: 70 is not in 0 to 5" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [{"partitions": ("train",)}, {"views": (6,)}])
def test_partitions_and_views_of_another_corpus_are_refused(
    driving: Path, tmp_path: Path, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match=r"BP4D has P1, P2, P3|BP4D has no such option"):
        write(tmp_path / "pairs", driving, **wrong)
    assert not (tmp_path / "pairs").exists()


def test_from_a_configuration_to_triplets(
    driving: Path, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stand-in, its pairs and another corpus as the target: prepared by command or on demand, and paired."""
    words = ["--root", str(pairs), "--out", str(tmp_path), "--workers", "0"]
    assert main(["prepare", "avatar_pairs", *words, "--registration", "similarity", "--size", "32"]) == 0
    assert "driven by bp4d through simulated tracker" in capsys.readouterr().out
    target = disfa(tmp_path / "disfa")
    for path in target.rglob("*.avi"):
        add_sidecar(target / "Landmarks" / f"{path.stem}.npy", 5, (32, 48))
    crops = {"cache": str(tmp_path), "registration": "similarity", "size": 32, "prepare_workers": 0}

    def corpus(name: str, root: Path, **options: Any) -> dict[str, Any]:
        return {
            "class_path": f"aukit.datamodules.{name}",
            "init_args": {"root": str(root), **crops, **options},
        }

    arguments = {
        "source": corpus("BP4DDataModule", driving, holdout_fraction=0.5),
        "target": corpus("DISFADataModule", target, aus=[1, 2, 4, 6, 12], selection="oracle"),
        "avatars": corpus("AvatarPairsDataModule", pairs),
        "batch_size": 2,
    }
    model = {"class_path": "tests.fake_training.TinyModule"}
    config = {
        "data": {"class_path": "aukit.datamodules.PairedDataModule", "init_args": arguments},
        "model": model,
    }
    data: Any = build_datamodule(config)
    data.prepare_data()
    data.setup()
    assert data.aus == (1, 2, 4, 6, 12)
    assert set(data.notes["standins"]) == {"bp4d", "disfa", "avatar_pairs"}
    # One face is out of the picture: its frame cannot be registered, its two renders can.
    assert (data.source.store.exclusions["reason"] == "no face landmarks").sum() == 1
    assert data.notes["renders_without_their_real_frame"] == 2
    batch = next(iter(data.train_dataloader()))
    ids = with_pair_ids(data.source.store.table).frame["pair_id"].iloc[batch["rows"].numpy()].tolist()
    renders = data.avatars.store
    for gender in ("female", "male"):
        rows = [renders.table.rows(pair_id=pair, gender=gender).item() for pair in ids]
        np.testing.assert_array_equal(batch[gender].permute(0, 2, 3, 1).numpy(), renders.images[rows])
        np.testing.assert_array_equal(renders.table.occurrences(data.aus)[rows], batch["occurrences"].numpy())
    assert batch["target"].shape == (2, 3, 32, 32)
    # Nobody who is tested, and of the target's validation people, who are the tested ones here, no frame.
    assert set(data.unlabelled_rows) == set(data.target.train_rows)
    arguments["avatars"]["init_args"]["size"] = 24
    wrong: Any = build_datamodule(config)
    wrong.prepare_data()
    with pytest.raises(ConfigError, match="differ in registration and size"):
        wrong.setup()

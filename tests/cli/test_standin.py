"""From a rendered stand-in to batches: standin, check, prepare, datamodule."""

import json
import shutil

import numpy as np
import pytest
import torch

from aukit.cli import main
from aukit.datamodules import FERA2017DataModule
from aukit.datasets.files import SIDECAR_FOLDER
from aukit.datasets.registry import corpus_entry
from aukit.errors import CorpusError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("standin")
    words = ["standin", "fera2017", "--root", str(folder / "fera"), "--profile", "smoke", "--workers", "0"]
    assert main(words) == 0
    return folder


def _data(folder, **options):
    module = FERA2017DataModule(
        str(folder / "fera"),
        cache=str(folder / "stores"),
        size=48,
        prepare_workers=0,
        batch_size=4,
        **options,
    )
    module.prepare_data()
    module.setup()
    return module


def test_the_standin_is_read_rightly(folder, capsys):
    assert (folder / "fera-truth").is_dir()
    assert main(["corpora", "check", "fera2017", "--root", str(folder / "fera"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    assert main(["corpora", "check", "fera2017", "--root", str(folder / "fera")]) == 0
    assert "read without errors" in capsys.readouterr().out


def test_it_is_prepared_with_a_summary(folder, capsys):
    words = [
        "prepare",
        "fera2017",
        "--root",
        str(folder / "fera"),
        "--out",
        str(folder / "stores"),
        "--workers",
        "0",
    ]
    assert main([*words, "--size", "48"]) == 0
    printed = capsys.readouterr().out
    assert "crops of 48 x 48 (frontal3d)" in printed
    assert "left out" in printed


def test_the_datamodule_splits_it_by_person(folder):
    data = _data(folder)
    frame = data.store.table.frame
    assert set(frame["partition"][data.train_rows]) == {"train"} == set(frame["partition"][data.val_rows])
    assert set(frame["partition"][data.test_rows]) == {"test"}
    assert not set(frame["person"][data.train_rows]) & set(frame["person"][data.val_rows])
    batch = next(iter(data.train_dataloader()))
    assert batch["image"].shape == (4, 3, 48, 48)
    assert batch["intensities"].shape == (4, 7)
    assert torch.isfinite(batch["intensities"]).any()
    # Frontalised crops are not empty, and "not seen" is exactly black.
    seen = (batch["image"] > 0).any(1).float().mean()
    assert 0.1 < seen < 1
    assert data.store.standin["recipe"]["profile"] == "smoke"


def test_validation_and_test_partitions_are_options(folder):
    data = _data(folder, validation="valid")
    partitions = data.store.table.frame["partition"].to_numpy(dtype=str)
    assert set(partitions[data.val_rows]) == {"valid"}
    assert (partitions[data.train_rows] == "train").sum() == (partitions == "train").sum()
    data = _data(folder, test_partition="valid")
    partitions = data.store.table.frame["partition"].to_numpy(dtype=str)
    assert set(partitions) == {"train", "valid"}  # nothing of Test is decoded
    assert set(partitions[data.test_rows]) == {"valid"}
    assert len(np.intersect1d(data.test_rows, data.val_rows)) == 0


def test_a_release_without_sidecar_and_weights_stops_before_any_work(folder, tmp_path, capsys):
    shutil.copytree(folder / "fera", tmp_path / "fera")
    shutil.rmtree(tmp_path / "fera" / SIDECAR_FOLDER)
    words = ["prepare", "fera2017", "--root", str(tmp_path / "fera"), "--out", str(tmp_path / "stores")]
    assert main([*words, "--weights", str(tmp_path)]) == 2
    assert "3DFAN4" in capsys.readouterr().err
    assert not (tmp_path / "stores").exists()


def test_a_view_that_is_not_there_is_an_error(folder):
    with pytest.raises(CorpusError, match=r"views \[3\]"):
        _data(folder, view=3)


@pytest.mark.parametrize("named", [".", "below/.."])
def test_the_current_folder_may_become_a_standin(tmp_path, monkeypatch, named, capsys):
    root = tmp_path / "corpus"
    (root / "below").mkdir(parents=True)
    (root / "STANDIN.json").write_bytes(_marker("gft"))
    monkeypatch.chdir(root)
    assert main(["standin", "gft", "--root", named, "--profile", "smoke", "--shard", "98/99"]) == 0
    assert "12 of 12 people are missing" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"corpus", ".corpus.lock", ".corpus-98-99.lock"}


def _marker(corpus):
    """What says that a folder is a stand-in of size smoke."""
    config = corpus_entry(corpus).load("standin").config_type.of_size("smoke")
    return (json.dumps(config.description(), indent=2) + "\n").encode()

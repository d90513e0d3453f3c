"""The data set of avatars that needs no corpus: exact labels, balance, splits, what lies beside it."""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest

from aukit.cli import main
from aukit.datamodules import AvatarPairsDataModule
from aukit.datasets import AvatarPairs
from aukit.errors import ConfigError, CorpusError
from aukit.simulation import AvatarDatasetConfig, write_avatar_dataset
from aukit.simulation.behaviour.intensity_curves import exact_levels
from aukit.simulation.pairs.dataset import DATASET_RATES, SPLITS, split_of
from aukit.utils.jobs import Shard
from tests.standins import file_contents

pytestmark = pytest.mark.slow
TINY = AvatarDatasetConfig(expressions=60, recordings=1, size=32, fps=1.0)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("dataset") / "avatars"
    said = write_avatar_dataset(out, TINY, workers=1, progress=False)
    assert said.startswith("60 pairs, 120 renders of 60 avatars from 30 of 30 videos")
    return out


def test_the_whole_has_as_many_images_as_the_paper():
    whole = AvatarDatasetConfig()
    frames = [whole.frames(recording) for recording in range(330)]
    assert sum(frames) == 107_073
    assert max(frames) - min(frames) == 1
    sample = AvatarDatasetConfig.sample()
    assert sum(sample.frames(recording) for recording in range(30)) == 300
    with pytest.raises(ConfigError, match="at least two frames"):
        AvatarDatasetConfig(expressions=59, recordings=1)


def test_expressions_have_the_rates_that_are_wanted_and_are_the_same_again():
    config = AvatarDatasetConfig(seed=3)
    curves = [config.curves(f"C{n:03d}", n % 30, 324) for n in range(60)]
    assert np.array_equal(curves[7], config.curves("C007", 7, 324))
    assert not np.array_equal(curves[7], AvatarDatasetConfig(seed=4).curves("C007", 7, 324))
    levels = exact_levels(np.concatenate(curves).astype(float))
    aus = [au for au in (6, 7, 10, 12, 25) if au in DATASET_RATES]
    columns = list(DATASET_RATES)
    order = sorted(columns)
    for au in aus:
        found = (levels[:, order.index(au)] > 0).mean()
        assert found == pytest.approx(DATASET_RATES[au], abs=0.15)
    assert levels.min() == 0
    assert levels.max() == 5


def test_labels_are_what_moves_the_meshes_in_whole_levels(written):
    table = AvatarPairs(written).table
    marker = json.loads((written / "AVATAR_PAIRS.json").read_text())
    aus = marker["driver"]["aus"]
    for title, rows in table.frame.groupby("task"):
        exact = np.load(written / f"intensities/{title}.npy")
        assert exact.dtype == np.float32
        for _, one in rows.groupby("gender"):
            levels = one[[f"AU{au:02d}_r" for au in aus]].to_numpy()
            assert np.array_equal(levels, exact_levels(exact.astype(float)))
            assert np.array_equal(one[[f"AU{au:02d}_c" for au in aus]].to_numpy(), levels > 0)


def test_people_are_balanced_and_in_one_split_each(written):
    frame = AvatarPairs(written).table.frame
    people = frame.drop_duplicates("person")
    assert (frame.groupby("person").size() == 2).all()
    assert (frame.groupby("person")["partition"].nunique() == 1).all()
    assert (frame.groupby("pair_id")["partition"].nunique() == 1).all()
    counts = people.groupby(["partition", "gender"]).size()
    assert {split: counts[split].tolist() for split in SPLITS} == {s: [n, n] for s, n in SPLITS.items()}
    tones = pd.crosstab([people["partition"], people["gender"]], people["tone_group"])
    assert tones.loc["train"].eq(3).all(axis=None)
    assert tones.loc[["valid", "test"]].eq(1).all(axis=None)
    assert [split_of(pair) for pair in (0, 17, 18, 23, 24, 29)] == [name for name in SPLITS for _ in range(2)]
    same = frame.pivot_table(index="pair_id", columns="gender", values="tone_group", aggfunc="first")
    assert (same["female"] != same["male"]).all()


def test_what_lies_beside_it(written):
    for line in (written / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((written / name).read_bytes()).hexdigest() == digest
    listed = {line.split("  ")[1] for line in (written / "SHA256SUMS").read_text().splitlines()}
    there = {p.relative_to(written).as_posix() for p in written.rglob("*") if p.is_file()}
    assert there - listed == {"SHA256SUMS", *(name for name in there if name.rpartition("/")[2][0] == ".")}
    sheet = (written / "DATASHEET.md").read_text()
    assert "120 images of 32 × 32 pixels in 60 videos" in sheet
    assert "| train | 18 + 18 | 72 |" in sheet
    assert "{" not in sheet
    assert (written / "LICENSE").read_text().startswith("MIT License")


@pytest.mark.slow
def test_shards_and_what_was_lost_end_in_the_same_files(written, tmp_path):
    out = tmp_path / "avatars"
    for index in (1, 0):
        said = write_avatar_dataset(out, TINY, Shard(index, 2), workers=1, progress=False)
    assert said.startswith("60 pairs")
    for lost in (
        ("recordings/C004.json", "SHA256SUMS", "videos/F05/C004.mp4"),
        ("intensities/C004.npy",),
        ("frames.parquet",),
        ("DATASHEET.md",),
    ):
        for name in lost:
            (out / name).unlink()
        write_avatar_dataset(out, TINY, workers=1, progress=False)
        one, other = (
            {name: content for name, content in file_contents(folder).items() if not name.endswith(".lock")}
            for folder in (out, written)
        )
        assert one == other
    with pytest.raises(CorpusError, match="begun with other settings"):
        write_avatar_dataset(out, AvatarDatasetConfig.sample(32), workers=1, progress=False)


def test_it_is_prepared_and_split_by_avatar(written, tmp_path, capsys):
    data = AvatarPairsDataModule(
        str(written), aus=[6, 12], registration="similarity", size=32, cache=str(tmp_path), prepare_workers=0
    )
    data.prepare_data()
    data.setup()
    people = data.store.table.frame["person"].to_numpy()
    parts = [set(people[rows]) for rows in (data.train_rows, data.val_rows, data.test_rows)]
    assert [len(part) for part in parts] == [36, 12, 12]
    assert not parts[0] & (parts[1] | parts[2])
    assert data.store.table.attributes == ("age", "age_group", "tone", "tone_group")


def test_the_command_says_what_it_wants(tmp_path, capsys):
    assert main(["avatars", "dataset", "--out", str(tmp_path / "x"), "--size", "31"]) == 2
    assert "an even size" in capsys.readouterr().err

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aukit.datamodules.faces import AvatarFacesDataModule
from aukit.errors import ConfigError, CorpusError, StoreError
from aukit.simulation.corpora import recorder
from aukit.simulation.images import labelled_faces, pretraining_faces, random_renders
from aukit.simulation.images.pretraining_faces import (
    CHUNK,
    PretrainingFacesConfig,
    open_avatar_faces,
    render_faces,
    write_avatar_faces,
)
from aukit.simulation.pairs import identities
from aukit.utils.jobs import Shard

CONFIG = PretrainingFacesConfig(CHUNK + 1, 2, 32, seed=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("faces") / "pool"
    write_avatar_faces(out, CONFIG, workers=0, progress=False)
    return out


def test_identity_splits_are_disjoint() -> None:
    modules = (labelled_faces, pretraining_faces, identities, recorder, random_renders)
    splits = [module.IDENTITY_SPLIT for module in modules]
    assert len(set(splits)) == len(splits)


def test_a_training_sees_images_and_identities(folder: Path) -> None:
    images, names, recipe = open_avatar_faces(folder)
    assert images.shape == (2 * (CHUNK + 1), 32, 32, 3)
    assert images.dtype == np.uint8
    assert list(names) == [f"pretrain/{i}" for i in range(CHUNK + 1) for _ in range(2)]
    assert recipe["seed"] == 3
    assert all(40 < face.mean() < 230 and face.std() > 15 for face in images)
    face = images[:, 12:28, 8:24].astype(float).mean((1, 2))
    assert (face[:, 0] > face[:, 2]).mean() > 0.9  # skin is redder than blue


def test_an_avatar_does_not_depend_on_how_many_there_are(folder: Path) -> None:
    images = open_avatar_faces(folder)[0]
    alone, rows = render_faces(CONFIG, CHUNK)
    np.testing.assert_array_equal(images[-2:], alone)
    table = pd.read_parquet(folder / "faces.parquet").tail(2).reset_index(drop=True)
    pd.testing.assert_frame_equal(table, rows)
    activations = table.drop(columns="identity").to_numpy()
    assert activations.min() >= 0
    assert 0 < activations.max() <= 1


def test_shards_and_repeats_make_the_same_files(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "pool"
    waiting = write_avatar_faces(out, CONFIG, Shard(1, 2), workers=0, progress=False)
    assert "1 of 2 jobs are missing" in waiting
    with pytest.raises(StoreError, match="no complete set"):
        open_avatar_faces(out)
    write_avatar_faces(out, CONFIG, Shard(0, 2), workers=0, progress=False)
    for name in ("images.npy", "faces.parquet"):
        assert (out / name).read_bytes() == (folder / name).read_bytes()
    with pytest.raises(CorpusError, match="other settings"):
        write_avatar_faces(out, PretrainingFacesConfig(2, 2, 32), workers=0, progress=False)


@pytest.mark.parametrize("lost", [["images.npy"], ["faces.parquet", f"chunks/{CHUNK:06d}.npy"]])
def test_what_was_lost_is_made_again(folder: Path, tmp_path: Path, lost: list[str]) -> None:
    out = Path(shutil.copytree(folder, tmp_path / "pool"))
    for name in lost:
        (out / name).unlink()
    write_avatar_faces(out, CONFIG, workers=0, progress=False)
    for name in ("images.npy", "faces.parquet", *lost):
        assert (out / name).read_bytes() == (folder / name).read_bytes()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("FACES.json", b"{"),
        ("FACES.json", b'{"recipe": {"size": 32}}'),
        ("images.npy", b"\x93NUMPY\1\0"),
        ("faces.parquet", b"PAR1PAR1"),
    ],
)
def test_a_damaged_set_is_refused_and_its_remedy_works(
    folder: Path, tmp_path: Path, file: str, content: bytes
) -> None:
    out = Path(shutil.copytree(folder, tmp_path / "pool"))
    (out / file).write_bytes(content)
    data = AvatarFacesDataModule(str(out), identities=2, frames=1, size=16, prepare_workers=0)
    with pytest.raises(StoreError, match=rf"damaged set of avatar faces \(.*{file}.*; delete the folder"):
        data.setup()
    shutil.rmtree(out)
    data.prepare_data()
    data.setup()
    assert data.images.shape == (2, 16, 16, 3)
    assert data.prepared() == [f"2 faces of 2 avatars in {out}"]


def test_nonsense_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least 1 identity"):
        write_avatar_faces(tmp_path, PretrainingFacesConfig(0))

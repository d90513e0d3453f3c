import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from aukit.errors import ConfigError, CorpusError
from aukit.facs import VISIBLE_AUS
from aukit.simulation.behaviour.random_expressions import sample_expression
from aukit.simulation.corpora.acquisition import ACQUISITIONS
from aukit.simulation.images.random_renders import CHUNK, MAKERS, RandomRendersConfig, write_random_renders
from aukit.utils.jobs import Shard

COUNT = CHUNK + 3
RECIPES = {maker: RandomRendersConfig(maker, COUNT, 32, max_yaw=30, seed=5) for maker in MAKERS}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("renders")
    for maker, config in RECIPES.items():
        write_random_renders(folder / maker, config, workers=0, progress=False)
    return {maker: folder / maker for maker in RECIPES}


def files(root: Path) -> dict[str, bytes]:
    names = sorted(p for p in root.rglob("*") if p.is_file() and not p.name.startswith("."))
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in names}


@pytest.mark.parametrize("maker", MAKERS)
def test_each_sample_has_an_image_landmarks_and_a_row(folders: dict[str, Path], maker: str) -> None:
    samples = pd.read_parquet(folders[maker] / "samples.parquet")
    assert list(samples["file"]) == [f"{i:06d}.png" for i in range(COUNT)]
    assert samples["identity"].is_unique
    assert samples["yaw"].abs().max() <= 30
    assert samples["yaw"].std() > 10
    assert set(samples["gender"]) == {"female", "male"}
    assert samples["age"].between(18, 70).all()
    assert samples["skin_tone"].between(0, 1).all()
    assert set(samples["acquisition"]) <= ({"plain"} if maker == "avatars" else set(ACQUISITIONS))
    assert (samples["acquisition"].nunique() == 1) == (maker == "avatars")
    for name in samples["file"]:
        image = cv2.imread(str(folders[maker] / name))
        points = np.load(folders[maker] / name.replace("png", "npy"), allow_pickle=False)
        assert image.shape == (32, 32, 3)
        assert points.shape == (68, 3)
        assert points.dtype == np.float32
        assert ((points[:, :2] > -1) & (points[:, :2] < 33)).all()


def test_rows_say_what_was_meant_and_what_moved(folders: dict[str, Path]) -> None:
    tables = {maker: pd.read_parquet(folder / "samples.parquet") for maker, folder in folders.items()}
    for samples in tables.values():
        meant = samples[[f"AU{au:02d}_r" for au in VISIBLE_AUS]].to_numpy()
        assert 0 <= meant.min() <= meant.max() <= 5
        assert 0.1 < (meant > 0).mean() < 0.3
    canonical, people = tables["avatars"], tables["people"]
    asymmetric = False
    for au in VISIBLE_AUS:
        left, right, meant = (canonical[f"AU{au:02d}_{k}"] for k in ("left", "right", "r"))
        np.testing.assert_array_equal(left, right)
        np.testing.assert_allclose(left, meant / 5, atol=1e-6)
        asymmetric |= bool((people[f"AU{au:02d}_left"] != people[f"AU{au:02d}_right"]).any())
    assert asymmetric


def test_makers_take_different_pictures(folders: dict[str, Path]) -> None:
    """Avatars stand before one colour; people before a wall with structure and noise."""
    spread = {}
    for maker, folder in folders.items():
        corners = [cv2.imread(str(folder / f"{i:06d}.png"))[:2, :2].reshape(-1, 3) for i in range(COUNT)]
        spread[maker] = np.median([np.ptp(c, axis=0).max() for c in corners])
    assert spread["avatars"] == 0
    assert spread["people"] > 0


def test_shards_and_interruptions_end_in_the_same_bytes(folders: dict[str, Path], tmp_path: Path) -> None:
    config = RECIPES["avatars"]
    assert "1 of 2 jobs are missing" in write_random_renders(tmp_path, config, Shard(1, 2), 0, False)
    first = {p.name for p in tmp_path.glob("*.png")}
    assert first == {f"{i:06d}.png" for i in range(CHUNK, COUNT)}
    assert not (tmp_path / "samples.parquet").exists()
    (tmp_path / "chunks" / f"{CHUNK:06d}.parquet").unlink()  # as if killed before the end
    (tmp_path / f".{CHUNK:06d}.part.png").write_bytes(b"half")
    write_random_renders(tmp_path, config, workers=0, progress=False)
    assert files(tmp_path) == files(folders["avatars"])
    assert not [p for p in tmp_path.rglob(".*") if not p.name.endswith(".lock")]


def test_what_was_lost_is_rendered_again(folders: dict[str, Path], tmp_path: Path) -> None:
    out = Path(shutil.copytree(folders["avatars"], tmp_path / "out"))
    for name in ("000002.png", f"{CHUNK:06d}.npy", "samples.parquet"):
        (out / name).unlink()
        write_random_renders(out, RECIPES["avatars"], workers=0, progress=False)
        assert files(out) == files(folders["avatars"]), name


def test_other_settings_do_not_mix(folders: dict[str, Path]) -> None:
    with pytest.raises(CorpusError, match=r"RENDERS\.json: was begun with other settings"):
        write_random_renders(folders["avatars"], replace(RECIPES["avatars"], seed=6))


@pytest.mark.parametrize(
    "wrong",
    [
        *({"maker": "dolls"}, {"count": 0}, {"size": 2}, {"max_yaw": 100.0}, {"seed": -1}),
        *({"acquisition": "mars"}, {"maker": "avatars", "acquisition": "bp4d"}),
    ],
)
def test_what_cannot_be_rendered_is_refused_before_anything_is_written(
    tmp_path: Path, wrong: dict[str, object]
) -> None:
    with pytest.raises(ConfigError):
        write_random_renders(tmp_path / "out", replace(RECIPES["people"], **wrong))
    assert not (tmp_path / "out").exists()


def test_expressions_show_every_action_unit_alone_and_in_company() -> None:
    drives = np.stack([sample_expression(np.random.default_rng(i)) for i in range(4000)])
    assert drives.min() == 0
    assert drives.max() == 1
    share = dict(zip(VISIBLE_AUS, (drives > 0).mean(axis=0), strict=True))
    assert min(share.values()) > 0.03
    assert max(share.values()) < 0.5
    together = np.corrcoef(drives.T) - np.eye(len(VISIBLE_AUS))
    assert together.max() < 0.9, "no action unit may be read from another"
    column = {au: k for k, au in enumerate(VISIBLE_AUS)}
    assert together[column[6], column[12]] > 0.2 > abs(together[column[2], column[9]])
    shut = drives[:, column[43]] > 0.8
    assert 0.02 < shut.mean() < 0.15

"""A repaired file means a new store; a damaged store is refused, and its remedy ends in a whole one."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from aukit.cli import main
from aukit.datasets import BP4D
from aukit.errors import StoreError
from aukit.store import PreparedStore, prepare
from tests.fakes import FakeCorpus, FakeLandmarks, FakeRegistration, fake_store
from tests.releases import bp4d, picture
from tests.standins import file_contents

F001 = "Sequences(2D+3D)/F001/T1"


class ChangingLandmarks(FakeLandmarks):
    """Somebody writes to the release while the store is built."""

    def __init__(self, change: Callable[[], None] = lambda: None) -> None:
        super().__init__(SimpleNamespace(faceless=set()))
        self.change = change

    def landmarks(self, *arguments):
        self.change()
        return super().landmarks(*arguments)


def bp4d_store(root: Path, out: Path, corpus: BP4D | None = None, landmarks=None) -> PreparedStore:
    return prepare(
        corpus or BP4D(root),
        FakeRegistration(),
        landmarks or ChangingLandmarks(),
        out,
        workers=0,
        progress=False,
    )


def repair(path: Path, number: int) -> None:
    """Another picture in a file of the same size."""
    size, before = path.stat().st_size, path.stat()
    Image.fromarray(picture(number)).save(path, quality=30)
    with path.open("ab") as file:
        file.write(bytes(size - path.stat().st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 10**9))


def test_a_repaired_image_in_the_middle_means_a_new_store(tmp_path):
    root = bp4d(tmp_path / "bp4d")
    before = bp4d_store(root, tmp_path / "stores")
    assert bp4d_store(root, tmp_path / "stores").path == before.path
    repair(root / F001 / "2441.jpg", 0)
    after = bp4d_store(root, tmp_path / "stores")
    assert after.path != before.path
    row = after.table.rows(video=F001, position=2441)[0]
    assert abs(after.images[row].mean() - 40) < 1
    assert abs(before.images[row].mean() - picture(2441).mean()) < 1


def test_a_file_that_changes_while_the_store_is_built_is_named(tmp_path):
    root = bp4d(tmp_path / "bp4d")
    changing = ChangingLandmarks(lambda: repair(root / F001 / "2441.jpg", 0))
    with pytest.raises(StoreError, match=r"F001/T1: changed after .* Repeat the command") as error:
        bp4d_store(root, tmp_path / "stores", landmarks=changing)
    assert str(error.value).startswith("Sequences(2D+3D)/F001/T1: changed")
    assert not [p for p in (tmp_path / "stores").iterdir() if p.is_dir()]
    assert len(bp4d_store(root, tmp_path / "stores")) == 20


def test_a_reader_whose_table_is_older_than_the_files_makes_no_store(tmp_path):
    root = bp4d(tmp_path / "bp4d")
    corpus = BP4D(root)
    _ = corpus.table
    (root / "AUCoding/AU_OCC/M010_T8.csv").unlink()
    with pytest.raises(StoreError, match=r"AU_OCC/M010_T8\.csv: changed"):
        bp4d_store(root, tmp_path / "stores", corpus)


def cut(path: Path, share: float = 0.5) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def claims(path: Path, shape: tuple[int, ...], dtype: str = "|u1") -> None:
    """A header that claims another array than there is."""
    with path.open("r+b") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})


def rewrite(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


DAMAGE: dict[str, tuple[str, Callable[[Path], object]]] = {
    "empty manifest": ("store.json", lambda path: path.write_bytes(b"")),
    "manifest cut": ("store.json", cut),
    "manifest is no JSON": ("store.json", lambda path: path.write_text("frames: 60")),
    "manifest is no UTF-8": ("store.json", lambda path: path.write_bytes(b'{"schema": "\xff"}')),
    "manifest is a list": ("store.json", lambda path: path.write_text("[]")),
    "manifest is nested": ("store.json", lambda path: path.write_text("[" * 10**5)),
    "manifest lacks keys": ("store.json", lambda path: path.write_text('{"schema": 3}')),
    "manifest has a word for a number": ("store.json", lambda path: rewrite(path, frames="all")),
    "manifest has other frames": (
        "images.npy",
        lambda path: rewrite(path.with_name("store.json"), frames=59),
    ),
    "manifest has no size": ("store.json", lambda path: rewrite(path, registration={"name": "middle"})),
    "images cut": ("images.npy", cut),
    "images empty": ("images.npy", lambda path: path.write_bytes(b"")),
    "images too long": ("images.npy", lambda path: path.write_bytes(path.read_bytes() + b"\0")),
    "images missing": ("images.npy", Path.unlink),
    "images of another size": ("images.npy", lambda path: np.save(path, np.zeros((60, 8, 8, 3), np.uint8))),
    "images in another order": (
        "images.npy",
        lambda path: np.save(path, np.asfortranarray(np.load(path))),
    ),
    "images claim much": ("images.npy", lambda path: claims(path, (10**12, 16, 16, 3))),
    "images have no header": ("images.npy", lambda path: path.write_bytes(b"\x93NUMPY\1\0\4\0{(((")),
    "landmarks cut": ("landmarks.npy", cut),
    "landmarks claim much": ("landmarks.npy", lambda path: claims(path, (10**12, 68, 3), "<f4")),
    "landmarks of one frame": ("landmarks.npy", lambda path: np.save(path, np.zeros((1, 68, 3), "f4"))),
    "landmarks are objects": (
        "landmarks.npy",
        lambda path: np.save(path, np.array([None] * 60), allow_pickle=True),
    ),
    "table cut": ("table.parquet", cut),
    "table empty": ("table.parquet", lambda path: path.write_bytes(b"")),
    "table is another": ("table.parquet", lambda path: pd.DataFrame({"a": [1]}).to_parquet(path)),
    "exclusions cut": ("exclusions.parquet", cut),
    "exclusions missing": ("exclusions.parquet", Path.unlink),
    "exclusions are others": ("exclusions.parquet", lambda path: pd.DataFrame({"a": [1]}).to_parquet(path)),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_store(tmp_path_factory.mktemp("whole")).path


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_store_is_refused_and_built_again(name, whole, tmp_path):
    file, damage = DAMAGE[name]
    path = Path(shutil.copytree(whole, tmp_path / "stores" / whole.name))
    damage(path / file)
    with pytest.raises(
        StoreError, match=r"damaged store .*; delete the folder\. `aukit fit -c FILE`"
    ) as error:
        PreparedStore.open(path)
    assert file in str(error.value)
    assert str(path) in str(error.value)
    assert fake_store(tmp_path / "stores").path == path
    assert file_contents(path) == file_contents(whole)
    shutil.rmtree(path)
    assert fake_store(tmp_path / "stores").path == path
    assert file_contents(path) == file_contents(whole)


def test_a_folder_without_manifest_is_built_again(whole, tmp_path, capsys):
    path = Path(shutil.copytree(whole, tmp_path / whole.name))
    (path / "store.json").unlink()
    with pytest.raises(StoreError, match="`aukit prepare CORPUS --root DIR` builds it"):
        PreparedStore.open(path)
    fake_store(tmp_path)
    assert "is damaged and is built again" in capsys.readouterr().out
    assert file_contents(path) == file_contents(whole)


def stopped_before_the_merge(out: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A half-built store with all of its shards."""
    with monkeypatch.context() as patched:

        def stop(*_):
            raise KeyboardInterrupt

        patched.setattr("aukit.store.build._merge", stop)
        with pytest.raises(KeyboardInterrupt):
            fake_store(out)
    (building,) = out.glob(".*.building")
    return building


@pytest.mark.parametrize("victim", ["000002.npz", "000002.u8"])
@pytest.mark.parametrize("damage", [cut, lambda path: path.write_bytes(b""), Path.unlink])
def test_a_damaged_shard_is_made_again(victim, damage, whole, tmp_path, monkeypatch):
    damage(stopped_before_the_merge(tmp_path, monkeypatch) / "shards" / victim)
    assert file_contents(fake_store(tmp_path).path) == file_contents(whole)


def test_a_damaged_merge_is_removed_and_the_same_command_works(whole, tmp_path, monkeypatch):
    building = stopped_before_the_merge(tmp_path, monkeypatch)
    (building / "images.npy").write_bytes((whole / "images.npy").read_bytes()[:5000])
    (building / "shards/000000.u8").unlink()  # moved into the array, which then lost it
    with pytest.raises(StoreError, match=r"images\.npy has 5,000 bytes.* is removed; repeat the command"):
        fake_store(tmp_path)
    assert file_contents(fake_store(tmp_path).path) == file_contents(whole)


def test_a_store_that_cannot_be_read_is_not_built_again(whole, tmp_path, monkeypatch):
    path = Path(shutil.copytree(whole, tmp_path / whole.name))

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("aukit.store.store.map_array", refuse)
    with pytest.raises(StoreError, match=r"cannot be read \(Permission denied\); see to its rights"):
        fake_store(tmp_path)
    assert file_contents(path) == file_contents(whole)


def test_the_remedy_typed(standin, tmp_path, capsys):
    words = f"prepare fera2017 --root {standin.root} --views 6 --registration similarity --size 32".split()
    words += ["--workers", "0", "--out", str(tmp_path)]
    assert main(words) == 0
    (path,) = (p for p in tmp_path.iterdir() if p.is_dir())
    before = file_contents(path)
    cut(path / "images.npy")
    with pytest.raises(StoreError, match="delete the folder"):
        PreparedStore.open(path)
    shutil.rmtree(path)
    assert main(words) == 0
    assert file_contents(path) == before
    cut(path / "store.json")
    capsys.readouterr()
    assert main(words) == 0
    assert "is damaged and is built again" in capsys.readouterr().out
    assert file_contents(path) == before


def test_what_the_reader_noted_stays_with_the_store(tmp_path):
    corpus = FakeCorpus()
    assert corpus.notes[0] in fake_store(tmp_path, corpus).summary()

"""Encoded stores: the same rows as without compression, exact or nearly so, and damage that is named."""

import json
import pickle
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aukit.errors import ConfigError, StoreError
from aukit.store import Encoding, PreparedStore
from aukit.store.encoding import EncodedImages
from tests.fakes import FakeCorpus, FakeRegistration, fake_store
from tests.standins import file_contents

SIDE = 24
JPEG, WEBP = Encoding("jpeg"), Encoding("webp")


class SmoothCorpus(FakeCorpus):
    """Frames that are smooth, as faces mostly are, each another."""

    def decode(self, video):
        y, x = np.mgrid[: self.side, : self.side] / self.side
        for position, frame in super().decode(video):
            waves = np.stack([np.sin(3 * x + position), np.cos(4 * y), np.sin(2 * (x + y))], axis=-1)
            yield position, (frame // 12 + 120 + 100 * waves).astype(np.uint8)


def smooth_store(folder: Path, encoding: Encoding | None = None) -> PreparedStore:
    options = {} if encoding is None else {"encoding": encoding}
    return fake_store(folder, SmoothCorpus(), FakeRegistration(SIDE), **options)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> PreparedStore:
    return smooth_store(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def jpeg(tmp_path_factory: pytest.TempPathFactory) -> PreparedStore:
    return smooth_store(tmp_path_factory.mktemp("jpeg"), JPEG)


@pytest.fixture(scope="module")
def webp(tmp_path_factory: pytest.TempPathFactory) -> PreparedStore:
    return smooth_store(tmp_path_factory.mktemp("webp"), WEBP)


def test_webp_keeps_every_pixel(raw, webp):
    assert (webp.images[:] == raw.images[:]).all()
    assert webp.images.shape == raw.images.shape
    assert (webp.landmarks == raw.landmarks).all()
    assert webp.table.frame.equals(raw.table.frame)
    assert webp.size == SIDE


def test_jpeg_is_near_and_nearer_the_higher_its_quality(raw, jpeg, tmp_path):
    def error(store: PreparedStore) -> np.ndarray:
        return np.abs(store.images[:].astype(int) - raw.images[:])

    coarse = smooth_store(tmp_path, Encoding("jpeg", 50))
    assert 0 < error(jpeg).mean() < 1.5
    assert error(jpeg).max() <= 10
    assert error(coarse).mean() > 1.5 * error(jpeg).mean()
    sizes = [(store.path / "images.bin").stat().st_size for store in (coarse, jpeg)]
    assert sizes[0] < sizes[1] < (raw.path / "images.npy").stat().st_size
    assert jpeg.manifest["encoding"] == {"format": "jpeg", "quality": 95}
    assert "jpeg95" in jpeg.path.name
    assert "kept as jpeg95" in jpeg.summary()


@pytest.mark.parametrize(
    "rows",
    [
        7,
        -1,
        [5, 0, 5, 59],
        np.array([], dtype=np.int64),
        slice(3, 50, 9),
        np.arange(60) % 7 == 2,
        np.array([[1, 2], [3, 4]]),
    ],
    ids=str,
)
def test_any_rows_are_those_of_reading_in_order(raw, webp, jpeg, rows):
    in_order = np.stack([jpeg.images[row] for row in range(len(jpeg))])
    assert (jpeg.images[rows] == in_order[rows]).all()
    assert jpeg.images[rows].shape == raw.images[rows].shape
    assert jpeg.images[rows].dtype == np.uint8
    assert (webp.images[rows] == raw.images[rows]).all()


def test_rows_outside_are_refused_as_those_of_an_array(jpeg):
    with pytest.raises(IndexError):
        jpeg.images[60]
    assert sum(1 for _ in jpeg.images) == 60


def test_the_encoding_is_part_of_the_fingerprint_and_pixels_say_nothing_of_it(raw, jpeg, webp, tmp_path):
    assert "encoding" not in raw.manifest
    other = smooth_store(tmp_path, Encoding("jpeg", 90))
    assert len({store.fingerprint for store in (raw, jpeg, webp, other)}) == 4
    assert smooth_store(tmp_path, Encoding(None)).fingerprint == raw.fingerprint


def test_a_pickled_store_is_its_path(jpeg):
    data = pickle.dumps(jpeg)
    assert len(data) < 1000
    assert (pickle.loads(data).images[[3, 4]] == jpeg.images[[3, 4]]).all()


@pytest.mark.parametrize("moment", ["shards", "merge"])
def test_a_build_that_is_stopped_goes_on_to_the_same_bytes(jpeg, tmp_path, monkeypatch, moment):
    class StopError(BaseException):
        pass

    with monkeypatch.context() as patched:
        import aukit.store.build as build
        import aukit.store.shards as shards

        if moment == "shards":
            made, count = shards._make_shard, 0

            def make(*arguments):
                nonlocal count
                if count == 2:
                    raise StopError
                count += 1
                return made(*arguments)

            patched.setattr(shards, "_make_shard", make)
        else:
            removed, gone = Path.unlink, 0

            def unlink(path, *arguments, **options):
                nonlocal gone
                if path.suffix == ".u8" and (gone := gone + 1) == 3:
                    raise StopError
                return removed(path, *arguments, **options)

            patched.setattr(build.Path, "unlink", unlink)
        with pytest.raises(StopError):
            smooth_store(tmp_path, JPEG)
    assert len(list(tmp_path.glob(".*.building/shards/*"))) > 0
    assert file_contents(smooth_store(tmp_path, JPEG).path) == file_contents(jpeg.path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def set_index(path: Path, row: int, column: int, value: int) -> None:
    index = np.load(path)
    index[row, column] = value
    np.save(path, index)


def set_encoding(path: Path, value: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "encoding": value}))


DAMAGE: dict[str, tuple[str, Callable[[Path], object]]] = {
    "crops cut": ("images.bin", cut),
    "crops empty": ("images.bin", lambda path: path.write_bytes(b"")),
    "crops too long": ("images.bin", lambda path: path.write_bytes(path.read_bytes() + b"\0")),
    "crops missing": ("images.bin", Path.unlink),
    "index cut": ("index.npy", cut),
    "index missing": ("index.npy", Path.unlink),
    "index of other rows": ("index.npy", lambda path: np.save(path, np.zeros((59, 2), np.int64))),
    "index goes back": ("index.npy", lambda path: set_index(path, 7, 0, 0)),
    "index leads out": (
        "images.bin",
        lambda path: set_index(path.with_name("index.npy"), 59, 0, 10**12),
    ),
    "encoding unknown": ("store.json", lambda path: set_encoding(path, {"format": "gif", "quality": None})),
    "encoding is a word": ("store.json", lambda path: set_encoding(path, "jpeg")),
    "quality too high": ("store.json", lambda path: set_encoding(path, {"format": "jpeg", "quality": 101})),
    "quality is a word": ("store.json", lambda path: set_encoding(path, {"format": "jpeg", "quality": "x"})),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_store_is_refused(name, jpeg, tmp_path):
    file, damage = DAMAGE[name]
    path = Path(shutil.copytree(jpeg.path, tmp_path / jpeg.path.name))
    damage(path / file)
    with pytest.raises(StoreError, match=r"damaged store .*; delete the folder\.") as error:
        PreparedStore.open(path)
    assert file in str(error.value)
    if name == "crops cut":
        assert smooth_store(tmp_path, JPEG).path == path
        assert file_contents(path) == file_contents(jpeg.path)


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_a_damaged_crop_is_named_and_the_others_are_read(kind, request, tmp_path):
    whole: PreparedStore = request.getfixturevalue(kind)
    path = Path(shutil.copytree(whole.path, tmp_path / "store"))
    ends = np.load(path / "index.npy")[:, 0]
    content = bytearray((path / "images.bin").read_bytes())
    content[int(ends[16] + ends[17]) // 2] ^= 16
    (path / "images.bin").write_bytes(content)
    store = PreparedStore.open(path)
    with pytest.raises(StoreError, match=r"store: damaged store \(images\.bin, row 17: .*delete the folder"):
        store.images[[3, 17]]
    others = np.delete(np.arange(60), 17)
    assert (store.images[others] == whole.images[others]).all()


def one_crop(folder: Path, content: bytes) -> EncodedImages:
    (folder / "images.bin").write_bytes(content)
    np.save(folder / "index.npy", np.array([[len(content), zlib.crc32(content)]]))
    return EncodedImages(folder, JPEG, 1, SIDE)


def test_a_crop_is_never_decoded_to_another_size_or_by_another_decoder(tmp_path):
    large = Encoding("jpeg").encode(np.zeros((2 * SIDE, 2 * SIDE, 3), np.uint8))
    with pytest.raises(StoreError, match="row 0: it is 48 x 48"):
        one_crop(tmp_path, large)[0]
    # A header that claims much more than follows.
    claim = bytearray(large)
    at = claim.index(b"\xff\xc0") + 5
    claim[at : at + 4] = b"\xff\xff\xff\xff"
    with pytest.raises(StoreError, match="row 0: "):
        one_crop(tmp_path, bytes(claim))[0]
    with pytest.raises(StoreError, match="row 0: cannot identify"):
        one_crop(tmp_path, WEBP.encode(np.zeros((SIDE, SIDE, 3), np.uint8)))[0]
    path = tmp_path / "grey.jpg"
    Image.new("L", (SIDE, SIDE)).save(path)
    with pytest.raises(StoreError, match="row 0: it is 24 x 24 L"):
        one_crop(tmp_path, path.read_bytes())[0]


def test_what_does_not_go_together_is_refused(tmp_path):
    for arguments in (("webp", 90), (None, 90), ("jpeg", 101), ("jpeg", 0), ("gif",)):
        with pytest.raises(ConfigError, match=r"quality=|encoding='?gif"):
            Encoding(*arguments)
    with pytest.raises(ConfigError, match="take encoding=webp, which is exact"):
        fake_store(tmp_path, registration=FakeRegistration(name="frontal3d"), encoding=JPEG)
    assert not list(tmp_path.iterdir())
    assert len(fake_store(tmp_path, registration=FakeRegistration(name="frontal3d"), encoding=WEBP)) == 60

"""Images from outside: turned, scaled to 8 bits, or named as damaged."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aukit.datasets.images import read_image
from aukit.errors import CorpusError
from tests.datasets.numbered import picture


@pytest.mark.parametrize(
    ("orientation", "shown"),
    [
        (1, lambda image: image),
        (2, lambda image: image[:, ::-1]),
        (3, lambda image: np.rot90(image, 2)),
        (6, lambda image: np.rot90(image, -1)),
        (8, lambda image: np.rot90(image)),
    ],
)
def test_images_are_turned_as_their_exif_data_say(tmp_path: Path, orientation: int, shown) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(picture(5)).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "a.png"), shown(picture(5)))


@pytest.mark.parametrize(
    ("tag", "kind", "value"),
    [
        (0x11A, 2, b"72\0\0"),  # a resolution as text
        (0x100, 2, b"640\0"),  # a width as text
        (0x102, 4, struct.pack("<I", 70_000)),  # bits beyond their type
        (0x132, 11, struct.pack("<f", 1.5)),  # a date as a number
    ],
)
def test_odd_exif_data_stop_no_image_from_being_turned(
    tmp_path: Path, tag: int, kind: int, value: bytes
) -> None:
    entries = [(0x112, 3, 1, struct.pack("<HH", 6, 0)), (tag, kind, len(value) if kind == 2 else 1, value)]
    fields = b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in sorted(entries))
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries)) + fields + bytes(4)
    Image.fromarray(picture(5)).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == (64, 48, 3)


def test_a_png_without_pixels_is_an_error(tmp_path: Path) -> None:
    Image.fromarray(picture(5)).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(
        content[: content.index(b"IDAT") - 4] + content[content.index(b"IEND") - 4 :]
    )
    with pytest.raises(CorpusError, match=r"a\.png: .*copy it again"):
        read_image(tmp_path / "a.png")


def test_sixteen_bits_become_eight_by_their_value(tmp_path: Path) -> None:
    levels = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)
    Image.fromarray(levels).save(tmp_path / "a.png")
    expected = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(read_image(tmp_path / "a.png"), np.repeat(expected[..., None], 3, -1))


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "CMYK"])
def test_other_modes_become_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    Image.fromarray(picture(5)).convert(mode).save(path)
    image = read_image(path)
    assert image.shape == picture(5).shape
    assert image.dtype == np.uint8


def photograph() -> bytes:
    rng = np.random.default_rng(0)
    image = np.kron(picture(9), np.ones((6, 6, 1), np.uint8)) + rng.integers(0, 12, (288, 384, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=90)
    return file.getvalue()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data[:9000] + bytes(2000) + data[11000:],
        lambda data: data[:9000] + data[9100:],
        lambda data: b"",
        lambda data: b"<html>quota exceeded</html>",
    ],
    ids=["cut", "zeros", "bytes missing", "empty", "text"],
)
def test_damaged_images_are_named(tmp_path: Path, damage) -> None:
    whole = photograph()
    (tmp_path / "whole.jpg").write_bytes(whole)
    assert read_image(tmp_path / "whole.jpg").shape == (288, 384, 3)
    (tmp_path / "a.jpg").write_bytes(damage(whole))
    with pytest.raises(CorpusError, match=r"a\.jpg: .*copy it again"):
        read_image(tmp_path / "a.jpg")


def test_damage_of_a_photograph_with_a_second_picture_behind_it_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    photo, behind = Image.open(io.BytesIO(photograph())), Image.fromarray(picture(3))
    photo.save(path, "MPO", quality=90, save_all=True, append_images=[behind])
    assert read_image(path).shape == (288, 384, 3)
    content = bytearray(path.read_bytes())
    content[9000:11000] = bytes(2000)
    path.write_bytes(content)
    with pytest.raises(CorpusError, match="a damaged image"):
        read_image(path)


def test_a_png_is_whole_or_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(picture(3)).save(path)
    whole = path.read_bytes()
    half = len(whole) // 2
    for damaged in (whole[:half] + bytes(len(whole) - half), whole[:half] + b"\1\2\3" + whole[half + 3 :]):
        path.write_bytes(damaged)
        with pytest.raises(CorpusError, match=r"a\.png: .*copy it again"):
            read_image(path)


@pytest.mark.parametrize(
    "options", [{"progressive": True}, {"quality": 30, "subsampling": 2}, {"optimize": True}]
)
def test_kinds_of_jpeg_are_read(tmp_path: Path, options) -> None:
    Image.fromarray(picture(9)).save(tmp_path / "a.jpg", **options)
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - picture(9)).mean() < 15


def test_larger_images_than_any_camera_makes_are_refused(tmp_path: Path) -> None:
    Image.new("L", (9000, 2)).save(tmp_path / "a.png")
    with pytest.raises(CorpusError, match=r"at most 8192 a side.*smaller"):
        read_image(tmp_path / "a.png")

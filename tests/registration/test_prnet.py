"""Registration by PRNet: its crops as published, its UV data's mesh, and faces drawn from position maps."""

import numpy as np
import pandas as pd
import pytest
import skimage.data
import torch
from PIL import Image
from skimage.transform import estimate_transform, warp

from aukit.cli import main
from aukit.datamodules import TableDataModule
from aukit.errors import ConfigError, WeightsError
from aukit.models.weights.prnet import import_prnet
from aukit.registration import build_registration, canonical_face, umeyama
from aukit.registration.prnet.frontal import cut_square, face_squares
from aukit.registration.prnet.network import LARGEST, ResFCN256
from aukit.registration.prnet.uv import UVData, read_uv_data
from aukit.simulation import Avatar, Camera, face_model, render
from aukit.store import PreparedStore
from tests.prnet_files import FACE_SCALE, SIDE, tensorflow_arrays, uv_grid, write_npz, write_uv_data

FRAME = 160


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Random weights and a face of our own; what the network says is replaced below."""
    folder = tmp_path_factory.mktemp("prnet")
    weights = write_npz(folder / "prnet.npz", tensorflow_arrays())
    import_prnet(weights, write_uv_data(folder / "uv-data"), folder / "prnet.safetensors")
    return folder / "prnet.safetensors"


@pytest.fixture(scope="module")
def frames():
    """One neutral person from the front and turned: uint8 images and true landmarks."""
    avatar, neutral = Avatar.sample("registration", "test", 0), face_model().activations({})
    camera = Camera(yaw=torch.tensor([0.0, 30.0]), pitch=torch.tensor([0.0, -15.0]), zoom=1.2)
    pictures = render(avatar, torch.cat([neutral, neutral]), camera, size=FRAME, supersampling=1)
    images = (pictures.image.permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8)
    return images, pictures.landmarks.numpy()


def published_crop(image, landmarks):
    """PRNet's procedure with scikit-image, as its code states it: the crop and its similarity."""
    left, top = landmarks[:, :2].min(0)
    right, bottom = landmarks[:, :2].max(0)
    old = (right - left + bottom - top) / 2
    x, y = right - (right - left) / 2, bottom - (bottom - top) / 2
    half = int(old * 1.6) / 2
    corners = np.array([[x - half, y - half], [x - half, y + half], [x + half, y - half]])
    similarity = estimate_transform("similarity", corners, np.array([[0, 0], [0, 255], [255, 0]]))
    return warp(image / 255, similarity.inverse, output_shape=(256, 256)), similarity.params


@pytest.mark.parametrize("shift", [0.0, 60.0])
def test_crops_are_those_of_the_published_code(frames, shift):
    """Also where the square reaches beyond the frame."""
    images, landmarks = frames[0], frames[1] + np.array([shift, 0, 0])
    squares = face_squares(landmarks)
    for image, marks, square in zip(images, landmarks, squares, strict=True):
        expected, matrix = published_crop(image, marks.astype(float))
        np.testing.assert_allclose(255 / square[2], matrix[0, 0], rtol=1e-9)
        np.testing.assert_allclose(-square[:2] * matrix[0, 0], matrix[:2, 2], rtol=1e-9)
        crop = cut_square(image, square).permute(1, 2, 0).numpy()
        np.testing.assert_allclose(crop, expected, atol=2e-3)
    assert shift == 0 or (crop[:, -1] == 0).all()


def position_maps(landmarks):
    """What a network would say of faces with such landmarks: the mean face, rigidly posed, in its crops."""
    pixels, points = uv_grid()
    canonical = torch.from_numpy(canonical_face().landmarks).expand(len(landmarks), -1, -1)
    pose = umeyama(canonical, torch.from_numpy(landmarks).double()).numpy()
    maps = np.zeros((len(landmarks), SIDE * SIDE, 3))
    for row, (matrix, marks) in enumerate(zip(pose, landmarks, strict=True)):
        posed = points @ matrix[:, :3].T + matrix[:, 3]
        similarity = published_crop(np.zeros((8, 8, 3)), marks.astype(float))[1]
        posed[:, :2] = posed[:, :2] * similarity[0, 0] + similarity[:2, 2]
        posed[:, 2] *= similarity[0, 0]
        maps[row, pixels] = posed
    return torch.from_numpy(maps / LARGEST).float().mT.reshape(-1, 3, SIDE, SIDE)


@pytest.fixture
def registered(file, frames, monkeypatch):
    maps = position_maps(frames[1])
    monkeypatch.setattr(ResFCN256, "forward", lambda network, crops: maps)
    return build_registration("prnet", 96, prnet=file)(*frames)


def test_faces_are_drawn_as_frontal3d_draws_the_same_mesh(registered, frames):
    """`smoothing` so strong that its mesh is the rigid mean face as well."""
    assert registered.ok.all()
    rigid = build_registration("frontal3d", 96, smoothing=1e6)(*frames)
    for row in range(2):
        seen = (registered.crops[row].max(-1) > 0) & (rigid.crops[row].max(-1) > 0)
        both = (registered.crops[row].max(-1) > 0) | (rigid.crops[row].max(-1) > 0)
        assert seen.sum() / both.sum() > 0.9
        apart = registered.crops[row][seen].astype(float) - rigid.crops[row][seen]
        assert np.abs(apart).mean() < 6
    # Landmarks are pixels of the map: up to half a pixel of it off, at the outline more.
    assert np.abs(registered.landmarks - rigid.landmarks)[..., :2].mean() < 0.5 * 96 * 75.9 / 224 / FACE_SCALE
    assert (registered.crops[1] == 0).all(-1).sum() > (registered.crops[0] == 0).all(-1).sum()


def test_landmarks_need_no_depth_and_nonsense_is_not_ok(file, frames):
    """Of random weights the mesh is no face: nothing raises, and no frame is taken."""
    images, landmarks = frames[0][:1].repeat(3, 0), frames[1][:1].repeat(3, 0)
    landmarks[1, :, 2] = np.nan
    landmarks[2] = np.nan
    crops, marks, ok = build_registration("prnet", 32, prnet=file)(images, landmarks)
    assert not ok[2]
    assert np.isnan(marks[~ok]).all()
    assert not crops[~ok].any()
    np.testing.assert_array_equal(crops[0], crops[1])


def test_the_mesh_joins_neighbours_in_the_map():
    """Three full squares; of three pixels one that the diagonal spares, and one that it cuts."""
    rows = ["###.", "####", "##..", "...#"]
    face = np.array([256 * y + x for y, row in enumerate(rows) for x, sign in enumerate(row) if sign == "#"])
    uv = UVData(face, face[:1], np.zeros((len(face), 3), np.float32))
    assert len(uv.triangles) == 2 * 3 + 1
    assert sorted(set(face) - set(uv.vertices)) == [256 + 3, 3 * 256 + 3]
    places = np.stack(np.divmod(face[uv.triangles], 256), -1)
    assert (np.ptp(places, axis=1) == 1).all()


def test_the_canonical_face_is_scaled_by_its_eyes(tmp_path):
    """Whatever unit and origin the file has."""
    mesh = read_uv_data(write_uv_data(tmp_path)).mesh
    inner = slice(17, 68)  # those of the outline lie on it in the map
    ours = canonical_face().landmarks[inner, :2]
    np.testing.assert_allclose(mesh.landmarks[inner, :2], ours, atol=0.03)
    corners = mesh.vertices[mesh.triangles]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2]
    assert (facing > 0).mean() > 0.95


# ---------------------------------------------------------------------------------------- a corpus


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """Two frames of a portrait as a table, and a network that answers with the face that is there."""
    portrait = skimage.data.astronaut()
    for name, image in (("a", portrait), ("b", np.roll(portrait, 12, axis=1))):
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    rows = {"path": ["a.png", "b.png"], "person": ["p1", "p2"], "AU12_c": [1, 0]}
    pd.DataFrame(rows).to_csv(tmp_path / "frames.csv", index=False)
    canonical = canonical_face().landmarks * 60 + np.array([200.0, 100, 0])
    maps = position_maps(canonical[None].astype(np.float32))
    monkeypatch.setattr(ResFCN256, "forward", lambda network, crops: maps.expand(len(crops), -1, -1, -1))
    return tmp_path


def prepared(corpus, *more):
    words = (
        f"prepare table --root {corpus} --table {corpus}/frames.csv --registration prnet --size 64".split()
    )
    return main([*words, "--workers", "0", "--out", str(corpus / "stores"), *more])


def test_a_corpus_is_prepared_by_the_file_that_is_named(corpus, file, monkeypatch, capsys):
    assert prepared(corpus) == 2
    assert "aukit weights import prnet" in capsys.readouterr().err
    assert prepared(corpus, "--prnet", str(file)) == 0
    (folder,) = (corpus / "stores").glob("table-prnet-64-*")
    store = PreparedStore.open(folder)
    assert len(store) == 2
    registration = store.manifest["registration"]
    assert registration["name"] == "prnet"
    monkeypatch.setenv("AUKIT_PRNET", str(file))
    assert prepared(corpus) == 0
    data = TableDataModule(
        root=str(corpus),
        table=str(corpus / "frames.csv"),
        cache=str(corpus / "stores"),
        registration="prnet",
        size=64,
        aus=(12,),
    )
    data.prepare_data()
    assert list((corpus / "stores").glob("table-prnet-*")) == [folder]
    # What a checkpoint keeps of its crops makes the same registration again, and no other.
    settings = registration["settings"]
    assert build_registration("prnet", 64, **settings).settings == settings
    with pytest.raises(WeightsError, match="name the file that the crops were made with"):
        build_registration("prnet", 64, **{**settings, "sha256": "0" * 64})


def test_the_file_belongs_to_its_registration(file):
    with pytest.raises(ConfigError, match=r"data\.prnet belongs to registration=prnet"):
        TableDataModule(root="r", table="t.csv", prnet=str(file))
    with pytest.raises(ConfigError, match="take encoding=webp"):
        TableDataModule(root="r", table="t.csv", registration="prnet", encoding="jpeg")
    with pytest.raises(ConfigError, match="prnet: method must be"):
        build_registration("prnet", 64, prnet=file, method="rigid")


def test_other_and_damaged_files_are_named(file, tmp_path, monkeypatch):
    monkeypatch.delenv("AUKIT_PRNET", raising=False)
    with pytest.raises(WeightsError, match=r"data\.prnet, --prnet or AUKIT_PRNET"):
        build_registration("prnet", 64)
    with pytest.raises(WeightsError, match="nowhere: no such file; make it with aukit weights import prnet"):
        build_registration("prnet", 64, prnet=tmp_path / "nowhere")
    content = bytearray(file.read_bytes())
    (tmp_path / "cut").write_bytes(content[:1000])
    with pytest.raises(WeightsError, match="cut: truncated or no safetensors file"):
        build_registration("prnet", 64, prnet=tmp_path / "cut")
    content[len(content) // 2] ^= 1
    (tmp_path / "flipped").write_bytes(content)
    registration = build_registration("prnet", 64, prnet=tmp_path / "flipped")
    images = np.full((1, FRAME, FRAME, 3), 9, np.uint8)
    marks = (canonical_face().landmarks * 40 + 80).astype(np.float32)[None]
    with pytest.raises(WeightsError, match="flipped: the content is not what was written"):
        registration(images, marks)
    mini = "aukit/models/weights/fgnet-mini.safetensors"
    with pytest.raises(WeightsError, match="is not of kind prnet"):
        build_registration("prnet", 64, prnet=mini)

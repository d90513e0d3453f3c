"""Registrations on rendered faces, and on everything that is no face."""

import numpy as np
import pytest
import torch

from aukit.errors import ConfigError
from aukit.registration import (
    DenseFitter,
    build_registration,
    canonical_face,
    ffhq_matrix,
    ffhq_quad,
    fit_dense_mesh,
    frontal_template,
    similarity_align,
)
from aukit.simulation import Avatar, Camera, face_model, render

FRAME = 160
NAMES = ("ffhq", "similarity", "frontal3d")


@pytest.fixture(scope="module")
def frames():
    """One person from the front, turned, and smiling while turned: uint8 images and true landmarks."""
    model = face_model()
    avatar = Avatar.sample("registration", "test", 0)
    neutral, smile = model.activations({}), model.activations({12: 1.0, 25: 0.5})
    pictures = render(
        avatar,
        torch.cat([neutral, neutral, smile]),
        Camera(yaw=torch.tensor([0.0, 30.0, 30.0]), pitch=torch.tensor([0.0, -15.0, -15.0]), zoom=1.2),
        size=FRAME,
        supersampling=1,
    )
    images = (pictures.image.permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8)
    return images, pictures.landmarks.numpy()


@pytest.mark.parametrize("name", NAMES)
def test_crops_landmarks_and_ok(frames, name):
    images, landmarks = frames
    registration = build_registration(name, 64)
    crops, marks, ok = registration(images, landmarks)
    assert registration.name == name
    assert registration.size == 64
    assert ok.all()
    assert crops.shape == (3, 64, 64, 3)
    assert crops.dtype == np.uint8
    assert marks.shape == (3, 68, 3)
    assert marks.dtype == np.float32
    assert np.abs(marks[..., :2] - 31.5).max() < 45
    again = registration(images[1:2], landmarks[1:2])
    np.testing.assert_array_equal(again.crops[0], crops[1])


@pytest.mark.parametrize("name", NAMES)
def test_bad_landmarks_are_not_ok_and_never_raise(frames, name):
    image, good = frames[0][0], frames[1][0]
    rng = np.random.default_rng(0)
    nan = good.copy()
    nan[40, 0] = np.nan
    bad = {
        "one coordinate missing": nan,
        "tracker failed": np.full_like(good, np.nan),
        "infinite": np.where(np.arange(68)[:, None] == 3, np.inf, good),
        "one point": np.full_like(good, 50.0),
        "a line": np.linspace(0, 150, 68)[:, None] * np.ones(3),
        "no face": rng.uniform(0, FRAME, (68, 3)),
        "tiny": good * 0.02 + 70,
        "elsewhere": good + np.array([1000, 0, 0]),
        "huge": good * 1e7,
    }
    landmarks = np.stack([*bad.values(), good]).astype(np.float32)
    crops, marks, ok = build_registration(name, 32)(np.repeat(image[None], len(landmarks), 0), landmarks)
    assert dict(zip(bad, ok[:-1].tolist(), strict=True)) == dict.fromkeys(bad, False)
    assert ok[-1]
    assert (crops[:-1] == 0).all()
    assert np.isnan(marks[:-1]).all()
    assert np.isfinite(marks[-1]).all()


@pytest.mark.parametrize("name", ["ffhq", "similarity"])
def test_flat_landmarks_without_depth_will_do_in_two_dimensions(frames, name):
    images, landmarks = frames
    flat, missing = landmarks[:1].copy(), landmarks[:1].copy()
    flat[..., 2], missing[..., 2] = 0.0, np.nan
    full = build_registration(name, 32)(images[:1], landmarks[:1])
    for other in (flat, missing):
        crops, marks, ok = build_registration(name, 32)(images[:1], other)
        assert ok.all()
        np.testing.assert_array_equal(crops, full.crops)
        np.testing.assert_array_equal(marks[..., :2], full.landmarks[..., :2])


@pytest.mark.parametrize("name", ["ffhq", "similarity"])
def test_mirror_images_without_depth_are_not_ok(frames, name):
    images, landmarks = frames
    mirrored, exchanged = landmarks.copy(), landmarks[..., [1, 0, 2]]
    mirrored[..., 0] = FRAME - 1 - mirrored[..., 0]
    for wrong in (mirrored, exchanged):
        for depth in (0.0, np.nan):
            points = wrong.copy()
            points[..., 2] = depth
            assert not build_registration(name, 32)(images, points).ok.any()
    turn = np.deg2rad(100)  # beyond profile
    turned = (canonical_face().landmarks @ [[np.cos(turn), 0, 0], [0, 1, 0], [np.sin(turn), 0, 0]]) * 30 + 80
    points = np.where([True, True, False], turned, np.nan).astype(np.float32)
    assert build_registration(name, 32)(images[:1], points[None]).ok.all()


def test_the_inset_gives_every_crop_the_same_outline(frames):
    noise = np.random.default_rng(0).normal(0, 2, (8, 68, 3))  # a tracker's errors on one frame
    images = np.repeat(frames[0][:1], 8, 0)
    landmarks = (frames[1][:1] + noise).astype(np.float32)
    whole = build_registration("frontal3d", 64, inset=0.0)(images, landmarks).crops.any(-1)
    inset = build_registration("frontal3d", 64)(images, landmarks).crops.any(-1)
    unsure = [(seen.mean(0) > 0) & (seen.mean(0) < 1) for seen in (whole, inset)]
    assert unsure[0].sum() > 3 * unsure[1].sum()
    assert not (inset & ~whole).any()
    assert 0.5 < inset.sum() / whole.sum() < 0.95
    with pytest.raises(ConfigError, match="inset"):
        build_registration("frontal3d", 64, inset=-1.0)


@pytest.mark.parametrize("method", ["affine", "similarity"])
def test_the_front_of_a_turned_face_equals_the_face_from_the_front(frames, method):
    images, landmarks = frames
    crops, marks, _ = build_registration("frontal3d", 64, method=method)(images, landmarks)
    assert np.abs(marks[0] - marks[1])[:, :2].mean() < 1.0
    seen = (crops[0].max(-1) > 0) & (crops[1].max(-1) > 0)
    grey = crops.astype(float).mean(-1)
    registered = np.corrcoef(grey[0][seen], grey[1][seen])[0, 1]
    flat = build_registration("similarity", 64)(images, landmarks).crops.astype(float).mean(-1)
    # The light stays with the camera, so even a perfect registration is not the same picture.
    assert registered > 0.55
    assert registered > np.corrcoef(flat[0][seen], flat[1][seen])[0, 1] + 0.15


def test_hidden_parts_are_black_and_seen_ones_never_are(frames):
    images, landmarks = frames
    crops = build_registration("frontal3d", 96)(images, landmarks).crops
    face = crops[0].max(-1) > 0
    assert 0.45 < face.mean() < 0.75
    assert crops[0][face].min() >= 1
    left, right = (crops[1].max(-1) > 0)[:, :48].sum(), (crops[1].max(-1) > 0)[:, 48:].sum()
    assert right < 0.85 * left  # turned to the image's right: its far side is hidden
    dark = build_registration("frontal3d", 96)(np.zeros_like(images), landmarks).crops
    np.testing.assert_array_equal(dark.max(-1) == 1, crops.max(-1) > 0)


def test_the_expression_stays_in_the_shape(frames):
    images, landmarks = frames
    marks = build_registration("frontal3d", 224)(images, landmarks).landmarks
    width = marks[:, 54, 0] - marks[:, 48, 0]
    assert width[2] > width[1] + 6  # the smile of the same person in the same pose


def test_parts_outside_the_frame_are_black(frames):
    images, landmarks = frames
    cut = images[:1, :, 70:].copy()
    crops, _, ok = build_registration("frontal3d", 64)(cut, landmarks[:1] - np.array([70.0, 0, 0]))
    assert ok.all()
    assert (crops[0, :, :20] == 0).all()
    assert (crops[0, 20:40, 36:44] > 0).all()


def test_the_dense_mesh_follows_the_landmarks():
    face = canonical_face()
    landmarks = torch.from_numpy(face.landmarks * 60 + 100).float()[None]
    torch.testing.assert_close(
        fit_dense_mesh(landmarks)[0].double(), torch.from_numpy(face.vertices * 60 + 100), atol=1e-3, rtol=0
    )
    pulled = landmarks.clone()
    pulled[0, 48:68, 1] += 6
    exact = DenseFitter(face, smoothing=1e-9)(pulled)
    torch.testing.assert_close(exact.landmarks, pulled, atol=1e-2, rtol=0)
    smooth = DenseFitter(face)(pulled)
    shift = (smooth.landmarks - pulled).norm(dim=-1).mean()
    assert 0.1 < shift < 3
    assert DenseFitter(face)(landmarks * torch.nan).vertices.isnan().all()
    with pytest.raises(ValueError, match="68"):
        fit_dense_mesh(landmarks[:, :5])


def test_smoothing_takes_noise_away():
    face = canonical_face()
    clean = torch.from_numpy(face.landmarks * 60 + 100).float()[None]
    noise = torch.from_numpy(np.random.default_rng(0).standard_normal((40, 68, 3)).astype(np.float32)) * 3
    fitted = DenseFitter(face)(clean + noise).landmarks
    assert (fitted - clean).square().mean() < 0.4 * noise.square().mean()


def test_similarity_align_puts_landmarks_on_the_template():
    template = frontal_template(64)
    turn = np.array([[0.0, -2.0], [2.0, 0.0]])
    landmarks = template @ turn.T + [300, 20]
    image = np.zeros((260, 400, 3), np.uint8)
    for x, y in landmarks[[30, 36, 45]]:  # blobs of the size that one crop pixel covers
        image[round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3] = 255
    crop, matrix = similarity_align(image, landmarks, size=64)
    np.testing.assert_allclose(landmarks @ matrix[:, :2].T + matrix[:, 2], template, atol=1e-9)
    for x, y in template[[30, 36, 45]]:
        assert crop[round(y), round(x)].min() > 120
    same, _ = similarity_align(crop, template, template, 64)
    np.testing.assert_array_equal(same, crop)
    with pytest.raises(ValueError, match="finite"):
        similarity_align(image, landmarks * np.nan)
    with pytest.raises(ValueError, match="coincide"):
        similarity_align(image, landmarks * 0)


def test_ffhq_matrix_maps_the_quad_to_the_corners():
    landmarks = frontal_template(224) * 1.3 + 40
    quad = ffhq_quad(landmarks)
    corners = quad.corners @ ffhq_matrix(quad, 100)[:, :2].T + ffhq_matrix(quad, 100)[:, 2]
    np.testing.assert_allclose(corners, [[-0.5, -0.5], [-0.5, 99.5], [99.5, 99.5], [99.5, -0.5]], atol=1e-9)


def test_build_registration_names_what_is_wrong():
    with pytest.raises(
        ConfigError, match="'frontal' is unknown; known are ffhq, frontal3d, none, prnet, similarity"
    ):
        build_registration("frontal", 64)
    with pytest.raises(ConfigError, match="tolerence"):
        build_registration("frontal3d", 64, tolerence=1)
    with pytest.raises(ConfigError, match="method"):
        build_registration("frontal3d", 64, method="rigid")
    with pytest.raises(ValueError, match="uint8"):
        build_registration("similarity", 32)(np.zeros((1, 8, 8, 3)), np.zeros((1, 68, 3)))


def test_settings_say_what_the_crops_depend_on():
    assert build_registration("frontal3d", 64, tolerance=0.07).settings["tolerance"] == 0.07
    published = {"transform_size": 1024, "padding": True, "pad_mode": "reflect"}
    assert build_registration("ffhq", 256).settings == published
    assert build_registration("ffhq", 64).settings["transform_size"] == 256
    assert build_registration("ffhq", 64, transform_size=100).settings["transform_size"] == 100


def test_crops_that_others_made_pass_unchanged():
    images = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3), dtype=np.uint8)
    landmarks = np.full((3, 68, 3), 5.0, np.float32)
    landmarks[..., 2] = np.nan  # depth may be unknown
    landmarks[1, 7, 0] = np.nan  # whoever needs landmarks has left such frames out
    registered = build_registration("none", 32)(images, landmarks)
    assert registered.ok.tolist() == [True, True, True]
    np.testing.assert_array_equal(registered.crops, images)
    np.testing.assert_array_equal(registered.landmarks, landmarks)
    assert not build_registration("none", 64)(images, landmarks).ok.any()  # of another size

import numpy as np
import pytest
import skimage.data

from aukit.facs import VISIBLE_AUS, VISIBLE_INDEX
from aukit.registration import AukitLandmarks, LandmarkDetector
from aukit.simulation import Avatar, Camera, face_model, render


@pytest.fixture(scope="module")
def detector():
    return LandmarkDetector()


@pytest.fixture(scope="module")
def astronaut():
    """A portrait of a real person, 512 x 512; eyes at about (205, 112) and (244, 107), mouth at (225,
    152)."""
    return skimage.data.astronaut()


def centres(face):
    marks = face.landmarks[:, :2]
    return marks[36:42].mean(0), marks[42:48].mean(0), marks[48:60].mean(0)


def test_a_portrait_is_found_and_read(detector, astronaut):
    (face,) = detector.photograph(astronaut)
    right_eye, left_eye, mouth = centres(face)
    np.testing.assert_allclose(right_eye, [203, 101], atol=4)
    np.testing.assert_allclose(left_eye, [246, 103], atol=4)
    np.testing.assert_allclose(mouth, [224, 145], atol=4)
    assert face.confidence > 0.9
    assert face.movements.shape == (len(VISIBLE_AUS),)
    assert face.movements[VISIBLE_INDEX[12]] > 0.3, "she smiles"
    assert face.movements[VISIBLE_INDEX[43]] < 0.3, "with open eyes"
    assert face.dense.shape == (256, 3)


@pytest.mark.parametrize("name", ["coffee", "chelsea", "rocket", "brick", "text", "grass"])
def test_pictures_without_a_face_have_none(detector, name):
    image = getattr(skimage.data, name)()
    image = np.repeat(image[..., None], 3, 2) if image.ndim == 2 else image
    assert detector.photograph(np.ascontiguousarray(image)) == []


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (3, 400), (40, 30)])
def test_images_of_any_size_are_searched(detector, shape):
    assert detector.photograph(np.zeros((*shape, 3), np.uint8)) == []


@pytest.mark.parametrize(("factor", "tolerance"), [(0.5, 0.04), (2.0, 0.04)])
def test_size_does_not_matter(detector, astronaut, factor, tolerance):
    import cv2

    (face,) = detector.photograph(astronaut)
    resized = cv2.resize(astronaut, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    (other,) = detector.photograph(resized)
    apart = np.linalg.norm((other.landmarks[:, :2] + 0.5) / factor - 0.5 - face.landmarks[:, :2], axis=1)
    assert apart.mean() < tolerance * np.sqrt(np.prod(np.ptp(face.landmarks[:, :2], axis=0)))


def test_grey_and_mirrored_faces_are_read_alike(detector, astronaut):
    (face,) = detector.photograph(astronaut)
    grey = np.repeat(astronaut.mean(2).astype(np.uint8)[..., None], 3, 2)
    mirrored = np.ascontiguousarray(astronaut[:, ::-1])
    (plain,), (turned,) = detector.photograph(grey), detector.photograph(mirrored)
    extent = np.sqrt(np.prod(np.ptp(face.landmarks[:, :2], axis=0)))
    assert np.linalg.norm(plain.landmarks - face.landmarks, axis=1).mean() < 0.04 * extent
    assert turned.landmarks[36:42, 0].mean() < turned.landmarks[42:48, 0].mean()
    np.testing.assert_allclose(
        511 - turned.landmarks[36:48, 0].mean(), face.landmarks[36:48, 0].mean(), atol=4
    )


def test_the_head_s_rotation_is_that_of_a_rendered_head(detector):
    avatar = Avatar.sample("detector", "somebody", 0, "female", 30.0)
    neutral = face_model().activations({})
    for yaw, pitch, roll in ((0, 0, 0), (30, 0, 0), (-30, 0, 0), (0, 15, 0), (0, 0, 20)):
        picture = render(avatar, neutral, Camera(yaw, pitch, roll, zoom=1.0), size=192)
        image = (picture.image[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
        (face,) = detector.photograph(image)
        truth = Camera(yaw, pitch, roll).rotation(1)[0].numpy()
        cosine = (np.trace(face.rotation.T @ truth) - 1) / 2
        assert np.rad2deg(np.arccos(np.clip(cosine, -1, 1))) < 12, (yaw, pitch, roll)


def test_a_face_keeps_its_number_and_a_second_gets_its_own(detector, astronaut):
    part = astronaut[20:220, 130:330]
    frames = []
    for step in range(30):
        frame = np.full((300, 640, 3), 90, np.uint8)
        frame[50:250, 20 + 2 * step : 220 + 2 * step] = part
        if step >= 10:
            frame[60:260, 400:600] = part[:, ::-1]
        frames.append(frame)
    track = detector.video()
    seen = [track([frame])[0] for frame in frames]
    assert [len(faces) for faces in seen[:10]] == [1] * 10
    assert {faces[0].identity for faces in seen[:10]} == {0}
    assert len(seen[-1]) == 2
    numbers = {face.identity: face.square.x for face in seen[-1]}
    assert numbers.keys() == {0, 1}
    assert numbers[0] < 320 < numbers[1]


def test_a_face_that_comes_back_is_the_same_and_damaged_frames_have_none(detector, astronaut):
    empty = np.full_like(astronaut, 100)
    frames = [astronaut, astronaut, None, astronaut, empty, empty, astronaut]
    found = detector.video()(frames)
    assert [len(faces) for faces in found] == [1, 1, 0, 1, 0, 0, 1]
    assert {face.identity for faces in found for face in faces} == {0}


def test_batches_of_frames_do_not_change_what_is_read(detector, astronaut):
    frames = [np.roll(astronaut, 2 * step, axis=1) for step in range(6)]
    whole = detector.video()(frames)
    track = detector.video()
    pieces = [*track(frames[:2]), *track(frames[2:])]
    for one, other in zip(whole, pieces, strict=True):
        np.testing.assert_array_equal(one[0].landmarks, other[0].landmarks)


def test_a_corpus_takes_landmarks_from_the_package(astronaut):
    source = AukitLandmarks()
    source.check()
    frames = np.stack([astronaut, np.zeros_like(astronaut), np.roll(astronaut, 10, axis=1)])
    marks = source.landmarks("video", frames, np.arange(3))
    assert marks.shape == (3, 68, 3)
    assert np.isnan(marks[1]).all()
    assert np.isfinite(marks[[0, 2]]).all()
    again = AukitLandmarks().landmarks("other", frames[2:], np.array([7]))
    np.testing.assert_array_equal(again[0], marks[2])
    assert source.name.startswith("aukit-")

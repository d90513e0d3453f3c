import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aukit.datamodules import FLIP_68
from aukit.registration import canonical_face
from aukit.registration.landmarks.crops import Square, cut, face_square, from_crop, to_crop
from aukit.registration.landmarks.points import POINTS, mirrored

squares = st.builds(Square, st.floats(-50, 300), st.floats(-50, 300), st.floats(2, 900), st.floats(-3.1, 3.1))


def test_mirrored_points_are_those_of_the_mirror_image():
    order = mirrored()
    assert sorted(order) == list(range(POINTS))
    assert (order[order] == np.arange(POINTS)).all()
    assert order[:68].tolist() == list(FLIP_68)
    marks = canonical_face().landmarks
    np.testing.assert_allclose(marks[order[:68]] * [-1, 1, 1], marks, atol=0.02)


@given(squares)
def test_points_of_a_crop_lead_back_to_the_image(square):
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (7, 3))
    pixels = from_crop(points, square, 112)
    matrix = to_crop(square, 112)
    again = (pixels[:, :2] @ matrix[:, :2].T + matrix[:, 2] + 0.5) / 56 - 1
    np.testing.assert_allclose(again, points[:, :2], atol=2e-3 * max(1.0, 300 / square.side))
    np.testing.assert_allclose(pixels[:, 2], points[:, 2] * square.side / 2, rtol=1e-4, atol=1e-4)


@given(st.floats(-3, 3), st.floats(20, 400))
def test_the_square_turns_with_the_face_and_has_it_in_its_middle(roll, scale):
    turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    upright = canonical_face().landmarks[:, :2] * scale
    square = face_square(upright @ turn.T + [40, 70], roll)
    matrix = to_crop(square, 100)
    crop = (upright @ turn.T + [40, 70]) @ matrix[:, :2].T + matrix[:, 2]
    low, high = crop.min(0), crop.max(0)
    np.testing.assert_allclose((low + high) / 2, 49.5, atol=1e-6)
    np.testing.assert_allclose((high - low).max(), 80, atol=1e-6)


def test_large_faces_are_shrunk_without_skipping_pixels_nor_moving():
    y, x = np.mgrid[:1200, :1600].astype(np.float32)
    blob = 255 * np.exp(-((x - 803.5) ** 2 + (y - 611) ** 2) / (2 * 90.0**2))
    image = np.repeat(blob.astype(np.uint8)[..., None], 3, 2)
    crop = cut(image, Square(803.5, 611, 1000, 0.0), 112).astype(float)[..., 0]
    rows, columns = np.mgrid[:112, :112]
    middle = [(crop * places).sum() / crop.sum() for places in (columns, rows)]
    np.testing.assert_allclose(middle, 55.5, atol=0.1)
    # Stripes of one pixel become grey instead of stripes of another width.
    stripes = np.zeros((1000, 1000, 3), np.uint8)
    stripes[:, ::2] = 255
    grey = cut(stripes, Square(500, 500, 900, 0.0), 112)
    assert np.ptp(grey[5:-5, 5:-5].astype(int)) <= 2


def test_a_square_beyond_the_image_is_black():
    image = np.full((50, 60, 3), 255, np.uint8)
    assert cut(image, Square(-500, -500, 40), 32).max() == 0
    assert cut(image, Square(4000, 25, 900), 32).max() == 0
    half = cut(image, Square(0, 25, 40), 32)[..., 0]
    assert half[16, 4] == 0
    assert half[16, 28] == 255


def test_a_turned_square_shows_the_turned_face_upright():
    image = np.zeros((200, 200, 3), np.uint8)
    cv2.line(image, (100, 100), (140, 140), (255, 255, 255), 9)
    upright = cut(image, Square(100, 100, 120, np.pi / 4), 60)[..., 0]
    assert upright[30, 40:48].min() > 200
    assert upright[40:48, 30].max() == 0

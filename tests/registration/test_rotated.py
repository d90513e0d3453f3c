"""Frontal crops turned to other views: one mask, seen from elsewhere, in the template of 2D alignment."""

import numpy as np
import pytest

from aukit.registration import FaceTurner, canonical_face

SIZE = 96


@pytest.fixture(scope="module")
def face():
    """A grey crop of the canonical face, and its landmarks."""
    scale, offset = canonical_face().in_crop(SIZE)
    crop = np.full((SIZE, SIZE, 3), 90, np.uint8)
    return crop, (canonical_face().landmarks * scale + offset).astype(np.float32)


def turned(face, pitch, yaw, change=None):
    crop = face[0].copy()
    if change is not None:
        change(crop)
    return FaceTurner(SIZE)(crop[None], face[1][None], pitch, yaw)[0]


def spot(face, pitch, yaw, mark):
    """Where a white spot on a landmark comes to lie, beside the middle of what is drawn."""
    x, y = face[1][mark, :2].round().astype(int)

    def paint(crop):
        crop[y - 2 : y + 3, x - 2 : x + 3] = 255

    picture = turned(face, pitch, yaw, paint)
    rows, columns = np.nonzero(picture[..., 0] > 200)
    drawn = np.argwhere(picture.any(-1))
    assert len(rows) > 3
    return np.array([columns.mean(), rows.mean()]) - drawn.mean(0)[::-1]


def test_what_is_not_turned_stays_where_2d_alignment_puts_it(face):
    picture = turned(face, 0, 0)
    drawn = picture.any(-1)
    assert (picture[drawn] == 90).all()
    assert 0.2 < drawn.mean() < 0.9
    nose = 30
    straight, right, left, up, down = (
        spot(face, *pose, nose) for pose in ((0, 0), (0, 40), (0, -40), (20, 0), (-40, 0))
    )
    assert right[0] > straight[0] + 4
    assert left[0] < straight[0] - 4
    assert up[1] < straight[1] - 2
    assert down[1] > straight[1] + 4


def test_a_turned_face_shows_less_of_the_far_side(face):
    def halves(crop):
        crop[:, : SIZE // 2, 0] = 200

    near, far = (turned(face, 0, yaw, halves) for yaw in (40, -40))
    share = [(each[..., 0] > 150).sum() / each.any(-1).sum() for each in (near, far)]
    assert share[0] > 0.55 > 0.45 > share[1]


def test_what_the_crop_does_not_know_stays_black(face):
    def hole(crop):
        crop[50:70, 55:75] = 0

    whole, holed = turned(face, 0, -20), turned(face, 0, -20, hole)
    gone = whole.any(-1) & ~holed.any(-1)
    assert 100 < gone.sum() < 500
    assert not turned(face, 0, 0, lambda crop: crop.fill(0)).any()


def test_crops_of_a_batch_are_those_of_one_by_one(face):
    crops, marks = np.stack([face[0], face[0] // 2]), np.stack([face[1], face[1]])
    both = FaceTurner(SIZE)(crops, marks, -20, 40)
    for one, crop in zip(both, crops, strict=True):
        assert np.array_equal(one, FaceTurner(SIZE)(crop[None], face[1][None], -20, 40)[0])

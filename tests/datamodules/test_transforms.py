import numpy as np

from aukit.datamodules import FLIP_68, Augmentation, BatchSpec, flip_images, flip_landmarks


def _spec(rows, step=0):
    return BatchSpec(np.array(rows), seed=1, epoch=2, step=step)


def test_the_swap_table_is_an_involution_that_pairs_left_with_right():
    table = np.array(FLIP_68)
    assert sorted(table) == list(range(68))
    assert (table[table] == np.arange(68)).all()
    for left, right in [
        (0, 16),
        (17, 26),
        (36, 45),
        (37, 44),
        (41, 46),
        (31, 35),
        (48, 54),
        (60, 64),
        (59, 55),
        (67, 65),
    ]:
        assert table[left] == right
    assert all(table[i] == i for i in (8, 27, 30, 33, 51, 57, 62, 66))


def test_a_mirrored_symmetric_face_keeps_its_landmarks():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(68, 3))
    symmetric = (points + flip_landmarks(points, 1)) / 2  # width 1 mirrors about x = 0
    assert np.allclose(flip_landmarks(symmetric, 1), symmetric)


def test_landmarks_move_with_the_pixels():
    image = np.zeros((8, 10, 3), np.uint8)
    image[4, 2] = 255
    points = np.zeros((68, 3), np.float32)
    points[36] = (2, 4, 7)
    flipped = flip_landmarks(points, 10)
    x, y, z = flipped[45]
    assert flip_images(image)[int(y), int(x)].tolist() == [255] * 3
    assert z == 7


def test_augmentation_is_a_function_of_its_place():
    images = np.random.default_rng(0).integers(1, 255, (16, 12, 12, 3), dtype=np.uint8)
    points = np.random.default_rng(1).random((16, 68, 3)).astype(np.float32)
    augment = Augmentation.build("photometric")
    one = augment(images, points, _spec(range(16)))
    two = Augmentation.build("photometric")(images, points, _spec(range(16)))
    other = augment(images, points, _spec(range(16), step=1))
    assert (one[0] == two[0]).all()
    assert (one[1] == two[1]).all()
    assert not (one[0] == other[0]).all()
    # A frame's fate does not hang on its neighbours in the batch.
    alone = augment(images[5:6], points[5:6], _spec([5]))
    assert (alone[0][0] == one[0][5]).all()


def test_pixels_that_are_not_seen_stay_black_and_seen_ones_do_not_become_so():
    images = np.random.default_rng(0).integers(1, 9, (8, 12, 12, 3), dtype=np.uint8)
    images[:, :3] = 0
    changed, _ = Augmentation.build("photometric")(images, np.zeros((8, 68, 3), np.float32), _spec(range(8)))
    assert (changed[:, :3] == 0).all()
    assert changed[:, 3:].min() >= 1
    assert not (changed[:, 3:] == images[:, 3:]).all()


def test_none_is_no_augmentation():
    assert Augmentation.build("none") is None

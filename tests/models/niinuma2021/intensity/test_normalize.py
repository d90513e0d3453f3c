import numpy as np
import pytest

from aukit.models.niinuma2021.intensity import (
    au0_normalize,
    lacking_neutral,
    mean_texture_normalize,
    person_means,
    person_neutrals,
)


@pytest.fixture
def faces():
    rng = np.random.default_rng(0)
    images = rng.integers(1, 256, (12, 4, 4, 3), dtype=np.uint8)
    images[3, :2] = 0  # not seen
    images[:6, 0, 0] = 0  # never seen of the first person
    return images, np.array(["a"] * 6 + ["b"] * 6, dtype=object)


def test_means_are_over_visible_pixels_only(faces):
    images, persons = faces
    means = person_means(images, persons)
    seen = [0, 1, 2, 4, 5]
    assert means["a"][1, 2] == pytest.approx(images[seen, 1, 2].astype(float).mean(axis=0))
    assert means["a"][3, 3] == pytest.approx(images[:6, 3, 3].astype(float).mean(axis=0))
    assert (means["a"][0, 0] == 0).all()
    assert means["b"] == pytest.approx(images[6:].astype(float).mean(axis=0), rel=1e-6)


def test_mean_normalisation_is_signed_centred_and_blind_where_nothing_is_seen(faces):
    images, persons = faces
    mean = person_means(images, persons)["a"]
    x = mean_texture_normalize(images[:6], mean)
    assert x.dtype == np.float32
    assert abs(x).max() <= 1
    assert (x[3, :2] == 0).all()
    assert (x[:, 0, 0] == 0).all()
    assert x[2, 3, 3] == pytest.approx((images[2, 3, 3] - mean[3, 3]) / 255)
    assert x[:, 2:].mean(axis=0) == pytest.approx(0, abs=1e-6)


def test_neutrals_are_the_first_fully_coded_zero_frames(faces):
    images, persons = faces
    levels = np.ones((12, 2), np.float32)
    levels[0] = [0, np.nan]  # not fully coded
    levels[[1, 4]] = 0
    levels[8] = 0
    neutrals = person_neutrals(images, persons, levels)
    seen = images[1].any(-1)
    assert np.array_equal(neutrals["a"][seen], images[1][seen])
    assert np.array_equal(neutrals["b"], images[8])
    averaged = person_neutrals(images, persons, levels, frames=2)
    assert averaged["a"][3, 3] == pytest.approx((images[1, 3, 3].astype(float) + images[4, 3, 3]) / 2)


def test_people_without_a_neutral_frame_get_their_calmest_and_are_told(faces):
    images, persons = faces
    levels = np.full((12, 2), 3, np.float32)
    levels[0] = 0
    levels[9] = [1, 0]
    with pytest.warns(UserWarning, match="'b'"):
        neutrals = person_neutrals(images, persons, levels)
    assert np.array_equal(neutrals["b"], images[9])
    assert lacking_neutral(persons, levels) == ["b"]
    levels[persons == "b"] = np.nan  # not coded at all: has no picture either
    assert lacking_neutral(persons, levels) == []


def test_au0_of_the_neutral_frame_itself_is_zero(faces):
    images, _ = faces
    assert (au0_normalize(images[7:8], images[7]) == 0).all()
    brighter = np.minimum(images[7].astype(int) + 51, 255).astype(np.uint8)
    x = au0_normalize(brighter[None], images[7])
    assert x.max() == pytest.approx(0.2)


def test_only_the_chosen_rows_count(faces):
    images, persons = faces
    means = person_means(images, persons, rows=np.array([7, 6]))
    assert list(means) == ["b"]
    assert means["b"] == pytest.approx(images[6:8].astype(float).mean(axis=0), rel=1e-6)

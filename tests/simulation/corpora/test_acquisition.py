import numpy as np
import pytest
import torch

from aukit.simulation.behaviour.person import Person
from aukit.simulation.corpora.acquisition import ACQUISITIONS

SIZE = 48


def rng(k: int) -> np.random.Generator:
    return np.random.default_rng([7, k])


@pytest.mark.parametrize("name", ACQUISITIONS)
def test_a_recording_is_a_function_of_its_generator(name: str) -> None:
    acquisition = ACQUISITIONS[name]
    assert acquisition.light(rng(0)) == acquisition.light(rng(0)) != acquisition.light(rng(1))
    wall = acquisition.background(rng(0), SIZE)
    assert wall.shape == (3, SIZE, SIZE)
    assert 0 <= wall.min() <= wall.max() <= 1
    assert torch.equal(wall, acquisition.background(rng(0), SIZE))
    film = [acquisition.sensor(rng(0), SIZE)(wall.expand(2, -1, -1, -1)) for _ in range(2)]
    assert film[0].shape == (2, SIZE, SIZE, 3)
    assert film[0].dtype == np.uint8
    np.testing.assert_array_equal(*film)
    assert (film[0][0] != film[0][1]).any()  # every frame has its own noise


def test_a_camera_of_few_pixels_loses_detail() -> None:
    """Stripes two pixels wide survive the laboratory's camera and not the clinic's."""
    stripes = (torch.arange(SIZE) % 2).float().expand(1, 3, SIZE, SIZE)
    contrast = {}
    for name in ("bp4d", "unbc"):
        frames = [ACQUISITIONS[name].sensor(rng(k), SIZE)(stripes)[0].astype(float) for k in range(5)]
        contrast[name] = np.mean([np.abs(np.diff(f, axis=1)).mean() for f in frames])
    assert contrast["unbc"] < 0.5 * contrast["bp4d"]


def test_acquisitions_differ_in_light_and_backdrop() -> None:
    flash, window, wall = ACQUISITIONS["multipie"], ACQUISITIONS["unbc"], ACQUISITIONS["disfa"]
    assert all(window.light(rng(k)).key[0] > 0 for k in range(20))  # the window is at the image's right
    keys = [flash.light(rng(k)).key[0] for k in range(40)]
    assert min(keys) < -0.4 < 0.4 < max(keys)
    walls = [wall.background(rng(k), SIZE).mean((1, 2)) for k in range(20)]
    assert all(w[2] > w[0] for w in walls)
    structure = {
        n: np.mean([ACQUISITIONS[n].background(rng(k), SIZE).std() for k in range(20)]) for n in ACQUISITIONS
    }
    assert min(structure["gft"], structure["street"]) > 1.5 * max(structure["bp4d"], structure["disfa"])


def test_sunglasses_are_worn_in_the_street_alone() -> None:
    assert {name for name, acquisition in ACQUISITIONS.items() if acquisition.sunglasses} == {"street"}
    worn = [Person.sample("tests", f"s{k}", "male", 0, sunglasses=0.1).avatar.appearance for k in range(80)]
    assert 0 < sum(a.eyewear == "sunglasses" for a in worn) < 25


def test_cameras_without_colour_are_seldom() -> None:
    colour = torch.tensor([0.8, 0.4, 0.2])[None, :, None, None].expand(1, 3, SIZE, SIZE)
    grey = [
        np.ptp(ACQUISITIONS["street"].sensor(rng(k), SIZE)(colour)[0].mean((0, 1))) < 3 for k in range(60)
    ]
    assert 0 < sum(grey) < 20

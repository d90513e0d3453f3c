import dataclasses

import numpy as np
import pytest
import torch

from aukit.simulation import Appearance, Avatar, Camera, render
from aukit.simulation.appearance.appearance import COVERS, STYLES
from aukit.simulation.appearance.hair import build_attached_mesh
from aukit.simulation.appearance.hairline import hair_distance
from aukit.simulation.appearance.wrinkles import VARIANTS, patches


def dressed(avatar: Avatar, style: str, **worn: object) -> Avatar:
    plain = {"cover": "none", "eyewear": "none"}
    look = dataclasses.replace(avatar.appearance, style=style, **{**plain, **worn})
    return dataclasses.replace(avatar, appearance=look)


def at_rest(model):
    return torch.zeros(1, len(model.aus), 2)


@pytest.mark.parametrize("cover", COVERS)
@pytest.mark.parametrize("style", STYLES)
def test_every_style_is_a_mesh_over_the_head(model, avatar, style, cover):
    hair = build_attached_mesh(dressed(avatar, style, cover=cover).appearance)
    if style == "bald" and cover == "none":
        assert hair is None
        return
    assert hair.triangles.min() >= 0
    assert hair.triangles.max() < len(hair.lift)
    assert hair.points.max() < len(model.uv)
    assert len(hair.material) == len(hair.two_sided) == len(hair.casts) == len(hair.triangles)
    torch.testing.assert_close(hair.weights.sum(1), torch.ones(len(hair.weights)))
    for field in (hair.lift, hair.offset, hair.weights):
        assert torch.isfinite(field).all()
    assert hair.lift.abs().max() < 45  # mm
    assert len(hair.triangles) < 13_000


def test_hanging_hair_covers_the_ears_and_leaves_the_face(model, avatar):
    bald, long = (render(dressed(avatar, s), at_rest(model), Camera(), size=128) for s in ("bald", "long"))
    assert long.mask.sum() > 1.15 * bald.mask.sum()
    points = bald.landmarks[0, 27:, :2].round().long()
    assert torch.equal(long.uv[0, :, points[:, 1], points[:, 0]], bald.uv[0, :, points[:, 1], points[:, 0]])
    ear = (bald.vertices[0, :, 0] < bald.landmarks[0, 0, 0] - 2) & bald.visibility[0]
    assert long.visibility[0][ear].float().mean() < 0.5


def test_the_hair_line_is_soft(model, avatar):
    """On the forehead brightness falls over several millimetres, not from one to the next."""
    pale = dataclasses.replace(avatar.appearance, skin=(0.6, 0.45, 0.38), hair=(0.02, 0.015, 0.012))
    someone = dressed(dataclasses.replace(avatar, appearance=pale), "buzz")
    size = 256
    image = render(someone, at_rest(model), Camera(), size=size).image[0].mean(0)
    brow, middle = int(avatar_row(someone, model, size)), size // 2
    profile = image[:brow, middle - 30 : middle + 30].mean(1)
    low, high = profile[brow // 3 :].min(), profile[brow - 12 : brow - 4].mean()
    share = (profile - low) / (high - low)
    first = int((share > 0.2).nonzero()[:, 0][(share > 0.2).nonzero()[:, 0] > brow // 3][0])
    last = int((share > 0.8).nonzero()[:, 0][(share > 0.8).nonzero()[:, 0] > first][0])
    assert 3 <= last - first <= 20  # pixels of 1.1 mm


def avatar_row(avatar, model, size):
    """Image row of the brows' upper edge."""
    return render(avatar, at_rest(model), Camera(), size=size).landmarks[0, 17:27, 1].min()


def test_hair_recedes_at_the_temples_first(avatar):
    look = avatar.appearance
    columns = np.array([0.0, 0.5])
    before, after = (
        hair_distance(np.full(2, -60.0), columns, dataclasses.replace(look, style="short", hair_line=h))
        for h in (0.0, -12.0)
    )
    assert (after < before - 4).all()
    assert (before - after)[1] > (before - after)[0] + 4


def test_glasses_leave_the_eyes_in_sight_and_sunglasses_hide_them(model, avatar):
    views = {
        e: render(dressed(avatar, "short", eyewear=e), at_rest(model), Camera(zoom=1.5), size=160)
        for e in ("none", "glasses", "sunglasses")
    }
    iris = model.eye_vertices[:, 0]
    assert views["glasses"].visibility[0, iris].all()
    assert not views["sunglasses"].visibility[0, iris].any()
    assert not torch.equal(views["glasses"].image, views["none"].image)
    for view in views.values():
        assert torch.equal(view.landmarks, views["none"].landmarks)


def test_glasses_become_more_frequent_with_age_and_sunglasses_only_come_when_asked():
    def worn(age: float, sunglasses: float = 0.0) -> list[str]:
        return [
            Appearance.sample(np.random.default_rng([k, 9]), "female", age, sunglasses=sunglasses).eyewear
            for k in range(300)
        ]

    young, old = worn(22), worn(68)
    assert "sunglasses" not in young + old
    assert 3 <= young.count("glasses") < 0.7 * old.count("glasses")
    assert worn(30, sunglasses=1.0).count("sunglasses") == 300


def test_hair_is_drawn_by_gender():
    drawn = {
        g: [Appearance.sample(np.random.default_rng([k, 8]), g, 25 + k % 45).style for k in range(200)]
        for g in ("female", "male")
    }
    hanging = {g: sum(s in ("long", "bob", "tied") for s in styles) for g, styles in drawn.items()}
    assert hanging["female"] > 120
    assert hanging["male"] < 40
    assert "bald" not in drawn["female"]


def test_people_fold_along_lines_of_their_own():
    first, second = patches(0), patches(VARIANTS - 1)
    assert first.keys() == second.keys()
    for key, patch in first.items():
        assert np.abs(patch.height).max() > 0.3  # mm
        assert not np.array_equal(patch.height, second[key].height)

import dataclasses

import numpy as np
import pytest
import torch

from aukit.avatars import Avatar, Camera, render
from aukit.avatars.appearance import STYLES
from aukit.avatars.hair import hair_mesh
from aukit.avatars.wrinkles import VARIANTS, patches


def dressed(avatar: Avatar, style: str) -> Avatar:
    return dataclasses.replace(avatar, appearance=dataclasses.replace(avatar.appearance, style=style))


@pytest.mark.parametrize("style", STYLES)
def test_every_style_is_a_mesh_over_the_head(model, avatar, style):
    hair = hair_mesh(dressed(avatar, style).appearance)
    if style == "bald":
        assert hair is None
        return
    assert hair.triangles.min() >= 0
    assert hair.triangles.max() < len(hair.skin)
    assert hair.skin.max() < len(model.uv)
    assert 0 <= hair.two_sided <= hair.casters <= len(hair.triangles)
    for field in (hair.lift, hair.offset):
        assert torch.isfinite(field).all()
    assert hair.lift.abs().max() < 45  # mm


def test_hanging_hair_covers_the_ears_and_leaves_the_face(model, avatar):
    acts = torch.zeros(1, len(model.aus), 2)
    bald, long = (render(dressed(avatar, s), acts, Camera(), size=128) for s in ("bald", "long"))
    assert long.mask.sum() > 1.15 * bald.mask.sum()
    points = bald.landmarks[0, 27:, :2].round().long()
    assert torch.equal(long.uv[0, :, points[:, 1], points[:, 0]], bald.uv[0, :, points[:, 1], points[:, 0]])
    ear = (bald.vertices[0, :, 0] < bald.landmarks[0, 0, 0] - 2) & bald.visibility[0]
    assert long.visibility[0][ear].float().mean() < 0.5


def test_people_fold_along_lines_of_their_own():
    first, second = patches(0), patches(VARIANTS - 1)
    assert first.keys() == second.keys()
    for key, patch in first.items():
        assert np.abs(patch.height).max() > 0.3  # mm
        assert not np.array_equal(patch.height, second[key].height)

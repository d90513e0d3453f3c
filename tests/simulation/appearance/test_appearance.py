from dataclasses import replace

import numpy as np
import pytest

from aukit.errors import ConfigError
from aukit.simulation import Avatar
from aukit.simulation.appearance.textures import paint
from aukit.simulation.face import head_shape as hs
from aukit.simulation.face.atlas import atlas


def test_a_tone_that_is_asked_for_changes_what_depends_on_it_alone() -> None:
    drawn = Avatar.sample("test", "somebody", 0)
    asked = Avatar.sample("test", "somebody", 0, tone=drawn.appearance.tone)
    assert asked.appearance == drawn.appearance
    other = Avatar.sample("test", "somebody", 0, tone=0.9)
    assert other.appearance.tone == 0.9
    np.testing.assert_array_equal(other.identity, drawn.identity)


@pytest.mark.parametrize("name", [f"person{i}" for i in range(5)])
def test_skin_darkens_with_its_tone(name: str) -> None:
    shades = [Avatar.sample("test", name, 0, "female", 30, tone=tone).appearance for tone in (0, 0.3, 0.6, 1)]
    luminance = [sum(s.skin) for s in shades]
    assert luminance == sorted(luminance, reverse=True)


@pytest.mark.parametrize("name", [f"person{i}" for i in range(3)])
def test_a_beard_leaves_the_lips_free(name: str) -> None:
    man = Avatar.sample("test", name, 0, "male", 40).appearance
    thin, thick = (
        paint(replace(man, stubble=s, moustache=m)).colour[: atlas().height]
        for s, m in ((0.3, 0.0), (1.0, 0.6))
    )
    place = atlas()
    up, down = hs.lip_borders(place.x.astype(np.float64))
    below = place.y - hs.MOUTH_ROW
    front = (np.abs(place.column) < 1) & (np.abs(place.x) < hs.MOUTH_HALF_WIDTH)
    lips = front & (below > -up) & (below < down)
    over = front & (below < -up - 3) & (below > -up - 6)
    assert lips.any()
    assert over.any()
    np.testing.assert_array_equal(thin[lips], thick[lips])
    assert thick[over][:, :3].mean() < 0.8 * thin[over][:, :3].mean()


def test_a_basis_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ConfigError, match="face basis 'clay' is unknown"):
        Avatar.sample("test", "somebody", 0, basis="clay")

import numpy as np
import pytest

from aukit.avatars import Avatar
from aukit.errors import ConfigError


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


def test_a_basis_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ConfigError, match="face basis 'clay' is unknown"):
        Avatar.sample("test", "somebody", 0, basis="clay")

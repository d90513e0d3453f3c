"""The sixty avatars of the pairs: gender, skin tone and age, and which two each driving person is assigned.

Thirty women and thirty men. Each gender has one avatar for every combination of six skin tones and five ages,
so gender, tone and age are independent of each other, exactly. Number i of a gender has tone i mod 6 and age
i mod 5 (6 and 5 share no divisor, so 30 numbers meet all 30 combinations): wherever the numbers of a gender
are used up in turn, tones and ages are used evenly as well. Within its stratum an avatar's tone and age are
drawn.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from aukit.datasets.frame_table import GENDERS
from aukit.simulation.appearance.appearance import Avatar

IDENTITY_SPLIT = "pairs"
TONE_GROUPS = 6
"""Equal parts of the range of `Appearance.tone`; 1 is the lightest."""
AGE_GROUPS: tuple[tuple[int, int], ...] = ((18, 26), (26, 35), (35, 45), (45, 57), (57, 70))
"""Years, from (inclusive) to (exclusive)."""
PER_GENDER = TONE_GROUPS * len(AGE_GROUPS)


class AvatarIdentity(NamedTuple):
    """One of the sixty avatars.

    Attributes:
        subject: ``F01`` to ``F30`` and ``M01`` to ``M30``.
        gender: ``female`` or ``male``.
        tone: Depth of the skin's colour in [0, 1].
        tone_group: 1 (lightest) to `TONE_GROUPS`.
        age: Years.
        age_group: E.g. ``18-25``.
    """

    subject: str
    gender: str
    tone: float
    tone_group: int
    age: float
    age_group: str

    def avatar(self, seed: int, basis: str = "procedural") -> Avatar:
        """The face of this identity on a face basis."""
        return Avatar.sample(
            IDENTITY_SPLIT, self.subject, seed, self.gender, self.age, basis=basis, tone=self.tone
        )


def avatar_identities(seed: int) -> list[AvatarIdentity]:
    """The sixty avatars, women first; a pure function of the seed."""
    return [_identity(gender, number, seed) for gender in GENDERS for number in range(PER_GENDER)]


def _identity(gender: str, number: int, seed: int) -> AvatarIdentity:
    subject = f"{gender[0].upper()}{number + 1:02d}"
    rng = np.random.default_rng([seed, zlib.crc32(b"cast"), zlib.crc32(subject.encode())])
    group = number % TONE_GROUPS
    youngest, oldest = AGE_GROUPS[number % len(AGE_GROUPS)]
    return AvatarIdentity(
        subject=subject,
        gender=gender,
        tone=float((group + rng.random()) / TONE_GROUPS),
        tone_group=group + 1,
        age=float(rng.uniform(youngest, oldest)),
        age_group=f"{youngest}-{oldest - 1}",
    )


def assign(persons: Sequence[str], seed: int) -> dict[str, tuple[AvatarIdentity, AvatarIdentity]]:
    """A woman and a man for each driving person.

    People are numbered in the order of their sorted ids. The women serve them in turn from the first on, the
    men from the last on, so that a woman and a man of the same tone and age rarely meet. Each
    avatar serves ⌊N/30⌋ or ⌈N/30⌉ people.

    Args:
        persons: Global ids of all people of the driving corpus.
        seed: Seed of the identities.
    """
    identities = avatar_identities(seed)
    women, men = identities[:PER_GENDER], identities[PER_GENDER:]
    return {
        person: (women[k % PER_GENDER], men[-1 - k % PER_GENDER])
        for k, person in enumerate(sorted(set(persons)))
    }


def identity_table(identities: Sequence[AvatarIdentity]) -> pd.DataFrame:
    """One row per avatar, with the fields of `AvatarIdentity`."""
    return pd.DataFrame(identities, columns=list(AvatarIdentity._fields))


def distribution(identities: Sequence[AvatarIdentity]) -> pd.DataFrame:
    """Number of avatars by gender and tone (rows) and age (columns)."""
    table = identity_table(identities)
    return pd.crosstab([table["gender"], table["tone_group"]], table["age_group"], margins=True)

"""Appearance: everything about a person that is colour, hair or skin relief, and not shape."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aukit.simulation.appearance.wrinkles import GROUPS
from aukit.simulation.bases import face_model

Colour = tuple[float, float, float]

# 8-bit sRGB, from light to dark skin.
_TONES = np.array([
    (240, 204, 182), (232, 190, 163), (218, 172, 142), (196, 147, 114),
    (168, 118, 86), (134, 91, 66), (102, 67, 48), (75, 49, 38),
])  # fmt: skip
_HAIR = {
    "black": (26, 22, 21), "dark": (48, 35, 28), "brown": (84, 58, 40), "light": (134, 98, 62),
    "blond": (178, 148, 108), "red": (132, 66, 34), "grey": (122, 119, 115), "white": (164, 160, 155),
}  # fmt: skip
_IRIS = {
    "brown": (74, 44, 26), "dark": (44, 27, 18), "hazel": (104, 82, 44),
    "green": (92, 110, 78), "blue": (92, 124, 152), "grey": (112, 124, 130),
}  # fmt: skip
STYLES = ("bald", "buzz", "short", "full", "curly", "bob", "long", "tied")
"""Hair styles."""
COVERS = ("none", "cap", "scarf")
"""Head coverings."""
EYEWEAR = ("none", "glasses", "sunglasses")
"""Glasses by kind."""


def linear(srgb: NDArray[np.float64] | Colour) -> NDArray[np.float64]:
    """Linear RGB of 8-bit sRGB values."""
    value = np.asarray(srgb, np.float64) / 255.0
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


@dataclass(frozen=True)
class Appearance:
    """Paint and hair of one person. Colours are linear RGB in [0, 1]; strengths are about 1 for most people.

    Attributes:
        seed: Of all textures.
        tone: Depth of the skin's colour, from 0 (lightest) to 1 (darkest).
        skin: Colour of the skin.
        redness: Of cheeks, nose and chin.
        lips: How far the lips differ from the skin.
        lip_colour: Their colour before mixing with the skin.
        freckles: Density in [0, 1].
        blemishes: Number of moles and spots.
        blotches: Strength of slow colour variation.
        pores: Depth of the skin's grain.
        gloss: Strength of the sheen.
        brow_density: In [0, 1].
        brow_width: Half height in mm.
        brow_shift: Height of the hair above the brow's anatomical line in mm.
        hair: Colour of hair and brows.
        brow_colour: Colour of the brows.
        style: One of `STYLES`.
        hair_volume: Thickness in mm.
        hair_line: Shift of the hair line in mm (positive: lower).
        parting: Position of the parting in [-1, 1].
        wave: How far the hair curls, from 0 (straight) to 1 (ringlets).
        cover: One of `COVERS`.
        eyewear: One of `EYEWEAR`.
        cloth: Colour of the clothes.
        cap: Colour of cap or scarf.
        iris: Colour of the iris.
        lashes: Darkness of the lash line in [0, 1].
        stubble: Density of the beard in [0, 1].
        moustache: Extra density above the lip.
        wrinkles: Strength of expression wrinkles, one per group of `aukit.simulation.appearance.wrinkles`.
        age_lines: Strength of standing wrinkles in [0, 1.2].
        eye_shadow: Darkness under the eyes in [0, 1].

    Example:
        >>> import numpy as np
        >>> appearance = Appearance.sample(np.random.default_rng(0), "female", age=30.0)
        >>> appearance.style in STYLES, appearance.eyewear in EYEWEAR
        (True, True)
    """

    seed: int
    tone: float
    skin: Colour
    redness: float
    lips: float
    lip_colour: Colour
    freckles: float
    blemishes: int
    blotches: float
    pores: float
    gloss: float
    brow_density: float
    brow_width: float
    brow_shift: float
    hair: Colour
    brow_colour: Colour
    style: str
    hair_volume: float
    hair_line: float
    parting: float
    wave: float
    cover: str
    eyewear: str
    cloth: Colour
    cap: Colour
    iris: Colour
    lashes: float
    stubble: float
    moustache: float
    wrinkles: tuple[float, ...]
    age_lines: float
    eye_shadow: float

    @staticmethod
    def sample(
        rng: np.random.Generator,
        gender: str,
        age: float,
        tone: float | None = None,
        sunglasses: float = 0.0,
    ) -> Appearance:
        """Draw one person's appearance.

        Args:
            rng: Source of randomness.
            gender: "female" or "male".
            age: Years.
            tone: Depth of the skin's colour in [0, 1]; drawn if not given.
            sunglasses: Probability of sunglasses; none by default, because they hide the eyes.
        """
        male = gender == "male"
        drawn = float(rng.beta(1.0, 1.25))  # in any case, so that a given tone changes no other draw
        tone = drawn if tone is None else tone
        at = tone * (len(_TONES) - 1)
        k = min(int(at), len(_TONES) - 2)
        skin = linear(_TONES[k] * (1 - at + k) + _TONES[k + 1] * (at - k))
        skin = skin * np.exp(rng.normal(0, 0.05) + rng.normal(0, [0.02, 0.03, 0.06]))
        grey = float(np.clip((age - 46) / 30 + rng.normal(0, 0.2), 0, 1))
        names = list(_HAIR)[:6]
        weight = (
            np.array([0.25, 0.3, 0.25, 0.1, 0.07, 0.03])
            if tone < 0.5
            else np.array([0.7, 0.26, 0.04, 0, 0, 0])
        )
        hair = linear(_HAIR[str(rng.choice(names, p=weight))])
        hair = hair * np.exp(rng.normal(0, 0.12) + rng.normal(0, 0.06, 3))
        hair = hair * (1 - grey) + grey * linear(_HAIR["grey" if rng.random() < 0.6 else "white"])
        # Cameras expose for the face, so that light hair over dark skin must not burn out.
        hair = hair * (0.62 + 0.38 * min(1.0, float(skin.mean()) / 0.30))
        irises = list(_IRIS)
        chance = (
            np.array([0.3, 0.15, 0.15, 0.1, 0.2, 0.1]) if tone < 0.4 else np.array([0.4, 0.57, 0.03, 0, 0, 0])
        )
        iris = linear(_IRIS[str(rng.choice(irises, p=chance))]) * np.exp(rng.normal(0, 0.15))
        old = float(np.clip((age - 28) / 40, 0, 1.2))
        shaved = 0.05 + 0.15 * old
        if male:
            styles = {"short": 0.62 - shaved, "full": 0.2, "buzz": 0.1, "bald": shaved}
            styles |= {"long": 0.03, "tied": 0.02, "bob": 0.03}
        else:
            styles = {"long": 0.44, "bob": 0.24, "tied": 0.2, "full": 0.07, "short": 0.05}
        style = str(rng.choice(list(styles), p=list(styles.values())))
        if style in ("short", "full", "bob", "buzz") and rng.random() < (0.08 if tone < 0.5 else 0.45):
            style = "curly"
        volumes = {
            "short": (6.0, 14.0),
            "full": (10.0, 19.0),
            "curly": (7.0, 18.0) if male else (14.0, 28.0),
            "long": (6.0, 13.0),
            "bob": (7.0, 14.0),
        }
        bearded = male and rng.random() < 0.42
        lip_hue = linear((184, 92, 88)) * np.exp(rng.normal(0, [0.1, 0.18, 0.15]))
        made_up = (not male) and rng.random() < 0.4
        brow = np.minimum(hair * 0.75, skin * 0.42)
        seed = int(rng.integers(0, 2**31 - 1))
        own = np.random.default_rng([seed, 41])
        cover = str(own.choice(COVERS, p=[0.94, 0.06, 0.0] if male else [0.92, 0.03, 0.05]))
        eyewear = "glasses" if own.random() < 0.08 + 0.17 * min(old, 1.0) else "none"
        if own.random() < sunglasses:
            eyewear = "sunglasses"
        # Men's hair recedes with age, some men's far.
        recede = (5.0 * old + (own.exponential(14.0) * min(old, 1.0) if own.random() < 0.4 else 0.0)) * male
        return Appearance(
            seed=seed,
            tone=tone,
            skin=_colour(skin),
            redness=float(np.clip(rng.normal(1.0, 0.35), 0.2, 2)),
            lips=float(np.clip(rng.normal(1.0 if made_up else 0.74 - 0.04 * male, 0.12), 0.4, 1.2)),
            lip_colour=_colour(lip_hue * (0.8 if made_up else 1.0)),
            freckles=float(max(0.0, rng.normal(0.0, 0.4))) if tone < 0.4 else 0.0,
            blemishes=int(rng.poisson(5)),
            blotches=float(np.clip(rng.normal(1.0, 0.3), 0.3, 2)),
            pores=float(np.clip(rng.normal(1.0, 0.25), 0.4, 1.8)),
            gloss=float(np.clip(rng.normal(1.0, 0.3), 0.3, 1.9)),
            brow_density=float(np.clip(rng.normal(0.86 if male else 0.74, 0.12), 0.45, 1.0)),
            brow_width=float(np.clip(rng.normal(3.6 if male else 2.7, 0.5), 1.7, 5.0)),
            brow_shift=float(rng.normal(0.0, 0.5)),
            hair=_colour(hair),
            brow_colour=_colour(brow),
            style=style,
            hair_volume=float(rng.uniform(*volumes.get(style, (4.0, 7.0)))),
            hair_line=float(np.clip(rng.normal(1.0 - recede, 3.0), -26.0, 7.0)),
            parting=float(rng.uniform(-0.5, 0.5)),
            wave=float(np.clip(own.beta(1.2, 2.2) + 0.35 * max(tone - 0.6, 0.0), 0.0, 1.0)),
            cover=cover,
            eyewear=eyewear,
            cloth=_colour(rng.uniform(0.01, 0.55) * np.exp(rng.normal(0, 0.4, 3))),
            cap=_colour(rng.uniform(0.012, 0.3) * np.exp(rng.normal(0, 0.32, 3))),
            iris=_colour(iris),
            lashes=float(np.clip(rng.normal(0.7 if male else 0.95, 0.1), 0.4, 1.1)),
            stubble=float(rng.uniform(0.3, 1.0)) if bearded else (0.16 if male else 0.0),
            moustache=float(rng.uniform(0, 0.6)) if bearded else 0.0,
            wrinkles=tuple(
                float(w) for w in np.clip(rng.normal(0.85 + 0.35 * old, 0.2, len(GROUPS)), 0.4, 1.6)
            ),
            age_lines=float(np.clip(old + rng.normal(0, 0.08), 0, 1.2)),
            eye_shadow=float(np.clip(rng.normal(0.5, 0.2), 0.1, 1.0)),
        )


def _colour(value: NDArray[np.float64]) -> Colour:
    r, g, b = (float(v) for v in np.clip(value, 0.002, 0.95))
    return r, g, b


@dataclass(frozen=True, eq=False)
class Avatar:
    """One person: shape, appearance, gender and age.

    Attributes:
        identity: float32 [K] coefficients of the basis' `FaceModel`.
        appearance: Paint and hair.
        gender: "female" or "male".
        age: Years.
        basis: Name of the face basis.

    Example:
        >>> avatar = Avatar.sample("example", "somebody", seed=0, gender="male", age=40.0)
        >>> avatar.gender, avatar.identity.dtype
        ('male', dtype('float32'))
    """

    identity: NDArray[np.float32]
    appearance: Appearance
    gender: str
    age: float
    basis: str = "procedural"

    @staticmethod
    def sample(
        identity_split: str,
        name: str,
        seed: int,
        gender: str | None = None,
        age: float | None = None,
        basis: str = "procedural",
        tone: float | None = None,
    ) -> Avatar:
        """The person `name` of an identity split; splits never share people.

        Args:
            identity_split: Purpose, such as "pairs" or "corpus/F001".
            name: Of the person within the split.
            seed: Of the whole population.
            gender: "female" or "male"; drawn if not given.
            age: Years; drawn from 18 to 70, most of them young, if not given.
            basis: Name of the face basis, see `aukit.simulation.face.face_model`.
            tone: Depth of the skin's colour in [0, 1]; drawn if not given.
        """
        rng = np.random.default_rng([zlib.crc32(identity_split.encode()), zlib.crc32(name.encode()), seed])
        drawn = "female" if rng.random() < 0.5 else "male"
        years = 18.0 + 52.0 * float(rng.beta(1.2, 2.6))
        gender, age = gender or drawn, years if age is None else age
        identity = face_model(basis).sample_identity(rng, gender, age)
        return Avatar(identity, Appearance.sample(rng, gender, age, tone), gender, age, basis)

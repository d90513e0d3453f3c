"""The Facial Action Coding System: action units, intensities, sides, and which corpus codes what.

**Intensity.** FACS scores an action unit (AU) that is present with a letter, A (trace) to E (maximum).
Corpora write the same scale as 1 to 5, and 0 for absent.

**Left and right** are the coded person's, not the viewer's. The rules that the whole project follows:

- An AU without a prefix is *bilateral*: both sides act. That is the default for every AU.
- ``L12`` and ``R12`` are *unilateral*: that side alone acts. ``L12B+R12D`` is one AU at two strengths.
- Only the AUs in :data:`SIDED_AUS` have a muscle on each side that people move apart. The others (chin, lip
  ring, jaw, tongue) act across the midline, and their two sides are always equal, except AU 30 (jaw
  sideways), whose side is the direction.
- A column of a table (``AU12_r``) knows no side: its value is the greater of the two, so that ``R12C`` alone
  gives 3 and an occurrence of 1. Mirroring an image therefore never changes a column.
- None of the corpora below publishes sides. They matter for avatars, which act per side.

**Missing is not zero.** A corpus marks what the annotator could not see with a code of its own (9 in BP4D and
FERA 2017). Readers turn it into NaN.

Sources: Ekman, Friesen and Hager, *Facial Action Coding System*, 2002 (names, muscles, letters, sides); the
corpora's own label files (AU sets).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

Region = Literal["brow", "eye", "cheek", "nose", "mouth", "chin", "jaw", "neck"]
Side = Literal["left", "right"]

LETTERS = "ABCDE"
"""Intensity letters; their position plus one is the number."""

MAX_INTENSITY = 5
"""Greatest intensity, letter E."""


@dataclass(frozen=True)
class ActionUnit:
    """One action unit.

    Attributes:
        number: FACS number.
        name: FACS name.
        muscles: Anatomical names of the muscles that make the movement; empty where FACS names none.
        region: Part of the face where the change is mainly seen.
    """

    number: int
    name: str
    muscles: tuple[str, ...]
    region: Region

    @property
    def sided(self) -> bool:
        """Whether each side can act alone (see the module's rules)."""
        return self.number in SIDED_AUS


_TABLE: tuple[ActionUnit, ...] = (
    ActionUnit(1, "Inner Brow Raiser", ("frontalis, pars medialis",), "brow"),
    ActionUnit(2, "Outer Brow Raiser", ("frontalis, pars lateralis",), "brow"),
    ActionUnit(4, "Brow Lowerer", ("corrugator supercilii", "depressor supercilii", "procerus"), "brow"),
    ActionUnit(5, "Upper Lid Raiser", ("levator palpebrae superioris",), "eye"),
    ActionUnit(6, "Cheek Raiser", ("orbicularis oculi, pars orbitalis",), "cheek"),
    ActionUnit(7, "Lid Tightener", ("orbicularis oculi, pars palpebralis",), "eye"),
    ActionUnit(8, "Lips Toward Each Other", ("orbicularis oris",), "mouth"),
    ActionUnit(9, "Nose Wrinkler", ("levator labii superioris alaeque nasi",), "nose"),
    ActionUnit(10, "Upper Lip Raiser", ("levator labii superioris",), "mouth"),
    ActionUnit(11, "Nasolabial Deepener", ("zygomaticus minor",), "cheek"),
    ActionUnit(12, "Lip Corner Puller", ("zygomaticus major",), "mouth"),
    ActionUnit(13, "Sharp Lip Puller", ("levator anguli oris",), "mouth"),
    ActionUnit(14, "Dimpler", ("buccinator",), "mouth"),
    ActionUnit(15, "Lip Corner Depressor", ("depressor anguli oris",), "mouth"),
    ActionUnit(16, "Lower Lip Depressor", ("depressor labii inferioris",), "mouth"),
    ActionUnit(17, "Chin Raiser", ("mentalis",), "chin"),
    ActionUnit(18, "Lip Pucker", ("incisivii labii superioris", "incisivii labii inferioris"), "mouth"),
    ActionUnit(19, "Tongue Show", (), "mouth"),
    ActionUnit(20, "Lip Stretcher", ("risorius", "platysma"), "mouth"),
    ActionUnit(21, "Neck Tightener", ("platysma",), "neck"),
    ActionUnit(22, "Lip Funneler", ("orbicularis oris",), "mouth"),
    ActionUnit(23, "Lip Tightener", ("orbicularis oris",), "mouth"),
    ActionUnit(24, "Lip Pressor", ("orbicularis oris",), "mouth"),
    ActionUnit(
        25,
        "Lips Part",
        ("depressor labii inferioris", "relaxed mentalis", "relaxed orbicularis oris"),
        "mouth",
    ),
    ActionUnit(26, "Jaw Drop", ("relaxed masseter", "relaxed temporalis", "internal pterygoid"), "jaw"),
    ActionUnit(27, "Mouth Stretch", ("pterygoids", "digastric"), "jaw"),
    ActionUnit(28, "Lip Suck", ("orbicularis oris",), "mouth"),
    ActionUnit(29, "Jaw Thrust", (), "jaw"),
    ActionUnit(30, "Jaw Sideways", (), "jaw"),
    ActionUnit(31, "Jaw Clencher", ("masseter",), "jaw"),
    ActionUnit(32, "Lip Bite", (), "mouth"),
    ActionUnit(33, "Cheek Blow", (), "cheek"),
    ActionUnit(34, "Cheek Puff", (), "cheek"),
    ActionUnit(35, "Cheek Suck", (), "cheek"),
    ActionUnit(36, "Tongue Bulge", (), "cheek"),
    ActionUnit(37, "Lip Wipe", (), "mouth"),
    ActionUnit(38, "Nostril Dilator", ("nasalis, pars alaris",), "nose"),
    ActionUnit(39, "Nostril Compressor", ("nasalis, pars transversa", "depressor septi nasi"), "nose"),
    ActionUnit(
        43,
        "Eyes Closed",
        ("relaxed levator palpebrae superioris", "orbicularis oculi, pars palpebralis"),
        "eye",
    ),
    ActionUnit(
        45, "Blink", ("relaxed levator palpebrae superioris", "orbicularis oculi, pars palpebralis"), "eye"
    ),
    ActionUnit(
        46, "Wink", ("relaxed levator palpebrae superioris", "orbicularis oculi, pars palpebralis"), "eye"
    ),
)

ACTION_UNITS: Mapping[int, ActionUnit] = MappingProxyType({unit.number: unit for unit in _TABLE})
"""Every action unit that the corpora code or the avatars act, by FACS number."""

VISIBLE_AUS: tuple[int, ...] = (
    1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 22, 23, 24, 25, 26, 27, 28, 43,
)  # fmt: skip
"""AUs that an avatar can show, in ascending order: the ones with a shape of their own in a still image."""
VISIBLE_INDEX: Mapping[int, int] = MappingProxyType({au: index for index, au in enumerate(VISIBLE_AUS)})
"""Place of each of `VISIBLE_AUS`: its column in activations."""

FaceRegion = Literal[
    "forehead", "glabella", "brow", "temple", "eye", "nose", "infraorbital", "cheek", "upper lip",
    "mouth corner", "lower lip", "chin", "jaw",
]  # fmt: skip

FACE_REGIONS: tuple[FaceRegion, ...] = get_args(FaceRegion)
"""A partition of the face from hairline to jaw edge, both sides alike; see `aukit.simulation.face_regions`.

``eye`` is the lids with their folds, ``infraorbital`` the triangle between lower lid, nose and cheekbone,
``cheek`` what lies beside and below it, ``jaw`` the lower cheek down to the edge of the jaw.
"""

AU_REGIONS: Mapping[int, tuple[FaceRegion, ...]] = MappingProxyType(
    {
        1: ("forehead", "glabella", "brow", "eye"),
        2: ("forehead", "brow", "temple", "eye"),
        4: ("forehead", "glabella", "brow", "eye"),
        5: ("eye",),
        6: ("eye", "temple", "infraorbital", "cheek"),
        7: ("eye", "infraorbital"),
        9: ("glabella", "brow", "eye", "nose", "infraorbital", "upper lip"),
        10: ("nose", "infraorbital", "cheek", "upper lip", "mouth corner"),
        11: ("infraorbital", "cheek", "upper lip", "mouth corner"),
        12: ("infraorbital", "cheek", "upper lip", "mouth corner", "lower lip", "jaw"),
        13: ("infraorbital", "cheek", "upper lip", "mouth corner", "lower lip"),
        14: ("cheek", "upper lip", "mouth corner", "lower lip", "jaw"),
        15: ("mouth corner", "upper lip", "lower lip", "chin", "jaw"),
        16: ("mouth corner", "lower lip", "chin"),
        17: ("upper lip", "lower lip", "mouth corner", "chin"),
        18: ("upper lip", "mouth corner", "lower lip"),
        20: ("upper lip", "mouth corner", "lower lip", "chin", "jaw"),
        22: ("upper lip", "mouth corner", "lower lip"),
        23: ("upper lip", "mouth corner", "lower lip"),
        24: ("upper lip", "mouth corner", "lower lip", "chin"),
        25: ("upper lip", "mouth corner", "lower lip", "chin"),
        26: ("mouth corner", "lower lip", "chin", "jaw"),
        27: ("upper lip", "mouth corner", "lower lip", "chin", "jaw"),
        28: ("upper lip", "mouth corner", "lower lip", "chin"),
        43: ("eye",),
    }
)
"""Where each visible AU moves the skin: over its muscles and what they pull together (FACS manual)."""

SIDED_AUS: frozenset[int] = frozenset(
    {1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 20, 33, 34, 35, 36, 38, 43, 46}
)
"""AUs that FACS scores on one side alone where they act so; all others act across the midline."""


@dataclass(frozen=True)
class CorpusAUs:
    """What a corpus codes.

    Attributes:
        occurrence: AUs with a present/absent code, in the column order of the corpus where it has one. Empty
            where occurrence is only derived from intensity by a threshold.
        intensity: AUs with an intensity code, 0 to 5.
        missing_code: The number that stands for "not coded" in its files; None where none is used or known.
    """

    occurrence: tuple[int, ...]
    intensity: tuple[int, ...]
    missing_code: int | None


_DISFA = CorpusAUs((), (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26), None)

CORPUS_AUS: Mapping[str, CorpusAUs] = MappingProxyType(
    {
        "fera2017": CorpusAUs((1, 4, 6, 7, 10, 12, 14, 15, 17, 23), (1, 4, 6, 10, 12, 14, 17), 9),
        # BP4D's files hold more columns; these twelve are the ones in common use.
        "bp4d": CorpusAUs((1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24), (6, 10, 12, 14, 17), 9),
        # BP4D+ files name about 34 AUs in their header, which the reader follows; here the twelve shared with
        # BP4D. Its intensity set is not public.
        "bp4dplus": CorpusAUs((1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24), (), 9),
        "disfa": _DISFA,
        "disfaplus": _DISFA,
        # The twelve of the published frame lists; GFT's intensity set and missing code are not public.
        "gft": CorpusAUs((1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24), (), None),
        # AU 43 is coded 0/1.
        "unbc": CorpusAUs((), (4, 6, 7, 9, 10, 12, 20, 25, 26, 43), None),
    }
)
"""AU sets by corpus: ``fera2017``, ``bp4d``, ``bp4dplus``, ``disfa``, ``disfaplus``, ``gft``, ``unbc``."""


def intensity_from_letter(letter: str) -> int:
    """Number 1 to 5 of an intensity letter A to E.

    Raises:
        ValueError: ``letter`` is not one of A to E.
    """
    if len(letter) != 1 or letter not in LETTERS:
        raise ValueError(f"{letter!r} is not a FACS intensity; the letters are A (trace) to E (maximum)")
    return LETTERS.index(letter) + 1


def letter_from_intensity(intensity: int) -> str:
    """Letter A to E of an intensity 1 to 5.

    Raises:
        ValueError: ``intensity`` is not 1 to 5; 0 (absent) has no letter.
    """
    if intensity not in range(1, MAX_INTENSITY + 1):
        raise ValueError(f"intensity {intensity!r} has no letter; 1 to 5 have, 0 means absent")
    return LETTERS[int(intensity) - 1]


def occurrence_column(au: int) -> str:
    """Name of the occurrence column of an AU: ``AU01_c``, values 0 or 1, NaN = not coded."""
    return f"AU{au:02d}_c"


def intensity_column(au: int) -> str:
    """Name of the intensity column of an AU: ``AU01_r``, values 0 to 5, NaN = not coded."""
    return f"AU{au:02d}_r"


class FacsCode(NamedTuple):
    """One scored AU.

    Attributes:
        au: FACS number.
        intensity: 1 to 5, or None where no letter was given.
        side: ``"left"`` or ``"right"`` of the person for a unilateral code, None for a bilateral one.

    Example:
        >>> parse_codes("1+R12C")
        [FacsCode(au=1, intensity=None, side=None), FacsCode(au=12, intensity=3, side='right')]
    """

    au: int
    intensity: int | None
    side: Side | None


_CODE = re.compile(r"([LR]?)([1-9][0-9]?)([A-E]?)")
_SIDES: Mapping[str, Side | None] = {"L": "left", "R": "right", "": None}


def parse_code(text: str) -> FacsCode:
    """Reads one FACS code: ``12``, ``12C``, ``R12C``, ``L14``.

    Raises:
        ValueError: The text is no code of that form, or its number is not in :data:`ACTION_UNITS`.
    """
    match = _CODE.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            f"{text!r} is not a FACS code; expected an optional L or R, a number, an optional A to E"
        )
    side, number, letter = match.groups()
    if int(number) not in ACTION_UNITS:
        raise ValueError(f"{text!r}: AU {number} is unknown; known are {', '.join(map(str, ACTION_UNITS))}")
    return FacsCode(int(number), intensity_from_letter(letter) if letter else None, _SIDES[side])


def parse_codes(text: str) -> list[FacsCode]:
    """Reads a FACS score, codes joined by ``+``: ``1+2+5B``. An empty text is a neutral face.

    Raises:
        ValueError: One of the codes cannot be read (see :func:`parse_code`).
    """
    return [parse_code(part) for part in text.split("+")] if text.strip() else []

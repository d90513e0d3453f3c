"""Random expressions: patterns of action units at any strength, sometimes with others on top.

A face at random is not a mixture of independent action units: those of a smile come together, a blink may
come with anything, rounded lips exclude drawn ones. So an expression is one of the patterns of Ekman, Friesen
and Hager (Facial Action Coding System: Investigator's Guide, 2002, prototypes and variants), of pain
(Prkachin and Solomon 2008) or of speech, at any strength; the eyes do something of their own; and single
action units come on top, so that a network cannot read one from the others.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aukit.facs import VISIBLE_AUS, VISIBLE_INDEX

__all__ = ["PATTERNS", "sample_expression"]

PATTERNS: dict[str, tuple[tuple[int, ...], ...]] = {
    "happiness": ((6, 12), (12, 25), (6, 12, 25), (6, 7, 12, 25, 26), (6, 12, 25, 27)),
    "surprise": ((1, 2, 5), (1, 2, 5, 25, 26), (1, 2, 5, 25, 27)),
    "fear": ((1, 2, 4, 5, 20, 25), (1, 2, 4, 5, 25, 26), (5, 20, 25, 27)),
    "sadness": ((1, 4), (1, 4, 15), (1, 4, 11, 15, 17), (6, 15, 43)),
    "disgust": ((9,), (10, 17), (9, 16, 25), (7, 10, 16, 25, 26)),
    "anger": ((4, 5, 7, 23), (4, 5, 7, 17, 24), (4, 7, 10, 22, 23, 25, 26)),
    "contempt": ((14,), (10, 14), (13,)),
    "pain": ((4, 6, 7, 9, 43), (4, 7, 10, 25, 26), (4, 6, 9, 20, 25, 27, 43)),
    "thought": ((14, 17), (15, 17), (4, 24), (28,), (2,), (13, 24)),
    "speech": ((25,), (25, 26), (20, 25), (18, 25), (22, 25), (10, 16, 25), (24,)),
    "lips alone": ((18,), (18,), (18, 22, 25), (22, 25), (23,), (25, 27)),
}
"""Action units that come together, in variants."""

OFTEN = {"happiness": 4.0, "surprise": 2.0, "speech": 2.0, "lips alone": 2.0}
"""How many times as likely as the other patterns."""

PATTERN = 0.75
"""Share of faces that show a pattern; the others are at rest except for what follows."""
SHUT, WIDE = 0.15, 0.1
"""Shares of faces with closing or closed eyes, and with wide open eyes."""
ALONE, BESIDE = 0.08, 0.02
"""Chance of every action unit to act without a pattern, and on top of one."""

Float = npt.NDArray[np.float32]


def sample_expression(rng: np.random.Generator) -> Float:
    """Activations [A] in [0, 1] of `VISIBLE_AUS`: 0 at rest, 1 at the strongest (intensity E)."""
    activations = np.zeros(len(VISIBLE_AUS))
    chance = ALONE
    if rng.random() < PATTERN:
        chance = BESIDE
        shares = np.array([OFTEN.get(name, 1.0) for name in PATTERNS])
        variants = PATTERNS[str(rng.choice(list(PATTERNS), p=shares / shares.sum()))]
        together = [VISIBLE_INDEX[au] for au in variants[rng.integers(len(variants))]]
        strength = rng.uniform(0.2, 1.1)
        activations[together] = strength * rng.uniform(0.6, 1.1, len(together))
    eyes = rng.random()
    if eyes < SHUT:
        activations[VISIBLE_INDEX[5]] = 0.0
        activations[VISIBLE_INDEX[43]] = rng.uniform(0.3, 1.0)
    elif eyes < SHUT + WIDE:
        activations[VISIBLE_INDEX[43]] = 0.0
        activations[VISIBLE_INDEX[5]] = rng.uniform(0.3, 1.0)
    acts = rng.random(len(activations)) < chance
    activations = np.where(acts, np.maximum(activations, rng.random(len(activations))), activations)
    return np.clip(activations, 0.0, 1.0).astype(np.float32)

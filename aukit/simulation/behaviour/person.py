"""People: avatars that express themselves in their own way, speak, blink, look around and move their heads.

An `Avatar` shows a canonical, symmetric expression. A `Person` turns how strongly a muscle is meant to act
into how this person's face really moves: own gain and curve per AU, own asymmetry, own coactivations,
saturation where neighbouring muscles act together. What a corpus codes is the intention (relative to
the person's own maximum, as FACS does), what a camera sees is the movement. Arrays in, arrays out.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from aukit.facs import VISIBLE_AUS, VISIBLE_INDEX
from aukit.simulation.appearance.appearance import Appearance, Avatar
from aukit.simulation.bases import face_model

Array = npt.NDArray[np.float64]

GAIN_SIGMA = 0.25
"""Spread of a person's gains per AU."""
CURVE = 0.8
"""Mean exponent of intended activation → movement: a trace (A) moves about a quarter of the way."""

# Uncoded movements that accompany an AU; how strong they are differs between people.
COACTIVATIONS: dict[int, tuple[int, ...]] = {
    1: (5,), 2: (5,), 4: (9,), 6: (11,), 10: (9, 11), 12: (11, 13, 20, 25), 14: (20, 13), 15: (16, 20),
    17: (22, 18), 23: (28, 18), 24: (28,),
}  # fmt: skip
COACTIVATION_SHARE = 0.12

# Muscles that share skin: acting together, each moves less than alone.
REGIONS: tuple[tuple[int, ...], ...] = (
    (1, 2, 4, 5), (6, 7, 10, 11, 12, 13), (12, 14, 15, 20), (15, 16, 17, 22, 23, 24, 28),
)  # fmt: skip
SATURATION = 0.30


class Motion(NamedTuple):
    """What a head does besides its coded expression; all independent of it.

    Attributes:
        activations: [T, A] speech (25, 26, 18, 22) and blinks (43), in [0, 1].
        pose: [T, 3] yaw, pitch, roll in degrees about the pose of the view.
        shift: [T, 2] offset right and down as a share of the image.
        gaze: [T, 2] yaw and pitch of the eyes in degrees.
    """

    activations: Array
    pose: Array
    shift: Array
    gaze: Array


@dataclass(frozen=True)
class Person:
    """One person: how they look (`avatar`) and how their muscles act.

    Attributes:
        avatar: Identity and appearance.
        gains: [A] movement at full intended activation.
        curves: [A] exponent of intended activation → movement.
        asymmetry: [A] left share minus right share of each movement, about ± 0.1.
        coactivations: [A, A] movement of the column AU per movement of the row AU.
        saturation: How much neighbouring muscles weaken each other.
    """

    avatar: Avatar
    gains: Array
    curves: Array
    asymmetry: Array
    coactivations: Array
    saturation: float

    @staticmethod
    def sample(
        identity_split: str,
        name: str,
        gender: str,
        seed: int,
        basis: str = "procedural",
        sunglasses: float = 0.0,
    ) -> Person:
        """The person `name` of an identity split; a pure function of the arguments.

        Args:
            identity_split: Purpose of the identity, e.g. ``corpus``; splits never share people.
            name: Global person id.
            gender: ``female`` or ``male``.
            seed: Seed of the world.
            basis: Name of the face basis.
            sunglasses: Chance that this person wears them.
        """
        appearance_rng = _rng(seed, identity_split, name, "looks")
        age = float(np.clip(appearance_rng.gamma(4.0, 5.0) + 18.0, 18.0, 70.0))
        avatar = Avatar(
            identity=face_model(basis).sample_identity(appearance_rng, gender, age),
            appearance=Appearance.sample(appearance_rng, gender, age, sunglasses=sunglasses),
            gender=gender,
            age=age,
            basis=basis,
        )
        rng = _rng(seed, identity_split, name, "expression")
        n = len(VISIBLE_AUS)
        coactivations = np.zeros((n, n))
        for au, others in COACTIVATIONS.items():
            for other in others:
                # Weak in most people, strong in some.
                coactivations[VISIBLE_INDEX[au], VISIBLE_INDEX[other]] = rng.exponential(COACTIVATION_SHARE)
        return Person(
            avatar=avatar,
            gains=np.clip(rng.normal(1.0, GAIN_SIGMA, n), 0.4, 1.6) * 0.9,
            curves=np.clip(rng.normal(CURVE, 0.12, n), 0.5, 1.2),
            asymmetry=np.clip(rng.normal(0.0, 0.08, n), -0.3, 0.3),
            coactivations=coactivations.clip(0.0, 0.4),
            saturation=SATURATION * float(rng.uniform(0.6, 1.4)),
        )

    def activations(self, intended: Array, motion: Array | None = None) -> npt.NDArray[np.float32]:
        """How the face moves.

        Args:
            intended: [T, A] intended activation of each AU of `VISIBLE_AUS`, 1 = this person's maximum.
            motion: [T, A] further movement (speech, blinks) of the same AUs.

        Returns:
            [T, A, 2] activations in [0, 1], person's left and right, for `FaceModel`.
        """
        moved = self.gains * np.clip(intended, 0.0, 1.0) ** self.curves
        moved = moved + moved @ self.coactivations
        if motion is not None:
            moved = np.maximum(moved, motion)
        weakening = np.ones_like(moved)
        for region in REGIONS:
            columns = [VISIBLE_INDEX[au] for au in region]
            together = moved[:, columns].sum(axis=1, keepdims=True) - moved[:, columns]
            weakening[:, columns] /= 1.0 + self.saturation * np.clip(together - 0.3, 0.0, None)
        sides = np.stack([1.0 + self.asymmetry, 1.0 - self.asymmetry], axis=-1)
        return np.clip((moved * weakening)[..., None] * sides, 0.0, 1.0).astype(np.float32)


def sample_motion(rng: np.random.Generator, n_frames: int, fps: float) -> Motion:
    """Speech, blinks, gaze and head motion of one recording; knows nothing of the expression.

    Args:
        rng: Source of all randomness.
        n_frames: Length T.
        fps: Frames per second.
    """
    time = np.arange(n_frames) / fps
    activations = np.zeros((n_frames, len(VISIBLE_AUS)))
    if rng.random() < 0.4:
        _speak(activations, rng, time)
    _blink(activations, rng, time)
    pose = _wander(rng, n_frames, fps, np.array([4.0, 3.0, 2.0]), 0.8) + rng.normal(0.0, [3.0, 3.0, 1.5])
    shift = _wander(rng, n_frames, fps, np.array([0.008, 0.006]), 0.8) + rng.normal(0.0, [0.015, 0.012])
    return Motion(activations, pose, shift, _gaze(rng, n_frames, fps))


def _speak(activations: Array, rng: np.random.Generator, time: Array) -> None:
    """Syllables at 3–5 per second in phrases; the mouth opens, the lips round now and then."""
    rate = rng.uniform(3.0, 5.0)
    start, end = np.sort(rng.uniform(-0.5, time[-1] + 0.5, 2))
    phrase = np.clip(np.minimum(time - start, end - time) / 0.2, 0.0, 1.0)
    syllable = 0.5 + 0.5 * np.sin(2 * np.pi * rate * time + rng.uniform(0, 6.28))
    rounding = 0.5 + 0.5 * np.sin(2 * np.pi * 0.37 * rate * time + rng.uniform(0, 6.28))
    loudness = rng.uniform(0.5, 1.0)
    activations[:, VISIBLE_INDEX[25]] = phrase * loudness * (0.25 + 0.35 * syllable)
    activations[:, VISIBLE_INDEX[26]] = phrase * loudness * (0.10 + 0.30 * syllable)
    activations[:, VISIBLE_INDEX[18]] = phrase * loudness * 0.25 * rounding**2
    activations[:, VISIBLE_INDEX[22]] = phrase * loudness * 0.25 * (1 - rounding) ** 2


def _blink(activations: Array, rng: np.random.Generator, time: Array) -> None:
    """About one blink in four seconds, closing in 0.1 s and opening in 0.15 s."""
    moment = rng.exponential(4.0)
    while moment < time[-1] + 0.2:
        lid = np.interp(time - moment, [-0.1, 0.0, 0.05, 0.2], [0.0, 1.0, 1.0, 0.0])
        activations[:, VISIBLE_INDEX[43]] = np.maximum(activations[:, VISIBLE_INDEX[43]], lid)
        moment += 0.4 + rng.exponential(4.0)


def _gaze(rng: np.random.Generator, n_frames: int, fps: float) -> Array:
    """Gaze that rests and jumps."""
    jumps = np.cumsum(rng.random(n_frames) < 0.8 / fps)
    return rng.normal(0.0, [6.0, 3.5], (int(jumps[-1]) + 1, 2))[jumps]


def _wander(rng: np.random.Generator, n_frames: int, fps: float, sigma: Array, seconds: float) -> Array:
    """Smooth random motion [T, C] with given spread and time constant."""
    keep = np.exp(-1.0 / (fps * seconds))
    settled = int(np.ceil(5 * fps * seconds))
    noise = rng.normal(size=(settled + n_frames, len(sigma)))
    # Filtered twice, so that the path has no corners; scaled to unit variance once it has settled.
    speed = lfilter([np.sqrt(1 - keep**2)], [1.0, -keep], noise, axis=0)
    path: Array = lfilter([(1 - keep**2) / np.sqrt(1 + keep**2)], [1.0, -keep], speed, axis=0)[settled:]
    return path * sigma


def _rng(seed: int, *names: str) -> np.random.Generator:
    return np.random.default_rng([seed, *(zlib.crc32(n.encode()) for n in names)])

"""The frozen recipe of the stand-ins: rates, correlations, coders, tracker, and the sizes of FERA 2017's.

BP4D's and DISFA's sizes stand with their writers.

Every constant here is our choice unless its comment names a source. A change of any of them raises `VERSION`
and is a commit of its own, made without looking at a method's score.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from aukit.facs import CORPUS_AUS, VISIBLE_AUS

VERSION = 6

# Occurrence rates. BP4D: positives of the FG-Net frame lists over their 146,423 frames.
_BP4D_POSITIVES = {
    1: 30_846, 2: 24_932, 4: 29_663, 6: 67_492, 7: 80_433, 10: 86_944, 12: 82_229, 14: 68_255, 15: 24_798,
    17: 50_333, 23: 24_192, 24: 22_181,
}  # fmt: skip
RATES: dict[int, float] = {
    **{au: n / 146_423 for au, n in _BP4D_POSITIVES.items()},
    # AUs without a published rate: present, seldom and never coded.
    5: 0.06, 9: 0.06, 11: 0.08, 13: 0.03, 16: 0.05, 18: 0.04, 20: 0.06, 22: 0.02, 28: 0.02,
}  # fmt: skip
"""Share of frames in which each AU is present. 25, 26, 27 come from speech, 43 from blinks (see `people`)."""


def track_aus(rates: Mapping[int, float]) -> tuple[int, ...]:
    """AUs that tracks are made for, in their order."""
    return tuple(au for au in VISIBLE_AUS if au in rates)


TRACK_AUS: tuple[int, ...] = track_aus(RATES)
LEVEL_SHARES = (0.40, 0.30, 0.18, 0.09, 0.03)
"""Levels A to E among frames in which an AU is present."""

# Loadings of each AU on four shared causes; two AUs correlate by the sum of the products of theirs.
FACTORS = ("smile", "brow raise", "frown", "mouth press", "open mouth")
LOADINGS: dict[int, tuple[float, ...]] = {
    1: (0.0, 0.80, 0.20, 0.0), 2: (0.0, 0.80, -0.20, 0.0), 4: (0.0, 0.0, 0.65, 0.0), 5: (0.0, 0.40, 0.0, 0.0),
    6: (0.75, 0.0, 0.0, 0.0), 7: (0.50, 0.0, 0.40, 0.0), 9: (0.0, 0.0, 0.50, 0.0), 10: (0.60, 0.0, 0.20, 0.0),
    11: (0.40, 0.0, 0.0, 0.0), 12: (0.75, -0.10, 0.0, 0.0), 14: (0.20, 0.0, 0.0, 0.35),
    15: (-0.20, 0.0, 0.20, 0.50), 17: (-0.10, 0.0, 0.10, 0.60), 23: (0.0, 0.0, 0.0, 0.50),
    24: (-0.10, 0.0, 0.0, 0.50), 25: (0.25, 0.0, 0.0, -0.20, 0.70), 26: (0.0, 0.10, 0.0, -0.20, 0.75),
}  # fmt: skip

# Variance of the hidden drive: between people, between recordings of one person, within a recording.
PERSON_SHARE, RECORDING_SHARE = 0.08, 0.17

GENDER_SHIFT: dict[int, float] = {1: 0.05, 4: -0.08, 6: 0.06, 12: 0.08, 15: 0.03, 17: -0.05, 23: -0.05}
"""Mild difference of base rates: added to the drive (unit variance) of women, subtracted from men's."""

TRANSITION_SECONDS = (0.3, 1.5)
HOLD_SECONDS = (0.4, 2.0)

# People per partition. Train: BP4D's; Valid: the published ids; Test: our choice (its ids are not public).
TRAIN_SUBJECTS = tuple([f"F{i:03d}" for i in range(1, 24)] + [f"M{i:03d}" for i in range(1, 19)])
VALID_SUBJECTS = tuple(
    [f"F{i:03d}" for i in range(7, 12)]
    + [f"M{i:03d}" for i in range(1, 7)]
    + ["rF001", "rF002"]
    + [f"rM{i:03d}" for i in range(1, 8)]
)
TEST_SUBJECTS = tuple([f"F{i:03d}" for i in range(1, 16)] + [f"M{i:03d}" for i in range(1, 16)])
SUBJECTS = {"train": TRAIN_SUBJECTS, "valid": VALID_SUBJECTS, "test": TEST_SUBJECTS}

# View → (pitch, yaw) in degrees. The nine poses are the challenge's; their order is ours, except that readers
# of the release agree on view 6 as the default, which is the frontal one here.
VIEW_POSES: dict[int, tuple[float, float]] = {
    1: (-40.0, -40.0), 2: (-40.0, 0.0), 3: (-40.0, 40.0),
    4: (-20.0, -40.0), 5: (0.0, -40.0), 6: (0.0, 0.0),
    7: (0.0, 40.0), 8: (-20.0, 0.0), 9: (-20.0, 40.0),
}  # fmt: skip


@dataclass(frozen=True)
class CoderSettings:
    """A simulated FACS coder; the numbers are those of DESIGN § Stand-ins, the rest our choice.

    Attributes:
        jitter_seconds: Onsets and offsets are off by up to ±3 frames of the corpus's 25 per second, that is
            ±0.12 s at any frame rate.
        level_error: Share of present frames coded one level too high or too low, in stretches.
        error_seconds: Mean length of such a stretch.
        miss: Probability that an event that never exceeds level A is overlooked.
        not_coded: Probability that an AU of a recording has a stretch coded 9, of 10–30 % of its frames.
    """

    jitter_seconds: float = 3 / 25
    level_error: float = 0.15
    error_seconds: float = 0.6
    miss: float = 0.25
    not_coded: float = 0.05


@dataclass(frozen=True)
class TrackerSettings:
    """The imperfect landmark tracker behind the sidecar.

    Attributes:
        nme: Mean 2D error over √(width·height) of the landmark box in frontal views.
        yaw_growth: Relative growth of the error at 40° of yaw (quadratic in between).
        depth_factor: Error of depth per axis, relative to x and y.
        fixed_share: Share of the variance that is constant within a video (mark-up, identity).
        slow_share: Share that drifts (0.8 s); the rest is jitter from frame to frame.
        failure: Share of frames without a result, in stretches.
    """

    nme: float = 0.033
    yaw_growth: float = 0.25
    depth_factor: float = 2.0
    fixed_share: float = 0.55
    slow_share: float = 0.33
    failure: float = 0.01


class Recording(Protocol):
    """One recording of a stand-in: a person doing something."""

    @property
    def partition(self) -> str:
        """Partition of the release."""
        ...

    @property
    def person(self) -> str:
        """Global person id."""
        ...

    @property
    def task(self) -> str:
        """What the person does."""
        ...

    @property
    def gender(self) -> str | None:
        """``female`` or ``male``."""
        ...


@dataclass(frozen=True)
class Mishaps:
    """What goes wrong in a recording, as it does in real releases.

    Attributes:
        lost: Frames that did not come into the release.
        faceless: A frame in which the person is out of the picture.
        covered: Frames in which something dark is held before mouth and chin.
    """

    lost: frozenset[int] = frozenset()
    faceless: int | None = None
    covered: frozenset[int] = frozenset()


NO_MISHAPS = Mishaps()


class SimulationConfig:
    """What the recipes of all stand-ins share; each is a frozen dataclass of sizes.

    Attributes:
        corpus: Name of the corpus.
        look: Name of the room, light and camera that it is filmed with.
        rates: Share of frames in which each AU is present; those of `track_aus` are made.
        coded_aus: AUs that the corpus codes: nothing but their own track moves them.
        recording_share: Variance of the hidden drive between recordings of one person.
        coder: The simulated coders of the corpus.
        view_poses: View → (pitch, yaw) in degrees.
        profile: Name of the size.
        frames: Frames per recording.
        fps: Frames per second.
        size: Width and height of the frames in pixels.
        supersampling: Samples per pixel along each axis when rendering.
        seed: Seed of people, expressions, scenes, coders and tracker.
        version: Version of the recipe.
    """

    corpus: ClassVar[str]
    look: ClassVar[str]
    rates: ClassVar[Mapping[int, float]] = RATES
    coded_aus: ClassVar[tuple[int, ...]]
    recording_share: ClassVar[float] = RECORDING_SHARE
    coder: ClassVar[CoderSettings] = CoderSettings()
    view_poses: ClassVar[Mapping[int, tuple[float, float]]]

    profile: str
    frames: int
    fps: int
    size: int
    supersampling: int
    seed: int
    version: int

    def rng(self, *names: str) -> np.random.Generator:
        """Generator of one purpose, person, recording …: independent of the order of work.

        Corpora that share a person share that person's habits and performances.
        """
        return np.random.default_rng([self.seed, self.version, *(zlib.crc32(n.encode()) for n in names)])

    def own_rng(self, *names: str) -> np.random.Generator:
        """Generator of one purpose in this corpus alone: what room, camera and tracker do."""
        return self.rng(self.corpus, *names)

    def light_rng(self, recording: Recording, scene: np.random.Generator) -> np.random.Generator:
        """Generator of the light of a recording: that of the rest of its scene."""
        return scene

    def description(self) -> dict[str, Any]:
        """Contents of ``STANDIN.json``: recipe, version and seed."""
        sizes = {k: v for k, v in asdict(self).items() if k not in ("seed", "version")}  # type: ignore[call-overload]
        return {
            "recipe": {"name": f"{self.corpus}-people", **sizes},
            "version": self.version,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class FERA2017SimulationConfig(SimulationConfig):
    """Sizes of one stand-in of FERA 2017; all else is fixed by `version`.

    Attributes:
        profile: Name of the size.
        people: People per partition, taken from the front of its id list, women and men alternating.
        tasks: Tasks per person and partition (``T1`` …).
        frames: Frames per recording.
        fps: Frames per second.
        size: Width and height of the videos in pixels.
        supersampling: Samples per pixel along each axis when rendering.
        views: Rendered views.
        seed: Seed of people, expressions, scenes, coders and tracker.
        version: Version of the recipe.
    """

    corpus = "fera2017"
    look = "bp4d"  # its films are from the laboratory of BP4D
    coded_aus = CORPUS_AUS["fera2017"].occurrence
    view_poses = VIEW_POSES

    profile: str
    people: tuple[int, int, int]
    tasks: tuple[int, int, int]
    frames: int
    fps: int
    size: int
    supersampling: int = 1
    views: tuple[int, ...] = (6,)
    seed: int = 0
    version: int = VERSION

    @classmethod
    def smoke(cls, seed: int = 0) -> FERA2017SimulationConfig:
        """Nine people, seconds; its numbers mean nothing."""
        return cls("smoke", (4, 2, 3), (2, 2, 2), 12, 10, 96, seed=seed)

    @classmethod
    def mini(cls, seed: int = 0) -> FERA2017SimulationConfig:
        """All 91 people, about 9,400 frames of 192×192; about two minutes on two cores."""
        return cls("mini", (41, 20, 30), (4, 2, 3), 32, 10, 192, seed=seed)

    @classmethod
    def standin(cls, seed: int = 0, all_views: bool = False) -> FERA2017SimulationConfig:
        """All 91 people, 8 tasks, about 43,700 frames of 512×512 per view."""
        views = tuple(VIEW_POSES) if all_views else (6,)
        return cls("standin", (41, 20, 30), (8, 8, 8), 60, 10, 512, 2, views=views, seed=seed)

    def subjects(self, partition: str) -> tuple[str, ...]:
        """Ids of the people of a partition."""
        count = self.people[("train", "valid", "test").index(partition)]
        ids = SUBJECTS[partition]
        return tuple(sorted(alternating(ids, [s for s in ids if "F" in s])[:count]))

    def own_rng(self, *names: str) -> np.random.Generator:
        """As `rng`: frozen before there were other corpora."""
        return self.rng(*names)


def alternating(subjects: Sequence[str], women: Sequence[str]) -> list[str]:
    """A woman and a man in turn, so that small sizes have both; at full size the order does not matter."""
    men = [s for s in subjects if s not in women]
    longest = max(len(women), len(men))
    return [s for i in range(longest) for s in (*women[i : i + 1], *men[i : i + 1])]


def loading_matrix(aus: Sequence[int] = TRACK_AUS) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Loadings [A, F] of AUs on those of `FACTORS` that concern any of them."""
    rows = [(*LOADINGS.get(au, ()), *[0.0] * len(FACTORS))[: len(FACTORS)] for au in aus]
    matrix = np.array(rows)
    return matrix[:, np.any(matrix != 0, axis=0)]

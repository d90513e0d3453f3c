"""What the stand-ins of all corpora share: version, sizes, random generators, recordings and their defects.

The constants of people, annotators and landmark noise stand with `aukit.simulation.behaviour`, those of one
corpus with its writer. A change of any of them raises `STANDIN_VERSION` and is a commit of its own, made
without looking at a method's score.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from aukit.datasets.recordings import Recording as OfficialRecording
from aukit.errors import ConfigError
from aukit.simulation.behaviour.annotators import AnnotatorSettings, annotate
from aukit.simulation.behaviour.intensity_curves import (
    RATES,
    RECORDING_SHARE,
    intensities,
    latent_activations,
    simulated_aus,
)

STANDIN_VERSION = 6
SIZES = ("smoke", "mini", "standin")
"""Names of the sizes that every stand-in has."""


@dataclass(frozen=True)
class Recording:
    """One recording of a stand-in: a person doing something.

    Attributes:
        subject: The corpus' own id of the person.
        task: What the person does.
        partition: Partition or fold split of the release.
        person: Global person id.
        gender: ``female`` or ``male``.

    Example:
        >>> Recording("p07", "talk", "train", "MINE/p07", "female").person
        'MINE/p07'
    """

    subject: str
    task: str
    partition: str
    person: str
    gender: str

    @classmethod
    def of(cls, official: OfficialRecording, gender: str | None = None) -> Self:
        """The recording that a reader knows by the official names.

        Args:
            official: Recording of the corpus' reader.
            gender: Our choice, for corpora that do not publish it.
        """
        gender = gender or official.gender
        assert gender is not None
        return cls(official.subject, official.task, official.partition, official.person, gender)


@dataclass(frozen=True)
class Defects:
    """What goes wrong in a recording, as it does in real releases.

    Attributes:
        lost: Frames that are missing from the release.
        faceless: A frame in which the person is out of the picture.
        covered: Frames in which something dark is held before mouth and chin.

    Example:
        >>> Defects(lost=frozenset({3}), faceless=5).covered
        frozenset()
    """

    lost: frozenset[int] = frozenset()
    faceless: int | None = None
    covered: frozenset[int] = frozenset()


NO_DEFECTS = Defects()


@dataclass(frozen=True)
class SimulationConfig(ABC):
    """Sizes of a stand-in; all else is fixed by `version`. Each corpus adds its number of people.

    Attributes:
        corpus: Name of the corpus.
        options: Names of the fields that a command line may set; they are described in the class's docstring.
        acquisition: Name of the room, light and camera that it is recorded with.
        rates: Share of frames in which each AU is present; those of `simulated_aus` are made.
        coded_aus: AUs that the corpus codes: nothing but their own intensity curve moves them.
        recording_share: Variance of the latent activations between recordings of one person.
        annotators: How good the simulated annotators of the corpus are.
        view_poses: View → (pitch, yaw) in degrees.
        profile: Name of the size.
        frames: Frames per recording.
        fps: Frames per second.
        size: Width and height of the frames in pixels.
        supersampling: Samples per pixel along each axis when rendering.
        seed: Seed of people, expressions, scenes, annotators and landmark noise.
        version: Version of the recipe.

    Example:
        >>> from aukit.simulation import DISFASimulationConfig
        >>> config = DISFASimulationConfig.of_size("smoke", seed=1)
        >>> config.true_intensities(config.recordings()[0]).shape
        (16, 23)
    """

    corpus: ClassVar[str]
    options: ClassVar[tuple[str, ...]] = ()
    acquisition: ClassVar[str]
    rates: ClassVar[Mapping[int, float]] = RATES
    coded_aus: ClassVar[tuple[int, ...]]
    recording_share: ClassVar[float] = RECORDING_SHARE
    annotators: ClassVar[AnnotatorSettings] = AnnotatorSettings()
    view_poses: ClassVar[Mapping[int, tuple[float, float]]]

    profile: str
    frames: int
    fps: int
    size: int
    _: KW_ONLY
    supersampling: int = 1
    seed: int = 0
    version: int = STANDIN_VERSION

    @classmethod
    def of_size(cls, profile: str, seed: int = 0) -> Self:
        """The configuration of a size.

        Args:
            profile: One of `SIZES`.
            seed: Seed of everything that is drawn.

        Raises:
            ConfigError: There is no such size.
        """
        if profile not in SIZES:
            raise ConfigError(f"size {profile!r} is unknown; stand-ins have the sizes {', '.join(SIZES)}")
        made: Self = getattr(cls, profile)(seed=seed)
        return made

    @classmethod
    @abstractmethod
    def smoke(cls, seed: int = 0) -> Self:
        """A few people, seconds; its numbers mean nothing."""

    @classmethod
    @abstractmethod
    def mini(cls, seed: int = 0) -> Self:
        """All people, small frames; minutes on two cores."""

    @classmethod
    @abstractmethod
    def standin(cls, seed: int = 0) -> Self:
        """All people, frames of the papers' size."""

    @abstractmethod
    def recordings(self) -> list[Recording]:
        """All recordings, in the order of the release."""

    @property
    def n_frames(self) -> int:
        """Frames of all recordings, of one view."""
        return len(self.recordings()) * self.frames

    @property
    def simulated_aus(self) -> tuple[int, ...]:
        """AUs that have an intensity curve; the columns of intensities and codes."""
        return simulated_aus(self.rates)

    def rng(self, *names: str) -> np.random.Generator:
        """Generator of one purpose, person, recording …: independent of the order of work.

        Corpora that share a person share that person's habits and performances.
        """
        return np.random.default_rng([self.seed, self.version, *(zlib.crc32(n.encode()) for n in names)])

    def own_rng(self, *names: str) -> np.random.Generator:
        """Generator of one purpose in this corpus alone: room, camera and landmark noise."""
        return self.rng(self.corpus, *names)

    def light_rng(self, recording: Recording, scene: np.random.Generator) -> np.random.Generator:
        """Generator of the light of a recording: that of the rest of its scene."""
        return scene

    def true_intensities(self, recording: Recording) -> npt.NDArray[np.float64]:
        """What the person's face is meant to do: continuous intensities [T, A] of `simulated_aus`, 0..5.5."""
        person = recording.person.split("/")
        latent = latent_activations(
            self.rng("person", *person),
            self.rng("expression", *person, recording.task),
            self.frames,
            self.fps,
            recording.gender,
            self.simulated_aus,
            self.recording_share,
        )
        return intensities(latent, self.rates)

    def codes(
        self, recording: Recording, intensity: npt.NDArray[np.float64], annotator: str = "first"
    ) -> npt.NDArray[np.int64]:
        """What a simulated annotator codes; the label files hold the codes of ``first``.

        Args:
            recording: Person and task.
            intensity: Its `true_intensities`.
            annotator: Name of the annotator; each errs in another way.

        Returns:
            [T, A] codes 0..5, 9 = not coded.
        """
        rng = self.rng("coder", annotator, recording.person, recording.task)
        return annotate(intensity, self.fps, rng, self.annotators)

    def description(self) -> dict[str, Any]:
        """Contents of ``STANDIN.json``: recipe, version and seed."""
        sizes = {k: v for k, v in asdict(self).items() if k not in ("seed", "version")}
        return {
            "recipe": {"name": f"{self.corpus}-people", **sizes},
            "version": self.version,
            "seed": self.seed,
        }


def alternating(subjects: Sequence[str], women: Sequence[str]) -> list[str]:
    """A woman and a man in turn, so that small sizes have both; at full size the order does not matter."""
    return interleaved([women, [s for s in subjects if s not in women]])


def interleaved(groups: Iterable[Sequence[str]]) -> list[str]:
    """One member of each group in turn, until no group has any left."""
    groups = list(groups)
    return [each for i in range(max(map(len, groups))) for group in groups for each in group[i : i + 1]]


def is_subject(recording: Recording, subjects: Sequence[str], index: int) -> bool:
    """Whether a recording is of number `index` of the subjects, or of the last one where there are fewer."""
    return recording.subject == subjects[min(index, len(subjects) - 1)]

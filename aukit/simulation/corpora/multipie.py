"""The stand-in of Multi-PIE: rendered people who pose, from the front and from other sides, without codes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aukit.datasets.files import SIDECAR_FOLDER
from aukit.datasets.images import write_png
from aukit.datasets.multipie import CAMERAS, EXPRESSIONS, FRONTAL, NAMESPACE, NEUTRAL, SUBJECT_LIST, YAWS
from aukit.datasets.video import Image
from aukit.facs import VISIBLE_AUS
from aukit.simulation.behaviour.intensity_curves import RATES
from aukit.simulation.corpora.config import Recording, SimulationConfig
from aukit.simulation.corpora.writer import Standin
from aukit.utils.files import write_atomic

POSED: dict[str, tuple[int, ...]] = {
    NEUTRAL: (),
    "smile": (6, 12, 25),
    "surprise": (1, 2, 5, 25, 26),
    "squint": (4, 6, 7),
    "disgust": (4, 9, 10, 17),
    "scream": (4, 5, 9, 10, 20, 25, 26, 27),
}
"""AUs of each expression; our choice, and so is how strongly each person shows them: levels C to E."""

_SESSIONS = (1, 2, 3, 4)
_PRESENT = 0.68  # of the people in each session; our choice
_ELEVATED = -30.0  # pitch before the two cameras that look down; our choice


@dataclass(frozen=True)
class MultiPIESimulationConfig(SimulationConfig):
    """Sizes of one stand-in of Multi-PIE, besides those of every `SimulationConfig`.

    Attributes:
        people: Number of people, 1 to 337; women and men in turn.
        cameras: Names of the cameras of the multi-view tree.

    Example:
        >>> len(MultiPIESimulationConfig.of_size("standin").subjects())
        337
    """

    corpus = "multipie"
    acquisition = "multipie"
    rates = {**RATES, 25: 0.1, 26: 0.1, 27: 0.05, 43: 0.05}  # noqa: RUF012  (which AUs there are; none is drawn)
    coded_aus = VISIBLE_AUS  # nobody speaks or blinks: the expression alone moves the face
    view_poses = {  # noqa: RUF012  (a constant, like the others)
        0: (0.0, 0.0),
        **{1 + place: (0.0, float(YAWS[name])) for place, name in enumerate(YAWS)},
        **{1 + CAMERAS.index(name): (_ELEVATED, yaw) for name, yaw in (("19_1", 45.0), ("08_1", -45.0))},
    }

    _: KW_ONLY
    people: int
    cameras: tuple[str, ...] = (FRONTAL, "19_0")

    @classmethod
    def smoke(cls, seed: int = 0) -> MultiPIESimulationConfig:
        """Three people, seconds; its numbers mean nothing."""
        return cls("smoke", 1, 1, 96, people=3, seed=seed)

    @classmethod
    def mini(cls, seed: int = 0) -> MultiPIESimulationConfig:
        """40 people, a little over 800 images of 128×128."""
        return cls("mini", 1, 1, 128, people=40, seed=seed)

    @classmethod
    def standin(cls, seed: int = 0) -> MultiPIESimulationConfig:
        """All 337 people, about 7,000 images of 512×512."""
        return cls("standin", 1, 1, 512, people=337, supersampling=2, seed=seed)

    def subjects(self) -> list[str]:
        """Ids of the people, sorted."""
        return [f"{number:03d}" for number in range(1, self.people + 1)]

    def sessions(self, subject: str) -> list[int]:
        """Sessions that a person came to; one at least."""
        rng = self.own_rng("sessions", subject)
        came = [session for session in _SESSIONS if rng.random() < _PRESENT]
        return came or [int(rng.choice(_SESSIONS))]

    def recordings(self) -> list[Recording]:
        """Recordings, sorted by person, session and number."""
        return [
            recording_of(subject, session, recording)
            for subject in self.subjects()
            for session, recording in sorted(EXPRESSIONS)
            if session in self.sessions(subject)
        ]

    def flash(self, recording: Recording) -> int:
        """Number of the one flash, of 20, whose images are there."""
        return int(self.own_rng("flash", recording.subject, recording.task).integers(20))

    def true_intensities(self, recording: Recording) -> npt.NDArray[np.float64]:
        """What is posed, [1, A] of `simulated_aus`; none of a neutral face."""
        rng = self.rng("expression", *recording.person.split("/"), recording.task)
        posed = POSED[EXPRESSIONS[_numbers(recording)]]
        levels = rng.uniform(2.5, 5.5, len(self.simulated_aus))
        return np.where(np.isin(self.simulated_aus, posed), levels, 0.0)[None]


@dataclass(frozen=True)
class MultiPIEStandin(Standin):
    """Multi-PIE's files: photographs of each recording, and images of its cameras; the list of people.

    Each recording has the images of one flash of the twenty. No action unit is coded.

    Example:
        >>> standin = MultiPIEStandin(Path("pie"), Path("pie-truth"), MultiPIESimulationConfig.smoke())
        >>> standin.stem(standin.config.recordings()[0], view=0)
        'session01/highres/001/001_01'
    """

    config: MultiPIESimulationConfig

    config_type = MultiPIESimulationConfig
    intensity_aus = ()
    partitions = (NAMESPACE,)

    @property
    def views(self) -> tuple[int, ...]:
        """0 for the photographs, then the cameras, by their place in `CAMERAS` from 1."""
        return (0, *(1 + CAMERAS.index(camera) for camera in self.config.cameras))

    def stem(self, recording: Recording, view: int) -> str:
        """Path of an image without its ending."""
        session, number = _numbers(recording)
        subject, top = recording.subject, f"session{session:02d}"
        if view == 0:
            return f"{top}/highres/{subject}/{subject}_{number:02d}"
        camera = CAMERAS[view - 1]
        short, flash = camera.replace("_", ""), self.config.flash(recording)
        name = f"{subject}_{session:02d}_{number:02d}_{short}_{flash:02d}"
        return f"{top}/multiview/{subject}/{number:02d}/{camera}/{name}"

    def image(self, recording: Recording, view: int) -> Path:
        """The image of a view."""
        return self.root / f"{self.stem(recording, view)}.png"

    def sidecar(self, recording: Recording, view: int) -> Path:
        """The noisy landmarks of an image, [1, 68, 3]."""
        return self.root / SIDECAR_FOLDER / f"{self.stem(recording, view)}.npy"

    def save(self, recording: Recording, view: int, frames: Iterator[Image]) -> None:
        """Write the image."""
        (image,) = frames
        write_png(self.image(recording, view), image)

    def is_saved(self, recording: Recording, view: int) -> bool:
        """Whether the image is there."""
        return self.image(recording, view).exists()

    def write_labels(self, recording: Recording, codes: npt.NDArray[np.int64]) -> None:
        """Nothing: none are coded."""

    def write_common_files(self) -> None:
        """Write the list of people; the years of birth are our choice."""
        genders = {recording.subject: recording.gender for recording in self.config.recordings()}
        lines = []
        for subject, gender in genders.items():
            came = self.config.sessions(subject)
            year = int(self.config.own_rng("year", subject).integers(1950, 1987))
            there = " ".join(str(int(session in came)) for session in _SESSIONS)
            lines.append(f"{subject} {year} {gender.title()} {there}\n")
        write_atomic(self.root / SUBJECT_LIST, "".join(lines).encode())

    def _write_labels(self) -> dict[str, Any]:
        self.write_common_files()
        what = "no action unit is coded, so that annotators cannot agree"
        return {"what": what, "version": self.config.version, "seed": self.config.seed, "partitions": {}}


def recording_of(subject: str, session: int, recording: int) -> Recording:
    """A recording as the reader calls it; the gender is our choice, women and men in turn."""
    gender = "female" if int(subject) % 2 else "male"
    return Recording(subject, f"s{session}r{recording}", NAMESPACE, f"{NAMESPACE}/{subject}", gender)


def _numbers(recording: Recording) -> tuple[int, int]:
    """Session and number of a recording."""
    return int(recording.task[1]), int(recording.task[3])

"""The stand-in of BP4D+: rendered people, one JPEG per frame, codes of four tasks; see `corpora.writer`.

Which BP4D+ people FERA 2017 shows under which numbers is not public: here nobody is in both.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aukit.datasets.bp4dplus import AUS, CODED_TASKS, OFFSET, SPLITS
from aukit.datasets.bp4dplus import Recording as OfficialRecording
from aukit.datasets.label_files import NOT_CODED
from aukit.simulation.behaviour.annotators import occurrence
from aukit.simulation.corpora.config import (
    Defects,
    Recording,
    SimulationConfig,
    alternating,
    interleaved,
    is_subject,
)
from aukit.simulation.corpora.writer import ImageStandin, write_csv

UNCODED = (5, 9, 11, 13, 16, 18, 20, 22, 27, 28)
"""Further AUs that the header names; all their codes are 9."""


@dataclass(frozen=True)
class BP4DPlusSimulationConfig(SimulationConfig):
    """Sizes of one stand-in of BP4D+, besides those of every `SimulationConfig`.

    Attributes:
        people: Number of people; of the four folds in turn, women and men alternating.
        tasks: How many of the four coded tasks there are of each person.

    Example:
        >>> BP4DPlusSimulationConfig.of_size("mini").n_frames
        3584
    """

    corpus = "bp4dplus"
    acquisition = "bp4d"
    coded_aus = AUS.occurrence
    view_poses = {0: (0.0, 0.0)}  # noqa: RUF012  (a constant, like the others)

    _: KW_ONLY
    people: int
    tasks: int

    @classmethod
    def smoke(cls, seed: int = 0) -> BP4DPlusSimulationConfig:
        """A person of each fold, seconds; its numbers mean nothing."""
        return cls("smoke", 8, 10, 96, people=4, tasks=2, seed=seed)

    @classmethod
    def mini(cls, seed: int = 0) -> BP4DPlusSimulationConfig:
        """56 people, about 3,600 frames of 128×128."""
        return cls("mini", 16, 10, 128, people=56, tasks=4, seed=seed)

    @classmethod
    def standin(cls, seed: int = 0) -> BP4DPlusSimulationConfig:
        """All 140 people, about 20,000 frames of 512×512."""
        return cls("standin", 36, 10, 512, people=140, tasks=4, supersampling=2, seed=seed)

    def subjects(self) -> list[str]:
        """Ids of the people, sorted."""
        splits = [alternating(ids, [s for s in ids if s[0] == "F"]) for ids in SPLITS.values()]
        return sorted(interleaved(splits)[: self.people])

    def recordings(self) -> list[Recording]:
        """Recordings, sorted by person and task."""
        return [
            Recording.of(OfficialRecording(subject, task))
            for subject in self.subjects()
            for task in CODED_TASKS[: self.tasks]
        ]


@dataclass(frozen=True)
class BP4DPlusStandin(ImageStandin):
    """BP4D+'s files: one JPEG per frame, occurrence files whose row f is of image f - 1.

    Example:
        >>> standin = BP4DPlusStandin(Path("plus"), Path("plus-truth"), BP4DPlusSimulationConfig.smoke())
        >>> standin.write()  # doctest: +SKIP
    """

    config: BP4DPlusSimulationConfig

    config_type = BP4DPlusSimulationConfig
    intensity_aus = AUS.occurrence  # levels of the simulated annotators: the files hold occurrence alone
    occurrence_aus = AUS.occurrence
    partitions = tuple(SPLITS)
    views = (0,)

    def stem(self, recording: Recording, view: int) -> str:
        """Name of the label file."""
        return f"{recording.subject}_{recording.task}"

    def numbers(self, recording: Recording) -> range:
        """Numbers of the images: sequences start at any number from 0 on."""
        rng = self.config.own_rng("numbers", recording.person, recording.task)
        first = int(rng.integers(0, 900))
        return range(first, first + self.config.frames)

    def folder(self, recording: Recording) -> Path:
        """Where the images of a recording lie."""
        return self.root / "2D+3D" / recording.subject / recording.task

    def write_labels(self, recording: Recording, codes: npt.NDArray[np.int64]) -> None:
        """Write the occurrence file; a header names the AUs, and its first cell means nothing."""
        present = occurrence(codes)[:, [self.config.simulated_aus.index(au) for au in AUS.occurrence]]
        numbers = np.array(self.numbers(recording))[:, None] - OFFSET
        others = np.full((len(numbers), len(UNCODED)), NOT_CODED)
        header = ",".join(map(str, (AUS.occurrence[0], *AUS.occurrence, *UNCODED)))
        path = self.root / "AUCoding" / "AU_OCC" / f"{self.stem(recording, 0)}.csv"
        write_csv(path, np.hstack([numbers, present, others]), header)

    def images(self, recording: Recording, view: int) -> list[Path]:
        """JPEG files of the released frames."""
        numbers, digits = self.numbers(recording), 4 if recording.subject >= "M040" else 3
        names = [f"{numbers[position]:0{digits}d}.jpg" for position in self.released(recording)]
        return [self.folder(recording) / name for name in names]

    def defects(self, recording: Recording) -> Defects:
        """An image is missing, and in another one there is no face."""
        frames, first = self.config.frames, recording.task == CODED_TASKS[0]
        subjects = self.config.subjects()
        return Defects(
            frozenset({frames // 3} if first and is_subject(recording, subjects, -1) else ()),
            frames // 2 if first and is_subject(recording, subjects, 0) else None,
        )

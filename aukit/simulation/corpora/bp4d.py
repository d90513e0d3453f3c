"""The stand-in of BP4D: rendered people, one JPEG per frame; see `aukit.simulation.corpora.writer`.

Its people are those of FERA 2017's Train, as in the corpora themselves, with their habits and performances;
room and camera are its own.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aukit.datasets.bp4d import AUS, OCCLUSION
from aukit.datasets.bp4d import Recording as OfficialRecording
from aukit.datasets.folds import FOLD_SPLITS
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

LOWER_FACE = (10, 12, 14, 15, 17, 23, 24)
"""What an annotator cannot see behind a covered mouth."""


@dataclass(frozen=True)
class BP4DSimulationConfig(SimulationConfig):
    """Sizes of one stand-in of BP4D, besides those of every `SimulationConfig`.

    Attributes:
        people: Number of people; of the three fold splits in turn, women and men alternating.
        tasks: Tasks per person (``T1`` …).

    Example:
        >>> BP4DSimulationConfig.of_size("mini").n_frames
        5248
    """

    corpus = "bp4d"
    acquisition = "bp4d"
    coded_aus = AUS.occurrence
    view_poses = {0: (0.0, 0.0)}  # noqa: RUF012  (a constant, like the others)

    _: KW_ONLY
    people: int
    tasks: int

    @classmethod
    def smoke(cls, seed: int = 0) -> BP4DSimulationConfig:
        """Two people of each fold split, seconds; its numbers mean nothing."""
        return cls("smoke", 12, 10, 96, people=6, tasks=2, seed=seed)

    @classmethod
    def mini(cls, seed: int = 0) -> BP4DSimulationConfig:
        """All 41 people, about 5,200 frames of 128×128."""
        return cls("mini", 32, 10, 128, people=41, tasks=4, seed=seed)

    @classmethod
    def standin(cls, seed: int = 0) -> BP4DSimulationConfig:
        """All 41 people, 8 tasks, about 19,700 frames of 512×512."""
        return cls("standin", 60, 10, 512, people=41, tasks=8, supersampling=2, seed=seed)

    def subjects(self) -> list[str]:
        """Ids of the people, sorted."""
        splits = [alternating(ids, [s for s in ids if s[0] == "F"]) for ids in FOLD_SPLITS["bp4d"].values()]
        return sorted(interleaved(splits)[: self.people])

    def recordings(self) -> list[Recording]:
        """Recordings, sorted by person and task."""
        tasks = range(1, self.tasks + 1)
        return [recording_of(subject, f"T{task}") for subject in self.subjects() for task in tasks]


@dataclass(frozen=True)
class BP4DStandin(ImageStandin):
    """BP4D's files: one JPEG per frame, label files by frame number, in both spellings.

    Cost of `BP4DSimulationConfig.mini` (5,248 frames of 128²): with `DISFASimulationConfig.mini` 152 s on two
    cores at 2.5 GHz, alone 56 MB of disk, 1.4 GB of memory per worker.

    Example:
        >>> standin = BP4DStandin(Path("bp4d"), Path("bp4d-truth"), BP4DSimulationConfig.smoke())
        >>> standin.write()  # doctest: +SKIP
    """

    config: BP4DSimulationConfig

    config_type = BP4DSimulationConfig
    intensity_aus = AUS.intensity
    occurrence_aus = AUS.occurrence
    partitions = tuple(FOLD_SPLITS["bp4d"])
    views = (0,)

    def stem(self, recording: Recording, view: int) -> str:
        """Name of the label file."""
        return f"{recording.subject}_{recording.task}"

    def numbers(self, recording: Recording) -> range:
        """Frame numbers: sequences start at any number."""
        rng = self.config.own_rng("numbers", recording.person, recording.task)
        first = int(rng.integers(1, 900 if _digits(recording) == 3 else 3000))
        return range(first, first + self.config.frames)

    def folder(self, recording: Recording) -> Path:
        """Where the images of a recording lie."""
        return self.root / "Sequences(2D+3D)" / recording.subject / recording.task

    def write_labels(self, recording: Recording, codes: npt.NDArray[np.int64]) -> None:
        """Write the occurrence file and one intensity file per AU."""
        codes, aus = codes.copy(), self.config.simulated_aus
        covered = sorted(self.defects(recording).covered)
        codes[np.ix_(covered, [aus.index(au) for au in LOWER_FACE])] = NOT_CODED
        numbers = np.array(self.numbers(recording))[:, None]
        # The last frames of one recording are not coded at all, as in most of the corpus' sequences.
        coded = slice(0, len(numbers) - 2 if self._is(recording, 0, "T2") else None)
        present = occurrence(codes)[:, [aus.index(au) for au in AUS.occurrence]]
        name = self.stem(recording, 0)
        if recording.gender == "female":  # both spellings, whatever the size
            rows = np.full((len(numbers), 100), NOT_CODED)
            rows[:, [0]], rows[:, list(AUS.occurrence)] = numbers, present
            rows[:, OCCLUSION] = np.isin(np.arange(len(numbers)), covered)
            header = ",".join(map(str, range(100)))
        else:
            rows = np.hstack([numbers, present])
            header = ",".join(map(str, (AUS.occurrence[0], *AUS.occurrence)))
        write_csv(self.root / "AUCoding" / "AU_OCC" / f"{name}.csv", rows[coded], header)
        for au in AUS.intensity:
            path = self.root / "AUCoding" / "AU_INT" / f"AU{au:02d}" / f"{name}_AU{au:02d}.csv"
            write_csv(path, np.hstack([numbers, codes[:, [aus.index(au)]]])[coded])

    def images(self, recording: Recording, view: int) -> list[Path]:
        """JPEG files of the released frames."""
        numbers, digits = self.numbers(recording), _digits(recording)
        names = [f"{numbers[position]:0{digits}d}.jpg" for position in self.released(recording)]
        return [self.folder(recording) / name for name in names]

    def defects(self, recording: Recording) -> Defects:
        """An image is missing, a face is out of the picture, and a woman's is covered for a while."""
        frames = self.config.frames
        return Defects(
            frozenset({frames // 3} if self._is(recording, -1, "T1") else ()),
            frames // 2 if self._is(recording, 0, "T1") else None,
            frozenset(range(frames // 4, frames // 2) if self._is(recording, 1, "T1") else ()),
        )

    def _is(self, recording: Recording, index: int, task: str) -> bool:
        return recording.task == task and is_subject(recording, self.config.subjects(), index)


def recording_of(subject: str, task: str) -> Recording:
    """A recording as the official release names it."""
    return Recording.of(OfficialRecording(subject, task))


def _digits(recording: Recording) -> int:
    """Padding of image names: three digits for the last men, as one reader of the corpus reports."""
    return 3 if recording.subject >= "M009" else 4

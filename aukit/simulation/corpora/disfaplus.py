"""The stand-in of DISFA+: rendered people who pose, one JPEG per frame; see `corpora.writer`.

Its people are those of DISFA's stand-in, with their faces and genders; room and camera are its own.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aukit.datasets.disfaplus import AUS, PARTITION, SUBJECTS
from aukit.datasets.disfaplus import Recording as OfficialRecording
from aukit.facs import MAX_INTENSITY
from aukit.simulation.behaviour.annotators import AnnotatorSettings
from aukit.simulation.corpora import disfa
from aukit.simulation.corpora.config import Defects, Recording, SimulationConfig, alternating, is_subject
from aukit.simulation.corpora.writer import ImageStandin, write_genders
from aukit.utils.files import write_atomic

POSED: dict[str, tuple[int, ...]] = {
    "A1_AU1_TrailNo_1": (1,),
    "Y_FearDescribed_TrailNo_1": (1, 2, 4, 5, 20, 25, 26),
    "Y_HappyDescribed_TrailNo_1": (6, 12, 25),
    "Z_DisgustText_TrailNo_1": (4, 9, 17),
    "Z_SadText_TrailNo_1": (1, 4, 15, 17),
    "B2_AU6_TrailNo_2": (6,),
    "Z_SupriseText_TrailNo_2": (1, 2, 5, 25, 26),
    "A1_AU1_TrailNo_2": (1,),
    "A3_AU1_AU2_TrailNo_1": (1, 2),
    "B4_AU12_TrailNo_1": (12,),
    "B5_AU9_TrailNo_1": (9,),
    "B6_AU20_TrailNo_1": (20,),
}
"""AUs of each trial; the first five have all. Trials, their AUs and how strongly people show them, levels C
to E, are our choice; names are of the release's shape, with its spelling."""

_WOMEN = tuple(each for each in SUBJECTS if disfa.recording_of(each).gender == "female")


@dataclass(frozen=True)
class DISFAPlusSimulationConfig(SimulationConfig):
    """Sizes of one stand-in of DISFA+, besides those of every `SimulationConfig`.

    Attributes:
        people: Number of people, at most 9; women and men alternating.
        trials: Trials per person, at most 12.

    Example:
        >>> DISFAPlusSimulationConfig.of_size("mini").n_frames
        1728
    """

    corpus = "disfaplus"
    acquisition = "disfa"
    rates = disfa.DISFA_RATES  # which AUs there are; none is drawn
    coded_aus = AUS.intensity
    annotators = replace(AnnotatorSettings(), not_coded=0.0)  # every frame of the corpus is coded
    view_poses = {0: (0.0, 0.0)}  # noqa: RUF012  (a constant, like the others)

    _: KW_ONLY
    people: int
    trials: int

    @classmethod
    def smoke(cls, seed: int = 0) -> DISFAPlusSimulationConfig:
        """Four people, seconds; its numbers mean nothing."""
        return cls("smoke", 8, 5, 96, people=4, trials=5, seed=seed)

    @classmethod
    def mini(cls, seed: int = 0) -> DISFAPlusSimulationConfig:
        """All nine people, about 1,700 frames of 128×128."""
        return cls("mini", 16, 5, 128, people=9, trials=12, seed=seed)

    @classmethod
    def standin(cls, seed: int = 0) -> DISFAPlusSimulationConfig:
        """All nine people, about 6,500 frames of 512×512."""
        return cls("standin", 60, 10, 512, people=9, trials=12, supersampling=2, seed=seed)

    def subjects(self) -> list[str]:
        """Ids of the people, sorted."""
        return sorted(alternating(SUBJECTS, _WOMEN)[: self.people])

    def tasks(self) -> list[str]:
        """Names of the trials, sorted."""
        return sorted(list(POSED)[: self.trials])

    def recordings(self) -> list[Recording]:
        """Recordings, sorted by person and trial."""
        return [recording_of(subject, trial) for subject in self.subjects() for trial in self.tasks()]

    def true_intensities(self, recording: Recording) -> npt.NDArray[np.float64]:
        """From neutral to what is posed, held, and back: [T, A] of `simulated_aus`."""
        rng = self.rng("expression", *recording.person.split("/"), recording.task)
        posed = np.isin(self.simulated_aus, POSED[recording.task])
        levels = np.where(posed, rng.uniform(2.5, 5.5, len(self.simulated_aus)), 0.0)
        time = (np.arange(self.frames) + 0.5) / self.frames
        shown = np.clip(1.6 * np.sin(np.pi * time) - 0.3, 0.0, 1.0)
        return shown[:, None] * levels


@dataclass(frozen=True)
class DISFAPlusStandin(ImageStandin):
    """DISFA+'s files: of each trial a JPEG per frame beside their times, a text file per AU; our genders.

    Example:
        >>> standin = DISFAPlusStandin(Path("plus"), Path("truth"), DISFAPlusSimulationConfig.smoke())
        >>> standin.images(standin.config.recordings()[0], view=0)[0].as_posix()
        'plus/Images/SN001/A1_AU1_TrailNo_1/000.jpg'
    """

    config: DISFAPlusSimulationConfig

    config_type = DISFAPlusSimulationConfig
    intensity_aus = AUS.intensity
    occurrence_aus = AUS.intensity
    threshold = 2
    partitions = (PARTITION,)
    views = (0,)

    def stem(self, recording: Recording, view: int) -> str:
        """Person and trial."""
        return f"{recording.subject}_{recording.task}"

    def folder(self, recording: Recording, above: str) -> Path:
        """Where the files of a trial lie below a folder of the release."""
        return self.root / above / recording.subject / recording.task

    def images(self, recording: Recording, view: int) -> list[Path]:
        """JPEG files of the released frames."""
        folder = self.folder(recording, "Images")
        return [folder / f"{place:03d}.jpg" for place in self.released(recording)]

    def write_labels(self, recording: Recording, codes: npt.NDArray[np.int64]) -> None:
        """Write one file per AU; one trial lacks one, and a file of another ends a line early."""
        for au in AUS.intensity:
            if au == AUS.intensity[-1] and self._is_first(recording, -1):
                continue
            levels = codes[:, self.config.simulated_aus.index(au)].tolist()
            if au == AUS.intensity[0] and self._is_first(recording, 1):
                levels.pop()
            header = [f"# Intensity of AU {au}, 0 to {MAX_INTENSITY}", "# image  intensity"]
            lines = [f"{place:03d}.jpg     {level}" for place, level in enumerate(levels)]
            _write_lines(self.folder(recording, "Labels") / f"AU{au}.txt", [*header, *lines])
        times = [
            f"{image.name}  {int(image.stem) / self.config.fps:.3f}" for image in self.images(recording, 0)
        ]
        _write_lines(self.folder(recording, "Images") / "TimeStamp.txt", times)

    def write_common_files(self) -> None:
        """Write the table of genders."""
        write_genders(self.root, self.config.recordings())

    def defects(self, recording: Recording) -> Defects:
        """An image is missing, and in another one there is no face."""
        frames = self.config.frames
        return Defects(
            frozenset({frames // 3} if self._is_first(recording, -1) else ()),
            frames // 2 if self._is_first(recording, 0) else None,
        )

    def _is_first(self, recording: Recording, index: int) -> bool:
        """Whether it is the first trial of one of the people."""
        first = recording.task == self.config.tasks()[0]
        return first and is_subject(recording, self.config.subjects(), index)


def recording_of(subject: str, trial: str) -> Recording:
    """A trial as the release names it; the gender is that of DISFA's stand-in."""
    return Recording.of(OfficialRecording(subject, trial), disfa.recording_of(subject).gender)


def _write_lines(path: Path, lines: list[str]) -> None:
    write_atomic(path, "".join(f"{line}\n" for line in lines).encode())

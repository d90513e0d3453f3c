"""The stand-in of DISFA: rendered people, one avi per camera; see `aukit.simulation.corpora.writer`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aukit.datasets.disfa import AUS, CAMERAS
from aukit.datasets.disfa import Recording as OfficialRecording
from aukit.datasets.folds import FOLD_SPLITS, LISTED, LISTED_FRAMES
from aukit.simulation.behaviour.annotators import AnnotatorSettings
from aukit.simulation.behaviour.intensity_curves import LEVEL_SHARES, RATES
from aukit.simulation.corpora.config import (
    Defects,
    Recording,
    SimulationConfig,
    alternating,
    interleaved,
    is_subject,
)
from aukit.simulation.corpora.writer import VideoStandin, write_csv, write_genders

DISFA_RATES: dict[int, float] = {
    # Of FG-Net's frame lists, which count from intensity 2 (B) on.
    **{au: sum(n) / sum(LISTED_FRAMES["disfa"]) / sum(LEVEL_SHARES[1:]) for au, n in LISTED["disfa"].items()},
    # Without a published rate; 7 and the following are never coded.
    5: 0.03, 15: 0.06, 17: 0.10, 20: 0.04,
    7: 0.10, 10: 0.08, 14: 0.08, 23: 0.03, 24: 0.03,
    **{au: RATES[au] for au in (11, 13, 16, 18, 22, 28)},
}  # fmt: skip
"""Share of frames in which each AU is present: people watch a film and say nothing."""

# Women of each fold split: 12 women and 15 men in all; who they are is not public, so this is our choice.
_WOMEN = {split: subjects[:4] for split, subjects in FOLD_SPLITS["disfa"].items()}


@dataclass(frozen=True)
class DISFASimulationConfig(SimulationConfig):
    """Sizes of one stand-in of DISFA, besides those of every `SimulationConfig`.

    Attributes:
        people: Number of people; of the three fold splits in turn, women and men alternating.
        cameras: Rendered cameras, of ``left`` and ``right``.

    Example:
        >>> DISFASimulationConfig.of_size("mini").n_frames
        3456
    """

    corpus = "disfa"
    acquisition = "disfa"
    rates = DISFA_RATES
    coded_aus = AUS.intensity
    recording_share = 0.0  # one recording per person: what differs between people is the person's share
    annotators = replace(AnnotatorSettings(), not_coded=0.0)  # every frame of the corpus is coded
    view_poses = {1: (0.0, -5.0), 2: (0.0, 5.0)}  # noqa: RUF012  (a constant, like the others)

    _: KW_ONLY
    people: int
    cameras: tuple[str, ...] = ("left",)

    @classmethod
    def smoke(cls, seed: int = 0) -> DISFASimulationConfig:
        """Two people of each fold split, both cameras, seconds; its numbers mean nothing."""
        return cls("smoke", 16, 5, 96, people=6, cameras=CAMERAS, seed=seed)

    @classmethod
    def mini(cls, seed: int = 0) -> DISFASimulationConfig:
        """All 27 people, about 3,500 frames of 128×128."""
        return cls("mini", 128, 5, 128, people=27, seed=seed)

    @classmethod
    def standin(cls, seed: int = 0) -> DISFASimulationConfig:
        """All 27 people, about 13,000 frames of 512×512."""
        return cls("standin", 480, 5, 512, people=27, supersampling=2, seed=seed)

    def subjects(self) -> list[str]:
        """Ids of the people, sorted."""
        splits = [alternating(ids, _WOMEN[split]) for split, ids in FOLD_SPLITS["disfa"].items()]
        return sorted(interleaved(splits)[: self.people])

    def recordings(self) -> list[Recording]:
        """Recordings, sorted by person."""
        return [recording_of(subject) for subject in self.subjects()]


@dataclass(frozen=True)
class DISFAStandin(VideoStandin):
    """DISFA's files: an avi per camera, a text file per AU, and our table of genders.

    Cost of `DISFASimulationConfig.mini` (3,456 frames of 128²): with `BP4DSimulationConfig.mini` 152 s on two
    cores at 2.5 GHz, alone 17 MB of disk, 1.4 GB of memory per worker.

    Example:
        >>> standin = DISFAStandin(Path("disfa"), Path("disfa-truth"), DISFASimulationConfig.smoke())
        >>> standin.write()  # doctest: +SKIP
    """

    config: DISFASimulationConfig

    config_type = DISFASimulationConfig
    intensity_aus = AUS.intensity
    occurrence_aus = tuple(LISTED["disfa"])
    threshold = 2
    partitions = tuple(FOLD_SPLITS["disfa"])

    @property
    def views(self) -> tuple[int, ...]:
        """1 for the left camera, 2 for the right one."""
        return tuple(1 + CAMERAS.index(camera) for camera in self.config.cameras)

    def stem(self, recording: Recording, view: int) -> str:
        """Official name of a video, without its ending."""
        return f"{CAMERAS[view - 1].title()}Video{recording.subject}_comp"

    def video(self, recording: Recording, view: int) -> Path:
        """The avi of a camera."""
        folder = f"Videos_{CAMERAS[view - 1].title()}Camera"
        return self.root / folder / f"{self.stem(recording, view)}.avi"

    def write_labels(self, recording: Recording, codes: npt.NDArray[np.int64]) -> None:
        """Write one file per AU; one person lacks one, and another's end a frame early."""
        rows = self.config.frames - (1 if self._is(recording, 3) else 0)
        frames = np.arange(1, rows + 1)[:, None]
        for au in AUS.intensity:
            if au == AUS.intensity[-1] and self._is(recording, 1):
                continue
            name = f"{recording.subject}_au{au}.txt"
            path = self.root / "ActionUnit_Labels" / recording.subject / name
            write_csv(path, np.hstack([frames, codes[:rows, [self.config.simulated_aus.index(au)]]]))

    def write_common_files(self) -> None:
        """Write the table of genders."""
        write_genders(self.root, self.config.recordings())

    def defects(self, recording: Recording) -> Defects:
        """One person's videos end a frame before the labels; in another's one frame has no face."""
        frames = self.config.frames
        return Defects(
            frozenset({frames - 1} if self._is(recording, 2) else ()),
            frames // 2 if self._is(recording, 0) else None,
        )

    def _is(self, recording: Recording, index: int) -> bool:
        return is_subject(recording, self.config.subjects(), index)


def recording_of(subject: str) -> Recording:
    """The one recording of a person, before both cameras; the gender is our choice."""
    official = OfficialRecording(subject)
    return Recording.of(official, "female" if subject in _WOMEN[official.partition] else "male")

"""The stand-in of UNBC-McMaster: rendered people, a PNG and text files per frame; see `corpora.writer`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aukit.datasets.unbc import AUS, EYES_CLOSED, NAMESPACE, SUBJECTS, pain_of
from aukit.datasets.unbc import Recording as OfficialRecording
from aukit.facs import intensity_column
from aukit.simulation.behaviour.annotators import AnnotatorSettings
from aukit.simulation.behaviour.intensity_curves import RATES
from aukit.simulation.corpora.config import Defects, Recording, SimulationConfig, alternating, is_subject
from aukit.simulation.corpora.writer import ImageStandin, write_genders
from aukit.utils.files import write_atomic

UNBC_RATES: dict[int, float] = {
    **RATES,
    4: 0.14, 6: 0.28, 7: 0.22, 9: 0.08, 10: 0.12, 12: 0.30, 20: 0.08, 25: 0.18, 26: 0.14, 43: 0.10,
}  # fmt: skip
"""Share of frames in which each AU is present: all our choice, none is published."""

# Which of them are women is not public: this is our choice.
_WOMEN = SUBJECTS[::2]
_MOVEMENTS = ("aaaff", "aaunaff", "afaff", "afunaff", "aeaff", "aeunaff", "aiaff", "aiunaff")
_INNER_MOUTH_CORNERS = (60, 64)  # of 68 points; the 66 lack them


@dataclass(frozen=True)
class UNBCSimulationConfig(SimulationConfig):
    """Sizes of one stand-in of UNBC-McMaster, besides those of every `SimulationConfig`.

    Attributes:
        people: Number of people, women and men alternating.
        sequences: Sequences per person, at most 8.

    Example:
        >>> UNBCSimulationConfig.of_size("mini").n_frames
        3200
    """

    corpus = "unbc"
    acquisition = "unbc"
    rates = UNBC_RATES
    coded_aus = AUS.intensity
    annotators = replace(AnnotatorSettings(), not_coded=0.0)  # every frame of the corpus is coded
    view_poses = {0: (0.0, 0.0)}  # noqa: RUF012  (a constant, like the others)

    _: KW_ONLY
    people: int
    sequences: int

    @classmethod
    def smoke(cls, seed: int = 0) -> UNBCSimulationConfig:
        """Four people, seconds; its numbers mean nothing."""
        return cls("smoke", 8, 5, 96, people=4, sequences=2, seed=seed)

    @classmethod
    def mini(cls, seed: int = 0) -> UNBCSimulationConfig:
        """All 25 people, 3,200 frames of 128×128."""
        return cls("mini", 32, 10, 128, people=25, sequences=4, seed=seed)

    @classmethod
    def standin(cls, seed: int = 0) -> UNBCSimulationConfig:
        """All 25 people and 200 sequences, 12,000 frames of 512×512."""
        return cls("standin", 60, 10, 512, people=25, sequences=8, supersampling=2, seed=seed)

    def subjects(self) -> list[str]:
        """Ids of the people, sorted."""
        return sorted(alternating(SUBJECTS, _WOMEN)[: self.people])

    def recordings(self) -> list[Recording]:
        """Recordings, sorted by person and sequence."""
        return [
            recording_of(subject, movement)
            for subject in self.subjects()
            for movement in sorted(_MOVEMENTS[: self.sequences])
        ]

    def true_intensities(self, recording: Recording) -> npt.NDArray[np.float64]:
        """As of every stand-in, but eyes are closed or open."""
        intensity = super().true_intensities(recording)
        eyes = self.simulated_aus.index(EYES_CLOSED)
        intensity[:, eyes] = np.where(intensity[:, eyes] >= 0.5, 5.0, 0.0)
        return intensity

    def codes(
        self, recording: Recording, intensity: npt.NDArray[np.float64], annotator: str = "first"
    ) -> npt.NDArray[np.int64]:
        """As of every stand-in, but closed eyes have the code 1."""
        codes = super().codes(recording, intensity, annotator)
        eyes = self.simulated_aus.index(EYES_CLOSED)
        codes[:, eyes] = np.minimum(codes[:, eyes], 1)
        return codes


@dataclass(frozen=True)
class UNBCStandin(ImageStandin):
    """UNBC-McMaster's files: of each frame a PNG, FACS codes, pain and 66 tracked points; our genders.

    Example:
        >>> standin = UNBCStandin(Path("unbc"), Path("unbc-truth"), UNBCSimulationConfig.smoke())
        >>> standin.write()  # doctest: +SKIP
    """

    config: UNBCSimulationConfig

    config_type = UNBCSimulationConfig
    intensity_aus = AUS.intensity
    partitions = (NAMESPACE,)
    views = (0,)

    def stem(self, recording: Recording, view: int) -> str:
        """Name of the sequence."""
        return recording.task

    def folder(self, recording: Recording, *above: str) -> Path:
        """Where the files of a sequence lie below a folder of the release."""
        return self.root.joinpath(*above) / recording.subject / recording.task

    def images(self, recording: Recording, view: int) -> list[Path]:
        """PNG files of the released frames."""
        folder = self.folder(recording, "Images")
        return [folder / f"{recording.task}{place + 1:03d}.png" for place in self.released(recording)]

    def write_labels(self, recording: Recording, codes: npt.NDArray[np.int64]) -> None:
        """Write the files of each frame; one frame of one person has no file of codes."""
        levels = codes[:, [self.config.simulated_aus.index(au) for au in AUS.intensity]]
        columns = {
            intensity_column(au): levels[:, i].astype(np.float32) for i, au in enumerate(AUS.intensity)
        }
        pain = pain_of(columns)
        uncoded = {self.config.frames // 2} if self._is(recording, 1, 0) else set()
        for position, row in enumerate(levels):
            name = f"{recording.task}{position + 1:03d}"
            if position not in uncoded:
                shown = [(au, level) for au, level in zip(AUS.intensity, row, strict=True) if level]
                path = self.folder(recording, "Frame_Labels", "FACS") / f"{name}_facs.txt"
                _write_numbers(path, [[au, level, 0, 0] for au, level in shown])
            path = self.folder(recording, "Frame_Labels", "PSPI") / f"{name}_facs.txt"
            _write_numbers(path, [[pain[position]]])
        tracked = np.delete(np.load(self.sidecar(recording, 0)), _INNER_MOUTH_CORNERS, axis=1)[..., :2]
        for image, points in zip(self.images(recording, 0), tracked, strict=True):
            if np.isfinite(points).all():
                _write_numbers(self.folder(recording, "AAM_landmarks") / f"{image.stem}_aam.txt", points)

    def write_common_files(self) -> None:
        """Write the table of genders."""
        write_genders(self.root, self.config.recordings())

    def defects(self, recording: Recording) -> Defects:
        """An image is missing, and in another one there is no face."""
        frames = self.config.frames
        return Defects(
            frozenset({frames // 3} if self._is(recording, -1, 0) else ()),
            frames // 2 if self._is(recording, 0, 0) else None,
        )

    def _is(self, recording: Recording, index: int, sequence: int) -> bool:
        first = sorted(_MOVEMENTS[: self.config.sequences])[sequence]
        return recording.task.endswith(f"t1{first}") and is_subject(recording, self.config.subjects(), index)


def recording_of(subject: str, movement: str) -> Recording:
    """A sequence as the release names it; the gender is our choice."""
    official = OfficialRecording(subject, f"{subject[4:]}t1{movement}")
    return Recording.of(official, "female" if subject in _WOMEN else "male")


def _write_numbers(path: Path, rows: npt.ArrayLike) -> None:
    """Write rows of numbers as the release does: wide, in scientific notation; no row, no byte."""
    lines = ["".join(f"{value:16.7e}" for value in np.atleast_1d(row)) for row in np.asarray(rows, float)]
    write_atomic(path, "".join(f"{line}\n" for line in lines).encode())

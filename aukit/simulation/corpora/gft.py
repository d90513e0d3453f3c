"""The stand-in of GFT: rendered people, three to a conversation; see `aukit.simulation.corpora.writer`.

The release's file names are not public: these are our choice, and ``gft_columns.yaml`` beside them says what
they are.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml

from aukit.datasets.gft import COLUMNS_FILE as COLUMNS
from aukit.datasets.gft import GROUPS, LISTED_FRAMES, LISTED_RATES, SEATS
from aukit.datasets.gft import Recording as OfficialRecording
from aukit.datasets.label_files import NOT_CODED
from aukit.facs import CORPUS_AUS
from aukit.simulation.behaviour.annotators import occurrence
from aukit.simulation.behaviour.intensity_curves import RATES
from aukit.simulation.corpora.config import Defects, Recording, SimulationConfig, is_subject
from aukit.simulation.corpora.writer import VideoStandin, write_csv, write_genders
from aukit.utils.files import write_atomic

AUS = CORPUS_AUS["gft"].occurrence
GFT_RATES: dict[int, float] = {
    **RATES,
    **{
        au: sum(LISTED_RATES[p][au] * n for p, n in LISTED_FRAMES.items()) / sum(LISTED_FRAMES.values())
        for au in AUS
    },
}
"""Share of frames in which each AU is present: Patch-MCD's lists; what they lack, as in BP4D."""


@dataclass(frozen=True)
class GFTSimulationConfig(SimulationConfig):
    """Sizes of one stand-in of GFT, besides those of every `SimulationConfig`.

    Attributes:
        groups: Number of groups of three; train, valid, test and train in turn, until one has no more.

    Example:
        >>> GFTSimulationConfig.of_size("mini").n_frames
        3456
    """

    corpus = "gft"
    acquisition = "gft"
    rates = GFT_RATES
    coded_aus = AUS
    recording_share = 0.0  # one recording per person: what differs between people is the person's share
    view_poses = {0: (0.0, 0.0)}  # noqa: RUF012  (a constant, like the others)

    _: KW_ONLY
    groups: int

    @classmethod
    def smoke(cls, seed: int = 0) -> GFTSimulationConfig:
        """Four groups, seconds; its numbers mean nothing."""
        return cls("smoke", 10, 5, 96, groups=4, seed=seed)

    @classmethod
    def mini(cls, seed: int = 0) -> GFTSimulationConfig:
        """All 96 people, about 3,500 frames of 128×128."""
        return cls("mini", 36, 3, 128, groups=32, seed=seed)

    @classmethod
    def standin(cls, seed: int = 0) -> GFTSimulationConfig:
        """All 96 people, about 11,500 frames of 512×512."""
        return cls("standin", 120, 4, 512, groups=32, supersampling=2, seed=seed)

    def subjects(self) -> list[str]:
        """Ids of the people, sorted."""
        queues = [list(GROUPS[name]) for name in ("train", "valid", "test")]
        order: list[int] = []
        while any(queues):
            order += [queue.pop(0) for queue in (*queues, queues[0]) if queue]
        return sorted(f"{group:03d}{seat}" for group in order[: self.groups] for seat in SEATS)

    def recordings(self) -> list[Recording]:
        """Recordings, sorted by person."""
        return [recording_of(subject) for subject in self.subjects()]

    def light_rng(self, recording: Recording, scene: np.random.Generator) -> np.random.Generator:
        """The three of a group sit in one room's light, each before a wall and a camera of their own."""
        return self.own_rng("room", recording.subject[:3])


@dataclass(frozen=True)
class GFTStandin(VideoStandin):
    """GFT's files: a video and a file of codes per person, the column map, and our table of genders.

    Cost of `GFTSimulationConfig.mini` (3,456 frames of 128²): 64 s on two cores at 2.5 GHz, 1.1 GB of memory
    per worker.

    Example:
        >>> standin = GFTStandin(Path("gft"), Path("gft-truth"), GFTSimulationConfig.smoke())
        >>> standin.write()  # doctest: +SKIP
    """

    config: GFTSimulationConfig

    config_type = GFTSimulationConfig
    intensity_aus = AUS  # levels of the simulated annotators: the files hold occurrence alone
    occurrence_aus = AUS
    partitions = tuple(GROUPS)
    views = (0,)

    def stem(self, recording: Recording, view: int) -> str:
        """Name of the video and the file of codes."""
        return recording.subject

    def video(self, recording: Recording, view: int) -> Path:
        """The mp4 of a person."""
        return self.root / "videos" / f"{recording.subject}.mp4"

    def write_labels(self, recording: Recording, codes: npt.NDArray[np.int64]) -> None:
        """Write the codes; of one person many frames are invalid, and another's rows end early."""
        present = occurrence(codes)[:, [self.config.simulated_aus.index(au) for au in AUS]]
        frames = len(present)
        if self._is(recording, 1):
            present[frames // 3 : frames // 3 + frames // 2] = NOT_CODED
        rows = np.hstack([np.arange(1, frames + 1)[:, None], present])
        header = ",".join(["frame", *(f"AU{au:02d}" for au in AUS)])
        coded = slice(0, frames - 1 if self._is(recording, 2) else None)
        write_csv(self.root / "codes" / f"{recording.subject}.csv", rows[coded], header)

    def write_common_files(self) -> None:
        """Write the column map and the table of genders."""
        write_genders(self.root, self.config.recordings())
        columns = {
            "videos": "{person}.mp4",
            "labels": "{person}.csv",
            "frame": "frame",
            "first_frame": 1,
            "occurrence": {au: f"AU{au:02d}" for au in AUS},
            "missing": [NOT_CODED],
        }
        write_atomic(self.root / COLUMNS, yaml.safe_dump(columns, sort_keys=False).encode())

    def defects(self, recording: Recording) -> Defects:
        """One person's video ends a frame before the codes; in another's one frame has no face."""
        frames = self.config.frames
        return Defects(
            frozenset({frames - 1} if self._is(recording, 3) else ()),
            frames // 2 if self._is(recording, 0) else None,
        )

    def _is(self, recording: Recording, index: int) -> bool:
        return is_subject(recording, self.config.subjects(), index)


def recording_of(subject: str) -> Recording:
    """The one recording of a person in a conversation of three.

    The gender is our choice: 39 women, 57 men, both in every group; the real ones are in metadata that we
    lack.
    """
    place = 3 * (int(subject[:3]) - 1) + SEATS.index(subject[3])
    return Recording.of(OfficialRecording(subject), "female" if place % 5 in (0, 2) else "male")

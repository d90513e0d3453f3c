"""The stand-in of FERA 2017: rendered people, one mp4 per view; see `aukit.simulation.corpora.writer`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aukit.datasets.fera2017 import AUS
from aukit.datasets.fera2017 import Recording as OfficialRecording
from aukit.errors import ConfigError
from aukit.simulation.behaviour.annotators import occurrence
from aukit.simulation.corpora.config import (
    Defects,
    Recording,
    SimulationConfig,
    alternating,
    is_subject,
)
from aukit.simulation.corpora.writer import VideoStandin, write_csv

# People per partition. Train: BP4D's; Valid: the published ids; Test: our choice (its ids are not public).
SUBJECTS = {
    "train": tuple([f"F{i:03d}" for i in range(1, 24)] + [f"M{i:03d}" for i in range(1, 19)]),
    "valid": tuple(
        [f"F{i:03d}" for i in range(7, 12)]
        + [f"M{i:03d}" for i in range(1, 7)]
        + ["rF001", "rF002"]
        + [f"rM{i:03d}" for i in range(1, 8)]
    ),
    "test": tuple([f"F{i:03d}" for i in range(1, 16)] + [f"M{i:03d}" for i in range(1, 16)]),
}

# View → (pitch, yaw) in degrees. The nine poses are the challenge's; their order is ours, except that readers
# of the release agree on view 6 as the default, which is the frontal one here.
VIEW_POSES: dict[int, tuple[float, float]] = {
    1: (-40.0, -40.0), 2: (-40.0, 0.0), 3: (-40.0, 40.0),
    4: (-20.0, -40.0), 5: (0.0, -40.0), 6: (0.0, 0.0),
    7: (0.0, 40.0), 8: (-20.0, 0.0), 9: (-20.0, 40.0),
}  # fmt: skip

_CODES = {"train": "TR", "valid": "VA", "test": "TE"}


@dataclass(frozen=True)
class FERA2017SimulationConfig(SimulationConfig):
    """Sizes of one stand-in of FERA 2017, besides those of every `SimulationConfig`.

    Attributes:
        people: People per partition, taken from the front of its id list, women and men alternating.
        tasks: Tasks per person and partition (``T1`` …).
        views: Rendered views, 1 to 9; 6 is frontal.

    Example:
        >>> config = FERA2017SimulationConfig.mini(seed=1)
        >>> config.people, config.n_frames
        ((41, 20, 30), 9408)
    """

    corpus = "fera2017"
    options = ("views",)
    acquisition = "bp4d"  # its videos are from the laboratory of BP4D
    coded_aus = AUS.occurrence
    view_poses = VIEW_POSES

    _: KW_ONLY
    people: tuple[int, int, int]
    tasks: tuple[int, int, int]
    views: tuple[int, ...] = (6,)

    def __post_init__(self) -> None:
        if unknown := [view for view in self.views if view not in VIEW_POSES]:
            raise ConfigError(f"views {unknown}: FERA 2017 has the views 1 to 9")
        object.__setattr__(self, "views", tuple(sorted(set(self.views))))

    @classmethod
    def smoke(cls, seed: int = 0) -> FERA2017SimulationConfig:
        """Nine people, seconds; its numbers mean nothing."""
        return cls("smoke", 12, 10, 96, people=(4, 2, 3), tasks=(2, 2, 2), seed=seed)

    @classmethod
    def mini(cls, seed: int = 0) -> FERA2017SimulationConfig:
        """All 91 people, about 9,400 frames of 192×192; about two minutes on two cores."""
        return cls("mini", 32, 10, 192, people=(41, 20, 30), tasks=(4, 2, 3), seed=seed)

    @classmethod
    def standin(cls, seed: int = 0) -> FERA2017SimulationConfig:
        """All 91 people, 8 tasks, about 43,700 frames of 512×512 per view."""
        people, tasks = (41, 20, 30), (8, 8, 8)
        return cls("standin", 60, 10, 512, people=people, tasks=tasks, supersampling=2, seed=seed)

    def of_test_people(self, views: Sequence[int]) -> FERA2017SimulationConfig:
        """The same people of Test, and nobody else, in other views."""
        return replace(self, people=(0, 0, self.people[2]), views=tuple(views))

    def subjects(self, partition: str) -> tuple[str, ...]:
        """Ids of the people of a partition."""
        count = self.people[list(SUBJECTS).index(partition)]
        ids = SUBJECTS[partition]
        return tuple(sorted(alternating(ids, [s for s in ids if "F" in s])[:count]))

    def recordings(self) -> list[Recording]:
        """Recordings, sorted by partition, person and task."""
        return [
            recording_of(partition, subject, f"T{task + 1}")
            for partition, tasks in zip(SUBJECTS, self.tasks, strict=True)
            for subject in self.subjects(partition)
            for task in range(tasks)
        ]

    def own_rng(self, *names: str) -> np.random.Generator:
        """As `rng`: its draws were fixed before there were other corpora."""
        return self.rng(*names)


@dataclass(frozen=True)
class FERA2017Standin(VideoStandin):
    """FERA 2017's files: one mp4 per view, label files that the views share.

    Cost of `FERA2017SimulationConfig.mini` (9,400 frames of 192²): about two minutes on two cores, 60 MB of
    disk, 1.1 GB of memory per worker.

    Example:
        >>> standin = FERA2017Standin(Path("fera"), Path("fera-truth"), FERA2017SimulationConfig.smoke())
        >>> standin.write()  # doctest: +SKIP
    """

    config: FERA2017SimulationConfig

    config_type = FERA2017SimulationConfig
    intensity_aus = AUS.intensity
    partitions = tuple(SUBJECTS)

    @property
    def views(self) -> tuple[int, ...]:
        """Rendered views."""
        return self.config.views

    def stem(self, recording: Recording, view: int) -> str:
        """Official name of a video, without its ending."""
        return f"{_stem(recording)}_{view}"

    def video(self, recording: Recording, view: int) -> Path:
        """The mp4 of a view."""
        folder = f"FERA17_{recording.partition.title()}_MV"
        return self.root / folder / f"{self.stem(recording, view)}.mp4"

    def write_labels(self, recording: Recording, codes: npt.NDArray[np.int64]) -> None:
        """Write the occurrence file and one intensity file per AU."""
        title, stem, aus = recording.partition.title(), _stem(recording), self.config.simulated_aus
        frames = np.arange(1, self.config.frames + 1)[:, None]
        present = occurrence(codes)[:, [aus.index(au) for au in AUS.occurrence]]
        header = ",".join(["frame", *map(str, AUS.occurrence)])
        write_csv(self.root / f"{title}_Occ" / f"{stem}.csv", np.hstack([frames, present]), header)
        for au in AUS.intensity:
            path = self.root / f"{title}_Int" / f"{stem}_AU{au:02d}_Int.csv"
            write_csv(path, np.hstack([frames, codes[:, [aus.index(au)]]]))

    def defects(self, recording: Recording) -> Defects:
        """One video per partition ends a frame before its labels; in Train's first one frame has no face."""
        frames, subjects = self.config.frames, self.config.subjects(recording.partition)
        short = recording.task == "T1" and is_subject(recording, subjects, 1)
        first = (recording.partition, recording.task) == ("train", "T1") and is_subject(
            recording, subjects, 0
        )
        return Defects(frozenset({frames - 1} if short else ()), frames // 2 if first else None)


def recording_of(partition: str, subject: str, task: str) -> Recording:
    """A recording as the official release names it; the gender is that of the id's letter."""
    return Recording.of(OfficialRecording(partition, subject, task))


def _stem(recording: Recording) -> str:
    return f"FERA17_{_CODES[recording.partition]}_{recording.subject}_{recording.task}"

"""Writer of the stand-in of FERA 2017: rendered people, the official layout; see `aukit.simulation.corpora.writer`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aukit.datasets.fera2017 import AUS, Recording
from aukit.datasets.media import Image, encode_video
from aukit.simulation.behaviour.annotators import occurrence
from aukit.simulation.corpora.config import TRACK_AUS, FERA2017SimulationConfig, Mishaps
from aukit.simulation.corpora.writer import StandinLayout, write_csv, write_standin

_CODES = {"train": "TR", "valid": "VA", "test": "TE"}
_TITLES = {"train": "Train", "valid": "Valid", "test": "Test"}


def write_fera2017_standin(
    root: str | Path,
    recipe: FERA2017SimulationConfig,
    truth_root: str | Path,
    workers: int | None = None,
    progress: bool = True,
) -> None:
    """Render a stand-in of FERA 2017, or complete one that was interrupted; see `write_standin`.

    Cost of `FERA2017SimulationConfig.mini` (9,400 frames of 192²): about two minutes on two cores, 60 MB of disk, 1.1 GB
    of memory per worker.

    Args:
        root: Folder of the corpus; made if missing.
        recipe: What to render.
        truth_root: Folder of the sealed truth, neither inside `root` nor around it.
        workers: Processes; None for one per core, 0 to work in this process.
        progress: Whether to show a progress bar.

    Raises:
        CorpusError: `root` holds another recipe or a licensed release, or the folders contain each other.
    """
    write_standin(FERA2017Layout(Path(root), Path(truth_root), recipe), workers, progress)


@dataclass(frozen=True)
class FERA2017Layout(StandinLayout):
    """FERA 2017's files: one mp4 per view, label files that the views share."""

    recipe: FERA2017SimulationConfig

    leftovers = (".FERA17_*",)
    intensity_aus = AUS.intensity
    partitions = ("train", "valid", "test")

    @property
    def views(self) -> tuple[int, ...]:
        """Rendered views."""
        return self.recipe.views

    def recordings(self) -> list[Recording]:
        """Recordings, sorted by partition, person and task."""
        return all_recordings(self.recipe)

    def stem(self, recording: Recording, view: int) -> str:
        """Official name of a video, without its ending."""
        return f"{_stem(recording)}_{view}"

    def video(self, recording: Recording, view: int) -> Path:
        """The mp4 of a view."""
        folder = f"FERA17_{_TITLES[recording.partition]}_MV"
        return self.root / folder / f"{self.stem(recording, view)}.mp4"

    def write_labels(self, recording: Recording, codes: npt.NDArray[np.int64]) -> None:
        """Write the occurrence file and one intensity file per AU."""
        title = _TITLES[recording.partition]
        frames = np.arange(1, self.recipe.frames + 1)[:, None]
        present = occurrence(codes)[:, [TRACK_AUS.index(au) for au in AUS.occurrence]]
        header = ",".join(["frame", *map(str, AUS.occurrence)])
        write_csv(
            self.root / f"{title}_Occ" / f"{_stem(recording)}.csv", np.hstack([frames, present]), header
        )
        for au in AUS.intensity:
            path = self.root / f"{title}_Int" / f"{_stem(recording)}_AU{au:02d}_Int.csv"
            write_csv(path, np.hstack([frames, codes[:, [TRACK_AUS.index(au)]]]))

    def save(self, recording: Recording, view: int, frames: Iterator[Image]) -> None:
        """Write the mp4."""
        encode_video(self.video(recording, view), frames, self.recipe.fps)

    def is_saved(self, recording: Recording, view: int) -> bool:
        """Whether the mp4 is there."""
        return self.video(recording, view).exists()

    def mishaps(self, recording: Any) -> Mishaps:
        """One video per partition ends a frame before its labels; in Train's first one frame has no face."""
        frames, subjects = self.recipe.frames, self.recipe.subjects(recording.partition)
        short = recording.subject == subjects[min(1, len(subjects) - 1)] and recording.task == "T1"
        first = recording == Recording("train", self.recipe.subjects("train")[0], "T1")
        return Mishaps(frozenset({frames - 1} if short else ()), frames // 2 if first else None)


def all_recordings(recipe: FERA2017SimulationConfig) -> list[Recording]:
    """Recordings of a recipe, sorted by partition, person and task."""
    return [
        Recording(partition, subject, f"T{task + 1}")
        for partition, tasks in zip(("train", "valid", "test"), recipe.tasks, strict=True)
        for subject in recipe.subjects(partition)
        for task in range(tasks)
    ]


def _stem(recording: Recording) -> str:
    return f"FERA17_{_CODES[recording.partition]}_{recording.subject}_{recording.task}"

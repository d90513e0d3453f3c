"""Writer of the stand-in of DISFA: rendered people in the official layout; see `aukit.simulation.corpora.writer`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aukit.datasets.disfa import AUS, CAMERAS, NAMESPACE, TASK
from aukit.datasets.folds import FOLD_SPLITS, LISTED, LISTED_FRAMES, fold_split_of
from aukit.datasets.genders import FILE as GENDERS
from aukit.datasets.media import Image, encode_video
from aukit.simulation.corpora.config import (
    LEVEL_SHARES,
    RATES,
    VERSION,
    CoderSettings,
    Mishaps,
    SimulationConfig,
    alternating,
    track_aus,
)
from aukit.simulation.corpora.writer import StandinLayout, write_csv, write_standin
from aukit.utils.files import write_atomic

DISFA_RATES: dict[int, float] = {
    # Of FG-Net's frame lists, which count from intensity 2 (B) on.
    **{au: sum(n) / sum(LISTED_FRAMES["disfa"]) / sum(LEVEL_SHARES[1:]) for au, n in LISTED["disfa"].items()},
    # Without a published rate; 7 and the following are never coded.
    5: 0.03, 15: 0.06, 17: 0.10, 20: 0.04,
    7: 0.10, 10: 0.08, 14: 0.08, 23: 0.03, 24: 0.03,
    **{au: RATES[au] for au in (11, 13, 16, 18, 22, 28)},
}  # fmt: skip
"""Share of frames in which each AU is present: people watch a film and say nothing."""

TRACKED = track_aus(DISFA_RATES)
_WOMEN_PER_PART = 4  # 12 women and 15 men; who they are is not public, so this is our choice


@dataclass(frozen=True)
class DISFASimulationConfig(SimulationConfig):
    """Sizes of one stand-in of DISFA; all else is fixed by `version`.

    Attributes:
        profile: Name of the size.
        people: Number of people; the three parts in turn, women and men alternating.
        frames: Frames per person.
        fps: Frames per second.
        size: Width and height of the videos in pixels.
        supersampling: Samples per pixel along each axis when rendering.
        cameras: Rendered cameras, of ``left`` and ``right``.
        seed: Seed of people, expressions, scenes, coders and tracker.
        version: Version of the recipe.
    """

    corpus = "disfa"
    look = "disfa"
    rates = DISFA_RATES
    coded_aus = AUS.intensity
    recording_share = 0.0  # one recording per person: what differs between people is the person's share
    coder = replace(CoderSettings(), not_coded=0.0)  # every frame of the corpus is coded
    view_poses = {1: (0.0, -5.0), 2: (0.0, 5.0)}  # noqa: RUF012  (a constant, like the others)

    profile: str
    people: int
    frames: int
    fps: int
    size: int
    supersampling: int = 1
    cameras: tuple[str, ...] = ("left",)
    seed: int = 0
    version: int = VERSION

    @classmethod
    def smoke(cls, seed: int = 0) -> DISFASimulationConfig:
        """Two people of each part, both cameras, seconds; its numbers mean nothing."""
        return cls("smoke", 6, 16, 5, 96, cameras=CAMERAS, seed=seed)

    @classmethod
    def mini(cls, seed: int = 0) -> DISFASimulationConfig:
        """All 27 people, about 3,500 frames of 128×128."""
        return cls("mini", 27, 128, 5, 128, seed=seed)

    @classmethod
    def standin(cls, seed: int = 0) -> DISFASimulationConfig:
        """All 27 people, about 13,000 frames of 512×512."""
        return cls("standin", 27, 480, 5, 512, 2, seed=seed)

    def subjects(self) -> list[str]:
        """Ids of the people, sorted."""
        parts = [alternating(p, p[:_WOMEN_PER_PART]) for p in FOLD_SPLITS["disfa"].values()]
        longest = max(map(len, parts))
        return sorted([s for i in range(longest) for part in parts for s in part[i : i + 1]][: self.people])


@dataclass(frozen=True)
class Recording:
    """One person before the cameras; a video per camera, labels that they share."""

    subject: str
    task: str = TASK

    @property
    def partition(self) -> str:
        """P1, P2 or P3 (see `aukit.datasets.folds`)."""
        part = fold_split_of("disfa", self.subject)
        assert part is not None
        return part

    @property
    def person(self) -> str:
        """Global person id."""
        return f"{NAMESPACE}/{self.subject}"

    @property
    def gender(self) -> str:
        """Our choice."""
        place = FOLD_SPLITS["disfa"][self.partition].index(self.subject)
        return "female" if place < _WOMEN_PER_PART else "male"


def write_disfa_standin(
    root: str | Path,
    recipe: DISFASimulationConfig,
    truth_root: str | Path,
    workers: int | None = None,
    progress: bool = True,
) -> None:
    """Render a stand-in of DISFA, or complete one that was interrupted; see `write_standin`.

    Cost of `DISFASimulationConfig.mini` (3,456 frames of 128²): with `BP4DSimulationConfig.mini` 152 s on two cores at 2.5 GHz,
    alone 17 MB of disk, 1.4 GB of memory per worker.

    Args:
        root: Folder of the corpus; made if missing.
        recipe: What to render.
        truth_root: Folder of the sealed truth, neither inside `root` nor around it.
        workers: Processes; None for one per core, 0 to work in this process.
        progress: Whether to show a progress bar.

    Raises:
        CorpusError: `root` holds another recipe or a licensed release, or the folders contain each other.
    """
    write_standin(DISFALayout(Path(root), Path(truth_root), recipe), workers, progress)


@dataclass(frozen=True)
class DISFALayout(StandinLayout):
    """DISFA's files: an avi per camera, a text file per AU, and our table of genders."""

    recipe: DISFASimulationConfig

    leftovers = (".SN*-*", ".*Video*-*", f".{Path(GENDERS).stem}-*")
    intensity_aus = AUS.intensity
    occurrence_aus = tuple(LISTED["disfa"])
    threshold = 2
    partitions = tuple(FOLD_SPLITS["disfa"])

    @property
    def views(self) -> tuple[int, ...]:
        """1 for the left camera, 2 for the right one."""
        return tuple(1 + CAMERAS.index(camera) for camera in self.recipe.cameras)

    def recordings(self) -> list[Recording]:
        """Recordings, sorted by person."""
        return [Recording(subject) for subject in self.recipe.subjects()]

    def stem(self, recording: Recording, view: int) -> str:
        """Official name of a video, without its ending."""
        return f"{CAMERAS[view - 1].title()}Video{recording.subject}_comp"

    def video(self, recording: Recording, view: int) -> Path:
        """The avi of a camera."""
        folder = f"Videos_{CAMERAS[view - 1].title()}Camera"
        return self.root / folder / f"{self.stem(recording, view)}.avi"

    def write_labels(self, recording: Recording, codes: npt.NDArray[np.int64]) -> None:
        """Write one file per AU; one person lacks one, and another's end a frame early."""
        rows = self.recipe.frames - (1 if self._is(recording, 3) else 0)
        frames = np.arange(1, rows + 1)[:, None]
        for au in AUS.intensity:
            if au == AUS.intensity[-1] and self._is(recording, 1):
                continue
            name = f"{recording.subject}_au{au}.txt"
            path = self.root / "ActionUnit_Labels" / recording.subject / name
            write_csv(path, np.hstack([frames, codes[:rows, [TRACKED.index(au)]]]))

    def write_more(self) -> None:
        """Write who is a woman and who is a man."""
        people = [f"{recording.person},{recording.gender}" for recording in self.recordings()]
        write_atomic(self.root / GENDERS, ("\n".join(["person,gender", *people]) + "\n").encode())

    def save(self, recording: Recording, view: int, frames: Iterator[Image]) -> None:
        """Write the avi."""
        encode_video(self.video(recording, view), frames, self.recipe.fps)

    def is_saved(self, recording: Recording, view: int) -> bool:
        """Whether the avi is there."""
        return self.video(recording, view).exists()

    def mishaps(self, recording: Recording) -> Mishaps:
        """One person's videos end a frame before the labels; in another's one frame has no face."""
        frames = self.recipe.frames
        return Mishaps(
            frozenset({frames - 1} if self._is(recording, 2) else ()),
            frames // 2 if self._is(recording, 0) else None,
        )

    def _is(self, recording: Recording, index: int) -> bool:
        subjects = self.recipe.subjects()
        return recording.subject == subjects[min(index, len(subjects) - 1)]

"""Writing stand-ins of corpora: what is the same whatever the official layout is.

The corpus goes below ``root``: frames, label files, the landmark sidecar, ``STANDIN.json`` (recipe, version
and seed) and, last of all, ``inter_rater_agreement.json`` (agreement of two simulated annotators): a stand-in
that has it is complete. What only the simulation knows (true intensities, movements, poses, landmarks,
identities) goes to a folder outside of it. Meshes and visibility are not stored: identity, movements and pose
give them again through `FaceModel` and `render`.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from aukit.datasets.files import AGREEMENT_FILE, SIDECAR_FOLDER, STANDIN_FILE
from aukit.datasets.genders import FILE as GENDERS
from aukit.datasets.images import write_jpeg, write_png
from aukit.datasets.label_files import NOT_CODED
from aukit.datasets.video import Image, encode_video
from aukit.errors import CorpusError
from aukit.metrics import intraclass_correlation, multilabel_f1
from aukit.simulation.corpora.config import NO_DEFECTS, Defects, Recording, SimulationConfig
from aukit.simulation.corpora.recorder import Recorder
from aukit.utils.files import write_atomic
from aukit.utils.jobs import WHOLE, Shard, claim, disk_errors, run_jobs

Codes = npt.NDArray[np.int64]
Intensities = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Standin(ABC):
    """A stand-in of one corpus: rendered people in the official layout. Picklable.

    Args:
        root: Folder of the corpus; made if missing.
        truth_root: Folder of the sealed truth, neither inside `root` nor around it.
        config: What to render.

    Example:
        >>> from aukit.simulation import GFTSimulationConfig, GFTStandin
        >>> standin = GFTStandin(Path("gft"), Path("gft-truth"), GFTSimulationConfig.smoke())
        >>> standin.sidecar(standin.config.recordings()[0], view=0).as_posix()
        'gft/Landmarks/001A.npy'
    """

    root: Path
    truth_root: Path
    config: SimulationConfig

    config_type: ClassVar[type[SimulationConfig]]
    """Class of `config`."""
    intensity_aus: ClassVar[tuple[int, ...]]
    """AUs whose intensities the corpus codes; the inter-rater agreement is their ICC."""
    occurrence_aus: ClassVar[tuple[int, ...]] = ()
    """AUs whose F1 belongs to the inter-rater agreement as well."""
    threshold: ClassVar[int] = 1
    """Intensity from which on an AU counts as present."""
    partitions: ClassVar[tuple[str, ...]]
    """Names of the partitions, in order."""

    @property
    @abstractmethod
    def views(self) -> tuple[int, ...]:
        """Views to render."""

    @abstractmethod
    def stem(self, recording: Recording, view: int) -> str:
        """Name of a recording's view in the sidecar and the sealed truth."""

    @abstractmethod
    def write_labels(self, recording: Recording, codes: Codes) -> None:
        """Write the label files; codes [T, A] of the configuration's `simulated_aus`."""

    @abstractmethod
    def save(self, recording: Recording, view: int, frames: Iterator[Image]) -> None:
        """Write the frames."""

    @abstractmethod
    def is_saved(self, recording: Recording, view: int) -> bool:
        """Whether the frames are there, if nothing stopped the writer in their middle."""

    def write_common_files(self) -> None:
        """Write what belongs to no single recording."""
        return

    def defects(self, recording: Recording) -> Defects:
        """What goes wrong in a recording."""
        return NO_DEFECTS

    def sidecar(self, recording: Recording, view: int) -> Path:
        """The noisy landmarks of a view."""
        return self.root / SIDECAR_FOLDER / f"{self.stem(recording, view)}.npy"

    def truth(self, recording: Recording, view: int) -> Path:
        """The sealed truth of a view."""
        return self.truth_root / f"{self.stem(recording, view)}.npz"

    def is_done(self, recording: Recording, view: int) -> bool:
        """Whether the view is complete; its sidecar is written last."""
        files = self.sidecar(recording, view), self.truth(recording, view)
        return self.is_saved(recording, view) and all(file.exists() for file in files)

    def write(self, workers: int | None = None, progress: bool = True, shard: Shard = WHOLE) -> str:
        """Render the stand-in, or complete one that was interrupted.

        Finished recordings are kept, unfinished ones are done again; calling again with the same
        configuration ends with the same files.

        Args:
            workers: Processes; None for one per core, 0 or 1 to work in this process.
            progress: Whether to show a progress bar.
            shard: Whose people to render, of several processes that write the same stand-in. The one that
                finds all of them writes the labels.

        Returns:
            How many people are still missing, as a sentence; empty if the stand-in is complete.

        Raises:
            CorpusError: The root holds another recipe or a licensed release, the folders contain each other,
                or the disk is full; everything finished stays and is not done again.
        """
        self._check_folders()
        claim(self.root, STANDIN_FILE, self.config.description())
        finished = self.root / AGREEMENT_FILE
        with self._lock(f"-{shard.index}-{shard.count}"):
            waiting = self._waiting()
            if any(waiting.values()):
                with disk_errors(self.root):
                    finished.unlink(missing_ok=True)  # first, where a file was lost later
            own = shard.of(list(waiting.values()))
            # A person is built once for all of their recordings.
            jobs = [views for views in own if views]
            work = partial(_record_person, self)
            run_jobs(work, jobs, len(own), f"rendering {self.config.profile}", "person", workers, progress)
        with self._lock():
            missing = sum(map(bool, self._waiting().values()))
            if not missing and not finished.exists():
                with disk_errors(self.root):
                    agreement = self._write_labels()
                    write_atomic(finished, json.dumps(agreement, indent=2).encode() + b"\n")
        return f"{missing} of {len(waiting)} people are missing: labels follow when all are there" * (
            missing > 0
        )

    def _waiting(self) -> dict[str, list[tuple[Recording, int]]]:
        """Person → views that are not complete, of all people."""
        waiting: dict[str, list[tuple[Recording, int]]] = {}
        for recording in self.config.recordings():
            views = [view for view in self.views if not self.is_done(recording, view)]
            waiting.setdefault(recording.person, []).extend((recording, view) for view in views)
        return waiting

    def _lock(self, share: str = "") -> FileLock:
        """Beside the corpus, which holds the official layout only; the system frees it on kill -9."""
        return FileLock(self.root.parent / f".{self.root.name}{share}.lock")

    def _check_folders(self) -> None:
        root, truth = self.root.resolve(), self.truth_root.resolve()
        if truth.is_relative_to(root) or root.is_relative_to(truth):
            raise CorpusError(
                f"the sealed truth ({self.truth_root}) and the corpus ({self.root}) must not contain "
                "each other: choose a folder beside the corpus"
            )
        self.root.parent.mkdir(parents=True, exist_ok=True)

    def _write_labels(self) -> dict[str, Any]:
        """Write all label files, which need no rendering; returns the agreement of the annotators."""
        intensities = {r: self.config.true_intensities(r) for r in self.config.recordings()}
        first, second = (
            {r: self.config.codes(r, intensity, annotator) for r, intensity in intensities.items()}
            for annotator in ("first", "second")
        )
        for recording, codes in first.items():
            self.write_labels(recording, codes)
        self.write_common_files()
        return self._agreement(first, second)

    def _agreement(
        self, first: Mapping[Recording, Codes], second: Mapping[Recording, Codes]
    ) -> dict[str, Any]:
        """Agreement of two annotators per partition; it involves no picture and no method.

        ICC(3,1) of each intensity AU and their mean, and where the corpus is used for occurrence the F1 of
        one annotator judged by the other. No method is expected above it on average.
        """
        graded, present = (
            [self.config.simulated_aus.index(au) for au in aus]
            for aus in (self.intensity_aus, self.occurrence_aus)
        )
        partitions: dict[str, Any] = {}
        for partition in self.partitions:
            own = [recording for recording in first if recording.partition == partition]
            if not own:
                continue
            one, other = (_missing(np.concatenate([codes[r] for r in own])) for codes in (first, second))
            icc = intraclass_correlation(one[:, graded], other[:, graded])
            found: dict[str, Any] = {"icc": _by_au(self.intensity_aus, icc), "mean": _mean(icc)}
            if present:
                decided, true = (_decided(codes[:, present], self.threshold) for codes in (other, one))
                f1 = multilabel_f1(decided, true)
                found |= {"f1": _by_au(self.occurrence_aus, f1), "mean_f1": _mean(f1)}
            partitions[partition] = {**found, "frames": len(one)}
        what = "ICC(3,1) between two simulated annotators"
        if present:
            what += f"; F1 of one judged by the other, present from intensity {self.threshold} on"
        return {
            "what": what,
            "version": self.config.version,
            "seed": self.config.seed,
            "partitions": partitions,
        }


@dataclass(frozen=True)
class VideoStandin(Standin):
    """A stand-in whose frames are one video file per recording and view.

    Example:
        A corpus of one video and one label file per person::

            @dataclass(frozen=True)
            class MyStandin(VideoStandin):
                config: MySimulationConfig

                config_type = MySimulationConfig
                intensity_aus = (12,)
                partitions = ("train",)
                views = (0,)

                def stem(self, recording, view):
                    return recording.subject

                def video(self, recording, view):
                    return self.root / f"{recording.subject}.mp4"

                def write_labels(self, recording, codes):
                    write_csv(self.root / f"{recording.subject}.csv", codes[:,
                    [self.config.simulated_aus.index(12)]])
    """

    @abstractmethod
    def video(self, recording: Recording, view: int) -> Path:
        """The video file of a view."""

    def save(self, recording: Recording, view: int, frames: Iterator[Image]) -> None:
        """Write the video."""
        encode_video(self.video(recording, view), frames, self.config.fps)

    def is_saved(self, recording: Recording, view: int) -> bool:
        """Whether the video is there."""
        return self.video(recording, view).exists()


@dataclass(frozen=True)
class ImageStandin(Standin):
    """A stand-in whose frames are images, PNG or JPEG by their names, in a folder per recording and view.

    Example:
        >>> from aukit.simulation import UNBCSimulationConfig, UNBCStandin
        >>> standin: ImageStandin = UNBCStandin(Path("unbc"), Path("truth"), UNBCSimulationConfig.smoke())
        >>> standin.images(standin.config.recordings()[0], view=0)[0].name
        'll042t1aaaff001.png'
    """

    @abstractmethod
    def images(self, recording: Recording, view: int) -> list[Path]:
        """Images of the released frames, in their order."""

    def released(self, recording: Recording) -> list[int]:
        """Positions of the released frames."""
        lost = self.defects(recording).lost
        return [position for position in range(self.config.frames) if position not in lost]

    def save(self, recording: Recording, view: int, frames: Iterator[Image]) -> None:
        """Write one image per released frame."""
        for path, image in zip(self.images(recording, view), frames, strict=True):
            (write_png if path.suffix == ".png" else write_jpeg)(path, image)

    def is_saved(self, recording: Recording, view: int) -> bool:
        """Whether all images are there."""
        return all(path.exists() for path in self.images(recording, view))


def write_csv(path: Path, rows: npt.NDArray[np.int64], header: str | None = None) -> None:
    """Write rows of whole numbers, after a header if one is given; the file appears whole or not at all."""
    lines = [",".join(map(str, row)) for row in rows.tolist()]
    write_atomic(path, ("\n".join([*([header] if header else []), *lines]) + "\n").encode())


def write_genders(root: Path, recordings: Sequence[Recording]) -> None:
    """Write our table of genders, for corpora that do not publish them."""
    lines = ["person,gender", *(f"{recording.person},{recording.gender}" for recording in recordings)]
    write_atomic(root / GENDERS, ("\n".join(lines) + "\n").encode())


def _record_person(standin: Standin, views: list[tuple[Recording, int]]) -> None:
    """Record everything of one person that is missing."""
    first = views[0][0]
    recorder = Recorder(standin.config, first.person, first.gender)
    recordings = dict.fromkeys(recording for recording, _ in views)
    intensities = {recording: standin.config.true_intensities(recording) for recording in recordings}
    with disk_errors(standin.root):
        for recording, view in views:
            intensity = intensities[recording]
            recorder.record(
                recorder.plan(recording, view, intensity),
                intensity,
                standin.defects(recording),
                partial(standin.save, recording, view),
                standin.sidecar(recording, view),
                standin.truth(recording, view),
            )


def _missing(codes: Codes) -> npt.NDArray[np.float64]:
    return np.where(codes == NOT_CODED, np.nan, codes.astype(np.float64))


def _decided(codes: npt.NDArray[np.float64], threshold: int) -> npt.NDArray[np.float64]:
    return np.where(np.isnan(codes), np.nan, (codes >= threshold).astype(np.float64))


def _by_au(aus: Sequence[int], values: npt.NDArray[np.float64]) -> dict[str, float]:
    return {f"AU{au:02d}": round(float(v), 4) for au, v in zip(aus, values, strict=True)}


def _mean(values: npt.NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return round(float(known.mean()), 4) if len(known) else float("nan")

"""Writing stand-ins of corpora: what is the same whatever the official layout is.

The corpus goes below ``root``: frames, label files, the landmark sidecar, ``STANDIN.json`` (recipe, version
and seed) and ``standin_ceiling.json`` (agreement of two simulated coders). What only the maker of a world can
know (true intensities, movements, poses, landmarks, identities) goes to a folder outside of it. Meshes and
visibility are not stored: identity, movements and pose give them again through `FaceModel` and `render`.
"""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from filelock import FileLock
from tqdm import tqdm

from aukit.datasets.files import SIDECAR_FOLDER, STANDIN_FILE
from aukit.datasets.label_files import NOT_CODED
from aukit.datasets.media import Image
from aukit.errors import CorpusError
from aukit.metrics import intraclass_correlation, multilabel_f1
from aukit.simulation.behaviour.annotators import code
from aukit.simulation.behaviour.intensity_curves import drives, intensities
from aukit.simulation.corpora import config as r
from aukit.simulation.corpora.config import NO_MISHAPS, Mishaps, Recording, SimulationConfig
from aukit.utils.files import write_atomic
from aukit.utils.processes import worker_pool

CEILING_FILE = "standin_ceiling.json"


@dataclass(frozen=True)
class StandinLayout(ABC):
    """The official layout of one corpus, to be filled by a recipe; picklable.

    Attributes:
        root: Folder of the corpus.
        truth_root: Folder of the sealed truth.
        recipe: What to render.
    """

    root: Path
    truth_root: Path
    recipe: SimulationConfig

    leftovers: ClassVar[tuple[str, ...]]
    """Patterns of what a killed writer leaves half written."""
    intensity_aus: ClassVar[tuple[int, ...]]
    """AUs whose intensities the corpus codes; the ceiling is their ICC."""
    occurrence_aus: ClassVar[tuple[int, ...]] = ()
    """AUs whose F1 belongs to the ceiling as well."""
    threshold: ClassVar[int] = 1
    """Intensity from which on an AU counts as present."""

    @property
    @abstractmethod
    def partitions(self) -> tuple[str, ...]:
        """Names of the partitions, in order."""

    @property
    @abstractmethod
    def views(self) -> tuple[int, ...]:
        """Views to render."""

    @abstractmethod
    def recordings(self) -> Sequence[Recording]:
        """All recordings."""

    @abstractmethod
    def stem(self, recording: Any, view: int) -> str:
        """Name of a recording's view in the sidecar and the sealed truth."""

    @abstractmethod
    def write_labels(self, recording: Any, codes: npt.NDArray[np.int64]) -> None:
        """Write the label files; codes [T, A] of the recipe's AUs."""

    @abstractmethod
    def save(self, recording: Any, view: int, frames: Iterator[Image]) -> None:
        """Write the frames."""

    @abstractmethod
    def is_saved(self, recording: Any, view: int) -> bool:
        """Whether the frames are there, if nothing stopped the writer in their middle."""

    def write_more(self) -> None:
        """Write what belongs to no recording."""
        return

    def mishaps(self, recording: Any) -> Mishaps:
        """What goes wrong in a recording."""
        return NO_MISHAPS

    def sidecar(self, recording: Any, view: int) -> Path:
        """The tracked landmarks of a view."""
        return self.root / SIDECAR_FOLDER / f"{self.stem(recording, view)}.npy"

    def truth(self, recording: Any, view: int) -> Path:
        """The sealed truth of a view."""
        return self.truth_root / f"{self.stem(recording, view)}.npz"

    def is_done(self, recording: Any, view: int) -> bool:
        """Whether the view is complete; its sidecar is written last."""
        files = self.sidecar(recording, view), self.truth(recording, view)
        return self.is_saved(recording, view) and all(file.exists() for file in files)


def write_standin(layout: StandinLayout, workers: int | None = None, progress: bool = True) -> None:
    """Render a stand-in, or complete one that was interrupted.

    Finished recordings are kept, unfinished ones are done again; calling again with the same recipe ends with
    the same files.

    Args:
        layout: What to write and where.
        workers: Processes; None for one per core, 0 to work in this process.
        progress: Whether to show a progress bar.

    Raises:
        CorpusError: The root holds another recipe or a licensed release, or the folders contain each other.
    """
    root = layout.root
    _check_folders(root, layout.truth_root)
    # Beside the corpus, since the corpus holds the official layout only; freed by the system on kill -9.
    with FileLock(root.parent / f".{root.name}.lock"):
        _claim(layout)
        _write_labels(layout)
        _render(layout, workers, progress)


def true_intensities(recipe: SimulationConfig, recording: Recording) -> npt.NDArray[np.float64]:
    """What the person's face means to do: continuous intensities [T, A] of the recipe's AUs, 0..5.5."""
    person = recording.person.split("/")
    drive = drives(
        recipe.rng("person", *person),
        recipe.rng("expression", *person, recording.task),
        recipe.frames,
        recipe.fps,
        recording.gender or "female",
        r.track_aus(recipe.rates),
        recipe.recording_share,
    )
    return intensities(drive, recipe.rates)


def coded(recipe: SimulationConfig, recording: Recording, coder: str = "first") -> npt.NDArray[np.int64]:
    """Codes [T, A] of a simulated coder for the recipe's AUs; the label files hold those of ``first``."""
    rng = recipe.rng("coder", coder, recording.person, recording.task)
    return code(true_intensities(recipe, recording), recipe.fps, rng, recipe.coder)


def coder_ceiling(layout: StandinLayout) -> dict[str, Any]:
    """Agreement of two simulated coders per partition; it involves no picture and no method.

    ICC(3,1) of each intensity AU and their mean, and where the corpus is used for occurrence the F1 of one
    coder judged by the other. No method is expected above it on average.
    """
    recipe = layout.recipe
    known = r.track_aus(recipe.rates)
    graded, present = (
        [known.index(au) for au in aus] for aus in (layout.intensity_aus, layout.occurrence_aus)
    )
    recordings = layout.recordings()
    partitions: dict[str, Any] = {}
    for partition in layout.partitions:
        own = [recording for recording in recordings if recording.partition == partition]
        if not own:
            continue
        first, second = (
            _missing(np.concatenate([coded(recipe, recording, coder) for recording in own]))
            for coder in ("first", "second")
        )
        icc = intraclass_correlation(first[:, graded], second[:, graded])
        found: dict[str, Any] = {"icc": _by_au(layout.intensity_aus, icc), "mean": _mean(icc)}
        if present:
            one, other = (_decided(codes[:, present], layout.threshold) for codes in (first, second))
            f1 = multilabel_f1(other, one)
            found |= {"f1": _by_au(layout.occurrence_aus, f1), "mean_f1": _mean(f1)}
        partitions[partition] = {**found, "frames": len(first)}
    what = "ICC(3,1) between two simulated coders"
    if present:
        what += f"; F1 of one judged by the other, present from intensity {layout.threshold} on"
    return {"what": what, "version": recipe.version, "seed": recipe.seed, "partitions": partitions}


def write_csv(path: Path, rows: npt.NDArray[np.int64], header: str | None = None) -> None:
    """Write rows of whole numbers, after a header if one is given; the file appears whole or not at all."""
    lines = [",".join(map(str, row)) for row in rows.tolist()]
    write_atomic(path, ("\n".join([*([header] if header else []), *lines]) + "\n").encode())


def _check_folders(root: Path, truth_root: Path) -> None:
    real_root, real_truth = root.resolve(), truth_root.resolve()
    if real_truth.is_relative_to(real_root) or real_root.is_relative_to(real_truth):
        raise CorpusError(
            f"the sealed truth ({truth_root}) and the corpus ({root}) must not contain each other: "
            "choose a folder beside the corpus"
        )
    if root.exists() and not (root / STANDIN_FILE).exists() and any(_visible(root)):
        raise CorpusError(f"{root}: is not empty and no stand-in; choose another folder")
    root.mkdir(parents=True, exist_ok=True)
    truth_root.mkdir(parents=True, exist_ok=True)


def _visible(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if not path.name.startswith("."))


def _claim(layout: StandinLayout) -> None:
    """Put `STANDIN.json` there or compare it, and remove what a killed writer left half written."""
    description = json.dumps(layout.recipe.description(), indent=2).encode() + b"\n"
    marker = layout.root / STANDIN_FILE
    if not marker.exists():
        write_atomic(marker, description)
    elif json.loads(marker.read_text(encoding="utf-8")) != json.loads(description):
        raise CorpusError(f"{marker}: is another recipe, version or seed; choose another folder or remove it")
    for folder in (layout.root, layout.truth_root):
        for pattern in (*layout.leftovers, ".STANDIN-*", ".standin_ceiling-*"):
            for leftover in folder.rglob(pattern):
                leftover.unlink()


def _write_labels(layout: StandinLayout) -> None:
    """All label files (they need no rendering) and the ceiling; nothing is done twice."""
    ceiling = layout.root / CEILING_FILE
    if ceiling.exists():  # written after the last label file
        return
    for recording in layout.recordings():
        layout.write_labels(recording, coded(layout.recipe, recording))
    layout.write_more()
    write_atomic(ceiling, json.dumps(coder_ceiling(layout), indent=2).encode() + b"\n")


def _render(layout: StandinLayout, workers: int | None, progress: bool) -> None:
    todo: dict[str, list[tuple[Recording, int]]] = {}
    recordings = layout.recordings()
    for recording in recordings:
        for view in layout.views:
            if not layout.is_done(recording, view):
                todo.setdefault(recording.person, []).append((recording, view))
    waiting = sum(len(jobs) for jobs in todo.values())
    if not waiting:
        return
    workers = min(os.cpu_count() or 1, 16) if workers is None else workers
    total = len(recordings) * len(layout.views)
    bar = tqdm(
        total=total,
        initial=total - waiting,
        desc=f"rendering {layout.recipe.profile}",
        unit="recording",
        disable=None if progress else True,
    )
    with bar:
        if workers <= 0 or len(todo) == 1:
            for jobs in todo.values():
                bar.update(_film_person(layout, jobs))
            return
        with worker_pool(min(workers, len(todo))) as pool:
            futures = [pool.submit(_film_person, layout, jobs) for jobs in todo.values()]
            for future in as_completed(futures):
                bar.update(future.result())


def _film_person(layout: StandinLayout, jobs: list[tuple[Recording, int]]) -> int:
    from aukit.simulation.corpora.recorder import FilmCrew  # torch and the renderer are needed only here

    first = jobs[0][0]
    crew = FilmCrew(layout.recipe, first.person, first.gender or "female")
    for recording, view in jobs:
        crew.record(
            recording,
            view,
            true_intensities(layout.recipe, recording),
            partial(layout.save, recording, view),
            layout.sidecar(recording, view),
            layout.truth(recording, view),
            layout.mishaps(recording),
        )
    return len(jobs)


def _missing(codes: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return np.where(codes == NOT_CODED, np.nan, codes.astype(np.float64))


def _decided(codes: npt.NDArray[np.float64], threshold: int) -> npt.NDArray[np.float64]:
    return np.where(np.isnan(codes), np.nan, (codes >= threshold).astype(np.float64))


def _by_au(aus: Sequence[int], values: npt.NDArray[np.float64]) -> dict[str, float]:
    return {f"AU{au:02d}": round(float(v), 4) for au, v in zip(aus, values, strict=True)}


def _mean(values: npt.NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return round(float(known.mean()), 4) if len(known) else float("nan")

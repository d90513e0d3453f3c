"""Writer of the stand-in of FERA 2017: rendered people, simulated coders, the official layout.

The corpus goes below ``root``: videos, label files, the landmark sidecar, ``STANDIN.json`` (recipe, version
and seed) and ``standin_ceiling.json`` (agreement of two simulated coders). What only the maker of a world can
know (true intensities, movements, poses, landmarks, identities) goes to a folder outside of it. Meshes and
visibility
are not stored: identity, movements and pose give them again through `FaceModel` and `render`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock
from tqdm import tqdm

from aukit.corpora import recipe as r
from aukit.corpora.coders import code, occurrence
from aukit.corpora.companions import STANDIN_FILE
from aukit.corpora.fera2017_labels import AUS
from aukit.corpora.fera2017_layout import NAMESPACES
from aukit.corpora.fera2017_layout import Sequence as Recording
from aukit.corpora.recipe import CoderSettings, StandinRecipe
from aukit.corpora.tracks import drives, intensities
from aukit.errors import CorpusError
from aukit.files import write_atomic
from aukit.metrics import intraclass_correlation
from aukit.processes import worker_pool

CEILING_FILE = "standin_ceiling.json"
_CODES = {"train": "TR", "valid": "VA", "test": "TE"}
_TITLES = {"train": "Train", "valid": "Valid", "test": "Test"}


@dataclass(frozen=True)
class Paths:
    """Where the files of one recording go."""

    root: Path
    truth_root: Path
    recording: Recording

    @property
    def stem(self) -> str:
        """Official name without view."""
        recording = self.recording
        return f"FERA17_{_CODES[recording.partition]}_{recording.subject}_{recording.task}"

    def video(self, view: int) -> Path:
        """The mp4 of a view."""
        return self.root / f"FERA17_{_TITLES[self.recording.partition]}_MV" / f"{self.stem}_{view}.mp4"

    def sidecar(self, view: int) -> Path:
        """The tracked landmarks of a view."""
        return self.root / "Landmarks" / f"{self.stem}_{view}.npy"

    def truth(self, view: int) -> Path:
        """The sealed truth of a view."""
        return self.truth_root / f"{self.stem}_{view}.npz"

    def occurrence(self) -> Path:
        """The occurrence file."""
        return self.root / f"{_TITLES[self.recording.partition]}_Occ" / f"{self.stem}.csv"

    def intensity(self, au: int) -> Path:
        """The intensity file of an AU."""
        return self.root / f"{_TITLES[self.recording.partition]}_Int" / f"{self.stem}_AU{au:02d}_Int.csv"

    def done(self, view: int) -> bool:
        """Whether the view is complete; the video is written last."""
        return self.video(view).exists() and self.sidecar(view).exists() and self.truth(view).exists()


def write_fera2017_standin(
    root: str | Path,
    recipe: StandinRecipe,
    truth_root: str | Path,
    workers: int | None = None,
    progress: bool = True,
) -> None:
    """Render a stand-in of FERA 2017, or complete one that was interrupted.

    Finished videos are kept, unfinished ones leave nothing behind; calling again with the same recipe ends
    with the same files. Cost of `StandinRecipe.mini` (9,400 frames of 192²): about two minutes on two cores,
    60 MB of disk, 1.1 GB of memory per worker.

    Args:
        root: Folder of the corpus; made if missing.
        recipe: What to render.
        truth_root: Folder of the sealed truth, neither inside `root` nor around it.
        workers: Processes; None for one per core, 0 to work in this process.
        progress: Whether to show a progress bar.

    Raises:
        CorpusError: `root` holds another recipe or a licensed release, or the folders contain each other.
    """
    root, truth_root = Path(root), Path(truth_root)
    _check_folders(root, truth_root)
    # Beside the corpus, since the corpus holds the official layout only; freed by the system on kill -9.
    with FileLock(root.parent / f".{root.name}.lock"):
        _claim(root, truth_root, recipe)
        _write(root, truth_root, recipe, workers, progress)


def _write(root: Path, truth_root: Path, recipe: StandinRecipe, workers: int | None, progress: bool) -> None:
    recordings = all_recordings(recipe)
    _write_labels(root, truth_root, recipe, recordings)
    todo: dict[str, list[tuple[Recording, int]]] = {}
    total = 0
    for recording in recordings:
        for view in recipe.views:
            total += 1
            if not Paths(root, truth_root, recording).done(view):
                todo.setdefault(recording.person, []).append((recording, view))
    waiting = sum(len(jobs) for jobs in todo.values())
    if not waiting:
        return
    workers = min(os.cpu_count() or 1, 16) if workers is None else workers
    bar = tqdm(
        total=total,
        initial=total - waiting,
        desc=f"rendering {recipe.profile}",
        unit="video",
        disable=None if progress else True,
    )
    with bar:
        if workers <= 0 or len(todo) == 1:
            for jobs in todo.values():
                bar.update(_render_person(root, truth_root, recipe, jobs))
            return
        with worker_pool(min(workers, len(todo))) as pool:
            futures = [pool.submit(_render_person, root, truth_root, recipe, jobs) for jobs in todo.values()]
            for future in as_completed(futures):
                bar.update(future.result())


def all_recordings(recipe: StandinRecipe) -> list[Recording]:
    """Recordings of a recipe, sorted by partition, person and task."""
    return [
        Recording(partition, subject, f"T{task + 1}")
        for partition, tasks in zip(("train", "valid", "test"), recipe.tasks, strict=True)
        for subject in recipe.subjects(partition)
        for task in range(tasks)
    ]


def true_intensities(recipe: StandinRecipe, recording: Recording) -> npt.NDArray[np.float64]:
    """What the person's face means to do: continuous intensities [T, A] of `recipe.TRACK_AUS`, 0..5.5."""
    person = NAMESPACES[recording.partition], recording.subject
    drive = drives(
        recipe.rng("person", *person),
        recipe.rng("expression", *person, recording.task),
        recipe.frames,
        recipe.fps,
        recording.gender or "female",
    )
    return intensities(drive)


def coded(recipe: StandinRecipe, recording: Recording, coder: str = "first") -> npt.NDArray[np.int64]:
    """Codes [T, A] of a simulated coder for `recipe.TRACK_AUS`; the label files hold those of ``first``."""
    rng = recipe.rng("coder", coder, recording.person, recording.task)
    return code(true_intensities(recipe, recording), recipe.fps, rng, CoderSettings())


def coder_ceiling(recipe: StandinRecipe, recordings: list[Recording]) -> dict[str, Any]:
    """Agreement of two simulated coders per partition: ICC(3,1) of each intensity AU and their mean.

    No method is expected above it on average; it involves no picture and no method.
    """
    columns = [r.TRACK_AUS.index(au) for au in AUS.intensity]
    partitions: dict[str, Any] = {}
    for partition in ("train", "valid", "test"):
        own = [rec for rec in recordings if rec.partition == partition]
        first, second = (
            np.concatenate([coded(recipe, rec, coder)[:, columns] for rec in own])
            for coder in ("first", "second")
        )
        icc = intraclass_correlation(_missing(first), _missing(second))
        values = {f"AU{au:02d}": round(float(v), 4) for au, v in zip(AUS.intensity, icc, strict=True)}
        mean = round(float(np.nanmean(icc)), 4)
        partitions[partition] = {"icc": values, "mean": mean, "frames": len(first)}
    return {
        "what": "ICC(3,1) between two simulated coders",
        "version": recipe.version,
        "seed": recipe.seed,
        "partitions": partitions,
    }


def is_short(recipe: StandinRecipe, recording: Recording) -> bool:
    """Quirk of real releases: one video of each partition ends one frame before its labels."""
    subjects = recipe.subjects(recording.partition)
    return recording.subject == subjects[min(1, len(subjects) - 1)] and recording.task == "T1"


def faceless_frame(recipe: StandinRecipe, recording: Recording) -> int | None:
    """Quirk of real releases: in the first video of Train one frame shows no face."""
    first = recording == Recording("train", recipe.subjects("train")[0], "T1")
    return recipe.frames // 2 if first else None


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


def _claim(root: Path, truth_root: Path, recipe: StandinRecipe) -> None:
    """Put `STANDIN.json` there or compare it, and remove what a killed writer left half written."""
    description = json.dumps(recipe.description(), indent=2).encode() + b"\n"
    marker = root / STANDIN_FILE
    if not marker.exists():
        write_atomic(marker, description)
    elif json.loads(marker.read_text(encoding="utf-8")) != json.loads(description):
        raise CorpusError(f"{marker}: is another recipe, version or seed; choose another folder or remove it")
    for folder in (root, truth_root):
        for pattern in (".FERA17_*", ".STANDIN-*", ".standin_ceiling-*"):
            for leftover in folder.rglob(pattern):
                leftover.unlink()


def _write_labels(root: Path, truth_root: Path, recipe: StandinRecipe, recordings: list[Recording]) -> None:
    """All label files (they need no rendering) and the ceiling; nothing is done twice."""
    ceiling = root / CEILING_FILE
    if ceiling.exists():  # written after the last label file
        return
    occurrence_columns = [r.TRACK_AUS.index(au) for au in AUS.occurrence]
    for recording in recordings:
        paths = Paths(root, truth_root, recording)
        codes = coded(recipe, recording)
        frames = np.arange(1, recipe.frames + 1)[:, None]
        header = ",".join(["frame", *map(str, AUS.occurrence)])
        _write_csv(paths.occurrence(), np.hstack([frames, occurrence(codes)[:, occurrence_columns]]), header)
        for au in AUS.intensity:
            _write_csv(paths.intensity(au), np.hstack([frames, codes[:, [r.TRACK_AUS.index(au)]]]))
    write_atomic(ceiling, json.dumps(coder_ceiling(recipe, recordings), indent=2).encode() + b"\n")


def _write_csv(path: Path, rows: npt.NDArray[np.int64], header: str | None = None) -> None:
    lines = [",".join(map(str, row)) for row in rows.tolist()]
    write_atomic(path, ("\n".join([*([header] if header else []), *lines]) + "\n").encode())


def _missing(codes: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return np.where(codes == 9, np.nan, codes.astype(np.float64))


def _render_person(
    root: Path, truth_root: Path, recipe: StandinRecipe, jobs: list[tuple[Recording, int]]
) -> int:
    from aukit.corpora.filming import FilmCrew  # torch and the renderer are needed only here

    first = jobs[0][0]
    crew = FilmCrew(recipe, first.person, first.gender or "female")
    for recording, view in jobs:
        paths = Paths(root, truth_root, recording)
        crew.record(
            recording,
            view,
            true_intensities(recipe, recording),
            paths.video(view),
            paths.sidecar(view),
            paths.truth(view),
            short=is_short(recipe, recording),
            faceless=faceless_frame(recipe, recording),
        )
    return len(jobs)

"""Shards of a prepared store under construction: a video or some short ones, whole or not there at all."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
from tqdm import tqdm

from aukit.datasets.frame_table import FrameTable
from aukit.datasets.reader import NOT_DECODED
from aukit.errors import CorpusError
from aukit.registration import AsIs, Frontal3D, LandmarkSource, NoLandmarks, Registration
from aukit.registration.base import usable
from aukit.store.encoding import ENCODED, Encoding
from aukit.store.store import IMAGES
from aukit.utils.files import atomic_path
from aukit.utils.processes import worker_pool

_BATCH = 32  # frames in memory at once, per worker
_NOTES = ("rows", "landmarks", "lengths", "checksums", "excluded", "reasons")
_LEAST = 16  # frames of a shard that takes short videos: a corpus may have a folder for each image


class Corpus(Protocol):
    """What `prepare` needs of a corpus reader."""

    @property
    def table(self) -> FrameTable:
        """Every labelled frame."""
        ...

    @property
    def exclusions(self) -> Sequence[Any]:
        """What the reader left out, objects with video, position (or None) and reason."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What the reader chose and tolerated, for printing; after the table is read."""
        ...

    @property
    def standin(self) -> dict[str, Any] | None:
        """Recipe of a stand-in; None for a licensed release."""
        ...

    def decode(self, video: str) -> Iterable[tuple[int, npt.NDArray[np.uint8] | None]]:
        """Stream (position, frame uint8 [H,W,3]) of a video; None for a frame that cannot be decoded."""
        ...

    def fingerprint(self) -> str:
        """Hash of the corpus' files as the reader first saw them: cheap, every opening asks for it."""
        ...

    def changed(self) -> Sequence[str]:
        """Names of files that are no longer as the reader first saw them."""
        ...


@dataclass(frozen=True)
class StoreJob:
    """All that a worker needs; pickled once per worker."""

    corpus: Corpus
    registration: Registration
    landmark_source: LandmarkSource
    folder: Path
    encoding: Encoding

    @property
    def images(self) -> Path:
        """The file of all crops."""
        return self.folder / (IMAGES if self.encoding.format is None else ENCODED)


@dataclass(frozen=True)
class VideoJob:
    """One video: its name, rows of the table and positions in the video, ascending."""

    video: str
    rows: npt.NDArray[np.int64]
    positions: npt.NDArray[np.int64]


@dataclass(frozen=True)
class ShardJob:
    """The number of a shard and its videos."""

    number: int
    videos: tuple[VideoJob, ...]

    @property
    def frames(self) -> int:
        """Number of frames that are asked for."""
        return sum(len(video.rows) for video in self.videos)


def split_jobs(table: FrameTable, rows: npt.NDArray[np.int64]) -> list[ShardJob]:
    """Whole videos in the order in which they first appear: one a shard, or short ones together."""
    frame = table.frame.iloc[rows]
    number, names = pd.factorize(frame["video"])
    order = np.lexsort((frame["position"].to_numpy(dtype=np.int64), number))
    rows, positions = np.asarray(rows)[order], frame["position"].to_numpy(dtype=np.int64)[order]
    bounds = np.searchsorted(number[order], np.arange(len(names) + 1))
    shards: list[list[VideoJob]] = []
    frames = _LEAST
    for name, begin, end in zip(names, bounds[:-1], bounds[1:], strict=True):
        if frames + end - begin > _LEAST:
            shards.append([])
            frames = 0
        frames += end - begin
        shards[-1].append(VideoJob(str(name), rows[begin:end], positions[begin:end]))
    return [ShardJob(index, tuple(videos)) for index, videos in enumerate(shards)]


def make_shards(store_job: StoreJob, jobs: Sequence[ShardJob], workers: int, progress: bool) -> None:
    """Make the shards that are missing, in `workers` processes (0: in this one)."""
    shards = store_job.folder / "shards"
    shards.mkdir(parents=True, exist_ok=True)
    todo = [job for job in jobs if read_notes(store_job, job) is None]
    bar = tqdm(
        total=sum(job.frames for job in jobs),
        initial=sum(job.frames for job in jobs) - sum(job.frames for job in todo),
        desc="registering",
        unit="frame",
        disable=None if progress else True,
    )
    with bar:
        if workers <= 0 or len(todo) <= 1:
            for job in todo:
                _make_shard(store_job, job)
                bar.update(job.frames)
            return
        with worker_pool(min(workers, len(todo)), _start_worker, (store_job,)) as pool:
            futures = {pool.submit(_work, job): job for job in todo}
            for future in as_completed(futures):
                future.result()
                bar.update(futures[future].frames)


_worker_job: StoreJob | None = None


def _start_worker(store_job: StoreJob) -> None:
    global _worker_job
    _worker_job = store_job


def _work(job: ShardJob) -> None:
    assert _worker_job is not None
    _make_shard(_worker_job, job)


def pixels_path(folder: Path, job: ShardJob) -> Path:
    """Crops of a shard, one behind the other as the encoding makes them."""
    return folder / "shards" / f"{job.number:06d}.u8"


def notes_path(folder: Path, job: ShardJob) -> Path:
    """Rows, landmarks and exclusions of a shard; written last."""
    return folder / "shards" / f"{job.number:06d}.npz"


def read_notes(store_job: StoreJob, job: ShardJob) -> dict[str, npt.NDArray[Any]] | None:
    """Rows, landmarks, bytes and exclusions of a shard; None if it is not done or its files are damaged."""
    path, pixels = notes_path(store_job.folder, job), pixels_path(store_job.folder, job)
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as shard:
            notes = {key: shard[key] for key in _NOTES}
    except Exception:  # whatever a half-written file makes the parser raise, after the power went off
        return None
    if pixels.is_file():
        whole = int(notes["lengths"].sum()) == pixels.stat().st_size
    else:  # moved into the array already
        whole = store_job.images.is_file()
    return notes if whole else None


def _make_shard(store_job: StoreJob, job: ShardJob) -> None:
    """Register the videos of a shard: memory for one batch, whatever their length."""
    rows: list[npt.NDArray[np.int64]] = []
    landmarks: list[npt.NDArray[np.float32]] = []
    lengths: list[int] = []
    checksums: list[int] = []
    excluded: dict[int, str] = {}
    with atomic_path(pixels_path(store_job.folder, job)) as temporary, temporary.open("wb") as pixels:
        for video in job.videos:
            for index, frames in _batches(store_job, video, excluded):
                kept, crops, points = _register(store_job, video, index, frames, excluded)
                for crop in crops:
                    content = store_job.encoding.encode(crop)
                    pixels.write(content)
                    lengths.append(len(content))
                    checksums.append(zlib.crc32(content))
                landmarks.append(points)
                rows.append(video.rows[kept])
    with atomic_path(notes_path(store_job.folder, job)) as temporary:
        np.savez(
            temporary,
            rows=np.concatenate([np.zeros(0, np.int64), *rows]),
            landmarks=np.concatenate([np.zeros((0, 68, 3), np.float32), *landmarks]),
            lengths=np.array(lengths, dtype=np.int64),
            checksums=np.array(checksums, dtype=np.int64),
            excluded=np.array(sorted(excluded), dtype=np.int64),
            reasons=np.array([excluded[row] for row in sorted(excluded)], dtype=np.str_),
        )


def _register(
    store_job: StoreJob,
    video: VideoJob,
    index: npt.NDArray[np.int64],
    frames: npt.NDArray[np.uint8],
    excluded: dict[int, str],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Indices of the frames that have a crop, the crops and their landmarks; notes why others have none."""
    source, register = store_job.landmark_source, store_job.registration
    found = np.asarray(source.landmarks(video.video, frames, video.positions[index]), dtype=np.float32)
    # A missing depth is for the registration to judge.
    seen = np.isfinite(found[..., :2]).all(axis=(1, 2)) | (source.name == NoLandmarks.name)
    excluded.update(dict.fromkeys(video.rows[index[~seen]].tolist(), "no face landmarks"))
    index = index[seen]
    if len(index) == 0:
        return index, np.zeros((0, register.size, register.size, 3), np.uint8), found[seen]
    registered = register(frames[seen], found[seen])
    ok = np.asarray(registered.ok, dtype=bool)
    for row, points in zip(video.rows[index[~ok]].tolist(), found[seen][~ok], strict=True):
        excluded[row] = _failure(register, frames.shape, points)
    crops = np.ascontiguousarray(np.asarray(registered.crops)[ok], dtype=np.uint8)
    return index[ok], crops, np.asarray(registered.landmarks, dtype=np.float32)[ok]


def _failure(registration: Registration, frames: tuple[int, ...], landmarks: npt.NDArray[np.float32]) -> str:
    """Why a frame of some [B,H,W,3] with landmarks [68,3] has no crop, as far as it can be told."""
    (_, height, width, _), size = frames, registration.size
    if registration.name == AsIs.name:
        return f"frames of {width} x {height} pixels are no crops of {size} x {size}"
    if registration.name == Frontal3D.name and not np.ptp(landmarks[:, 2]) > 0:  # NaN, or the same everywhere
        return "landmarks without depth, which frontal3d needs"
    mirrored = (landmarks * [-1, 1, 1] + [width - 1, 0, 0]).astype(np.float32)
    other, own = usable(np.stack([mirrored, landmarks]), height, width)
    if other and not own:
        return "landmarks of a mirror image: x and y, left and right, or the sign of z are exchanged"
    return "registration failed"


def _batches(
    store_job: StoreJob, job: VideoJob, excluded: dict[int, str]
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]]:
    """Yield (indices into a video's rows, frames of one size) of wanted positions; note what is missing."""
    wanted = {int(position): index for index, position in enumerate(job.positions)}
    index: list[int] = []
    frames: list[npt.NDArray[np.uint8]] = []
    reason = "the video ends before this frame"
    decoder = iter(store_job.corpus.decode(job.video))
    while wanted:
        try:
            position, frame = next(decoder)
        except StopIteration:
            break
        except CorpusError as error:
            reason = f"the video cannot be decoded: {error}"
            break
        if (found := wanted.pop(position, None)) is None:
            continue
        if frame is None:
            excluded[int(job.rows[found])] = NOT_DECODED
            continue
        if len(frames) == _BATCH or (frames and frame.shape != frames[0].shape):
            yield np.array(index), np.stack(frames)
            index, frames = [], []
        index.append(found)
        frames.append(frame)
    if frames:
        yield np.array(index), np.stack(frames)
    excluded.update(dict.fromkeys(job.rows[list(wanted.values())].tolist(), reason))

"""Long writers: claim a folder, share the work, resume after a kill, and say so when the disk is full."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock
from tqdm import tqdm

from aukit.errors import ConfigError, CorpusError
from aukit.utils.cores import available_cores
from aukit.utils.files import atomic_path, write_atomic
from aukit.utils.processes import worker_pool

Job = TypeVar("Job")


@dataclass(frozen=True)
class Shard:
    """One of several processes, on any machines, that share the work of a folder.

    Example:
        >>> list(Shard.parse("1/3").of(range(7)))
        [1, 4]

    Attributes:
        index: Its number, from 0.
        count: How many there are; the same for all that write to a folder.
    """

    index: int = 0
    count: int = 1

    @classmethod
    def parse(cls, text: str | None) -> Shard:
        """Read ``i/n`` with i from 0 to n - 1, as ``$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT`` gives it.

        Raises:
            ConfigError: The text has another form.
        """
        if text is None:
            return cls()
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if match is None or int(match[1]) >= int(match[2]):
            raise ConfigError(f"--shard {text}: expected i/n with i from 0 to n-1, e.g. 0/4, 1/4, 2/4, 3/4")
        return cls(int(match[1]), int(match[2]))

    def of(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """This shard's jobs; shards are disjoint and together have all."""
        return jobs[self.index :: self.count]


WHOLE = Shard()


def claim(folder: Path, marker: str, description: dict[str, Any]) -> None:
    """Make `folder` the place of what `description` says, or check that it is.

    Raises:
        CorpusError: Something else is there already.
    """
    path = folder / marker
    text = json.dumps(description, indent=2) + "\n"
    # Looked at first: whatever another shard puts there, it puts there after the marker.
    occupied = folder.exists() and any(not p.name.startswith(".") for p in folder.iterdir())
    if path.exists():
        if path.read_bytes() != text.encode():
            raise CorpusError(
                f"{path}: was begun with other settings, data or version; repeat them, choose another folder "
                "or remove this one"
            )
        return
    if occupied:
        raise CorpusError(f"{folder}: is not empty and holds no {marker}; choose another folder")
    with disk_errors(folder):
        write_atomic(path, text.encode())


def run_jobs(
    work: Callable[[Job], None],
    todo: Sequence[Job],
    total: int,
    title: str,
    unit: str,
    workers: int | None,
    progress: bool,
) -> None:
    """Do all jobs of `todo`, with a progress bar that counts those done before.

    Args:
        work: Does one job; picklable.
        todo: What is left.
        total: Number of jobs with those that are done.
        title: What the bar says.
        unit: Name of a job.
        workers: Processes; None for one per core (at most 16), 0 or 1 to work in this process.
        progress: Whether to show the bar (on a terminal).
    """
    workers = min(available_cores(), 16) if workers is None else workers
    hidden = None if progress else True
    with tqdm(total=total, initial=total - len(todo), desc=title, unit=unit, disable=hidden) as bar:
        if workers <= 1 or len(todo) <= 1:
            for job in todo:
                work(job)
                bar.update()
            return
        with worker_pool(min(workers, len(todo)), work=work) as pool:
            futures = [pool.submit(work, job) for job in todo]
            for future in as_completed(futures):
                future.result()
                bar.update()


@dataclass(frozen=True)
class SharedJobs(Generic[Job]):
    """The jobs of a folder, shared by any number of processes; when all are done, their results are joined.

    A finished job is never repeated: after a kill the same command does what is missing.

    Attributes:
        folder: Folder of the jobs' results, made if missing.
        jobs: All jobs, in the order of the joined result.
        work: Does one job; picklable.
        is_done: Whether a job is done, from its files.
        results: Files that are made of all jobs; the last one is written last.
        join: Makes them; called by the process that finds all jobs done. It may be called again when all of
            them are there, after another process.
    """

    folder: Path
    jobs: Sequence[Job]
    work: Callable[[Job], None]
    is_done: Callable[[Job], bool]
    results: Sequence[Path]
    join: Callable[[], None]

    def run(self, shard: Shard, title: str, unit: str, workers: int | None, progress: bool) -> str:
        """Do the jobs of a shard that are missing, and join all results if no job is left.

        Args:
            shard: Which share of the jobs to do.
            title: Title of the progress bar.
            unit: Name of a job.
            workers: Processes; None for one per core, 0 or 1 to work in this process.
            progress: Whether to show a progress bar.

        Returns:
            How many jobs, of all shards, are still missing, as a sentence; empty if the results are there.
        """
        with disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        # A second process with the same share waits, and then finds all done.
        with FileLock(self.folder / f".shard-{shard.index}-{shard.count}.lock"):
            own = shard.of(self.jobs)
            todo = [job for job in own if not self.is_done(job)]
            run_jobs(self.work, todo, len(own), title, unit, workers, progress)
        missing = sum(not self.is_done(job) for job in self.jobs)
        last = self.results[-1]
        if not missing and (todo or not all(file.exists() for file in self.results)):
            # Two shards that both find themselves the last join one after the other.
            with disk_errors(last), FileLock(last.with_name(f".{last.name}.lock")):
                self.join()
        name = last.name
        return (
            f"{missing} of {len(self.jobs)} jobs are missing: {name} follows when all are done"
            if missing
            else ""
        )


def chunk_file(folder: Path, start: int) -> Path:
    """Table of the chunk of a numbered series that begins with `start`; written last, so it means done."""
    return folder / f"{start:06d}.parquet"


def chunk_jobs(
    folder: Path,
    starts: range,
    work: Callable[[int], None],
    has_files: Callable[[int], bool],
    results: Sequence[Path],
    join: Callable[[list[Path]], None],
) -> SharedJobs[int]:
    """Jobs that each make one chunk of a numbered series and leave its `chunk_file`.

    Args:
        folder: Folder of the chunks.
        starts: First number of each chunk.
        work: Makes the chunk of a first number.
        has_files: Whether what the chunk leaves beside its table is there, or is needed no more.
        results: Files that are made of all chunks.
        join: Makes them of their tables.
    """
    files = [chunk_file(folder, start) for start in starts]

    def is_done(start: int) -> bool:
        return chunk_file(folder, start).exists() and has_files(start)

    return SharedJobs(folder, starts, work, is_done, results, lambda: join(files))


@contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """Turn an operating system's error while writing into one that says what to do."""
    try:
        yield
    except OSError as error:
        raise CorpusError(
            f"{place}: cannot be written ({error.strerror or error}); see to space and rights and repeat the "
            "command: it goes on with what is missing"
        ) from error


def concatenate_parquet(files: Iterable[Path], path: Path) -> None:
    """Write the rows of all files, which share a schema, to one file; one file is in memory at a time."""
    with atomic_path(path) as temporary:
        writer: Any = None
        try:
            for file in files:
                table: pa.Table = pq.read_table(file)
                writer = writer or pq.ParquetWriter(temporary, table.schema, compression="zstd")
                writer.write_table(table)
        finally:
            if writer is not None:
                writer.close()

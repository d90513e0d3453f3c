"""Writer of avatar pairs: driving frames → expressions → a woman and a man → videos, landmarks, table.

Each driving video is one job, whatever happens to the others: its labels are read, its two avatars rendered a
few frames at a time, and its note written last. Memory therefore depends on no number of frames, a killed
writer goes on with the jobs that have no note, and shards need not know of each other; the one that finds all
notes there puts the table together.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock

from aukit.datasets.avatar_pairs import (
    FRAMES,
    IDENTITIES,
    MARKER,
    NAMESPACE,
    RECORDINGS,
    AvatarPairs,
    with_pair_ids,
)
from aukit.datasets.bp4d import BP4D
from aukit.datasets.fera2017 import FERA2017
from aukit.datasets.folds import FOLD_SPLITS
from aukit.datasets.frame_table import FrameTable
from aukit.datasets.release import Release
from aukit.errors import ConfigError, CorpusError
from aukit.simulation.pairs.driving import CODES, FILES, SIMULATED, check_tracker, expressions
from aukit.simulation.pairs.identities import (
    AvatarIdentity,
    assign,
    avatar_identities,
    distribution,
    identity_table,
)
from aukit.simulation.pairs.recorder import AvatarPairsConfig, film
from aukit.utils.files import write_atomic
from aukit.utils.jobs import WHOLE, Shard, claim, concatenate_parquet, disk_errors, remove_leftovers, run_jobs

DRIVERS: dict[str, Callable[[Path, tuple[str, ...], tuple[int, ...]], Release]] = {
    "fera2017": FERA2017,
    "bp4d": lambda root, partitions, views: _bp4d(root, partitions),
}
"""Readers of the driving corpora, by root, partitions and views."""

DEFAULTS: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
    "fera2017": (("train",), (6,)),
    "bp4d": (tuple(FOLD_SPLITS["bp4d"]), (0,)),
}
"""Partitions and views that drive unless others are named."""


@dataclass(frozen=True)
class _Place:
    """Where everything is, the same for all jobs."""

    recipe: AvatarPairsConfig
    drive_root: Path
    out: Path
    tracker: Path | None


@dataclass(frozen=True)
class _Job:
    """One driving recording and the avatars of its person."""

    person: str
    video: str
    title: str
    identities: tuple[AvatarIdentity, AvatarIdentity]

    def note(self, out: Path) -> Path:
        return out / RECORDINGS / f"{self.title}.json"

    def rows(self, out: Path) -> Path:
        return out / RECORDINGS / f"{self.title}.parquet"

    def render_file(self, out: Path, identity: AvatarIdentity) -> Path:
        return out / "videos" / identity.subject / f"{self.title}.mp4"

    def landmarks(self, out: Path, identity: AvatarIdentity) -> Path:
        return out / "landmarks" / identity.subject / f"{self.title}.npy"

    def is_done(self, out: Path) -> bool:
        """Whether its note is there, and so are its files unless no frame could be used."""
        if not self.note(out).exists():
            return False
        files = [f(out, m) for m in self.identities for f in (self.render_file, self.landmarks)]
        return self.frames(out) == 0 or all(file.exists() for file in [self.rows(out), *files])

    def frames(self, out: Path) -> int:
        """Number of frames that drive avatars, from the note."""
        return int(json.loads(self.note(out).read_text(encoding="utf-8"))["frames"])


def write_avatar_pairs(
    out: str | Path,
    drive: str,
    drive_root: str | Path,
    size: int = 256,
    seed: int = 0,
    partitions: Sequence[str] | None = None,
    views: Sequence[int] | None = None,
    tracker: str | Path | None = None,
    basis: str = "procedural",
    shard: Shard = WHOLE,
    workers: int | None = None,
    progress: bool = True,
) -> str:
    """Render the pairs of a driving corpus, or go on with what is missing.

    Cost: about 1.1 GB of memory per process whatever the number of frames, and 7.4 KB of disk per render at
    256²; see `aukit/simulation/README.md`.

    Args:
        out: Folder of the pairs; made if missing.
        drive: Name of the driving corpus; ``bp4d`` or ``fera2017``.
        drive_root: Its folder.
        size: Width and height of the renders in pixels, even.
        seed: Seed of everything that is drawn.
        partitions: Of the driving corpus; those that it lacks are left out. None for all parts of BP4D, or
            FERA 2017's Train.
        views: Of the driving corpus; None for its frontal one.
        tracker: Folder of a tracker's CSV files, one per recording; None to be driven by the codes.
        basis: Face basis of the avatars.
        shard: Which share of the driving videos to do; all shards write to the same folder.
        workers: Processes; None for one per core, 0 or 1 to work in this process.
        progress: Whether to show a progress bar.

    Returns:
        What is there now: frames, exclusions by reason, and the avatars by gender, tone and age.

    Raises:
        ConfigError: There is no such driving corpus, partition, view, size or face basis.
        CorpusError: The driving corpus or a tracker's file is damaged, `out` holds something else, or the
            disk is full; everything finished stays and is not done again.
    """
    out, drive_root = Path(out), Path(drive_root)
    tracker = None if tracker is None else Path(tracker)
    if size < 16 or size % 2 or seed < 0:
        raise ConfigError(
            f"size {size}, seed {seed}: needed are an even size of at least 16 and no negative seed"
        )
    if drive not in DRIVERS:
        raise ConfigError(f"{drive!r} drives no avatars; known are {', '.join(DRIVERS)}")
    usual = DEFAULTS[drive]
    partitions, views = tuple(partitions or usual[0]), tuple(views or usual[1])
    if drive != "fera2017" and views != usual[1]:
        raise ConfigError(f"views {views}: {drive} has one view; leave views to FERA 2017")
    _driver.cache_clear()  # the folder may have changed since the last call
    corpus = _driver(drive, drive_root, partitions, views)
    standin = corpus.standin
    how = FILES if tracker else SIMULATED if standin else CODES
    recipe = AvatarPairsConfig(drive, partitions, views, how, size, seed, basis=basis)
    driver = {"corpus": drive, "fingerprint": corpus.fingerprint(), "standin": standin}
    if tracker:
        driver["tracker"] = check_tracker(tracker, [corpus.title(video) for video in corpus.videos])
    avatar_identities(seed)[0].avatar(seed, basis)  # says now if there is no such basis
    claim(out, MARKER, recipe.description(driver))
    people = corpus.people
    identities = assign(list(people), seed)
    jobs = [
        _Job(p, video, corpus.title(video), identities[p]) for p, videos in people.items() for video in videos
    ]
    with disk_errors(out):
        write_atomic(out / IDENTITIES, identity_table(avatar_identities(seed)).to_csv(index=False).encode())
        (out / RECORDINGS).mkdir(exist_ok=True)
    # A second process with the same share waits, and then finds all done.
    with FileLock(out / RECORDINGS / f".shard-{shard.index}-{shard.count}.lock"):
        own = shard.of(jobs)
        todo = [job for job in own if not job.is_done(out)]
        work = partial(_render_video, _Place(recipe, drive_root, out, tracker))
        run_jobs(work, todo, len(own), "rendering pairs", "video", workers, progress)
    waiting = sum(not job.is_done(out) for job in jobs)
    if not waiting and (todo or not (out / FRAMES).exists()):
        parts = [job.rows(out) for job in jobs if job.frames(out)]
        if not parts:
            raise CorpusError(
                f"{drive_root}: not a single frame drives an avatar\n{_summary(out, jobs, seed)}"
            )
        with disk_errors(out / FRAMES):
            concatenate_parquet(parts, out / FRAMES)
    return _summary(out, jobs, seed)


@lru_cache(maxsize=1)
def _driver(drive: str, root: Path, partitions: tuple[str, ...], views: tuple[int, ...]) -> Release:
    """Reader of the driving corpus, one per process; it holds names, no frame and no label."""
    return DRIVERS[drive](root, partitions, views)


def _bp4d(root: Path, partitions: tuple[str, ...]) -> BP4D:
    """BP4D's people of the given parts."""
    if unknown := [p for p in partitions if p not in FOLD_SPLITS["bp4d"]]:
        raise ConfigError(f"partitions {unknown}: BP4D has {', '.join(FOLD_SPLITS['bp4d'])}")
    persons = [f"{BP4D.namespace}/{subject}" for part in partitions for subject in FOLD_SPLITS["bp4d"][part]]
    return BP4D(root, persons=persons)


def _render_video(place: _Place, job: _Job) -> None:
    """One job; its note is written last."""
    out, recipe = place.out, place.recipe
    corpus = _driver(recipe.drive, place.drive_root, recipe.partitions, recipe.views)
    table, left_out = corpus.read(job.video)
    excluded = [(e.position, e.reason) for e in left_out]
    frames, repairs = 0, {}
    if table is not None:
        position = table.frame["position"].to_numpy()
        rows = corpus.tracker_rows(job.video, position)
        moved = expressions(table, recipe.expression, recipe.seed, job.title, place.tracker, rows)
        kept = np.array([not reason for reason in moved.reasons])
        excluded += [(int(position[i]), moved.reasons[i]) for i in np.flatnonzero(~kept)]
        frames, repairs = int(kept.sum()), moved.repairs
    with disk_errors(out):
        for path in (job.note(out), job.rows(out)):
            remove_leftovers(path)
        if table is not None and frames:
            driven = with_pair_ids(table.take(np.flatnonzero(kept)))
            parts = []
            for identity in job.identities:
                video, points = job.render_file(out, identity), job.landmarks(out, identity)
                film(recipe, job.title, identity, moved.activations[kept], video, points)
                parts.append(_rows(driven, job, identity, out))
            FrameTable(pd.concat(parts, ignore_index=True)).write_parquet(job.rows(out))
        note = {
            "video": job.video,
            "avatars": [m.subject for m in job.identities],
            "frames": frames,
            "exclusions": excluded,
            "repairs": repairs,
        }
        write_atomic(job.note(out), json.dumps(note).encode() + b"\n")


def _rows(driven: FrameTable, job: _Job, identity: AvatarIdentity, out: Path) -> pd.DataFrame:
    """Rows of one avatar's video: everything of the driving frame but who is seen and where."""
    frame = driven.frame
    tasks = zip(frame["subject"], frame["task"], frame["view"], strict=True)
    return frame.assign(
        corpus=AvatarPairs.name,
        person=f"{NAMESPACE}/{identity.subject}",
        subject=identity.subject,
        gender=identity.gender,
        task=[f"{subject}_{task}_{view}" for subject, task, view in tasks],
        view=0,
        video=job.render_file(out, identity).relative_to(out).as_posix(),
        position=np.arange(len(frame)),
    )


def _summary(out: Path, jobs: list[_Job], seed: int) -> str:
    """What is there: read from the notes, one after the other."""
    frames: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    repairs: Counter[str] = Counter()
    done = 0
    for job in jobs:
        if not job.is_done(out):
            continue
        done += 1
        note = json.loads(job.note(out).read_text(encoding="utf-8"))
        frames.update({identity.subject: note["frames"] for identity in job.identities if note["frames"]})
        repairs.update(note["repairs"])
        reasons.update(
            reason if position is not None else f"whole video: {reason}"
            for position, reason in note["exclusions"]
        )
    pairs = sum(frames.values()) // 2
    lines = [f"{pairs} pairs, {2 * pairs} renders of {len(frames)} avatars from {done} of {len(jobs)} videos"]
    if frames:
        lines.append(f"renders per avatar in use: {min(frames.values())} to {max(frames.values())}")
    lines += [f"driving frames without avatars: {n}: {reason}" for reason, n in sorted(reasons.items())]
    lines += [f"in the tracker's files, {what}: {n}" for what, n in sorted((+repairs).items())]
    if done < len(jobs):
        lines.append(f"{FRAMES} follows when all shards are done; repeat or run the others")
    return "\n".join(
        [
            *lines,
            "",
            "the avatars (tone 1 is the lightest):",
            distribution(avatar_identities(seed)).to_string(),
        ]
    )

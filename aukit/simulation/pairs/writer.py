"""Writer of avatar pairs: driving frames → expressions → a woman and a man → videos, landmarks, table.

Each driving video is one job, whatever happens to the others: its labels are read, its two avatars rendered a
few frames at a time, and its note written last. Memory use is therefore independent of the number of frames,
a killed writer resumes with the jobs that have no note, and shards work independently; the one that finds all
notes there writes the table.
"""

from __future__ import annotations

import inspect
import json
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

from aukit.datasets.avatar_pairs import (
    FRAMES,
    IDENTITIES,
    MARKER,
    NAMESPACE,
    RECORDINGS,
    AvatarPairs,
    with_pair_ids,
)
from aukit.datasets.frame_table import FrameTable
from aukit.datasets.registry import corpus_entry
from aukit.datasets.release import Release
from aukit.errors import ConfigError, CorpusError
from aukit.simulation.bases import face_model
from aukit.simulation.pairs.driving import (
    CODES,
    FILES,
    NO_FILE,
    SIMULATED,
    check_tracker,
    expressions,
    tracker_file,
)
from aukit.simulation.pairs.identities import (
    AvatarIdentity,
    assign,
    avatar_identities,
    distribution,
    identity_table,
)
from aukit.simulation.pairs.recorder import AvatarPairsConfig, record_avatar
from aukit.utils.files import write_atomic
from aukit.utils.jobs import (
    WHOLE,
    Shard,
    SharedJobs,
    claim,
    concatenate_parquet,
    disk_errors,
)


@dataclass(frozen=True)
class _Place:
    """Where everything is, the same for all jobs."""

    config: AvatarPairsConfig
    expression: str
    driving_root: Path
    out: Path
    tracker: Path | None


@dataclass(frozen=True)
class PairJob:
    """One driving recording and the avatars of its person.

    Attributes:
        video: Name of the recording in what drives.
        title: Stem of its files.
        identities: A woman and a man.
    """

    video: str
    title: str
    identities: tuple[AvatarIdentity, AvatarIdentity]

    def note(self, out: Path) -> Path:
        """Why frames have no avatars; written last."""
        return out / RECORDINGS / f"{self.title}.json"

    def rows(self, out: Path) -> Path:
        """Its rows of the table."""
        return out / RECORDINGS / f"{self.title}.parquet"

    def render_file(self, out: Path, identity: AvatarIdentity) -> Path:
        """Video of an avatar."""
        return out / "videos" / identity.subject / f"{self.title}.mp4"

    def landmarks(self, out: Path, identity: AvatarIdentity) -> Path:
        """Landmarks of that video."""
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
    driving_root: str | Path,
    config: AvatarPairsConfig,
    tracker: str | Path | None = None,
    shard: Shard = WHOLE,
    workers: int | None = None,
    progress: bool = True,
) -> str:
    """Render the pairs of a driving corpus, or what is missing of them.

    Any registered corpus whose reader is a `Release` can drive.

    Cost: about 1.1 GB of memory per process whatever the number of frames, and 7.4 KB of disk per render at
    256²; see `aukit/simulation/README.md`.

    Args:
        out: Folder of the pairs; made if missing.
        driving_root: Folder of the driving corpus.
        config: What to render.
        tracker: Folder of a tracker's CSV files, one per recording; None to be driven by the codes.
        shard: Which share of the driving videos to do; all shards write to the same folder.
        workers: Processes; None for one per core, 0 or 1 to work in this process.
        progress: Whether to show a progress bar.

    Returns:
        What is there now: frames, exclusions by reason, and the avatars by gender, tone and age.

    Raises:
        ConfigError: There is no such driving corpus, partition, view or face basis.
        CorpusError: The driving corpus or a tracker's file is damaged, `out` holds something else, or the
            disk is full; everything finished stays and is not done again.
    """
    out, driving_root = Path(out), Path(driving_root)
    tracker = None if tracker is None else Path(tracker)
    _driving_corpus.cache_clear()  # the folder may have changed since the last call
    config = replace(config, views=_views(config))
    corpus = _driving_corpus(config.driving_corpus, driving_root, config.views)
    config = replace(config, partitions=_partitions(config, corpus))
    jobs = _jobs(config, corpus)
    expression = FILES if tracker else SIMULATED if corpus.standin else CODES
    driver = {
        "corpus": config.driving_corpus,
        "fingerprint": corpus.fingerprint(),
        "standin": corpus.standin,
    }
    if tracker:
        driver["tracker"] = check_tracker(tracker, [job.title for job in jobs])
    everybody = avatar_identities(config.seed)
    face_model(config.basis)  # says now if there is no such basis
    claim(out, MARKER, config.description(expression, driver))
    with disk_errors(out):
        write_atomic(out / IDENTITIES, identity_table(everybody).to_csv(index=False).encode())
    shared = SharedJobs(
        folder=out / RECORDINGS,
        jobs=jobs,
        work=partial(_render_video, _Place(config, expression, driving_root, out, tracker)),
        is_done=lambda job: job.is_done(out),
        results=[out / FRAMES],
        join=lambda: _join(out, jobs, everybody),
    )
    shared.run(shard, "rendering pairs", "video", workers, progress)
    return summary(out, jobs, everybody)


@lru_cache(maxsize=1)
def _driving_corpus(name: str, root: Path, views: tuple[int, ...] | None) -> Release:
    """Reader of the driving corpus, one per process; it holds names, no frame and no label."""
    reader = corpus_entry(name).load("reader")
    corpus: Release = reader(root) if views is None else reader(root, views=views)
    return corpus


def _views(config: AvatarPairsConfig) -> tuple[int, ...] | None:
    """Views to read; None where the reader does not ask for them."""
    entry = corpus_entry(config.driving_corpus)
    reader = entry.load("reader")
    if not issubclass(reader, Release):
        raise ConfigError(f"{entry.title}: cannot drive avatars, since its reader is no Release")
    option = inspect.signature(reader).parameters.get("views")
    if option is None and config.views is not None:
        raise ConfigError(
            f"views {config.views}: the reader of {entry.title} has no such option; leave it out"
        )
    return None if option is None else tuple(config.views or option.default)


def _partitions(config: AvatarPairsConfig, corpus: Release) -> tuple[str, ...]:
    """Partitions whose frames drive."""
    there = tuple(dict.fromkeys(recording.partition for recording, _ in corpus.recordings.values()))
    partitions = config.partitions or corpus.driving_partitions or there
    if unknown := [partition for partition in partitions if partition not in there]:
        raise ConfigError(f"partitions {unknown}: this copy of {corpus.corpus_title} has {', '.join(there)}")
    return tuple(partitions)


def _jobs(config: AvatarPairsConfig, corpus: Release) -> list[PairJob]:
    """One job for each driving video, person by person."""
    videos: dict[str, list[str]] = {}
    for video, (recording, _) in corpus.recordings.items():
        if recording.partition in (config.partitions or ()):
            videos.setdefault(recording.person, []).append(video)
    avatars = assign(list(videos), config.seed)
    return [PairJob(v, corpus.title(v), avatars[person]) for person, own in videos.items() for v in own]


def _render_video(place: _Place, job: PairJob) -> None:
    """One job; its note is written last."""
    out, config = place.out, place.config
    corpus = _driving_corpus(config.driving_corpus, place.driving_root, config.views)
    table, left_out = corpus.read(job.video)
    excluded = [(e.position, e.reason) for e in left_out]
    frames, repairs = 0, {}
    if table is not None:
        position = table.frame["position"].to_numpy()
        rows = corpus.tracker_rows(job.video, position) if place.tracker else None
        moved = expressions(table, place.expression, config.seed, job.title, place.tracker, rows)
        kept = np.array([not reason for reason in moved.reasons])
        excluded += [(int(position[i]), moved.reasons[i]) for i in np.flatnonzero(~kept)]
        frames, repairs = int(kept.sum()), moved.repairs
    with disk_errors(out):
        if table is not None and frames:
            driven = with_pair_ids(table.take(np.flatnonzero(kept)))
            tables = []
            for identity in job.identities:
                video, landmarks = job.render_file(out, identity), job.landmarks(out, identity)
                record_avatar(config, job.title, identity, moved.activations[kept], video, landmarks)
                tables.append(_rows(driven, job, identity, out))
            FrameTable(pd.concat(tables, ignore_index=True)).write_parquet(job.rows(out))
        note = {
            "video": job.video,
            "avatars": [identity.subject for identity in job.identities],
            "frames": frames,
            "exclusions": excluded,
            "repairs": repairs,
        }
        write_atomic(job.note(out), json.dumps(note).encode() + b"\n")


def _join(out: Path, jobs: list[PairJob], everybody: list[AvatarIdentity]) -> None:
    """One table of all videos."""
    files = [job.rows(out) for job in jobs if job.frames(out)]
    if not files:
        raise CorpusError(f"{out}: not a single frame drives an avatar\n{summary(out, jobs, everybody)}")
    concatenate_parquet(files, out / FRAMES)


def _rows(driven: FrameTable, job: PairJob, identity: AvatarIdentity, out: Path) -> pd.DataFrame:
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


def summary(out: Path, jobs: list[PairJob], everybody: list[AvatarIdentity]) -> str:
    """What is there: read from the notes, one after the other."""
    frames: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    repairs: Counter[str] = Counter()
    without: list[str] = []
    done = 0
    for job in jobs:
        if not job.is_done(out):
            continue
        done += 1
        note = json.loads(job.note(out).read_text(encoding="utf-8"))
        frames.update({identity.subject: note["frames"] for identity in job.identities if note["frames"]})
        repairs.update(note["repairs"])
        if NO_FILE in {reason for _, reason in note["exclusions"]}:
            without.append(tracker_file(job.title))
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
    if without:
        lines.append(f"videos without a tracker's file: {len(without)}; expected for example {without[0]}")
    if done < len(jobs):
        lines.append(f"{FRAMES} follows when all shards are done; repeat or run the others")
    return "\n".join(
        [
            *lines,
            "",
            "the avatars (tone 1 is the lightest):",
            distribution(everybody).to_string(),
        ]
    )

"""Corpus → prepared store: decode, find landmarks, register; killed at any moment, it resumes where it was.

Each video, or some short ones, becomes a *shard* (crops as bytes, then a small file of landmarks and
exclusions whose appearance marks the shard as done). When all shards are there they are moved into one file,
one by one, so that the disk never holds the crops twice. The folder takes its final name, which contains the
fingerprint, as the very last step: what has that name is complete.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from aukit.datasets.frame_table import FrameTable
from aukit.datasets.reader import CorpusReader
from aukit.errors import ConfigError, StoreError
from aukit.registration import (
    AsIs,
    AukitLandmarks,
    FaceAlignmentLandmarks,
    LandmarkSource,
    NoLandmarks,
    Registration,
    SidecarLandmarks,
    build_registration,
)
from aukit.store.encoding import ENCODED, INDEX, DamagedStoreError, Encoding, encoded_index, store_kind
from aukit.store.files import array_header, reserve
from aukit.store.shards import Corpus, ShardJob, StoreJob, make_shards, pixels_path, read_notes, split_jobs
from aukit.store.store import (
    EXCLUSIONS,
    IMAGES,
    LANDMARKS,
    MANIFEST,
    SCHEMA,
    TABLE,
    PreparedStore,
)
from aukit.utils.files import atomic_folder, atomic_path, building_folder, write_atomic
from aukit.utils.jobs import Shard
from aukit.utils.locks import waited_for

RAW = Encoding()


def store_fingerprint(
    corpus: Corpus,
    registration: Registration,
    landmark_source: LandmarkSource,
    selection: npt.NDArray[np.int64] | None = None,
    encoding: Encoding = RAW,
) -> str:
    """Hash (64 hex digits) of everything that decides a store's content; cheap, no frame is read."""
    content = {
        "schema": SCHEMA,
        "corpus": corpus.fingerprint(),
        "registration": [registration.name, registration.size, registration.settings],
        "landmarks": landmark_source.name,
        "selection": None if selection is None else np.asarray(selection, dtype=np.int64).tolist(),
        **encoding.settings,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def prepare(
    corpus: Corpus,
    registration: Registration,
    landmark_source: LandmarkSource,
    out: str | Path,
    selection: npt.NDArray[np.int64] | None = None,
    workers: int = 2,
    progress: bool = True,
    encoding: Encoding = RAW,
) -> PreparedStore:
    """Build the prepared store of a corpus below `out`, or open it when it is complete.

    Repeating the call after a kill continues with the videos that are missing and ends in the same bytes.
    Other settings, or a file of the corpus with another size, time or (where it is small) content, lead to
    another folder. Two processes that ask for the same store do not build it twice: the second waits. A
    damaged store is built again, and stays until the new one is complete. Frames without label are left out
    where other frames of their partition have labels.

    Cost: a few milliseconds per frame and worker (face-alignment landmarks: far more); `S * S * 3` bytes of
    disk per frame without encoding, and memory for 32 frames per worker.

    Args:
        corpus: reader of a release.
        registration: frames and landmarks → crops.
        landmark_source: frames → 68 points; its `check()` runs before any work.
        out: folder of all prepared stores.
        selection: rows of `corpus.table` to use; None for all.
        workers: processes; 0 works in this process.
        progress: whether to show a progress bar.
        encoding: how crops are kept; without compression if not given.

    Returns:
        The opened store; `store.summary()` and `store.exclusions` tell what was left out and why.

    Raises:
        StoreError: not a single frame could be used, or a file of the corpus changed meanwhile.
        WeightsError: the landmark source lacks its weights.
        ConfigError: the encoding does not go with the registration.
    """
    encoding.check(registration.name)
    fingerprint = store_fingerprint(corpus, registration, landmark_source, selection, encoding)
    final = _folder(corpus, registration, Path(out), encoding, fingerprint)
    if (store := _finished(final)) is not None:
        return store
    landmark_source.check()
    final.parent.mkdir(parents=True, exist_ok=True)
    with _only_builder(final.with_name(f".{final.name}.lock")):
        if _finished(final) is None:
            if final.exists():
                print(f"{final}: the store is damaged and is built again", flush=True)
            rows, unlabelled = _usable_rows(corpus.table, selection)
            with atomic_folder(final, resume=True) as building:
                if _finished(building) is None:
                    # Never beside arrays that are half-made again.
                    (building / MANIFEST).unlink(missing_ok=True)
                    job = StoreJob(corpus, registration, landmark_source, building, encoding)
                    shard_jobs = split_jobs(corpus.table, rows)
                    make_shards(job, shard_jobs, workers, progress)
                    _refuse_changes(job)
                    _merge(job, shard_jobs, unlabelled, fingerprint)
                _clean(building)
    return PreparedStore.open(final)


LandmarkSourceName = Literal["sidecar", "face-alignment", "aukit"]
"""Files beside the corpus, face-alignment's networks, or those of the package."""


def landmark_source(
    corpus: CorpusReader,
    registration: str,
    weights_dir: str | Path | None = None,
    name: LandmarkSourceName | None = None,
) -> LandmarkSource:
    """Where a corpus' landmarks come from: from what is named, else from the corpus itself or our networks.

    Weights of face-alignment name face-alignment. Frames that are crops already are taken without landmarks,
    unless a source or its weights are named.

    Raises:
        ConfigError: Weights of face-alignment are named beside another source.
    """
    if name not in (None, "face-alignment") and weights_dir is not None:
        raise ConfigError(f"landmarks by {name} need no weights of face-alignment: leave out {weights_dir}")
    if name == "sidecar" or (name is None and corpus.has_sidecar):
        return SidecarLandmarks(corpus)
    if name == "face-alignment" or weights_dir is not None:
        return FaceAlignmentLandmarks(weights_dir)
    return NoLandmarks() if registration == AsIs.name and name is None else AukitLandmarks()


def prepare_release(
    corpus: CorpusReader,
    cache: str | Path,
    registration: str,
    size: int,
    weights_dir: str | Path | None = None,
    workers: int = 2,
    encoding: Literal["webp", "jpeg"] | None = None,
    quality: int | None = None,
    landmarks: LandmarkSourceName | None = None,
    **settings: Any,
) -> PreparedStore:
    """Build the prepared store of a release, or open it; see `prepare`.

    Args:
        corpus: reader of the release, of a stand-in with the same layout, or of avatar pairs.
        cache: folder of prepared stores.
        registration: "ffhq", "similarity", "frontal3d", "prnet" or "none".
        size: side of the crops in pixels.
        weights_dir: folder of face-alignment's weights, for releases without a landmark sidecar; with the
            registration "none" and without the folder, frames have no landmarks.
        workers: processes.
        encoding: how crops are kept, see `aukit.store.Encoding`.
        quality: of the encoding "jpeg".
        landmarks: where landmarks come from, see `landmark_source`.
        settings: further arguments of the registration, such as `transform_size` of "ffhq".
    """
    source = landmark_source(corpus, registration, weights_dir, landmarks)
    build = build_registration(registration, size, **settings)
    return prepare(corpus, build, source, cache, workers=workers, encoding=Encoding(encoding, quality))


def prepare_share(
    shard: Shard,
    corpus: CorpusReader,
    cache: str | Path,
    registration: str,
    size: int,
    weights_dir: str | Path | None = None,
    workers: int = 2,
    encoding: Literal["webp", "jpeg"] | None = None,
    quality: int | None = None,
    landmarks: LandmarkSourceName | None = None,
    **settings: Any,
) -> int:
    """Register the videos of one of several processes that build a store together, on any machines.

    Args:
        shard: which of the processes this one is.
        corpus: as of `prepare_release`, and so are the others.
        cache: folder of prepared stores.
        registration: kind of crops.
        size: side of the crops in pixels.
        weights_dir: folder of face-alignment's weights.
        workers: processes that this one starts.
        encoding: how crops are kept.
        quality: of the encoding "jpeg".
        landmarks: where landmarks come from.
        settings: further arguments of the registration.

    Returns:
        How many parts are still missing, of all shares; where none is, `prepare_release` joins them.
    """
    source = landmark_source(corpus, registration, weights_dir, landmarks)
    kept = Encoding(encoding, quality)
    build = build_registration(registration, size, **settings)
    kept.check(build.name)
    fingerprint = store_fingerprint(corpus, build, source, encoding=kept)
    final = _folder(corpus, build, Path(cache), kept, fingerprint)
    if _finished(final) is not None:
        return 0
    source.check()
    final.parent.mkdir(parents=True, exist_ok=True)
    job = StoreJob(corpus, build, source, building_folder(final), kept)
    jobs = split_jobs(corpus.table, _usable_rows(corpus.table, None)[0])
    with _only_builder(final.with_name(f".{final.name}-{shard.index}-{shard.count}.lock")):
        make_shards(job, shard.of(jobs), workers, progress=True)
    missing = sum(read_notes(job, each) is None for each in jobs)
    return 0 if _finished(final) is not None else missing  # another may have joined them meanwhile


def _folder(
    corpus: Corpus, registration: Registration, out: Path, encoding: Encoding, fingerprint: str
) -> Path:
    """Where a store lies when it is complete."""
    kind = store_kind(registration.name, encoding)
    return out / f"{_corpus_name(corpus)}-{kind}-{registration.size}-{fingerprint[:12]}"


def _corpus_name(corpus: Corpus) -> str:
    return str(getattr(corpus, "name", type(corpus).__name__)).lower()


def _finished(folder: Path) -> PreparedStore | None:
    """The store in a folder; None if it is not complete or is damaged."""
    if not (folder / MANIFEST).is_file():
        return None
    try:
        return PreparedStore.open(folder)
    except DamagedStoreError:
        return None


def _refuse_changes(job: StoreJob) -> None:
    """Check that all frames come from the files that the fingerprint was made of."""
    if changed := job.corpus.changed():
        shutil.rmtree(job.folder)
        some = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
        raise StoreError(
            f"{some}: changed after the corpus was opened, while its store was built; nothing of that store"
            " is kept. Repeat the command when nothing writes to the corpus any more"
        )


def _only_builder(path: Path) -> AbstractContextManager[None]:
    return waited_for(path, f"waiting for another process that builds this store ({path})")


def _usable_rows(
    table: FrameTable, selection: npt.NDArray[np.int64] | None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows to decode, and rows left out because nothing is coded although their partition has labels."""
    frame = table.frame
    rows = np.arange(len(frame)) if selection is None else np.unique(np.asarray(selection, dtype=np.int64))
    labels = frame.filter(regex=r"^AU\d\d_[cr]$")
    coded = labels.notna().to_numpy().any(axis=1)
    has_labels = pd.Series(coded).groupby(frame["partition"].to_numpy()).transform("any").to_numpy(dtype=bool)
    keep = (coded | ~has_labels)[rows]
    return rows[keep], rows[~keep]


def _merge(
    job: StoreJob, shard_jobs: list[ShardJob], unlabelled: npt.NDArray[np.int64], fingerprint: str
) -> None:
    """Move the shards into one array and write the small files; a killed merge resumes where it was."""
    folder, size = job.folder, job.registration.size
    notes = [note for shard_job in shard_jobs if (note := read_notes(job, shard_job)) is not None]
    assert len(notes) == len(shard_jobs)  # they were made just now
    frames = sum(len(note["rows"]) for note in notes)
    if frames == 0:
        reasons = sorted({str(reason) for note in notes for reason in note["reasons"]}) or [
            "no frame is labelled"
        ]
        shutil.rmtree(folder)
        raise StoreError(
            f"no frame of the corpus can be used ({'; '.join(reasons[:3])}); mend that and repeat the command"
        )
    lengths = np.concatenate([note["lengths"] for note in notes])
    header = b""
    if job.encoding.format is None:
        header = array_header((frames, size, size, 3))
    else:
        with atomic_path(folder / INDEX) as temporary:
            np.save(temporary, encoded_index(lengths, np.concatenate([note["checksums"] for note in notes])))
    _move_shards(job, header, shard_jobs, [int(note["lengths"].sum()) for note in notes])
    with atomic_path(folder / LANDMARKS) as temporary:
        np.save(temporary, np.concatenate([note["landmarks"] for note in notes]))
    table = job.corpus.table.frame
    rows = np.concatenate([note["rows"] for note in notes])
    FrameTable(table.iloc[rows].reset_index(drop=True)).write_parquet(folder / TABLE)
    exclusions = _exclusion_table(job.corpus, notes, unlabelled)
    with atomic_path(folder / EXCLUSIONS) as temporary:
        exclusions.to_parquet(temporary)
    manifest = {
        "schema": SCHEMA,
        "fingerprint": fingerprint,
        "frames": frames,
        "corpus": _corpus_name(job.corpus),
        "standin": job.corpus.standin,
        "registration": {
            "name": job.registration.name,
            "size": size,
            "settings": job.registration.settings,
        },
        **job.encoding.settings,
        "landmarks": job.landmark_source.name,
        "notes": list(job.corpus.notes),
    }
    write_atomic(folder / MANIFEST, json.dumps(manifest, indent=1, default=str).encode())


def _move_shards(store_job: StoreJob, header: bytes, jobs: list[ShardJob], lengths: Sequence[int]) -> None:
    """Move shards of so many bytes into one file, behind its header."""
    path, size = store_job.images, len(header) + sum(lengths)
    # As long as no shard is gone, an existing file may be half-made: start again.
    if all(pixels_path(store_job.folder, job).is_file() for job in jobs):
        path.write_bytes(header)
        os.truncate(path, size)
    elif (found := path.stat().st_size if path.is_file() else 0) != size:
        shutil.rmtree(store_job.folder)
        raise StoreError(
            f"{store_job.folder}: the half-built store was damaged ({path.name} has {found:,} bytes, expected"
            f" {size:,}) and is removed; repeat the command"
        )
    at = len(header)
    with path.open("r+b") as whole:
        for job, length in zip(jobs, lengths, strict=True):
            shard = pixels_path(store_job.folder, job)
            if shard.is_file():
                reserve(path, at, length)  # a full disk is an error that names the file
                with shard.open("rb") as part:
                    whole.seek(at)
                    shutil.copyfileobj(part, whole, 2**20)
                whole.flush()
                os.fsync(whole.fileno())
                shard.unlink()
            at += length


def _clean(folder: Path) -> None:
    """Leave nothing but the store: no shards, no half-written files of a killed run."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in (IMAGES, ENCODED, INDEX, LANDMARKS, TABLE, EXCLUSIONS, MANIFEST):
            path.unlink()


def _exclusion_table(
    corpus: Corpus, notes: list[dict[str, Any]], unlabelled: npt.NDArray[np.int64]
) -> pd.DataFrame:
    table = corpus.table.frame
    excluded = {
        int(row): str(why)
        for note in notes
        for row, why in zip(note["excluded"], note["reasons"], strict=True)
    }
    excluded.update(dict.fromkeys(unlabelled.tolist(), "no action unit is coded"))
    rows = sorted(excluded)
    own = pd.DataFrame(
        {
            "video": table["video"].iloc[rows].astype(str).to_numpy(),
            "position": table["position"].iloc[rows].to_numpy(),
            "reason": [excluded[row] for row in rows],
        }
    )
    found = pd.DataFrame(
        [(str(e.video), e.position, str(e.reason)) for e in corpus.exclusions],
        columns=["video", "position", "reason"],
    )
    both = pd.concat([found, own], ignore_index=True) if len(found) else own
    return both.astype({"video": str, "position": "Int64", "reason": str})

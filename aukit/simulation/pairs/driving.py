"""Expressions of the avatars: frames of a driving corpus → activations, from its codes or a tracker's files.

- ``codes``: the corpus' own labels. Intensities where it has them; where it only says present or absent,
  each event gets a level drawn with `LEVEL_SHARES`; what is not coded rests.
- ``simulated tracker``: the same, and then with the errors of `au_tracker_noise`; for stand-ins, whose codes
  are nearer to their faces than any tracker of real faces would be.
- ``tracker files``: ``<recording>.csv`` of OpenFace, ARKit, MediaPipe or py-feat
  (`aukit.simulation.pairs.tracker_files`), where a recording is named like its video, or ``F001_T1``
  (`Release.title`).
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aukit.datasets.frame_table import FrameTable
from aukit.datasets.tracker_rows import TrackerRows
from aukit.datasets.tracker_timeline import OtherFramesError
from aukit.errors import CorpusError
from aukit.facs import VISIBLE_AUS
from aukit.simulation.behaviour.intensity_curves import LEVEL_SHARES
from aukit.simulation.pairs.au_tracker_noise import AUTrackerNoise, add_au_tracker_noise
from aukit.simulation.pairs.retargeting import both_sides, from_labels, sample_levels, smooth
from aukit.simulation.pairs.tracker_files import AUTrack, read_tracker

CODES, SIMULATED, FILES = "codes", "simulated tracker", "tracker files"
NO_FILE = "no file of the tracker for this video"


@dataclass(frozen=True)
class Expressions:
    """How the avatars of a recording's frames move.

    Attributes:
        activations: float32 [N, A, 2] (person's left, right), one row per row of the table.
        reasons: N texts: why a frame drives no avatar, empty for those that do.
        repairs: What was mended in the recording's file of the tracker, and how often.
    """

    activations: npt.NDArray[np.float32]
    reasons: tuple[str, ...]
    repairs: dict[str, int] = field(default_factory=dict)


def expressions(
    table: FrameTable,
    how: str,
    seed: int,
    recording: str,
    tracker: Path | None = None,
    rows: TrackerRows | None = None,
) -> Expressions:
    """Expressions of the frames of one recording; a pure function of the arguments and the tracker's files.

    Args:
        table: Rows of one recording, positions ascending.
        how: ``codes``, ``simulated tracker`` or ``tracker files``.
        seed: Seed of sampled levels and of the simulated tracker.
        recording: Its name (`Release.title`).
        tracker: Folder of the tracker's files, for these.
        rows: What their rows stand for (`Release.tracker_rows`, of the table's positions), for these.

    Raises:
        CorpusError: A tracker's file is damaged. One that is not about the frames of this recording is a
            reason to leave them out.
    """
    position = table.frame["position"].to_numpy()
    if how == FILES:
        assert tracker is not None
        assert rows is not None
        path = tracker / tracker_file(recording)
        if not path.is_file():
            return _nothing(len(table), NO_FILE)
        try:
            return _at(read_tracker(path, rows), rows.places)
        except OtherFramesError as error:
            return _nothing(len(table), error.reason)
    coded = _any_code(table)
    reasons = np.where(coded, "", "no action unit is coded").astype(object)
    activations = np.zeros((len(table), len(VISIBLE_AUS), 2), np.float32)
    # Nothing is smoothed or delayed across missing frames.
    for run in _runs(position):
        begin = str(position[run[0]])
        meant = smooth(_meant(table.take(run), _rng(seed, "levels", recording, begin)))
        if how == SIMULATED:
            person = str(table.frame["person"].iloc[0])
            meant, failed = add_au_tracker_noise(
                meant,
                _rng(seed, "tracker", person),
                _rng(seed, "tracker", recording, begin),
                AUTrackerNoise(),
            )
            reasons[run[failed & coded[run]]] = "the tracker failed"
        activations[run] = both_sides(meant)
    return Expressions(activations, tuple(map(str, reasons)))


def tracker_file(recording: str) -> str:
    """Name of the tracker's file of a recording."""
    return f"{recording}.csv"


def check_tracker(folder: Path, recordings: list[str]) -> str:
    """Fingerprint (SHA-256, hex) of the tracker's files: names and contents.

    Raises:
        CorpusError: There is no file for any of the recordings, or one cannot be read.
    """
    digest, found = hashlib.sha256(b"aukit.tracker/2"), 0
    for recording in recordings:
        path = folder / tracker_file(recording)
        if path.is_file():
            found += 1
            try:
                with path.open("rb") as file:
                    content = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                raise CorpusError(f"{path}: cannot be read ({error.strerror}); copy it again") from error
            digest.update(f"|{path.name}|{content}".encode())
    if not found:
        raise CorpusError(
            f"{folder}: no file of a tracker for any of {len(recordings)} videos; expected for example "
            f"{tracker_file(recordings[0])}"
        )
    return digest.hexdigest()


def _meant(table: FrameTable, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Activations [N, A] that the labels say."""
    where = str(table.frame["video"].iloc[0])
    aus = sorted({*table.occurrence_aus, *table.intensity_aus} & set(VISIBLE_AUS))
    levels = np.full((len(table), len(aus)), np.nan, np.float32)
    present = [au for au in aus if au in table.occurrence_aus]
    levels[:, [aus.index(au) for au in present]] = sample_levels(
        table.occurrences(present), present, LEVEL_SHARES, rng, where
    )
    graded = [au for au in aus if au in table.intensity_aus]
    columns = [aus.index(au) for au in graded]
    coded = table.intensities(graded)
    levels[:, columns] = np.where(np.isnan(coded), levels[:, columns], coded)
    return from_labels(levels, aus, where)


def _any_code(table: FrameTable) -> npt.NDArray[np.bool_]:
    codes = np.hstack([table.occurrences(table.occurrence_aus), table.intensities(table.intensity_aus)])
    return np.asarray(np.isfinite(codes).any(axis=1))


def _at(track: AUTrack, places: npt.NDArray[np.int64]) -> Expressions:
    """What the track has for the frames at some places."""
    activations = track.activations.copy()
    for run in _runs(np.flatnonzero(track.usable)):
        seen = np.flatnonzero(track.usable)[run]
        activations[seen] = smooth(activations[seen])
    repairs = {"frames interpolated": track.interpolated, "values out of range, clipped": track.clipped}
    return Expressions(activations[places], tuple(track.reasons[place] for place in places), repairs)


def _runs(position: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """Indices of ascending positions, split where frames are missing in between."""
    return np.split(np.arange(len(position)), np.flatnonzero(np.diff(position) != 1) + 1)


def _nothing(n_frames: int, reason: str) -> Expressions:
    return Expressions(np.zeros((n_frames, len(VISIBLE_AUS), 2), np.float32), (reason,) * n_frames)


def _rng(seed: int, *names: str) -> np.random.Generator:
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in ("driving", *names))])

"""A data set of sixty balanced avatars, moved by expression curves of our own: it hangs on no corpus.

What *Leveraging Synthetic Data for Generalizable and Fair Facial Action Unit Detection* (arXiv 2403.10737)
announces: 107,073 expressions, each shown by a woman and a man. It lies as avatar pairs do
(`aukit.datasets.avatar_pairs`) and is read like them. Beside them lie ``intensities/C012.npy``, float32
[T, A] from 0 to 5, of the action units that the marker lists, a datasheet, a licence and checksums.

Thirty pairs of a woman and a man have as many recordings each, in which the action units rise and fall as
`aukit.simulation.behaviour.intensity_curves` lets them, no matter who shows them: rates and levels are the
same for women and men, for all tones and ages. Labels say what moves the meshes, not what an annotator sees;
those of the table are the intensities in whole levels.
Splits are by avatar; both avatars of a pair are in one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from aukit.datasets.avatar_pairs import CURVES, FRAMES, IDENTITIES, MARKER, NAMESPACE, RECORDINGS, AvatarPairs
from aukit.datasets.frame_table import FrameTable
from aukit.errors import ConfigError
from aukit.facs import MAX_INTENSITY, intensity_column, occurrence_column
from aukit.simulation.bases import face_model
from aukit.simulation.behaviour.intensity_curves import (
    RATES,
    exact_levels,
    intensities,
    latent_activations,
    simulated_aus,
)
from aukit.simulation.pairs.identities import PER_GENDER, AvatarIdentity, avatar_identities, identity_table
from aukit.simulation.pairs.recorder import FPS, AvatarPairsConfig, record_avatar
from aukit.simulation.pairs.retargeting import both_sides, from_labels
from aukit.simulation.pairs.writer import PairJob, summary
from aukit.utils.files import atomic_path, file_sha256, write_atomic
from aukit.utils.jobs import WHOLE, Shard, SharedJobs, claim, concatenate_parquet, disk_errors

EXPRESSIONS = 107_073
"""As many as the paper has."""
RECORDINGS_PER_PAIR = 11
SPLITS = {"train": 18, "valid": 6, "test": 6}
"""Pairs of avatars. Six numbers in a row have every skin tone, in both genders."""
CHECKSUMS, DATASHEET, LICENCE = "SHA256SUMS", "DATASHEET.md", "LICENSE"

DATASET_RATES: dict[int, float] = {**RATES, 25: 0.25, 26: 0.15, 27: 0.03, 43: 0.06}
"""Share of frames in which each action unit is present: also those that speech and blinks move elsewhere."""

INTENSITIES = "intensities"
"""Folder of the exact intensities."""

_HOW = "expression curves"
_TEMPLATE = Path(__file__).with_name("datasheet.txt")


@dataclass(frozen=True)
class AvatarDatasetConfig:
    """All that decides what is written.

    Attributes:
        expressions: Number of expressions; there are twice as many images.
        recordings: Recordings of each pair of avatars.
        size: Width and height of the images in pixels, even.
        seed: Seed of identities, expressions and scenes.
        basis: Face basis of the avatars.
        fps: Frames per second of the curves.

    Raises:
        ConfigError: A recording would have less than two frames, or as of `AvatarPairsConfig`.

    Example:
        >>> AvatarDatasetConfig.sample().expressions
        300
    """

    expressions: int = EXPRESSIONS
    recordings: int = RECORDINGS_PER_PAIR
    size: int = 256
    seed: int = 0
    basis: str = "procedural"
    fps: float = FPS

    def __post_init__(self) -> None:
        if self.recordings < 1 or self.expressions < 2 * PER_GENDER * self.recordings:
            raise ConfigError(
                f"{self.expressions} expressions in {self.recordings} recordings of each of {PER_GENDER}"
                " pairs: a recording needs at least two frames"
            )
        _ = self.pairs

    @classmethod
    def sample(cls, size: int = 256, seed: int = 0, basis: str = "procedural") -> AvatarDatasetConfig:
        """600 images, one for each second of ten of each avatar: to look at before the whole is made."""
        return cls(10 * PER_GENDER, 1, size, seed, basis, fps=1.0)

    @property
    def pairs(self) -> AvatarPairsConfig:
        """How avatars are recorded."""
        return AvatarPairsConfig(CURVES, size=self.size, seed=self.seed, basis=self.basis)

    def frames(self, recording: int) -> int:
        """Frames of a recording by its number: as equal as can be."""
        each, rest = divmod(self.expressions, PER_GENDER * self.recordings)
        return each + (recording < rest)

    def curves(self, title: str, pair: int, frames: int) -> npt.NDArray[np.float32]:
        """Exact intensities [T, A], 0 to 5, of the action units of `DATASET_RATES` in a recording."""
        rng = self.pairs.rng
        aus = simulated_aus(DATASET_RATES)
        latent = latent_activations(
            rng("habits", str(pair)), rng("expression", title), frames, self.fps, None, aus
        )
        return intensities(latent, DATASET_RATES).clip(0, MAX_INTENSITY).astype(np.float32)


def write_avatar_dataset(
    out: str | Path,
    config: AvatarDatasetConfig,
    shard: Shard = WHOLE,
    workers: int | None = None,
    progress: bool = True,
) -> str:
    """Render the data set, or what is missing of it.

    Files do not depend on shards, workers or kills. Cost: 33 images of 256² a second on two cores, 9 KB each.

    Args:
        out: Folder; made if missing.
        config: What to render.
        shard: Which share of the recordings to do; all shards write to the same folder.
        workers: Processes; None for one per core, 0 or 1 to work in this process.
        progress: Whether to show a progress bar.

    Returns:
        What is there now, and the avatars by gender, tone and age.

    Raises:
        ConfigError: There is no such face basis.
        CorpusError: `out` holds something else, or the disk is full; everything finished stays.
    """
    out = Path(out)
    everybody = avatar_identities(config.seed)
    jobs = [job for _, job in _jobs(config, everybody)]
    face_model(config.basis)  # says now if there is no such basis
    driver = {
        "corpus": CURVES,
        "expressions": config.expressions,
        "recordings": config.recordings,
        "fps": config.fps,
        "aus": list(simulated_aus(DATASET_RATES)),
    }
    claim(out, MARKER, config.pairs.description(_HOW, driver))
    with disk_errors(out):
        write_atomic(out / IDENTITIES, identity_table(everybody).to_csv(index=False).encode())
    shared = SharedJobs(
        folder=out / RECORDINGS,
        jobs=jobs,
        work=partial(_render, out, config),
        is_done=lambda job: job.is_done(out) and _intensities(out, job).exists(),
        results=[out / name for name in (FRAMES, DATASHEET, LICENCE, CHECKSUMS)],
        join=lambda: _join(out, config, jobs),
    )
    shared.run(shard, "rendering avatars", "recording", workers, progress)
    return summary(out, jobs, everybody)


def split_of(pair: int) -> str:
    """Split of a pair of avatars by its number."""
    ends = np.cumsum(list(SPLITS.values()))
    return list(SPLITS)[int(np.searchsorted(ends, pair, side="right"))]


def _jobs(config: AvatarDatasetConfig, everybody: list[AvatarIdentity]) -> Iterator[tuple[int, PairJob]]:
    """Number of the pair, and the job, of each recording: the pairs in turn."""
    women, men = everybody[:PER_GENDER], everybody[PER_GENDER:]
    starts = np.repeat(np.cumsum([0, *SPLITS.values()])[:-1], list(SPLITS.values()))
    for recording in range(PER_GENDER * config.recordings):
        pair = recording % PER_GENDER
        length, start = SPLITS[split_of(pair)], int(starts[pair])
        # From the other end of the split, so that the two seldom share tone and age.
        man = men[2 * start + length - 1 - pair]
        title = f"C{recording:03d}"
        yield pair, PairJob(title, title, (women[pair], man))


def _render(out: Path, config: AvatarDatasetConfig, job: PairJob) -> None:
    """One recording; its note is written last."""
    recording = int(job.title[1:])
    pair, frames = recording % PER_GENDER, config.frames(recording)
    exact, aus = config.curves(job.title, pair, frames), simulated_aus(DATASET_RATES)
    moved, levels = both_sides(from_labels(exact, aus)), exact_levels(exact.astype(np.float64))
    labels = {intensity_column(au): levels[:, i] for i, au in enumerate(aus)}
    labels |= {occurrence_column(au): (levels[:, i] > 0).astype(np.int64) for i, au in enumerate(aus)}
    with disk_errors(out):
        tables = []
        for identity in job.identities:
            video, landmarks = job.render_file(out, identity), job.landmarks(out, identity)
            record_avatar(config.pairs, job.title, identity, moved, video, landmarks)
            tables.append(_rows(job, pair, identity, video.relative_to(out).as_posix(), labels))
        with atomic_path(_intensities(out, job)) as temporary:
            np.save(temporary, exact, allow_pickle=False)
        FrameTable(pd.concat(tables, ignore_index=True)).write_parquet(job.rows(out))
        subjects = [identity.subject for identity in job.identities]
        note: dict[str, Any] = {"video": job.video, "avatars": subjects, "frames": frames}
        note |= {"exclusions": [], "repairs": {}}
        write_atomic(job.note(out), json.dumps(note).encode() + b"\n")


def _intensities(out: Path, job: PairJob) -> Path:
    """The exact intensities of a recording."""
    return out / INTENSITIES / f"{job.title}.npy"


def _rows(
    job: PairJob, pair: int, identity: AvatarIdentity, video: str, labels: dict[str, npt.NDArray[np.int64]]
) -> pd.DataFrame:
    """Rows of one avatar's video."""
    frames, split = len(next(iter(labels.values()))), split_of(pair)
    names = [f"{CURVES}/{split}/P{pair:02d}/{job.title}/0/{frame + 1}" for frame in range(frames)]
    return pd.DataFrame(
        {
            "corpus": AvatarPairs.name,
            "partition": split,
            "person": f"{NAMESPACE}/{identity.subject}",
            "subject": identity.subject,
            "gender": identity.gender,
            "task": job.title,
            "view": 0,
            "frame": np.arange(1, frames + 1),
            "video": video,
            "position": np.arange(frames),
            "pair_id": names,
            "age": f"{identity.age:.1f}",
            "age_group": identity.age_group,
            "tone": f"{identity.tone:.3f}",
            "tone_group": str(identity.tone_group),
            **labels,
        }
    )


def _join(out: Path, config: AvatarDatasetConfig, jobs: list[PairJob]) -> None:
    """One table of all recordings, what must stand beside it, and the checksums of all that is there."""
    concatenate_parquet([job.rows(out) for job in jobs], out / FRAMES)
    write_atomic(out / DATASHEET, datasheet(AvatarPairs(out), config).encode())
    write_atomic(out / LICENCE, _LICENCE.encode())
    files = sorted(path for path in out.rglob("*") if path.is_file() and not path.name.startswith("."))
    lines = [f"{file_sha256(path)}  {path.relative_to(out).as_posix()}\n" for path in files]
    write_atomic(out / CHECKSUMS, "".join(line for line in lines if CHECKSUMS not in line).encode())


def datasheet(pairs: AvatarPairs, config: AvatarDatasetConfig) -> str:
    """The datasheet of a data set that is there, in the sections of Gebru et al. (2021), as Markdown."""
    frame = pairs.table.frame
    people = frame.groupby(["partition", "gender"])["person"].nunique()
    splits = [
        f"| {split} | {int(people[split, 'female'])} + {int(people[split, 'male'])} |"
        f" {int((frame['partition'] == split).sum()):,} |"
        for split in SPLITS
    ]
    units = []
    for au in simulated_aus(DATASET_RATES):
        shares = [(frame[intensity_column(au)] == level).mean() for level in range(6)]
        cells = (f"{share:.1%}" for share in (1 - shares[0], *shares[1:]))
        units.append(f"| {au} | {' | '.join(cells)} |")
    tones, ages = (
        ", ".join(": ".join(each) for each in _people(frame, group)) for group in ("tone_group", "age_group")
    )
    return _TEMPLATE.read_text(encoding="utf-8").format(
        images=len(frame),
        expressions=config.expressions,
        videos=frame["video"].nunique(),
        size=config.size,
        seed=config.seed,
        version=config.pairs.version,
        basis=config.basis,
        splits="\n".join(splits),
        units="\n".join(units),
        tones=tones,
        ages=ages,
    )


def _people(frame: pd.DataFrame, group: str) -> list[tuple[str, str]]:
    """Values of an attribute and how many avatars have each."""
    counts = frame.groupby(group)["person"].nunique()
    return [(str(name), str(count)) for name, count in zip(counts.index, counts, strict=True)]


_LICENCE = """\
MIT License

Copyright (c) the aukit authors

Permission is hereby granted, free of charge, to any person obtaining a copy of these images, labels and
associated files (the "Data"), to deal in the Data without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Data, and to
permit persons to whom the Data is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions
of the Data.

THE DATA IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO
THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF
CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE DATA OR THE USE OF THE DATA.
"""

"""Random renders: faces with landmarks and action units, for outside tools to judge.

``DIR/000000.png``, ``DIR/000000.npy`` (float32 [68, 3] landmarks in pixels) and ``DIR/samples.parquet`` with
a row for each: identity, gender, age, skin tone, yaw, pitch, roll, acquisition, and for every AU ``AU12_r``
(meant intensity, 0 to 5 without rounding), ``AU12_left`` and ``AU12_right`` (the movement that is seen, 0 to
1).

Two makers (`MAKERS`): ``people`` move in their own way, asymmetrically and with companion movements, in the
light, before the background and through the camera of a stand-in corpus (a acquisition of `ACQUISITIONS`,
drawn for each sample unless one is named); ``avatars`` move canonically, before a plain background without a
sensor (acquisition ``plain``). Every sample is a new face.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from aukit.errors import ConfigError
from aukit.facs import MAX_INTENSITY, VISIBLE_INDEX, intensity_column
from aukit.simulation.appearance.appearance import Avatar
from aukit.simulation.bases import face_model
from aukit.simulation.behaviour.person import Person
from aukit.simulation.behaviour.random_expressions import sample_expression
from aukit.simulation.camera import Camera
from aukit.simulation.corpora.acquisition import ACQUISITIONS, to_pixels
from aukit.simulation.corpora.recorder import LIFT, ZOOM
from aukit.simulation.pairs.retargeting import both_sides
from aukit.simulation.rendering.background import sample_plain_background
from aukit.simulation.rendering.light import Light
from aukit.simulation.rendering.renderer import render
from aukit.utils.files import atomic_path, write_atomic
from aukit.utils.jobs import (
    WHOLE,
    Shard,
    chunk_file,
    chunk_jobs,
    claim,
    concatenate_parquet,
    disk_errors,
)

MARKER = "RENDERS.json"
SAMPLES = "samples.parquet"
CHUNKS = "chunks"
"""Folder of the tables of all chunks."""
VERSION = 4
IDENTITY_SPLIT = "renders"
PLAIN = "plain"
CHUNK = 16
"""Samples that one job renders."""

Float = npt.NDArray[np.float32]


@dataclass(frozen=True)
class RandomRendersConfig:
    """All that decides what is rendered.

    Attributes:
        maker: ``people`` or ``avatars``.
        count: Number of samples.
        size: Width and height in pixels.
        max_yaw: Yaw is uniform within ± this many degrees.
        seed: Seed of everything; sample i depends on nothing but the recipe and i.
        basis: Face basis.
        acquisition: How people are recorded, a key of `ACQUISITIONS`; None for any.
        version: Version of this recipe.

    Example:
        >>> config = RandomRendersConfig("people", count=8, size=64, acquisition="street")
        >>> print(write_random_renders("renders", config))  # doctest: +SKIP
        8 renders of people in renders
    """

    maker: str
    count: int
    size: int = 256
    max_yaw: float = 40.0
    seed: int = 0
    basis: str = "procedural"
    acquisition: str | None = None
    version: int = VERSION

    def rng(self, index: int, purpose: str) -> np.random.Generator:
        """Generator of one purpose in one sample."""
        names = (self.maker, purpose)
        return np.random.default_rng(
            [self.seed, self.version, index, *(zlib.crc32(n.encode()) for n in names)]
        )


@dataclass(frozen=True)
class _Subject:
    """Who is rendered and how the face moves: what a maker decides."""

    identity: str
    avatar: Avatar
    activations: Float  # [1, A, 2]
    light: Light
    wall: torch.Tensor
    acquisition: str
    sensor: Callable[[torch.Tensor], npt.NDArray[np.uint8]]


def write_random_renders(
    out: str | Path,
    config: RandomRendersConfig,
    shard: Shard = WHOLE,
    workers: int | None = None,
    progress: bool = True,
) -> str:
    """Render the samples of a configuration, or those that are missing.

    Files do not depend on shards, workers or kills. Cost: about 0.3 s per sample and core at 256², most of it
    for the new face; 1.1 GB of memory per process.

    Args:
        out: Folder; made if missing.
        config: What to render.
        shard: Which share of the samples to do.
        workers: Processes, see `SharedJobs.run`.
        progress: Whether to show a progress bar.

    Returns:
        A line that says what is there now.

    Raises:
        ConfigError: A number is out of range, or there is no such maker, acquisition or face basis.
        CorpusError: `out` holds something else, or the disk is full.
    """
    out = Path(out)
    if config.maker not in MAKERS:
        raise ConfigError(f"maker {config.maker!r} is unknown; known are {', '.join(MAKERS)}")
    known = (None, *ACQUISITIONS) if config.maker == "people" else (None,)
    if config.acquisition not in known:
        raise ConfigError(
            f"acquisition {config.acquisition!r}: people have the acquisitions {', '.join(ACQUISITIONS)}; "
            "avatars have one of their own"
        )
    if config.count < 1 or config.size < 16 or not 0 <= config.max_yaw <= 90 or config.seed < 0:
        raise ConfigError(
            f"count {config.count}, size {config.size}, max_yaw {config.max_yaw:g}, seed {config.seed}: "
            "needed are at least 1 sample, 16 pixels, a yaw from 0 to 90 degrees and no negative seed"
        )
    face_model(config.basis)  # says now if there is no such basis
    claim(out, MARKER, {"recipe": asdict(config)})
    shared = chunk_jobs(
        out / CHUNKS,
        range(0, config.count, CHUNK),
        partial(_render_chunk, out, config),
        partial(_has_samples, out, config),
        [out / SAMPLES],
        partial(concatenate_parquet, path=out / SAMPLES),
    )
    missing = shared.run(shard, f"rendering {config.maker}", f"{CHUNK} faces", workers, progress)
    return missing or f"{config.count} renders of {config.maker} in {out}"


def _files(out: Path, index: int) -> tuple[Path, Path]:
    """Image and landmarks of a sample."""
    return out / f"{index:06d}.png", out / f"{index:06d}.npy"


def _indices(config: RandomRendersConfig, start: int) -> range:
    """Samples of the chunk that begins with one."""
    return range(start, min(start + CHUNK, config.count))


def _has_samples(out: Path, config: RandomRendersConfig, start: int) -> bool:
    """Whether no image and no landmarks of a chunk have been lost."""
    return all(file.exists() for index in _indices(config, start) for file in _files(out, index))


def _render_chunk(out: Path, config: RandomRendersConfig, start: int) -> None:
    """Samples of one chunk; its table is written last."""
    table = chunk_file(out / CHUNKS, start)
    with disk_errors(out):
        rows = []
        for index in _indices(config, start):
            picture, points = _files(out, index)
            image, landmarks, row = render_sample(config, index)
            png = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
            write_atomic(picture, png.tobytes())
            with atomic_path(points) as temporary:
                np.save(temporary, landmarks, allow_pickle=False)
            rows.append({"file": picture.name, **row})
        with atomic_path(table) as temporary:
            pd.DataFrame(rows).to_parquet(temporary, index=False)


def render_sample(
    config: RandomRendersConfig, index: int
) -> tuple[npt.NDArray[np.uint8], Float, dict[str, Any]]:
    """Image uint8 [S, S, 3], landmarks float32 [68, 3] and the row of one sample."""
    activations = sample_expression(config.rng(index, "expression"))
    subject = MAKERS[config.maker](config, index, activations)
    rng = config.rng(index, "camera")
    pose = {
        "yaw": float(rng.uniform(-config.max_yaw, config.max_yaw)),
        "pitch": float(np.clip(rng.normal(0, 8), -20, 20)),
        "roll": float(np.clip(rng.normal(0, 6), -15, 15)),
    }
    x, y = rng.normal(0, 0.015, 2)
    rendering = render(
        subject.avatar,
        torch.from_numpy(subject.activations),
        Camera(
            **pose, zoom=ZOOM * float(np.exp(rng.normal(0, 0.05))), shift_x=float(x), shift_y=float(y) + LIFT
        ),
        subject.light,
        background=subject.wall,
        size=config.size,
        gaze=torch.from_numpy(rng.normal(0, [6, 3.5], (1, 2)).astype(np.float32)),
    )
    row: dict[str, Any] = {
        "identity": subject.identity,
        "gender": subject.avatar.gender,
        "age": subject.avatar.age,
        "skin_tone": subject.avatar.appearance.tone,
        **pose,
        "acquisition": subject.acquisition,
        "maker": config.maker,
        "basis": config.basis,
    }
    for au, column in VISIBLE_INDEX.items():
        left, right = subject.activations[0, column]
        row[intensity_column(au)] = MAX_INTENSITY * float(activations[column])
        row[f"AU{au:02d}_left"], row[f"AU{au:02d}_right"] = float(left), float(right)
    return subject.sensor(rendering.image)[0], rendering.landmarks[0].numpy().astype(np.float32), row


def _person(config: RandomRendersConfig, index: int, activations: Float) -> _Subject:
    rng = config.rng(index, "scene")
    gender = "female" if rng.random() < 0.5 else "male"
    acquisition = ACQUISITIONS[config.acquisition or str(rng.choice(list(ACQUISITIONS)))]
    person = Person.sample(
        IDENTITY_SPLIT, f"person{index}", gender, config.seed, config.basis, acquisition.sunglasses
    )
    return _Subject(
        identity=f"{IDENTITY_SPLIT}/person{index}",
        avatar=person.avatar,
        activations=person.activations(activations[None].astype(np.float64)),
        light=acquisition.light(rng),
        wall=acquisition.background(rng, config.size),
        acquisition=acquisition.name,
        sensor=acquisition.sensor(rng, config.size),
    )


def _avatar(config: RandomRendersConfig, index: int, activations: Float) -> _Subject:
    rng = config.rng(index, "scene")
    wall = sample_plain_background(rng, config.size)
    return _Subject(
        identity=f"{IDENTITY_SPLIT}/avatar{index}",
        avatar=Avatar.sample(IDENTITY_SPLIT, f"avatar{index}", config.seed, basis=config.basis),
        activations=both_sides(activations[None]),
        light=Light.sample(rng),
        wall=wall,
        acquisition=PLAIN,
        sensor=to_pixels,
    )


MAKERS = {"people": _person, "avatars": _avatar}

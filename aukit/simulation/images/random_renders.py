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

import json
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
from filelock import FileLock

from aukit.errors import ConfigError
from aukit.facs import MAX_INTENSITY, VISIBLE_INDEX, intensity_column
from aukit.simulation.appearance.appearance import Avatar
from aukit.simulation.behaviour.person import Person
from aukit.simulation.behaviour.random_expressions import sample_expression
from aukit.simulation.camera import Camera
from aukit.simulation.corpora.acquisition import ACQUISITIONS, to_pixels
from aukit.simulation.corpora.recorder import LIFT, ZOOM
from aukit.simulation.pairs.retargeting import both_sides
from aukit.simulation.rendering.background import plain_background
from aukit.simulation.rendering.light import Light
from aukit.simulation.rendering.renderer import render
from aukit.utils.files import atomic_path, write_atomic
from aukit.utils.jobs import WHOLE, Shard, claim, concatenate_parquet, disk_errors, remove_leftovers, run_jobs

MARKER = "RENDERS.json"
SAMPLES = "samples.parquet"
PARTS = "parts"
VERSION = 4
IDENTITY_SPLIT = "renders"
PLAIN = "plain"
CHUNK = 16
"""Samples that are made, and made again after a kill, together."""

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
        acquisition: Look of the people, a key of `ACQUISITIONS`; None for any.
        version: Version of this recipe.
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
class _Sitter:
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
    recipe: RandomRendersConfig,
    shard: Shard = WHOLE,
    workers: int | None = None,
    progress: bool = True,
) -> str:
    """Render the samples of a recipe, or those that are missing.

    Files do not depend on shards, workers or kills. Cost: about 0.3 s per sample and core at 256², most of it
    for the new face; 1.1 GB of memory per process.

    Args:
        out: Folder; made if missing.
        recipe: What to render.
        shard: Which share of the samples to do.
        workers: Processes; None for one per core, 0 or 1 to work in this process.
        progress: Whether to show a progress bar.

    Returns:
        A line that says what is there now.

    Raises:
        ConfigError: The recipe asks for what there is not.
        CorpusError: `out` holds something else, or the disk is full.
    """
    out = Path(out)
    if recipe.maker not in MAKERS:
        raise ConfigError(f"maker {recipe.maker!r} is unknown; known are {', '.join(MAKERS)}")
    known = (None, *ACQUISITIONS) if recipe.maker == "people" else (None,)
    if recipe.acquisition not in known:
        raise ConfigError(
            f"acquisition {recipe.acquisition!r}: people have the acquisitions {', '.join(ACQUISITIONS)}; "
            "avatars have one of their own"
        )
    if recipe.count < 1 or recipe.size < 16 or not 0 <= recipe.max_yaw <= 90 or recipe.seed < 0:
        raise ConfigError(
            f"count {recipe.count}, size {recipe.size}, max_yaw {recipe.max_yaw:g}, seed {recipe.seed}: "
            "needed are at least 1 sample, 16 pixels, a yaw from 0 to 90 degrees and no negative seed"
        )
    Avatar.sample(
        IDENTITY_SPLIT, "avatar0", recipe.seed, basis=recipe.basis
    )  # says now if there is no such basis
    claim(out, MARKER, json.loads(json.dumps({"recipe": asdict(recipe)})))
    chunks = range(0, recipe.count, CHUNK)
    with disk_errors(out):
        (out / PARTS).mkdir(exist_ok=True)
    with FileLock(out / PARTS / f".shard-{shard.index}-{shard.count}.lock"):
        own = shard.of(chunks)
        todo = [start for start in own if not _part(out, start).exists()]
        work = partial(_render_chunk, out, recipe)
        run_jobs(work, todo, len(own), f"rendering {recipe.maker}", f"{CHUNK} faces", workers, progress)
    waiting = sum(not _part(out, start).exists() for start in chunks)
    if waiting:
        return f"{waiting} of {len(chunks)} parts are missing: {SAMPLES} follows when all shards are done"
    if todo or not (out / SAMPLES).exists():
        with disk_errors(out / SAMPLES):
            concatenate_parquet((_part(out, start) for start in chunks), out / SAMPLES)
    return f"{recipe.count} renders of {recipe.maker} in {out}"


def _part(out: Path, start: int) -> Path:
    return out / PARTS / f"{start:06d}.parquet"


def _render_chunk(out: Path, recipe: RandomRendersConfig, start: int) -> None:
    """Samples of one part; its table is written last."""
    part = _part(out, start)
    with disk_errors(out):
        remove_leftovers(part)
        rows = []
        for index in range(start, min(start + CHUNK, recipe.count)):
            stem = f"{index:06d}"
            remove_leftovers(out / stem)
            image, landmarks, row = render_sample(recipe, index)
            png = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
            write_atomic(out / f"{stem}.png", png.tobytes())
            with atomic_path(out / f"{stem}.npy") as temporary:
                np.save(temporary, landmarks, allow_pickle=False)
            rows.append({"file": f"{stem}.png", **row})
        with atomic_path(part) as temporary:
            pd.DataFrame(rows).to_parquet(temporary, index=False)


def render_sample(
    recipe: RandomRendersConfig, index: int
) -> tuple[npt.NDArray[np.uint8], Float, dict[str, Any]]:
    """Image uint8 [S, S, 3], landmarks float32 [68, 3] and the row of one sample."""
    drive = sample_expression(recipe.rng(index, "expression"))
    sitter = MAKERS[recipe.maker](recipe, index, drive)
    rng = recipe.rng(index, "camera")
    pose = {
        "yaw": float(rng.uniform(-recipe.max_yaw, recipe.max_yaw)),
        "pitch": float(np.clip(rng.normal(0, 8), -20, 20)),
        "roll": float(np.clip(rng.normal(0, 6), -15, 15)),
    }
    x, y = rng.normal(0, 0.015, 2)
    shot = render(
        sitter.avatar,
        torch.from_numpy(sitter.activations),
        Camera(
            **pose, zoom=ZOOM * float(np.exp(rng.normal(0, 0.05))), shift_x=float(x), shift_y=float(y) + LIFT
        ),
        sitter.light,
        background=sitter.wall,
        size=recipe.size,
        gaze=torch.from_numpy(rng.normal(0, [6, 3.5], (1, 2)).astype(np.float32)),
    )
    row: dict[str, Any] = {
        "identity": sitter.identity,
        "gender": sitter.avatar.gender,
        "age": sitter.avatar.age,
        "skin_tone": sitter.avatar.appearance.tone,
        **pose,
        "acquisition": sitter.acquisition,
        "maker": recipe.maker,
        "basis": recipe.basis,
    }
    for au, column in VISIBLE_INDEX.items():
        left, right = sitter.activations[0, column]
        row[intensity_column(au)] = MAX_INTENSITY * float(drive[column])
        row[f"AU{au:02d}_left"], row[f"AU{au:02d}_right"] = float(left), float(right)
    return sitter.sensor(shot.image)[0], shot.landmarks[0].numpy().astype(np.float32), row


def _person(recipe: RandomRendersConfig, index: int, drive: Float) -> _Sitter:
    rng = recipe.rng(index, "scene")
    gender = "female" if rng.random() < 0.5 else "male"
    acquisition = ACQUISITIONS[recipe.acquisition or str(rng.choice(list(ACQUISITIONS)))]
    person = Person.sample(
        IDENTITY_SPLIT, f"person{index}", gender, recipe.seed, recipe.basis, acquisition.sunglasses
    )
    return _Sitter(
        identity=f"{IDENTITY_SPLIT}/person{index}",
        avatar=person.avatar,
        activations=person.activations(drive[None].astype(np.float64)),
        light=acquisition.light(rng),
        wall=acquisition.background(rng, recipe.size),
        acquisition=acquisition.name,
        sensor=acquisition.sensor(rng, recipe.size),
    )


def _avatar(recipe: RandomRendersConfig, index: int, drive: Float) -> _Sitter:
    rng = recipe.rng(index, "scene")
    grey = rng.uniform(0.2, 0.8) + rng.normal(0, 0.06, 3)
    red, green, blue = (float(c) for c in np.clip(grey, 0, 1))
    return _Sitter(
        identity=f"{IDENTITY_SPLIT}/avatar{index}",
        avatar=Avatar.sample(IDENTITY_SPLIT, f"avatar{index}", recipe.seed, basis=recipe.basis),
        activations=both_sides(drive[None]),
        light=Light.sample(rng),
        wall=plain_background(recipe.size, (red, green, blue)),
        acquisition=PLAIN,
        sensor=to_pixels,
    )


MAKERS = {"people": _person, "avatars": _avatar}

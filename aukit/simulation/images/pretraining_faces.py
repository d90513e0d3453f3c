"""Unlabelled faces to pre-train on: crops of avatars as a detector sees faces.

``DIR/images.npy`` uint8 [N, S, S, 3] RGB and ``DIR/faces.parquet`` with a row for each: ``identity`` and, for
judging alone, ``AU12`` (activation in [0, 1]) and the like. Training reads the identities only. Faces
are `Avatar`s of an identity split of their own: canonical symmetric movements, plain backgrounds, no sensor,
and a light of their own for each `TOGETHER` images. None of them is in a stand-in corpus or among the avatars
of the pairs.
"""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from aukit.errors import ConfigError, StoreError
from aukit.facs import VISIBLE_INDEX
from aukit.registration.ffhq import ffhq_crop
from aukit.registration.similarity import similarity_align
from aukit.simulation.appearance.appearance import Avatar
from aukit.simulation.bases import face_model
from aukit.simulation.behaviour.random_expressions import sample_expression
from aukit.simulation.camera import Camera
from aukit.simulation.corpora.acquisition import to_pixels
from aukit.simulation.corpora.recorder import LIFT, ZOOM
from aukit.simulation.pairs.retargeting import both_sides
from aukit.simulation.rendering.background import sample_plain_background
from aukit.simulation.rendering.light import Light
from aukit.simulation.rendering.renderer import render
from aukit.store.files import create_array, map_array, read_manifest, read_table, require
from aukit.utils.files import atomic_path
from aukit.utils.jobs import WHOLE, Shard, chunk_file, chunk_jobs, claim, disk_errors

MARKER = "FACES.json"
IMAGES = "images.npy"
FACES = "faces.parquet"
CHUNKS = "chunks"
"""Folder of the tables and images of all chunks."""
IDENTITY_SPLIT = "pretrain"
VERSION = 3
CHUNK = 8
"""Identities that one job renders."""
TOGETHER = 4
"""Images of one identity in one light before one wall."""

Images = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class PretrainingFacesConfig:
    """All that decides what is rendered.

    Attributes:
        identities: Number of avatars.
        frames: Images of each.
        size: Side of the crops in pixels; faces are rendered at twice that.
        first: Number of the first avatar; an avatar of one number is the same in every set.
        seed: Seed of everything.
        basis: Face basis.
        registration: How they are cropped: "ffhq", FG-Net's square, or "similarity", closer to the face.
        version: Version of this recipe.

    Example:
        >>> config = PretrainingFacesConfig(identities=2, frames=4)
        >>> print(write_avatar_faces("faces", config))  # doctest: +SKIP
        8 faces of 2 avatars in faces
    """

    identities: int
    frames: int = 16
    size: int = 64
    first: int = 0
    seed: int = 0
    basis: str = "procedural"
    registration: Literal["ffhq", "similarity"] = "ffhq"
    version: int = VERSION

    def rng(self, identity: int, purpose: str) -> np.random.Generator:
        """Generator of one purpose for one avatar."""
        return np.random.default_rng([self.seed, self.version, identity, zlib.crc32(purpose.encode())])


def write_avatar_faces(
    out: str | Path,
    config: PretrainingFacesConfig,
    shard: Shard = WHOLE,
    workers: int | None = None,
    progress: bool = True,
) -> str:
    """Render the faces of a configuration, or those that are missing.

    Files do not depend on shards, workers or kills. Cost: about 0.25 s per avatar and 0.025 s per image of
    64² on one core; 1 GB of memory per process.

    Args:
        out: Folder; made if missing.
        config: What to render.
        shard: Which share of the avatars to do.
        workers: Processes, see `SharedJobs.run`.
        progress: Whether to show a progress bar.

    Returns:
        A line that says what is there now.

    Raises:
        ConfigError: A number is out of range, or there is no such face basis.
        CorpusError: `out` holds something else, or the disk is full.
    """
    out = Path(out)
    if min(config.identities, config.frames) < 1 or config.size < 16 or min(config.seed, config.first) < 0:
        raise ConfigError(
            f"identities {config.identities}, frames {config.frames}, size {config.size}, first "
            f"{config.first}, seed {config.seed}: needed are at least 1 identity, 1 frame and 16 pixels, and "
            "no negative number"
        )
    face_model(config.basis)  # says now if there is no such basis
    claim(out, MARKER, {"recipe": asdict(config)})
    starts = range(config.first, config.first + config.identities, CHUNK)
    work = partial(_render_chunk, out / CHUNKS, config)
    shared = chunk_jobs(
        out / CHUNKS,
        starts,
        work,
        lambda start: _pixels(chunk_file(out / CHUNKS, start)).exists(),
        [out / IMAGES, out / FACES],
        partial(_join, out, config),
    )
    missing = shared.run(shard, "rendering faces", f"{CHUNK} avatars", workers, progress)
    return missing or f"{config.identities * config.frames} faces of {config.identities} avatars in {out}"


def open_avatar_faces(out: str | Path) -> tuple[Images, npt.NDArray[np.str_], dict[str, Any]]:
    """What a training may see: images [N, S, S, 3] (mapped, not read), identities [N] and the config.

    Raises:
        StoreError: The folder is missing, incomplete or damaged.
    """
    out = Path(out)
    if not (out / FACES).is_file():  # written last
        raise StoreError(
            f"{out}: no complete set of avatar faces ({FACES} is missing); repeat the command that renders"
            " them (all shards of it): it goes on with what is missing"
        )
    try:
        marker = read_manifest(out / MARKER)
        require(marker, MARKER, {"recipe": dict})
        config: dict[str, Any] = marker["recipe"]
        require(config, f"the recipe in {MARKER}", {"identities": int, "frames": int, "size": int})
        identities = read_table(out / FACES, ("identity",))["identity"].to_numpy(dtype=str)
        shape = (config["identities"] * config["frames"], config["size"], config["size"], 3)
        images = map_array(out / IMAGES, np.uint8, shape)
        if len(identities) != len(images):
            raise ValueError(f"{FACES} has {len(identities)} rows, expected {len(images)}")
    except ValueError as error:
        raise StoreError(
            f"{out}: damaged set of avatar faces ({error}); delete the folder and repeat the command: it"
            " renders them again"
        ) from error
    return images, identities, config


def render_faces(config: PretrainingFacesConfig, identity: int) -> tuple[Images, pd.DataFrame]:
    """Crops uint8 [frames, S, S, 3] of one avatar and a row for each."""
    avatar = Avatar.sample(IDENTITY_SPLIT, str(identity), config.seed, basis=config.basis)
    expression, scene = config.rng(identity, "expression"), config.rng(identity, "scene")
    activations = np.stack([sample_expression(expression) for _ in range(config.frames)])
    size = 2 * config.size
    crops: list[Images] = []
    for start in range(0, config.frames, TOGETHER):
        some = both_sides(activations[start : start + TOGETHER])
        count = len(some)
        light, wall = Light.sample(scene), sample_plain_background(scene, size)
        yaw, pitch, roll = (torch.from_numpy(scene.normal(0, s, count).clip(-25, 25)) for s in (9, 7, 4))
        rendering = render(
            avatar,
            torch.from_numpy(some),
            Camera(yaw, pitch, roll, zoom=ZOOM, shift_y=LIFT),
            light,
            background=wall,
            size=size,
            gaze=torch.from_numpy(scene.normal(0, [6, 3.5], (count, 2)).astype(np.float32)),
            supersampling=1,
        )
        pixels = to_pixels(rendering.image)
        # Found landmarks are never exact: the square moves with their errors.
        points = rendering.landmarks.numpy()[..., :2]
        points = points + scene.normal(0, 0.008 * size, points.shape)
        crops += [_crop(image, marks, config) for image, marks in zip(pixels, points, strict=True)]
    columns = {f"AU{au:02d}": activations[:, column] for au, column in VISIBLE_INDEX.items()}
    return np.stack(crops), pd.DataFrame({"identity": f"{IDENTITY_SPLIT}/{identity}", **columns})


def _crop(image: Images, marks: npt.NDArray[np.float64], config: PretrainingFacesConfig) -> Images:
    if config.registration == "similarity":
        return similarity_align(np.ascontiguousarray(image), marks, size=config.size)[0]
    return ffhq_crop(np.ascontiguousarray(image), marks, config.size, transform_size=len(image))


def _render_chunk(folder: Path, config: PretrainingFacesConfig, start: int) -> None:
    """Avatars of one chunk; its table is written last."""
    table = chunk_file(folder, start)
    end = min(start + CHUNK, config.first + config.identities)
    made = [render_faces(config, identity) for identity in range(start, end)]
    with disk_errors(folder):
        with atomic_path(_pixels(table)) as temporary:
            np.save(temporary, np.concatenate([images for images, _ in made]), allow_pickle=False)
        with atomic_path(table) as temporary:
            pd.concat([rows for _, rows in made]).to_parquet(temporary, index=False)


def _pixels(table: Path) -> Path:
    """The images of the chunk of a table."""
    return table.with_suffix(".npy")


def _join(out: Path, config: PretrainingFacesConfig, tables: list[Path]) -> None:
    """One array and one table of all chunks; the table last."""
    shape = (config.identities * config.frames, config.size, config.size, 3)
    with atomic_path(out / IMAGES) as temporary:
        whole = create_array(temporary, shape)
        begin = 0
        for table in tables:
            images = np.load(_pixels(table), allow_pickle=False)
            whole[begin : begin + len(images)] = images
            begin += len(images)
        whole.flush()
    with atomic_path(out / FACES) as temporary:
        pd.concat([pd.read_parquet(table) for table in tables]).to_parquet(temporary, index=False)

"""Faces with everything known, to train networks that find landmarks and action units in photographs.

``DIR/images.npy`` uint8 [N, S, S, 4]: RGB and the share of each pixel that is person, so that a training can
put another place behind it; ``DIR/points.npy`` float32 [N, P, 3] pixels, the points of
`aukit.registration.landmarks.points`; ``DIR/movements.npy`` float32 [N, A], how far each AU of
`aukit.facs.VISIBLE_AUS` is seen to act, the greater of both sides; ``DIR/faces.parquet`` with a row for each:
identity, gender, age, skin tone, yaw, pitch, roll, acquisition, maker, basis.

Breadth carries over to real faces, many frames of few people do not. So every identity is new in all that is
known to matter: face basis, maker (people of all acquisitions, most of them filmed on the street, and some
avatars), age, paint, hair, glasses; and every frame of it in light, place, camera, pose, gaze and expression.
The identities are a split of their own (`IDENTITY_SPLIT`): none of them is in a stand-in corpus, among the
avatars of the pairs or in faces to pre-train on.
"""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy.spatial import cKDTree

from aukit.errors import ConfigError, StoreError
from aukit.facs import VISIBLE_AUS
from aukit.registration.landmarks.points import MIDLINE, PAIRS, POINTS
from aukit.simulation.appearance.appearance import Avatar
from aukit.simulation.bases import face_model
from aukit.simulation.behaviour.person import Person
from aukit.simulation.behaviour.random_expressions import sample_expression
from aukit.simulation.camera import FIELD, Camera
from aukit.simulation.corpora.acquisition import ACQUISITIONS, Acquisition
from aukit.simulation.pairs.retargeting import both_sides
from aukit.simulation.rendering.renderer import render
from aukit.store.files import map_array, read_manifest, read_table, require
from aukit.utils.files import atomic_path
from aukit.utils.jobs import WHOLE, Shard, chunk_file, chunk_jobs, claim, concatenate_parquet, disk_errors

MARKER = "LABELLED_FACES.json"
FACES = "faces.parquet"
ARRAYS = ("images", "points", "movements")
"""Each lies in a file of its name, ``.npy``."""
CHUNKS = "chunks"
"""Folder of the tables and arrays of all chunks."""
IDENTITY_SPLIT = "registration"
VERSION = 1
CHUNK = 16
"""Identities that one job renders."""
ZOOM, SHIFT_Y = 1.08, -0.06
"""The facial mask fills two thirds of the image's width, so that it can be turned and shifted later on."""
REACH = 55.0
"""Millimetres from the point about which heads turn to the middle of the landmarks."""
AVATARS = 0.12
"""Share of identities that move canonically."""
STREET = 0.6
"""Share of people's frames that are filmed anywhere; the others as in a corpus."""
NEUTRAL, ALONE = 0.15, 0.2
"""Shares of frames without an AU, and with one AU alone."""

Float = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LabelledFacesConfig:
    """All that decides what is rendered.

    Attributes:
        identities: Number of people and avatars.
        frames: Images of each.
        size: Width and height of the images in pixels.
        first: Number of the first identity; an identity of one number is the same in every set.
        max_yaw: Degrees; a part of the poses is uniform up to it.
        bases: Face bases, drawn for each identity.
        seed: Seed of everything.
        version: Version of this recipe.

    Example:
        >>> config = LabelledFacesConfig(identities=16, frames=4)
        >>> print(write_labelled_faces("faces", config))  # doctest: +SKIP
        64 labelled faces of 16 identities in faces
    """

    identities: int
    frames: int = 6
    size: int = 144
    first: int = 0
    max_yaw: float = 80.0
    bases: tuple[str, ...] = ("procedural",)
    seed: int = 0
    version: int = VERSION

    def rng(self, identity: int, purpose: str) -> np.random.Generator:
        """Generator of one purpose for one identity."""
        return np.random.default_rng([self.seed, self.version, identity, zlib.crc32(purpose.encode())])


class LabelledFaces(NamedTuple):
    """A set as it lies on the disk, mapped and not read.

    Attributes:
        images: uint8 [N, S, S, 4], RGB and person.
        points: float32 [N, P, 3] pixels, z towards the viewer.
        movements: float32 [N, A] in [0, 1], columns as in `aukit.facs.VISIBLE_AUS`.
        rows: One row for each image.

    Example:
        >>> faces = open_labelled_faces("faces")  # doctest: +SKIP
        >>> faces.images.shape[1:], faces.points.shape[1:]  # doctest: +SKIP
        ((144, 144, 4), (324, 3))
    """

    images: npt.NDArray[np.uint8]
    points: Float
    movements: Float
    rows: pd.DataFrame


def write_labelled_faces(
    out: str | Path,
    config: LabelledFacesConfig,
    shard: Shard = WHOLE,
    workers: int | None = None,
    progress: bool = True,
) -> str:
    """Render the faces of a configuration, or those that are missing.

    Files do not depend on shards, workers or kills. Cost: see `aukit/simulation/README.md`.

    Args:
        out: Folder; made if missing.
        config: What to render.
        shard: Which share of the identities to do.
        workers: Processes, see `SharedJobs.run`.
        progress: Whether to show a progress bar.

    Returns:
        A line that says what is there now.

    Raises:
        ConfigError: A number is out of range, or there is no such face basis.
        CorpusError: `out` holds something else, or the disk is full.
    """
    out = Path(out)
    if min(config.identities, config.frames) < 1 or config.size < 32 or min(config.seed, config.first) < 0:
        raise ConfigError(
            f"identities {config.identities}, frames {config.frames}, size {config.size}, first "
            f"{config.first}, seed {config.seed}: needed are at least 1 identity, 1 frame and 32 pixels, and "
            "no negative number"
        )
    if not 0 <= config.max_yaw <= 90 or not config.bases:
        raise ConfigError(
            f"max_yaw {config.max_yaw:g}, bases {config.bases}: needed are a yaw from 0 to 90 degrees and a "
            "face basis"
        )
    for basis in config.bases:
        face_model(basis)  # says now if there is no such basis
    claim(out, MARKER, {"recipe": {**asdict(config), "bases": list(config.bases)}})
    starts = range(config.first, config.first + config.identities, CHUNK)
    work = partial(_render_chunk, out / CHUNKS, config)
    shared = chunk_jobs(
        out / CHUNKS, starts, work, partial(_has_parts, out), _results(out), partial(_join, out)
    )
    missing = shared.run(shard, "rendering faces", f"{CHUNK} identities", workers, progress)
    total = config.identities * config.frames
    return missing or f"{total} labelled faces of {config.identities} identities in {out}"


def open_labelled_faces(out: str | Path) -> LabelledFaces:
    """A set that is complete.

    Raises:
        StoreError: The folder is missing, incomplete or damaged.
    """
    out = Path(out)
    if not (out / FACES).is_file():  # written last
        raise StoreError(
            f"{out}: no complete set of labelled faces ({FACES} is missing); repeat the command that renders "
            "them (all shards of it): it goes on with what is missing"
        )
    try:
        marker = read_manifest(out / MARKER)
        require(marker, MARKER, {"recipe": dict})
        recipe: dict[str, Any] = marker["recipe"]
        require(recipe, f"the recipe in {MARKER}", {"identities": int, "frames": int, "size": int})
        count, size = recipe["identities"] * recipe["frames"], recipe["size"]
        rows = read_table(out / FACES, ("identity", "gender", "age", "skin_tone", "yaw"))
        faces = LabelledFaces(
            map_array(out / "images.npy", np.uint8, (count, size, size, 4)),
            map_array(out / "points.npy", np.float32, (count, POINTS, 3)),
            map_array(out / "movements.npy", np.float32, (count, len(VISIBLE_AUS))),
            rows,
        )
        if len(rows) != count:
            raise ValueError(f"{FACES} has {len(rows)} rows, expected {count}")
    except ValueError as error:
        raise StoreError(
            f"{out}: damaged set of labelled faces ({error}); delete the folder and repeat the command: it "
            "renders them again"
        ) from error
    return faces


def render_identity(config: LabelledFacesConfig, identity: int) -> LabelledFaces:
    """All frames of one identity."""
    looks = config.rng(identity, "looks")
    basis = str(looks.choice(config.bases))
    gender = "female" if looks.random() < 0.5 else "male"
    acquisition = _acquisition(looks)
    person = Person.sample(
        IDENTITY_SPLIT, str(identity), gender, config.seed, basis, ACQUISITIONS["street"].sunglasses
    )
    maker = "people"
    if looks.random() < AVATARS:
        person, maker = (
            replace(
                person,
                avatar=Avatar.sample(IDENTITY_SPLIT, f"avatar{identity}", config.seed, gender, basis=basis),
            ),
            "avatars",
        )
    images, points, movements, rows = [], [], [], []
    for frame in range(config.frames):
        rng = config.rng(identity, f"frame {frame}")
        if maker == "people" and rng.random() < STREET:
            acquisition = ACQUISITIONS["street"]
        intended = _expression(rng)[None]
        acts = both_sides(intended) if maker == "avatars" else person.activations(intended.astype(np.float64))
        pose = _pose(rng, config.max_yaw)
        rendering = render(
            person.avatar,
            torch.from_numpy(acts),
            _camera(rng, pose),
            acquisition.light(rng),
            background=acquisition.background(rng, config.size),
            size=config.size,
            gaze=torch.from_numpy(rng.normal(0, [12, 7], (1, 2)).clip(-30, 30).astype(np.float32)),
        )
        colours = acquisition.sensor(rng, config.size)(rendering.image)[0]
        share = (rendering.mask[0].numpy() * 255).round().astype(np.uint8)
        images.append(np.concatenate([colours, share[..., None]], -1))
        skin = face_model(basis).on_skin(torch.from_numpy(dense_places()), rendering.vertices)
        points.append(torch.cat([rendering.landmarks, skin], 1)[0].numpy())
        movements.append(acts[0].max(-1))
        rows.append(
            {
                "identity": f"{IDENTITY_SPLIT}/{identity}",
                "gender": gender,
                "age": person.avatar.age,
                "skin_tone": person.avatar.appearance.tone,
                **pose,
                "acquisition": acquisition.name,
                "maker": maker,
                "basis": basis,
            }
        )
    return LabelledFaces(
        np.stack(images),
        np.stack(points).astype(np.float32),
        np.stack(movements).astype(np.float32),
        pd.DataFrame(rows),
    )


def _acquisition(rng: np.random.Generator) -> Acquisition:
    return ACQUISITIONS[str(rng.choice(list(ACQUISITIONS)))]


def _expression(rng: np.random.Generator) -> Float:
    """Intended activations [A]: none, one alone, or a pattern."""
    kind = rng.random()
    activations = np.zeros(len(VISIBLE_AUS), np.float32)
    if kind < NEUTRAL:
        return activations
    if kind < NEUTRAL + ALONE:
        activations[rng.integers(len(activations))] = rng.uniform(0.1, 1.0)
        return activations
    return sample_expression(rng)


def _pose(rng: np.random.Generator, max_yaw: float) -> dict[str, float]:
    """Yaw, pitch and roll in degrees: most people look about straight ahead, some anywhere."""
    yaw = rng.uniform(-max_yaw, max_yaw) if rng.random() < 0.4 else rng.normal(0, 18)
    return {
        "yaw": float(np.clip(yaw, -max_yaw, max_yaw)),
        "pitch": float(np.clip(rng.normal(0, 12), -40, 40)),
        "roll": float(np.clip(rng.normal(0, 6), -20, 20)),
    }


def _camera(rng: np.random.Generator, pose: dict[str, float]) -> Camera:
    """A camera that has the face, not the head's middle, about in the middle of its image."""
    turned = np.deg2rad([pose["yaw"], pose["pitch"]])
    x, y = REACH / FIELD * ZOOM * np.sin(turned) * [-1.0, 1.0] + rng.normal(0, 0.015, 2)
    zoom = ZOOM * float(np.exp(rng.normal(0, 0.05)))
    distance = float(rng.uniform(450, 2000))
    return Camera(**pose, zoom=zoom, shift_x=float(x), shift_y=float(y) + SHIFT_Y, distance=distance)


def _render_chunk(folder: Path, config: LabelledFacesConfig, start: int) -> None:
    """Identities of one chunk; its table is written last."""
    table = chunk_file(folder, start)
    end = min(start + CHUNK, config.first + config.identities)
    made = [render_identity(config, identity) for identity in range(start, end)]
    with disk_errors(folder):
        for name in ARRAYS:
            with atomic_path(_part(table, name)) as temporary:
                np.save(temporary, np.concatenate([getattr(each, name) for each in made]), allow_pickle=False)
        with atomic_path(table) as temporary:
            pd.concat([each.rows for each in made]).to_parquet(temporary, index=False)


def _part(table: Path, array: str) -> Path:
    """The file of an array of the chunk of a table."""
    return table.with_name(f"{table.stem}-{array}.npy")


def _results(out: Path) -> list[Path]:
    """What is made of all chunks, the table last."""
    return [*(out / f"{name}.npy" for name in ARRAYS), out / FACES]


def _has_parts(out: Path, start: int) -> bool:
    """Whether the arrays of a chunk are there, or else in the whole, to which they move."""
    table = chunk_file(out / CHUNKS, start)
    parts = (_part(table, name) for name in ARRAYS)
    return all(part.exists() for part in parts) or all(file.exists() for file in _results(out))


def _join(out: Path, tables: list[Path]) -> None:
    """One array of each kind and one table of all chunks; the table last, then the chunks' arrays go."""
    if all(file.exists() for file in _results(out)):  # another shard was as fast, and has taken the arrays
        return
    for name in ARRAYS:
        parts = [_part(table, name) for table in tables]
        first = np.load(parts[0], mmap_mode="r", allow_pickle=False)
        count = sum(len(np.load(part, mmap_mode="r", allow_pickle=False)) for part in parts)
        with atomic_path(out / f"{name}.npy") as temporary, temporary.open("wb") as file:
            np.lib.format.write_array_header_1_0(
                file,
                {
                    "descr": np.lib.format.dtype_to_descr(first.dtype),
                    "fortran_order": False,
                    "shape": (count, *first.shape[1:]),
                },
            )
            for part in parts:
                np.load(part, allow_pickle=False).tofile(file)
    concatenate_parquet(tables, out / FACES)
    for table in tables:
        for name in ARRAYS:
            _part(table, name).unlink(missing_ok=True)


@lru_cache(maxsize=1)
def dense_places() -> npt.NDArray[np.int64]:
    """Skin vertices [DENSE] of the procedural mean head, spread evenly over its facial mask.

    In the order of `aukit.registration.landmarks.points`.
    """
    model = face_model("procedural")
    region = np.flatnonzero(model.face_region.numpy())
    points = model.mean_mesh().vertices[0].numpy()[region]
    middle = np.flatnonzero(np.abs(points[:, 0]) < 1e-3)
    right = np.flatnonzero(points[:, 0] < -2.0)
    on_right = right[_spread(points[right], PAIRS)]
    on_left = cKDTree(points).query(points[on_right] * [-1.0, 1.0, 1.0])[1]
    order = np.concatenate([middle[_spread(points[middle], MIDLINE)], on_right, on_left])
    return np.asarray(region[order], np.int64)


def _spread(points: npt.NDArray[np.floating[Any]], count: int) -> npt.NDArray[np.int64]:
    """Indices of `count` points, each the farthest from those before it; the first is the nearest to us."""
    chosen = [int(np.argmax(points[:, 2]))]
    distance = np.linalg.norm(points - points[chosen[0]], axis=1)
    while len(chosen) < count:
        chosen.append(int(np.argmax(distance)))
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return np.array(chosen)

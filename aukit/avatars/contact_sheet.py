"""Contact sheets: random people in a row and each action unit on one person, with labels."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aukit.avatars.appearance import Avatar
from aukit.avatars.background import sample_background
from aukit.avatars.camera import Camera
from aukit.avatars.face_model import face_model
from aukit.avatars.light import Light
from aukit.avatars.renderer import render
from aukit.files import atomic_path

Pixels = NDArray[np.uint8]


def to_pixels(image: Tensor) -> Pixels:
    """[3, H, W] in [0, 1] to uint8 [H, W, 3]."""
    return np.asarray((image.clamp(0, 1) * 255 + 0.5).byte().permute(1, 2, 0).numpy(), np.uint8)


def _label(tile: Pixels, text: str) -> Pixels:
    tile = tile.copy()
    scale = tile.shape[0] / 420
    for colour, width in ((0, 3), (255, 1)):
        cv2.putText(
            tile,
            text,
            (6, tile.shape[0] - 8),
            cv2.FONT_HERSHEY_SIMPLEX,
            scale,
            (colour,) * 3,
            width,
            cv2.LINE_AA,
        )
    return tile


def people_tiles(
    count: int, size: int, seed: int, pool: str = "contact", basis: str = "procedural"
) -> list[Pixels]:
    """Random people, half of them with a random expression, pose and light."""
    model = face_model(basis)
    tiles = []
    for k in range(count):
        avatar = Avatar.sample(pool, f"person{k}", seed, basis=basis)
        rng = np.random.default_rng([seed, k, 5])
        acts = torch.zeros(1, len(model.aus), 2)
        if k % 2:
            for au in rng.choice([1, 2, 4, 6, 12, 14, 15, 17, 25, 26], 3, replace=False):
                acts[0, model.aus.index(int(au))] = float(rng.uniform(0.3, 1))
        camera = Camera(
            yaw=float(rng.normal(0, 18)), pitch=float(rng.normal(0, 7)), roll=float(rng.normal(0, 4))
        )
        out = render(avatar, acts, camera, Light.sample(rng), sample_background(rng, size), size)
        tiles.append(_label(to_pixels(out.image[0]), f"{avatar.gender[0].upper()}{avatar.age:.0f}"))
    return tiles


def action_unit_tiles(avatar: Avatar, size: int, level: float = 1.0, zoom: float = 1.35) -> list[Pixels]:
    """Neutral and then every action unit alone on one person."""
    model = face_model(avatar.basis)
    n = len(model.aus)
    acts = torch.zeros(n + 1, n, 2)
    acts[torch.arange(1, n + 1), torch.arange(n)] = level
    out = render(avatar, acts, Camera(zoom=zoom, shift_y=-0.06), size=size)
    names = ["neutral"] + [f"AU{au}" for au in model.aus]
    return [_label(to_pixels(i), name) for i, name in zip(out.image, names, strict=True)]


def contact_sheet(
    path: str | Path,
    count: int = 18,
    size: int = 192,
    seed: int = 0,
    columns: int = 9,
    basis: str = "procedural",
) -> None:
    """Write a labelled PNG: a block of random people, then each action unit at 1.0 on one of them.

    Args:
        path: Where to write.
        count: How many people.
        size: Tile size in pixels.
        seed: Of the people.
        columns: Tiles per row.
        basis: Name of the face basis.
    """
    tiles = people_tiles(count, size, seed, basis=basis)
    tiles += [np.full((size, size, 3), 255, np.uint8)] * (-len(tiles) % columns)
    tiles += action_unit_tiles(Avatar.sample("contact", "face", seed, basis=basis), size)
    write_grid(path, tiles, columns)


def write_grid(path: str | Path, tiles: list[Pixels], columns: int) -> None:
    """Write equal tiles as one PNG, row by row."""
    tiles = tiles + [np.full_like(tiles[0], 255)] * (-len(tiles) % columns)
    rows = [np.concatenate(tiles[k : k + columns], 1) for k in range(0, len(tiles), columns)]
    sheet = np.concatenate(rows, 0)
    with atomic_path(Path(path)) as temporary:
        cv2.imwrite(str(temporary), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))

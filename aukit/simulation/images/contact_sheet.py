"""The contact sheet: expressions × identities × acquisitions, and each action unit on one person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from aukit.errors import ConfigError
from aukit.facs import VISIBLE_AUS, VISIBLE_INDEX
from aukit.simulation.appearance.appearance import Avatar
from aukit.simulation.behaviour.person import Person
from aukit.simulation.camera import Camera
from aukit.simulation.corpora.acquisition import ACQUISITIONS, to_pixels
from aukit.simulation.pairs.retargeting import both_sides
from aukit.simulation.rendering.background import plain_background
from aukit.simulation.rendering.light import Light
from aukit.simulation.rendering.renderer import render
from aukit.utils.files import atomic_path

Pixels = NDArray[np.uint8]

IDENTITY_SPLIT = "contact"
EXPRESSIONS: dict[str, dict[int, float]] = {
    "neutral": {},
    "happy": {6: 0.7, 12: 0.9, 25: 0.7},
    "sad": {1: 1.0, 4: 0.4, 15: 0.8, 17: 0.4},
    "surprised": {1: 0.9, 2: 0.9, 5: 0.7, 25: 0.6, 26: 0.9},
    "angry": {4: 1.0, 7: 0.6, 23: 0.8, 24: 0.4},
    "disgusted": {9: 0.9, 10: 0.6, 17: 0.4},
    "afraid": {1: 0.9, 2: 0.6, 4: 0.5, 5: 0.9, 20: 0.8, 25: 0.7},
    "doubtful": {2: 0.7, 14: 0.8, 17: 0.5},
    "speaking": {18: 0.4, 25: 0.7, 26: 0.5},
}
"""Columns: the emotions' usual action units (Ekman and Friesen's EMFACS) and two more; strengths are ours."""
PEOPLE_ROWS = 2


def contact_sheet(
    path: str | Path, bases: Sequence[str] = ("procedural",), size: int = 192, seed: int = 0
) -> None:
    """Write a labelled picture; about 20 s per basis at the default size.

    For each basis: two rows of people, who pass through the entries of `ACQUISITIONS` in turn, a row of
    avatars, and three rows with each action unit at its maximum on one person. Every face of the first rows
    is a new one; their columns are `EXPRESSIONS`.

    Args:
        path: Where to write, as PNG or JPEG.
        bases: Names of the face bases.
        size: Side of a tile in pixels.
        seed: Of all faces.

    Raises:
        ConfigError: The file is not called as a picture is.
    """
    if Path(path).suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise ConfigError(f"{path}: name a picture, .png or .jpg")
    rows = []
    for basis in tqdm(bases, desc="contact sheet", unit="basis"):
        rows += [_people(basis, row, size, seed) for row in range(PEOPLE_ROWS)]
        rows += [_avatars(basis, size, seed), *_action_units(basis, size, seed)]
    sheet = np.concatenate([np.concatenate(row, 1) for row in rows], 0)
    with atomic_path(Path(path)) as temporary:
        cv2.imwrite(str(temporary), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 88])


def _people(basis: str, row: int, size: int, seed: int) -> list[Pixels]:
    tiles = []
    for column, (expression, aus) in enumerate(EXPRESSIONS.items()):
        number = row * len(EXPRESSIONS) + column
        acquisition = list(ACQUISITIONS.values())[number % len(ACQUISITIONS)]
        gender = "female" if (number + row) % 2 else "male"
        person = Person.sample(IDENTITY_SPLIT, f"person{number}", gender, seed, basis)
        rng = np.random.default_rng([seed, number, 5])
        rendering = render(
            person.avatar,
            torch.from_numpy(person.activations(_activations(aus))),
            _pose(rng, 16.0),
            acquisition.light(rng),
            acquisition.background(rng, size),
            size,
        )
        tiles.append(
            _label(acquisition.sensor(rng, size)(rendering.image)[0], f"{expression}, {acquisition.name}")
        )
    return tiles


def _avatars(basis: str, size: int, seed: int) -> list[Pixels]:
    tiles = []
    for number, (expression, aus) in enumerate(EXPRESSIONS.items()):
        gender = "female" if number % 2 else "male"
        avatar = Avatar.sample(IDENTITY_SPLIT, f"avatar{number}", seed, gender, basis=basis)
        rng = np.random.default_rng([seed, number, 6])
        acts = torch.from_numpy(both_sides(_activations(aus).astype(np.float32)))
        rendering = render(avatar, acts, _pose(rng, 10.0), Light.sample(rng), plain_background(size), size)
        tiles.append(_label(to_pixels(rendering.image)[0], f"{expression}, avatar"))
    return tiles


def _action_units(basis: str, size: int, seed: int) -> list[list[Pixels]]:
    """Neutral and then every action unit alone on one person, in rows of tiles."""
    avatar = Avatar.sample(IDENTITY_SPLIT, "face", seed, "female", 35, basis=basis)
    avatar = replace(avatar, appearance=replace(avatar.appearance, cover="none", eyewear="none"))
    n = len(VISIBLE_AUS)
    acts = torch.zeros(n + 1, n, 2)
    acts[torch.arange(1, n + 1), torch.arange(n)] = 1.0
    images = to_pixels(render(avatar, acts, Camera(zoom=1.35, shift_y=-0.06), size=size).image)
    tiles = [
        _label(i, t) for i, t in zip(images, ["neutral", *(f"AU{au}" for au in VISIBLE_AUS)], strict=True)
    ]
    width = len(EXPRESSIONS)
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % width)
    return [tiles[k : k + width] for k in range(0, len(tiles), width)]


def _activations(aus: dict[int, float]) -> NDArray[np.float64]:
    """[1, A] of `VISIBLE_AUS`."""
    activations = np.zeros((1, len(VISIBLE_AUS)))
    for au, strength in aus.items():
        activations[0, VISIBLE_INDEX[au]] = strength
    return activations


def _pose(rng: np.random.Generator, spread: float) -> Camera:
    yaw, pitch, roll = (float(rng.normal(0, s)) for s in (spread, 0.4 * spread, 0.2 * spread))
    return Camera(yaw=yaw, pitch=pitch, roll=roll, zoom=1.15)


def _label(tile: Pixels, text: str) -> Pixels:
    tile = tile.copy()
    for colour, width in ((0, 3), (255, 1)):
        place = (6, tile.shape[0] - 8)
        cv2.putText(
            tile,
            text,
            place,
            cv2.FONT_HERSHEY_SIMPLEX,
            tile.shape[0] / 480,
            (colour,) * 3,
            width,
            cv2.LINE_AA,
        )
    return tile

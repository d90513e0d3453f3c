"""The hair line: where hair grows on the head, and its roots and shortest hairs painted on the skin."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from aukit.simulation.appearance.appearance import Appearance
from aukit.simulation.face import head_shape as hs
from aukit.simulation.face.atlas import TEXTURE, Atlas, noise, skin_uv

Array = NDArray[np.float64]
Image = NDArray[np.float32]

HANGING = ("long", "bob")
CROPPED = ("buzz", "short", "full", "curly")
_CANDIDATES = 24000


def hair_line(column: Array, p: Appearance) -> Array:
    """Ring label of the hair line at |column|: hair grows above it, where labels are smaller."""
    place = np.array([0, 0.2, 0.4, 0.56, 0.68, 0.78, 0.86, 0.92, 0.965, 1.02, 1.10, 1.25, 2.0])
    line = np.array([-66.0, -67, -68, -65, -55, -42, -29, -16, 6, 6, 14, 34, 52])
    # Temples recede first; sideburns end at the ear.
    receding = max(0.0, -p.hair_line) + (14.0 if p.style == "bald" else 0.0)
    line[:5] -= receding * np.array([0.35, 0.6, 1.3, 1.5, 1.0])
    line[:6] += p.hair_line * (0.8 if p.hair_line > 0 else 0.7)
    # Individual variation: a peak or none, high or low temples.
    line[:5] += np.random.default_rng([p.seed, 31]).normal(0.0, [2.5, 1.5, 3.0, 3.5, 3.0])
    if p.style in HANGING:
        line[6:10] = [-26, -8, 20, 30]  # covered by what hangs
    elif p.style in CROPPED or p.style == "bald":
        line[6:9] = [-24, 0, 10] if p.stubble < 0.25 else [-22, 14, 24]
    elif p.style == "tied":
        line[7:11] = [-20, -9, 3, 20]
    return np.asarray(np.interp(column, place, line), np.float64)


def hair_distance(row: Array | Image, column: Array | Image, p: Appearance) -> Array:
    """Signed distance in mm from the hair line (positive: hair grows) at ring labels and |column|."""
    table = np.linspace(0.0, 2.0, 401)
    edge = hair_line(table, p)
    slope = np.gradient(edge, table) / 95.0
    # Where the line climbs, it is nearer than straight above; far from it that no longer holds.
    above = np.interp(column, table, edge) - row
    climb = np.interp(column, table, slope) ** 2 * np.exp(-((above / 16.0) ** 2))
    return np.asarray(above / np.sqrt(1.0 + climb), np.float64)


def paint_hair_roots(p: Appearance, a: Atlas, skin: Image, sheen: Image) -> None:
    """Hair on the scalp: single hairs outside the hair line, closing to a cover where the shell begins.

    Args:
        p: Whose.
        a: The atlas.
        skin: Albedo of the skin's texels, written.
        sheen: Their gloss, written.

    Cost: about 50 ms.
    """
    rng = np.random.default_rng([p.seed, 43])
    shape = a.x.shape
    distance = hair_distance(a.row, np.abs(a.column), p) + 1.6 * noise(rng, (40, 90), shape)
    within = hs.smoothstep(109, 60, np.asarray(a.row, np.float64))
    grain = 0.6 * noise(rng, (90, 400), shape) + 0.5 * noise(rng, (180, 512), shape)
    if p.style == "bald":
        cover = 0.22 * hs.smoothstep(-2.0, 9.0, distance) * np.clip(1 + 0.5 * grain, 0, 2)
    else:
        ground = 0.55 * hs.smoothstep(-2.5, 5.5, distance) + 0.45 * hs.smoothstep(4.0, 10.0, distance)
        hairs = _roots(p, rng, shape)
        cover = 1 - (1 - ground * (1 + 0.12 * grain * hs.smoothstep(12, 3, distance))) * (1 - 0.85 * hairs)
    cover = np.clip(cover, 0, 0.95) * within
    tone = np.exp(0.12 * grain - 0.1)[..., None] * np.asarray(p.hair, np.float32)
    skin += cover[..., None] * (tone - skin)
    sheen *= 1 - 0.75 * cover


def _roots(p: Appearance, rng: np.random.Generator, shape: tuple[int, ...]) -> Image:
    """Cover of single hairs along the hair line in [0, 1]."""
    q = rng.uniform(-112, 52, _CANDIDATES)
    around = rng.uniform(-1, 1, _CANDIDATES)
    s = np.where(np.abs(around) < 0.5, np.sin(np.pi * around), 2 * around)
    inside = hair_distance(q, np.abs(s), p)
    grows = (rng.random(_CANDIDATES) < hs.smoothstep(-7.0, 9.0, inside)) & (inside < 17.0)
    q, s, inside = q[grows], s[grows], inside[grows]
    n, side = len(q), np.where(s < 0, -1.0, 1.0)
    away = np.abs(s)
    # In the middle hair grows to the front or is combed back; beside it back and down; before the ears down.
    forward = 0.9 if p.style in CROPPED else -0.8
    right = np.interp(away, [0, 0.3, 0.6, 0.85, 1.0], [0.15, 0.5, 0.8, 0.7, 0.25]) * side
    down = np.interp(away, [0, 0.5, 0.75, 0.95], [forward, 0.6 * forward, 0.55, 1.0])
    angle = np.arctan2(down, right) + rng.normal(0, 0.3, n)
    length = rng.uniform(2.5, 7.0, n) * np.clip(0.75 + 0.05 * inside, 0.4, 1.3)
    if p.style == "buzz":
        length *= 0.35
    step = 0.012
    left, other = (np.stack(hs.ring_point(q, s + d), -1) for d in (-step, step))
    mm_per_column = np.clip(np.linalg.norm(other - left, axis=-1) / (2 * step), 60.0, 300.0)
    roots = skin_uv(q, s)
    tips = skin_uv(q + length * np.sin(angle), s + length * np.cos(angle) / mm_per_column)
    cover = np.zeros(shape, np.uint8)
    # Far from the line hairs are finer; texels are wide at the side of the head.
    dark = (
        rng.uniform(120, 255, n) * np.clip(0.65 + 0.06 * inside, 0.4, 1) * np.interp(away, [0.8, 1], [1, 0.8])
    )
    ends = ((np.stack([roots, tips], 1) * TEXTURE - 0.5) * 16).round().astype(int).tolist()
    for (root, tip), value in zip(ends, dark.astype(int).tolist(), strict=True):
        cv2.line(cover, root, tip, value, 1, cv2.LINE_AA, 4)
    return np.asarray(cover, np.float32) / 255.0

"""Painting a person's texture: colour, gloss, occlusion and relief of the skin, eyes, teeth and clothes."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from aukit.simulation.appearance import wrinkles as wr
from aukit.simulation.appearance.appearance import Appearance
from aukit.simulation.appearance.glasses import paint_glasses
from aukit.simulation.appearance.hairline import paint_hair_roots
from aukit.simulation.face import head_shape as hs
from aukit.simulation.face.atlas import PAINT_STEP, SHEEN_STEP, TEXTURE, Atlas, atlas, noise, texels
from aukit.simulation.face.landmarks import BROW_INNER, BROW_OUTER, brow_line
from aukit.simulation.face.topology import (
    CLOTH_ROW,
    EAR_UV,
    EYE_UV,
    MOUTH_UV,
    TEETH_UV,
    TONGUE_TIP,
    TONGUE_UV,
)

Image = NDArray[np.float32]


class Paint(NamedTuple):
    """Textures of one person, TEXTURE x TEXTURE.

    Attributes:
        colour: uint16 [T, T, 5]: linear RGB, the share of ambient light that arrives (in steps of
            `PAINT_STEP`), strength of the sheen (in steps of `SHEEN_STEP`).
        height: float32 [T, T] standing relief in mm.
    """

    colour: NDArray[np.uint16]
    height: Image


@lru_cache(maxsize=8)
def paint(appearance: Appearance) -> Paint:
    """Textures of a person, 3.7 MB; the last 8 people are kept. About 0.2 s for a new one."""
    return _paint(appearance)


def _mix(albedo: Image, weight: Image, colour: Image | tuple[float, float, float]) -> None:
    w = np.clip(weight, 0, 1)[..., None]
    albedo += w * (np.asarray(colour, np.float32) - albedo)


def _gauss(dx: Image, dy: Image, sx: float, sy: float) -> Image:
    return np.asarray(np.exp(-0.5 * ((dx / sx) ** 2 + (dy / sy) ** 2)), np.float32)


def _step(low: float, high: float, value: Image) -> Image:
    t = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def _paint(p: Appearance) -> Paint:
    rng = np.random.default_rng([p.seed, 11])
    a = atlas()
    n = a.height
    shape = (n, TEXTURE)
    albedo = np.empty((TEXTURE, TEXTURE, 3), np.float32)
    gloss = np.ones((TEXTURE, TEXTURE), np.float32)
    occlusion = np.ones((TEXTURE, TEXTURE), np.float32)
    height = np.zeros((TEXTURE, TEXTURE), np.float32)
    albedo[:] = np.asarray(p.skin, np.float32)
    skin, ao, relief, sheen = albedo[:n], occlusion[:n], height[:n], gloss[:n]
    ax = np.abs(a.x)
    front = (np.abs(a.column) < 1) & (a.row > -75) & (a.row < 112)
    _complexion(p, a, rng, skin, relief, shape)
    _shade_hollows(a, ax, skin, ao, p)
    sheen *= (
        0.7 + 0.5 * _gauss(ax * 0, a.y + 45, 1, 22) * _step(50, 20, ax) + 0.45 * _gauss(ax, a.y - 32, 8, 12)
    )
    sheen *= p.gloss * (1 + 0.15 * noise(rng, (90, 100), shape))
    _age(p, a, ax, relief, skin)
    _beard(p, a, ax, rng, skin, sheen, shape)
    mouth, band = _band(a, 50, 88)
    _lips(p, band, rng, skin[mouth], sheen[mouth], relief[mouth])
    _brows(p, a, ax, rng, skin, relief, shape)
    eyes, band = _band(a, -14, 14)
    _lid_lines(p, band, np.abs(band.x), skin[eyes], ao[eyes])
    paint_hair_roots(p, a, skin, sheen)
    cloth = _step(CLOTH_ROW - 0.6, CLOTH_ROW + 0.6, a.row)
    weave = 1 + 0.08 * noise(rng, (200, 256), shape)
    skin += cloth[..., None] * (np.asarray(p.cloth, np.float32) * weave[..., None] - skin)
    sheen *= 1 - 0.85 * cloth
    relief *= front
    _other_patches(p, rng, albedo, gloss, occlusion)
    paint_glasses(p, albedo, gloss, occlusion)
    np.clip(albedo, 0.003, 0.97, out=albedo)
    unit = np.concatenate([albedo, occlusion[..., None], gloss[..., None] * (PAINT_STEP / SHEEN_STEP)], -1)
    return Paint((np.clip(unit, 0, 1) / PAINT_STEP).round().astype(np.uint16), height)


def _band(a: Atlas, top: float, bottom: float) -> tuple[slice, Atlas]:
    """The texel rows between two rings, and the atlas of these rows alone."""
    first, last = np.searchsorted(a.row[:, 0], [top, bottom])
    rows = slice(int(first), int(last))
    return rows, Atlas(a.x[rows], a.y[rows], a.row[rows], a.column[rows], a.left[rows], int(last - first))


def _complexion(
    p: Appearance, a: Atlas, rng: np.random.Generator, skin: Image, relief: Image, shape: tuple[int, int]
) -> None:
    ax, n = np.abs(a.x), shape[0]
    red = (
        0.60 * _gauss(ax - 40, a.y - 30, 15, 13)
        + 0.6 * _gauss(ax, a.y - 38, 13, 7)
        + 0.35 * _gauss(ax, a.y - 98, 13, 8)
    )
    red += 0.30 * _gauss(ax - 31, a.y, 18, 8) + 0.25 * _gauss(ax - 20, a.y - 42, 5, 6)
    # Texels are wide at the side of the head: grain fades there, or it would draw streaks.
    even = 0.15 + 0.85 * _step(66, 42, ax) * _step(122, 108, a.row)
    uneven = 0.12 * p.blotches * noise(rng, (26, 30), shape) + 0.08 * noise(rng, (60, 70), shape)
    red = red * p.redness + even * uneven
    ink = [0.02 * red, -0.30 * red, -0.24 * red]
    tone = even * (0.035 * p.blotches * noise(rng, (14, 16), shape) + 0.022 * noise(rng, (110, 128), shape))
    fine = noise(rng, (shape[0], shape[1]), shape) * even
    tone += 0.03 * p.pores * fine
    low = _step(70, 110, a.y)
    under = _gauss(ax - 28, a.y - 11, 11, 4.5) * p.eye_shadow
    spots = np.zeros_like(tone)
    if p.freckles > 0.05:
        where = _gauss(ax - 24, a.y - 24, 24, 16) + 0.3
        spots += (
            0.55
            * min(p.freckles, 1.2)
            * where
            * _step(1.5, 2.4, noise(rng, (shape[0] // 3, shape[1] // 3), shape))
        )
    for _ in range(p.blemishes):
        x, y, r = rng.uniform(-58, 58), rng.uniform(-55, 100), rng.uniform(0.5, 1.1)
        dark = rng.uniform(0.3, 1.0)
        r0, c0 = np.searchsorted(a.row[:, TEXTURE // 2], y), np.argmin(np.abs(a.x[n // 2] - x))
        near = (slice(max(r0 - 25, 0), r0 + 25), slice(max(c0 - 25, 0), c0 + 25))
        spots[near] += dark * _gauss(a.x[near] - np.float32(x), a.y[near] - np.float32(y), r, r)
    # Colour changes multiply, so their logarithms add; the lower face is a little duller.
    for d, (own, melanin, dull, ring) in enumerate(
        ((0.8, 0.5, 0.10, 0.22), (1.0, 0.95, 0.09, 0.30), (1.15, 1.1, 0.06, 0.22))
    ):
        skin[..., d] *= np.exp(ink[d] + own * tone - melanin * spots - dull * low - ring * under)
    pores = 0.5 + 0.8 * _gauss(ax - 18, a.y - 26, 16, 18) + 0.5 * _gauss(ax, a.y - 34, 9, 10)
    relief += p.pores * (0.028 * pores * fine + 0.012 * noise(rng, (240, 210), shape))


def _shade_hollows(a: Atlas, ax: Image, skin: Image, ao: Image, p: Appearance) -> None:
    hollow = 0.15 * _gauss(ax - 17, a.y + 3, 5, 7) + 0.04 * _gauss(ax - 31, a.y + 9, 17, 6)
    hollow += 0.40 * _gauss(ax - 19.0, a.y - 40.5, 1.8, 4.5) + 0.12 * _gauss(ax, a.y - 50, 11, 3.0)
    hollow += 0.28 * _gauss(ax, a.y - 84, 16, 4.0) + 0.25 * _gauss(ax, a.y - 55, 2.0, 4.5)
    hollow += 0.35 * _gauss(ax - hs.MOUTH_HALF_WIDTH - 0.5, a.y - 68, 2.4, 2.6)
    hollow += 0.9 * _step(108, 122, a.row) * _step(160, 132, a.row) * _step(1.9, 0.9, np.abs(a.column))
    # Two muscles run from behind the ears to the notch between the collar bones.
    line = np.interp(a.row, [118, 178], [44, 12]).astype(np.float32)
    hollow += 0.2 * _step(120, 134, a.row) * _step(180, 160, a.row) * _gauss(ax - line + 8, a.y * 0, 5, 1)
    ao *= np.exp(-0.9 * np.clip(hollow, 0, 2))
    skin *= np.exp(-0.55 * np.clip(hollow, 0, 2)[..., None] * np.array([0.55, 0.8, 0.85], np.float32))
    across, down = (ax - 7.2) / 3.3, (a.y - 46.2 + 0.12 * (ax - 7)) / 1.9
    nostril = np.exp(-((across**2) ** 1.3) - (down**2) ** 1.2).astype(np.float32)
    inner = 0.10 * np.asarray(p.skin, np.float32) * np.array([1.0, 0.5, 0.4], np.float32)
    _mix(skin, 0.85 * nostril, inner)
    ao *= 1 - 0.6 * nostril


def _age(p: Appearance, a: Atlas, ax: Image, relief: Image, skin: Image) -> None:
    if p.age_lines < 0.05:
        return
    x, y = ax.astype(np.float64), a.y.astype(np.float64)
    front = (np.abs(a.column) < 1) & (a.row > -70) & (a.row < 109)
    shares = {1: 0.15, 2: 0.10, 4: 0.12, 6: 0.17, 12: 0.28, 15: 0.24}
    seen = np.flatnonzero(front.any(1))
    rows = slice(int(seen[0]), int(seen[-1]) + 1)
    total = np.zeros((rows.stop - rows.start, TEXTURE))
    for patch_key, patch in wr.patches(p.seed % wr.VARIANTS).items():
        share = shares.get(wr.GROUPS[patch_key[0]], 0.0)
        if share:
            relief[patch.rows, patch.columns] += p.age_lines * share * patch.height
    bag = wr.crease(x[rows], y[rows], [(19, 9), (26, 13.5), (34, 15), (42, 12)], 1.8)
    total += 0.45 * bag
    relief[rows] += p.age_lines * total * front[rows]


def _beard(
    p: Appearance,
    a: Atlas,
    ax: Image,
    rng: np.random.Generator,
    skin: Image,
    sheen: Image,
    shape: tuple[int, int],
) -> None:
    if p.stubble <= 0:
        return
    line = np.interp(ax, [0, 20, 30, 45, 56, 62, 75], [80, 80, 74, 62, 40, 12, 5]).astype(np.float32)
    area = _step(-11, 14, a.y - line + 4.0 * noise(rng, (60, 60), shape)) * _step(121, 110, a.row)
    area *= _step(1.10, 0.99, np.abs(a.column))
    lip = _step(50, 57, a.y + 0.10 * ax) * _step(65, 59, a.y - 0.10 * ax) * _step(35, 22, ax)
    lip *= 1 + p.moustache
    lip *= 1 - 0.5 * _gauss(ax, a.y - 54, 2.2, 5)
    side = _gauss(ax - 30, a.y - 70, 4.5, 9)
    area = np.clip(np.maximum(np.maximum(area, lip), side), 0, 1.5)
    area *= 1 - 0.85 * _gauss(ax, a.y - 80.5, 4, 2) * (p.moustache < 0.4)
    # No hair grows at the lips' edge, and little beside the corners.
    up, down = hs.lip_borders(a.x.astype(np.float64))
    dy = a.y - hs.MOUTH_ROW
    above, beside = np.where(dy <= 0, -dy - up, dy - down), 0.6 * (ax - hs.MOUTH_HALF_WIDTH)
    away = np.hypot(np.maximum(above, 0), np.maximum(beside, 0))
    area *= _step(0.3, 2.5, away.astype(np.float32))
    soft = noise(rng, (40, 48), shape) * (0.3 + 0.7 * _step(52, 36, ax))
    if p.stubble < 0.25:
        fine = noise(rng, (shape[0], shape[1]), shape) * (0.2 + 0.8 * _step(56, 40, ax))
        weight = area * p.stubble * (0.9 + 0.25 * fine)
    else:
        whiskers = _whiskers(p, rng, shape)
        weight = area * p.stubble * (0.46 * (1 + 0.18 * soft) + 0.3 * whiskers)
    dark = 0.7 * np.asarray(p.brow_colour, np.float32) + 0.008
    _mix(skin, np.clip(weight, 0, 0.94).astype(np.float32), dark)
    sheen *= 1 - 0.5 * np.clip(area * p.stubble, 0, 1)


def _whiskers(p: Appearance, rng: np.random.Generator, shape: tuple[int, int]) -> Image:
    """Cover of single whiskers over the lower face in [0, 1]: down on the cheeks, outwards over the lip."""
    count = 5200
    y = rng.uniform(10, 114, count)
    x = rng.uniform(-1, 1, count) * np.interp(y, [10, 60, 114], [66, 64, 52])
    over = (y < 66) & (np.abs(x) < 32)
    lean = np.where(over, 0.75 + 0.012 * np.abs(x), 0.20) * np.sign(x) + rng.normal(0, 0.28, count)
    length = rng.uniform(1.2, 2.2, count) + 1.6 * p.stubble
    roots, tips = texels(x, y), texels(x + length * np.sin(lean), y + length * np.cos(lean))
    cover = np.zeros(shape, np.uint8)
    dark = rng.integers(110, 256, count)
    ends = (np.stack([roots, tips], 1) * 16).round().astype(int).tolist()
    for (root, tip), value in zip(ends, dark.tolist(), strict=True):
        cv2.line(cover, root, tip, value, 1, cv2.LINE_AA, 4)
    return np.asarray(cover, np.float32) / 255.0


def _lips(
    p: Appearance,
    a: Atlas,
    rng: np.random.Generator,
    skin: Image,
    sheen: Image,
    relief: Image,
) -> None:
    shape = a.x.shape
    up, down = hs.lip_borders(a.x.astype(np.float64))
    dy = a.y - hs.MOUTH_ROW
    edge = np.where(dy <= 0, up + dy, down - dy).astype(np.float32)
    inside = _step(-1.0, 1.3, edge + 0.25 * noise(rng, (16, 120), shape)) * (np.abs(a.column) < 1)
    inside *= _step(hs.MOUTH_HALF_WIDTH + 1.2, hs.MOUTH_HALF_WIDTH - 1.8, np.abs(a.x))
    base = np.asarray(p.skin, np.float32)
    # Lips of dark skin are browner, and the upper lip is darker than the lower.
    tone = np.asarray(p.lip_colour, np.float32) * (0.25 + 1.1 * float(base.mean()) ** 0.5)
    own = p.lips * (0.5 + 0.5 * min(float(base.mean()) / 0.25, 1.0))
    lips = base * (1 - own) * 0.85 + own * tone
    lines = noise(rng, (5, 330), shape) * 0.09 + noise(rng, (10, 70), shape) * 0.06
    # The red deepens towards the mouth line.
    deep = 0.22 * np.exp(-np.abs(dy) / 2.5) + 0.16 * _step(0.6, -0.6, dy)
    colour = lips * np.exp((lines - deep)[..., None] * np.array([0.8, 1.0, 1.0], np.float32))
    weight = (inside * 0.88)[..., None]
    skin += weight * (colour - skin)
    rim = np.exp(-((edge / 0.8) ** 2)) * (np.abs(a.x) < hs.MOUTH_HALF_WIDTH)
    skin *= (1 + 0.06 * rim[..., None]).astype(np.float32)
    seam = np.exp(-((dy / 0.8) ** 2)) * _step(
        2.5, 0.2, np.asarray(np.abs(a.x) - hs.MOUTH_HALF_WIDTH, np.float32)
    )
    # The line between the lips ends in dark corners.
    beside = np.asarray(np.abs(a.x) - hs.MOUTH_HALF_WIDTH + 0.4, np.float32)
    seam = 0.95 * seam + 1.5 * _gauss(beside, dy - 0.2, 1.5, 1.1)
    skin *= np.exp(-seam[..., None] * np.array([0.8, 1, 1], np.float32))
    sheen += (0.9 + 0.5 * (dy > 0)) * inside * p.gloss
    relief += inside * 0.11 * noise(rng, (3, 330), shape)


def _brows(
    p: Appearance,
    a: Atlas,
    ax: Image,
    rng: np.random.Generator,
    skin: Image,
    relief: Image,
    shape: tuple[int, int],
) -> None:
    """A soft shade under single hairs that stand up at the brow's head and lie along its tail."""
    place, half_width = [-0.1, 0.05, 0.3, 0.65, 1.0, 1.1], [0.7, 1.0, 1.0, 0.78, 0.34, 0.1]
    t = np.clip((ax - BROW_INNER) / (BROW_OUTER - BROW_INNER), -0.2, 1.2)
    half = p.brow_width * np.interp(t, place, half_width)
    d = (a.y - (brow_line(ax.astype(np.float64)) - p.brow_shift)) / half
    soft = np.exp(-(np.abs(d) ** 2.2)) * _step(-0.08, 0.16, t) * _step(1.08, 0.84, t) * (np.abs(a.column) < 1)
    hairs = _brow_hairs(p, rng, place, half_width, shape)
    weight = np.clip(p.brow_density * (0.50 * soft + 0.62 * hairs * (0.35 + 0.65 * soft)), 0, 0.97)
    _mix(skin, weight.astype(np.float32), p.brow_colour)
    relief += (0.16 * soft + 0.22 * hairs).astype(np.float32)


def _brow_hairs(
    p: Appearance,
    rng: np.random.Generator,
    place: list[float],
    half_width: list[float],
    shape: tuple[int, int],
) -> Image:
    """Cover of both brows' single hairs in [0, 1]."""
    count = round(150 + 130 * p.brow_density)
    t = np.tile(rng.random(count) ** 0.9, 2) + rng.normal(0, 0.015, 2 * count)
    side = np.repeat([1.0, -1.0], count)
    x = BROW_INNER + t * (BROW_OUTER - BROW_INNER)
    half = p.brow_width * np.interp(t, place, half_width)
    across = rng.uniform(-0.75, 0.85, 2 * count)
    y = brow_line(x) - p.brow_shift + across * half
    # The upper hairs lean down, the lower ones up, so that they meet along the ridge.
    lean = np.interp(t, [0, 0.15, 0.5, 1], [1.25, 0.85, 0.42, 0.05])
    lean = lean - 0.35 * np.clip(-across, 0, 1) * (t > 0.2) + rng.normal(0, 0.14, 2 * count)
    length = rng.uniform(0.7, 1.2, 2 * count) * np.interp(t, [0, 0.3, 1], [4.5, 6.5, 5.0])
    tip_x, tip_y = x + length * np.cos(lean), y - length * np.sin(lean)
    roots, tips = texels(side * x, y), texels(side * tip_x, tip_y)
    cover = np.zeros(shape, np.uint8)
    dark = rng.integers(120, 256, 2 * count)
    ends = (np.stack([roots, tips], 1) * 16).round().astype(int).tolist()
    for (root, tip), value in zip(ends, dark.tolist(), strict=True):
        cv2.line(cover, root, tip, value, 1, cv2.LINE_AA, 4)
    return np.asarray(cover, np.float32) / 255.0


def _lid_lines(p: Appearance, a: Atlas, ax: Image, skin: Image, ao: Image) -> None:
    t = (ax - hs.EYE_MIDDLE) / hs.EYE_HALF_WIDTH
    inside = _step(1.03, 0.92, np.abs(t)) * (np.abs(a.column) < 1)
    upper = inside * np.exp(-(np.clip(-a.y, 0, 9) ** 2) / (0.8 * (1.0 + 0.5 * p.lashes) ** 2)) * (a.y <= 0.01)
    lower = inside * np.exp(-(np.clip(a.y, 0, 9) ** 2) / 0.4) * (a.y > 0)
    _mix(skin, (p.lashes * 0.92 * upper).astype(np.float32), (0.012, 0.009, 0.008))
    _mix(skin, (p.lashes * 0.30 * _step(-0.6, 0.5, t) * lower).astype(np.float32), (0.04, 0.022, 0.018))
    crease = inside * np.exp(-(((a.y + 6.2 - 1.2 * t * t) / 0.9) ** 2))
    skin *= np.exp(-0.20 * crease[..., None] * np.array([0.8, 1.0, 1.0], np.float32))
    ao *= np.exp(-0.15 * crease)
    corner = _gauss(ax - (hs.EYE_MIDDLE - hs.EYE_HALF_WIDTH) - 0.6, a.y, 1.5, 1.1)
    _mix(skin, 0.6 * corner, 0.75 * np.asarray(p.skin, np.float32) * np.array([1.0, 0.62, 0.58], np.float32))


def _patch(box: tuple[float, float, float, float]) -> tuple[slice, slice]:
    u0, v0, u1, v1 = (round(c * TEXTURE) for c in box)
    return slice(v0, v1), slice(u0, u1)


def _other_patches(
    p: Appearance, rng: np.random.Generator, albedo: Image, gloss: Image, occlusion: Image
) -> None:
    cu, cv, r = EYE_UV
    box = _patch((cu - r - 0.008, cv - r - 0.006, cu + r + 0.008, cv + r + 0.006))
    v, u = np.mgrid[box]
    du, dv = ((u + 0.5) / TEXTURE - cu) / r, ((v + 0.5) / TEXTURE - cv) / r
    radius = np.hypot(du, dv) * (np.pi / 2) * hs.EYE_RADIUS  # mm along the ball
    angle = np.arctan2(dv, du)
    fibres = noise(rng, (1, 60), (1, 720))[0]
    spoke = np.interp(angle, np.linspace(-np.pi, np.pi, 720), fibres)
    # Exposure follows the skin, so that the white of the eye must not run away from a dark one.
    bright = 0.54 + 0.46 * min(1.0, float(np.mean(p.skin)) / 0.30)
    veins = np.clip(radius - 6, 0, 10)[..., None] * np.array([0.045, 0.075, 0.075], np.float32)
    white = bright * np.array([0.64, 0.59, 0.56], np.float32) * np.exp(-veins)
    white = white * (1 + 0.05 * noise(rng, (9, 9), radius.shape))[..., None]
    iris = (
        np.asarray(p.iris, np.float32)
        * np.exp(0.28 * spoke + 0.25 * np.exp(-(((radius - 3) / 0.9) ** 2)))[..., None]
    )
    limbus = _step(4.6, 6.1, radius.astype(np.float32))[..., None]
    eye = iris * (1 - 0.75 * limbus)
    edge = _step(5.7, 6.4, radius.astype(np.float32))[..., None]
    eye = eye * (1 - edge) + white * edge
    pupil = _step(2.5, 2.0, radius.astype(np.float32))[..., None]
    albedo[box] = eye * (1 - pupil) + 0.008 * pupil
    gloss[box] = 1.0
    teeth = _patch(TEETH_UV)
    v, u = np.mgrid[teeth]
    h, w = v.shape
    along = (u - u[0, 0]) / w * 13.0
    down = (v - v[0, 0]) / h
    upper = down < 0.5
    # 0 at the gum, 1 at the cutting edge, for both rows.
    tip = np.where(upper, down * 2, 2 - down * 2)
    gap = np.exp(-(((along - np.round(along)) / 0.085) ** 2))
    ivory = np.array([0.70, 0.65, 0.55], np.float32) * (bright * float(rng.uniform(0.8, 1.08)))
    tooth = ivory * (1 - 0.5 * gap * (0.6 + 0.4 * tip))[..., None]
    gum = _step(0.34, 0.24, (tip + 0.10 * np.cos(2 * np.pi * along)).astype(np.float32))[..., None]
    albedo[teeth] = tooth * (1 - gum) + gum * np.array([0.36, 0.12, 0.11], np.float32)
    occlusion[teeth] = (0.92 - 0.5 * np.abs((u - u[0, 0]) / w - 0.5) * 2 * 0.9).astype(np.float32)
    _mouth(p, bright, albedo, gloss, occlusion)
    _ear(p, albedo, occlusion)


def _mouth(p: Appearance, bright: float, albedo: Image, gloss: Image, occlusion: Image) -> None:
    """Wet red at the lips' inner edges, then dark: hardly any light comes back, but from the tongue."""
    lips = np.asarray(p.lip_colour, np.float32) * 0.5 * bright
    throat = bright * np.array([0.030, 0.008, 0.007], np.float32)
    flesh = bright * np.array([0.36, 0.12, 0.11], np.float32)
    for place, length in ((MOUTH_UV, 1.0), (TONGUE_UV, 1.4)):
        box = _patch(place)
        v, u = np.mgrid[box]
        depth = ((v - v[0, 0]) / v.shape[0]).astype(np.float32)
        away = np.exp(-9.0 * np.clip(depth / length - 0.06, 0, 1))
        wet = away[..., None]
        albedo[box] = lips * wet + throat * (1 - wet)
        gloss[box] = 0.7 * away
        occlusion[box] = away
        if place is TONGUE_UV:
            side = np.abs((u - u[0, 0] + 0.5) / u.shape[1] - 0.5).astype(np.float32)
            tongue = _step(TONGUE_TIP - 0.05, TONGUE_TIP + 0.05, depth) * _step(0.36, 0.30, side)
            back = np.exp(-11.0 * np.clip(depth - TONGUE_TIP - 0.02, 0, 1))
            groove = 1 - 0.25 * np.exp(-((side / 0.03) ** 2))
            _mix(albedo[box], tongue, flesh)
            occlusion[box] += tongue * (0.30 * back * groove - occlusion[box])
            gloss[box] += tongue * (0.35 * back - gloss[box])


def _ear(p: Appearance, albedo: Image, occlusion: Image) -> None:
    """The hollow before the canal, the groove behind the rim and the fold between them; u runs backwards."""
    ear = _patch(EAR_UV)
    v, u = np.mgrid[ear].astype(np.float32)
    du, dv = (u - u.mean()) / (0.5 * u.shape[1]), (v - v.mean()) / (0.5 * v.shape[0])
    radius, angle = np.hypot(du, dv), np.arctan2(dv, du)
    upper = _step(1.15, 0.55, angle) * _step(-3.0, -2.2, angle)
    groove = np.exp(-(((radius - 0.72 - 0.05 * np.sin(2 * angle)) / 0.075) ** 2)) * upper
    hollow = np.exp(-((((du + 0.10) / 0.34) ** 2 + ((dv - 0.10) / 0.36) ** 2) ** 1.6))
    fork = np.exp(-((((du - 0.05) / 0.22) ** 2 + ((dv + 0.42) / 0.10) ** 2) ** 1.2))
    canal = np.exp(-(((du + 0.30) / 0.10) ** 2 + ((dv - 0.12) / 0.13) ** 2))
    shade = 0.75 * groove + 0.85 * hollow + 0.35 * fork + 1.3 * canal
    albedo[ear] = np.asarray(p.skin, np.float32) * np.exp(
        -shade[..., None] * np.array([0.5, 0.8, 0.85], np.float32) - np.array([0, 0.16, 0.13], np.float32)
    )
    occlusion[ear] = np.exp(-0.9 * shade)

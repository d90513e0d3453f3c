"""The compiled loops of the renderer: shadows, light on every sample, and averaging."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from aukit.mesh._normals_numba import edge
from aukit.simulation.face.atlas import PAINT_STEP, SHEEN_STEP
from aukit.simulation.materials import Material

F = NDArray[np.float32]
I32 = NDArray[np.int32]
U32 = NDArray[np.uint32]
U16 = NDArray[np.uint16]
U8 = NDArray[np.uint8]
B = NDArray[np.bool_]

SKIPPED = -1.0
"""Red of a sample that was left out because its neighbours represent it."""
CURVE_END = 4.0
"""Linear value at which the tone curve ends."""
CURVE_STEPS = 4096


@njit(cache=True, fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
def cast_shadows(depth: F, covered: I32, points: F, normals: F, key: F, bias: float) -> F:
    """Share of the key light that reaches each vertex: a soft look-up in the light's depth map. [N]."""
    h, w = depth.shape
    lit = np.ones(points.shape[0], np.float32)
    for k in range(points.shape[0]):
        cos = normals[k, 0] * key[0] + normals[k, 1] * key[1] + normals[k, 2] * key[2]
        if cos < -0.35:
            continue
        x, y, z = points[k, 0], points[k, 1], points[k, 2]
        ix, iy = int(np.floor(x)), int(np.floor(y))
        if ix < 1 or iy < 1 or ix + 2 >= w or iy + 2 >= h:
            continue
        fx, fy = x - ix, y - iy
        total = 0.0
        weight = 0.0
        for j in range(-1, 3):
            wy = 1.0 - abs(j - fy) / 2.0
            if wy <= 0:
                continue
            for i in range(-1, 3):
                wx = 1.0 - abs(i - fx) / 2.0
                if wx <= 0:
                    continue
                weight += wx * wy
                # A little light leaks in where the blocker is close: skin is translucent.
                gap = depth[iy + j, ix + i] - z - bias
                if covered[iy + j, ix + i] < 0 or gap <= 0:
                    total += wx * wy
                elif gap < bias:
                    total += wx * wy * (1.0 - gap / bias)
        lit[k] = total / weight
    return lit


@njit(cache=True, fastmath=True, nogil=True, inline="always")  # type: ignore[untyped-decorator]
def _power16(x: float) -> float:
    x = x * x
    x = x * x
    x = x * x
    return x * x


@njit(cache=True, fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
def _texture_slopes(vertices: F, a: int, b: int, c: int, uv: F, out: F) -> None:
    """Gradients in space of the texture coordinates u, v over one triangle, per pixel. Writes [6]."""
    e1x, e1y, e1z = edge(vertices, a, b)
    e2x, e2y, e2z = edge(vertices, a, c)
    mx, my, mz = e1y * e2z - e1z * e2y, e1z * e2x - e1x * e2z, e1x * e2y - e1y * e2x
    one = 1.0 / (mx * mx + my * my + mz * mz + 1e-9)
    # A function with rises d1, d2 along the edges has the gradient (d1 (e2 x m) + d2 (m x e1)) / m².
    px, py, pz = e2y * mz - e2z * my, e2z * mx - e2x * mz, e2x * my - e2y * mx
    qx, qy, qz = my * e1z - mz * e1y, mz * e1x - mx * e1z, mx * e1y - my * e1x
    for d in range(2):
        d1, d2 = (uv[b, d] - uv[a, d]) * one, (uv[c, d] - uv[a, d]) * one
        out[3 * d] = d1 * px + d2 * qx
        out[3 * d + 1] = d1 * py + d2 * qy
        out[3 * d + 2] = d1 * pz + d2 * qz


@njit(cache=True, fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
def _one_material(ids: I32, materials: U8, top: int, left: int) -> bool:
    """Whether the four samples of a pixel show the same material."""
    if ids[top, left] < 0:
        return False
    kind = materials[np.uint32(ids[top, left])]
    for j in range(2):
        for i in range(2):
            other = ids[top + j, left + i]
            if other < 0 or materials[np.uint32(other)] != kind:
                return False
    return True


@njit(cache=True, fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
def shade(
    ids: I32, samples: F, triangles: U32, materials: U8, normals: F, uv: F,
    paint: U16, height: F, relief: float,
    hair: F, hair_colour: F, cap_colour: F,
    lit_vertices: F, key: F, key_colour: F, fill: F, fill_colour: F, sky: F, ground: F, hardness: float,
    colour: F, factor: int, normal_out: F, uv_out: F,
) -> tuple[float, int]:  # fmt: skip
    """Light every sample of one image.

    The raster is `ids` at sample resolution; the mesh `samples` (vertices in sample pixels), `triangles`,
    `materials`, `normals` in camera space and `uv`; textures are `paint` (linear RGB, occlusion, sheen, in
    the steps of `aukit.simulation.appearance.textures.Paint`) and `height` (mm, wrinkles added; `relief`
    sample pixels per mm); indices are unsigned, which saves a wrap-around test at each access.  `hair` holds
    strands, coloured by `hair_colour` or `cap_colour`; `lit_vertices` is the share of the key light that
    reaches each vertex; the rest is the light.  Written are `colour`, linear RGB [H, W, 3], and, for one
    sample of each `factor` x `factor` pixel, `normal_out` [3, H, W] (without relief) and `uv_out` [2, H, W]
    (not of hair).

    Returns:
        Sum of the skin's luminance and number of skin samples.
    """
    size_y, size_x = ids.shape
    texture = paint.shape[0]
    last = np.uint32(texture - 2)
    next_ = np.uint32(1)
    middle = factor // 2
    texel = np.empty(5, np.float64)
    slopes = np.empty((triangles.shape[0], 6), np.float32)
    sloped = np.zeros(triangles.shape[0], np.bool_)
    even = np.zeros(size_x // 2 + 1, np.bool_)
    lum_sum = 0.0
    lum_count = 0
    # Half-way vectors; the viewer is at +z.
    hx, hy, hz = key[0], key[1], key[2] + 1.0
    hl = 1.0 / np.sqrt(hx * hx + hy * hy + hz * hz)
    hx, hy, hz = hx * hl, hy * hl, hz * hl
    gx, gy, gz = fill[0], fill[1], fill[2] + 1.0
    gl = 1.0 / np.sqrt(gx * gx + gy * gy + gz * gz)
    gx, gy, gz = gx * gl, gy * gl, gz * gl
    # How far light reaches round the edge into the shadow: blood spreads red the furthest.
    wrap = (0.28, 0.13, 0.08)
    wrapped = (1.0 / 1.28, 1.0 / 1.13, 1.0 / 1.08)
    for py in range(size_y):
        for px in range(size_x):
            if factor == 2 and py % 2 == 0 and px % 2 == 0:
                even[px // 2] = _one_material(ids, materials, py, px)
            if ids[py, px] < 0:
                continue
            k = np.uint32(ids[py, px])
            kind = materials[k]
            if factor == 2 and (py + px) % 2 == 1 and even[px // 2]:
                # Inside one material the two samples on the diagonal are enough.
                colour[py, px, 0] = SKIPPED
                continue
            # Where the sample lies in its triangle, and the normal and texture coordinates there.
            a, b, c = triangles[k, 0], triangles[k, 1], triangles[k, 2]
            ax, ay = float(samples[a, 0]), float(samples[a, 1])
            e1x, e1y, e2x, e2y = (
                samples[b, 0] - ax,
                samples[b, 1] - ay,
                samples[c, 0] - ax,
                samples[c, 1] - ay,
            )
            one = 1.0 / (e1x * e2y - e2x * e1y)
            wb, wc = ((px - ax) * e2y - e2x * (py - ay)) * one, (e1x * (py - ay) - (px - ax) * e1y) * one
            wa = 1.0 - wb - wc
            nx = wa * normals[a, 0] + wb * normals[b, 0] + wc * normals[c, 0]
            ny = wa * normals[a, 1] + wb * normals[b, 1] + wc * normals[c, 1]
            nz = wa * normals[a, 2] + wb * normals[b, 2] + wc * normals[c, 2]
            length = 1.0 / np.sqrt(nx * nx + ny * ny + nz * nz + 1e-12)
            nx, ny, nz = nx * length, ny * length, nz * length
            if nz < -0.15 and kind >= Material.TEETH:
                # Thin shells (teeth, mouth, ears' backs, hair) are seen from both sides.
                nx, ny, nz = -nx, -ny, -nz
            u = wa * uv[a, 0] + wb * uv[b, 0] + wc * uv[c, 0]
            v = wa * uv[a, 1] + wb * uv[b, 1] + wc * uv[c, 1]
            if py % factor == middle and px % factor == middle:
                oy, ox = py // factor, px // factor
                normal_out[0, oy, ox], normal_out[1, oy, ox], normal_out[2, oy, ox] = nx, ny, nz
                if kind < Material.HAIR:
                    uv_out[0, oy, ox], uv_out[1, oy, ox] = u, v
            # Colour of the material: the texture between four texels, or strands of hair.
            cavity = 1.0
            if kind < Material.HAIR:
                tx = min(max(u * texture - 0.5, 0.0), texture - 2.001)
                ty = min(max(v * texture - 0.5, 0.0), texture - 2.001)
                ix, iy = min(np.uint32(np.int32(tx)), last), min(np.uint32(np.int32(ty)), last)
                ix2, iy2 = ix + next_, iy + next_
                fx, fy = tx - ix, ty - iy
                w00, w01, w10, w11 = (1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx
                for d in range(5):
                    texel[d] = (
                        w00 * paint[iy, ix, d]
                        + w01 * paint[iy, ix2, d]
                        + w10 * paint[iy2, ix, d]
                        + w11 * paint[iy2, ix2, d]
                    )
                red, green, blue = texel[0] * PAINT_STEP, texel[1] * PAINT_STEP, texel[2] * PAINT_STEP
                ao, shine = texel[3] * PAINT_STEP, texel[4] * SHEEN_STEP
                if kind == Material.SKIN or kind == Material.CLOTH:
                    # Relief tilts the normal and darkens its grooves.
                    h00, h01, h10, h11 = (
                        height[iy, ix],
                        height[iy, ix2],
                        height[iy2, ix],
                        height[iy2, ix2],
                    )
                    hu = ((1 - fy) * (h01 - h00) + fy * (h11 - h10)) * texture
                    hv = ((1 - fx) * (h10 - h00) + fx * (h11 - h01)) * texture
                    deep = w00 * h00 + w01 * h01 + w10 * h10 + w11 * h11
                    if deep < -0.01:
                        cavity = np.exp(0.62 * max(deep, -2.6))
                    elif deep > 0.0:
                        cavity = 1.0 + 0.07 * min(deep, 2.0)
                    if not sloped[k]:
                        sloped[k] = True
                        _texture_slopes(samples, a, b, c, uv, slopes[k])
                    sx = (hu * slopes[k, 0] + hv * slopes[k, 3]) * relief
                    sy = (hu * slopes[k, 1] + hv * slopes[k, 4]) * relief
                    sz = (hu * slopes[k, 2] + hv * slopes[k, 5]) * relief
                    steep = np.sqrt(sx * sx + sy * sy + sz * sz)
                    limit = 1.0 / (1.0 + 0.55 * steep)
                    nx, ny, nz = nx - sx * limit, ny - sy * limit, nz - sz * limit
                    length = 1.0 / np.sqrt(nx * nx + ny * ny + nz * nz + 1e-12)
                    nx, ny, nz = nx * length, ny * length, nz * length
                    red, green, blue = red * (0.15 + 0.85 * cavity), green * cavity, blue * cavity
            else:
                hh, hw = hair.shape
                tu, tv = (u * hw) % hw, (v * hh) % hh
                jx, jy = int(tu) % hw, int(tv) % hh
                jx2, jy2 = (jx + 1) % hw, (jy + 1) % hh
                fx, fy = tu - np.floor(tu), tv - np.floor(tv)
                strand = (1 - fy) * ((1 - fx) * hair[jy, jx] + fx * hair[jy, jx2]) + fy * (
                    (1 - fx) * hair[jy2, jx] + fx * hair[jy2, jx2]
                )
                if kind == Material.HAIR:
                    tone = 1.0 + strand * (0.34 + 0.06 * strand)
                    red, green, blue = hair_colour[0] * tone, hair_colour[1] * tone, hair_colour[2] * tone
                else:
                    tone = 1.0 + 0.10 * np.sin(u * 330.0) + 0.05 * np.sin(v * 400.0)
                    red, green, blue = cap_colour[0] * tone, cap_colour[1] * tone, cap_colour[2] * tone
                ao = 0.85
                shine = 0.0
            if kind == Material.EYE or kind == Material.TEETH:
                # Lids, lashes and lips shade what lies behind them: by the distance to the next other sample.
                reach_up = (3.4 if kind == Material.EYE else 5.0) * relief
                reach_down = 1.6 * relief
                above, below = reach_up, reach_down
                j = 1
                while j < reach_up and py - j >= 0:
                    other = ids[py - j, px]
                    if other < 0 or (materials[other] != kind and materials[other] != Material.MOUTH):
                        above = j - 0.5
                        break
                    j += 1
                j = 1
                while j < reach_down and py + j < size_y:
                    other = ids[py + j, px]
                    if other < 0 or (materials[other] != kind and materials[other] != Material.MOUTH):
                        below = j - 0.5
                        break
                    j += 1
                near = 1.0 - min(above / reach_up, 1.0)
                low = 1.0 - min(below / reach_down, 1.0)
                open_ = 1.0 - 0.74 * near * near * (3.0 - 2.0 * near) - 0.28 * low * low
                open_ *= 1.0 - 0.55 * max(0.0, 1.0 - above / (0.8 * relief))
                open_ = max(open_, 0.02)
                red, green, blue = red * open_, green * open_**1.12, blue * open_**1.18
                ao = ao * (0.35 + 0.65 * open_)
            # Cast shadow of the key light.
            cos_key = nx * key[0] + ny * key[1] + nz * key[2]
            cos_fill = nx * fill[0] + ny * fill[1] + nz * fill[2]
            lit = wa * lit_vertices[a] + wb * lit_vertices[b] + wc * lit_vertices[c]
            lit = 1.0 - hardness * (1.0 - lit)
            if kind == Material.EYE or kind == Material.TEETH:
                lit = 0.45 + 0.55 * lit
            up = 0.5 - 0.5 * ny
            # Reflections of both lights.
            spec_key = 0.0
            spec_fill = 0.0
            if kind == Material.HAIR:
                # Light on a strand that runs down the surface (Kajiya-Kay).
                dx, dy, dz = -ny * nx, 1.0 - ny * ny, -ny * nz
                dl = 1.0 / np.sqrt(dx * dx + dy * dy + dz * dz + 1e-6)
                along = (dx * hx + dy * hy + dz * hz) * dl + 0.12 * strand
                gleam = _power16(max(0.0, 1.0 - along * along)) * max(0.0, cos_key + 0.2)
                spec_key = 0.045 * gleam * (0.6 + 0.25 * strand)
                along = (dx * gx + dy * gy + dz * gz) * dl + 0.12 * strand
                spec_fill = 0.03 * _power16(max(0.0, 1.0 - along * along)) * max(0.0, cos_fill + 0.2)
                # The second reflection passes through the hair and takes its colour.
                gleam = 1.0 + 1.3 * gleam
                red, green, blue = red * gleam, green * gleam, blue * gleam
            else:
                ch = max(0.0, nx * hx + ny * hy + nz * hz)
                cg = max(0.0, nx * gx + ny * gy + nz * gz)
                ch, cg = _power16(ch), _power16(cg)
                ch2, cg2 = ch * ch * ch, cg * cg * cg
                if kind == Material.EYE:
                    spec_key = 1.6 * _power16(ch * ch) + 0.10 * ch2
                    spec_fill = 2.2 * _power16(cg * cg) + 0.10 * cg2
                elif kind == Material.TEETH or kind == Material.MOUTH:
                    spec_key = 0.12 * ch2 * ch
                    spec_fill = 0.10 * cg2 * cg
                else:
                    edge = (1.0 - max(nz, 0.0)) ** 2
                    edge = 1.0 + 2.0 * edge * edge
                    spec_key = shine * (0.055 * ch + 0.045 * ch2) * edge
                    spec_fill = shine * (0.055 * cg + 0.045 * cg2) * edge
            # Diffuse light, per channel.
            for d in range(3):
                w, one = (wrap[d], wrapped[d]) if kind == Material.SKIN else (0.05, 1.0 / 1.05)
                dk = max(0.0, (cos_key + w) * one)
                df = max(0.0, (cos_fill + w) * one)
                # Light that shadows lets through reddens.
                through = lit + (1.0 - lit) * (0.10 if (d == 0 and kind == Material.SKIN) else 0.0)
                ambient = (sky[d] * up + ground[d] * (1.0 - up)) * ao
                base = red if d == 0 else (green if d == 1 else blue)
                direct = key_colour[d] * dk * through * (0.35 + 0.65 * ao) + fill_colour[d] * df * (
                    0.3 + 0.7 * ao
                )
                value = (
                    base * (direct + ambient)
                    + key_colour[d] * spec_key * lit * cavity
                    + fill_colour[d] * spec_fill * cavity
                )
                colour[py, px, d] = value
            if kind == Material.SKIN:
                lum_sum += (
                    0.2126 * colour[py, px, 0] + 0.7152 * colour[py, px, 1] + 0.0722 * colour[py, px, 2]
                )
                lum_count += 1
    return lum_sum, lum_count


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def seen(samples: F, normals: F, depth: F, margin: np.float32, visible: B, middle: F) -> None:
    """Visible vertices and depth of one frame; `shading_torch.seen` is its twin for batches.

    Args:
        samples: Vertices of the face model in samples [N, 3].
        normals: Theirs, in camera space [N, 3].
        depth: Nearest depth in samples [H f, W f], -inf where there is nothing.
        margin: How far a vertex may lie behind the nearest depth, in samples.
        visible: Written: which vertices face the camera, lie in the image and have nothing before them [N].
        middle: Written: depth in pixels [H, W], 0 where there is nothing.
    """
    size = depth.shape[0]
    for k in range(visible.shape[0]):
        x, y = np.rint(samples[k, 0]), np.rint(samples[k, 1])
        visible[k] = False
        if normals[k, 2] > np.float32(0.02) and 0.0 <= x < size and 0.0 <= y < size:
            visible[k] = samples[k, 2] >= depth[int(y), int(x)] - margin
    factor = size // middle.shape[0]
    for row in range(middle.shape[0]):
        for column in range(middle.shape[1]):
            z = depth[row * factor + factor // 2, column * factor + factor // 2]
            middle[row, column] = z / np.float32(factor) if np.isfinite(z) else np.float32(0.0)


@njit(cache=True, fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
def resolve(
    colour: F, ids: I32, gain: float, background: F, factor: int, curve: F, image: F, mask: F
) -> None:
    """Average samples to pixels over the background and encode as sRGB.

    Args:
        colour: Linear RGB of samples [H f, W f, 3].
        ids: Raster of samples, -1 where the background shows.
        gain: Exposure.
        background: sRGB [3, H, W] in [0, 1].
        factor: Samples per pixel along each axis.
        curve: The table of `tone_curve`.
        image: Written: sRGB [3, H, W] in [0, 1].
        mask: Written: share of each pixel that is covered [H, W].
    """
    h, w = mask.shape
    one = np.float32(1.0 / (factor * factor))
    place = np.float32(gain / CURVE_END)
    for y in range(h):
        for x in range(w):
            r = g = b = np.float32(0.0)
            covered = 0
            shaded = 0
            for j in range(factor):
                for i in range(factor):
                    yy, xx = y * factor + j, x * factor + i
                    if ids[yy, xx] >= 0:
                        covered += 1
                        if colour[yy, xx, 0] < 0.0:
                            continue
                        shaded += 1
                        r += _encode(colour[yy, xx, 0] * place, curve)
                        g += _encode(colour[yy, xx, 1] * place, curve)
                        b += _encode(colour[yy, xx, 2] * place, curve)
            share = covered * one
            rest = np.float32(1.0) - share
            mean = share / np.float32(max(shaded, 1))
            mask[y, x] = share
            image[0, y, x] = r * mean + rest * background[0, y, x]
            image[1, y, x] = g * mean + rest * background[1, y, x]
            image[2, y, x] = b * mean + rest * background[2, y, x]


@njit(cache=True, fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
def _encode(value: np.float32, curve: F) -> np.float32:
    """The tone curve's entry nearest to a value that is given as a share of `CURVE_END`."""
    root = np.sqrt(min(max(value, np.float32(0.0)), np.float32(1.0)))
    entry: np.float32 = curve[np.uint32(np.int32(root * np.float32(CURVE_STEPS) + np.float32(0.5)))]
    return entry


def tone_curve() -> F:
    """Encoded sRGB of linear values up to `CURVE_END`, with a soft shoulder, in steps of their root.

    Steps are so small that the nearest entry is within 0.1/255.
    """
    value = CURVE_END * np.linspace(0.0, 1.0, CURVE_STEPS + 1) ** 2
    value = np.where(value > 0.6, 0.6 + 0.4 * (1.0 - np.exp(-(value - 0.6) / 0.4)), value)
    encoded = np.where(
        value <= 0.0031308, 12.92 * value, 1.055 * np.maximum(value, 1e-9) ** (1 / 2.4) - 0.055
    )
    return np.asarray(encoded, np.float32)

"""The loops of `shading_numba` as torch operations over a batch of frames, for accelerators.

The formulas are those of the loops, which explain them; here they work on all samples of all frames at once,
in float32 (the loops calculate in float64), so that pictures differ by rounding only.  Nothing leaves the
device, and it waits for the host only where a number of samples must be known (twice per call of `shade`).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from aukit.simulation.materials import Material
from aukit.simulation.rendering.shading_numba import CURVE_END, CURVE_STEPS, SKIPPED

Vector = tuple[float, float, float]


class Lit(NamedTuple):
    """Samples with their light.

    Attributes:
        colour: float32 [B, H, W, 3], linear RGB; red is `SKIPPED` where no sample was taken.
        luminance: float32 [B], mean of the skin's samples.
        normals: float32 [B, 3, H / f, W / f], one sample of each pixel, without relief.
        uv: float32 [B, 2, H / f, W / f], likewise; 0 on hair.
    """

    colour: Tensor
    luminance: Tensor
    normals: Tensor
    uv: Tensor


def cast_shadows(
    depth: Tensor, covered: Tensor, points: Tensor, normals: Tensor, key: Vector, bias: float
) -> Tensor:
    """Share of the key light that reaches each vertex.

    Args:
        depth: float32 [B, S, S], the light's depth map.
        covered: int32 [B, S, S], its ids, -1 where it is empty.
        points: float32 [B, N, 3], vertices in its pixels.
        normals: float32 [B, N, 3].
        key: Unit vector towards the light.
        bias: Depth within which nothing is shadowed.

    Returns:
        [B, N].
    """
    size = depth.shape[-1]
    x, y, z = points.unbind(-1)
    ix, iy = x.floor(), y.floor()
    fx, fy = x - ix, y - iy
    inside = (ix >= 1) & (iy >= 1) & (ix + 2 < size) & (iy + 2 < size)
    ix, iy = ix.clamp(1, size - 3).long(), iy.clamp(1, size - 3).long()
    height = depth.where(covered >= 0, -1e30).flatten(1)
    total, weight = torch.zeros_like(x), torch.zeros_like(x)
    for j in range(-1, 3):
        for i in range(-1, 3):
            w = (1 - (j - fy).abs() / 2).clamp(min=0) * (1 - (i - fx).abs() / 2).clamp(min=0)
            gap = height.gather(1, (iy + j) * size + ix + i) - z - bias
            total += w * (1 - gap / bias).clamp(0, 1)
            weight += w
    return (total / weight).where(inside & (_dot(normals, key) >= -0.35), 1.0)


def shade(
    ids: Tensor, samples: Tensor, triangles: Tensor, materials: Tensor, normals: Tensor, uv: Tensor,
    paint: Tensor, height: Tensor, relief: Tensor, reach: float,
    hair: Tensor, hair_colour: Vector, cap_colour: Vector,
    lit_vertices: Tensor, key: Vector, key_colour: Vector, fill: Vector, fill_colour: Vector,
    sky: Vector, ground: Vector, hardness: float, factor: int,
) -> Lit:  # fmt: skip
    """Light every sample of a batch of images; see `aukit.simulation.rendering.shading_numba.shade`.

    Tensors of frames: `ids` [B, H, W], `samples`, `normals` [B, M, 3], `height` [B, T, T], `relief` [B] and
    `lit_vertices` [B, M]; the person's: `triangles`, `materials`, `uv`, `paint` (float32, in its units) and
    `hair`. `reach` is the largest `relief`, known to the host.

    Cost: about 2 KB per sample that is lit, which is half of the person's where `factor` is 2.
    """
    batch, rows, columns = ids.shape
    material = materials[ids.clamp(min=0).long()].where(ids >= 0, -1)
    at = _chosen(material, factor).flatten().nonzero()[:, 0]
    frame, py, px = at // (rows * columns), at // columns % rows, at % columns
    own = triangles[ids.flatten()[at].long()]
    kind = material.flatten()[at]
    corner = own + (frame * samples.shape[1])[:, None]
    place, uvs = samples.flatten(0, 1)[corner], uv[own]
    weight = _weights(place, px, py)[..., None]
    normal = _unit((weight * normals.flatten(0, 1)[corner]).sum(1))
    # Thin shells are seen from both sides.
    normal = normal * torch.where((normal[:, 2] < -0.15) & (kind >= Material.TEETH), -1.0, 1.0)[:, None]
    u, v = (weight * uvs).sum(1).unbind(-1)
    lit = (weight[..., 0] * lit_vertices.flatten()[corner]).sum(1)
    relief = relief[frame]

    surface, heights = _textures(paint, height, frame, u, v)
    albedo, ao, shine = surface[:, :3], surface[:, 3], surface[:, 4]
    skin = kind == Material.SKIN
    normal_map = _one_per_pixel(normal, frame, py, px, ids.shape, factor)
    uv_map = _one_per_pixel(
        torch.stack([u, v], -1) * (kind < Material.HAIR)[:, None], frame, py, px, ids.shape, factor
    )
    rough = skin | (kind == Material.CLOTH)
    deep = heights[:, 2]
    cavity = torch.where(
        deep < -0.01, torch.exp(0.62 * deep.clamp(min=-2.6)), 1.0 + 0.07 * deep.clamp(0.0, 2.0)
    ).where(rough, 1.0)
    slope = _slopes(place, uvs, heights) * (relief * rough)[:, None]
    normal = torch.where(
        rough[:, None], _unit(normal - slope / (1.0 + 0.55 * slope.norm(dim=-1, keepdim=True))), normal
    )
    albedo = albedo * torch.stack([0.15 + 0.85 * cavity, cavity, cavity], -1)

    hairy = kind >= Material.HAIR
    strand = _strands(hair, u, v)
    own_colour = torch.where(
        (kind == Material.HAIR)[:, None],
        (1.0 + strand * (0.34 + 0.06 * strand))[:, None] * strand.new_tensor(hair_colour),
        (1.0 + 0.10 * torch.sin(u * 330.0) + 0.05 * torch.sin(v * 400.0))[:, None]
        * strand.new_tensor(cap_colour),
    )
    albedo = torch.where(hairy[:, None], own_colour, albedo)
    ao, shine = ao.where(~hairy, 0.85), shine.where(~hairy, 0.0)

    sheltered = ((kind == Material.EYE) | (kind == Material.TEETH)).nonzero()[:, 0]
    opened = _openness(material, kind, frame, py, px, relief, sheltered, reach)
    tint = opened[:, None] ** opened.new_tensor([1.0, 1.12, 1.18])
    albedo = albedo.index_copy(0, sheltered, albedo[sheltered] * tint)
    ao = ao.index_copy(0, sheltered, ao[sheltered] * (0.35 + 0.65 * opened))
    lit = 1.0 - hardness * (1.0 - lit)
    lit = lit.index_copy(0, sheltered, 0.45 + 0.55 * lit[sheltered])

    cos_key, cos_fill = _dot(normal, key), _dot(normal, fill)
    hair_gloss, gleam = _strand_gloss(normal, strand, cos_key, cos_fill, _half_way(key), _half_way(fill))
    albedo = albedo * torch.where(kind == Material.HAIR, 1.0 + 1.3 * gleam, 1.0)[:, None]
    gloss = _gloss(normal, kind, shine, _half_way(key), _half_way(fill))
    spec_key, spec_fill = (
        torch.where(kind == Material.HAIR, h, g) for h, g in zip(hair_gloss, gloss, strict=True)
    )
    up = 0.5 - 0.5 * normal[:, 1]
    # Light wraps round skin, red the furthest, and reddens where shadows let it through.
    wrap = torch.where(skin[:, None], lit.new_tensor([0.28, 0.13, 0.08]), 0.05)
    through = lit[:, None] + (1.0 - lit[:, None]) * skin[:, None] * lit.new_tensor([0.10, 0.0, 0.0])

    def colour(value: Vector, strength: Tensor) -> Tensor:
        return strength[:, None] * strength.new_tensor(value)

    direct_key = ((cos_key[:, None] + wrap) / (1.0 + wrap)).clamp(min=0.0) * through
    direct_fill = ((cos_fill[:, None] + wrap) / (1.0 + wrap)).clamp(min=0.0)
    light = (
        colour(key_colour, 0.35 + 0.65 * ao) * direct_key + colour(fill_colour, 0.3 + 0.7 * ao) * direct_fill
    )
    light = light + colour(sky, up * ao) + colour(ground, (1.0 - up) * ao)
    value = (
        albedo * light + colour(key_colour, spec_key * lit * cavity) + colour(fill_colour, spec_fill * cavity)
    )

    image = torch.full((ids.numel(), 3), SKIPPED, device=ids.device).index_copy(0, at, value)
    # Sums over places and not over samples: the order is the same each time.
    luminance = value.new_zeros(ids.numel()).index_copy(0, at, _dot(value, (0.2126, 0.7152, 0.0722)) * skin)
    count = value.new_zeros(ids.numel()).index_copy(0, at, skin.float())
    total, n = luminance.view(batch, -1).sum(1), count.view(batch, -1).sum(1)
    return Lit(image.view(*ids.shape, 3), total / n.clamp(min=1.0), normal_map, uv_map)


def seen(
    samples: Tensor, normals: Tensor, depth: Tensor, margin: Tensor, factor: int
) -> tuple[Tensor, Tensor]:
    """What the camera sees.

    Args:
        samples: float32 [B, N, 3], vertices in samples.
        normals: float32 [B, N, 3] in camera space.
        depth: float32 [B, H f, W f], nearest depth in samples, -inf where there is nothing.
        margin: float32 [B], how far a vertex may lie behind the nearest depth, in samples.
        factor: Samples per pixel along each axis.

    Returns:
        bool [B, N], vertices that face the camera, lie in the image and have nothing before them; and
        float32 [B, H, W], depth in pixels, 0 where there is nothing.
    """
    size = depth.shape[-1]
    x, y = samples[..., 0].round().long(), samples[..., 1].round().long()
    inside = (x >= 0) & (x < size) & (y >= 0) & (y < size)
    front = depth.flatten(1).gather(1, y.clamp(0, size - 1) * size + x.clamp(0, size - 1))
    near = samples[..., 2] >= front - margin[:, None]
    middle = depth[:, factor // 2 :: factor, factor // 2 :: factor]
    return inside & (normals[..., 2] > 0.02) & near, torch.where(middle.isfinite(), middle / factor, 0.0)


def resolve(
    colour: Tensor, ids: Tensor, gain: Tensor, background: Tensor, factor: int, curve: Tensor
) -> tuple[Tensor, Tensor]:
    """Average samples to pixels over the background and encode as sRGB.

    Args:
        colour: float32 [B, H f, W f, 3], as `shade` gives it.
        ids: int32 [B, H f, W f], -1 where the background shows.
        gain: float32 [B], exposure.
        background: sRGB [B, 3, H, W] in [0, 1].
        factor: Samples per pixel along each axis.
        curve: The table of `aukit.simulation.rendering.shading_numba.tone_curve`.

    Returns:
        sRGB [B, 3, H, W] in [0, 1] and the share of each pixel that is covered [B, H, W].
    """
    batch, rows, columns = ids.shape

    def pixels(samples: Tensor) -> Tensor:
        """Sums over each pixel, of [B, H f, W f, C]."""
        return samples.view(batch, rows // factor, factor, columns // factor, factor, -1).sum((2, 4))

    taken = (colour[..., 0] >= 0.0) & (ids >= 0)
    root = (colour * (gain[:, None, None, None] / CURVE_END)).clamp(0.0, 1.0).sqrt()
    encoded = curve[(root * CURVE_STEPS + 0.5).long()] * taken[..., None]
    covered = pixels((ids >= 0).float()[..., None]) / factor**2
    mean = pixels(encoded) / pixels(taken.float()[..., None]).clamp(min=1.0)
    image = (covered * mean).permute(0, 3, 1, 2) + (1.0 - covered).permute(0, 3, 1, 2) * background
    return image, covered[..., 0]


def _chosen(material: Tensor, factor: int) -> Tensor:
    """Samples to be lit: of four that show one material the two on the diagonal. bool [B, H, W]."""
    if factor != 2:
        return material >= 0
    batch, rows, columns = material.shape
    pixel = material.view(batch, rows // 2, 2, columns // 2, 2)
    same = (pixel == pixel[:, :, :1, :, :1]).all(4).all(2)[:, :, None, :, None]
    odd = torch.eye(2, device=material.device)[:, None] == 0
    return ((pixel >= 0) & ~(same & odd)).view_as(material)


def _weights(place: Tensor, px: Tensor, py: Tensor) -> Tensor:
    """Barycentric weights [n, 3] of samples in triangles [n, 3, 3]."""
    (ax, ay), (bx, by), (cx, cy) = (place[:, i, :2].unbind(-1) for i in range(3))
    e1x, e1y, e2x, e2y, x, y = bx - ax, by - ay, cx - ax, cy - ay, px - ax, py - ay
    area = e1x * e2y - e2x * e1y
    wb, wc = (x * e2y - e2x * y) / area, (e1x * y - x * e1y) / area
    return torch.stack([1.0 - wb - wc, wb, wc], -1)


def _one_per_pixel(
    values: Tensor, frame: Tensor, py: Tensor, px: Tensor, shape: torch.Size, factor: int
) -> Tensor:
    """Values [n, C] of the middle samples of pixels as a map [B, C, H / f, W / f], 0 elsewhere."""
    batch, height, width = shape[0], shape[1] // factor, shape[2] // factor
    middle = (py % factor == factor // 2) & (px % factor == factor // 2)
    # The others go to one place more than there are, so that none needs to be counted.
    to = ((frame * height + py // factor) * width + px // factor).where(middle, batch * height * width)
    out = values.new_zeros(batch * height * width + 1, values.shape[1])
    return out.index_copy(0, to, values)[:-1].view(batch, height, width, -1).permute(0, 3, 1, 2).contiguous()


def _textures(paint: Tensor, height: Tensor, frame: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Paint [n, 5], and of the relief the rise along u and v and the height [n, 3], between four texels."""
    size = paint.shape[0]
    tx, ty = ((c * size - 0.5).clamp(0.0, size - 2.001) for c in (u, v))
    ix, iy = tx.long(), ty.long()
    fx, fy = tx - ix, ty - iy
    at = iy * size + ix
    taps = [
        (at, (1 - fy) * (1 - fx)),
        (at + 1, (1 - fy) * fx),
        (at + size, fy * (1 - fx)),
        (at + size + 1, fy * fx),
    ]
    texels, relief = paint.flatten(0, 1), height.flatten()
    surface = sum((w[:, None] * texels[i] for i, w in taps), torch.zeros(5, device=paint.device))
    h00, h01, h10, h11 = (relief[frame * size * size + i] for i, _ in taps)
    along_u = ((1 - fy) * (h01 - h00) + fy * (h11 - h10)) * size
    along_v = ((1 - fx) * (h10 - h00) + fx * (h11 - h01)) * size
    deep = taps[0][1] * h00 + taps[1][1] * h01 + taps[2][1] * h10 + taps[3][1] * h11
    return surface, torch.stack([along_u, along_v, deep], -1)


def _slopes(place: Tensor, uvs: Tensor, heights: Tensor) -> Tensor:
    """Gradient in space of the relief, whose rise along u and v is given. [n, 3]."""
    e1, e2 = place[:, 1] - place[:, 0], place[:, 2] - place[:, 0]
    m = torch.linalg.cross(e1, e2, dim=-1)
    rise1, rise2 = (((uvs[:, i] - uvs[:, 0]) * heights[:, :2]).sum(-1, keepdim=True) for i in (1, 2))
    rise: Tensor = rise1 * torch.linalg.cross(e2, m, dim=-1) + rise2 * torch.linalg.cross(m, e1, dim=-1)
    slope: Tensor = rise / ((m * m).sum(-1, keepdim=True) + 1e-9)
    return slope


def _strands(hair: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Brightness of strands, between four texels of a texture that repeats. [n]."""
    rows, columns = hair.shape
    tu, tv = torch.remainder(u * columns, columns), torch.remainder(v * rows, rows)
    ix, iy = tu.long() % columns, tv.long() % rows
    ix2, iy2 = (ix + 1) % columns, (iy + 1) % rows
    fx, fy = tu - tu.floor(), tv - tv.floor()
    top = (1 - fx) * hair[iy, ix] + fx * hair[iy, ix2]
    return (1 - fy) * top + fy * ((1 - fx) * hair[iy2, ix] + fx * hair[iy2, ix2])


def _openness(
    material: Tensor,
    kind: Tensor,
    frame: Tensor,
    py: Tensor,
    px: Tensor,
    relief: Tensor,
    at: Tensor,
    reach: float,
) -> Tensor:
    """How much light lids and lips leave to eyes and teeth (the samples `at`), by their distance. [m]."""
    kind, frame, py, px, relief = kind[at], frame[at], py[at], px[at], relief[at]
    rows = material.shape[1]
    reach_up = torch.where(kind == Material.EYE, 3.4, 5.0) * relief
    reach_down = 1.6 * relief
    distances = []
    for sign, limit, furthest in ((-1, reach_up, 5.0 * reach), (1, reach_down, 1.6 * reach)):
        distance, looking = limit, torch.ones_like(kind, dtype=torch.bool)
        for j in range(1, int(furthest) + 2):
            row = py + sign * j
            other = material[frame, row.clamp(0, rows - 1), px]
            looking = looking & (j < limit) & (row >= 0) & (row < rows)
            found = looking & (other != kind) & (other != Material.MOUTH)
            distance = distance.where(~found, j - 0.5)
            looking = looking & ~found
        distances.append(distance)
    above, below = distances
    near, low = 1.0 - (above / reach_up).clamp(max=1.0), 1.0 - (below / reach_down).clamp(max=1.0)
    opened = 1.0 - 0.74 * near * near * (3.0 - 2.0 * near) - 0.28 * low * low
    opened = opened * (1.0 - 0.55 * (1.0 - above / (0.8 * relief)).clamp(min=0.0))
    return opened.clamp(min=0.02)


def _strand_gloss(
    normal: Tensor, strand: Tensor, cos_key: Tensor, cos_fill: Tensor, half_key: Vector, half_fill: Vector
) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Reflections of key and fill on strands that run down the surface, and how strong the second one is."""
    nx, ny, nz = normal.unbind(-1)
    down = torch.stack([-ny * nx, 1.0 - ny * ny, -ny * nz], -1)
    down = down / ((down * down).sum(-1, keepdim=True) + 1e-6).sqrt()
    along = _dot(down, half_key) + 0.12 * strand
    gleam = (1.0 - along * along).clamp(min=0.0) ** 16 * (cos_key + 0.2).clamp(min=0.0)
    along = _dot(down, half_fill) + 0.12 * strand
    fill = 0.03 * (1.0 - along * along).clamp(min=0.0) ** 16 * (cos_fill + 0.2).clamp(min=0.0)
    return (0.045 * gleam * (0.6 + 0.25 * strand), fill), gleam


def _gloss(
    normal: Tensor, kind: Tensor, shine: Tensor, half_key: Vector, half_fill: Vector
) -> tuple[Tensor, Tensor]:
    """Reflections of key and fill on everything but hair."""
    edge = 1.0 + 2.0 * (1.0 - normal[:, 2].clamp(min=0.0)) ** 4
    result = []
    for half, eye, wet in ((half_key, 1.6, 0.12), (half_fill, 2.2, 0.10)):
        c = _dot(normal, half).clamp(min=0.0) ** 16
        c3 = c**3
        gloss = shine * (0.055 * c + 0.045 * c3) * edge
        gloss = torch.where((kind == Material.TEETH) | (kind == Material.MOUTH), wet * c3 * c, gloss)
        result.append(torch.where(kind == Material.EYE, eye * (c * c) ** 16 + 0.10 * c3, gloss))
    return result[0], result[1]


def _half_way(light: Vector) -> Vector:
    """Between a light and the viewer, who is at +z."""
    x, y, z = light[0], light[1], light[2] + 1.0
    one = (x * x + y * y + z * z) ** -0.5
    return x * one, y * one, z * one


def _dot(values: Tensor, vector: Vector) -> Tensor:
    x, y, z = values.unbind(-1)
    return x * vector[0] + y * vector[1] + z * vector[2]


def _unit(values: Tensor) -> Tensor:
    return values / ((values * values).sum(-1, keepdim=True) + 1e-12).sqrt()

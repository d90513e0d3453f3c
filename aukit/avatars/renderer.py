"""Renderer: an avatar with expressions, camera and light to images and the geometry behind them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aukit.avatars import shading
from aukit.avatars import wrinkles as wr
from aukit.avatars.appearance import Appearance, Avatar
from aukit.avatars.background import plain_background
from aukit.avatars.camera import PIVOT, Camera
from aukit.avatars.face_model import FaceModel, face_model
from aukit.avatars.hair import hair_mesh, strands
from aukit.avatars.light import Light
from aukit.avatars.painting import Paint, paint
from aukit.avatars.topology import CLOTH, EYE, SKIN
from aukit.mesh import Raster, rasterize

_SHADOW_SIZE = 224
_SHADOW_SPAN = 330.0
_SHADOW_BIAS = 2.4
Float = NDArray[np.float32]
_CURVE = shading.tone_curve()


@dataclass(frozen=True)
class Rendering:
    """Images and what is known about them.

    Attributes:
        image: float32 [B, 3, H, W], sRGB in [0, 1].
        mask: float32 [B, H, W], share of the pixel that is person (1) and not background (0).
        depth: float32 [B, H, W], z in pixels (larger = nearer), 0 on background.
        normals: float32 [B, 3, H, W], unit normals in camera space without wrinkles, 0 on background.
        uv: float32 [B, 2, H, W], texture coordinates of the face model, 0 on background and hair.
        vertices: float32 [B, N, 3], vertices of the face model in pixels.
        landmarks: float32 [B, 68, 3] in pixels.
        visibility: bool [B, N], vertices that the camera sees (hair and cap can hide them).
    """

    image: Tensor
    mask: Tensor
    depth: Tensor
    normals: Tensor
    uv: Tensor
    vertices: Tensor
    landmarks: Tensor
    visibility: Tensor


def _turn_eyes(model: FaceModel, vertices: Tensor, gaze: Tensor) -> None:
    """Rotate both eyeballs in place; gaze [B, 2] is (right, up) in degrees in the head's own frame."""
    radians = torch.deg2rad(gaze.float())
    centres = model.eye_centres(vertices)
    rotation = Camera(yaw=gaze[:, 0], pitch=gaze[:, 1]).rotation(len(radians))
    for side in (0, 1):
        ball = model.eye_vertices[side]
        centre = centres[:, side, None]
        vertices[:, ball] = (vertices[:, ball] - centre) @ rotation.transpose(1, 2) + centre


def _relief(appearance: Appearance, base: Float, model: FaceModel, activations: Float) -> Float:
    """Standing relief plus the wrinkles of one frame's activations [A, 2]; 0.2 ms."""
    height = base.copy()
    for (group, side), patch in wr.patches(appearance.seed % wr.VARIANTS).items():
        value = float(activations[model.aus.index(wr.GROUPS[group]), side])
        if value > 0.01:
            # Folds deepen faster than the skin moves at first and then settle.
            height[patch.rows, patch.columns] += (appearance.wrinkles[group] * value**0.9) * patch.height
    return height


def _light_view(points: Tensor, key: tuple[float, float, float]) -> Tensor:
    """Camera-space millimetres [B, M, 3] to pixels of the key light's depth map."""
    forward = torch.tensor(key)
    right = torch.linalg.cross(torch.tensor([0.0, 1.0, 0.0]), forward)
    right = right / right.norm()
    down = torch.linalg.cross(forward, right)
    view = torch.stack([right, down, forward])
    scale = _SHADOW_SIZE / _SHADOW_SPAN
    return (points @ view.T) * scale + torch.tensor([_SHADOW_SIZE / 2, _SHADOW_SIZE / 2, 0.0])


class _Scene:
    """Head and hair of one person as one mesh."""

    def __init__(self, model: FaceModel, appearance: Appearance) -> None:
        self.model = model
        self.hair = hair_mesh(appearance)
        self.triangles = model.triangles
        self.part = model.parts.numpy()
        self.uv: Float = model.uv.numpy()
        # Skin, eyes and clothes are closed; so is hair that lies on the head, but not what hangs.
        self.one_sided = np.isin(self.part, [SKIN, EYE, CLOTH])
        self.casters = model.casters
        if self.hair is not None:
            worn = self.hair
            triangles = torch.from_numpy(worn.triangles + len(self.uv))
            self.triangles = torch.cat([model.triangles, triangles])
            self.casters = torch.cat([model.casters, triangles[torch.from_numpy(worn.casts)]])
            self.part = np.concatenate([self.part, worn.part])
            self.one_sided = np.concatenate([self.one_sided, ~worn.two_sided])
            self.uv = np.concatenate([self.uv, worn.uv])
        self.triangles_np: NDArray[np.int64] = self.triangles.numpy()

    def assemble(self, vertices: Tensor) -> tuple[Tensor, Tensor]:
        """Vertices with hair and unit normals, both in mm space. [B, M, 3] each."""
        head_triangles = self.model.triangles.numpy()
        normals = torch.stack(
            [
                torch.from_numpy(shading.vertex_normals(v, head_triangles, self.model.seam))
                for v in vertices.numpy()
            ]
        )
        if self.hair is None:
            return vertices, normals
        h = self.hair
        shell = h.on(self.model.on_skin(h.points, torch.cat([vertices, normals], -1)))
        none = np.zeros((0, 2), np.int64)
        shell_normals = torch.stack(
            [
                torch.from_numpy(shading.vertex_normals(np.ascontiguousarray(v), h.triangles, none))
                for v in shell.numpy()
            ]
        )
        return torch.cat([vertices, shell], 1), torch.cat([normals, shell_normals], 1)


@lru_cache(maxsize=64)
def _scene(model: FaceModel, appearance: Appearance) -> _Scene:
    return _Scene(model, appearance)


def render(
    avatar: Avatar,
    activations: Tensor,
    camera: Camera | None = None,
    light: Light | None = None,
    background: Tensor | None = None,
    size: int = 256,
    gaze: Tensor | None = None,
    supersampling: int = 2,
) -> Rendering:
    """Render one person with a batch of expressions.

    Args:
        avatar: Who.
        activations: float [B, A, 2] (left, right) or [B, A] in [0, 1], columns as in `FaceModel.aus`.
        camera: Pose and framing, numbers or one per frame; frontal if None.
        light: Light of all frames; a soft key from the upper left if None.
        background: float [3, H, W] or [B, 3, H, W], sRGB in [0, 1]; plain grey if None.
        size: Width and height of the images in pixels.
        gaze: float [B, 2], degrees to the image's right and up in the head's frame; straight ahead if None.
        supersampling: Samples per pixel along each axis.

    Returns:
        The images and their geometry, a function of the arguments alone.

    Raises:
        ValueError: On shapes that do not fit.

    Cost: per frame about 34 ms at 192 x 192 and 48 ms at 256 x 256 on one busy core, most of it light and
    rasterising; a new person costs 0.2 s once for the textures.
    """
    model = face_model(avatar.basis)
    camera, light = camera or Camera(), light or Light()
    if activations.ndim == 2:
        activations = activations[..., None].expand(-1, -1, 2)
    batch = len(activations)
    identity = torch.from_numpy(np.asarray(avatar.identity, np.float32))[None].expand(batch, -1)
    mesh = model(identity, activations)
    if gaze is not None:
        _turn_eyes(model, mesh.vertices, gaze.expand(batch, 2))
    look = avatar.appearance
    textures = paint(look)
    scene = _scene(model, look)
    vertices, normals = scene.assemble(mesh.vertices)
    rotation = camera.rotation(batch)
    normals = (normals @ rotation.transpose(1, 2)).contiguous()
    turned = (vertices - torch.tensor(PIVOT)) @ rotation.transpose(1, 2)
    f = supersampling
    pixels = camera.project(vertices, size)
    samples = pixels * f + torch.tensor([(f - 1) / 2, (f - 1) / 2, 0.0])
    shadow_points = _light_view(turned, light.key).contiguous()
    raster = _raster_front(scene, samples, size * f)
    shadow = rasterize(shadow_points, scene.casters, _SHADOW_SIZE)
    scale = camera.pixels_per_mm(batch, size * f)
    backgrounds = plain_background(size) if background is None else background
    backgrounds = backgrounds.float().expand(batch, 3, size, size).permute(0, 2, 3, 1).contiguous()
    image, mask = torch.empty(batch, 3, size, size), torch.empty(batch, size, size)
    normal_map = torch.zeros(batch, size, size, 3)
    uv_map = torch.zeros(batch, size, size, 2)
    acts = activations.clamp(0, 1).numpy().astype(np.float32)
    for k in range(batch):
        height = _relief(look, textures.height, model, acts[k])
        linear = _shade_frame(scene, look, textures, light, height, float(scale[k]), raster.ids[k].numpy(),
                              raster.barycentrics[k].numpy(), samples[k].numpy(), normals[k].numpy(),
                              shadow.depth[k].numpy(), shadow.ids[k].numpy(), shadow_points[k].numpy(),
                              f, normal_map[k].numpy(), uv_map[k].numpy())  # fmt: skip
        colour, luminance = linear
        gain = _exposure(look, luminance) * light.exposure
        shading.resolve(
            colour,
            raster.ids[k].numpy(),
            gain,
            backgrounds[k].numpy(),
            f,
            _CURVE,
            image[k].numpy(),
            mask[k].numpy(),
        )
    step = slice(f // 2, None, f)
    seen = raster.ids[:, step, step] >= 0
    hair = raster.ids[:, step, step] >= len(model.triangles)
    n = len(model.uv)
    return Rendering(
        image=image,
        mask=mask,
        depth=raster.depth[:, step, step] / f * seen,
        normals=(normal_map * seen[..., None]).permute(0, 3, 1, 2).contiguous(),
        uv=(uv_map * (seen & ~hair)[..., None]).permute(0, 3, 1, 2).contiguous(),
        vertices=pixels[:, :n].contiguous(),
        landmarks=camera.project(mesh.landmarks, size),
        visibility=_visibility(samples[:, :n], normals[:, :n], raster.ids, raster.depth, scale),
    )


def _raster_front(scene: _Scene, samples: Tensor, size: int) -> Raster:
    """Rasterise without closed surfaces that face away in every frame; ids count all triangles."""
    kept = torch.from_numpy(shading.front_facing(samples.numpy(), scene.triangles_np, scene.one_sided))
    raster = rasterize(samples, scene.triangles[kept], size)
    number = torch.cat([kept, torch.tensor([-1])]).int()
    return Raster(number[raster.ids.long()], raster.barycentrics, raster.depth)


def _shade_frame(
    scene: _Scene, look: Appearance, textures: Paint, light: Light, height: Float, scale: float,
    ids: NDArray[np.int32], bary: Float, samples: Float, normals: Float, shadow_depth: Float,
    shadow_ids: NDArray[np.int32], shadow_points: Float, factor: int, normal_out: Float, uv_out: Float,
) -> tuple[Float, float]:  # fmt: skip
    """Linear colours of one frame's samples and the mean luminance of its skin."""
    colour = np.zeros((*ids.shape, 3), np.float32)

    def vector(value: tuple[float, float, float]) -> Float:
        return np.asarray(value, np.float32)

    lit = shading.cast_shadows(shadow_depth, shadow_ids, shadow_points, normals, vector(light.key),
                               _SHADOW_BIAS * _SHADOW_SIZE / _SHADOW_SPAN)  # fmt: skip
    total, count = shading.shade(
        ids, bary, scene.triangles_np, scene.part,
        shading.texture_slopes(samples, scene.triangles_np, scene.part, scene.uv), normals, scene.uv,
        textures.colour, height, scale,
        strands(look.seed), vector(look.hair), vector(look.cap),
        lit, vector(light.key), vector(light.key_colour), vector(light.fill), vector(light.fill_colour),
        vector(light.sky), vector(light.ground), light.hardness, colour, factor, normal_out, uv_out,
    )  # fmt: skip
    return colour, total / max(count, 1)


def _exposure(look: Appearance, luminance: float) -> float:
    """Gain that brings the skin to a mid brightness that still tells light from dark skin."""
    r, g, b = look.skin
    own = 0.2126 * r + 0.7152 * g + 0.0722 * b
    target = 0.41 * own**0.5
    return float(target / max(luminance, 1e-4))


def _visibility(samples: Tensor, normals: Tensor, ids: Tensor, depth: Tensor, scale: Tensor) -> Tensor:
    """Vertices that face the camera, lie in the image and have nothing before them."""
    size = depth.shape[-1]
    x, y = samples[..., 0].round().long(), samples[..., 1].round().long()
    inside = (x >= 0) & (x < size) & (y >= 0) & (y < size)
    place = y.clamp(0, size - 1) * size + x.clamp(0, size - 1)
    front = depth.flatten(1).gather(1, place)
    covered = ids.flatten(1).gather(1, place) >= 0
    near = samples[..., 2] >= front - 3.0 * scale[:, None]
    return inside & (normals[..., 2] > 0.02) & (near | ~covered)

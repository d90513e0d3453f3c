"""Renderer: an avatar with expressions, camera and light to images and the geometry behind them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aukit.mesh import vertex_normals, visible_triangles
from aukit.mesh.rasterizer import Backend
from aukit.mesh.threads import in_threads
from aukit.simulation.appearance import wrinkles as wr
from aukit.simulation.appearance.appearance import Appearance, Avatar
from aukit.simulation.appearance.hair import build_attached_mesh, strands
from aukit.simulation.appearance.textures import Paint, paint
from aukit.simulation.bases import face_model
from aukit.simulation.camera import PIVOT, Camera
from aukit.simulation.face.atlas import PAINT_STEP, SHEEN_STEP
from aukit.simulation.face.face_model import FaceModel
from aukit.simulation.materials import Material
from aukit.simulation.rendering import shading_numba as shading
from aukit.simulation.rendering import shading_torch as torch_shading
from aukit.simulation.rendering.background import plain_background
from aukit.simulation.rendering.light import Light

_SHADOW_SIZE = 224
_SHADOW_SPAN = 330.0
_BIAS = 2.4 * _SHADOW_SIZE / _SHADOW_SPAN
_DARK = 1e-4
"""Luminance of the skin below which exposure does not rise."""
_MARGIN = 3.0
"""How far, in mm, a vertex that counts as seen may lie behind what is drawn in its place."""
_FRAMES = 16
"""Frames that torch draws at once; each takes 0.21 GB at 256 x 256 with 2 x 2 samples."""
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
        activations: float32 [B, A, 2], action units as shown, left and right, in [0, 1].

    Example:
        >>> from aukit.simulation import face_model
        >>> somebody = Avatar.sample("example", "somebody", seed=0)
        >>> smile = face_model().activations({6: 0.5, 12: 1.0})
        >>> picture = render(somebody, smile, Camera(yaw=20.0), size=64)
        >>> tuple(picture.image.shape), tuple(picture.landmarks.shape)
        ((1, 3, 64, 64), (1, 68, 3))
    """

    image: Tensor
    mask: Tensor
    depth: Tensor
    normals: Tensor
    uv: Tensor
    vertices: Tensor
    landmarks: Tensor
    visibility: Tensor
    activations: Tensor


def _relief(appearance: Appearance, base: Float, model: FaceModel, activations: Float) -> Float:
    """Permanent relief plus the wrinkles of one frame's activations [A, 2]; 0.2 ms."""
    height = base.copy()
    for (group, side), patch in wr.patches(appearance.seed % wr.VARIANTS).items():
        value = float(activations[model.aus.index(wr.GROUPS[group]), side])
        if value > 0.01:
            # Folds deepen faster than the skin moves at first and then settle.
            height[patch.rows, patch.columns] += (appearance.wrinkles[group] * value**0.9) * patch.height
    return height


def _light_view(points: Tensor, key: tuple[float, float, float]) -> Tensor:
    """Camera-space millimetres [B, M, 3] to pixels of the key light's depth map."""
    forward = points.new_tensor(key)
    right = torch.linalg.cross(points.new_tensor([0.0, 1.0, 0.0]), forward)
    right = right / right.norm()
    down = torch.linalg.cross(forward, right)
    view = torch.stack([right, down, forward])
    scale = _SHADOW_SIZE / _SHADOW_SPAN
    return (points @ view.T) * scale + points.new_tensor([_SHADOW_SIZE / 2, _SHADOW_SIZE / 2, 0.0])


class _Scene:
    """Head and hair of one person as one mesh."""

    def __init__(self, model: FaceModel, appearance: Appearance) -> None:
        self.model = model
        self.hair = build_attached_mesh(appearance)
        self.triangles = model.triangles
        material = model.materials.numpy()
        self.uv: Float = model.uv.numpy()
        # Skin, eyes and clothes are closed; so is hair that lies on the head, but not what hangs.
        self.one_sided = np.isin(material, [Material.SKIN, Material.EYE, Material.CLOTH])
        self.casters = model.casters
        if self.hair is not None:
            worn = self.hair
            triangles = torch.from_numpy(worn.triangles + len(self.uv))
            self.triangles = torch.cat([model.triangles, triangles])
            self.casters = torch.cat([model.casters, triangles[torch.from_numpy(worn.casts)]])
            material = np.concatenate([material, worn.material])
            self.one_sided = np.concatenate([self.one_sided, ~worn.two_sided])
            self.uv = np.concatenate([self.uv, worn.uv])
        # The compiled loops want narrow numbers.
        self.narrow = self.triangles.int(), self.casters.int()
        self.corners = self.narrow[0].numpy().view(np.uint32)
        self.materials = material.astype(np.uint8)

    def assemble(self, vertices: Tensor, vectorised: bool) -> tuple[Tensor, Tensor]:
        """Vertices with hair and unit normals, both in mm space. [B, M, 3] each."""
        backend: Literal["torch", "numba"] = "torch" if vectorised else "numba"
        seam = torch.from_numpy(self.model.seam)
        normals = vertex_normals(vertices, self.model.triangles, seam, backend)
        if self.hair is None:
            return vertices, normals
        h = self.hair
        shell = h.on(self.model.on_skin(h.points, torch.cat([vertices, normals], -1)))
        shell_normals = vertex_normals(shell, torch.from_numpy(h.triangles), backend=backend)
        return torch.cat([vertices, shell], 1), torch.cat([normals, shell_normals], 1)


@lru_cache(maxsize=8)
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
    device: torch.device | str = "cpu",
    backend: Backend = "auto",
) -> Rendering:
    """Render one person with a batch of expressions.

    Args:
        avatar: The person.
        activations: float [B, A, 2] (left, right) or [B, A] in [0, 1], columns as in `FaceModel.aus`.
        camera: Pose and framing, numbers or one per frame; frontal if None.
        light: Light of all frames; a soft key from the upper left if None.
        background: float [3, H, W] or [B, 3, H, W], sRGB in [0, 1]; plain grey if None.
        size: Width and height of the images in pixels.
        gaze: float [B, 2], degrees to the image's right and up in the head's frame; straight ahead if None.
        supersampling: Samples per pixel along each axis.
        device: Where it is drawn and where the results are; the head itself is built on the CPU.
        backend: ``numba`` draws frame by frame in compiled loops (on the CPU, in
            ``torch.get_num_threads()`` threads), ``torch`` draws some frames at once; ``auto`` takes the
            first on the CPU. Both give the same picture up to rounding.

    Returns:
        The images and their geometry, a function of the arguments alone: frames do not depend on the others
        of their batch.

    Raises:
        ValueError: On shapes that do not fit.

    Cost: per frame at 256 x 256, on one hyper-thread of a busy core, 45 ms with the procedural basis and
    55 ms with the ICT one: 20 ms for light on the samples, 13 to 20 ms for rasterising. A new person costs
    0.2 s once for the textures. All arguments lie on the CPU.
    """
    model = face_model(avatar.basis)
    camera, light = camera or Camera(), light or Light()
    if activations.ndim == 2:
        activations = activations[..., None].expand(-1, -1, 2)
    batch = len(activations)
    identity = torch.from_numpy(np.asarray(avatar.identity, np.float32))[None].expand(batch, -1)
    mesh = model(identity, activations, None if gaze is None else gaze.float().expand(batch, 2))
    appearance = avatar.appearance
    scene = _scene(model, appearance)
    device = torch.device(device)
    vectorised = backend == "torch" or (backend == "auto" and device.type != "cpu")
    head = mesh.vertices.to(device)
    vertices, normals = scene.assemble(head, vectorised)
    rotation = camera.rotation(batch).to(device)
    normals = (normals @ rotation.transpose(1, 2)).contiguous()
    turned = (vertices - vertices.new_tensor(PIVOT)) @ rotation.transpose(1, 2)
    f = supersampling
    pixels = camera.project(vertices, size)
    backgrounds = plain_background(size) if background is None else background
    shot = _Shot(
        scene=scene,
        appearance=appearance,
        light=light,
        activations=activations.clamp(0, 1).float(),
        samples=pixels * f + pixels.new_tensor([(f - 1) / 2, (f - 1) / 2, 0.0]),
        normals=normals,
        shadow_points=_light_view(turned, light.key).contiguous(),
        scale=camera.pixels_per_mm(batch, size * f),
        background=backgrounds.to(device).float().expand(batch, 3, size, size).contiguous(),
        factor=f,
    )
    out = Rendering(
        image=torch.empty(batch, 3, size, size, device=device),
        mask=torch.empty(batch, size, size, device=device),
        depth=torch.empty(batch, size, size, device=device),
        normals=torch.zeros(batch, 3, size, size, device=device),
        uv=torch.zeros(batch, 2, size, size, device=device),
        vertices=pixels[:, : len(model.uv)].contiguous(),
        landmarks=camera.project(mesh.landmarks.to(device), size),
        visibility=torch.empty(batch, len(model.uv), dtype=torch.bool, device=device),
        activations=shot.activations.to(device),
    )
    if vectorised:
        for start in range(0, batch, _FRAMES):
            _draw_frames(shot, slice(start, start + _FRAMES), out)
    else:
        textures = paint(appearance)  # before the threads start, so that it is made only once
        in_threads(lambda k: _draw_frame(shot, textures, k, out), range(batch))
    return out


class _Shot(NamedTuple):
    """Everything about a batch that does not depend on the back end."""

    scene: _Scene
    appearance: Appearance
    light: Light
    activations: Tensor  # [B, A, 2] on the CPU, like the scale
    samples: Tensor  # [B, M, 3] vertices in samples
    normals: Tensor  # [B, M, 3] in camera space
    shadow_points: Tensor  # [B, M, 3] vertices in pixels of the light's depth map
    scale: Tensor  # [B] samples per mm
    background: Tensor  # [B, 3, H, W]
    factor: int


def _draw_frame(shot: _Shot, textures: Paint, k: int, out: Rendering) -> None:
    """Draw frame `k` in compiled loops: all that it needs stays in the processor's cache."""
    scene, appearance, light, factor = shot.scene, shot.appearance, shot.light, shot.factor
    samples, normals, points = (t[k].numpy() for t in (shot.samples, shot.normals, shot.shadow_points))
    scale = float(shot.scale[k])
    size = out.mask.shape[-1]
    one = slice(k, k + 1)
    triangles, casters = scene.narrow
    front = visible_triangles(
        shot.samples[one], triangles, size * factor, "numba", torch.from_numpy(scene.one_sided)
    )
    shadow = visible_triangles(shot.shadow_points[one], casters, _SHADOW_SIZE, "numba")
    ids = front.ids[0].numpy()
    colour = np.empty((*ids.shape, 3), np.float32)

    def vector(value: tuple[float, float, float]) -> Float:
        return np.asarray(value, np.float32)

    lit = shading.cast_shadows(
        shadow.depth[0].numpy(), shadow.ids[0].numpy(), points, normals, vector(light.key), _BIAS
    )
    height = _relief(appearance, textures.height, scene.model, shot.activations[k].numpy())
    total, count = shading.shade(
        ids, samples, scene.corners, scene.materials, normals, scene.uv, textures.colour, height, scale,
        strands(appearance.seed), vector(appearance.hair), vector(appearance.cap),
        lit, vector(light.key), vector(light.key_colour), vector(light.fill), vector(light.fill_colour),
        vector(light.sky), vector(light.ground), light.hardness, colour, factor,
        out.normals[k].numpy(), out.uv[k].numpy(),
    )  # fmt: skip
    gain = _exposure(appearance) / max(total / max(count, 1), _DARK) * light.exposure
    shading.resolve(
        colour,
        ids,
        gain,
        shot.background[k].numpy(),
        factor,
        _CURVE,
        out.image[k].numpy(),
        out.mask[k].numpy(),
    )
    shading.seen(
        samples,
        normals,
        front.depth[0].numpy(),
        np.float32(_MARGIN) * np.float32(scale),
        out.visibility[k].numpy(),
        out.depth[k].numpy(),
    )


def _draw_frames(shot: _Shot, chunk: slice, out: Rendering) -> None:
    """Draw some frames at once in torch operations; bounds the memory, see `_FRAMES`."""
    scene, appearance, light, factor = shot.scene, shot.appearance, shot.light, shot.factor
    device = shot.samples.device
    person = _on_device(scene, appearance, device)
    samples, normals, points = shot.samples[chunk], shot.normals[chunk], shot.shadow_points[chunk]
    front = visible_triangles(
        samples, person.triangles, out.mask.shape[-1] * factor, "torch", person.one_sided
    )
    shadow = visible_triangles(points, person.casters, _SHADOW_SIZE, "torch")
    lit = torch_shading.cast_shadows(shadow.depth, shadow.ids, points, normals, light.key, _BIAS)
    shaded = torch_shading.shade(
        front.ids, samples, person.triangles, person.materials, normals, person.uv,
        person.colour, _reliefs(appearance, person, scene.model, shot.activations[chunk]),
        shot.scale[chunk].to(device), float(shot.scale[chunk].max()),
        person.strands, appearance.hair, appearance.cap,
        lit, light.key, light.key_colour, light.fill, light.fill_colour, light.sky, light.ground,
        light.hardness, factor,
    )  # fmt: skip
    gain = _exposure(appearance) * light.exposure / shaded.luminance.clamp(min=_DARK)
    out.image[chunk], out.mask[chunk] = torch_shading.resolve(
        shaded.colour, front.ids, gain, shot.background[chunk], factor, person.curve
    )
    out.normals[chunk], out.uv[chunk] = shaded.normals, shaded.uv
    known = slice(out.visibility.shape[1])
    out.visibility[chunk], out.depth[chunk] = torch_shading.seen(
        samples[:, known], normals[:, known], front.depth, _MARGIN * shot.scale[chunk].to(device), factor
    )


class _OnDevice(NamedTuple):
    """What all frames of a person share, as tensors on one device."""

    triangles: Tensor
    one_sided: Tensor
    materials: Tensor
    uv: Tensor
    casters: Tensor
    colour: Tensor  # in units, not steps
    height: Tensor
    folds: dict[tuple[int, int], Tensor]
    strands: Tensor
    curve: Tensor


@lru_cache(maxsize=8)
def _on_device(scene: _Scene, appearance: Appearance, device: torch.device) -> _OnDevice:
    textures = paint(appearance)
    steps = np.array([PAINT_STEP] * 4 + [SHEEN_STEP], np.float32)
    arrays = (
        scene.one_sided, scene.materials.astype(np.int8), scene.uv, textures.colour * steps, textures.height,
        strands(appearance.seed), _CURVE,
    )  # fmt: skip
    one_sided, materials, uv, colour, height, hair, curve = (torch.from_numpy(a).to(device) for a in arrays)
    patches = wr.patches(appearance.seed % wr.VARIANTS)
    return _OnDevice(
        scene.triangles.to(device), one_sided, materials, uv, scene.casters.to(device), colour, height,
        {key: torch.from_numpy(patch.height).to(device) for key, patch in patches.items()}, hair, curve,
    )  # fmt: skip


def _reliefs(appearance: Appearance, person: _OnDevice, model: FaceModel, activations: Tensor) -> Tensor:
    """`_relief` of activations [B, A, 2] at once. [B, T, T]."""
    heights = person.height.repeat(len(activations), 1, 1)
    strengths = torch.where(activations > 0.01, activations**0.9, 0.0).to(heights.device)
    for (group, side), patch in wr.patches(appearance.seed % wr.VARIANTS).items():
        strength = appearance.wrinkles[group] * strengths[:, model.aus.index(wr.GROUPS[group]), side]
        heights[:, patch.rows, patch.columns] += strength[:, None, None] * person.folds[group, side]
    return heights


def _exposure(appearance: Appearance) -> float:
    """Mean luminance at which skin is shown: mid-range for every tone, but darker for darker skin."""
    r, g, b = appearance.skin
    return float(0.41 * (0.2126 * r + 0.7152 * g + 0.0722 * b) ** 0.5)

"""FaceModel: parameters of identity and expression to vertices and landmarks."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aukit.avatars import expressions as ex
from aukit.avatars import head_shape as hs
from aukit.avatars import identity as who
from aukit.avatars.landmarks import bind_landmarks
from aukit.avatars.topology import EYE, SKIN, Topology, build_topology
from aukit.facs import VISIBLE_AUS

EYE_APEX = hs.EYE_RADIUS + 0.75
"""Distance from an eyeball's centre to the front of its cornea in mm."""
_LID_CLEARANCE = 0.9


class FaceMesh(NamedTuple):
    """Heads in millimetres (x right, y down, z towards the viewer, origin between the pupils).

    Attributes:
        vertices: float32 [B, N, 3].
        landmarks: float32 [B, 68, 3], bound to the skin (see `aukit.avatars.landmarks` for the convention).
    """

    vertices: Tensor
    landmarks: Tensor


class _Basis(NamedTuple):
    """Everything that the formulas give, as tensors."""

    topology: Topology
    mean: Tensor
    identity: Tensor
    expression: Tensor
    jaw: Tensor
    sides: Tensor
    lid_vertices: Tensor
    lid_pair: Tensor
    lid_weight: Tensor
    lid_is_upper: Tensor
    lip_vertices: Tensor
    lip_pair: Tensor
    lip_weight: Tensor
    landmark_vertices: Tensor
    landmark_weights: Tensor


def _follow_skull(t: Topology, basis: NDArray[np.float64]) -> None:
    """Add to each muscle field the depth that skin loses or gains by sliding over the curved head."""
    x, y, _ = t.position.T

    def depth(px: NDArray[np.float64], py: NDArray[np.float64]) -> NDArray[np.float64]:
        curves = hs.RING_CURVES(np.clip(py, -110, 107))
        a, zf, n = curves[..., 2], curves[..., 3], curves[..., 5]
        return np.asarray(zf * (1 - np.clip(np.abs(px) / a, 0, 0.9) ** n) ** (1 / n))

    base = depth(x, y)
    skin = t.expressive * (t.row < 107)
    for fields in basis:
        for field in fields:
            slide = depth(x + field[:, 0], y + field[:, 1]) - base
            field[:, 2] += np.where(skin > 0, slide, 0.0)


def _lid_motion(
    t: Topology,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """Vertices that ride on a lid: number, matching margin pair, weight, upper or lower lid."""
    number, pair, weight, upper = [], [], [], []
    eye_row = int(np.flatnonzero(t.rows == hs.EYE_ROW)[0])
    of_vertex = {
        int(v): (k, c) for k, v in enumerate(t.lid_up) for c in [int(np.flatnonzero(t.grid[eye_row] == v)[0])]
    }
    for k, c in of_vertex.values():
        for r, q in enumerate(t.rows):
            above = r <= eye_row
            share = np.clip(1 - abs(q) / (13.0 if above else 12.0), 0, 1) ** (0.85 if above else 1.1)
            if share > 0:
                number.append(int(t.grid[r, c]))
                pair.append(k)
                weight.append(float(share))
                upper.append(above)
    return np.array(number), np.array(pair), np.array(weight), np.array(upper)


def _lip_contact(t: Topology) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Vertices that yield when the lips press on each other: number, pair, signed weight (up is negative)."""
    number, pair, weight = [], [], []
    mouth_row = int(np.flatnonzero(t.rows == hs.MOUTH_ROW)[0])
    for k, v in enumerate(t.lip_up):
        c = int(np.flatnonzero(t.grid[mouth_row] == v)[0])
        for r, q in enumerate(t.rows):
            share = np.exp(-(((q - hs.MOUTH_ROW) / 8.0) ** 2))
            if share > 0.03:
                number.append(int(t.grid[r, c]))
                pair.append(k)
                weight.append(float(share if r > mouth_row else -share))
        for edge, sign in ((t.lip_up[k], -1.0), (t.lip_down[k], 1.0)):
            for follower in np.flatnonzero((t.source == edge) & (np.arange(len(t.source)) != edge)):
                number.append(int(follower))
                pair.append(k)
                weight.append(sign * float(t.expressive[follower]))
    return np.array(number), np.array(pair), np.array(weight)


@lru_cache(maxsize=1)
def _build() -> _Basis:
    t = build_topology()
    identity = who.identity_basis(t.anchor, t.lower_lip)
    expression = ex.expression_basis(VISIBLE_AUS, t.position, t.lower_lip)
    _follow_skull(t, expression)
    expression = expression[:, :, t.source] * t.expressive[:, None]
    skin_jaw = ex.jaw_weights(t.position, t.row, t.column, t.lower_lip)
    jaw = np.where(np.isnan(t.jaw), skin_jaw[t.source], t.jaw)
    lid_vertices, lid_pair, lid_weight, lid_upper = _lid_motion(t)
    lip_vertices, lip_pair, lip_weight = _lip_contact(t)
    vertices, weights = bind_landmarks(t)

    def real(a: NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(a, np.float32))

    return _Basis(
        t,
        real(t.position),
        real(identity.reshape(len(identity), -1)),
        real(expression.reshape(len(VISIBLE_AUS) * 2, -1)),
        real(jaw),
        real(ex.side_weights(t.position[:, 0])),
        torch.from_numpy(lid_vertices),
        torch.from_numpy(lid_pair),
        real(lid_weight),
        torch.from_numpy(lid_upper),
        torch.from_numpy(lip_vertices),
        torch.from_numpy(lip_pair),
        real(lip_weight),
        torch.from_numpy(vertices),
        real(weights),
    )


class FaceModel:
    """A parametric head made of formulas alone: no scan, no downloaded mesh.

    Shape = mean + identity fields + muscle fields per action unit and side, then the jaw turns about its
    hinge, the lids slide over the eyeballs and the lips stop where they touch.

    Attributes:
        aus: Action units that can be set, equal to `aukit.facs.VISIBLE_AUS`.
        identity_size: K, number of identity coefficients (standard deviations; names in
            `aukit.avatars.identity.NAMES`).
        triangles: int64 [T, 3].
        uv: float32 [N, 2] in [0, 1], v down.
        face_region: bool [N], the facial mask from hairline to jaw in front of the ears, without eyeballs,
            mouth interior, ears, neck and back of the head.
        parts: int64 [T], material of each triangle, as named in `aukit.avatars.topology` (SKIN to CLOTH).

    Cost: about 1 s to build once per process; a call takes some 3 ms per mesh on one core.
    """

    def __init__(self) -> None:
        self._basis = _build()
        t = self._basis.topology
        self.topology = t
        self.aus: tuple[int, ...] = VISIBLE_AUS
        self.identity_size: int = len(who.NAMES)
        self.triangles: Tensor = torch.from_numpy(t.triangles)
        self.uv: Tensor = torch.from_numpy(t.uv.astype(np.float32))
        self.parts: Tensor = torch.from_numpy(t.part)
        with np.errstate(invalid="ignore"):
            region = (t.row > -67) & (t.row < 108.5) & (np.abs(t.column) < 0.965)
        self.face_region: Tensor = torch.from_numpy(region)
        self.eye_vertices: Tensor = torch.from_numpy(t.eyes)
        """int64 [2, E]: vertices of the person's left and right eyeball; the first is the cornea's apex."""
        shares = [ex.motion_table(self.aus, s) for s in (ex.LID_UPPER, ex.LID_LOWER, ex.JAW_ANGLE)]
        self._upper, self._lower, self._angle = (torch.from_numpy(s.astype(np.float32)) for s in shares)

    def sample_identity(self, rng: np.random.Generator, gender: str, age: float) -> NDArray[np.float32]:
        """Draw the identity coefficients of one person; see `aukit.avatars.identity.sample_identity`."""
        return who.sample_identity(rng, gender, age)

    def activations(self, values: dict[int | tuple[int, str], float]) -> Tensor:
        """Activations of one face from a dictionary.

        Args:
            values: AU number (both sides) or (AU number, "left" | "right") to activation in [0, 1].

        Returns:
            float32 [1, A, 2].
        """
        result = torch.zeros(1, len(self.aus), 2)
        for key, value in values.items():
            au, side = key if isinstance(key, tuple) else (key, None)
            columns = slice(None) if side is None else {"left": 0, "right": 1}[side]
            result[0, self.aus.index(au), columns] = value
        return result

    def __call__(self, identity: Tensor, activations: Tensor) -> FaceMesh:
        """Meshes of given people with given expressions.

        Args:
            identity: float [B, K] in standard deviations.
            activations: float [B, A, 2] (person's left, right) or [B, A] (both alike) in [0, 1],
                columns as in `aus`.

        Returns:
            Meshes in mm.

        Raises:
            ValueError: On other shapes.
        """
        b = self._basis
        if activations.ndim == 2:
            activations = activations[..., None].expand(-1, -1, 2)
        if identity.ndim != 2 or identity.shape[1] != self.identity_size:
            raise ValueError(f"identity must be [B, {self.identity_size}], not {tuple(identity.shape)}")
        if activations.shape != (len(identity), len(self.aus), 2):
            raise ValueError(
                f"activations must be [{len(identity)}, {len(self.aus)}, 2] or [.., {len(self.aus)}], "
                f"not {tuple(activations.shape)}"
            )
        identity, activations = identity.float(), activations.float().clamp(0.0, 1.0)
        n = len(b.mean)
        shape = b.mean + (identity @ b.identity).view(-1, n, 3)
        vertices = shape + (activations.reshape(len(shape), -1) @ b.expression).view(-1, n, 3)
        self._touch_lips(vertices)
        self._turn_jaw(vertices, activations)
        self._slide_lids(vertices, activations)
        landmarks = (vertices[:, b.landmark_vertices] * b.landmark_weights[..., None]).sum(2)
        return FaceMesh(vertices, landmarks)

    def mean_mesh(self) -> FaceMesh:
        """The mean head, neutral, with a batch of 1."""
        return self(torch.zeros(1, self.identity_size), torch.zeros(1, len(self.aus), 2))

    def eye_centres(self, vertices: Tensor) -> Tensor:
        """Centres of the eyeballs (left, right) in meshes of this model whose eyes look ahead. [B, 2, 3]."""
        return vertices[:, self.eye_vertices[:, 0]] - torch.tensor([0.0, 0.0, EYE_APEX])

    def _touch_lips(self, vertices: Tensor) -> None:
        """Where the lips would pass through each other, both yield."""
        b = self._basis
        up = torch.from_numpy(b.topology.lip_up)
        down = torch.from_numpy(b.topology.lip_down)
        overlap = (vertices[:, up, 1] - vertices[:, down, 1]).clamp(min=0.0)
        vertices[:, b.lip_vertices, 1] += 0.5 * overlap[:, b.lip_pair] * b.lip_weight

    def _turn_jaw(self, vertices: Tensor, activations: Tensor) -> None:
        b = self._basis
        degrees = torch.einsum("bas,a->bs", activations, self._angle)
        if not bool((degrees > 0).any()):
            return
        moving = torch.nonzero(b.jaw > 0)[:, 0]
        angle = torch.deg2rad(degrees @ b.sides[:, moving]) * b.jaw[moving]
        y, z = vertices[:, moving, 1] - ex.JAW_HINGE[0], vertices[:, moving, 2] - ex.JAW_HINGE[1]
        cos, sin = torch.cos(angle), torch.sin(angle)
        vertices[:, moving, 1] = ex.JAW_HINGE[0] + cos * y + sin * z
        vertices[:, moving, 2] = ex.JAW_HINGE[1] - sin * y + cos * z

    def _slide_lids(self, vertices: Tensor, activations: Tensor) -> None:
        b = self._basis
        t = b.topology
        lid_up, lid_down = torch.from_numpy(t.lid_up), torch.from_numpy(t.lid_down)
        side = (b.mean[lid_up, 0] < 0).long()
        closed = activations[:, self.aus.index(43)]
        upper = torch.einsum("bas,a->bs", activations, self._upper)
        lower = torch.einsum("bas,a->bs", activations, self._lower)
        # A closing eye takes over from what the other muscles do to the lids.
        shut_up, shut_down = ex.LID_UPPER[43] * closed, ex.LID_LOWER[43] * closed
        upper = shut_up + (1 - closed) * (upper - shut_up)
        lower = shut_down + (1 - closed) * (lower - shut_down)
        lower = torch.minimum(lower, 1.0 - upper).clamp(max=0.62)
        margin = vertices[:, lid_down] - vertices[:, lid_up]
        share = torch.where(b.lid_is_upper, upper[:, side][:, b.lid_pair], -lower[:, side][:, b.lid_pair])
        move = (share * b.lid_weight)[..., None] * margin[:, b.lid_pair]
        moved = vertices[:, b.lid_vertices] + move
        # Lids lie on the eyeball and never inside it.
        centres = self.eye_centres(vertices)[:, side][:, b.lid_pair]
        away = moved - centres
        distance = away.norm(dim=-1, keepdim=True)
        surface = hs.EYE_RADIUS + _LID_CLEARANCE
        vertices[:, b.lid_vertices] = centres + away * (surface / distance).clamp(min=1.0)
        rim = torch.from_numpy(t.rim)
        edge = torch.from_numpy(t.source[t.rim])
        rim_side = (b.mean[edge, 0] < 0).long()
        centre = self.eye_centres(vertices)[:, rim_side]
        away = vertices[:, edge] - centre
        distance = away.norm(dim=-1, keepdim=True)
        vertices[:, rim] = centre + away * ((hs.EYE_RADIUS - 0.5) / distance).clamp(max=1.0)


__all__ = ["EYE", "SKIN", "FaceMesh", "FaceModel"]

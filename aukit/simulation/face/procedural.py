"""The procedural face basis: a head made of formulas alone, no scan and no downloaded mesh."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aukit.facs import VISIBLE_AUS
from aukit.simulation.face import expressions as ex
from aukit.simulation.face import head_shape as hs
from aukit.simulation.face import identity as who
from aukit.simulation.face.face_model import FaceMesh, FaceModel
from aukit.simulation.face.landmarks import bind_landmarks
from aukit.simulation.face.topology import Topology, mean_topology

EYE_APEX = hs.EYE_RADIUS + 0.75
"""Distance from an eyeball's centre to the front of its cornea in mm."""
_LID_CLEARANCE = 0.9


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
    """Vertices that move with a lid: number, matching margin pair, weight, upper or lower lid."""
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
            for follower in np.flatnonzero((t.follows == edge) & (np.arange(len(t.follows)) != edge)):
                number.append(int(follower))
                pair.append(k)
                weight.append(sign * float(t.expressive[follower]))
    return np.array(number), np.array(pair), np.array(weight)


@lru_cache(maxsize=1)
def _build() -> _Basis:
    t = mean_topology()
    identity = who.identity_basis(t.anchor, t.lower_lip)
    expression = ex.expression_basis(VISIBLE_AUS, t.position, t.lower_lip)
    _follow_skull(t, expression)
    expression = expression[:, :, t.follows] * t.expressive[:, None]
    skin_jaw = ex.jaw_weights(t.position, t.row, t.column, t.lower_lip)
    jaw = np.where(np.isnan(t.jaw), skin_jaw[t.follows], t.jaw)
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


class ProceduralFaceModel(FaceModel):
    """A parametric head made of formulas alone: no scan, no downloaded mesh.

    Shape = mean + identity fields + muscle fields per action unit and side, then the jaw turns about its
    hinge, the lids slide over the eyeballs and the lips stop where they touch.  The coefficients of identity
    are named in `aukit.simulation.face.identity.NAMES`.

    Cost: about 1 s to build once per process; a call takes some 3 ms per mesh on one core.
    """

    def __init__(self) -> None:
        self._basis = _build()
        t = self._basis.topology
        self.aus = VISIBLE_AUS
        self.identity_size = len(who.NAMES)
        self.triangles = torch.from_numpy(t.triangles)
        self.uv = torch.from_numpy(t.uv.astype(np.float32))
        self.materials = torch.from_numpy(t.material)
        with np.errstate(invalid="ignore"):
            region = (t.row > -67) & (t.row < 108.5) & (np.abs(t.column) < 0.965)
        self.face_region = torch.from_numpy(region)
        self.eye_vertices = torch.from_numpy(t.eyes)
        self.seam = np.ascontiguousarray(np.stack([t.grid[1:, 0], t.grid[1:, -1]], 1))
        self.casters = _coarse_skin(t)
        shares = [ex.motion_table(self.aus, s) for s in (ex.LID_UPPER, ex.LID_LOWER, ex.JAW_ANGLE)]
        self._upper, self._lower, self._angle = (torch.from_numpy(s.astype(np.float32)) for s in shares)

    def sample_identity(self, rng: np.random.Generator, gender: str, age: float) -> NDArray[np.float32]:
        """See `FaceModel.sample_identity`."""
        return who.sample_identity(rng, gender, age)

    def __call__(self, identity: Tensor, activations: Tensor, gaze: Tensor | None = None) -> FaceMesh:
        """Meshes of given people with given expressions; see `FaceModel.__call__`."""
        b = self._basis
        identity, activations = self.checked(identity, activations)
        n = len(b.mean)
        shape = b.mean + (identity @ b.identity).view(-1, n, 3)
        vertices = shape + (activations.reshape(len(shape), -1) @ b.expression).view(-1, n, 3)
        self._touch_lips(vertices)
        self._turn_jaw(vertices, activations)
        self._slide_lids(vertices, activations)
        if gaze is not None:
            self.turn_eyes(vertices, gaze)
        landmarks = (vertices[:, b.landmark_vertices] * b.landmark_weights[..., None]).sum(2)
        return FaceMesh(vertices, landmarks)

    def eye_centres(self, vertices: Tensor) -> Tensor:
        """See `FaceModel.eye_centres`."""
        return vertices[:, self.eye_vertices[:, 0]] - torch.tensor([0.0, 0.0, EYE_APEX])

    def on_skin(self, points: Tensor, values: Tensor) -> Tensor:
        """See `FaceModel.on_skin`."""
        return values[:, points]

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
        edge = torch.from_numpy(t.follows[t.rim])
        rim_side = (b.mean[edge, 0] < 0).long()
        centre = self.eye_centres(vertices)[:, rim_side]
        away = vertices[:, edge] - centre
        distance = away.norm(dim=-1, keepdim=True)
        vertices[:, rim] = centre + away * ((hs.EYE_RADIUS - 0.5) / distance).clamp(max=1.0)


def _coarse_skin(t: Topology) -> Tensor:
    """Every other ring and column of the skin, without the openings: enough to cast a shadow. [T, 3]."""
    grid = t.grid
    rows, columns = np.arange(0, grid.shape[0], 2), np.arange(0, grid.shape[1], 2)
    rows, columns = np.append(rows, grid.shape[0] - 1), np.append(columns, grid.shape[1] - 1)
    slit = (grid[1:] != grid[:-1]) & (t.rows[1:] == t.rows[:-1])[:, None]
    triangles = []
    for r0, r1 in pairwise(rows):
        for c0, c1 in pairwise(columns):
            if r1 > r0 and c1 > c0 and not slit[r0:r1, c0 : c1 + 1].any():
                a, b, c, d = grid[r0, c0], grid[r0, c1], grid[r1, c0], grid[r1, c1]
                triangles += [(a, b, c), (b, d, c)]
    return torch.tensor(np.array(triangles))

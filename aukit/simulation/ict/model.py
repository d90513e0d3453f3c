"""The ICT-FaceKit face basis: a scanned head's linear shapes behind the project's `FaceModel`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from aukit.facs import VISIBLE_AUS
from aukit.simulation.face import head_shape as hs
from aukit.simulation.face.face_model import FaceMesh, FaceModel
from aukit.simulation.face.landmarks import landmark_places
from aukit.simulation.face.regions import face_regions
from aukit.simulation.face.topology import mean_topology
from aukit.simulation.ict.atlas import ring_position
from aukit.simulation.ict.basis_file import BasisError, read_basis
from aukit.simulation.ict.contact import LidContact, LipContact, withdrawn_mouth
from aukit.simulation.ict.convert import ICT_LAYOUT
from aukit.simulation.ict.expressions import LID_AUS, au_fields, au_reach, lid_fields
from aukit.simulation.ict.surface import Surface, build_surface, eye_centre, mouth_lining

Array = NDArray[np.float64]
Index = NDArray[np.int64]

MODES = 40
"""Identity modes in use; they carry almost all visible variation."""
_GENDER_SHIFT, _GENDER_SPREAD = 2.2, 0.6
"""Mean and standard deviation along the gender direction, in standard deviations of the whole population."""
_LID_GAZE = 25.0
"""Vertical gaze in degrees at which ICT-FaceKit's shapes of following lids are at full strength."""
_BLINK = 1.12
"""How far a closing eye goes in units of ICT-FaceKit's blink, which leaves a slit at the inner corner."""
_LID_MOTION, _LID_REACH = 0.3, 30.0
"""Motion of a blink in mm from which skin belongs to the lids, and how far they lie from the eye's centre."""
_WHOLE_PARTS = (
    "face", "head_neck", "mouth_socket", "eye_socket_l", "eye_socket_r", "sclera_l", "sclera_r",
)  # fmt: skip
"""Parts that must be complete for the registration to the atlas."""
_OWN_LANDMARKS = slice(27, 68)
"""Landmarks of nose, eyes and mouth, which ICT-FaceKit places as the common mark-up does."""
_LIDS = torch.tensor([[[43, 47], [44, 46]], [[37, 41], [38, 40]]])
"""Landmarks on the upper lids' and, opposite, the lower lids' margins, of the left and the right eye."""


class ICTFaceModel(FaceModel):
    """A linear head: mean + identity modes + expression shapes, combined to action units.

    ``aukit avatars import-ict`` makes the basis file from a clone of ICT-FaceKit (MIT licence); none of its
    data is part of this package.  Action units: `aukit.simulation.ict.expressions`; surface and paint:
    `aukit.simulation.ict.surface`.  Landmarks of nose, eyes and mouth are ICT-FaceKit's own; brows and jaw
    edge follow `aukit.simulation.face.landmarks` through the atlas, since ICT-FaceKit's lie too high and too
    far forward.

    Identity coefficients are standard deviations of ICT-FaceKit's first `MODES` modes.  Gender moves them
    along the basis file's gender direction; without one in the file it shows in the appearance alone, and so
    does age in any case.

    Args:
        file: The basis file.

    Raises:
        BasisError: The file cannot be used.

    Cost: about 3 s to build once per process; a call takes some 4 ms per mesh on one core.
    """

    def __init__(self, file: Path) -> None:
        basis = read_basis(file)
        for name in _WHOLE_PARTS:
            first, last = ICT_LAYOUT.parts[name]
            found = int((basis.part == name).sum())
            if found != last - first + 1:
                raise BasisError(
                    f"{file}: part {name!r} has {found} vertices, ICT-FaceKit's {last - first + 1}; "
                    "make it again with 'aukit avatars import-ict CLONE --out FILE'"
                )
        outer = basis.landmarks[[45, 36]]
        scale = (
            2
            * (hs.EYE_MIDDLE + hs.EYE_HALF_WIDTH)
            / float(np.linalg.norm(np.subtract(*basis.vertices[outer])))
        )
        # y down and z forward: one axis is mirrored, so the triangles turn.
        axes = scale * np.array([1.0, -1.0, 1.0])
        balls = [basis.part == name for name in ("sclera_l", "sclera_r")]
        position = basis.vertices * axes
        pupils = np.mean([eye_centre(position[ball]) for ball in balls], 0)
        pupils[2] = np.mean([position[ball, 2].max() for ball in balls])
        position -= pupils
        identity = basis.ident[:MODES] * axes
        # Identities differ around fixed eyes.
        identity -= np.mean([identity[:, ball].mean(1) for ball in balls], 0)[:, None]
        shapes = {name: shape * axes for name, shape in basis.expr.items()}
        blink = shapes["eyeBlink_L"] + shapes["eyeBlink_R"]
        self.surface: Surface = build_surface(
            position,
            position + blink,
            basis.triangles[:, [0, 2, 1]],
            basis.part,
            basis.landmarks,
            np.linalg.norm(shapes["jawOpen"], axis=1),
        )
        s = self.surface
        self.aus = VISIBLE_AUS
        self.identity_size = len(identity)
        self.triangles = torch.from_numpy(s.triangles)
        self.uv = _real(s.uv)
        self.materials = torch.from_numpy(s.material)
        self.face_region = torch.from_numpy(s.face)
        self.eye_vertices = torch.from_numpy(np.stack(s.eyes))
        self.seam = s.seam
        self.casters = torch.from_numpy(s.triangles[s.outside])
        self._gender = basis.gender
        back = withdrawn_mouth(s.head, mouth_lining(s.head, basis.part))
        position = position - back[:, None] * [0.0, 0.0, 1.0]
        self._mean = _real(position[s.original])
        fields = au_fields(self.aus, shapes, position[:, 0])[:, :, s.original]
        reach = au_reach(self.aus, position[s.original], face_regions(self).numpy())
        fields *= reach[:, None, :, None]
        self._expression = _real(fields.reshape(2 * len(self.aus), -1))
        looks = lid_fields(shapes)[:, :, s.original] * reach[self.aus.index(43), :, None]
        self._looks = _real(looks.reshape(4, -1))
        self._identity = _real(identity[:, s.original].reshape(len(identity), -1))
        centres = np.array([eye_centre(position[ball]) for ball in balls])
        eyes = self._mean[self.eye_vertices]
        self._eye_offset = _real(centres) - eyes.mean(1)
        self._eye_size = eyes.var(1, correction=0).sum(-1).sqrt()
        closing = np.linalg.norm(blink, axis=1) > _LID_MOTION
        self._lids = []
        for first, side, eye, centre in zip((42, 36), "lr", s.eyes, centres, strict=True):
            margin, _ = s.head.chain(first, first + 5)
            behind = s.head.enclosed(basis.part == f"eye_socket_{side}", margin)
            near = np.linalg.norm(position - centre, axis=1) < _LID_REACH
            lids = closing & (basis.part == "face") & ~behind & near
            corners = position[basis.landmarks[[first, first + 3]]]
            lids = np.flatnonzero(lids[s.original])
            self._lids.append(LidContact(lids, eye, position[s.original], centre, corners))
        self._lips = LipContact(s.head, s.original)
        self._scalp = self._bind(*_mean_head_places())
        places = np.array([(row, column) for row, column, _ in landmark_places()])
        self._landmarks = self._bind(places[:, 0], places[:, 1])
        own = np.argsort(s.original, kind="stable")
        vertex = own[np.searchsorted(s.original[own], basis.landmarks[_OWN_LANDMARKS])]
        self._landmarks[0][_OWN_LANDMARKS] = torch.from_numpy(vertex)[:, None]
        self._landmarks[1][_OWN_LANDMARKS] = torch.tensor([1.0, 0.0, 0.0])
        self._mean_gaps = self._lid_gaps(self._mean[None]) / _BLINK

    def sample_identity(self, rng: np.random.Generator, gender: str, age: float) -> NDArray[np.float32]:
        """See `FaceModel.sample_identity`; age changes the appearance only."""
        if gender not in ("female", "male"):
            raise ValueError(f"gender must be 'female' or 'male', not {gender!r}")
        draw = np.clip(rng.normal(size=self.identity_size), -2.5, 2.5)
        if self._gender is not None:
            direction = np.zeros(self.identity_size)
            direction[: len(self._gender)] = self._gender[: self.identity_size]
            direction /= np.linalg.norm(direction)
            along = float(draw @ direction)
            sign = 1.0 if gender == "female" else -1.0
            draw += (sign * _GENDER_SHIFT + (_GENDER_SPREAD - 1.0) * along) * direction
        return draw.astype(np.float32)

    def __call__(self, identity: Tensor, activations: Tensor, gaze: Tensor | None = None) -> FaceMesh:
        """See `FaceModel.__call__`."""
        identity, activations = self.checked(identity, activations)
        shape = self._mean + (identity @ self._identity).view(len(identity), -1, 3)
        blink = self.aus.index(43)
        weights = activations.clone()
        for au in LID_AUS:
            weights[:, self.aus.index(au)] *= 1.0 - activations[:, blink]
        # The lids' way to go is this person's own.
        weights[:, blink] *= (self._lid_gaps(shape) / self._mean_gaps).clamp(0.5, 2.0)
        vertices = shape + (weights.flatten(1) @ self._expression).view_as(shape)
        turn = None
        if gaze is not None:
            turn = self.turn_eyes(vertices, gaze)
            # Lids follow the eye up and down; shut ones stay where they are.
            follow = torch.stack([-gaze[:, 1], gaze[:, 1]], 1).clamp(min=0.0) / _LID_GAZE
            follow = follow[:, :, None] * (1.0 - activations[:, blink])[:, None]
            vertices += (follow.flatten(1) @ self._looks).view_as(shape)
        centres, sizes = self._eyeballs(shape)
        for side, lids in enumerate(self._lids):
            lids.apply(vertices, centres[:, side], sizes[:, side], turn)
        self._lips.apply(vertices)
        return FaceMesh(vertices, _weighted(self._landmarks, vertices))

    def _lid_gaps(self, shape: Tensor) -> Tensor:
        """Mean opening of the (left, right) eye in mm. [B, 2]."""
        marks = self._landmarks[0][_LIDS, 0]
        heights = shape[:, marks, 1]
        return (heights[..., 1] - heights[..., 0]).mean(-1)

    def eye_centres(self, vertices: Tensor) -> Tensor:
        """See `FaceModel.eye_centres`."""
        return self._eyeballs(vertices)[0]

    def _eyeballs(self, vertices: Tensor) -> tuple[Tensor, Tensor]:
        """Centres [B, 2, 3] of the eyeballs and their sizes [B, 2], 1 for the mean head's."""
        eyes = vertices[:, self.eye_vertices]
        middle = eyes.mean(2)
        size = ((eyes - middle[:, :, None]) ** 2).sum(3).mean(2).sqrt() / self._eye_size
        return middle + size[..., None] * self._eye_offset, size

    def on_skin(self, points: Tensor, values: Tensor) -> Tensor:
        """See `FaceModel.on_skin`."""
        vertices, weights = self._scalp
        return _weighted((vertices[points], weights[points]), values)

    def _bind(self, row: Array, column: Array) -> tuple[Tensor, Tensor]:
        """Triangles' corners and weights of the skin's points nearest to places on the mean head.

        Returns:
            int64 [M, 3] vertices and float32 [M, 3] weights.
        """
        s = self.surface
        row_of, column_of = s.row.copy(), s.column.copy()
        parts = [s.triangles[np.isfinite(s.row[s.triangles]).all(1)]]
        for ring, deep in _ear_holes(s, self._mean.numpy()):
            # The ears have no place among rings and columns: cones down to their canals close the holes.
            row_of[deep], column_of[deep] = s.row[ring].mean(), s.column[ring].mean()
            parts.append(np.stack([ring, np.roll(ring, 1), np.full_like(ring, deep)], 1))
        skin = np.concatenate(parts)
        corners = ring_position(row_of[skin], column_of[skin])
        a, ab, ac = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        places = ring_position(row, column)
        _, near = cKDTree(corners.mean(1)).query(places, k=16)
        to = places[:, None] - a[near]
        d00, d01, d11 = ((p * q).sum(-1)[near] for p, q in ((ab, ab), (ab, ac), (ac, ac)))
        d20, d21 = (to * ab[near]).sum(-1), (to * ac[near]).sum(-1)
        one = 1.0 / np.maximum(d00 * d11 - d01 * d01, 1e-9)
        v, w = (d11 * d20 - d01 * d21) * one, (d00 * d21 - d01 * d20) * one
        weights = np.clip(np.stack([1 - v - w, v, w], -1), 0.0, None)
        weights /= weights.sum(-1, keepdims=True)
        distance = np.linalg.norm((weights[..., None] * corners[near]).sum(2) - places[:, None], axis=-1)
        best = np.argmin(distance, 1)
        k = np.arange(len(places))
        return torch.from_numpy(skin[near[k, best]]), _real(weights[k, best])


def _ear_holes(s: Surface, position: NDArray[np.float32]) -> list[tuple[Index, int]]:
    """For each ear, the skin's vertices round it in their order and the vertex deepest in the ear."""
    known = np.isfinite(s.row[s.triangles])
    edge = known.any(1) & ~known.all(1)
    rim, ear = np.unique(s.triangles[edge][known[edge]]), np.unique(s.triangles[edge][~known[edge]])
    holes = []
    for side in (-1.0, 1.0):
        ring = rim[(side * s.column[rim] > 0.9) & (np.abs(s.column[rim]) < 1.4)]
        away = ring_position(s.row[ring], s.column[ring])[:, 1:]
        away -= away.mean(0)
        near = ear[(side * position[ear, 0] > 50)]
        deep = near[np.argmin(np.abs(position[near, 0]))]
        holes.append((ring[np.argsort(np.arctan2(away[:, 0], away[:, 1]))], int(deep)))
    return holes


def _mean_head_places() -> tuple[Array, Array]:
    """Ring label and column of every vertex of the procedural mean head (the crown's for what is no skin)."""
    t = mean_topology()
    return np.nan_to_num(t.row, nan=-117.0), np.nan_to_num(t.column)


def _weighted(binding: tuple[Tensor, Tensor], values: Tensor) -> Tensor:
    vertices, weights = binding
    return (values[:, vertices] * weights[..., None].to(values.device)).sum(2)


def _real(values: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))

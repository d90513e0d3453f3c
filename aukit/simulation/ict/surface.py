"""The ICT head as a painted surface: which parts are used, and where each of them lies on the texture atlas.

Used are the skin with the sockets behind it, gums, tongue and teeth, and the white of the eyes, on which the
atlas paints the iris.  Left out are ICT-FaceKit's iris behind its clear cornea, and its lashes, which are
cards without a texture (the atlas paints lashes on the lid margins).

The atlas has charts: the skin, and patches for eyes, teeth, mouth and ears.  Vertices on the border of two
charts are doubled.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from aukit.mesh import vertex_normals
from aukit.simulation.face import head_shape as hs
from aukit.simulation.face.atlas import skin_uv
from aukit.simulation.face.topology import (
    CLOTH_ROW,
    EAR_UV,
    EYE_UV,
    MOUTH_UV,
    TEETH_UV,
)
from aukit.simulation.ict.atlas import Head, ear_vertices, face_rings, register
from aukit.simulation.materials import Material

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]

_TEETH_CELLS = 13
"""Teeth per row on the atlas."""


class Surface(NamedTuple):
    """Attributes as in `FaceModel`, as arrays; `original` names each vertex' vertex in the basis file.

    Attributes:
        original: int64 [N].
        uv: [N, 2].
        triangles: int64 [T, 3].
        material: int64 [T].
        row: [N] ring label of skin vertices, NaN elsewhere.
        column: [N] likewise.
        face: bool [N], the facial mask.
        eyes: two lists of vertices, the cornea's apex first.
        seam: int64 [S, 2].
        outside: bool [T], skin that is seen from outside, without ears' inside, sockets and mouth.
        head: The head in the basis file's vertices.
    """

    original: Index
    uv: Array
    triangles: Index
    material: Index
    row: Array
    column: Array
    face: Mask
    eyes: tuple[Index, Index]
    seam: Index
    outside: Mask
    head: Head


_SKIN, _BACK, _MOUTH, _TEETH, _EYE, _EAR, _CHARTS = range(7)
"""Charts; `_BACK` is the skin beyond the seam at the back of the head."""
_MATERIALS = (Material.SKIN, Material.SKIN, Material.MOUTH, Material.TEETH, Material.EYE, Material.SKIN)
_BODY = ("face", "head_neck", "mouth_socket", "eye_socket_l", "eye_socket_r")


def build_surface(
    position: Array, closed: Array, triangles: Index, part: NDArray[np.str_], landmarks: Index, jaw: Array
) -> Surface:
    """Make the surface of the mean head.

    Args:
        position: [N, 3] in mm (x right, y down, z to the viewer).
        closed: [N, 3] the same with closed eyes.
        triangles: int64 [T, 3], outwards.
        part: [N] names as in `aukit.simulation.ict.basis_file.PARTS`.
        landmarks: [68] vertices of ICT-FaceKit's landmarks.
        jaw: [N] how far the open jaw moves a vertex, in mm.

    Cost: about 2 s.
    """
    of = part[triangles[:, 0]]
    body = np.isin(of, _BODY)
    head = Head(position, closed, triangles[body], landmarks)
    normals = vertex_normals(torch.from_numpy(position), torch.from_numpy(triangles)).numpy()
    inside = mouth_lining(head, part)
    row, column = register(head, normals, np.isin(part, ("face", "head_neck")) & ~inside)
    _settle_lids(head, part, row, column)
    _settle_lips(head, row, column)
    ears = ear_vertices(head)

    chart = np.full(len(triangles), -1)
    chart[body] = _SKIN
    chart[body & ears[triangles].all(1)] = _EAR
    chart[body & inside[triangles].any(1)] = _MOUTH
    chart[of == "gums_tongue"] = _MOUTH
    chart[of == "teeth"] = _TEETH
    chart[np.isin(of, ("sclera_l", "sclera_r"))] = _EYE
    used = chart >= 0
    triangles, corner = triangles[used], np.repeat(chart[used][:, None], 3, 1)
    across = (column[triangles] > 1.4).any(1) & (column[triangles] < -1.4).any(1) & (corner[:, 0] == _SKIN)
    corner = np.where(across[:, None] & (column[triangles] < 0), _BACK, corner)

    key, triangles = np.unique(triangles * _CHARTS + corner, return_inverse=True)
    triangles = triangles.reshape(-1, 3)
    original, chart = np.divmod(key, _CHARTS)
    uv = np.zeros((len(position), _CHARTS, 2))
    uv[:, _SKIN] = skin_uv(row, column)
    uv[:, _BACK] = skin_uv(row, np.full_like(column, 2.0))
    uv[:, _MOUTH] = _mouth_uv(head, part, inside)
    uv[:, _TEETH] = _teeth_uv(position, part, _graph(triangles, original, len(position)), jaw)
    uv[:, _EYE] = _eye_uv(position, part)
    uv[:, _EAR] = _ear_uv(position, ears)

    skin = (chart == _SKIN) & np.isin(part[original], ("face", "head_neck")) & ~ears[original]
    sockets = np.isin(part, ("eye_socket_l", "eye_socket_r"))
    row, column = np.where(skin, row[original], np.nan), np.where(skin, column[original], np.nan)
    material = np.take(_MATERIALS, chart[triangles[:, 0]])
    with np.errstate(invalid="ignore"):
        face = (row > -67) & (row < 108.5) & (np.abs(column) < 0.965)
        cloth = (material == Material.SKIN) & (row[triangles].mean(1) >= CLOTH_ROW)
    outside = (material == Material.SKIN) & ~sockets[original[triangles]].any(1)
    eyes = tuple(_eyeball(position, original, part, side) for side in ("sclera_l", "sclera_r"))
    return Surface(
        original, uv[original, chart], triangles, np.where(cloth, Material.CLOTH, material), row, column,
        face, (eyes[0], eyes[1]), _twins(original), outside, head,
    )  # fmt: skip


def _graph(triangles: Index, original: Index, count: int) -> coo_array:
    """Which vertices of the basis file hang together. [count, count]."""
    corners = original[triangles]
    ones = np.ones(corners.size)
    return coo_array((ones, (corners.ravel(), np.roll(corners, 1, 1).ravel())), (count, count))


def _twins(original: Index) -> Index:
    """Pairs of vertices that stand for the same vertex of the basis file."""
    order = np.argsort(original, kind="stable")
    same = original[order[1:]] == original[order[:-1]]
    return np.stack([order[:-1][same], order[1:][same]], 1)


def _eyeball(position: Array, original: Index, part: NDArray[np.str_], name: str) -> Index:
    ball = np.flatnonzero(part[original] == name)
    centre = eye_centre(position[part == name])
    away = position[original[ball]] - centre
    return ball[np.argsort(-away[:, 2] / np.linalg.norm(away, axis=1), kind="stable")]


def eye_centre(ball: Array) -> Array:
    """Centre of an eyeball: of the sphere through its rear half. [3]."""
    rear = ball[ball[:, 2] < np.median(ball[:, 2])]
    equations = np.concatenate([2 * rear, np.ones((len(rear), 1))], 1)
    result: Array = np.linalg.lstsq(equations, (rear**2).sum(1), rcond=None)[0][:3]
    return result


def _settle_lids(head: Head, part: NDArray[np.str_], row: Array, column: Array) -> None:
    """Put lid margins just above and below the slit, and what lies behind them where the margins are."""
    for first, name in ((36, "eye_socket_r"), (42, "eye_socket_l")):
        loop, place = head.chain(first, first + 5)
        upper = place < first + 3
        x = hs.ring_point(row[loop], column[loop])[0]
        row[loop], column[loop] = face_rings(x, np.where(upper, -0.3, 0.8))
        hidden = np.flatnonzero(head.enclosed(part == name, loop))
        margin = head.nearest(loop)[1][hidden]
        row[hidden], column[hidden] = row[margin], column[margin]


def _settle_lips(head: Head, row: Array, column: Array) -> None:
    """Put each lip's edge on its own side of the mouth line."""
    loop, place = head.chain(60, 67)
    x = hs.ring_point(row[loop], column[loop])[0]
    row[loop], column[loop] = face_rings(x, hs.MOUTH_ROW + np.where(place < 64, -0.3, 0.3))


def mouth_lining(head: Head, part: NDArray[np.str_]) -> Mask:
    """The lips' inner sides and the mouth socket. [N]."""
    loop, _ = head.chain(60, 67)
    return head.enclosed(part == "mouth_socket", loop)


def _mouth_uv(head: Head, part: NDArray[np.str_], inside: Mask) -> Array:
    """Across: x. Down: depth, from the lips' colour to the dark. [N, 2]."""
    u0, v0, u1, v1 = MOUTH_UV
    loop, _ = head.chain(60, 67)
    depth, _ = head.nearest(loop)
    depth = np.interp(np.where(np.isfinite(depth), depth, 40.0), [0, 1, 4, 10, 30], [0, 0.1, 0.3, 0.7, 1])
    soft, teeth = part == "gums_tongue", head.open[part == "teeth"]
    if len(teeth):
        # Gums are lit like the lips' inside, the tongue darkens to its back.
        away = cKDTree(teeth).query(head.open[soft])[0] + 0.4 * (teeth[:, 2].max() - head.open[soft, 2])
        depth[soft] = np.interp(away, [0, 12, 40], [0.10, 0.14, 0.5])
    across = np.clip(0.5 + head.open[:, 0] / 60.0, 0.03, 0.97)
    return np.stack([u0 + (u1 - u0) * across, v0 + (v1 - v0) * np.clip(depth, 0.02, 0.98)], 1)


def _teeth_uv(position: Array, part: NDArray[np.str_], graph: coo_array, jaw: Array) -> Array:
    """Every tooth on the middle of one of the atlas' teeth. [N, 2]."""
    u0, v0, u1, v1 = TEETH_UV
    _, tooth = connected_components(graph, directed=False)
    lower = jaw > 10.0
    across = np.clip((position[:, 0] + 26.0) / 52.0, 0.0, 0.999)
    tip = np.full(len(part), 1.0)
    for t in np.unique(tooth[part == "teeth"]):
        mine = np.flatnonzero((tooth == t) & (part == "teeth"))
        y = position[mine, 1]
        down = (y - y.min()) / max(float(np.ptp(y)), 1e-6)
        lower[mine] = lower[mine].mean() > 0.5
        tip[mine] = 0.42 + 0.56 * (1 - down if lower[mine[0]] else down)
        across[mine] = across[mine].mean()
    across = (np.floor(across * _TEETH_CELLS) + 0.5) / _TEETH_CELLS
    v = np.where(lower, 1.0 - tip / 2, tip / 2)
    return np.stack([u0 + (u1 - u0) * across, v0 + (v1 - v0) * v], 1)


def _eye_uv(position: Array, part: NDArray[np.str_]) -> Array:
    """The iris in the middle of what looks ahead, at its size in mm. [N, 2]."""
    u, v, radius = EYE_UV
    uv = np.tile([u, v], (len(part), 1))
    for name in ("sclera_l", "sclera_r"):
        ball = part == name
        away = position[ball] - eye_centre(position[ball])
        size = np.linalg.norm(away, axis=1)
        polar = np.arccos(np.clip(away[:, 2] / size, -1, 1))
        arc = polar * np.median(size) / (hs.EYE_RADIUS * np.pi / 2)
        around = np.arctan2(away[:, 1], away[:, 0])
        reach = radius * np.minimum(arc, 1.0)
        uv[ball] = np.stack([u + reach * np.cos(around), v + reach * np.sin(around)], 1)
    return uv


def _ear_uv(position: Array, ears: Mask) -> Array:
    """Seen from the side, front to the left. [N, 2]."""
    u0, v0, u1, v1 = EAR_UV
    uv = np.tile([(u0 + u1) / 2, (v0 + v1) / 2], (len(ears), 1))
    if ears.any():
        low, high = position[ears, 1:].min(0), position[ears, 1:].max(0)
        y, z = ((position[ears, 1:] - low) / (high - low)).T
        uv[ears] = np.stack([u0 + (u1 - u0) * (0.05 + 0.9 * (1 - z)), v0 + (v1 - v0) * (0.05 + 0.9 * y)], 1)
    return uv

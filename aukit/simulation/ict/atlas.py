"""Where the skin of the ICT head lies on the texture atlas: a registration to the procedural mean head.

The atlas is drawn by (ring, column) of the procedural head, lids and lips closed.  The ICT head with its
lids closed is bent on to that head by a thin-plate spline through corresponding points: lid margins, lip
borders, nose and brows on the face; jaw edge, neck, ears and skull by rays from inside.  What is left is to
read off the ring surface: frontally on the face, where features stand out from it, by the nearest point
elsewhere.

Positions are in mm as everywhere in `aukit.simulation` (x right, y down, z to the viewer).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from aukit.simulation.face import head_shape as hs
from aukit.simulation.face.landmarks import brow_line

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Head:
    """The ICT skin as a surface with paths and rays.

    Attributes:
        open: [N, 3] the neutral head.
        closed: [N, 3] the same with closed eyes.
        triangles: [T, 3] of the skin with what hangs on to it (sockets of eyes and mouth).
        landmarks: [68] vertices of ICT-FaceKit's landmarks.
    """

    def __init__(self, neutral: Array, closed: Array, triangles: Index, landmarks: Index) -> None:
        self.open, self.closed, self.triangles, self.landmarks = neutral, closed, triangles, landmarks
        edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
        length = np.linalg.norm(neutral[edges[:, 0]] - neutral[edges[:, 1]], axis=1)
        n = len(neutral)
        self.graph = coo_array((length, (edges[:, 0], edges[:, 1])), (n, n)).tocsr()

    def chain(self, first: int, last: int) -> tuple[Index, Array]:
        """Vertices along the closed loop through landmarks `first` to `last`, and their place on it.

        Returns:
            Vertex numbers and the place as a landmark number with fraction: 36.5 is half-way from 36 to 37.
        """
        marks = list(range(first, last + 1))
        vertices, place = [], []
        for mark, following in zip(marks, [*marks[1:], first], strict=True):
            path = self._path(int(self.landmarks[mark]), int(self.landmarks[following]))
            steps = np.linalg.norm(np.diff(self.open[path], axis=0), axis=1)
            along = np.concatenate([[0.0], np.cumsum(steps)]) / max(float(steps.sum()), 1e-9)
            vertices.append(path[:-1])
            place.append(mark + along[:-1])
        return np.concatenate(vertices), np.concatenate(place)

    def _path(self, start: int, end: int) -> Index:
        _, before = dijkstra(self.graph, False, start, return_predecessors=True)
        path = [end]
        while path[-1] != start:
            path.append(int(before[path[-1]]))
        return np.array(path[::-1])

    def nearest(self, starts: Index) -> tuple[Array, Index]:
        """Distance along the surface in mm to each vertex' nearest start, and its number. [N] each."""
        distance, _, number = dijkstra(self.graph, False, starts, return_predecessors=True, min_only=True)
        return distance, number

    def enclosed(self, seeds: Mask, loop: Index) -> Mask:
        """Vertices that hang together with the seeds without crossing a loop. [N]."""
        closed = np.zeros(len(self.open), bool)
        closed[loop] = True
        reached, front = seeds & ~closed, seeds & ~closed
        while front.any():
            front = (self.graph @ front.astype(np.float64) > 0) & ~reached & ~closed
            reached |= front
        return reached

    def hit(self, origin: Array, direction: Array, skipped: Mask) -> Array:
        """The outermost points in which rays [M, 3] leave the closed head, NaN without one. [M, 3].

        Args:
            origin: [M, 3] starts.
            direction: [M, 3] of any length.
            skipped: [N] vertices whose triangles are passed over.
        """
        corners = self.closed[self.triangles[~skipped[self.triangles].any(1)]]
        middle, reach = corners.mean(1), 0.6 * np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1).max()
        result = np.full(origin.shape, np.nan)
        for k, (start, ray) in enumerate(
            zip(origin, direction / np.linalg.norm(direction, axis=1)[:, None], strict=True)
        ):
            aside = middle - start
            aside = aside - (aside @ ray)[:, None] * ray
            a, b, c = np.moveaxis(corners[(aside**2).sum(1) < reach**2], 1, 0)
            p = np.cross(ray, c - a)
            volume = ((b - a) * p).sum(1)
            volume = np.where(np.abs(volume) < 1e-12, np.nan, volume)
            t = start - a
            u = (t * p).sum(1) / volume
            q = np.cross(t, b - a)
            v = (q * ray).sum(1) / volume
            depth = ((c - a) * q).sum(1) / volume
            inside = (u >= -1e-6) & (v >= -1e-6) & (u + v <= 1 + 1e-6) & (depth > 0)
            if inside.any():
                result[k] = start + ray * depth[inside].max()
        return result


def ring_position(row: Array, column: Array) -> Array:
    """Places on the procedural head without its features, lids and lips closed. [..., 3]."""
    x, y, z = hs.ring_point(row, column)
    return np.stack([x, y, z - hs.EAR_AXIS_DEPTH], -1)


def _face(x: Array, y: Array) -> Array:
    """`ring_position` at canonical places of the face."""
    row, column = face_rings(x, y)
    return ring_position(row, column)


def face_rings(x: Array, y: Array) -> tuple[Array, Array]:
    """Ring label and column of canonical places (x, y) on the front of the head."""
    row = y.copy()
    for _ in range(12):
        half = np.maximum(hs.RING_CURVES(np.clip(row, -116, 224))[..., 2], 1.0)
        column = np.clip(x / half, -1.0, 1.0)
        row = np.clip(row + y - hs.ring_point(row, column)[1], -117.0, 225.0)
    return row, column


def _nearest_rings(points: Array) -> tuple[Array, Array]:
    """Ring label and column of the ring surface's points nearest to [N, 3]."""
    rows, columns = np.meshgrid(np.arange(-116.5, 225, 1.5), np.linspace(-2, 2, 401), indexing="ij")
    row, column = rows.ravel(), columns.ravel()
    _, nearest = cKDTree(ring_position(row, column)).query(points)
    row, column = row[nearest], column[nearest]
    for _ in range(4):
        here = ring_position(row, column)
        by_row = (ring_position(row + 0.05, column) - here) / 0.05
        by_column = (ring_position(row, column + 0.001) - here) / 0.001
        away = points - here
        aa, bb = (by_row**2).sum(1), (by_column**2).sum(1)
        ab = (by_row * by_column).sum(1)
        fa, fb = (by_row * away).sum(1), (by_column * away).sum(1)
        one = 1.0 / np.maximum(aa * bb - ab * ab, 1e-9)
        row = np.clip(row + np.clip(one * (bb * fa - ab * fb), -1.5, 1.5), -117.0, 225.0)
        column = np.clip(column + np.clip(one * (aa * fb - ab * fa), -0.01, 0.01), -2.0, 2.0)
    return row, column


def _interpolated(place: Array, marks: Sequence[float], values: Sequence[float]) -> Array:
    return np.asarray(np.interp(place, np.asarray(marks, float), np.asarray(values, float)))


def _lids(head: Head) -> list[tuple[Array, Array]]:
    """Lid margins of the closed eyes lie on y = 0 between the canthi."""
    inner, outer = hs.EYE_MIDDLE - hs.EYE_HALF_WIDTH, hs.EYE_MIDDLE + hs.EYE_HALF_WIDTH
    pairs = []
    for first, sign in ((36, -1.0), (42, 1.0)):
        loop, _ = head.chain(first, first + 5)
        points = head.closed[loop]
        ends = head.closed[head.landmarks[[first, first + 3]], 0]
        share = np.clip((points[:, 0] - ends[0]) / (ends[1] - ends[0]), 0.0, 1.0)
        a, b = (-outer, -inner) if sign < 0 else (inner, outer)
        # Both margins of a closed eye take the same line: their mean height.
        order = np.argsort(share)
        height = np.interp(share, share[order], _smooth(points[order, 1]))
        x = a + share * (b - a)
        source = np.stack([points[:, 0], height, points[:, 2]], 1)
        keep = (share > 0.02) & (share < 0.98)
        pairs.append((source[keep][::3], _face(x[keep][::3], np.zeros(int(keep.sum()))[::3])))
    return pairs


def _smooth(values: Array, width: int = 7) -> Array:
    padded = np.pad(values, width // 2, mode="edge")
    return np.convolve(padded, np.full(width, 1 / width), "valid")


def _lips(head: Head) -> list[tuple[Array, Array]]:
    """Border of the lips and the line where they meet."""
    w = hs.MOUTH_HALF_WIDTH
    loop, place = head.chain(48, 59)
    # ICT-FaceKit's outer corners lie beside the lips, where their red has just ended.
    end = w + 2.0
    x = _interpolated(
        place, range(48, 61), [-end, -14.5, -5.5, 0, 5.5, 14.5, end, 14.5, 7, 0, -7, -14.5, -end]
    )
    up, down = hs.lip_borders(x)
    y = hs.MOUTH_ROW + np.where(place < 54, -up, down)
    outer = (head.closed[loop][::2], _face(x[::2], y[::2]))
    loop, place = head.chain(60, 67)
    x = _interpolated(place, range(60, 69), [-w + 1.5, -8.5, 0, 8.5, w - 1.5, 8.5, 0, -8.5, -w + 1.5])
    points = head.closed[loop].copy()
    order = np.argsort(x)
    points[:, 1] = np.interp(x, x[order], _smooth(points[order, 1]))
    return [outer, (points[::3], _face(x[::3], np.full(len(x), hs.MOUTH_ROW)[::3]))]


def _nose_and_brows(head: Head) -> list[tuple[Array, Array]]:
    marks = head.closed[head.landmarks]
    pairs = [
        (marks[27:31], _face(np.zeros(4), np.array([-1.0, 12.0, 25.0, 37.2]))),
        # ICT-FaceKit's nose is longer below the nostrils than the atlas, so that these go a little lower.
        (
            marks[31:36],
            _face(np.array([-13.0, -6.5, 0, 6.5, 13.0]), np.array([49.0, 50.0, 51.0, 50.0, 49.0])),
        ),
    ]
    # ICT-FaceKit's brow marks lie above the hair and start too near the midline.
    x = np.array([12.5, 22.0, 32.0, 42.0, 51.0])
    at = np.array([15.0, 25.0, 35.5, 45.5, 54.5])
    upper = marks[22:27]
    y = np.interp(at, upper[:, 0], upper[:, 1]) + 4.2
    rim = brow_line(x) - 2.2 * np.array([1, 1, 1, 0.9, 0.4])
    for sign in (-1.0, 1.0):
        for below in (0.0, 5.0):
            source = np.stack([sign * at, y + below, np.zeros(5)], 1)
            pairs.append((_seen(head, source), _face(sign * x, rim + below)))
    return pairs


def _seen(head: Head, points: Array) -> Array:
    """Points of the face at given x and y."""
    origin = np.stack([points[:, 0], points[:, 1], np.full(len(points), -60.0)], 1)
    ray = np.tile([0.0, 0.0, 1.0], (len(points), 1))
    return head.hit(origin, ray, np.zeros(len(head.open), bool))


def _nostrils(head: Head) -> list[tuple[Array, Array]]:
    """The nostrils, and the furrows behind the wings of the nose: where the profile across turns most."""
    marks = head.closed[head.landmarks]
    x, z = np.full(3, 0.70 * marks[35, 0]), np.full(3, marks[33, 2])
    share = np.array([0.32, 0.5, 0.72])
    nostrils = np.stack([x, (1 - share) * marks[30, 1] + share * marks[33, 1], z], 1)
    place = _face(np.full(3, 6.8), np.array([44.4, 46.4, 48.4]))
    pairs = [(nostrils * sides, place * sides) for sides in (np.array([1.0, 1, 1]), np.array([-1.0, 1, 1]))]
    across = np.arange(13.0, 27.0, 0.5)
    height = np.full_like(across, 0.6 * marks[30, 1] + 0.4 * marks[33, 1])
    for sign in (-1.0, 1.0):
        profile = _seen(head, np.stack([sign * across, height, height], 1))
        turn = np.diff(_smooth(profile[:, 2], 3), 2)
        pairs.append((profile[[1 + int(np.argmax(turn))]], _face(np.array([sign * 18.8]), np.array([39.5]))))
    return pairs


def _chin_and_jaw(head: Head, normals: Array, outside: Mask) -> list[tuple[Array, Array]]:
    """The furrow under the lip and the point of the chin, on the midline; the edge of the jaw."""
    marks = head.closed[head.landmarks]
    heights = np.arange(marks[57, 1] + 2.0, marks[57, 1] + 34.0, 0.5)
    line = _seen(head, np.stack([np.zeros_like(heights), heights, np.zeros_like(heights)], 1))
    furrow = int(np.argmin(line[:24, 2]))
    tip = furrow + int(np.argmax(line[furrow:, 2]))
    pairs = [(line[[furrow, tip]], _face(np.zeros(2), np.array([84.5, 97.0])))]
    # The edge is where the skin turns down.
    columns = np.array([0.0, 0.15, 0.3, 0.45, 0.58, 0.7, 0.8, 0.88])
    target = ring_position(np.full(8, 107.7), columns)
    azimuth = np.arctan2(target[:, 0], target[:, 2] - _AXIS)
    for sign in (-1.0, 1.0):
        points = head.closed * [sign, 1.0, 1.0]
        bearing = np.arctan2(points[:, 0], points[:, 2] - _AXIS)
        below = (points[:, 1] > 84) & (points[:, 1] < 130) & (normals[:, 1] > 0.55) & outside
        below &= np.hypot(points[:, 0], points[:, 2] - _AXIS) > 25
        source = []
        for column, angle in zip(columns, azimuth, strict=True):
            # Nearer to the midline the lip's underside turns down as well, but higher than the chin's point.
            near = below & (points[:, 1] > line[tip, 1] - 26 * column) & (np.abs(bearing - angle) < 0.07)
            if near.any():
                edge = points[near][np.argmin(points[near, 1])]
                reach = float(np.hypot(edge[0], edge[2] - _AXIS))
                source.append([reach * np.sin(angle), edge[1], _AXIS + reach * np.cos(angle)])
            else:
                source.append([np.nan] * 3)
        pairs.append((np.array(source) * [sign, 1, 1], target * [sign, 1, 1]))
    return pairs


_FACE_DEPTH = -58.0
"""Correspondences with a greater z are on the face."""
_AXIS = -60.0
"""z of the vertical axis from which horizontal rays start."""
_HEIGHTS = ([-120, -30, 0, 30, 68, 107, 138, 170, 250], [-116, -29, 2, 31, 72, 115, 148, 180, 260])
"""Heights on the procedural head and where they lie on the ICT head, apart from the ears."""


def _outline(head: Head, ears: Mask) -> list[tuple[Array, Array]]:
    """Skull, temples, cheeks and neck by rays; what is behind the ears follows the ears' height."""
    skull = [
        (q, s) for q in (-104, -92, -78, -62, -45) for s in (0, 0.25, 0.5, 0.75, 0.9, 1, 1.15, 1.35, 1.6, 2)
    ]
    level = [(q, s) for q in (-25, -10, 8) for s in (0.88, 0.95)]
    level += [(q, s) for q in (25, 45, 65) for s in (0.85, 0.93)]
    level += [(q, s) for q in (-20, 10, 45, 80) for s in (1.4, 1.65, 2.0)]
    level += [(q, s) for q in (108, 122) for s in (1.0, 1.2, 1.5, 2.0)]
    level += [(q, s) for q in (150, 172, 200) for s in (0, 0.25, 0.5, 0.75, 1, 1.3, 1.65, 2.0)]
    # The corner below the chin, and round the ear: above, before, below and behind it.
    exact = [((132, 0.0), (0.0, 128.0)), ((130, 0.35), (20.0, 126.0))]
    around = [
        ((-2, 1.03), -4.0, -98.0),
        ((16, 0.995), 20.0, -78.0),
        ((78, 1.0), 64.0, -96.0),
        ((20, 1.07), 25.0, -124.0),
    ]
    pairs = []
    for sign in (-1.0, 1.0):
        flip = np.array([sign, 1.0, 1.0])
        rings = np.array(skull, float)
        target = ring_position(rings[:, 0], rings[:, 1])
        centre = np.array([0.0, -15.0, -88.0])
        start = np.tile(centre - np.array([0, 0, 8.0]), (len(target), 1))
        pairs.append((head.hit(start, (target - centre) * flip, ears), target * flip))
        rings = np.array(level, float)
        target = ring_position(rings[:, 0], rings[:, 1])
        height = np.interp(target[:, 1], *_HEIGHTS)
        start = np.stack([np.zeros(len(target)), height, np.full(len(target), _AXIS - 20)], 1)
        ray = (target - [0, 0, _AXIS - 20]) * flip
        ray[:, 1] = 0.0
        pairs.append((head.hit(start, ray, ears), target * flip))
        ear = np.array([rings for rings, _, _ in around], float)
        target = ring_position(ear[:, 0], ear[:, 1])
        start = np.array([[0.0, y, z] for _, y, z in around])
        pairs.append((head.hit(start, np.tile([sign, 0, 0], (len(start), 1)), ears), target * flip))
        corner = np.array([rings for rings, _ in exact])
        start = np.array([[sign * x, y, -90.0] for _, (x, y) in exact])
        target = ring_position(corner[:, 0], corner[:, 1])
        pairs.append((head.hit(start, np.tile([0, 0, 1.0], (len(start), 1)), ears), target * flip))
    return pairs


def ear_vertices(head: Head) -> Mask:
    """The ears: what stands off at the sides between the eyes' height and the jaw. [N]."""
    x, y, z = head.open.T
    ears = np.zeros(len(x), bool)
    for sign in (-1, 1):
        tip = (sign * x > 80) & (y > -2) & (y < 68) & (z < -70) & (z > -135)
        if tip.any():
            low, high = head.open[tip, 1:].min(0) - 1.0, head.open[tip, 1:].max(0) + 1.0
            middle, half = (low + high) / 2, (high - low) / 2
            ears |= (sign * x > 50) & ((((head.open[:, 1:] - middle) / half) ** 2).sum(1) < 1.0)
    return ears


def register(head: Head, normals: Array, outside: Mask) -> tuple[Array, Array]:
    """Ring label and column on the procedural head of every vertex of the ICT skin.

    Args:
        head: The mean head.
        normals: [N, 3] its normals, outwards.
        outside: [N] vertices of the skin, without what lies inside mouth and eyes.

    Returns:
        [N] ring labels and [N] columns as in `aukit.simulation.face.topology`. About 1 s.
    """
    ears = ear_vertices(head)
    pairs = [
        *_lids(head), *_lips(head), *_nose_and_brows(head), *_nostrils(head),
        *_chin_and_jaw(head, normals, outside), *_outline(head, ears),
    ]  # fmt: skip
    source, target = (np.concatenate(column) for column in zip(*pairs, strict=True))
    known = np.isfinite(source).all(1)
    _, first = np.unique(source[known].round(2), axis=0, return_index=True)
    source, target = source[known][first], target[known][first]
    row, column = _nearest_rings(_spline(source, target)(head.closed))
    # On the face the frontal view alone decides: depth differs by feature (lips, nostrils, chin).
    face = target[:, 2] > _FACE_DEPTH
    flat = _spline(source[face, :2], target[face, :2])(head.closed[:, :2])
    face_row, face_column = face_rings(flat[:, 0], flat[:, 1])
    frontal = hs.smoothstep(0.93, 0.80, np.abs(face_column)) * hs.smoothstep(1.05, 0.95, np.abs(column))
    frontal *= hs.smoothstep(107, 101, face_row) * hs.smoothstep(-108, -95, face_row)
    return row + frontal * (face_row - row), column + frontal * (face_column - column)


def _spline(source: Array, target: Array) -> RBFInterpolator:
    return RBFInterpolator(source, target, kernel="thin_plate_spline", smoothing=0.5, degree=1)

"""The canonical face: the mask of the mean face that registration fits, and the frontal template."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from aukit import mesh

#: Distance of the eye centres (means of landmarks 36-41 and 42-47) over the width of a frontal crop: 75.9 px
#: in 224 px, the size of PRNet's canonical face.
EYE_DISTANCE = 75.9 / 224.0
#: Vertices whose normals are averaged over all others'; of larger meshes as many pairs are.
_AVERAGED = 8192
#: Arrays of `CanonicalFace` by their names.
CANONICAL_FACE = Path(__file__).with_name("canonical_face.npz")


@dataclass(frozen=True)
class CanonicalFace:
    """A neutral mean face in frontal pose, in units of its eye distance, origin between the eye centres.

    Attributes:
        vertices: float64 [N,3], the facial mask; x right, y down, z towards the viewer.
        triangles: int32 [T,3], faces outwards: (p1 - p0) x (p2 - p0) points to the viewer on the front.
        landmarks: float64 [68,3].

    Example:
        >>> face = canonical_face()
        >>> scale, offset = face.in_crop(224)
        >>> pixels = face.landmarks * scale + offset
        >>> left, right = eye_centres(pixels)
        >>> round(float(np.linalg.norm(right - left)), 1)
        75.9
    """

    vertices: NDArray[np.float64]
    triangles: NDArray[np.int32]
    landmarks: NDArray[np.float64]

    @classmethod
    def from_mesh(
        cls, vertices: NDArray[np.floating], triangles: NDArray[np.integer], landmarks: NDArray[np.floating]
    ) -> "CanonicalFace":
        """Makes a canonical face of any frontal mask: closes its eyes and mouth holes, orients and scales it.

        Args:
            vertices: [N,3] in any unit, axes as above.
            triangles: [T,3], one mask with one outer contour and all faces wound alike; vertices without a
                face are dropped.
            landmarks: [68,3] in the same unit.

        Raises:
            ValueError: no triangles, or landmarks of another shape.
        """
        if not len(triangles) or landmarks.shape != (68, 3):
            raise ValueError(f"a mask with triangles and 68 landmarks is needed: {landmarks.shape=}")
        used = np.unique(triangles)
        faces = np.searchsorted(used, triangles).astype(np.int32)
        points = np.asarray(vertices, np.float64)[used]
        marks = np.asarray(landmarks, np.float64)
        left, right = eye_centres(marks)
        unit = float(np.linalg.norm(right - left))
        origin = (left + right) / 2
        points, marks = (points - origin) / unit, (marks - origin) / unit
        faces = np.concatenate([faces, *(_zip_loop(loop, points) for loop in _holes(faces, points))])
        corners = points[faces]
        facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2]
        return cls(points, faces if facing.sum() >= 0 else faces[:, [0, 2, 1]], marks)

    def in_crop(self, size: int) -> tuple[float, NDArray[np.float64]]:
        """Scale (pixels per unit) and offset [3] that place this face in a frontal crop of ``size`` pixels.

        The eye centres come ``EYE_DISTANCE`` of the width apart, the mask into the middle of the frame.
        """
        scale = EYE_DISTANCE * size
        low, high = self.vertices.min(0) * scale, self.vertices.max(0) * scale
        middle = (size - 1) / 2
        return scale, np.array([middle, middle - (low[1] + high[1]) / 2, 0.0])

    def smooth_normals(self, reach: float = 0.12) -> NDArray[np.float64]:
        """Unit normals [N,3] without the small folds at lids, nostrils and lips.

        Args:
            reach: standard deviation of the Gaussian average over neighbours, in eye distances.
        """
        from scipy.spatial import cKDTree  # half a second, which frontalisation alone needs

        vertices, triangles = torch.from_numpy(self.vertices), torch.from_numpy(self.triangles)
        normals = mesh.vertex_normals(vertices, triangles).numpy()
        step = max(round((len(normals) / _AVERAGED) ** 2), 1)
        tree, others = cKDTree(self.vertices), cKDTree(self.vertices[::step])
        weights = tree.sparse_distance_matrix(others, 2.5 * reach, output_type="coo_matrix").tocsr()
        weights.data = np.exp(-0.5 * (weights.data / reach) ** 2)
        smooth: NDArray[np.float64] = weights @ normals[::step] + normals
        smooth /= np.linalg.norm(smooth, axis=1, keepdims=True)
        return smooth


def eye_centres(landmarks: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means of the six landmarks of the eye on the image's left, and of the one on its right."""
    marks = np.asarray(landmarks, np.float64)
    return marks[..., 36:42, :].mean(-2), marks[..., 42:48, :].mean(-2)


@lru_cache(maxsize=1)
def canonical_face() -> CanonicalFace:
    """The project's own: the facial mask of the mean procedural face, neutral.

    It is a file of the package, made by ``python -m docs.make_canonical_face``.
    """
    with np.load(CANONICAL_FACE, allow_pickle=False) as arrays:
        return CanonicalFace(arrays["vertices"], arrays["triangles"], arrays["landmarks"])


def frontal_template(size: int = 224) -> NDArray[np.float64]:
    """The 68 landmarks of the canonical face in a frontal crop, [68,2] pixels.

    The eye centres are 75.9 px apart at 224 px. The template that Niinuma et al. used is not known; this is
    our own (mean neutral face of the procedural ``FaceModel``).
    """
    face = canonical_face()
    scale, offset = face.in_crop(size)
    return (face.landmarks * scale + offset)[:, :2]


def _holes(triangles: NDArray[np.int32], points: NDArray[np.float64]) -> list[list[int]]:
    """Closed boundary loops except the outer contour (the longest), along the direction of their faces."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]).astype(
        np.int64
    )
    n = len(points)
    keys, reverse = edges @ np.array([n, 1]), edges @ np.array([1, n])
    following: dict[int, list[int]] = {}
    for a, b in edges[~np.isin(keys, reverse)].tolist():
        following.setdefault(a, []).append(b)
    loops = []
    while following:
        loop = [next(iter(following))]
        while loop[-1] in following:
            vertex = loop[-1]
            loop.append(following[vertex].pop())
            if not following[vertex]:
                del following[vertex]
            if loop[-1] == loop[0]:
                loops.append(loop[:-1])
                break
    lengths = [np.linalg.norm(points[loop] - points[np.roll(loop, 1)], axis=1).sum() for loop in loops]
    outer = int(np.argmax(lengths)) if loops else -1
    return [loop for i, loop in enumerate(loops) if i != outer and len(loop) >= 3]


def _zip_loop(loop: list[int], points: NDArray[np.float64]) -> NDArray[np.int32]:
    """Triangles across an eye or mouth hole, from its upper rim to its lower, also when it is shut.

    The loop is split at its leftmost and rightmost points, and the two chains are zipped by arc length.
    """
    ring = np.roll(loop, -int(np.argmin(points[loop, 0])))
    right = int(np.argmax(points[ring, 0]))
    there, back = ring[: right + 1], np.concatenate([ring[:1], ring[right:][::-1]])
    there_at, back_at = _arc_length(points[there]), _arc_length(points[back])
    i = j = 0
    faces = []
    while i + 1 < len(there) or j + 1 < len(back):
        if j + 1 == len(back) or (i + 1 < len(there) and there_at[i + 1] <= back_at[j + 1]):
            face = (there[i + 1], there[i], back[j])
            i += 1
        else:
            face = (back[j], back[j + 1], there[i])
            j += 1
        if len(set(face)) == 3:
            faces.append(face)
    return np.array(faces, np.int32).reshape(-1, 3)


def _arc_length(chain: NDArray[np.float64]) -> NDArray[np.float64]:
    """Length up to each point of a chain, over the whole length."""
    steps = np.linalg.norm(np.diff(chain, axis=0), axis=1)
    result: NDArray[np.float64] = np.concatenate([[0.0], np.cumsum(steps) / max(float(steps.sum()), 1e-12)])
    return result

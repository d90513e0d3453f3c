"""3D registration: frames per second, against the same steps in numpy and scipy. One core, about 40 s.

    python benchmarks/frontalization.py

The baseline does what PRNet's scripts do: least-squares frontalisation with ``numpy.linalg.lstsq``, z-buffers
triangle by triangle, texture sampled by ``scipy.ndimage.map_coordinates`` one frame after the other.
"""

import time

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from aukit.registration import Frontal3D, canonical_face, fit_dense_mesh


def zbuffer(
    vertices: NDArray[np.float64], triangles: NDArray[np.int32], size: int
) -> tuple[NDArray, NDArray, NDArray]:
    """Plain numpy z-buffer: ids, weights and depth."""
    ids = np.full((size, size), -1)
    weights = np.zeros((size, size, 3))
    depth = np.full((size, size), -np.inf)
    for t, triangle in enumerate(triangles):
        (x0, y0, z0), (x1, y1, z1), (x2, y2, z2) = vertices[triangle]
        left, right = max(int(np.ceil(min(x0, x1, x2))), 0), min(int(max(x0, x1, x2)), size - 1)
        top, bottom = max(int(np.ceil(min(y0, y1, y2))), 0), min(int(max(y0, y1, y2)), size - 1)
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if left > right or top > bottom or area == 0:
            continue
        y, x = np.mgrid[top : bottom + 1, left : right + 1]
        w1 = ((x - x0) * (y2 - y0) - (x2 - x0) * (y - y0)) / area
        w2 = ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) / area
        z = z0 + w1 * (z1 - z0) + w2 * (z2 - z0)
        box = (slice(top, bottom + 1), slice(left, right + 1))
        nearer = (w1 >= 0) & (w2 >= 0) & (w1 + w2 < 1) & (z > depth[box])
        depth[box][nearer] = z[nearer]
        ids[box][nearer] = t
        weights[box][nearer] = np.stack([1 - w1 - w2, w1, w2], -1)[nearer]
    return ids, weights, depth


def baseline(frame: NDArray[np.uint8], landmarks: NDArray[np.float32], size: int) -> NDArray[np.uint8]:
    """One frame, in numpy and scipy."""
    face = canonical_face()
    scale, offset = face.in_crop(size)
    posed = fit_dense_mesh(torch.from_numpy(landmarks[None]))[0].double().numpy()
    homogeneous = np.concatenate([posed, np.ones((len(posed), 1))], 1)
    matrix = np.linalg.lstsq(homogeneous, face.vertices * scale + offset, rcond=None)[0]
    ids, weights, _ = zbuffer(homogeneous @ matrix, face.triangles, size)
    _, _, nearest = zbuffer(posed, face.triangles, len(frame))
    place = (weights[..., None] * posed[face.triangles[ids]]).sum(2)
    columns, rows, z = place[..., 0], place[..., 1], place[..., 2]
    texture = [map_coordinates(frame[..., c].astype(float), [rows, columns], order=1) for c in range(3)]
    front = nearest[
        np.clip(rows.round().astype(int), 0, len(frame) - 1),
        np.clip(columns.round().astype(int), 0, len(frame) - 1),
    ]
    visible = (ids >= 0) & (np.abs(z - front) < 2)
    return (np.stack(texture, -1) * visible[..., None]).astype(np.uint8)


def main() -> None:
    torch.set_num_threads(1)
    face = canonical_face()
    rng = np.random.default_rng(0)
    turn = np.array([[0.9, 0, 0.43], [0, 1, 0], [-0.43, 0, 0.9]])
    print(f"{len(face.vertices):,} vertices, {len(face.triangles):,} triangles, one thread")
    for size, frame_size in ((64, 192), (224, 512)):
        count = 64
        marks = face.landmarks @ turn.T * 0.28 * frame_size + np.array([0.5, 0.4, 0]) * frame_size
        marks = (marks + rng.standard_normal((count, 68, 3)) * 0.01 * frame_size).astype(np.float32)
        images = rng.integers(0, 255, (count, frame_size, frame_size, 3), dtype=np.uint8)
        registration = Frontal3D(size)
        registration(images[:1], marks[:1])  # compiles
        start = time.perf_counter()
        ok = registration(images, marks).ok
        ours = count / (time.perf_counter() - start)
        assert ok.all()
        start = time.perf_counter()
        for i in range(3):
            baseline(images[i], marks[i], size)
        theirs = 3 / (time.perf_counter() - start)
        print(
            f"crop {size:3d} from frame {frame_size}: {ours:7.1f} frames/s; "
            f"numpy and scipy (baseline): {theirs:5.2f} frames/s; {ours / theirs:6.1f} x"
        )


if __name__ == "__main__":
    main()

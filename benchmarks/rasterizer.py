"""Rasteriser: a mesh of 87,000 triangles at 224 x 224, against a plain numpy z-buffer. One core, about 20 s.

python benchmarks/rasterizer.py
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aukit.mesh import rasterize

SIZE = 224


def face_like_mesh(n: int = 209) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """A bulging sheet of 2 (n-1)^2 triangles, 200 pixels wide, with a ridge that hides parts when turned."""
    v, u = np.mgrid[-1 : 1 : n * 1j, -1 : 1 : n * 1j]
    z = 70 * np.cos(u) * np.cos(v) + 25 * np.exp(-(u**2) / 0.02 - v**2 / 0.1)
    turn = np.radians(20)
    x = 95 * u * np.cos(turn) + z * np.sin(turn)
    points = np.stack(
        [x - x.mean() + SIZE / 2, 100 * v + SIZE / 2, z * np.cos(turn) - 95 * u * np.sin(turn)], -1
    )
    corner = np.arange(n * n).reshape(n, n)[:-1, :-1].ravel()
    triangles = np.concatenate(
        [np.stack([corner, corner + 1, corner + n], 1), np.stack([corner + 1, corner + n + 1, corner + n], 1)]
    )
    return points.reshape(-1, 3).astype(np.float32), triangles


def plain_numpy(vertices: NDArray[np.float32], triangles: NDArray[np.int64]) -> NDArray[np.int64]:
    """The baseline: one triangle after the other, its bounding box at once."""
    ids = np.full((SIZE, SIZE), -1)
    depth = np.full((SIZE, SIZE), -np.inf)
    for t, triangle in enumerate(triangles):
        (x0, y0, z0), (x1, y1, z1), (x2, y2, z2) = vertices[triangle].astype(np.float64)
        left, right = max(int(np.ceil(min(x0, x1, x2))), 0), min(int(max(x0, x1, x2)), SIZE - 1)
        top, bottom = max(int(np.ceil(min(y0, y1, y2))), 0), min(int(max(y0, y1, y2)), SIZE - 1)
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
    return ids


def best_of(repeats: int, work: Callable[[], Any]) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    torch.set_num_threads(1)
    vertices, triangles = face_like_mesh()
    mesh, faces = torch.from_numpy(vertices)[None], torch.from_numpy(triangles)
    batch = mesh.repeat(16, 1, 1)
    rasterize(mesh, faces, SIZE)  # compiles

    start = time.perf_counter()
    expected = plain_numpy(vertices, triangles)
    baseline = time.perf_counter() - start
    rows = [
        ("numba, one mesh", best_of(20, lambda: rasterize(mesh, faces, SIZE))),
        ("numba, batch of 16, per mesh", best_of(5, lambda: rasterize(batch, faces, SIZE)) / 16),
        ("torch on the CPU", best_of(3, lambda: rasterize(mesh, faces, SIZE, backend="torch"))),
    ]
    if torch.cuda.is_available():
        device_batch, device_faces = batch.cuda(), faces.cuda()

        def on_gpu() -> None:
            rasterize(device_batch, device_faces, SIZE)
            torch.cuda.synchronize()

        on_gpu()
        rows.append(("torch on the GPU, batch of 16, per mesh", best_of(5, on_gpu) / 16))
    same = (rasterize(mesh, faces, SIZE).ids[0].numpy() == expected).mean()
    print(f"{len(triangles):,} triangles, {SIZE} x {SIZE}, one thread; ids equal to the baseline: {same:.3%}")
    print(f"{'plain numpy z-buffer (baseline)':42s} {baseline * 1e3:9.2f} ms      1.0 x")
    for name, seconds in rows:
        print(f"{name:42s} {seconds * 1e3:9.2f} ms {baseline / seconds:8.1f} x")


if __name__ == "__main__":
    main()

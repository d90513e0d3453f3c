"""Rasteriser: a mesh of 87,000 triangles at 224 x 224, against a plain numpy z-buffer. One core, about 20 s.

    python benchmarks/rasterizer.py [--sim3dr 3DDFA_V2]

With a clone of cleardusk/3DDFA_V2 and g++, its z-buffer (Sim3DR) is compiled and timed in the same run.
"""

import argparse
import ctypes
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from frontalization import zbuffer
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


def best_of(repeats: int, work: Callable[[], Any]) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def sim3dr(clone: Path, vertices: NDArray[np.float32], triangles: NDArray[np.int64]) -> Callable[[], NDArray]:
    """Compile Sim3DR's z-buffer from a clone: a function that returns ids ``[S,S]``."""
    with tempfile.TemporaryDirectory() as folder:
        door, library = Path(folder, "door.cpp"), Path(folder, "sim3dr.so")
        door.write_text(
            '#include "rasterize_kernel.cpp"\n'
            'extern "C" void zbuffer(float* v, int* t, float* d, int* i, float* b, int n, int h, int w)\n'
            "{ _rasterize_triangles(v, t, d, i, b, n, h, w); }\n"
        )
        source = clone / "Sim3DR" / "lib"
        subprocess.run(
            ["g++", "-std=c++11", "-O3", "-fPIC", "-shared", f"-I{source}", str(door), "-o", str(library)],
            check=True,
        )
        zbuffer = ctypes.CDLL(str(library)).zbuffer
    faces = triangles.astype(np.int32)

    def work() -> NDArray:
        depth = np.full((SIZE, SIZE), -1e8, np.float32)
        ids = np.full((SIZE, SIZE), -1, np.int32)
        weights = np.zeros((SIZE, SIZE, 3), np.float32)
        arrays = (vertices, faces, depth, ids, weights)
        zbuffer(*(array.ctypes.data_as(ctypes.c_void_p) for array in arrays), len(faces), SIZE, SIZE)
        return ids

    return work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sim3dr", type=Path, metavar="CLONE", help="clone of cleardusk/3DDFA_V2")
    clone = parser.parse_args().sim3dr
    torch.set_num_threads(1)
    vertices, triangles = face_like_mesh()
    mesh, faces = torch.from_numpy(vertices)[None], torch.from_numpy(triangles)
    batch = mesh.repeat(16, 1, 1)
    rasterize(mesh, faces, SIZE)  # compiles

    start = time.perf_counter()
    expected, _, _ = zbuffer(vertices.astype(np.float64), triangles, SIZE)
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
    if clone:
        published = sim3dr(clone, vertices, triangles)
        rows.append(("Sim3DR (C++), one mesh", best_of(20, published)))
        equal = (rasterize(mesh, faces, SIZE).ids[0].numpy() == published()).mean()
        print(f"ids equal to Sim3DR's: {equal:.3%}")
    same = (rasterize(mesh, faces, SIZE).ids[0].numpy() == expected).mean()
    print(f"{len(triangles):,} triangles, {SIZE} x {SIZE}, one thread; ids equal to the baseline: {same:.3%}")
    print(f"{'plain numpy z-buffer (baseline)':42s} {baseline * 1e3:9.2f} ms      1.0 x")
    for name, seconds in rows:
        print(f"{name:42s} {seconds * 1e3:9.2f} ms {baseline / seconds:8.1f} x")


if __name__ == "__main__":
    main()

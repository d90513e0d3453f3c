"""Renderer: finished 256 x 256 images per second, by face basis, back end and number of processes.

The baseline is the torch back end on one CPU thread. Frames of recordings of six people, since long hair
costs more than short: a moving head, a wall, and the sensor of the stand-in corpora; no file is encoded.
A few minutes a basis; that of ICT is left out unless AUKIT_ICT_BASIS names its file.

python benchmarks/renderer.py [seconds per figure]
"""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import numpy as np
import torch

from aukit.simulation import Avatar, Camera, Light, face_model, render
from aukit.simulation.behaviour.person import sample_motion
from aukit.simulation.corpora.acquisition import ACQUISITIONS
from aukit.simulation.rendering import renderer as renderer_module
from aukit.simulation.rendering import shading_numba as loops

SIZE = 256
PEOPLE, FRAMES = 6, 8
IMAGES = PEOPLE * FRAMES
STAGES = {
    "head and hair": [(renderer_module._Scene, "assemble"), (renderer_module, "vertex_normals")],
    "z-buffers of view and light": [(renderer_module, "visible_triangles")],
    "light on samples": [(loops, "shade")],
    "cast shadows": [(loops, "cast_shadows")],
    "wrinkles": [(renderer_module, "_relief")],
    "averaging": [(loops, "resolve")],
    "what is seen": [(loops, "seen")],
}


def recordings(
    basis: str, frames: int, device: str = "cpu", backend: str = "auto"
) -> Callable[[], torch.Tensor]:
    """Work that films `frames` frames of each of `PEOPLE`, women and men by turns."""
    films = [_recording(basis, frames, person, device, backend) for person in range(PEOPLE)]
    return lambda: [film() for film in films][-1]


def _recording(basis: str, frames: int, person: int, device: str, backend: str) -> Callable[[], torch.Tensor]:
    rng = np.random.default_rng([3, person])
    gender, age = ("female", "male")[person % 2], 22 + 8 * person
    avatar = Avatar.sample("benchmark", f"person{person}", 0, gender, age, basis=basis)
    motion, model = sample_motion(rng, frames, 25), face_model(basis)
    yaw, pitch, roll = (torch.from_numpy(motion.pose[:, i].astype(np.float32)) for i in range(3))
    activations = torch.from_numpy(rng.random((frames, len(model.aus), 2)).astype(np.float32)) ** 4
    light, acquisition = Light.sample(rng), ACQUISITIONS["bp4d"]
    wall, sensor = acquisition.background(rng, SIZE), acquisition.sensor(rng, SIZE)
    camera = Camera(yaw=yaw, pitch=pitch, roll=roll, zoom=1.25)

    def film() -> Any:
        shot = render(avatar, activations, camera, light, wall, SIZE, device=device, backend=backend)
        if device != "cpu":
            torch.cuda.synchronize()
            return shot.image
        return sensor(shot.image)

    return film


def rate(work: Callable[[], Any], frames: int, seconds: float) -> float:
    """Images per second: the best of the runs that fit."""
    work()
    best, end = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < end or best == 0.0:
        start = time.perf_counter()
        work()
        best = max(best, frames / (time.perf_counter() - start))
    return best


def _film_for(basis: str, seconds: float, barrier: Any, counts: Any) -> None:
    torch.set_num_threads(1)
    film = recordings(basis, FRAMES)
    film()
    barrier.wait()
    done, start, busy = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() < start + seconds:
        film()
        done += IMAGES
    counts.put((done / (time.perf_counter() - start), done / (time.process_time() - busy)))


def rate_of_processes(basis: str, processes: int, seconds: float) -> tuple[float, float]:
    """Images per second of several processes together, by the clock, and as if each had a core of its own."""
    context = multiprocessing.get_context("spawn")
    barrier, counts = context.Barrier(processes), context.Queue()
    workers = [
        context.Process(target=_film_for, args=(basis, seconds, barrier, counts)) for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    rates = [counts.get() for _ in workers]
    for worker in workers:
        worker.join()
    return sum(r[0] for r in rates), sum(r[1] for r in rates)


@contextmanager
def stopwatch(places: list[tuple[Any, str]], spent: list[float]) -> Iterator[None]:
    """Adds the processor time spent in functions to `spent[0]`, nested calls once."""
    depth = [0]

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            start = time.process_time()
            depth[0] += 1
            try:
                return function(*args, **kwargs)
            finally:
                depth[0] -= 1
                spent[0] += (time.process_time() - start) * (depth[0] == 0)

        return call

    with ExitStack() as stack:
        for owner, name in places:
            stack.enter_context(mock.patch.object(owner, name, timed(getattr(owner, name))))
        yield


def processor_time(work: Callable[[], Any], places: list[tuple[Any, str]]) -> float:
    """Seconds of the processor that a run spends in functions (in all if none are named); the best of 5."""
    times = []
    for _ in range(5):
        spent, start = [0.0], time.process_time()
        with stopwatch(places, spent):
            work()
        times.append(spent[0] if places else time.process_time() - start)
    return min(times)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 8.0
    torch.set_num_threads(1)
    for basis in ["procedural"] + ["ict"] * bool(os.environ.get("AUKIT_ICT_BASIS")):
        baseline = rate(recordings(basis, 1, backend="torch"), PEOPLE, seconds)
        one = rate(recordings(basis, FRAMES), IMAGES, seconds)
        rows = [("torch on the CPU (baseline)", baseline), ("compiled loops", one)]
        for n in (1, 2):
            by_clock, alone = rate_of_processes(basis, n, seconds)
            rows += [(f"compiled loops, processes: {n}", by_clock), ("  on cores of their own", alone)]
        if torch.cuda.is_available():
            on_gpu = rate(recordings(basis, 256, "cuda"), 256 * PEOPLE, seconds)
            rows.append(("torch on the GPU, batch of 256", on_gpu))
        print(f"{basis}, {SIZE} x {SIZE}, 2 x 2 samples")
        for name, images in rows:
            print(f"  {name:36s} {images:9.1f} images/s {images / baseline:8.1f} x")
        film = recordings(basis, FRAMES)
        film()
        whole = processor_time(film, [])
        print(f"  {'processor time of the loops':36s} {whole / IMAGES * 1e3:9.1f} ms/image")
        for name, places in STAGES.items():
            share = processor_time(film, places)
            print(f"  {name:36s} {share / IMAGES * 1e3:9.1f} ms/image {share / whole:8.0%}")


if __name__ == "__main__":
    main()

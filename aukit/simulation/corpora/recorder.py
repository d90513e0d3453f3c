"""Films one person of a stand-in: expression → movement → render → sensor → frames, sidecar, sealed truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from aukit.datasets.media import Image
from aukit.facs import VISIBLE_AUS
from aukit.simulation.behaviour.landmark_noise import track
from aukit.simulation.behaviour.person import INDEX, Motion, Person, sample_motion
from aukit.simulation.camera import Camera
from aukit.simulation.corpora import config as r
from aukit.simulation.corpora.acquisition import LOOKS
from aukit.simulation.corpora.config import NO_MISHAPS, Mishaps, Recording, SimulationConfig, TrackerSettings
from aukit.simulation.rendering.renderer import render
from aukit.utils.files import atomic_path

ZOOM = 1.12
"""The head fills about two thirds of the picture."""
LIFT = -0.03
"""Chins stay in the picture when heads nod."""
POOL = "corpus"

Frames = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Take:
    """All that happens in one view of a recording.

    Attributes:
        recording: Person and task.
        view: View of the recipe.
        activations: [T, A, 2] movements of the face.
        pose: [T, 3] yaw, pitch, roll of the head before the camera, in degrees.
        motion: What the head does besides its expression.
    """

    recording: Recording
    view: int
    activations: npt.NDArray[np.float32]
    pose: npt.NDArray[np.float64]
    motion: Motion


class FilmCrew:
    """Films the recordings of one person; building the person is paid once.

    Args:
        recipe: What to film.
        person: Global person id.
        gender: ``female`` or ``male``.
    """

    def __init__(self, recipe: SimulationConfig, person: str, gender: str) -> None:
        self.recipe = recipe
        self.person = Person.sample(POOL, person, gender, recipe.seed)

    def record(
        self,
        recording: Recording,
        view: int,
        intensity: npt.NDArray[np.float64],
        save: Callable[[Iterator[Image]], None],
        sidecar: Path,
        truth: Path,
        mishaps: Mishaps,
    ) -> None:
        """Film one view of a recording; a few frames are in memory at a time. The sidecar is written last.

        Args:
            recording: Person and task.
            view: View of the recipe.
            intensity: True intensities [T, A] of the recipe's AUs.
            save: Writes the frames.
            sidecar: The landmark file to write.
            truth: The sealed file to write.
            mishaps: What goes wrong.
        """
        recipe = self.recipe
        take = self.plan(recording, view, intensity)
        points: list[Points] = []
        save(self._frames(take, mishaps, points))
        clean = np.concatenate(points)
        tracked = track(
            clean,
            take.pose[:, 0],
            recipe.fps,
            recipe.own_rng("tracker", recording.person, recording.task, str(view)),
            TrackerSettings(),
        )
        if mishaps.faceless is not None:
            tracked[mishaps.faceless] = np.nan
        with atomic_path(truth) as temporary:
            np.savez_compressed(
                temporary,
                aus=np.array(r.track_aus(recipe.rates)),
                intensity=intensity.astype(np.float32),
                visible_aus=np.array(VISIBLE_AUS),
                activations=take.activations,
                landmarks=clean,
                pose=take.pose.astype(np.float32),
                shift=take.motion.shift.astype(np.float32),
                gaze=take.motion.gaze.astype(np.float32),
                identity=self.person.avatar.identity,
            )
        with atomic_path(sidecar) as temporary:
            np.save(temporary, np.delete(tracked, sorted(mishaps.lost), axis=0), allow_pickle=False)

    def _frames(self, take: Take, mishaps: Mishaps, points: list[Points]) -> Iterator[Image]:
        """Frames that come into the release; the landmarks of all frames are added to the list."""
        position = 0
        for images, landmarks in self.shoot(take, mishaps):
            points.append(landmarks)
            for image in images:
                if position not in mishaps.lost:
                    yield image
                position += 1

    def plan(self, recording: Recording, view: int, intensity: npt.NDArray[np.float64]) -> Take:
        """What will happen before the camera: movements and poses of all frames.

        Args:
            recording: Person and task.
            view: View of the recipe.
            intensity: True intensities [T, A] of the recipe's AUs.
        """
        recipe = self.recipe
        motion = sample_motion(
            recipe.rng("motion", recording.person, recording.task), len(intensity), recipe.fps
        )
        motion.activations[:, [INDEX[au] for au in recipe.coded_aus]] = 0.0
        drive = visible_drive(intensity, r.track_aus(recipe.rates))
        activations = self.person.activations(drive, motion.activations)
        return Take(recording, view, activations, camera_pose(motion, recipe.view_poses[view]), motion)

    def shoot(self, take: Take, mishaps: Mishaps = NO_MISHAPS) -> Iterator[tuple[Frames, Points]]:
        """Film a take in batches of frames (uint8 [B, S, S, 3]) and true landmarks (float32 [B, 68, 3])."""
        recipe, recording, motion = self.recipe, take.recording, take.motion
        scene = recipe.own_rng("scene", recording.person, recording.task)
        look = LOOKS[recipe.look]
        light = look.light(recipe.light_rng(recording, scene))
        wall = look.background(scene, recipe.size)
        zoom = ZOOM * float(np.exp(scene.normal(0, 0.03)))
        sensor = look.sensor(
            recipe.own_rng("sensor", recording.person, recording.task, str(take.view)), recipe.size
        )
        batch = frames_at_once(recipe.size, recipe.supersampling)
        for start in range(0, len(take.pose), batch):
            part = slice(start, start + batch)
            yaw, pitch, roll = (tensor(take.pose[part, i]) for i in range(3))
            camera = Camera(
                yaw=yaw,
                pitch=pitch,
                roll=roll,
                zoom=zoom,
                shift_x=tensor(motion.shift[part, 0]),
                shift_y=tensor(motion.shift[part, 1] + LIFT),
            )
            shot = render(
                self.person.avatar,
                tensor(take.activations[part]),
                camera,
                light,
                background=wall,
                size=recipe.size,
                gaze=tensor(motion.gaze[part]),
                supersampling=recipe.supersampling,
            )
            landmarks = shot.landmarks.numpy().astype(np.float32)
            images = shot.image.clone()
            for index, position in enumerate(range(start, start + len(images))):
                if position == mishaps.faceless:
                    images[index] = wall
                if position in mishaps.covered:
                    _cover(images[index], landmarks[index])
            yield sensor(images), landmarks


def _cover(image: Tensor, landmarks: Points) -> None:
    """Paint a dark round thing over mouth and chin. Changes the image [3, S, S]."""
    mouth = landmarks[48:68, :2].mean(axis=0)
    radius = 0.75 * np.linalg.norm(landmarks[8, :2] - landmarks[30, :2])
    y, x = np.mgrid[: image.shape[1], : image.shape[2]]
    inside = (x - mouth[0]) ** 2 + (y - mouth[1]) ** 2 < radius**2
    image[:, torch.from_numpy(inside)] = torch.tensor([[0.16], [0.14], [0.15]])


def visible_drive(intensity: npt.NDArray[np.float64], aus: Sequence[int]) -> npt.NDArray[np.float64]:
    """Intensities [T, A] of AUs → drives [T, V] of `VISIBLE_AUS`, 1 = level E."""
    drive = np.zeros((len(intensity), len(VISIBLE_AUS)))
    drive[:, [INDEX[au] for au in aus]] = np.clip(intensity / 5.0, 0.0, 1.0)
    return drive


def camera_pose(motion: Motion, view_pose: tuple[float, float]) -> npt.NDArray[np.float64]:
    """Yaw, pitch, roll [T, 3] of the head in a view: the view's (pitch, yaw) plus the head's own motion."""
    pitch, yaw = view_pose
    pose: npt.NDArray[np.float64] = motion.pose + np.array([yaw, pitch, 0.0])
    return pose


def frames_at_once(size: int, supersampling: int) -> int:
    """How many frames, 1 to 16, to render in one call: those of 2 million samples, to bound the memory."""
    return int(np.clip(2_000_000 // (size * supersampling) ** 2, 1, 16))


def tensor(array: npt.NDArray[np.float64] | npt.NDArray[np.float32]) -> Tensor:
    """A float32 tensor."""
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))

"""Recording one person of a stand-in: expression → movement → render → sensor → frames, sidecar, truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from aukit.datasets.video import Image
from aukit.facs import VISIBLE_AUS, VISIBLE_INDEX
from aukit.simulation.behaviour.landmark_noise import LandmarkNoise, add_landmark_noise
from aukit.simulation.behaviour.person import Motion, Person, sample_motion
from aukit.simulation.camera import Camera
from aukit.simulation.corpora.acquisition import ACQUISITIONS
from aukit.simulation.corpora.config import NO_DEFECTS, Defects, Recording, SimulationConfig
from aukit.simulation.rendering.renderer import render
from aukit.utils.files import atomic_path

ZOOM = 1.12
"""The head fills about two thirds of the image."""
LIFT = -0.03
"""Upward shift of the head as a share of the image: chins stay in the image when heads nod."""
IDENTITY_SPLIT = "corpus"

Frames = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float32]


@dataclass(frozen=True)
class RecordingPlan:
    """All that happens in one view of a recording.

    Attributes:
        recording: Person and task.
        view: View of the configuration.
        activations: [T, A, 2] movements of the face.
        pose: [T, 3] yaw, pitch, roll of the head before the camera, in degrees.
        motion: What the head does besides its expression.
    """

    recording: Recording
    view: int
    activations: npt.NDArray[np.float32]
    pose: npt.NDArray[np.float64]
    motion: Motion


class Recorder:
    """Records one person; building the person is paid once.

    Args:
        config: What to record.
        person: Global person id.
        gender: ``female`` or ``male``.
    """

    def __init__(self, config: SimulationConfig, person: str, gender: str) -> None:
        self.config = config
        self.person = Person.sample(IDENTITY_SPLIT, person, gender, config.seed)

    def plan(self, recording: Recording, view: int, intensity: npt.NDArray[np.float64]) -> RecordingPlan:
        """What will happen before the camera: movements and poses of all frames.

        Args:
            recording: Person and task.
            view: View of the configuration.
            intensity: True intensities [T, A] of the configuration's AUs.
        """
        config = self.config
        motion = sample_motion(
            config.rng("motion", recording.person, recording.task), len(intensity), config.fps
        )
        motion.activations[:, [VISIBLE_INDEX[au] for au in config.coded_aus]] = 0.0
        intended = intended_activations(intensity, config.simulated_aus)
        activations = self.person.activations(intended, motion.activations)
        return RecordingPlan(
            recording, view, activations, camera_pose(motion, config.view_poses[view]), motion
        )

    def record(
        self,
        plan: RecordingPlan,
        intensity: npt.NDArray[np.float64],
        defects: Defects,
        save: Callable[[Iterator[Image]], None],
        sidecar: Path,
        truth: Path,
    ) -> None:
        """Record one view; a few frames are in memory at a time. The sidecar is written last.

        Args:
            plan: What happens.
            intensity: True intensities [T, A] of the configuration's AUs.
            defects: What goes wrong.
            save: Writes the frames.
            sidecar: The landmark file to write.
            truth: The sealed file to write.
        """
        points: list[Points] = []
        save(self._released_frames(plan, defects, points))
        clean = np.concatenate(points)
        noisy = add_landmark_noise(
            clean, plan.pose[:, 0], self.config.fps, self._rng("tracker", plan), LandmarkNoise()
        )
        if defects.faceless is not None:
            noisy[defects.faceless] = np.nan
        with atomic_path(truth) as temporary:
            np.savez_compressed(
                temporary,
                aus=np.array(self.config.simulated_aus),
                intensity=intensity.astype(np.float32),
                visible_aus=np.array(VISIBLE_AUS),
                activations=plan.activations,
                landmarks=clean,
                pose=plan.pose.astype(np.float32),
                shift=plan.motion.shift.astype(np.float32),
                gaze=plan.motion.gaze.astype(np.float32),
                identity=self.person.avatar.identity,
            )
        with atomic_path(sidecar) as temporary:
            np.save(temporary, np.delete(noisy, sorted(defects.lost), axis=0), allow_pickle=False)

    def _released_frames(
        self, plan: RecordingPlan, defects: Defects, points: list[Points]
    ) -> Iterator[Image]:
        """Frames that the release contains; the landmarks of all frames are added to the list."""
        position = 0
        for images, landmarks in self.frames(plan, defects):
            points.append(landmarks)
            for image in images:
                if position not in defects.lost:
                    yield image
                position += 1

    def frames(self, plan: RecordingPlan, defects: Defects = NO_DEFECTS) -> Iterator[tuple[Frames, Points]]:
        """Batches of frames as recorded (uint8 [B, S, S, 3]) and true landmarks (float32 [B, 68, 3])."""
        config, motion = self.config, plan.motion
        scene = config.own_rng("scene", plan.recording.person, plan.recording.task)
        acquisition = ACQUISITIONS[config.acquisition]
        light = acquisition.light(config.light_rng(plan.recording, scene))
        wall = acquisition.background(scene, config.size)
        zoom = ZOOM * float(np.exp(scene.normal(0, 0.03)))
        sensor = acquisition.sensor(self._rng("sensor", plan), config.size)
        batch = frames_at_once(config.size, config.supersampling)
        for frames, camera in camera_batches(plan.pose, motion.shift, zoom, batch):
            rendering = render(
                self.person.avatar,
                tensor(plan.activations[frames]),
                camera,
                light,
                background=wall,
                size=config.size,
                gaze=tensor(motion.gaze[frames]),
                supersampling=config.supersampling,
            )
            landmarks = rendering.landmarks.numpy().astype(np.float32)
            images = rendering.image.clone()
            for index, position in enumerate(range(frames.start, frames.start + len(images))):
                if position == defects.faceless:
                    images[index] = wall
                if position in defects.covered:
                    _cover(images[index], landmarks[index])
            yield sensor(images), landmarks

    def _rng(self, purpose: str, plan: RecordingPlan) -> np.random.Generator:
        """Generator of one purpose in one view."""
        return self.config.own_rng(purpose, plan.recording.person, plan.recording.task, str(plan.view))


def _cover(image: Tensor, landmarks: Points) -> None:
    """Paint a dark disc over mouth and chin. Changes the image [3, S, S]."""
    mouth = landmarks[48:68, :2].mean(axis=0)
    radius = 0.75 * np.linalg.norm(landmarks[8, :2] - landmarks[30, :2])
    y, x = np.mgrid[: image.shape[1], : image.shape[2]]
    inside = (x - mouth[0]) ** 2 + (y - mouth[1]) ** 2 < radius**2
    image[:, torch.from_numpy(inside)] = torch.tensor([[0.16], [0.14], [0.15]])


def intended_activations(intensity: npt.NDArray[np.float64], aus: Sequence[int]) -> npt.NDArray[np.float64]:
    """Intensities [T, A] of AUs → intended activations [T, V] of `VISIBLE_AUS`, 1 = level E."""
    activations = np.zeros((len(intensity), len(VISIBLE_AUS)))
    activations[:, [VISIBLE_INDEX[au] for au in aus]] = np.clip(intensity / 5.0, 0.0, 1.0)
    return activations


def camera_pose(motion: Motion, view_pose: tuple[float, float]) -> npt.NDArray[np.float64]:
    """Yaw, pitch, roll [T, 3] of the head in a view: the view's (pitch, yaw) plus the head's own motion."""
    pitch, yaw = view_pose
    pose: npt.NDArray[np.float64] = motion.pose + np.array([yaw, pitch, 0.0])
    return pose


def camera_batches(
    pose: npt.NDArray[np.float64], shift: npt.NDArray[np.float64], zoom: float, batch: int
) -> Iterator[tuple[slice, Camera]]:
    """The frames of a recording, `batch` at a time, with the camera that sees them.

    Args:
        pose: [T, 3] yaw, pitch, roll in degrees.
        shift: [T, 2] offset right and down as a share of the image, besides `LIFT`.
        zoom: Magnification.
        batch: Frames per batch.
    """
    for start in range(0, len(pose), batch):
        frames = slice(start, start + batch)
        yaw, pitch, roll = (tensor(pose[frames, i]) for i in range(3))
        x, y = tensor(shift[frames, 0]), tensor(shift[frames, 1] + LIFT)
        yield frames, Camera(yaw=yaw, pitch=pitch, roll=roll, zoom=zoom, shift_x=x, shift_y=y)


def frames_at_once(size: int, supersampling: int) -> int:
    """How many frames, 1 to 16, to render in one call: those of 2 million samples, to bound the memory."""
    return int(np.clip(2_000_000 // (size * supersampling) ** 2, 1, 16))


def tensor(array: npt.NDArray[np.float64] | npt.NDArray[np.float32]) -> Tensor:
    """A float32 tensor."""
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))

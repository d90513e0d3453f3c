"""Films one person of a stand-in: expression → movement → render → sensor → mp4, sidecar, sealed truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from aukit.avatars import Camera, render
from aukit.avatars.people import INDEX, Motion, Person, sample_motion
from aukit.corpora import recipe as r
from aukit.corpora.fera2017_layout import Sequence as Recording
from aukit.corpora.looks import LOOKS
from aukit.corpora.recipe import LOOK, StandinRecipe, TrackerSettings
from aukit.corpora.tracker import track
from aukit.corpora.video import Image, encode_video
from aukit.facs import VISIBLE_AUS
from aukit.files import atomic_path

ZOOM = 1.12
"""The head fills about two thirds of the picture."""
LIFT = -0.03
"""Chins stay in the picture when heads nod."""
POOL = "corpus"
_SAMPLES = 2_000_000  # rendered at once; bounds the memory to some 300 MB

Frames = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Take:
    """All that happens in one view of a recording.

    Attributes:
        recording: Partition, person and task.
        view: View of `recipe.VIEW_POSES`.
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

    def __init__(self, recipe: StandinRecipe, person: str, gender: str) -> None:
        self.recipe = recipe
        self.person = Person.sample(POOL, person, gender, recipe.seed)

    def record(
        self,
        recording: Recording,
        view: int,
        intensity: npt.NDArray[np.float64],
        video: Path,
        sidecar: Path,
        truth: Path,
        short: bool = False,
        faceless: int | None = None,
    ) -> None:
        """Film one view of a recording; the video is written last.

        Args:
            recording: Partition, person and task.
            view: View of `recipe.VIEW_POSES`.
            intensity: True intensities [T, A] of `recipe.TRACK_AUS`.
            video: The mp4 to write.
            sidecar: The landmark file to write.
            truth: The sealed file to write.
            short: Whether the last frame is lost.
            faceless: A frame in which the person is out of the picture.
        """
        recipe = self.recipe
        take = self.plan(recording, view, intensity)
        shots = list(self.shoot(take, faceless))
        frames: list[Image] = [frame for images, _ in shots for frame in images]
        clean = np.concatenate([landmarks for _, landmarks in shots])
        tracked = track(
            clean,
            take.pose[:, 0],
            recipe.fps,
            recipe.rng("tracker", recording.person, recording.task, str(view)),
            TrackerSettings(),
        )
        if faceless is not None:
            tracked[faceless] = np.nan
        kept = recipe.frames - 1 if short else recipe.frames
        with atomic_path(truth) as temporary:
            np.savez_compressed(
                temporary,
                aus=np.array(r.TRACK_AUS),
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
            np.save(temporary, tracked[:kept], allow_pickle=False)
        encode_video(video, frames[:kept], recipe.fps)

    def plan(self, recording: Recording, view: int, intensity: npt.NDArray[np.float64]) -> Take:
        """What will happen before the camera: movements and poses of all frames.

        Args:
            recording: Partition, person and task.
            view: View of `recipe.VIEW_POSES`.
            intensity: True intensities [T, A] of `recipe.TRACK_AUS`.
        """
        rng = self.recipe.rng("motion", recording.person, recording.task)
        motion = sample_motion(rng, len(intensity), self.recipe.fps)
        activations = self.person.activations(visible_drive(intensity), motion.activations)
        return Take(recording, view, activations, camera_pose(motion, view), motion)

    def shoot(self, take: Take, faceless: int | None = None) -> Iterator[tuple[Frames, Points]]:
        """Film a take in batches of frames (uint8 [B, S, S, 3]) and true landmarks (float32 [B, 68, 3])."""
        recipe, recording, motion = self.recipe, take.recording, take.motion
        scene = recipe.rng("scene", recording.person, recording.task)
        look = LOOKS[LOOK]
        light, wall = look.light(scene), look.background(scene, recipe.size)
        zoom = ZOOM * float(np.exp(scene.normal(0, 0.03)))
        sensor = look.sensor(
            recipe.rng("sensor", recording.person, recording.task, str(take.view)), recipe.size
        )
        batch = int(np.clip(_SAMPLES // (recipe.size * recipe.supersampling) ** 2, 1, 16))
        for start in range(0, len(take.pose), batch):
            part = slice(start, start + batch)
            yaw, pitch, roll = (_tensor(take.pose[part, i]) for i in range(3))
            camera = Camera(
                yaw=yaw,
                pitch=pitch,
                roll=roll,
                zoom=zoom,
                shift_x=_tensor(motion.shift[part, 0]),
                shift_y=_tensor(motion.shift[part, 1] + LIFT),
            )
            shot = render(
                self.person.avatar,
                _tensor(take.activations[part]),
                camera,
                light,
                background=wall,
                size=recipe.size,
                gaze=_tensor(motion.gaze[part]),
                supersampling=recipe.supersampling,
            )
            images = shot.image
            if faceless is not None and start <= faceless < start + len(images):
                images = images.clone()
                images[faceless - start] = wall
            yield sensor(images), shot.landmarks.numpy().astype(np.float32)


def visible_drive(intensity: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Intensities [T, A] of `recipe.TRACK_AUS` → drives [T, V] of `VISIBLE_AUS`, 1 = level E."""
    drive = np.zeros((len(intensity), len(VISIBLE_AUS)))
    drive[:, [INDEX[au] for au in r.TRACK_AUS]] = np.clip(intensity / 5.0, 0.0, 1.0)
    return drive


def camera_pose(motion: Motion, view: int) -> npt.NDArray[np.float64]:
    """Yaw, pitch, roll [T, 3] of the head in a view: the view's pose plus the head's own motion."""
    pitch, yaw = r.VIEW_POSES[view]
    pose: npt.NDArray[np.float64] = motion.pose + np.array([yaw, pitch, 0.0])
    return pose


def _tensor(array: npt.NDArray[np.float64] | npt.NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))

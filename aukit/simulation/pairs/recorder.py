"""Films the avatars of the pairs: expressions → renders → a video and its landmarks.

Nothing but the expression comes from the driving frame. Pose is a slow motion of the head of its own, drawn
for each driving video and shared by its two avatars; light and the plain background are drawn for each
avatar and video; there is no sensor.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aukit.datasets.media import encode_video
from aukit.simulation.behaviour.person import sample_motion
from aukit.simulation.camera import Camera
from aukit.simulation.corpora.acquisition import to_pixels
from aukit.simulation.corpora.recorder import LIFT, ZOOM, frames_at_once, tensor
from aukit.simulation.pairs.identities import AvatarIdentity
from aukit.simulation.rendering.background import plain_background
from aukit.simulation.rendering.light import Light
from aukit.simulation.rendering.renderer import render
from aukit.utils.files import atomic_path
from aukit.utils.jobs import remove_leftovers

PAIRS_VERSION = 4
FPS = 25
QUALITY = 12
"""Of H.264 (crf): 41 to 42 dB at 256², better than JPEG of quality 90 in half its bytes."""


@dataclass(frozen=True)
class AvatarPairsConfig:
    """All that decides what is written.

    Attributes:
        drive: Name of the driving corpus.
        partitions: Its partitions.
        views: Its views.
        expression: How its frames become expressions, see `aukit.simulation.pairs.driving`.
        size: Width and height of the renders in pixels.
        seed: Seed of the identities, of sampled levels, of the simulated tracker and of scenes.
        supersampling: Samples per pixel along each axis.
        basis: Face basis of the avatars.
        version: Version of this recipe.
    """

    drive: str
    partitions: tuple[str, ...]
    views: tuple[int, ...]
    expression: str
    size: int = 256
    seed: int = 0
    supersampling: int = 2
    basis: str = "procedural"
    version: int = PAIRS_VERSION

    def rng(self, *names: str) -> np.random.Generator:
        """Generator of one purpose in one video: independent of the order of work."""
        return np.random.default_rng([self.seed, self.version, *(zlib.crc32(n.encode()) for n in names)])

    def description(self, driver: dict[str, Any]) -> dict[str, Any]:
        """Contents of ``AVATAR_PAIRS.json``."""
        own = {k: v for k, v in asdict(self).items() if k not in ("seed", "version")}
        recipe = json.loads(json.dumps({"name": "avatar-pairs", **own}))
        return {"recipe": recipe, "driver": driver, "version": self.version, "seed": self.seed}


def film(
    recipe: AvatarPairsConfig,
    stem: str,
    identity: AvatarIdentity,
    activations: npt.NDArray[np.float32],
    video: Path,
    landmarks: Path,
) -> None:
    """Render one avatar through all frames; both files appear whole or not at all.

    Args:
        recipe: How.
        stem: Name of the driving recording.
        identity: Who.
        activations: [T, A, 2].
        video: The mp4 to write.
        landmarks: The file of landmarks to write.
    """
    for path in (video, landmarks):
        remove_leftovers(path)
    points: list[npt.NDArray[np.float32]] = []
    encode_video(video, _shots(recipe, stem, identity, activations, points), FPS, QUALITY)
    with atomic_path(landmarks) as temporary:
        np.save(temporary, np.concatenate(points), allow_pickle=False)


def _shots(
    recipe: AvatarPairsConfig,
    stem: str,
    identity: AvatarIdentity,
    activations: npt.NDArray[np.float32],
    points: list[npt.NDArray[np.float32]],
) -> Iterator[npt.NDArray[np.uint8]]:
    """Frames uint8 [S, S, 3], a few rendered at a time; their landmarks are added to the list."""
    avatar = identity.avatar(recipe.seed, recipe.basis)
    motion = sample_motion(recipe.rng("pose", stem), len(activations), FPS)
    scene = recipe.rng("scene", stem, identity.subject)
    light = Light.sample(scene)
    red, green, blue = (float(c) for c in np.clip(scene.uniform(0.2, 0.8) + scene.normal(0, 0.06, 3), 0, 1))
    wall = plain_background(recipe.size, (red, green, blue))
    batch = frames_at_once(recipe.size, recipe.supersampling)
    for start in range(0, len(activations), batch):
        part = slice(start, start + batch)
        yaw, pitch, roll = (tensor(motion.pose[part, i]) for i in range(3))
        x, y = tensor(motion.shift[part, 0]), tensor(motion.shift[part, 1] + LIFT)
        shot = render(
            avatar,
            tensor(activations[part]),
            Camera(yaw=yaw, pitch=pitch, roll=roll, zoom=ZOOM, shift_x=x, shift_y=y),
            light,
            background=wall,
            size=recipe.size,
            supersampling=recipe.supersampling,
        )
        points.append(shot.landmarks.numpy().astype(np.float32))
        yield from to_pixels(shot.image)

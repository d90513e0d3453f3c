"""Recording the avatars of the pairs: expressions → renders → a video and its landmarks.

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

from aukit.datasets.video import encode_video
from aukit.errors import ConfigError
from aukit.simulation.behaviour.person import sample_motion
from aukit.simulation.corpora.acquisition import to_pixels
from aukit.simulation.corpora.recorder import ZOOM, camera_batches, frames_at_once, tensor
from aukit.simulation.pairs.identities import AvatarIdentity
from aukit.simulation.rendering.background import sample_plain_background
from aukit.simulation.rendering.light import Light
from aukit.simulation.rendering.renderer import render
from aukit.utils.files import atomic_path

PAIRS_VERSION = 4
FPS = 25
QUALITY = 12
"""Of H.264 (crf): 41 to 42 dB at 256², better than JPEG of quality 90 in half its bytes."""


@dataclass(frozen=True)
class AvatarPairsConfig:
    """All that decides what is written.

    Attributes:
        driving_corpus: Name of the corpus whose frames give the expressions, e.g. ``bp4d``.
        partitions: Its partitions; None for the reader's `driving_partitions`.
        views: Its views; None for the reader's default.
        size: Width and height of the renders in pixels, even.
        seed: Seed of the identities, of sampled levels, of the simulated tracker and of scenes.
        supersampling: Samples per pixel along each axis.
        basis: Face basis of the avatars.
        version: Version of this recipe.

    Raises:
        ConfigError: An odd or tiny size, or a negative seed.

    Example:
        >>> AvatarPairsConfig("bp4d", partitions=("P2", "P3"), size=128).supersampling
        2
    """

    driving_corpus: str
    partitions: tuple[str, ...] | None = None
    views: tuple[int, ...] | None = None
    size: int = 256
    seed: int = 0
    supersampling: int = 2
    basis: str = "procedural"
    version: int = PAIRS_VERSION

    def __post_init__(self) -> None:
        if self.size < 16 or self.size % 2 or self.seed < 0:
            raise ConfigError(
                f"size {self.size}, seed {self.seed}: an even size of at least 16 and a seed of at least 0 "
                "are needed"
            )

    def rng(self, *names: str) -> np.random.Generator:
        """Generator of one purpose in one video: independent of the order of work."""
        return np.random.default_rng([self.seed, self.version, *(zlib.crc32(n.encode()) for n in names)])

    def description(self, expression: str, driver: dict[str, Any]) -> dict[str, Any]:
        """Contents of ``AVATAR_PAIRS.json``.

        Args:
            expression: How frames become expressions, see `aukit.simulation.pairs.driving`.
            driver: What identifies the driving corpus and the tracker's files.
        """
        own = {k: v for k, v in asdict(self).items() if k not in ("seed", "version")}
        recipe = json.loads(json.dumps({"name": "avatar-pairs", **own, "expression": expression}))
        return {"recipe": recipe, "driver": driver, "version": self.version, "seed": self.seed}


def record_avatar(
    config: AvatarPairsConfig,
    title: str,
    identity: AvatarIdentity,
    activations: npt.NDArray[np.float32],
    video: Path,
    landmarks: Path,
) -> None:
    """Render one avatar through all frames; both files appear whole or not at all.

    Args:
        config: How.
        title: Name of the driving recording.
        identity: Who.
        activations: [T, A, 2].
        video: The mp4 to write.
        landmarks: The file of landmarks to write.
    """
    points: list[npt.NDArray[np.float32]] = []
    encode_video(video, _frames(config, title, identity, activations, points), FPS, QUALITY)
    with atomic_path(landmarks) as temporary:
        np.save(temporary, np.concatenate(points), allow_pickle=False)


def _frames(
    config: AvatarPairsConfig,
    title: str,
    identity: AvatarIdentity,
    activations: npt.NDArray[np.float32],
    points: list[npt.NDArray[np.float32]],
) -> Iterator[npt.NDArray[np.uint8]]:
    """Frames uint8 [S, S, 3], a few rendered at a time; their landmarks are added to the list."""
    avatar = identity.avatar(config.seed, config.basis)
    motion = sample_motion(config.rng("pose", title), len(activations), FPS)
    scene = config.rng("scene", title, identity.subject)
    light = Light.sample(scene)
    wall = sample_plain_background(scene, config.size)
    batch = frames_at_once(config.size, config.supersampling)
    for frames, camera in camera_batches(motion.pose, motion.shift, ZOOM, batch):
        rendering = render(
            avatar,
            tensor(activations[frames]),
            camera,
            light,
            background=wall,
            size=config.size,
            supersampling=config.supersampling,
        )
        points.append(rendering.landmarks.numpy().astype(np.float32))
        yield from to_pixels(rendering.image)

"""Labelled faces as a datamodule: smooth blobs where a face would be, with the mean face's points; nothing is
rendered."""

import numpy as np
import pandas as pd

from aukit.datamodules import LabelledFacesDataModule
from aukit.facs import VISIBLE_AUS
from aukit.registration import canonical_face
from aukit.registration.landmarks.points import DENSE
from aukit.simulation import LabelledFaces


def made_faces(count: int = 12, size: int = 64, seed: int = 0) -> LabelledFaces:
    """Faces in the middle of their images, each turned and sized a little differently."""
    rng = np.random.default_rng(seed)
    face = canonical_face()
    some = face.vertices[rng.choice(len(face.vertices), DENSE, replace=False)]
    points = np.concatenate([face.landmarks, some])
    images, placed = np.zeros((count, size, size, 4), np.uint8), []
    y, x = np.mgrid[:size, :size]
    for image in images:
        angle, scale = rng.normal(0, 0.1), size * rng.uniform(0.2, 0.25)
        turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        pixels = scale * points @ turn.T + [*(size / 2 + rng.normal(0, 1, 2)), 0]
        placed.append(pixels)
        image[..., :3] = rng.integers(0, 255, 3)
        for mark in pixels[:68]:
            near = (x - mark[0]) ** 2 + (y - mark[1]) ** 2 < 4
            image[near, :3] = 255 - image[0, 0, :3]
        image[..., 3] = 255 * (np.hypot(x - size / 2, y - size / 2) < 0.4 * size)
    movements = rng.uniform(0, 1, (count, len(VISIBLE_AUS))).astype(np.float32)
    rows = pd.DataFrame({"identity": [f"p{index // 2}" for index in range(count)]})
    return LabelledFaces(images, np.stack(placed).astype(np.float32), movements, rows)


class MadeFaces(LabelledFacesDataModule):
    """Such faces, the last two held out."""

    def __init__(self, task: str = "read", size: int = 112, augment: bool = True, **options) -> None:
        super().__init__(root="nowhere", task=task, size=size, augment=augment, **options)

    def prepare_data(self):
        pass

    def setup(self, stage=None):
        self.faces = made_faces()
        self._fingerprint = "made"
        self.train_rows, self.val_rows = np.arange(10), np.arange(10, 12)

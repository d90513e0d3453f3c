"""Rendered faces with everything known, as the networks that find and read faces see them."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from aukit.datamodules import face_views as views
from aukit.datamodules.dataset import images_to_tensor
from aukit.datamodules.rendered_faces import RenderedFacesDataModule
from aukit.datamodules.samplers import BatchSpec, EvaluationBatches, ShuffledBatches
from aukit.registration.landmarks.crops import Square, cut, face_square, to_crop
from aukit.registration.landmarks.points import LANDMARKS, mirrored
from aukit.simulation import LabelledFaces, LabelledFacesConfig, open_labelled_faces, write_labelled_faces
from aukit.store.files import read_manifest
from aukit.utils.bounds import Fraction, NonNegativeInt, PositiveInt

_NO_FACE = 0.08
"""Share of crops that show no face, or not one that is rightly cropped."""
_MOST = 4
"""Faces in a scene, at most."""


class _Views(Dataset[dict[str, Any]]):
    """A map from batch specifications to batches; each row has random numbers of its own."""

    def __init__(self, faces: LabelledFaces, size: int, augment: bool) -> None:
        self.faces = faces
        self.size = size
        self.augment = augment

    def __len__(self) -> int:
        return len(self.faces.images)

    def rngs(self, spec: BatchSpec) -> list[np.random.Generator]:
        """A generator for each row, that of its place in the batch of all processes."""
        step = (spec.seed, spec.epoch, spec.step) if self.augment else (0, 0, 0)
        places = spec.first + np.arange(len(spec.rows)) if self.augment else spec.rows
        return [np.random.default_rng([*step, int(place), 3]) for place in places]

    def square(self, row: int) -> Square:
        """Where the face of a row is."""
        return face_square(self.faces.points[row])


class CropsDataset(_Views):
    """Crops of single faces as a map from batch specifications.

    ``image`` uint8 [B,3,S,S], ``points`` [B,P,3] from -1 to 1 across the crop, ``movements`` [B,A] in [0,1]
    and ``presence`` [B], 1 where there is a face.

    Args:
        faces: The rendered set.
        size: Side of the crops.
        augment: Whether to change them at random; else they are the exact crops.
    """

    def __getitem__(self, spec: BatchSpec) -> dict[str, Any]:
        crops, points, presence = [], [], []
        for row, rng in zip(spec.rows, self.rngs(spec), strict=True):
            crop, where, is_face = self._view(int(row), rng)
            crops.append(crop)
            points.append(where)
            presence.append(is_face)
        return {
            "image": images_to_tensor(np.stack(crops)),
            "points": torch.from_numpy(np.stack(points)),
            "movements": torch.from_numpy(np.array(self.faces.movements[spec.rows])),
            "presence": torch.tensor(presence),
            "row": torch.from_numpy(spec.rows),
        }

    def _view(
        self, row: int, rng: np.random.Generator
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32], float]:
        face = np.asarray(self.faces.images[row])
        square = self.square(row)
        if not self.augment:
            image = np.ascontiguousarray(face[..., :3])
            return cut(image, square, self.size), self._points(row, square, False), 1.0
        other = self.faces.images[int(rng.integers(len(self.faces.images)))]
        flip = bool(rng.random() < 0.5)
        image = (
            views.behind(face, other, rng)
            if rng.random() < views.BACKGROUND
            else np.ascontiguousarray(face[..., :3])
        )
        is_face = bool(rng.random() >= _NO_FACE)
        if is_face:
            square = views.jittered(rng, square)
        else:
            image, square = self._elsewhere(image, other, square, rng)
        crop = views.warped(image, to_crop(square, self.size, flip), self.size, rng)
        if rng.random() < views.COVER:
            crop = views.covered(crop, other, rng)
        return views.filmed(crop, rng), self._points(row, square, flip), float(is_face)

    def _elsewhere(
        self,
        image: npt.NDArray[np.uint8],
        other: npt.NDArray[np.uint8],
        square: Square,
        rng: np.random.Generator,
    ) -> tuple[npt.NDArray[np.uint8], Square]:
        """A picture without a face, or a square that misses it or takes a part of it."""
        kind = rng.random()
        if kind < 0.4:
            return views.texture(rng, other, len(image)), square
        if kind < 0.7:
            side = square.side * float(rng.uniform(0.15, 0.4))
            x, y = rng.uniform(0, len(image) - 1, 2)
            return image, Square(float(x), float(y), side, square.roll)
        angle, far = rng.uniform(0, 2 * np.pi), square.side * rng.uniform(0.6, 0.9)
        return image, square._replace(x=square.x + far * np.cos(angle), y=square.y + far * np.sin(angle))

    def _points(self, row: int, square: Square, flip: bool) -> npt.NDArray[np.float32]:
        """The points of a row from -1 to 1 across a crop; depth counts from the landmarks' mean."""
        points = np.asarray(self.faces.points[row], np.float64)
        matrix = to_crop(square, self.size, flip)
        plane = (points[:, :2] @ matrix[:, :2].T + matrix[:, 2] + 0.5) / (self.size / 2) - 1
        depth = (points[:, 2:] - points[:LANDMARKS, 2].mean()) / (square.side / 2)
        result = np.concatenate([plane, depth], 1).astype(np.float32)
        return result[mirrored()] if flip else result


class ScenesDataset(_Views):
    """Pictures with some faces as a map from batch specifications.

    ``image`` uint8 [B,3,S,S] and ``places`` [B,4,3], of each face x and y of its middle and the side of its
    square in pixels, 0 where there is none.

    Args:
        faces: The rendered set.
        size: Side of the pictures.
        augment: Whether each epoch has pictures of its own.
    """

    def __getitem__(self, spec: BatchSpec) -> dict[str, Any]:
        pictures, places = [], np.zeros((len(spec.rows), _MOST, 3), np.float32)
        for index, (row, rng) in enumerate(zip(spec.rows, self.rngs(spec), strict=True)):
            count = int(rng.choice(_MOST + 1, p=[0.15, 0.45, 0.2, 0.1, 0.1]))
            chosen = [int(row), *rng.integers(0, len(self), max(0, count - 1)).tolist()][:count]
            other = self.faces.images[int(rng.integers(len(self)))]
            faces = [(np.asarray(self.faces.images[each]), self.square(each)) for each in chosen]
            picture, where = views.scene(rng, faces, other, self.size)
            places[index, : len(where)] = where
            pictures.append(views.filmed(picture, rng))
        return {"image": images_to_tensor(np.stack(pictures)), "places": torch.from_numpy(places)}


class LabelledFacesDataModule(RenderedFacesDataModule):
    """Rendered faces with all labels (`aukit.simulation.write_labelled_faces`); renders what is missing.

    Validation is of held-out identities, in exact crops.

    Args:
        root: Folder of the faces; they are rendered there when they are missing or incomplete.
        task: "read", see `CropsDataset`, or "find", see `ScenesDataset`.
        size: Side of the crops or scenes in pixels.
        identities: People and avatars in the set.
        frames: Images of each.
        render_size: Side of the rendered images in pixels.
        bases: Face bases of the identities.
        holdout_fraction: Share of the identities held out.
        augment: Whether training views are changed at random.
        prepare_workers: Processes that render.
        options: Further options: see `StepDataModule`; the faces do not depend on the seed.

    Example:
        >>> data = LabelledFacesDataModule("faces", identities=8, frames=2, render_size=64)
        >>> data.prepare_data()  # doctest: +SKIP
        >>> data.setup("fit")  # doctest: +SKIP
        >>> next(iter(data.train_dataloader()))["points"].shape  # doctest: +SKIP
        torch.Size([16, 324, 3])
    """

    faces: LabelledFaces

    def __init__(
        self,
        root: str = "lightning_logs/labelled-faces",
        task: Literal["read", "find"] = "read",
        size: PositiveInt = 112,
        identities: PositiveInt = 8000,
        frames: PositiveInt = 6,
        render_size: PositiveInt = 144,
        bases: list[Literal["procedural", "ict"]] | None = None,
        holdout_fraction: Fraction = 0.02,
        augment: bool = True,
        prepare_workers: NonNegativeInt = 2,
        **options: Any,
    ) -> None:
        super().__init__(root, holdout_fraction, augment, prepare_workers, **options)
        self.task = task
        self.size = size
        self.config = LabelledFacesConfig(
            identities, frames, render_size, bases=tuple(bases or ("procedural",))
        )

    def _render(self) -> str:
        return write_labelled_faces(self.root, self.config, workers=self.prepare_workers)

    def setup(self, stage: str | None = None) -> None:
        """Open the set and hold out identities."""
        if hasattr(self, "faces"):
            return
        self.faces = open_labelled_faces(self.root)
        recipe = read_manifest(self.root / "LABELLED_FACES.json")
        self._hold_out(self.faces.rows["identity"].astype(str).tolist(), recipe)

    @property
    def input_kind(self) -> dict[str, Any]:
        """Size of the crops or scenes."""
        return {"registration": self.task, "size": self.size}

    def train_batches(self) -> tuple[_Views, ShuffledBatches]:
        """Views of the training identities, in a new order each pass."""
        return self._dataset(self.augment), self.shuffled_batches(self.train_rows)

    def val_batches(self) -> tuple[_Views, EvaluationBatches] | None:
        """Exact crops, or fixed scenes, of the held-out identities."""
        if len(self.val_rows) == 0:
            return None
        return self._dataset(False), self.evaluation_batches(self.val_rows)

    def _dataset(self, augment: bool) -> _Views:
        return (CropsDataset if self.task == "read" else ScenesDataset)(self.faces, self.size, augment)

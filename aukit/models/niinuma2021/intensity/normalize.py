"""Temporal normalisation (paper, §4.5): subtract a person's neutral frame or mean texture.

In registered crops the pixel (0,0,0) means "not seen". A difference is taken only where both pictures are
seen; elsewhere it is 0.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from aukit.errors import ConfigError
from aukit.store.encoding import Crops
from aukit.store.store import PreparedStore

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "Normalizer",
    "along_rows",
    "au0_normalize",
    "coded_levels",
    "lacking_neutral",
    "mean_texture_normalize",
    "person_means",
    "person_neutrals",
]

Images = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
IMAGENET_STD = np.array([0.229, 0.224, 0.225], dtype=np.float32)

Normalization = Literal["none", "au0", "mean"]

_CHUNK = 512  # images in memory at a time


class Normalizer:
    """Images of known people → network input.

    Without normalisation (I/255 − mean) / std of ImageNet; with it (I − M_p)/255 / std.

    Args:
        kind: "none", "au0" (neutral frame) or "mean" (mean texture).
        references: Person → float32 ``[S,S,3]``; empty for "none".

    Example:
        >>> normalizer = Normalizer("none", {})
        >>> images = np.full((1, 8, 8, 3), 255, np.uint8)
        >>> normalizer(images, np.array(["anybody"], dtype=object)).shape
        (1, 8, 8, 3)
    """

    def __init__(self, kind: Normalization, references: dict[str, Floats]) -> None:
        self.kind = kind
        self.references = references

    @classmethod
    def build(cls, kind: Normalization, store: PreparedStore, aus: tuple[int, ...]) -> Normalizer:
        """Take the references from all real frames of each person in the store.

        "au0" reads labels of all people, "mean" looks at all frames of all people: name them so in results.
        """
        persons = store.table.frame["person"].to_numpy()
        if kind == "mean":
            return cls(kind, person_means(store.images, persons))
        if kind == "au0":
            with warnings.catch_warnings():
                # `IntensityDataModule.notes` counts them.
                warnings.filterwarnings("ignore", message=".*people lack a neutral frame")
                return cls(kind, person_neutrals(store.images, persons, coded_levels(store, aus)))
        return cls(kind, {})

    def __call__(self, images: Images | Floats, persons: npt.NDArray[np.object_]) -> Floats:
        """Network input float32 ``[B,S,S,3]`` of images 0 … 255; unknown people raise `ConfigError`."""
        width = images.shape[2]
        std = along_rows(IMAGENET_STD, width)
        if self.kind == "none":
            rows = images.astype(np.float32).reshape(-1, 3 * width)
            rows *= 1 / (255 * std)
            rows -= along_rows(IMAGENET_MEAN, width) / std
            return rows.reshape(images.shape)
        try:
            reference = np.stack([self.references[str(person)] for person in persons])
        except KeyError as error:
            raise ConfigError(
                f"data.normalization={self.kind}: no reference picture of {error}, who is not in the corpus"
                " or has no fully coded frame; set data.normalization=none, or make the set without"
            ) from error
        normalize = au0_normalize if self.kind == "au0" else mean_texture_normalize
        rows = normalize(images, reference).reshape(-1, 3 * width)
        rows /= std
        return rows.reshape(images.shape)


def along_rows(colours: Floats, width: int) -> Floats:
    """Three values ``[...,3]`` for each pixel of a row of images, ``[...,3·width]``.

    NumPy is several times as fast with rows ``[B,S,3·S]``: of ``[B,S,S,3]`` it loops over the last axis.
    """
    return np.tile(colours, width)


def au0_normalize(images: Images | Floats, neutral: Floats | Images) -> Floats:
    """AU0 normalisation: x = (I − N_p) / 255.

    Args:
        images: uint8 or float ``[B,S,S,3]`` in 0 … 255.
        neutral: ``[B,S,S,3]`` or ``[S,S,3]``, the person's neutral frame (`person_neutrals`), 0 … 255.

    Returns:
        float32 ``[B,S,S,3]`` in [−1,1]; 0 where either picture is not seen.
    """
    return _difference(images, neutral)


def mean_texture_normalize(images: Images | Floats, mean: Floats) -> Floats:
    """Personal mean texture normalisation: x = (I − M_p) / 255.

    Args:
        images: uint8 or float ``[B,S,S,3]`` in 0 … 255.
        mean: ``[B,S,S,3]`` or ``[S,S,3]``, the person's mean registered frame (`person_means`), 0 … 255.

    Returns:
        float32 ``[B,S,S,3]`` in [−1,1]; 0 where either picture is not seen.
    """
    return _difference(images, mean)


def person_means(
    images: Crops,
    persons: Sequence[str] | npt.NDArray[np.object_],
    rows: npt.NDArray[np.int64] | None = None,
) -> dict[str, Floats]:
    """Mean texture of each person over the frames in which a pixel is seen.

    Args:
        images: uint8 ``[N,S,S,3]``; those of a store are read in pieces.
        persons: ``[N]`` people.
        rows: Frames to use; None for all.

    Returns:
        Person → float32 ``[S,S,3]`` in 0 … 255; 0 where no frame shows the pixel.

    Cost: one pass over the pixels, about 20 ms per 1,000 frames of 64².
    """
    people = np.asarray(persons).astype(str)
    rows = np.arange(len(images)) if rows is None else np.asarray(rows)
    means = {}
    for person in np.unique(people[rows]):
        mine = np.sort(rows[people[rows] == person])
        total = np.zeros(images.shape[1:], np.float64)
        count = np.zeros(images.shape[1:3], np.int64)
        for start in range(0, len(mine), _CHUNK):
            part = np.asarray(images[mine[start : start + _CHUNK]])
            total += part.sum(axis=0, dtype=np.int64)  # what is not seen adds 0
            count += part.any(axis=-1).sum(axis=0)
        means[str(person)] = (total / np.maximum(count, 1)[..., None]).astype(np.float32)
    return means


def person_neutrals(
    images: Crops,
    persons: Sequence[str] | npt.NDArray[np.object_],
    levels: Floats,
    rows: npt.NDArray[np.int64] | None = None,
    frames: int = 1,
) -> dict[str, Floats]:
    """A neutral picture of each person: the first frame, or first few, with every level coded 0.

    This looks at labels: on test people it is an oracle. A person without such a frame gets the frame, among
    those coded for every action unit, whose levels sum to the least, and a warning says so.

    Args:
        images: uint8 ``[N,S,S,3]``.
        persons: ``[N]`` people.
        levels: ``[N,A]`` intensity levels, NaN where not coded.
        rows: Frames to use, in order; None for all.
        frames: Neutral frames to average.

    Returns:
        Person → float32 ``[S,S,3]`` in 0 … 255. A person without any fully coded frame is missing.
    """
    people = np.asarray(persons).astype(str)
    rows = np.arange(len(images)) if rows is None else np.asarray(rows)
    sums = levels.sum(axis=1)  # NaN where any level is not coded
    chosen = []
    for person in np.unique(people[rows]):
        mine = rows[(people[rows] == person) & np.isfinite(sums[rows])]
        if len(mine):
            neutral = mine[sums[mine] == 0][:frames]
            chosen.append(neutral if len(neutral) else mine[[np.argmin(sums[mine])]])
    if without := lacking_neutral(people[rows], levels[rows]):
        warnings.warn(
            f"{len(without)} people lack a neutral frame, their least expressive is used: {without[:5]}",
            stacklevel=2,
        )
    return person_means(images, persons, np.concatenate(chosen)) if chosen else {}


def lacking_neutral(persons: Sequence[str] | npt.NDArray[np.object_], levels: Floats) -> list[str]:
    """People with fully coded frames, none of which has every level at 0.

    Args:
        persons: ``[N]`` people.
        levels: ``[N,A]`` intensity levels in 0 … 5, NaN where not coded.

    Returns:
        Their ids, sorted.
    """
    people, sums = np.asarray(persons).astype(str), levels.sum(axis=1)
    return sorted(set(people[np.isfinite(sums)].tolist()) - set(people[sums == 0].tolist()))


def coded_levels(store: PreparedStore, aus: tuple[int, ...]) -> Floats:
    """Labels ``[N,A]`` of the action units that a corpus codes at all."""
    return store.table.intensities([au for au in aus if au in store.table.intensity_aus])


def _difference(images: Images | Floats, reference: Floats | Images) -> Floats:
    # In place and channel by channel: this runs for every training batch.
    seen = (images[..., 0] > 0) | (images[..., 1] > 0) | (images[..., 2] > 0)
    seen &= (reference[..., 0] > 0) | (reference[..., 1] > 0) | (reference[..., 2] > 0)
    difference = images.astype(np.float32)
    difference -= reference
    difference *= np.float32(1 / 255)
    difference *= seen[..., None]
    return difference

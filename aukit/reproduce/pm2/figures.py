"""Figures beside PM2's tables: the gender gap against F1; where features of frames and of avatars lie."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from aukit.reproduce.scores import SeedScores, span
from aukit.utils.figure import legend_beside, new_figure, png

if TYPE_CHECKING:
    from aukit.datamodules import PairedDataModule
    from aukit.training import Record

FRAMES = 250
"""Frames of each kind in an embedding."""


def gap_against_f1(scored: Mapping[str, SeedScores], labels: Mapping[str, str], title: str) -> bytes:
    """PNG: each method's mean gap of F1 between the genders against its mean F1, intervals and seeds.

    Args:
        scored: Method → scores.
        labels: Method → name.
        title: What stands above the picture.
    """
    explained = "Dots: mean of the seeds with 95 % intervals; crosses: single seeds."
    figure = new_figure(8.5, 5, f"{title}. {explained}", 9)
    axes = figure.add_subplot()
    for k, (id, scores) in enumerate(scored.items()):
        (x, *x_ends), (y, *y_ends) = (span(scores.own, row) for row in ("F1", "F1 gap"))
        color = f"C{k}"
        axes.plot(x_ends, [y, y], color=color, lw=1, alpha=0.7)
        axes.plot([x, x], y_ends, color=color, lw=1, alpha=0.7)
        axes.plot(x, y, "o", color=color, ms=7, label=fill(labels[id], 34))
        axes.plot(scores.per_seed("overall_f1"), scores.per_seed("f1_gap"), "x", color=color, ms=5, alpha=0.8)
    if not np.isfinite([span(scores.own, "F1 gap")[0] for scores in scored.values()]).any():
        axes.text(0.5, 0.5, "no gap: see the table", transform=axes.transAxes, ha="center", fontsize=9)
    axes.set_xlabel("mean F1 on the target")
    axes.set_ylabel("mean gap of F1 between the genders")
    legend_beside(axes, 8)
    return png(figure)


def embeddings(
    records: Mapping[str, Record],
    data: PairedDataModule,
    labels: Mapping[str, str],
    title: str,
    frames: int = FRAMES,
) -> bytes:
    """PNG: the first two principal components of each method's features, a panel per method.

    Args:
        records: Method → one of its runs.
        data: What they were trained on, set up.
        labels: Method → name.
        title: What stands above the picture.
        frames: Frames of each kind: source frames with their avatars, and test frames of the target.
    """
    images = _images(data, frames)
    figure = new_figure(4 * len(records), 4.6, title, 9)
    for place, (id, record) in enumerate(records.items(), start=1):
        axes = figure.add_subplot(1, len(records), place)
        features = {kind: _features(record, each) for kind, each in images.items()}
        points = principal_components(np.concatenate(list(features.values())))
        start = 0
        for kind, each in features.items():
            stop = start + len(each)
            axes.plot(*points[start:stop].T, ".", ms=3, alpha=0.6, label=kind)
            start = stop
        axes.set_title(labels[id], fontsize=9)
        axes.set_xticks([])
        axes.set_yticks([])
        if place == len(records):
            legend_beside(axes, 8)
    return png(figure)


def principal_components(features: npt.NDArray[np.float32], number: int = 2) -> npt.NDArray[np.float64]:
    """Coordinates ``[N,number]`` of ``[N,D]`` along the directions of greatest variance."""
    centred = features.astype(np.float64) - features.mean(0, dtype=np.float64)
    left, strength, _ = np.linalg.svd(centred, full_matrices=False)
    return np.asarray(left[:, :number] * strength[:number])


def _images(data: PairedDataModule, frames: int) -> dict[str, npt.NDArray[np.uint8]]:
    """Crops ``[N,S,S,3]`` by kind, evenly spaced over what there is."""
    dataset, _ = data.train_batches()
    chosen = _spread(len(dataset), frames)
    images = {
        {"real": "source frame"}.get(name, f"{name} avatar"): np.asarray(
            dataset.stores[name].images[rows[chosen]]
        )
        for name, rows in dataset.triplets.items()
    }
    tested = data.target.test_rows
    images["target frame"] = np.asarray(data.target.store.images[tested[_spread(len(tested), frames)]])
    return images


def _spread(number: int, wanted: int) -> npt.NDArray[np.int64]:
    return np.linspace(0, number - 1, min(number, wanted)).astype(np.int64)


def _features(record: Record, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Pooled features ``[N,D]`` of the tested checkpoint."""
    import torch

    from aukit.datamodules.dataset import images_to_tensor
    from aukit.models.pm2 import PM2Module

    checkpoint = str(record.checkpoint)
    module = PM2Module.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True).eval()
    with torch.no_grad():
        batches = [
            module.network.backbone(images_to_tensor(batch).float() / 255)
            for batch in np.array_split(images, max(1, len(images) // 64))
        ]
    return np.asarray(torch.cat(batches).numpy())

"""How far synthetic images are from real frames (§ 4.4): FID, or a distance of other features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aukit.reproduce.captions import DataFacts, data_sentence
from aukit.reproduce.niinuma2021.caption import generator_sentences
from aukit.reproduce.niinuma2021.cells import NiinumaCells
from aukit.reproduce.niinuma2021.extractor import INCEPTION_FILE, extractor
from aukit.reproduce.options import has_gpu
from aukit.reproduce.render.statistics_table import StatisticsTable
from aukit.reproduce.render.table import Column, Heading
from aukit.utils.text import listing

if TYPE_CHECKING:
    from torch import Tensor, nn

    from aukit.store.balanced_set import BalancedSet

FID, FRECHET = "FID", "Fréchet × 1,000"
"""Rows of the table: what is published, and ours where the reference Inception is not given."""

_BATCH = 128


def distance_columns(cells: NiinumaCells, sets: Mapping[str, BalancedSet]) -> list[Column]:
    """Published FID, and the distance of every set that the table shows from the set of reference.

    Args:
        cells: The table.
        sets: Id → balanced set.
    """
    from aukit.metrics.distribution import frechet_from_moments

    network = extractor(cells.inception)
    row, scale = (FRECHET, 1000) if cells.inception is None else (FID, 1)
    reference = moments(sets[cells.spec["reference"]], network)
    published = [
        Column(*Heading.of(each, "published"), values={FID: each["value"]}, mean=None)
        for each in cells.spec["published"]
    ]
    ours = []
    for column in cells.columns:
        assert column.set is not None
        distance = scale * float(frechet_from_moments(*moments(sets[column.set], network), *reference))
        extra = {"images": len(sets[column.set]), "set": sets[column.set].fingerprint}
        ours.append(Column(*column.heading, values={row: distance}, mean=None, extra=extra))
    return [*published, *ours]


def moments(images: BalancedSet, extractor: nn.Module) -> tuple[Tensor, Tensor]:
    """Mean ``[D]`` and covariance ``[D,D]`` of the features of all images, float64, batch by batch."""
    import numpy as np
    import torch

    from aukit.models.niinuma2021.synthesis.synthetic_set import to_tensor

    device = "cuda" if has_gpu() else "cpu"
    features, count = extractor.to(device), len(images)
    with torch.inference_mode():
        total: Tensor | float = 0.0
        products: Tensor | float = 0.0
        for start in range(0, count, _BATCH):
            batch = to_tensor(images.images_at(np.arange(start, min(start + _BATCH, count)))).to(device)
            rows = features(batch).double()
            total, products = total + rows.sum(0), products + rows.T @ rows
        assert isinstance(total, torch.Tensor)
        mean = total / count
        covariance = (products - count * mean.outer(mean)) / (count - 1)
    return mean.cpu(), covariance.cpu()


def distance_table(
    title: str,
    columns: Sequence[Column],
    data: DataFacts,
    generators: Mapping[str, Mapping[str, Any]],
    provenance: dict[str, Any],
) -> StatisticsTable:
    """The table with its caption.

    Args:
        title: Its title.
        columns: As `distance_columns` gives them.
        data: Data origin and size.
        generators: Differences in words → configuration, see `Facts`.
        provenance: What the numbers come from.
    """
    counts = listing([f"{count:,}" for count in sorted({c.extra["images"] for c in columns if c.extra})])
    caption = [
        data_sentence(data, " Our columns show that the machinery works; they say nothing of real faces."),
        f"Distance: Fréchet, between Gaussians fitted to features of {counts} synthetic images and of as"
        f" many balanced real frames; lower is closer. {_features(columns)} One generator of each kind; no"
        " interval.",
        *generator_sentences(generators),
    ]
    return StatisticsTable(title, [FID, FRECHET], list(columns), None, caption, provenance)


def _features(columns: Sequence[Column]) -> str:
    """What the features are of, and what follows from it."""
    unstated = "whose extractor, reference and number of images are not stated"
    if any(FID in column.values for column in columns if column.extra):
        return (
            f"The features are of the reference Inception ({INCEPTION_FILE}), of images resized to 299 px."
            f" The published values, {unstated}, are of other images."
        )
    return (
        "The features are of four convolutions with fixed random weights (randomconv1), not of Inception, so"
        f" ours are no FID and do not compare with the published values, {unstated}."
    )

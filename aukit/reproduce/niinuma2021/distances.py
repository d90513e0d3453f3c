"""How far synthetic images are from real frames (§ 4.4): a Fréchet distance of other features than FID's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aukit.reproduce.captions import DataFacts, data_sentence
from aukit.reproduce.niinuma2021.caption import generator_sentences
from aukit.reproduce.niinuma2021.cells import NiinumaCells
from aukit.reproduce.options import has_gpu
from aukit.reproduce.render.statistics_table import StatisticsTable
from aukit.reproduce.render.table import Column, Heading

if TYPE_CHECKING:
    from torch import Tensor

    from aukit.store.balanced_set import BalancedSet

FID, FRECHET = "FID", "Fréchet × 1,000"
"""Rows of the table: what is published, and ours, which is no FID."""

_BATCH = 128


def distance_columns(cells: NiinumaCells, sets: Mapping[str, BalancedSet]) -> list[Column]:
    """Published FID, and the distance of every set that the table shows from the set of reference.

    Args:
        cells: The table.
        sets: Id → balanced set.
    """
    from aukit.metrics.distribution import frechet_from_moments

    reference = moments(sets[cells.spec["reference"]])
    published = [
        Column(*Heading.of(each, "published"), values={FID: each["value"]}, mean=None)
        for each in cells.spec["published"]
    ]
    ours = []
    for column in cells.columns:
        assert column.set is not None
        distance = 1000 * float(frechet_from_moments(*moments(sets[column.set]), *reference))
        extra = {"images": len(sets[column.set]), "set": sets[column.set].fingerprint}
        ours.append(Column(*column.heading, values={FRECHET: distance}, mean=None, extra=extra))
    return [*published, *ours]


def moments(images: BalancedSet) -> tuple[Tensor, Tensor]:
    """Mean ``[256]`` and covariance ``[256,256]`` of the features of all images, float64, batch by batch."""
    import numpy as np
    import torch

    from aukit.metrics.features import FixedFeatures
    from aukit.models.niinuma2021.synthesis.synthetic_set import to_tensor

    device = "cuda" if has_gpu() else "cpu"
    features, count = FixedFeatures().to(device), len(images)
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
    counts = " and ".join(f"{count:,}" for count in sorted({c.extra["images"] for c in columns if c.extra}))
    caption = [
        data_sentence(data, " Our columns show that the machinery works; they say nothing of real faces."),
        f"Distance: Fréchet, between Gaussians fitted to features of {counts} synthetic images and of as"
        " many balanced real frames; lower is closer. The features are of four convolutions with fixed random"
        " weights (randomconv1), not of Inception, so ours are no FID and do not compare with the published"
        " values, whose extractor, reference and number of images are not stated. One generator of each kind;"
        " no interval.",
        *generator_sentences(generators),
    ]
    return StatisticsTable(title, [FID, FRECHET], list(columns), None, caption, provenance)

"""How strong an alignment is beside the source loss: what the rule for its weight compares."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import cycle, islice
from typing import Any

import torch

from aukit.models.pm2.module import PM2Module

__all__ = ["gradient_norms"]

CLASSIFIER_STEPS = 100
"""Steps of Adam (rate 0.01) that a domain classifier has before it is measured; features are fixed."""


def gradient_norms(module: PM2Module, batches: Iterable[dict[str, Any]]) -> tuple[float, float]:
    """Norms of the gradients that the source loss and the unweighted alignment have at the module's weights.

    Both are with respect to the backbone's parameters, of the losses as step A has them, batch by batch; the
    mean over the batches is returned. A domain classifier of "dann" starts at random, where its gradient
    means nothing, so it is trained on the batches first, and its gradient comes back whole (reversal 1).
    Running statistics and the classifier change; the other weights stay. Cost: a step A and a half per batch.

    Args:
        module: With a method that aligns features, on the batches' device.
        batches: As `PairedDataModule` gives them after the transfer; all are held in memory.

    Returns:
        Norm of the source loss's gradient, and of the alignment's.

    Raises:
        ValueError: The method aligns nothing, or there is no batch.
    """
    if module.method.alignment == "none":
        raise ValueError("the method aligns nothing")
    if not (given := list(batches)):
        raise ValueError("gradients need a batch at least")
    module.train()
    if module.domain is not None:
        optimizer = torch.optim.Adam(module.domain.parameters(), lr=1e-2)
        for batch in islice(cycle(given), CLASSIFIER_STEPS):
            optimizer.zero_grad()
            classifier = list(module.domain.parameters())
            torch.autograd.backward(module.terms(batch)["alignment"], inputs=classifier)
            optimizer.step()
    norms = [_norms(module, batch) for batch in given]
    source, alignment = (math.fsum(each) / len(norms) for each in zip(*norms, strict=True))
    return source, alignment


def _norms(module: PM2Module, batch: dict[str, Any]) -> tuple[float, float]:
    terms = module.terms(batch)
    parameters = [p for p in module.network.backbone.parameters() if p.requires_grad]
    source, alignment = (
        torch.autograd.grad(terms[name], parameters, retain_graph=name == "source", allow_unused=True)
        for name in ("source", "alignment")
    )
    return _length(source), _length(alignment)


def _length(gradients: tuple[torch.Tensor | None, ...]) -> float:
    return math.sqrt(math.fsum(float(g.double().square().sum()) for g in gradients if g is not None))

"""Selecting a model without target labels: criteria of its predictions on unlabelled target frames."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from aukit.models.pm2.losses import binary_entropy

__all__ = ["TargetCriteria", "information", "soft_neighborhood_density"]


def information(probabilities: Tensor) -> Tensor:
    """Mutual information of frames and predictions: H(mean p) − mean H(p), mean over action units, in nats.

    High where single frames are decided and an action unit is neither always nor never present. Source: Shi
    and Sha, ICML 2012; as a criterion of selection: Musgrave et al., arXiv 2208.07360. There with softmax.

    Args:
        probabilities: ``[N,A]``.

    Returns:
        A scalar in [0, log 2]; NaN without frames.
    """
    return (binary_entropy(probabilities.mean(dim=0)) - binary_entropy(probabilities).mean(dim=0)).mean()


def soft_neighborhood_density(probabilities: Tensor, temperature: float = 0.05) -> Tensor:
    """Mean entropy of each frame's similarities to the others, in nats (Saito et al., ICCV 2021).

    High where predictions form dense clusters. A frame's vector is (p, 1−p) over the action units, of length
    1; there it is the softmax. Cost: O(N² A).

    Args:
        probabilities: ``[N,A]``.
        temperature: Of the softmax over similarities.

    Returns:
        A scalar in [0, log(N−1)]; NaN with fewer than two frames.
    """
    if len(probabilities) < 2:
        return probabilities.new_full((), math.nan)
    vectors = F.normalize(torch.cat([probabilities, 1 - probabilities], dim=1))
    similarity = vectors @ vectors.T / temperature
    similarity.fill_diagonal_(-math.inf)
    share = similarity.softmax(dim=1)
    return -torch.xlogy(share, share).sum(dim=1).mean()


class TargetCriteria(Metric):
    """Both criteria over all frames of an epoch, the same for any batches and any processes.

    ``update(rows [B], probabilities [B,A])``.

    Args:
        most: Frames that the neighbourhood density looks at: evenly spaced ones where there are more.
        **kwargs: For ``torchmetrics.Metric``.
    """

    full_state_update = False
    rows: list[Tensor] | Tensor  # a tensor once processes have put theirs together
    probabilities: list[Tensor] | Tensor

    def __init__(self, most: int = 4096, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.most = most
        self.add_state("rows", [], dist_reduce_fx="cat")
        self.add_state("probabilities", [], dist_reduce_fx="cat")

    def update(self, rows: Tensor, probabilities: Tensor) -> None:
        """Keep a batch."""
        assert isinstance(self.rows, list)
        assert isinstance(self.probabilities, list)
        self.rows.append(rows)
        self.probabilities.append(probabilities.detach().float())

    def compute(self) -> dict[str, Tensor]:
        """``information`` and ``snd``."""
        order = dim_zero_cat(self.rows).argsort()  # processes deliver their frames in any order
        frames = dim_zero_cat(self.probabilities)[order]
        some = torch.linspace(0, len(frames) - 1, min(self.most, len(frames)), device=frames.device).long()
        return {"information": information(frames), "snd": soft_neighborhood_density(frames[some])}

"""An image network with a linear head: one decision per action unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from aukit.models.components.backbones import Backbone
from aukit.models.components.detection_module import DetectionModule
from aukit.models.components.lr_schedule import Schedule
from aukit.utils.bounds import NonNegativeInt, PositiveFloat

__all__ = ["MultilabelModule"]


class MultilabelModule(DetectionModule):
    """timm backbone, global features, a linear layer; every part trained with AdamW.

    The score is the logit: above 0, that is from a probability of one half on, the action unit is present.
    Logged and written is what every `DetectionModule` logs and writes.

    Args:
        aus: Action units, in the order of the label columns.
        backbone: timm's name of the image network.
        options: Further arguments of the timm model.
        weights: File of the backbone's weights with timm's keys, e.g. of ImageNet; None or "random" for
            random weights.
        backbone_lr: Learning rate of the backbone; None for ``lr``.
        schedule: "cosine" down to 3 % over the run, or "constant".
        warmup_steps: Steps in which the learning rate rises linearly.
        training: Further options: see `DetectionModule`.

    Example:
        >>> module = MultilabelModule(aus=(6, 12), backbone="resnet10t", options={"channels": [4, 4, 8, 8]})
        >>> module(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 2])
    """

    def __init__(
        self,
        aus: Sequence[int] = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24),
        backbone: str = "resnet50",
        options: Mapping[str, Any] | None = None,
        weights: str | None = None,
        backbone_lr: PositiveFloat | None = None,
        schedule: Schedule = "cosine",
        warmup_steps: NonNegativeInt = 50,
        **training: Any,
    ) -> None:
        super().__init__(aus, schedule=schedule, warmup_steps=warmup_steps, **training)
        self.backbone = Backbone(backbone, weights, options)
        self.head = nn.Linear(self.backbone.features, len(aus))

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[B,A]`` of crops ``[B,3,S,S]`` in [0,1]."""
        logits: Tensor = self.head(self.backbone(images))
        return logits

    def scores(self, batch: dict[str, Any]) -> Tensor:
        """Logits ``[B,A]``."""
        logits: Tensor = self(batch["image"])
        return logits.float()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW with a group for the backbone and one for the head."""
        return self.adamw((self.backbone, self.hparams["backbone_lr"]), (self.head, None))

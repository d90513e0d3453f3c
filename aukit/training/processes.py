"""How several processes train one model: global layers, and the strategy that a model needs."""

from __future__ import annotations

from typing import Any

from lightning.pytorch.plugins.layer_sync import LayerSync
from torch import nn

from aukit.models.components.global_layers import with_global_layers, with_local_layers

__all__ = ["GlobalLayers", "strategy_of"]


class GlobalLayers(LayerSync):
    """Plugin of a trainer: batch norm and dropout of the rows of all processes while it fits.

    Example:
        >>> from lightning import Trainer
        >>> trainer = Trainer(devices=2, accelerator="cpu", strategy="ddp", plugins=[GlobalLayers()],
        ...                   logger=False, enable_progress_bar=False)
        >>> trainer.world_size
        2
    """

    def apply(self, model: nn.Module) -> nn.Module:
        """Turn the layers; see `aukit.models.components.global_layers`."""
        return with_global_layers(model)

    def revert(self, model: nn.Module) -> nn.Module:
        """Turn them back."""
        return with_local_layers(model)


def strategy_of(model: Any) -> str:
    """What ``trainer.strategy=auto`` means for a model on several processes.

    A model whose steps leave out some of its networks says so by ``leaves_out_networks = True``.
    """
    return "ddp_find_unused_parameters_true" if getattr(model, "leaves_out_networks", False) else "ddp"

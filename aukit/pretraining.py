"""Self-supervised pre-training of any image network: predict the principal components of the faces.

A plain autoencoder learns the tone of a face first, since that is most of its error, and expression last. The
whitened principal components of registered faces weigh a component that carries a smile as much as one that
carries brightness, so a network that predicts them must see both. No label takes part.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.nn import functional as F

from aukit.errors import ConfigError

__all__ = ["PCAModule", "PCATargets", "cosine_rate"]

_SIDE = 32  # of the picture whose components are taken
_FITTED = 6000  # faces
_LUMA = (0.299, 0.587, 0.114)
#: Centre and half axes of the face in the FFHQ square, as shares of its side, below the hair.
_FACE = (0.5, 0.6, 0.24, 0.3)


class PCATargets(nn.Module):
    """Whitened principal components of the luminance inside the face, light and contrast taken out.

    A picture is reduced to 32², weighted by a soft ellipse around brows to chin (the FFHQ square puts them in
    one place) and standardised under it.

    Args:
        components: Number of components.
    """

    mean: Tensor
    basis: Tensor
    window: Tensor

    def __init__(self, components: int = 192) -> None:
        super().__init__()
        self.components = components
        x0, y0, a, b = _FACE
        place = (torch.arange(_SIDE) + 0.5) / _SIDE
        radius = torch.hypot((place[None] - x0) / a, (place[:, None] - y0) / b)
        self.register_buffer("window", torch.sigmoid((1 - radius) * 8))
        self.register_buffer("mean", torch.zeros(_SIDE**2))
        self.register_buffer("basis", torch.zeros(components, _SIDE**2))

    def fit(self, images: npt.NDArray[np.uint8]) -> None:
        """Take mean and components of faces uint8 [N,S,S,3], of at most 6,000 evenly spread ones; 2 s.

        Raises:
            ConfigError: There are no more faces than components.
        """
        rows = np.linspace(0, len(images) - 1, min(len(images), _FITTED)).astype(np.int64)
        if len(rows) <= self.components:
            raise ConfigError(f"{len(rows)} faces have fewer than {self.components} principal components")
        parts = [torch.from_numpy(np.array(images[part])) for part in np.array_split(rows, -(-len(rows) // 500))]
        pixels = torch.cat([self._pixels(part.permute(0, 3, 1, 2).float() / 255) for part in parts])
        self.mean.copy_(pixels.mean(0))
        values, vectors = torch.linalg.eigh((pixels - self.mean).T.double().cov())
        scale = values.flip(0)[: self.components].clamp(min=1e-8).rsqrt()
        self.basis.copy_(vectors.flip(1).T[: self.components] * scale[:, None])

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Components ``[B,K]`` of faces ``[B,3,S,S]`` in [0,1], of unit variance over the fitted faces."""
        return (self._pixels(images) - self.mean) @ self.basis.T

    def _pixels(self, images: Tensor) -> Tensor:
        luma = torch.einsum("bchw,c->bhw", images.float(), images.new_tensor(_LUMA))
        luma = F.interpolate(luma[:, None], size=(_SIDE, _SIDE), mode="area")[:, 0]
        share = self.window / self.window.sum()
        luma = luma - (luma * share).sum((1, 2), keepdim=True)
        spread = (luma.square() * share).sum((1, 2), keepdim=True).sqrt() + 0.02
        return (luma / spread * self.window).flatten(1)


class PCAModule(LightningModule):
    """Pre-train a network to predict a face's principal components from a blurred, noisy view of it.

    Trains on batches with ``image`` and ``target`` ``[B,3,S,S]`` in [0,1] of a datamodule whose training
    faces are ``images[train_rows]`` (`aukit.data.AvatarFacesDataModule`). Logged: ``train/loss``, and
    ``val/explained``, the share of the components' variance that is predicted on held-out avatars (1 is all,
    0 is none).

    Args:
        network: Images ``[B,3,S,S]`` in [0,1] → ``[B,F]``, with F as ``features``; e.g. `Backbone`.
        components: Number of components.
        lr: AdamW's learning rate, with cosine decay to 3 % over the run.
        weight_decay: AdamW's.
        warmup_steps: Steps in which the rate rises.
    """

    def __init__(
        self,
        network: nn.Module,
        components: int = 192,
        lr: float = 2e-3,
        weight_decay: float = 1e-4,
        warmup_steps: int = 50,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(ignore=["network"])
        self.network = network
        self.targets = PCATargets(components)
        self.head = nn.Linear(int(network.features), components)  # type: ignore[arg-type]
        self._sums: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        """Predicted components ``[B,K]`` of images ``[B,3,S,S]`` in [0,1]."""
        components: Tensor = self.head(self.network(images))
        return components

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW."""
        hp = self.hparams
        parameters = [*self.network.parameters(), *self.head.parameters()]
        return torch.optim.AdamW(parameters, lr=hp["lr"], weight_decay=hp["weight_decay"])

    def on_fit_start(self) -> None:
        """Take the components of the training faces, unless a checkpoint has them."""
        if not bool(self.targets.basis.any()):
            data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
            self.targets.fit(data.images[data.train_rows])

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Squared error of the components."""
        factor = cosine_rate(self, self.hparams["warmup_steps"])
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = self.hparams["lr"] * factor
        loss = F.mse_loss(self(batch["image"]), self.targets(batch["target"]))
        self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Sums of squares."""
        target = self.targets(batch["target"])
        error = (self(batch["image"]) - target).square().sum()
        self._sums.append(torch.stack([error, target.square().sum()]))

    def on_validation_epoch_end(self) -> None:
        """Log the share that is explained."""
        error, whole = self.all_gather(torch.stack(self._sums).sum(0)).reshape(-1, 2).sum(0)  # type: ignore[union-attr]
        self._sums = []
        self.log("val/explained", 1 - error / whole, prog_bar=True)


def cosine_rate(module: LightningModule, warmup_steps: int, final: float = 0.03) -> float:
    """Factor of the learning rate now: a linear rise, then half a cosine down to `final` over the run.

    Raises:
        ConfigError: The run has no end.
    """
    total = float(module.trainer.estimated_stepping_batches)
    if not math.isfinite(total):
        raise ConfigError("the cosine schedule goes over the whole run: set trainer.max_epochs")
    step = module.trainer.global_step
    rise = min(1.0, (step + 1) / max(1, warmup_steps))
    fall = 0.5 * (1 + math.cos(math.pi * min(1.0, step / max(1.0, total))))
    return rise * (final + (1 - final) * fall)

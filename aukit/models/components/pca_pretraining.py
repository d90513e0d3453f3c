"""Self-supervised pre-training of any image network: predicting the principal components of faces.

A plain autoencoder learns the tone of a face first, since that is most of its error, and expression last.
Among whitened principal components of registered faces, one that carries a smile counts as much as one that
carries brightness, so a network that predicts them must represent both. No label is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.nn import functional as F

from aukit.errors import ConfigError
from aukit.models.components.losses import single_precision, without_autocast
from aukit.models.components.lr_schedule import set_learning_rates
from aukit.models.components.processes import global_mean, log_of_all
from aukit.utils.bounds import NonNegativeInt, PositiveFloat, PositiveInt

__all__ = ["HEAD_RATE", "PCAModule", "PCATargets"]

HEAD_RATE = 0.25
"""Learning rate of the head that reads the components, as a share of the network's."""

_SIDE = 32  # of the picture whose components are taken
_FITTED = 4000  # faces
_WEIGHT_DECAY = 1e-4
_LUMA = (0.299, 0.587, 0.114)
#: Centre and half axes of the face in the FFHQ square, as shares of its side, below the hair.
_FACE = (0.5, 0.6, 0.24, 0.3)


class PCATargets(nn.Module):
    """Whitened principal components of the luminance inside the face, with brightness and contrast removed.

    A picture is reduced to 32², weighted by a soft ellipse around brows to chin (which the FFHQ square puts
    in fixed places) and standardised under it.

    Args:
        components: Number of components.
    """

    mean: Tensor
    basis: Tensor
    window: Tensor

    def __init__(self, components: int = 64) -> None:
        super().__init__()
        self.components = components
        x0, y0, a, b = _FACE
        place = (torch.arange(_SIDE) + 0.5) / _SIDE
        radius = torch.hypot((place[None] - x0) / a, (place[:, None] - y0) / b)
        self.register_buffer("window", torch.sigmoid((1 - radius) * 8))
        self.register_buffer("mean", torch.zeros(_SIDE**2))
        self.register_buffer("basis", torch.zeros(components, _SIDE**2))

    def fit(self, batches: Iterable[Tensor]) -> None:
        """Compute mean and components of faces ``[B,3,S,S]`` in [0,1]; 2 s for 4,000.

        They must be augmented like the faces whose components will be predicted: a face that is moved by a
        pixel lies far outside the components of unmoved faces.

        Raises:
            ConfigError: There are no more faces than components.
        """
        pixels = torch.cat([self._pixels(images) for images in batches])
        if len(pixels) <= self.components:
            raise ConfigError(f"{len(pixels)} faces have fewer than {self.components} principal components")
        self.mean.copy_(pixels.mean(0))
        values, vectors = torch.linalg.eigh((pixels - self.mean).T.double().cov())
        scale = values.flip(0)[: self.components].clamp(min=1e-8).rsqrt()
        self.basis.copy_(vectors.flip(1).T[: self.components] * scale[:, None])

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Components ``[B,K]`` of faces ``[B,3,S,S]`` in [0,1], of unit variance over the fitted faces."""
        with without_autocast(images.device):
            return (self._pixels(images) - self.mean) @ self.basis.T

    def _pixels(self, images: Tensor) -> Tensor:
        images = single_precision(images)
        luma = torch.einsum("bchw,c->bhw", images, images.new_tensor(_LUMA))
        luma = F.interpolate(luma[:, None], size=(_SIDE, _SIDE), mode="area")[:, 0]
        share = self.window / self.window.sum()
        luma = luma - (luma * share).sum((1, 2), keepdim=True)
        spread = (luma.square() * share).sum((1, 2), keepdim=True).sqrt() + 0.02
        return (luma / spread * self.window).flatten(1)


class PCAModule(LightningModule):
    """Pre-train a network to predict a face's principal components from a blurred, noisy view of it.

    Trains on batches with ``image`` and ``target`` ``[B,3,S,S]`` in [0,1] of an
    `aukit.datamodules.AvatarFacesDataModule`. Logged: ``train/loss``, and
    ``val/explained``, the share of the components' variance that is predicted on held-out avatars (1 is all,
    0 is none).

    Args:
        network: Images ``[B,3,S,S]`` in [0,1] → ``[B,F]``, with F as ``features``; e.g. `Backbone`.
        components: Number of components.
        lr: AdamW's learning rate, with cosine decay to 3 % over the run.
        warmup_steps: Steps in which the rate rises.
    """

    def __init__(
        self,
        network: nn.Module,
        components: PositiveInt = 64,
        lr: PositiveFloat = 2e-3,
        warmup_steps: NonNegativeInt = 50,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(ignore=["network"])
        self.network = network
        self.targets = PCATargets(components)
        self.head = nn.Linear(int(network.features), components)  # type: ignore[arg-type]
        # Starts at the mean face and learns slowly: each of its many inputs moves all of its outputs.
        nn.init.zeros_(self.head.weight)
        self._sums: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        """Predicted components ``[B,K]`` of images ``[B,3,S,S]`` in [0,1]."""
        components: Tensor = self.head(self.network(images))
        return components

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW."""
        hp = self.hparams
        groups = [
            {"params": list(self.network.parameters()), "full_lr": hp["lr"]},
            {"params": list(self.head.parameters()), "full_lr": HEAD_RATE * hp["lr"]},
        ]
        groups = [{**group, "lr": group["full_lr"]} for group in groups]
        return torch.optim.AdamW(groups, weight_decay=_WEIGHT_DECAY)

    def on_fit_start(self) -> None:
        """Compute the components of the training faces, unless a checkpoint gives them."""
        if not bool(self.targets.basis.any()):
            self.targets.fit(faces.to(self.device) for faces in self.training_faces(_FITTED))

    def training_faces(self, count: int) -> Iterator[Tensor]:
        """About `count` faces ``[B,3,S,S]`` in [0,1] as training shows them, from its first batches on."""
        dataset, sampler = self.trainer.datamodule.train_batches()  # type: ignore[attr-defined]
        dtype = torch.float64 if self.dtype == torch.float64 else torch.float32
        step = 0
        while count > 0:
            faces = dataset[sampler.batch(*divmod(step, len(sampler)))]["target"].to(dtype) / 255
            yield faces
            count -= len(faces)
            step += 1

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Squared error of the components."""
        self.set_rates()
        loss = F.mse_loss(self(batch["image"]), self.targets(batch["target"]))
        self.log("train/loss", global_mean(loss.detach()), prog_bar=True)
        return loss

    def set_rates(self) -> None:
        """Give every group of parameters its share of its full rate."""
        set_learning_rates(self, self.hparams["warmup_steps"])

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Add the squared errors, and the squares of the components."""
        target = self.targets(batch["target"])
        error = (self(batch["image"]) - target).square().sum()
        self._sums.append(torch.stack([error, target.square().sum()]))

    def on_validation_epoch_end(self) -> None:
        """Log the share of the variance that is explained."""
        error, whole = self.all_gather(torch.stack(self._sums).sum(0)).reshape(-1, 2).sum(0)  # type: ignore[union-attr]
        self._sums = []
        log_of_all(self, {"val/explained": 1 - error / whole}, prog_bar=True)

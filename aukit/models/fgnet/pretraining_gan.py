"""Adversarial training of StyleGAN2 (Karras et al., CVPR 2020) on unlabelled faces."""

from __future__ import annotations

import copy
import math
from typing import Any, cast

import torch
from lightning import LightningModule
from torch import Tensor
from torch.nn import functional as F

from aukit.metrics import kernel_distance
from aukit.metrics.features import FixedFeatures
from aukit.models.components.pictures import save_picture, tiled
from aukit.models.components.processes import (
    all_rows,
    draw_rows,
    first_drawn,
    global_mean,
    global_sum,
    log_of_all,
    normal_rows,
)
from aukit.models.components.training import LatestLosses, is_logged
from aukit.models.fgnet.augment_gan import augment
from aukit.models.fgnet.discriminator import StyleGAN2Discriminator
from aukit.models.fgnet.stylegan2 import StyleGAN2Generator
from aukit.utils.bounds import PositiveFloat, PositiveInt

__all__ = ["StyleGAN2Module", "path_lengths", "r1_penalty"]

_SHOWN = 16
_LR = 2e-3  # Adam's, of both networks
_PATH_WEIGHT = 2.0
_MIXING = 0.9  # chance that a face mixes the styles of two codes
_PATH_DECAY = 0.01  # of the running mean of the path lengths
_ADAPT_EVERY = 4  # steps


class StyleGAN2Module(LightningModule):
    """Non-saturating logistic loss, lazy R1, lazy path-length regularisation, moving average of the weights.

    Steps alternate: discriminator, then generator. Every `r1_every` steps the discriminator's gradient at
    real images is penalised, every `path_every` steps the generator's path lengths, each in a step of Adam of
    its own and with the weight that makes up for its rarity; rates and betas are those of the paper for that
    (exponents k/(k+1)). With an `augment_target` the discriminator sees all images through `augment`, with a
    probability that keeps the mean sign of the logits of real images there (Karras et al., NeurIPS 2020).

    Training needs ``target`` ``[B,3,S,S]`` in [0,1]. Logged: ``train/d_loss``, ``train/g_loss``,
    ``train/r1``, ``train/path_length``, ``train/augment``, and ``val/kernel_distance`` of the average
    generator's faces to held-out ones on `FixedFeatures`. At the end of each epoch a picture of the average
    generator's faces goes to ``samples/`` in the run's folder.

    Args:
        size: Side of the images; those of the data are reduced to it.
        style_dim: Width of a code.
        n_mlp: Layers of the mapping network.
        channel_multiplier: Width of the maps of both networks.
        max_channels: Upper bound of their channels.
        r1_every: Steps between penalties.
        path_every: Steps between penalties of the path lengths.
        average_images: Images after which a weight has lost half its influence on the moving average.
        augment_target: Wanted mean sign of the logits of real images, 0.6 in the paper; 0: no augmentation.
        augment_images: Images in which the probability could go from 0 to 1.

    Example:
        >>> small = {"style_dim": 16, "n_mlp": 1, "channel_multiplier": 0.03125, "max_channels": 16}
        >>> module = StyleGAN2Module(size=16, **small)
        >>> module(torch.randn(2, 16)).shape
        torch.Size([2, 3, 16, 16])
    """

    path_mean: Tensor
    augment_probability: Tensor
    signs: Tensor

    #: Steps that leave out a network; see `aukit.training.processes.strategy_of`.
    leaves_out_networks = True

    def __init__(
        self,
        size: PositiveInt = 1024,
        style_dim: PositiveInt = 512,
        n_mlp: PositiveInt = 8,
        channel_multiplier: PositiveFloat = 2.0,
        max_channels: PositiveInt = 512,
        r1_every: PositiveInt = 16,
        path_every: PositiveInt = 8,
        average_images: PositiveFloat = 10_000,
        augment_target: float = 0.0,
        augment_images: PositiveInt = 500_000,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.automatic_optimization = False
        self.generator = StyleGAN2Generator(size, style_dim, n_mlp, channel_multiplier, max_channels)
        self.discriminator = StyleGAN2Discriminator(size, channel_multiplier, max_channels)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self._features: list[tuple[Tensor, Tensor]] = []
        self._losses = LatestLosses()
        self.register_buffer("path_mean", torch.zeros(()))
        self.register_buffer("augment_probability", torch.zeros(()))
        self.register_buffer("signs", torch.zeros(2))  # sum and number since the last adaptation

    def forward(self, z: Tensor) -> Tensor:
        """Faces ``[B,3,size,size]`` in [0,1] of codes ``[B,style_dim]``, by the average generator."""
        w = self.average.mapping(z)[:, None].expand(-1, self.average.n_latent, -1)
        image: Tensor = self.average(w)
        return ((image + 1) / 2).clamp(0, 1)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam for the discriminator and for the generator."""
        hp = self.hparams
        optimizers: list[torch.optim.Optimizer] = []
        for network, every in ((self.discriminator, hp["r1_every"]), (self.generator, hp["path_every"])):
            lazy = every / (every + 1)
            optimizers.append(torch.optim.Adam(network.parameters(), _LR * lazy, betas=(0.0, 0.99**lazy)))
        return optimizers

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """A step of each network, and their penalties when due."""
        hp = self.hparams
        step = self.trainer.global_step // 2  # two optimizers count
        optimizers: Any = self.optimizers()
        real = _reduced(2 * batch["target"] - 1, hp["size"])

        self.generator.requires_grad_(False)
        self.discriminator.requires_grad_(True)
        fake = self._fakes(len(real))
        real_logits = self.discriminator(self._seen(real))
        loss = F.softplus(self.discriminator(self._seen(fake))).mean() + F.softplus(-real_logits).mean()
        self._step(optimizers[0], loss)
        self.log("train/d_loss", global_mean(loss.detach()), prog_bar=True)
        self._adapt(real_logits.detach(), step)
        if step % hp["r1_every"] == 0:
            penalty = r1_penalty(self.discriminator, self._seen(real)).mean()
            self._losses.update({"train/r1": penalty})
            self._penalty_step(optimizers[0], 0.5 * self._gamma(len(real)) * hp["r1_every"] * penalty)

        self.discriminator.requires_grad_(False)
        self.generator.requires_grad_(True)
        loss = F.softplus(-self.discriminator(self._seen(self._fakes(len(real))))).mean()
        self._step(optimizers[1], loss)
        self.log("train/g_loss", global_mean(loss.detach()), prog_bar=True)
        if step % hp["path_every"] == 0:
            w = self._styles(max(1, len(real) // 2))
            lengths = path_lengths(self.generator(w, random_noise=True), w)
            self.path_mean.lerp_(global_mean(lengths.detach()), _PATH_DECAY)
            penalty = (lengths - self.path_mean).square().mean()
            self._penalty_step(optimizers[1], _PATH_WEIGHT * hp["path_every"] * penalty)
        self.discriminator.requires_grad_(True)
        self._move_average(len(real) * self.trainer.world_size)
        if is_logged(self, step):
            held = {"train/path_length": self.path_mean, "train/augment": self.augment_probability}
            self.log_dict(self._losses.averaged(self.device) | held)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the latest penalty."""
        self._losses.save(checkpoint, self.device)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with it."""
        self._losses.load(checkpoint)

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Features of held-out faces and of as many drawn ones."""
        style = (self.hparams["style_dim"],)
        real = _reduced(2 * batch["target"] - 1, self.hparams["size"])
        drawn = self(first_drawn(lambda rows: torch.randn(rows, *style, device=self.device), real))
        extractor = FixedFeatures().to(self.device)
        self._features.append((extractor(real), extractor(2 * drawn - 1)))

    def on_validation_epoch_end(self) -> None:
        """Log the kernel distance."""
        real, drawn = (all_rows(torch.cat(part)) for part in zip(*self._features, strict=True))
        self._features = []
        distance = torch.tensor(kernel_distance(drawn, real), device=self.device)
        log_of_all(self, {"val/kernel_distance": distance}, prog_bar=True)

    def on_train_epoch_end(self) -> None:
        """Save a picture of faces of the average generator."""
        if not self.trainer.is_global_zero:
            return
        codes = torch.Generator().manual_seed(0)
        z = torch.randn(_SHOWN, self.hparams["style_dim"], generator=codes).to(self.path_mean)
        with torch.no_grad():
            faces = self(z).unflatten(0, (-1, 4))
        save_picture(self, "samples", tiled(list(faces)))

    def _styles(self, count: int) -> Tensor:
        """W+ codes ``[B,n_latent,style_dim]`` of random z, some of two z with a crossover between."""
        network = self.generator
        z = draw_rows(
            lambda rows: torch.randn(2, rows, network.style_dim, device=self.device).transpose(0, 1), count
        ).transpose(0, 1)
        w = network.mapping(z)[:, :, None].expand(-1, -1, network.n_latent, -1)
        crossover = draw_rows(
            lambda rows: torch.randint(1, network.n_latent, (rows, 1), device=self.device), count
        )
        mixed = draw_rows(lambda rows: torch.rand(rows, 1, device=self.device), count) < _MIXING
        second = mixed & (torch.arange(network.n_latent, device=self.device) >= crossover)
        return torch.where(second[..., None], w[1], w[0])

    def _fakes(self, count: int) -> Tensor:
        image: Tensor = self.generator(self._styles(count), random_noise=True)
        return image

    def _seen(self, images: Tensor) -> Tensor:
        """Images as the discriminator sees them."""
        if not self.hparams["augment_target"]:
            return images
        return augment(images, float(self.augment_probability))

    def _gamma(self, batch: int) -> float:
        """γ of ½γ·E‖∇D‖²: the size's own, after the paper on adaptive augmentation."""
        return 0.0002 * float(self.hparams["size"]) ** 2 / (batch * self.trainer.world_size)

    def _step(self, optimizer: Any, loss: Tensor) -> None:
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()

    def _penalty_step(self, optimizer: Any, loss: Tensor) -> None:
        """An optimizer step that Lightning does not count as a training step."""
        optimizer.zero_grad()
        self.manual_backward(loss)
        plain = cast(torch.optim.Optimizer, optimizer.optimizer)
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        if scaler is None:
            plain.step()
        else:  # precision 16-mixed: the gradients are scaled, and may have overflowed
            scaler.step(plain)
            scaler.update()

    def _adapt(self, logits: Tensor, step: int) -> None:
        """Move the probability of augmentation towards the wanted sign of the logits of real images."""
        hp = self.hparams
        if not hp["augment_target"]:
            return
        self.signs += global_sum(torch.stack([logits.sign().sum(), torch.ones_like(logits).sum()]))
        if (step + 1) % _ADAPT_EVERY == 0:
            total, number = self.signs
            change = torch.sign(total / number - hp["augment_target"]) * number / hp["augment_images"]
            self.augment_probability.add_(change).clamp_(0, 1)
            self.signs.zero_()

    @torch.no_grad()
    def _move_average(self, images: int) -> None:
        keep = math.pow(0.5, images / self.hparams["average_images"])
        for ours, theirs in zip(self.average.parameters(), self.generator.parameters(), strict=True):
            ours.lerp_(theirs, 1 - keep)


def r1_penalty(discriminator: torch.nn.Module, real: Tensor) -> Tensor:
    """‖∇D(x)‖² of each real image (Mescheder et al., ICML 2018): ``[B]``, differentiable.

    Args:
        discriminator: ``[B,3,S,S]`` → ``[B]``.
        real: ``[B,3,S,S]``.
    """
    real = real.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(discriminator(real).sum(), real, create_graph=True)
    return gradient.square().sum((1, 2, 3))


def path_lengths(images: Tensor, w: Tensor) -> Tensor:
    """‖Jᵀy‖ for random images y: how far a step in W moves the face (paper, §3.2); ``[B]``, differentiable.

    Args:
        images: ``[B,3,S,S]`` drawn from `w`.
        w: ``[B,n_latent,style_dim]``, not cut off from the graph; the norm is the mean over its rows.
    """
    size = images.shape[-1]
    noise = normal_rows(*images.shape, like=images) / size
    (gradient,) = torch.autograd.grad((images * noise).sum(), w, create_graph=True)
    return gradient.square().sum(2).mean(1).sqrt()


def _reduced(images: Tensor, size: int) -> Tensor:
    return images if images.shape[-1] == size else F.interpolate(images, size=(size, size), mode="area")

"""Inversion: an encoder and a generator that reconstruct the encoder's input face (pSp, arXiv 2008.00951).

`Inverter` is FG-Net without its interpreter. `InversionModule` trains it on unlabelled faces: either the
encoder for a fixed generator, as published, or both together, which needs no adversarial training beforehand.
The small weights that come with the project were made in the latter way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from aukit.errors import ConfigError, TrainingError
from aukit.models.components.pca_pretraining import HEAD_RATE, PCAModule
from aukit.models.components.pictures import save_picture, tiled
from aukit.models.components.processes import all_rows, averaged, global_batch, log_of_all, place
from aukit.models.fgnet.encoder import GradualStyleEncoder, StyleHead
from aukit.models.fgnet.networks import StyleNetwork
from aukit.models.fgnet.weights import load_weights
from aukit.utils.bounds import NonNegativeFloat, NonNegativeInt, PositiveInt

__all__ = ["InversionModule", "Inverter", "effective_dimensions", "gradient_distance", "mouth"]

_SCALES = 3
#: Rows and columns of the mouth in the FFHQ square, as shares of its side.
_MOUTH = (0.66, 0.86, 0.34, 0.66)
_SHOWN = 8
LOSS_WEIGHTS = {"pixel": 1.0, "gradient": 2.0, "latent": 0.01, "pca": 0.3}
"""Weights of the terms of the loss of `InversionModule`; our choice."""
#: Errors in the ellipse from brows to chin are weighted 1 plus this, those outside 1.
_FOCUS = 3.0


class Inverter(StyleNetwork):
    """Encoder, mapping and synthesis of an `FGNet`, to reconstruct the input.

    Args:
        weights: Files of weights to start from, as in `FGNetModule`.
        sizes: Sizes of encoder and generator, see `StyleNetwork`.

    Example:
        >>> inverter = Inverter(image_size=32, size=16, style_dim=16, n_mlp=1, channel_multiplier=0.03125,
        ...                     max_channels=16, encoder_widths=(8, 8, 8, 16, 16), encoder_units=(1, 1, 1, 1))
        >>> inverter.draw(inverter.codes(torch.rand(1, 3, 32, 32))).shape
        torch.Size([1, 3, 16, 16])
    """

    def __init__(self, weights: Sequence[str] = (), **sizes: Any) -> None:
        super().__init__(**sizes)
        self.features = self.latent_avg.numel()
        load_weights(self, *weights)

    def forward(self, images: Tensor) -> Tensor:
        """Codes as the mapping network sees them, each of unit mean square: ``[B,n_latent·style_dim]``.

        Args:
            images: ``[B,3,S,S]`` in [0,1].
        """
        normalised: Tensor = self.g_all.style[0](self.codes(images))
        return normalised.flatten(1)

    def codes(self, images: Tensor) -> Tensor:
        """W+ codes ``[B,n_latent,style_dim]`` of images ``[B,3,S,S]`` in [0,1], mean code added."""
        return self.encode(2 * images - 1) + self.latent_avg

    @torch.no_grad()
    def standardise(self, images: Tensor) -> None:
        """Scale and shift the encoder's last layers so that these images' codes have mean 0 and variance 1.

        A random encoder's codes hardly differ: without this a training starts with almost equal codes.

        Args:
            images: ``[B,3,S,S]`` in [0,1], the same on all processes.
        """
        if not isinstance(self.pspencoder, GradualStyleEncoder):
            raise ConfigError("model.standardise is made for the published encoder; set it to false")
        rank, processes = place()
        share = len(images) // processes  # each encodes its own: the encoder's norms see all of them together
        codes = global_batch(self.codes(images[rank * share : (rank + 1) * share]))
        mean, spread = codes.mean(0), codes.std(dim=0) + 1e-6
        for head, centre, scale in zip(self.pspencoder.styles, mean, spread, strict=True):
            linear = cast(StyleHead, head).linear
            linear.bias.sub_(centre).div_(scale)
            linear.weight.div_(scale[:, None])

    def draw(self, codes: Tensor) -> Tensor:
        """Images ``[B,3,size,size]``, about [0,1], of codes; the mapping network takes them row by row."""
        image: Tensor = self.g_all(self.g_all.mapping(codes))
        return (image + 1) / 2


class InversionModule(PCAModule):
    """Train an `Inverter` on unlabelled faces.

    Loss (weights in `LOSS_WEIGHTS`): pixel L1, L1 of the differences between neighbouring pixels at three
    scales (contours, which the face's tone does not explain), codes of unit mean square, and the principal
    components of `PCAModule`, read from the codes. Batches as there.

    Logged on held-out avatars: ``val/l1``, ``val/gradient`` and ``val/mouth`` (L1 inside the mouth's
    rectangle), each as a share of the error of the training faces' mean; ``val/explained``;
    ``val/code_norm`` (root mean square of the codes) and ``val/code_dimensions`` (`effective_dimensions`). A
    picture of faces and their reconstructions goes to ``reconstructions/`` in the run's folder.

    Args:
        network: An `Inverter`.
        components: Principal components that are predicted from the codes.
        encoder_lr: Adam's rate of the encoder; cosine decay to 3 % over the run.
        generator_lr: That of the generator; 0 keeps it fixed, as published.
        standardise: Whether training begins with `Inverter.standardise`; for encoders that start at random.
        warmup_steps: Steps in which the rates rise.
        least_dimensions: The codes count as collapsed below this many effective dimensions.

    Raises:
        TrainingError: The codes collapsed (at a validation).

    Example:
        >>> network = Inverter(image_size=32, size=16, style_dim=16, n_mlp=1, channel_multiplier=0.03125,
        ...                    max_channels=16, encoder_widths=(8, 8, 8, 16, 16), encoder_units=(1, 1, 1, 1))
        >>> InversionModule(network, generator_lr=0.0).hparams["generator_lr"]
        0.0
    """

    mean_face: Tensor

    #: Steps that leave out a network; see `aukit.training.processes.strategy_of`.
    leaves_out_networks = True

    def __init__(
        self,
        network: Inverter,
        components: PositiveInt = 64,
        encoder_lr: NonNegativeFloat = 3e-3,
        generator_lr: NonNegativeFloat = 1e-2,
        standardise: bool = True,
        warmup_steps: NonNegativeInt = 50,
        least_dimensions: NonNegativeFloat = 4.0,
    ) -> None:
        super().__init__(network, components, encoder_lr, warmup_steps=warmup_steps)
        self.save_hyperparameters(ignore=["network"])
        self.network: Inverter = network
        size = network.g_all.size
        self.register_buffer("mean_face", torch.zeros(3, size, size))
        self._codes: list[Tensor] = []
        self._faces: list[Tensor] = []

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam, groups for the encoder, the head and the generator."""
        hp, network = self.hparams, self.network
        groups: list[dict[str, Any]] = [
            {"params": list(network.pspencoder.parameters()), "full_lr": hp["encoder_lr"]},
            {"params": list(self.head.parameters()), "full_lr": HEAD_RATE * hp["encoder_lr"]},
        ]
        network.g_all.requires_grad_(hp["generator_lr"] > 0)
        if hp["generator_lr"] > 0:
            groups.append({"params": list(network.g_all.parameters()), "full_lr": hp["generator_lr"]})
        return torch.optim.Adam([{**group, "lr": group["full_lr"]} for group in groups], betas=(0.9, 0.99))

    def on_fit_start(self) -> None:
        """Compute components and mean of the training faces, unless a checkpoint gives them."""
        super().on_fit_start()
        if not bool(self.mean_face.any()):
            faces = torch.cat(list(self.training_faces(1000))).to(self.device)
            self.mean_face.copy_(self._reduced(faces.mean(0, keepdim=True))[0])
            if self.hparams["standardise"]:
                self.network.standardise(faces[:128])

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """The weighted sum of the losses."""
        self.set_rates()
        codes = self.network.codes(batch["image"])
        difference = (self.network.draw(codes) - self._reduced(batch["target"])) * self._weights()
        losses = {
            "pixel": difference.abs().mean(),
            "gradient": gradient_distance(difference, torch.zeros_like(difference)).mean(),
            "latent": (codes.square().mean(-1) - 1).square().mean(),
            "pca": F.mse_loss(
                self.head(self.network.g_all.style[0](codes).flatten(1)), self.targets(batch["target"])
            ),
        }
        self.log_dict(averaged({f"train/{name}": loss.detach() for name, loss in losses.items()}))
        return torch.stack([LOSS_WEIGHTS[name] * loss for name, loss in losses.items()]).sum()

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Add the errors of the network and of the mean face."""
        codes = self.network.codes(batch["image"])
        normalised = self.network.g_all.style[0](codes).flatten(1)
        target, drawn = self._reduced(batch["target"]), self.network.draw(codes).clamp(0, 1)
        components = self.targets(batch["target"])
        sums = [(self.head(normalised) - components).square().sum(), components.square().sum()]
        for face in (drawn, self.mean_face.expand_as(target)):
            sums += [
                (face - target).abs().sum(),
                gradient_distance(face, target).sum(),
                (mouth(face) - mouth(target)).abs().sum(),
            ]
        self._sums.append(torch.stack(sums))
        self._codes.append(torch.stack([normalised, codes.flatten(1)]))
        if batch_idx == 0:
            self._faces = [target[:_SHOWN], drawn[:_SHOWN]]

    def on_validation_epoch_end(self) -> None:
        """Log shares, codes and the picture.

        Raises:
            TrainingError: The codes have fewer effective dimensions than allowed.
        """
        sums = self.all_gather(torch.stack(self._sums).sum(0)).reshape(-1, 8).sum(0)  # type: ignore[union-attr]
        normalised, codes = (all_rows(part) for part in torch.cat(self._codes, dim=1))
        self._sums, self._codes = [], []
        dimensions = effective_dimensions(normalised)
        log_of_all(
            self,
            {
                "val/explained": 1 - sums[0] / sums[1],
                "val/l1": sums[2] / sums[5],
                "val/gradient": sums[3] / sums[6],
                "val/mouth": sums[4] / sums[7],
                "val/code_norm": codes.square().mean().sqrt(),
                "val/code_dimensions": dimensions,
            },
            prog_bar=True,
        )
        save_picture(self, "reconstructions", tiled(self._faces))
        if dimensions < self.hparams["least_dimensions"]:
            raise TrainingError(
                f"step {self.trainer.global_step}: the codes have collapsed to {dimensions:.1f} effective"
                f" dimensions (at least {self.hparams['least_dimensions']:g} are asked for); lower"
                " model.generator_lr, or start from other weights"
            )

    def _weights(self) -> Tensor:
        """Weights of the pixels ``[size,size]``, 1 on average."""
        size = self.network.g_all.size
        window = F.interpolate(self.targets.window[None, None], size=(size, size), mode="area")[0, 0]
        weights = 1 + _FOCUS * window
        normalised: Tensor = weights / weights.mean()
        return normalised

    def _reduced(self, images: Tensor) -> Tensor:
        """Images at the generator's size."""
        size = self.network.g_all.size
        return images if images.shape[-1] == size else F.interpolate(images, size=(size, size), mode="area")


def gradient_distance(x: Tensor, y: Tensor) -> Tensor:
    """L1 distance of neighbour differences, mean over pixels, both directions and three scales, ``[B]``.

    Args:
        x: ``[B,C,S,S]``, S ≥ 8.
        y: As `x`.
    """
    difference = x - y
    sums = []
    for scale in range(_SCALES):
        if scale:
            difference = F.avg_pool2d(difference, 2)
        sums.append((difference[..., 1:] - difference[..., :-1]).abs().mean((1, 2, 3)))
        sums.append((difference[..., 1:, :] - difference[..., :-1, :]).abs().mean((1, 2, 3)))
    return torch.stack(sums).mean(0)


def mouth(images: Tensor) -> Tensor:
    """The rectangle ``[B,3,h,w]`` around the mouth of FFHQ-aligned faces ``[B,3,S,S]``."""
    top, bottom, left, right = (round(share * images.shape[-1]) for share in _MOUTH)
    return images[..., top:bottom, left:right]


def effective_dimensions(codes: Tensor) -> Tensor:
    """(Σλ)² / Σλ² of the eigenvalues of the covariance of codes ``[N,D]``; between 1 and D.

    1 when all codes lie on a line, D when they spread evenly over all directions.
    """
    centred = (codes - codes.mean(0)).double()
    gram = centred @ centred.T if len(centred) < centred.shape[1] else centred.T @ centred
    # The trace is the sum of the eigenvalues, the squared norm the sum of their squares.
    return (gram.trace().square() / gram.square().sum().clamp(min=1e-30)).float()

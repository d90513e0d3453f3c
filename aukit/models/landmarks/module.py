"""The LightningModules that train `FaceReader` and `FaceFinder` on rendered faces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from aukit.metrics import intraclass_correlation
from aukit.models.components.lr_schedule import set_learning_rates
from aukit.models.components.processes import all_rows, averaged, log_of_all
from aukit.models.landmarks.losses import finding_losses, reading_losses
from aukit.models.landmarks.weights import start_network
from aukit.registration.landmarks.finding import peaks
from aukit.registration.landmarks.networks import FaceFinder, FaceReader
from aukit.registration.landmarks.points import LANDMARKS
from aukit.utils.bounds import Fraction, NonNegativeFloat, NonNegativeInt, PositiveFloat

_MEAN_BATCHES = 20
"""Batches whose mean face the reader starts from."""
MOST_GAIN, FAIR = 3.0, 0.4
"""Largest factor of a reading, and the agreement that it has to reach: of what is poorly read (Cicchetti
1994: ICC below 0.4) a factor would enlarge what it is taken for by mistake."""


def concordant_gains(expected: Tensor, movements: Tensor) -> Tensor:
    """The factors from 1 to `MOST_GAIN` with which expectations agree best with what they expect.

    Args:
        expected: [N, A], from 0 to 1.
        movements: [N, A], truth.

    Returns:
        [A], those of the greatest ICC(2,1), on a grid of steps of 0.05; 1 where that is less than `FAIR`.
    """
    factors = torch.arange(1, MOST_GAIN + 0.01, 0.05)
    agreements = [
        intraclass_correlation((float(factor) * expected).clamp(max=1), movements, "2,1").nan_to_num(0)
        for factor in factors
    ]
    greatest, best = torch.stack(agreements).cpu().max(0)
    return torch.where(greatest < FAIR, 1.0, factors[best]).to(expected)


class _Averaging(LightningModule):
    """Trains one network with AdamW; its exponential average is what is validated and shipped."""

    #: Arguments that name files to start from, see `aukit.training.start_files`.
    start_arguments = ("start",)

    def __init__(self, network: FaceReader | FaceFinder, averaging: float, start: str | None) -> None:
        super().__init__()
        if start is not None:
            start_network(network, Path(start))
        self.network: Any = network
        update: Any = get_ema_multi_avg_fn(averaging)  # type: ignore[no-untyped-call]
        self.average: Any = AveragedModel(network, multi_avg_fn=update, use_buffers=True)
        self.average.requires_grad_(False)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW; weight decay on convolutions and linear layers alone."""
        hp = self.hparams
        flat = [p for p in self.network.parameters() if p.ndim < 2]
        others = [p for p in self.network.parameters() if p.ndim >= 2]
        groups: list[dict[str, Any]] = [
            {"params": others, "weight_decay": hp["weight_decay"]},
            {"params": flat, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=hp["lr"])

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """A step, and one of the average."""
        super().optimizer_step(*args, **kwargs)
        self.average.update_parameters(self.network)

    def _step(self, losses: dict[str, Tensor]) -> Tensor:
        set_learning_rates(self, self.hparams["warmup_steps"])
        loss = torch.stack(list(losses.values())).sum()
        shown = averaged({**losses, "loss": loss.detach()})
        self.log_dict({f"train/{name}": value.detach() for name, value in shown.items()}, prog_bar=True)
        return loss


class FaceReaderModule(_Averaging):
    """Train a `FaceReader` on crops of an `aukit.datamodules.LabelledFacesDataModule` of task "read".

    Logged on held-out identities: ``val/nme``, the mean distance of the 68 landmarks in the image over the
    square root of the area of their upright box, in percent; ``val/icc``, ICC(3,1) of how far AUs act, mean
    over AUs, with gains that are chosen on these identities too (`concordant_gains`).

    Args:
        network: The reader.
        start: Packed weights to go on from (`aukit weights import`), such as the package's; None for random
            ones.
        lr: AdamW's learning rate, with cosine decay to 3 % over the run.
        weight_decay: AdamW's, on weights.
        warmup_steps: Steps in which the rate rises.
        averaging: Share that the average keeps in each step.
    """

    def __init__(
        self,
        network: FaceReader,
        start: str | None = None,
        lr: PositiveFloat = 2e-3,
        weight_decay: NonNegativeFloat = 0.01,
        warmup_steps: NonNegativeInt = 100,
        averaging: Fraction = 0.998,
    ) -> None:
        super().__init__(network, averaging, start)
        self.save_hyperparameters(ignore=["network", "start"])
        self.save_hyperparameters({"options": network.options})
        self._distances: list[Tensor] = []
        self._movements: list[Tensor] = []

    def on_fit_start(self) -> None:
        """Let the network start from the mean face, unless a checkpoint gives it."""
        if bool(self.network.mean.any()):
            return
        dataset, sampler = self.trainer.datamodule.train_batches()  # type: ignore[attr-defined]
        batches = [
            dataset[sampler.batch(0, step)]["points"] for step in range(min(_MEAN_BATCHES, len(sampler)))
        ]
        mean = torch.cat(batches).mean(0)
        self.network.mean.copy_(mean)
        self.average.module.mean.copy_(mean)

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """The sum of all losses."""
        reading = self.network(batch["image"])
        return self._step(reading_losses(reading, batch["points"], batch["movements"], batch["presence"]))

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Distances of landmarks, and pairs of expectations and truth."""
        reading = self.average(batch["image"])
        truth = batch["points"][:, :LANDMARKS, :2]
        extent = (truth.amax(1) - truth.amin(1)).prod(-1).sqrt()
        apart = (reading.points[:, :LANDMARKS, :2] - truth).norm(dim=-1).mean(-1)
        self._distances.append(apart / extent)
        self._movements.append(torch.stack([reading.logits.sigmoid(), batch["movements"]], 1))

    def on_validation_epoch_end(self) -> None:
        """Set the gains, log error and agreement."""
        distances = all_rows(torch.cat(self._distances))
        expected, movements = all_rows(torch.cat(self._movements)).unbind(1)
        self._distances, self._movements = [], []
        gains = concordant_gains(expected, movements)
        for network in (self.network, self.average.module):
            network.gain.copy_(gains)
        agreement = intraclass_correlation((gains * expected).clamp(max=1), movements)
        log_of_all(self, {"val/nme": 100 * distances.mean(), "val/icc": agreement.nanmean()}, prog_bar=True)


class FaceFinderModule(_Averaging):
    """Train a `FaceFinder` on scenes of an `aukit.datamodules.LabelledFacesDataModule` of task "find".

    Logged on scenes of held-out identities: ``val/found``, the share of faces of which a peak above 0.5 lies
    within a quarter of their side; ``val/false``, peaks that are at no face, per picture.

    Args:
        network: The finder.
        start: Packed weights to go on from (`aukit weights import`), such as the package's; None for random
            ones.
        lr: AdamW's learning rate, with cosine decay to 3 % over the run.
        weight_decay: AdamW's, on weights.
        warmup_steps: Steps in which the rate rises.
        averaging: Share that the average keeps in each step.
    """

    def __init__(
        self,
        network: FaceFinder,
        start: str | None = None,
        lr: PositiveFloat = 2e-3,
        weight_decay: NonNegativeFloat = 0.01,
        warmup_steps: NonNegativeInt = 100,
        averaging: Fraction = 0.998,
    ) -> None:
        super().__init__(network, averaging, start)
        self.save_hyperparameters(ignore=["network", "start"])
        self.save_hyperparameters({"options": network.options})
        self._counts: list[Tensor] = []

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """The sum of both losses."""
        heat, boxes = self.network(batch["image"])
        return self._step(finding_losses(heat, boxes, batch["places"]))

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Count faces, those found, peaks at no face, and pictures."""
        heat, boxes = self.average(batch["image"])
        for found, places in zip(peaks(heat, boxes, 0.5), batch["places"], strict=True):
            places = places[places[:, 2] > 0]
            apart = (found[:, None, :2] - places[None, :, :2]).norm(dim=-1) < 0.25 * places[None, :, 2]
            self._counts.append(
                torch.stack([apart.any(0).sum(), apart.new_tensor(len(places), dtype=torch.long),
                             (~apart.any(1)).sum(), apart.new_tensor(1, dtype=torch.long)])
            )  # fmt: skip

    def on_validation_epoch_end(self) -> None:
        """Log shares of all scenes."""
        found, faces, false, pictures = all_rows(torch.stack(self._counts)).sum(0).float()
        self._counts = []
        log_of_all(
            self, {"val/found": found / faces.clamp(min=1), "val/false": false / pictures}, prog_bar=True
        )

"""Training of the intensity estimators (Niinuma et al., WACV 2021, §3.3 and §4.2.2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from lightning import LightningModule
from torch import Tensor
from torch.nn import functional as F

from aukit.errors import ConfigError
from aukit.metrics import IntraclassCorrelation
from aukit.models.components.losses import single_precision
from aukit.models.components.lr_schedule import Schedule, rise_and_cosine, set_rate
from aukit.models.components.processes import global_mean, global_sum, log_of_all
from aukit.models.components.training import check_aus, is_logged, scores_itself
from aukit.models.niinuma2021.intensity.networks import EstimatorBank, IntensityTrunk, decode
from aukit.models.weights import RANDOM
from aukit.utils.bounds import Fraction, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

__all__ = ["NOT_FITTED", "IntensityModule"]

#: Training cross-entropy from which an estimator counts as not fitted; chance over six classes is 1.79.
NOT_FITTED = 1.7

_MEMORY = 0.98  # of the running mean of the training cross-entropy: about the last fifty steps


class IntensityModule(LightningModule):
    """Six-way classification of intensity levels; defaults are the paper's.

    Each image trains the head (or the network) of the action unit that it was drawn for, with cross-entropy.
    Validation: ICC(3,1) per action unit on validation people, ``val/icc`` their mean, by which a checkpoint
    is selected. Test step: ``rows``, ``scores``, ``level`` and ``expectation``; where no callback
    keeps them to be scored, ``test/icc`` is logged likewise.
    Logged with the test: ``final_cross_entropy`` of the training and ``fitted`` (1, or 0 when it is not below
    1.7).

    Args:
        aus: Action units, in the order of the label columns.
        network: "vgg16", "vgg16_bn" (one network per action unit) or "trunk" (one small trunk, a head each).
        weights: File of ImageNet weights for VGG16, or "random": a training of it must say which. The trunk
            has random ones.
        frozen_convs: First convolutions of VGG16 that are not trained; the paper's wording is read as 2.
        trunk_widths: Channels of the trunk.
        dropout: Dropout rate; 0.5 in the paper.
        lr: Adam's learning rate; 5e−5 in the paper.
        schedule: "constant", or "cosine" from a short rise to 0 over the run.
        weight_decay: Decoupled weight decay; 0 in the paper.
        other_heads: Weight of the mean cross-entropy of all action units that an image is coded for, beside
            that of its own; needs the trunk. 0 in the paper, whose networks see one action unit each.
        decoding: What ``scores`` are: "argmax" (the paper's one-hot wording) or "expectation"; both are
            recorded.

    Example:
        >>> module = IntensityModule(aus=(6, 12), network="trunk", trunk_widths=(8, 8, 8, 8))
        >>> module(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 2, 6])
    """

    #: Steps that leave out a network; see `aukit.training.processes.strategy_of`.
    leaves_out_networks = True

    def __init__(
        self,
        aus: Sequence[int] = (1, 4, 6, 10, 12, 14, 17),
        network: Literal["vgg16", "vgg16_bn", "trunk"] = "vgg16",
        weights: str | None = None,
        frozen_convs: NonNegativeInt = 0,
        trunk_widths: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt] = (16, 32, 64, 96),
        dropout: Fraction = 0.5,
        lr: PositiveFloat = 5e-5,
        schedule: Schedule = "constant",
        weight_decay: NonNegativeFloat = 0.0,
        other_heads: NonNegativeFloat = 0.0,
        decoding: Literal["argmax", "expectation"] = "argmax",
    ) -> None:
        super().__init__()
        # The weights file is needed to begin a training, not to load a checkpoint.
        self.save_hyperparameters(ignore=["weights"])
        if other_heads and network != "trunk":
            raise ConfigError("model.other_heads trains all heads of a shared trunk: set model.network=trunk")
        if network == "trunk" and weights not in (None, RANDOM):
            raise ConfigError(
                f"model.weights={weights}: there are none of the trunk; set model.network=vgg16 or"
                f" model.weights={RANDOM}"
            )
        self._weights = weights
        self.network: IntensityTrunk | EstimatorBank = (
            IntensityTrunk(aus, trunk_widths, dropout)
            if network == "trunk"
            else EstimatorBank(
                aus, architecture=network, weights=weights, dropout=dropout, frozen_convs=frozen_convs
            )
        )
        self.icc = IntraclassCorrelation(len(aus))
        # Per head: a bank's networks are fitted or not each on its own.
        self.register_buffer("cross_entropy", torch.zeros(len(aus)))
        self.register_buffer("cross_entropy_weight", torch.zeros(len(aus)))
        self.cross_entropy: Tensor
        self.cross_entropy_weight: Tensor

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[B,A,6]`` of normalised images ``[B,3,S,S]``."""
        logits: Tensor = self.network(images)
        return logits

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam; with weight decay AdamW."""
        parameters = [p for p in self.parameters() if p.requires_grad]
        return torch.optim.AdamW(parameters, lr=self.hparams["lr"], weight_decay=self.hparams["weight_decay"])

    def on_train_start(self) -> None:
        """Check that data and model mean the same action units and that nothing is random unasked.

        Raises:
            ConfigError: The action units differ; VGG16 starts from random weights without its being said, or
                some of them are frozen.
        """
        if self.trainer.ckpt_path is None:  # else weights come from there
            self._check_start()
        check_aus(self)

    def _check_start(self) -> None:
        network, frozen = self.hparams["network"], self.hparams["frozen_convs"]
        if self._weights is None and network != "trunk":
            raise ConfigError(
                f"{network} starts from ImageNet in the paper: name a file of its weights,"
                f" model.weights=FILE, or say model.weights={RANDOM}"
            )
        if self._weights in (None, RANDOM) and frozen:
            raise ConfigError(
                f"frozen_convs={frozen} without weights freezes random filters: "
                "name a file of ImageNet weights (model.weights=FILE) or set model.frozen_convs=0"
            )

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Cross-entropy on the head that each image was drawn for, perhaps also on all others."""
        step = int(batch["step"])
        if self.hparams["schedule"] == "cosine":
            self._set_rate()
        if isinstance(self.network, EstimatorBank):
            logits = single_precision(self.network.head_logits(batch["image"], batch["head"]))
            every = None
        else:
            every = single_precision(self.network(batch["image"]))
            logits = every[torch.arange(len(every), device=every.device), batch["head"]]
        per_image = F.cross_entropy(logits, batch["level"], reduction="none")
        self._remember(per_image.detach(), batch["head"])
        loss = global_mean(per_image)
        if is_logged(self, step):
            hits = (logits.argmax(dim=1) == batch["level"]).float().mean()
            self.log_dict({"train/cross_entropy": loss.detach(), "train/accuracy": global_mean(hits)})
        if every is not None and (other := self.hparams["other_heads"]):
            coded = batch["levels"].isfinite()
            all_heads = F.cross_entropy(every[coded], batch["levels"][coded].long(), reduction="sum")
            loss = loss + other * global_sum(all_heads) / global_sum(coded.sum()).clamp(min=1)
        return loss

    def _set_rate(self) -> None:
        """The rate of this step of the run, whose length the trainer knows: in epochs, steps or both."""
        trainer, total = self.trainer, float(self.trainer.estimated_stepping_batches)
        if not math.isfinite(total):
            raise ConfigError(
                "the cosine schedule goes over the whole run: set trainer.max_epochs or trainer.max_steps"
            )
        set_rate(trainer.optimizers[0], self.hparams["lr"] * rise_and_cosine(trainer.global_step, int(total)))

    def step_work(self, images: Tensor) -> list[tuple[str, float, Callable[[], Tensor]]]:
        """Passes of a step, see `aukit.training.cost.CountedSteps`; one network of a bank sees an image."""
        bank = self.network.estimators if isinstance(self.network, EstimatorBank) else [self.network]
        return [("batch", 1.0, lambda: bank[0](images))]

    @torch.no_grad()
    def _remember(self, per_image: Tensor, heads: Tensor) -> None:
        """Running mean of the cross-entropy per head, over that head's own steps."""
        none = torch.zeros_like(self.cross_entropy)
        count = global_sum(none.index_add(0, heads, torch.ones_like(per_image)))
        mean = global_sum(none.index_add(0, heads, per_image)) / count.clamp(min=1)
        memory = torch.where(count > 0, _MEMORY, 1.0)
        self.cross_entropy.mul_(memory).add_((1 - memory) * mean)
        self.cross_entropy_weight.mul_(memory).add_(1 - memory)

    @property
    def final_cross_entropy(self) -> Tensor:
        """``[A]`` running mean of the training cross-entropy per action unit; NaN before its first step."""
        return self.cross_entropy / self.cross_entropy_weight

    @property
    def fitted(self) -> bool:
        """Whether the mean training cross-entropy is below 1.7; chance is 1.79. False before training."""
        return bool(self.final_cross_entropy.nanmean() < NOT_FITTED)

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Add the frames to the ICC."""
        level, expectation = decode(self(batch["image"]))
        self.icc.update(self._score(level, expectation), batch["labels"])

    def on_validation_epoch_end(self) -> None:
        """Log the ICC per action unit and their mean."""
        if self.trainer.sanity_checking:
            self.icc.reset()
        else:
            self._log_icc("val/icc")

    def _log_icc(self, key: str) -> None:
        icc = self.icc.compute()
        log_of_all(self, {key: icc.nanmean().nan_to_num(0.0).float()}, prog_bar=True)
        log_of_all(self, {f"{key}_AU{au}": v for au, v in zip(self.hparams["aus"], icc.float(), strict=True)})
        self.icc.reset()

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, Tensor]:
        """``rows`` ``[B]``; ``scores``, likeliest ``level`` and ``expectation`` ``[B,A]`` in 0 … 5."""
        predictions = self._predictions(batch)
        if scores_itself(self):
            self.icc.update(predictions["scores"], batch["labels"])
        return predictions

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, Tensor]:
        """As the test step."""
        return self._predictions(batch)

    def on_test_epoch_end(self) -> None:
        """Log whether the tested weights had fitted their training set; ICC unless predictions are scored."""
        if scores_itself(self):
            self._log_icc("test/icc")
        final = self.final_cross_entropy.nanmean().nan_to_num(float("inf"))
        fitted = torch.tensor(float(self.fitted), device=self.device)
        log_of_all(self, {"final_cross_entropy": final, "fitted": fitted})

    def _predictions(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        level, expectation = decode(self(batch["image"]))
        scores = self._score(level, expectation)
        return {"rows": batch["rows"], "scores": scores, "level": level, "expectation": expectation}

    def _score(self, level: Tensor, expectation: Tensor) -> Tensor:
        return level if self.hparams["decoding"] == "argmax" else expectation

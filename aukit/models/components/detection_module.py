"""What modules that detect action units share: F1 by AU and gender, schedule, class weights, threshold."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from lightning import LightningModule
from torch import Tensor, nn

from aukit.datasets.frame_table import GENDERS
from aukit.errors import ConfigError
from aukit.metrics import GroupedMultilabelF1, MultilabelF1
from aukit.models.components.lr_schedule import set_learning_rates
from aukit.models.components.training import check_aus, is_logged

__all__ = ["PROBABILITY_THRESHOLD", "THRESHOLD", "DetectionModule", "F1ByGender", "class_weights"]

#: A score of a `DetectionModule` above it says that the action unit is present.
THRESHOLD = 0.0
#: The same of scores that are probabilities.
PROBABILITY_THRESHOLD = 0.5


class F1ByGender(nn.Module):
    """F1 of a validation set, pooled and by gender, that logs itself.

    Args:
        aus: Action units, in the order of the label columns.
        threshold: A score above it means present.
    """

    def __init__(self, aus: Sequence[int], threshold: float) -> None:
        super().__init__()
        self.aus = tuple(aus)
        self.pooled = MultilabelF1(len(aus), threshold=threshold)
        self.by_gender = GroupedMultilabelF1(len(aus), GENDERS, threshold=threshold)

    def update(self, scores: Tensor, batch: dict[str, Any]) -> None:
        """Add the decisions of a batch: ``scores`` ``[B,A]``; of the batch ``occurrences`` and ``gender``."""
        self.pooled.update(scores, batch["occurrences"])
        self.by_gender.update(scores, batch["occurrences"], batch["gender"])

    def log(self, module: LightningModule, key: str) -> None:
        """Log ``key`` (mean over AUs), ``key_AU…``, ``key_female``, ``key_male``, ``key_gap``; then reset."""
        f1, values = self.pooled.compute().float(), self.by_gender.compute()
        groups = torch.stack([values[gender].float() for gender in GENDERS])
        module.log(key, f1.nanmean(), prog_bar=True)
        module.log_dict({f"{key}_AU{au}": v for au, v in zip(self.aus, f1, strict=True)})
        module.log_dict({f"{key}_{g}": v.nanmean() for g, v in zip(GENDERS, groups, strict=True)})
        module.log(f"{key}_gap", (groups[0] - groups[1]).abs().nanmean())
        self.reset()

    def reset(self) -> None:
        """Set all counts to 0."""
        self.pooled.reset()
        self.by_gender.reset()


class DetectionModule(LightningModule):
    """Base of modules that score the occurrence of action units; a score above 0 means present.

    Batches are those of `aukit.datamodules.CorpusDataModule`. A subclass implements `scores` and
    `training_step`, calls `set_learning_rates` in every step, and keeps ``aus``, ``schedule``,
    ``warmup_steps`` and ``class_weights`` among its hyperparameters.

    Logged in validation: ``f1`` (mean over AUs), ``f1_AU…``, ``f1_female``, ``f1_male`` and ``f1_gap`` (mean
    over AUs of the absolute difference). Test and prediction steps return ``rows`` and ``scores`` for the
    prediction writer, whose table the run scores.

    Args:
        aus: Action units, in the order of the label columns.
    """

    decision_threshold = THRESHOLD

    def __init__(self, aus: Sequence[int]) -> None:
        super().__init__()
        self.f1 = F1ByGender(aus, THRESHOLD)
        self._weights: list[Tensor] = []  # of absent and present [2,A]; a list keeps it out of checkpoints

    @abstractmethod
    def scores(self, batch: dict[str, Any]) -> Tensor:
        """Scores ``[B,A]`` of a batch's images."""

    # ------------------------------------------------------------------ training

    def on_train_start(self) -> None:
        """Check that data and model mean the same; take the AU rates of the training frames."""
        data = check_aus(self)
        store = getattr(data, "store", None)
        if data is None or store is None:
            raise ConfigError(f"{type(self).__name__} trains on a corpus datamodule with a prepared store")
        if self.hparams["class_weights"] == "f1":
            self._weights = [class_weights(store.table.occurrences(tuple(data.aus))[data.train_rows])]

    def set_learning_rates(self) -> None:
        """Give every group of the optimizer its rate of this step; see `set_learning_rates`."""
        set_learning_rates(self, self.hparams["warmup_steps"], self.hparams["schedule"])

    def frame_weights(self, labels: Tensor) -> Tensor | None:
        """Weight ``[B,A]`` of each label; None for 1 everywhere."""
        if not self._weights:
            return None
        absent, present = self._weights[0].to(labels.device)
        return torch.where(labels == 1, present, absent)

    def log_loss(self, loss: Tensor) -> None:
        """Log the training loss at the loggers' steps."""
        if is_logged(self, self.trainer.global_step):
            self.log("train/loss", loss.detach(), prog_bar=True)

    # ------------------------------------------------------------------ validation and test

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Count the frames' decisions."""
        self.f1.update(self.scores(batch), batch)

    def on_validation_epoch_end(self) -> None:
        """Log F1."""
        if self.trainer.sanity_checking:
            self.f1.reset()
        else:
            self.f1.log(self, "val/f1")

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, Tensor]:
        """``rows`` ``[B]`` and ``scores`` ``[B,A]``; above 0 is present."""
        return {"rows": batch["rows"], "scores": self.scores(batch)}

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, Tensor]:
        """``rows`` and ``scores``, as in the test."""
        return {"rows": batch["rows"], "scores": self.scores(batch)}


def class_weights(labels: np.ndarray[Any, np.dtype[np.float32]]) -> Tensor:
    """Weights ``[2,A]`` of absent and present: √π and 1/√π, π being the AU's rate.

    With them, minimising the loss says "present" from a probability of π/(1+π) on, half the F1 of calling
    every frame positive. F1 is greatest at half its own value (Lipton, Elkan and Naryanaswamy, ECML 2014), so
    this is the threshold of a detector that has learnt nothing, and a little below that of one that has.
    Weights that make both classes equal put it at π: far too high for common AUs.

    Args:
        labels: ``[N,A]``, 0, 1 or NaN; an AU that is never present gets weights of 1.
    """
    rate = np.nanmean(np.where(np.isnan(labels).all(axis=0), 0.0, labels), axis=0)
    root = np.sqrt(np.where(rate > 0, rate, 1.0))
    return torch.tensor(np.stack([root, 1 / root]), dtype=torch.float32)

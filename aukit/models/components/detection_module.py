"""What modules that detect action units share: F1 by AU and gender, schedule, class weights, threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from lightning import LightningModule
from torch import Tensor, nn

from aukit.datasets.frame_table import GENDERS
from aukit.errors import ConfigError
from aukit.metrics import GroupedMultilabelF1, MultilabelF1
from aukit.models.components.losses import occurrence_loss
from aukit.models.components.lr_schedule import Schedule, set_learning_rates
from aukit.models.components.processes import log_of_all
from aukit.models.components.training import check_aus, is_logged, scores_itself
from aukit.utils.bounds import NonNegativeFloat, NonNegativeInt, PositiveFloat

__all__ = [
    "PROBABILITY_THRESHOLD",
    "THRESHOLD",
    "ClassWeights",
    "DetectionModule",
    "F1ByGender",
    "class_weights",
]

ClassWeights = Literal["none", "f1"]

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
        """Log ``key``, ``key_AU…``, both also ``…_female`` and ``…_male``, and what is between them; reset.

        A `key` ends in ``f1``. Without ``_AU…`` they are means over AUs: ``key_gap`` of the difference of the
        genders, ``…worst_group_f1`` of the lesser F1, both over AUs that each gender has.
        """
        f1, values = self.pooled.compute().float(), self.by_gender.compute()
        groups = torch.stack([values[gender].float() for gender in GENDERS])
        found = {f"{key}_AU{au}": v for au, v in zip(self.aus, f1, strict=True)}
        for gender, values_of in zip(GENDERS, groups, strict=True):
            found[f"{key}_{gender}"] = values_of.nanmean()
            found |= {f"{key}_AU{au}_{gender}": v for au, v in zip(self.aus, values_of, strict=True)}
        found[f"{key}_gap"] = (groups[0] - groups[1]).abs().nanmean()
        found[f"{key.removesuffix('f1')}worst_group_f1"] = groups.amin(
            dim=0
        ).nanmean()  # NaN where one is, as the gap
        log_of_all(module, {key: f1.nanmean()}, prog_bar=True)
        log_of_all(module, found)
        self.reset()

    def reset(self) -> None:
        """Set all counts to 0."""
        self.pooled.reset()
        self.by_gender.reset()


class DetectionModule(LightningModule):
    """Base of modules that score the occurrence of action units; a score above 0 means present.

    A subclass makes its networks in its constructor, passes ``**options`` on, and implements `scores`; all
    else has a default. Its constructor's arguments are saved with every checkpoint as hyperparameters, so
    they are numbers, strings, lists and dictionaries; files to start from (`start_arguments`) are left out.

    Batches are dictionaries, as `aukit.datamodules.StoreDataset` describes them; needed are ``occurrences``,
    ``gender`` and ``rows``, and what `scores` reads. Logged: ``train/loss``; in validation and test ``f1``
    (mean over AUs), ``f1_AU…``, both by gender (``f1_female``, ``f1_AU12_female`` …), ``f1_gap`` (mean over
    AUs of the absolute difference) and ``worst_group_f1`` (of the lesser one). Test and prediction steps
    return ``rows`` and ``scores``; where a callback keeps them, as in `aukit test`, the test's scores are
    made from its table instead of being logged by the module.

    Args:
        aus: Action units, in the order of the label columns.
        lr: Learning rate.
        weight_decay: AdamW's.
        schedule: "constant", or "cosine" down to 3 % over the run.
        warmup_steps: Steps in which the learning rate rises linearly.
        class_weights: "none", or "f1": labels of frames with the AU weigh 1/√π, those without √π, π being the
            AU's rate in the training frames; see `class_weights`.

    Example:
        >>> class MeanColour(DetectionModule):
        ...     def __init__(self, aus, **options):
        ...         super().__init__(aus, **options)
        ...         self.head = nn.Linear(3, len(aus))
        ...
        ...     def scores(self, batch):
        ...         return self.head(batch["image"].mean(dim=(2, 3)))
        >>> module = MeanColour(aus=(6, 12), lr=0.01)
        >>> module.scores({"image": torch.rand(2, 3, 32, 32)}).shape
        torch.Size([2, 2])
    """

    decision_threshold = THRESHOLD

    #: Arguments that name files to start from: needed to begin a training, not to load a checkpoint.
    start_arguments: ClassVar[tuple[str, ...]] = ("weights",)

    def __init__(
        self,
        aus: Sequence[int],
        lr: PositiveFloat = 1e-4,
        weight_decay: NonNegativeFloat = 5e-4,
        schedule: Schedule = "constant",
        warmup_steps: NonNegativeInt = 0,
        class_weights: ClassWeights = "none",
    ) -> None:
        super().__init__()
        self.save_hyperparameters(ignore=list(self.start_arguments))  # of all constructors down to this one
        self.aus = tuple(aus)
        self.lr, self.weight_decay = lr, weight_decay
        self.schedule, self.warmup_steps = schedule, warmup_steps
        self.class_weights = class_weights
        self.f1 = F1ByGender(aus, self.decision_threshold)
        self._weights: list[Tensor] = []  # of absent and present [2,A]; a list keeps it out of checkpoints

    def scores(self, batch: dict[str, Any]) -> Tensor:
        """Scores ``[B,A]`` of a batch; above 0 is present, as for a logit. It is yours to write."""
        raise ConfigError(f"{type(self).__name__} needs a method scores(self, batch), which gives [B,A]")

    def checked_scores(self, batch: dict[str, Any]) -> Tensor:
        """`scores`, if there is one per frame and action unit.

        Raises:
            ConfigError: They have another shape; both are named.
        """
        scores, wanted = self.scores(batch), (len(batch["rows"]), len(self.aus))
        if scores.shape != wanted:
            raise ConfigError(
                f"{type(self).__name__}.scores gives {list(scores.shape)}; needed is {list(wanted)}, a score"
                " per frame and action unit"
            )
        return scores

    # ------------------------------------------------------------------ training

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW over all parameters."""
        return self.adamw((self, self.lr))

    def adamw(self, *parts: tuple[nn.Module, float | None], **options: Any) -> torch.optim.AdamW:
        """AdamW with a group per part of the network: what is trained of it, and its rate (None: ``lr``)."""
        groups = []
        for part, own in parts:
            lr = self.lr if own is None else own
            if parameters := [p for p in part.parameters() if p.requires_grad]:
                groups.append({"params": parameters, "lr": lr})
        return torch.optim.AdamW(groups, weight_decay=self.weight_decay, **options)

    def on_train_start(self) -> None:
        """Check that data and model mean the same; take the AU rates of the training frames."""
        data = check_aus(self)
        if self.class_weights == "f1":
            if not hasattr(data, "train_rows"):
                raise ConfigError(
                    "model.class_weights=f1 takes the AU rates of a corpus datamodule's training frames;"
                    " train on one, or set it to none"
                )
            labels = data.store.table.occurrences(tuple(data.aus))
            self._weights = [class_weights(labels[data.train_rows])]

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Give every group of the optimizer its rate of this step, as the schedule has it."""
        set_learning_rates(self, self.warmup_steps, self.schedule)

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """The loss of the batch, logged."""
        loss = self.loss(batch)
        if is_logged(self, self.trainer.global_step):
            self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    def loss(self, batch: dict[str, Any]) -> Tensor:
        """Binary cross-entropy of what is coded, the scores taken as logits."""
        labels = batch["occurrences"]
        return occurrence_loss(self.checked_scores(batch), labels, self.frame_weights(labels))

    def frame_weights(self, labels: Tensor) -> Tensor | None:
        """Weight ``[B,A]`` of each label; None for 1 everywhere."""
        if not self._weights:
            if self.class_weights == "f1" and self.training and self._trainer is not None:
                raise ConfigError(
                    "model.class_weights=f1: on_train_start of the class calls no super(); let it"
                )
            return None
        absent, present = self._weights[0].to(labels.device)
        return torch.where(labels == 1, present, absent)

    # ------------------------------------------------------------------ validation and test

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Count the frames' decisions."""
        self.f1.update(self.checked_scores(batch), batch)

    def on_validation_epoch_end(self) -> None:
        """Log F1."""
        if self.trainer.sanity_checking:
            self.f1.reset()
        else:
            self.f1.log(self, "val/f1")

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, Tensor]:
        """``rows`` ``[B]`` and ``scores`` ``[B,A]``; above 0 is present."""
        scores = self.checked_scores(batch)
        if scores_itself(self):
            self.f1.update(scores, batch)
        return {"rows": batch["rows"], "scores": scores}

    def on_test_epoch_end(self) -> None:
        """Log F1, unless the predictions are kept and scored."""
        if scores_itself(self):
            self.f1.log(self, "test/f1")

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, Tensor]:
        """``rows`` and ``scores``, as in the test."""
        return {"rows": batch["rows"], "scores": self.checked_scores(batch)}


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

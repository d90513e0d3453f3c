"""Training of PM2 (Lu et al., arXiv 2403.10737) and of its rivals, one interface and one budget for all."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from lightning import LightningModule
from torch import Tensor, nn

from aukit.errors import ConfigError
from aukit.models.components.detection_module import PROBABILITY_THRESHOLD, F1ByGender
from aukit.models.components.losses import occurrence_loss
from aukit.models.components.lr_schedule import Schedule, cosine_decay, set_rate
from aukit.models.components.processes import global_batch, log_of_all
from aukit.models.components.training import check_aus, frozen, is_logged, logged_step, scores_itself
from aukit.models.pm2 import losses
from aukit.models.pm2.methods import METHODS, MethodName
from aukit.models.pm2.networks import DetectionNetwork, two_layers
from aukit.models.pm2.selection import TargetCriteria
from aukit.models.pm2.start import load_start
from aukit.utils.bounds import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

__all__ = ["PM2Module"]

Stream = Literal["real", "female", "male"]


class PM2Module(LightningModule):
    """AU detector trained on a source domain and its avatars, adapted to a target without labels.

    A training step takes one batch of `PairedDataModule`, whatever the method, and does

    - A: features and heads learn from the labels of the streams, and from the method's alignment of features;
    - with a discrepancy, B: the heads learn from labels and to disagree on the target; features are fixed;
    - C, ``generator_steps`` times: the features learn to make the heads agree on the target; heads are fixed.

    In A and B all images pass through the backbone as one batch, in C those of the target alone. Batch norms
    always use the statistics of the pass; the running ones, for validation and test, are moved by A only.
    Losses see the rows of all processes.

    Logged: ``train/…`` the terms; in validation ``val/source_f1`` on held-out source people,
    ``val/information`` and ``val/snd`` on unlabelled target frames, ``val/oracle_f1`` where the data give
    target labels (``data.oracle=true``). Each F1 also per AU (``_AU…``), by gender (``_female``, ``_male``)
    and as ``_gap``, the mean over AUs of the difference. Test step: ``rows`` and ``scores``; where no
    callback keeps them to be scored, ``test/f1`` in the same way.

    Args:
        method: "pm2", "source" (no adaptation), "dann", "mmd", "coral", "mcd", "m3sda" or "m3sda_beta".
        aus: Action units, in the order of the label columns.
        streams: Labelled images that train: "real", "female" and "male" avatars. Pairs with a stream that is
            left out are left out too.
        backbone: timm's name of the feature extractor.
        weights: Its file of weights (ImageNet); None starts from random weights.
        backbone_options: Further arguments of the timm model.
        head_width: Hidden units of a head.
        start: Checkpoint of a run with method "source", whose backbone and heads this one starts from: the
            first head, or both where there is a discrepancy.
        order: Highest moment of "pm2" and "m3sda".
        central: Their moments from the second on are about the mean.
        paired_orders: Orders that "pm2" compares pair by pair, from the first; 0: without pairing.
        alignment_weight: Weight of the method's alignment of features beside the source loss; of "dann" that
            of the reversed gradient, at its greatest.
        female_male: "pm2" also matches the two avatars of a frame.
        shuffle_pairs: "pm2" matches each frame with the avatars of another one. A control.
        discrepancy: Steps B and C; None as the method has it.
        generator_steps: Repetitions of C.
        balance_weight: Weight in A of the class balance of each head on the target, with a discrepancy.
        lr: Adam's learning rate.
        weight_decay: Adam's.
        schedule: "constant", or "cosine" down to 3 % over the run.

    Example:
        >>> module = PM2Module(aus=(6, 12), backbone="resnet10t", backbone_options={"channels": [4, 4, 8, 8]})
        >>> module(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 2])
    """

    decision_threshold = PROBABILITY_THRESHOLD

    #: Steps that leave out a network; see `aukit.training.processes.strategy_of`.
    leaves_out_networks = True

    #: Arguments that name files to start from, see `aukit.training.start_files`.
    start_arguments = ("weights", "start")

    def __init__(
        self,
        method: MethodName = "pm2",
        aus: Sequence[int] = (1, 2, 4, 6, 12),
        streams: Sequence[Stream] = ("real", "female", "male"),
        backbone: str = "resnet50",
        weights: str | None = None,
        backbone_options: Mapping[str, Any] | None = None,
        head_width: PositiveInt = 256,
        start: str | None = None,
        order: PositiveInt = 2,
        central: bool = False,
        paired_orders: NonNegativeInt = 1,
        alignment_weight: NonNegativeFloat = 1.0,
        female_male: bool = False,
        shuffle_pairs: bool = False,
        discrepancy: bool | None = None,
        generator_steps: PositiveInt = 4,
        balance_weight: NonNegativeFloat = 0.01,
        lr: PositiveFloat = 1e-4,
        weight_decay: NonNegativeFloat = 5e-4,
        schedule: Schedule = "constant",
    ) -> None:
        super().__init__()
        # Files are needed to begin a training, not to load a checkpoint.
        self.save_hyperparameters(ignore=["weights", "start"])
        self.automatic_optimization = False
        if len(set(streams)) != len(streams) or "real" not in streams:
            raise ConfigError(f"model.streams names real once, and each avatar at most once: {list(streams)}")
        self.method = METHODS[method]
        self.discrepancy = self.method.discrepancy if discrepancy is None else discrepancy
        # "source" trains two heads as well: methods with a discrepancy start from both.
        self.two_heads = self.discrepancy or self.method is METHODS["source"]
        self.pairs = self._wanted_pairs()
        groups = len(streams) if self.method.head_per_stream else 1
        self.network = DetectionNetwork(
            len(aus), groups * (2 if self.two_heads else 1), backbone, weights, backbone_options, head_width
        )
        if start is not None:
            load_start(self.network, Path(start), list(aus), 2 if self.two_heads else 1)
        adversarial = self.method.alignment == "domain"
        self.domain = two_layers(self.network.backbone.features, head_width, 1) if adversarial else None
        self.source_f1 = F1ByGender(aus, self.decision_threshold)
        self.oracle_f1 = F1ByGender(aus, self.decision_threshold)
        self.criteria = TargetCriteria()

    def _wanted_pairs(self) -> list[losses.Pair]:
        hp, pairs = self.hparams, []
        if self.method.alignment == "paired":
            both: tuple[losses.Pair, ...] = ("real-female", "real-male")
            pairs = [pair for pair in both if pair.split("-")[1] in hp["streams"]]
            if hp["female_male"] and len(pairs) == 2:
                pairs.append("female-male")
            if not pairs:
                raise ConfigError(
                    "model.method=pm2 matches real frames with avatars: add one to model.streams"
                )
        return pairs

    @property
    def uses_target(self) -> bool:
        """Whether training looks at the target's frames."""
        return self.discrepancy or self.method.alignment not in ("none", "paired")

    def forward(self, images: Tensor) -> Tensor:
        """Probabilities ``[B,A]`` of crops ``[B,3,S,S]`` in [0,1], the mean of the heads'."""
        probabilities: Tensor = self.network(images)
        return probabilities

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam for the features, Adam for the heads and the domain classifier."""
        options = {"lr": self.hparams["lr"], "weight_decay": self.hparams["weight_decay"]}
        heads = [*self.network.heads.parameters(), *(self.domain.parameters() if self.domain else ())]
        return [torch.optim.Adam(part, **options) for part in (self.network.backbone.parameters(), heads)]

    # ------------------------------------------------------------------ training

    def on_train_start(self) -> None:
        """Check that data and model mean the same action units."""
        check_aus(self)
        needs_end = self.hparams["schedule"] == "cosine" or self.method.alignment == "domain"
        if needs_end and (self.trainer.max_epochs or -1) < 0:
            raise ConfigError("the schedule goes over the whole run: set trainer.max_epochs")

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Step A, and B and C with a discrepancy."""
        if lacking := [name for name in self.hparams["streams"] if name not in batch]:
            raise ConfigError(f"model.streams needs {lacking}, which the batches lack: see data.pairs")
        optimizers: Any = self.optimizers()
        factor = 1.0 if self.hparams["schedule"] == "constant" else cosine_decay(self._progress(batch_idx))
        for optimizer in optimizers:
            set_rate(optimizer, self.hparams["lr"] * factor)
        log = self._step_a(optimizers, batch, batch_idx)
        if self.discrepancy:
            log |= self._step_b(optimizers[1], batch)
            for _ in range(self.hparams["generator_steps"]):
                log |= self._step_c(optimizers[0], batch)
        if is_logged(self, logged_step(self.trainer)):  # of the run: loggers do not count by the epoch
            self.log_dict({f"train/{name}": value for name, value in log.items()})

    def step_work(self, images: Tensor) -> Iterator[tuple[str, float, Callable[[], Tensor]]]:
        """Passes of a step on batches of ``images`` ``[B,3,S,S]``, see `aukit.training.cost.CountedSteps`."""
        batches = len(self.hparams["streams"]) + self.uses_target
        together = images.repeat(batches, 1, 1, 1)

        def heads() -> Tensor:
            with torch.no_grad():
                features = self.network.backbone(together)
            return self.network.logits(features)

        yield f"{batches} batches", 1, lambda: self(together)
        if self.discrepancy:
            yield f"{batches} batches, heads", 1, heads
            yield "target", self.hparams["generator_steps"], lambda: self(images)

    def _step_a(self, optimizers: Any, batch: dict[str, Any], batch_idx: int) -> dict[str, Tensor]:
        """Labels and alignment, features and heads."""
        hp = self.hparams
        weights = {"alignment": hp["alignment_weight"], "balance": hp["balance_weight"]}
        reversal = 1.0
        if self.domain is not None:  # its classifier learns undamped, whatever comes back to the features
            reversal, weights["alignment"] = weights["alignment"] * self._reversal(batch_idx), 1.0
        terms = self.terms(batch, reversal)
        loss = terms["source"]
        for name, weight in weights.items():
            if name in terms:
                loss = loss + weight * terms[name]
        for optimizer in optimizers:
            optimizer.zero_grad()
        self.manual_backward(loss)
        for optimizer in optimizers:
            optimizer.step()
        return {name: term.detach() for name, term in terms.items()}

    def terms(self, batch: dict[str, Any], reversal: float = 1.0) -> dict[str, Tensor]:
        """Terms of step A, unweighted: ``source``, and as the method has them ``alignment`` and ``balance``.

        Args:
            batch: As `PairedDataModule` gives it, on the device.
            reversal: Factor of "dann"'s reversed gradient.
        """
        features = self._features(batch, self.uses_target)
        terms = {"source": self._source_loss(features, batch)}
        if self.method.alignment != "none":
            terms["alignment"] = self._alignment(features, reversal)
        if self.discrepancy and self.hparams["balance_weight"]:
            heads = self._target_probabilities(features["target"]).unbind(dim=1)
            terms["balance"] = torch.stack([losses.class_balance(head) for head in heads]).sum()
        return terms

    def _step_b(self, optimizer: Any, batch: dict[str, Any]) -> dict[str, Tensor]:
        """The heads learn to disagree on the target, and to keep the labels right."""
        with torch.no_grad(), _statistics_kept(self.network.backbone):
            features = self._features(batch, with_target=True)
        discrepancy = self._discrepancy(features["target"])
        loss = self._source_loss(features, batch) - discrepancy
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        return {"discrepancy_of_heads": discrepancy.detach()}

    def _step_c(self, optimizer: Any, batch: dict[str, Any]) -> dict[str, Tensor]:
        """The features learn to make the heads agree on the target."""
        with _statistics_kept(self.network.backbone), frozen(self.network.heads):
            discrepancy = self._discrepancy(global_batch(self.network.backbone(batch["target"])))
            optimizer.zero_grad()
            self.manual_backward(discrepancy)
            optimizer.step()
        return {"discrepancy": discrepancy.detach()}

    def _features(self, batch: dict[str, Any], with_target: bool) -> dict[str, Tensor]:
        """Features ``[B,D]`` of the streams and perhaps the target, over the rows of all processes."""
        names = [*self.hparams["streams"], *(["target"] if with_target else [])]
        together = self.network.backbone(torch.cat([batch[name] for name in names]))
        parts = together.split([len(batch[name]) for name in names])
        return {name: global_batch(part) for name, part in zip(names, parts, strict=True)}

    def _source_loss(self, features: Mapping[str, Tensor], batch: dict[str, Any]) -> Tensor:
        """Cross-entropy of every head on what it learns from: all streams, or its own."""
        streams, labels = self.hparams["streams"], global_batch(batch["occurrences"])
        logits = self._grouped(self.network.logits(torch.cat([features[name] for name in streams])))
        logits = logits.reshape(len(streams), len(labels), *logits.shape[1:])  # [S,B,G,2 or 1,A]
        if self.method.head_per_stream:
            logits = torch.stack([logits[index, :, index] for index in range(len(streams))])[:, :, None]
        loss = occurrence_loss(logits, labels[None, :, None, None].expand_as(logits))
        return loss * logits.shape[3]  # two heads: the sum of their losses

    def _alignment(self, features: Mapping[str, Tensor], reversal: float) -> Tensor:
        hp, alignment = self.hparams, self.method.alignment
        sources = [features[name] for name in hp["streams"]]
        if alignment == "paired":
            female, male = features.get("female"), features.get("male")
            if hp["shuffle_pairs"]:
                female, male = (x if x is None else x.roll(n, 0) for x, n in ((female, 1), (male, -1)))
            return losses.paired_moment_distance(
                features["real"], female, male, hp["order"], self.pairs, hp["paired_orders"], hp["central"]
            )
        if alignment == "moments":
            distance = losses.moment_distance(sources, features["target"], hp["order"], hp["central"])
            per_dimension: Tensor = distance / sources[0].shape[1] ** 0.5  # as the paired distance is
            return per_dimension
        pooled, target = torch.cat(sources), features["target"]
        if alignment == "kernel":
            return losses.kernel_discrepancy(pooled, target)
        if alignment == "covariance":
            return losses.coral_distance(pooled, target)
        assert self.domain is not None
        reversed_ = losses.gradient_reversal(torch.cat([pooled, target]), reversal)
        logits: Tensor = self.domain(reversed_)
        return losses.domain_loss(logits[: len(pooled)], logits[len(pooled) :])

    def _discrepancy(self, target: Tensor) -> Tensor:
        """Mean over the pairs of heads; target features are those of all processes."""
        first, second = self._grouped(self._target_probabilities(target)).unbind(dim=2)
        return losses.classifier_discrepancy(first, second)

    def _target_probabilities(self, target: Tensor) -> Tensor:
        """``[B,H,A]`` of every head."""
        probabilities: Tensor = self.network.logits(target).float().sigmoid()
        return probabilities

    def _grouped(self, heads: Tensor) -> Tensor:
        """``[B,H,A]`` → ``[B,G,2,A]`` (or ``[B,G,1,A]``): heads 2g and 2g + 1 are one pair."""
        return heads.reshape(len(heads), -1, 2 if self.two_heads else 1, heads.shape[-1])

    def _progress(self, batch_idx: int) -> float:
        """Share of the run that is done: 0 … 1."""
        steps = int(self.trainer.num_training_batches)
        return (self.trainer.current_epoch * steps + batch_idx) / max(
            1, steps * (self.trainer.max_epochs or 1)
        )

    def _reversal(self, batch_idx: int) -> float:
        """DANN's rise of the reversed gradient from 0 to 1 (Ganin et al., JMLR 2016)."""
        return 2 / (1 + math.exp(-10 * self._progress(batch_idx))) - 1

    # ------------------------------------------------------------------ validation and test

    def validation_step(self, batch: dict[str, Any], batch_idx: int, dataloader_idx: int = 0) -> None:
        """Labelled source frames, unlabelled target frames, and for an oracle labelled ones."""
        probabilities = self(batch["image"])
        if dataloader_idx == 1:
            self.criteria.update(batch["rows"], probabilities)
        else:
            (self.oracle_f1 if dataloader_idx else self.source_f1).update(probabilities, batch)

    def on_validation_epoch_end(self) -> None:
        """Log F1 of the labelled frames and the criteria of the unlabelled ones."""
        if self.trainer.sanity_checking:
            for counted in (self.source_f1, self.oracle_f1, self.criteria):
                counted.reset()
            return
        self.source_f1.log(self, "val/source_f1")
        if self.criteria.update_called:
            log_of_all(self, {f"val/{name}": value for name, value in self.criteria.compute().items()})
            self.criteria.reset()
        if getattr(getattr(self.trainer, "datamodule", None), "oracle", False):
            self.oracle_f1.log(self, "val/oracle_f1")

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, Tensor]:
        """``rows`` ``[B]`` and ``scores`` ``[B,A]`` in [0,1]; above 0.5 is present."""
        scores = self(batch["image"])
        if scores_itself(self):
            self.source_f1.update(scores, batch)
        return {"rows": batch["rows"], "scores": scores}

    def on_test_epoch_end(self) -> None:
        """Log F1, unless the predictions are kept and scored."""
        if scores_itself(self):
            self.source_f1.log(self, "test/f1")

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, Tensor]:
        """``rows`` and ``scores``, as in the test."""
        return {"rows": batch["rows"], "scores": self(batch["image"])}


@contextmanager
def _statistics_kept(backbone: nn.Module) -> Iterator[None]:
    """Batch norms leave their running statistics as they are."""
    norms = [m for m in backbone.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    tracking = [norm for norm in norms if norm.track_running_stats]
    for norm in tracking:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in tracking:
            norm.track_running_stats = True

"""Training of FG-Net (Yin et al., WACV 2024)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from lightning import LightningModule
from PIL import Image
from torch import Tensor, nn

from aukit.errors import ConfigError
from aukit.fgnet.heatmaps import au_heatmaps
from aukit.fgnet.losses import heatmap_loss
from aukit.fgnet.networks import FGNet, heatmap_scores
from aukit.fgnet.overlay import heatmap_overlay
from aukit.fgnet.weights import load_weights
from aukit.files import atomic_path
from aukit.metrics import GroupedMultilabelF1, MultilabelF1

__all__ = ["FGNetModule"]

GENDERS = ("female", "male")

_FINAL_SHARE = 0.03  # of the learning rate, at the end of the cosine schedule


class FGNetModule(LightningModule):
    """Heat-map regression; the defaults are the published network and recipe.

    That is AdamW at 5e−5 with weight decay 5e−4 on encoder, generator and interpreter alike, gradients
    clipped to norm 0.1 over all of them; with batches of 16 (``data.batch_size``) for 15 epochs
    (``trainer.max_epochs``) of 500 steps (``data.steps_per_epoch``).

    Training needs ``image`` in [0,1], ``landmarks`` in crop pixels and ``occurrences`` (NaN = not coded).
    Validation and test: score = mean of the clamped heat map, present above 0. Logged per stage: ``f1`` (mean
    over AUs), ``f1_AU…``, ``f1_female``, ``f1_male`` and ``f1_gap`` (mean over AUs of the difference); in
    validation also an overlay of heat maps on faces. Test step: ``rows`` and ``scores`` for the prediction
    writer.

    Moving averages of the weights: ``trainer.callbacks`` with Lightning's ``EMAWeightAveraging``; half
    precision: ``trainer.precision=bf16-mixed``; augmentation and held-out people: the datamodule.

    Args:
        aus: Action units, in the order of the label columns and of the first heat maps.
        image_size: Side of the crops.
        size: Side of the image that the generator could draw.
        style_dim: Width of a code.
        n_mlp: Layers of the mapping network.
        channel_multiplier: Width of the generator's maps.
        max_channels: Upper bound of their channels.
        encoder_widths: Channels of the encoder's stem and stages.
        encoder_units: Its residual units per stage; None for the 24 of IR-SE-50.
        points: Heat maps that come out, at least as many as AUs; the first are supervised.
        heatmap_size: Their side.
        kernel_size: Side of the interpreter's kernels.
        dropout: Its dropout rate.
        sigma: σ of the target Gaussians, in pixels of the heat map.
        weights: Files of `aukit weights import` to start from, e.g. stylegan2 and psp; empty for random
            weights.
        lr: Learning rate.
        encoder_lr: That of the encoder; None for ``lr``.
        generator_lr: That of the generator with its mapping network; None for ``lr``.
        weight_decay: AdamW's.
        clip: Largest norm of all gradients together; None: none. ``trainer.gradient_clip_val`` wins.
        schedule: "constant", or "cosine" down to 3 % over the run.
        warmup_steps: Steps in which the learning rate rises linearly.
        frozen: Parts that are not trained, by how their names begin: "pspencoder", "g_all.style",
            "pspencoder.body.0." …; their batch norms keep their statistics.
        class_weights: "none", or "sqrt": maps of frames with the AU weigh √((1−π)/π), those without its
            inverse, π being the AU's rate in the training frames.
        recompute: Compute the generator's large maps again in the backward pass, for less memory.
        overlays: Validation faces in the overlay; 0 = none.
    """

    def __init__(
        self,
        aus: Sequence[int] = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24),
        image_size: int = 256,
        size: int = 1024,
        style_dim: int = 512,
        n_mlp: int = 8,
        channel_multiplier: float = 2.0,
        max_channels: int = 512,
        encoder_widths: tuple[int, int, int, int, int] = (64, 64, 128, 256, 512),
        encoder_units: tuple[int, int, int, int] | None = None,
        points: int = 32,
        heatmap_size: int = 128,
        kernel_size: int = 5,
        dropout: float = 0.1,
        sigma: float = 20.0,
        weights: Sequence[str] = (),
        lr: float = 5e-5,
        encoder_lr: float | None = None,
        generator_lr: float | None = None,
        weight_decay: float = 5e-4,
        clip: float | None = 0.1,
        schedule: Literal["constant", "cosine"] = "constant",
        warmup_steps: int = 0,
        frozen: Sequence[str] = (),
        class_weights: Literal["none", "sqrt"] = "none",
        recompute: bool = False,
        overlays: int = 4,
    ) -> None:
        super().__init__()
        # The weights file is needed to begin a training, not to load a checkpoint.
        self.save_hyperparameters(ignore=["weights"])
        if len(aus) > points:
            raise ConfigError(f"{len(aus)} action units need as many heat maps; model.points is {points}")
        self.network = FGNet(
            image_size,
            size,
            style_dim,
            n_mlp,
            channel_multiplier,
            max_channels,
            encoder_widths,
            encoder_units,
            points,
            heatmap_size,
            kernel_size,
            dropout,
            recompute,
        )
        load_weights(self.network, *(Path(path) for path in weights))
        # Nothing that is trained reaches the RGB branch; processes that train together must know.
        self.network.g_all.to_rgb1.requires_grad_(False)
        self.network.g_all.to_rgbs.requires_grad_(False)
        for part in frozen:
            found = [p for name, p in self.network.named_parameters() if name.startswith(part)]
            if not found:
                raise ConfigError(f"model.frozen: no parameter's name begins with {part!r}")
            for parameter in found:
                parameter.requires_grad_(False)
        self.train()  # Lightning leaves the modes of the parts as they are
        self.metrics = nn.ModuleDict(
            {
                f"{stage}_{name}": metric
                for stage in ("validation", "testing")
                for name, metric in (
                    ("f1", MultilabelF1(len(aus), threshold=0.0)),
                    ("by_gender", GroupedMultilabelF1(len(aus), GENDERS, threshold=0.0)),
                )
            }
        )
        self._weights: list[Tensor] = []  # of absent and present, [2,A]; in a list: no part of the checkpoint
        self._faces: list[tuple[Tensor, Tensor]] = []

    def forward(self, images: Tensor) -> Tensor:
        """Heat maps ``[B,A,s,s]`` of crops ``[B,3,S,S]`` in [−1,1]; `heatmap_scores` reads them."""
        heatmaps: Tensor = self.network(images)
        return heatmaps[:, : len(self.hparams["aus"])]

    def train(self, mode: bool = True) -> FGNetModule:
        """As usual, but frozen parts stay in evaluation mode."""
        super().train(mode)
        for name, module in self.network.named_modules():
            if any(f"{name}.".startswith(part) for part in self.hparams["frozen"]):
                module.eval()
        return self

    # ------------------------------------------------------------------ training

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW with a group per part of the network."""
        hp = self.hparams
        groups = []
        for part, lr in (
            (self.network.pspencoder, hp["encoder_lr"]),
            (self.network.g_all, hp["generator_lr"]),
            (self.network.interpreter, None),
        ):
            lr = hp["lr"] if lr is None else lr
            if parameters := [p for p in part.parameters() if p.requires_grad]:
                groups.append({"params": parameters, "lr": lr, "full_lr": lr})
        return torch.optim.AdamW(groups, weight_decay=hp["weight_decay"])

    def configure_gradient_clipping(
        self,
        optimizer: Any,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip to the recipe's norm unless the trainer has one of its own."""
        if gradient_clip_val is None and self.hparams["clip"] is not None:
            gradient_clip_val, gradient_clip_algorithm = self.hparams["clip"], "norm"
        self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def on_train_start(self) -> None:
        """Check that data and model mean the same; take the AU rates of the training frames."""
        hp, data = self.hparams, getattr(self.trainer, "datamodule", None)
        store = getattr(data, "store", None)
        if data is None or store is None:
            raise ConfigError("FGNetModule trains on a corpus datamodule with a prepared store")
        if list(data.aus) != list(hp["aus"]) or store.size != hp["image_size"]:
            raise ConfigError(
                f"the data have AUs {list(data.aus)} at {store.size} px,"
                f" the model {list(hp['aus'])} at {hp['image_size']} px"
            )
        if hp["schedule"] == "cosine" and not math.isfinite(self.trainer.estimated_stepping_batches):
            raise ConfigError("the cosine schedule goes over the whole run: set trainer.max_epochs")
        if hp["class_weights"] == "sqrt":
            labels = store.table.occurrences(tuple(data.aus))[data.train_rows]
            rate = np.nanmean(np.where(np.isnan(labels).all(axis=0), 0.0, labels), axis=0)
            mixed = (rate > 0) & (rate < 1)
            present = np.sqrt(np.divide(1 - rate, rate, out=np.ones_like(rate), where=mixed))
            self._weights = [torch.tensor(np.stack([1 / present, present]), dtype=torch.float32)]

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Squared error of the heat maps, mean over the AUs."""
        hp = self.hparams
        factor = self._learning_rate_factor(self.trainer.global_step)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = group["full_lr"] * factor
        labels = batch["occurrences"]
        target = au_heatmaps(
            batch["landmarks"], labels, hp["aus"], hp["heatmap_size"], hp["image_size"], hp["sigma"]
        )
        per_au = heatmap_loss(self(2 * batch["image"] - 1), target, self._class_weights(labels))
        coded = ~per_au.isnan()
        loss = per_au[coded].mean() if bool(coded.any()) else torch.nan_to_num(per_au).sum()
        if (self.trainer.global_step + 1) % int(getattr(self.trainer, "log_every_n_steps", 50)) == 0:
            self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    def _class_weights(self, labels: Tensor) -> Tensor | None:
        if not self._weights:
            return None
        absent, present = self._weights[0].to(labels.device)
        return torch.where(labels == 1, present, absent)

    def _learning_rate_factor(self, step: int) -> float:
        rise: float = min(1.0, (step + 1) / max(1, self.hparams["warmup_steps"]))
        if self.hparams["schedule"] == "constant":
            return rise
        total = max(1, int(self.trainer.estimated_stepping_batches))
        fall = 0.5 * (1 + math.cos(math.pi * min(1.0, step / total)))
        return rise * (_FINAL_SHARE + (1 - _FINAL_SHARE) * fall)

    # ------------------------------------------------------------------ validation and test

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Count the frames' decisions."""
        heatmaps = self(2 * batch["image"] - 1)
        self._count("validation", heatmap_scores(heatmaps), batch)
        if batch_idx == 0 and self.hparams["overlays"] and self.trainer.is_global_zero:
            some = slice(self.hparams["overlays"])
            self._faces = [(batch["image"][some], heatmaps[some])]

    def on_validation_epoch_end(self) -> None:
        """Log F1 and the overlay."""
        faces, self._faces = self._faces, []
        if self.trainer.sanity_checking:
            self._reset("validation")
            return
        self._log_f1("validation", "val")
        if faces:
            self._show(heatmap_overlay(*faces[0]))

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, Tensor]:
        """``rows`` ``[B]`` and ``scores`` ``[B,A]`` in [−1,1]; above 0 is present."""
        scores = heatmap_scores(self(2 * batch["image"] - 1))
        self._count("testing", scores, batch)
        return {"rows": batch["rows"], "scores": scores}

    def on_test_epoch_end(self) -> None:
        """Log F1."""
        self._log_f1("testing", "test")

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, Tensor]:
        """``rows`` and ``scores``, as in the test."""
        return {"rows": batch["rows"], "scores": heatmap_scores(self(2 * batch["image"] - 1))}

    def _count(self, stage: str, scores: Tensor, batch: dict[str, Any]) -> None:
        frame = self.trainer.datamodule.store.table.frame  # type: ignore[attr-defined]
        genders = frame["gender"].to_numpy()[batch["rows"].cpu().numpy()]
        known = [gender if gender in GENDERS else None for gender in genders]
        f1, by_gender = self._metrics(stage)
        f1.update(scores, batch["occurrences"])
        by_gender.update(scores, batch["occurrences"], known)

    def _log_f1(self, stage: str, prefix: str) -> None:
        pooled, by_gender = self._metrics(stage)
        f1 = pooled.compute().reshape(-1).float()
        values = by_gender.compute()
        groups = torch.stack([values[gender].reshape(-1).float() for gender in GENDERS])
        self.log(f"{prefix}/f1", f1.nanmean(), prog_bar=True)
        self.log_dict({f"{prefix}/f1_AU{au}": v for au, v in zip(self.hparams["aus"], f1, strict=True)})
        self.log_dict({f"{prefix}/f1_{g}": v.nanmean() for g, v in zip(GENDERS, groups, strict=True)})
        self.log(f"{prefix}/f1_gap", (groups[0] - groups[1]).abs().nanmean())
        self._reset(stage)

    def _reset(self, stage: str) -> None:
        for metric in self._metrics(stage):
            metric.reset()

    def _metrics(self, stage: str) -> tuple[MultilabelF1, GroupedMultilabelF1]:
        f1, by_gender = self.metrics[f"{stage}_f1"], self.metrics[f"{stage}_by_gender"]
        assert isinstance(f1, MultilabelF1)
        assert isinstance(by_gender, GroupedMultilabelF1)
        return f1, by_gender

    def _show(self, picture: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
        path = Path(self.trainer.default_root_dir) / "overlays" / f"step{self.trainer.global_step:07d}.png"
        with atomic_path(path) as temporary:
            Image.fromarray(picture).save(temporary, format="PNG")
        for logger in self.loggers:
            if hasattr(logger, "log_image"):
                logger.log_image(key="val/heatmaps", images=[picture])

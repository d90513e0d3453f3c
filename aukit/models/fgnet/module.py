"""Training of FG-Net (Yin et al., WACV 2024)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aukit.errors import ConfigError, WeightsError
from aukit.models.components.detection_module import ClassWeights, DetectionModule
from aukit.models.components.lr_schedule import Schedule
from aukit.models.components.pictures import save_picture
from aukit.models.components.training import training_corpus
from aukit.models.fgnet.heatmaps import au_heatmaps
from aukit.models.fgnet.losses import heatmap_loss
from aukit.models.fgnet.networks import FGNet, Head, heatmap_scores
from aukit.models.fgnet.overlay import heatmap_overlay
from aukit.models.fgnet.weights import load_weights
from aukit.models.weights import RANDOM, weights_path
from aukit.models.weights.files import read_tensors
from aukit.store import PreparedStore
from aukit.utils.bounds import Fraction, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

__all__ = ["FGNetModule"]


class FGNetModule(DetectionModule):
    """Heat-map regression; the defaults are the published network and recipe.

    That is AdamW at 5e−5 with weight decay 5e−4 on encoder, generator and interpreter alike, gradients
    clipped to norm 0.1 over all of them; with batches of 16 (``data.batch_size``) for 15 epochs
    (``trainer.max_epochs``) of at most 500 steps (``trainer.limit_train_batches``).

    Training needs ``image`` in [0,1], ``landmarks`` in crop pixels and ``occurrences`` (NaN = not coded).
    Validation and test: score = mean of the clamped heat map, in [−1,1]. Beside what every `DetectionModule`
    logs, validation shows heat maps over faces.

    Moving averages of the weights: ``trainer.callbacks`` with Lightning's ``EMAWeightAveraging``; half
    precision: ``trainer.precision=bf16-mixed``; augmentation and held-out people: the datamodule.

    Args:
        aus: Action units, in the order of the label columns and of the first heat maps.
        points: Heat maps that come out, at least as many as AUs; the first are supervised.
        heatmap_size: Their side.
        kernel_size: Side of the interpreter's kernels.
        dropout: Its dropout rate.
        sigma: σ of the target Gaussians, in pixels of the heat map.
        weights: Files of `aukit weights import` to start from, e.g. stylegan2 and psp, or names of shipped
            ones; ``mini#pspencoder``: one part of them. "random" or empty for random weights.
        lr: Learning rate.
        encoder_lr: That of the encoder; None for ``lr``.
        generator_lr: That of the generator with its mapping network; None for ``lr``.
        weight_decay: AdamW's.
        clip: Largest norm of all gradients together; None: none. ``trainer.gradient_clip_val`` wins.
        schedule: "constant", or "cosine" down to 3 % over the run.
        warmup_steps: Steps in which the learning rate rises linearly.
        frozen: Parts that are not trained, by how their names begin: "pspencoder", "g_all.style",
            "pspencoder.body.0." …; their batch norms keep their statistics.
        class_weights: "none", or "f1": maps of frames with the AU weigh 1/√π, those without √π, π being the
            AU's rate in the training frames; see `aukit.models.components.detection_module.class_weights`.
        recompute: Compute the generator's large maps again in the backward pass, for less memory.
        head: "pyramid" as published; "pixel" (MLP) or "plain" (CNN) for the heads of the paper's ablation; or
            a network of your own, ``head.class_path=my_parts.MyHead``, a `HeadInterface`.
        head_widths: Channels within the ablation's; None for the published ones.
        encoder: None as published; or a network of your own, ``encoder.class_path=my_parts.MyEncoder``, an
            `EncoderInterface`.
        overlays: Validation faces in the overlay; 0 = none.
        sizes: Sizes of encoder and generator, see `StyleNetwork`; ``image_size`` is the side of the crops.

    Example:
        >>> module = FGNetModule(
        ...     aus=(6, 12), image_size=32, size=16, style_dim=16, n_mlp=1, channel_multiplier=0.03125,
        ...     max_channels=16, encoder_widths=(8, 8, 8, 16, 16), encoder_units=(1, 1, 1, 1), points=2,
        ...     heatmap_size=8, kernel_size=3, sigma=1.25)
        >>> module(torch.rand(1, 3, 32, 32) * 2 - 1).shape
        torch.Size([1, 2, 8, 8])
    """

    #: A small generator leaves out the encoder's finest layers; see `aukit.training.processes.strategy_of`.
    leaves_out_networks = True

    def __init__(
        self,
        aus: Sequence[int] = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24),
        points: PositiveInt = 32,
        heatmap_size: PositiveInt = 128,
        kernel_size: PositiveInt = 5,
        dropout: Fraction = 0.1,
        sigma: PositiveFloat = 20.0,
        weights: Sequence[str] | str = RANDOM,
        lr: PositiveFloat = 5e-5,
        encoder_lr: NonNegativeFloat | None = None,
        generator_lr: NonNegativeFloat | None = None,
        weight_decay: NonNegativeFloat = 5e-4,
        clip: PositiveFloat | None = 0.1,
        schedule: Schedule = "constant",
        warmup_steps: NonNegativeInt = 0,
        frozen: Sequence[str] = (),
        class_weights: ClassWeights = "none",
        recompute: bool = False,
        head: Head = "pyramid",
        head_widths: Sequence[PositiveInt] | None = None,
        encoder: Mapping[str, Any] | None = None,
        overlays: NonNegativeInt = 4,
        **sizes: Any,
    ) -> None:
        super().__init__(aus, lr, weight_decay, schedule, warmup_steps, class_weights)
        if len(aus) > points:
            raise ConfigError(f"{len(aus)} action units need as many heat maps; model.points is {points}")
        self.network = FGNet(
            points, heatmap_size, kernel_size, dropout, recompute, head, head_widths, encoder=encoder, **sizes
        )
        named = [weights] if isinstance(weights, str) else list(weights)
        files = [name for name in named if name != RANDOM]
        for name, about in zip(files, load_weights(self.network, *files), strict=True):
            if "#" not in name and "aus" in about and json.loads(about["aus"]) != list(aus):
                parts = ",".join(f"{name}#{part}" for part in ("pspencoder", "g_all", "latent_avg"))
                raise WeightsError(
                    f"{name}: its heat maps are of AUs {about['aus']}, model.aus is {list(aus)}; give the"
                    f" file's AUs, or start from the parts that know no action unit: model.weights=[{parts}]"
                )
        # The loss does not depend on the RGB branch; distributed training must know that it has no gradient.
        self.network.g_all.to_rgb1.requires_grad_(False)
        self.network.g_all.to_rgbs.requires_grad_(False)
        for part in frozen:
            found = [p for name, p in self.network.named_parameters() if name.startswith(part)]
            if not found:
                raise ConfigError(f"model.frozen: no parameter's name begins with {part!r}")
            for parameter in found:
                parameter.requires_grad_(False)
        self.train()  # Lightning leaves the modes of the parts as they are
        self._faces: list[tuple[Tensor, Tensor]] = []

    @staticmethod
    def released(file: Path) -> dict[str, Any]:
        """What the whole network in a file of `aukit weights import fgnet` was trained on.

        Returns:
            ``aus`` of the first heat maps, in their order, ``corpus``, and the kind of images, as
            `aukit.datamodules.StepDataModule.input_kind` names it; the released models see FFHQ crops.

        Raises:
            WeightsError: The file is no such file, or holds parts of a network.
        """
        about = read_tensors(weights_path("fgnet", file), "make it with aukit weights import fgnet")[1]
        if about.get("kind") != "fgnet" or "aus" not in about:
            raise WeightsError(
                f"{file}: holds {about.get('kind', 'something else')}, not a whole trained network; name a"
                " file of aukit weights import fgnet, or start a training from it (model.weights)"
            )
        return {"aus": json.loads(about["aus"]), "corpus": about.get("corpus"), "registration": "ffhq"}

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
        hp, network = self.hparams, self.network
        # One pass over all weights; Lightning does not clip what mixed precision scales inside the optimizer.
        fused = self._trainer is not None and str(self.trainer.precision).startswith("32")
        return self.adamw(
            (network.pspencoder, hp["encoder_lr"]),
            (network.g_all, hp["generator_lr"]),
            (network.interpreter, None),
            fused=fused,
        )

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

    def on_fit_start(self) -> None:
        """Check the size of the crops, before a trainer tries the validation."""
        super().on_fit_start()
        self._check_size()

    def on_train_start(self) -> None:
        """Check that data and model mean the same; take the AU rates of the training frames."""
        super().on_train_start()
        self._check_landmarks()

    def on_test_start(self) -> None:
        """Check the size of the crops."""
        self._check_size()

    def on_predict_start(self) -> None:
        """Check the size of the crops."""
        self._check_size()

    def _check_size(self) -> None:
        store = self._store()
        if store is not None and store.size != self.network.image_size:
            raise ConfigError(
                f"the data are crops of {store.size} px, the model's {self.network.image_size}; set data.size"
                " or model.image_size"
            )

    def _check_landmarks(self) -> None:
        store = getattr(training_corpus(self), "store", None)
        if store is None:
            return
        blocks = (store.landmarks[first : first + 4096, :, :2] for first in range(0, len(store), 4096))
        if not any(np.isfinite(block).any() for block in blocks):
            raise ConfigError(
                f"{store.path}: has crops without landmarks, around which the heat maps are drawn; give"
                " data.landmarks=FILE or data.weights_dir=FOLDER"
            )

    def _store(self) -> PreparedStore | None:
        """The store of the trainer's datamodule; None in a training on batches of another kind."""
        return getattr(getattr(self.trainer, "datamodule", None), "store", None)

    def loss(self, batch: dict[str, Any]) -> Tensor:
        """Squared error of the heat maps, mean over the AUs."""
        network, labels, sigma = self.network, batch["occurrences"], self.hparams["sigma"]
        target = au_heatmaps(
            batch["landmarks"], labels, self.aus, network.heatmap_size, network.image_size, sigma
        )
        per_au = heatmap_loss(self(2 * batch["image"] - 1), target, self.frame_weights(labels))
        coded = ~per_au.isnan()
        return per_au[coded].mean() if bool(coded.any()) else torch.nan_to_num(per_au).sum()

    # ------------------------------------------------------------------ validation and test

    def scores(self, batch: dict[str, Any]) -> Tensor:
        """Mean of the clamped heat maps ``[B,A]``, in [−1,1]."""
        return heatmap_scores(self(2 * batch["image"] - 1))

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Count the frames' decisions."""
        heatmaps = self(2 * batch["image"] - 1)
        self.f1.update(heatmap_scores(heatmaps), batch)
        if batch_idx == 0 and self.hparams["overlays"] and self.trainer.is_global_zero:
            some = slice(self.hparams["overlays"])
            self._faces = [(batch["image"][some], heatmaps[some])]

    def on_validation_epoch_end(self) -> None:
        """Log F1 and the overlay."""
        super().on_validation_epoch_end()
        faces, self._faces = self._faces, []
        if faces and not self.trainer.sanity_checking:
            picture = heatmap_overlay(*faces[0])
            save_picture(self, "overlays", picture)

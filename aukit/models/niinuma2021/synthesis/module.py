"""Training of the expression synthesiser (Niinuma et al., WACV 2021, §3.2), manual optimisation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import torch
from lightning import LightningModule
from torch import Tensor

from aukit.errors import ConfigError
from aukit.facs import MAX_INTENSITY
from aukit.metrics import frechet_distance, intraclass_correlation, kernel_distance
from aukit.metrics.features import FIXED_FEATURES, FixedFeatures
from aukit.models.components.lr_schedule import set_rate
from aukit.models.components.pictures import save_picture
from aukit.models.components.processes import draw_rows, log_of_all
from aukit.models.components.training import LatestLosses, check_aus, frozen, is_logged
from aukit.models.niinuma2021.synthesis import losses
from aukit.models.niinuma2021.synthesis.data import SynthesisDataModule
from aukit.models.niinuma2021.synthesis.evaluation import FrameReader, expression_grid, lattice, train_reader
from aukit.models.niinuma2021.synthesis.networks import (
    ExpressionDiscriminator,
    ExpressionGenerator,
    compose,
    initialize,
)
from aukit.models.niinuma2021.synthesis.schedule import Schedule
from aukit.utils.bounds import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, UnitInterval

__all__ = ["SynthesizerModule"]


class SynthesizerModule(LightningModule):
    """Generator and discriminator with the losses of eqs. 1–5; defaults are the paper's and its code's.

    Learning rates and phases are functions of the step; initial weights and the penalty's mixing come from
    torch's generator, which a run seeds at each step, so that an interrupted run goes on with the same
    numbers. Test step: the discriminator's AU head reads real frames ("GANimation internal classifier", Table
    S4): scores 5·D_exp(I), clipped to [0,5].

    Args:
        aus: Action units, in the order of the vectors.
        image_size: Side of the square images.
        variant: "ganimation", or "stargan" where the colour head is the image.
        generator_width: Channels of the generator's first layer.
        generator_blocks: Its residual blocks.
        attention_bias: Constant on the attention logits; negative starts the mask away from copying.
        attention_limit: The most that the mask keeps of the input; None for all of it, as in the paper.
        modulate: The target also scales and shifts channels after each residual block; not in the paper.
        upsample: How the generator doubles the resolution: None for transposed convolutions, or "nearest",
            which cannot draw a lattice.
        critic_width: Channels of the discriminator's first layer.
        critic_layers: Its strided convolutions.
        critic_max_width: Upper bound of its channels.
        critic_init: "normal" draws its convolutions from N(0, 0.02), as the code the paper builds on; "he"
            uses He's deviations, with which it learns to read action units several times sooner.
        generator_lr: Adam's learning rate of the generator.
        critic_lr: That of the discriminator.
        lambda_adv: Weight of the adversarial terms of both networks.
        lambda_exp: Weight of the expression terms of both networks.
        lambda_idt: Weight of the cycle identity term.
        lambda_ids: Weight of the idiosyncratic term; 0 for Table 3's column, 1 in §4.4.
        lambda_gp: Weight of the gradient penalty.
        lambda_attention: Weight of the attention mask's mean; off in the paper.
        lambda_smooth: Weight of the mask's total variation; off in the paper.
        n_critic: The generator is updated when the batch's index in the epoch is a multiple of this.
        critic_every: The discriminator is updated when that index is a multiple of this.
        cycle_every: The identity term is computed when that index is a multiple of this.
        head_start_share: First share of the run for the AU head on real frames alone.
        warmup_share: Share of the run, from its beginning, with the idiosyncratic term alone.
        ramp_share: Share of the run over which the generator's other terms then grow to their weights.
        decay_share: Last share of the run in which learning rates fall linearly; None: by epochs.
        reader_steps: Steps of the independent reader that judges fakes in validation; 0 = no reader.
        grid_faces: Validation faces in the image grid; 0 = no grid.

    Example:
        >>> module = SynthesizerModule(aus=(6, 12), image_size=64, generator_width=8, critic_width=8)
        >>> image = torch.rand(1, 3, 64, 64) * 2 - 1
        >>> colour, attention = module.generator(image, torch.tensor([[0.0, 1.0]]))
        >>> attention.shape
        torch.Size([1, 1, 64, 64])
    """

    #: Steps that leave out a network; see `aukit.training.processes.strategy_of`.
    leaves_out_networks = True

    def __init__(
        self,
        aus: Sequence[int] = (1, 4, 6, 10, 12, 14, 17),
        image_size: PositiveInt = 224,
        variant: Literal["ganimation", "stargan"] = "ganimation",
        generator_width: PositiveInt = 64,
        generator_blocks: PositiveInt = 6,
        attention_bias: float = 0.0,
        attention_limit: UnitInterval | None = None,
        modulate: bool = False,
        upsample: Literal["nearest"] | None = None,
        critic_width: PositiveInt = 64,
        critic_layers: PositiveInt = 6,
        critic_max_width: PositiveInt = 2048,
        critic_init: Literal["normal", "he"] = "normal",
        generator_lr: NonNegativeFloat = 1e-4,
        critic_lr: PositiveFloat = 1e-4,
        lambda_adv: NonNegativeFloat = 1.0,
        lambda_exp: NonNegativeFloat = 160.0,
        lambda_idt: NonNegativeFloat = 10.0,
        lambda_ids: NonNegativeFloat = 0.0,
        lambda_gp: NonNegativeFloat = 10.0,
        lambda_attention: NonNegativeFloat = 0.0,
        lambda_smooth: NonNegativeFloat = 0.0,
        n_critic: PositiveInt = 5,
        critic_every: PositiveInt = 1,
        cycle_every: PositiveInt = 1,
        head_start_share: UnitInterval = 0.0,
        warmup_share: UnitInterval = 0.0,
        ramp_share: UnitInterval = 0.0,
        decay_share: UnitInterval | None = None,
        reader_steps: NonNegativeInt = 1000,
        grid_faces: NonNegativeInt = 4,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.automatic_optimization = False
        self.generator = ExpressionGenerator(
            len(aus),
            generator_width,
            generator_blocks,
            attention_bias,
            attend=variant == "ganimation",
            modulate=modulate,
            upsample=upsample,
            attention_limit=attention_limit,
        )
        self.discriminator = ExpressionDiscriminator(
            len(aus), image_size, critic_width, critic_layers, critic_max_width
        )
        initialize(self.generator)
        initialize(self.discriminator)
        if critic_init == "he":
            initialize(self.discriminator.model, std=None)
        self.schedule: Schedule | None = None
        self._reader: list[FrameReader] = []  # a list keeps it out of the checkpoint
        self._validation: list[dict[str, Tensor]] = []
        self._losses = LatestLosses()

    def forward(self, image: Tensor, aus: Tensor) -> Tensor:
        """Ĩ ``[B,3,S,S]`` of images in [−1,1] and target vectors ``[B,A]`` in [0,1]."""
        return compose(image, *self.generator(image, aus))

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam with betas (0.5, 0.999) for both networks."""
        hp = self.hparams
        return [
            torch.optim.Adam(self.generator.parameters(), lr=hp["generator_lr"], betas=(0.5, 0.999)),
            torch.optim.Adam(self.discriminator.parameters(), lr=hp["critic_lr"], betas=(0.5, 0.999)),
        ]

    # ------------------------------------------------------------------ training

    def on_fit_start(self) -> None:
        """Check the size of the crops, before a trainer tries the validation."""
        if (size := self._data().store.size) != self.hparams["image_size"]:
            raise ConfigError(
                f"the data have crops of {size} px, the model of {self.hparams['image_size']} px; set"
                " data.corpus.size or model.image_size"
            )

    def on_train_start(self) -> None:
        """Lay out the schedule over the run and check that the data follow it and every step has a loss."""
        hp, trainer = self.hparams, self.trainer
        per_epoch = int(trainer.num_training_batches)
        if not trainer.max_epochs or trainer.max_epochs < 0:
            raise ConfigError("the schedule is a share of the run: set trainer.max_epochs")
        loader: Any = trainer.train_dataloader
        if (given := len(loader)) != per_epoch:  # the data number the steps of the schedule
            raise ConfigError(
                f"epochs end after {per_epoch} of {given} batches, which the schedule counts: set"
                f" data.steps_per_epoch={per_epoch} in place of trainer.limit_train_batches"
            )
        self.schedule = Schedule(
            trainer.max_epochs * per_epoch,
            per_epoch,
            hp["head_start_share"],
            hp["warmup_share"],
            hp["ramp_share"],
            hp["decay_share"],
        )
        data = self._data()
        if data.warmup_share != hp["warmup_share"]:
            raise ConfigError(
                f"warmup_share is {data.warmup_share} in the data and {hp['warmup_share']} in the model; "
                "make them equal"
            )
        if hp["warmup_share"] > hp["head_start_share"] and not hp["lambda_ids"]:
            raise ConfigError(
                f"model.warmup_share={hp['warmup_share']} trains by the idiosyncratic term alone, whose"
                " weight model.lambda_ids is 0; set model.warmup_share=0 data.warmup_share=0"
            )
        check_aus(self)

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """One batch: what is updated depends on the step alone."""
        schedule = self.schedule
        assert schedule is not None
        step = int(batch["step"])
        index, factor = step % schedule.steps_per_epoch, schedule.learning_rate_factor(step)
        optimizers: Any = self.optimizers()
        for optimizer, name in zip(optimizers, ("generator_lr", "critic_lr"), strict=True):
            set_rate(optimizer, self.hparams[name] * factor)
        batch = {**batch, "input_frame": 2 * batch["input_frame"] - 1, "target": 2 * batch["target"] - 1}
        phase = schedule.phase(step)
        if phase == "head_start":
            log = self._head_start_step(optimizers[1], batch)
        elif phase == "warmup":
            log = self._warmup_step(optimizers[0], batch)
        else:
            log = self._full_step(optimizers, batch, index, schedule.ramp(step))
        log["same_person"] = batch["same_person"].float().mean()
        prefix = "train" if phase == "full" else phase
        self._losses.update({f"{prefix}/{name}": value for name, value in log.items()})
        if is_logged(self, step):
            latest = self._losses.averaged(self.device)
            self.log_dict({name: value for name, value in latest.items() if name.startswith(f"{prefix}/")})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the latest losses."""
        self._losses.save(checkpoint, self.device)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with them."""
        self._losses.load(checkpoint)

    def _head_start_step(self, optimizer: Any, batch: dict[str, Any]) -> dict[str, Tensor]:
        """The AU head alone, on both real images of the pairs."""
        _, read = self.discriminator(torch.cat([batch["input_frame"], batch["target"]]))
        loss = losses.expression_loss(read, torch.cat([batch["input_aus"], batch["target_aus"]]))
        self._update(optimizer, self.hparams["lambda_exp"] * loss)
        return {"au_error_real": loss.detach()}

    def _warmup_step(self, optimizer: Any, batch: dict[str, Any]) -> dict[str, Tensor]:
        """The idiosyncratic term alone."""
        colour, attention = self.generator(batch["input_frame"], batch["target_aus"])
        fake = compose(batch["input_frame"], colour, attention)
        loss = losses.idiosyncratic_loss(fake, batch["target"], batch["same_person"])
        self._update(optimizer, self.hparams["lambda_ids"] * loss)
        return {"idiosyncratic": loss.detach(), "mask_mean": attention.detach().mean()}

    def _full_step(
        self, optimizers: Any, batch: dict[str, Any], index: int, ramp: float
    ) -> dict[str, Tensor]:
        """Discriminator and generator on the same fakes, each when it is due (eq. 5)."""
        hp = self.hparams
        update_generator, update_critic = index % hp["n_critic"] == 0, index % hp["critic_every"] == 0
        log: dict[str, Tensor] = {}
        with torch.set_grad_enabled(update_generator):
            colour, attention = self.generator(batch["input_frame"], batch["target_aus"])
            fake = compose(batch["input_frame"], colour, attention)
        if update_critic:
            alpha = draw_rows(lambda rows: torch.rand(rows, 1, 1, 1), len(fake)).to(self.device)
            self._update(optimizers[1], self.critic_objective(batch, fake, alpha, log))
        if update_generator:
            with frozen(self.discriminator):
                cycle = index % hp["cycle_every"] == 0 and hp["lambda_idt"] > 0
                loss = self.generator_objective(batch, fake, attention, ramp, cycle, log)
                self._update(optimizers[0], loss)
        log["mask_mean"] = attention.detach().mean()
        return log

    def step_work(self, images: Tensor) -> Iterator[tuple[str, float, Callable[[], Tensor]]]:
        """Passes of a mean step of the run, see `aukit.training.cost.CountedSteps`."""
        hp, aus = self.hparams, images.new_empty(len(images), len(self.hparams["aus"]))
        names = ("input_frame", "target", "input_aus", "target_aus", "same_person")
        batch = dict(zip(names, (images, images, aus, aus, aus[:, 0]), strict=True))
        start = hp["head_start_share"]
        begun = max(start, hp["warmup_share"])  # a head start may last longer than the warm-up, which is none
        full, warmup = 1 - begun, begun - start

        def critic() -> Tensor:
            return self.critic_objective(batch, images, images[:, :1, :1, :1], {})

        def generator(cycle: bool) -> Tensor:
            colour, attention = self.generator(images, aus)
            fake = compose(images, colour, attention)
            with frozen(self.discriminator):
                return self.generator_objective(batch, fake, attention, 1.0, cycle, {})

        # The index in an epoch decides what is due: of every n_critic batches one, of those again a part.
        cycles = 1 / math.lcm(hp["n_critic"], hp["cycle_every"]) if hp["lambda_idt"] else 0.0
        yield "head start", start, lambda: self.discriminator(images.repeat(2, 1, 1, 1))[1]
        yield "warmup", warmup, lambda: self(images, aus)
        yield "critic", full / hp["critic_every"], critic
        yield "cycle", full * cycles, lambda: generator(cycle=True)
        yield "generator", full * (1 / hp["n_critic"] - cycles), lambda: generator(cycle=False)
        yield "fakes", full * (1 - 1 / hp["n_critic"]), lambda: self(images, aus).detach()

    def critic_objective(
        self, batch: dict[str, Any], fake: Tensor, alpha: Tensor, log: dict[str, Tensor]
    ) -> Tensor:
        """The discriminator's side of eqs. 1 and 2, weighted; the terms go into `log`."""
        hp, fake = self.hparams, fake.detach()
        maps, read = self.discriminator(torch.cat([batch["input_frame"], fake]))
        real_map, fake_map = maps.chunk(2)
        critic = losses.critic_loss(real_map, fake_map)
        error = losses.expression_loss(read.chunk(2)[0], batch["input_aus"])
        penalty = losses.gradient_penalty(self.discriminator.critic, batch["input_frame"], fake, alpha)
        log |= {"critic": critic.detach(), "au_error_real": error.detach(), "penalty": penalty.detach()}
        total: Tensor = hp["lambda_adv"] * critic + hp["lambda_exp"] * error + hp["lambda_gp"] * penalty
        return total

    def generator_objective(
        self,
        batch: dict[str, Any],
        fake: Tensor,
        attention: Tensor,
        ramp: float,
        cycle: bool,
        log: dict[str, Tensor],
    ) -> Tensor:
        """The generator's side of eq. 5, weighted; all terms but the idiosyncratic one times `ramp`."""
        hp, image = self.hparams, batch["input_frame"]
        fake_map, read = self.discriminator(fake)
        adversarial = losses.adversarial_loss(fake_map)
        error = losses.expression_loss(read, batch["target_aus"])
        log |= {"adversarial": adversarial.detach(), "au_error_fake": error.detach()}
        total: Tensor = hp["lambda_adv"] * adversarial + hp["lambda_exp"] * error
        masks = [attention]
        if cycle:
            colour, attention_back = self.generator(fake, batch["input_aus"])
            masks.append(attention_back)
            identity = losses.cycle_identity_loss(compose(fake, colour, attention_back), image)
            log["identity"] = identity.detach()
            total = total + hp["lambda_idt"] * identity
        for mask in masks:
            if hp["lambda_attention"]:
                total = total + hp["lambda_attention"] * losses.attention_loss(mask)
            if hp["lambda_smooth"]:
                total = total + hp["lambda_smooth"] * losses.smoothness_loss(mask)
        idiosyncratic = losses.idiosyncratic_loss(fake, batch["target"], batch["same_person"])
        log["idiosyncratic"] = idiosyncratic.detach()
        return ramp * total + hp["lambda_ids"] * idiosyncratic if hp["lambda_ids"] else ramp * total

    def _update(self, optimizer: Any, loss: Tensor) -> None:
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()

    # ------------------------------------------------------------------ validation and test

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Collect the generator's images of the fixed pairs."""
        image, target = 2 * batch["input_frame"] - 1, 2 * batch["target"] - 1
        colour, attention = self.generator(image, batch["target_aus"])
        fake = compose(image, colour, attention)
        self._validation.append(
            {
                "input_frame": image,
                "target": target,
                "fake": fake,
                "target_aus": batch["target_aus"],
                "same_person": batch["same_person"],
                "read": self.discriminator(fake)[1],
                "mask": attention.mean(dim=(1, 2, 3)),
            }
        )

    def on_validation_epoch_end(self) -> None:
        """Log the figures of the fixed pairs, write the grid, release the images."""
        if not self._validation or self.trainer.sanity_checking:
            self._validation.clear()
            return
        data = {key: torch.cat([part[key] for part in self._validation]) for key in self._validation[0]}
        self._validation.clear()
        same, aus = data["same_person"], data["target_aus"]
        values = {
            "mask_mean": data["mask"].mean(),
            "au_error_fake": losses.expression_loss(data["read"], aus),
            "same_person_l1": losses.idiosyncratic_loss(data["fake"], data["target"], same),
            "same_person_l1_of_copying": losses.idiosyncratic_loss(data["input_frame"], data["target"], same),
        }
        features = FixedFeatures().to(self.device)
        real, fake = features(data["target"]), features(data["fake"])
        values |= {
            f"frechet_{FIXED_FEATURES}": torch.tensor(frechet_distance(real, fake)),
            f"kernel_{FIXED_FEATURES}": torch.tensor(kernel_distance(real, fake)),
            "lattice": lattice(data["fake"]),
            "lattice_of_frames": lattice(data["target"]),
        }
        if self.hparams["reader_steps"]:
            values |= self._read_independently(data)
        log_of_all(self, {f"val/{name}": value.float().to(self.device) for name, value in values.items()})
        if self.hparams["grid_faces"] and self.trainer.is_global_zero:
            self._show_grid(data["input_frame"][: self.hparams["grid_faces"]])

    def _read_independently(self, data: dict[str, Tensor]) -> dict[str, Tensor]:
        """ICC(3,1) and squared error of the reader on fakes, beside its ICC on the real targets."""
        if not self._reader:
            images, vectors = self._data().sample_frames(4096)
            self._reader = [train_reader(images, vectors, self.hparams["reader_steps"], self.device)]
        reader, aus = self._reader[0].to(self.device), data["target_aus"]
        on_fake, on_real = reader(data["fake"]), reader(data["target"])
        values = {"reader_error_fake": losses.expression_loss(on_fake, aus)}
        for name, read in (("fake", on_fake), ("real", on_real)):
            icc = intraclass_correlation(read.double().cpu(), aus.double().cpu())
            values[f"reader_icc_{name}"] = icc.nanmean()
            if name == "fake":
                values |= {
                    f"reader_icc_fake_AU{au}": v for au, v in zip(self.hparams["aus"], icc, strict=True)
                }
        return {name: value for name, value in values.items() if not math.isnan(float(value))}

    def _show_grid(self, faces: Tensor) -> None:
        save_picture(self, "grids", expression_grid(self.generator, faces, len(self.hparams["aus"])))

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, Tensor]:
        """D_exp on real frames: ``rows`` and ``scores`` ``[B,A]`` in 0 … 5 for the prediction writer."""
        read = self.discriminator(2 * batch["image"] - 1)[1]
        return {"rows": batch["rows"], "scores": (MAX_INTENSITY * read).clamp(0, MAX_INTENSITY)}

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, Tensor]:
        """As the test step."""
        return self.test_step(batch, batch_idx)

    def _data(self) -> SynthesisDataModule:
        data = getattr(self.trainer, "datamodule", None)
        if not isinstance(data, SynthesisDataModule):
            raise ConfigError(
                f"SynthesizerModule trains on a SynthesisDataModule, not on {type(data).__name__}"
            )
        return data

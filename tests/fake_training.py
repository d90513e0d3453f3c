"""The fake corpus as a datamodule, and a network that learns its colours."""

import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import nn
from torchmetrics import MeanSquaredError

from aukit.datamodules import CorpusDataModule, held_out_people
from aukit.datasets.frame_table import FrameTable
from tests.fakes import AUS, FakeCorpus, FakeRegistration, fake_store


class FakeDataModule(CorpusDataModule):
    """The fake corpus, two test people, a share of the others held out."""

    def __init__(
        self,
        root: str = "nowhere",
        cache: str = "stores",
        people: int = 6,
        frames: int = 10,
        holdout_fraction: float = 0.25,
        batch_size: int = 4,
        aus: Sequence[int] = AUS,
        registered: str = "middle",
        side: int = 16,
        **options: Any,
    ) -> None:
        super().__init__(
            root=root,
            cache=cache,
            registration="similarity",
            size=side,
            aus=aus,
            prepare_workers=0,
            batch_size=batch_size,
            **options,
        )
        self.people, self.frames, self.holdout_fraction = people, frames, holdout_fraction
        self.registered = registered

    @property
    def notes(self):
        return {"people": self.people}

    def _corpus(self) -> FakeCorpus:
        return FakeCorpus(self.people, self.frames, side=max(24, self.size))

    def _prepare(self) -> Path:
        registration = FakeRegistration(self.size, self.registered)
        return fake_store(self.cache, self._corpus(), registration).path

    def _split(self):
        frame = self.store.table.frame
        train = (frame["partition"] == "train").to_numpy()
        val = train & np.isin(
            frame["person"].to_numpy(dtype=str),
            held_out_people(list(frame["person"][train]), self.holdout_fraction),
        )
        return np.flatnonzero(train & ~val), np.flatnonzero(val), np.flatnonzero(frame["partition"] == "test")


class OtherDataModule(FakeDataModule):
    """Another class with the same arguments."""


class AbroadDataModule(FakeDataModule):
    """Other people than the fake corpus has, not coded for the last action unit."""

    def _corpus(self) -> FakeCorpus:
        corpus = super()._corpus()
        frame = corpus.table.frame.drop(columns=[f"AU{AUS[-1]:02d}_r", f"AU{AUS[-1]:02d}_c"])
        corpus.table = FrameTable(frame.assign(person=frame["person"].str.replace("Fake", "Abroad")))
        corpus.fingerprint = lambda: "abroad"
        return corpus


class TinyModule(LightningModule):
    """Predicts intensities from the image; dropout and noise make it depend on random numbers.

    Args:
        lr: learning rate.
        manual: optimise two halves by hand, as adversarial networks do.
        pause: seconds that each step sleeps, for tests that kill.
    """

    location_arguments = ("pause",)

    def __init__(self, lr: float = 0.01, manual: bool = False, pause: float = 0.0) -> None:
        super().__init__()
        self.automatic_optimization = not manual
        self.lr, self.pause = lr, pause
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3))
        self.head = nn.Linear(4, len(AUS))
        self.metrics = nn.ModuleDict({"val": MeanSquaredError(), "test": MeanSquaredError()})

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(image).mean((2, 3)))

    def _loss(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        assert batch["image"].dtype == torch.float32
        assert batch["image"].max() <= 1
        noise = torch.randn_like(batch["image"]) * 0.05 * (np.random.random() + random.random())
        return (self(batch["image"] + noise) - batch["intensities"]).square().mean()

    def training_step(self, batch, batch_idx):
        time.sleep(self.pause)
        loss = self._loss(batch)
        self.log("train/loss", loss, on_step=True, on_epoch=False)
        if batch_idx % 2 == 0:
            self.log("train/loss_of_even", loss.detach())
        if self.automatic_optimization:
            return loss
        first, second = self.optimizers()
        first.zero_grad()
        second.zero_grad()
        self.manual_backward(loss)
        second.step()
        if batch_idx % 2 == 0:
            first.step()
        return None

    def validation_step(self, batch, batch_idx):
        self._log_error("val", self(batch["image"]), batch)

    def test_step(self, batch, batch_idx):
        scores = self(batch["image"])
        self._log_error("test", scores, batch)
        return {"rows": batch["rows"], "scores": scores, "expectation": scores.clamp(0, 5)}

    def _log_error(self, stage, scores, batch):
        # A metric object: `log(..., sync_dist=True)` is wrong where processes have unequally many frames.
        metric = self.metrics[stage]
        metric(scores.flatten(), batch["intensities"].flatten())
        self.log(f"{stage}/error", metric)

    def predict_step(self, batch, batch_idx):
        return {"rows": batch["rows"], "scores": self(batch["image"])}

    def configure_optimizers(self):
        if self.automatic_optimization:
            optimizer = torch.optim.Adam(self.parameters(), self.lr)
            return {
                "optimizer": optimizer,
                "lr_scheduler": torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9),
            }
        return [
            torch.optim.Adam(self.features.parameters(), self.lr),
            torch.optim.Adam(self.head.parameters(), self.lr, betas=(0.5, 0.9)),
        ]

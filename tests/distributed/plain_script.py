"""A user's script with a plain trainer: ``plain_script.py FOLDER``; each process notes the rows it saw."""

import json
import sys
from pathlib import Path

import torch
from lightning import Trainer

from tests.fake_training import FakeDataModule
from tests.own_modules import MeanColour
from tests.trainers import QUIET


class Noting(MeanColour):
    """Notes the rows of every batch."""

    def __init__(self, **options):
        super().__init__(**options)
        self.seen = {"train": [], "test": [], "predict": []}

    def training_step(self, batch, batch_idx):
        self.seen["train"].append(batch["rows"].tolist())
        return super().training_step(batch, batch_idx)

    def test_step(self, batch, batch_idx):
        self.seen["test"].append(batch["rows"].tolist())
        return super().test_step(batch, batch_idx)

    def predict_step(self, batch, batch_idx):
        self.seen["predict"].append(batch["rows"].tolist())
        return super().predict_step(batch, batch_idx)


def run(folder: Path, devices: int) -> None:
    """Fit, test and predict; write what was seen to ``DEVICES-RANK.json``."""
    # 21 test frames of three people, 7 validation frames: neither can be halved.
    stores = str(folder / "stores")
    data = FakeDataModule(cache=stores, people=9, frames=7, batch_size=8, holdout_fraction=0.15)
    torch.manual_seed(0)
    module = Noting(lr=0.01)
    options = {"strategy": "ddp" if devices > 1 else "auto", "devices": devices, "max_epochs": 2}
    trainer = Trainer(**QUIET, **options, logger=False, enable_checkpointing=False, num_sanity_val_steps=0)
    trainer.fit(module, data)
    (scores,) = trainer.test(module, data, verbose=False)
    trainer.predict(module, data, return_predictions=False)
    noted = folder / f"{devices}-{trainer.global_rank}.json"
    noted.write_text(json.dumps({"scores": scores, **module.seen}))


if __name__ == "__main__":
    run(Path(sys.argv[1]), devices=2)

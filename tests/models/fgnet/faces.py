"""The fake corpus as faces for FG-Net."""

import torch

from aukit.datasets.frame_table import FrameTable
from aukit.store import prepare
from tests.fake_training import FakeDataModule
from tests.fakes import FakeCorpus, FakeLandmarks, FakeRegistration


class Faces(FakeDataModule):
    """The fake corpus at 32 px with landmarks all over the crop."""

    label = "occurrence"

    def _prepare(self):
        corpus = FakeCorpus(self.people, self.frames, side=32)
        registration, landmarks = FakeRegistration(32), FakeLandmarks(corpus)
        return prepare(corpus, registration, landmarks, self.cache, workers=0, progress=False).path

    def on_after_batch_transfer(self, batch, dataloader_idx):
        batch = super().on_after_batch_transfer(batch, dataloader_idx)
        generator = torch.Generator().manual_seed(0)
        batch["landmarks"] = 32 * torch.rand(1, 68, 3, generator=generator).repeat(len(batch["rows"]), 1, 1)
        return batch


class OccurrencesOnly(FakeDataModule):
    """The fake corpus as one that codes no intensities."""

    def setup(self, stage=None):
        super().setup(stage)
        self.store.table = FrameTable(self.store.table.frame.filter(regex="^(?!AU.*_r)"))

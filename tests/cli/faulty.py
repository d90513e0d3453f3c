"""Classes that fail where an experiment that names them is made, read or trained."""

import os
import signal

from aukit.errors import CorpusError, WeightsError
from tests.fake_training import FakeDataModule, TinyModule

ERRORS = {
    "aukit": WeightsError("start.pth: no such weights; download them"),
    "corpus": CorpusError("labels.csv, line 3: no number; see to the file"),
    "value": ValueError("depth must be positive"),
    "type": TypeError("int expected"),
    "denied": PermissionError(13, "Permission denied", "start.pth"),
    "full": OSError(28, "No space left on device"),
    "memory": MemoryError(),
    "bug": ZeroDivisionError("a bug"),
}


class FaultyModule(TinyModule):
    """Fails in its constructor, or in its second step."""

    def __init__(self, constructor: str | None = None, step: str | None = None, lr: float = 0.01) -> None:
        super().__init__(lr)
        self.step = step
        if constructor is not None:
            raise ERRORS[constructor]

    def training_step(self, batch, batch_idx):
        if self.step == "single":
            batch = {**batch, "image": batch["image"].float()}
        elif self.step is not None and self.global_step == 1:
            raise ERRORS[self.step]
        return super().training_step(batch, batch_idx)


class FaultyDataModule(FakeDataModule):
    """Fails in its constructor, or in a worker process of its loader."""

    def __init__(self, constructor: str | None = None, reading: str | None = None, **options) -> None:
        super().__init__(**options)
        self.reading = reading
        if constructor is not None:
            raise ERRORS[constructor]

    def train_batches(self):
        dataset, sampler = super().train_batches()
        return (dataset if self.reading is None else FaultyDataset(dataset, self.reading)), sampler


class FaultyDataset:
    """Batches that cannot be read."""

    def __init__(self, dataset, fault: str) -> None:
        self.dataset, self.fault = dataset, fault

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, batch):
        if self.fault == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise ERRORS[self.fault]

"""Progress as lines of text, where nothing redraws a bar: the output of a job, a file, a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from tqdm import tqdm

__all__ = ["ProgressLines", "redraws"]


def redraws() -> bool:
    """Whether standard output is a terminal or a notebook, which draw a bar over itself."""
    return sys.stdout.isatty() or "ipykernel" in sys.modules


class ProgressLines(ProgressBar):
    """A line now and then in place of a bar, which in a file is one line of thousands of returns.

    Args:
        every: Seconds between two lines.

    Example:
        >>> Trainer(callbacks=[ProgressLines(every=60.0)], accelerator="cpu").progress_bar_callback.every
        60.0
    """

    def __init__(self, every: float = 30.0) -> None:
        super().__init__()
        self.every = every
        self._is_enabled = True
        self._began = self._said = time.monotonic()
        self._before = 0

    def enable(self) -> None:
        """Write lines."""
        self._is_enabled = True

    def disable(self) -> None:
        """Write none; Lightning says so to all processes but the first."""
        self._is_enabled = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Only the first process writes."""
        super().setup(trainer, pl_module, stage)
        if not trainer.is_global_zero:
            self.disable()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Rates count from here, of a training that goes on too."""
        self._began = self._said = time.monotonic()
        self._before = self._steps(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Epoch, step, rate, time left and what the bar would show."""
        if not self._is_due():
            return
        done, batches = self._steps(trainer), trainer.num_training_batches
        rate = (done - self._before) / max(time.monotonic() - self._began, 1e-9)
        words = [f"epoch {trainer.current_epoch + 1}", f"step {batch_idx + 1}", f"{rate:.3g} steps/s"]
        if trainer.max_epochs is not None and 0 < trainer.max_epochs * batches < float("inf") and rate:
            words[0] += f" of {trainer.max_epochs}"
            words[1] += f" of {batches}"
            words.append(f"{tqdm.format_interval((trainer.max_epochs * batches - done) / rate)} left")
        shown = self.get_metrics(trainer, pl_module).items()
        words += [f"{name} {value:.4g}" for name, value in shown if isinstance(value, float)]
        self._say(", ".join(words))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """How long it took."""
        steps, seconds = self._steps(trainer) - self._before, time.monotonic() - self._began
        self._say(f"trained {steps} steps in {tqdm.format_interval(seconds)}")

    def on_validation_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: Any) -> None:
        """Which batch of how many."""
        batches = trainer.num_sanity_val_batches if trainer.sanity_checking else trainer.num_val_batches
        self._count("validation", batches, *rest)

    def on_test_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: Any) -> None:
        """Which batch of how many."""
        self._count("test", trainer.num_test_batches, *rest)

    def on_predict_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: Any) -> None:
        """Which batch of how many."""
        self._count("prediction", trainer.num_predict_batches, *rest)

    def _count(
        self,
        what: str,
        batches: Sequence[float],
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if self._is_due():
            self._say(f"{what}: batch {batch_idx + 1} of {batches[dataloader_idx]}")

    @staticmethod
    def _steps(trainer: Trainer) -> int:
        """Batches that were trained on, over all epochs."""
        return int(trainer.fit_loop.epoch_loop.total_batch_idx) + 1

    def _is_due(self) -> bool:
        return self._is_enabled and time.monotonic() - self._said >= self.every

    def _say(self, text: str) -> None:
        if self._is_enabled:
            print(text, flush=True)
            self._said = time.monotonic()

"""The tiny network at a pace that a test sets while it trains."""

import time
from pathlib import Path

from tests.fake_training import TinyModule


class PacedModule(TinyModule):
    """Takes four seconds for each step, five minutes in all, while the file `slowly` is there."""

    def training_step(self, batch, batch_idx):
        if Path("slowly").exists():
            time.sleep(4)
        return super().training_step(batch, batch_idx)

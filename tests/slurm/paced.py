"""The tiny network at a pace that a test sets while it trains."""

import time
from pathlib import Path

from tests.fake_training import TinyModule


class PacedModule(TinyModule):
    """Takes a second for each step while the file `slowly` is in the current folder."""

    def training_step(self, batch, batch_idx):
        if Path("slowly").exists():
            time.sleep(1)
        return super().training_step(batch, batch_idx)

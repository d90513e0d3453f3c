"""A few unlabelled pictures as a datamodule."""

import numpy as np
import pandas as pd
import torch

from aukit.datamodules.faces import AvatarFacesDataModule
from aukit.training import RunInterrupted, execute, read_log
from tests import trainers


class Unlabelled(AvatarFacesDataModule):
    """Smooth random pictures of `identities` people; nothing is rendered."""

    def __init__(self, identities: int = 8, frames: int = 8, batch_size: int = 4, **options) -> None:
        super().__init__(
            root="nowhere", identities=identities, frames=frames, size=32, batch_size=batch_size, **options
        )

    def prepare_data(self):
        pass

    def setup(self, stage=None):
        rng = np.random.default_rng(0)
        count = self.identities * self.frames
        waves = rng.normal(0, 1, (count, 4, 3))
        y, x = np.mgrid[: self.size, : self.size] / self.size * np.pi
        shapes = np.stack([np.sin(x), np.sin(y), np.sin(2 * x), np.sin(2 * y)])
        pictures = 128 + 30 * np.einsum("nkc,khw->nhwc", waves, shapes)
        self.images = pictures.clip(0, 255).astype(np.uint8)
        self.identities_of = np.repeat([f"p{i}" for i in range(self.identities)], self.frames)
        self._fingerprint = "pictures"
        last = self.identities_of == f"p{self.identities - 1}"
        self.train_rows, self.val_rows = np.flatnonzero(~last), np.flatnonzero(last)


def configuration(model_class, model, epochs=1, **run):
    """A run of a module on such pictures."""
    data = {"class_path": "tests.models.fgnet.unlabelled.Unlabelled", "init_args": {"steps_per_epoch": 5}}
    return trainers.configuration({"class_path": model_class, "init_args": model}, data, epochs, **run)


def run_in_pieces(tmp_path, model_class, model):
    """State dicts at the end of a whole run and of one stopped after every step."""
    whole = execute(configuration(model_class, model), tmp_path / "whole")
    attempts = 0
    while True:
        try:
            attempts += 1
            pieces = execute(configuration(model_class, model, time_limit=0.0), tmp_path / "pieces")
            break
        except RunInterrupted:
            assert attempts < 12
    assert attempts >= 5
    pd.testing.assert_frame_equal(read_log(whole.folder), read_log(pieces.folder))
    last = [
        torch.load(run.folder / "checkpoints" / "last.ckpt", weights_only=True) for run in (whole, pieces)
    ]
    return [state["state_dict"] for state in last]

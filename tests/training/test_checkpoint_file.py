import tracemalloc

import pytest
import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from aukit.training import execute
from aukit.training.checkpoint_file import CheckpointFile
from tests.training.test_run import tiny


class Noted(TorchCheckpointIO):
    saved: list = []  # noqa: RUF012  (of the class: the run makes the object)

    def save_checkpoint(self, checkpoint, path, storage_options=None):
        self.saved.append(path)
        super().save_checkpoint(checkpoint, path, storage_options)


def test_a_checkpoint_is_not_put_together_in_memory(tmp_path):
    state = {"state_dict": {"weight": torch.arange(8 << 20)}}  # 64 MiB
    tracemalloc.start()
    try:
        CheckpointFile().save_checkpoint(state, tmp_path / "last.ckpt")
        _, largest = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert largest < 1 << 20
    loaded = CheckpointFile().load_checkpoint(tmp_path / "last.ckpt", weights_only=True)
    assert torch.equal(loaded["state_dict"]["weight"], state["state_dict"]["weight"])


def test_a_write_that_fails_leaves_the_old_checkpoint(tmp_path):
    CheckpointFile().save_checkpoint({"step": 1}, tmp_path / "last.ckpt")
    with pytest.raises(AttributeError, match="pickle"):
        CheckpointFile().save_checkpoint({"step": lambda: 2}, tmp_path / "last.ckpt")
    assert torch.load(tmp_path / "last.ckpt", weights_only=True) == {"step": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_configuration_may_name_another_writer(tmp_path):
    config = tiny(tmp_path)
    config["trainer"]["plugins"] = [{"class_path": "tests.training.test_checkpoint_file.Noted"}]
    config["trainer"]["max_epochs"] = 1
    execute(config, tmp_path / "runs")
    assert {path.name for path in Noted.saved} == {"best.ckpt", "last.ckpt"}

"""What a training says where nothing redraws a bar."""

import re

import pytest

from aukit.training import execute
from aukit.training.progress_lines import ProgressLines
from tests.fake_training import FakeDataModule, TinyModule
from tests.trainers import configuration, quiet_trainer


@pytest.fixture
def data(tmp_path):
    return FakeDataModule(cache=str(tmp_path / "stores"), batch_size=6)


def test_lines_say_epoch_step_rate_time_left_and_losses(tmp_path, data, capsys):
    lines = ProgressLines(every=0.0)
    trainer = quiet_trainer(tmp_path, [lines], max_epochs=2, enable_progress_bar=True)
    trainer.fit(TinyModule(), datamodule=data)
    trainer.test(TinyModule(), datamodule=data, verbose=False)
    said = capsys.readouterr().out.splitlines()
    batches = int(trainer.num_training_batches)
    steps = [line for line in said if line.startswith("epoch")]
    assert len(steps) == 2 * batches
    pattern = rf"epoch 2 of 2, step {batches} of {batches}, [\d.e+]+ steps/s, 00:00 left(, \S+ [\d.e+-]+)*"
    assert re.fullmatch(pattern, steps[-1])
    assert any(re.fullmatch(r"validation: batch 1 of \d+", line) for line in said)
    assert any(re.fullmatch(r"test: batch 1 of \d+", line) for line in said)
    assert f"trained {2 * batches} steps in 00:0" in "\n".join(said)


def test_a_run_without_a_terminal_writes_few_lines(tmp_path, capsys):
    module = {"class_path": "tests.fake_training.TinyModule", "init_args": {}}
    fake = {
        "class_path": "tests.fake_training.FakeDataModule",
        "init_args": {"cache": str(tmp_path / "stores"), "batch_size": 6},
    }
    run = configuration(module, fake, epochs=3)
    del run["trainer"]["enable_progress_bar"]
    execute(run, tmp_path / "runs")
    out = capsys.readouterr().out
    assert "\r" not in out
    assert len([line for line in out.splitlines() if line.startswith(("epoch", "trained"))]) == 1

import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader

from aukit.errors import ConfigError
from aukit.training import evaluate, execute, score_groups
from tests.own_modules import (
    HoldsNetwork,
    MeanColour,
    OwnOptimizer,
    OwnScheduler,
    Plain,
    PlainDetector,
    Unfinished,
)
from tests.trainers import configuration, quiet_trainer


def section(cls, **arguments):
    return {"class_path": f"{cls.__module__}.{cls.__name__}", "init_args": arguments}


def faces(folder, cls="tests.models.fgnet.faces.Faces"):
    """The fake corpus as the fixture `data` has it, in a configuration."""
    options = {"people": 8, "frames": 12, "batch_size": 8}
    return {"class_path": cls, "init_args": {"cache": str(folder / "stores"), **options}}


def test_scores_are_all_that_must_be_written(tmp_path):
    config = configuration(section(MeanColour, lr=0.05, class_weights="f1"), faces(tmp_path), epochs=3)
    record = execute(config, tmp_path / "runs")
    assert {"test/f1", "test/f1_AU1_female", "test/f1_gap", "train/loss", "val/f1"} <= set(record.metrics)
    assert record.metrics["val/f1"] > 0.6  # the colour of a fake frame tells its labels
    content = torch.load(record.checkpoint, weights_only=True)
    hyperparameters = content["hyper_parameters"]
    assert hyperparameters["lr"] == 0.05  # it did not save them itself
    again = pd.read_parquet(evaluate(config, tmp_path / "again", checkpoint=record.checkpoint))
    pd.testing.assert_frame_equal(again, pd.read_parquet(record.predictions))
    alone = MeanColour.load_from_checkpoint(record.checkpoint, weights_only=True)
    assert torch.equal(alone.head.weight, content["state_dict"]["head.weight"])


def test_a_run_and_a_plain_trainer_have_the_same_scores(tmp_path, data):
    config = configuration(section(MeanColour, lr=0.05), faces(tmp_path))
    record = execute(config, tmp_path / "runs")
    module = MeanColour.load_from_checkpoint(record.checkpoint, weights_only=True)
    trainer = quiet_trainer(tmp_path)
    (scores,) = trainer.test(module, data, verbose=False)
    assert {"test/f1", "test/f1_AU1", "test/f1_female", "test/f1_male", "test/f1_gap"} <= set(scores)
    for name, value in scores.items():
        assert record.metrics[name] == pytest.approx(value, abs=1e-6, nan_ok=True), name
    assert record.metrics["test/f1"] == score_groups(record.predictions).scalars()["test/f1"]


def test_scores_of_another_shape_and_none_are_refused(tmp_path, data):
    with pytest.raises(ConfigError, match=r"MeanColour.scores gives \[8, 2\]; needed is \[8, 3\]"):
        quiet_trainer(tmp_path).fit(MeanColour(outputs=2), data)
    with pytest.raises(ConfigError, match=r"Unfinished needs a method scores"):
        quiet_trainer(tmp_path).test(Unfinished((1, 4, 12)), data)


def test_pytorch_s_own_loader_is_enough_but_for_class_weights(tmp_path, data):
    loader = DataLoader(data.dataset(), batch_size=8)
    quiet_trainer(tmp_path).fit(MeanColour(), loader)
    with pytest.raises(ConfigError, match="class_weights=f1 takes the AU rates of a corpus"):
        quiet_trainer(tmp_path).fit(MeanColour(class_weights="f1"), loader)


@pytest.mark.parametrize("steps", [0, 4])
def test_an_optimizer_of_ones_own_follows_the_schedule(tmp_path, data, steps):
    data.steps_per_epoch = 2
    trainer = quiet_trainer(tmp_path)
    trainer.fit(OwnOptimizer(warmup_steps=steps), data)
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.5 if not steps else 0.25)


def test_a_scheduler_of_ones_own_is_left_alone(tmp_path, data):
    data.steps_per_epoch = 3
    trainer = quiet_trainer(tmp_path)
    trainer.fit(OwnScheduler(), data)
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.5**3)


def test_a_plain_module_is_scored_by_what_it_returns_or_logs(tmp_path):
    def run(name, cls, **options):
        return execute(configuration(section(cls, **options), faces(tmp_path)), tmp_path / name)

    record = run("a", PlainDetector)
    table = pd.read_parquet(record.predictions)
    assert table.attrs == {"label": "occurrence", "threshold": 0.0}
    assert "test/f1_female" in record.metrics
    record = run("b", Plain, returns=False)
    assert record.predictions is None
    assert set(record.metrics) == {"test/mean"}
    config = configuration(section(PlainDetector), faces(tmp_path))
    evaluate(config, tmp_path / "c", checkpoint=record.checkpoint)  # it saved no hyperparameters


def test_a_model_that_does_not_say_what_is_present_is_asked(tmp_path):
    occurrences_only = faces(tmp_path, "tests.models.fgnet.faces.OccurrencesOnly")
    with pytest.raises(ConfigError, match=r"decision_threshold = 0\.0"):
        execute(configuration(section(Plain), occurrences_only), tmp_path / "runs")


def test_hyperparameters_that_no_checkpoint_holds_are_refused_before_the_training(tmp_path):
    with pytest.raises(
        ConfigError, match=r"hyper_parameters.network is a Linear.*save_hyperparameters\(ignore"
    ):
        execute(configuration(section(HoldsNetwork), faces(tmp_path)), tmp_path / "runs")


class Silent(MeanColour):
    """A hook that hides that of the base."""

    def on_train_start(self):
        pass


def test_a_hook_that_hides_the_base_s_is_told(tmp_path):
    config = configuration(section(Silent, class_weights="f1"), faces(tmp_path), epochs=1)
    with pytest.raises(ConfigError, match=r"on_train_start.*super"):
        execute(config, tmp_path / "runs")

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch import LightningModule

from aukit.errors import ConfigError
from aukit.metrics import multilabel_f1
from aukit.models.baselines import MultilabelModule
from aukit.models.components.detection_module import class_weights
from aukit.models.components.losses import occurrence_loss
from aukit.training.predictions import PredictionWriter
from tests.fakes import AUS
from tests.trainers import quiet_trainer

SMALL = {"backbone": "resnet10t", "options": {"channels": [8, 8, 16, 16], "stem_width": 8}}


class Silent(LightningModule):
    """Says nothing of what it is tested on."""

    def test_step(self, batch, batch_idx):
        return None


def model(**changes):
    torch.manual_seed(0)
    return MultilabelModule(**{"aus": AUS, **SMALL, "lr": 5e-3, "warmup_steps": 2, **changes})


def test_it_learns_and_a_logit_above_zero_is_present(tmp_path, data):
    data.steps_per_epoch = 150
    writer = PredictionWriter(tmp_path / "predictions.parquet")
    run, module = quiet_trainer(tmp_path, [writer]), model(class_weights="f1")
    run.fit(module, data)
    assert float(run.callback_metrics["val/f1"]) > 0.9  # the colour of a fake frame tells its labels
    assert {"val/f1_female", "val/f1_male", "val/f1_gap", "val/f1_AU4"} <= set(run.callback_metrics)
    run.test(module, data, verbose=False)
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    assert len(table) == len(data.test_rows)
    scores = table[[f"AU{au:02d}_score" for au in AUS]].to_numpy()
    assert scores.min() < 0 < scores.max()
    labels = table[[f"AU{au:02d}_label" for au in AUS]].to_numpy()
    assert np.nanmean(multilabel_f1(scores, labels, threshold=0.0)) > 0.9


def test_scores_that_are_no_numbers_are_counted(tmp_path, data):
    writer = PredictionWriter(tmp_path / "predictions.parquet")
    run, module = quiet_trainer(tmp_path, [writer]), model()
    with torch.no_grad():
        list(module.parameters())[-1][1] = torch.nan  # the second action unit's
    with pytest.warns(UserWarning, match="frames have scores that are no numbers") as said:
        run.test(module, data, verbose=False)
    frames = len(data.test_rows)
    assert any(f"{frames} of {frames} frames" in str(each.message) for each in said)
    assert writer.written
    untested = PredictionWriter(writer.path)  # where an earlier file lies
    quiet_trainer(tmp_path, [untested]).test(Silent(), data, verbose=False)
    assert writer.path.is_file()
    assert not untested.written


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.6])
def test_with_weights_present_begins_at_half_the_f1_of_calling_everything_present(rate):
    weights = class_weights(occurrences(rate))
    half = rate / (1 + rate)
    for probability, present in ((half - 0.02, False), (half + 0.02, True)):
        labels = occurrences(probability)
        logit = torch.zeros(1, requires_grad=True)
        of_each = weights[labels[:, 0].astype(int), 0][:, None]
        occurrence_loss(logit.expand(len(labels), 1), torch.from_numpy(labels), of_each).backward()
        assert (float(logit.grad) < 0) == present  # where the loss pushes frames that look alike
    assert class_weights(occurrences(0.0)).tolist() == [[1.0], [1.0]]


def occurrences(rate: float) -> np.ndarray:
    labels = np.zeros((1000, 1), np.float32)
    labels[: round(1000 * rate)] = 1
    return labels


def test_backbone_and_head_have_rates_of_their_own(tmp_path, data):
    data.steps_per_epoch = 1
    module = model(lr=0.01, backbone_lr=0.0, weight_decay=0.0, warmup_steps=0)
    before = {k: v.clone() for k, v in module.named_parameters()}
    quiet_trainer(tmp_path).fit(module, data)
    for name, parameter in module.named_parameters():
        assert torch.equal(parameter, before[name]) == name.startswith("backbone"), name


def test_data_and_model_must_mean_the_same(tmp_path, data):
    with pytest.raises(ConfigError, match="the data have AUs"):
        quiet_trainer(tmp_path).fit(model(aus=(1, 2, 4)), data)

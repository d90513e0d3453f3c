"""Every system trains, validates, tests and predicts with a single action unit."""

import numpy as np
import pandas as pd
import pytest

from aukit.errors import ConfigError
from aukit.models.niinuma2021 import Pool, real_resampling
from aukit.store import BalancedSet
from aukit.training import build_datamodule, evaluate, execute
from tests.models.fgnet.networks import SMALL
from tests.trainers import configuration

FAKE = "tests.fake_training.FakeDataModule"
RESNET = {"channels": [4, 4, 8, 8], "stem_width": 4}


def corpus(folder, aus=(12,), side=32):
    given = {"cache": str(folder / "stores"), "people": 8, "aus": list(aus), "side": side, "batch_size": 8}
    return {"class_path": FAKE, "init_args": given}


def balanced(folder, aus):
    model = {"class_path": "tests.fake_training.TinyModule"}
    data = build_datamodule({"data": corpus(folder, aus), "model": model})
    data.prepare_data()
    data.setup()
    plan = real_resampling(Pool.of(data.store, aus, data.train_rows), 6, 0)
    return BalancedSet.write(folder / f"set-{len(aus)}", plan, data.store).path


def intensity(folder, network="trunk", set_aus=(12,)):
    model = {"network": network, "aus": [12], "trunk_widths": [4, 4, 4, 4]}
    data = {"corpus": corpus(folder), "training_set": str(balanced(folder, set_aus)), "batch_size": 8}
    return (
        {"class_path": "aukit.models.niinuma2021.IntensityModule", "init_args": model},
        {"class_path": "aukit.models.niinuma2021.IntensityDataModule", "init_args": data},
    )


def synthesis(folder):
    widths = {"generator_width": 4, "generator_blocks": 1, "critic_width": 4, "critic_layers": 3}
    model = {"aus": [12], "image_size": 32, "reader_steps": 2, "grid_faces": 1, **widths}
    data = {"corpus": corpus(folder), "batch_size": 4, "steps_per_epoch": 6, "val_pairs": 8}
    return (
        {"class_path": "aukit.models.niinuma2021.SynthesizerModule", "init_args": model},
        {"class_path": "aukit.models.niinuma2021.SynthesisDataModule", "init_args": data},
    )


def fgnet(folder):
    model = {**SMALL, "points": 1, "aus": [12], "sigma": 2.5, "class_weights": "f1"}
    return {"class_path": "aukit.models.fgnet.FGNetModule", "init_args": model}, corpus(folder)


def baseline(folder):
    model = {"aus": [12], "backbone": "resnet10t", "options": RESNET, "class_weights": "f1"}
    return {"class_path": "aukit.models.baselines.MultilabelModule", "init_args": model}, corpus(folder)


def pm2(folder, method):
    network = {"backbone": "resnet10t", "backbone_options": RESNET, "head_width": 4}
    model = {"method": method, "aus": [12], **network}
    data = {"cache": str(folder / "stores"), "aus": [12]}
    return (
        {"class_path": "aukit.models.pm2.PM2Module", "init_args": model},
        {"class_path": "tests.models.pm2.pairs.FakePairs", "init_args": data},
    )


SYSTEMS = {
    "intensity": intensity,
    "synthesis": synthesis,
    "fgnet": fgnet,
    "baseline": baseline,
    "pm2": lambda folder: pm2(folder, "pm2"),
    "dann": lambda folder: pm2(folder, "dann"),
    "m3sda": lambda folder: pm2(folder, "m3sda"),
}


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_single_action_unit(system, tmp_path):
    config = configuration(*SYSTEMS[system](tmp_path))
    record = execute(config, tmp_path / "runs")
    table = pd.read_parquet(record.predictions)
    assert [column for column in table if column.endswith("_score")] == ["AU12_score"]
    assert np.isfinite(table["AU12_score"]).all()
    assert set(table["AU12_label"].dropna())
    pd.testing.assert_frame_equal(pd.read_parquet(evaluate(config, tmp_path / "runs")), table)
    every = pd.read_parquet(evaluate(config, tmp_path / "runs", "predict"))
    assert set(table["row"]) <= set(every["row"])


def test_of_a_set_for_several_the_images_for_one_are_taken_and_the_others_counted(tmp_path):
    record = execute(configuration(*intensity(tmp_path, set_aus=(1, 4, 12))), tmp_path / "runs")
    own = execute(configuration(*intensity(tmp_path)), tmp_path / "runs")
    assert record.notes["data"] == {"images_for_other_aus": 72}
    scores = [pd.read_parquet(each.predictions)["AU12_score"] for each in (record, own)]
    pd.testing.assert_series_equal(*scores)
    with pytest.raises(ConfigError, match=r"no images for AU \[12\] of \[12\]; it has some for \[1, 4\]"):
        execute(configuration(*intensity(tmp_path, set_aus=(1, 4))), tmp_path / "runs")

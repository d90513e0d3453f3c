"""A run stopped after every single step ends with the bits of one that never stopped; for both systems."""

import pandas as pd
import pytest
import torch

from aukit.training import RunInterrupted, execute, read_log
from tests.fakes import AUS
from tests.trainers import configuration

FAKE = "tests.fake_training.FakeDataModule"


def common(tmp_path, model, data, **run):
    corpus = {"class_path": FAKE, "init_args": {"cache": str(tmp_path / "stores"), "frames": 20}}
    return configuration(model, {**data, "init_args": {**data["init_args"], "corpus": corpus}}, **run)


def synthesis(tmp_path, **run):
    model = {
        "aus": list(AUS),
        "image_size": 16,
        "generator_width": 4,
        "generator_blocks": 1,
        "critic_width": 4,
        "critic_layers": 4,
        "lambda_ids": 10.0,
        "n_critic": 1,
        "critic_every": 2,
        "cycle_every": 2,
        "head_start_share": 0.2,
        "warmup_share": 0.4,
        "ramp_share": 0.4,
        "decay_share": 0.4,
        "reader_steps": 3,
        "grid_faces": 1,
    }
    data = {
        "batch_size": 4,
        "steps_per_epoch": 5,
        "val_pairs": 8,
        "warmup_share": 0.4,
        "same_person_share": 0.5,
    }
    return common(
        tmp_path,
        {"class_path": "aukit.models.niinuma2021.synthesis.SynthesizerModule", "init_args": model},
        {"class_path": "aukit.models.niinuma2021.synthesis.SynthesisDataModule", "init_args": data},
        **run,
    )


def intensity(tmp_path, **run):
    from aukit.models.niinuma2021.synthesis import Pool, real_resampling
    from aukit.store import BalancedSet
    from tests.fake_training import FakeDataModule

    if not (tmp_path / "set").exists():
        corpus = FakeDataModule(cache=str(tmp_path / "stores"), frames=20)
        corpus.prepare_data()
        corpus.setup()
        pool = Pool.of(corpus.store, AUS, corpus.train_rows)
        BalancedSet.write(tmp_path / "set", real_resampling(pool, 8, 0), corpus.store)
    model = {
        "aus": list(AUS),
        "network": "trunk",
        "trunk_widths": [4, 4, 4, 4],
        "schedule": "cosine",
        "lr": 0.01,
    }
    data = {"training_set": str(tmp_path / "set"), "batch_size": 12, "steps_per_epoch": 4, "flip": True}
    return common(
        tmp_path,
        {"class_path": "aukit.models.niinuma2021.intensity.IntensityModule", "init_args": model},
        {"class_path": "aukit.models.niinuma2021.intensity.IntensityDataModule", "init_args": data},
        monitor="val/icc",
        **run,
    )


@pytest.mark.parametrize("config", [synthesis, intensity])
def test_interrupted_runs_end_bit_equal(tmp_path, config):
    whole = execute(config(tmp_path), tmp_path / "whole")
    attempts = 0
    while True:
        try:
            attempts += 1
            pieces = execute(config(tmp_path, time_limit=0.0), tmp_path / "pieces")
            break
        except RunInterrupted:
            assert attempts < 10
    assert attempts >= 4
    assert pieces.identity == whole.identity
    pd.testing.assert_frame_equal(read_log(whole.folder), read_log(pieces.folder))
    states = [torch.load(run.checkpoint, weights_only=True) for run in (whole, pieces)]
    for name, value in states[0]["state_dict"].items():
        assert torch.equal(value, states[1]["state_dict"][name]), name
    pd.testing.assert_frame_equal(pd.read_parquet(whole.predictions), pd.read_parquet(pieces.predictions))
    assert whole.metrics == pytest.approx(pieces.metrics, nan_ok=True)


def test_the_losses_of_a_network_that_rests_in_the_logged_steps_are_logged(tmp_path):
    config = synthesis(tmp_path)
    config["trainer"]["log_every_n_steps"] = 2
    log = read_log(execute(config, tmp_path / "runs").folder).dropna(subset=["train/adversarial"])
    assert log["step"].tolist() == [3]  # the critic learns in every second step, from 0 on
    assert log[["train/critic", "train/identity"]].notna().all(axis=None)

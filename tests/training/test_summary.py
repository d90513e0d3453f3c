"""What a run prints at its end."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from aukit.training import GroupScores, Record, score_groups, score_table, summary


@pytest.fixture
def predictions(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"person": np.repeat([f"P{i}" for i in range(6)], 20)})
    frame["gender"] = np.where(frame["person"] < "P3", "female", "male")
    for au in (1, 12):
        frame[f"AU{au:02d}_label"] = rng.integers(0, 2, len(frame)).astype(float)
        frame[f"AU{au:02d}_score"] = rng.random(len(frame))
    frame["AU04_label"], frame["AU04_score"] = 0.0, 0.0
    frame.attrs = {"label": "occurrence", "threshold": 0.5}
    frame.to_parquet(tmp_path / "predictions.parquet")
    return tmp_path / "predictions.parquet"


def test_a_row_per_au_with_interval_gender_and_support(predictions):
    scores = score_groups(predictions)
    lines = score_table(scores).splitlines()
    assert lines[0].split() == ["F1", "95", "%", "|", "female", "male", "gap", "|", "present/coded"]
    row = next(line for line in lines if line.startswith("AU12"))
    f1 = scores.scalars()["test/f1_AU12"]
    positives = int(pd.read_parquet(predictions)["AU12_label"].sum())
    assert f"{f1:.3f}" in row
    assert row.endswith(f"{positives}/120")
    assert next(line for line in lines if line.startswith("AU4")).split()[1:3] == ["–", "–"]
    assert lines[-4].startswith("mean")
    assert "3 female, 3 male" in lines[-3]
    assert lines[-1] == "means by gender: of the 2 action units that every group has"
    assert max(map(len, lines)) < 100


def test_means_of_groups_are_of_the_same_action_units(predictions):
    frame = pd.read_parquet(predictions)
    frame.loc[frame["gender"] == "male", "AU12_label"] = 0.0  # no man shows it
    frame.to_parquet(predictions)
    found = score_groups(predictions).scalars()
    assert found["test/f1_female"] == found["test/f1_AU1_female"] != found["test/f1_AU12_female"]
    assert found["test/f1_male"] == found["test/f1_AU1_male"]


def test_one_group_alone_has_no_gap_and_it_says_why(predictions):
    frame = pd.read_parquet(predictions)
    frame.assign(task="T1").to_parquet(predictions)
    scores = score_groups(predictions, "task")
    assert np.isnan(scores.scalars()["test/f1_gap"])
    lines = score_table(scores).splitlines()
    assert next(line for line in lines if line.startswith("mean")).split()[-2:] == ["–", "|"]
    assert lines[-1] == "nobody is in another group by task, so there is no gap"


def test_scores_are_read_as_they_were_written(predictions):
    scores = score_groups(predictions)
    scores.write(predictions.parent)
    again = GroupScores.read(predictions.parent)
    assert score_table(again) == score_table(scores)
    pd.testing.assert_frame_equal(again.table, scores.table)
    assert len(scores.reliability)
    pd.testing.assert_frame_equal(again.reliability, scores.reliability)


def test_the_headline_and_logged_metrics_of_a_run_without_predictions(tmp_path):
    facts = {"metrics": {"val/loss": 0.25}, "checkpoint": str(tmp_path / "run/checkpoints/last.ckpt")}
    blank = dict.fromkeys(("data_fingerprint", "git_commit", "peak_memory_bytes", "peak_device_memory_bytes"))
    notes = {"selection": "last checkpoint", "corpus": "bp4d", "tested_on": "disfa"}
    record = Record(
        identity="x",
        experiment="pretrain_gan",
        config={"seed": 4, "profile": "mini"},
        seconds=61.0,
        versions={},
        predictions=None,
        notes=notes,
        **facts,
        **blank,
    )
    printed = summary(record)
    assert "experiment pretrain_gan, profile mini, seed 4" in printed
    assert "corpus     bp4d, tested on disfa" in printed
    for target, told in (("disfa", "bp4d → disfa, tested on disfa"), ("bp4d", "bp4d, tested on disfa")):
        record = replace(record, notes={**notes, "data": {"target": target}})
        assert f"corpus     {told}" in summary(record)
    assert "data       licensed or your own" in printed
    rendered = replace(record, notes={**notes, "rendered": True})
    assert "data       rendered faces" in summary(rendered)
    assert printed.endswith("val/loss = 0.2500")

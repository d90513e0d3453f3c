"""F1 of prediction files: against the plain metric, folds apart, the all-positive baseline."""

import numpy as np
import pandas as pd
import pytest

from aukit.metrics import multilabel_f1
from aukit.reproduce.render.table import Heading
from aukit.reproduce.scores import f1_difference, f1_scores, icc_scores

AUS = [1, 12]


def predictions(path, people, seed, skill=1.0, frames=40):
    rng = np.random.default_rng(seed)
    labels = (rng.random((len(people) * frames, 2)) < (0.3, 0.6)).astype(float)
    labels[:5, 0] = np.nan
    scores = skill * (np.nan_to_num(labels) - 0.5) + rng.normal(size=labels.shape)
    columns = {"person": np.repeat(people, frames)}
    for i, au in enumerate(AUS):
        columns |= {f"AU{au:02d}_label": labels[:, i], f"AU{au:02d}_score": scores[:, i]}
    pd.DataFrame(columns).to_parquet(path)
    return path


def test_one_fold_is_the_f1_of_all_frames_and_the_baseline_that_of_calling_all_positive(tmp_path):
    path = predictions(tmp_path / "a.parquet", ["p", "q", "r"], 0)
    frame = pd.read_parquet(path)
    labels = frame[[f"AU{au:02d}_label" for au in AUS]].to_numpy()
    scores = frame[[f"AU{au:02d}_score" for au in AUS]].to_numpy()
    found = f1_scores([path], AUS)
    np.testing.assert_allclose(list(found.method.values.values()), multilabel_f1(scores, labels, 0.0))
    rate = np.nanmean(labels, axis=0)
    np.testing.assert_allclose(list(found.all_positive.values.values()), 2 * rate / (1 + rate))
    assert found.method.support == {"AU1": 115, "AU12": 120}
    assert found.positives["AU12"] == int(labels[:, 1].sum())
    value, low, high = found.margin
    assert value == pytest.approx(found.method.mean - found.all_positive.mean)
    assert low <= value <= high
    column = found.method.column(Heading("a", "a", "method a", "ours"))
    assert column.extra == {"people": 3, "frames": 120}
    assert column.interval == found.method.interval


def test_folds_are_scored_apart_and_then_averaged(tmp_path):
    paths = [
        predictions(tmp_path / "a.parquet", ["p", "q"], 1),
        predictions(tmp_path / "b.parquet", ["r", "s", "t"], 2, skill=3.0),
    ]
    together = f1_scores(paths, AUS)
    apart = [f1_scores([path], AUS) for path in paths]
    for au in ("AU1", "AU12"):
        assert together.method.values[au] == pytest.approx(np.mean([f.method.values[au] for f in apart]))
        assert together.all_positive.values[au] == pytest.approx(
            np.mean([f.all_positive.values[au] for f in apart])
        )
    assert together.method.people == 5
    assert together.method.frames == 200


def test_an_action_unit_that_nobody_shows_has_no_score(tmp_path):
    path = predictions(tmp_path / "a.parquet", ["p", "q"], 3)
    frame = pd.read_parquet(path)
    frame["AU01_label"] = 0.0
    frame.to_parquet(path)
    found = f1_scores([path], AUS)
    assert np.isnan(found.method.values["AU1"])
    assert found.method.mean == found.method.values["AU12"]
    assert found.positives["AU1"] == 0
    assert found.method.support["AU1"] == 80


def test_differences_are_paired(tmp_path):
    people = ["p", "q", "r", "s"]
    worse = f1_scores([predictions(tmp_path / "a.parquet", people, 4, skill=0.5)], AUS)
    better = f1_scores([predictions(tmp_path / "b.parquet", people, 4, skill=4.0)], AUS)
    value, low, high = f1_difference(better, worse)
    assert value == pytest.approx(better.method.mean - worse.method.mean)
    assert 0 < low <= value <= high
    assert f1_difference(worse, worse) == (0, 0, 0)


def test_one_person_with_all_of_an_action_unit_leaves_the_mean_without_an_interval(tmp_path):
    """Without them it would be a mean over other action units; in one fold, over another number of folds."""
    paths = [predictions(tmp_path / f"{name}.parquet", list(name), 5) for name in ("pqr", "stu")]
    frame = pd.read_parquet(paths[0])
    frame.loc[frame["person"] != "q", "AU01_label"] = 0.0
    frame.to_parquet(paths[0])
    found = f1_scores(paths, AUS)
    for scores in (found.method, found.all_positive):
        assert scores.mean == pytest.approx(np.mean(list(scores.values.values())))
        assert np.isnan([*scores.interval, *scores.au_intervals["AU1"]]).all()
        assert np.isfinite(scores.au_intervals["AU12"]).all()
    assert np.isnan(found.margin[1:]).all()
    frame.loc[frame["person"] != "q", "AU01_label"] = np.nan
    frame.to_parquet(paths[0])
    intensity = icc_scores(paths[0], AUS)
    assert np.isnan(intensity.interval).all()
    assert np.isfinite(intensity.au_intervals["AU12"]).all()

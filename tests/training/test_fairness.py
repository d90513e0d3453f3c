"""Scores by group: from a run's predictions into its folder, its record, the CSV log and W&B."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.cbook import is_math_text

from aukit import metrics
from aukit.errors import ConfigError, CorpusError, StoreError
from aukit.training import evaluate, execute, group_plots, read_log, score_groups
from aukit.training.group_plots import by_action_unit, draw_scores, reliability_curves
from tests import wandb_files
from tests.fake_training import FakeDataModule, TinyModule
from tests.fakes import AUS

NAMES = ("female", "male")
PERSON = "Fake/P08"
PEOPLE = "person,age\nP08,20\nP09,25\nP10,40\nP11,50\n"  # those of the test


class Occurrences(FakeDataModule):
    label = "occurrence"


class Detector(TinyModule):
    decision_threshold = 0.4

    def test_step(self, batch, batch_idx):
        return {"rows": batch["rows"], "scores": torch.sigmoid(self(batch["image"]) - 2)}


def config(tmp_path, model="tests.training.test_fairness.Detector", data="Occurrences", **logging):
    return {
        "experiment": "fakes/groups",
        "seed": 3,
        "trainer": {
            "accelerator": "cpu",
            "max_epochs": 1,
            "log_every_n_steps": 1,
            "enable_progress_bar": False,
            "enable_model_summary": False,
        },
        "logging": logging,
        "model": {"class_path": model},
        "data": {
            "class_path": f"tests.training.test_fairness.{data}",
            "init_args": {"cache": str(tmp_path / "stores"), "people": 12, "batch_size": 10},
        },
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("groups")
    return execute(config(folder, wandb=True), folder / "runs")


def by_hand(record):
    """F1 [G, A] of the run's predictions by gender."""
    table = pd.read_parquet(record.predictions)
    scores, labels = (
        table[[f"AU{au:02d}_{kind}" for au in AUS]].to_numpy(np.float64) for kind in ("score", "label")
    )
    return metrics.group_fairness(scores, labels, table["gender"].tolist(), NAMES, 0.4), scores, labels


def test_the_offline_wandb_run_holds_f1_of_each_gender_and_au(finished):
    report, scores, labels = by_hand(finished)
    values = wandb_files.history(finished.folder)
    for a, au in enumerate(AUS):
        for g, gender in enumerate(NAMES):
            assert values[f"test/f1_AU{au}_{gender}"] == pytest.approx(float(report.f1[g, a]))
        assert values[f"test/f1_AU{au}"] == pytest.approx(metrics.multilabel_f1(scores, labels, 0.4)[a])
    assert values["test/f1_gap"] == pytest.approx(float(report.f1_gap.nanmean()))
    assert values["test/equal_opportunity_difference"] == pytest.approx(
        float(report.equal_opportunity_difference.nanmean())
    )


def test_the_wandb_table_shows_intervals_and_support(finished):
    report, *_ = by_hand(finished)
    rows = {
        (row["statistic"], row["au"], row["group"]): row
        for row in wandb_files.table(finished.folder, "test/fairness")
    }
    for a, au in enumerate(AUS):
        for g, gender in enumerate(NAMES):
            row = rows["f1", f"AU{au}", gender]
            assert row["positives"] == int(report.positives[g, a])
            assert row["frames"] == int(report.frames[g, a])
            assert row["low"] <= row["value"] <= row["high"]
    assert rows["worst_group_f1", "mean", "between"]["frames"] is None


def test_the_wandb_run_has_the_plots_that_lie_beside_the_scores(finished):
    keys = ["fairness", "reliability"]
    assert wandb_files.media(finished.folder, "images") == [f"pictures/{key}" for key in keys]
    for key in keys:
        (logged,) = wandb_files.history(finished.folder)[f"pictures/{key}/filenames"]
        (copy,) = finished.folder.glob(f"wandb/offline-run-*/files/{logged}")
        assert copy.read_bytes() == (finished.folder / f"{key}.png").read_bytes()


def test_plots_show_values_with_their_intervals_and_points_of_reliability(finished):
    scores = score_groups(finished.predictions)
    rows = scores.table[scores.table["statistic"] == "f1"]
    names = {"everybody": "all", "female": "women", "male": "men"}
    (axes,) = by_action_unit(rows, names, "F1").axes
    assert [text.get_text() for text in axes.get_xticklabels()] == [*(f"AU{au}" for au in AUS), "mean"]
    for bars, group in zip(axes.containers, names, strict=True):
        assert bars.get_label() == names[group]
        shown = rows[rows["group"] == group]
        points, _, (lines,) = bars.lines
        np.testing.assert_allclose(points.get_ydata(), shown["value"])
        ends = np.array([segment[:, 1] for segment in lines.get_segments() if len(segment)])
        np.testing.assert_allclose(ends, shown[["low", "high"]].dropna(), atol=1e-12)
    figure = reliability_curves(scores.reliability, [f"AU{au}" for au in AUS], names)
    for axes, au in zip(figure.axes, AUS, strict=False):
        assert axes.get_title() == f"AU{au}"
        for points, group in zip(axes.collections, names, strict=True):
            at = scores.reliability[
                (scores.reliability["au"] == f"AU{au}") & (scores.reliability["group"] == group)
            ]
            assert len(at)
            np.testing.assert_allclose(points.get_offsets(), at[["probability", "present"]])


def test_folder_record_and_log_say_the_same(finished):
    content = json.loads((finished.folder / "fairness.json").read_text())
    assert content["by"] == "gender"
    assert content["people"] == {"female": 2, "male": 2, "unknown": 0}
    assert content["rule"] == "present: score above 0.4"
    frame = pd.read_csv(finished.folder / "fairness.csv")
    assert len(frame) == len(content["rows"])
    log = read_log(finished.folder)
    for row in content["rows"]:
        if row["statistic"] == "f1" and row["group"] == "male":
            name = "test/f1_male" if row["au"] == "mean" else f"test/f1_{row['au']}_male"
            assert finished.metrics[name] == pytest.approx(row["value"])
            assert log[name].dropna().iloc[-1] == pytest.approx(row["value"])


def test_intensities_have_an_icc_by_gender_and_the_occurrence_of_level_two(tmp_path):
    module = "tests.fake_training.TinyModule"
    record = execute(config(tmp_path, module, "FakeDataModule", wandb=False), tmp_path / "runs")
    table = pd.read_parquet(record.predictions)
    men = table[table["gender"] == "male"]
    for au in AUS:
        label, score = (men[[f"AU{au:02d}_{kind}"]].to_numpy(np.float64) for kind in ("label", "score"))
        icc = metrics.intraclass_correlation(score, label)[0]
        assert record.metrics[f"test/icc_AU{au}_male"] == pytest.approx(icc)
        f1 = metrics.multilabel_f1(score, (label >= 2).astype(float), 1.5)[0]
        assert record.metrics[f"test/f1_AU{au}_male"] == pytest.approx(f1)
    assert "label 2 and more" in json.loads((record.folder / "fairness.json").read_text())["rule"]
    assert not list(record.folder.rglob("*.png"))  # plots are of runs that W&B has


def predictions(tmp_path, gender, **attrs):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, len(gender)).astype(float)
    columns = {"person": [f"P{i // 10}" for i in range(len(gender))], "gender": gender, "task": "T1"}
    table = pd.DataFrame({**columns, "AU01_label": labels, "AU01_score": rng.random(len(gender))})
    table.loc[::2, "task"] = "T2"
    table.attrs = attrs or {"label": "occurrence", "threshold": 0.5}
    table.to_parquet(tmp_path / "predictions.parquet")
    return tmp_path / "predictions.parquet"


def test_people_of_unknown_gender_count_for_everybody_and_are_counted(tmp_path):
    scores = score_groups(predictions(tmp_path, ["female"] * 30 + [None] * 20))
    assert scores.people == {"female": 3, "male": 0, "unknown": 2}
    rows = scores.table.set_index(["statistic", "au", "group"])
    assert rows.loc[("f1", "AU1", "everybody"), "frames"] == 50
    assert rows.loc[("f1", "AU1", "female"), "frames"] == 30
    assert rows.loc[("f1", "AU1", "male"), "frames"] == 0
    assert np.isnan(rows.loc[("f1", "AU1", "male"), "value"])
    assert np.isnan(scores.scalars()["test/f1_gap"])


def test_any_column_groups(tmp_path):
    scores = score_groups(predictions(tmp_path, ["female"] * 40), by="task")
    assert scores.groups == ("T1", "T2")
    assert {"test/f1_AU1_T1", "test/f1_AU1_T2"} <= set(scores.scalars())
    with pytest.raises(ConfigError, match="no such column; choose one of gender, task"):
        score_groups(tmp_path / "predictions.parquet", by="age")


def test_a_column_names_no_group_as_something_else_and_nothing_is_unknown(tmp_path):
    path = predictions(tmp_path, ["female"] * 40)
    frame = pd.read_parquet(path)
    for name in ("everybody", "unknown", "gap"):
        frame["task"] = np.where(frame["task"] == "T1", "T1", name)
        frame.to_parquet(path)
        with pytest.raises(ConfigError, match=f"task: .*parquet calls a group '{name}'.* another word"):
            score_groups(path, "task")
        frame["task"] = np.where(frame["task"] == "T1", "T1", "T2")
    frame["task"] = np.where(frame["task"] == "T1", "T1", "nan")
    frame.to_parquet(path)
    assert score_groups(path, "task").people == {"T1": 4, "unknown": 4}


@pytest.mark.parametrize("name", ["$a_$", "$30k-$50k", "_x"])
def test_plots_show_a_groups_name_letter_by_letter(tmp_path, name):
    path = predictions(tmp_path, ["female"] * 40)
    frame = pd.read_parquet(path)
    frame["task"] = np.where(frame["task"] == "T1", "T1", name)
    frame.to_parquet(path)
    scores = score_groups(path, "task")
    assert len(draw_scores(scores, tmp_path)) == 2
    names = {"everybody": "everybody", "T1": "T1", name: name}
    rows = scores.table[scores.table["statistic"] == "f1"]
    for figure in (by_action_unit(rows, names, "F1"), reliability_curves(scores.reliability, ["AU1"], names)):
        (legend,) = figure.legends
        (shown,) = {text.get_text() for text in legend.get_texts()} - {"everybody", "T1"}
        assert shown.replace("\\$", "$").strip() == name
        assert not is_math_text(shown)


def test_plots_of_rendered_faces_say_so(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(group_plots, "png", lambda figure: drawn.append(figure) or b"")
    draw_scores(score_groups(predictions(tmp_path, ["female"] * 40), "task"), tmp_path, "rendered stand-in")
    said = [figure.legends[-1].get_title().get_text() for figure in drawn]
    assert said == ["rendered stand-in"] * 2


def test_a_plot_that_cannot_be_drawn_costs_no_record(tmp_path, monkeypatch):
    def fails(*_):
        raise ValueError("no plot")

    monkeypatch.setattr("aukit.training.run.draw_scores", fails)
    with pytest.raises(ValueError, match="no plot"):
        execute(config(tmp_path, wandb=True), tmp_path / "runs")
    monkeypatch.setattr("aukit.training.run.score_groups", fails)  # it is not trained and tested again
    assert execute(config(tmp_path, wandb=True), tmp_path / "runs").metrics["test/f1_gap"] is not None


def test_people_of_a_table_in_bins_and_crossed(tmp_path):
    path = predictions(tmp_path, ["female"] * 20 + ["male"] * 20 + [None] * 10)
    (tmp_path / "people.csv").write_text("person,age,gender\nP0,20,f\nP1,40,m\nP2,41,m\nP3,70,f\n")
    ages = score_groups(path, "age:<30,30-50,>90", tmp_path / "people.csv")
    assert ages.groups == ("<30", "30-50")
    assert ages.people == {"<30": 1, "30-50": 2, "unknown": 2}
    frame = pd.read_parquet(path)
    rows = frame[frame["person"].isin(["P1", "P2"])]
    f1 = metrics.multilabel_f1(rows[["AU01_score"]].to_numpy(), rows[["AU01_label"]].to_numpy())[0]
    assert ages.scalars()["test/f1_AU1_30-50"] == pytest.approx(f1)
    crossed = score_groups(path, "gender+age:<50,>=50", tmp_path / "people.csv")
    assert crossed.groups == ("female × <50", "female × >=50", "male × <50")
    # The table of people counts before the file, whose P1 is a woman.
    assert score_groups(path, "gender", tmp_path / "people.csv").people == {
        "female": 2,
        "male": 2,
        "unknown": 1,
    }
    assert score_groups(path, "task", tmp_path / "people.csv").groups == ("T1", "T2")
    assert score_groups(path, "gender+gender").groups == ("female × female", "male × male")


def test_areas_and_calibration_stand_beside_f1(finished):
    table = pd.read_parquet(finished.predictions)
    scores, labels = (
        table[[f"AU{au:02d}_{kind}" for au in AUS]].to_numpy(np.float64) for kind in ("score", "label")
    )
    for name, function in (
        ("auroc", metrics.auroc),
        ("average_precision", metrics.average_precision),
        ("brier", metrics.brier_score),
        ("ece", metrics.expected_calibration_error),
    ):
        expected = np.nanmean(function(scores, labels))
        assert finished.metrics[f"test/{name}"] == pytest.approx(expected, nan_ok=True)
        assert wandb_files.history(finished.folder)[f"test/{name}_gap"] is not None


def test_scores_that_are_no_probabilities_have_no_calibration(tmp_path):
    path = predictions(tmp_path, ["female"] * 20, label="occurrence", threshold=0.0)
    assert {"test/auroc"} <= set(score_groups(path).scalars())
    assert not {"test/brier", "test/ece"} & set(score_groups(path).scalars())


def test_a_run_is_scored_by_people_of_a_table_and_again_by_others(tmp_path):
    (tmp_path / "people.csv").write_text(PEOPLE)
    groups = {"group_by": "age:<30,>=30", "attributes": str(tmp_path / "people.csv")}
    record = execute(config(tmp_path, wandb=True, **groups), tmp_path / "runs")
    assert json.loads((record.folder / "fairness.json").read_text())["groups"] == ["<30", ">=30"]
    assert "test/f1_<30" in record.metrics
    assert {row["group"] for row in wandb_files.table(record.folder, "test/fairness")} >= {"<30", ">=30"}
    # The groups are no part of what a run is: the same one is scored again.
    evaluate(config(tmp_path, wandb=False, **groups | {"group_by": "age:<10,>=10"}), tmp_path / "runs")
    assert json.loads((record.folder / "fairness-test.json").read_text())["groups"] == [">=10"]


@pytest.mark.parametrize(
    ("by", "people", "error", "message"),
    [
        ("shoe", "person,age\n{0},20\n", ConfigError, "groups by shoe: no attribute of people"),
        ("age:30", "person,age\n{0},20\n", ConfigError, "'30' is no bin"),
        ("age", "person,age\n{0},gap\n", ConfigError, "calls a group 'gap'"),
        ("age", "person,age\nnobody,20\n", CorpusError, "people.csv: names nobody"),
    ],
)
def test_groups_that_cannot_be_made_are_refused_before_training(tmp_path, by, people, error, message):
    (tmp_path / "people.csv").write_text(people.format(PERSON))
    given = config(tmp_path, wandb=False, group_by=by, attributes=str(tmp_path / "people.csv"))
    with pytest.raises(error, match=message):
        execute(given, tmp_path / "runs")
    assert not list((tmp_path / "runs").glob("*/checkpoints/*"))


def test_a_column_that_no_run_has_is_refused_before_training(tmp_path):
    with pytest.raises(
        ConfigError, match=r"group_by=age: the data has no such column; choose one of subject"
    ):
        execute(config(tmp_path, wandb=False, group_by="age"), tmp_path / "runs")
    assert not list((tmp_path / "runs").glob("*/checkpoints/*"))


def test_a_file_that_does_not_say_what_its_labels_are_is_refused(tmp_path):
    with pytest.raises(StoreError, match="occurrences or intensities"):
        score_groups(predictions(tmp_path, ["male"] * 10, other=1))


def least_table(tmp_path, people, labels, kind="occurrence"):
    """A table of one AU: a frame per label; people are women, or of unknown gender where the name says so."""
    frame = pd.DataFrame(
        {
            "person": people,
            "gender": [None if "unknown" in person else "female" for person in people],
            "AU12_label": np.array(labels, np.float32),
            "AU12_score": np.linspace(0, 1, len(people), dtype=np.float32),
        }
    )
    frame.attrs = {"label": kind, "threshold": 0.4} if kind == "occurrence" else {"label": kind}
    frame.to_parquet(tmp_path / "predictions.parquet", index=False)
    return score_groups(tmp_path / "predictions.parquet")


@pytest.mark.parametrize("kind", ["occurrence", "intensity"])
@pytest.mark.parametrize(
    ("people", "labels", "f1"),
    [
        (["A/1"] * 4, [0, 1, 1, 1], 0.8),  # scores 0, 1/3, 2/3, 1 above 0.4
        (["A/1"], [1], np.nan),  # one frame, of score 0: present and missed
        (["A/1", "A/2"], [np.nan, np.nan], np.nan),
        (["A/unknown"] * 3, [0, 1, 1], np.nan),
    ],
    ids=["one person", "one frame", "no coded frame", "no known group"],
)
def test_the_least_tables_have_values_or_none_with_their_support(tmp_path, kind, people, labels, f1):
    scores = least_table(tmp_path, people, np.array(labels) * (3 if kind == "intensity" else 1), kind)
    rows = scores.table.set_index(["statistic", "au", "group"])
    female = rows.loc["f1", "AU12", "female"]
    known = [label for person, label in zip(people, labels, strict=True) if "unknown" not in person]
    assert female["frames"] == np.isfinite(known).sum()
    assert female["positives"] == np.nansum(known)
    assert np.isnan(rows["value"]["f1", "AU12", "male"])
    assert np.isnan(rows["value"]["f1_gap", "AU12", "between"])
    if kind == "occurrence" and np.isfinite(f1):
        assert rows["value"]["f1", "AU12", "female"] == pytest.approx(f1)
    assert rows["value"]["f1"].dropna().between(0, 1).all()
    scores.write(tmp_path)
    assert json.loads((tmp_path / "fairness.json").read_text())["people"]["male"] == 0

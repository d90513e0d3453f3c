"""PM2's tables: what they say of given predictions, and the chain in `smoke` once."""

import json
from copy import copy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from aukit import metrics
from aukit.cli import main as aukit
from aukit.errors import ConfigError
from aukit.reproduce import TABLES, main, table_class
from aukit.reproduce.fairness_scores import STATISTICS, SeedScores, span
from aukit.reproduce.options import Setting
from aukit.reproduce.pm2.figures import gap_against_f1, principal_components
from aukit.reproduce.pm2.tables import SOURCE_PREDICTIONS, Cell, PM2Tables, PM2ToGFT
from tests.reproduce.words import smoke_words

GENDERS = ("female", "male")


def predictions(path, aus, quality, seed, people=10, frames=60, gender_gap=0.0):
    """Predictions of a detector that errs in 1 − quality of the frames, and more with men."""
    truth, own = np.random.default_rng(7), np.random.default_rng(seed)
    labels = (truth.random((people * frames, len(aus))) < 0.4).astype(float)
    person = np.repeat([f"P{i:02d}" for i in range(people)], frames)
    gender = np.where(np.arange(people) % 2, "male", "female").repeat(frames)
    wrong = own.random(labels.shape) > quality - gender_gap * (gender == "male")[:, None]
    table = pd.DataFrame({"person": person, "gender": gender})
    for i, au in enumerate(aus):
        table[f"AU{au:02d}_label"] = labels[:, i]
        table[f"AU{au:02d}_score"] = np.where(wrong[:, i], 1 - labels[:, i], labels[:, i])
    table.attrs = {"label": "occurrence", "threshold": 0.5}
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(path)
    return path


QUALITY = {"source": 0.8, "mcd": 0.8, "m3sda": 0.6, "pm2": 0.95}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The tables of `mini` with a record per cell whose predictions are made up."""
    folder = tmp_path_factory.mktemp("pm2")
    table = PM2Tables(Setting("mini", {}, folder, 0, 1))
    records, config = {}, table.run_config(0)
    for cell in table.cells():
        run = folder / "runs" / cell.name
        made_up = (table.aus, QUALITY[cell.id], cell.seed + 1000 * list(QUALITY).index(cell.id))
        gap = 0.2 if cell.id == "source" else 0.0
        records[cell] = SimpleNamespace(
            predictions=str(predictions(run / "predictions.parquet", *made_up, gender_gap=gap)),
            folder=run,
            identity=cell.name,
            seconds=1.0,
            notes={"selection": "best val/source_f1 (max) on validation people"},
            config=config,
            git_commit="c",
            versions={},
        )
        predictions(run / SOURCE_PREDICTIONS, *made_up, people=14)
    data = fake_data()
    starts = {seed: records[Cell("source", seed)] for seed in table.seeds}
    return table, records, table.tabulate(data, starts, records)


def fake_data():
    part = SimpleNamespace(
        store=SimpleNamespace(table=SimpleNamespace(frame=pd.DataFrame({"person": list("abcdef")}))),
        train_rows=[0, 1],
        val_rows=[2],
        test_rows=[3, 4],
    )
    notes = {
        "standins": {"bp4d": {"version": 3}, "disfa": {"version": 3}},
        "triplets": 2,
        "real_frames_by_gender": {"female": 1, "male": 1},
        "target_frames": 1,
        "adapted_to": "target training people",
    }
    return SimpleNamespace(source=part, target=part, target_rows=[5], notes=notes, fingerprint="f")


def test_the_tables_are_there_in_every_format(made, tmp_path):
    _, _, report = made
    assert list(report.tables) == ["source", "target", "fairness", "differences"]
    report.write(tmp_path)
    content = json.loads((tmp_path / "table.json").read_text())
    assert content["provenance"]["seeds"] == [0, 1]
    assert {path.suffix for path in tmp_path.iterdir()} == {".txt", ".csv", ".md", ".tex", ".json", ".png"}
    csv = pd.read_csv(tmp_path / "table.csv")
    fairness = csv[(csv["table"] == "fairness") & (csv["id"] == "pm2")]
    assert list(fairness["row"]) == list(STATISTICS)


def test_f1_is_the_mean_of_the_seeds_over_all_frames(made):
    table, records, report = made
    column = next(c for c in report.tables["target"].columns if c.id == "m3sda")
    per_seed = []
    for seed in table.seeds:
        frame = pd.read_parquet(records[Cell("m3sda", seed)].predictions)
        scores, labels = (frame.filter(like=kind).to_numpy() for kind in ("_score", "_label"))
        per_seed.append(metrics.multilabel_f1(scores, labels))
    np.testing.assert_allclose([column.values[f"AU{au}"] for au in table.aus], np.mean(per_seed, axis=0))
    assert column.extra["f1_per_seed"] == pytest.approx([f1.mean() for f1 in per_seed])
    assert column.interval[0] < column.mean < column.interval[1]


def test_floor_and_differences_are_called_what_they_are(made):
    _, _, report = made
    text = report.to_text()
    assert "source only beats the floor" in text
    source = next(c for c in report.tables["source"].columns if c.id == "source")
    assert source.margin[1] > 0
    rows = {row[0]: row[1:] for row in report.tables["differences"].cells()}
    mcd, m3sda, pm2 = range(3)
    assert rows[""] == ["MCD", "M3SDA", "PM2"]
    assert rows["F1"][pm2].startswith("+")
    assert "n.s." not in rows["F1"][pm2]
    assert rows["F1"][m3sda].startswith("-")
    assert rows["F1 gap"][mcd].startswith("-")  # source-only errs more with men, MCD does not
    assert "n.s." not in rows["F1 gap"][mcd]
    assert "Significant against source only" in text
    assert "Seeds: 0, 1." in text
    assert "best val/source_f1" in text


def test_what_mini_does_not_run_says_so(made):
    _, _, report = made
    for sentence in (next(s for s in report.caption if s.startswith("Not run in mini")), report.to_text()):
        for words in ("without pairing", "female avatars only", "order 5", "without MCD", "DANN"):
            assert words in " ".join(sentence.split())
    sentence = next(s for s in report.tables["target"].missing() if s.startswith("Not run in mini"))
    assert "DANN" in sentence


def test_an_ablation_is_its_difference_from_pm2_in_full(made):
    table, records, _ = made
    table = copy(table)
    table.ablations = {"unpaired": {"short": "unpaired", "label": "without pairing"}}
    as_m3sda = {Cell("unpaired", seed): records[Cell("m3sda", seed)] for seed in table.seeds}
    columns = {c.id: c for c in table.ablation_table({**records, **as_m3sda}).columns}
    minus = table.difference(records, "m3sda", "pm2")
    assert columns["unpaired"].values["F1"] == pytest.approx(span(minus, "F1")[0])
    assert columns["order5"].note == "not run in mini"


def test_a_method_that_equals_source_only_is_not_significant(tmp_path):
    paths = [predictions(tmp_path / f"{seed}.parquet", (1, 2), 0.8, seed) for seed in (1, 2)]
    one, two = SeedScores.read(paths, (1, 2)), SeedScores.read(paths, (1, 2))
    assert span(one.minus(two), "F1") == (0, 0, 0)
    assert one.floor.own["overall_f1"].estimate[-1] == pytest.approx(2 * 0.4 / 1.4, abs=0.03)


def test_ablations_change_nothing_but_what_they_name(tmp_path):
    table = PM2Tables(Setting("standin", {}, tmp_path, 0, 1))
    cells = {cell.id: words for cell, words in table.cells().items()}
    full = table.run_config(0, *cells["pm2"])["model"]["init_args"]
    for id, key, value in (
        ("unpaired", "paired_orders", 0),
        ("female", "streams", ["real", "female"]),
        ("order5", "order", 5),
        ("no_mcd", "discrepancy", False),
    ):
        changed = table.run_config(0, *cells[id])["model"]["init_args"]
        assert changed[key] == value
        assert {k: v for k, v in changed.items() if k != key} == {k: v for k, v in full.items() if k != key}


def test_every_method_has_the_budget_of_the_others(tmp_path):
    table = PM2Tables(Setting("mini", {}, tmp_path, 0, 1))
    budgets = set()
    for cell, words in table.cells().items():
        config = table.run_config(cell.seed, *words)
        data = config["data"]["init_args"]
        budgets.add((config["trainer"]["max_epochs"] * data["steps_per_epoch"], data["batch_size"]))
    assert len(budgets) == 1
    assert min(budgets)[0] >= 150


def test_targets(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert table_class("pm2").for_target("gft") is PM2ToGFT
    assert PM2ToGFT(Setting("smoke", {}, tmp_path, 0, 1)).aus == [1, 2, 4, 6, 10, 12, 14, 15, 23, 24]
    assert aukit(["reproduce", "pm2", "--plan", "--profile", "smoke", "--target", "gft"]) == 0
    assert "gft" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="choose disfa or gft"):
        PM2Tables.for_target("bp4d")
    for name in TABLES:
        if name != "pm2":
            with pytest.raises(ConfigError, match="no choice of targets"):
                table_class(name).for_target("gft")


def test_figures(made):
    table, records, _ = made
    scored = {id: table.scores(records, id) for id in table.methods}
    assert gap_against_f1(scored, {id: id for id in scored}, "made up").startswith(b"\x89PNG")
    line = np.outer(np.arange(10.0), [3.0, 4.0, 0.0]).astype(np.float32)
    points = principal_components(line)
    np.testing.assert_allclose(np.abs(np.diff(points[:, 0])), 5, atol=1e-5)
    np.testing.assert_allclose(points[:, 1], 0, atol=1e-5)


def test_the_chain_in_smoke(tmp_path, monkeypatch, capsys):
    """Stand-ins, avatars, a start and two methods; a second call prints the finished table."""
    monkeypatch.chdir(tmp_path)
    made = PM2Tables.__init__

    def short(self, setting):
        made(self, setting)
        self.methods = {id: self.methods[id] for id in ("source", "pm2")}
        self.seeds = self.seeds[:1]

    monkeypatch.setattr(PM2Tables, "__init__", short)
    words = smoke_words("pm2")
    main(words)
    folder = tmp_path / "lightning_logs/tables/pm2-disfa/standin-smoke"
    for name in ("table.json", "gap_f1.png", "embedding.png"):
        assert (folder / name).exists()
    first = capsys.readouterr().out
    monkeypatch.setattr(PM2Tables, "make", None)
    main(words)
    assert capsys.readouterr().out.strip() in first

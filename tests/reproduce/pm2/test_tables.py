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
from aukit.reproduce import TABLES, main
from aukit.reproduce.base import read_spec
from aukit.reproduce.options import TableOptions
from aukit.reproduce.pm2.caption import selection_sentence
from aukit.reproduce.pm2.cells import WEIGHTS_VARIABLE, Cell, PM2Cells
from aukit.reproduce.pm2.figures import gap_against_f1, principal_components
from aukit.reproduce.pm2.tables import HELD_OUT, PM2Tables, Results
from aukit.reproduce.pm2.weights import Choice, Gradients, best_share, validation_f1
from aukit.reproduce.render.table import Heading
from aukit.reproduce.scores import STATISTICS, SeedScores, span
from aukit.training import Record
from aukit.training.options import ORACLE
from tests.reproduce.smoke import assert_others_can_verify, smoke_arguments

GENDERS = ("female", "male")
NOTES = {"triplets": 1200, "real_training_frames_without_both_renders": 34, "renders": 3600}


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


QUALITY = {
    "source": 0.8,
    "mcd": 0.8,
    "m3sda": 0.6,
    "pm2": 0.95,
    "source_both": 0.8,
    "unpaired": 0.9,
    "target_labels": 0.97,
    "pm2_dataset": 0.9,
}

CHOICES = {
    "m3sda": Choice(Gradients(1.0, 4.0), 0.1, {0.1: 0.6, 1.0: 0.5}),
    "pm2": Choice(Gradients(1.0, 0.5), 1.0, {0.1: 0.5, 1.0: 0.6}),
    "unpaired": Choice(Gradients(1.0, 0.25), 1.0, {}),
    "pm2_dataset": Choice(Gradients(1.0, 0.2), 1.0, {}),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The tables of `mini` with a record per cell whose predictions are made up."""
    folder = tmp_path_factory.mktemp("pm2")
    table = PM2Tables(TableOptions("mini", {}, folder, 0, 1))
    cells = table.cells
    records, config = {}, cells.run_config(0)
    for cell in cells.trainings():
        run = folder / "runs" / cell.name
        made_up = (cells.aus, QUALITY[cell.id], cell.seed + 1000 * list(QUALITY).index(cell.id))
        gap = 0.2 if cell.id == "source" else 0.0
        records[cell] = SimpleNamespace(
            predictions=str(predictions(run / "predictions.parquet", *made_up, gender_gap=gap)),
            folder=run,
            identity=cell.name,
            seconds=1.0,
            notes={"selection": "best val/source_f1 (max) on validation people", "data": NOTES},
            config=config,
            git_commit="c",
            versions={},
        )
        predictions(run / f"predictions-on-{HELD_OUT}.parquet", *made_up, people=14)
    data = fake_data()
    starts = {seed: records[Cell("source", seed)] for seed in cells.seeds}
    results = Results(cells, records)
    return table, results, table.tabulate(data, starts, CHOICES, results)


def fake_data():
    part = SimpleNamespace(
        store=SimpleNamespace(
            table=SimpleNamespace(frame=pd.DataFrame({"person": list("abcdef")})),
            manifest={"landmarks": "sidecar"},
        ),
        train_rows=[0, 1],
        val_rows=[2],
        test_rows=[3, 4],
    )
    notes = {
        "standins": {
            corpus: {"recipe": {"name": f"{corpus}-people"}, "version": 3, "seed": 0}
            for corpus in ("bp4d", "disfa")
        },
        "triplets": 2,
        "real_frames_by_gender": {"female": 1, "male": 1},
        "target_frames": 1,
        "adapted_to": "target training people",
    }
    return SimpleNamespace(source=part, target=part, target_rows=[5], notes=notes, fingerprint="f")


def test_the_tables_are_there_in_every_format(made, tmp_path):
    _, _, report = made
    assert list(report.tables) == [
        "source_domain",
        "target_domain",
        "fairness",
        "differences",
        "differences_to_rivals",
        "ablations",
    ]
    report.write(tmp_path)
    content = json.loads((tmp_path / "table.json").read_text())
    assert content["provenance"]["seeds"] == [0, 1]
    assert {path.suffix for path in tmp_path.iterdir()} == {".txt", ".csv", ".md", ".tex", ".json", ".png"}
    csv = pd.read_csv(tmp_path / "table.csv")
    fairness = csv[(csv["table"] == "fairness") & (csv["id"] == "pm2")]
    assert list(fairness["row"]) == list(STATISTICS)


def test_f1_is_the_mean_of_the_seeds_over_all_frames(made):
    table, results, report = made
    cells = table.cells
    column = next(c for c in report.tables["target_domain"].columns if c.id == "m3sda")
    per_seed = []
    for seed in cells.seeds:
        frame = pd.read_parquet(results.records[Cell("m3sda", seed)].predictions)
        scores, labels = (frame.filter(like=kind).to_numpy() for kind in ("_score", "_label"))
        per_seed.append(metrics.multilabel_f1(scores, labels))
    np.testing.assert_allclose([column.values[f"AU{au}"] for au in cells.aus], np.mean(per_seed, axis=0))
    assert column.extra["f1_per_seed"] == pytest.approx([f1.mean() for f1 in per_seed])
    assert column.interval[0] < column.mean < column.interval[1]


def test_baseline_and_differences_are_called_what_they_are(made):
    _, _, report = made
    text = report.to_text()
    assert "source only beats the all-positive baseline" in text
    source = next(c for c in report.tables["source_domain"].columns if c.id == "source")
    assert source.margin[1] > 0
    rows = {row[0]: row[1:] for row in report.tables["differences"].cells()}
    mcd, m3sda, pm2 = 1, 2, 3
    assert rows[""] == ["source+", "MCD", "M3SDA", "PM2", "data set", "bound"]
    assert rows["F1"][pm2].startswith("+")
    assert rows["F1"][m3sda].startswith("-")
    assert rows["F1 gap"][mcd].startswith("-")  # source-only errs more with men, MCD does not
    assert "2 seeds are too few to call a difference significant or not" in " ".join(text.split())
    assert "n.s." not in text
    assert "Significant" not in text
    assert "is significant" not in text
    assert "Seeds: 0, 1." in text
    assert "best val/source_f1" in text


def test_what_mini_does_not_run_says_so(made):
    _, _, report = made
    for sentence in (next(s for s in report.caption if s.startswith("Not run in mini")), report.to_text()):
        for words in ("female avatars only", "order 5", "without MCD", "DANN"):
            assert words in " ".join(sentence.split())
    sentence = next(s for s in report.tables["target_domain"].missing() if s.startswith("Not run in mini"))
    assert "DANN" in sentence


def test_pm2_is_compared_with_each_rival_on_the_same_people(made):
    _, results, report = made
    columns = {c.id: c for c in report.tables["differences_to_rivals"].columns}
    assert list(columns) == ["source", "source_both", "mcd", "m3sda", "pm2_dataset"]
    assert columns["m3sda"].label == "PM2 minus M3SDA, three sources"
    for id, column in columns.items():
        value, low, high = span(results.difference("pm2", id), "F1")
        own = [np.mean(results.scores(each).per_seed("overall_f1")) for each in ("pm2", id)]
        assert value == pytest.approx(own[0] - own[1])
        assert (column.values["F1"], *column.au_intervals["F1"]) == (value, low, high)
    text = " ".join(report.to_text().split())
    assert "PM2 minus the method that heads the column, on the same people and seeds" in text


def test_the_upper_bound_is_no_method(made):
    table, _, report = made
    bound = next(c for c in report.tables["target_domain"].columns if c.id == "target_labels")
    assert (bound.kind, bound.label) == ("upper_bound", "upper bound: trained on target labels")
    assert "target_labels" in table.cells.methods
    assert "target_labels" not in table.cells.adapted
    sentence = next(s for s in report.caption if s.startswith("Upper bound (bound)"))
    assert "no method of adaptation" in sentence
    assert "selected by F1 on 1 other people of the target" in sentence
    assert report.to_png().startswith(b"\x89PNG")


def test_what_is_beyond_the_paper_is_called_so_and_is_no_rival(made):
    table, results, report = made
    column = next(c for c in report.tables["target_domain"].columns if c.id == "pm2_dataset")
    assert column.kind == "beyond"
    assert column.label == "PM2, the data set's avatars (beyond the paper)"
    assert "pm2_dataset" not in (*table.cells.adapted, *table.cells.rivals)
    sentence = next(s for s in report.caption if s.startswith("Beyond the paper (data set)"))
    assert "3,600 renders that no corpus drives" in sentence
    assert "34 of 1,234 frames show what no pair does and are left out" in sentence
    # Without it every other column is what it was.
    without, alone = copy(table), copy(results)
    without.cells = alone.cells = copy(table.cells)
    without.cells.methods = {id: each for id, each in table.cells.methods.items() if id != "pm2_dataset"}
    for name, plain in (
        ("target_domain", without.f1_table(alone, held_out=False)),
        ("fairness", without.fairness_table(alone)),
        ("differences_to_rivals", without.rivals_table(alone)),
    ):
        columns = [c for c in report.tables[name].columns if c.id != "pm2_dataset"]
        assert [c for c in plain.columns if c.id != "pm2_dataset"] == columns


def test_what_is_beyond_the_paper_differs_from_pm2_in_its_avatars_alone(tmp_path):
    cells = PM2Cells(TableOptions("mini", {}, tmp_path))
    runs = cells.trainings()
    plain, other = (dict(cells.run_config(0, *runs[Cell(id, 0)])) for id in ("pm2", "pm2_dataset"))
    roots = [each["data"]["init_args"]["avatars"]["init_args"].pop("root") for each in (plain, other)]
    assert roots == [str(cells.pairs), str(cells.dataset)]
    assert plain == other
    assert (cells.dataset_config.size, cells.dataset_config.expressions) == (96, 1800)


@pytest.mark.parametrize("target", ["disfa", "gft"])
def test_the_upper_bound_differs_from_source_only_in_its_labels_alone(tmp_path, target):
    cells = PM2Cells(TableOptions("mini", {}, tmp_path), target)
    runs = cells.trainings()
    source, bound = (dict(cells.run_config(0, *runs[Cell(id, 0)])) for id in ("source", "target_labels"))
    data = bound["data"]["init_args"]
    assert data["train_on"] == "target"
    data["train_on"] = "source"
    assert source == bound


def test_the_caption_says_whose_labels_chose_a_checkpoint(made):
    _, _, report = made
    assert "no label of the target selects anything" in " ".join(report.caption)
    oracle = selection_sentence({"last checkpoint", f"best val/oracle_f1 (max) on {ORACLE}"})
    assert "An oracle sees the labels that it is tested by" in oracle
    assert "no label of the target" not in oracle


def test_the_caption_says_where_crops_come_from(made):
    _, _, report = made
    assert "crops of 64 px registered by landmarks of a file beside the corpus, resnet10t" in " ".join(
        report.caption
    )


def test_the_caption_has_the_rule_and_every_weight(made):
    _, _, report = made
    sentence = next(s for s in report.caption if s.startswith("Weight of an alignment"))
    assert "ρ is of 0.1, 1 the one with the best F1 on the people of the source who select" in sentence
    assert "M3SDA ρ 0.1, weight 0.025; PM2 ρ 1, weight 2." in sentence
    others = "unpaired ρ 1, weight 4; data set ρ 1, weight 5."
    assert (
        f"An ablation, or what is beyond the paper, has PM2's ρ with its own gradients: {others}" in sentence
    )
    assert report.provenance["weights"]["m3sda"] == {
        "source": 1.0,
        "alignment": 4.0,
        "share": 0.1,
        "weight": 0.025,
        "f1": {"0.1": 0.6, "1": 0.5},
    }


def test_the_best_share_is_the_smallest_of_equal_ones():
    assert best_share({1.0: 0.5, 0.1: 0.5, 3.0: 0.4}) == 0.1
    assert best_share({0.1: np.nan, 1.0: 0.2}) == 1.0
    assert best_share({1.0: np.nan, 0.1: np.nan}) == 0.1
    records = [SimpleNamespace(notes={"best_score": score}) for score in (0.5, 0.7)]
    assert validation_f1(records) == pytest.approx(0.6)
    assert np.isnan(validation_f1([*records, SimpleNamespace(notes={})]))


def test_weights_are_chosen_for_what_aligns_features(tmp_path):
    mini = PM2Cells(TableOptions("mini", {}, tmp_path))
    assert mini.aligned() == ["m3sda", "pm2", "pm2_dataset", "unpaired"]
    assert mini.weighed() == ["m3sda", "pm2"]
    everything = PM2Cells(TableOptions("standin", {}, tmp_path))
    none = {"source", "source_both", "mcd", "target_labels"}
    assert set(everything.aligned()) == {*everything.methods, *everything.ablations} - none


def test_an_ablation_is_its_difference_from_pm2_in_full(made):
    table, results, _ = made
    cells = copy(table.cells)
    table = copy(table)
    table.cells = cells
    cells.ablations = {"female": Heading("female", "female", "female avatars only", "comparison")}
    as_m3sda = {Cell("female", seed): results.records[Cell("m3sda", seed)] for seed in cells.seeds}
    results = Results(cells, {**results.records, **as_m3sda})
    columns = {c.id: c for c in table.ablation_table(results).columns}
    minus = results.difference("m3sda", "pm2")
    assert columns["female"].values["F1"] == pytest.approx(span(minus, "F1")[0])
    assert columns["order5"].note == "not run in mini"


def test_a_method_that_equals_source_only_is_not_significant(tmp_path):
    paths = [predictions(tmp_path / f"{seed}.parquet", (1, 2), 0.8, seed) for seed in (1, 2)]
    one, two = SeedScores.read(paths, (1, 2)), SeedScores.read(paths, (1, 2))
    assert span(one.minus(two), "F1") == (0, 0, 0)
    assert one.all_positive.own["overall_f1"].estimate[-1] == pytest.approx(2 * 0.4 / 1.4, abs=0.03)


def test_ablations_change_nothing_but_what_they_name(tmp_path):
    cells = PM2Cells(TableOptions("standin", {}, tmp_path))
    overrides = {cell.id: own for cell, own in cells.trainings().items()}
    full = cells.run_config(0, *overrides["pm2"])["model"]["init_args"]
    for id, key, value in (
        ("unpaired", "paired_orders", 0),
        ("female", "streams", ["real", "female"]),
        ("order5", "order", 5),
        ("no_mcd", "discrepancy", False),
    ):
        changed = cells.run_config(0, *overrides[id])["model"]["init_args"]
        assert changed[key] == value
        assert {k: v for k, v in changed.items() if k != key} == {k: v for k, v in full.items() if k != key}


def test_every_method_has_the_budget_of_the_others(tmp_path):
    cells = PM2Cells(TableOptions("mini", {}, tmp_path))
    budgets = set()
    for cell, overrides in cells.trainings().items():
        config = cells.run_config(cell.seed, *overrides)
        data = config["data"]["init_args"]
        budgets.add((config["trainer"]["max_epochs"] * data["steps_per_epoch"], data["batch_size"]))
    assert len(budgets) == 1
    assert min(budgets)[0] >= 150


def test_the_papers_size_starts_from_random_weights_only_if_told(tmp_path, monkeypatch):
    monkeypatch.delenv(WEIGHTS_VARIABLE, raising=False)

    def weights(profile, config=PM2Cells.start_config):
        return config(PM2Cells(TableOptions(profile, {}, tmp_path)), 0)["model"]["init_args"]["weights"]

    assert [weights(profile) for profile in ("smoke", "mini", "standin")] == ["random", "mini", "random"]
    with pytest.raises(ConfigError, match=f"{WEIGHTS_VARIABLE}=FILE, or say {WEIGHTS_VARIABLE}=random"):
        PM2Tables(TableOptions("paper", {}, tmp_path)).run()
    assert not list(tmp_path.iterdir())  # nothing was begun
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(tmp_path / "resnet50.pth"))
    with pytest.raises(ConfigError, match=r"no such file; name a ResNet-50 state dict"):
        PM2Cells(TableOptions("paper", {}, tmp_path))
    (tmp_path / "resnet50.pth").touch()
    assert weights("paper") == str(tmp_path / "resnet50.pth")
    monkeypatch.setenv(WEIGHTS_VARIABLE, "random")
    assert weights("paper") == "random"
    assert weights("paper", PM2Cells.run_config) is None  # they go on from the start


def test_targets(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cells = PM2Cells(TableOptions("smoke", {}, tmp_path), "gft")
    assert cells.aus == [1, 2, 4, 6, 10, 12, 14, 15, 23, 24]
    assert list(cells.corpora) == ["bp4d", "gft"]
    assert cells.spec["title"].startswith("PM2: paired real and synthetic faces, BP4D → GFT")
    assert aukit(["reproduce", "pm2", "--plan", "--profile", "smoke", "--target", "gft"]) == 0
    assert "gft" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="choose disfa or gft"):
        read_spec("pm2", "bp4d")
    for name in TABLES:
        if name == "fgnet":
            with pytest.raises(ConfigError, match="nothing to choose from"):
                read_spec(name, "gft")


def test_figures(made):
    table, results, _ = made
    scored = {id: results.scores(id) for id in table.cells.methods}
    assert gap_against_f1(scored, {id: id for id in scored}, "made up").startswith(b"\x89PNG")
    line = np.outer(np.arange(10.0), [3.0, 4.0, 0.0]).astype(np.float32)
    points = principal_components(line)
    np.testing.assert_allclose(np.abs(np.diff(points[:, 0])), 5, atol=1e-5)
    np.testing.assert_allclose(points[:, 1], 0, atol=1e-5)


METHODS = ("source", "pm2", "pm2_dataset", "target_labels")


@pytest.mark.slow
def test_the_chain_in_smoke(tmp_path, monkeypatch, capsys):
    """Stand-ins, avatars, a start, a weight, methods and a bound; a second call prints the finished table."""
    monkeypatch.chdir(tmp_path)
    made = PM2Cells.__init__

    def short(self, options, target=None):
        made(self, options, target)
        self.methods = {id: self.methods[id] for id in METHODS}
        self.seeds, self.shares = self.seeds[:1], [0.5, 1.0]

    monkeypatch.setattr(PM2Cells, "__init__", short)
    arguments = smoke_arguments("pm2")
    main(arguments)
    folder = tmp_path / "lightning_logs/tables/pm2-disfa/standin-smoke"
    for name in ("table.json", "gap_f1.png", "embedding.png"):
        assert (folder / name).exists()
    weights = json.loads((folder / "table.json").read_text())["provenance"]["weights"]
    pm2 = weights["pm2"]
    assert list(weights) == ["pm2", "pm2_dataset"]
    assert weights["pm2_dataset"]["share"] == pm2["share"]
    assert pm2["weight"] == pytest.approx(pm2["share"] * pm2["source"] / pm2["alignment"], rel=0.05)
    runs = [Record.read(run) for run in (tmp_path / "lightning_logs/runs").iterdir()]
    tried = [r.config["model"]["init_args"]["alignment_weight"] for r in runs if is_pm2(r)]
    # A start, two candidates of which one is the table's, the data set's avatars, source only, the bound.
    assert len(runs) == 6
    assert len(set(tried)) == 2
    assert pm2["weight"] in tried
    first = capsys.readouterr().out
    monkeypatch.setattr(PM2Tables, "make", None)
    main(arguments)
    assert capsys.readouterr().out.strip() in first
    (tmp_path / "others").mkdir()
    assert_others_can_verify(tmp_path, tmp_path / "others", "pm2")


def is_pm2(record):
    avatars = record.config["data"]["init_args"]["avatars"]["init_args"]["root"]
    return record.config["model"]["init_args"]["method"] == "pm2" and "pairs" in avatars

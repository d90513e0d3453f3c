"""What `aukit fairness` writes: values, support, tests of gaps, thresholds; a page that stands alone."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, f1_score, roc_auc_score

from aukit.cli import main
from aukit.fairness.predictions import Kind, read_predictions
from aukit.fairness.report import fairness_report
from aukit.fairness.thresholds import validated_thresholds
from aukit.metrics import holm
from tests.detect.test_score import made
from tests.fairness.made import AUS, table, written
from tests.simulation.pairs.trackers import openface

PEOPLE = "person,age\np0,20\np1,25\np2,31\np3,33\np4,60\np5,61\np6,\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command's files for a table of eight people and their ages."""
    root = tmp_path_factory.mktemp("fairness")
    written(root / "mine.csv", table())
    written(root / "valid.csv", table(seed=1).replace({f"p{i}": f"q{i}" for i in range(8)}))
    (root / "people.csv").write_text(PEOPLE)
    words = [str(root / "mine.csv"), "--by", "gender", "--by", "age:<30,30-50,55-70,>90"]
    words += ["--attributes", str(root / "people.csv"), "--validation", str(root / "valid.csv")]
    assert main(["fairness", *words, "--out", str(root / "out")]) == 0
    return root


def cells(folder: Path, **where: str) -> pd.DataFrame:
    rows = pd.read_csv(folder / "out" / "fairness.csv", keep_default_na=False, na_values=[""])
    for name, value in where.items():
        rows = rows[rows[name].fillna("") == value]
    return rows


def test_values_are_scikit_learns_and_support_is_that_of_the_group(folder: Path) -> None:
    frame = table()
    functions = {
        "f1": lambda y, p: f1_score(y, p > 0.5),
        "auroc": roc_auc_score,
        "average_precision": average_precision_score,
        "brier": brier_score_loss,
    }
    for group in ("female", "male", "everybody"):
        for au in AUS:
            rows = frame if group == "everybody" else frame[frame["gender"] == group]
            y, p = rows[f"AU{au}_label"], rows[f"AU{au}_score"]
            there = y.notna() & p.notna()
            for name, function in functions.items():
                found = cells(folder, by="gender", statistic=name, au=f"AU{au}", group=group)
                found = found[found["thresholds"] != "validation"]
                assert found["value"].item() == pytest.approx(function(y[there], p[there]), abs=1e-6)
                assert found["low"].item() < found["value"].item() < found["high"].item()
                assert found["frames"].item() == there.sum()
                assert found["positives"].item() == y[there].sum()
                assert found["people"].item() == (8 if group == "everybody" else 4)


def test_gaps_are_tested_and_adjusted_within_an_attribute(folder: Path) -> None:
    for by in ("gender", "age:<30,30-50,55-70,>90"):
        gaps = cells(folder, by=by, statistic="f1_gap", thresholds="usual")
        tested = gaps[gaps["p"].notna()]
        assert tested["au"].tolist() == ["AU1", "AU12"]
        assert ((tested["p"] > 0) & (tested["p"] <= 1)).all()
        np.testing.assert_allclose(tested["p_holm"], holm(tested["p"]))
    assert cells(folder)["p"].notna().sum() == 4


def test_two_people_a_group_can_have_one_of_four_p_values(tmp_path: Path) -> None:
    """Of the six ways to give two groups to four people each gap occurs twice, as the groups are alike."""
    read = read_predictions([written(tmp_path / "a.csv", table(people=4))])
    scored = fairness_report(read, ["gender"]).scored[0]
    p = scored.table["p"].dropna().to_numpy()
    assert (np.abs(p[:, None] - np.array([1 / 3, 2 / 3, 1])).min(1) < 0.02).all()


def test_small_groups_and_people_of_none_are_shown_with_their_number(folder: Path) -> None:
    support = pd.read_csv(folder / "out" / "support.csv").set_index(["by", "group"])
    ages = support.loc["age:<30,30-50,55-70,>90"]
    assert ages["people"].to_dict() == {"<30": 2, "30-50": 2, "55-70": 2, ">90": 0, "no group": 2}
    assert ages["frames"].tolist() == [80, 80, 80, 0, 80]
    frame = table()
    scores, labels = frame[["AU1_score"]].isna().all(axis=1), frame[["AU1_label", "AU12_label"]].notna()
    assert ages["not predicted"].sum() == (scores & labels.any(axis=1)).sum()
    page = (folder / "out" / "fairness.html").read_text()
    assert "1 in no group, only in “everybody”: age is empty" in page
    assert re.search(r"1 in no group, only in “everybody”: no row in \S*people\.csv", page)
    assert "nobody is in &gt;90; gaps are between the other groups" in page
    assert "&lt;30 (2)" in page or '<tr class="few"><td>&lt;30</td><td>2</td>' in page


def test_reliability_adds_up(folder: Path) -> None:
    points = pd.read_csv(folder / "out" / "reliability.csv")
    points = points[points["by"] == "gender"]
    frame = table()
    for au in AUS:
        there = frame[f"AU{au}_label"].notna() & frame[f"AU{au}_score"].notna()
        of = points[points["au"] == f"AU{au}"].set_index("group")
        assert of.loc["everybody", "frames"].sum() == there.sum()
        whole = of.loc["everybody"]
        error = (whole["frames"] * (whole["probability"] - whole["present"]).abs()).sum() / there.sum()
        expected = cells(folder, by="gender", statistic="ece", au=f"AU{au}", group="everybody")
        assert error == pytest.approx(expected["value"].item(), abs=1e-8)


class Page(HTMLParser):
    """Tags that are open, and what they name."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.named: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.named += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in ("meta", "br"):
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else(folder: Path) -> None:
    text = (folder / "out" / "fairness.html").read_text()
    page = Page()
    page.feed(text)
    assert not page.open
    assert page.tags.isdisjoint({"script", "link", "iframe", "img", "object"})
    assert all(name.startswith("#") for name in page.named)  # glyphs and marks of the same plot
    assert not re.search(r"url\((?!#)|@import", text)
    # Per attribute F1 at both thresholds, AUROC, average precision, Brier score, calibration error, curves.
    assert text.count("<svg") == 2 * 7


def test_the_same_input_gives_the_same_bytes_and_what_a_table_says_stays_text(tmp_path: Path) -> None:
    frame = table(people=4).replace({"female": "<script>x</script>"})
    read = read_predictions([written(tmp_path / "a.csv", frame)])
    for name in ("first", "again"):
        fairness_report(read, ["gender"]).write(tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert files == ["fairness.csv", "fairness.html", "reliability.csv", "support.csv"]
    for name in files:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    assert "<script" not in (tmp_path / "first" / "fairness.html").read_text()


# ------------------------------------------------------------------------------------- thresholds


def best_f1(scores: np.ndarray, labels: np.ndarray) -> float:
    """The best F1 of all thresholds, by trying each of them."""
    decided = scores > np.append(np.unique(scores), -1.0)[:, None]
    return float(np.max(2 * (decided & (labels == 1)).sum(1) / (decided.sum(1) + labels.sum())))


def test_thresholds_have_the_best_f1_of_everybody_in_the_validation_set(folder: Path) -> None:
    tested, validation = (read_predictions([folder / name]) for name in ("mine.csv", "valid.csv"))
    chosen, notes = validated_thresholds(validation, tested)
    assert not notes
    for i in range(len(AUS)):
        scores, labels = validation.scores[:, i], validation.present[:, i]
        there = ~(np.isnan(scores) | np.isnan(labels))
        found = f1_score(labels[there], scores[there] > chosen[i])
        assert found == pytest.approx(best_f1(scores[there], labels[there]))
    frame = table()
    for group in ("female", "male"):
        rows = frame[frame["gender"] == group].dropna()
        found = cells(folder, by="gender", statistic="f1", au="AU1", group=group, thresholds="validation")
        there = (frame["gender"] == group) & frame["AU1_label"].notna() & frame["AU1_score"].notna()
        rows = frame[there]
        expected = f1_score(rows["AU1_label"], rows["AU1_score"] > chosen[0])
        assert found["value"].item() == pytest.approx(expected, abs=1e-6)


def test_a_good_usual_threshold_and_one_without_frames_of_both_kinds_stay(tmp_path: Path) -> None:
    head = "person,AU1_label,AU1_score,AU2_label,AU2_score\n"
    (tmp_path / "t.csv").write_text(f"{head}t,1,0.6,1,0.6\n")
    (tmp_path / "v.csv").write_text(f"{head}v,1,0.9,0,0.9\nv,0,0.1,0,0.1\nw,,0.7,,0.2\n")
    tested, validation = (read_predictions([tmp_path / name]) for name in ("t.csv", "v.csv"))
    chosen, notes = validated_thresholds(validation, tested)
    assert chosen.tolist() == [0.5, 0.5]
    assert notes == ["AU2: no validation frames of both kinds; its threshold stays 0.5"]


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"q0": "p0"}, Kind(), "1 people, p0 for instance, are in"),
        ({"q0": "P0"}, Kind(), "1 people, p0 for instance, are in"),
        ({}, Kind(threshold=0.4), "scores must be the same"),
    ],
)
def test_validation_on_tested_people_or_of_other_scores_is_refused(
    folder: Path, tmp_path: Path, change: dict[str, str], kind: Kind, message: str
) -> None:
    valid = written(tmp_path / "v.csv", pd.read_csv(folder / "valid.csv").replace(change))
    with pytest.raises(Exception, match=message):
        validated_thresholds(read_predictions([valid], kind), read_predictions([folder / "mine.csv"]))


# --------------------------------------------------------------------------------------- the command


def test_intensities_are_compared_by_icc(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = table()
    for au in AUS:
        frame[f"AU{au}_label"] *= 3
        frame[f"AU{au}_score"] *= 4
    written(tmp_path / "a.csv", frame)
    words = ["fairness", str(tmp_path / "a.csv"), "--intensity", "--by", "gender", "--out", str(tmp_path)]
    assert main(words) == 0
    assert "gap of ICC" in capsys.readouterr().out
    rows = pd.read_csv(tmp_path / "fairness.csv")
    assert set(rows.loc[rows["p"].notna(), "statistic"]) == {"icc_gap"}
    assert not set(rows["statistic"]) & {"brier", "ece"}
    assert pd.read_csv(tmp_path / "reliability.csv").empty
    assert "ICC(3,1)" in (tmp_path / "fairness.html").read_text()


def test_tables_of_a_tool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    people = [f"v{i}" for i in range(4)]
    levels = {p: np.roll([0, 0, 1, 2, 3, 0, 0, 2], i) for i, p in enumerate(people)}
    tables = made(tmp_path / "tables", "openface", levels)
    rows = [f"{p},{k},{int(v >= 2)}" for p, each in levels.items() for k, v in enumerate(each)]
    (tmp_path / "codes.csv").write_text("video,frame,AU12_c\n" + "\n".join([*rows, "v9,0,1"]) + "\n")
    (tmp_path / "people.csv").write_text("person,skin_tone\nv0,1\nv1,1\nv2,6\nv3,6\n")
    words = ["fairness", str(tables), "--tool", "openface", "--labels", str(tmp_path / "codes.csv")]
    words += ["--attributes", str(tmp_path / "people.csv"), "--by", "skin_tone", "--out", str(tmp_path / "o")]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "by skin_tone: 2 1, 2 6, 1 no group" in out
    assert "1 coded frames: no table is called v9" in out
    rows = pd.read_csv(tmp_path / "o" / "fairness.csv")
    f1 = rows[(rows["statistic"] == "f1") & (rows["au"] == "AU12") & (rows["group"] == "everybody")]
    assert f1["value"].item() == pytest.approx(2 * 12 / (2 * 12 + 4))  # one frame of level 1 each
    assert (rows.loc[rows["statistic"] == "auroc", "value"] == 1).all()


def test_each_action_unit_is_tested_by_what_it_is_coded_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """AU 6 has occurrences and is seen of half the people alone, AU 12 has intensities and is right."""
    rng, people = np.random.default_rng(0), [f"v{i}" for i in range(12)]
    codes = {p: np.stack([rng.integers(0, 2, 20), rng.integers(0, 6, 20)], axis=1) for p in people}
    rows = ["video,frame,tone,AU06_c,AU12_r"]
    (tmp_path / "tables").mkdir()
    for i, (person, each) in enumerate(codes.items()):
        seen = [{"AU06_r": 4 * six * (i % 2), "AU12_r": twelve} for six, twelve in each]
        openface(tmp_path / "tables" / f"{person}.csv", seen)
        rows += [f"{person},{k},{'ab'[i % 2]},{six},{twelve}" for k, (six, twelve) in enumerate(each)]
    (tmp_path / "codes.csv").write_text("\n".join(rows) + "\n")
    words = ["fairness", str(tmp_path / "tables"), "--tool", "openface", "--by", "tone"]
    assert main([*words, "--labels", str(tmp_path / "codes.csv"), "--out", str(tmp_path / "o")]) == 0
    tested = pd.read_csv(tmp_path / "o" / "fairness.csv").dropna(subset="p").set_index("au")
    assert tested["statistic"].to_dict() == {"AU6": "f1_gap", "AU12": "icc_gap"}
    assert tested["value"].to_dict() == {"AU6": 1, "AU12": 0}
    assert tested.loc["AU6", "p"] < 0.01
    np.testing.assert_allclose(tested["p_holm"], holm(tested["p"]))  # one family
    lines = [re.split(r"\s{2,}", line) for line in capsys.readouterr().out.splitlines()]
    assert lines[1][0] == "gap of F1 and ICC"
    assert [line[0] for line in lines[2:6]] == ["AU6 F1", "AU12 ICC", "mean F1", "mean ICC"]
    assert [line[1] for line in lines[2:4]] == ["1.000", "0.000"]
    page = (tmp_path / "o" / "fairness.html").read_text()
    assert "<h3>Gaps of F1 and ICC</h3>" in page
    assert "<td>AU6 F1</td><td>1.000</td>" in page


def test_one_group_alone_has_no_gap(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And not one of 0, which would say that it is treated fairly."""
    written(tmp_path / "a.csv", table().replace({"male": "female"}))
    words = ["fairness", str(tmp_path / "a.csv"), "--by", "gender", "--out", str(tmp_path / "out")]
    assert main(words) == 0
    rows = cells(tmp_path)
    between = rows[
        (rows["group"] == "between") & ~rows["statistic"].isin(["worst_group_f1", "group_mean_f1"])
    ]
    assert {"f1_gap", "auroc_gap", "ece_gap", "demographic_parity_difference"} <= set(between["statistic"])
    assert between[["value", "low", "high", "p", "p_holm"]].isna().all(axis=None)
    assert rows.loc[rows["group"] == "female", "value"].notna().all()
    out = capsys.readouterr().out
    assert re.search(r"^mean +–", out, re.MULTILINE)
    assert "one group alone has no gap" in out
    assert "There are no two groups, so there is no gap." in (tmp_path / "out" / "fairness.html").read_text()


@pytest.mark.parametrize("name", ["fairness.csv", "support.csv", "reliability.csv"])
def test_a_report_replaces_an_earlier_one_and_no_other_table(
    folder: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run has a ``fairness.csv`` of its own, and the predictions may lie where the report goes."""
    words = ["fairness", str(folder / "mine.csv"), "--by", "gender", "--out", str(tmp_path)]
    for _ in range(2):
        assert main(words) == 0
    (tmp_path / name).write_text("statistic,au,group\nf1,AU12,female\n")
    assert main(words) == 2
    assert f"{name}: is there already, and of another kind; name another --out" in capsys.readouterr().err
    assert (tmp_path / name).read_text() == "statistic,au,group\nf1,AU12,female\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--by", "race"], "no attribute of people is called 'race'"),
        (["--by", "gender", "--labels", "x.csv"], "--labels is about tables of a tool"),
        (["--by", "gender", "--first-frame", "0"], "--first-frame is about tables of a tool"),
        (["--by", "gender", "--tool", "openface"], "--tool: give the human codes"),
        (["--by", "gender", "--tool", "openface", "--labels", "x.csv", "--threshold", "0"], "is fixed"),
        (["--by", "gender", "--attributes", "nowhere.csv"], "nowhere.csv: cannot be read"),
        (["--by", "gender", "--threshold", "nan"], "--threshold nan: name a finite number"),
        (["--by", "gender", "--threshold", "inf"], "--threshold inf: name a finite number"),
        (["--by", "gender", "--threshold", "1e39"], "--threshold 1e+39: name a finite number"),
    ],
)
def test_what_is_wrong_is_said(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(["fairness", str(folder / "mine.csv"), *words, "--out", str(tmp_path / "new")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "new").exists()

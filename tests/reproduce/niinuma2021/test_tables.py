"""The tables in `smoke`, Table 3 first: what they share, what a second command does, and after losses."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from safetensors.torch import save_file

from aukit.cli import main as aukit
from aukit.datasets.files import AGREEMENT_FILE
from aukit.datasets.registry import corpus_entry
from aukit.errors import ConfigError, WeightsError
from aukit.registration.prnet.file import packed
from aukit.registration.prnet.uv import read_uv_data
from aukit.reproduce import main
from aukit.reproduce.base import read_spec
from aukit.reproduce.niinuma2021.cells import FRONTAL, WEIGHTS_VARIABLE, NiinumaCells
from aukit.reproduce.niinuma2021.figures import TILE, choose_inputs, choose_targets
from aukit.reproduce.niinuma2021.sets import choose_faces
from aukit.reproduce.niinuma2021.tables import NiinumaTable
from aukit.reproduce.options import TableOptions, check_affordable, choose_options, tables_at_hand
from aukit.simulation import STANDIN_VERSION
from aukit.sweeps.file import read_sweep
from tests.prnet_files import write_uv_data
from tests.reproduce.smoke import assert_others_can_verify, encloses, make_in_smoke, smoke_arguments

CORPORA = ("fera2017",)
PRINTED = Path(__file__).parents[2] / "parity/data"
ROOT_VARIABLE = corpus_entry("fera2017").root_variable
ARGUMENTS = smoke_arguments("niinuma2021", "3")
OTHERS = ("2", "S1", "S3", "S4", "FID")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder in which the table has been made."""
    return make_in_smoke(tmp_path_factory.mktemp("niinuma2021"), "niinuma2021", "3")


def table(folder, which="3"):
    name = f"niinuma2021-{which.lower()}"
    return json.loads((folder / f"lightning_logs/tables/{name}/standin-smoke/table.json").read_text())


def runs_of(content):
    """Id of a column → folder of its run."""
    return {column["id"]: column["extra"].get("run") for column in content["columns"]}


@pytest.mark.slow
def test_the_table_holds_published_columns_ours_comparison_and_controls(made):
    content = table(made)
    kinds = {column["id"]: column["kind"] for column in content["columns"]}
    assert list(kinds.values()).count("published") == 8
    assert [i for i, kind in kinds.items() if kind == "ours"] == ["none", "au0", "mean", "without_ids"]
    assert [i for i, kind in kinds.items() if kind == "comparison"] == ["frames"]
    assert [i for i, kind in kinds.items() if kind == "control"] == ["identity_generator", "shuffled_labels"]
    by_id = {column["id"]: column for column in content["columns"]}
    assert by_id["published_ours_mean_norm"]["mean"] == 0.57
    for column in content["columns"]:
        if column["kind"] == "control":  # shown whether they fit or not
            values = [v for v in column["values"].values() if v is not None]
            assert column["mean"] == pytest.approx(sum(values) / len(values))
            assert column["interval"][0] <= column["mean"] <= column["interval"][1]
        if column["kind"] == "ours" and column["mean"] is None:
            assert "not fitted" in column["note"]
            assert not any(column["values"].values())
    assert 0 < content["agreement"]["mean"] <= 1
    assert content["provenance"]["standin"]["version"] >= 1
    assert set(content["provenance"]["seconds"]) >= {"corpus", "registration", "GAN", "estimators"}


@pytest.fixture(scope="module")
def all_made(made, tmp_path_factory):
    """A copy of the folder with the other tables too, and how many trainings each of them began."""
    copy = shutil.copytree(made, tmp_path_factory.mktemp("all") / "copy")
    runs, counts = copy / "lightning_logs/runs", {}
    for which in OTHERS:
        before = len(list(runs.iterdir()))
        make_in_smoke(copy, "niinuma2021", which)
        counts[which] = len(list(runs.iterdir())) - before
    return copy, counts


@pytest.mark.slow
def test_tables_share_what_is_equal(all_made):
    folder, counts = all_made
    # A generator of 2D alignment and two estimators; a mix; nothing; StarGAN and its estimator.
    assert counts == {"2": 3, "S1": 1, "S3": 0, "S4": 2, "FID": 0}
    runs = {which: runs_of(table(folder, which)) for which in OTHERS}
    three = runs_of(table(folder))
    assert three["none"] == runs["2"]["synthetic"] == runs["S1"]["synthetic"] == runs["S4"]["ganimation"]
    assert three["none"] == runs["S3"]["with_ids"]
    assert three["without_ids"] == runs["S3"]["without_ids"]
    assert three["frames"] == runs["2"]["real"] == runs["S1"]["real"]
    assert runs["S4"]["dexp"].startswith("synthesis-")
    assert len({*runs["2"].values()} - {None}) == 4


@pytest.mark.slow
def test_the_plan_knows_what_is_there(all_made, monkeypatch, capsys):
    monkeypatch.chdir(all_made[0])
    words = ["--table", "3", *OTHERS, "--plan", "--profile", "smoke"]
    assert aukit(["reproduce", "niinuma2021", *words]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    sets = [line for line in lines if line[:1] == ["synthesis"] and "images" not in line]
    assert len(sets) == 6
    assert {tuple(line[1:]) for line in sets} == {("0", "MB", "0.0", "min")}


def test_sets_that_are_made_alike_are_one(tmp_path):
    def folders(profile):
        cells = NiinumaCells(TableOptions(profile, {}, tmp_path), "FID")
        return {id: cells.set_folder(each).name for id, each in cells.sets.items()}

    assert folders("mini") == {
        "real": "real",
        "synthetic_without_ids": "synthetic_without_ids",
        "synthetic_with_ids": "synthetic",
    }
    paper = folders("paper")
    assert (paper["synthetic_without_ids"], paper["synthetic_with_ids"]) == (
        "synthetic",
        "synthetic_with_ids",
    )


@pytest.mark.slow
def test_every_table_says_what_it_is_made_of(all_made):
    folder, _ = all_made
    captions = {which: " ".join(table(folder, which)["caption"]) for which in OTHERS}
    assert "Generator of 2D alignment: 2D registration (3D registration)." in captions["2"]
    assert "2D alignment by 68 landmarks of a file beside the corpus (dlib's)" in captions["2"]
    assert "186 or 372 in all" in captions["S1"]
    assert "Left out without Multi-PIE: ours, Multi-PIE synthetic; ours, FERA real" in captions["S1"]
    assert "Generator with the idiosyncratic loss: λ_ids 100 (0)" in captions["S3"]
    assert "Generator StarGAN: StarGAN." in captions["S4"]
    dexp = table(folder, "S4")["columns"][-1]
    assert dexp["mean"] == pytest.approx(sum(dexp["values"].values()) / 7)
    assert encloses(dexp["interval"], dexp["mean"], dexp)


def test_one_neutral_photograph_of_each_person_and_session():
    rows = [("a", "1", "neutral"), ("a", "1", "smile"), ("a", "2", "neutral"), ("a", "2", "neutral")]
    rows += [("b", "4", None), ("b", "4", "neutral"), ("c", "1", "scream")]
    frame = pd.DataFrame(rows, columns=["person", "session", "expression"]).astype("string")
    assert choose_faces(frame, 9, 0).tolist() == [0, 2, 5]
    two = choose_faces(frame, 2, 0)
    assert len(two) == 2
    assert set(two) < {0, 2, 5}


def test_tables_across_corpora_train_nothing_twice(tmp_path):
    def cells(which, profile="paper"):
        return NiinumaCells(TableOptions(profile, {}, tmp_path), which)

    four, second, fifth = cells("4"), cells("S2"), cells("S5")
    shared = {"none", "multipie"}
    assert set(four.estimators) == set(fifth.estimators) == shared
    assert shared < set(second.estimators)
    assert [column.tested_on for column in four.columns] == [None, "disfa", "disfa"]
    assert {column.tested_on for column in second.columns} == {"disfa"}
    assert {column.tested_on for column in fifth.columns} == {"unbc"}
    folders = {each.set_folder(each.sets["synthetic_multipie"]) for each in (four, second, fifth)}
    assert len(folders) == 1
    assert list(four.others) == ["multipie", "disfa"]
    assert list(fifth.others) == ["multipie", "unbc"]
    per_level = {id: second.images_per_level(each) for id, each in second.sets.items()}
    assert per_level["synthetic_multipie"] == 4605
    assert per_level["mix"] == 10_000
    assert per_level["real_and_multipie"] == per_level["synthetic_and_multipie"] == 9605
    assert four.other_arguments("multipie")["expressions"] == ["neutral"]
    disfa = four.other_arguments("disfa")
    assert (disfa["size"], disfa["registration"]) == (224, FRONTAL)
    assert "expressions" not in disfa


def test_columns_of_an_optional_corpus_come_with_it(tmp_path, monkeypatch):
    def columns(roots=(), **more):
        options = TableOptions("mini", dict.fromkeys(roots, tmp_path), tmp_path, **more)
        cells = NiinumaCells(options, "S1")
        assert ("multipie" in cells.corpora) == (not cells.left_out) == (not cells.absent)
        return [column.heading.id for column in cells.columns]

    three = ["real", "synthetic", "mix"]
    six = [*three, "multipie", "real_multipie", "synthetic_multipie"]
    assert columns() == columns(roots=["fera2017"]) == columns(["fera2017"], beside={"multipie"}) == three
    assert columns(beside={"multipie"}) == columns(roots=["fera2017", "multipie"]) == six
    options = TableOptions("mini", {}, tmp_path, beside={"multipie"})
    first, second = NiinumaCells(options, "S1"), NiinumaCells(options, "S2")
    assert first.estimators == second.estimators
    assert {id: first.set_folder(each) for id, each in first.sets.items()} == {
        id: second.set_folder(each) for id, each in second.sets.items()
    }
    last = second.corpora["multipie"].root / AGREEMENT_FILE
    last.parent.mkdir(parents=True)
    last.touch()
    assert columns() == six  # rendered for another table before
    for corpus in ("FERA2017", "MULTIPIE"):
        monkeypatch.setenv(f"AUKIT_{corpus}_ROOT", str(tmp_path))
    named = choose_options(CORPORA, None, tmp_path, optional=["multipie"])
    assert list(named.roots) == ["fera2017", "multipie"]
    monkeypatch.delenv(ROOT_VARIABLE)
    assert not choose_options(CORPORA, None, tmp_path, optional=["multipie"]).roots


@pytest.fixture(scope="module")
def crossed(made, tmp_path_factory):
    """A copy of the folder with the tables across corpora too, and how many trainings each of them began."""
    copy = shutil.copytree(made, tmp_path_factory.mktemp("crossed") / "copy")
    runs, counts = copy / "lightning_logs/runs", {}
    for which in ("4", "S2", "S5", "S1"):
        before = len(list(runs.iterdir()))
        make_in_smoke(copy, "niinuma2021", which)
        counts[which] = len(list(runs.iterdir())) - before
    return copy, counts


@pytest.mark.heavy
def test_tables_across_corpora_score_everybody_there(crossed, tmp_path):
    folder, counts = crossed
    # Multi-PIE's estimator; the three combined sets; nothing.
    assert counts == {"4": 1, "S2": 3, "S5": 0, "S1": 0}
    ids = ("multipie", "real_multipie", "synthetic_multipie")
    first = runs_of(table(folder, "S1"))
    assert [first[id] for id in ids] == [runs_of(table(folder, "S2"))[id] for id in ids]
    four, second, fifth = (table(folder, which) for which in ("4", "S2", "S5"))
    by_id = {column["id"]: column for column in four["columns"]}
    disfa = by_id["fera_to_disfa"]
    assert disfa["extra"]["people"] == 6  # all of the stand-in
    assert disfa["values"]["AU10"] is None
    assert disfa["values"]["AU14"] is None
    assert by_id["multipie_to_fera"]["extra"]["people"] == 3
    assert disfa["extra"]["run"] == runs_of(table(folder))["none"]
    assert runs_of(four)["multipie_to_disfa"] == runs_of(four)["multipie_to_fera"]
    assert runs_of(fifth)["multipie_to_unbc"] == runs_of(four)["multipie_to_fera"]
    assert set(by_id["published_fera_to_disfa"]["values"]) == set(disfa["values"])
    assert list(second["columns"][0]["values"]) == ["AU1", "AU4", "AU6", "AU12", "AU17"]
    assert list(fifth["columns"][-1]["values"]) == ["AU4", "AU6", "AU10", "AU12"]
    assert fifth["columns"][-1]["extra"]["people"] == 4
    assert four["agreement"] is None
    words = " ".join(four["caption"])
    assert "Faces of Multi-PIE: 2 neutral photographs" in words
    assert "frames of DISFA of all 6 people" in words
    assert "as printed in the paper, on FERA 2017 Test and DISFA" in words
    assert_others_can_verify(folder, tmp_path, "niinuma2021", "4")


def test_figure_3_varies_one_weight_at_a_time_within_the_grid_of_the_sweep(tmp_path):
    grid = read_sweep("niinuma_lambdas").parameters
    for profile in ("smoke", "mini", "standin", "paper"):
        cells = NiinumaCells(TableOptions(profile, {}, tmp_path), "Fig3")
        weights = {
            id: {
                name: value for name, value in config["model"]["init_args"].items() if f"model.{name}" in grid
            }
            for id, each in cells.generators.items()
            for config in [cells.generator_config(each)]
        }
        start = weights.pop("synthesis")
        columns = {column.heading.id: column.estimator for column in cells.columns}
        for argument, ids in cells.spec["curves"].items():
            generators = [cells.sets[cells.estimators[columns[id]].set].generator for id in ids]
            values = [weights.get(id, start)[argument] for id in generators]
            assert values == pytest.approx([start[argument] / 10, start[argument], start[argument] * 10])
            if profile == "paper":
                assert values == grid[f"model.{argument}"]["values"]
            for id in (generators[0], generators[2]):
                assert {**weights[id], argument: start[argument]} == start


@pytest.fixture(scope="module")
def figures(made, tmp_path_factory):
    """A copy of the folder with Figures 3 and 5 too."""
    copy = shutil.copytree(made, tmp_path_factory.mktemp("figures") / "copy")
    for which in ("Fig3", "Fig5"):
        make_in_smoke(copy, "niinuma2021", which)
    return copy


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_figures_of_curves_are_made_of_what_is_there_and_verified_elsewhere(figures, tmp_path):
    three, five = table(figures, "Fig3"), table(figures, "Fig5")
    assert runs_of(three)["start"] == runs_of(table(figures))["none"]
    assert len(set(runs_of(three).values())) == 7
    scenarios = five["tables"]
    assert list(scenarios) == ["real_2d", "synthetic_3d", "rotated_2d"]
    for content in scenarios.values():
        frames = {column["extra"]["frames"] for column in content["columns"]}
        assert len(content["columns"]) == 9
        assert max(frames) <= min(frames) + 3  # of the same people, whatever a registration loses
        files = {tuple(column["basis"]["files"]) for column in content["columns"] if column["basis"]}
        assert len(files) in (0, 9)
    assert runs_of(scenarios["synthetic_3d"])["synthetic_3d_view6"] == runs_of(table(figures))["none"]
    folder = figures / "lightning_logs/tables"
    for name in ("niinuma2021-fig3/standin-smoke/figure3.png", "niinuma2021-fig5/standin-smoke/figure5.png"):
        assert "rendered stand-in of FERA 2017" in Image.open(folder / name).text["Description"]
    words = " ".join(five["caption"])
    assert "in each of 9 views of 3 people of Test" in words
    assert "Turned ones: 1 synthetic" in words
    # No estimator of this size counts as fitted: as if they were, so that there are scores to verify.
    for file in (figures / "lightning_logs/runs").glob("intensity-*/record.json"):
        content = json.loads(file.read_text())
        content["metrics"]["fitted"] = True
        file.write_text(json.dumps(content))
    shutil.rmtree(folder / "niinuma2021-fig5")
    make_in_smoke(figures, "niinuma2021", "Fig5")
    scored = table(figures, "Fig5")["tables"]["rotated_2d"]["columns"]
    assert len({column["mean"] for column in scored}) > 5
    assert_others_can_verify(figures, tmp_path, "niinuma2021", "Fig5")


def tiles_of(path, people):
    """Tiles of a figure, line by line: that of the labels' frames, then two of each person."""
    picture = Image.open(path).convert("RGB")
    count, pixels = (picture.width - 150) // TILE, np.asarray(picture).astype(int)
    tops = [30 + line * TILE + (line + 1) // 2 * 14 for line in range(1 + 2 * people)]
    lefts = [150 + column * TILE for column in range(count)]
    return [[pixels[y : y + TILE, x : x + TILE] for x in lefts] for y in tops]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("which", "name", "people", "same_input"),
    [("2", "figure2", 2, False), ("S3", "figure4", 3, True), ("S3", "figureS1", 2, True)],
)
def test_figures_show_people_as_both_generators_make_them(all_made, which, name, people, same_input):
    path = all_made[0] / f"lightning_logs/tables/niinuma2021-{which.lower()}/standin-smoke/{name}.png"
    caption = Image.open(path).text["Description"]
    assert "rendered stand-in of FERA 2017" in caption
    lines = tiles_of(path, people)
    assert len(lines[0]) >= 4
    assert (lines[0][0] == 255).all()
    for one, two in zip(lines[1::2], lines[2::2], strict=True):
        assert np.ptp(one[0]) > 50
        assert np.array_equal(one[0], two[0]) == same_input
        assert not any(np.array_equal(a, b) for a, b in zip(one[1:], two[1:], strict=True))
    assert not np.array_equal(lines[1][0], lines[3][0])


def test_figures_choose_calm_faces_and_clear_labels():
    levels = np.array([[0, 3, 0], [0, 5, 0], [2, 3, 4], [np.nan, 0, 0], [1, 0, 0], [0, 0, 2]], np.float32)
    persons = ["b", "a", "a", "a", "c", "b"]
    assert choose_inputs(levels, persons, 2) == [1, 5]
    assert choose_targets(levels, [1, 4, 6], {4: [3, 5, 1], 6: [2]}) == [(0, 4, 3), (1, 4, 5), (5, 6, 2)]


@pytest.mark.slow
def test_the_distance_is_no_fid(all_made):
    content = table(all_made[0], "FID")
    values = {column["id"]: column["values"] for column in content["columns"]}
    assert values["published_with_ids"] == {"FID": 4.88}
    assert all(values[id]["Fréchet × 1,000"] > 0 for id in ("with_ids", "without_ids"))
    assert "ours are no FID" in " ".join(content["caption"])


@pytest.mark.slow
def test_others_can_verify_the_critic_s_column(all_made, tmp_path):
    assert_others_can_verify(all_made[0], tmp_path, "niinuma2021", "S4")


@pytest.mark.parametrize("which", ["2", "3", "4", "S1", "S2", "S3", "S4", "S5"])
def test_published_values_are_those_of_the_paper(which):
    printed = json.loads((PRINTED / "niinuma2021.json").read_text())[which]
    spec = read_spec("niinuma2021", which)
    assert {each["id"]: [each["mean"], *each["values"].values()] for each in spec["published"]} == printed
    ours = {column["repeats"] for column in spec["columns"] if "repeats" in column}
    assert ours <= printed.keys()


def test_the_paper_s_size_has_the_paper_s_losses(tmp_path):
    def weights(which):
        cells = NiinumaCells(TableOptions("paper", {}, tmp_path), which)
        return {
            id: cells.generator_config(each)["model"]["init_args"]["lambda_ids"]
            for id, each in cells.generators.items()
        }

    assert weights("3") == {"synthesis": 0.0, "without_ids": 0.0}
    assert weights("S3") == {"without_ids": 0.0, "with_ids": 1.0}


@pytest.mark.slow
def test_the_caption_says_what_the_numbers_are(made):
    caption = " ".join(table(made)["caption"])
    for words in (
        "stand-in",
        "Size: smoke",
        "λ_ids 100",
        "random initialisation",
        "Differs from",
        "seed (0)",
    ):
        assert words in caption
    assert "rank no method for real faces" in caption


@pytest.mark.slow
def test_every_format_is_written(made):
    folder = made / "lightning_logs/tables/niinuma2021-3/standin-smoke"
    for suffix in ("txt", "csv", "md", "tex", "json", "png"):
        assert (folder / f"table.{suffix}").stat().st_size > 500


@pytest.mark.slow
def test_the_readme_s_picture_shows_both_kinds_of_people_and_both_generators(made, monkeypatch, tmp_path):
    from docs import make_pictures as pictures

    copy = shutil.copytree(made, tmp_path / "copy")
    monkeypatch.chdir(copy)
    monkeypatch.setattr(pictures, "contact_sheet", lambda path, bases: None)
    monkeypatch.setattr("sys.argv", ["pictures", "--profile", "smoke", "--out", "out"])
    pictures.main()
    picture = Image.open("out/expressions.png")
    assert picture.size == (150 + 2 * 4 * pictures.TILE + 16, 48 + 7 * pictures.TILE)
    assert len(list((copy / "lightning_logs/runs").glob("synthesis-*"))) == 2


@pytest.mark.slow
def test_others_can_verify_it(made, tmp_path):
    assert_others_can_verify(made, tmp_path, "niinuma2021", "3")


@pytest.mark.slow
def test_again_it_trains_nothing_and_prints_the_same(made, monkeypatch, capsys):
    monkeypatch.chdir(made)
    monkeypatch.setattr(NiinumaTable, "make", lambda self, stages: pytest.fail("worked again"))
    main(ARGUMENTS)
    assert (
        made / "lightning_logs/tables/niinuma2021-3/standin-smoke/table.txt"
    ).read_text() in capsys.readouterr().out


@pytest.mark.slow
def test_what_was_lost_is_made_again_and_ends_in_the_same_numbers(made, monkeypatch, tmp_path):
    copy = shutil.copytree(made, tmp_path / "copy")
    before = table(copy)
    shutil.rmtree(copy / "lightning_logs/tables")
    lost = next(c for c in before["columns"] if c["id"] == "frames")["extra"]["run"]
    shutil.rmtree(copy / "lightning_logs/runs" / lost)
    kept = {p: p.stat().st_mtime for p in (copy / "lightning_logs/runs").glob("*/record.json")}
    monkeypatch.chdir(copy)
    main(ARGUMENTS)
    after = table(copy)
    assert all(path.stat().st_mtime == time for path, time in kept.items())
    for old, new in zip(before["columns"], after["columns"], strict=True):
        assert old["values"] == new["values"]
        assert old["mean"] == new["mean"]
        assert old["interval"] == new["interval"]


def test_bad_words_name_the_remedy(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert aukit(["reproduce", "table9"]) == 2
    assert "niinuma2021" in capsys.readouterr().err
    assert aukit(["reproduce", "niinuma2021", "--table", "9"]) == 2
    assert (
        "--table 9: unknown; choose 3 or 2 or S1 or S3 or S4 or 4 or S2 or S5 or FID"
        in capsys.readouterr().err
    )
    assert aukit(["reproduce", "fgnet", "--table", "3"]) == 2
    assert "fgnet has nothing to choose from" in capsys.readouterr().err
    assert aukit(["reproduce", "pm2", "--target", "gft", "--table", "3"]) == 2
    assert "leave one out" in capsys.readouterr().err
    assert aukit(["reproduce", "niinuma2021", "--profile", "smoke", "--bundle", "all.zip"]) == 2
    assert "choose it with --table" in capsys.readouterr().err
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path / "nowhere"))
    assert aukit(["reproduce", "niinuma2021"]) == 2
    assert "no such folder" in capsys.readouterr().err
    monkeypatch.delenv(ROOT_VARIABLE)
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(tmp_path / "vgg.safetensors"))
    assert aukit(["reproduce", "niinuma2021", "--profile", "smoke"]) == 2
    assert WEIGHTS_VARIABLE in capsys.readouterr().err


def test_tables_of_corpora_that_are_not_named_are_left_out(monkeypatch, tmp_path):
    tables = {"3": ["fera2017"], "4": ["fera2017", "multipie", "disfa"], "S5": ["fera2017", "unbc"]}
    for corpus in ("FERA2017", "MULTIPIE", "DISFA", "UNBC"):
        monkeypatch.delenv(f"AUKIT_{corpus}_ROOT", raising=False)
    assert tables_at_hand(tables) == (["3", "4", "S5"], [])
    monkeypatch.setenv("AUKIT_DISFA_ROOT", str(tmp_path))
    assert tables_at_hand(tables) == (["3", "4", "S5"], [])  # choose_options says what is missing
    monkeypatch.setenv("AUKIT_FERA2017_ROOT", str(tmp_path))
    made, left_out = tables_at_hand(tables)
    assert made == ["3"]
    assert left_out == [
        "table 4 is left out: AUKIT_MULTIPIE_ROOT is not set",
        "table S5 is left out: AUKIT_UNBC_ROOT is not set",
    ]


def test_data_origin_and_size_follow_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)
    assert choose_options(CORPORA, None, tmp_path).name == "standin-mini"
    assert choose_options(CORPORA, "smoke", tmp_path, seed=2).name == "standin-smoke-seed2"
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    assert choose_options(CORPORA, None, tmp_path).name == "licensed-paper"


def test_the_paper_s_size_without_a_gpu_must_be_insisted_on(tmp_path, monkeypatch):
    monkeypatch.setattr("aukit.reproduce.options.has_gpu", lambda: False)
    options = TableOptions("paper", {"fera2017": tmp_path}, tmp_path, 0, 1)
    with pytest.raises(ConfigError, match="--yes"):
        check_affordable(options, yes=False)
    check_affordable(options, yes=True)


def test_no_size_starts_vgg16_from_random_weights_unasked(tmp_path, monkeypatch):
    monkeypatch.delenv(WEIGHTS_VARIABLE, raising=False)

    def model(profile):
        cells = NiinumaCells(TableOptions(profile, {}, tmp_path))
        arguments = cells.estimator_config(cells.estimators["none"], tmp_path)["model"]["init_args"]
        return arguments["network"], arguments["weights"], arguments["frozen_convs"]

    for profile in ("smoke", "mini"):
        assert model(profile) == ("trunk", "random", 0)
    assert model("standin") == ("vgg16_bn", "random", 0)
    with pytest.raises(ConfigError, match=f"{WEIGHTS_VARIABLE}=FILE, or say {WEIGHTS_VARIABLE}=random"):
        NiinumaTable(TableOptions("paper", {}, tmp_path)).run()
    assert not list(tmp_path.iterdir())  # nothing was begun
    monkeypatch.setenv(WEIGHTS_VARIABLE, "random")
    assert model("paper") == ("vgg16", "random", 0)
    assert model("standin") == ("vgg16_bn", "random", 0)
    file = tmp_path / "vgg16.pth"
    file.touch()
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(file))
    assert model("paper") == model("standin") == ("vgg16", str(file), 2)


def test_prnet_s_registration_takes_one_word_and_its_file(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("AUKIT_PRNET", raising=False)
    monkeypatch.setenv(WEIGHTS_VARIABLE, "random")
    monkeypatch.chdir(tmp_path)
    options = TableOptions("paper", {}, tmp_path, registration="prnet")
    cells = NiinumaCells(options, "2")
    configs = [cells.generator_config(each) for each in cells.generators.values()]
    configs += [cells.estimator_config(each, tmp_path) for each in cells.estimators.values()]
    registrations = {each["data"]["init_args"]["corpus"]["init_args"]["registration"] for each in configs}
    assert registrations == set(cells.registrations) == {"similarity", "prnet"}
    across = NiinumaCells(options, "4")
    assert {across.other_arguments(name)["registration"] for name in across.others} == {"prnet"}
    usual = NiinumaCells(TableOptions("paper", {}, tmp_path), "2")
    assert usual.folder != cells.folder
    some = cells.sets["synthetic"]
    assert usual.set_folder(usual.sets["synthetic"]) != cells.set_folder(some)
    with pytest.raises(WeightsError, match="AUKIT_PRNET"):
        cells.check_start()
    assert "AUKIT_PRNET            not set: refused (3D registration)" in cells.weights_lines()
    values = []
    for content in ("1", "2"):
        file = packed({}, read_uv_data(write_uv_data(tmp_path / content)))
        save_file(file, tmp_path / content / "prnet.safetensors", {"kind": "prnet", "sha256": content})
        monkeypatch.setenv("AUKIT_PRNET", str(tmp_path / content / "prnet.safetensors"))
        values.append(NiinumaCells(options, "2").decisive_values())
    assert len({*values, usual.decisive_values()}) == 3
    assert aukit(["reproduce", "pm2", "--registration", "prnet", "--plan"]) == 2
    assert "--registration prnet: pm2 is not made with it" in capsys.readouterr().err


@pytest.mark.slow
def test_a_release_without_test_labels_is_scored_on_valid(made, tmp_path, monkeypatch):
    root = shutil.copytree(
        made / f"lightning_logs/standins/fera2017-smoke-v{STANDIN_VERSION}-seed0", tmp_path / "release"
    )
    for path in root.rglob("FERA17_TE_*_Int.csv"):
        path.unlink()
    cells = NiinumaCells(TableOptions("smoke", {"fera2017": root}, tmp_path / "logs", 0, 1))
    assert cells.options.data_origin == "standin"  # whatever the user calls it
    assert cells.scored_partition == "valid"
    corpus = cells.config("intensity", FRONTAL, "data.training_set=x")["data"]["init_args"]["corpus"][
        "init_args"
    ]
    assert corpus["test_partition"] == "valid"
    assert corpus["validation"] == "people"

"""Table 3 in `smoke`, once through the whole chain: what a second command does, and after losses."""

import json
import shutil

import pytest

from aukit.cli import main as aukit
from aukit.datasets.registry import corpus_entry
from aukit.errors import ConfigError
from aukit.reproduce import main
from aukit.reproduce.niinuma2021.cells import WEIGHTS_VARIABLE, Table3Cells
from aukit.reproduce.niinuma2021.tables import Table3
from aukit.reproduce.options import TableOptions, check_affordable, choose_options
from aukit.simulation import STANDIN_VERSION
from tests.reproduce.smoke import assert_others_can_verify, make_in_smoke, smoke_arguments

CORPORA = ("fera2017",)
ROOT_VARIABLE = corpus_entry("fera2017").root_variable
ARGUMENTS = smoke_arguments("table3")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder in which the table has been made."""
    return make_in_smoke("table3", tmp_path_factory.mktemp("table3"))


def table(folder):
    return json.loads((folder / "lightning_logs/tables/table3/standin-smoke/table.json").read_text())


def test_the_table_holds_published_columns_ours_comparison_and_controls(made):
    content = table(made)
    kinds = {column["id"]: column["kind"] for column in content["columns"]}
    assert list(kinds.values()).count("published") == 8
    assert [i for i, kind in kinds.items() if kind == "ours"] == ["none", "au0", "mean"]
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


def test_every_format_is_written(made):
    folder = made / "lightning_logs/tables/table3/standin-smoke"
    for suffix in ("txt", "csv", "md", "tex", "json", "png"):
        assert (folder / f"table.{suffix}").stat().st_size > 500


def test_the_readme_s_picture_shows_both_kinds_of_people_and_both_generators(made, monkeypatch, tmp_path):
    from PIL import Image

    from docs import make_pictures as pictures

    copy = shutil.copytree(made, tmp_path / "copy")
    monkeypatch.chdir(copy)
    monkeypatch.setattr(pictures, "contact_sheet", lambda path, bases: None)
    monkeypatch.setattr("sys.argv", ["pictures", "--profile", "smoke", "--out", "out"])
    pictures.main()
    picture = Image.open("out/expressions.png")
    assert picture.size == (150 + 2 * 4 * pictures.TILE + 16, 48 + 7 * pictures.TILE)
    assert len(list((copy / "lightning_logs/runs").glob("synthesis-*"))) == 2


def test_others_can_verify_it(made, tmp_path):
    assert_others_can_verify("table3", made, tmp_path)


def test_again_it_trains_nothing_and_prints_the_same(made, monkeypatch, capsys):
    monkeypatch.chdir(made)
    monkeypatch.setattr(Table3, "make", lambda self, stages: pytest.fail("worked again"))
    main(ARGUMENTS)
    assert (
        made / "lightning_logs/tables/table3/standin-smoke/table.txt"
    ).read_text() in capsys.readouterr().out


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
    assert "table3" in capsys.readouterr().err
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path / "nowhere"))
    assert aukit(["reproduce", "table3"]) == 2
    assert "no such folder" in capsys.readouterr().err
    monkeypatch.delenv(ROOT_VARIABLE)
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(tmp_path / "vgg.safetensors"))
    assert aukit(["reproduce", "table3", "--profile", "smoke"]) == 2
    assert WEIGHTS_VARIABLE in capsys.readouterr().err


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
        cells = Table3Cells(TableOptions(profile, {}, tmp_path))
        arguments = cells.estimator_config(cells.estimators[0], tmp_path)["model"]["init_args"]
        return arguments["network"], arguments["weights"], arguments["frozen_convs"]

    for profile in ("smoke", "mini"):
        assert model(profile) == ("trunk", "random", 0)
    assert model("standin") == ("vgg16_bn", "random", 0)
    with pytest.raises(ConfigError, match=f"{WEIGHTS_VARIABLE}=FILE, or say {WEIGHTS_VARIABLE}=random"):
        Table3(TableOptions("paper", {}, tmp_path)).run()
    assert not list(tmp_path.iterdir())  # nothing was begun
    monkeypatch.setenv(WEIGHTS_VARIABLE, "random")
    assert model("paper") == ("vgg16", "random", 0)
    assert model("standin") == ("vgg16_bn", "random", 0)
    file = tmp_path / "vgg16.pth"
    file.touch()
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(file))
    assert model("paper") == model("standin") == ("vgg16", str(file), 2)


def test_a_release_without_test_labels_is_scored_on_valid(made, tmp_path, monkeypatch):
    root = shutil.copytree(
        made / f"lightning_logs/standins/fera2017-smoke-v{STANDIN_VERSION}-seed0", tmp_path / "release"
    )
    for path in root.rglob("FERA17_TE_*_Int.csv"):
        path.unlink()
    cells = Table3Cells(TableOptions("smoke", {"fera2017": root}, tmp_path / "logs", 0, 1))
    assert cells.options.data_origin == "standin"  # whatever the user calls it
    assert cells.scored_partition == "valid"
    corpus = cells.config("intensity", "data.training_set=x")["data"]["init_args"]["corpus"]["init_args"]
    assert corpus["test_partition"] == "valid"
    assert corpus["validation"] == "people"

"""FG-Net's tables in `smoke`, once through the whole chain."""

import json
import os

import pandas as pd
import pytest

from aukit.errors import ConfigError
from aukit.reproduce import main
from aukit.reproduce.captions import training_length
from aukit.reproduce.fgnet.cells import Cell, FGNetCells
from aukit.reproduce.fgnet.tables import FGNetTables
from aukit.reproduce.options import TableOptions, choose_options
from tests.reproduce.smoke import assert_others_can_verify, encloses, make_in_smoke, smoke_arguments

ARGUMENTS = smoke_arguments("fgnet")
CORPORA = ("bp4d", "disfa")
FOLDER = "lightning_logs/tables/fgnet/standin-smoke"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder in which the tables have been made."""
    return make_in_smoke(tmp_path_factory.mktemp("fgnet"), "fgnet")


def report(folder):
    return json.loads((folder / FOLDER / "table.json").read_text())


@pytest.mark.slow
def test_every_section_is_there_with_baseline_methods_and_support(made):
    tables = report(made)["tables"]
    assert list(tables) == [
        "within_bp4d", "within_disfa", "bp4d_to_disfa", "disfa_to_bp4d", "frames_20", "heads"
    ]  # fmt: skip
    assert [len(table["rows"]) for table in tables.values()] == [12, 8, 5, 5, 12, 12]
    for name, table in tables.items():
        kinds = {column["id"]: column["kind"] for column in table["columns"]}
        assert kinds["all_positive"] == "all_positive"
        if name == "heads":
            assert list(kinds) == ["all_positive", "pyramid", "pixel", "plain"]
        else:
            assert (kinds["fgnet"], kinds["resnet_small"]) == ("ours", "comparison")
            assert kinds["resnet50"] == "missing"
        for column in table["columns"]:
            if column["kind"] in ("ours", "comparison"):
                value, low, high = column["margin"]
                baseline = next(c for c in table["columns"] if c["id"] == "all_positive")
                assert value == pytest.approx(column["mean"] - baseline["mean"])
                assert encloses((low, high), value, column)
                assert column["support"] == baseline["support"]
        assert table["agreement"]["mean"] > 0


@pytest.mark.slow
def test_what_is_not_run_says_so(made):
    text = (made / FOLDER / "table.txt").read_text()
    words = " ".join(text.split())
    assert "Not run in smoke: FG-Net, encoder and generator pre-trained on unlabelled avatar faces" in words
    assert "Not run in smoke: fold 1, fold 2, 100 training frames" in words
    assert "smoke does not rank methods" in words
    assert (
        "Differs from the published FG-Net, whose way is in brackets: landmarks of a file beside the corpus"
        in words
    )
    heading = next(line for line in text.splitlines() if "FG-Net " in line and "all pos." in line)
    assert "RN50" not in heading


@pytest.mark.slow
def test_across_corpora_the_same_models_score_the_other_corpus(made):
    content = report(made)
    runs = {
        name: {c["id"]: c["extra"].get("runs") for c in table["columns"] if c["kind"] == "ours"}
        for name, table in content["tables"].items()
    }
    assert runs["within_bp4d"]["fgnet"] == runs["bp4d_to_disfa"]["fgnet"]
    assert runs["within_disfa"]["fgnet"] == runs["disfa_to_bp4d"]["fgnet"]
    assert runs["within_bp4d"]["fgnet"] != runs["frames_20"]["fgnet"]
    folder = made / "lightning_logs/runs" / runs["within_bp4d"]["fgnet"][0]
    (path,) = folder.glob("predictions-on-disfa-*.parquet")
    other = pd.read_parquet(path)
    assert other["person"].str.startswith("DISFA").all()
    assert set(other["partition"]) == {"P1"}
    assert other["AU07_label"].isna().all()  # DISFA does not code it
    assert other["AU07_score"].notna().all()
    assert set(other["AU12_label"].dropna()) <= {0, 1}


@pytest.mark.slow
def test_every_format_is_written(made):
    for suffix in ("txt", "csv", "md", "tex", "json", "png"):
        assert (made / FOLDER / f"table.{suffix}").stat().st_size > 500
    rows = pd.read_csv(made / FOLDER / "table.csv")
    assert set(rows["table"]) == set(report(made)["tables"])
    assert (made / FOLDER / "table.tex").read_text().count(r"\begin{tabular}") == 6


@pytest.mark.slow
def test_others_can_verify_it(made, tmp_path):
    assert_others_can_verify(made, tmp_path, "fgnet")


@pytest.mark.slow
def test_again_it_trains_nothing_and_prints_the_same(made, monkeypatch, capsys):
    monkeypatch.chdir(made)
    monkeypatch.setattr(FGNetTables, "make", lambda self, stages: pytest.fail("worked again"))
    main(ARGUMENTS)
    assert (made / FOLDER / "table.txt").read_text() in capsys.readouterr().out


def test_a_cell_is_the_experiment_with_its_axes(tmp_path):
    config = FGNetCells(TableOptions("paper", {}, tmp_path, 3)).run_config(
        Cell("fgnet", "disfa", 2, 1000, "pixel")
    )
    data, model = config["data"]["init_args"], config["model"]["init_args"]
    assert (data["fold"], data["subset"], data["seed"], config["seed"]) == (2, 1000, 3, 3)
    assert (data["transform_size"], data["pad_mode"]) == (None, "constant")  # 1024 at 256 px
    assert (model["head"], model["lr"], model["size"]) == ("pixel", 5e-5, 1024)  # the published size
    # As published: 15 epochs of min(500, batches), the last of which may be smaller.
    assert training_length(config) == "15 epochs of at most 500 batches"
    assert training_length(config, 100) == "105 steps"


def test_a_new_table_is_an_entry_of_the_yaml_file(tmp_path):
    cells = FGNetCells(TableOptions("smoke", {}, tmp_path))
    before = cells.trainings()
    entry = {"trained_on": "disfa", "tested_on": "bp4d", "subset": 30, "title": "Few frames of DISFA"}
    cells.spec["sections"].append({"id": "few", **entry})
    section = cells.sections()["few"]
    assert section.aus == [1, 2, 4, 6, 12]  # what both corpora code
    assert not section.is_usual_protocol
    (cell,) = section.cells["fgnet"]
    assert cell not in before
    assert cells.crossings()[cell] == ["bp4d"]
    assert cells.run_config(cell)["data"]["init_args"]["subset"] == 30


def test_weights_that_are_not_named_leave_a_column_empty(tmp_path, monkeypatch):
    for name in ("FGNET", "RESNET50", "SWIN", "VIT"):
        monkeypatch.delenv(f"AUKIT_{name}_WEIGHTS", raising=False)
    options = TableOptions("paper", {}, tmp_path, 0, 1)
    cells = FGNetCells(options)
    assert not cells.is_run("fgnet_published")
    assert cells.reason_not_run("fgnet_published") == "not run: AUKIT_FGNET_WEIGHTS names no weights"
    monkeypatch.setenv("AUKIT_RESNET50_WEIGHTS", "random")  # as PM2's table takes it
    assert not FGNetCells(options).is_run("resnet50_imagenet")
    with pytest.raises(ConfigError, match="name some with AUKIT_FGNET_WEIGHTS"):
        FGNetTables(options).run()
    files = [tmp_path / "g.safetensors", tmp_path / "e.safetensors"]
    monkeypatch.setenv("AUKIT_FGNET_WEIGHTS", os.pathsep.join(map(str, files)))
    with pytest.raises(ConfigError, match=r"g\.safetensors: no such file"):
        FGNetCells(options)
    for file in files:
        file.touch()
    cells = FGNetCells(options)
    assert cells.first == "fgnet_published"
    weights = cells.run_config(Cell("fgnet_published", "bp4d", 0))["model"]["init_args"]["weights"]
    assert weights == [str(file) for file in files]


def test_licensed_corpora_and_stand_ins_do_not_mix(tmp_path, monkeypatch):
    for corpus in ("bp4d", "disfa"):
        (tmp_path / corpus).mkdir()
    monkeypatch.setenv("AUKIT_BP4D_ROOT", str(tmp_path / "bp4d"))
    monkeypatch.delenv("AUKIT_DISFA_ROOT", raising=False)
    with pytest.raises(ConfigError, match="AUKIT_DISFA_ROOT is not"):
        choose_options(CORPORA, None, tmp_path)
    monkeypatch.setenv("AUKIT_DISFA_ROOT", str(tmp_path / "disfa"))
    options = choose_options(CORPORA, None, tmp_path)
    assert (options.data_origin, options.profile) == ("licensed", "paper")
    (tmp_path / "disfa" / "STANDIN.json").write_text("{}")
    with pytest.raises(ConfigError, match="AUKIT_DISFA_ROOT names a stand-in"):
        choose_options(CORPORA, None, tmp_path)

"""A corpus that another package registers (tests/external/example_corpus) works in every command."""

import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from aukit.cli import main
from aukit.datasets import corpus_entry, corpus_names, registry
from aukit.errors import ConfigError

EXTERNAL = Path(__file__).parents[1] / "external"


@pytest.fixture(scope="module", autouse=True)
def installed():
    """As if the package were installed: its folder on the path, its entry point read."""
    before = dict(registry._ENTRIES)
    sys.path.insert(0, str(EXTERNAL))
    registry._read_entry_points.cache_clear()
    yield
    sys.path.remove(str(EXTERNAL))
    registry._ENTRIES.clear()
    registry._ENTRIES.update(before)
    registry._read_entry_points.cache_clear()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("external")
    words = ["standin", "example", "--root", str(folder / "example"), "--profile", "smoke", "--frames", "5"]
    assert main([*words, "--workers", "0"]) == 0
    return folder / "example"


def test_it_is_one_of_the_corpora():
    assert corpus_names()[-1] == "example"
    assert corpus_entry("example").title == "Example"
    with pytest.raises(ConfigError, match="did you mean 'example'"):
        corpus_entry("exampel")


def test_check(root, capsys):
    assert main(["corpora", "check", "example", "--root", str(root), "--threshold", "2"]) == 0
    printed = capsys.readouterr().out
    assert "example: read without errors (stand-in" in printed
    assert "3 (3)" in printed


def test_prepare(root, tmp_path, capsys):
    words = [
        "prepare",
        "example",
        "--root",
        str(root),
        "--out",
        str(tmp_path),
        "--registration",
        "similarity",
    ]
    assert main([*words, "--size", "32", "--workers", "0"]) == 0
    assert "crops of 32 x 32 (similarity), 4 people, 4 videos" in capsys.readouterr().out


def test_it_drives_avatars(root, tmp_path, capsys):
    words = ["avatars", "pairs", "--driving-corpus", "example", "--driving-root", str(root)]
    assert main([*words, "--out", str(tmp_path / "pairs"), "--size", "32", "--workers", "0"]) == 0
    assert "from 4 of 4 videos" in capsys.readouterr().out


def test_fit_and_predict(root, tmp_path, capsys):
    data = {"root": str(root), "cache": str(tmp_path / "stores"), "registration": "similarity", "size": 32}
    (tmp_path / "base.yaml").write_text("seed: 0\nlogging: {wandb: false}\n")
    (tmp_path / "example.yaml").write_text(
        yaml.safe_dump(
            {
                "trainer": {"max_epochs": 1, "accelerator": "cpu", "enable_progress_bar": False},
                "model": {
                    "class_path": "aukit.models.baselines.MultilabelModule",
                    "init_args": {
                        "aus": [4, 12],
                        "backbone": "resnet10t",
                        "options": {"channels": [4, 4, 8, 8], "stem_width": 4},
                    },
                },
                "data": {
                    "class_path": corpus_entry("example").datamodule,
                    "init_args": {**data, "prepare_workers": 0, "batch_size": 4},
                },
            }
        )
    )
    words = ["-c", str(tmp_path / "example.yaml"), "--runs", str(tmp_path / "runs")]
    assert main(["fit", *words]) == 0
    assert main(["predict", *words]) == 0
    table = pd.read_parquet(capsys.readouterr().out.split()[-1])
    assert set(table["person"]) == {"Example/E1", "Example/E2", "Example/E3", "Example/E4"}
    assert set(table["AU12_label"].dropna()) <= {0, 1}


def test_a_name_that_is_taken_is_refused():
    entry = registry.CorpusEntry("example", "Other", "other.reader.Other", "other.data.OtherDataModule")
    with pytest.raises(ConfigError, match="there is a corpus 'example' already"):
        registry.register(entry)


def test_what_cannot_be_imported_says_what_and_why():
    entry = registry.CorpusEntry("lost", "Lost", "nowhere.reader.Lost", "nowhere.data.LostDataModule")
    with pytest.raises(ConfigError, match=r"its reader 'nowhere\.reader\.Lost' cannot be imported"):
        entry.load("reader")
    with pytest.raises(ConfigError, match="Lost has no standin"):
        entry.load("standin")

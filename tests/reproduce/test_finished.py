"""When a table counts as finished: not after what decides it has changed, whenever that was."""

import shutil

import pytest
import torch

from aukit.reproduce import base
from aukit.reproduce.base import Reproduction, table_file
from aukit.reproduce.data_origin import TableCorpus
from aukit.reproduce.niinuma2021.cells import NiinumaCells
from aukit.reproduce.options import TableOptions
from aukit.reproduce.render.table import ALL_POSITIVE, Column, Table
from aukit.utils import experiments
from aukit.utils.experiments import experiments_folder


class Made(Reproduction):
    """A table that needs no training."""

    cells_type = NiinumaCells

    def make(self, stages):
        column = Column(*ALL_POSITIVE, values={"AU1": 0.4}, mean=0.4)
        return Table("Occurrence", ["AU1"], [column], None, [])

    def plan_stages(self):
        return []


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Experiments that can be changed, and corpora that are there."""

    class Release:
        def fingerprint(self):
            return "0123"

    shutil.copytree(experiments_folder(), tmp_path / "experiments")
    monkeypatch.setattr(experiments, "_PACKAGE", tmp_path)
    monkeypatch.setattr(TableCorpus, "is_there", lambda self: True)
    monkeypatch.setattr(TableCorpus, "release", lambda self: Release())
    return tmp_path


def change(path):
    path.write_text(path.read_text() + "# changed\n")


@pytest.mark.parametrize("name", ["tables/niinuma2021", "intensity", "base", "profiles/smoke"])
@pytest.mark.parametrize("is_there", [True, False], ids=["corpora there", "corpora rendered"])
def test_what_is_changed_while_a_table_is_made_is_not_in_it(here, monkeypatch, name, is_there):
    class Edited(Made):
        def make(self, stages):
            change(experiments_folder() / f"{name}.yaml")
            monkeypatch.setattr(TableCorpus, "is_there", lambda self: True)
            return super().make(stages)

    assert table_file("niinuma2021").is_relative_to(here)
    options = TableOptions("smoke", {}, here / "logs")
    Made(options).run()
    assert Made(options).finished() is not None
    change(experiments_folder() / "intensity.yaml")
    assert Made(options).finished() is None
    monkeypatch.setattr(TableCorpus, "is_there", lambda self: is_there)
    Edited(options).run()
    assert Made(options).finished() is None


def test_a_table_says_of_which_code_it_and_its_trainings_are(here, monkeypatch, capsys):
    class Trained(Made):
        def make(self, stages):
            table = super().make(stages)
            table.provenance["git_commits"] = {"1" * 40: 3, f"{'2' * 40}-dirty": 1}
            return table

    options = TableOptions("smoke", {}, here / "logs")
    monkeypatch.setattr(base, "git_commit", lambda: "1" * 40)
    text = Trained(options).run()
    assert "Trainings are of other code than the table (1111111): 3 of 1111111, 1 of 2222222-dirty." in text
    assert Trained(options).run() == text
    assert "was made by other code" not in capsys.readouterr().err
    monkeypatch.setattr(base, "git_commit", lambda: "3" * 40)
    assert Trained(options).run() == text
    assert "made by other code (1111111; this is 3333333)" in capsys.readouterr().err
    monkeypatch.setattr(base, "git_commit", lambda: None)  # outside a repository nothing is known
    assert Trained(options).run() == text
    assert capsys.readouterr().err == ""


def test_weights_count_by_what_is_in_the_file(here, monkeypatch):
    file = here / "vgg16.pt"
    monkeypatch.setenv("AUKIT_VGG16_WEIGHTS", str(file))
    torch.save({"a": torch.zeros(1)}, file)
    options = TableOptions("paper", {}, here / "logs")
    Made(options).run()
    assert Made(options).finished() is not None
    torch.save({"a": torch.zeros(2)}, file)
    assert Made(options).finished() is None

"""The W&B run of a table, by the real client offline."""

import pytest

from aukit.reproduce.base import Reproduction
from aukit.reproduce.niinuma2021.cells import NiinumaCells
from aukit.reproduce.options import TableOptions
from aukit.reproduce.render.report import Report
from aukit.reproduce.render.table import ALL_POSITIVE, Column, Heading, Table
from tests import wandb_files


class Cells(NiinumaCells):
    def signature(self):
        return "0123456789abcdef"


class Made(Reproduction):
    """A report of two columns that needs no training."""

    cells_type = Cells

    def make(self, stages):
        ours = Column(
            *Heading("vgg", "VGG", "one of ours", "ours"), values={"AU1": 0.5, "AU4": None}, mean=0.5
        )
        baseline = Column(*ALL_POSITIVE, values={"AU1": 0.4, "AU4": 0.2}, mean=0.3, interval=(0.2, 0.4))
        table = Table("Occurrence", ["AU1", "AU4"], [baseline, ours], None, ["What it shows."])
        return Report("Both", {"first": table}, ["Rendered."], {"git_commit": "abc", "runs": {"GAN": "12"}})

    def plan_stages(self):
        return []


def reproduction(folder, profile="mini"):
    return Made(TableOptions(profile, {}, folder))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    table = reproduction(tmp_path_factory.mktemp("table"))
    table.run()
    return table


def test_a_table_is_a_run_in_the_group_of_its_trainings(made):
    run = wandb_files.run(made.cells.folder)
    assert (run.job_type, run.run_group) == ("table", "niinuma2021-3-standin-mini")
    assert made.cells.experiment_config("intensity").logging.group == run.run_group
    assert sorted(run.tags) == ["mini", "niinuma2021", "standin"]
    held = wandb_files.config(made.cells.folder)
    assert (held["table"], held["git_commit"], held["runs"]) == ("niinuma2021", "abc", {"GAN": "12"})


def test_it_holds_values_caption_figure_and_headline_numbers(made):
    rows = wandb_files.table(made.cells.folder, "table")
    values = {(row["table"], row["id"], row["row"]): row["value"] for row in rows}
    assert values["first", "vgg", "AU1"] == 0.5
    assert values["first", "vgg", "AU4"] is None
    assert "What it shows." in wandb_files.run(made.cells.folder).notes
    assert wandb_files.media(made.cells.folder, "images") == ["pictures/table"]
    held = wandb_files.summary(made.cells.folder)
    assert held["first/vgg/mean"] == 0.5
    assert (held["first/all_positive/low"], held["first/all_positive/high"]) == (0.2, 0.4)


def test_a_finished_table_is_printed_again_without_a_run(made):
    assert "Both" in reproduction(made.options.logs).run()
    assert len(wandb_files.attempts(made.cells.folder)) == 1


def test_smoke_has_no_run(tmp_path):
    table = reproduction(tmp_path, "smoke")
    table.run()
    assert (table.cells.folder / "table.json").is_file()
    assert not (table.cells.folder / "wandb").exists()

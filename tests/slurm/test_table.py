"""A table whose trainings are jobs: looked at, left alone, looked at again, printed."""

import signal
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster
from tests.slurm.test_cluster import output, until
from tests.slurm.works import newest_job, shown, write_site

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(2400)]

TABLE = "reproduce niinuma2021 --table 3 --profile smoke"


def test_table_3_is_made_of_jobs_while_nobody_looks(cluster: Cluster, tmp_path: Path):
    write_site(tmp_path, nodes=1, time="30")
    with shown(cluster, tmp_path, TABLE) as view:
        until(lambda: newest_job(tmp_path) not in (None, "1"), 900)
        view.send_signal(signal.SIGINT)
        assert view.wait(30) == 130
    with shown(cluster, tmp_path, TABLE) as view:
        assert view.wait(1800) == 0, (tmp_path / "shown.txt").read_text() + output(tmp_path)
    said = (tmp_path / "shown.txt").read_text()
    assert "Ctrl-C stops no job" in said
    (text,) = tmp_path.glob("lightning_logs/tables/*/*/table.txt")
    assert text.read_text() in said
    jobs = [
        line.split("\t")[1]
        for file in tmp_path.glob("lightning_logs/slurm/*/jobs.tsv")
        for line in file.read_text().splitlines()
    ]
    assert jobs.count("table") == 3  # before the generators, before the estimators, in the end
    cells = [name for name in jobs if name != "table"]
    assert len(cells) == len(set(cells))
    assert {name.split("/")[0] for name in cells} == {"GAN", "estimators"}
    assert len(list(tmp_path.glob("lightning_logs/runs/*/record.json"))) == len(cells)

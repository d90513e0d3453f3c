"""A table whose trainings are jobs: looked at, left alone, looked at again, printed."""

import signal
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster
from tests.slurm.test_cluster import output, until
from tests.slurm.works import newest_job, shown, write_site

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(2400)]


def jobs_of(folder: Path) -> list[str]:
    return [
        line.split("\t")[1]
        for file in folder.glob("lightning_logs/slurm/*/jobs.tsv")
        for line in file.read_text().splitlines()
    ]


def test_table_3_is_made_of_jobs_while_nobody_looks(cluster: Cluster, tmp_path: Path):
    command = "reproduce niinuma2021 --table 3 --profile smoke"
    write_site(tmp_path, nodes=1, time="30")
    with shown(cluster, tmp_path, command) as view:
        until(lambda: newest_job(tmp_path) not in (None, "1"), 900)
        view.send_signal(signal.SIGINT)
        assert view.wait(30) == 130
    with shown(cluster, tmp_path, command) as view:
        assert view.wait(1800) == 0, (tmp_path / "shown.txt").read_text() + output(tmp_path)
    said = (tmp_path / "shown.txt").read_text()
    assert "Ctrl-C stops no job" in said
    (text,) = tmp_path.glob("lightning_logs/tables/*/*/table.txt")
    assert text.read_text() in said
    jobs = jobs_of(tmp_path)
    assert jobs.count("table") == 3  # before the generators, before the estimators, in the end
    cells = [name for name in jobs if name != "table"]
    assert len(cells) == len(set(cells))
    assert {name.split("/")[0] for name in cells} == {"GAN", "estimators"}
    assert len(list(tmp_path.glob("lightning_logs/runs/*/record.json"))) == len(cells)


@pytest.mark.parametrize("paper", ["fgnet", "pm2"])
def test_the_other_papers_tables_are_made_of_jobs(cluster: Cluster, tmp_path: Path, paper: str):
    write_site(tmp_path, nodes=1, time="30")
    with shown(cluster, tmp_path, f"reproduce {paper} --profile smoke") as view:
        assert view.wait(2100) == 0, (tmp_path / "shown.txt").read_text() + output(tmp_path)
    said = (tmp_path / "shown.txt").read_text()
    texts = [path.read_text() for path in tmp_path.glob("lightning_logs/tables/*/*/table*.txt")]
    assert texts
    assert all(text in said for text in texts)
    cells = [name for name in jobs_of(tmp_path) if name != "table"]
    assert len(cells) == len(set(cells)) == len(list(tmp_path.glob("lightning_logs/runs/*/record.json")))

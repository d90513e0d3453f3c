"""A sweep whose points are jobs: submitted at once, and its table is there when the last one has ended."""

import json
from pathlib import Path

import pytest

from aukit.training import Record
from tests.slurm.cluster import Cluster
from tests.slurm.test_cluster import output
from tests.slurm.works import shown, write_site
from tests.sweeps.works import write_sweep

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1200)]


def test_points_are_jobs_and_the_table_comes_behind_them(cluster: Cluster, tmp_path: Path):
    write_site(tmp_path, nodes=1)
    file = write_sweep(tmp_path)
    with shown(cluster, tmp_path, f"sweep {file.name} --local") as view:
        assert view.wait(900) == 0, (tmp_path / "shown.txt").read_text() + output(tmp_path)
    (table,) = tmp_path.glob("lightning_logs/sweeps/*/table.json")
    points = json.loads(table.read_text())["points"]
    records = [Record.read(path.parent) for path in tmp_path.glob("lightning_logs/runs/*/record.json")]
    assert len(points) == len(records) == 4
    assert {point["value"] for point in points} == {each.notes["best_score"] for each in records}
    jobs = [
        line.split("\t")[1]
        for line in next(tmp_path.glob("lightning_logs/slurm/*/jobs.tsv")).read_text().splitlines()
    ]
    assert len(jobs) == 6  # the sweep, its points, the sweep again
    assert "best: point" in (tmp_path / "shown.txt").read_text()

"""Plans: cells, hours and disk, without running anything."""

import pytest

from aukit.cli import main as aukit

EXPECTED = {
    "table3": ("9,408 frames", "8,400 images", "shuffled_labels", "GB of disk", "measured"),
    "fgnet": ("5,248 frames", "3,456 frames", "fgnet-bp4d-fold0", "Not run in mini", "GB of disk"),
    "pm2": (
        "5,248 frames",
        "3,456 frames",
        "6,997 renders",
        "weights    8 trainings, of which 4 are",
        "2 starts, then 14",
        "Not run in mini",
    ),
}


@pytest.mark.parametrize("table", EXPECTED)
def test_the_plan_runs_nothing(table, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert aukit(["reproduce", table, "--plan", "--profile", "mini"]) == 0
    text = capsys.readouterr().out
    for expected in EXPECTED[table]:
        assert expected in text
    assert not (tmp_path / "lightning_logs").exists()

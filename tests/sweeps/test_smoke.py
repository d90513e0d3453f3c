"""The first points of every sweep that comes along, by the command, on the stand-ins of `smoke`."""

import math
from pathlib import Path

import pandas as pd
import pytest

from aukit.cli import main
from aukit.sweeps.file import read_sweep, sweep_names

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(2400)]

PAIRS = "data.source.root=bp4d data.target.root=disfa data.avatars.root=pairs model.weights=random"
WORDS = {
    "fairness": "data.root=bp4d model.weights=random",
    "fgnet_rates": "data.root=bp4d model.weights=random",
    "niinuma_lambdas": "data.corpus.root=fera2017",
    "pm2_information": PAIRS,
    "pm2_source": PAIRS,
}
NO_VALUE = {"fairness"}  # nobody of both genders is held out of six people


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweeps")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for corpus in ("bp4d", "disfa", "fera2017"):
            assert main(["standin", corpus, "--root", corpus, "--profile", "smoke"]) == 0
        pairs = "avatars pairs --driving-corpus bp4d --driving-root bp4d --out pairs --size 64"
        assert main(pairs.split()) == 0
    return folder


@pytest.mark.parametrize("name", sweep_names())
def test_the_first_points_of_a_sweep_train(corpora, monkeypatch, name):
    monkeypatch.chdir(corpora)
    assert main(["sweep", name, "--local", "-n", "2", "--profile", "smoke", *WORDS[name].split()]) == 0
    (file,) = corpora.glob(f"lightning_logs/sweeps/{name}-*/table.csv")
    table, sweep = pd.read_csv(file), read_sweep(name)
    assert len(table) == 2
    assert set(sweep.varied) < set(table.columns)
    has_values = table[sweep.metric].map(math.isfinite)
    assert has_values.all() if name not in NO_VALUE else not has_values.any()
    assert file.with_suffix(".png").exists() == has_values.all()

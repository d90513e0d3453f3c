"""The experiments' own words, methods and ablations, in the smallest size on a fake corpus."""

from pathlib import Path

import pytest

from aukit.models.pm2 import METHODS
from aukit.training import execute, load_config
from tests.fakes import AUS

ABLATIONS = {
    "without-pairing": ["model.paired_orders=0"],
    "female": ["model.streams=[real,female]"],
    "without-mcd": ["model.discrepancy=false"],
}
WORDS = {name: [f"model.method={name}"] for name in METHODS} | ABLATIONS


def config(words, tmp_path):
    config = load_config("pm2", "smoke", [*words, f"aus=[{','.join(map(str, AUS))}]"])
    cache = str(tmp_path / "stores")
    data = {"class_path": "tests.models.pm2.pairs.FakePairs", "init_args": {"cache": cache}}
    return {**config, "data": data}


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    folder = tmp_path_factory.mktemp("start")
    words = ["model.method=source", "model.streams=[real]"]
    return execute(config(words, folder), folder / "runs").checkpoint


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_each_runs_from_the_shared_start(tmp_path, start, words):
    record = execute(config([*words, f"model.start={start}"], tmp_path), tmp_path / "runs")
    assert {"val/source_f1", "val/information", "val/snd", "test/f1", "test/f1_gap"} <= set(record.metrics)
    assert record.notes["selection"].startswith("best val/source_f1 (max)")
    assert Path(record.predictions).is_file()


@pytest.mark.parametrize("profile", ["mini", "standin", "paper"])
def test_both_targets_have_the_same_settings(profile):
    disfa, gft = (dict(load_config("pm2", profile, [f"target={name}"])) for name in ("disfa", "gft"))
    options = ("registration", "size", "transform_size", "augmentation", "sampling", "batch_size", "seed")
    for config in (disfa, gft):
        del config["experiment"]
        del config["model"]["init_args"]["aus"], config["data"]["init_args"]["aus"]
        target = config["data"]["init_args"]["target"]["init_args"]
        config["data"]["init_args"]["target"] = {name: target[name] for name in options}
    assert disfa == gft

"""Every experiment loads for every corpus in every size and fits the classes' signatures."""

from pathlib import Path

import pytest
import yaml

from aukit.training import identity, load_config
from aukit.utils.experiments import experiments_folder

HOME = experiments_folder()
PROFILES = sorted(path.stem for path in (HOME / "profiles").glob("*.yaml"))
FILES = {path.stem: yaml.safe_load(path.read_text()) for path in HOME.glob("*.yaml") if path.stem != "base"}
CASES = sorted(
    (name, corpus) for name, content in FILES.items() for corpus in content.get("corpora", {None: 0})
)


def test_there_is_something_to_test():
    assert PROFILES == ["mini", "paper", "smoke", "standin"]
    assert {("fgnet", "disfa"), ("pm2", "gft"), ("pretrain_gan", None), ("face_reader", None)} <= set(CASES)
    assert {path.name for path in HOME.iterdir() if path.is_dir()} == {
        "profiles",
        "slurm",
        "sweeps",
        "tables",
    }


@pytest.mark.parametrize("profile", [None, *PROFILES])
@pytest.mark.parametrize(("name", "corpus"), CASES)
def test_the_experiment_loads(name, corpus, profile):
    words = [f"corpus={corpus}"] if corpus else []
    if (
        FILES[name].get("corpora", {}).get(corpus, {}).get("aus") == "???"
    ):  # of a table: nobody else knows them
        words.append("aus=[6,12]")
    config = load_config(name, profile, words)
    assert config["model"]["class_path"].startswith("aukit.")
    assert config["experiment"] == (f"{name}/{corpus}" if corpus else name)
    assert identity(config, "data") == identity(load_config(name, profile, words), "data")


@pytest.mark.parametrize("name", FILES)
def test_profile_sections_belong_to_known_sizes(name):
    assert set(FILES[name].get("profiles", {})) <= set(PROFILES)


@pytest.mark.parametrize("name", FILES)
def test_the_first_corpus_is_the_default(name):
    first = next(iter(FILES[name].get("corpora", [])), None)
    assert load_config(name).experiment == (f"{name}/{first}" if first else name)


def test_a_file_of_the_user_is_found_before_an_experiment_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_config("fgnet").seed == 0
    Path("fgnet").write_text((HOME / "fgnet.yaml").read_text() + "seed: 7\n")
    assert load_config("fgnet").seed == 7

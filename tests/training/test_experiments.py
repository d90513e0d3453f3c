"""Every experiment in the repository loads in every size and fits the classes' signatures."""

from pathlib import Path

import pytest
import yaml

from aukit.training import identity, load_config

HOME = Path(__file__).parents[2] / "experiments"
PROFILES = sorted(path.stem for path in (HOME / "profiles").glob("*.yaml"))
FILES = sorted(
    path
    for path in HOME.rglob("*.yaml")
    if path.name != "base.yaml"
    and path.relative_to(HOME).parts[0] not in ("profiles", "tables", "sweeps", "results")
)


def test_there_is_something_to_test():
    assert PROFILES == ["mini", "paper", "smoke", "standin"]
    assert FILES


@pytest.mark.parametrize("profile", [None, *PROFILES])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(HOME).as_posix())
def test_the_experiment_loads(path, profile):
    config = load_config(path, profile)
    assert config["model"]["class_path"].startswith("aukit.")
    assert config["experiment"] == path.relative_to(HOME).with_suffix("").as_posix()
    assert identity(config, "data") == identity(load_config(path, profile), "data")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(HOME).as_posix())
def test_profile_sections_belong_to_known_sizes(path):
    sections = yaml.safe_load(path.read_text()).get("profiles", {})
    assert set(sections) <= set(PROFILES)

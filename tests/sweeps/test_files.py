"""Every sweep that comes along fits the experiment that it names; wrong files are refused by name."""

import re
from pathlib import Path

import pytest
import yaml

from aukit.cli import parser
from aukit.errors import ConfigError
from aukit.sweeps.file import BEST, GOALS, Sweep, check_metric, read_sweep, sweep_names
from aukit.sweeps.search import next_point
from aukit.training import load_config, read_experiment
from aukit.utils.experiments import experiments_folder

ROOTS = {
    "fgnet": ["model.weights=random"],
    "baselines": ["model.weights=random"],
    "pm2": ["data.source.root=a", "data.target.root=b", "data.avatars.root=c", "model.weights=random"],
    "synthesis": ["data.corpus.root=a"],
}


def corners(sweep):
    """The first value of each parameter, and for each of them the last value beside the first ones."""
    ends = {
        name: [each["value"]] if "value" in each else each.get("values", [each.get("min"), each.get("max")])
        for name, each in sweep.parameters.items()
    }
    first = {name: values[0] for name, values in ends.items()}
    return [first, *({**first, name: values[-1]} for name, values in ends.items() if len(values) > 1)]


def config_of(sweep, point, *more):
    given = parser().parse_args([*sweep.command(point), *more])
    return load_config(given.config, given.profile, given.overrides)


def test_there_is_something_to_test():
    wanted = {"fgnet_rates", "pm2_source", "pm2_information", "fairness", "niinuma_lambdas"}
    assert set(sweep_names()) == wanted
    methods = {read_sweep(name).method for name in wanted}
    assert methods == {"grid", "bayes"}


@pytest.mark.parametrize("name", sweep_names())
def test_a_sweep_varies_what_its_experiment_has_and_looks_at_its_validation(name):
    sweep = read_sweep(name)
    experiment = sweep.command({})[sweep.command({}).index("-c") + 1]
    seen = set()
    for point in corners(sweep):
        config = config_of(sweep, point, *ROOTS[experiment])
        assert sweep.metric == f"{BEST}{config.run.monitor}"
        assert GOALS[sweep.content["metric"]["goal"]] == config.run.mode
        seen.add(repr({**config}))
    assert len(seen) == len(corners(sweep))  # every key decides something
    for profile in ("smoke", "mini", "standin", "paper"):  # a size may hold nobody out
        given = parser().parse_args([*sweep.command(corners(sweep)[0]), f"--profile={profile}"])
        config = read_experiment(given.config, given.profile, given.overrides).config
        data = config["data"]["init_args"]
        frames = data.get("source", data.get("corpus", {"init_args": data}))["init_args"]
        assert frames.get("holdout_fraction", 0.15) > 0 or frames["validation"] == "valid"
        assert config["run"]["monitor"] == sweep.metric.removeprefix(BEST)


@pytest.mark.parametrize("name", sweep_names())
def test_both_ways_to_hand_over_a_point_mean_the_same(name):
    sweep = read_sweep(name)
    point = corners(sweep)[-1]
    given = []
    for macro in ("${args}", "${args_no_hyphens}"):
        words = [macro if word.startswith("${args") else word for word in sweep.content["command"]]
        command = Sweep(sweep.name, {**sweep.content, "command": words}).command(point)
        assert any(word.startswith("--model.") for word in command) == (macro == "${args}")
        given.append(parser().parse_args(command).overrides)
    assert given[0] == given[1]
    assert len(given[0]) >= len(point)


GOOD = {
    "program": "aukit",
    "method": "grid",
    "metric": {"name": "best/val/f1", "goal": "maximize"},
    "parameters": {"model.lr": {"values": [0.1, 0.2]}},
    "command": ["${env}", "${program}", "fit", "-c", "fgnet", "${args}"],
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "hyperband"}, "method: 'hyperband' is none of grid, random, bayes"),
        ({"metric": {"name": "test/f1", "goal": "maximize"}}, "what the test says must select nothing"),
        ({"metric": {"name": "best/test/f1", "goal": "maximize"}}, "what the test says must select nothing"),
        ({"metric": {"name": "best/val/f1", "goal": "max"}}, "metric: write"),
        ({"parameters": {}}, "parameters: write a key"),
        ({"parameters": {"model.lr": 1}}, "parameters.model.lr: write"),
        ({"parameters": {"model.lr": {"min": 0, "max": 1}}}, "a grid wants values"),
        ({"command": ["aukit", "fit", "-c", "fgnet"]}, "command: wants one of"),
        ({"command": None}, "command: write"),
        ({"command": ["python", "train.py", "${args}"]}, "is no `aukit fit`"),
        ({"program": "train.py"}, "is no `aukit fit`"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, change, message):
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({**GOOD, **change}))
    with pytest.raises(ConfigError, match=r"mine\.yaml: ") as raised:
        read_sweep(file)
    assert message in str(raised.value)


def test_the_file_of_the_page_is_understood(tmp_path):
    page = (Path(__file__).parents[2] / "docs/sweeps.md").read_text(encoding="utf-8")
    (content,) = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    (tmp_path / "mine.yaml").write_text(content)
    sweep = read_sweep(tmp_path / "mine.yaml", ["--profile", "mini"])
    config = config_of(sweep, next_point(sweep, 0, []), "model.weights=random")
    check_metric(sweep, config)
    assert config["model"]["init_args"]["class_weights"] in ("none", "f1")


def test_a_sweep_that_test_people_would_decide_is_refused():
    rates, alignment = read_sweep("fgnet_rates"), read_sweep("pm2_source")
    words = [*ROOTS["fgnet"], "data.selection=oracle"]
    with pytest.raises(ConfigError, match="what the test says must select nothing"):
        check_metric(rates, config_of(rates, corners(rates)[0], *words))
    words = [*ROOTS["pm2"], "data.oracle=true"]
    check_metric(alignment, config_of(alignment, corners(alignment)[0], *words))
    alignment.content["metric"]["name"] = f"{BEST}val/oracle_f1"
    with pytest.raises(ConfigError, match="what the test says must select nothing"):
        check_metric(
            alignment, config_of(alignment, corners(alignment)[0], *words, "run.monitor=val/oracle_f1")
        )


def test_a_name_that_is_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="did you mean fgnet_rates"):
        read_sweep("fgnet_rate")
    (tmp_path / "broken.yaml").write_text("method: [")
    with pytest.raises(ConfigError, match="not readable as YAML"):
        read_sweep("broken.yaml")


def test_further_words_stand_before_those_of_a_point():
    sweep = read_sweep(experiments_folder() / "sweeps/fgnet_rates.yaml", ["--profile", "mini"])
    assert sweep.command({"model.lr": 0.1})[-3:] == ["--profile", "mini", "model.lr=0.1"]
    assert sweep.content["command"][-1] == "${args_no_hyphens}"

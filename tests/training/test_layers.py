"""How the layers of an experiment meet: corpora, sizes, action units, classes of the user's own folder."""

import subprocess
import sys

import pytest

from aukit.errors import ConfigError
from aukit.training import identity, load_config, read_experiment
from aukit.training.config_help import config_yaml, explain_keys

EXPERIMENT = """
axes: {people: data.people, where: corpus}
model: {class_path: tests.fake_training.TinyModule, lr: 0.1}
data: {people: 4}
corpora:
  first:
    data: {class_path: tests.fake_training.FakeDataModule, frames: 3}
  second:
    aus: [4, 6]
    data: {class_path: tests.fake_training.OtherDataModule, people: 5}
    profiles: &small {smoke: {data: {batch_size: 3}}}
  third: &third
    data: {class_path: tests.fake_training.FakeDataModule}
    profiles: *small
  fourth: *third
profiles:
  smoke: {data: {batch_size: 2, frames: 4}}
"""


@pytest.fixture
def mine(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(EXPERIMENT)
    return file


def arguments(config):
    return config["data"]["init_args"]


def test_the_first_corpus_is_the_default_and_the_name_has_it(mine):
    config = load_config(mine)
    assert (config.experiment, config["data"]["class_path"]) == (
        "mine/first",
        "tests.fake_training.FakeDataModule",
    )
    assert (arguments(config)["people"], arguments(config)["frames"]) == (4, 3)


@pytest.mark.parametrize("word", ["corpus=second", "where=second"])
def test_a_corpus_comes_over_the_experiment_and_below_the_size(mine, word):
    config = load_config(mine, "smoke", [word])
    assert config.experiment == "mine/second"
    assert (arguments(config)["people"], arguments(config)["frames"]) == (5, 4)
    assert arguments(config)["batch_size"] == 3  # of the corpus' own profile
    assert arguments(load_config(mine, "smoke"))["batch_size"] == 2
    assert arguments(load_config(mine, "smoke", ["corpus=fourth"]))["batch_size"] == 3
    assert arguments(load_config(mine, "smoke", [word, "people=7"]))["people"] == 7


def test_action_units_are_said_once(mine):
    assert arguments(load_config(mine, None, ["corpus=second"]))["aus"] == [4, 6]
    both = load_config("fgnet", "smoke", ["aus=[6, 12]"])
    assert both["model"]["init_args"]["aus"] == both["data"]["init_args"]["aus"] == [6, 12]
    with pytest.raises(ConfigError, match=r"override 'data.aus=\[12\]': data.aus=\[12\] is not aus=\[4, 6\]"):
        load_config(mine, None, ["corpus=second", "data.aus=[12]"])


def test_an_empty_value_brings_the_default_of_the_class_back(mine):
    assert arguments(load_config(mine, None, ["people="]))["people"] == 6
    assert load_config(mine, None, ["model.lr="])["model"]["init_args"]["lr"] == 0.01


def test_a_class_may_lie_in_the_folder_of_the_experiment(mine, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "beside_it.py").write_text(
        "from tests.fake_training import TinyModule\n\n\nclass Beside(TinyModule):\n    pass\n"
    )
    (elsewhere / "here.py").write_text("from beside_it import Beside\n\n\nclass Here(Beside):\n    pass\n")
    monkeypatch.chdir(elsewhere)
    for path in ("beside_it.Beside", "here.Here"):
        config = load_config(mine, None, [f"model.class_path={path}"])
        assert (config["model"]["class_path"], config["model"]["init_args"]["lr"]) == (path, 0.1)
    with pytest.raises(ConfigError, match=rf"'nowhere'.*{tmp_path}.*{elsewhere}; put its file there"):
        load_config(mine, None, ["model.class_path=nowhere.Mine"])


def test_the_printed_configuration_is_an_experiment_of_the_same_run(tmp_path):
    file = tmp_path / "printed.yaml"
    for name, words in (("pm2", ["target=gft"]), ("fgnet", ["logging.project='None'"])):
        config = load_config(name, "smoke", words)
        file.write_text(config_yaml(config))
        again = load_config(file)
        assert dict(again) == dict(config)
        assert identity(again, "data") == identity(config, "data")
    assert load_config(file, None, ["aus=[6]"])["model"]["init_args"]["aus"] == [6]


def test_every_key_is_explained_with_type_default_value_and_meaning(mine):
    text = explain_keys(read_experiment(mine, "smoke"))
    assert "corpus = first\n    One of first, second, third, fourth." in text
    assert "people\n    Short for data.people." in text
    assert "model.lr = 0.1\n    A number (default: 0.01). Learning rate." in text
    assert "data.batch_size = 2\n" in text
    assert "run.mode = max\n    One of min, max (default: max)." in text
    nested = explain_keys(read_experiment("pm2", "smoke"), "data.target.")
    assert nested.startswith("data.target.class_path = aukit.datamodules.DISFADataModule")
    with pytest.raises(ConfigError, match="--help-keys modle: no key begins so"):
        explain_keys(read_experiment(mine), "modle")


def test_a_wrong_file_profile_or_corpus_is_answered_before_torch_is_imported():
    code = """
import sys
from aukit.errors import ConfigError
from aukit.training import read_experiment
read_experiment("fgnet", "smoke", ["fold=1"])
for wrong in (("fgnte",), ("fgnet", "smok"), ("fgnet", None, ["corpus=x"]), ("fgnet", None, ["modle=1"])):
    try:
        read_experiment(*wrong)
    except ConfigError:
        continue
    sys.exit(f"taken: {wrong}")
print(sorted({"torch", "lightning", "pandas", "jsonargparse"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")

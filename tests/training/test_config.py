import pickle
import sys

import pytest
import yaml
from lightning.pytorch import LightningModule

from aukit.errors import ConfigError, WeightsError
from aukit.training import identity, load_config, resolve
from aukit.training.classes import import_class
from aukit.training.config import missing_values
from aukit.training.run_config import build_datamodule, build_model

BASE = {"seed": 0, "trainer": {"max_epochs": 1, "accelerator": "cpu"}, "run": {"save_minutes": 5}}
EXPERIMENT = {
    "trainer": {"max_epochs": 5},
    "model": {"class_path": "tests.fake_training.TinyModule", "init_args": {"lr": 0.1}},
    "data": {"class_path": "tests.training.nested.OuterData", "init_args": {
        "inner": {"class_path": "tests.fake_training.FakeDataModule", "init_args": {"people": 4}}}},
    "profiles": {"smoke": {"model": {"lr": 0.2}, "data": {"inner": {"people": 3, "batch_size": 2}}}},
}  # fmt: skip


@pytest.fixture
def home(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content))
        return path

    write("base.yaml", BASE)
    write("profiles/smoke.yaml", {"trainer": {"max_epochs": 2}})
    write("profiles/paper.yaml", {"trainer": {"max_epochs": 30}})
    write.experiment = write("fakes/tiny.yaml", EXPERIMENT)
    return write


def test_layers_are_merged_in_their_order(home):
    path = home.experiment
    assert load_config(path)["trainer"]["max_epochs"] == 5
    config = load_config(path, "smoke")
    assert (config["trainer"]["max_epochs"], config["trainer"]["accelerator"]) == (2, "cpu")
    assert config["model"]["init_args"] == {"lr": 0.2, "manual": False, "pause": 0.0}  # defaults filled in
    inner = config["data"]["init_args"]["inner"]["init_args"]
    assert (inner["people"], inner["batch_size"], inner["frames"]) == (3, 2, 10)
    config = load_config(
        path, "smoke", ["model.lr=3e-4", "data.inner.people=5", "seed=7", "trainer.max_epochs=9"]
    )
    assert config["model"]["init_args"]["lr"] == 3e-4
    inner = config["data"]["init_args"]["inner"]["init_args"]
    assert (inner["people"], inner["batch_size"]) == (5, 2)
    assert (config["seed"], config["trainer"]["max_epochs"]) == (7, 9)
    assert (config["experiment"], config["profile"]) == ("fakes/tiny", "smoke")


def test_the_long_form_of_an_override_means_the_same(home):
    short = load_config(home.experiment, overrides=["data.inner.people=5"])
    assert short == load_config(home.experiment, overrides=["data.init_args.inner.init_args.people=5"])


def test_another_class_keeps_the_arguments_that_it_has_and_refuses_the_others(home):
    inner = ["data.inner.class_path=tests.fake_training.OtherDataModule"]
    config = load_config(home.experiment, overrides=inner)["data"]["init_args"]["inner"]
    assert config["class_path"] == "tests.fake_training.OtherDataModule"
    assert config["init_args"]["people"] == 4
    with pytest.raises(ConfigError, match=r"'data.class_path=.*data is FakeDataModule, which has no argument"
        r" data.inner \(given in .*tiny.yaml\); take out what it lacks: data.inner="):  # fmt: skip
        load_config(home.experiment, overrides=["data.class_path=tests.fake_training.FakeDataModule"])
    words = ["data.class_path=tests.fake_training.FakeDataModule", "data.inner="]
    assert load_config(home.experiment, overrides=words)["data"]["init_args"]["people"] == 6


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (
            "model.lrr=1",
            r"override 'model.lrr=1'.*'model.lrr'.*TinyModule has no such argument.*did you mean 'lr'",
        ),
        ("data.inner.poeple=1", r"'data.inner.poeple'.*did you mean 'people'"),
        ("data.inner.batchsize=1", r"'data.inner.batchsize'.*did you mean 'batch_size'"),  # its base class's
        (
            "data.inner.num_workers=few",
            r"data.inner.num_workers must be a whole number of at least 0; got 'few'",
        ),
        ("data.inner.size=32", r"'data.inner.size'.*FakeDataModule has no such argument"),  # it gives its own
        ("trainer.max_epoch=1", r"'trainer.max_epoch'.*did you mean 'max_epochs'"),
        ("run.monitr=x", r"'run.monitr'.*did you mean 'monitor'"),
        ("modle.lr=1", r"'modle'.*did you mean 'model'"),
        ("model.class_path=tests.fake_training.TinyModul", r"did you mean 'TinyModule'"),
        ("model.class_path=aukit.fgnet.FGNetModule", r"no module.*run folders of earlier versions"),
        ("model.lr=fast", r"model.lr must be a number; got 'fast'"),
        ("model.lr", r"write key=value"),
        ("model.lr=${seed}", r"interpolation is not supported"),
        ("trainer=5", r"must be a section"),
        ("profile=mini", r"override 'profile=mini': .*: --profile mini"),  # it would be in the record alone
    ],
)
def test_mistakes_name_the_place_and_the_nearest_key(home, word, message):
    with pytest.raises(ConfigError, match=message):
        load_config(home.experiment, overrides=[word])


def test_action_units_are_said_once_and_reach_a_corpus_inside_of_the_data():
    words = ["corpus=table", "aus=[6,12]", "data.corpus.root=."]
    config = load_config("synthesis", "smoke", words)
    assert config["model"]["init_args"]["aus"] == [6, 12]
    assert config["data"]["init_args"]["corpus"]["init_args"]["aus"] == [6, 12]
    with pytest.raises(ConfigError, match=r"data\.corpus\.aus=\[12\] is not aus=\[6, 12\]"):
        load_config("synthesis", "smoke", [*words, "data.corpus.aus=[12]"])


def test_a_mistake_in_a_file_names_the_file_and_section(home):
    broken = {**EXPERIMENT, "profiles": {"smoke": {"model": {"widht": 1}}}}
    path = home("fakes/broken.yaml", broken)
    load_config(path)
    with pytest.raises(ConfigError, match=r"broken.yaml \(profiles.smoke\): unknown key 'model.widht'"):
        load_config(path, "smoke")
    home("profiles/smoke.yaml", {"trainr": {}})
    with pytest.raises(ConfigError, match=r"profiles/smoke.yaml: unknown key 'trainr'"):
        load_config(home.experiment, "smoke")


def test_files_that_are_not_there_or_not_yaml(home, tmp_path):
    with pytest.raises(ConfigError, match="no such configuration file"):
        load_config(tmp_path / "fakes" / "none.yaml")
    with pytest.raises(ConfigError, match="unknown profile 'smok'; did you mean 'smoke'"):
        load_config(home.experiment, "smok")
    (tmp_path / "fakes" / "bad.yaml").write_text("a: [1")
    with pytest.raises(ConfigError, match=r"bad\.yaml: not readable as YAML"):
        load_config(tmp_path / "fakes" / "bad.yaml")


def test_values_still_to_be_given_are_named(home):
    config = load_config(home.experiment, overrides=["data.inner.root=???"])
    assert missing_values(config) == ["data.inner.root"]
    home("profiles/asks.yaml", {"model": {"lr": 0.3}, "run": {"monitor": "???"}})
    path = home("fakes/given.yaml", {**EXPERIMENT, "run": {"monitor": "val/f1"}})
    assert missing_values(load_config(path)) == []
    assert missing_values(load_config(path, "asks")) == ["run.monitor"]  # also over a value of a layer below


def test_a_configuration_is_parsed_once(home, monkeypatch):
    config = load_config(home.experiment)
    monkeypatch.setattr("aukit.training.run_config.parse", None)
    assert resolve(config) is config
    assert identity(config, "data") == identity(config, "data")
    assert build_datamodule(config).inner.people == 4
    assert build_datamodule(config).inner is not build_datamodule(config).inner
    assert build_model(config).lr == 0.1


def test_a_class_that_was_mended_is_looked_at_again(home, monkeypatch):
    assert "width" not in load_config(home.experiment)["model"]["init_args"]

    class TinyModule(LightningModule):
        def __init__(self, lr: float, width: int = 3) -> None:
            super().__init__()

    monkeypatch.setattr("tests.fake_training.TinyModule", TinyModule)
    assert load_config(home.experiment)["model"]["init_args"] == {"lr": 0.1, "width": 3}


def test_what_is_read_from_a_configuration_is_a_copy(home):
    config = load_config(home.experiment)
    config["model"]["init_args"]["lr"] = 5.0
    assert load_config(home.experiment)["model"]["init_args"]["lr"] == 0.1
    assert build_model(config).lr == config["model"]["init_args"]["lr"] == 0.1
    changed = resolve({**config, "seed": 4})
    assert (changed.seed, config.seed) == (4, 0)
    again = pickle.loads(pickle.dumps(config))
    assert again == config
    assert build_model(again).lr == 0.1


def test_a_short_name_stands_for_the_key_that_the_experiment_gives(home):
    path = home("fakes/axes.yaml", {**EXPERIMENT, "axes": {"people": "data.inner.people"}})
    inner = load_config(path, None, ["people=7"])["data"]["init_args"]["inner"]
    assert inner["init_args"]["people"] == 7
    assert "axes" not in load_config(path)
    with pytest.raises(ConfigError, match="unknown key 'folds'"):
        load_config(path, None, ["folds=1"])
    with pytest.raises(ConfigError, match="axes must give dotted keys"):
        load_config(home("fakes/bad.yaml", {**EXPERIMENT, "axes": ["people"]}))


def test_an_error_of_a_constructor_is_shown_as_it_is():
    model = {"class_path": "aukit.models.baselines.MultilabelModule", "init_args": {"aus": [1]}}
    config = {"data": {"class_path": "tests.fake_training.FakeDataModule"}}
    with pytest.raises(WeightsError, match=r"^nowhere\.pt: no such file"):
        build_model({**config, "model": {**model, "init_args": {"weights": "nowhere.pt"}}})
    with pytest.raises(
        ConfigError,
        match=r"made: ZeroDivisionError: division by zero \(.*test_config.py, line",
    ):
        build_model({**config, "model": {"class_path": "tests.training.test_config.Broken"}})


class Broken(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.share = 1 / 0


def test_steps_are_not_ended_by_the_epoch_that_everything_starts_from(home):
    home("base.yaml", {**BASE, "trainer": {"max_epochs": 1}})
    home("steps.yaml", {**EXPERIMENT, "trainer": {"max_steps": 60}})
    with pytest.raises(ConfigError, match=r"steps.yaml: trainer.max_steps=60 .*trainer.max_epochs=null"):
        load_config(home.experiment.parents[1] / "steps.yaml")
    for epochs in ("null", "3"):
        words = [f"trainer.max_epochs={epochs}"]
        assert (
            load_config(home.experiment.parents[1] / "steps.yaml", overrides=words)["trainer"]["max_steps"]
            == 60
        )


def test_a_module_is_the_one_beside_the_experiment(home, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    for folder in (".", "fakes"):
        (tmp_path / folder / "beside.py").write_text(
            f"from tests.fake_training import TinyModule\nclass Own(TinyModule):\n    folder = {folder!r}\n"
        )
    words = ["model.class_path=beside.Own", "model.pause="]
    load_config(home.experiment, overrides=words)
    assert import_class("beside.Own").folder == "fakes"
    (tmp_path / "mine.yaml").write_text(home.experiment.read_text())
    with pytest.raises(ConfigError, match=r"module beside: .* is meant, but .*fakes.* rename"):
        load_config(tmp_path / "mine.yaml", overrides=words)
    del sys.modules["beside"]
    load_config(tmp_path / "mine.yaml", overrides=words)
    assert import_class("beside.Own").folder == "."
    del sys.modules["beside"]


def test_a_tilde_is_the_home_folder(home, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    config = load_config(home.experiment, overrides=["data.inner.root=~/corpus", "data.place=~/a/b"])
    assert config["data"]["init_args"]["inner"]["init_args"]["root"] == str(tmp_path / "corpus")
    assert config["data"]["init_args"]["place"] == str(tmp_path / "a/b")

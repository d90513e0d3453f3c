import copy
import json

import pytest

from aukit.training import identity, resolve

CONFIG = {
    "experiment": "a/b",
    "profile": "smoke",
    "seed": 0,
    "trainer": {"max_epochs": 2},
    "run": {"monitor": "val/f1"},
    "logging": {"wandb": True},
    "model": {"class_path": "tests.fake_training.TinyModule", "init_args": {"lr": 0.1}},
    "data": {"class_path": "tests.training.nested.OuterData", "init_args": {
        "inner": {"class_path": "tests.fake_training.FakeDataModule", "init_args": {"root": "/a"}}}},
}  # fmt: skip


def _changed(*path_and_value):
    *path, value = path_and_value
    config = copy.deepcopy(CONFIG)
    place = config
    for key in path[:-1]:
        place = place.setdefault(key, {})
    place[path[-1]] = value
    return config


INNER = ("data", "init_args", "inner", "init_args")


@pytest.mark.parametrize(
    "change",
    [
        ("experiment", "c"),
        ("profile", None),
        ("logging", "wandb", False),
        ("run", "save_minutes", 3.0),
        ("run", "time_limit", 100),
        ("trainer", "enable_progress_bar", False),
        ("trainer", "log_every_n_steps", 1),
        (*INNER, "root", "/b"),
        (*INNER, "cache", "/c"),
        (*INNER, "num_workers", 4),
        ("data", "init_args", "place", "/d"),
        ("model", "init_args", "pause", 1.0),
        ("model", "init_args", "manual", False),  # its default
    ],
)
def test_names_places_and_display_do_not_count(change):
    assert identity(_changed(*change), "fp") == identity(CONFIG, "fp")


@pytest.mark.parametrize(
    "change",
    [
        ("seed", 1),
        ("trainer", "max_epochs", 3),
        ("run", "selection", "best"),
        (*INNER, "batch_size", 8),
        ("data", "init_args", "share", 0.1),
        ("model", "init_args", "lr", 0.2),
    ],
)
def test_what_decides_the_result_counts(change):
    assert identity(_changed(*change), "fp") != identity(CONFIG, "fp")


def test_the_data_counts():
    assert identity(CONFIG, "fp") != identity(CONFIG, "other")


def test_a_resolved_configuration_has_the_same_identity():
    assert identity(resolve(CONFIG), "fp") == identity(CONFIG, "fp")


@pytest.mark.parametrize(
    "model",
    [
        {"class_path": "aukit.models.pm2.PM2Module", "init_args": {"start": "FILE"}},
        {"class_path": "aukit.models.niinuma2021.IntensityModule", "init_args": {"weights": "FILE"}},
        {
            "class_path": "aukit.models.fgnet.InversionModule",
            "init_args": {
                "network": {"class_path": "aukit.models.fgnet.Inverter", "init_args": {"weights": ["FILE"]}}
            },
        },
        {
            "class_path": "aukit.models.components.pca_pretraining.PCAModule",
            "init_args": {
                "network": {
                    "class_path": "aukit.models.components.backbones.Backbone",
                    "init_args": {"name": "resnet18", "weights": "FILE"},
                }
            },
        },
    ],
)
def test_of_every_file_that_a_model_starts_from_the_content_counts(model, tmp_path):
    def of(name):
        text = json.dumps(model).replace("FILE", str(tmp_path / name))
        return identity({**CONFIG, "model": json.loads(text)}, "fp")

    for name, content in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).write_bytes(content)
    assert of("a") == of("b") != of("c")


def test_of_weights_the_content_counts_and_not_the_place(tmp_path):
    def of(*names):
        model = {
            "class_path": "aukit.models.fgnet.FGNetModule",
            "init_args": {"weights": [str(n) for n in names]},
        }
        return identity({**CONFIG, "model": model}, "fp")

    for name, content in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).write_bytes(content)
    assert of(tmp_path / "a") == of(tmp_path / "b")
    assert of(tmp_path / "a") != of(tmp_path / "c")
    assert of(tmp_path / "a", tmp_path / "c") != of(tmp_path / "c", tmp_path / "a")
    assert of(f"{tmp_path}/a#g_all") != of(tmp_path / "a")
    shipped = of("mini")
    assert shipped not in (of(), of("nowhere"))
    (tmp_path / "a").write_bytes(b"3")
    assert of(tmp_path / "a") != of(tmp_path / "b")


def test_the_source_of_what_is_not_installed_counts_with_what_it_imports(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "own_network.py").write_text("WIDTH = 8\n")
    (tmp_path / "own_unused.py").write_text("")
    source = "from own_network import WIDTH\nfrom tests.fake_training import TinyModule\n"
    (tmp_path / "own_module.py").write_text(source + "class Own(TinyModule):\n    width = WIDTH\n")
    model = ("model", {"class_path": "own_module.Own"})
    before = identity(_changed(*model), "fp")
    (tmp_path / "own_unused.py").write_text("X = 1\n")
    assert identity(_changed(*model), "fp") == before
    for file in ("own_network.py", "own_module.py"):
        whole = (tmp_path / file).read_text()
        (tmp_path / file).write_text(f"{whole}# another\n")
        assert identity(_changed(*model), "fp") != before
        (tmp_path / file).write_text(whole)
    assert identity(_changed(*model), "fp") == before

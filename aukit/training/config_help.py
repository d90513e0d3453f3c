"""A configuration as text: as a file that means the same, and with every key explained."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from lightning.pytorch import Trainer

from aukit.errors import ConfigError, shown
from aukit.training.classes import Argument, arguments, describe, import_class, is_class
from aukit.training.config import check_experiment
from aukit.training.experiment import Experiment
from aukit.training.options import LoggingOptions, RunOptions
from aukit.training.run_config import RunConfig
from aukit.utils.yaml_values import dump_yaml

_SECTIONS: dict[str, type | None] = {
    "trainer": Trainer,
    "run": RunOptions,
    "logging": LoggingOptions,
    "model": None,
    "data": None,
}


def config_yaml(config: RunConfig) -> str:
    """A resolved configuration as an experiment file: `aukit fit -c FILE` goes on with the same run.

    Action units that model and data share are said once.

    Example:
        >>> from aukit.training import load_config
        >>> print(config_yaml(load_config("pretrain_gan", "smoke"))[:40])
        experiment: pretrain_gan
        profile: smoke
    """
    values = dict(config)
    own: dict[str, Any] = {key: values.pop(key) for key in ("experiment", "profile", "seed") if key in values}
    with_aus = [
        values[name]["init_args"] for name in ("model", "data") if "aus" in values[name].get("init_args", {})
    ]
    if with_aus and with_aus[0]["aus"] and all(each["aus"] == with_aus[0]["aus"] for each in with_aus):
        own["aus"] = with_aus[0]["aus"]
        for each in with_aus:
            del each["aus"]
    for name in ("model", "data"):
        values[name] = {"class_path": values[name]["class_path"], **values[name]}
    ordered = {name: values.pop(name) for name in _SECTIONS if name in values}
    return dump_yaml({**own, **ordered, **values})


def explain_keys(experiment: Experiment, prefix: str = "") -> str:
    """Every key of an experiment with its value, type, default and meaning.

    Args:
        experiment: merged layers; the classes that they name decide which keys there are.
        prefix: beginning of the keys that are wanted, such as `model` or `data.corpus`.

    Raises:
        ConfigError: a value is wrong, or no key begins so.
    """
    config = check_experiment(experiment)
    found = [(key, lines) for key, lines in _explained(experiment, config) if key.startswith(prefix)]
    if not found:
        raise ConfigError(f"--help-keys {shown(prefix)}: no key begins so; leave the prefix out to see all")
    return "\n".join(lines for _, lines in found)


def _explained(experiment: Experiment, config: RunConfig) -> Iterator[tuple[str, str]]:
    if experiment.corpora:
        name = experiment.name.rpartition("/")[2]
        yield "corpus", _entry("corpus", name, f"One of {', '.join(experiment.corpora)}.")
    for short, key in experiment.axes.items():
        yield short, _entry(short, None, f"Short for {key}.")
    yield "seed", _entry("seed", config.seed, "A whole number (default: 0). Seed of everything but the data.")
    text = "A list of whole numbers. Action units, for model and data together."
    yield "aus", _entry("aus", None, text)
    for section, cls in _SECTIONS.items():
        yield from _of_class(config[section], cls, section)


def _of_class(value: Any, cls: type | None, at: str) -> Iterator[tuple[str, str]]:
    if is_class(value):
        cls, path = import_class(value["class_path"]), value["class_path"]
        yield f"{at}.class_path", _entry(f"{at}.class_path", path, "Text. The class whose arguments follow.")
        value = value.get("init_args", {})
    if cls is None or not isinstance(value, Mapping):
        return
    for key, argument in arguments(cls).items():
        name, given = f"{at}.{key}", value.get(key, argument.default)
        if is_class(given):
            yield name, _entry(name, None, _text(argument))
            yield from _of_class(given, None, name)
        else:
            yield name, _entry(name, given, _text(argument), has_value=True)


def _text(argument: Argument) -> str:
    kind = describe(argument.type)
    default = "required" if argument.required else f"default: {_yaml(argument.default)}"
    meaning = f" {argument.text[0].upper()}{argument.text[1:]}" if argument.text else ""
    return f"{kind[0].upper()}{kind[1:]} ({default}).{meaning}"


def _entry(name: str, value: Any, text: str, has_value: bool = False) -> str:
    head = name if value is None and not has_value else f"{name} = {_yaml(value)}"
    return "\n".join([head, *textwrap.wrap(text, 96, initial_indent="    ", subsequent_indent="    ")])


def _yaml(value: Any) -> str:
    if isinstance(value, tuple):
        value = list(value)
    if value is not None and not isinstance(value, str | int | float | list | dict):
        return shown(value)
    return shown(dump_yaml(value).removesuffix("...\n").strip(), 200)

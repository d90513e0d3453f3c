"""Whether every key of a configuration is an option of its section or an argument of its class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from lightning.pytorch import Trainer

from aukit.errors import ConfigError
from aukit.training.classes import arguments, import_class, is_class
from aukit.training.config_key_error import ConfigKeyError
from aukit.training.experiment import Experiment, suggest
from aukit.training.layers import Key, Layer, merge
from aukit.training.options import LoggingOptions, RunOptions
from aukit.training.values import CLASSES, check_base

_OF_CLASS = ("class_path", "init_args", "dict_kwargs")


def check_names(config: Layer, experiment: Experiment) -> None:
    """Check the keys of merged layers, also of those that an override takes out again.

    Raises:
        ConfigKeyError: a key is unknown, with the nearest known one; or a class replaces another one whose
            arguments it does not have.
    """
    config = merge([("", config), *experiment.emptied])
    for section, known in (
        ("trainer", arguments(Trainer)),
        ("run", {field.name for field in fields(RunOptions)}),
        ("logging", {field.name for field in fields(LoggingOptions)}),
    ):
        for key in config.get(section, {}):
            if key not in known:
                raise ConfigKeyError((section, key), f"unknown key '{section}.{key}'{suggest(key, known)}")
    for section in CLASSES:
        check_base(config[section], section)
    for section in ("model", "data", "trainer"):
        _check_classes(config.get(section), (section,), experiment)


def _check_classes(value: Any, at: Key, experiment: Experiment) -> None:
    if isinstance(value, list):
        for item in value:
            _check_classes(item, at, experiment)
    if not isinstance(value, Mapping):
        return
    if is_class(value):
        name = ".".join(at)
        for key in value:
            if key not in _OF_CLASS:
                raise ConfigKeyError(
                    (*at, key), f"unknown key '{name}.{key}': beside class_path, write init_args"
                )
        try:
            known = arguments(import_class(value["class_path"]))
        except ConfigError as error:
            raise ConfigKeyError((*at, "class_path"), f"{name}: {error}") from error
        given = value.get("init_args", {})
        if unknown := [key for key in given if key not in known]:
            raise _unknown_arguments(at, value["class_path"], unknown, known, experiment)
        value = given
    for key, inner in value.items():
        _check_classes(inner, (*at, key), experiment)


def _unknown_arguments(
    at: Key, class_path: str, unknown: list[str], known: Mapping[str, Any], experiment: Experiment
) -> ConfigKeyError:
    cls, name, key = class_path.rpartition(".")[2], ".".join(at), unknown[0]
    holder, chooser = experiment.origin((*at, key)), experiment.origin((*at, "class_path"))
    text = f"unknown key '{name}.{key}' ({cls} has no such argument){suggest(key, known)}"
    if holder not in experiment.before(chooser):
        return ConfigKeyError((*at, key), text)
    keys = ", ".join(f"{name}.{each}" for each in unknown)
    remedy = " ".join(f"{name}.{each}=" for each in unknown)
    return ConfigKeyError(
        (*at, "class_path"),
        f"{name} is {cls}, which has no argument {keys} (given in {holder}); take out what it lacks:"
        f" {remedy}",
    )

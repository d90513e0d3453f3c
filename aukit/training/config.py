"""Configurations: an experiment's merged layers, checked against the classes that they name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from aukit.errors import ConfigError
from aukit.training.classes import arguments, import_class, is_class, search_in
from aukit.training.config_key_error import ConfigKeyError
from aukit.training.experiment import Experiment, read_experiment
from aukit.training.layers import MISSING, Key, Layer, yaml_word
from aukit.training.names import check_names
from aukit.training.run_config import RunConfig, resolve


def load_config(path: str | Path, profile: str | None = None, overrides: Iterable[str] = ()) -> RunConfig:
    """Merge and validate a configuration.

    Args:
        path: experiment file, or the name of one that comes along, such as `fgnet`.
        profile: size; applies `profiles/<profile>.yaml` beside base.yaml, then the experiment's own
            `profiles` section of that name. At least one of the two must exist.
        overrides: `key=value`, values in YAML; a key is dotted, or one of the experiment's `axes`;
            `corpus=NAME` chooses one of the experiment's corpora.

    Returns:
        The checked configuration, with the keys `experiment` and `profile` added.

    Raises:
        ConfigError: a file is missing, a key is unknown or a value has the wrong type; the message names
            layer and key.

    Example:
        >>> load_config("fgnet", "smoke", ["corpus=disfa", "fold=1"]).experiment
        'fgnet/disfa'
    """
    return check_experiment(read_experiment(path, profile, overrides))


def check_experiment(experiment: Experiment) -> RunConfig:
    """Check the merged layers of an experiment against the classes that they name.

    Modules in the folder of the experiment's file and in the current folder may be named by `class_path`.

    Raises:
        ConfigError: a key is unknown, or a value has the wrong type; the message names the layer that holds
            it.
    """
    search_in(experiment.folder, Path.cwd())
    config: Layer = deepcopy(dict(experiment.config))
    try:
        check_names(config, experiment)
        _check_steps(experiment)
        _link_aus(config)
        return resolve({**config, "experiment": experiment.name, "profile": experiment.profile})
    except ConfigKeyError as mistake:
        raise ConfigError(f"{experiment.origin(mistake.key)}: {mistake.text}") from mistake


def _check_steps(experiment: Experiment) -> None:
    """See that the one epoch that every experiment starts from does not end a training given in steps."""
    steps, epochs = (experiment.origin(("trainer", key)) for key in ("max_steps", "max_epochs"))
    given = experiment.config["trainer"].get("max_steps")
    if given not in (None, -1) and Path(epochs).name == "base.yaml" != Path(steps).name:
        raise ConfigKeyError(
            ("trainer", "max_steps"),
            f"trainer.max_steps={given} ends no later than trainer.max_epochs, 1 in base.yaml; say that too, "
            "or trainer.max_epochs=null",
        )


def missing_values(config: Mapping[str, Any]) -> list[str]:
    """Dotted keys (in the short form of overrides) whose value is still `???`."""
    found: list[str] = []

    def walk(value: Any, at: tuple[str, ...]) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                walk(inner, at if key == "init_args" else (*at, str(key)))
        elif value == MISSING:
            found.append(".".join(at))

    walk(config, ())
    return found


def _link_aus(config: Layer) -> None:
    """Give the action units that the experiment says once to model and data, or to the data inside of it."""
    aus = config.pop("aus", None)
    if aus is None:
        return
    if aus == MISSING:
        raise ConfigKeyError(("aus",), "aus must still be given, e.g. aus=[6,12]: the action units to learn")
    if not isinstance(aus, list) or not aus or not all(type(au) is int for au in aus):
        raise ConfigKeyError(
            ("aus",), f"aus must be a list of action units such as [1, 2, 4], not {yaml_word(aus)}"
        )
    takers = [*_takers(config["model"], ("model",)), *_takers(config["data"], ("data",))]
    if not takers:
        raise ConfigKeyError(
            ("aus",), "aus: the classes of model and data take no action units; leave it out"
        )
    for place, taker in takers:
        given = taker.setdefault("init_args", {})
        if given.get("aus", aus) != aus:
            name = ".".join(place)
            raise ConfigKeyError(
                (*place, "aus"), f"{name}.aus={given['aus']} is not aus={aus}: say it once, as aus=[...]"
            )
        given["aus"] = list(aus)


def _takers(value: Layer, at: Key) -> list[tuple[Key, Layer]]:
    """The class itself if it has an argument `aus`, else those among its arguments that have one."""
    if "aus" in arguments(import_class(value["class_path"])):
        return [(at, value)]
    inner = {name: each for name, each in value.get("init_args", {}).items() if is_class(each)}
    return [found for name, each in inner.items() for found in _takers(each, (*at, name))]

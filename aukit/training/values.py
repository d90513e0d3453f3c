"""Whether the values of a configuration have the types of its classes' signatures; defaults filled in.

The parser is the one that LightningCLI is made of. What it says of a wrong value is a page long, so that the
value is looked for again, class by class from the innermost out, and named in one line.
"""

from __future__ import annotations

import re
import warnings
from argparse import ArgumentError
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from functools import cache
from typing import Any

from jsonargparse import ArgumentParser, Namespace
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser

from aukit.errors import ConfigError
from aukit.facs import ACTION_UNITS
from aukit.training.classes import arguments, describe, import_class, is_class
from aukit.training.config_key_error import ConfigKeyError
from aukit.training.layers import MISSING, Key, yaml_word
from aukit.training.options import LoggingOptions, RunOptions
from aukit.training.trainer_options import BATCHES_OR_SHARES, check_trainer
from aukit.utils.yaml_values import parse_yaml

CLASSES: dict[str, type[LightningModule] | type[LightningDataModule]] = {
    "model": LightningModule,
    "data": LightningDataModule,
}
OPTIONS: dict[str, type] = {"trainer": Trainer, "run": RunOptions, "logging": LoggingOptions}
_LARGEST_SEED = 2**32 - 1


@cache
def parser(section: str) -> LightningArgumentParser:
    """The parser of `trainer`, `run`, `logging`, `model` or `data`."""
    made = LightningArgumentParser(exit_on_error=False)
    with quiet():
        if section in CLASSES:
            made.add_lightning_class_args(CLASSES[section], section, subclass_mode=True)
        elif OPTIONS[section] is Trainer:
            made.add_lightning_class_args(Trainer, section)
        else:
            made.add_class_arguments(OPTIONS[section], section)
    return made


def parse(config: Mapping[str, Any]) -> Namespace:
    """Check the types of all sections and fill in defaults.

    Costs 0.1 s and more; a section that was parsed before is copied: runs of a table share most of them.

    Raises:
        ConfigKeyError: a value has the wrong type or is out of bounds, or a required argument is missing.
    """
    seed = config.get("seed", 0)
    if type(seed) is not int or not 0 <= seed <= _LARGEST_SEED:
        raise ConfigKeyError(
            ("seed",), f"seed must be a whole number from 0 to {_LARGEST_SEED}; got {yaml_word(seed)}"
        )
    sections = {name: config[name] for name in (*OPTIONS, *CLASSES) if config.get(name) is not None}
    for section in CLASSES:
        if section in sections:
            check_base(sections[section], section)
    parsed = Namespace()  # type: ignore[no-untyped-call]
    try:
        with quiet():
            for section in (*OPTIONS, *CLASSES):
                parsed[section] = _parsed(section, sections.get(section))
    except (ArgumentError, ValueError, TypeError) as error:
        for section in sections:
            _find(config[section], OPTIONS.get(section), (section,))
        raise ConfigError(f"experiment {config.get('experiment', '?')}: {error}") from error
    for section in (*OPTIONS, *CLASSES):
        given = config.get(section)
        if given is not None:
            _check_given(given, parsed[section].as_dict(), OPTIONS.get(section), (section,))
    trainer = config.get("trainer") or {}
    for key in BATCHES_OR_SHARES:
        if type(trainer.get(key)) is int:  # the parser makes all of it, 1.0, of one batch
            parsed[f"trainer.{key}"] = trainer[key]
    check_trainer(trainer, parsed["trainer"].as_dict())
    return parsed


_PARSED: dict[tuple[Any, ...], Namespace] = {}
_MOST_PARSED = 1000


def _parsed(section: str, given: Any) -> Namespace:
    """A section's values with their defaults, in a copy of their own."""
    words = {} if given is None else {section: given}
    # The same words may name another class later: a file that was mended, or one of that name elsewhere.
    key = (section, repr(words), *_classes_in(given))
    if key not in _PARSED:
        if len(_PARSED) == _MOST_PARSED:
            _PARSED.clear()
        # Copied, since the parser puts its own types into lists of classes.
        _PARSED[key] = parser(section).parse_object(deepcopy(words))[section]
    return deepcopy(_PARSED[key])


def _classes_in(value: Any) -> Iterator[type]:
    """The classes that a value names, wherever."""
    if isinstance(value, Mapping):
        if is_class(value):
            yield import_class(value["class_path"])
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _classes_in(inner)


@contextmanager
def quiet() -> Iterator[None]:
    """Without warnings of old names of jsonargparse, which Lightning itself still calls."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*was deprecated in v4.*")
        yield


def check_base(value: Any, section: str) -> None:
    """Refuse a section `model` or `data` whose class is none of that kind.

    Raises:
        ConfigKeyError: it names no class, or another one.
    """
    base = CLASSES[section]
    if not is_class(value):
        raise ConfigKeyError((section,), f"{section} names no class; give {section}.class_path=MODULE.CLASS")
    try:
        cls = import_class(value["class_path"])
    except ConfigError as error:
        raise ConfigKeyError((section, "class_path"), f"{section}: {error}") from error
    if not issubclass(cls, base):
        raise ConfigKeyError(
            (section, "class_path"),
            f"{section}.class_path={value['class_path']} is no {base.__name__}; name one",
        )


def _find(value: Any, cls: type | None, at: Key) -> None:
    """Raise the mistake of a section that the parser refuses, if it is in it."""
    if isinstance(value, list):
        for item in value:
            _find(item, None, at)
        return
    if not isinstance(value, Mapping):
        return
    if is_class(value):
        cls, value = import_class(value["class_path"]), value.get("init_args") or {}
    for key, inner in value.items():
        _find(inner, None, (*at, str(key)))
    if cls is None:
        return
    one = ArgumentParser(exit_on_error=False)
    one.add_class_arguments(cls, fail_untyped=False)
    try:
        with quiet():
            one.parse_object(deepcopy(dict(value)))
    except (ArgumentError, ValueError, TypeError) as error:
        if missing := re.search(r"arguments are required: ([\w.]+)", str(error)):
            key = missing[1]
            raise ConfigKeyError(
                (*at, key), f"{'.'.join((*at, key))} is missing: give it, {cls.__name__} needs it"
            ) from error
        if found := re.search(r'Parser key "([\w.]+)"', str(error)):
            raise _wrong(cls, found[1].partition(".")[0], value, at) from error


def _wrong(cls: type, key: str, given: Mapping[str, Any], at: Key) -> ConfigKeyError:
    name, value = ".".join((*at, key)), given.get(key)
    if value == MISSING:
        return ConfigKeyError((*at, key), f"{name} must still be given: {describe(arguments(cls)[key].type)}")
    return ConfigKeyError(
        (*at, key), f"{name} must be {describe(arguments(cls)[key].type)}; got {yaml_word(value)}"
    )


def _check_given(given: Any, parsed: Any, cls: type | None, at: Key) -> None:
    """Refuse what the parser takes: null for an argument that has a value, 1:30 as a number, an AU twice."""
    if isinstance(given, list) and isinstance(parsed, list):
        for one, other in zip(given, parsed, strict=False):
            _check_given(one, other, None, at)
        return
    if not isinstance(given, Mapping) or not isinstance(parsed, Mapping):
        return
    if is_class(given):
        cls, given, parsed = (
            import_class(given["class_path"]),
            given.get("init_args") or {},
            parsed.get("init_args") or {},
        )
    for key, value in given.items():
        known = arguments(cls).get(key) if cls is not None else None
        if known is not None and cls is not None:
            if value is None and not known.takes_none:
                raise _wrong(cls, key, given, at)
            number = parsed.get(key)
            if isinstance(value, str) and type(number) in (int, float) and parse_yaml(value) != number:
                raise _wrong(cls, key, given, at)
            if key == "aus" and isinstance(value, list):
                _check_aus(value, (*at, key))
        _check_given(value, parsed.get(key), None, (*at, key))


def _check_aus(aus: list[Any], at: Key) -> None:
    unknown = [au for au in aus if au not in ACTION_UNITS]
    if not aus or unknown or len(set(aus)) < len(aus):
        what = f"AU {unknown[0]} does not exist" if unknown else "is empty" if not aus else "names one twice"
        raise ConfigKeyError(at, f"{'.'.join(at)}={aus} {what}; give action units such as [1, 2, 4]")

"""Layers of a configuration: their keys, the classes that they name, and how they are merged.

A key is written in the short form of overrides: dotted, without the `init_args` between a class and its
arguments; here it is a tuple of its parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from aukit.errors import ConfigError, shown

Layer = dict[str, Any]
Key = tuple[str, ...]

#: A value that the command line (or a table) must still give.
MISSING = "???"
#: What stands for it in a merge: OmegaConf would let the value of an earlier layer stay.
_KEPT = "\ue000"
_OF_CLASS = ("class_path", "init_args", "dict_kwargs")


def yaml_word(value: Any) -> str:
    """A value as messages show it."""
    return "null" if value is None else shown(repr(value))


def class_places(value: Any, at: Key = ()) -> Iterator[Key]:
    """Where a layer names classes."""
    if isinstance(value, dict):
        if "class_path" in value:
            yield at
        for key, inner in value.items():
            yield from class_places(inner, at if key == "init_args" else (*at, str(key)))


def long_form(value: Any, classes: set[Key], origin: str, at: Key = ()) -> Any:
    """A layer with the arguments of every class below `init_args`; `classes` are those of all layers."""
    if isinstance(value, list):
        return [long_form(item, set(class_places(item)), origin) for item in value]
    if at in classes and isinstance(value, str) and "." in value:
        return {"class_path": value}
    if not isinstance(value, dict):
        return value
    if at not in classes:
        return {str(key): long_form(inner, classes, origin, (*at, str(key))) for key, inner in value.items()}
    name = ".".join(at)
    if "class_path" in value and not isinstance(value["class_path"], str):
        raise ConfigError(
            f"{origin}: {name}.class_path must be MODULE.CLASS, not {yaml_word(value['class_path'])}"
        )
    given = value.get("init_args") or {}
    if not isinstance(given, dict):
        raise ConfigError(
            f"{origin}: {name}.init_args must be a section of arguments, not {yaml_word(given)}"
        )
    short = {key: inner for key, inner in value.items() if key not in _OF_CLASS}
    if twice := short.keys() & given.keys():
        key = sorted(map(str, twice))[0]
        raise ConfigError(f"{origin}: {name}.{key} is given twice, with and without init_args; take one out")
    arguments = {**given, **short}
    kept: Layer = {key: value[key] for key in ("class_path", "dict_kwargs") if key in value}
    if arguments:
        kept["init_args"] = {
            str(key): long_form(inner, classes, origin, (*at, str(key))) for key, inner in arguments.items()
        }
    return kept


def merge(layers: list[tuple[str, Layer]]) -> Layer:
    """Layers in the long form, the later ones over the earlier.

    Raises:
        ConfigError: A section and a list, or a list and a section, are given for one key.
    """
    merged: Any = OmegaConf.create({})
    for origin, layer in layers:
        try:
            # "Unsafe" is that it keeps no copy, of which a merge makes two: nobody else has these.
            merged = OmegaConf.unsafe_merge(merged, _replaced(layer, MISSING, _KEPT))
        except (OmegaConfBaseException, TypeError, ValueError) as error:
            names = ", ".join(".".join(key) for key in _leaves(layer))
            raise ConfigError(
                f"{origin}: {shown(names)}: does not fit what earlier layers have there; give a section where"
                " they have a section, and a list where they have a list"
            ) from error
    plain: Layer = _replaced(OmegaConf.to_container(merged), _KEPT, MISSING)
    return plain


def _replaced(value: Any, old: str, new: str) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(inner, old, new) for key, inner in value.items()}
    if isinstance(value, list):
        return [_replaced(item, old, new) for item in value]
    return new if value == old else value


def keys(layer: Any, at: Key = ()) -> Iterator[Key]:
    """Every key of a layer in the short form."""
    if isinstance(layer, dict):
        for key, inner in layer.items():
            below = at if key == "init_args" else (*at, str(key))
            if below != at:
                yield below
            yield from keys(inner, below)


def _leaves(layer: Layer) -> list[Key]:
    found = list(keys(layer))
    inner = {key[:length] for key in found for length in range(len(key))}
    return [key for key in found if key not in inner]


def refuse_contradictions(words: list[tuple[str, Layer]]) -> None:
    """The same key in two overrides must have the same value in both."""
    seen: dict[Key, tuple[str, Any]] = {}
    for origin, layer in words:
        for key in _leaves(layer):
            value = value_at(layer, key)
            if key in seen and seen[key][1] != value:
                raise ConfigError(f"{origin}: {'.'.join(key)} has another value in {seen[key][0]}; give one")
            seen[key] = origin, value


def value_at(config: Any, path: Key) -> Any:
    """The value of a key in the short form; None where there is none."""
    for key in path:
        if isinstance(config, dict) and isinstance(config.get("init_args"), dict) and key not in _OF_CLASS:
            config = config["init_args"]
        config = config.get(key) if isinstance(config, dict) else None
    return config


def take_out(config: Layer, path: Key) -> bool:
    """Remove a key in the short form, and say whether it was there."""
    path = tuple(key for key in path if key != "init_args")
    inside = value_at(config, path[:-1])
    if isinstance(inside, dict) and isinstance(inside.get("init_args"), dict) and path[-1] not in _OF_CLASS:
        inside = inside["init_args"]
    if not isinstance(inside, dict) or path[-1] not in inside:
        return False
    del inside[path[-1]]
    return True

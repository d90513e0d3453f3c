"""An experiment, merged: base ← experiment ← corpus ← profile ← its own profile section ← key=value.

Nothing here imports torch or Lightning, so that a wrong file, profile or corpus is answered at once; names
and types of values are checked by `aukit.training.config`.

A file has the sections `seed`, `aus`, `trainer`, `model`, `data`, `run` and `logging`, and three of its own:
`corpora`, a layer per corpus of which `corpus=NAME` takes one, the first if nothing is said; `profiles`, a
layer per size, which a corpus may have too; and `axes`, short names of what a table or a sweep varies: with
``axes: {fold: data.fold}`` the override ``fold=1`` means ``data.fold=1``.

`model` and `data`, and whatever they contain, name classes. The keys beside `class_path` are arguments of
that class, with or without `init_args` around them, and later layers give them without naming the class
again: ``model.lr=1e-4``, ``data.corpus.size=64``. A layer that names another class keeps all arguments.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from aukit.errors import ConfigError, shown
from aukit.training.layers import (
    Key,
    Layer,
    class_places,
    keys,
    long_form,
    merge,
    refuse_contradictions,
    take_out,
    yaml_word,
)
from aukit.training.overrides import Override, read_overrides
from aukit.utils.experiments import experiments_folder, find_experiment
from aukit.utils.outside import read_text
from aukit.utils.yaml_values import parse_yaml

SECTIONS = ("trainer", "model", "data", "run", "logging")
_PLAIN = ("seed", "aus", "experiment", "profile")
_MAX_BYTES = 2**20


@dataclass(frozen=True)
class Experiment:
    """Merged layers whose values are still to be checked.

    Attributes:
        config: the sections; every class as `class_path` and `init_args`.
        name: of the experiment, with its corpus: `fgnet/bp4d`.
        profile: size; None for the experiment's own values.
        folder: where the file lies.
        layers: names of the layers in their order: files, sections, overrides.
        origins: dotted key in parts, without `init_args` → the layer that gave it last.
        emptied: overrides that take a key out which no layer has given.
        corpora: names of the corpora to choose from.
        axes: short names of keys.

    Example:
        >>> experiment = read_experiment("fgnet", "smoke", ["corpus=disfa", "fold=1"])
        >>> experiment.name, experiment.config["data"]["init_args"]["fold"]
        ('fgnet/disfa', 1)
    """

    config: Layer
    name: str
    profile: str | None
    folder: Path
    layers: tuple[str, ...] = ()
    origins: Mapping[Key, str] = field(default_factory=dict)
    emptied: tuple[tuple[str, Layer], ...] = ()
    corpora: tuple[str, ...] = ()
    axes: Mapping[str, str] = field(default_factory=dict)

    def origin(self, path: Key) -> str:
        """The layer that holds a key: file, section or override."""
        while path and path not in self.origins:
            path = path[:-1]
        return self.origins.get(path, f"experiment {self.name}")

    def before(self, layer: str) -> tuple[str, ...]:
        """The layers before one."""
        return self.layers[: self.layers.index(layer)] if layer in self.layers else ()


def read_experiment(
    name: str | Path, profile: str | None = None, overrides: Iterable[str] = ()
) -> Experiment:
    """Read and merge the layers of an experiment; costs milliseconds.

    Args:
        name: file, or name of an experiment that comes along, such as `fgnet`.
        profile: size; applies `profiles/<profile>.yaml` beside base.yaml, then the `profiles` section of that
            name of the experiment and of its corpus. At least one of them must exist.
        overrides: `key=value`, values in YAML; a key is dotted, or one of the experiment's `axes`. `key=`
            takes the key out, so that the default of its class holds; `key=null` gives it no value.

    Raises:
        ConfigError: a file, profile or corpus does not exist, or what a layer holds is no such thing; the
            message names the layer and the key.
    """
    path = find_experiment(name)
    content = _read(path)
    home = _home(path)
    axes = _axes(content.pop("axes", None), path)
    corpora = _layers(content.pop("corpora", {}), path, "corpora", ("profiles",))
    sections = _layers(content.pop("profiles", {}), path, "profiles")
    words = read_overrides(overrides, axes)
    if sizes := [word for word in words if word.path == ("profile",)]:  # a name alone, in a resolved file
        raise ConfigError(
            f"{sizes[0].origin}: a profile is no key, but layers of them: --profile {shown(sizes[0].value)}"
        )
    corpus, words = _choose_corpus(words, corpora, path)
    of_corpora = {
        name: _layers(layer.pop("profiles", {}), path, f"corpora.{name}.profiles")
        for name, layer in corpora.items()
    }
    layers = [
        (str(home / "base.yaml"), _read(home / "base.yaml")),
        (str(path), content),
        *([(f"{path} (corpora.{corpus})", corpora[corpus])] if corpus else []),
        *_profile_layers(profile, home, path, sections, of_corpora.get(corpus or "", {}), corpus),
    ]
    given = [(each.origin, each.layer()) for each in words]
    for origin, layer in [*layers, *given]:
        _check_layer(layer, origin)
    classes = {place for _, layer in [*layers, *given] for place in class_places(layer)}
    layers = [(origin, long_form(layer, classes, origin)) for origin, layer in layers]
    given = [(origin, long_form(layer, classes, origin)) for origin, layer in given]
    refuse_contradictions(given)
    layers += [each for each, word in zip(given, words, strict=True) if not word.empty]
    config = _at_home(merge(layers))
    emptied = [
        each
        for each, word in zip(given, words, strict=True)
        if word.empty and not take_out(config, word.path)
    ]
    for section in ("model", "data"):
        if not isinstance(config.get(section, {}).get("class_path"), str):
            raise ConfigError(f"{path}: {section} names no class; give {section}.class_path=MODULE.CLASS")
    return Experiment(
        config=config,
        name=str(config.pop("experiment", None) or _name(path, home, corpus)),
        profile=profile or config.pop("profile", None),
        folder=path.resolve().parent,
        layers=tuple(origin for origin, _ in layers),
        origins={key: origin for origin, layer in [*layers, *emptied] for key in keys(layer)},
        emptied=tuple(emptied),
        corpora=tuple(corpora),
        axes=axes,
    )


def _at_home(value: Any) -> Any:
    """`~/DISFA` as a shell has it, which leaves it alone behind `key=`."""
    if isinstance(value, dict):
        return {key: _at_home(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_at_home(inner) for inner in value]
    return str(Path(value).expanduser()) if isinstance(value, str) and value.startswith("~/") else value


def suggest(name: str, known: Iterable[str]) -> str:
    """End of a message: the nearest known name, or all of them if they are few."""
    known = sorted(k for k in known if not k.startswith("_"))
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(known)}" if 0 < len(known) <= 30 else "; see --help-keys"


def _read(path: Path) -> Layer:
    try:
        content = _parsed(read_text(path, _MAX_BYTES))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: not readable as YAML: {error}; mend the file there") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: the file must hold sections of keys, such as model and data")
    return deepcopy(content)


@lru_cache(maxsize=64)
def _parsed(text: str) -> Any:
    """`parse_yaml`, which takes most of the time; a table's trainings read few files."""
    return parse_yaml(text)


def _home(path: Path) -> Path:
    """The folder of base.yaml: that of the experiment or the one above it; else the project's own."""
    for folder in path.resolve().parents[:2]:
        if (folder / "base.yaml").is_file():
            return folder
    return experiments_folder()


def _name(path: Path, home: Path, corpus: str | None) -> str:
    inside = path.resolve().is_relative_to(home.resolve())
    name = path.resolve().relative_to(home.resolve()).with_suffix("").as_posix() if inside else path.stem
    return f"{name}/{corpus}" if corpus else name


def _axes(value: Any, path: Path) -> dict[str, str]:
    """Short names of an experiment and the dotted keys that they stand for."""
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for pair in value.items() for key in pair):
        raise ConfigError(f"{path}: axes must give dotted keys to short names, such as fold: data.fold")
    for name, key in value.items():
        if name in (*SECTIONS, *_PLAIN) or key.split(".")[0] not in (*SECTIONS, *_PLAIN, "corpus"):
            raise ConfigError(
                f"{path}: axes.{shown(name)}: {shown(key)!r} must be a dotted key of a section, such as"
                " data.fold, and its short name no section's name"
            )
    return value


def _layers(value: Any, path: Path, section: str, more: tuple[str, ...] = ()) -> dict[str, Layer]:
    """A section of layers by name, all of them checked whether they are used or not."""
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise ConfigError(f"{path}: {section} must be a section of names, each with keys below it")
    for name, layer in value.items():
        where = f"{path} ({section}.{shown(name)})"
        if not re.fullmatch(r"[\w-]+", name):
            raise ConfigError(f"{where}: a name has letters, digits, - and _ only; rename it")
        _check_layer({} if layer is None else layer, where, more)
    return {name: dict(layer or {}) for name, layer in value.items()}  # an alias is no second name of one


def _choose_corpus(
    words: list[Override], corpora: Mapping[str, Layer], path: Path
) -> tuple[str | None, list[Override]]:
    """The corpus that overrides ask for, and the other overrides."""
    asked = [word for word in words if word.path == ("corpus",)]
    rest = [word for word in words if word.path != ("corpus",)]
    names = {str(word.value) for word in asked if not word.empty}
    if len(names) > 1:
        raise ConfigError(f"{asked[-1].origin}: the corpus is given twice, as {' and '.join(sorted(names))}")
    if names and not corpora:
        raise ConfigError(f"{asked[0].origin}: {path} has no choice of corpora; leave it out")
    name = next(iter(names), next(iter(corpora), None))
    if name is not None and name not in corpora:
        raise ConfigError(f"{asked[0].origin}: {path} has no corpus {shown(name)!r}{suggest(name, corpora)}")
    return name, rest


def _profile_layers(
    profile: str | None,
    home: Path,
    path: Path,
    sections: Mapping[str, Layer],
    of_corpus: Mapping[str, Layer],
    corpus: str | None,
) -> Iterator[tuple[str, Layer]]:
    general = {file.stem: file for file in sorted((home / "profiles").glob("*.yaml"))}
    for name in {*sections, *of_corpus} - set(general):
        if near := difflib.get_close_matches(name, general, n=1, cutoff=0.85):
            raise ConfigError(f"{path}: profiles.{name}: did you mean {near[0]!r}? Name it less alike if not")
    if profile is None:
        return
    known = {**general, **sections, **of_corpus}
    if profile not in known:
        raise ConfigError(f"{path}: unknown profile {shown(profile)!r}{suggest(profile, known)}")
    if profile in general:
        yield str(general[profile]), _read(general[profile])
    if profile in sections:
        yield f"{path} (profiles.{profile})", sections[profile]
    if profile in of_corpus:
        yield f"{path} (corpora.{corpus}.profiles.{profile})", of_corpus[profile]


def _check_layer(layer: Any, origin: str, more: tuple[str, ...] = ()) -> None:
    """Check what needs no class: names of sections, that they are sections, plain values throughout."""
    if not isinstance(layer, dict):
        raise ConfigError(f"{origin}: must be a section of keys, not {shown(layer)!r}; indent keys below it")
    known = (*SECTIONS, *_PLAIN, *more)
    for key, value in layer.items():
        if key not in known:
            raise ConfigError(f"{origin}: unknown key {shown(key)!r}{suggest(str(key), known)}")
        if key in SECTIONS and not isinstance(value, dict):
            raise ConfigError(
                f"{origin}: {key} must be a section of keys, not {yaml_word(value)}; leave it out, or give"
                f" {key}.KEY=VALUE"
            )
        _check_value(value, origin, key)
    for key in ("experiment", "profile"):
        if layer.get(key) is not None and not re.fullmatch(r"[\w-]+(/[\w-]+)*", str(layer[key])):
            raise ConfigError(f"{origin}: {key} must be a name, not {shown(layer[key])!r}")


def _check_value(value: Any, origin: str, at: str) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str | int):
                raise ConfigError(f"{origin}: {at}: {yaml_word(key)} is no key; put names in quotes")
            _check_value(inner, origin, f"{at}.{shown(key)}")
    elif isinstance(value, list):
        for item in value:
            _check_value(item, origin, at)
    elif isinstance(value, str) and "${" in value:
        # It would be resolved before later layers are merged, and keep the overridden value alive.
        raise ConfigError(
            f"{origin}: {at}: {shown(value)!r}: interpolation is not supported; write the value itself"
        )
    elif isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{origin}: {at}: {value} is not finite; write a number")
    elif value is not None and not isinstance(value, str | int | float):
        raise ConfigError(f"{origin}: {at}: {type(value).__name__} is no plain value; write text or numbers")

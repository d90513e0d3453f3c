"""Configurations: base ← experiment ← profile ← the experiment's own profile section ← key=value.

A configuration has the sections `seed`, `trainer`, `model`, `data`, `run` and
`logging`. `model` and `data`, and whatever they contain, name classes: `{class_path: ..., init_args: {...}}`.
Where a layer gives a dictionary without `class_path` for a class, its keys are arguments of that class, so
that `model.lr=1e-4` and `data.corpus.size=64` say what they mean. Every layer is checked against the classes'
signatures.

An experiment may give short names to what a table or a sweep varies: with ``axes: {fold: data.fold}`` the
override `fold=1` means `data.fold=1`. Only key=value overrides may use them.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser
from lightning.pytorch import Trainer
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from aukit.errors import AukitError, ConfigError
from aukit.training.options import LoggingOptions, RunOptions
from aukit.training.run_config import RunConfig, resolve
from aukit.utils.outside import read_yaml_text

Config = dict[str, Any]

#: A value that the command line (or a table) must still give.
MISSING = "???"

_MAX_BYTES = 2**20
_EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def load_config(path: str | Path, profile: str | None = None, overrides: Iterable[str] = ()) -> RunConfig:
    """Merge and validate a configuration.

    Args:
        path: experiment file, e.g. `experiments/intensity/fera2017.yaml`.
        profile: size; applies `profiles/<profile>.yaml` beside base.yaml, then the experiment's own
            `profiles` section of that name. At least one of the two must exist.
        overrides: `key=value`, values in YAML; a key is dotted, or one of the experiment's `axes`.

    Returns:
        The checked configuration, with the keys `experiment` and `profile` added.

    Raises:
        ConfigError: a file is missing, a key is unknown or a value has the wrong type; the message names file
            and key.
    """
    path = Path(path)
    experiment = _load_file(path)
    sections = experiment.pop("profiles", None) or {}
    axes = _axes(experiment.pop("axes", None), path)
    home = _experiments_folder(path)
    layers: list[tuple[str, Config]] = [
        (str(home / "base.yaml"), _load_file(home / "base.yaml")),
        (str(path), experiment),
    ]
    if profile is not None:
        general = home / "profiles" / f"{profile}.yaml"
        if not general.is_file() and profile not in sections:
            known = sorted({p.stem for p in (home / "profiles").glob("*.yaml")} | set(sections))
            raise ConfigError(f"{path}: unknown profile {profile!r}{_suggest(profile, known)}")
        if general.is_file():
            layers.append((str(general), _load_file(general)))
        if profile in sections:
            layers.append((f"{path} (profiles.{profile})", sections[profile] or {}))
    layers += [(f"override {each!r}", _parse_override(_spell_out(each, axes))) for each in overrides]

    config: Config = {}
    for origin, layer in layers:
        _refuse_interpolation(layer, origin)
        config = _merge(config, layer, origin)
        check_keys(config, origin)
    inside = path.resolve().is_relative_to(home.resolve())
    config["experiment"] = (
        path.resolve().relative_to(home.resolve()).with_suffix("").as_posix() if inside else path.stem
    )
    config["profile"] = profile
    return resolve(config)


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


def is_class(value: Any) -> bool:
    """Whether a configuration value names a class."""
    return isinstance(value, Mapping) and isinstance(value.get("class_path"), str)


def import_class(class_path: str) -> type:
    """Import a class by its dotted path.

    Raises:
        ConfigError: there is no such class.
    """
    module_name, _, name = class_path.rpartition(".")
    try:
        module = importlib.import_module(module_name)
        found = getattr(module, name)
    except (ImportError, ValueError) as error:
        hint = (
            "; run folders of earlier versions name other paths" if module_name.startswith("aukit.") else ""
        )
        raise ConfigError(f"class_path {class_path!r} cannot be imported: {error}{hint}") from error
    except AttributeError as error:
        raise ConfigError(
            f"class_path {class_path!r}: {module_name} has no {name}{_suggest(name, dir(module))}"
        ) from error
    if not isinstance(found, type):
        raise ConfigError(f"class_path {class_path!r} is not a class")
    return found


def check_keys(config: Mapping[str, Any], origin: str) -> None:
    """Check every key of a (possibly partial) configuration against sections and class signatures.

    Args:
        config: the configuration.
        origin: file or override that is named in the error.

    Raises:
        ConfigError: a key is unknown; the message suggests the nearest known one.
    """
    sections = {"seed", "trainer", "model", "data", "run", "logging", "experiment", "profile"}
    _check_names(config, sections, origin, "")
    for section, known in (
        ("trainer", _arguments(Trainer)),
        ("run", {f.name for f in fields(RunOptions)}),
        ("logging", {f.name for f in fields(LoggingOptions)}),
    ):
        value = config.get(section) or {}
        if not isinstance(value, Mapping):
            raise ConfigError(f"{origin}: {section} must be a section of keys, not {value!r}")
        _check_names(value, known, origin, section)
    for section in ("model", "data", "trainer"):
        _check_classes(config.get(section), origin, section)


def _check_classes(value: Any, origin: str, at: str) -> None:
    if isinstance(value, list):
        for index, item in enumerate(value):
            _check_classes(item, origin, f"{at}[{index}]")
    if not isinstance(value, Mapping):
        return
    if is_class(value):
        _check_names(value, {"class_path", "init_args", "dict_kwargs"}, origin, at)
        try:
            known = _arguments(import_class(value["class_path"]))
        except AukitError as error:
            raise ConfigError(f"{origin}: {at}: {error}") from error
        arguments = value.get("init_args") or {}
        _check_names(arguments, known, origin, at, value["class_path"].rpartition(".")[2])
        value = arguments
    for key, inner in value.items():
        _check_classes(inner, origin, f"{at}.{key}")


@cache
def _arguments(cls: type) -> frozenset[str]:
    """Names of the constructor's arguments, with those that `**options` passes on to base classes."""
    added = ArgumentParser().add_class_arguments(cls, fail_untyped=False)
    return frozenset(name.partition(".")[0] for name in added)


def _check_names(
    value: Mapping[str, Any], known: Collection[str], origin: str, at: str, owner: str | None = None
) -> None:
    for key in value:
        if key not in known:
            name = f"{at}.{key}" if at else str(key)
            of = f" ({owner} has no such argument)" if owner else ""
            raise ConfigError(f"{origin}: unknown key {name!r}{of}{_suggest(str(key), known)}")


def _suggest(name: str, known: Iterable[str]) -> str:
    known = sorted(k for k in known if not k.startswith("_"))
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(known)}" if len(known) <= 30 else ""


def _merge(old: Any, new: Any, origin: str) -> Any:
    """Merge a layer; a dictionary that meets a class without naming one holds arguments of that class."""
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return _plain(new)
    if is_class(old):
        if "class_path" in new and new["class_path"] != old["class_path"]:
            return _plain(new)  # another class: the old one's arguments mean nothing to it
        if not new.keys() & {"class_path", "init_args"}:
            new = {"init_args": new}
    merged = dict(old)
    for key, value in new.items():
        merged[str(key)] = _merge(old.get(key), value, origin)
    return merged


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _load_file(path: Path) -> Config:
    if not path.is_file():
        raise ConfigError(f"{path}: no such configuration file")
    try:
        loaded = OmegaConf.to_container(OmegaConf.create(read_yaml_text(path, _MAX_BYTES)), resolve=False)
    except (OmegaConfBaseException, YAMLError, OSError, ValueError) as error:
        raise ConfigError(f"{path}: not readable as YAML: {error}") from error
    if not isinstance(loaded, dict):
        raise ConfigError(f"{path}: the file must hold sections of keys")
    return {str(key): value for key, value in loaded.items()}


def _parse_override(override: str) -> Config:
    if "=" not in override or override.startswith(("=", "-")):
        raise ConfigError(f"override {override!r}: write key=value, for instance trainer.max_epochs=2")
    try:
        parsed = OmegaConf.to_container(OmegaConf.from_dotlist([override]), resolve=False)
    except (OmegaConfBaseException, YAMLError) as error:
        raise ConfigError(f"override {override!r}: the value is not readable as YAML: {error}") from error
    assert isinstance(parsed, dict)
    return {str(key): value for key, value in parsed.items()}


def _axes(value: Any, path: Path) -> dict[str, str]:
    """Short names of an experiment and the dotted keys that they stand for."""
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value.values()):
        raise ConfigError(f"{path}: axes must give dotted keys to short names, such as fold: data.fold")
    return {str(name): key for name, key in value.items()}


def _spell_out(override: str, axes: Mapping[str, str]) -> str:
    key, sign, value = override.partition("=")
    return f"{axes.get(key, key)}{sign}{value}"


def _refuse_interpolation(value: Any, origin: str) -> None:
    """`${...}` would be resolved before later layers are merged, and keep the overridden value alive."""
    if isinstance(value, str) and "${" in value:
        raise ConfigError(f"{origin}: {value!r}: interpolation is not supported; write the value itself")
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    for item in inner:
        _refuse_interpolation(item, origin)


def _experiments_folder(path: Path) -> Path:
    """The nearest folder above an experiment file that has a base.yaml; else the project's own."""
    for folder in path.resolve().parents:
        if (folder / "base.yaml").is_file():
            return folder
    for folder in (Path("experiments"), _EXPERIMENTS):
        if (folder / "base.yaml").is_file():
            return folder
    raise ConfigError(f"{path}: no base.yaml in a folder above it, nor in ./experiments")

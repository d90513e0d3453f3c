"""Files that a training starts from: they decide its result by their content, and are needed only once.

A class names the arguments that hold such files in `start_arguments` (default: `weights`). Such an argument
is a path, a list of paths, or the name of weights that come with the project; `FILE#GROUP` is a part of a
file. `random` names none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from aukit.models.weights import RANDOM, shipped_files
from aukit.training.classes import import_class, is_class
from aukit.training.layers import MISSING
from aukit.training.run_config import RunConfig, resolve
from aukit.utils.files import file_sha256

_DEFAULT = ("weights",)


def start_files(config: Mapping[str, Any]) -> dict[str, str | None]:
    """Files that the configured model starts from.

    Returns:
        Name of each file as configured → its content (SHA-256; of shipped weights one per file of that name),
        None where there is no such file.
    """
    found: dict[str, str | None] = {}

    def note(value: Any) -> Any:
        for name in value if isinstance(value, list | tuple) else [value]:
            if isinstance(name, str) and name not in (RANDOM, MISSING):
                file = name.partition("#")[0]
                found[file] = _content(file)
        return value

    _map(resolve(config)["model"], note)
    return found


def with_contents(model: Any, contents: Mapping[str, str | None]) -> Any:
    """Section `model` with contents in place of files; the name of a file without content stays."""

    def content(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [content(name) for name in value]
        if not isinstance(value, str):
            return value
        file, _, group = value.partition("#")
        return value if contents.get(file) is None else f"{contents[file]}#{group}"

    return _map(model, content)


def without_start_files(config: RunConfig) -> RunConfig:
    """The configuration of the same model with random weights, for a checkpoint that has all of them."""
    model = _map(config["model"], lambda _: None)
    return config if model == config["model"] else resolve({**config, "model": model})


def without_missing_start(config: RunConfig) -> RunConfig:
    """The configuration without files to start from that are still to be given (`???`)."""
    model = _map(config["model"], lambda given: None if given == MISSING else given)
    return config if model == config["model"] else resolve({**config, "model": model})


def _map(value: Any, change: Callable[[Any], Any]) -> Any:
    """A section with changed values of the arguments that name start files; None takes an argument out."""
    if isinstance(value, list | tuple):
        return [_map(item, change) for item in value]
    if not isinstance(value, Mapping):
        return value
    changed = {key: _map(inner, change) for key, inner in value.items()}
    if is_class(value) and isinstance(value.get("init_args"), Mapping):
        for key in getattr(import_class(value["class_path"]), "start_arguments", _DEFAULT):
            if given := value["init_args"].get(key):
                changed["init_args"][key] = change(given)
                if changed["init_args"][key] is None:
                    del changed["init_args"][key]
    return changed


def _content(file: str) -> str | None:
    files = [Path(file)] if Path(file).is_file() else shipped_files(file)
    return "#".join(map(file_sha256, files)) or None

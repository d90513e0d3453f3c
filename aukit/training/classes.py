"""Classes that a configuration names by their dotted path, and the arguments of their constructors."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import sys
import sysconfig
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from jsonargparse import ArgumentParser

from aukit.errors import ConfigError, shown
from aukit.training.experiment import suggest
from aukit.utils import bounds

_searched: list[str] = []
_latest: list[str] = []
"""Those of the last call."""
_added: list[str] = []
"""Those of all that were not on the path by themselves."""
_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    bytes: "text",
    Path: "a path",
    type(None): "null",
    None: "null",
    Any: "a value",
}


class Argument(NamedTuple):
    """An argument of a constructor, its own or one that `**options` passes on to a base class.

    Attributes:
        type: annotation; None where there is none.
        default: default value, or `None`.
        required: whether there is no default.
        text: what the docstring says of it.
    """

    type: Any
    default: Any
    required: bool
    text: str

    @property
    def takes_none(self) -> bool:
        """Whether None is one of its values."""
        return self.default is None or _takes_none(self.type)


def is_class(value: Any) -> bool:
    """Whether a configuration value names a class."""
    return isinstance(value, Mapping) and isinstance(value.get("class_path"), str)


def search_in(*folders: Path) -> None:
    """Let `class_path` name modules in these folders, after everything that is installed.

    They come before folders of earlier calls.
    """
    sys.path[:] = [folder for folder in sys.path if folder not in _added]
    _latest[:] = dict.fromkeys(map(str, folders))
    _searched[:] = dict.fromkeys([*_latest, *_searched])
    _added[:] = [folder for folder in _searched if folder not in sys.path]
    sys.path += _added


def import_class(class_path: str) -> type:
    """Import a class by its dotted path.

    Raises:
        ConfigError: there is no such class, or its module cannot be imported.
    """
    module_name, _, name = class_path.rpartition(".")
    if not re.fullmatch(r"\w+(\.\w+)+", class_path):
        raise ConfigError(f"class_path {shown(class_path)!r}: write MODULE.CLASS, such as my_module.MyModule")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise ConfigError(
                f"class_path {shown(class_path)!r} needs {error.name}: install it, or mend the import"
            ) from error
        raise ConfigError(
            f"class_path {shown(class_path)!r}: no module {shown(error.name)!r}{_where(module_name)}"
        ) from error
    except Exception as error:  # the module is the user's, and anything may go wrong in it
        raise ConfigError(
            f"class_path {shown(class_path)!r} cannot be imported, mend it: {type(error).__name__}: {error}"
        ) from error
    _require_nearest(module_name.partition(".")[0])
    found = getattr(module, name, None)
    if found is None:
        raise ConfigError(
            f"class_path {shown(class_path)!r}: {module_name} has no {name}{suggest(name, dir(module))}"
        )
    if not isinstance(found, type):
        raise ConfigError(f"class_path {shown(class_path)!r} is not a class; name one of {module_name}")
    return found


def _require_nearest(name: str) -> None:
    """See that a module beside an experiment is not one of that name beside another, imported before."""
    file = getattr(sys.modules.get(name), "__file__", None)
    if file is None or not any(Path(file).is_relative_to(folder) for folder in _searched):
        return
    for folder in _searched:
        for nearest in (Path(folder, name, "__init__.py"), Path(folder, f"{name}.py")):
            if nearest.is_file():
                if not nearest.samefile(file):
                    raise ConfigError(
                        f"module {name}: {nearest} is meant, but {file} comes before it; rename one of them"
                    )
                return


def own_sources(cls: type) -> dict[str, Path]:
    """Modules that a class is made of and that no installation holds: its own, and those that it imports.

    Returns:
        Name of each module → its file; empty for a class of an installed package.
    """
    found: dict[str, Path] = {}
    waiting = [cls.__module__]
    while waiting:
        name = waiting.pop()
        module = sys.modules.get(name)
        file = getattr(module, "__file__", None)
        if name not in found and file is not None and not _is_installed(Path(file).resolve()):
            found[name] = Path(file)
            waiting += _imports(Path(file), str(getattr(module, "__package__", None) or ""))
    return found


@cache
def _is_installed(file: Path) -> bool:
    paths = sysconfig.get_paths()
    folders = [Path(paths[kind]).resolve() for kind in ("stdlib", "platstdlib", "purelib", "platlib")]
    return any(file.is_relative_to(folder) for folder in [*folders, Path(__file__).resolve().parents[1]])


def _imports(file: Path, package: str) -> list[str]:
    """Names of modules, and of what may be one, that a source file imports."""
    names: list[str] = []
    for node in ast.walk(ast.parse(file.read_bytes())) if file.suffix == ".py" else ():
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            relative = "." * node.level + (node.module or "")
            base = importlib.util.resolve_name(relative, package) if node.level else relative
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return names


@cache
def arguments(cls: type) -> Mapping[str, Argument]:
    """Arguments of a class's constructor by name."""
    parser = ArgumentParser(exit_on_error=False)
    names = parser.add_class_arguments(cls, fail_untyped=False)
    found: dict[str, Argument] = {}
    for action in parser._actions:
        if action.dest in names:
            text = " ".join(str(action.help or "").replace("%%", "%").split())
            kind = getattr(action, "_typehint", action.type)
            name = action.dest.partition(".")[0]
            found.setdefault(name, Argument(kind, action.default, action.required, text))
    return found


def describe(kind: Any) -> str:
    """A type in words: `a whole number`, `one of flip, photometric or null`."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        choices = [each for kind in inner if get_origin(kind) is Literal for each in get_args(kind)]
        others = [kind for kind in inner if get_origin(kind) is not Literal]
        return " or ".join(dict.fromkeys([*_one_of(choices), *map(describe, others)]))
    if origin is Literal:
        return "".join(_one_of(inner))
    if origin is Annotated:
        return describe(inner[0])
    kind_of = origin or kind
    if kind_of in _WORDS:
        return _WORDS[kind_of]
    if not isinstance(kind_of, type):
        return "a value"
    if kind_of.__module__ == bounds.__name__:
        text = str(kind_of.__doc__).rstrip(".")
        return text[0].lower() + text[1:]
    if issubclass(kind_of, Mapping):
        return "a section of keys"
    if issubclass(kind_of, Collection):
        return f"a list, each {describe(inner[0])}" if inner and inner[0] is not Any else "a list"
    return f"a class_path derived from {kind_of.__name__}"


def _one_of(choices: Iterable[Any]) -> list[str]:
    words = ", ".join(dict.fromkeys(map(str, choices)))
    return [f"one of {words}"] if words else []


def _takes_none(kind: Any) -> bool:
    if get_origin(kind) in (Union, UnionType):
        return any(_takes_none(each) for each in get_args(kind))
    if get_origin(kind) is Annotated:
        return _takes_none(get_args(kind)[0])
    return kind in (None, type(None), Any, object) or not (isinstance(kind, type) or get_origin(kind))


def _where(module_name: str) -> str:
    if module_name.startswith("aukit."):
        return "; run folders of earlier versions name other paths"
    places = ", ".join(_latest or [str(Path.cwd())])
    return f" is installed, nor lies in {places}; put its file there"

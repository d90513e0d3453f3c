"""Where experiments lie: beside the package in a checkout, inside it in an installed wheel."""

from __future__ import annotations

import difflib
from pathlib import Path

from aukit.errors import ConfigError, shown

_PACKAGE = Path(__file__).parents[1]
_NOT_METHODS = ("base",)


def experiments_folder() -> Path:
    """The folder with base.yaml, the experiments, `profiles/` and `tables/`.

    Raises:
        ConfigError: it is nowhere, so the installation is damaged.
    """
    candidates = (_PACKAGE / "experiments", _PACKAGE.parent / "experiments")
    for folder in candidates:
        if (folder / "base.yaml").is_file():
            return folder
    places = " nor ".join(map(str, candidates))
    raise ConfigError(f"the experiments are missing: no base.yaml in {places}; install the package again")


def known_experiments() -> dict[str, Path]:
    """Name → file of the experiments that come along.

    Example:
        >>> "fgnet" in known_experiments()
        True
    """
    files = sorted(experiments_folder().glob("*.yaml"))
    return {file.stem: file for file in files if file.stem not in _NOT_METHODS}


def find_experiment(name: str | Path) -> Path:
    """The file of an experiment: a file of that name if there is one, else an experiment that comes along.

    Args:
        name: path of a file, or the name of an experiment such as ``fgnet``, with or without ``.yaml``.

    Raises:
        ConfigError: there is neither; the message suggests the nearest name.

    Example:
        >>> find_experiment("fgnet").name
        'fgnet.yaml'
    """
    path = Path(name)
    try:
        if path.is_file():
            return path
    except OSError as error:  # a name that no file can have
        raise ConfigError(f"{shown(name)}: {error.strerror}; give a file, or a name such as fgnet") from error
    known = known_experiments()
    stem = path.name.removesuffix(".yaml").removesuffix(".yml")
    if str(path) in (stem, f"{stem}.yaml") and stem in known:
        return known[stem]
    near = difflib.get_close_matches(stem, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"give a file, or one of {', '.join(known)}"
    raise ConfigError(f"{shown(name)}: no such configuration file; {hint}")

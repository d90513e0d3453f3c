"""A sweep's file, in the schema of Weights & Biases: what is varied, by which metric, in which command."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aukit.errors import ConfigError, shown
from aukit.utils.experiments import experiments_folder
from aukit.utils.outside import read_text
from aukit.utils.yaml_values import parse_yaml

if TYPE_CHECKING:  # it takes seconds to import; a wrong file is answered at once
    from aukit.training import RunConfig

METHODS = ("grid", "random", "bayes")
GOALS = {"maximize": "max", "minimize": "min"}
"""Goal of a sweep → `run.mode`."""

BEST = "best/"
"""Before `run.monitor`, the name under which a run's summary has the best value of it."""

_MACROS = {"${args}": "--{}={}", "${args_no_hyphens}": "{}={}"}
_MAX_BYTES = 2**20

Point = Mapping[str, Any]
"""Parameter → value."""


@dataclass(frozen=True)
class Sweep:
    """A sweep, read from its file.

    Attributes:
        name: Stem of the file.
        content: The whole file as W&B takes it, further words among those of the command.

    Example:
        >>> sweep = read_sweep("fgnet_rates", ["--profile", "mini"])
        >>> sweep.method, sweep.metric, sweep.command({"model.lr": 0.0001})[-1]
        ('grid', 'best/val/f1', 'model.lr=0.0001')
    """

    name: str
    content: dict[str, Any]

    @property
    def method(self) -> str:
        """How points are chosen: one of `METHODS`."""
        return str(self.content["method"])

    @property
    def metric(self) -> str:
        """Name in a run's summary."""
        return str(self.content["metric"]["name"])

    @property
    def maximizes(self) -> bool:
        """Whether more of it is better."""
        return str(self.content["metric"]["goal"]) == "maximize"

    @property
    def parameters(self) -> dict[str, dict[str, Any]]:
        """Parameter → what its value may be."""
        found: dict[str, dict[str, Any]] = self.content["parameters"]
        return found

    @property
    def varied(self) -> list[str]:
        """Parameters that have more than one value."""
        return [name for name, each in self.parameters.items() if "value" not in each]

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits that tell sweeps of one name apart."""
        return hashlib.sha256(json.dumps(self.content, sort_keys=True).encode()).hexdigest()[:8]

    def command(self, point: Point) -> list[str]:
        """Words behind `aukit` that train a point, as an agent of W&B fills them in."""
        words: list[str] = []
        for word in _own_words(self.content):
            form = _MACROS.get(word)
            words += [word] if form is None else [form.format(*item) for item in point.items()]
        return words


def read_sweep(name: str | Path, words: Sequence[str] = ()) -> Sweep:
    """Read and check a sweep's file.

    Args:
        name: A file, or the name of one in `experiments/sweeps/`.
        words: Further words of the command, before those of a point.

    Raises:
        ConfigError: There is no such file, or it is no sweep of `aukit fit` that selects on validation; the
            message names file and key.
    """
    path = _find(name)
    try:
        content = parse_yaml(read_text(path, _MAX_BYTES))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: not readable as YAML: {error}; mend the file there") from error
    try:
        return Sweep(path.stem, _checked(content, words))
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error


def check_metric(sweep: Sweep, config: RunConfig) -> None:
    """See that a run measures what its sweep looks at.

    Raises:
        ConfigError: Another metric, or the other direction of it, decides which of its weights are the best,
            or test people do.
    """
    monitor, goal = config.run.monitor, sweep.content["metric"]["goal"]
    if sweep.metric != f"{BEST}{monitor}" or config.run.mode != GOALS[goal]:
        wanted = sweep.metric.removeprefix(BEST)
        raise ConfigError(
            f"sweep {sweep.name}: looks at {sweep.metric} ({goal}), and its runs at run.monitor={monitor}"
            f" run.mode={config.run.mode}: add run.monitor={wanted} run.mode={GOALS[goal]} to its command"
        )
    if sweep.metric.startswith(f"{BEST}val/oracle_") or _validates_on_test(config.get("data")):
        raise ConfigError(
            f"sweep {sweep.name}: its runs validate on the people whom they test (an oracle), and what the"
            " test says must select nothing: leave out data.selection=oracle, or look at another metric"
        )


def sweep_names() -> list[str]:
    """Names of the sweeps that come along."""
    return sorted(path.stem for path in (experiments_folder() / "sweeps").glob("*.yaml"))


def _validates_on_test(data: Any) -> bool:
    """Whether the section `data`, or the corpus that it takes frames of, has ``selection: oracle``."""
    if not isinstance(data, Mapping):
        return False
    arguments = data["init_args"]
    return arguments.get("selection") == "oracle" or _validates_on_test(arguments.get("corpus"))


def _find(name: str | Path) -> Path:
    path = Path(name)
    if path.is_file():
        return path
    known = sweep_names()
    if str(name).removesuffix(".yaml") in known:
        return experiments_folder() / "sweeps" / f"{str(name).removesuffix('.yaml')}.yaml"
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"give a file, or one of {', '.join(known)}"
    raise ConfigError(f"{shown(name)}: no such sweep; {hint}")


def _checked(content: Any, words: Iterable[str]) -> dict[str, Any]:
    """The content with further words in its command; a ValueError says what is wrong with it."""
    if not isinstance(content, dict):
        raise ValueError("must hold sections of keys, such as method, metric and parameters")
    if content.get("method") not in METHODS:
        raise ValueError(f"method: {shown(content.get('method'))!r} is none of {', '.join(METHODS)}")
    metric = content.get("metric")
    if (
        not isinstance(metric, dict)
        or metric.get("goal") not in GOALS
        or not isinstance(metric.get("name"), str)
    ):
        raise ValueError(f"metric: write {{name: {BEST}val/f1, goal: maximize}}, or minimize")
    if not metric["name"].startswith(f"{BEST}val/"):
        raise ValueError(
            f"metric.name: {shown(metric['name'])!r} is not the best value of a validation: write"
            f" {BEST}val/f1, or what else run.monitor names; what the test says must select nothing"
        )
    parameters = content.get("parameters")
    if not isinstance(parameters, dict) or not parameters:
        raise ValueError(
            "parameters: write a key of the experiment with its values, e.g. model.lr: {values: [...]}"
        )
    for name, each in parameters.items():
        if (
            not isinstance(name, str)
            or not isinstance(each, dict)
            or not {"value", "values", "min"} & set(each)
        ):
            raise ValueError(
                f"parameters.{shown(name)}: write {{value: …}}, {{values: […]}} or {{min: …, max: …}}"
            )
        if content["method"] == "grid" and "min" in each:
            raise ValueError(f"parameters.{shown(name)}: a grid wants values; write {{values: […]}}")
    command = content.get("command")
    if not isinstance(command, list):
        raise ValueError('command: write ["${env}", aukit, fit, -c, EXPERIMENT, "${args_no_hyphens}"]')
    at = [index for index, word in enumerate(command) if word in _MACROS]
    if len(at) != 1:
        raise ValueError(f"command: wants one of {' and '.join(_MACROS)}, by which it is given a point")
    filled = {**content, "command": [*map(str, command[: at[0]]), *words, *map(str, command[at[0] :])]}
    if _own_words(filled)[:1] != ["fit"]:
        raise ValueError("command: is no `aukit fit`, whose runs have a validation and are never made twice")
    return filled


def _own_words(content: Mapping[str, Any]) -> list[str]:
    """Words behind `aukit` in a sweep's command; empty where it is another program's."""
    words = [str(content.get("program")) if word == "${program}" else word for word in content["command"]]
    words = words[1:] if words[:1] == ["${env}"] else words
    return words[1:] if words[:1] == ["aukit"] else []

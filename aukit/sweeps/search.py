"""Which point comes next: a grid in its order, random draws, or Optuna's TPE for `bayes`.

A choice is a function of the sweep, the seed, the points before it and its number, so that nothing of
Optuna's has to be kept on disk: a sweep that was killed goes on as if it had not been.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from aukit.errors import ConfigError
from aukit.sweeps.file import Point, Sweep

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


class Tried(NamedTuple):
    """A point of the past.

    Attributes:
        point: Its parameters.
        value: Of the metric; NaN where a run has none, None where it is not known yet.
    """

    point: Point
    value: float | None


def grid_points(sweep: Sweep) -> list[Point]:
    """All points of a grid; the last parameter varies fastest."""
    choices = [each.get("values", [each.get("value")]) for each in sweep.parameters.values()]
    return [dict(zip(sweep.parameters, values, strict=True)) for values in itertools.product(*choices)]


def next_point(sweep: Sweep, seed: int, past: Sequence[Tried]) -> Point:
    """The point that comes after those of the past; costs some milliseconds.

    Args:
        sweep: What is varied.
        seed: Of the draws.
        past: Points with a number before its own, in their order.

    Raises:
        ConfigError: A parameter has a distribution that is not known here.
        LookupError: It is a grid, and the past has all its points.
    """
    if sweep.method == "grid":
        return grid_points(sweep)[len(past)]
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    own = int(np.random.SeedSequence([seed, len(past)]).generate_state(1)[0])
    sampler = (
        optuna.samplers.RandomSampler(seed=own)
        if sweep.method == "random"
        else optuna.samplers.TPESampler(seed=own, constant_liar=True)
    )
    direction = "maximize" if sweep.maximizes else "minimize"
    study = optuna.create_study(direction=direction, sampler=sampler)
    spaces = {name: _space(name, sweep.parameters[name]) for name in sweep.varied}
    for point, value in past:
        study.add_trial(
            optuna.trial.create_trial(
                state=_state(value),
                value=value if _state(value) == optuna.trial.TrialState.COMPLETE else None,
                params={name: _index(sweep.parameters[name], point[name]) for name in spaces},
                distributions=spaces,
            )
        )
    drawn = study.ask(spaces).params
    return {name: _value(each, drawn.get(name)) for name, each in sweep.parameters.items()}


def _state(value: float | None) -> Any:
    from optuna.trial import TrialState

    if value is None:
        return TrialState.RUNNING
    return TrialState.COMPLETE if math.isfinite(value) else TrialState.FAIL


def _space(name: str, each: Mapping[str, Any]) -> BaseDistribution:
    """Optuna's distribution of a parameter; of values their index is drawn, so that they may be anything."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if "values" in each:
        if "probabilities" in each:
            raise ConfigError(f"parameters.{name}.probabilities: only W&B draws by them; leave them out")
        return CategoricalDistribution(range(len(each["values"])))
    low, high = each["min"], each.get("max")
    whole = isinstance(low, int) and isinstance(high, int)
    kind = each.get("distribution", "int_uniform" if whole else "uniform")
    try:
        if kind == "int_uniform":
            return IntDistribution(low, high)
        if kind == "uniform":
            return FloatDistribution(low, high)
        if kind == "log_uniform_values":
            return FloatDistribution(low, high, log=True)
        if kind == "q_uniform":
            step = each.get("q", 1)
            whole = whole and isinstance(step, int)
            return (IntDistribution if whole else FloatDistribution)(low, high, step=step)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"parameters.{name}: {error}; correct min and max") from error
    raise ConfigError(
        f"parameters.{name}.distribution: {kind!r} is drawn by W&B alone; here there is uniform, int_uniform,"
        " q_uniform and log_uniform_values"
    )


def _index(each: Mapping[str, Any], value: Any) -> Any:
    return each["values"].index(value) if "values" in each else value


def _value(each: Mapping[str, Any], drawn: Any) -> Any:
    if "values" in each:
        return each["values"][drawn]
    return each["value"] if drawn is None else drawn

"""What Lightning's trainer takes without a word and no run should have: bounds of its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightning.pytorch.accelerators import AcceleratorRegistry
from lightning.pytorch.strategies import StrategyRegistry

from aukit.training.config_key_error import ConfigKeyError
from aukit.training.experiment import suggest

#: Argument → its least value; -1 where Lightning's "no limit" is meant is in `_NO_LIMIT`.
_LEAST = {
    "num_nodes": 1,
    "max_epochs": 1,
    "min_epochs": 1,
    "max_steps": 1,
    "min_steps": 1,
    "check_val_every_n_epoch": 1,
    "num_sanity_val_steps": 0,
    "log_every_n_steps": 1,
    "accumulate_grad_batches": 1,
    "gradient_clip_val": 0,
    "reload_dataloaders_every_n_epochs": 0,
}
_NO_LIMIT = ("max_steps", "num_sanity_val_steps")
#: Of which whole numbers are batches, other numbers shares of an epoch → whether it must be above 0.
BATCHES_OR_SHARES = {
    "limit_train_batches": True,
    "limit_val_batches": False,
    "limit_test_batches": False,
    "limit_predict_batches": False,
    "overfit_batches": False,
    "val_check_interval": True,
}
#: Arguments that a run gives itself, with what to do instead.
_OF_THE_RUN = {
    "logger": "the run has its own loggers; see logging.wandb",
    "default_root_dir": "a run has its own folder; give --runs FOLDER",
    "enable_checkpointing": "a run keeps checkpoints to go on from; see run.save_minutes",
    "use_distributed_sampler": "the samplers share batches between processes themselves",
    "sync_batchnorm": "batch norms of several processes see the rows of all of them as it is",
    "max_time": "it would end the training for good; see run.time_limit, after which it can go on",
    "fast_dev_run": "it keeps no checkpoint to test; use --profile smoke, or limit_train_batches",
    "barebones": "it keeps no checkpoint to test; set what it switches off one by one",
}
#: Those of them that are on.
_ON = ("enable_checkpointing", "use_distributed_sampler")
_CLIPPING = ("norm", "value")
_PROFILERS = ("simple", "advanced", "pytorch", "xla")


def check_trainer(given: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Check the arguments of a trainer.

    Args:
        given: those that a configuration gives.
        values: the same with their types checked, and all others.

    Raises:
        ConfigKeyError: a value is out of bounds, unknown, or the run's own business.
    """
    for key, remedy in _OF_THE_RUN.items():
        if given.get(key) is not None and values[key] != (key in _ON):
            raise _mistake(key, given[key], f"cannot be set, leave it out: {remedy}")
    for key, least in _LEAST.items():
        value = values.get(key)
        if value is not None and value < least and not (key in _NO_LIMIT and value == -1):
            also = ", or -1 for no limit" if key in _NO_LIMIT else ""
            raise _mistake(key, value, f"must be at least {least}{also}")
    for key, needed in BATCHES_OR_SHARES.items():
        value = values.get(key)
        if isinstance(value, int | float) and not (
            value >= 0 and (isinstance(value, int) or value <= 1) and (value or not needed)
        ):
            raise _mistake(
                key, value, "must be a whole number of batches, or a share of them from 0.0 to 1.0"
            )
    _check_devices(values["devices"])
    for key, known in (
        ("accelerator", {"auto", "gpu", *AcceleratorRegistry}),
        ("strategy", {"auto", *StrategyRegistry.available_strategies()}),
        ("gradient_clip_algorithm", _CLIPPING),
        ("profiler", _PROFILERS),
    ):
        value = values.get(key)
        if isinstance(value, str) and value not in known:
            raise _mistake(key, value, f"is unknown{suggest(value, known)}")


def _check_devices(value: Any) -> None:
    if value == "auto" or value in (-1, "-1"):
        return
    words = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [value]
    numbers = [int(word) for word in map(str, words) if word.strip().isdigit()]
    several = isinstance(value, list) or len(words) > 1
    fits = len(set(numbers)) == len(words) > 0 and (several or numbers[0] >= 1)
    if not fits:
        raise _mistake("devices", value, "must be a number from 1 on, a list of indices, or auto")


def _mistake(key: str, value: Any, what: str) -> ConfigKeyError:
    return ConfigKeyError(("trainer", key), f"trainer.{key}={value!r} {what}")

"""What steps of several systems need: frozen networks, a check of action units, what to log and when."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning import LightningModule, Trainer
from torch import nn

from aukit.errors import ConfigError

__all__ = ["check_aus", "frozen", "is_logged", "logged_step", "scores_itself"]


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Spare the computation of gradients of a network that this step does not change.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> with frozen(layer):
        ...     layer.weight.requires_grad
        False
    """
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


def check_aus(module: LightningModule) -> Any:
    """See that a module in training and its datamodule mean the same action units in the same order.

    Args:
        module: Module with the hyperparameter ``aus``, attached to its trainer.

    Returns:
        The trainer's datamodule; None if it trains without one.

    Raises:
        ConfigError: They differ; both lists are named.
    """
    data = getattr(module.trainer, "datamodule", None)
    aus = getattr(data, "aus", None)
    if aus is not None and list(aus) != list(module.hparams["aus"]):
        raise ConfigError(f"the data have AUs {list(aus)}, the model {list(module.hparams['aus'])}")
    return data


def is_logged(module: LightningModule, step: int) -> bool:
    """Whether the loggers record this step, counted from 0; elsewhere logging would only cost time."""
    return (step + 1) % int(getattr(module.trainer, "log_every_n_steps", 50)) == 0


def logged_step(trainer: Trainer) -> int:
    """The step that loggers are told: batches, of which one may be several steps of optimizers or none."""
    return int(trainer.fit_loop.epoch_loop._batches_that_stepped)


def scores_itself(module: LightningModule) -> bool:
    """Whether the module logs scores of a test: not where a callback keeps its predictions to be scored."""
    if module._trainer is None:  # a step called by hand
        return False
    callbacks: Any = getattr(module.trainer, "callbacks", [])
    return not any(getattr(callback, "keeps_predictions", False) for callback in callbacks)

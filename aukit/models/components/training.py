"""What steps of several systems need: frozen networks, a check of action units, what to log and when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from lightning import LightningModule, Trainer
from torch import Tensor, nn

from aukit.datamodules import CrossCorpusDataModule
from aukit.errors import ConfigError
from aukit.models.components.processes import averaged

__all__ = [
    "LatestLosses",
    "check_aus",
    "frozen",
    "is_logged",
    "logged_step",
    "scores_itself",
    "training_corpus",
]


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
        The datamodule of the frames that train, see `training_corpus`; None if it trains without one.

    Raises:
        ConfigError: They differ; both lists are named.
    """
    data = getattr(module.trainer, "datamodule", None)
    aus = getattr(data, "aus", None)
    if aus is not None and list(aus) != list(module.hparams["aus"]):
        raise ConfigError(f"the data have AUs {list(aus)}, the model {list(module.hparams['aus'])}")
    return training_corpus(module)


def training_corpus(module: LightningModule) -> Any:
    """The trainer's datamodule, or the part of it whose frames train where another corpus is tested."""
    data = getattr(module.trainer, "datamodule", None)
    return data.train if isinstance(data, CrossCorpusDataModule) else data


def is_logged(module: LightningModule, step: int) -> bool:
    """Whether the loggers record this step, counted from 0; elsewhere logging would only cost time."""
    return (step + 1) % int(getattr(module.trainer, "log_every_n_steps", 50)) == 0


class LatestLosses:
    """The last value of each loss, where networks rest in some steps, which may be those that are logged.

    A module keeps them in its checkpoints, so that a resumed run logs what an undisturbed one does.

    Example:
        >>> losses = LatestLosses()
        >>> losses.update({"critic": torch.tensor(0.5)})
        >>> losses.update({"generator": torch.tensor(2.0)})
        >>> losses.averaged(torch.device("cpu"))
        {'critic': tensor(0.5000), 'generator': tensor(2.)}
    """

    def __init__(self) -> None:
        self._values: dict[str, Tensor] = {}

    def update(self, values: Mapping[str, Tensor]) -> None:
        """Replace the scalars that a step has computed, without waiting for other processes."""
        self._values |= {name: value.detach() for name, value in values.items()}

    def averaged(self, device: torch.device) -> dict[str, Tensor]:
        """Means over the processes, which all have to ask; by name."""
        return averaged({name: self._values[name].to(device) for name in sorted(self._values)})

    def save(self, checkpoint: dict[str, Any], device: torch.device) -> None:
        """What the hook `on_save_checkpoint` of a module has to do."""
        checkpoint["latest_losses"] = self.averaged(device)

    def load(self, checkpoint: Mapping[str, Any]) -> None:
        """What `on_load_checkpoint` has to do."""
        self._values = dict(checkpoint.get("latest_losses", {}))


def logged_step(trainer: Trainer) -> int:
    """The step that loggers are told: batches, of which one may be several steps of optimizers or none."""
    return int(trainer.fit_loop.epoch_loop._batches_that_stepped)


def scores_itself(module: LightningModule) -> bool:
    """Whether the module logs scores of a test: not where a callback keeps its predictions to be scored."""
    if module._trainer is None:  # a step called by hand
        return False
    callbacks: Any = getattr(module.trainer, "callbacks", [])
    return not any(getattr(callback, "keeps_predictions", False) for callback in callbacks)

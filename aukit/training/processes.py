"""How several processes train one model: who starts them, the strategy, layers that see all of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from lightning.pytorch.plugins.layer_sync import LayerSync
from torch import nn

from aukit.errors import ConfigError
from aukit.models.components.global_layers import with_global_layers, with_local_layers
from aukit.training.run_config import RunConfig, resolve
from aukit.utils.cores import available_cores
from aukit.utils.gpus import visible_gpus
from aukit.utils.spawned import leave_when_orphaned

__all__ = [
    "GlobalLayers",
    "Launch",
    "keep_to_cores",
    "launch",
    "leave_with_main",
    "placed",
    "refuse_several",
    "started_several",
    "strategy_of",
    "with_whole_batches",
]

_STARTED = ("auto", None)  # of trainer.devices: as many as were started, else one
_BATCHES = ("batch_size", "target_batch_size", "eval_batch_size")
_ALL = (-1, "-1")  # as many as were started, else all of the machine


class GlobalLayers(LayerSync):
    """Plugin of a trainer: batch norm and dropout of the rows of all processes while it fits.

    Example:
        >>> from lightning import Trainer
        >>> options = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False}
        >>> Trainer(devices=2, strategy="ddp", plugins=[GlobalLayers()], **options).world_size
        2
    """

    def apply(self, model: nn.Module) -> nn.Module:
        """Turn the layers; see `aukit.models.components.global_layers`."""
        return with_global_layers(model)

    def revert(self, model: nn.Module) -> nn.Module:
        """Turn them back."""
        return with_local_layers(model)


def strategy_of(model: type) -> str:
    """What ``trainer.strategy=auto`` means for a class of models on several processes.

    A model whose steps leave out some of its networks says so by ``leaves_out_networks = True``.
    """
    leaves_out = getattr(model, "leaves_out_networks", False)
    return "ddp_find_unused_parameters_true" if leaves_out else "ddp"


class Launch(NamedTuple):
    """Processes that something else started: SLURM's ``srun``, or ``torchrun``.

    Attributes:
        by: Who started them.
        nodes: Number of machines.
        per_node: Processes on each.
        is_step: Whether these are the processes themselves, not a script that is to start them.
    """

    by: str
    nodes: int
    per_node: int
    is_step: bool = True


def launch(environment: Mapping[str, str] = os.environ) -> Launch | None:
    """Who started this process, read from the environment; None where nobody did.

    As in Lightning, a SLURM job that is called ``bash`` or ``interactive`` starts nothing.
    """
    if "TORCHELASTIC_RUN_ID" in environment:
        world, local = int(environment["WORLD_SIZE"]), int(environment["LOCAL_WORLD_SIZE"])
        return Launch("torchrun", world // local, local)
    if "SLURM_NTASKS" in environment and environment.get("SLURM_JOB_NAME") not in ("bash", "interactive"):
        nodes = int(environment.get("SLURM_NNODES", 1))
        per_node = int(environment["SLURM_NTASKS"]) // nodes
        return Launch("SLURM", nodes, per_node, "SLURM_STEP_ID" in environment)
    return None


def started_several(started: Launch | None) -> bool:
    """Whether there is more than one of these processes."""
    return started is not None and started.nodes * started.per_node > 1


def refuse_several(what: str, started: Launch | None) -> None:
    """See that a command that starts its own processes is alone.

    Raises:
        ConfigError: It was started several times, or in a job of several tasks, each of which would make
            everything; the message says how to use several GPUs.
    """
    if started is not None and started_several(started):
        count = started.nodes * started.per_node
        once = "in a job of one task, --ntasks=1" if started.by == "SLURM" else "without torchrun"
        raise ConfigError(
            f"{what} is one process, and {started.by} has {count}: start it {once};"
            " --jobs N trains N side by side, each on a GPU"
        )


def leave_with_main(environment: Mapping[str, str] = os.environ) -> None:
    """In a process that Lightning started beside the main one: end when that is gone.

    It would wait for the others for as long as their backend does: NCCL 10 minutes. SLURM and torchrun end
    the processes that they have started themselves.
    """
    if launch(environment) is None and environment.get("LOCAL_RANK", "0") != "0":
        leave_when_orphaned()


def placed(trainer: Mapping[str, Any], started: Launch | None) -> dict[str, Any]:
    """Devices and nodes of a trainer, as many as were started where that is left open, else one device.

    Args:
        trainer: Arguments of the trainer.
        started: Who started the processes, see `launch`.

    Returns:
        ``devices`` and ``num_nodes``.

    Raises:
        ConfigError: What was started and what is configured are different numbers of processes: each would
            train a copy of its own, or wait for others for ever. The command to use is named.
    """
    devices, nodes = trainer.get("devices"), int(trainer.get("num_nodes") or 1)
    if started is None:
        return {"devices": 1 if devices in _STARTED else devices, "num_nodes": nodes}
    left_open = devices in (*_STARTED, *_ALL)
    if nodes == 1 and left_open:
        nodes = started.nodes
    count = started.per_node if left_open else _count(devices)
    command = f"srun --nodes={nodes} --ntasks-per-node={count} aukit ..."
    if started.by == "torchrun":
        command = f"torchrun --nnodes={nodes} --nproc-per-node={count} -m aukit.cli ..."
    if not started.is_step and (count > 1 or nodes > 1 or started.per_node * started.nodes > 1):
        raise ConfigError(
            f"this is the script of a SLURM job of {started.nodes * started.per_node} tasks, not one of them:"
            f" start them with {command}"
        )
    if (nodes, count) != (started.nodes, started.per_node):
        raise ConfigError(
            f"{started.by} started {started.per_node} processes on each of {started.nodes} nodes, and"
            f" trainer.devices={devices} trainer.num_nodes={nodes} are {count} on each of {nodes}: start them"
            f" with {command}, or leave out trainer.devices and trainer.num_nodes"
        )
    return {"devices": count, "num_nodes": nodes}


def keep_to_cores(environment: Mapping[str, str] = os.environ) -> None:
    """Use no more threads than this process has cores, unless ``OMP_NUM_THREADS`` says how many.

    Torch heeds affinity, but not the quota of a control group, as containers have one: with a thread for each
    core of the machine it would be held up most of the time.
    """
    if "OMP_NUM_THREADS" not in environment and available_cores() < torch.get_num_threads():
        torch.set_num_threads(available_cores())


def with_whole_batches(config: RunConfig, started: Launch | None) -> RunConfig:
    """A configuration with the batch sizes of all processes together, where it has those of each.

    Args:
        config: Checked configuration.
        started: Who started the processes, see `launch`.

    Raises:
        ConfigError: as `placed`.
    """
    place = placed(config["trainer"], started)
    if not config.run.batch_per_process:
        return config
    per_node = len(visible_gpus()) if place["devices"] in _ALL else _count(place["devices"])
    processes = per_node * place["num_nodes"]
    data, options = config["data"], {**config["run"], "batch_per_process": False}
    given = data["init_args"]
    sizes = {name: processes * given[name] for name in _BATCHES if given.get(name) is not None}
    return resolve({**config, "data": {**data, "init_args": {**given, **sizes}}, "run": options})


def _count(devices: Any) -> int:
    """Number of devices: a number, a list of indices, or either as text."""
    if isinstance(devices, list):
        return len(devices)
    words = str(devices).split(",")
    return int(words[0]) if len(words) == 1 else len([word for word in words if word.strip()])

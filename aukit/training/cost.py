"""What a training computes and keeps, counted on the meta device: tensors with shapes and without memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.module import register_module_forward_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from aukit.training.processes import strategy_of
from aukit.training.run_config import RunConfig, build_model
from aukit.training.start_files import without_start_files

_FLOAT = 4  # bytes

# Adam, a parameter at a time, as it runs on a CPU: counted with `count_work` over its step.
_ADAM_BYTES = 100  # read and written per parameter
_ADAM_OPERATIONS = 9  # per tensor of parameters

# DistributedDataParallel sums gradients in buckets of this many bytes, after a first one of 1 MiB.
_FIRST_BUCKET, _BUCKET = 2**20, 25 * 2**20

# Sums in losses per backward pass, of a few numbers or of PM2's features: measured from 3 to 12.
_LOSSES = 6


@dataclass(frozen=True)
class Work:
    """What a computation asks of a device.

    Attributes:
        multiply_adds: Multiply-adds of convolutions and matrix products.
        bytes: Bytes that all operations read and write.
        operations: Operations on tensors, each with its overhead.
        backwards: Backward passes.
        norms: Passes through a batch norm that is trained, forward and backward each counted.
        statistics: Numbers that batch norms know of their rows, forward.
        slopes: Numbers that they need of the gradients of all rows, backward.

    Example:
        >>> (2 * Work(multiply_adds=1e9) + Work(bytes=8)).multiply_adds
        2000000000.0
    """

    multiply_adds: float = 0
    bytes: float = 0
    operations: float = 0
    backwards: float = 0
    norms: float = 0
    statistics: float = 0
    slopes: float = 0

    def __add__(self, other: Work) -> Work:
        return Work(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __rmul__(self, times: float) -> Work:
        return Work(*(times * a for a in astuple(self)))


@dataclass(frozen=True)
class Exchange:
    """What each of several processes gives to the others in a step of a training.

    Attributes:
        gradients: Bytes of gradients that are summed; of all trained parameters at every backward pass.
        norms: Bytes of batch norms' statistics that are summed.
        buffers: Bytes of buffers that the first process hands to the others.
        calls: Sums and hand-overs, also of losses, whose bytes are few.
    """

    gradients: float = 0
    norms: float = 0
    buffers: float = 0
    calls: float = 0

    @property
    def summed(self) -> float:
        """Bytes of all sums."""
        return self.gradients + self.norms

    def __add__(self, other: Exchange) -> Exchange:
        return Exchange(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __rmul__(self, times: float) -> Exchange:
        return Exchange(*(times * a for a in astuple(self)))


def count_work(compute: Callable[[], Tensor]) -> Work:
    """Count a computation and, where its result has a gradient, the backward pass from it.

    Args:
        compute: What to run; tensors of any size on the meta device take no memory.

    Example:
        >>> layer = torch.nn.Conv2d(3, 8, 3, padding=1, bias=False, device="meta")
        >>> images = torch.empty(2, 3, 16, 16, device="meta")
        >>> with torch.no_grad():
        ...     count_work(lambda: layer(images)).multiply_adds == 2 * 16 * 16 * 8 * 3 * 9
        True
    """
    counted = _Counter()
    with counted, _norms(counted):
        result = compute()
        if result.requires_grad:
            counted.work += Work(backwards=1)
            result.float().sum().backward()  # type: ignore[no-untyped-call]
    return counted.work


@contextmanager
def _norms(counted: _Counter) -> Iterator[None]:
    """Count what batch norms would tell other processes; see `aukit.models.components.global_layers`."""

    def note(layer: nn.Module, given: Any, out: Any) -> None:
        if isinstance(layer, _BatchNorm) and layer.training:
            channels, back = layer.num_features, out.requires_grad
            counted.work += Work(norms=1 + back, statistics=2 * channels + 1, slopes=2 * channels * back)

    handle = register_module_forward_hook(note)
    try:
        yield
    finally:
        handle.remove()


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up every operation that runs inside."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.work = Work()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if not func.is_view:
            tensors = [each for each in tree_leaves((args, kwargs, out)) if isinstance(each, Tensor)]
            count = flop_registry.get(func._overloadpacket)
            # The registry counts multiplication and addition as two.
            products = count(*args, **kwargs, out_val=out) / 2 if count else 0
            self.work += Work(products, sum(t.numel() * t.element_size() for t in tensors), 1)
        return out


@runtime_checkable
class CountedSteps(Protocol):
    """A module whose training step is more than one pass of its batch with a gradient."""

    def step_work(self, images: Tensor) -> Iterable[tuple[str, float, Callable[[], Tensor]]]:
        """Passes through the networks in a step on images ``[B,3,S,S]``.

        Returns:
            For each its name, which says what it depends on beside the networks and the images, how often per
            step it is run, and the pass; what has a gradient is counted with its backward pass.
        """
        ...


class ModelCost:
    """Cost of a module per step and per frame, counted when asked for, and the size of what is kept of it.

    Args:
        config: Its data say batch size and side of the crops.

    Attributes:
        parameters: Parameters, trained or not.
        weights_bytes: Size of the weights alone.
        last_bytes: Size of a whole state: weights and two averages of each trained parameter.

    Example:
        >>> from aukit.training import load_config
        >>> ModelCost(load_config("intensity", "mini")).parameters
        190778
    """

    def __init__(self, config: RunConfig) -> None:
        self._config, self._module = config, _on_meta(config)
        optimizers: Any = self._module.configure_optimizers()
        every = optimizers if isinstance(optimizers, list) else [optimizers]
        groups = [group for optimizer in every for group in optimizer.param_groups]
        self._trained = [p for group in groups for p in group["params"] if p.requires_grad]
        self.parameters = sum(p.numel() for p in self._module.parameters())
        self.weights_bytes = sum(t.numel() * t.element_size() for t in self._module.state_dict().values())
        self.last_bytes = self.weights_bytes + 2 * _FLOAT * sum(p.numel() for p in self._trained)

    def step(self, processes: int = 1) -> Work:
        """Work of a training step with its optimiser, of one of so many processes that share the batch.

        Seconds for the largest networks, and no memory.
        """
        module, batch = self._module.train(), self._batches[0]
        learned = sum(p.numel() for p in self._trained)
        work = Work(bytes=_ADAM_BYTES * learned, operations=_ADAM_OPERATIONS * len(self._trained))
        work += (whole := step_passes(module, _images(self._config, batch)))
        if processes > 1:
            # A straight line in the size of the batch: some batch norms refuse the single image of a share.
            twice = step_passes(module, _images(self._config, 2 * batch))
            work += (1 / processes - 1) * (twice + -1 * whole)
        return work

    def frame(self, processes: int = 1) -> Work:
        """Work of a frame that is scored by one of so many processes that share the batches."""
        module = self._module.eval()
        frames = _images(self._config, max(1, self._batches[1] // processes))
        with torch.no_grad():
            return 1 / len(frames) * _counted(module, frames, "scores", lambda: _scores(module, frames))

    def exchange(self, processes: int) -> Exchange:
        """What each of so many processes gives to the others in a step."""
        return exchange(self._module, self.step(processes), processes)

    @property
    def _batches(self) -> tuple[int, int]:
        data = self._config["data"]["init_args"]
        return data["batch_size"], data.get("eval_batch_size") or data["batch_size"]


def step_passes(module: LightningModule, images: Tensor) -> Work:
    """Work of a training step without its optimiser.

    Args:
        module: On the meta device, and in training.
        images: ``[B,3,S,S]`` on it.
    """
    work = Work()
    for name, times, run in _passes(module, images):
        if times:
            work += times * _counted(module, images, name, run)
    return work


def exchange(module: LightningModule, step: Work, processes: int) -> Exchange:
    """What each of several processes gives to the others in a step.

    Args:
        module: What DistributedDataParallel wraps.
        step: Work of a step.
        processes: Their number.
    """
    if processes == 1:
        return Exchange()
    tensors = [p for p in module.parameters() if p.requires_grad]
    gradients = sum(p.numel() * p.element_size() for p in tensors)
    calls = 1 + math.ceil(max(0, gradients - _FIRST_BUCKET) / _BUCKET)
    if "find_unused" in strategy_of(type(module)):  # each tells of every tensor whether it was used
        gradients += 4 * len(tensors)
        calls += 1
    # Lightning hands buffers over before each step that it optimises itself, else before the first one alone.
    handed = module.buffers() if module.automatic_optimization else ()
    buffers = sum(b.numel() * b.element_size() for b in handed)
    return Exchange(
        step.backwards * gradients,
        _FLOAT * (processes * step.statistics + step.slopes),
        buffers,
        step.backwards * (calls + _LOSSES) + step.norms + (buffers > 0),
    )


def pass_work(config: RunConfig, run: Callable[[LightningModule, Tensor], Tensor]) -> Work:
    """Work per image of a pass of one's own choice, without a gradient.

    Args:
        config: Configuration of the module.
        run: The module and a batch of images ``[B,3,S,S]`` → a result.
    """
    module = _on_meta(config).eval()
    images = _images(config, config["data"]["init_args"]["batch_size"])
    with torch.no_grad():
        return 1 / len(images) * count_work(lambda: run(module, images))


def crop_side(data: Mapping[str, Any]) -> int:
    """Side of the crops that a section ``data`` asks for, or the first datamodule inside of it that says."""
    arguments = data["init_args"]
    if "size" in arguments:
        return int(arguments["size"])
    return next(
        crop_side(each) for each in arguments.values() if isinstance(each, dict) and "init_args" in each
    )


_COUNTED: dict[tuple[Any, ...], Work] = {}
"""Networks, shape of the images and name of a pass → its work: trainings of a table share most of them."""


def _counted(module: LightningModule, images: Tensor, name: str, run: Callable[[], Tensor]) -> Work:
    networks = (*((n, p.shape, p.requires_grad) for n, p in module.named_parameters()), type(module))
    key = (networks, images.shape, module.training, name)
    module.zero_grad()  # as before each step; else gradients of an earlier count would be added to
    if key not in _COUNTED:
        _COUNTED[key] = count_work(run)
    return _COUNTED[key]


def _on_meta(config: RunConfig) -> LightningModule:
    with torch.device("meta"):
        return build_model(without_start_files(config))


def _images(config: RunConfig, count: int) -> Tensor:
    side = crop_side(config["data"])
    return torch.empty(count, 3, side, side, device="meta")


def _passes(module: LightningModule, images: Tensor) -> Iterable[tuple[str, float, Callable[[], Tensor]]]:
    if isinstance(module, CountedSteps):
        return module.step_work(images)
    return [("scores", 1.0, lambda: _scores(module, images))]


def _scores(module: LightningModule, images: Tensor) -> Tensor:
    scores: Tensor = module.predict_step({"image": images, "rows": images[:, 0, 0, 0]}, 0)["scores"]
    return scores

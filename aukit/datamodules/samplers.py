"""Samplers that yield whole batches: which rows, and the numbers that every random choice depends on.

A batch is a pure function of (seed, epoch, step). A run that was killed in the middle of an epoch therefore
continues with exactly the batch that it would have seen, whatever the number of loader workers. Several
processes draw the same batch, and each takes its part of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from torch.utils.data import DistributedSampler

from aukit.errors import ConfigError

Rows = npt.NDArray[np.int64]
Size = int | tuple[int, ...]
"""Shape of drawn numbers; the first axis is that of the batch's rows."""


@dataclass(frozen=True)
class BatchSpec:
    """What a dataset needs to build one batch, or a process' part of it.

    Attributes:
        rows: [B] int64 indices into the dataset.
        seed: the datamodule's seed.
        epoch: 0-based epoch; 0 in evaluation.
        step: 0-based batch of the epoch.
        extra: further values of a sampler's own (pairs, target vectors, ...); arrays have an entry per row.
        first: place of the first of `rows` in the batch of all processes.
        whole: rows in the batch of all processes; None for those of `rows`.

    Example:
        >>> spec = BatchSpec(np.array([4, 1]), seed=3, epoch=0, step=7)
        >>> bool(spec.rng().random() == spec.rng().random())
        True
        >>> second = spec.part(rank=1, world_size=2)
        >>> second.rows.tolist(), bool(second.draws().random(1)[0] == spec.draws().random(2)[1])
        ([1], True)
    """

    rows: Rows
    seed: int = 0
    epoch: int = 0
    step: int = 0
    extra: dict[str, Any] = field(default_factory=dict)
    first: int = 0
    whole: int | None = None

    def rng(self, purpose: int = 0) -> np.random.Generator:
        """A generator for the batch of all processes; different `purpose` give independent streams."""
        # The 0 was the process' rank once; the draws of one process stay what they were.
        return np.random.default_rng([self.seed, self.epoch, self.step, 0, purpose])

    def draws(self, purpose: int = 0) -> RowDraws:
        """Random numbers for `rows`: those of the batch of all processes, of which these are a part."""
        return RowDraws(self.rng(purpose), self.first, len(self.rows), self.whole or len(self.rows))

    def part(self, rank: int, world_size: int) -> BatchSpec:
        """The part of one of several processes: as many rows for each, one after the other.

        Raises:
            ConfigError: the rows cannot be divided.
        """
        if world_size == 1:
            return self
        count, rest = divmod(len(self.rows), world_size)
        if rest or not count:
            raise ConfigError(indivisible(len(self.rows), world_size))
        mine = slice(rank * count, (rank + 1) * count)
        extra = {key: _part_of(value, mine, rank, world_size) for key, value in self.extra.items()}
        return replace(
            self, rows=self.rows[mine], extra=extra, first=self.first + mine.start, whole=len(self.rows)
        )


def _part_of(value: Any, mine: slice, rank: int, world_size: int) -> Any:
    if isinstance(value, BatchSpec):
        return value.part(rank, world_size)
    return value[mine] if isinstance(value, np.ndarray) else value


def indivisible(size: int, world_size: int) -> str:
    """What to say of a batch that several processes cannot share: the nearest sizes that they can."""
    below, above = size // world_size * world_size, -(-size // world_size) * world_size
    nearest = f"{below} or {above}" if below else str(above)
    return (
        f"a batch of {size} cannot be divided by {world_size} processes: data.batch_size is that of all of"
        f" them together; set it to {nearest}, where there are as many rows"
    )


class RowDraws:
    """Random numbers with an entry per row of a batch; each process gets its rows' part of the same draws.

    Methods are those of numpy's generator, with a `size` whose first axis is that of the rows. Cost: every
    process draws for all rows of the batch.

    Args:
        rng: the batch's generator.
        first: place of this process' first row in the batch.
        count: rows of this process.
        whole: rows of the batch.

    Example:
        >>> halves = [RowDraws(np.random.default_rng(0), first, 2, 4).random(2) for first in (0, 2)]
        >>> bool((np.concatenate(halves) == np.random.default_rng(0).random(4)).all())
        True
    """

    def __init__(self, rng: np.random.Generator, first: int, count: int, whole: int) -> None:
        self._rng = rng
        self._mine = slice(first, first + count)
        self._count, self._whole = count, whole

    def random(self, size: Size) -> npt.NDArray[np.float64]:
        """Uniform in [0, 1)."""
        return self._draw(self._rng.random, size)

    def uniform(self, low: float, high: float, size: Size) -> npt.NDArray[np.float64]:
        """Uniform in [low, high)."""
        return self._draw(lambda shape: self._rng.uniform(low, high, shape), size)

    def normal(self, loc: float, scale: float, size: Size) -> npt.NDArray[np.float64]:
        """Normal."""
        return self._draw(lambda shape: self._rng.normal(loc, scale, shape), size)

    def standard_normal(self, size: Size) -> npt.NDArray[np.float64]:
        """Normal with mean 0 and variance 1."""
        return self._draw(self._rng.standard_normal, size)

    def integers(self, low: int, high: int, size: Size) -> npt.NDArray[np.int64]:
        """Integers in [low, high)."""
        return self._draw(lambda shape: self._rng.integers(low, high, shape), size)

    def _draw(self, draw: Callable[[tuple[int, ...]], npt.NDArray[Any]], size: Size) -> npt.NDArray[Any]:
        shape = (size,) if isinstance(size, int) else size
        if shape[0] != self._count:
            raise ValueError(f"the first axis of {shape} is not that of the {self._count} rows")
        return draw((self._whole, *shape[1:]))[self._mine]


class ProcessSampler(DistributedSampler[BatchSpec], ABC):
    """Base of samplers that yield the batches of one process, ready divided.

    Lightning replaces or wraps every sampler of a distributed run but those of this type, which it takes to
    divide the data themselves. That is true of ours; how they divide is their own, without repeating a frame.
    The datamodule calls `divide`.
    """

    def __init__(self) -> None:
        """Leave out PyTorch's own, which divides single rows of a dataset."""
        self.epoch = 0
        self.rank, self.world_size = 0, 1

    @abstractmethod
    def __iter__(self) -> Iterator[BatchSpec]: ...

    @abstractmethod
    def __len__(self) -> int: ...

    def divide(self, rank: int, world_size: int) -> None:
        """Yield the part of process `rank` of `world_size` from now on."""
        self.rank, self.world_size = rank, world_size

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch


class StepSampler(ProcessSampler):
    """Training sampler: subclasses give `batch(epoch, step)`, a pure function, for all processes together.

    Args:
        steps_per_epoch: batches per epoch; `len(sampler)`, also after a resume.
        seed: seed of every draw.

    Example:
        >>> class InOrder(StepSampler):
        ...     def batch(self, epoch, step):
        ...         return BatchSpec(np.array([step]), self.seed, epoch, step)
        >>> [int(spec.rows[0]) for spec in InOrder(steps_per_epoch=3, seed=0)]
        [0, 1, 2]
    """

    def __init__(self, steps_per_epoch: int, seed: int) -> None:
        if steps_per_epoch < 1:
            raise ConfigError(f"an epoch needs at least one batch; got {steps_per_epoch}")
        super().__init__()
        self.steps_per_epoch = steps_per_epoch
        self.seed = seed
        self._resume = (0, 0)

    @abstractmethod
    def batch(self, epoch: int, step: int) -> BatchSpec:
        """The batch of all processes at `step` of `epoch`."""

    def resume(self, epoch: int, start: int) -> None:
        """Start the iteration of `epoch` at batch `start`; later epochs start at 0."""
        self.epoch = epoch
        self._resume = (epoch, start)

    def divide(self, rank: int, world_size: int) -> None:
        """Yield the part of process `rank` of `world_size` from now on.

        Raises:
            ConfigError: a batch cannot be divided; the nearest sizes are named.
        """
        super().divide(rank, world_size)
        self.batch(0, 0).part(rank, world_size)

    def __iter__(self) -> Iterator[BatchSpec]:
        epoch = self.epoch
        start = self._resume[1] if epoch == self._resume[0] else 0
        for step in range(start, self.steps_per_epoch):
            yield self.batch(epoch, step).part(self.rank, self.world_size)

    def __len__(self) -> int:
        return self.steps_per_epoch


class ShuffledBatches(StepSampler):
    """Every row once per epoch in a new order; what does not fill a batch is left out, or a smaller one.

    With `steps_per_epoch` the permutations are strung together and an epoch is just a number of steps.

    Args:
        rows: [N] dataset rows to draw from.
        batch_size: rows per batch; at most N are used.
        seed: seed of the permutations.
        steps_per_epoch: batches per epoch; None for one pass over the rows.
        drop_last: whether the rows at the end of an epoch that do not fill a batch are left out; otherwise
            they are a smaller batch, as many of them as go round among the processes. Only of epochs that are
            one pass.

    Raises:
        ConfigError: there are no rows.

    Example:
        >>> sampler = ShuffledBatches(np.arange(6), batch_size=2, seed=0)
        >>> sorted(int(row) for spec in sampler for row in spec.rows)
        [0, 1, 2, 3, 4, 5]
    """

    def __init__(
        self,
        rows: Rows,
        batch_size: int,
        seed: int,
        steps_per_epoch: int | None = None,
        drop_last: bool = True,
    ) -> None:
        self.rows = np.asarray(rows, dtype=np.int64)
        if not len(self.rows):
            raise ConfigError("there are no training rows")
        self.batch_size = min(batch_size, len(self.rows))
        self.steps_per_pass, rest = divmod(len(self.rows), self.batch_size)
        self._rest = 0 if drop_last or steps_per_epoch else rest
        self.steps_per_pass += self._rest > 0
        super().__init__(steps_per_epoch or self.steps_per_pass, seed)
        self._order: tuple[int, Rows] | None = None

    def divide(self, rank: int, world_size: int) -> None:
        """Yield the part of process `rank` of `world_size` from now on; see `StepSampler.divide`."""
        if self._rest:
            self._rest -= self._rest % world_size
            if not self._rest:
                self.steps_per_pass = self.steps_per_epoch = self.steps_per_pass - 1
        super().divide(rank, world_size)

    def batch(self, epoch: int, step: int) -> BatchSpec:
        """The rows of one batch: O(1), but for the first of a pass, which shuffles all rows."""
        run, position = divmod(epoch * self.steps_per_epoch + step, self.steps_per_pass)
        if self._order is None or self._order[0] != run:
            self._order = (run, np.random.default_rng([self.seed, run]).permutation(self.rows))
        is_rest = self._rest > 0 and position == self.steps_per_pass - 1
        first = position * self.batch_size
        rows = self._order[1][first : first + (self._rest if is_rest else self.batch_size)]
        return BatchSpec(rows, self.seed, epoch, step)


class BalancedBatches(StepSampler):
    """Draws rows that show an action unit and rows that do not equally often.

    For each place of a batch: an action unit, then "present" or "absent" with equal odds, then one of the
    rows coded so; with replacement. An action unit that all or none of the rows show is left out.

    Args:
        rows: [N] dataset rows to draw from.
        occurrences: [N,A] of these rows; 1 present, 0 absent, NaN not coded.
        batch_size: rows per batch.
        seed: seed of the draws.
        steps_per_epoch: batches per epoch; None for as many draws as there are rows.

    Raises:
        ConfigError: no action unit is both present and absent.

    Example:
        >>> occurrences = np.array([[1], [0], [0], [0]], dtype=np.float32)
        >>> sampler = BalancedBatches(np.arange(4), occurrences, batch_size=100, seed=0)
        >>> bool(35 < (sampler.batch(epoch=0, step=0).rows == 0).sum() < 65)
        True
    """

    def __init__(
        self,
        rows: Rows,
        occurrences: npt.NDArray[np.floating[Any]],
        batch_size: int,
        seed: int,
        steps_per_epoch: int | None = None,
    ) -> None:
        rows = np.asarray(rows, dtype=np.int64)
        pools = [(rows[label == 0], rows[label == 1]) for label in np.asarray(occurrences).T]
        self.pools = [
            pool for absent, present in pools if len(absent) and len(present) for pool in (absent, present)
        ]
        if not self.pools:
            raise ConfigError("balanced sampling needs an action unit that some rows show and others do not")
        self.batch_size = batch_size
        super().__init__(steps_per_epoch or max(1, len(rows) // batch_size), seed)

    def batch(self, epoch: int, step: int) -> BatchSpec:
        """The rows of one batch."""
        # The 0 was the process' rank once; the draws of one process stay what they were.
        rng = np.random.default_rng([self.seed, epoch, step, 0, 0xBA1A])
        pools = rng.integers(0, len(self.pools), self.batch_size)
        rows = np.array([rng.choice(self.pools[pool]) for pool in pools], dtype=np.int64)
        return BatchSpec(rows, self.seed, epoch, step)


class EvaluationBatches(ProcessSampler):
    """Every row exactly once over all processes, in equally many non-empty batches on each.

    PyTorch's distributed sampler repeats frames to make the shares equal, which counts them twice. Here the
    shares differ in size by at most one row instead; equally many of them keep collective calls in step.
    When the rows cannot fill `batch_size` a process' share may be one row larger.

    Args:
        rows: [N] dataset rows.
        batch_size: rows per batch of all processes.

    Example:
        >>> [spec.rows.tolist() for spec in EvaluationBatches(np.arange(5), batch_size=2)]
        [[0, 1], [2, 3], [4]]
    """

    def __init__(self, rows: Rows, batch_size: int) -> None:
        super().__init__()
        self.rows = np.asarray(rows, dtype=np.int64)
        self.batch_size = batch_size

    def divide(self, rank: int, world_size: int) -> None:
        """Yield the part of process `rank` of `world_size` from now on.

        Raises:
            ConfigError: there are fewer rows than processes.
        """
        if 0 < len(self.rows) < world_size:
            raise ConfigError(f"{len(self.rows)} evaluation rows cannot be shared by {world_size} processes")
        super().divide(rank, world_size)

    def __iter__(self) -> Iterator[BatchSpec]:
        if not len(self):
            return
        shares = np.array_split(self.rows, len(self) * self.world_size)
        for step, rows in enumerate(shares[self.rank :: self.world_size]):
            yield BatchSpec(rows, step=step)

    def __len__(self) -> int:
        return min(-(-len(self.rows) // self.batch_size), len(self.rows) // self.world_size)

"""Samplers that yield whole batches: which rows, and the numbers that every random choice depends on.

A batch is a pure function of (seed, epoch, step, rank). A run that was killed in the middle of an epoch
therefore continues with exactly the batch that it would have seen, whatever the number of loader workers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from torch.utils.data import DistributedSampler

from aukit.errors import ConfigError

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class BatchSpec:
    """What a dataset needs to build one batch.

    Attributes:
        rows: [B] int64 indices into the dataset.
        seed: the datamodule's seed.
        epoch: 0-based epoch; 0 in evaluation.
        step: 0-based batch of the epoch, on this process.
        rank: this process' rank; batches of two ranks never share random numbers.
        extra: further arrays of a sampler's own (pairs, target vectors, ...).

    Example:
        >>> spec = BatchSpec(np.array([4, 1]), seed=3, epoch=0, step=7)
        >>> bool(spec.rng().random() == spec.rng().random())
        True
    """

    rows: Rows
    seed: int = 0
    epoch: int = 0
    step: int = 0
    rank: int = 0
    extra: dict[str, Any] = field(default_factory=dict)

    def rng(self, purpose: int = 0) -> np.random.Generator:
        """A generator for this batch alone; different `purpose` numbers give independent streams."""
        return np.random.default_rng([self.seed, self.epoch, self.step, self.rank, purpose])


class ProcessSampler(DistributedSampler[BatchSpec], ABC):
    """Base of samplers that yield the batches of one process, ready divided.

    Lightning replaces or wraps every sampler of a distributed run but those of this type, which it takes to
    divide the data themselves. That is true of ours; how they divide is their own, without repeating a frame.
    """

    def __init__(self) -> None:
        """Leave out PyTorch's own, which divides single rows of a dataset."""
        self.epoch = 0

    @abstractmethod
    def __iter__(self) -> Iterator[BatchSpec]: ...

    @abstractmethod
    def __len__(self) -> int: ...

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch


class StepSampler(ProcessSampler):
    """Training sampler: subclasses give `batch(epoch, step)`, a pure function.

    Args:
        steps_per_epoch: batches per epoch and process; `len(sampler)`, also after a resume.
        seed: seed of every draw.
        rank: rank of this process.
        world_size: number of processes.
        epoch: epoch of the first iteration (a resumed run starts later than 0).
        start: first batch of that epoch; later epochs start at 0.

    Example:
        >>> class InOrder(StepSampler):
        ...     def batch(self, epoch, step):
        ...         return BatchSpec(np.array([step]), self.seed, epoch, step, self.rank)
        >>> [int(spec.rows[0]) for spec in InOrder(steps_per_epoch=3, seed=0)]
        [0, 1, 2]
    """

    def __init__(
        self,
        steps_per_epoch: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        epoch: int = 0,
        start: int = 0,
    ) -> None:
        if steps_per_epoch < 1:
            raise ConfigError(f"an epoch needs at least one batch; got {steps_per_epoch}")
        super().__init__()
        self.steps_per_epoch = steps_per_epoch
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.epoch = epoch
        self._resume = (epoch, start)

    @abstractmethod
    def batch(self, epoch: int, step: int) -> BatchSpec:
        """The batch at `step` of `epoch` on this rank."""

    def resume(self, epoch: int, start: int) -> None:
        """Start the iteration of `epoch` at batch `start`."""
        self.epoch = epoch
        self._resume = (epoch, start)

    def __iter__(self) -> Iterator[BatchSpec]:
        epoch = self.epoch
        start = self._resume[1] if epoch == self._resume[0] else 0
        for step in range(start, self.steps_per_epoch):
            yield self.batch(epoch, step)

    def __len__(self) -> int:
        return self.steps_per_epoch


class ShuffledBatches(StepSampler):
    """Every row once per epoch in a new order; what does not fill a batch is left out, or a smaller one.

    The global batch of a step is `batch_size * world_size` consecutive entries of the epoch's permutation, so
    that two processes with batches of 8 see what one process with batches of 16 sees. With `steps_per_epoch`
    the permutations are strung together and an epoch is just a number of steps.

    Args:
        rows: [N] dataset rows to draw from.
        batch_size: rows per process and batch; at most N are used.
        seed: seed of the permutations.
        rank: rank of this process.
        world_size: number of processes.
        steps_per_epoch: batches per epoch; None for one pass over the rows.
        drop_last: whether the rows at the end of an epoch that do not fill a batch are left out; otherwise
            they are a smaller batch, as many of them as go round among the processes. Only of epochs that are
            one pass.

    Raises:
        ConfigError: there are fewer rows than processes.

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
        rank: int = 0,
        world_size: int = 1,
        steps_per_epoch: int | None = None,
        drop_last: bool = True,
    ) -> None:
        self.rows = np.asarray(rows, dtype=np.int64)
        if len(self.rows) < world_size:
            raise ConfigError(f"{len(self.rows)} training rows are not enough for {world_size} process(es)")
        self.batch_size = min(batch_size, len(self.rows) // world_size)
        self.steps_per_pass, rest = divmod(len(self.rows), self.batch_size * world_size)
        self._rest = 0 if drop_last or steps_per_epoch else rest // world_size
        self.steps_per_pass += self._rest > 0
        super().__init__(steps_per_epoch or self.steps_per_pass, seed, rank, world_size)
        self._order: tuple[int, Rows] | None = None

    def batch(self, epoch: int, step: int) -> BatchSpec:
        """The rows of one batch: O(1), but for the first of a pass, which shuffles all rows."""
        run, position = divmod(epoch * self.steps_per_epoch + step, self.steps_per_pass)
        if self._order is None or self._order[0] != run:
            self._order = (run, np.random.default_rng([self.seed, run]).permutation(self.rows))
        is_rest = self._rest > 0 and position == self.steps_per_pass - 1
        count = self._rest if is_rest else self.batch_size
        first = position * self.batch_size * self.world_size + self.rank * count
        rows = self._order[1][first : first + count]
        return BatchSpec(rows, self.seed, epoch, step, self.rank)


class BalancedBatches(StepSampler):
    """Draws rows that show an action unit and rows that do not equally often.

    For each place of a batch: an action unit, then "present" or "absent" with equal odds, then one of the
    rows coded so; with replacement. An action unit that all or none of the rows show is left out.

    Args:
        rows: [N] dataset rows to draw from.
        occurrences: [N,A] of these rows; 1 present, 0 absent, NaN not coded.
        batch_size: rows per process and batch.
        seed: seed of the draws.
        rank: rank of this process; processes draw independently.
        world_size: number of processes.
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
        rank: int = 0,
        world_size: int = 1,
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
        super().__init__(
            steps_per_epoch or max(1, len(rows) // (batch_size * world_size)), seed, rank, world_size
        )

    def batch(self, epoch: int, step: int) -> BatchSpec:
        """The rows of one batch."""
        rng = np.random.default_rng([self.seed, epoch, step, self.rank, 0xBA1A])
        pools = rng.integers(0, len(self.pools), self.batch_size)
        rows = np.array([rng.choice(self.pools[pool]) for pool in pools], dtype=np.int64)
        return BatchSpec(rows, self.seed, epoch, step, self.rank)


class EvaluationBatches(ProcessSampler):
    """Every row exactly once over all processes, in equally many non-empty batches on each.

    PyTorch's distributed sampler repeats frames to make the shares equal, which counts them twice. Here the
    batches differ in size by at most one row instead; equally many of them keep collective calls in step.
    When the rows cannot fill `batch_size` on every process a batch may be one row larger than asked.

    Args:
        rows: [N] dataset rows.
        batch_size: rows per batch.
        rank: rank of this process.
        world_size: number of processes.

    Raises:
        ConfigError: there are fewer rows than processes.

    Example:
        >>> [spec.rows.tolist() for spec in EvaluationBatches(np.arange(5), batch_size=2)]
        [[0, 1], [2, 3], [4]]
    """

    def __init__(self, rows: Rows, batch_size: int, rank: int = 0, world_size: int = 1) -> None:
        super().__init__()
        rows = np.asarray(rows, dtype=np.int64)
        if 0 < len(rows) < world_size:
            raise ConfigError(f"{len(rows)} evaluation rows cannot be shared by {world_size} processes")
        steps = min(-(-len(rows) // (batch_size * world_size)), len(rows) // world_size)
        self.batches = np.array_split(rows, steps * world_size)[rank::world_size] if steps else []
        self.rank = rank

    def __iter__(self) -> Iterator[BatchSpec]:
        for step, rows in enumerate(self.batches):
            yield BatchSpec(rows, step=step, rank=self.rank)

    def __len__(self) -> int:
        return len(self.batches)

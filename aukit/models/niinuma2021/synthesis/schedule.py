"""Phases, ramp and learning rate of a training, as functions of the step alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Phase", "Schedule", "steps_of"]

Phase = Literal["head_start", "warmup", "full"]

# Of the code that the paper builds on.
_CONSTANT_EPOCHS = 20
_DECAY_EPOCHS = 10


def steps_of(share: float, total: int) -> int:
    """Number of steps of a share of the run, rounded in the same way for module and data."""
    return round(share * total)


@dataclass(frozen=True)
class Schedule:
    """Phases of a run of `total` steps (batches).

    The paper's training is one phase: all losses from the first step, learning rates by epoch. Short
    trainings begin with the AU reader alone (`head_start`), go on with same-person pairs and the
    idiosyncratic loss alone (`warmup`) and then ramp in the other generator losses.

    Attributes:
        total: Steps of the run.
        steps_per_epoch: Steps of an epoch.
        head_start_share: Share of the run in which only the discriminator's AU head learns, on real frames.
        warmup_share: Share of the run, counted from its beginning, that ends with the full loss.
        ramp_share: Share of the run over which the other generator losses then grow from 0 to their weights:
            from the first step with the full loss.
        decay_share: Last share of the run in which the learning rates fall linearly to 0. None: by epochs, as
            in the code the paper builds on (20 at the full rate, 10 of decay).
    """

    total: int
    steps_per_epoch: int
    head_start_share: float = 0.0
    warmup_share: float = 0.0
    ramp_share: float = 0.0
    decay_share: float | None = None

    def phase(self, step: int) -> Phase:
        """The phase of a 0-based step."""
        if step < steps_of(self.head_start_share, self.total):
            return "head_start"
        return "warmup" if step < steps_of(self.warmup_share, self.total) else "full"

    def ramp(self, step: int) -> float:
        """Factor of the adversarial, expression and identity terms in the generator's loss, 0 … 1."""
        # Where there is no warm-up the head start alone comes before.
        done = step - steps_of(max(self.head_start_share, self.warmup_share), self.total)
        length = steps_of(self.ramp_share, self.total)
        return 1.0 if done >= length else max(0.0, (done + 1) / length)

    def learning_rate_factor(self, step: int) -> float:
        """Factor of both learning rates.

        By epochs: 1 − max(0, e + 2 − constant) / (decay + 1) with e 0-based, so that the decay begins in the
        last constant epoch and the last epoch runs at 0 (kept from the code the paper builds on).
        """
        if self.decay_share is None:
            late = step // self.steps_per_epoch + 2 - _CONSTANT_EPOCHS
            return max(0.0, 1.0 - max(0, late) / (_DECAY_EPOCHS + 1))
        length = steps_of(self.decay_share, self.total)
        return min(1.0, (self.total - step) / length) if length else 1.0

"""One rule for the weights of all alignments: shares of the source loss's gradient, chosen on the source."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from aukit.errors import TrainingError

if TYPE_CHECKING:
    from aukit.training import Record, RunConfig


class Gradients(NamedTuple):
    """Norms of two gradients at the starts, means over training batches and seeds.

    Attributes:
        source: Of the source loss, with respect to the backbone's parameters.
        alignment: Of the alignment with weight 1.
    """

    source: float
    alignment: float

    def weight(self, share: float) -> float:
        """Weight at which the alignment's gradient is this share of the source loss's; two digits.

        More digits would make a run another one wherever a sum is rounded otherwise.
        """
        return float(f"{share * self.source / self.alignment:.2g}")


class Candidate(NamedTuple):
    """One training: a method whose alignment has a share of the source loss's gradient, with a seed."""

    id: str
    share: float
    seed: int

    @property
    def name(self) -> str:
        """Name in progress."""
        return f"{self.id}-share{self.share:g}-seed{self.seed}"


@dataclass(frozen=True)
class Choice:
    """The weight of one method's alignment.

    Attributes:
        gradients: At the starts.
        share: The chosen share, ρ.
        f1: Share → F1 on the source's validation people, mean over the seeds; empty for an ablation, which
            has PM2's share.

    Example:
        >>> choice = Choice(Gradients(2.0, 0.5), 0.1, {0.1: 0.6, 1.0: 0.5})
        >>> choice.weight
        0.4
    """

    gradients: Gradients
    share: float
    f1: Mapping[float, float]

    @property
    def weight(self) -> float:
        """What multiplies the alignment: ``model.alignment_weight``."""
        return self.gradients.weight(self.share)

    def as_dict(self) -> dict[str, Any]:
        """For the provenance."""
        f1 = {f"{share:g}": value for share, value in self.f1.items()}
        return {**self.gradients._asdict(), "share": self.share, "weight": self.weight, "f1": f1}


def measure(name: str, configs: Iterable[RunConfig], batches: int) -> Gradients:
    """Gradients of a method at the start of each seed, on the first training batches.

    Args:
        name: Method, for the error.
        configs: Its configuration with each seed, which names the start.
        batches: Batches of each; fewer if an epoch has fewer.

    Raises:
        TrainingError: One of the gradients is 0 or not finite, so that there is no weight.
    """
    import torch
    from lightning import seed_everything

    from aukit.models.pm2 import PM2Module, gradient_norms
    from aukit.training.run_config import build_datamodule, build_model

    device, found = torch.device("cuda" if torch.cuda.is_available() else "cpu"), []
    for config in configs:
        seed_everything(config.seed, verbose=False)
        module, data = build_model(config).to(device), build_datamodule(config)
        assert isinstance(module, PM2Module)
        data.prepare_data()
        data.setup("fit")
        loaded = islice(data.train_dataloader(), batches)
        moved = (data.transfer_batch_to_device(batch, device, 0) for batch in loaded)
        found.append(gradient_norms(module, (data.on_after_batch_transfer(batch, 0) for batch in moved)))
    gradients = Gradients(*(math.fsum(each) / len(found) for each in zip(*found, strict=True)))
    if not all(math.isfinite(norm) and norm > 0 for norm in gradients):
        raise TrainingError(
            f"{name}: at the starts the gradient of the source loss is {gradients.source:g}, that of the"
            f" alignment {gradients.alignment:g}, so it has no weight; the starts have learnt nothing or too"
            " much: change start_overrides in the table's YAML file"
        )
    return gradients


def validation_f1(records: Iterable[Record]) -> float:
    """F1 on the source's validation people at the selected epochs, mean over the seeds; NaN where one is."""
    scores = [float(record.notes.get("best_score", math.nan)) for record in records]
    return math.fsum(scores) / len(scores)


def best_share(f1: Mapping[float, float]) -> float:
    """Share with the best F1; of equal ones the smallest. NaN is worse than any other."""
    return max(sorted(f1), key=lambda share: -math.inf if math.isnan(f1[share]) else f1[share])

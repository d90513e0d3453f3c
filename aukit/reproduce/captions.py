"""Sentences that stand below several tables, from plain facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aukit.reproduce.scores import Span

INTERVALS = (
    "jackknife t-intervals over people; by simulation such a 95 % interval covers the mean over AUs in 95 %"
    " of cases at 9, 14 and 27 people, single AUs in 94 %"
)
"""How intervals are made, and what they hold (`benchmarks/interval_coverage.py`)."""


@dataclass(frozen=True)
class DataFacts:
    """What a table's numbers are of.

    Attributes:
        titles: Names of the corpora.
        profile: Size of the table.
        seed: Seed of the whole chain.
        standins: Descriptions of the rendered corpora, as in their ``STANDIN.json``; None for licensed ones.

    Example:
        >>> data_sentence(DataFacts(("BP4D", "DISFA"), "paper", 0, None))
        'Data: licensed releases of BP4D and DISFA. Size: paper.'
    """

    titles: tuple[str, ...]
    profile: str
    seed: int
    standins: tuple[Mapping[str, Any], ...] | None


def data_sentence(facts: DataFacts, if_rendered: str = "", if_licensed: str = "") -> str:
    """Data origin and size, with recipe, version and seed of what is rendered; and what to know of either."""
    several = len(facts.titles) > 1
    corpora = " and ".join(facts.titles)
    if facts.standins is None:
        return f"Data: licensed release{'s' * several} of {corpora}. Size: {facts.profile}.{if_licensed}"
    recipes = ", ".join(
        f"{each['recipe']['name']} version {each['version']}, seed {each['seed']}" for each in facts.standins
    )
    return (
        f"Data: rendered stand-in{'s' * several} of {corpora} (recipe{'s' * (len(facts.standins) > 1)}"
        f" {recipes}; no real face in {'them' if several else 'it'}). Size: {facts.profile}."
        f"{if_rendered}"
    )


def span_text(span: Span) -> str:
    """A difference with its interval, all signed."""
    value, low, high = span
    return f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"


def not_run_sentences(profile: str, missing: Sequence[str], separator: str = ", ") -> list[str]:
    """A sentence that names what this size leaves out; none if nothing is."""
    return [f"Not run in {profile}: {separator.join(missing)}."] if missing else []


def training_length(config: Mapping[str, Any]) -> str:
    """Steps of a configuration's training; epochs where their length follows from the data."""
    epochs, per_epoch = config["trainer"]["max_epochs"], config["data"]["init_args"]["steps_per_epoch"]
    return f"{epochs * per_epoch:,} steps" if per_epoch else f"{epochs} epochs"
